"""A ledger over a slow link: what many rows wait for is committed together, and so a worker does 100 rows a second."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from support import delay_proxy
from support.servers import POSTGRES, PostgresServer, free_port, postgres_server

from generor_async.batch.run_key import OperationRequests
from generor_async.rules.row_states import Accept, Download, Finish, Submit
from generor_async.stores.ledger import Ledger
from generor_async.stores.opening import open_ledger
from generor_async.stores.records import CallRecord, NewRow

ONE_WAY = 0.005
"""Seconds that a packet takes."""
ROWS, AT_ONCE = 1_000, 50
FEW_ROWS = 300
"""Where nobody asks for the figure, which depends on what else the machine does."""
STEPS = 4
"""Transactions of a row, if each were committed alone."""
SUBMIT = Submit(at=1.8e9, request_id="r-1", model="uni-1", estimated=13.5, reserved=13.5, longest=60.0)
ACCOUNT = ("run:herons", "")


@contextmanager
def delayed(port: int) -> Generator[int]:
    """Lead to a port of this machine by a slow link; yield the port of the near end."""
    near = free_port()
    given = ["127.0.0.1", str(near), "127.0.0.1", str(port), str(ONE_WAY)]
    command = [sys.executable, "-I", delay_proxy.__file__, *given]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            assert proxy.stdout.readline() == "ready\n"
            yield near
        finally:
            proxy.kill()


async def carry_through(ledger: Ledger, row: CallRecord) -> None:
    """Take the steps of a row that is made."""
    assert await ledger.intend(row, SUBMIT, [ACCOUNT]) is None
    await ledger.accept(row, Accept(remote_ids=(row.id,), cost=13.5))
    await ledger.accept(row, Download())
    await ledger.settle(row, Finish(at=1.8e9, result={"files": [f"{row.id}.png"]}))


async def worker(url: str, count: int) -> float:
    """Carry rows through as one worker does, each with a task of its own; return rows a second."""
    ledger = await open_ledger(url, run="herons", rules=OperationRequests("luma.generations.create"))
    await ledger.open_account(ACCOUNT, 13.5 * count)
    for first in range(0, count, 500):
        numbers = range(first, min(first + 500, count))
        await ledger.add([NewRow(id=f"{n}", parameters={"prompt": f"heron {n}"}, place=f"{n}") for n in numbers])
    free = asyncio.Semaphore(AT_ONCE)

    async def take(row: CallRecord) -> None:
        async with free:
            await carry_through(ledger, row)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        while claimed := await ledger.claim(AT_ONCE):
            for row in claimed:
                group.create_task(take(row))
            await free.acquire()  # another row is claimed when one has ended
            free.release()
    seconds = time.perf_counter() - begun
    account = await ledger.account(ACCOUNT)
    assert account is not None
    assert (account.reserved, account.spent) == (0.0, 13.5 * count)
    await ledger.close()
    return count / seconds


def commits(server: PostgresServer) -> int:
    """Return how many transactions the sessions that have ended have committed."""
    with psycopg.connect(server.url) as connection:
        sessions = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        while connection.execute(sessions.encode()).fetchone() != (0,):  # each tells when it ends
            connection.rollback()
        row = connection.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'").fetchone()
        assert row is not None
        return int(row[0])


def test_a_worker_does_a_hundred_rows_a_second(
    tmp_path: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    is_measured = pytestconfig.getoption("--faults") == "all"
    count = ROWS if is_measured else FEW_ROWS
    with (
        postgres_server(tmp_path, settings={**POSTGRES, "fsync": "on"}) as server,
        delayed(server.port) as near,
    ):
        rows_a_second = asyncio.run(worker(f"postgresql://postgres@127.0.0.1:{near}/postgres", count))
        committed = commits(server)
    with capsys.disabled():
        print(f"\n{rows_a_second:,.0f} rows a second, {ONE_WAY * 2_000:.0f} ms a round trip, {committed} commits")  # noqa: T201
    assert committed < count * STEPS / 10
    assert rows_a_second >= 100 or not is_measured
