"""A database that is new: whoever comes first makes the tables, and all others find them."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest
from support.servers import PostgresServer

from generor_async.batch.run_key import OperationRequests
from generor_async.fleet.migrations import prepare_queue
from generor_async.stores.opening import open_ledger

AT_ONCE = 8


async def opened(url: str) -> None:
    rules = OperationRequests("luma.generations.create")
    ledgers = await asyncio.gather(
        *(open_ledger(url, run=f"run-{number % 2}", rules=rules) for number in range(AT_ONCE))
    )
    await asyncio.gather(*(ledger.close() for ledger in ledgers))


async def queued(url: str) -> None:
    await asyncio.gather(*(prepare_queue(url) for _ in range(AT_ONCE)))


@pytest.mark.parametrize("begin", [opened, queued])
def test_processes_that_begin_at_the_same_time_make_the_tables_once(
    begin: Callable[[str], Coroutine[None, None, None]], postgres: PostgresServer
) -> None:
    for _ in range(3):
        with postgres.database() as url:
            asyncio.run(begin(url))
