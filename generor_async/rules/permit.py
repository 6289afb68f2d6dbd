"""The permission to send one request."""

from typing import Literal, NamedTuple

from attrs import define, field

from generor_async.rules.weights import DEFAULT_TYPE, RequestType

__all__ = ["Corrections", "Entry", "Permit"]


class Corrections(NamedTuple):
    """Units of ours that are not in the window although their time isn't over; replaced as a whole by each change."""

    dropped: int
    """How many the server was seen to have forgotten before their time."""
    refused: int
    """How many the server was seen not to have counted."""


@define(eq=False)
class Entry:
    """Requests of ours in a window: one of the minute's, or those of an hour or a day that were sent together."""

    units: int
    """How many of theirs the window may still hold."""
    sent: float
    """When the first of them was sent; infinity until then."""
    base: float = field(init=False)
    """When the server had counted the last of them, at the latest."""
    place: int = field(init=False)
    """Its number among all entries that the window has ever had."""


@define(eq=False)
class Permit(Entry):
    """The permission to send one request, and what the server's window held of ours when the request arrived.

    It is the request's own entry in the minute, so that a request costs one object; all but the first fields are known
    from when it is sent.
    """

    number: int
    """Its number among all permits."""
    kind: RequestType = DEFAULT_TYPE
    asks: Literal["guess", "due"] | None = None
    """Set for a request that was sent although a window seemed full: `due` at the server's own Reset, else `guess`."""
    least: int = field(init=False)
    """The least number of our units in the window when it arrived, its own included."""
    most: int = field(init=False)
    """The most of them, but for what was sent afterwards and overtook it."""
    total: int = field(init=False)
    """Units sent so far, its own included."""
    corrections: Corrections = field(init=False)
    """Those of them that were known not to be in the window."""
    refusals: int = field(init=False)
    """Requests that had been refused; known only of a request whose weight is to be learned."""

    @property
    def gone(self) -> int:
        """Units that had left the window at their time."""
        return self.total - self.most - sum(self.corrections)
