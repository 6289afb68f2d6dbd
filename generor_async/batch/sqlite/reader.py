"""Reads the journal in a folder, also while its owner writes it."""

import json
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from generor_async.batch.call_log import READ_WHOLE_NOTE
from generor_async.batch.folder import JOURNAL, invalid_folder
from generor_async.batch.journal import (
    Duplicate,
    Failure,
    JournalReader,
    Reject,
    Row,
    RunKey,
    StoredFiles,
)
from generor_async.batch.sqlite.charges import ATTEMPTS, FAILED_WITH_CODE, UNLISTED, UNRESOLVED, count_charges
from generor_async.batch.sqlite.errors import journal_error
from generor_async.batch.sqlite.rows import COLUMNS, decode_column, decode_rows, decode_source
from generor_async.batch.sqlite.schema import open_to_read
from generor_async.batch.sqlite.steps import dump_json
from generor_async.engine.threads import run_to_completion
from generor_async.rules.charges import ChargedCalls
from generor_async.rules.file_fingerprint import CompletedRead, parse_completed_read
from generor_async.rules.row_states import PAID_STATES, ROW_STATES, RowState
from generor_async.rules.spend_attribution import UnattributedCall
from generor_async.values import JSON

__all__ = ["SqliteReader", "open_if_begun", "open_reader"]

T = TypeVar("T")

PAGE: Final = 500
"""Rows read at a time."""
STORED: Final = f"""
SELECT number, ifnull(json_extract(result, '$.files'), '[]') FROM rows
WHERE number > ? AND state = 'done' ORDER BY number LIMIT {10 * PAGE}
"""


async def open_reader(folder: str | os.PathLike[str], *, key: RunKey | None = None) -> "SqliteReader":
    """Open the journal in a folder for reading, in use or not.

    Raises:
        InvalidRequestError: There is none, it can't be read, or it belongs to another run than `key`.
    """
    reader = await open_if_begun(folder, key=key)
    if reader is None:
        raise invalid_folder(f"{Path(folder)} holds no batch", "Name the folder that was given to `run`")
    return reader


async def open_if_begun(folder: str | os.PathLike[str], *, key: RunKey | None = None) -> "SqliteReader | None":
    """Open the journal in a folder for reading; return None if no batch was begun there.

    Raises:
        InvalidRequestError: It can't be read, or it belongs to another run than `key`.
    """
    path = Path(folder) / JOURNAL
    connection = await run_to_completion(lambda: open_to_read(path, key))
    return None if connection is None else SqliteReader(connection, path)


