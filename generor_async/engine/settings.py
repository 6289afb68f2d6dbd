"""The settings of a client, checked before anything is made of them."""

from functools import partial
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from attrs import field, frozen

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments, option_checks
from generor_async.rules.arguments import validator
from generor_async.rules.database_urls import is_database_url
from generor_async.values import Clock, Masked, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from generor_async.engine.limits import Limits
    from generor_async.engine.state.budgets import Budget
    from generor_async.engine.state.opened import StateSettings
    from generor_async.values import Event

__all__ = ["MAX_BYTES", "ClientSettings", "check_key", "inlining", "state_settings"]

MAX_BYTES: Final = 2 * 1024**3
"""Default limit for the size of one output, in bytes."""
STATE_ADVICE: Final = 'Give a file: state="calls.sqlite"'
STATE_URL_ADVICE: Final = 'Give a path, or the URL of a database: state="postgresql://host/app"'


def _connector(value: object, name: str) -> None:
    if value is not None:
        instead = "Make one where the event loop runs: aiohttp.TCPConnector(...)"
        option_checks.one_of(value, name, (aiohttp.BaseConnector,), instead)


def _ssl(value: object, name: str) -> None:
    if value is not None and not isinstance(value, bool):
        instead = "Make a context with ssl.create_default_context(...)"
        option_checks.one_of(value, name, (SSLContext, aiohttp.Fingerprint), instead)


def _clock(value: object, name: str) -> None:
    if not all(hasattr(value, each) for each in ("speed", "monotonic", "time", "sleep")):
        raise arguments.type_error(name, "a Clock, with speed, monotonic, time and sleep", value, "Leave it out")


def _limits(value: object, name: str) -> None:
    if value is not None:
        from generor_async.engine.limits import Limits  # noqa: PLC0415 - whoever gives some has imported it

        option_checks.one_of(value, name, (Limits,), "Make them with Limits(...)")


@frozen(kw_only=True, eq=False, repr=False)
class ClientSettings:
    """The settings of a client, complete; raises InvalidRequestError for values that can never be right."""

    base_url: str
    key: Secret | None
    max_connections: int = field(validator=validator(partial(option_checks.count, least=1)))
    max_reply_bytes: int = field(validator=validator(partial(option_checks.count, least=1, of="bytes")))
    connector: aiohttp.BaseConnector | None = field(validator=validator(_connector))
    proxy: str | None
    ssl: SSLContext | aiohttp.Fingerprint | bool | None = field(validator=validator(_ssl))
    inline: frozenset[int]
    """The statuses after which images are fetched here."""
    on_event: "Callable[[Event], object] | None" = field(validator=validator(option_checks.listener_or_none))
    clock: Clock = field(validator=validator(_clock))
    limits: "Limits | None" = field(validator=validator(_limits))
    state: "StateSettings | None" = None
    """Where paid calls are kept, and how; None for nowhere."""


def check_key(key: Secret | None) -> None:
    """Raise InvalidRequestError for anything but a key."""
    if not isinstance(key, Secret):
        _ = None if key is None else arguments.text(key, "api_key")
        return
    try:
        key.reveal()
    except ValueError:
        problem = "api_key was pickled, and a pickle does not carry a Secret's value"
        raise InvalidRequestError("api_key", problem, advice="Hand the key itself to the process") from None


def state_settings(
    state: object, *, keep_days: object, keep_results: object, budgets: "Sequence[Budget]"
) -> "StateSettings | None":
    """Return where and how paid calls are kept; raises InvalidRequestError."""
    days = option_checks.at_least(keep_days, "keep_days", 0)
    whole = arguments.boolean(keep_results, "keep_results")
    if state is None:
        if budgets:
            advice = "Give it a state, such as state='calls.sqlite'"
            raise InvalidRequestError("budgets", "budgets need a client that keeps its calls", advice=advice)
        return None
    from generor_async.engine.state.budgets import Budget  # noqa: PLC0415 - needed by clients with a state alone
    from generor_async.engine.state.opened import StateSettings  # noqa: PLC0415 - needed by clients with a state alone

    for at, budget in enumerate(arguments.items(budgets, "budgets", "Budgets")):
        option_checks.one_of(budget, f"budgets[{at}]", (Budget,), "Make it with Budget(...)")
    kept: dict[str, Any] = {"keep_days": days, "keep_results": whole, "budgets": tuple(budgets)}
    if isinstance(state, Masked) and is_database_url(state):
        return StateSettings(place=state, **kept)
    path = arguments.path(state, "state", "a file", advice=STATE_ADVICE, url_advice=STATE_URL_ADVICE)
    if path == ":memory:":
        raise InvalidRequestError("state", "state=':memory:' is no file, and keeps nothing", advice=STATE_ADVICE)
    return StateSettings(place=Path(path).absolute(), **kept)


def inlining(*, inline_on_503: bool, inline_on_422: bool, proxy: str | None) -> frozenset[int]:
    """Return the statuses after which images are fetched here; raises InvalidRequestError beside a proxy."""
    wanted = {
        503: arguments.boolean(inline_on_503, "inline_on_503"),
        422: arguments.boolean(inline_on_422, "inline_on_422"),
    }
    statuses = frozenset(status for status in wanted if wanted[status])
    if statuses and proxy is not None:
        option = f"inline_on_{max(statuses)}"
        raise InvalidRequestError(
            option,
            f"{option} does not go through a proxy: nobody could tell which address an image comes from",
            advice="Leave one of the two out",
        )
    return statuses
