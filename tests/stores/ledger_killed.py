"""A process that uses a ledger in a file of SQLite, and is killed before one of its statements, then before the next.

After each kill the file has what the model has after the operations that returned, and perhaps after the one that was
under way; nothing in between. The tests run it as a program:

    python ledger_killed.py FOLDER transactions | statements

`transactions` kills before each transaction and before each commit, `statements` before every statement.
"""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias

from stores.ledger_model import MemoryStore
from stores.ledgers import (
    ACCEPT,
    ADA,
    ALL,
    FAIL,
    FINISH,
    PROBLEM,
    RULES,
    UNKNOWN,
    SettableClock,
    SqliteLedgers,
    new_row,
    observed,
    submit,
)
from support.forks import die, forked

from generor_async.rules.file_fingerprint import CompletedRead, FileFingerprint
from generor_async.rules.row_states import Accept, Defer, Download, Release
from generor_async.stores.ledger import LEASE_SECONDS, Ledger
from generor_async.stores.records import CallRecord, Reject

Open: TypeAlias = Callable[[], Awaitable[Ledger]]
Claim: TypeAlias = Callable[[Ledger, int], Awaitable[None]]
Operation: TypeAlias = Callable[[], Awaitable[Any]]
KEYS: Final = [ADA, ALL, ("day", "")]
FILE: Final = CompletedRead(content=FileFingerprint(size=3, digest="ab"), terms="")


async def history(open_: Open, clock: SettableClock, returned: Callable[[], Awaitable[None]]) -> None:
    """Use a ledger in every way that writes; `returned` is called after each operation."""
    calls: list[CallRecord] = []

    async def claim(ledger: Ledger, limit: int) -> None:
        calls.extend(await ledger.claim(limit))

    ledger = await open_()
    await returned()
    for operation in first_owner(ledger, calls, claim):
        await operation()
        await returned()
    clock.now += LEASE_SECONDS
    other = await open_()
    await returned()
    for operation in second_owner(other, calls, claim):
        await operation()
        await returned()


def first_owner(ledger: Ledger, calls: list[CallRecord], claim: Claim) -> Sequence[Operation]:
    """Return what the first owner does before it is gone."""
    return [
        partial(ledger.open_account, ALL, 30.0),
        partial(ledger.add, [new_row(id_, columns={"No": 1}) for id_ in "abcdefgh"]),
        partial(claim, ledger, 6),
        *[lambda at=at: ledger.intend(calls[at], submit(f"r-{at}", 5.0), KEYS) for at in range(6)],
        lambda: ledger.intend(calls[0], submit(), [ALL]) if calls[0].state == "leased" else ledger.renew(),
        lambda: ledger.accept(calls[0], Accept(remote_ids=("1", "2"), cost=4.0)),
        lambda: ledger.accept(calls[0], Download()),
        lambda: ledger.settle(calls[0], FINISH),
        lambda: ledger.accept(calls[1], ACCEPT),
        lambda: ledger.settle(calls[1], FAIL),
        lambda: ledger.settle(calls[2], UNKNOWN),
        lambda: ledger.release(calls[3], Release(at=20.0, problem=PROBLEM, cost=None)),
        lambda: ledger.release(calls[4], Defer()),
        partial(claim, ledger, 2),
        lambda: ledger.intend(calls[6], submit("r-6", 6.0), KEYS),
        lambda: ledger.accept(calls[6], ACCEPT),
        partial(ledger.begin_reading),
        partial(ledger.add, [new_row("a"), new_row("z", prompt="a"), new_row("y"), new_row("a", "again")], again=False),
        partial(ledger.add_rejects, [Reject(place="rows:9", text="{", reason="it is not JSON")]),
        partial(ledger.write_note, "balance", {"total": 1.5}),
        partial(ledger.refund, ["moderated"]),
        lambda: ledger.correct_costs({calls[0].number: 4.5}, "listed"),
        partial(ledger.set_spent, ADA, 9.0),
    ]


