"""Reads the calls of a run from a file, also while their owners write it."""

import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from generor_async.rules.charges import ChargedCalls
from generor_async.rules.row_states import RowState
from generor_async.stores.call_rows import decode_calls, decode_column, decode_source
from generor_async.stores.records import (
    CallRecord,
    Failure,
    StoredFiles,
)
from generor_async.stores.sql_reader import PAGE, SqlReader
from generor_async.stores.sqlite.calls import SELECT_CALLS
from generor_async.stores.sqlite.charges import FAILED_WITH_CODE, UNLISTED, count_charges
from generor_async.stores.sqlite.errors import ledger_error
from generor_async.stores.sqlite.tables import ATTEMPTS
from generor_async.stores.steps import dump_json
from generor_async.stores.threads import run_to_completion

__all__ = ["SqliteReader"]

T = TypeVar("T")

STORED: Final = f"""
SELECT number, ifnull(json_extract(result, '$.files'), '[]') FROM calls
WHERE run = ? AND number > ? AND state = 'done' ORDER BY number LIMIT {10 * PAGE}
"""


class SqliteReader(SqlReader[str]):
    """Reads the calls of a run, also while their owners write them."""

    _join = "number"
    _unlisted_query = UNLISTED

    def __init__(self, connection: sqlite3.Connection, path: Path, run: str, owner: int | None = None) -> None:
        self._connection = connection
        self._run = run
        self._owner = owner
        self._lock = threading.Lock()
        self._path = path

    async def scan(self, *states: RowState, owned: bool = False) -> AsyncIterator[CallRecord]:
        """Yield the calls in these states, or all calls, in input order; memory is bounded."""
        whose = f" AND owner = {self._owner}" if owned else ""
        if states:  # each by the index: all calls are not to be gone through, nor sorted
            chosen = f"run = ? AND number > ?{whose} AND state = ?"
            each = f"SELECT number FROM (SELECT number FROM calls WHERE {chosen} LIMIT {PAGE})"
            which = f"calls.number IN ({' UNION ALL '.join([each] * len(states))} ORDER BY number LIMIT {PAGE})"
        else:
            which = f"+run = ? AND calls.number > ?{whose}"  # by number: an index has the run's calls in another order
        query = f"{SELECT_CALLS} WHERE {which} ORDER BY calls.number LIMIT {PAGE}"
        last = 0
        while page := await self._read(query, *self._page_arguments(last, states), then=decode_calls):
            for call in page:
                yield call
            last = page[-1].number

    async def get(self, numbers: Sequence[int]) -> Sequence[CallRecord]:
        """Return the calls with these numbers that exist, in input order."""
        which = "run = ? AND calls.number IN (SELECT value FROM json_each(?))"
        query = f"{SELECT_CALLS} WHERE {which} ORDER BY calls.number"
        return await self._read(query, self._run, dump_json(list(numbers)), then=decode_calls)

    async def has_call(self, number: int, request_id: str) -> bool:
        """Tell whether an attempt of this call was submitted with this id."""
        queries = (f"SELECT 1 FROM {table} WHERE number = ? AND request_id = ?" for table in ATTEMPTS)
        return bool(await self._fetch(" UNION ALL ".join(queries), *(number, request_id) * 2))

    async def stored_files(self) -> AsyncIterator[StoredFiles]:
        """Yield the output files of the calls that are done, in input order, some thousand calls at a time."""
        last = 0
        while (page := await self._read(STORED, self._run, last, then=_decode_stored)).numbers:
            yield page
            last = page.numbers[-1]

    async def parameter_names(self) -> tuple[int, Sequence[str]]:
        """Return the last call's number, and the names of all parameters that any call up to it has."""
        ((last,),) = await self._fetch("SELECT coalesce(max(number), 0) FROM calls WHERE run = ?", self._run)
        names = """
            SELECT DISTINCT json_each.key FROM calls JOIN inputs USING (number), json_each(inputs.parameters)
            WHERE run = ? AND number <= ? ORDER BY 1
        """
        return last, [name for (name,) in await self._fetch(names, self._run, last)]

    async def failures(self) -> Sequence[Failure]:
        """Count failed calls by error type and code, the most frequent first."""
        query = """
            SELECT count(*), min(number), json_extract(problem, '$.error'), json_extract(problem, '$.code'),
                json_extract(problem, '$.message')
            FROM calls WHERE run = ? AND state = 'failed' GROUP BY 3, 4 ORDER BY 1 DESC, 2
        """
        return [
            Failure(error=error or "", code=code or "", message=message or "", rows=rows)
            for rows, _, error, code, message in await self._fetch(query, self._run)
        ]

    async def column_names(self) -> Sequence[str]:
        """Return the names of all columns that are no parameters."""
        names = "SELECT DISTINCT json_each.key FROM ({}) AS some, json_each(some.columns)"
        query = f"""
            {names.format("SELECT columns FROM calls JOIN inputs USING (number) WHERE run = ?")}
            UNION {names.format("SELECT columns FROM skipped_inputs WHERE run = ? AND reason IS NULL")} ORDER BY 1
        """
        return [name for (name,) in await self._fetch(query, self._run, self._run)]

    async def charges(self) -> Sequence[ChargedCalls]:
        """Sum up the charged attempts, grouped by model, estimate, cost and its source."""

        def count(connection: sqlite3.Connection) -> Mapping[tuple[Any, ...], int]:
            return count_charges(connection.execute("BEGIN"), self._run)

        return [
            ChargedCalls(model=model, estimated=estimated, cost=cost, source=decode_source(source), calls=calls)
            for (model, estimated, source, cost), calls in (await self._run_locked(count)).items()
        ]

    async def refundable(self, codes: Collection[str]) -> float:
        """Return how many credits are reserved for attempts that failed with one of these codes."""
        found = [
            await self._fetch(
                f"SELECT total(counted) FROM {table} WHERE {FAILED_WITH_CODE}", self._run, dump_json(list(codes))
            )
            for table in ATTEMPTS
        ]
        return sum(float(counted) for ((counted,),) in found)

    async def check(self) -> str | None:
        """Return what is damaged in the file; None if it is intact."""
        ((found,), *_) = await self._fetch("PRAGMA integrity_check")
        return None if found == "ok" else str(found)

    async def close(self) -> None:
        """Close the file."""

        def close() -> None:
            with self._lock:
                self._connection.close()

        await run_to_completion(close)

    async def _fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        return await self._read(query, *arguments, then=list)

    async def _read(self, query: str, *arguments: object, then: Callable[[sqlite3.Cursor], T]) -> T:
        """Run a query and convert its result."""
        return await self._run_locked(lambda connection: then(connection.execute(query, arguments)))

    async def _run_locked(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function on the connection in a thread, since there may be millions of calls."""

        def read() -> T:
            with self._lock:
                return work(self._connection)

        try:
            return await run_to_completion(read)
        except sqlite3.Error as error:
            raise ledger_error("read", self._path, error, self._run) from None

    def _page_arguments(self, last: int, states: Sequence[RowState]) -> Iterator[object]:
        """Yield the arguments of a query for the next page: run and last number, once or for each state."""
        if not states:
            yield from (self._run, last)
        for state in states:
            yield from (self._run, last, state)


def _decode_stored(found: sqlite3.Cursor) -> StoredFiles:
    rows = found.fetchall()
    return StoredFiles([number for number, _ in rows], decode_column(rows, 1))
