"""Workers that are frozen in the midst of a transaction: what they have locked keeps the others waiting for a lease.

Each is frozen after a certain statement. The server can't tell it from a client that has more to send.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cluster.test_killed_workers import LEASE, PATIENCE, ROWS, SPEED, WORLD, check, submit, wait_for_all
from stores.ledgers import ALL, RULES, UNKNOWN, claimed, new_row, reserved_and_spent, stored, take
from stores.ledgers import submit as intent
from support.servers import PostgresServer
from support.shift_worker import Worker, order_of, start_worker
from support.still_sessions import StillLink, still_link_to

from generor_async.errors import StaleRowError
from generor_async.simulator import Simulator
from generor_async.stores.ledger import Ledger
from generor_async.stores.opening import delete_run, open_ledger
from generor_async.stores.postgres.owners import DATABASE_TIME
from generor_async.stores.postgres.sessions import NAME_OWNER, end_sessions
from generor_async.stores.records import TakenOver

ACCOUNTS = "FROM generor.accounts"
MARK = "INSERT INTO generor.commits"
SESSIONS = b"""
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND application_name = 'generor' AND xact_start IS NOT NULL
"""
LOOK = 0.05
Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@pytest.fixture
async def link(postgres: PostgresServer) -> AsyncIterator[StillLink]:
    async with still_link_to(postgres.host, postgres.port) as link:
        yield link


@pytest.fixture
async def frozen(postgres: PostgresServer, postgres_url: str, link: StillLink) -> AsyncIterator[Ledger]:
    """A ledger whose owner is to be frozen."""
    url = postgres_url.replace(f":{postgres.port}/", f":{link.port}/")
    ledger = await open_ledger(url, run="herons", rules=RULES, lease=LEASE)
    yield ledger
    link.wake()
    await ledger.close()


@pytest.fixture
async def other(postgres_url: str) -> AsyncIterator[Ledger]:
    """A ledger whose owner isn't."""
    ledger = await open_ledger(postgres_url, run="herons", rules=RULES, lease=LEASE)
    yield ledger
    await ledger.close()


async def still(link: StillLink, statement: str, work: Awaitable[Any]) -> "asyncio.Future[Any]":
    """Begin some work, and return it when its connection stands still after a statement."""
    link.stand_still_after(statement)
    begun = asyncio.ensure_future(work)
    async with asyncio.timeout(PATIENCE):
        await link.is_still.wait()
    return begun


async def until(look: Callable[[], Awaitable[object]], wanted: object) -> None:
    """Look until something is found."""
    async with asyncio.timeout(PATIENCE):
        while await look() != wanted:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(LOOK)


@pytest.mark.parametrize("statement", [ACCOUNTS, "UPDATE generor.calls", "UPDATE generor.accounts", MARK])
async def test_others_use_the_account_of_an_owner_that_is_frozen(
    statement: str, frozen: Ledger, other: Ledger, link: StillLink
) -> None:
    await frozen.open_account(ALL, 100.0)
    mine, others = await claimed(frozen), await claimed(other, id_="b")
    waiting = await still(link, statement, frozen.intend(mine, intent(reserved=7.0), [ALL]))
    assert await other.intend(others, intent(reserved=7.0), [ALL]) is None
    await until(other.take_over, TakenOver(ready=1))
    assert await reserved_and_spent(other, "all") == (7.0, 0.0)
    link.wake()
    with pytest.raises(StaleRowError):
        await waiting
    assert {call.id: call.state for call in await stored(other)} == {"a": "ready", "b": "submitting"}
    assert await reserved_and_spent(other, "all") == (7.0, 0.0)


async def test_a_call_is_taken_over_of_whoever_is_frozen_while_it_writes_it(
    frozen: Ledger, other: Ledger, link: StillLink
) -> None:
    """Nobody waits for the call's lock: calls that are locked are left out."""
    call = await claimed(frozen, intent())
    waiting = await still(link, "FROM generor.calls", frozen.settle(call, UNKNOWN))
    await until(other.take_over, TakenOver(unknown=1))
    link.wake()
    with pytest.raises(StaleRowError):
        await waiting


async def test_calls_are_taken_over_of_whoever_is_frozen_while_it_takes_them_over(
    postgres_url: str, frozen: Ledger, other: Ledger, link: StillLink
) -> None:
    gone = await open_ledger(postgres_url, run="herons", rules=RULES, lease=1.0)
    call = await claimed(gone, intent())
    waiting = await still(link, "UPDATE generor.calls", take_over_all(frozen))
    await until(other.take_over, TakenOver(unknown=1))
    link.wake()
    await waiting
    with pytest.raises(StaleRowError):
        await take(gone, call, UNKNOWN)
    await gone.close()


async def take_over_all(ledger: Ledger) -> None:
    """Take over until no call is under way."""
    while (await ledger.counts()).get("submitting"):
        await ledger.take_over()
        await asyncio.sleep(LOOK)


async def add_row(ledger: Ledger, at: int) -> None:
    await ledger.add([new_row(f"{at}")])


