"""Leases calls of a run."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

from attrs import define, field
from psycopg import AsyncCursor

from generor_async.rules.row_numbers import RowNumbers
from generor_async.stores.postgres.calls import GET_CALLS, decode
from generor_async.stores.postgres.writer import Transaction
from generor_async.stores.records import CallRecord, NewCall
from generor_async.stores.steps import dump_json

__all__ = ["ClaimBatch", "lease_call"]

PAGE: Final = 5_000
"""Numbers of ready calls looked through at a time."""
READY: Final = "run = %s AND state = 'ready' AND digest IS NULL"
FIND: Final = f"""
    SELECT number, request_id IS NOT NULL FROM generor.calls
    WHERE {READY} {{}} ORDER BY number LIMIT %s FOR UPDATE SKIP LOCKED
"""
"""Different owners get different calls, and none waits for another one."""
READY_NUMBERS: Final = f"""
    SELECT number FROM generor.calls WHERE {READY} AND number > %s AND number <= %s ORDER BY number LIMIT {PAGE}
"""
ATTEMPT: Final = (
    'run, number, key, "user", operation, digest, context, state, attempt, owner, request_id, submitted_at, longest,'
    " model, estimated, accounts, counted, cost, cost_source, remote_ids, ended_at, result, problem, error, code"
)
ARCHIVE: Final = f"""
    INSERT INTO generor.attempts ({ATTEMPT}) SELECT {ATTEMPT} FROM generor.calls
    WHERE run = %s AND number = ANY(%s::bigint[]) AND request_id IS NOT NULL
"""
LEASE: Final = """
    UPDATE generor.calls SET state = 'leased', attempt = attempt + 1, owner = %s, request_id = NULL,
        submitted_at = NULL, longest = 0, model = NULL, estimated = 0, accounts = NULL, counted = 0, cost = NULL,
        cost_source = 0, remote_ids = NULL, ended_at = NULL, result = NULL, problem = NULL, error = NULL, code = NULL
    WHERE run = %s AND number = ANY(%s::bigint[])
"""
LOCK_RUN: Final = "SELECT last_number FROM generor.runs WHERE run = %s FOR UPDATE"
FIND_BY_KEY: Final = "SELECT number, state FROM generor.calls WHERE run = %s AND key = %s FOR UPDATE"
INSERT_CALL: Final = "INSERT INTO generor.calls (run, number, key, state) VALUES (%s, %s, %s, 'ready')"
INSERT_INPUT: Final = "INSERT INTO generor.inputs (run, number, place) VALUES (%s, %s, '')"
SET_CALL: Final = """
    UPDATE generor.calls SET "user" = %s, operation = %s, context = %s, digest = NULL WHERE run = %s AND number = %s
"""
SET_INPUT: Final = """
    UPDATE generor.inputs SET place = %s, parameters = %s, request_key = NULL WHERE run = %s AND number = %s
"""


@define(eq=False)
class ClaimBatch:
    """Claims that wait at the same time: they lease the calls together, and share them."""

    run: int
    owner: int
    among: RowNumbers | None
    """Lease only calls with one of these numbers, if given."""
    read: Callable[[Sequence[int]], Awaitable[Sequence[CallRecord]]]
    """Reads calls, where the answer of the commit was lost."""
    claimed: list[CallRecord]
    """Where the leased calls go."""
    most: int = 0
    result: "asyncio.Future[None]" = field(factory=lambda: asyncio.get_running_loop().create_future())
    _numbers: list[int] = field(factory=list[int], init=False)
    _leased: AsyncCursor[tuple[Any, ...]] | None = field(default=None, init=False)

    async def execute(self, transaction: Transaction) -> None:
        """Lease ready calls of a run whose parameters are known."""
        if self.among is None:
            found = await transaction.fetch(FIND.format(""), self.run, self.most)
        else:
            found = await _find_among(transaction, self.run, self.most, self.among)
        self._numbers = [number for number, _ in found]
        self._leased = await _lease(transaction, self.run, self.owner, found) if found else None

    async def committed(self) -> None:
        """Hand the calls on."""
        if self._leased is not None and self._leased.pgresult is not None:
            self.claimed.extend(decode(await self._leased.fetchall()))
        elif self._numbers:
            self.claimed.extend(await self.read(self._numbers))
        self.result.set_result(None)

    def failed(self, error: BaseException) -> None:
        """Raise an error where the calls are waited for."""
        self.result.set_exception(error)


async def lease_call(transaction: Transaction, *, run: int, owner: int, call: NewCall) -> tuple[CallRecord, bool]:
    """Lease a call that is no row, which is added unless a ready one has its id; tell whether it is leased."""
    locked = await transaction.send(LOCK_RUN, run)
    found = await transaction.fetch(FIND_BY_KEY, run, call.id)
    if found:
        ((number, state),) = found
    else:
        number, state = (await transaction.rows(locked))[0][0] + 1, "ready"
        await transaction.send(INSERT_CALL, run, number, call.id)
        await transaction.send(INSERT_INPUT, run, number)
        await transaction.send("UPDATE generor.runs SET last_number = %s WHERE run = %s", number, run)
    if state != "ready":
        return decode(await transaction.fetch(GET_CALLS, run, [number]))[0], False
    context = None if call.context is None else dump_json(call.context)
    await transaction.send(SET_INPUT, call.place, dump_json(call.parameters), run, number)
    await transaction.send(ARCHIVE, run, [number])
    await transaction.send(SET_CALL, call.user, call.operation, context, run, number)
    leased = await _lease(transaction, run, owner, [(number, False)])
    return decode(await transaction.rows(leased))[0], True


async def _lease(
    transaction: Transaction, run: int, owner: int, found: Sequence[tuple[Any, ...]]
) -> AsyncCursor[tuple[Any, ...]]:
    """Lease calls that are locked: tuples of a number, and whether an attempt of it is to be kept; read them."""
    numbers = [number for number, _ in found]
    if any(was_submitted for _, was_submitted in found):
        await transaction.send(ARCHIVE, run, numbers)
    await transaction.send(LEASE, owner, run, numbers)
    return await transaction.send(GET_CALLS, run, numbers)


async def _find_among(transaction: Transaction, run: int, most: int, among: RowNumbers) -> list[tuple[Any, ...]]:
    found = list[tuple[Any, ...]]()
    async with aclosing(_pages(transaction, run, among)) as pages:
        async for page in pages:
            at = 0
            while at < len(page) and len(found) < most:
                some = page[at : at + most - len(found)]
                found += await transaction.fetch(FIND.format("AND number = ANY(%s::bigint[])"), run, some, len(some))
                at += len(some)
            if len(found) == most:
                break
    return found


async def _pages(transaction: Transaction, run: int, among: RowNumbers) -> AsyncGenerator[list[int]]:
    """Yield the numbers of ready calls that are among these."""
    last = 0
    while page := await transaction.fetch(READY_NUMBERS, run, last, among.last):
        yield [number for (number,) in page if number in among]
        last = page[-1][0]
