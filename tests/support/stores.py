"""Processes side by side: several `SharedRules` in one, over a file or a store that a test looks into."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from support.clock import FakeClock

from generor_async.engine.client import Client
from generor_async.engine.shared_pace import SharedPace
from generor_async.engine.shared_rules import KeyState, SharedRules
from generor_async.rules.pace import Pace, Permit
from generor_async.rules.slots import Slots
from generor_async.rules.wait import Wait
from generor_async.rules.weights import LearnedWeights
from generor_async.stores.limit_store import Decide, LimitStore
from generor_async.stores.shared_clock import SharedClock
from generor_async.stores.sqlite_limits import SqliteLimitStore
from generor_async.values import Clock

__all__ = [
    "SCOPE",
    "CountingStore",
    "Memory",
    "Process",
    "count_transactions",
    "impatient",
    "locked",
    "nothing",
    "on",
    "use_store",
]

T = TypeVar("T")
SCOPE = "0123abcd"


def nothing(_: KeyState, __: float) -> None:
    """Have the store looked at."""


class Process:
    """The windows of a key as one process has them; several may use one file."""

    def __init__(self, store: LimitStore, clock: FakeClock, *, rpm: int | None = 10, jobs: int | None = None) -> None:
        slots = Slots(jobs, 1.0, LearnedWeights())
        self.clock = clock
        self.shared = SharedRules(
            KeyState(Pace.of_luma(rpm=rpm, share=1.0, weights=slots.weights), slots), store, SCOPE, clock
        )
        self.pace = SharedPace(self.shared)

    def reserve(self) -> Permit | Wait:
        return self.pace.reserve(self.clock.monotonic())

    def send(self) -> Permit:
        """Send a request that is answered at once, without a word of limits."""
        permit = self.reserve()
        assert isinstance(permit, Permit), permit
        now = self.clock.monotonic()
        self.pace.sent(permit, now)
        self.pace.received(permit, now, None, succeeded=True)
        return permit

    def reserve_and_send(self) -> Permit | Wait:
        """Send a request, if it may go, that is answered at once."""
        permit = self.reserve()
        if isinstance(permit, Permit):
            self.pace.sent(permit, self.clock.monotonic())
            self.pace.received(permit, self.clock.monotonic(), None, succeeded=True)
        return permit

    def used(self) -> int:
        self.shared.record(nothing)
        return self.pace.states(self.clock.monotonic())["minute"].used


def on(path: Path, clock: FakeClock, **known: Any) -> Process:
    return Process(SqliteLimitStore(path, clock), clock, **known)


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Keep the file to somebody else."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def impatient(path: Path, clock: Clock) -> SqliteLimitStore:
    """Open a file and never wait for a lock of it: waiting is real time."""
    store = SqliteLimitStore(path, clock)
    connection = store._connection  # pyright: ignore[reportPrivateUsage]
    assert connection is not None
    connection.execute("PRAGMA busy_timeout = 0")
    return store


def use_store(client: Client, store: LimitStore) -> None:
    """Have a client's limits go on with another store."""
    shared = client._session.limits._shared  # pyright: ignore[reportPrivateUsage]
    assert shared is not None
    shared._store = store  # pyright: ignore[reportPrivateUsage]


class Memory:
    """A store in memory, for one process; processes with the same `rows` share it. Its rows can be tampered with."""

    remote = False

    def __init__(self, clock: Clock, rows: dict[str, tuple[float, str]] | None = None) -> None:
        self.rows: dict[str, tuple[float, str]] = {} if rows is None else rows
        self.transactions = 0
        self._clock = SharedClock(clock)

    @property
    def text(self) -> str:
        return self.rows[SCOPE][1]

    @text.setter
    def text(self, text: str) -> None:
        self.rows[SCOPE] = self.rows.get(SCOPE, (0.0, ""))[0], text

    def update(self, scope: str, decide: Decide[T]) -> T:
        self.transactions += 1
        at, text = self.rows.get(scope, (None, None))
        now = self._clock.read(at)
        text, result = decide(text, now)
        if text is not None:
            self.rows[scope] = now, text
        return result

    def reset_after_fork(self) -> None: ...

    def close(self) -> None: ...


class CountingStore:
    """A store that counts its transactions."""

    def __init__(self, store: LimitStore) -> None:
        self.store = store
        self.transactions = 0

    def update(self, scope: str, decide: Decide[T]) -> T:
        self.transactions += 1
        return self.store.update(scope, decide)

    @property
    def remote(self) -> bool:
        """Tell what the store tells."""
        return self.store.remote

    def reset_after_fork(self) -> None:
        self.store.reset_after_fork()

    def close(self) -> None:
        self.store.close()


def count_transactions(client: Client) -> CountingStore:
    """Count the transactions of a client's limits from now on."""
    shared = client._session.limits._shared  # pyright: ignore[reportPrivateUsage]
    assert shared is not None
    counting = CountingStore(shared._store)  # pyright: ignore[reportPrivateUsage]
    shared._store = counting  # pyright: ignore[reportPrivateUsage]
    return counting
