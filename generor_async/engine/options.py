"""The options of a call, which `with_options` changes."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from generor_async.rules import arguments, kept_names, option_checks, request_headers
from generor_async.rules.kept_json import kept_json
from generor_async.values import JSON, Priority

if TYPE_CHECKING:
    from generor_async.values import GenerateProgress

__all__ = ["PRIORITIES", "Options", "resubmission"]

PRIORITIES: Final[tuple[Priority, ...]] = ("interactive", "normal", "bulk")
"""The priorities, the most urgent first."""
HIGHEST_PRICE: Final = 1e9
"""The highest price of a call, in US dollars: sums of it are exact to a fraction of a credit."""


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
    context: JSON = field(default=None, repr=False)
    """What the caller attaches to paid calls, kept in the client's state."""
    idempotency_key: str | None = None
    acknowledge: bool = False
    """Whether paid calls stay unfinished until they are acknowledged."""
    user: str | None = None
    """Whose calls these are: budgets count by it, and users take turns."""
    send_user: bool = False
    """Whether the user is sent along, where an operation has a field for it."""
    price: float | None = None
    """What a paid call costs in US dollars, where no list says."""
    check_parameters: bool = False
    """Whether Generor's `parameters` are checked against the generator's schema."""
    on_progress: "Callable[[GenerateProgress], object] | None" = field(default=None, repr=False)
    """Called with the estimated progress of a long synchronous call."""

    @property
    def named(self) -> Mapping[str, str]:
        """The headers and the query that the caller has added; they may hold credentials."""
        return {**self.extra_query, **self.extra_headers}

    def changed(self, **changes: Any) -> "Options":
        """Return a copy with some options changed; raises InvalidRequestError."""
        return evolve(self, **{name: _CHECKS[name](value, name) for name, value in changes.items()})


def resubmission(options: Options, times: int) -> Options:
    """Return the options of a job that is submitted anew: it is another call, and has a key of its own."""
    return evolve(options, idempotency_key=f"{options.idempotency_key} resubmission {times}")


def _texts(value: object, name: str) -> Mapping[str, str]:
    return dict(arguments.strings(value, name))


def _body(value: object, name: str) -> Mapping[str, Any]:
    return dict(arguments.mapping(value, name))


def _request_id(value: object, _: str) -> str:
    return request_headers.request_id(value)


def _idempotency_key(value: object, name: str) -> str | None:
    return None if value is None else kept_names.idempotency_key(value, name)


def _user(value: object, name: str) -> str | None:
    return None if value is None else kept_names.user(value, name)


def _price(value: object, name: str) -> float | None:
    return None if value is None else option_checks.at_least(value, name, 0, at_most=HIGHEST_PRICE)


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
    "context": kept_json,
    "idempotency_key": _idempotency_key,
    "acknowledge": arguments.boolean,
    "user": _user,
    "send_user": arguments.boolean,
    "price": _price,
    "check_parameters": arguments.boolean,
    "on_progress": option_checks.listener_or_none,
}
