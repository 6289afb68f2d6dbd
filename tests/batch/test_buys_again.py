"""What a folder has is not bought again because it is called or spelt otherwise, unless that is what is wanted."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncLuma, BuysAgainError
from generor_async.batch.runner import run_batch
from generor_async.simulator import Simulator
from generor_async.testing import run

ROWS: list[dict[str, Any]] = [{"prompt": f"heron {number}"} for number in range(6)]
MAX = {"model": "uni-1-max"}


def in_luma(test: Callable[[Simulator, AsyncLuma], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            await test(simulator, luma)

    run(main())


async def done(luma: AsyncLuma, rows: Any, to: Path, **options: Any) -> int:
    """Run rows, and return how many have ended."""
    return len([outcome async for outcome in run_batch(luma, rows, to=to, **options)])


def begun_long_ago(folder: Path, version: int = 1) -> None:
    """Make a folder one whose rows have the ids that they had before."""
    connection = sqlite3.connect(folder / "journal.sqlite")
    connection.execute("DELETE FROM notes WHERE name = 'fingerprint'")
    if version > 1:
        connection.execute("INSERT INTO notes VALUES ('', 'fingerprint', ?)", (version,))
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "spelt",
    [
        {"model": "uni-1"},
        {"aspect_ratio": None},
        {"style": "auto", "type": "image"},
        {"model": "uni-1", "aspect_ratio": None, "source": None},
        {"image_ref": []},
    ],
)
def test_a_row_written_differently_is_the_same_row(tmp_path: Path, spelt: dict[str, Any]) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        assert await done(luma, ROWS, tmp_path) == 6
        assert await done(luma, ROWS, tmp_path, common=spelt) == 0
        assert await done(luma, [{**row, **spelt} for row in reversed(ROWS)], tmp_path) == 0
        assert len(simulator.ledger.charges) == 6

    in_luma(test)


@pytest.mark.parametrize(
    ("before", "after", "options"),
    [
        (ROWS, ROWS, {"common": MAX}),
        (ROWS, [{**row, "style": "manga"} for row in ROWS], {}),
        (ROWS, [{**row, "id": row["prompt"]} for row in ROWS], {}),
        ([{**row, "id": row["prompt"]} for row in ROWS], ROWS, {}),
        (
            [{**row, "id": f"a{row['prompt']}"} for row in ROWS],
            [{**row, "id": f"b{row['prompt']}"} for row in ROWS],
            {},
        ),
        (ROWS, [*ROWS[:5], {**ROWS[5], "style": "manga"}], {}),
    ],
)
def test_nothing_is_bought_again_unless_asked_for(
    tmp_path: Path, before: Any, after: Any, options: dict[str, Any]
) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        assert await done(luma, before, tmp_path) == 6
        batch = run_batch(luma, after, to=tmp_path, **options)
        new = (await batch.estimate()).again
        assert new in {1, 6}
        with pytest.raises(BuysAgainError) as refused:
            _ = [outcome async for outcome in batch]
        asked = "a row asks" if new == 1 else "6 rows ask"
        assert f"{tmp_path} has already what {asked} for" in str(refused.value)
        assert "again=True, --again" in str(refused.value)
        assert (len(simulator.ledger.charges), batch.begun, batch.reason) == (6, False, "failed")
        # Nothing of it is left behind: the same rows as before go on as they did.
        assert await done(luma, before, tmp_path) == 0
        assert await done(luma, after, tmp_path, again=True, **options) == new
        assert len(simulator.ledger.charges) == 6 + new

    in_luma(test)


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        (ROWS, [*ROWS, {"prompt": "another"}], 1),
        (ROWS, [*({**row, "style": "manga"} for row in ROWS), *ROWS], 6),
        (ROWS, [*ROWS, *({**row, "style": "manga"} for row in ROWS)], 6),
        (ROWS[:3], ROWS, 3),
        (ROWS, ROWS[:2], 0),
        (ROWS, [{"prompt": "quite another"}], 1),
    ],
)
def test_an_additional_row_is_bought(tmp_path: Path, before: Any, after: Any, new: int) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await done(luma, before, tmp_path)
        assert (await run_batch(luma, after, to=tmp_path).estimate()).again == 0
        assert await done(luma, after, tmp_path) == new
        assert len(simulator.ledger.charges) == len(before) + new

    in_luma(test)


def test_a_failed_row_may_be_run_with_other_settings(tmp_path: Path) -> None:
    async def test(_: Simulator, luma: AsyncLuma) -> None:
        rows = [{"prompt": "[[moderate]] a heron"}]
        assert await done(luma, rows, tmp_path) == 1
        assert await done(luma, rows, tmp_path, common=MAX) == 1

    in_luma(test)


@pytest.mark.parametrize(("version", "spelt"), [(1, {"style": "auto"}), (2, {"image_ref": []})])
def test_a_folder_keeps_the_fingerprints_that_it_began_with(
    tmp_path: Path, version: int, spelt: dict[str, Any]
) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        (tmp_path / "new").mkdir()
        rows = [{**row, **spelt} for row in ROWS]
        assert await done(luma, [], tmp_path) == 0
        begun_long_ago(tmp_path, version)
        assert await done(luma, rows, tmp_path) == 6
        ids = {json.loads(line)["id"] for line in (tmp_path / "results.jsonl").read_text().splitlines()}
        assert await done(luma, rows, tmp_path) == 0
        with pytest.raises(BuysAgainError):
            await done(luma, ROWS, tmp_path)
        assert len(simulator.ledger.charges) == 6
        assert await done(luma, rows, tmp_path / "new") == 6
        others = {json.loads(line)["id"] for line in (tmp_path / "new/results.jsonl").read_text().splitlines()}
        assert len(ids) == len(others) == 6
        assert not ids & others

    in_luma(test)


def test_a_row_of_an_async_iterator_is_refused_at_once(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        async def rows() -> AsyncIterator[dict[str, Any]]:
            for row in ({"prompt": "new"}, {**ROWS[3], **MAX}, {"prompt": "never read"}):
                yield row

        await done(luma, ROWS, tmp_path)
        with pytest.raises(BuysAgainError, match="such as rows:2"):
            await done(luma, rows(), tmp_path)
        prompts = [job.request.prompt for job in simulator.luma.generations.values()]
        assert len(prompts) == len(set(prompts))
        assert "never read" not in prompts

    in_luma(test)


def test_waiting_rows_are_not_bought_beside_those_that_replace_them(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await done(luma, ROWS, tmp_path, max_credits=30)
        charged = len(simulator.ledger.charges)
        assert charged < 6
        with pytest.raises(BuysAgainError):
            await done(luma, ROWS, tmp_path, common=MAX)
        assert len(simulator.ledger.charges) == charged
        assert await done(luma, ROWS, tmp_path) == 6 - charged

    in_luma(test)


def test_a_waiting_row_may_be_replaced_by_one_with_other_settings(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await done(luma, ROWS, tmp_path, max_credits=1)
        assert not simulator.ledger.charges
        with pytest.warns(UserWarning, match="6 rows that waited from an earlier run, .* not bought"):
            assert await done(luma, ROWS, tmp_path, common=MAX) == 6
        assert len(simulator.ledger.charges) == 6
        assert await done(luma, ROWS, tmp_path, common=MAX) == 0

    in_luma(test)


def test_a_large_input_is_refused_by_its_first_rows(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        path = tmp_path / "rows.jsonl"
        prompts = [f"heron {number}" for number in range(2_500)]
        path.write_text("".join(f"{json.dumps({'prompt': prompt})}\n" for prompt in prompts))
        await done(luma, path, tmp_path / "out", max_credits=30)
        charged = len(simulator.ledger.charges)
        with pytest.raises(BuysAgainError):
            await done(luma, path, tmp_path / "out", common=MAX)
        assert len(simulator.ledger.charges) == charged

    in_luma(test)
