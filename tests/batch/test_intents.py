"""When a row's intent is committed and taken back: a row that is unknown after a kill may have been charged."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from support.books import made, rows_of
from support.programs import environment, finished

from generor_async import AsyncLuma
from generor_async.batch.journal import open_reader
from generor_async.batch.parameters import Parameters
from generor_async.batch.runner import run_batch
from generor_async.errors import InvalidRequestError
from generor_async.simulator import Simulator
from generor_async.stores.records import CallRecord
from generor_async.testing import run

PAID = {"luma": "luma.generations.create", "generor": "generor.generators.generate"}
COMMON: dict[str, dict[str, Any]] = {"luma": {}, "generor": {"slug": "joke", "model_id": 37}}
WORLD: dict[str, Any] = {"tier": "enterprise", "exact_cost": True, "luma_rpm": 1_000, "luma_jobs": 50}
PATIENCE = 30.0


def begun(simulator: Simulator, folder: Path, api: str, *, rows: int, cache: str) -> "subprocess.Popen[str]":
    """Start the command, with a clock as fast as the simulator's, and without known limits."""
    path, speed = folder / "rows.jsonl", simulator.clock.speed
    path.write_text("".join(json.dumps({"prompt": f"heron {n}", **COMMON[api]}) + "\n" for n in range(rows)))
    epoch = simulator.clock.time() - time.monotonic() * speed
    options = ("--out", str(folder / "out"), "--api", api, "--yes", "--quiet")
    return subprocess.Popen(
        [sys.executable, "-m", "support.fast_command", str(speed), str(epoch), "batch", "run", str(path), *options],
        env={**environment(simulator), "XDG_CACHE_HOME": str(folder / cache)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def states(folder: Path) -> list[str]:
    try:
        return [row.state for row in rows_of(folder)]
    except InvalidRequestError:  # it has not begun yet
        return []


def refused(simulator: Simulator, api: str) -> bool:
    """Return whether a paid call was refused, and none is under way."""
    statuses = [entry.status for entry in simulator.ledger.requests if entry.operation == PAID[api]]
    return set(statuses) == {429}


@pytest.mark.parametrize(
    ("api", "refusal"),
    [
        ("luma", "429:retry_after=90000"),
        ("luma", "429:limit=jobs:retry_after=90000"),
        ("generor", "429:retry_after=90000"),
    ],
)
def test_rows_that_are_killed_while_they_wait_after_a_refusal_are_bought_once(
    tmp_path: Path, api: str, refusal: str
) -> None:
    out = tmp_path / "out"
    with Simulator(speed=60.0, **WORLD) as simulator:
        simulator.faults.add_spec(f"{PAID[api]}={refusal}")
        process, ends = begun(simulator, tmp_path, api, rows=3, cache="first"), time.monotonic() + PATIENCE
        while not refused(simulator, api) or states(out) != ["leased"] * 3:
            assert time.monotonic() < ends, states(out)
            time.sleep(0.05)
        process.kill()
        finished(process)
        assert all((row.state, row.counted) == ("leased", 0.0) for row in rows_of(out))
        simulator.faults.clear()
        code, _, err = finished(begun(simulator, tmp_path, api, rows=3, cache="second"))
        assert code == 0, err
        assert states(out) == ["done"] * 3
        assert len(simulator.ledger.charges) == 3
        assert [len(ids) for ids in made(simulator).values()] == [1] * 3


class HangingResolver(AbstractResolver):
    """A DNS resolver that never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        self.asked.set()
        never: asyncio.Future[list[ResolveResult]] = asyncio.get_running_loop().create_future()
        return await never

    async def close(self) -> None:
        pass


async def rows_in(folder: Path) -> list[CallRecord]:
    reader = await open_reader(folder)
    try:
        return [row async for row in reader.scan()]
    finally:
        await reader.close()


def test_a_row_killed_before_its_call_has_a_connection_is_ready_again(tmp_path: Path) -> None:
    async def main() -> None:
        resolver = HangingResolver()
        async with Simulator(**WORLD) as simulator, aiohttp.TCPConnector(resolver=resolver) as connector:
            port = simulator.luma_url.rpartition(":")[2]
            options: dict[str, Any] = simulator.luma_options | {"base_url": f"http://luma.localhost:{port}"}
            async with AsyncLuma(**options, connector=connector) as luma:
                rows = [{"prompt": f"heron {number}"} for number in range(3)]
                running = asyncio.create_task(states_of(luma, rows))
                await resolver.asked.wait()
                for _ in range(20):
                    await asyncio.sleep(0.1)
                    assert {row.state for row in await rows_in(tmp_path)} <= {"ready", "leased"}
                running.cancel()
                await asyncio.wait([running])
                assert not simulator.ledger.requests
                assert [row.state for row in await rows_in(tmp_path)] == ["ready"] * 3
            async with AsyncLuma(**simulator.luma_options) as luma:
                assert await states_of(luma, rows) == ["done"] * 3
            assert len(simulator.ledger.charges) == 3

    async def states_of(luma: AsyncLuma, rows: list[dict[str, Any]]) -> list[str]:
        return [outcome.state async for outcome in run_batch(luma, rows, to=tmp_path)]

    run(main())


class SlowlyWritten:
    """An intent on a slow disk."""

    async def record_sending(self) -> None:
        await asyncio.sleep(1_000.0)

    async def record_waiting(self) -> None:
        raise AssertionError("it was neither refused nor kept from leaving")


def test_committing_the_intent_does_not_count_as_the_servers_time() -> None:
    """The commit takes as long as another program may lock the journal, and the answer nearly as long as it may."""

    async def main() -> None:
        async with Simulator(**WORLD) as simulator, AsyncLuma(**simulator.luma_options) as client:
            luma: Any = client
            simulator.faults.add_spec(f"{PAID['luma']}=drip:after_charge:pieces=2:pause=55")
            operation = Parameters(PAID["luma"]).build({"prompt": "heron"})
            generation: Any = await luma._session.send(operation, luma._options, intent=SlowlyWritten())
            assert generation.id in simulator.luma.generations
            assert len(simulator.ledger.requests) == 1

    run(main())
