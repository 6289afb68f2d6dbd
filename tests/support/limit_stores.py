"""The forms of a store of limits that one suite of tests runs over: models in memory, files of SQLite, and servers.

Another form needs one more `StoreForm` in `FORMS` or `SERVER_FORMS`.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import evolve, frozen
from support.servers import PostgresServer, RedisServer
from support.stores import Memory

from generor_async.stores.limit_store import Decide, LimitStore
from generor_async.stores.opening import open_limit_store
from generor_async.stores.places import ServerUrl
from generor_async.stores.remote_limits import EARLY_SECONDS, LATE_SECONDS, Answer, Kept, LimitServer, RemoteLimitStore
from generor_async.values import Clock

__all__ = ["FORMS", "SERVER_FORMS", "DecidingTwice", "MemoryServer", "Place", "StoreForm"]

T = TypeVar("T")


@frozen
class Place:
    """Where one store is."""

    open: Callable[[Clock], LimitStore]
    """Opens it, as another process does."""
    lose: Callable[[], None]
    """Deletes all that it holds."""


@frozen
class StoreForm:
    """A form of store."""

    name: str
    begin: Callable[[Path], Place]
    """Makes an empty store in a folder."""
    path: Callable[[Path], str] | None = None
    """Tells the path or URL by which other processes open the store in a folder; None where they can't."""


class DecidingTwice(Memory):
    """A store that finds each time that another process has written meanwhile, and has it decided again.

    What the other process wrote is `meanwhile`, which is given the store; by default it wrote the same.
    """

    meanwhile: Callable[["DecidingTwice"], object] | None = None

    def update(self, scope: str, decide: Decide[T]) -> T:
        at, text = self.rows.get(scope, (None, None))
        decide(text, self._clock.read(at))
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            meanwhile(self)
        return super().update(scope, decide)


def _memory(make: Callable[[Clock, dict[str, tuple[float, str]]], LimitStore]) -> Place:
    rows: dict[str, tuple[float, str]] = {}
    return Place(lambda clock: make(clock, rows), rows.clear)


def _sqlite(folder: Path) -> Place:
    path = folder / "limits"

    def lose() -> None:
        if path.exists():
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("DELETE FROM limits")

    return Place(lambda clock: open_limit_store(path, clock), lose)


class ServerOnClock:
    """A server whose time passes as that of a test does, and whose clock nobody sets."""

    def __init__(self, server: LimitServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self.name = server.name

    def time(self) -> float:
        return 1_775_649_600.0 + self._clock.monotonic()

    def swap(self, scope: str, seen: Kept, now: float, new: Kept | None) -> Answer:
        late = self.time() - now
        if -EARLY_SECONDS <= late <= LATE_SECONDS:
            return evolve(self._server.swap(scope, seen, time.time(), new), now=self.time())
        return self.read(scope)

    def read(self, scope: str) -> Answer:
        return evolve(self._server.read(scope), now=self.time())

    def reset_after_fork(self) -> None:
        self._server.reset_after_fork()

    def close(self) -> None:
        self._server.close()


class MemoryServer:
    """A server in memory; its `kept` can be tampered with."""

    name = "memory"

    def __init__(self, kept: dict[str, Kept], clock: Clock) -> None:
        self.kept = kept
        self.round_trips = 0
        self.ahead = 0.0
        """Seconds by which its clock was set ahead."""
        self.meanwhile: Callable[[], object] = _nothing
        """What another process does before the next swap."""
        self._clock = clock

    def swap(self, scope: str, seen: Kept, now: float, new: Kept | None) -> Answer:
        meanwhile, self.meanwhile = self.meanwhile, _nothing
        meanwhile()
        answer = self.read(scope)
        assert answer.kept is not None
        if answer.kept.version != seen.version or not -EARLY_SECONDS <= answer.now - now <= LATE_SECONDS:
            return answer
        if new is not None:
            self.kept[scope] = new
        return Answer(answer.now, None)

    def read(self, scope: str) -> Answer:
        self.round_trips += 1
        return Answer(1_775_649_600.0 + self._clock.monotonic() + self.ahead, self.kept.get(scope, Kept()))

    def reset_after_fork(self) -> None: ...

    def close(self) -> None: ...


def _nothing() -> None: ...


def _memory_server() -> Place:
    kept: dict[str, Kept] = {}
    return Place(lambda clock: RemoteLimitStore(MemoryServer(kept, clock), clock), kept.clear)


def _on_server(open_server: Callable[[], LimitServer], lose: Callable[[], None]) -> Place:
    return Place(lambda clock: RemoteLimitStore(ServerOnClock(open_server(), clock), clock), lose)


def _redis(server: RedisServer) -> StoreForm:
    from generor_async.stores.redis_limits import RedisLimits

    def begin(_: Path) -> Place:
        server.flush()
        return _on_server(lambda: RedisLimits(ServerUrl(server.url)), server.flush)

    return StoreForm("redis", begin, lambda _: server.url)


def _postgres(server: PostgresServer) -> StoreForm:
    import psycopg

    from generor_async.stores.postgres_limits import PostgresLimits

    def lose() -> None:
        with psycopg.connect(server.url, autocommit=True) as connection:
            if connection.execute("SELECT to_regclass('generor.limits')").fetchone() != (None,):
                connection.execute("DELETE FROM generor.limits")

    def begin(_: Path) -> Place:
        lose()
        return _on_server(lambda: PostgresLimits(ServerUrl(server.url)), lose)

    return StoreForm("postgres", begin, lambda _: server.url)


FORMS: Final = [
    StoreForm("memory", lambda _: _memory(Memory)),
    StoreForm("memory, deciding twice", lambda _: _memory(DecidingTwice)),
    StoreForm("memory of a server", lambda _: _memory_server()),
    StoreForm("sqlite", _sqlite, lambda folder: str(folder / "limits")),
]
SERVER_FORMS: Final[dict[str, Callable[[Any], StoreForm]]] = {"postgres": _postgres, "redis": _redis}
"""Forms by the fixtures of their servers."""
