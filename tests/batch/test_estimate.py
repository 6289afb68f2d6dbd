"""Estimates of a run: right to the credit, and nothing is spent on them."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError, Limits
from generor_async.batch.estimate import BatchEstimate
from generor_async.batch.runner import run_batch
from generor_async.batch.status import read_status
from generor_async.simulator import Simulator
from generor_async.testing import run

UNI_1 = 0.0404 / 0.003
PICTURES: list[dict[str, Any]] = [
    {"prompt": "a heron"},
    {"prompt": "a heron, larger", "model": "uni-1-max"},
    {"prompt": "again", "id": "x"},
    {"prompt": "a heron"},
    {"prompt": "another", "id": "x"},
    {"promt": "misspelt"},
]


def test_a_luma_batch_costs_what_was_estimated(tmp_path: Path) -> None:
    async def main() -> tuple[BatchEstimate, float]:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            batch = run_batch(luma, PICTURES, to=tmp_path / "out")
            estimate = await batch.estimate()
            assert not simulator.ledger.requests
            assert not folder_exists(tmp_path / "out")
            assert [reject.place for reject in batch.set_aside] == ["rows:5", "rows:6"]
            with pytest.warns(UserWarning, match="was set aside"):
                async for _ in batch:
                    pass
            return estimate, sum(entry.charged for entry in simulator.ledger.charges) / 0.003

    estimate, charged = run(main())
    assert (estimate.new, estimate.ready, estimate.rejected, estimate.unpriced) == (3, 0, 2, 0)
    assert estimate.credits == pytest.approx(charged) == pytest.approx((2 * 0.0404 + 0.1) / 0.003)
    assert estimate.balance is None


def folder_exists(folder: Path) -> bool:
    return folder.exists()


def test_a_generor_batch_requests_one_estimate_per_price_key(tmp_path: Path) -> None:
    rows = [{"slug": "joke", "prompt": f"heron {number}", "model_id": 37} for number in range(40)]
    rows += [{"slug": "joke", "prompt": f"heron {number}", "model_id": 37, "count": 2} for number in range(10)]
    rows += [{"slug": "nothing", "prompt": f"heron {number}", "model_id": 37} for number in range(5)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    async def main() -> tuple[BatchEstimate, float, list[str]]:
        async with Simulator(tier="pro") as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            batch = run_batch(generor, path, to=tmp_path / "out")
            estimate = await batch.estimate()
            asked = [entry.operation for entry in simulator.ledger.requests]
            assert not simulator.ledger.charges
            async for _ in batch:
                pass
            return estimate, sum(entry.charged for entry in simulator.ledger.charges), asked

    estimate, charged, asked = run(main())
    assert (estimate.new, estimate.unpriced, estimate.balance) == (55, 5, 100_000)
    assert estimate.credits == charged
    assert asked.count("generor.generators.estimate") == 3
    assert estimate.seconds is not None
    assert estimate.seconds >= 54 * 60 / 120


def test_an_estimate_counts_only_rows_still_to_be_made(tmp_path: Path) -> None:
    rows = [{"prompt": f"heron {number}"} for number in range(10)]

    async def main() -> tuple[BatchEstimate, BatchEstimate]:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            async for _ in run_batch(luma, rows, to=tmp_path, max_credits=4.5 * UNI_1):
                pass
            more = run_batch(luma, [*rows, {"prompt": "one more"}], to=tmp_path, max_credits=1_000)
            before = await more.estimate()
            async for _ in more:
                pass
            return before, await more.estimate()

    before, after = run(main())
    assert (before.new, before.ready, before.rows) == (1, 6, 7)
    assert before.credits == pytest.approx(7 * UNI_1)
    assert before.counted == pytest.approx(4 * UNI_1)
    assert (after.rows, after.credits) == (0, 0)


def test_repeated_rows_are_priced_as_often_as_they_run(tmp_path: Path) -> None:
    rows = [{"prompt": "a heron"}] * 5

    async def main() -> tuple[int, int]:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            once = await run_batch(luma, rows, to=tmp_path).estimate()
            each = await run_batch(luma, rows, to=tmp_path, allow_duplicates=True).estimate()
            return once.new, each.new

    assert run(main()) == (1, 5)


def test_rows_without_a_price_are_counted_apart(tmp_path: Path) -> None:
    ten = {"duration": "10s", "hdr": True}
    rows: list[dict[str, Any]] = [
        {"prompt": "a heron", "model": "ray-3.2", "type": "video", "video": ten},
        {"prompt": "a heron"},
    ]

    async def main() -> list[BatchEstimate]:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            return [await run_batch(luma, rows, to=tmp_path, price=price).estimate() for price in (None, 1.5)]

    without, given = run(main())
    assert (without.rows, without.unpriced) == (2, 1)
    assert without.credits == pytest.approx(UNI_1)
    assert (given.unpriced, given.credits) == (0, 1_000)


@pytest.mark.parametrize(
    "odd",
    [
        {"model": "ray-3.2", "type": "video", "video": '{"duration": "10s"}'},
        {"model": "ray-3.2", "type": "video", "video": {"hdr": "false"}},
        {"image_ref": {"url": "https://x.example/a.png"}},
        {"image_ref": "[1, 2]"},
    ],
)
def test_an_estimate_rejects_the_same_rows_as_a_run(tmp_path: Path, odd: dict[str, Any]) -> None:
    rows = [{"prompt": "a heron", **odd}, {"prompt": "a heron"}]

    async def main() -> tuple[BatchEstimate, int, int]:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            batch = run_batch(luma, rows, to=tmp_path / "out")
            estimate = await batch.estimate()
            with pytest.warns(UserWarning, match=r"was set aside: .*[^.]\.$"):
                async for _ in batch:
                    pass
            return estimate, (await batch.status()).rejected, len(simulator.ledger.charges)

    estimate, rejected, charges = run(main())
    assert (estimate.new, estimate.rejected) == (1, 1)
    assert estimate.credits == pytest.approx(UNI_1)
    assert (rejected, charges) == (1, 1)


def test_a_cell_of_a_table_that_is_no_boolean_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        'prompt,model,type,video\na,ray-3.2,video,"{""hdr"":""false""}"\nb,ray-3.2,video,"{""hdr"":false}"\n'
    )

    async def main() -> BatchEstimate:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            return await run_batch(luma, path, to=tmp_path / "out").estimate()

    estimate = run(main())
    assert (estimate.new, estimate.rejected) == (1, 1)
    assert estimate.dollars == pytest.approx(0.30)


def test_a_luma_estimate_names_dollars_and_the_date_of_the_prices(tmp_path: Path) -> None:
    rows = [{"prompt": "a heron", "model": "ray-3.2", "type": "video"}, {"prompt": "a heron"}]

    async def main() -> list[BatchEstimate]:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            return [await run_batch(luma, rows, to=tmp_path, price=price).estimate() for price in (None, 1.5)]

    listed, given = run(main())
    assert listed.unpriced == 0
    assert listed.dollars == pytest.approx(0.30 + 0.0404)
    assert listed.price_sources == ("prices of late 2026", "prices of mid-2026")
    assert given.dollars == pytest.approx(3.0)
    assert given.price_sources == ("at the price given",)


def test_an_estimate_has_a_time_if_the_limits_are_known(tmp_path: Path) -> None:
    rows = [{"prompt": f"heron {number}"} for number in range(61)]

    async def main() -> tuple[float | None, float | None]:
        async with Simulator() as simulator:
            async with AsyncLuma(**simulator.luma_options) as luma:
                unknown = (await run_batch(luma, rows, to=tmp_path).estimate()).seconds
            async with AsyncLuma(**simulator.luma_options, limits=Limits(rpm=60, max_share=0.5)) as luma:
                return unknown, (await run_batch(luma, rows, to=tmp_path).estimate()).seconds

    assert run(main()) == (None, 120.0)


def test_rows_that_can_be_read_only_once_are_refused(tmp_path: Path) -> None:
    async def later() -> AsyncIterator[dict[str, Any]]:
        yield {"prompt": "a heron"}

    def now() -> Iterator[dict[str, Any]]:
        yield {"prompt": "a heron"}

    async def main() -> None:
        async with AsyncLuma("luma-api-x", base_url="http://127.0.0.1:9/v1") as luma:
            for rows in (later(), now()):
                with pytest.raises(InvalidRequestError, match="only once"):
                    await run_batch(luma, rows, to=tmp_path).estimate()

    run(main())


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    first, second = (tmp_path / f"{name}.jsonl" for name in "ab")
    for path in (first, second):
        path.write_text('{"prompt": "a heron"}\n')

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            async for _ in run_batch(luma, first, to=tmp_path / "out"):
                pass
            with pytest.raises(InvalidRequestError, match=r"whose rows are those of a\.jsonl, not b\.jsonl"):
                await run_batch(luma, second, to=tmp_path / "out").estimate()

    run(main())


def test_status_has_cost_and_estimate_of_a_run(tmp_path: Path) -> None:
    """The documentation's own example was estimated at 6 and charged 24."""
    rows = [{"slug": "image", "prompt": f"heron {number}", "model_id": 10003} for number in range(3)]

    async def main() -> tuple[float, float, float]:
        async with Simulator(tier="pro") as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            batch = run_batch(generor, rows, to=tmp_path)
            estimate = await batch.estimate()
            async for _ in batch:
                pass
            status = await read_status(tmp_path)
            return estimate.credits, status.estimated, status.spent

    assert run(main()) == (18, 18, 72)
