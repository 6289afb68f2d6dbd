"""Calculates values that follow from a response and its request."""

from typing import Final, Protocol

from generor_async.values import JSON, is_object, maybe

__all__ = ["dropped_parameters", "likely_fraction", "longest_seconds"]

MOST_LIKELY: Final = 0.99
"""The highest estimate of a call's progress before it was answered."""


class Applied(Protocol):
    """An answer that lists the `parameters` that were applied."""

    applied_parameters: dict[str, JSON]
    dropped_parameters: list[str]


def dropped_parameters(answer: Applied, body: JSON) -> None:
    """Set the names of the `parameters` that were sent and not applied.

    The API drops unknown and invalid parameters silently (documented). An answer that doesn't list the applied ones
    says nothing about dropped ones.
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
        """Longest time of one item, in seconds."""
        ...


def longest_seconds(estimate: Timed, body: JSON) -> float:
    """Return the longest time that a generate call with this body may take, in seconds, by its estimate."""
    count = body.get("count", 1) if is_object(body) else 1
    return max(maybe(estimate.seconds) or 0.0, (maybe(estimate.max_seconds) or 0.0) * count)


def likely_fraction(elapsed: float, expected: float | None) -> float | None:
    """Estimate the progress of a generate call, from 0 to 1, after `elapsed` of the `expected` seconds."""
    if expected is None:
        return None
    return min(elapsed / expected, MOST_LIKELY) if expected > 0 else MOST_LIKELY
