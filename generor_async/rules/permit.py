"""Permits to send requests, and the entries of sent requests in a window."""

from typing import Literal, NamedTuple

from attrs import define, field

from generor_async.rules.weights import DEFAULT_TYPE, RequestType

__all__ = ["Corrections", "Permit", "SentUnits"]


class Corrections(NamedTuple):
    """Units of ours that left the window before they expired. Immutable: permits keep the one of their time."""

    dropped: int
    """Units that the server removed early."""
    refused: int
    """Units that the server never counted."""


@define(eq=False)
class SentUnits:
    """Requests of ours in a window: one in a minute's, or several sent together in those of an hour and a day."""

    units: int
    """Their units that the window may hold."""
    sent: float
    """When the first was sent; infinity until then."""
    counted_by: float = field(init=False)
    """When the server has certainly counted the last."""
    place: int = field(init=False)
    """Its number among all entries that the window ever had."""


@define(eq=False)
class Permit(SentUnits):
    """The permission to send one request; then its entry in the minute, so that a request costs one object.

    The fields without a default are set when the request is sent. They describe the minute's window at that time.
    """

    number: int
    """Its number among all permits."""
    request_type: RequestType = DEFAULT_TYPE
    probe: Literal["guess", "due"] | None = None
    """Why it was given although a window seemed full: `due` at the server's Reset, or a `guess`; None as a rule."""
    least: int = field(init=False)
    """The fewest units of ours that the window can hold when the request arrives, with its own."""
    most: int = field(init=False)
    """The most units of ours, not counting later requests that overtake it."""
    total: int = field(init=False)
    """Units sent so far, with its own."""
    corrections: Corrections = field(init=False)
    refusals: int = field(init=False)
    """Requests refused so far; set where the request's weight is to be learned."""

    @property
    def expired(self) -> int:
        """Units that had expired."""
        return self.total - self.most - sum(self.corrections)
