"""Writes the journal in a folder.

Inputs and rows are two tables: rows are narrow and change, inputs are wide and don't. A row holds its latest attempt;
earlier attempts, which may have been charged, move to the table `earlier`.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from generor_async.batch.call_log import CallLog
from generor_async.batch.folder import ResultsFolder
from generor_async.batch.folder_lock import SystemLock, system_lock
from generor_async.batch.journal import (
    COST_SOURCES,
    AddResult,
    Journal,
    NewRow,
    Reject,
    Row,
    RunKey,
)
from generor_async.batch.sqlite.charges import CORRECT_COST, refund
from generor_async.batch.sqlite.new_rows import Reading, add_rows
from generor_async.batch.sqlite.reader import SqliteReader
from generor_async.batch.sqlite.rows import claim_rows
from generor_async.batch.sqlite.schema import connect, open_to_write
from generor_async.batch.sqlite.steps import StepBatch, dump_json, step_values
from generor_async.batch.sqlite.writer import Writer
from generor_async.engine.threads import run_to_completion
from generor_async.errors import FolderError, StaleRowError
from generor_async.rules.charges import CostSource
from generor_async.rules.file_fingerprint import CompletedRead
from generor_async.rules.row_states import RowStep, Submit, is_legal
from generor_async.values import JSON

__all__ = ["SqliteJournal", "open_journal"]

T = TypeVar("T")


async def open_journal(
    folder: str | os.PathLike[str], *, key: RunKey, take_over: bool = False, lock: SystemLock = system_lock
) -> "SqliteJournal":
    """Open or create the journal in a folder, and recover from a crash.

    Raises:
        InvalidRequestError: The folder is in use by a living process, belongs to another run, was made by a newer
            version of this package, has results but no readable journal, or can't be written to.
    """

    def open_() -> tuple[ResultsFolder, sqlite3.Connection, int, CallLog]:
        opened = ResultsFolder(folder, take_over=take_over, lock=lock)
        return opened, *open_to_write(opened, key)

    return SqliteJournal(*await run_to_completion(open_), operation=key.operation)


class SqliteJournal(SqliteReader, Journal):
    """The journal in a folder; belongs to one process, and to the event loop that opens it."""

    def __init__(
        self, folder: ResultsFolder, writing: sqlite3.Connection, owner: int, log: CallLog, *, operation: str
    ) -> None:
        path = folder.journal
        super().__init__(connect(path), path)
        self._folder = folder
        self._write_connection = writing
        self._writer = Writer(writing, path)
        self._owner = owner
        self._operation = operation
        self._reading = Reading(operation)
        self._log = log
        self._claimed: list[Row] = []
        """Rows that were leased for a caller who was cancelled; the next claim returns them."""

    async def add(self, rows: Iterable[NewRow], *, again: bool = True) -> AddResult:
        """Add rows as ready, in one transaction; pass some hundred at a time."""
        return await self._write(partial(add_rows, rows=list(rows), reading=self._reading, again=again))

    async def discard_unclaimed(self) -> int:
        """Delete the rows that this reading has added and nobody has claimed; return how many."""
        return await self._write(self._reading.discard_unclaimed)

    async def add_rejects(self, rejects: Iterable[Reject]) -> None:
        """Add rejects; one from the same place is replaced."""
        given = [(reject.place, reject.text, reject.reason) for reject in rejects]
        await self._write(lambda connection: connection.executemany("REPLACE INTO rejects VALUES (?, ?, ?)", given))

    async def begin_reading(self) -> None:
        """Begin to read the input: delete all rejects and duplicates, as the input may have been corrected."""
        self._reading = await self._write(partial(Reading.begin, operation=self._operation))

    async def end_reading(self, file: CompletedRead) -> None:
        """Note that a file was read to its end, unless it lacks a row that may still be bought."""
        self._reading.is_complete = await self._write(partial(self._reading.complete, note=dump_json(file.as_json())))

    async def skip_reading(self) -> None:
        """Treat all rows as seen by this reading, since the file is unchanged."""
        self._reading.is_complete = True

    async def delete_unread(self) -> tuple[int, int]:
        """Delete ready rows that this reading has not seen; return how many were deleted, and how many kept."""
        return await self._write(self._reading.delete_unread)

    async def claim(self, limit: int, *, seen: bool = False) -> Sequence[Row]:
        """Lease at most `limit` ready rows, in input order; return none if none is ready."""
        if len(self._claimed) < limit:
            numbers = self._reading.seen if seen and not self._reading.is_complete else None
            claim = partial(claim_rows, owner=self._owner, most=limit - len(self._claimed), among=numbers)
            await self._writer.run(claim, self._claimed.extend)
        rows, self._claimed[:] = self._claimed[:limit], self._claimed[limit:]
        return rows

    async def step(self, row: Row, step: RowStep) -> None:
        """Write a step, and return when it is committed."""
        assert is_legal(row.state, step), f"{row.state} does not lead to {step}"
        commit, values = self._writer.next_commit(), step_values(step)
        group = type(step), len(values), row.state, row.owner
        batch = commit.parts.get(group)
        if not isinstance(batch, StepBatch):  # the first of its group
            check = self._folder.problem if isinstance(step, Submit) else None
            batch = commit.parts[group] = StepBatch(*group, self._owner, check=check, log=self._log)
        position = batch.add(row, step, values)
        await commit
        if commit.error is not None:
            raise commit.failure()
        if batch.problem is not None:
            raise batch.problem
        if position in batch.stale:
            raise StaleRowError(f"row {row.id} was taken by somebody else since it was claimed")

    def problem(self) -> FolderError | None:
        """Return the error if the folder or its journal is no longer at its path."""
        return self._folder.problem()

    async def refund(self, codes: Collection[str]) -> None:
        """Release what is reserved for attempts that failed with one of these codes: they cost nothing."""
        await self._write(partial(refund, codes=codes))

    async def correct_costs(self, costs: Mapping[int, float], source: CostSource) -> None:
        """Replace the costs of charged calls, in credits by row number, by those of a better source."""
        given = [(cost, cost, COST_SOURCES.index(source), number) for number, cost in costs.items()]
        await self._write(lambda connection: connection.executemany(CORRECT_COST, given))
        self._log.correct_costs(costs, COST_SOURCES.index(source))

    async def write_note(self, name: str, value: JSON) -> None:
        """Store a fact about the run, such as the balance at its beginning."""
        given = (name, dump_json(value))
        await self._write(lambda connection: connection.execute("REPLACE INTO notes VALUES (?, ?)", given))
        self._log.write_note(name, value)

    async def close(self) -> None:
        """Commit pending steps, close the journal, and release the folder."""

        def close() -> None:
            self._writer.close()
            self._log.close()
            if self._folder.problem() is None:
                self._connection.close()
                self._write_connection.close()
            else:
                _never_close(self._connection, self._write_connection)
            self._folder.release()

        await run_to_completion(close)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        results: list[T] = []
        await self._writer.run(work, results.append)
        return results[0]


def _never_close(*connections: sqlite3.Connection) -> None:
    """Keep connections open until the process ends: closing one would delete the log of another journal at its path.

    What they have written is in the file, wherever that is now, or in its log beside it.
    """

    def keep(_: tuple[sqlite3.Connection, ...]) -> None:
        threading.Event().wait()

    threading.Thread(target=keep, args=(connections,), daemon=True).start()
