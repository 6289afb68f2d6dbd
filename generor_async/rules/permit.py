"""The permission to send one request."""

from typing import Literal

from attrs import define, field

from generor_async.rules.weights import DEFAULT_TYPE, RequestType

__all__ = ["Permit"]


@define(eq=False)
class Permit:
    """The permission to send one request, and what the server's window held of ours when the request arrived."""

    number: int
    kind: RequestType = DEFAULT_TYPE
    units: int = 1
    sent: float | None = None
    """When the request was sent; the fields below are known from then on."""
    asks: Literal["guess", "due"] | None = None
    """Set for a request that was sent although a window seemed full: `due` at the server's own Reset, else `guess`."""
    entry: int = field(init=False)
    """The number of its entry in the window."""
    least: int = field(init=False)
    """The least number of our units in the window when it arrived, its own included."""
    most: int = field(init=False)
    dropped: int = field(init=False)
    """Units that had left the window early when it was sent."""
    refused: int = field(init=False)
    """Units that had been refused."""
    gone: int = field(init=False)
    """Units that had left the window at their time."""
    refusals: int = field(default=0, init=False)
    """Requests that had been refused; only for requests whose weight is to be learned."""

    @property
    def total(self) -> int:
        """Units sent so far, its own included."""
        return self.most + self.gone + self.dropped + self.refused
