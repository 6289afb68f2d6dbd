"""How a batch starts slowly, stops by itself and is stopped: paid results are not lost, and no stop takes too long."""

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest

from generor_async import AsyncGeneror, AsyncLuma, DownloadError, OutcomeUnknownError
from generor_async.batch.progress import BatchProgress
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import read_status
from generor_async.simulator import Entry, Simulator
from generor_async.testing import run

API: TypeAlias = Literal["luma", "generor"]
BOTH: tuple[API, ...] = ("luma", "generor")
PAID = {"luma": "luma.generations.create", "generor": "generor.generators.generate"}
WORLD: dict[str, Any] = {"tier": "enterprise", "exact_cost": True, "luma_rpm": 1_000, "luma_jobs": 50}
FEW_JOBS: dict[str, Any] = {**WORLD, "luma_jobs": 5}


def rows_of(api: API, number: int) -> list[dict[str, Any]]:
    common = {} if api == "luma" else {"slug": "joke", "model_id": 37}
    return [{"prompt": f"heron {each}", **common} for each in range(number)]


def client_of(api: API, simulator: Simulator) -> AsyncLuma | AsyncGeneror:
    return AsyncLuma(**simulator.luma_options) if api == "luma" else AsyncGeneror(**simulator.generor_options)


async def ended(batch: Batch) -> list[str]:
    return [outcome.state async for outcome in batch]


async def counts(folder: Path) -> dict[str, int]:
    return {state: rows for state, rows in (await read_status(folder)).counts.items() if rows}


def paid(simulator: Simulator, api: API) -> list[Entry]:
    return [entry for entry in simulator.ledger.requests if entry.operation == PAID[api]]


# --- it begins slowly -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", BOTH)
def test_calls_under_way_grow_with_the_answered_ones_from_four(tmp_path: Path, api: API) -> None:
    """Each answer takes ten seconds from the charge: each arrival shows which calls are under way."""

    async def main() -> None:
        async with Simulator(**WORLD) as simulator, client_of(api, simulator) as client:
            simulator.faults.add_spec(f"{PAID[api]}=drip:after_charge:pieces=2:pause=10")
            allowed = 0
            for rows in (40, 80):  # over the folder's life: the second run goes on where the first ended
                seen = len(paid(simulator, api))
                watching = asyncio.create_task(watched(simulator, rows, seen))
                await ended(run_batch(client, rows_of(api, rows), to=tmp_path))
                most = await watching
                assert allowed < most[0] <= max(4, seen)
                assert all(under_way <= max(4, answered) for under_way, answered in most[1])
                allowed = 4
            assert len(simulator.ledger.charges) == 80

    async def watched(simulator: Simulator, rows: int, seen: int) -> tuple[int, list[tuple[int, int]]]:
        states: list[tuple[int, int]] = []
        first = 0
        while len(paid(simulator, api)) < rows or not all(entry.answered for entry in paid(simulator, api)):
            entries = paid(simulator, api)
            answered = sum(entry.answered for entry in entries)
            states.append((len(entries) - answered, answered))
            if answered == seen:
                first = len(entries) - answered
            await asyncio.sleep(0.5)
        return first, states

    run(main())


@pytest.mark.parametrize("api", BOTH)
@pytest.mark.parametrize(
    "fault", ["504:after_charge:shape=gateway", "reset:after_charge", "truncate:after_charge:keep=0.02"]
)
def test_a_run_whose_calls_are_all_unknown_stops_after_ten_charges_at_most(
    tmp_path: Path, api: API, fault: str
) -> None:
    async def main() -> None:
        async with Simulator(**WORLD) as simulator, client_of(api, simulator) as client:
            simulator.faults.add_spec(f"{PAID[api]}={fault}")
            batch = run_batch(client, rows_of(api, 250), to=tmp_path)
            with pytest.raises(OutcomeUnknownError, match=r"the outcome of 5 calls in a row is unknown"):
                await ended(batch)
            assert batch.reason == (await batch.status()).reason == "unknown"
            charges = len(simulator.ledger.charges)
            assert 5 <= charges <= 10
            assert await counts(tmp_path) == {"ready": 250 - charges, "unknown": charges}

    run(main())


