"""What an answer does not say itself, and follows from it and from what was sent."""

from typing import Protocol

from generor_async.values import JSON, is_object

__all__ = ["dropped_parameters", "longest_seconds"]


class Applied(Protocol):
    """An answer that shows which of the `parameters` were used."""

    applied_parameters: dict[str, JSON] | None
    dropped_parameters: list[str]


def dropped_parameters(answer: Applied, body: JSON) -> None:
    """Note which keys of `parameters` were sent and not applied.

    The API drops unknown and invalid ones silently (documented). An answer that doesn't show what it applied says
    nothing of what it dropped.
    """
    sent = body.get("parameters") if is_object(body) else None
    if is_object(sent) and answer.applied_parameters is not None:
        answer.dropped_parameters = [key for key in sent if key not in answer.applied_parameters]


class Timed(Protocol):
    """A time estimate: `seconds` for all items, `max_seconds` for one (assumed from the documents' example)."""

    @property
    def seconds(self) -> float:
        """Seconds for all items."""
        ...

    @property
    def max_seconds(self) -> float | None:
        """Seconds that one item took at the most."""
        ...


def longest_seconds(estimate: Timed, body: JSON) -> float:
    """Return the seconds that a generate with this body may take, as its estimate has it."""
    count = body.get("count", 1) if is_object(body) else 1
    return max(estimate.seconds, (estimate.max_seconds or 0.0) * count)
