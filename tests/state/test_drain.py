"""A client that is drained takes no new calls; what can end ends, and what goes on is named."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.clock import in_virtual_time, patient
from support.generor_service import until

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    Budget,
    ClientClosedError,
    ClientDrainingError,
    Luma,
    OutcomeUnknownError,
    run_batch,
)
from generor_async.simulator import Simulator
from generor_async.stores.sql_reader import PAGE

ACCOUNT: dict[str, Any] = {"seed": 7, "luma_rpm": 10_000, "luma_jobs": 1_000, "tier": "enterprise"}
CREATE = "luma.generations.create"
GENERATE = "generor.generators.generate"


anyio_backend = in_virtual_time


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(**ACCOUNT) as simulator:
        yield simulator


async def test_what_can_end_ends_and_new_calls_are_refused(simulator: Simulator) -> None:
    async with AsyncLuma(**simulator.luma_options) as luma:
        running = [asyncio.create_task(luma.generations.run(prompt=f"heron {number}")) for number in range(3)]
        await until(lambda: len(simulator.luma.generations) == 3)
        draining = asyncio.create_task(luma.drain(600))
        await asyncio.sleep(0)
        for refused in (luma.generations.create, luma.with_options(max_retries=0).generations.run):
            with pytest.raises(ClientDrainingError, match="takes no new calls") as caught:
                await refused(prompt="a crane")
            assert caught.value.operation == CREATE
        with pytest.raises(ClientDrainingError):
            await luma.files.create(mime_type="image/png", size_bytes=5)
        done = await asyncio.gather(*running)
        assert [generation.state for generation in done] == ["completed"] * 3
        assert await draining == []
        assert (await luma.generations.get(done[0].id)).state == "completed", "what only reads still passes"
        with pytest.raises(ClientDrainingError):
            await luma.generations.create(prompt="a crane")
    assert len(simulator.ledger.charges) == 3
    async with luma:
        await luma.generations.create(prompt="a crane")


async def test_jobs_that_go_on_are_named(simulator: Simulator, tmp_path: Path) -> None:
    async with AsyncLuma(**simulator.luma_options, state=tmp_path / "calls.sqlite") as luma:
        job = await luma.generations.submit(prompt="a heron")
        running = asyncio.create_task(luma.generations.run(prompt="a crane"))
        await until(lambda: len(simulator.luma.generations) == 2)
        going_on = await luma.drain(1)
        assert sorted(going_on) == sorted(simulator.luma.generations)
        assert job.id in going_on
        assert not running.done(), "it goes on until the client is closed"
    with pytest.raises(ClientClosedError) as closed:
        await running
    assert closed.value.job_id in going_on
    async with AsyncLuma(**simulator.luma_options, state=tmp_path / "calls.sqlite") as luma:
        assert sorted([each.id async for each in luma.jobs.unfinished()]) == sorted(going_on)


@pytest.mark.parametrize("keep", [True, False])
async def test_a_job_of_ten_minutes_holds_nothing_up(simulator: Simulator, tmp_path: Path, keep: bool) -> None:
    state = tmp_path / "calls.sqlite" if keep else None
    async with AsyncLuma(**simulator.luma_options, state=state) as luma:
        short, *long = [await luma.generations.submit(prompt=f"heron {number}") for number in range(4)]
        begins = asyncio.get_running_loop().time()
        for number, job in enumerate((short, *long)):
            simulator.luma.generations[job.id].ends_at = simulator.clock.time() + (600 if number else 5)
        waits = [asyncio.create_task(job.wait()) for job in (short, *long)]
        completed = asyncio.ensure_future(anext(luma.generations.as_completed(long)))
        await asyncio.sleep(0)
        assert await luma.drain(20) == [job.id for job in long]
        assert asyncio.get_running_loop().time() == begins + 20
        assert [wait.done() for wait in waits] == [True, False, False, False], "what can end ends"
        assert await luma.drain(0) == [job.id for job in long]
    for wait in waits[1:]:
        with pytest.raises(ClientClosedError):
            await wait
    assert isinstance((await completed).error, ClientClosedError)
    if keep:
        async with AsyncLuma(**simulator.luma_options, state=state) as luma:
            assert [job.id async for job in luma.jobs.unfinished()] == [job.id for job in long]


async def test_a_drain_ends_as_soon_as_all_has_ended(simulator: Simulator) -> None:
    async with AsyncLuma(**simulator.luma_options) as luma:
        job = await luma.generations.submit(prompt="a heron")
        ends = simulator.luma.generations[job.id].ends_at - simulator.clock.time()
        waiting = asyncio.create_task(job.wait())
        await asyncio.sleep(0)
        begins = asyncio.get_running_loop().time()
        assert await luma.drain(math.inf) == []
        assert (await waiting).state == "completed"
        assert ends <= asyncio.get_running_loop().time() - begins <= ends + 15, "the longest time between two polls"


async def test_without_a_state_the_jobs_that_are_waited_for_are_named(simulator: Simulator) -> None:
    async with AsyncLuma(**simulator.luma_options) as luma:
        job = await luma.generations.submit(prompt="a heron")
        waiting = asyncio.ensure_future(job.wait())
        await asyncio.sleep(0)
        assert await luma.drain(0) == [job.id]
    with pytest.raises(ClientClosedError):
        await waiting


async def test_close_with_a_drain_does_that_and_then_closes(simulator: Simulator) -> None:
    luma = AsyncLuma(**simulator.luma_options)
    async with luma:
        running = asyncio.create_task(luma.generations.run(prompt="a heron"))
        await until(lambda: simulator.luma.generations)
        closing = asyncio.create_task(luma.close(drain=600))
        await asyncio.sleep(0)
        with pytest.raises(ClientDrainingError):
            await luma.generations.create(prompt="a crane")
        assert (await running).state == "completed"
        await closing
        with pytest.raises(ClientClosedError):
            await luma.generations.create(prompt="a crane")
    assert len(simulator.ledger.charges) == 1


async def test_a_client_that_was_never_entered_can_be_used_again_after_it_was_drained_and_closed(
    simulator: Simulator,
) -> None:
    luma = AsyncLuma(**simulator.luma_options)
    assert await luma.drain(0) == []
    with pytest.raises(ClientDrainingError):
        await luma.generations.create(prompt="a heron")
    await luma.close()
    await luma.generations.create(prompt="a heron")
    await luma.close()


async def test_a_call_that_waits_for_its_turn_may_still_end(simulator: Simulator) -> None:
    simulator.faults.add_spec(f"{CREATE}=429:1x:retry_after=20")
    async with AsyncLuma(**simulator.luma_options) as luma:
        call = asyncio.create_task(luma.generations.create(prompt="a heron"))
        await until(lambda: simulator.ledger.requests)
        await luma.drain(600)
        assert (await call).state == "queued"


async def test_a_call_that_had_left_when_time_was_up_is_unknown(simulator: Simulator, tmp_path: Path) -> None:
    simulator.faults.add_spec(f"{GENERATE}=stall:after_charge")
    async with AsyncGeneror(**simulator.generor_options, state=tmp_path / "calls.sqlite") as generor:
        call = asyncio.create_task(generor.generators.generate("joke", model_id=37))
        await until(lambda: any(entry.operation == GENERATE for entry in simulator.ledger.requests))
        assert await generor.drain(1) == []
    with pytest.raises(OutcomeUnknownError):
        await call
    async with AsyncGeneror(**simulator.generor_options, state=tmp_path / "calls.sqlite") as generor:
        assert len([each async for each in generor.jobs.unknown()]) == 1


async def test_a_batch_of_a_client_that_is_drained_stops(simulator: Simulator, tmp_path: Path) -> None:
    async with AsyncLuma(**simulator.luma_options) as luma:
        await luma.drain(0)
        with pytest.raises(ClientDrainingError):
            async for _ in run_batch(luma, [{"prompt": "a heron"}], to=tmp_path / "out"):
                pass
    assert not simulator.ledger.charges


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_a_closed_client_does_not_open_its_state_again(simulator: Simulator, tmp_path: Path) -> None:
    kept: dict[str, Any] = {"state": tmp_path / "calls.sqlite", "budgets": [Budget(credits=99)]}
    async with AsyncLuma(**simulator.luma_options, **kept) as luma:
        await luma.generations.create(prompt="a heron")
    for listed in (luma.jobs.unfinished(), luma.jobs.unknown()):
        with pytest.raises(ClientClosedError, match="is closed"):
            await anext(listed)
    for asked in (luma.budgets.status(), luma.jobs.prune(older_than=0), luma.jobs.settle("a", job_id=None)):
        with pytest.raises(ClientClosedError, match="is closed"):
            await asked
    assert names_in(tmp_path) == ["calls.sqlite"], "no lock, and no log, is left"


async def test_a_client_may_be_closed_while_its_jobs_are_listed(tmp_path: Path) -> None:
    async with Simulator(**ACCOUNT) as simulator:
        luma = AsyncLuma(**simulator.luma_options, state=tmp_path / "calls.sqlite")
        async with luma:
            await asyncio.gather(*(luma.generations.submit(prompt=f"heron {number}") for number in range(PAGE + 1)))
        never_entered = AsyncLuma(**simulator.luma_options, state=tmp_path / "calls.sqlite")

    async def list_and_close(luma: AsyncLuma) -> None:
        async for _ in luma.jobs.unfinished():
            await luma.close()

    async with luma:
        with pytest.raises(ClientClosedError, match="the client is closed"):
            await list_and_close(luma)
    with pytest.raises(ClientClosedError, match="closed while its calls were read"):
        await list_and_close(never_entered)
    assert names_in(tmp_path) == ["calls.sqlite"]


def test_a_blocking_client_is_drained_alike() -> None:
    with Simulator(speed=60, **ACCOUNT) as simulator, Luma(**patient(simulator.luma_options)) as luma:
        ended = list[str]()
        running = threading.Thread(target=lambda: ended.append(luma.generations.run(prompt="a heron").state))
        running.start()
        while not simulator.luma.generations:
            threading.Event().wait(0.01)
        assert luma.drain(math.inf) == []
        running.join()
        assert ended == ["completed"]
        with pytest.raises(ClientDrainingError):
            luma.generations.create(prompt="a crane")
