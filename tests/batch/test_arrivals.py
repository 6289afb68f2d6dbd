"""Rows whose job's id has arrived in an answer that never ended: looked at, and never paid for twice."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from support.calls import KEY
from support.clock import in_virtual_time
from support.wire import Arrived, Peer, Wire, answer

from generor_async import AsyncLuma
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import read_status

JOB = "11111111-2222-4333-8444-555555555555"
GENERATION: dict[str, Any] = {
    "id": JOB,
    "type": "image",
    "state": "failed",
    "model": "uni-1",
    "created_at": "2026-04-08T12:00:00Z",
    "output": [],
    "failure_reason": "it broke",
    "failure_code": "generation_failed",
}
ROWS = [{"prompt": "a heron", "id": "a"}]

anyio_backend = in_virtual_time


async def never_ends(peer: Peer, came: Arrived) -> None:
    """Answer a submission but for the last chunk; a look, properly."""
    if came.method == "GET":
        await answer(200, GENERATION)(peer, came)
        return
    body = json.dumps({**GENERATION, "state": "queued"}).encode()
    head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    await peer.send(head + b"%x\r\n%b\r\n" % (len(body), body))
    await asyncio.Event().wait()


async def ended(batch: Batch) -> list[RowOutcome]:
    return [outcome async for outcome in batch]


async def test_a_row_whose_answer_ran_out_of_time_is_looked_at_by_the_id_that_came(tmp_path: Path) -> None:
    async with Wire(never_ends) as wire, AsyncLuma(KEY, base_url=wire.url, attempt_timeout=0.5) as client:
        (row,) = await ended(run_batch(client, ROWS, to=tmp_path))
    assert (row.state, row.remote_ids) == ("failed", (JOB,))
    assert "it broke" in row.problem
    assert [came.method for came in wire.requests] == ["POST", "GET"]


async def test_a_row_that_was_stopped_while_its_answer_came_is_taken_up_by_the_id_that_came(tmp_path: Path) -> None:
    async with Wire(never_ends) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        run = asyncio.create_task(ended(run_batch(client, ROWS, to=tmp_path)))
        await wire.arrived()
        for _ in range(20):
            await asyncio.sleep(0.001)
        run.cancel()
        await asyncio.sleep(0.001)
        run.cancel()  # at once
        with pytest.raises(asyncio.CancelledError):
            await run
        assert (await read_status(tmp_path)).counts["accepted"] == 1
        (row,) = await ended(run_batch(client, ROWS, to=tmp_path))
    assert (row.state, row.remote_ids) == ("failed", (JOB,))
    assert [came.method for came in wire.requests] == ["POST", "GET"]
