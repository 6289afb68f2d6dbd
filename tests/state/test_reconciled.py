"""Unknown calls of Generor are settled by what the account shows: found, or surely without effect."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.clock import SetClock, in_virtual_time
from support.generor_service import until

from generor_async import AsyncGeneror, OutcomeUnknownError
from generor_async.reconciliation.unresolved import LAG
from generor_async.rules.creation_matching import GENERATE_SECONDS
from generor_async.simulator import Simulator

GENERATE = "generor.generators.generate"
JOKE: dict[str, Any] = {"slug": "joke", "prompt": "a heron", "model_id": 37}
CRANE: dict[str, Any] = {**JOKE, "prompt": "a crane"}
LONG_ENOUGH = 2 * GENERATE_SECONDS + LAG
"""Seconds after which a call that isn't listed has had no effect."""

anyio_backend = in_virtual_time


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seed=7, tier="enterprise") as simulator:
        yield simulator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.sqlite"


def generor_of(simulator: Simulator, path: Path) -> AsyncGeneror:
    return AsyncGeneror(**simulator.generor_options, state=path)


async def unknown(generor: AsyncGeneror) -> list[Any]:
    return [call.context async for call in generor.jobs.unknown()]


async def lose(simulator: Simulator, generor: AsyncGeneror, when: str, **given: Any) -> None:
    """Make a call whose answer is lost."""
    simulator.faults.add_spec(f"{GENERATE}=reset:{when}:1x")
    with pytest.raises(OutcomeUnknownError):
        await generor.generators.generate(**{**JOKE, **given})


async def test_a_lost_result_is_found_in_the_account(simulator: Simulator, path: Path) -> None:
    async with generor_of(simulator, path) as generor:
        await generor.generators.generate(**JOKE)  # whose time tells the account's zone
        await lose(simulator, generor.with_options(context="lost"), "after_charge", prompt="a crane")
        assert await unknown(generor) == []
        (job,) = [job async for job in generor.jobs.unfinished()]
        made = simulator.generor.account.creations[-1]
        assert (job.creation_ids, job.context) == ((made.creation_id,), "lost")
        assert (await job.result()).creations[0].text
    assert len(simulator.ledger.charges) == 2


async def test_a_second_call_with_the_key_gets_the_result_that_was_found(simulator: Simulator, path: Path) -> None:
    async with generor_of(simulator, path) as generor:
        await generor.generators.generate(**JOKE)
        view = generor.with_options(idempotency_key="joke 1")
        await lose(simulator, view, "after_charge", prompt="a crane")
        result = await view.generators.generate(**CRANE)
        assert result.creations[0].creation_id == simulator.generor.account.creations[-1].creation_id
    assert len(simulator.ledger.charges) == 2


async def test_a_call_that_had_surely_no_effect_is_made_anew(simulator: Simulator, path: Path) -> None:
    async with generor_of(simulator, path) as generor:
        await generor.generators.generate(**JOKE)
        view = generor.with_options(idempotency_key="joke 1")
        await lose(simulator, view, "before_charge", prompt="a crane")
        with pytest.raises(OutcomeUnknownError):
            await view.generators.generate(**CRANE)
        (call,) = [call async for call in generor.jobs.unknown()]
        assert "under way" in call.reason
        assert call.check_at is not None
        for _ in range(2):
            simulator.advance(LONG_ENOUGH)
            await unknown(generor)
        assert await unknown(generor) == []
        result = await view.generators.generate(**CRANE)
        assert (await view.generators.generate(**CRANE)).creations[0].creation_id == result.creations[0].creation_id
    assert len(simulator.ledger.charges) == 2


async def test_an_account_that_cannot_be_read_settles_nothing(simulator: Simulator, path: Path) -> None:
    async with generor_of(simulator, path) as generor:
        await generor.generators.generate(**JOKE)
        await lose(simulator, generor.with_options(context=1), "after_charge", prompt="a crane")
        fault = simulator.faults.add_spec("generor.creations.list=500")
        assert await unknown(generor) == [1]
        simulator.faults.remove(fault)
        simulator.advance(70)
        assert await unknown(generor) == []


async def test_a_call_that_is_under_way_is_not_taken_for_the_lost_one(simulator: Simulator, path: Path) -> None:
    """Both ask for the same, and one creation is there: nobody can tell whose it is."""
    async with generor_of(simulator, path) as generor, generor_of(simulator, path) as other:
        await generor.generators.generate(**JOKE)
        await lose(simulator, generor.with_options(context="lost"), "before_charge", prompt="a crane")
        simulator.faults.add_spec(f"{GENERATE}=stall:after_charge:1x")
        under_way = asyncio.create_task(other.generators.generate(**CRANE))
        await until(lambda: simulator.generor.account.creations[-1].prompt == "a crane")
        assert await unknown(generor) == ["lost"]
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way


@pytest.mark.parametrize("hours", [-2, -1, 0, 1, 2])
async def test_clocks_of_processes_that_differ_by_hours_never_buy_a_call_twice(
    simulator: Simulator, path: Path, hours: int
) -> None:
    """A call that was begun just now is not taken for one that had no effect long ago."""
    options: dict[str, Any] = simulator.generor_options
    others: dict[str, Any] = {**options, "clock": SetClock(options["clock"], 3_600.0 * hours)}
    async with (
        AsyncGeneror(**options, state=path) as watcher,
        AsyncGeneror(**others, state=path) as other,
    ):
        view = other.with_options(idempotency_key="crane")
        await lose(simulator, view, "before_charge", prompt="a crane")
        for _ in range(4):
            simulator.advance(70)
            (call,) = [call async for call in watcher.jobs.unknown()]
            assert "may still be under way" in call.reason
            assert abs(call.sent_at.timestamp() - simulator.clock.time()) < 600
        with pytest.raises(OutcomeUnknownError):
            await watcher.with_options(idempotency_key="crane").generators.generate(**CRANE)
        assert len([entry for entry in simulator.ledger.requests if entry.operation == GENERATE]) == 1