async def write_note(ledger: Ledger, at: int) -> None:
    await ledger.write_note("note", at)


async def open_account(ledger: Ledger, at: int) -> None:
    await ledger.open_account(ALL, float(at))


@pytest.mark.parametrize(
    ("statement", "work"),
    [
        ("UPDATE generor.runs", add_row),
        ("INSERT INTO generor.notes", write_note),
        ("INSERT INTO generor.accounts", open_account),
    ],
)
async def test_others_write_what_an_owner_that_is_frozen_has_locked(
    statement: str, work: Callable[[Ledger, int], Awaitable[Any]], frozen: Ledger, other: Ledger, link: StillLink
) -> None:
    waiting = await still(link, statement, work(frozen, 1))
    await work(other, 2)
    link.wake()
    await waiting


async def test_leases_are_renewed_and_looked_at_whoever_is_frozen(
    frozen: Ledger, other: Ledger, link: StillLink
) -> None:
    waiting = await still(link, "INSERT INTO generor.owners", frozen.renew())
    await other.take_over()
    await other.renew()
    link.wake()
    await waiting


async def test_a_run_is_deleted_whoever_is_frozen(
    postgres_url: str, frozen: Ledger, other: Ledger, link: StillLink
) -> None:
    """The end of a lease is written in the table of owners, which is locked for a moment where a run is deleted."""
    await other.close()
    waiting = await still(link, "UPDATE generor.owners", frozen.close())

    async def delete() -> object:
        return await delete_run(postgres_url, "herons", [], even_paid=False)

    await until(delete, None)
    link.wake()
    await waiting


async def sessions(connection: Connection) -> Sequence[int]:
    """Return the sessions of ledgers that are in a transaction."""
    return [pid for (pid,) in await (await connection.execute(SESSIONS)).fetchall()]


async def test_a_session_is_ended_once_its_owners_lease_has_ended(
    postgres_url: str, frozen: Ledger, link: StillLink
) -> None:
    waiting = await still(link, ACCOUNTS, frozen.intend(await claimed(frozen), intent(), [ALL]))
    await asyncio.sleep(LEASE)
    async with await Connection.connect(postgres_url, autocommit=True) as connection:
        before = await sessions(connection)
        assert len(before) == 1
        await end_sessions(connection, f"{DATABASE_TIME} - {10 * PATIENCE}")
        assert await sessions(connection) == before
        await end_sessions(connection, DATABASE_TIME)
        assert not await sessions(connection)
    link.wake()
    await waiting


async def test_sessions_that_work_or_have_just_begun_are_left_alone(postgres_url: str) -> None:
    """Their leases have ended: one waits for a lock, the other for its client, for less than a lease."""
    leases = {"waits": 1.0, "has begun": 10 * PATIENCE}
    ledgers = {name: await open_ledger(postgres_url, run=name, rules=RULES, lease=leases[name]) for name in leases}
    connections = [await Connection.connect(postgres_url) for _ in range(3)]
    first, *others = connections
    await first.execute("SELECT pg_advisory_xact_lock(7)")
    for connection, ledger in zip(others, ledgers.values(), strict=True):
        await connection.execute(f"SELECT {NAME_OWNER}".encode(), [ledger.owner])
    waiting = asyncio.ensure_future(others[0].execute("SELECT pg_advisory_xact_lock(7)"))
    await asyncio.sleep(2 * leases["waits"])
    async with await Connection.connect(postgres_url, autocommit=True) as connection:
        await end_sessions(connection, f"{DATABASE_TIME} + {20 * PATIENCE}")
    await first.rollback()
    await waiting
    for connection in connections:
        await connection.execute("SELECT 1")
        await connection.close()
    for ledger in ledgers.values():
        await ledger.close()


async def test_the_others_go_on_while_a_worker_is_frozen_that_has_locked_the_account(
    postgres: PostgresServer, postgres_url: str, link: StillLink, tmp_path: Path
) -> None:
    with Simulator(speed=SPEED, **WORLD) as simulator:
        order = order_of(simulator, postgres_url, lease=LEASE)
        through = order_of(simulator, postgres_url.replace(f":{postgres.port}/", f":{link.port}/"), lease=LEASE)
        await asyncio.to_thread(submit, order, tmp_path, ROWS, max_credits=100_000.0)
        workers = list[Worker]()
        try:
            gone = await asyncio.to_thread(start_worker, through)
            workers.append(gone)
            link.stand_still_after(ACCOUNTS, lambda: gone.send(signal.SIGSTOP))
            async with asyncio.timeout(PATIENCE):
                await link.is_still.wait()
            workers.append(await asyncio.to_thread(start_worker, order))
            await asyncio.to_thread(wait_for_all, order, workers)
            gone.send(signal.SIGCONT)
            link.wake()
            for worker in workers:
                await asyncio.to_thread(worker.end, PATIENCE)
        finally:
            for worker in workers:
                await asyncio.to_thread(worker.kill)
        states = await asyncio.to_thread(check, order, simulator, tmp_path)
    assert states["done"] >= ROWS - order.concurrency, states