class SqliteReader(JournalReader):
    """Reads the journal in a folder, also while its owner writes it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._path = path

    async def counts(self) -> Mapping[RowState, int]:
        """Count the rows in each state."""
        found = dict(await self._fetch("SELECT state, count(*) FROM rows GROUP BY state"))
        return {state: found.get(state, 0) for state in ROW_STATES}

    async def rows(self, *states: RowState) -> AsyncIterator[Row]:
        """Yield the rows in these states, or all rows, in input order; memory is bounded."""
        among = "rows.number > ?"
        if states:  # each has its own index of them: all rows are not to be gone through, nor sorted
            each = f"SELECT number FROM (SELECT number FROM rows WHERE number > ? AND state = ? LIMIT {PAGE})"
            among = f"rows.number IN ({' UNION ALL '.join([each] * len(states))} ORDER BY number LIMIT {PAGE})"
        query = f"SELECT {COLUMNS} FROM rows JOIN inputs USING (number) WHERE {among} ORDER BY rows.number LIMIT {PAGE}"
        last = 0
        while page := await self._read(query, *_page_arguments(last, states), then=decode_rows):
            for row in page:
                yield row
            last = page[-1].number

    async def row(self, number: int) -> Row:
        """Return the row with this number, which must exist."""
        query = f"SELECT {COLUMNS} FROM rows JOIN inputs USING (number) WHERE number = ?"
        (row,) = await self._read(query, number, then=decode_rows)
        return row

    async def stored_files(self) -> AsyncIterator[StoredFiles]:
        """Yield the output files of the rows that are done, in input order, some thousand rows at a time."""
        last = 0
        while (page := await self._read(STORED, last, then=_decode_stored)).numbers:
            yield page
            last = page.numbers[-1]

    async def find(self, ids: Sequence[str]) -> Mapping[str, tuple[RowState, Mapping[str, JSON]]]:
        """Return state and parameters by id of those rows that exist. Pass at most some hundred ids."""
        among = ", ".join("?" * len(ids))
        query = f"SELECT id, state, parameters FROM inputs JOIN rows USING (number) WHERE id IN ({among})"
        return {id_: (state, json.loads(parameters)) for id_, state, parameters in await self._fetch(query, *ids)}

    async def parameter_names(self) -> tuple[int, Sequence[str]]:
        """Return the last row's number, and the names of all parameters that any row up to it has."""
        ((last,),) = await self._fetch("SELECT coalesce(max(number), 0) FROM inputs")
        names = "SELECT DISTINCT key FROM inputs, json_each(inputs.parameters) WHERE number <= ? ORDER BY key"
        return last, [name for (name,) in await self._fetch(names, last)]

    async def failures(self) -> Sequence[Failure]:
        """Count failed rows by error type and code, the most frequent first."""
        query = """
            SELECT count(*), min(number), json_extract(problem, '$.error'), json_extract(problem, '$.code'),
                json_extract(problem, '$.message')
            FROM rows WHERE state = 'failed' GROUP BY 3, 4 ORDER BY 1 DESC, 2
        """
        return [
            Failure(error=error or "", code=code or "", message=message or "", rows=rows)
            for rows, _, error, code, message in await self._fetch(query)
        ]

    async def last_activity(self, before: float | None) -> float:
        """Return the time of the last call or end of a row, before `before` if given; 0 if there is none."""
        query = """
            SELECT coalesce(max(moment), 0)
            FROM (SELECT submitted_at AS moment FROM rows UNION ALL SELECT ended_at FROM rows)
            WHERE moment < ifnull(?, 9e999)
        """
        ((latest,),) = await self._fetch(query, before)
        return float(latest)

    async def last_done(self, limit: int) -> Sequence[tuple[int, str]]:
        """Return number and id of the rows that were done last, at most `limit`, ordered by their end."""
        last = "SELECT number, ended_at FROM rows WHERE state = 'done' ORDER BY ended_at DESC LIMIT ?"
        found = await self._fetch(
            f"SELECT number, id FROM ({last}) JOIN inputs USING (number) ORDER BY ended_at", limit
        )
        return [(number, id_) for number, id_ in found]

    async def count_answered(self, limit: int) -> int:
        """Count rows whose call succeeded, up to `limit`; without those found by reconciliation."""
        states = (*PAID_STATES, "done")
        among = ", ".join("?" * len(states))
        query = f"SELECT count(*) FROM (SELECT 1 FROM rows WHERE state IN ({among}) AND problem IS NULL LIMIT ?)"
        ((answered,),) = await self._fetch(query, *states, limit)
        return int(answered)

    async def rejects(self) -> AsyncIterator[Reject]:
        """Yield the rejects in input order."""
        query = f"SELECT rowid, place, text, reason FROM rejects WHERE rowid > ? ORDER BY rowid LIMIT {PAGE}"
        last = 0
        while page := await self._fetch(query, last):
            for last, place, text, reason in page:  # noqa: B007 - the page's end is where the next begins
                yield Reject(place=place, text=text, reason=reason)

    async def duplicates(self) -> AsyncIterator[Duplicate]:
        """Yield the duplicates in input order."""
        query = f"""
            SELECT duplicates.rowid, duplicates.place, number, inputs.place, columns
            FROM duplicates JOIN inputs USING (number)
            WHERE duplicates.rowid > ? ORDER BY duplicates.rowid LIMIT {PAGE}
        """
        last = 0
        while page := await self._fetch(query, last):
            for last, place, number, first, columns in page:  # noqa: B007 - the page's end is where the next begins
                yield Duplicate(place=place, number=number, first=first, columns=json.loads(columns))

    async def column_names(self) -> Sequence[str]:
        """Return the names of all columns that are no parameters."""
        names = "SELECT DISTINCT key FROM (SELECT columns FROM {0}), json_each(columns)"
        found = await self._fetch(f"{names.format('beside')} UNION {names.format('duplicates')} ORDER BY key")
        return [name for (name,) in found]

    async def charges(self) -> Sequence[ChargedCalls]:
        """Sum up the charged attempts, grouped by model, estimate, cost and its source."""
        return [
            ChargedCalls(model=model, estimated=estimated, cost=cost, source=decode_source(source), calls=calls)
            for (model, estimated, source, cost), calls in (await self._read("BEGIN", then=count_charges)).items()
        ]

    async def unresolved_credits(self) -> float:
        """Return how many credits are reserved for attempts that may have been charged."""
        ((held,),) = await self._fetch(UNRESOLVED)
        return float(held)

    async def unlisted_calls(self, limit: int) -> Sequence[UnattributedCall]:
        """Return the charged calls that no transaction names yet, of the latest rows first, at most `limit`."""
        return [
            UnattributedCall(
                number=number,
                remote_ids=tuple(json.loads(ids)),
                settled=ChargedCalls(model=model, estimated=estimated, cost=cost, source=decode_source(source)),
            )
            for number, model, estimated, cost, source, ids in reversed(await self._fetch(UNLISTED, limit))
        ]

    async def refundable(self, codes: Collection[str]) -> float:
        """Return how many credits are reserved for attempts that failed with one of these codes."""
        kept = [
            await self._fetch(f"SELECT total(held) FROM {table} WHERE {FAILED_WITH_CODE}", dump_json(list(codes)))
            for table in ATTEMPTS
        ]
        return sum(float(held) for ((held,),) in kept)

    async def read_whole(self) -> CompletedRead | None:
        """Return the file that was read to its end; None unless it has every row that may still be bought."""
        return parse_completed_read(await self.read_note(READ_WHOLE_NOTE))

    async def read_note(self, name: str) -> JSON:
        """Return the note with this name; None if there is none."""
        found = await self._fetch("SELECT value FROM notes WHERE name = ?", name)
        return json.loads(found[0][0]) if found else None

    async def close(self) -> None:
        """Close the journal."""

        def close() -> None:
            with self._lock:
                self._connection.close()

        await run_to_completion(close)

    async def _fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return await self._read(query, *arguments, then=list)

    async def _read(self, query: str, *arguments: object, then: Callable[[sqlite3.Cursor], T]) -> T:
        """Run a query and convert its result in a thread, since there may be millions of rows."""

        def read() -> T:
            with self._lock:
                return then(self._connection.execute(query, arguments))

        try:
            return await run_to_completion(read)
        except sqlite3.Error as error:
            raise journal_error("read", self._path, error) from None


def _page_arguments(last: int, states: Sequence[RowState]) -> Iterator[object]:
    """Yield the arguments of a query for the next page: the last number, once or for each state."""
    if not states:
        yield last
    for state in states:
        yield from (last, state)


def _decode_stored(found: sqlite3.Cursor) -> StoredFiles:
    rows = found.fetchall()
    return StoredFiles([number for number, _ in rows], decode_column(rows, 1))
