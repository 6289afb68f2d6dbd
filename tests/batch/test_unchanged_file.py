"""A file that was read whole isn't read again as long as it is what it was: what is bought is the same either way."""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async import AsyncLuma
from generor_async.batch.recover import recover
from generor_async.batch.retry import make_ready
from generor_async.batch.runner import Batch, run_batch
from generor_async.simulator import Simulator, outputs
from generor_async.stores.ledger import READ_WHOLE_NOTE
from generor_async.testing import run

BROKEN = '{"prompt": "no end\n'
LINES = [*(f'{{"prompt": "heron {number}"}}\n' for number in range(6)), BROKEN, '{"prompt": "heron 2"}\n']
FILE: list[Any] = [{"path": "cat.png"}]


def in_luma(test: Callable[[Simulator, AsyncLuma], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            await test(simulator, luma)

    run(main())


def write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(lines))


def was_read(batch: Batch) -> bool:
    """Tell whether a batch has read its file."""
    source = batch._spec.source  # pyright: ignore[reportPrivateUsage] # nothing else tells
    return source is not None and source.content is not None


async def bought(luma: AsyncLuma, rows: Path, to: Path, **options: Any) -> tuple[list[str], Batch]:
    """Run the rows; return the prompts of those that were done, in order, and the batch."""
    batch = run_batch(luma, rows, to=to, **options)
    batch.tell(lambda _: None)
    return sorted([str(outcome.parameters["prompt"]) async for outcome in batch]), batch


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    write(path, LINES)
    return path


def touched(path: Path) -> None:
    os.utime(path, (1.0, 1.0))


def copied(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    copy.replace(path)


def left_alone(_: Path) -> None:
    pass


def edited_in_place(path: Path) -> None:
    """Change a row, but neither size nor inode nor date."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b'{"prompt": "stork 0"')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_ino) == (before.st_size, before.st_ino)


@pytest.mark.parametrize("change", [touched, copied, left_alone])
def test_the_same_rows_are_not_read_again_whatever_their_date_and_inode(
    tmp_path: Path, rows: Path, change: Callable[[Path], None]
) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        first, batch = await bought(luma, rows, tmp_path / "out", limit=2)
        assert was_read(batch)
        change(rows)
        estimate = await run_batch(luma, rows, to=tmp_path / "out").estimate()
        assert (estimate.new, estimate.ready, estimate.rejected, estimate.duplicates) == (0, 4, 1, 1)
        then, batch = await bought(luma, rows, tmp_path / "out")
        assert not was_read(batch)
        assert sorted(first + then) == [f"heron {number}" for number in range(6)]
        assert len(simulator.ledger.charges) == 6

    in_luma(test)


def test_notices_rejects_and_counts_are_the_same_as_by_reading(tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("prompt;Note;web_search\nheron;a;\nheron;b;\nstork;c;perhaps\ncrane;d;\n")

    async def told(luma: AsyncLuma) -> tuple[Any, ...]:
        said = list[str]()
        batch = run_batch(luma, table, to=tmp_path / "out", limit=1)
        batch.tell(said.append)
        outcomes = [outcome async for outcome in batch]
        status, progress = await batch.status(), batch.progress
        assert progress is not None
        counted = progress.rejected, status.rejected, status.duplicates, len(outcomes)
        return said, batch.set_aside, status.set_aside, status.came_again, counted, was_read(batch)

    async def test(_: Simulator, luma: AsyncLuma) -> None:
        (*by_reading, is_read), (*known, is_read_again) = await told(luma), await told(luma)
        assert (is_read, is_read_again) == (True, False)
        assert by_reading == known
        said, set_aside, _, came_again, counted = known
        assert len(said) == 3  # how the cells are separated, which columns are kept, and what is set aside
        assert (len(set_aside), len(came_again), counted) == (1, 1, (1, 1, 1, 1))

    in_luma(test)


def test_an_edit_that_keeps_size_inode_and_date_is_seen(tmp_path: Path, rows: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await bought(luma, rows, tmp_path / "out", limit=1)
        edited_in_place(rows)
        then, batch = await bought(luma, rows, tmp_path / "out")
        assert was_read(batch)
        assert then == ["heron 1", "heron 2", "heron 3", "heron 4", "heron 5", "stork 0"]
        assert len(simulator.ledger.charges) == 7

    in_luma(test)


@pytest.mark.parametrize(
    "options", [{"keep": ["Note"]}, {"common": {"aspect_ratio": "1:1"}, "again": True}, {"allow_duplicates": True}]
)
def test_other_options_read_the_file_again(tmp_path: Path, rows: Path, options: dict[str, Any]) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await bought(luma, rows, tmp_path / "out", limit=1)
        found, batch = await bought(luma, rows, tmp_path / "out", limit=1, **options)
        assert was_read(batch)
        assert len(simulator.ledger.charges) == 1 + len(found)

    in_luma(test)


def test_rows_that_name_a_file_of_this_machine_are_read_again(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": "a", "image_ref": FILE}) + '\n{"prompt": "b"}\n{"prompt": "c"}\n')

    async def test(_: Simulator, luma: AsyncLuma) -> None:
        first, batch = await bought(luma, rows, tmp_path / "out", limit=1)
        assert (first, len(batch.set_aside)) == (["b"], 1)
        (tmp_path / "cat.png").write_bytes(outputs.image("a cat", seed=1, ratio="1:1", format="png", size=64))
        then, batch = await bought(luma, rows, tmp_path / "out")
        assert was_read(batch)
        assert (then, len(batch.set_aside)) == (["a", "c"], 0)

    in_luma(test)


def test_a_failed_row_that_has_left_the_file_is_not_bought_by_a_retry(tmp_path: Path, rows: Path) -> None:
    out = tmp_path / "out"

    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await bought(luma, rows, out, limit=1)
        journal = sqlite3.connect(out / "journal.sqlite")
        journal.execute("""UPDATE calls SET state = 'failed', problem = '{"message": ""}' WHERE state = 'done'""")
        journal.commit()
        journal.close()
        write(rows, LINES[1:])
        for _ in range(2):  # by reading, both times
            _, batch = await bought(luma, rows, out, limit=1)
            assert was_read(batch)
        assert await make_ready(out, failed=True) == 1
        then, batch = await bought(luma, rows, out)
        assert was_read(batch)
        assert "heron 0" not in then
        assert len(simulator.ledger.charges) == 6

    in_luma(test)


def test_a_retry_of_rows_that_are_in_the_file_needs_no_reading(tmp_path: Path, rows: Path) -> None:
    out = tmp_path / "out"

    async def test(_: Simulator, luma: AsyncLuma) -> None:
        await bought(luma, rows, out)
        journal = sqlite3.connect(out / "journal.sqlite")
        journal.execute("""UPDATE calls SET state = 'failed', problem = '{"message": ""}' WHERE number = 2""")
        journal.commit()
        journal.close()
        assert await make_ready(out, failed=True) == 1
        then, batch = await bought(luma, rows, out)
        assert (then, was_read(batch)) == (["heron 1"], False)

    in_luma(test)


def test_a_rebuilt_journal_reads_the_file_again(tmp_path: Path, rows: Path) -> None:
    out = tmp_path / "out"

    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await bought(luma, rows, out, limit=1)
        (out / "calls.jsonl").unlink()
        await bought(luma, rows, out, limit=1)  # which begins another calls.jsonl, with what the journal remembers
        assert READ_WHOLE_NOTE not in (out / "calls.jsonl").read_text()
        for path in out.glob("journal.sqlite*"):
            path.unlink()
        await recover(out)
        then, batch = await bought(luma, rows, out)
        assert (len(then), was_read(batch)) == (4, True)
        assert len(simulator.ledger.charges) == 6

    in_luma(test)


PROMPTS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6)


@examples(5)
@given(st.lists(st.tuples(PROMPTS, st.booleans(), st.sampled_from([1, 2, None])), min_size=2, max_size=5))
def test_exactly_the_rows_of_the_file_are_bought_once_each(
    runs: Sequence[tuple[list[str], bool, int | None]],
) -> None:
    """Files come and go, and come again, in a folder; each run buys of the file as it is then what wasn't bought."""

    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        with tempfile.TemporaryDirectory() as place:
            rows, model, prompts = Path(place, "rows.jsonl"), set[str](), list[str]()
            for another, is_other, limit in runs:
                prompts = another if is_other or not prompts else prompts
                write(rows, [f'{{"prompt": "{prompt}"}}\n' for prompt in prompts])
                found, batch = await bought(luma, rows, Path(place, "out"), limit=limit)
                wanted = set(prompts) - model
                assert set(found) <= wanted
                assert len(found) == min(len(wanted), limit or len(wanted))
                assert batch.reason == "done"
                model.update(found)
            assert len(simulator.ledger.charges) == len(model)

    in_luma(test)
