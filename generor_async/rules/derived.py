"""What an answer does not say itself, and follows from it and from what was sent."""

from typing import Final, Protocol

from generor_async.values import JSON, is_object, maybe

__all__ = ["dropped_parameters", "likely_fraction", "longest_seconds"]

MOST_LIKELY: Final = 0.99
"""How much may be done, for all that is known before the answer is there."""


class Applied(Protocol):
    """An answer that shows which of the `parameters` were used."""

    applied_parameters: dict[str, JSON]
    dropped_parameters: list[str]


def dropped_parameters(answer: Applied, body: JSON) -> None:
    """Note which keys of `parameters` were sent and not applied.

    The API drops unknown and invalid ones silently (documented). An answer that doesn't show what it applied says
    nothing of what it dropped.
    """
    sent = body.get("parameters") if is_object(body) else None
    if is_object(sent) and is_object(answer.applied_parameters):
        answer.dropped_parameters = [key for key in sent if key not in answer.applied_parameters]


class Timed(Protocol):
    """A time estimate: `seconds` for all items, `max_seconds` for one (assumed from the documents' example)."""

    @property
    def seconds(self) -> float:
        """Seconds for all items."""
        ...

    @property
    def max_seconds(self) -> float:
        """Seconds that one item took at the most."""
        ...


def longest_seconds(estimate: Timed, body: JSON) -> float:
    """Return the seconds that a generate with this body may take, as far as its estimate says."""
    count = body.get("count", 1) if is_object(body) else 1
    return max(maybe(estimate.seconds) or 0.0, (maybe(estimate.max_seconds) or 0.0) * count)


def likely_fraction(elapsed: float, expected: float | None) -> float | None:
    """Return how much of a generate is likely to be done after so many seconds, of those expected."""
    if expected is None:
        return None
    return min(elapsed / expected, MOST_LIKELY) if expected > 0 else MOST_LIKELY
