"""Limits on a server of Redis or Valkey: a hash for each scope, which a script compares and swaps."""

import hashlib
import os
from typing import Any, Final

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.stores.limit_store import StoreBusyError, StoreError
from generor_async.stores.places import RedisClient, ServerUrl
from generor_async.stores.remote_limits import (
    CONNECT_SECONDS,
    EARLY_SECONDS,
    FORMAT,
    KEPT_SECONDS,
    LATE_SECONDS,
    READ_SECONDS,
    Answer,
    Kept,
    as_time,
    reason_of,
)
from generor_async.values import Masked

try:
    import redis
    from redis import exceptions
    from redis.backoff import NoBackoff
    from redis.client import NEVER_DECODE, Pipeline
    from redis.retry import Retry
except ImportError:  # said where the store is given
    raise InvalidRequestError(
        "store",
        "a store on Redis or Valkey needs the package redis",
        advice="Install it: pip install 'generor-async[redis]'",
    ) from None

__all__ = ["RedisLimits"]

PREFIX: Final = "generor:limits:"
"""The beginning of all keys; a script uses one key, so that a cluster keeps each scope in one place."""
ANYTHING: Final = "*"
"""No version: the script answers with what is kept."""
SWAP: Final = f"""
local kept = redis.call('HMGET', KEYS[1], 'version', 'time', 'ahead', 'format', 'text')
local clock = redis.call('TIME')
local seen, now, version = ARGV[1], ARGV[2], ARGV[3]
local found = kept[1] or ''
if version ~= '' and found == version then
  return clock
end
local late = clock[1] + clock[2] / 1000000 - now
if found ~= seen or late > {LATE_SECONDS} or late < -{EARLY_SECONDS} then
  return {{clock[1], clock[2], unpack(kept)}}
end
if version ~= '' then
  redis.call('HSET', KEYS[1], 'version', version, 'time', ARGV[4], 'ahead', ARGV[5], 'format', ARGV[6], 'text', ARGV[7])
  redis.call('PEXPIRE', KEYS[1], ARGV[8])
end
return clock
"""
"""Writes what is new where the version is the one that was seen and the time is right; a repeated call changes nothing.

It returns the server's clock, and what is kept where that is something else.
"""
SWAP_SHA: Final = hashlib.sha1(SWAP.encode()).hexdigest()  # noqa: S324 - as the server names it

_BUSY: Final = (exceptions.BusyLoadingError, exceptions.TryAgainError, exceptions.MaxConnectionsError)
_REPLICA: Final = "it is a replica, which can't be written to"
_FULL: Final = "it has no memory left"
_DOWN: Final = "its cluster is down"
_REFUSED: Final = "it refuses user or password"
_REASONS: Final[dict[type[Exception], str]] = {
    exceptions.BusyLoadingError: "it is starting, and loads its data",
    exceptions.ReadOnlyError: _REPLICA,
    exceptions.OutOfMemoryError: _FULL,
    exceptions.NoPermissionError: f"its user may not run EVALSHA and EVAL on {PREFIX}*",
    exceptions.AuthenticationError: _REFUSED,
    exceptions.TimeoutError: "timed out",
    exceptions.ClusterDownError: _DOWN,
}
"""What is said of errors: the server's own words may have the password in them."""
_CODES: Final[dict[str, str]] = {
    "WRONGTYPE": "its key is of another type",
    "CLUSTERDOWN": _DOWN,
    "READONLY": _REPLICA,
    "OOM": _FULL,
    "NOAUTH": _REFUSED,
    "MISCONF": "it can't save to disk, and accepts no writes",
    "BUSY": "it is busy with a script",
    "NOREPLICAS": "too few replicas are connected",
}
"""The same of errors that a script has had, which some versions wrap into another one."""


