"""A run that starts a limited number of rows, and the next run, which makes the others."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.wire import Wire, answer

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError
from generor_async.batch.row_limit import RowLimit
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import read_status
from generor_async.simulator import Simulator
from generor_async.testing import run

CREATE = "luma.generations.create"
UNI_1 = 0.0404 / 0.003


def herons(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"heron {number}", "id": f"heron-{number}"} for number in range(count)]


def as_file(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


async def ended(batch: Batch) -> list[str]:
    return [outcome.id async for outcome in batch]


@given(st.integers(1, 6), st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=60))
def test_a_run_starts_no_more_rows_than_its_limit(most: int, steps: list[tuple[bool, int]]) -> None:
    limit, begun = RowLimit(most), set[int]()
    for begins, number in steps:
        if begins and number not in begun and limit.remaining:
            limit.row_started(number)
            begun.add(number)
        elif not begins and number in begun:
            limit.row_ready(number)
            begun.remove(number)
        assert limit.remaining == most - len(begun) >= 0


def test_the_first_rows_are_made_and_the_next_run_makes_the_others(tmp_path: Path) -> None:
    rows = as_file(tmp_path, herons(30))

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            first = run_batch(luma, rows, to=tmp_path / "out", limit=8)
            told = await first.estimate()
            assert (told.new, told.rows, told.limit) == (30, 8, 8)
            assert told.credits == pytest.approx(8 * UNI_1)
            assert sorted(await ended(first)) == sorted(f"heron-{number}" for number in range(8))
            assert first.reason == "done"
            assert first.progress is not None
            assert (first.progress.waiting, first.progress.later, first.progress.total) == (0, 22, 30)
            assert dict((await first.status()).counts)["ready"] == 22
            second = run_batch(luma, rows, to=tmp_path / "out", limit=5)
            told = await second.estimate()
            assert (told.new, told.ready, told.rows) == (0, 22, 5)
            assert told.credits == pytest.approx(5 * UNI_1)
            assert sorted(await ended(second)) == sorted(f"heron-{number}" for number in range(8, 13))
            third = run_batch(luma, rows, to=tmp_path / "out")
            assert len(await ended(third)) == 17
            assert third.reason == "done"
            assert len(simulator.ledger.charges) == 30

    run(main())


def test_a_file_is_read_completely_and_all_rejects_are_reported(tmp_path: Path) -> None:
    rows = as_file(tmp_path, [{"prompt": "[[moderate]] a heron"}, *herons(3000), {"promt": "misspelt"}])

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            batch = run_batch(luma, rows, to=tmp_path / "out", limit=2)
            batch.tell(lambda _: None)
            await ended(batch)
            assert batch.reason == "failed"
            assert [aside.place for aside in batch.set_aside] == ["rows.jsonl:3002"]
            counts = (await batch.status()).counts
            assert (counts["done"], counts["failed"], counts["ready"]) == (1, 1, 2999)

    run(main())


def test_an_endless_iterator_does_not_keep_a_limited_run_from_ending(tmp_path: Path) -> None:
    async def rows() -> AsyncIterator[str]:
        for number in range(10):
            yield f"heron {number}"
        await asyncio.Event().wait()

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            batch = run_batch(luma, rows(), to=tmp_path, limit=4)
            assert len(await ended(batch)) == 4
            assert batch.reason == "done"

    run(main())


def test_a_row_that_comes_as_the_run_ends_is_kept_and_the_run_ends(tmp_path: Path) -> None:
    async def rows() -> AsyncIterator[str]:
        for number in range(6):
            yield f"heron {number}"
        with suppress(asyncio.CancelledError):  # as `asyncio.wait_for` does in Python 3.11 where both come at once
            await asyncio.Event().wait()
        yield "the late heron"
        await asyncio.Event().wait()

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            batch = run_batch(luma, rows(), to=tmp_path, limit=4)
            working = asyncio.create_task(ended(batch))
            await asyncio.wait([working], timeout=60.0)
            assert working.done()
            counts = (await batch.status()).counts
            assert (counts["done"], counts["ready"]) == (4, 3)

    run(main())


def test_a_refused_call_does_not_count_against_the_limit_and_a_lost_one_does(tmp_path: Path) -> None:
    rows = as_file(tmp_path, herons(20))

    async def main() -> None:
        async with Simulator(tier="pro") as simulator, AsyncLuma(**simulator.luma_options) as luma:
            simulator.faults.add_spec(f"{CREATE}=reset:after_charge:1x")
            batch = run_batch(luma, rows, to=tmp_path / "out", limit=6)
            await ended(batch)
            counts = (await read_status(tmp_path / "out")).counts
            assert (counts["done"], counts["unknown"], counts["ready"]) == (5, 1, 14)
            assert len(simulator.ledger.charges) == 6

    run(main())


@pytest.mark.parametrize("limit", [0, -1, True, 2.5, "20"])
async def test_a_limit_is_a_number_of_rows(tmp_path: Path, limit: Any) -> None:
    async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
        with pytest.raises(InvalidRequestError, match="limit"):
            run_batch(luma, herons(1), to=tmp_path, limit=limit)


# --- tags -------------------------------------------------------------------------------------------------------------


async def test_tag_rows_sends_ids_to_luma_in_later_runs_too(tmp_path: Path) -> None:
    rows = [*herons(3), {"prompt": "its own", "user_id": "customer-7"}, {"prompt": "nobody", "user_id": None}]
    refused = answer(400, {"detail": "no", "code": "bad_request"})
    async with Wire(refused) as wire, AsyncLuma("luma-api-x", base_url=wire.url) as luma:

        async def tags(folder: str, **options: Any) -> dict[str, Any]:
            """Return the tags that were sent, by prompt, and those of failed rows."""
            sent = len(wire.requests)
            await ended(run_batch(luma, rows, to=tmp_path / folder, **options))
            bodies = [json.loads(arrived.body) for arrived in wire.requests[sent:]]
            return {body["prompt"]: body.get("user_id") for body in bodies}

        first = await tags("tagged", tag_rows=True, limit=2)
        assert first == {"heron 0": "heron-0", "heron 1": "heron-1"}
        second = await tags("tagged")
        nobody = second.pop("nobody")
        assert second == {"heron 2": "heron-2", "its own": "customer-7"}
        untagged = await tags("other")
        assert untagged == {**dict.fromkeys([*first, "heron 2", "nobody"]), "its own": "customer-7"}
    failed = (tmp_path / "other" / "failed.jsonl").read_text().splitlines()
    assert json.loads(failed[-1])["id"] == nobody  # the ids of rows are the same with tags and without


async def test_tag_rows_is_refused_for_generor(tmp_path: Path) -> None:
    async with Simulator() as simulator, AsyncGeneror(**simulator.generor_options) as generor:
        with pytest.raises(InvalidRequestError, match="Generor's API takes no tag"):
            run_batch(generor, [{"slug": "joke", "prompt": "a heron", "model_id": 37}], to=tmp_path, tag_rows=True)
