"""How one call is made: what `with_options` can change."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, field, frozen

from generor_async.errors import InvalidRequestError
from generor_async.values import UNSET, Priority

__all__ = ["Options"]


@frozen(kw_only=True)
class Options:
    """How one call is made. A view of a client made by `with_options` differs in these alone."""

    timeout: float | None = None
    queue_timeout: float = math.inf
    attempt_timeout: float | None = None
    max_retries: int = 4
    priority: Priority = "normal"
    extra_headers: Mapping[str, str] = field(factory=dict, repr=False)
    extra_query: Mapping[str, str] = field(factory=dict, repr=False)
    extra_body: Mapping[str, Any] = field(factory=dict, repr=False)
    on_progress: Callable[..., object] | None = None
    request_id: str | None = None

    def changed(self, **changes: Any) -> "Options":
        """Return these options with some of them changed; refuses what can never be right."""
        for name in ("timeout", "queue_timeout", "attempt_timeout"):
            if changes.get(name, UNSET) is not UNSET:
                _check_seconds(name, changes[name])
        retries = changes.get("max_retries", 0)
        if type(retries) is not int or retries < 0:
            raise InvalidRequestError("max_retries", "max_retries must be a whole number from 0 up")
        for name, value in (changes.get("extra_headers") or {}).items():
            _check_header(name, value)
        if changes.get("request_id") is not None:
            _check_header("request_id", changes["request_id"])
        if changes.get("priority", "normal") not in {"interactive", "normal", "bulk"}:
            raise InvalidRequestError("priority", "priority must be 'interactive', 'normal' or 'bulk'")
        return evolve(self, **changes)


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InvalidRequestError(
            name, f"{name} must be a positive number of seconds", advice="No end is spelled math.inf"
        )


def _check_header(name: str, value: object) -> None:
    if not isinstance(value, str) or not (name + value).isprintable() or not name:
        raise InvalidRequestError(name, f"{name!r} has a value that no header can carry")
