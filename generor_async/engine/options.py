"""The options of a call, which `with_options` changes."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from generor_async.rules import arguments, option_checks, request_headers
from generor_async.values import Priority

if TYPE_CHECKING:
    from generor_async.values import GenerateProgress

__all__ = ["PRIORITIES", "Options"]

PRIORITIES: Final[tuple[Priority, ...]] = ("interactive", "normal", "bulk")
"""The priorities, the most urgent first."""


@frozen(kw_only=True)
class Options:
    """The options of a call. A view of a client made by `with_options` differs in these only.

    Times are seconds; None stands for the default of the operation.
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
    on_progress: "Callable[[GenerateProgress], object] | None" = field(default=None, repr=False)
    """Called with the estimated progress of a long synchronous call."""

    @property
    def named(self) -> Mapping[str, str]:
        """The headers and the query that the caller has added; they may hold credentials."""
        return {**self.extra_query, **self.extra_headers}

    def changed(self, **changes: Any) -> "Options":
        """Return a copy with some options changed; raises InvalidRequestError."""
        return evolve(self, **{name: _CHECKS[name](value, name) for name, value in changes.items()})


def _texts(value: object, name: str) -> Mapping[str, str]:
    return dict(arguments.strings(value, name))


def _body(value: object, name: str) -> Mapping[str, Any]:
    return dict(arguments.mapping(value, name))


def _request_id(value: object, _: str) -> str:
    return request_headers.request_id(value)


def _priority(value: object, name: str) -> str:
    return option_checks.choice(value, name, PRIORITIES)


_CHECKS: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "timeout": option_checks.seconds,
    "queue_timeout": option_checks.seconds,
    "attempt_timeout": option_checks.seconds,
    "max_retries": option_checks.count,
    "priority": _priority,
    "extra_headers": request_headers.extra_headers,
    "extra_query": _texts,
    "extra_body": _body,
    "request_id": _request_id,
    "on_progress": option_checks.listener_or_none,
}
