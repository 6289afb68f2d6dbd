"""A journal in a folder, in SQLite: one file, one writer, any number of readers.

With a write-ahead log and `synchronous = FULL` a commit has reached the disk when it returns. Inputs and rows are two
tables: what changes is narrow, and what is wide never changes. A row holds its latest attempt; those before are kept
in `earlier`, as they may have been charged.
"""

import json
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

from generor_async.batch.call_log import READ_WHOLE, CallLog
from generor_async.batch.folder import JOURNAL, Folder, refused
from generor_async.batch.folder_lock import SystemLock, system_lock
from generor_async.batch.journal import (
    WITNESSES,
    Added,
    Duplicate,
    Failure,
    Journal,
    NewRow,
    Reader,
    Reject,
    Row,
    RunKey,
    Stored,
)
from generor_async.batch.sqlite.errors import failed_to
from generor_async.batch.sqlite.new_rows import Numbers, Reading, add
from generor_async.batch.sqlite.schema import connect, open_to_read, open_to_write
from generor_async.batch.sqlite.steps import Steps, dump, written
from generor_async.batch.sqlite.writer import Writer
from generor_async.engine.threads import run_to_completion
from generor_async.errors import FolderError, StaleRowError
from generor_async.rules.charges import Settled, Witness
from generor_async.rules.file_identity import ReadWhole, noted
from generor_async.rules.rows import OPEN, STATES, State, Step, Submit, is_legal
from generor_async.rules.spend_attribution import Call
from generor_async.values import JSON

__all__ = ["SqliteJournal", "SqliteReader", "open_if_begun", "open_journal", "open_reader"]

T = TypeVar("T")

PAGE: Final = 500
"""Rows that are read at a time."""
COLUMNS: Final = """
    rows.number, id, parameters, place, state, attempt, owner, call_id, submitted_at, longest, model, estimated,
    held, (SELECT total(held) FROM earlier WHERE earlier.number = rows.number),
    (SELECT total(held) FROM earlier WHERE earlier.number = rows.number AND cost IS NULL), cost, alone, remote_ids,
    ended_at, result, problem, (SELECT columns FROM beside WHERE beside.number = rows.number)
"""
"""In the order of Row's fields."""
JSON_COLUMNS: Final = (2, 17, 19, 20, 21)
"""Which of them are JSON: parameters, remote_ids, result, problem and columns."""
FRESH: Final = """
    call_id = NULL, submitted_at = NULL, longest = 0, model = NULL, estimated = 0, held = 0,
    cost = NULL, alone = 0, remote_ids = NULL, ended_at = NULL, result = NULL, problem = NULL
"""
"""What the beginning of another attempt makes of the columns."""

ATTEMPTS: Final = ("rows", "earlier")
"""The tables that hold attempts."""
FAILED_SO: Final = """
    +state IN ('failed', 'ready') AND cost IS NULL AND held > 0
    AND json_extract(problem, '$.code') IN (SELECT value FROM json_each(?))
"""
"""Which attempts failed with one of these failure codes, of whose cost nobody has said anything."""

STORED: Final = f"""
SELECT number, ifnull(json_extract(result, '$.files'), '[]') FROM rows
WHERE number > ? AND state = 'done' ORDER BY number LIMIT {10 * PAGE}
"""
CHARGED: Final = tuple(
    f"SELECT {{}} FROM {table} WHERE {which} AND model IS NOT NULL AND NOT (state IN ('ready', 'failed') AND cost = 0)"
    for table, which in (("rows", "(cost IS NOT NULL OR state = 'done')"), ("earlier", "cost IS NOT NULL"))
)
"""Attempts that were charged; `alone` is the place of whoever told the cost among the WITNESSES."""
ALIKE: Final = "model, estimated, alone, cost"
OF_A_KIND: Final = "count(*) FILTER (WHERE model = ? AND estimated = ? AND alone = ? AND cost IS ?)"
KINDS_MOST: Final = 8
"""So many kinds of them are counted in SQLite, in half the time that more take here."""
DOUBTFUL: Final = """
SELECT
    (SELECT total(held) FROM rows WHERE model IS NOT NULL AND cost IS NULL AND state <> 'done')
    + (SELECT total(held) FROM earlier WHERE model IS NOT NULL AND cost IS NULL)
"""
UNLISTED: Final = f"""
SELECT number, model, estimated, cost, alone, remote_ids FROM rows
WHERE (cost IS NOT NULL OR state = 'done') AND remote_ids IS NOT NULL AND alone < {WITNESSES.index("listed")}
ORDER BY number DESC LIMIT ?
"""
TELL_COST: Final = "UPDATE rows SET cost = ?, held = ?, alone = ? WHERE number = ?"


