"""Calls that stay unfinished until the program says that their results have arrived."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.clock import in_virtual_time, patient
from support.generor_service import until

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    AttemptEnded,
    Budget,
    GenerationFailedError,
    InvalidRequestError,
    Luma,
    OutcomeUnknownError,
)
from generor_async.simulator import Simulator

CREATE = "luma.generations.create"


anyio_backend = in_virtual_time


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=7, luma_rpm=10_000, luma_jobs=1_000) as simulator:
        yield simulator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.sqlite"


async def unfinished(luma: AsyncLuma) -> list[tuple[str, Any]]:
    return [(job.id, job.context) async for job in luma.jobs.unfinished()]


async def test_an_ended_job_is_unfinished_until_it_is_acknowledged(simulator: Simulator, path: Path) -> None:
    options: dict[str, Any] = {**simulator.luma_options, "state": path, "budgets": [Budget(credits=100)]}
    async with AsyncLuma(**options) as luma:
        view = luma.with_options(acknowledge=True, context={"message": 5})
        job = await view.generations.submit(prompt="a heron")
        await job
        assert await unfinished(luma) == [(job.id, {"message": 5})]
        assert await luma.drain(0) == [job.id]
        assert await luma.with_options(acknowledge=False).drain(0) == [job.id]
    async with AsyncLuma(**options) as luma:  # killed before the result was shown, or closed: it is all the same
        async for again in luma.jobs.unfinished():
            assert (await again).state == "completed"
        assert await unfinished(luma) == [(job.id, {"message": 5})]
        (before,) = await luma.budgets.status()
        for _ in range(2):
            await luma.jobs.acknowledge(job.id)
        assert await unfinished(luma) == []
        (after,) = await luma.budgets.status()
        assert (before.spent, after.spent) == (0.0, before.reserved)
        assert (await luma.generations.run(prompt="a crane")).state == "completed"
        assert await unfinished(luma) == []
    async with AsyncLuma(**options) as luma:
        assert await unfinished(luma) == []


async def test_a_failed_job_is_acknowledged_as_well(simulator: Simulator, path: Path) -> None:
    async with AsyncLuma(**simulator.luma_options, state=path) as luma:
        view = luma.with_options(acknowledge=True, idempotency_key="order 7")
        for _ in range(2):
            with pytest.raises(GenerationFailedError):
                await view.generations.run(prompt="a heron [[moderate]]")
        ((job_id, _),) = await unfinished(luma)
        await luma.jobs.acknowledge(job_id)
        assert await unfinished(luma) == []
    assert len(simulator.ledger.charges) == 1


async def test_a_job_of_a_process_that_has_ended_can_be_acknowledged_unseen(simulator: Simulator, path: Path) -> None:
    async with AsyncLuma(**simulator.luma_options, state=path) as luma:
        job = await luma.with_options(acknowledge=True).generations.submit(prompt="a heron")
    async with AsyncLuma(**simulator.luma_options, state=path) as luma:
        await luma.jobs.acknowledge(job.id)
        assert await unfinished(luma) == []
        await luma.jobs.acknowledge("00000000-0000-0000-0000-000000000000")
        with pytest.raises(InvalidRequestError, match="job_id"):
            await luma.jobs.acknowledge("")


async def test_a_generate_is_unfinished_until_it_is_acknowledged(simulator: Simulator, path: Path) -> None:
    options: dict[str, Any] = {**simulator.generor_options, "state": path}
    async with AsyncGeneror(**options) as generor:
        view = generor.with_options(acknowledge=True, context={"message": 5})
        result = await view.generators.generate("joke", prompt="herons", model_id=37)
        (creation_id,) = (creation.creation_id for creation in result.creations)
        await generor.generators.generate("joke", prompt="cranes", model_id=37)
    async with AsyncGeneror(**options) as generor:
        for _ in range(2):
            (job,) = [job async for job in generor.jobs.unfinished()]
            assert (job.creation_ids, job.context) == ((creation_id,), {"message": 5})
            again = await job.result()
            assert again.creations[0].creation_id == creation_id
        await generor.jobs.acknowledge(creation_id)
        assert [job async for job in generor.jobs.unfinished()] == []
    async with AsyncGeneror(**options) as generor:
        assert [job async for job in generor.jobs.unfinished()] == []


async def test_a_client_without_a_state_has_nothing_to_acknowledge(simulator: Simulator) -> None:
    async with AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(InvalidRequestError, match="acknowledge needs a client that keeps its calls"):
            luma.with_options(acknowledge=True)
        with pytest.raises(InvalidRequestError, match="keeps no calls"):
            await luma.jobs.acknowledge("5")
        await luma.with_options(acknowledge=False).generations.create(prompt="a heron")


def test_blocking_clients_acknowledge_alike(path: Path) -> None:
    with Simulator(seed=7, speed=60) as simulator, Luma(**patient(simulator.luma_options), state=path) as luma:
        generation = luma.with_options(acknowledge=True).generations.run(prompt="a heron")
        assert [job.id for job in luma.jobs.unfinished()] == [generation.id]
        luma.jobs.acknowledge(generation.id)
        assert list(luma.jobs.unfinished()) == []


# --- what came of a call that is cancelled ------------------------------------------------------------------------


async def cancelled(call: "asyncio.Task[Any]") -> BaseException | None:
    """Cancel a call; return what its cancellation came from."""
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    return caught.value.__cause__


@pytest.mark.parametrize("keep", [True, False])
async def test_a_cancelled_call_tells_whether_it_may_have_been_charged(
    simulator: Simulator, path: Path, keep: bool
) -> None:
    async with AsyncLuma(**simulator.luma_options, state=path if keep else None) as luma:
        simulator.faults.add_spec(f"{CREATE}=stall:after_charge:1x")
        call = asyncio.create_task(luma.generations.create(prompt="a heron"))
        await until(lambda: simulator.luma.generations)
        cause = await cancelled(call)
        assert isinstance(cause, OutcomeUnknownError)
        assert cause.outcome == "unknown"
        assert "cut off before its answer came" in str(cause)
        assert (len([each async for each in luma.jobs.unknown()]) if keep else 1) == 1
        simulator.faults.add_spec(f"{CREATE}=429:1x:retry_after=600")
        seen = len(simulator.ledger.requests)
        call = asyncio.create_task(luma.generations.create(prompt="a crane"))
        await until(lambda: len(simulator.ledger.requests) > seen)
        await until(lambda: luma.rate_limits.held)
        assert await cancelled(call) is None
    assert len(simulator.ledger.charges) == 1


@pytest.mark.parametrize(
    ("fault", "outcome"), [("drip:after_charge:1x:pause=0.5", "done"), ("drip:after_charge:1x:pause=1", "unknown")]
)
async def test_a_call_that_is_cancelled_when_it_was_answered_names_its_job(
    simulator: Simulator, path: Path, fault: str, outcome: str
) -> None:
    ended = asyncio.Event()
    simulator.faults.add_spec(f"{CREATE}={fault}")
    async with AsyncLuma(**simulator.luma_options, state=path) as luma:
        luma.events.subscribe(lambda event: ended.set() if isinstance(event, AttemptEnded) else None)
        view = luma.with_options(acknowledge=True, attempt_timeout=5)
        call = asyncio.create_task(view.generations.create(prompt="a heron"))
        await until(lambda: simulator.ledger.charges)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # what came of the call can't be written down yet
            await ended.wait()
            call.cancel()
            await asyncio.sleep(0)
            other.execute("ROLLBACK")
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
        cause = caught.value.__cause__
        assert isinstance(cause, OutcomeUnknownError)
        (job_id,) = simulator.luma.generations
        assert (cause.outcome, cause.job_id) == (outcome, job_id)
        assert await unfinished(luma) == [(job_id, None)]