class RedisLimits:
    """Keeps texts on a server of Redis or Valkey; a client that was given keeps its own time-outs.

    Raises InvalidRequestError for a URL that can't be right, and for anything but a client that blocks.
    """

    def __init__(self, place: ServerUrl | RedisClient) -> None:
        self._url = place if isinstance(place, ServerUrl) else None
        self._client: Any = _client_of(place) if isinstance(place, ServerUrl) else _checked(place)
        self._process = os.getpid()
        self._abandoned: list[Any] = []
        self.name = place.name if isinstance(place, ServerUrl) else "the given client of Redis"

    def swap(self, scope: str, seen: Kept, now: float, new: Kept | None) -> Answer:
        """Write what is new if the server keeps what was seen, and `now` is its time."""
        return self._run(scope, seen.version, now, new)

    def read(self, scope: str) -> Answer:
        """Read what is kept."""
        return self._run(scope, ANYTHING, 0.0, None)

    def _run(self, scope: str, seen: str, now: float, new: Kept | None) -> Answer:
        arguments: list[str | bytes | float] = [seen, repr(now)]
        if new is None:
            arguments.append("")
        else:
            text = (new.text or "").encode()
            arguments += [new.version, repr(new.at), repr(new.ahead), FORMAT, text, int(KEPT_SECONDS * 1000)]
        try:
            try:
                found = self._execute("EVALSHA", SWAP_SHA, scope, arguments)
            except exceptions.NoScriptError:  # a new server, or SCRIPT FLUSH
                found = self._execute("EVAL", SWAP, scope, arguments)
        except (exceptions.RedisError, OSError) as error:
            failure = self._failure(error)
        else:
            return _answer(found)
        raise failure  # without the driver's frames, whose local variables have the password

    def _execute(self, command: str, script: str, scope: str, arguments: list[str | bytes | float]) -> Any:
        return self._client.execute_command(command, script, 1, PREFIX + scope, *arguments, **{NEVER_DECODE: True})

    def _failure(self, error: Exception) -> StoreError:
        """Return the error for one of the driver's; connections of a server in trouble are not used again."""
        if not isinstance(error, _BUSY):
            self.close()
        return (StoreBusyError if isinstance(error, _BUSY) else StoreError)(
            f"{self.name} can't be used ({_reason(error)})"
        )

    def reset_after_fork(self) -> None:
        """Use connections of its own in a forked child; a given client does so by itself."""
        if self._url is not None and self._process != os.getpid():
            self._abandoned.append(self._client)
            self._client, self._process = _client_of(self._url), os.getpid()

    def close(self) -> None:
        """Close the connections; a given client keeps them."""
        if self._url is not None:
            self._client.connection_pool.disconnect(inuse_connections=False)


def _checked(client: RedisClient) -> RedisClient:
    """Return a client of Redis that blocks; raise InvalidRequestError for anything else."""
    if hasattr(client, "__aenter__"):
        raise InvalidRequestError(
            "store",
            "store is an asyncio client, which belongs to one event loop: limits are shared by all loops and threads",
            advice="Give a redis.Redis, or a URL: limits are then looked up in a thread, and no event loop waits",
        )
    if not isinstance(client, redis.Redis | redis.RedisCluster) or isinstance(client, Pipeline):
        raise arguments.type_error("store", "a file, a URL, or a client such as redis.Redis", client)
    return client


def _client_of(url: ServerUrl) -> redis.Redis:
    """Return a client with short time-outs, which connects when it is used; raise InvalidRequestError for a bad URL."""
    scheme, rest = url.partition("://")[0].lower(), Masked(url.partition("://")[2])
    # RESP 2 is without the notifications of maintenance, which make time-outs longer.
    options: dict[str, Any] = {"socket_timeout": READ_SECONDS, "retry": Retry(NoBackoff(), 0), "protocol": 2}
    if scheme != "unix":
        options |= {"socket_connect_timeout": CONNECT_SECONDS, "socket_keepalive": True}
    try:
        address = Masked(f"{scheme.replace('valkey', 'redis')}://{rest}")
        pool = redis.ConnectionPool.from_url(address, **options)  # pyright: ignore[reportUnknownMemberType] # it has no types
        pool.connection_class(**pool.connection_kwargs)
    except (AttributeError, TypeError, ValueError, exceptions.RedisError):
        pass  # the error may quote the password
    else:
        return redis.Redis(connection_pool=pool)
    raise InvalidRequestError(
        "store",
        f"store: {url.name} is no URL that the package redis understands, or has an option that it doesn't know",
        advice='Write store="redis://host:6379/0"',
    )


def _answer(found: list[Any]) -> Answer:
    """Return what the script has answered."""
    seconds, microseconds, *kept = found
    now = int(seconds) + int(microseconds) / 1e6
    if not kept:
        return Answer(now, None)
    version, at, ahead, number, text = kept
    if version is None:
        return Answer(now, Kept())
    written = None if text is None else text.decode(errors="replace")
    format_ = int(number) if (number or b"").isdigit() else 0
    return Answer(now, Kept(version.decode(errors="replace"), as_time(at), as_time(ahead), written, format_))


def _reason(error: Exception) -> str:
    """Say what happened in words of our own."""
    if said := next((_REASONS[kind] for kind in _REASONS if isinstance(error, kind)), ""):
        return said
    code = next((code for code in _CODES if code in str(error)), "")
    lost = "the connection was lost" if isinstance(error, exceptions.ConnectionError) else type(error).__name__
    return _CODES[code] if code else reason_of(error) or lost
