"""The connections of a ledger in PostgreSQL: whoever is cancelled while it waits for one ends, and loses none."""

import asyncio

import pytest

from generor_async.stores.postgres.database import MOST_CONNECTIONS, Database

PATIENCE = 300.0


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancellation_is_kept_that_comes_with_a_connection(postgres_url: str, turns: int) -> None:
    pool = Database(postgres_url).pool()

    async def use() -> None:
        async with pool.connection(PATIENCE):
            await asyncio.Event().wait()

    await pool.open()
    try:
        held = [await pool.getconn(PATIENCE) for _ in range(MOST_CONNECTIONS)]
        waiting = asyncio.create_task(use())
        while not pool.get_stats()["requests_waiting"]:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        await pool.putconn(held.pop())
        for _ in range(turns):  # of the event loop
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=PATIENCE)
        assert waiting.cancelled()
        held.append(await pool.getconn(PATIENCE))
        for connection in held:
            await pool.putconn(connection)
    finally:
        await pool.close()
