"""What an answer does not say itself, and follows from it and from what was sent."""

from typing import Protocol

from generor_async.values import JSON, is_object

__all__ = ["dropped_parameters"]


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
