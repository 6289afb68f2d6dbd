"""A run's progress agrees with its journal."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.clock import FakeClock

from generor_async import AsyncGeneror, AsyncLuma, BudgetExhaustedError, DownloadError, InsufficientCreditsError, Limits
from generor_async.batch.budget_gate import BudgetGate
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.progress import BatchProgress, RunCounters
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import read_status
from generor_async.rules.budget import Budget
from generor_async.simulator import Simulator
from generor_async.testing import run

CREATE, GENERATE = "luma.generations.create", "generor.generators.generate"
UNI_1 = 0.0404 / 0.003


def pictures(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"heron {number}" if number % 5 else f"[[moderate]] {number}"} for number in range(count)]


async def watched(batch: Batch, every: float = 5.0) -> list[BatchProgress]:
    """Run a batch, and return its progress at times and at its end."""
    seen: list[BatchProgress] = []

    async def look() -> None:
        while True:
            await asyncio.sleep(every)
            if (progress := batch.progress) is not None:
                seen.append(progress)

    looking = asyncio.create_task(look())
    async for _ in batch:
        pass
    looking.cancel()
    assert batch.progress is not None
    return [*seen, batch.progress]


def test_progress_counts_every_row_once_like_the_journal(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            simulator.faults.add_spec(f"{CREATE}=reset:after_charge:0.1")
            batch = run_batch(luma, pictures(40), to=tmp_path)
            assert batch.progress is None
            seen = await watched(batch)
            assert {progress.total for progress in seen} <= {0, 40}
            assert [progress.ended for progress in seen] == sorted(progress.ended for progress in seen)
            last, status = seen[-1], await read_status(tmp_path)
            states = {"done": last.done, "failed": last.failed, "unknown": last.unknown}
            assert states == {state: status.counts[state] for state in states}  # type: ignore[index] # they are states
            assert last.unknown
            assert (last.running, last.waiting, last.is_reading) == (0, 0, False)
            assert last.spent == pytest.approx(status.spent)
            assert last.doubtful == pytest.approx(status.doubtful)
            assert last.to_come == pytest.approx(0.0)
            assert [progress.allowed for progress in seen if progress.running][-1] == 30

    run(main())


async def test_time_left_follows_the_limits_or_the_recent_throughput() -> None:
    unasked: Any = None
    client = AsyncLuma("luma-api-x", base_url="http://127.0.0.1:9/v1", limits=Limits(rpm=30))
    counters, budget_gate = RunCounters(100.0), BudgetGate(Budget(), unasked, unasked)
    counters.states["ready"] = 120
    clock = FakeClock()

    def at(now: float) -> BatchProgress:
        clock.now = now
        return counters.progress(
            clock,
            client=client,
            budget_gate=budget_gate,
            sent=0,
            unsent=0,
            may_start=sys.maxsize,
            pause=0.0,
            phase="running",
            next_check_at=None,
            why="",
            is_reading=False,
        )

    assert (at(100.0).seconds_left, at(100.0).rate) == (119 * 2.0, 0.0)
    for number in range(20):  # one in four seconds, where the limit allows one in two
        counters.states["ready"] -= 1
        counters.row_ended("done", 110.0 + 4 * number)
    now = 110.0 + 4 * 19
    assert at(now).rate == pytest.approx(15)
    assert at(now).seconds_left == pytest.approx(100 * 4.0)
    # When nothing ends any more, the rate falls; and nobody can say when it is over.
    assert at(now + 76.0).rate == pytest.approx(7.5)
    assert at(now + 76.0).seconds_left is None
    assert at(now + 76.0).waits_for == "the next call's turn"
    await client.close()


def test_a_resumed_run_starts_with_the_journals_counts(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            batch = run_batch(luma, pictures(40), to=tmp_path)
            async for _ in batch:
                if batch.progress is not None and batch.progress.ended >= 10:
                    batch.stop()
                    assert batch.progress.phase == "stopping"
            first = batch.progress
            assert first is not None
            assert first.waiting
            seen = await watched(run_batch(luma, pictures(40), to=tmp_path), every=0.1)
            assert {progress.total for progress in seen} == {40}
            assert seen[0].ended >= first.ended
            assert seen[0].spent >= first.spent
            assert seen[-1].ended == 40

    run(main())


def test_progress_says_that_the_cap_is_reached(tmp_path: Path) -> None:
    async def main() -> BatchProgress:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            rows = [{"prompt": f"heron {number}"} for number in range(8)]
            return (await watched(run_batch(luma, rows, to=tmp_path, max_credits=3.5 * UNI_1)))[-1]

    progress = run(main())
    assert (progress.phase, progress.done, progress.waiting) == ("capped", 3, 5)
    assert progress.cap == 3.5 * UNI_1


def test_overlapping_costs_count_once_and_are_corrected_by_the_account(tmp_path: Path) -> None:
    """Generor's answers of overlapping calls include the others' cost; a picture costs four times its estimate."""
    rows = [{"slug": "image", "prompt": f"heron {number}", "model_id": 10003} for number in range(80)]

    async def main() -> list[tuple[float, float, float]]:
        seen: list[tuple[float, float, float]] = []
        async with Simulator(tier="basic") as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            batch = run_batch(generor, rows, to=tmp_path)
            async for _ in batch:
                assert batch.progress is not None
                charged = sum(entry.charged for entry in simulator.ledger.charges)
                seen.append((batch.progress.spent, batch.progress.to_come or 0.0, charged))
        return seen

    seen = run(main())
    told, to_come, charged = seen[-1]
    assert charged / 2 <= told <= charged * 1.5
    told, to_come, charged = seen[60]
    assert told + to_come == pytest.approx(80 * 24, rel=0.5)


def test_progress_says_that_unknown_rows_are_being_settled(tmp_path: Path) -> None:
    rows = [{"slug": "joke", "prompt": f"heron {number}", "model_id": 37} for number in range(4)]

    async def main() -> list[BatchProgress]:
        async with Simulator(tier="pro", exact_cost=True) as simulator:
            simulator.faults.add_spec(f"{GENERATE}=reset:before_charge:2x")
            async with AsyncGeneror(**simulator.generor_options) as generor:
                return await watched(run_batch(generor, rows, to=tmp_path))

    seen = run(main())
    settling = [progress for progress in seen if progress.phase == "settling"]
    assert {(progress.unknown, progress.running) for progress in settling} >= {(2, 0)}
    assert all(progress.unknown for progress in settling)
    waiting = [progress for progress in settling if progress.waits_for]
    assert {progress.waits_for for progress in waiting} == {"the account to show what became of 2 unknown rows"}
    assert all(progress.waits_until is not None and progress.seconds_left is None for progress in waiting)
    # All that time nothing moves, and no end is promised.
    assert len(waiting) >= len(settling) - 5


def after(rows: int, then: Callable[[], object]) -> Callable[[RowOutcome], None]:
    """Return an `on_row` that calls a function once so many rows have ended."""
    ended = count(1)

    def on_row(_: RowOutcome) -> None:
        if next(ended) == rows:
            then()

    return on_row


def test_a_block_of_hours_is_shown_and_waited_for(tmp_path: Path) -> None:
    rows = [{"prompt": f"heron {number}"} for number in range(60)]

    async def main() -> list[BatchProgress]:
        async with Simulator(luma_rpm=120) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            later = after(20, lambda: simulator.faults.add_spec(f"{CREATE}=429:before_charge:1x:retry_after=7200"))
            return await watched(run_batch(luma, rows, to=tmp_path, on_row=later), every=10.0)

    seen = run(main())
    held = [progress for progress in seen if "limit" in progress.waits_for]
    assert len(held) > 600  # nearly two hours of looks, ten seconds apart
    assert {progress.seconds_left for progress in held} == {None}
    (until,) = {progress.waits_until.timestamp() // 2 for progress in held if progress.waits_until is not None}
    assert until
    assert seen[-1].done == 60
    # Nor does it weigh on what is said when it is over.
    afterwards = [progress for progress in seen if progress.done > 40 and progress.waiting]
    assert all(progress.seconds_left is None or progress.seconds_left < 600 for progress in afterwards)


def test_failing_downloads_hold_the_run_without_an_estimated_end(tmp_path: Path) -> None:
    rows = [{"prompt": f"heron {number}"} for number in range(40)]

    async def main() -> list[BatchProgress]:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            later = after(12, lambda: simulator.faults.add_spec("storage.get=403:before_charge"))
            batch = run_batch(luma, rows, to=tmp_path, on_row=later)
            seen: list[BatchProgress] = []

            async def look() -> None:
                while True:
                    await asyncio.sleep(1.0)
                    if batch.progress is not None:
                        seen.append(batch.progress)

            looking = asyncio.create_task(look())
            with pytest.raises(DownloadError):
                async for _ in batch:
                    pass
            looking.cancel()
            return seen

    seen = run(main())
    held = [progress for progress in seen if progress.phase == "held"]
    assert held
    assert {(progress.waits_for, progress.seconds_left) for progress in held} == {("downloads to succeed again", None)}


async def test_rows_from_python_are_counted_as_they_are_read(tmp_path: Path) -> None:
    first_is_done, totals = asyncio.Event(), list[tuple[int | None, bool]]()

    async def rows() -> AsyncIterator[dict[str, str]]:
        yield {"prompt": "heron 0"}
        await first_is_done.wait()
        for number in (1, 2):
            yield {"prompt": f"heron {number}"}

    async with Simulator(speed=60) as simulator, AsyncLuma(**simulator.luma_options) as luma:
        batch = run_batch(luma, rows(), to=tmp_path)
        async for _ in batch:
            assert batch.progress is not None
            totals.append((batch.progress.total, batch.progress.is_reading))
            first_is_done.set()
        assert totals[0] == (1, True)
        assert totals[-1] == (3, False)


@pytest.mark.parametrize(
    ("balance", "prompt", "error", "said"),
    [
        (0.05, "heron", InsufficientCreditsError, "Add credits"),
        (10.0, "[[fail:budget_exhausted]] heron", BudgetExhaustedError, "not documented"),
    ],
)
def test_an_error_that_stops_a_run_says_how_to_continue(
    tmp_path: Path, balance: float, prompt: str, error: type[Exception], said: str
) -> None:
    async def main() -> str:
        async with Simulator(luma_balance=balance) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            with pytest.raises(error) as caught:
                await watched(run_batch(luma, [{"prompt": f"{prompt} {number}"} for number in range(4)], to=tmp_path))
            (note,) = caught.value.__notes__
            return note

    note = run(main())
    assert "Nothing is lost" in note
    assert said in note
