"""One request that was let go."""

from typing import Literal

from attrs import define, field

from generor_async.rules.weights import PLAIN, Kind

__all__ = ["Permit"]


@define(eq=False)
class Permit:
    """One request that was let go, and what the server had counted of ours when it arrived there."""

    number: int
    kind: Kind = PLAIN
    units: int = 1
    sent: float | None = None
    """When it left this machine; what follows is known from then on."""
    asks: Literal["guess", "due"] | None = None
    """Whether it left although a window seemed full, and whether at least the server had said when to."""
    entry: int = field(init=False)
    """The number of its entry in the window."""
    least: int = field(init=False)
    """How many units of ours the window held when it arrived, at least; its own among them."""
    most: int = field(init=False)
    dropped: int = field(init=False)
    """How many units had been seen to be forgotten before their time when it was sent."""
    refused: int = field(init=False)
    """How many units had been refused."""
    gone: int = field(init=False)
    """How many units had left the window in their time."""
    refusals: int = field(default=0, init=False)
    """How many requests had ever been refused; only of requests of which it is asked what they weigh."""

    @property
    def total(self) -> int:
        """How many units had ever been sent, with its own."""
        return self.most + self.gone + self.dropped + self.refused
