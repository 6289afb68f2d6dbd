"""Writes the calls of a run, in a file of SQLite.

One thread writes. With a write-ahead log and `synchronous = FULL` a commit has reached the disk when it returns.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve

from generor_async.errors import FolderError, StaleRowError
from generor_async.rules.charges import CostSource
from generor_async.rules.file_fingerprint import CompletedRead
from generor_async.rules.row_states import (
    Accept,
    Defer,
    Download,
    Fail,
    Finish,
    MarkUnknown,
    Release,
    RowStep,
    Submit,
    is_legal,
)
from generor_async.stores.call_rows import dump_keys, sort_keys
from generor_async.stores.content import DELETED_STATES, step_without_quotes, without_quotes, without_text
from generor_async.stores.ledger import Ledger, LedgerLog, RequestRules
from generor_async.stores.records import (
    Account,
    AccountKey,
    AddResult,
    CallRecord,
    NewCall,
    NewRow,
    Reject,
    TakenOver,
)
from generor_async.stores.sqlite import owners
from generor_async.stores.sqlite.accounts import open_account, prune_accounts, set_spent
from generor_async.stores.sqlite.calls import claim_calls, lease_call
from generor_async.stores.sqlite.charges import correct_costs, refund
from generor_async.stores.sqlite.new_calls import SqliteReading, add_calls, add_rejects
from generor_async.stores.sqlite.owner_locks import OwnerLock
from generor_async.stores.sqlite.reader import SqliteReader
from generor_async.stores.sqlite.restoring import restore_calls
from generor_async.stores.sqlite.retention import (
    Compaction,
    compact,
    delete_parameters,
    leave_out_page,
    leave_out_rejects,
    overwrite_deleted,
    prune_page,
)
from generor_async.stores.sqlite.schema import connect
from generor_async.stores.sqlite.steps import StepBatch
from generor_async.stores.sqlite.writer import Writer
from generor_async.stores.steps import dump_json, step_values
from generor_async.stores.threads import finished
from generor_async.values import JSON

__all__ = ["SqliteLedger"]

T = TypeVar("T")


class SqliteLedger(SqliteReader, Ledger):
    """The calls of a run in a file; belongs to the event loop that makes it."""

    def __init__(
        self,
        writing: sqlite3.Connection,
        path: Path,
        run: str,
        owner: int,
        *,
        rules: RequestRules,
        clock: Callable[[], float],
        log: LedgerLog | None,
        guard: Callable[[], FolderError | None] | None,
        on_close: Callable[[], object] | None,
        lock: OwnerLock | None = None,
    ) -> None:
        super().__init__(connect(path), path, run, owner)
        self._write_connection = writing
        self._writer = Writer(writing, path, run)
        self._owner: int = owner
        self._rules = rules
        self._clock = clock
        self._log = log
        self._guard = guard
        self._on_close = on_close
        self._lock_of_owner = lock
        self._watch = owners.Watch()
        self._reading = SqliteReading(rules, run=run)
        self._keeps_parameters = True
        self._has_leftovers = False
        """Whether copies of parameters that were left out may be left in the file or its write-ahead log."""
        self._claimed: list[CallRecord] = []
        """Calls that were leased for a caller who was cancelled; the next claim returns them."""

    @property
    def owner(self) -> int:
        """The number of this opening."""
        return self._owner

    async def renew(self) -> None:
        """Renew this owner's lease."""
        lock = "" if self._lock_of_owner is None else self._lock_of_owner.description
        await self._write(lambda connection: owners.renew(connection, self._owner, self._clock(), lock))

    async def take_over(self, *, alone: bool = False, resume: bool = True, place: str | None = None) -> TakenOver:
        """Take over the run's calls of owners whose lease has ended, or of all others if this one is alone."""

        def take_over(connection: sqlite3.Connection) -> TakenOver:
            spared, now = list[int](), self._clock()
            if alone:
                self._has_leftovers |= owners.end_others(connection, self._owner)
            else:
                owners.end_dead(connection, self._path, self._owner, now)
                spared = self._watch.living(connection, self._path, self._owner, now)
            taker = owners.Taker(run=self._run, owner=self._owner, now=now, spared=spared)
            return owners.take_over(connection, taker, resume=resume, place=place)

        return await self._write(take_over)

    async def add(self, rows: Iterable[NewRow], *, again: bool = True) -> AddResult:
        """Add rows of an input as ready calls, in one transaction; pass some hundred at a time."""
        return await self._write(partial(add_calls, rows=list(rows), reading=self._reading, again=again))

    async def discard_unclaimed(self) -> int:
        """Delete the calls that this reading has added and nobody has claimed; return how many."""
        return await self._write(self._reading.discard_unclaimed)

    async def add_rejects(self, rejects: Iterable[Reject]) -> None:
        """Add rejects; one from the same place is replaced."""
        if not self._keeps_parameters:
            rejects = [evolve(reject, text="", reason=without_text(self._rules, reject)) for reject in rejects]
        await self._write(partial(add_rejects, run=self._run, rejects=list(rejects)))

    async def restore(self, calls: Iterable[CallRecord], attempts: Iterable[CallRecord] = ()) -> None:
        """Write calls as they are, and earlier attempts of calls, in one transaction; pass some thousand at a time."""
        await self._write(partial(restore_calls, run=self._run, calls=list(calls), attempts=list(attempts)))

    async def begin_reading(self) -> None:
        """Begin to read the input: delete all rejects and duplicates, as the input may have been corrected."""
        self._reading = await self._write(partial(SqliteReading.begin, run=self._run, rules=self._rules))
        self._reading.keeps_parameters = self._keeps_parameters

    async def end_reading(self, file: CompletedRead) -> None:
        """Note that a file was read to its end, unless it lacks a call that may still be bought."""
        self._reading.is_complete = await self._write(partial(self._reading.complete, note=dump_json(file.as_json())))

    async def skip_reading(self) -> None:
        """Treat all calls as seen by this reading, since the file is unchanged."""
        self._reading.is_complete = True

    async def delete_unread(self) -> tuple[int, int]:
        """Delete ready calls that this reading has not seen; return how many were deleted, and how many kept."""
        return await self._write(self._reading.delete_unread)

    async def claim(self, limit: int, *, seen: bool = False) -> Sequence[CallRecord]:
        """Lease at most `limit` ready calls, in input order; return none if none is ready."""
        if len(self._claimed) < limit:
            numbers = self._reading.seen if seen and not self._reading.is_complete else None
            most = limit - len(self._claimed)
            claim = partial(claim_calls, run=self._run, owner=self._owner, most=most, among=numbers)
            await self._writer.run(claim, self._claimed.extend)
        calls, self._claimed[:] = self._claimed[:limit], self._claimed[limit:]
        return calls

    async def lease(self, call: NewCall) -> tuple[CallRecord, bool]:
        """Lease a call that is no row: add it, or take the ready one with its id."""
        return await self._write(partial(lease_call, run=self._run, owner=self._owner, call=call))

    async def intend(self, call: CallRecord, intent: Submit, accounts: Collection[AccountKey] = ()) -> Account | None:
        """Write the intent to call, and reserve its credits; return an account without room, and then write nothing."""
        keys = sort_keys(tuple(accounts))
        values = *step_values(intent), dump_keys(keys)
        batch, position = await self._step(call, intent, values, keys)
        return batch.without_room.get(position)

    async def accept(self, call: CallRecord, step: Accept | Download) -> None:
        """Write that the call was accepted, or that its outputs are being downloaded."""
        await self._step(call, step, step_values(step))

    async def settle(self, call: CallRecord, step: Finish | Fail | MarkUnknown) -> None:
        """Write how the call ended; its credits are spent, released, or stay reserved if that is unknown."""
        if not self._keeps_parameters:
            step = step_without_quotes(self._rules, call, step)
        await self._step(call, step, step_values(step))

    async def release(self, call: CallRecord, step: Release | Defer) -> None:
        """Write that the call may be made again, by anybody or (Defer) by this owner."""
        if not self._keeps_parameters and isinstance(step, Release):
            problem = without_quotes(self._rules, step.problem, call.parameters)
            step = evolve(step, problem=problem)
        await self._step(call, step, step_values(step))

    async def _step(
        self, call: CallRecord, step: RowStep, values: tuple[Any, ...], accounts: tuple[AccountKey, ...] = ()
    ) -> tuple[StepBatch, int]:
        """Write a step together with others of its kind; return them, and its position among them."""
        assert is_legal(call.state, step), f"{call.state} does not lead to {step}"
        commit = self._writer.next_commit()
        group = type(step), len(values), call.state, call.owner, accounts
        batch = commit.parts.get(group)
        if not isinstance(batch, StepBatch):  # the first of its group
            check = self._guard if isinstance(step, Submit) else None
            batch = commit.parts[group] = StepBatch(*group, self._owner, check=check, log=self._log)
            if not self._keeps_parameters and isinstance(step, Finish | Fail):
                batch.after_write = partial(delete_parameters, rules=self._rules)
                self._has_leftovers = True
        position = batch.add(call, step, values)
        await commit
        if commit.error is not None:
            raise commit.failure()
        if batch.problem is not None:
            raise batch.problem
        if position in batch.stale:
            raise StaleRowError(f"row {call.id} was taken by somebody else since it was claimed")
        return batch, position

    async def open_account(self, key: AccountKey, cap: float | None) -> Account:
        """Create an account, or change its cap; return it."""
        return await self._write(lambda connection: open_account(connection, key, cap))

    async def prune_accounts(self, first: str, last: str) -> int:
        """Delete the accounts of these periods; return how many there were."""
        return await self._write(lambda connection: prune_accounts(connection, first, last))

    async def set_spent(self, key: AccountKey, spent: float) -> None:
        """Replace what an account has spent, in credits."""
        await self._write(lambda connection: set_spent(connection, key, spent))

    def problem(self) -> FolderError | None:
        """Return the error if the file was moved, deleted or replaced."""
        return None if self._guard is None else self._guard()

    async def refund(self, codes: Collection[str]) -> None:
        """Release what is reserved for attempts that failed with one of these codes: they cost nothing."""
        await self._write(partial(refund, run=self._run, codes=codes))

    async def correct_costs(self, costs: Mapping[int, float], source: CostSource) -> None:
        """Replace the costs of charged calls, in credits by number, by those of a better source."""
        await self._write(partial(correct_costs, costs=costs, source=source))
        if self._log is not None:
            self._log.correct_costs(costs, source)

    async def leave_out_parameters(self) -> None:
        """Keep hashes in the place of parameters of ended calls; the first time also of those that have ended before.

        When this owner closes the file, and no other has it open, the file is written anew without what was left out.
        """
        self._keeps_parameters = self._reading.keeps_parameters = False
        await self._write(overwrite_deleted)
        last: int | None = 0
        while last is not None:
            last = await self._write(partial(leave_out_page, run=self._run, rules=self._rules, after=last))
            self._has_leftovers |= last is not None
        await self._write(partial(leave_out_rejects, run=self._run))

    async def prune(self, older_than: float) -> int:
        """Delete what calls hold that ended more than so many seconds ago, in many short transactions.

        Unless other owners have the file open, it is then written anew, so that nothing that was deleted is left in it.
        """
        before, pruned = self._clock() - older_than, 0
        await self._write(overwrite_deleted)
        for state in DELETED_STATES:
            last: int | None = 0
            while last is not None:
                page = partial(prune_page, run=self._run, rules=self._rules, state=state, after=last, before=before)
                count, last = await self._write(page)
                pruned += count
        await self._write(lambda connection: owners.prune_owners(connection, self._owner, before))
        if pruned:
            await self._compact()
        return pruned

    async def write_note(self, name: str, value: JSON) -> None:
        """Store a fact about the run, such as the balance at its beginning."""
        given = (self._run, name, dump_json(value))
        await self._write(lambda connection: connection.execute("REPLACE INTO notes VALUES (?, ?, ?)", given))
        if self._log is not None:
            self._log.write_note(name, value)

    async def replace_notes(self, notes: Mapping[str, JSON]) -> None:
        """Replace all notes by these, in one transaction."""
        given = [(self._run, name, dump_json(value)) for name, value in notes.items()]

        def replace(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM notes WHERE run = ?", (self._run,))
            connection.executemany("INSERT INTO notes VALUES (?, ?, ?)", given)

        await self._write(replace)

    async def close(self) -> None:
        """Commit pending steps, end this owner's lease, and close the file."""
        await finished(asyncio.ensure_future(self._close()))

    async def _close(self) -> None:
        await self._writer.close()

        def close() -> None:
            if self.problem() is None:
                self._connection.close()
                with suppress(sqlite3.Error):  # it ends by itself
                    owners.end(self._write_connection, self._owner)
                    if self._must_compact():
                        compact(self._write_connection)
                self._write_connection.close()
            else:
                _never_close(self._connection, self._write_connection)
            if self._lock_of_owner is not None:
                self._lock_of_owner.release()
            if self._on_close is not None:
                self._on_close()

        await asyncio.to_thread(close)

    def _must_compact(self) -> bool:
        if self._keeps_parameters or not self._has_leftovers:
            return False
        return not owners.has_others(self._write_connection, self._owner, self._clock())

    async def _compact(self) -> None:
        commit, part = self._writer.next_commit(), Compaction(self._owner, self._clock())
        commit.parts[part] = part
        await commit
        if commit.error is not None:
            raise commit.failure()

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        results: list[T] = []
        await self._writer.run(work, results.append)
        return results[0]


def _never_close(*connections: sqlite3.Connection) -> None:
    """Keep connections open until the process ends: closing one would delete the log of another file at its path.

    What they have written is in the file, wherever that is now, or in its log beside it.
    """

    def keep(_: tuple[sqlite3.Connection, ...]) -> None:
        threading.Event().wait()

    threading.Thread(target=keep, args=(connections,), daemon=True).start()