def second_owner(other: Ledger, calls: list[CallRecord], claim: Claim) -> Sequence[Operation]:
    """Return what the owner does that takes over."""
    return [
        other.take_over,
        partial(claim, other, 1),
        lambda: other.intend(calls[-1], submit("r-9", 1.0), [ALL, ("new", "")]),
        lambda: other.settle(calls[-1], UNKNOWN),
        other.begin_reading,
        partial(other.add, [new_row("a"), new_row("x")]),
        other.delete_unread,
        partial(other.end_reading, FILE),
        other.discard_unclaimed,
        partial(other.replace_notes, {"plan": 1}),
        other.renew,
        partial(other.take_over, alone=True),
        other.close,
    ]


async def state(ledger: Ledger) -> dict[str, Any]:
    """Return everything that can be seen."""
    seen = await observed(ledger)
    return {
        **seen,
        "accounts": [await ledger.account(key) for key in [*KEYS, ("new", "")]],
        "notes": await ledger.notes(),
    }


async def expected_states() -> list[dict[str, Any]]:
    """Return what the model has at the beginning, and after each operation."""
    clock = SettableClock()
    store = MemoryStore(clock)
    states = [await state(store.open(rules=RULES))]

    async def open_() -> Ledger:
        return store.open(rules=RULES)

    async def returned() -> None:
        states.append(await state(store.open(rules=RULES)))

    await history(open_, clock, returned)
    return states


class Dying(sqlite3.Connection):
    """A connection that kills its process before one of its statements."""

    left: ClassVar[int]
    """How many statements that count it executes before."""
    counts: ClassVar[Collection[str] | None] = None
    """The statements that count; None if all do."""

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        self._count(statement)
        return super().execute(statement, *arguments)

    def executemany(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        self._count(statement)
        return super().executemany(statement, *arguments)

    def _count(self, statement: str) -> None:
        if self.counts is None or statement in self.counts:
            Dying.left -= 1
            if Dying.left < 0:
                die()


async def use(folder: Path, dies_at: int) -> None:
    """Write down after each operation that it has returned, and die before a statement."""
    told, clock = os.open(folder / "returned", os.O_WRONLY | os.O_APPEND | os.O_CREAT), SettableClock()
    ledgers = SqliteLedgers(folder, clock)

    async def returned() -> None:
        os.write(told, b".")

    Dying.left = dies_at
    connect: Any = partial(sqlite3.connect, factory=Dying)
    sqlite3.connect = connect
    await history(ledgers.open, clock, returned)
    Dying.left = 1_000
    await ledgers.close()


async def check(folder: Path, states: Sequence[dict[str, Any]]) -> None:
    """Compare the file with the model after the operations that returned, or one more; then take all calls over."""
    told = folder / "returned"
    done = len(told.read_bytes()) if told.exists() else 0
    ledgers = SqliteLedgers(folder, SettableClock())
    ledger = await ledgers.open()
    found = await state(ledger)
    possible = [without_owners(each) for each in states[done : done + 2]]
    assert without_owners(found) in possible, f"{done} operations have returned: {found}"
    money = [await ledger.account(key) for key in KEYS]
    await ledger.take_over(alone=True)
    counts = await ledger.counts()
    assert counts["leased"] == counts["submitting"] == 0
    assert [await ledger.account(key) for key in KEYS] == money
    assert await ledger.check() is None
    await ledgers.close()


def without_owners(seen: dict[str, Any]) -> dict[str, Any]:
    """Return what was seen without the numbers of owners, as each look at the model is another owner."""
    calls = {id_: {**call, "owner": call["owner"] is not None} for id_, call in seen["calls"].items()}
    return {**seen, "calls": calls}


def main(folder: Path, kind: str) -> None:
    if kind == "transactions":
        Dying.counts = "BEGIN IMMEDIATE", "COMMIT"
    states = asyncio.run(expected_states())
    for dies_at in count():
        part = folder / str(dies_at)
        part.mkdir()
        has_ended = forked(lambda: asyncio.run(use(part, dies_at)))  # noqa: B023 - called at once
        assert forked(lambda: asyncio.run(check(part, states)))  # noqa: B023 - called at once
        if has_ended:
            print(dies_at)  # noqa: T201 - the test reads it
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
