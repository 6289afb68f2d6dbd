"""Reads the calls of a run from PostgreSQL, also while its owners write them."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import aclosing
from functools import lru_cache
from typing import Any, Final

import psycopg

from generor_async.rules.charges import ChargedCalls
from generor_async.rules.row_states import RowState
from generor_async.stores.call_rows import decode_column, decode_source
from generor_async.stores.connection_pool import ConnectionPool
from generor_async.stores.postgres.calls import GET_CALLS, SELECT_CALLS, decode
from generor_async.stores.postgres.charges import FAILED_WITH_CODE, TABLES
from generor_async.stores.postgres.database import Connection, Database
from generor_async.stores.postgres.writer import POOL_SECONDS, Patience
from generor_async.stores.records import COST_SOURCES, CallRecord, Failure, StoredFiles
from generor_async.stores.sql_reader import PAGE, SqlReader
from generor_async.values import JSON, is_array, is_object

__all__ = ["PostgresReader"]

TABLE: Final = re.compile(r"\b(FROM|JOIN) (calls|attempts|inputs|skipped_inputs|accounts|notes)\b")
SCAN: Final = f"{SELECT_CALLS} AND number > %s {{}} ORDER BY number LIMIT {PAGE}"
NEXT: Final = "SELECT min(number) FROM generor.calls WHERE run = %s AND number > %s"
SCAN_STATES: Final = """
    AND number IN (SELECT number FROM unnest(%s::text[]) AS wanted (state), LATERAL (
        SELECT number FROM generor.calls WHERE run = %s AND calls.state = wanted.state AND number > %s {whose}
        ORDER BY number LIMIT {page}
    ) AS each)
"""
"""Each state by the index: all calls are not to be gone through, nor sorted."""
STORED: Final = f"""
    SELECT number, result FROM generor.calls
    WHERE run = %s AND number > %s AND state = 'done' ORDER BY number LIMIT {10 * PAGE}
"""
UNLISTED: Final = f"""
    SELECT number, model, estimated, cost, cost_source, remote_ids FROM calls JOIN inputs USING (run, number)
    WHERE run = ? AND (cost IS NOT NULL OR state = 'done') AND state <> 'ready' AND remote_ids IS NOT NULL
        AND cost_source < {COST_SOURCES.index("listed")} AND {{where}}
    ORDER BY number DESC LIMIT ?
"""
CHARGED: Final = """
    SELECT model, estimated, cost, cost_source, count(*) FROM (
        SELECT model, estimated, cost, cost_source, state FROM generor.calls
        WHERE run = %s AND (cost IS NOT NULL OR state = 'done')
        UNION ALL SELECT model, estimated, cost, cost_source, state FROM generor.attempts
        WHERE run = %s AND cost IS NOT NULL
    ) AS charged WHERE model IS NOT NULL AND NOT (state IN ('ready', 'failed') AND cost = 0)
    GROUP BY model, estimated, cost, cost_source
"""
FAILURES: Final = """
    SELECT groups.rows, groups.error, groups.code, calls.problem FROM (
        SELECT count(*) AS rows, min(number) AS first, error, code FROM generor.calls
        WHERE run = %s AND state = 'failed' GROUP BY error, code
    ) AS groups JOIN generor.calls ON run = %s AND number = first ORDER BY groups.rows DESC, first
"""
ESCAPES: Final = r"\\u(0000|d[89a-f][0-9a-f][0-9a-f])"
"""Finds JSON that may have characters which PostgreSQL can't decode."""
NAMES: Final = f"""
    SELECT DISTINCT name FROM (
        SELECT {{column}} AS given FROM {{source}} WHERE run = %s AND number <= %s AND {{column}} IS NOT NULL
            AND {{column}} !~* '{ESCAPES}' OFFSET 0
    ) AS plain, json_object_keys(given::json) AS name
"""
ODD: Final = f"""
    SELECT number, {{column}} FROM {{source}}
    WHERE run = %s AND number <= %s AND number > %s AND {{column}} ~* '{ESCAPES}' ORDER BY number LIMIT {PAGE}
"""