async def open_journal(
    folder: str | os.PathLike[str], *, key: RunKey, take_over: bool = False, lock: SystemLock = system_lock
) -> "SqliteJournal":
    """Open the journal in a folder, or begin one, and do what a restart does.

    Raises:
        InvalidRequestError: The folder is in use by a living process, is another run's, was made by a newer version of
            this package, has results and no journal that can be read, or can't be written to.
    """

    def take() -> tuple[Folder, sqlite3.Connection, int, CallLog]:
        held = Folder(folder, take_over=take_over, lock=lock)
        return held, *open_to_write(held, key)

    return SqliteJournal(*await run_to_completion(take), operation=key.operation)


async def open_reader(folder: str | os.PathLike[str], *, key: RunKey | None = None) -> "SqliteReader":
    """Open the journal in a folder to read it, in use or not.

    Raises:
        InvalidRequestError: There is none, it can't be read, or it is another run's than that of the `key`.
    """
    reader = await open_if_begun(folder, key=key)
    if reader is None:
        raise refused(f"{Path(folder)} holds no batch", "Name the folder that was given to `run`")
    return reader


async def open_if_begun(folder: str | os.PathLike[str], *, key: RunKey | None = None) -> "SqliteReader | None":
    """Open the journal in a folder to read it; None where there is none, or its maker was killed at once.

    Raises:
        InvalidRequestError: It can't be read, or it is another run's than that of the `key`.
    """
    path = Path(folder) / JOURNAL
    connection = await run_to_completion(lambda: open_to_read(path, key))
    return None if connection is None else SqliteReader(connection, path)


