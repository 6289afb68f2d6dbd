"""What was bought is found by its idempotency key, after a restart and in other processes, without a request."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.clock import in_virtual_time, patient

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    ClientClosedError,
    InvalidRequestError,
    Luma,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from generor_async.simulator import Simulator

CREATE = "luma.generations.create"
GENERATE = "generor.generators.generate"
JOKE: dict[str, Any] = {"slug": "joke", "prompt": "a heron", "model_id": 37}

anyio_backend = in_virtual_time


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=7, luma_rpm=10_000, luma_jobs=1_000) as simulator:
        yield simulator


def luma_of(simulator: Simulator, folder: Path) -> AsyncLuma:
    return AsyncLuma(**simulator.luma_options, state=folder / "calls.sqlite")


def generor_of(simulator: Simulator, folder: Path, **options: Any) -> AsyncGeneror:
    return AsyncGeneror(**simulator.generor_options, state=folder / "calls.sqlite", **options)


async def test_a_job_is_found_before_and_after_its_end_and_after_a_restart(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with luma_of(simulator, tmp_path) as luma:
        view = luma.with_options(idempotency_key="ada/1", context={"user": "ada"})
        assert await luma.jobs.find("ada/1") is None
        job = await view.generations.submit(prompt="a heron")
        sent = len(simulator.ledger.requests)
        found = await luma.jobs.find("ada/1")
        assert found is not None
        assert (found.id, found.context) == (job.id, {"user": "ada"})
        assert await luma.jobs.find("bob/1") is None
        assert len(simulator.ledger.requests) == sent, "nothing was asked for"
    for _ in range(2):
        async with luma_of(simulator, tmp_path) as luma:
            found = await luma.jobs.find("ada/1")
            assert found is not None
            assert ((await found).id, found.context) == (job.id, {"user": "ada"})
            assert [each async for each in luma.jobs.unfinished()] == []


async def test_another_process_finds_a_job_and_notes_its_end(simulator: Simulator, tmp_path: Path) -> None:
    async with luma_of(simulator, tmp_path) as first, luma_of(simulator, tmp_path) as second:
        job = await first.with_options(idempotency_key="ada/1").generations.submit(prompt="a heron")
        found = await second.jobs.find("ada/1")
        assert found is not None
        assert (await found).id == job.id
        assert [each async for each in first.jobs.unfinished()] == []


async def test_a_job_that_failed_is_found_and_a_call_that_failed_is_not(simulator: Simulator, tmp_path: Path) -> None:
    async with luma_of(simulator, tmp_path) as luma:
        job = await luma.with_options(idempotency_key="ada/1").generations.submit(prompt="[[moderate]]")
        assert [generation.state async for generation in job.updates()][-1] == "failed"
        found = await luma.jobs.find("ada/1")
        assert found is not None
        assert found.id == job.id
        simulator.faults.add_spec(f"{CREATE}=403:1x")
        with pytest.raises(PermissionDeniedError):
            await luma.with_options(idempotency_key="ada/2").generations.submit(prompt="a heron")
        assert await luma.jobs.find("ada/2") is None


async def test_an_unknown_call_is_an_error_until_it_is_settled(simulator: Simulator, tmp_path: Path) -> None:
    simulator.faults.add_spec(f"{CREATE}=reset:after_charge:1x")
    async with luma_of(simulator, tmp_path) as luma:
        with pytest.raises(OutcomeUnknownError):
            await luma.with_options(idempotency_key="ada/1").generations.submit(prompt="a heron")
        with pytest.raises(OutcomeUnknownError, match="nobody knows"):
            await luma.jobs.find("ada/1")
        (made,) = simulator.luma.generations.values()
        async for call in luma.jobs.unknown():
            await luma.jobs.settle(call, job_id=made.id)
        found = await luma.jobs.find("ada/1")
        assert found is not None
        assert found.id == made.id


async def test_a_generate_is_found_and_its_result_is_at_hand(simulator: Simulator, tmp_path: Path) -> None:
    async with generor_of(simulator, tmp_path) as generor:
        view = generor.with_options(idempotency_key="ada/1", context=7)
        assert await generor.jobs.find("ada/1") is None
        first = await view.generators.generate(**JOKE)
        found = await generor.jobs.find("ada/1")
        assert found is not None
        assert found.context == 7
        assert (await found.result()).creations[0].text == first.creations[0].text
    assert len(simulator.ledger.charges) == 1


async def test_a_generate_whose_answer_was_lost_is_found_by_the_account(simulator: Simulator, tmp_path: Path) -> None:
    simulator.faults.add_spec(f"{GENERATE}=reset:after_charge:1x")
    async with generor_of(simulator, tmp_path) as generor:
        with pytest.raises(OutcomeUnknownError):
            await generor.with_options(idempotency_key="ada/1").generators.generate(**JOKE)
        found = await generor.jobs.find("ada/1")
        assert found is not None
        assert len((await found.result()).creations) == 1
    assert len(simulator.ledger.charges) == 1


async def test_without_a_state_or_a_key_there_is_nothing_to_find(simulator: Simulator, tmp_path: Path) -> None:
    async with AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(InvalidRequestError, match="keeps no calls"):
            await luma.jobs.find("ada/1")
    async with luma_of(simulator, tmp_path) as luma:
        with pytest.raises(InvalidRequestError, match="idempotency_key"):
            await luma.jobs.find(7)  # type: ignore[arg-type] # the error


def test_the_blocking_client_finds_as_well(tmp_path: Path) -> None:
    with (
        Simulator(seed=7, speed=60) as simulator,
        Luma(**patient(simulator.luma_options), state=tmp_path / "calls.sqlite") as luma,
    ):
        job = luma.with_options(idempotency_key="ada/1").generations.submit(prompt="a heron")
        found = luma.jobs.find("ada/1")
        assert found is not None
        assert found.wait().id == job.id
        assert luma.jobs.find("ada/2") is None


async def test_nothing_is_found_once_the_client_is_closed(simulator: Simulator, tmp_path: Path) -> None:
    async with luma_of(simulator, tmp_path) as luma:
        await luma.with_options(idempotency_key="order 7").generations.create(prompt="a heron")
        await luma.close()
        with pytest.raises(ClientClosedError):
            await luma.jobs.find("order 7")
    with pytest.raises(ClientClosedError):
        await luma.jobs.find("order 7")
    assert not (tmp_path / "calls.sqlite-wal").exists(), "the state isn't opened again"


async def test_an_empty_key_or_user_is_refused(simulator: Simulator, tmp_path: Path) -> None:
    async with luma_of(simulator, tmp_path) as luma:
        with pytest.raises(InvalidRequestError, match="idempotency_key must have 1 to 255 characters"):
            await luma.jobs.find("")
        with pytest.raises(InvalidRequestError, match="user must have 1 to 255 characters"):
            await luma.budgets.status("")


async def test_a_context_that_is_too_large_is_refused_before_anything_is_paid(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with luma_of(simulator, tmp_path) as luma:
        with pytest.raises(InvalidRequestError, match="bytes as JSON, and 65,536 are kept at most"):
            await luma.with_options(context={"prompt": "x" * 65_536}).generations.create(prompt="a heron")
        job = await luma.with_options(context="x" * 65_534).generations.submit(prompt="a heron")
        assert job.context == "x" * 65_534
    assert len(simulator.ledger.charges) == 1
