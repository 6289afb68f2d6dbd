"""How one call is made: what `with_options` can change."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import evolve, field, frozen

from generor_async.errors import InvalidRequestError
from generor_async.values import GenerateProgress, Priority

__all__ = ["PRIORITIES", "Options"]

PRIORITIES: Final[tuple[Priority, ...]] = ("interactive", "normal", "bulk")
"""The classes of the queue, the most urgent first."""


@frozen(kw_only=True)
class Options:
    """How one call is made. A view of a client made by `with_options` differs in these alone.

    Times are seconds; None leaves them to the operation.
    """

    timeout: float | None = None
    queue_timeout: float = math.inf
    attempt_timeout: float | None = None
    max_retries: int = 4
    priority: Priority = "normal"
    extra_headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    extra_query: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    extra_body: Mapping[str, Any] = field(factory=dict[str, Any], repr=False)
    request_id: str | None = None
    on_progress: Callable[[GenerateProgress], object] | None = field(default=None, repr=False)
    """Told how far a long synchronous call is likely to have come."""

    def changed(self, **changes: Any) -> "Options":
        """Return these options with some of them changed; refuses what can never be right."""
        changed = evolve(self, **changes)
        for name in ("timeout", "queue_timeout", "attempt_timeout"):
            if name in changes:
                _check_seconds(name, changes[name])
        if changed.priority not in PRIORITIES:
            raise InvalidRequestError("priority", f"priority must be one of {', '.join(PRIORITIES)}")
        retries: object = changed.max_retries
        if type(retries) is not int or retries < 0:
            raise InvalidRequestError("max_retries", "max_retries must be a whole number from 0 up")
        for name, value in changed.extra_headers.items():
            _check_header(name, value)
            if name.lower() == "x-request-id":
                raise InvalidRequestError(name, f"{name} is not an extra header", advice="Use request_id=...")
        if changed.on_progress is not None and not callable(changed.on_progress):
            raise InvalidRequestError("on_progress", "on_progress must be callable")
        if "request_id" in changes:
            _check_header("request_id", changes["request_id"])
        return changed


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InvalidRequestError(
            name, f"{name} must be a positive number of seconds", advice="No end is spelled math.inf"
        )


def _check_header(name: str, value: object) -> None:
    if not isinstance(value, str) or not (name + value).isprintable() or not name:
        raise InvalidRequestError(name, f"{name!r} has a value that no header can carry")