class PostgresReader(SqlReader[int]):
    """Reads the calls of a run; belongs to the event loop that makes it."""

    _join = "run, number"
    _unlisted_query = UNLISTED

    def __init__(
        self, database: Database, pool: ConnectionPool[Connection], run: int, owner: int | None = None
    ) -> None:
        self._database = database
        self._pool = pool
        self._run = run
        self._owner_number = owner

    async def scan(self, *states: RowState, owned: bool = False) -> AsyncIterator[CallRecord]:
        """Yield the calls in these states, or all calls, in input order; memory is bounded."""
        whose = f"AND owner = {self._owner_number or 0}" if owned else ""
        pages = self._pages_of_states(states, whose) if states else self._pages(whose)
        async with aclosing(pages):
            async for page in pages:
                for call in decode(page):
                    yield call

    async def _pages(self, whose: str) -> AsyncGenerator[Sequence[tuple[Any, ...]]]:
        """Yield all calls by ranges of numbers, which any plan of a query goes through at once."""
        last = 0
        while True:
            if page := await self._fetch(SCAN.format(f"AND number <= %s {whose}"), self._run, last, last + PAGE):
                yield page
                last += PAGE
                continue
            ((next_,),) = await self._fetch(f"{NEXT} {whose}", self._run, last)
            if next_ is None:
                return
            last = next_ - 1

    async def _pages_of_states(
        self, states: Sequence[RowState], whose: str
    ) -> AsyncGenerator[Sequence[tuple[Any, ...]]]:
        query, last = SCAN.format(SCAN_STATES.format(whose=whose, page=PAGE)), 0
        while page := await self._fetch(query, self._run, last, [*states], self._run, last):
            yield page
            last = page[-1][0]

    async def get(self, numbers: Sequence[int]) -> Sequence[CallRecord]:
        """Return the calls with these numbers that exist, in input order."""
        return decode(await self._fetch(GET_CALLS, self._run, list(numbers)))

    async def has_call(self, number: int, request_id: str) -> bool:
        """Tell whether an attempt of this call was submitted with this id."""
        each = (f"SELECT 1 FROM {table} WHERE run = ? AND number = ? AND request_id = ?" for table in TABLES)
        return bool(await self._fetch(" UNION ALL ".join(each), *(self._run, number, request_id) * 2))

    async def stored_files(self) -> AsyncIterator[StoredFiles]:
        """Yield the output files of the calls that are done, in input order, some thousand calls at a time."""
        last = 0
        while page := await self._fetch(STORED, self._run, last):
            yield StoredFiles([number for number, _ in page], [_files(result) for result in decode_column(page, 1)])
            last = page[-1][0]

    async def parameter_names(self) -> tuple[int, Sequence[str]]:
        """Return the last call's number, and the names of all parameters that any call up to it has."""
        ((last,),) = await self._fetch("SELECT coalesce(max(number), 0) FROM calls WHERE run = ?", self._run)
        return last, sorted(await self._names("generor.inputs", "parameters", last))

    async def failures(self) -> Sequence[Failure]:
        """Count failed calls by error type and code, the most frequent first."""
        found = await self._fetch(FAILURES, self._run, self._run)
        problems: list[JSON] = decode_column(found, 3)
        return [
            Failure(error=error or "", code=code or "", message=_message(problem), rows=rows)
            for (rows, error, code, _), problem in zip(found, problems, strict=True)
        ]

    async def column_names(self) -> Sequence[str]:
        """Return the names of all columns that are no parameters."""
        last = 2**62
        of_calls = await self._names("generor.inputs", "columns", last)
        skipped = "(SELECT run, rowid AS number, columns FROM generor.skipped_inputs WHERE reason IS NULL) AS skipped"
        return sorted(of_calls | await self._names(skipped, "columns", last))

    async def charges(self) -> Sequence[ChargedCalls]:
        """Sum up the charged attempts, grouped by model, estimate, cost and its source."""
        return [
            ChargedCalls(model=model, estimated=estimated, cost=cost, source=decode_source(source), calls=calls)
            for model, estimated, cost, source, calls in await self._fetch(CHARGED, self._run, self._run)
        ]

    async def refundable(self, codes: Collection[str]) -> float:
        """Return how many credits are reserved for attempts that failed with one of these codes."""
        each = (f"SELECT counted FROM generor.{table} WHERE {FAILED_WITH_CODE}" for table in TABLES)
        query = f"SELECT coalesce(sum(counted), 0) FROM ({' UNION ALL '.join(each)}) AS refundable"
        ((counted,),) = await self._fetch(query, *(self._run, list(codes)) * 2)
        return float(counted)

    async def check(self) -> str | None:
        """Return what is damaged; None if every call has its input, as the server checks its files itself."""
        query = """
            SELECT count(*) FROM calls LEFT JOIN inputs USING (run, number) WHERE run = ? AND inputs.place IS NULL
        """
        ((missing,),) = await self._fetch(query, self._run)
        return f"{missing} calls have no input" if missing else None

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _names(self, source: str, column: str, last: int) -> set[str]:
        """Return the names of all members of a column's objects, up to a number."""
        given = {"source": source, "column": column}
        names = {name for (name,) in await self._fetch(NAMES.format(**given), self._run, last)}
        after = -1
        while page := await self._fetch(ODD.format(**given), self._run, last, after):
            for found in decode_column(page, 1):
                names.update(found)
            after = page[-1][0]
        return names

    async def _fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query, which is tried again while the database restarts or is cut off."""
        patience = Patience("read", self._database)
        while True:
            try:
                async with self._pool.connection(POOL_SECONDS) as connection:
                    cursor = await connection.execute(_translated(query), arguments)
                    return await cursor.fetchall()
            except psycopg.Error as error:
                await patience.wait(error)


@lru_cache(maxsize=256)
def _translated(query: str) -> bytes:
    """Return a query of any SQL reader as PostgreSQL, and psycopg, have it."""
    return TABLE.sub(r"\1 generor.\2", query).replace("?", "%s").encode() if "generor." not in query else query.encode()


def _files(result: JSON) -> list[str]:
    files = result.get("files") if is_object(result) else None
    return [str(file) for file in files] if is_array(files) else []


def _message(problem: JSON) -> str:
    return str(problem.get("message") or "") if is_object(problem) else ""
