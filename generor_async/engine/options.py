"""How one call is made: what `with_options` can change."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import evolve, field, frozen

from generor_async.rules import arguments, header_fields
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

    @property
    def named(self) -> Mapping[str, str]:
        """What is sent beside the body under a name of the caller's, which may be a credential."""
        return {**self.extra_query, **self.extra_headers}

    def changed(self, **changes: Any) -> "Options":
        """Return these options with some of them changed; refuses what can never be right."""
        return evolve(self, **{name: _CHECKS[name](value, name) for name, value in changes.items()})


def _texts(value: object, name: str) -> Mapping[str, str]:
    return dict(arguments.strings(value, name))


def _body(value: object, name: str) -> Mapping[str, Any]:
    return dict(arguments.mapping(value, name))


def _request_id(value: object, _: str) -> str:
    return header_fields.request_id(value)


def _priority(value: object, name: str) -> str:
    return arguments.choice(value, name, PRIORITIES)


_CHECKS: Final[Mapping[str, Callable[[object, str], Any]]] = {
    "timeout": arguments.seconds,
    "queue_timeout": arguments.seconds,
    "attempt_timeout": arguments.seconds,
    "max_retries": arguments.count,
    "priority": _priority,
    "extra_headers": header_fields.extra_headers,
    "extra_query": _texts,
    "extra_body": _body,
    "request_id": _request_id,
    "on_progress": arguments.listener_or_none,
}
