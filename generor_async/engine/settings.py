"""What a client is made with, checked before anything is made of it."""

from collections.abc import Callable, Mapping
from functools import partial
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from attrs import frozen

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.values import Clock, Event, Secret

if TYPE_CHECKING:
    from generor_async.engine.limits import Limits

__all__ = ["MAX_BYTES", "ClientSettings", "check", "check_limits", "inlining"]

MAX_BYTES: Final = 2 * 1024**3
"""Default limit for the size of one output, in bytes."""


@frozen(kw_only=True, eq=False, repr=False)
class ClientSettings:
    """What a client was made with, checked and complete."""

    base_url: str
    key: Secret | None
    max_connections: int
    max_reply_bytes: int
    connector: aiohttp.BaseConnector | None
    proxy: str | None
    ssl: SSLContext | aiohttp.Fingerprint | bool | None
    inline: frozenset[int]
    """The statuses upon which images are fetched here."""
    on_event: Callable[[Event], object] | None
    clock: Clock
    limits: "Limits | None"


def _connector(value: object, name: str) -> None:
    if value is not None:
        instead = "Make one where the event loop runs: aiohttp.TCPConnector(...)"
        arguments.one_of(value, name, (aiohttp.BaseConnector,), instead)


def _ssl(value: object, name: str) -> None:
    if value is not None and not isinstance(value, bool):
        instead = "Make a context with ssl.create_default_context(...)"
        arguments.one_of(value, name, (SSLContext, aiohttp.Fingerprint), instead)


def _clock(value: object, name: str) -> None:
    if not all(hasattr(value, each) for each in ("speed", "monotonic", "time", "sleep")):
        raise arguments.refused(name, "a Clock, with speed, monotonic, time and sleep", value, "Leave it out")


def _api_key(value: object, name: str) -> None:
    if not isinstance(value, Secret):
        _ = None if value is None else arguments.text(value, name)
        return
    try:
        value.reveal()
    except ValueError:
        problem = f"{name} was pickled, and a pickle does not carry a Secret's value"
        raise InvalidRequestError(name, problem, advice="Hand the key itself to the process") from None


_CHECKS: Final[Mapping[str, Callable[[Any, str], object]]] = {
    "api_key": _api_key,
    "allow_insecure": arguments.truth,
    "max_connections": partial(arguments.count, least=1),
    "max_reply_bytes": partial(arguments.count, least=1, of="bytes"),
    "connector": _connector,
    "inline_on_503": arguments.truth,
    "inline_on_422": arguments.truth,
    "ssl": _ssl,
    "trust_env": arguments.truth,
    "on_event": arguments.listener_or_none,
    "clock": _clock,
}


def check(**given: object) -> None:
    """Raise InvalidRequestError for the first argument that can never be right."""
    for name, value in given.items():
        _CHECKS[name](value, name)


def check_limits(limits: "Limits") -> "Limits":
    """Return limits; raises InvalidRequestError for anything else."""
    from generor_async.engine.limits import Limits  # noqa: PLC0415 - whoever gives some has imported it

    arguments.one_of(limits, "limits", (Limits,), "Make them with Limits(...)")
    return limits


def inlining(*, inline_on_503: bool, inline_on_422: bool, proxy: str | None) -> frozenset[int]:
    """Return the statuses upon which images are fetched here; raises InvalidRequestError beside a proxy."""
    wanted = {503: inline_on_503, 422: inline_on_422}
    statuses = frozenset(status for status in wanted if wanted[status])
    if statuses and proxy is not None:
        option = f"inline_on_{max(statuses)}"
        raise InvalidRequestError(
            option,
            f"{option} does not go through a proxy: nobody could tell which address an image comes from",
            advice="Leave one of the two out",
        )
    return statuses
