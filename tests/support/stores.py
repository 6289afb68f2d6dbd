"""Processes side by side: several `SharedRules` in one, over a file or a store that a test looks into."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from support.clock import FakeClock

from generor_async.engine.client import Client
from generor_async.engine.shared_pace import SharedPace
from generor_async.engine.shared_rules import KeyState, SharedRules
from generor_async.engine.store import LimitStore, SQLiteStore, StoreError
from generor_async.rules.pace import Pace, Permit
from generor_async.rules.slots import Slots
from generor_async.rules.wait import Wait
from generor_async.rules.weights import LearnedWeights

__all__ = ["SCOPE", "Memory", "Process", "impatient", "locked", "nothing", "on", "use_store"]

T = TypeVar("T")
SCOPE = "0123abcd"


def nothing(_: KeyState, __: float) -> None:
    """Have the store looked at."""


class Process:
    """The windows of a key as one process has them; several may use one file."""

    def __init__(self, store: LimitStore, clock: FakeClock, *, rpm: int | None = 10) -> None:
        slots = Slots(None, 1.0, LearnedWeights())
        self.clock = clock
        self.shared = SharedRules(
            KeyState(Pace.of_luma(rpm=rpm, share=1.0, weights=slots.weights), slots), store, SCOPE, clock
        )
        self.pace = SharedPace(self.shared, with_slots=False)

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

    def used(self) -> int:
        self.shared.record(nothing)
        return self.pace.states(self.clock.monotonic())["minute"].used


def on(path: Path, clock: FakeClock, **known: Any) -> Process:
    return Process(SQLiteStore(path), clock, **known)


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Keep the file to somebody else."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def impatient(path: Path) -> SQLiteStore:
    """Open a file and never wait for a lock of it: waiting is real time."""
    store = SQLiteStore(path)
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
    """A store that can be looked into and tampered with."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.transactions = 0

    @property
    def text(self) -> str:
        return self.rows[SCOPE]

    @text.setter
    def text(self, text: str) -> None:
        self.rows[SCOPE] = text

    def update(self, scope: str, decide: Callable[[str | None], tuple[str | None, T]]) -> T:
        self.transactions += 1
        text, result = decide(self.rows.get(scope))
        if text is not None:
            self.rows[scope] = text
        return result

    def reopen(self) -> None:
        raise StoreError