class SqliteReader(Reader):
    """Reads a journal, while its owner writes it or when nobody does."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._reading = connection
        self._turn = threading.Lock()
        self._path = path

    async def counts(self) -> Mapping[State, int]:
        """Count the rows in each state."""
        found = dict(await self._ask("SELECT state, count(*) FROM rows GROUP BY state"))
        return {state: found.get(state, 0) for state in STATES}

    async def rows(self, *states: State) -> AsyncIterator[Row]:
        """Yield the rows in these states, all if none is given, in the order of reading; memory is bounded."""
        among = "rows.number > ?"
        if states:  # each has its own index of them: all rows are not to be gone through, nor sorted
            each = f"SELECT number FROM (SELECT number FROM rows WHERE number > ? AND state = ? LIMIT {PAGE})"
            among = f"rows.number IN ({' UNION ALL '.join([each] * len(states))} ORDER BY number LIMIT {PAGE})"
        query = f"SELECT {COLUMNS} FROM rows JOIN inputs USING (number) WHERE {among} ORDER BY rows.number LIMIT {PAGE}"
        last = 0
        while page := await self._read(query, *_after(last, states), then=_rows):
            for row in page:
                yield row
            last = page[-1].number

    async def row(self, number: int) -> Row:
        """Return the row of this number, which must be there."""
        query = f"SELECT {COLUMNS} FROM rows JOIN inputs USING (number) WHERE number = ?"
        (row,) = await self._read(query, number, then=_rows)
        return row

    async def stored(self) -> AsyncIterator[Stored]:
        """Yield the rows that are done with what was stored of them, in the order of reading, by thousands."""
        last = 0
        while (page := await self._read(STORED, last, then=_stored)).numbers:
            yield page
            last = page.numbers[-1]

    async def known(self, ids: Sequence[str]) -> Mapping[str, tuple[State, Mapping[str, JSON]]]:
        """Return the state and the parameters of those of these rows that are there, by id; some hundred at a time."""
        among = ", ".join("?" * len(ids))
        query = f"SELECT id, state, parameters FROM inputs JOIN rows USING (number) WHERE id IN ({among})"
        return {id_: (state, json.loads(parameters)) for id_, state, parameters in await self._ask(query, *ids)}

    async def parameter_names(self) -> tuple[int, Sequence[str]]:
        """Return the last row's number, and the names of the parameters that any row up to it has."""
        ((last,),) = await self._ask("SELECT coalesce(max(number), 0) FROM inputs")
        names = "SELECT DISTINCT key FROM inputs, json_each(inputs.parameters) WHERE number <= ? ORDER BY key"
        return last, [name for (name,) in await self._ask(names, last)]

    async def failures(self) -> Sequence[Failure]:
        """Return why rows failed, the most frequent first."""
        query = """
            SELECT count(*), min(number), json_extract(problem, '$.error'), json_extract(problem, '$.code'),
                json_extract(problem, '$.message')
            FROM rows WHERE state = 'failed' GROUP BY 3, 4 ORDER BY 1 DESC, 2
        """
        return [
            Failure(error=error or "", code=code or "", message=message or "", rows=rows)
            for rows, _, error, code, message in await self._ask(query)
        ]

    async def latest(self, before: float | None) -> float:
        """Return when a row was sent or ended last, before a moment if one is given; 0 if none was."""
        query = """
            SELECT coalesce(max(moment), 0)
            FROM (SELECT submitted_at AS moment FROM rows UNION ALL SELECT ended_at FROM rows)
            WHERE moment < ifnull(?, 9e999)
        """
        ((latest,),) = await self._ask(query, before)
        return float(latest)

    async def ended_last(self, most: int) -> Sequence[tuple[int, str]]:
        """Return the numbers and ids of the rows that are done and ended last, so many, in the order of their end."""
        last = "SELECT number, ended_at FROM rows WHERE state = 'done' ORDER BY ended_at DESC LIMIT ?"
        found = await self._ask(f"SELECT number, id FROM ({last}) JOIN inputs USING (number) ORDER BY ended_at", most)
        return [(number, id_) for number, id_ in found]

    async def answered(self, most: int) -> int:
        """Count the rows whose call was answered well, up to so many: those found by other means are none."""
        states = (*OPEN, "done")
        among = ", ".join("?" * len(states))
        query = f"SELECT count(*) FROM (SELECT 1 FROM rows WHERE state IN ({among}) AND problem IS NULL LIMIT ?)"
        ((answered,),) = await self._ask(query, *states, most)
        return int(answered)

    async def rejects(self) -> AsyncIterator[Reject]:
        """Yield the lines that were set aside, in the order of reading."""
        query = f"SELECT rowid, place, text, reason FROM rejects WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}"
        last = 0
        while page := await self._ask(query, last):
            for last, place, text, reason in page:  # noqa: B007 - the page's end is where the next begins
                yield Reject(place=place, text=text, reason=reason)

    async def duplicates(self) -> AsyncIterator[Duplicate]:
        """Yield the rows that came again, in the order of reading."""
        query = f"""
            SELECT duplicates.rowid, duplicates.place, number, inputs.place, columns
            FROM duplicates JOIN inputs USING (number)
            WHERE duplicates.rowid > ? ORDER BY duplicates.rowid LIMIT {PAGE}
        """
        last = 0
        while page := await self._ask(query, last):
            for last, place, number, first, columns in page:  # noqa: B007 - the page's end is where the next begins
                yield Duplicate(place=place, number=number, first=first, columns=json.loads(columns))

    async def column_names(self) -> Sequence[str]:
        """Return the names of the columns that any row has beside its parameters."""
        names = "SELECT DISTINCT key FROM (SELECT columns FROM {0}), json_each(columns)"
        found = await self._ask(f"{names.format('beside')} UNION {names.format('duplicates')} ORDER BY key")
        return [name for (name,) in found]

    async def charges(self) -> Sequence[Settled]:
        """Sum up the attempts that were charged, those that are alike together."""
        return [
            Settled(model=model, estimated=estimated, cost=cost, witness=_witness(witness), calls=calls)
            for (model, estimated, witness, cost), calls in (await self._read("BEGIN", then=_alike)).items()
        ]

    async def doubtful(self) -> float:
        """Return what is kept, in credits, for attempts that may have been charged."""
        ((held,),) = await self._ask(DOUBTFUL)
        return float(held)

    async def unlisted(self, most: int) -> Sequence[Call]:
        """Return the charged calls of which no transaction has told, so many of the latest rows."""
        return [
            Call(
                number=number,
                remote_ids=tuple(json.loads(ids)),
                settled=Settled(model=model, estimated=estimated, cost=cost, witness=_witness(witness)),
            )
            for number, model, estimated, cost, witness, ids in reversed(await self._ask(UNLISTED, most))
        ]

    async def refundable(self, codes: Collection[str]) -> float:
        """Return what is kept, in credits, for attempts that failed with one of these failure codes."""
        kept = [
            await self._ask(f"SELECT total(held) FROM {table} WHERE {FAILED_SO}", dump(list(codes)))
            for table in ATTEMPTS
        ]
        return sum(float(held) for ((held,),) in kept)

    async def read_whole(self) -> ReadWhole | None:
        """Return the file that was read whole, and of which every row that may yet be bought is one; None if none."""
        return noted(await self.recall(READ_WHOLE))

    async def recall(self, name: str) -> JSON:
        """Return what was remembered under a name; None where nothing was."""
        found = await self._ask("SELECT value FROM notes WHERE name = ?", name)
        return json.loads(found[0][0]) if found else None

    async def close(self) -> None:
        """Close it."""

        def close() -> None:
            with self._turn:
                self._reading.close()

        await run_to_completion(close)

    async def _ask(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return await self._read(query, *arguments, then=list)

    async def _read(self, query: str, *arguments: object, then: Callable[[sqlite3.Cursor], T]) -> T:
        """Read what a query finds, and make of it what is wanted, in the thread that reads: these may be millions."""

        def read() -> T:
            with self._turn:
                return then(self._reading.execute(query, arguments))

        try:
            return await run_to_completion(read)
        except sqlite3.Error as error:
            raise failed_to("read", self._path, error) from None


def _after(last: int, states: Sequence[State]) -> Iterator[object]:
    """Yield what a query for rows behind the last one is given: once, or for each state."""
    if not states:
        yield last
    for state in states:
        yield from (last, state)


class SqliteJournal(SqliteReader, Journal):
    """A journal of one's own; belongs to the event loop that opens it."""

    def __init__(
        self, folder: Folder, writing: sqlite3.Connection, owner: int, log: CallLog, *, operation: str
    ) -> None:
        path = folder.journal
        super().__init__(connect(path), path)
        self._folder = folder
        self._writing = writing
        self._writer = Writer(writing, path)
        self._owner = owner
        self._operation = operation
        self._rows_read = Reading(operation)
        self._log = log
        self._claimed: list[Row] = []
        """Leased, and not handed out, as whoever claimed them was cancelled."""

    async def add(self, rows: Iterable[NewRow], *, again: bool = True) -> Added:
        """Write down rows, as ready; one transaction, so hand them in by hundreds."""
        return await self._write(partial(add, rows=list(rows), reading=self._rows_read, again=again))

    async def take_back(self) -> int:
        """Forget the rows that this reading has written down and nobody has claimed; return how many."""
        return await self._write(self._rows_read.take_back)

    async def reject(self, rejects: Iterable[Reject]) -> None:
        """Write down lines that can't be run; one that is there is replaced."""
        given = [(reject.place, reject.text, reject.reason) for reject in rejects]
        await self._write(lambda connection: connection.executemany("REPLACE INTO rejects VALUES (?, ?, ?)", given))

    async def begin_reading(self) -> None:
        """Forget the lines that can't be run, and what came again: all is read again, and may have been mended."""
        self._rows_read = await self._write(partial(Reading.begun, operation=self._operation))

    async def end_reading(self, whole: ReadWhole) -> None:
        """Note the file that this reading has read whole, unless a row may yet be bought that is not in it."""
        self._rows_read.is_whole = await self._write(partial(self._rows_read.end, note=dump(whole.as_json())))

    async def skip_reading(self) -> None:
        """Take all rows for met: the file is as it was when it was read whole."""
        self._rows_read.is_whole = True

    async def forget_unread(self) -> tuple[int, int]:
        """Forget the ready rows that the whole reading hasn't met; return how many, and how many stay."""
        return await self._write(self._rows_read.forget_unread)

    async def claim(self, most: int, *, met: bool = False) -> Sequence[Row]:
        """Lease up to so many ready rows, in the order of reading; none where none is ready.

        `met` takes those alone that this reading has met.
        """
        if len(self._claimed) < most:
            numbers = self._rows_read.met if met and not self._rows_read.is_whole else None
            claim = partial(_claim, owner=self._owner, most=most - len(self._claimed), among=numbers)
            await self._writer.run(claim, self._claimed.extend)
        rows, self._claimed[:] = self._claimed[:most], self._claimed[most:]
        return rows

    async def step(self, row: Row, step: Step) -> None:
        """Take a step, and return when it is committed."""
        assert is_legal(row.state, step), f"{row.state} does not lead to {step}"
        commit, values = self._writer.next(), written(step)
        alike = type(step), len(values), row.state, row.owner
        steps = commit.parts.get(alike)
        if not isinstance(steps, Steps):  # the first of them
            forbidden = self._folder.problem if isinstance(step, Submit) else None
            steps = commit.parts[alike] = Steps(*alike, self._owner, forbidden=forbidden, log=self._log)
        number = steps.add(row, step, values)
        await commit
        if commit.error is not None:
            raise commit.failure()
        if steps.problem is not None:
            raise steps.problem
        if number in steps.refused:
            raise StaleRowError(f"row {row.id} was taken by somebody else since it was claimed")

    def problem(self) -> FolderError | None:
        """Return what is wrong if the folder or its journal is no longer at its path."""
        return self._folder.problem()

    async def refund(self, codes: Collection[str]) -> None:
        """Let go of what is kept for attempts that failed with one of these failure codes: they cost nothing."""

        def refund(connection: sqlite3.Connection) -> None:
            for table in ATTEMPTS:
                connection.execute(f"UPDATE {table} SET cost = 0, held = 0 WHERE {FAILED_SO}", (dump(list(codes)),))

        await self._write(refund)

    async def tell_costs(self, told: Mapping[int, float], witness: Witness) -> None:
        """Write down what a better witness says that charged calls cost, in credits, by the number of their row."""
        given = [(cost, cost, WITNESSES.index(witness), number) for number, cost in told.items()]
        await self._write(lambda connection: connection.executemany(TELL_COST, given))
        self._log.tell_costs(told, WITNESSES.index(witness))

    async def remember(self, name: str, value: JSON) -> None:
        """Write down a fact about the run, such as the balance it began with."""
        given = (name, dump(value))
        await self._write(lambda connection: connection.execute("REPLACE INTO notes VALUES (?, ?)", given))
        self._log.remember(name, value)

    async def close(self) -> None:
        """Commit what is under way, close it, and let others have the folder."""

        def close() -> None:
            self._writer.close()
            self._log.close()
            if self._folder.problem() is None:
                self._reading.close()
                self._writing.close()
            else:
                _leave_open(self._reading, self._writing)
            self._folder.let_go()

        await run_to_completion(close)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        results: list[T] = []
        await self._writer.run(work, results.append)
        return results[0]


def _leave_open(*connections: sqlite3.Connection) -> None:
    """Keep connections from ever being closed: SQLite would delete the log at their path, which is another journal's.

    What they have is in the file, wherever that is now, or in its log beside it.
    """

    def keep(_: tuple[sqlite3.Connection, ...]) -> None:
        threading.Event().wait()

    threading.Thread(target=keep, args=(connections,), daemon=True).start()


def _claim(connection: sqlite3.Connection, *, owner: int, most: int, among: Numbers | None) -> list[Row]:
    """Lease rows, of those with these numbers if any are given."""
    is_ready = "state = 'ready'"
    if among is not None:
        connection.create_function("is_met", 1, among.__contains__)
        is_ready = f"{is_ready} AND rows.number <= {among.last} AND is_met(rows.number)"
    found = connection.execute(
        "SELECT rows.number, id, parameters, place, attempt, columns"
        " FROM rows JOIN inputs USING (number) LEFT JOIN beside USING (number)"
        f" WHERE {is_ready} ORDER BY rows.number LIMIT ?",
        (most,),
    ).fetchall()
    rows = [
        Row(number, id_, parameters, place, "leased", attempt + 1, owner, text=text)
        for (number, id_, text, place, attempt, _), parameters in zip(found, _load_all(found, 2), strict=True)
    ]
    for row, found_ in zip(rows, found, strict=True):
        if found_[5]:
            row.columns = json.loads(found_[5])
        if row.attempt > 1:
            row.charged_before = _put_away(connection, row.number)
    if rows:
        connection.execute(
            f"UPDATE rows SET state = 'leased', attempt = attempt + 1, owner = ? WHERE {is_ready} AND number <= ?",
            (owner, rows[-1].number),
        )
    return rows


def _put_away(connection: sqlite3.Connection, number: int) -> float:
    """Keep the attempt that a row has made, if it came to a call, and return what all of them count."""
    connection.execute("INSERT INTO earlier SELECT * FROM rows WHERE number = ? AND call_id IS NOT NULL", (number,))
    connection.execute(f"UPDATE rows SET {FRESH} WHERE number = ?", (number,))
    (held,) = connection.execute("SELECT total(held) FROM earlier WHERE number = ?", (number,)).fetchone()
    return float(held)


def _alike(begun: sqlite3.Cursor) -> Mapping[tuple[Any, ...], int]:
    """Count the attempts that were charged, by what they have in common; ends the transaction that has begun."""
    connection, found = begun.connection, Counter[tuple[Any, ...]]()
    try:
        for charged in CHARGED:
            kinds = connection.execute(f"{charged.format(f'DISTINCT {ALIKE}')} LIMIT {KINDS_MOST + 1}").fetchall()
            if len(kinds) > KINDS_MOST:
                found.update(connection.execute(charged.format(ALIKE)))
            elif kinds:
                counted = charged.format(", ".join([OF_A_KIND] * len(kinds)))
                found.update(dict(zip(kinds, connection.execute(counted, [*chain(*kinds)]).fetchone(), strict=True)))
    finally:
        connection.execute("COMMIT")
    return found


def _witness(place: int) -> Witness:
    return WITNESSES[place]


def _rows(cursor: sqlite3.Cursor) -> list[Row]:
    """Return the rows that were found; the JSON in each column of them is read at once."""
    found = cursor.fetchall()
    read = zip(found, *(_load_all(found, column) for column in JSON_COLUMNS), strict=True)
    return [_row(row, *loaded) for row, *loaded in read]


def _row(found: tuple[Any, ...], given: Any, ids: Any, result: JSON, problem: JSON, columns: Any) -> Row:
    (
        number, id_, text, place, state, attempt, owner, call_id, submitted_at, longest, model, estimated,
        held, charged_before, doubted_before, cost, witness, _, ended_at, _, _, _,
    ) = found  # fmt: skip
    return Row(
        number=number,
        id=id_,
        parameters=given,
        place=place,
        state=state,
        attempt=attempt,
        owner=owner,
        call_id=call_id,
        submitted_at=submitted_at,
        longest=longest,
        model=model,
        estimated=estimated,
        held=held,
        charged_before=charged_before,
        doubted_before=doubted_before,
        cost=cost,
        witness=_witness(witness),
        remote_ids=tuple(ids or ()),
        ended_at=ended_at,
        result=result,
        problem=problem,
        columns=columns or {},
        text=text,
    )


def _stored(found: sqlite3.Cursor) -> Stored:
    rows = found.fetchall()
    return Stored([number for number, _ in rows], _load_all(rows, 1))


def _load_all(found: Sequence[tuple[Any, ...]], column: int) -> list[Any]:
    """Read the JSON in a column of many rows at once."""
    loaded: list[Any] = json.loads(f"[{','.join([row[column] or 'null' for row in found])}]")
    return loaded
