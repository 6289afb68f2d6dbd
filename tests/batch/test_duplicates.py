"""Rows that come more than once: each time under an id of its own, the same whenever they are read again."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async import AsyncLuma
from generor_async.batch.duplicates import RowDeduplicator
from generor_async.batch.parameters import OPERATIONS, Parameters
from generor_async.batch.runner import run_batch
from generor_async.simulator import Simulator
from generor_async.stores.records import NewRow, Reject
from generor_async.testing import run

IDS = st.lists(st.sampled_from(["a", "b", "a-2", "a-2-2", "a-3"]), max_size=12)


def row(id_: str, place: str, prompt: str = "") -> NewRow:
    return NewRow(id=id_, parameters={"prompt": prompt or id_}, place=place)


async def read(ids: list[str], page: int, *, allowed: bool = True) -> list[NewRow | Reject]:
    rows = [row(id_, f"x:{number}") for number, id_ in enumerate(ids)]
    with closing(RowDeduplicator(Parameters(OPERATIONS["luma"]), allowed=allowed)) as occurrences:
        return [
            entry
            for start in range(0, len(rows), page)
            for entry in await occurrences.assign_ids(rows[start : start + page])
        ]


@given(IDS, st.integers(1, 12), st.integers(1, 12))
async def test_every_occurrence_gets_one_id_however_pages_are_cut(ids: list[str], page: int, other: int) -> None:
    found = [entry for entry in await read(ids, page) if isinstance(entry, NewRow)]
    assert [entry.place for entry in found] == [f"x:{number}" for number in range(len(ids))]
    assert [entry.parameters["prompt"] for entry in found] == ids
    assert len({entry.id for entry in found}) == len(ids)
    assert await read(ids, other) == found
    # What a longer file begins with has the ids that it had.
    assert (await read([*ids, "a", "a-2"], page))[: len(ids)] == found


async def test_the_first_keeps_its_id() -> None:
    assert [entry.id for entry in await read(["a", "b", "a", "a"], 2) if isinstance(entry, NewRow)] == [
        "a",
        "b",
        "a-2",
        "a-3",
    ]


async def test_duplicates_are_dropped_unless_allowed() -> None:
    found = await read(["a", "b", "a"], 2, allowed=False)
    assert [entry.place for entry in found] == ["x:0", "x:1"]


@given(IDS, st.integers(1, 12))
async def test_the_first_of_each_is_kept_however_pages_are_cut(ids: list[str], page: int) -> None:
    found = await read(ids, page, allowed=False)
    assert [entry.place for entry in found] == [f"x:{ids.index(id_)}" for id_ in dict.fromkeys(ids)]


@pytest.mark.parametrize("allowed", [True, False])
async def test_an_id_of_another_row_is_rejected_with_both_places(allowed: bool) -> None:
    with closing(RowDeduplicator(Parameters(OPERATIONS["luma"]), allowed=allowed)) as occurrences:
        _, reject = await occurrences.assign_ids([row("a", "x:1"), row("a", "x:7", "another")])
    assert isinstance(reject, Reject)
    assert (reject.place, json.loads(reject.text)) == ("x:7", {"prompt": "another"})
    assert "'a' belongs to another row, at x:1" in reject.reason


def test_a_resumed_run_neither_loses_nor_repeats_a_duplicate(tmp_path: Path) -> None:
    rows = [{"prompt": "a heron"}] * 12 + [{"prompt": "a gull", "id": "gull"}] * 3

    async def main() -> None:
        simulator = Simulator()
        async with simulator, AsyncLuma(**simulator.luma_options) as luma:
            ids: list[str] = []
            for stop_after in (4, 5, 99):
                batch = run_batch(luma, rows, to=tmp_path, allow_duplicates=True, concurrency=2)
                ended = 0
                async for outcome in batch:
                    ids.append(outcome.id)
                    ended += 1
                    if ended == stop_after:
                        batch.stop()
            assert len(ids) == len(set(ids)) == len(simulator.ledger.charges) == 15
            assert {"gull", "gull-2", "gull-3"} < set(ids)
            # Without leave, what was run is known all the same.
            assert [outcome async for outcome in run_batch(luma, rows, to=tmp_path)] == []

    run(main())