def test_occasional_unknown_rows_do_not_stop_the_run(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator(**WORLD) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            simulator.faults.add_spec(f"{PAID['luma']}=reset:after_charge:0.25:seed=3")
            batch = run_batch(luma, rows_of("luma", 100), to=tmp_path)
            states = Counter(await ended(batch))
            assert states["unknown"] > 10
            assert states["done"] + states["unknown"] == 100
            assert batch.reason == "failed"

    run(main())


# --- downloads --------------------------------------------------------------------------------------------------------


def test_while_downloads_fail_alike_no_call_is_made(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator(**FEW_JOBS) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            simulator.faults.add_spec("storage.get=expired_url")
            batch = run_batch(luma, rows_of("luma", 60), to=tmp_path)
            running, held = asyncio.create_task(ended(batch)), list[tuple[int, BatchProgress]]()
            while not running.done():
                if (now := batch.progress) is not None and now.phase == "held":
                    held.append((len(simulator.ledger.charges), now))
                await asyncio.sleep(0.5)
            with pytest.raises(DownloadError, match=r"the host refused the URL \(403\)"):
                await running
            assert batch.reason == "downloads"
            assert len(held) > 60
            assert {progress.seconds_left for _, progress in held} == {None}
            assert {progress.why for _, progress in held} == {"the host refused the URL (403)"}
            assert held[-1][0] - held[0][0] <= 1  # one that had left
            simulator.faults.clear()
            assert await ended(run_batch(luma, rows_of("luma", 60), to=tmp_path)) == ["done"] * 60
            assert len(simulator.ledger.charges) == 60

    run(main())


def test_the_run_continues_once_downloads_succeed_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator(**FEW_JOBS) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            simulator.faults.add_spec("storage.get=expired_url")
            batch = run_batch(luma, rows_of("luma", 30), to=tmp_path)
            running = asyncio.create_task(ended(batch))
            while batch.progress is None or batch.progress.phase != "held":  # noqa: ASYNC110 - it says so nowhere else
                await asyncio.sleep(0.5)
            simulator.faults.clear()
            assert await running == ["done"] * 30
            assert batch.reason == "done"

    run(main())


# --- it is stopped ----------------------------------------------------------------------------------------------------


async def stopped(batch: Batch, how: str, seconds: float) -> None:
    """Stop a batch after a time, in one of its ways, and return what it raises."""
    loop = asyncio.get_running_loop()
    if how == "stop":
        loop.call_later(seconds, partial(batch.stop, drain=8))
        await ended(batch)
    elif how == "timeout":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended(batch)
    else:
        task = asyncio.create_task(ended(batch))
        loop.call_later(seconds, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("how", ["stop", "timeout", "cancel"])
def test_draining_does_not_wait_for_accepted_jobs(tmp_path: Path, how: str) -> None:
    async def main() -> None:
        async with Simulator(**WORLD, luma_durations="measured") as simulator:
            async with AsyncLuma(**simulator.luma_options) as luma:
                began = asyncio.get_running_loop().time()
                batch = run_batch(luma, rows_of("luma", 200), to=tmp_path)
                await stopped(batch, how, 5.0)
                assert asyncio.get_running_loop().time() - began < 7
                assert batch.reason == "interrupted"
                left, charges = Counter(await counts(tmp_path)), len(simulator.ledger.charges)
                assert left["unknown"] == 0
                assert left["ready"] == 200 - charges > 0
                assert left["done"] < charges
                batch = run_batch(luma, rows_of("luma", 200), to=tmp_path)
                assert await ended(batch) == ["done"] * (200 - left["done"])
                assert batch.reason == "done"
            assert len(simulator.ledger.charges) == 200

    run(main())


@pytest.mark.parametrize("how", ["stop", "timeout", "cancel"])
@pytest.mark.parametrize("api", BOTH)
def test_a_drain_ends_after_its_time(tmp_path: Path, api: API, how: str) -> None:
    async def main() -> None:
        async with Simulator(**WORLD) as simulator, client_of(api, simulator) as client:
            assert await ended(run_batch(client, rows_of(api, 6), to=tmp_path)) == ["done"] * 6
            simulator.faults.add_spec(f"{PAID[api]}=stall:after_charge")
            began = asyncio.get_running_loop().time()
            await stopped(run_batch(client, rows_of(api, 9), to=tmp_path), how, 20.0)
            assert 27 <= asyncio.get_running_loop().time() - began < 29
            left, charges = Counter(await counts(tmp_path)), len(simulator.ledger.charges)
            assert left["unknown"] == charges - 6 > 0
            assert left["unknown"] + left["ready"] == 3
            simulator.faults.clear()
            batch = run_batch(client, rows_of(api, 9), to=tmp_path)
            assert await ended(batch) == ["done"] * (3 if api == "generor" else left["ready"])
            assert len(simulator.ledger.charges) == 9

    run(main())


def test_drain_limits_the_wait_of_a_cancelled_batch(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator(**WORLD) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            simulator.faults.add_spec(f"{PAID['luma']}=drip:after_charge:pieces=2:pause=12")
            began = asyncio.get_running_loop().time()
            await stopped(run_batch(luma, rows_of("luma", 3), to=tmp_path, drain=60), "timeout", 5.0)
            assert asyncio.get_running_loop().time() - began < 20
            assert await counts(tmp_path) in ({"accepted": 1, "ready": 2}, {"accepted": 3})

    run(main())


def test_the_shortest_of_several_drains_applies(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator(**WORLD) as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            simulator.faults.add_spec(f"{PAID['generor']}=stall:after_charge")
            loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
            batch = run_batch(generor, rows_of("generor", 3), to=tmp_path)
            for after, drain in ((10.0, 40.0), (12.0, 3.0), (13.0, 30.0)):
                loop.call_later(after, partial(batch.stop, drain=drain))
            await ended(batch)
            assert 15 <= loop.time() - began < 16

    run(main())


@pytest.mark.parametrize("fault", ["429:before_charge:retry_after=3600", "503:before_charge:retry_after=600"])
@pytest.mark.parametrize("drains", [True, False])
def test_refused_calls_that_wait_are_ready_again_after_a_stop(tmp_path: Path, fault: str, drains: bool) -> None:
    async def main() -> None:
        async with Simulator(**WORLD) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            simulator.faults.add_spec(f"{PAID['luma']}={fault}")
            batch = run_batch(luma, rows_of("luma", 6), to=tmp_path)
            loop, began = asyncio.get_running_loop(), asyncio.get_running_loop().time()
            loop.call_later(20.0, partial(batch.stop, drain=8) if drains else batch.stop)
            await ended(batch)
            assert loop.time() - began < 21
            assert await counts(tmp_path) == {"ready": 6}
            assert not simulator.ledger.charges

    run(main())


@pytest.mark.parametrize("api", BOTH)
def test_a_call_refused_during_a_drain_is_not_made_again(tmp_path: Path, api: API) -> None:
    async def main() -> None:
        async with Simulator(**WORLD) as simulator, client_of(api, simulator) as client:
            batch = run_batch(client, rows_of(api, 6), to=tmp_path)
            simulator.faults.add_spec(f"{PAID[api]}=429:before_charge:retry_after=2:8x")
            running = asyncio.create_task(ended(batch))
            while not paid(simulator, api):  # noqa: ASYNC110 - the server knows nothing of events
                await asyncio.sleep(0.001)
            batch.stop(drain=8)
            await running
            assert await counts(tmp_path) == {"ready": 6}
            assert not simulator.ledger.charges

    run(main())


def test_a_stop_cancels_checks_of_the_account(tmp_path: Path) -> None:
    """While it settles rows, and at its end, with an account that doesn't answer."""

    async def main() -> None:
        async with Simulator(**WORLD) as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            loop = asyncio.get_running_loop()
            for stalled, specs in (
                ("creations.list", [f"{PAID['generor']}=reset:before_charge:1x"]),
                ("credits.balance", []),
            ):
                batch = run_batch(generor, rows_of("generor", 4), to=tmp_path / stalled)
                running = asyncio.create_task(ended(batch))
                while batch.progress is None:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)
                for spec in (*specs, f"generor.{stalled}=stall"):
                    simulator.faults.add_spec(spec)
                while not any(one.fault == "stall" for one in simulator.ledger.requests):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.5)
                began = loop.time()
                batch.stop(drain=8)
                await running
                assert loop.time() - began < 2
                simulator.faults.clear()

    run(main())


def test_a_stop_while_the_folder_opens_starts_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator(**WORLD) as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            simulator.faults.add_spec("generor.api_keys.list=stall")
            batch = run_batch(generor, rows_of("generor", 3), to=tmp_path / "out")
            asyncio.get_running_loop().call_later(1.0, batch.stop)
            assert await ended(batch) == []
            assert (batch.reason, batch.begun, batch.progress) == ("interrupted", False, None)
            assert not (tmp_path / "out").exists()
            simulator.faults.clear()
            assert await ended(batch) == ["done"] * 3
            assert (batch.reason, batch.begun) == ("done", True)

    run(main())
