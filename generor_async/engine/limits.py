"""The limits of a key as users give and see them: `Limits` goes into a client, `RateLimits` comes out of it.

`engine.limit_keeper` keeps calls to them.
"""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, cast

from attrs import field, frozen
from attrs.validators import optional

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments, option_checks
from generor_async.rules.arguments import validator
from generor_async.rules.database_urls import is_database_url, is_redis_url
from generor_async.rules.holds import Hold
from generor_async.rules.pace import TIERS
from generor_async.rules.slots import SlotState
from generor_async.rules.window import Scope, WindowState
from generor_async.stores.places import LimitPlace, RedisClient, ServerUrl

__all__ = ["Limits", "RateLimits"]

T = TypeVar("T")

ADVICE: Final = 'Give a file: store="limits.sqlite", or a URL: store="redis://host:6379/0"'
_COUNT: Final = partial(option_checks.count, least=1)


@frozen(kw_only=True)
class RateLimits:
    """The limits of a key as they are known now; times are Unix seconds."""

    windows: Mapping[Scope, WindowState]
    share: float
    """The part of every limit that the client keeps to."""
    tier: str | None
    """Generor's tier, as an answer named it or else as it was given."""
    queued: int
    """Calls of this process that wait under the limits."""
    jobs: SlotState | None
    """Luma's slots for jobs, in units: most jobs take one, some take more."""
    held: Hold | None = None
    """The hold that a 429 has begun, with its reason; of several, the one that ends last."""
    store: str = ""
    """Since when and why the store can't be used, so that the client keeps to its part of the limits; else empty."""
    away: str = ""
    """The last error of an outage for which calls wait; empty while there is none."""


def _as_place(store: object) -> LimitPlace | None:
    """Return the place of a store: the absolute path of a file, the URL of a server, or a client as it was given.

    Raises InvalidRequestError for anything else.
    """
    if store is None:
        return None
    if isinstance(store, ServerUrl) and (is_redis_url(store) or is_database_url(store)):
        if store.is_ambiguous:
            problem = "store is a URL that can't be read without a doubt: its password may need to be encoded"
            raise InvalidRequestError("store", problem, advice="Write urllib.parse.quote(password, safe='') into it")
        return store
    if hasattr(store, "execute_command"):
        return cast("RedisClient", store)  # which is checked when it is opened
    path = arguments.path(
        store, "store", "a file, or the URL of a server of Redis, Valkey or PostgreSQL", advice=ADVICE
    )
    if path == ":memory:":
        raise InvalidRequestError("store", "store=':memory:' is no file, and shares nothing", advice=ADVICE)
    return Path(os.path.abspath(path))  # noqa: PTH100 - a link isn't followed: it may become another one


def _masked(store: T) -> T | ServerUrl:
    """Return a URL so that no traceback with locals shows its password, and anything else as it is."""
    return ServerUrl(store) if isinstance(store, str) and "://" in store else store


def _check_store(store: LimitPlace, _: str) -> None:
    """Raise InvalidRequestError for what can't be opened as a store."""
    from generor_async.engine.clock import REAL_CLOCK  # noqa: PLC0415 - not needed to start
    from generor_async.stores.opening import check_limit_store  # noqa: PLC0415 - not needed to start

    check_limit_store(store, REAL_CLOCK)


def _check_name(name: object, field_name: str) -> None:
    if not arguments.text(name, field_name).strip():
        raise InvalidRequestError(field_name, "name is blank", advice="Leave it out, or give one such as 'studio'")


@frozen(kw_only=True, init=False)
class Limits:
    """The limits of a key, as far as they are known beforehand, and who shares them.

    Clients of one API, one name and one store (or none) keep to their limits together: they have one queue, and count
    what each of them sends. They share within a process, and through a `store` with the processes that use it. Without
    a name, all clients of the same address and key share. Clients with another `clock` stay apart.

    What is given is believed until an answer says otherwise; `jobs` and `max_share` are never exceeded. If clients of
    one name are given different numbers, the smallest holds for all of them in the process, for as long as one of these
    clients lives. Other processes keep to the numbers that their own clients are given.

    Args:
        tier: The tier of a key of Generor: free, basic, pro or enterprise.
        rpm: Requests per minute.
        jobs: How many of Luma's jobs may run at once: the dashboard shows it, and no header does. Once the server has
            shown that some jobs weigh more than others, it counts in units. Learned where it is not given.
        max_share: The part of every limit that these clients may use, above 0 and up to 1; the rest is left to others.
        store: Where to keep what is known of the limits: processes side by side then share them request by request,
            and one that starts again knows what the minute, the hour and the day still hold. A file for the processes
            of one machine; for several machines the URL of a server of Redis or Valkey (redis, rediss, unix, valkey) or
            of PostgreSQL (postgresql), or a client that blocks: a `redis.Redis`, also Sentinel's `master_for(...)`, or
            a `redis.RedisCluster`, which keeps its own time-outs. Such a store is not connected to before it is used,
            and while it is away each process goes on by itself. No key is in it.
        name: Which clients share; by default a hash of address and key. Give one to the clients of several keys that
            belong to one account, or to a client that is to stay apart from others of its key. Clients without a key
            never share with those that have one.

    Raises:
        InvalidRequestError: A value that can never be right, or a `store` that can't be opened or is another's, or that
            needs a package that isn't installed: `pip install 'generor-async[redis]'`, or `[postgres]`.
    """

    tier: str | None = field(default=None, validator=optional(validator(partial(option_checks.choice, options=TIERS))))
    rpm: int | None = field(default=None, validator=optional(validator(partial(_COUNT, of="requests per minute"))))
    jobs: int | None = field(default=None, validator=optional(validator(partial(_COUNT, of="jobs at once"))))
    max_share: float = field(
        default=1.0, validator=validator(partial(option_checks.at_least, least=0, above=True, at_most=1))
    )
    store: LimitPlace | None = field(default=None, converter=_as_place, validator=optional(validator(_check_store)))
    name: str | None = field(default=None, validator=optional(validator(_check_name)))

    def __init__(
        self,
        *,
        tier: str | None = None,
        rpm: int | None = None,
        jobs: int | None = None,
        max_share: float = 1.0,
        store: str | os.PathLike[str] | RedisClient | None = None,
        name: str | None = None,
    ) -> None:
        store = _masked(store)
        init = self.__attrs_init__  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType] # attrs makes it
        init(tier=tier, rpm=rpm, jobs=jobs, max_share=max_share, store=store, name=name)
