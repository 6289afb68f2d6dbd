"""Rows that wait are made as they are asked for now: not those that were taken out, nor as they were before."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncLuma
from generor_async.batch.recover import recover
from generor_async.batch.retry import make_ready
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import read_status
from generor_async.simulator import Simulator
from generor_async.testing import run

CAP = 30.0
"""Enough for two rows."""
ROWS: list[dict[str, Any]] = [{"prompt": f"heron {number}"} for number in range(6)]
NAMED: list[dict[str, Any]] = [{"id": f"h{number}", **row} for number, row in enumerate(ROWS)]


def mended(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*rows[:2], *({**row, "prompt": f"{row['prompt']}, mended"} for row in rows[2:])]


def in_luma(test: Callable[[Simulator, AsyncLuma], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            await test(simulator, luma)

    run(main())


def quiet(batch: Batch) -> Batch:
    """Have nobody warned of what is told."""
    batch.tell(str)
    return batch


async def begin(luma: AsyncLuma, rows: Any, to: Path, *, cap: float = CAP) -> None:
    """Have the first two of the rows made, one by one; the others wait."""
    _ = [outcome async for outcome in quiet(run_batch(luma, rows, to=to, max_credits=cap, concurrency=1))]


def bought(simulator: Simulator) -> Counter[str]:
    return Counter(job.request.prompt for job in simulator.luma.generations.values())


def prompts(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(row["prompt"] for row in rows)


def fewer(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return rows[:3]


def turned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return mended(rows)[::-1]


def none_left(_: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return []


@pytest.mark.parametrize("rows", [ROWS, NAMED])
@pytest.mark.parametrize("given", ["file", "list", "iterator"])
@pytest.mark.parametrize("change", [fewer, mended, turned, none_left])
def test_a_waiting_row_is_run_with_its_latest_parameters(
    tmp_path: Path, rows: list[dict[str, Any]], given: str, change: Callable[[Any], list[dict[str, Any]]]
) -> None:
    def hand_in(some: list[dict[str, Any]]) -> Any:
        (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in some) or "# nothing\n")

        async def one_by_one() -> AsyncIterator[dict[str, Any]]:
            for row in some:
                yield row

        return {"file": tmp_path / "rows.jsonl", "list": some, "iterator": one_by_one()}[given]

    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        to, now = tmp_path / "out", change(rows)
        await begin(luma, hand_in(rows), to)
        made = bought(simulator)
        assert made == prompts(rows[:2])
        told: list[str] = []
        batch = run_batch(luma, hand_in(now), to=to)
        batch.tell(told.append)
        if given != "iterator":
            estimate = await batch.estimate()
            assert (estimate.rows, estimate.again) == (sum((prompts(now) - made).values()), 0)
        _ = [outcome async for outcome in batch]
        assert bought(simulator) == prompts(now) | made
        left_out = 4 if rows is ROWS and len(now) == 6 else 6 - max(2, len(now))
        said = f"{left_out} rows that waited from an earlier run, and no longer among the rows: not bought"
        assert (said in told) is (left_out > 0)
        standing = await read_status(to)
        assert standing.total == standing.counts["done"] == len(bought(simulator))

    if change(rows) or given != "file":  # a file without rows is refused
        in_luma(test)


def test_the_same_id_twice_in_one_reading_is_no_change(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await begin(luma, NAMED, tmp_path)
        batch = quiet(run_batch(luma, [*mended(NAMED), *NAMED[2:]], to=tmp_path))
        _ = [outcome async for outcome in batch]
        assert bought(simulator) == prompts(mended(NAMED))
        assert len(batch.set_aside) == 4

    in_luma(test)


def test_a_done_row_is_not_run_again_with_other_parameters(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await begin(luma, NAMED, tmp_path)
        batch = quiet(run_batch(luma, [{**row, "prompt": "another"} for row in NAMED[:2]], to=tmp_path))
        _ = [outcome async for outcome in batch]
        assert bought(simulator) == prompts(NAMED[:2])
        assert len(batch.set_aside) == 2

    in_luma(test)


def test_a_failed_row_is_run_again_with_corrected_parameters(tmp_path: Path) -> None:
    bad, good = [{"id": "a", "prompt": "[[moderate]] a heron"}], [{"id": "a", "prompt": "a heron"}]

    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        to = tmp_path / "out"
        assert [outcome.state async for outcome in run_batch(luma, bad, to=to)] == ["failed"]
        await make_ready(to, failed=True, unknown=False)
        assert [outcome.state async for outcome in run_batch(luma, good, to=to)] == ["done"]
        assert (await read_status(to)).spent > 0
        (to / "journal.sqlite").unlink()
        await recover(to)
        assert [outcome async for outcome in run_batch(luma, good, to=to)] == []
        assert bought(simulator)["a heron"] == 1

    in_luma(test)


def test_a_row_that_was_called_is_kept_if_the_input_lacks_it(tmp_path: Path) -> None:
    bad = {"id": "bad", "prompt": "[[moderate]] a heron"}

    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        assert len([outcome async for outcome in run_batch(luma, [bad, *NAMED], to=tmp_path)]) == 7
        before = bought(simulator)
        await make_ready(tmp_path, failed=True, unknown=False)
        batch = quiet(run_batch(luma, NAMED, to=tmp_path))
        assert [outcome async for outcome in batch] == []
        assert (batch.reason, bought(simulator)) == ("done", before)
        assert (await read_status(tmp_path)).counts["ready"] == 1
        assert [outcome.id async for outcome in run_batch(luma, [bad, *NAMED], to=tmp_path)] == ["bad"]

    in_luma(test)


def test_rows_removed_from_a_large_input_are_not_run(tmp_path: Path) -> None:
    many = [{"prompt": f"heron {number}"} for number in range(2_600)]
    path = tmp_path / "rows.jsonl"

    def write(some: list[dict[str, Any]]) -> Path:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in some))
        return path

    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await begin(luma, write(many), tmp_path / "out")
        await begin(luma, write(many[1_500:]), tmp_path / "out", cap=2 * CAP)
        assert bought(simulator) == prompts([*many[:2], *many[1_500:1_502]])

    in_luma(test)
