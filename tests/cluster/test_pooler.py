"""PgBouncer: in transaction mode, each transaction may be in another session."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cluster.test_shared_batch import charged
from stores.ledgers import RULES, claimed, reserved_and_spent, submit, take
from support.commands import Commands
from support.fleet_commands import Fleet, wait_for
from support.pooler import Pooler, running_pooler
from support.servers import PostgresServer
from support.still_sessions import still_link_to

from generor_async import AsyncLuma, Limits
from generor_async.batch.runner import run_batch
from generor_async.batch.shift import ShiftEnd, run_shift
from generor_async.batch.status import read_status
from generor_async.simulator import Simulator
from generor_async.stores.ledger import UnusableLedgerError
from generor_async.stores.opening import open_ledger

ROWS = [{"prompt": f"heron {number}"} for number in range(120)]


@pytest.fixture
def command(pytestconfig: pytest.Config) -> str:
    return str(pytestconfig.getoption("--pgbouncer"))


@pytest.fixture
def pooler(command: str, postgres: PostgresServer, tmp_path: Path) -> Iterator[Pooler]:
    with running_pooler(command, postgres, tmp_path) as running:
        yield running


def test_a_run_in_transaction_mode_buys_each_row_once(pooler: Pooler, postgres_url: str, tmp_path: Path) -> None:
    """Workers with more connections than the pool, ledger and limits alike; the pooler is restarted on the way."""
    url = pooler.url_of(postgres_url)
    rules: dict[str, Any] = {"to": url, "name": "herons", "media": f"file://{tmp_path}/out", "max_credits": 100_000}

    async def main() -> None:
        async with Simulator(speed=20.0, luma_rpm=3_000) as simulator:
            options: dict[str, Any] = {**simulator.luma_options, "limits": Limits(store=url)}

            async def work() -> ShiftEnd:
                async with AsyncLuma(**options) as luma:
                    return await run_shift(luma, url, "herons", concurrency=8, lease=10.0)

            async with AsyncLuma(**options) as luma:
                await run_batch(luma, ROWS, **rules).submit()
            working = asyncio.gather(*(work() for _ in range(4)))
            while len(simulator.luma.generations) < len(ROWS) / 3:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
            await asyncio.to_thread(pooler.restart, immediate=True)
            ends = await working
            assert {end.reason for end in ends} == {"done"}
            assert sum(end.done for end in ends) == len(ROWS)
            assert charged(simulator) == {row["prompt"]: 1 for row in ROWS}
            assert (await read_status(url, name="herons")).counts["done"] == len(ROWS)

    asyncio.run(main())
    with psycopg.connect(postgres_url) as connection:
        sessions = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        ((count,),) = connection.execute(sessions)
        assert count <= 3


async def test_a_worker_that_is_frozen_in_a_transaction_lets_go_of_its_locks(pooler: Pooler, postgres_url: str) -> None:
    """The others end the session that the pooler has given it."""
    url = pooler.url_of(postgres_url)
    other = await open_ledger(url, run="owls", rules=RULES, lease=1.0)
    async with still_link_to(pooler.host, pooler.port) as link:
        through = url.replace(f":{pooler.port}/", f":{link.port}/")
        frozen = await open_ledger(through, run="herons", rules=RULES, lease=1.0)
        mine, others = await claimed(frozen), await claimed(other)
        link.stand_still_after("FROM generor.accounts")
        waiting = asyncio.ensure_future(take(frozen, mine, submit()))
        await link.is_still.wait()
        await take(other, others, submit())
        assert await reserved_and_spent(other, "all") == (7.0, 0.0)
        link.wake()
        await waiting
        assert await reserved_and_spent(other, "all") == (14.0, 0.0)
        await frozen.close()
    await other.close()


def test_workers_wait_at_the_server_itself(
    pooler: Pooler, commands: Commands, postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    with Simulator(speed=10.0, luma_rpm=600, seed=7) as simulator:
        urls = {"GENEROR_DATABASE_URL": pooler.url_of(postgres_url), "GENEROR_REDIS_URL": redis_url}
        through = Fleet(commands, simulator, urls, tmp_path)
        assert "Set GENEROR_QUEUE_URL to the URL of" in through.refused("worker")
        beside = Fleet(commands, simulator, {**urls, "GENEROR_QUEUE_URL": postgres_url}, tmp_path)
        try:
            beside.run("migrate")
            beside.submit("herons", 12)
            beside.worker()
            wait_for(lambda: beside.idle("herons") and len(simulator.luma.generations) == 12)
            wait_for(lambda: beside.states("herons").keys() == {"done"})
            assert beside.check("herons") == {"done": 12}
        finally:
            beside.end_all()


async def test_statement_mode_is_refused_in_words(
    command: str, postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    with running_pooler(command, postgres, tmp_path, mode="statement") as pooler:
        with pytest.raises(UnusableLedgerError) as caught:
            await open_ledger(pooler.url_of(postgres_url), run="herons", rules=RULES)
        assert "Set pool_mode of PgBouncer to transaction or session" in f"{caught.value.advice}"
