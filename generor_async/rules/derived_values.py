"""Computes values that the API doesn't send from a response and its request."""

from typing import Final, Protocol

from generor_async.values import JSON, is_object, maybe

__all__ = ["estimated_fraction", "longest_seconds", "set_dropped_parameters"]

MAX_ESTIMATED_FRACTION: Final = 0.99
"""Estimated progress never reaches 1 before the answer arrives."""


class ParametersAnswer(Protocol):
    """An answer that lists the `parameters` that were applied."""

    applied_parameters: dict[str, JSON]
    dropped_parameters: list[str]


def set_dropped_parameters(answer: ParametersAnswer, body: JSON) -> None:
    """Set `dropped_parameters` to the names in the body's `parameters` that the API didn't apply.

    The API drops unknown and invalid parameters silently (documented). Nothing is set if the answer doesn't list the
    applied ones.
    """
    sent = body.get("parameters") if is_object(body) else None
    if is_object(sent) and is_object(answer.applied_parameters):
        answer.dropped_parameters = [key for key in sent if key not in answer.applied_parameters]


class EstimatedTimes(Protocol):
    """A time estimate: `seconds` for all items, `max_seconds` for one (assumed from the documents' example)."""

    @property
    def seconds(self) -> float:
        """Seconds for all items."""
        ...

    @property
    def max_seconds(self) -> float:
        """Longest time of one item, in seconds."""
        ...


def longest_seconds(estimate: EstimatedTimes, body: JSON) -> float:
    """Return the longest time, in seconds, that the estimate allows for a generate call with this body."""
    count = body.get("count", 1) if is_object(body) else 1
    return max(maybe(estimate.seconds) or 0.0, (maybe(estimate.max_seconds) or 0.0) * count)


def estimated_fraction(elapsed: float, expected: float | None) -> float | None:
    """Estimate the progress of a generate call, from 0 to 1, after `elapsed` of the `expected` seconds."""
    if expected is None:
        return None
    return min(elapsed / expected, MAX_ESTIMATED_FRACTION) if expected > 0 else MAX_ESTIMATED_FRACTION
