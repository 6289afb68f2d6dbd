"""results.jsonl after a crash of the process or the machine: it has one line for each row that is done."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.batch.journal import open_journal
from generor_async.batch.outcomes import ResultsFile
from generor_async.batch.run_key import RunKey
from generor_async.rules.row_states import Accept, Download, Finish, Submit
from generor_async.stores.ledger import Ledger, write_step
from generor_async.stores.records import NewRow

KEY = RunKey(operation="luma.generations.create", address="http://127.0.0.1/v1", source="rows")
ROWS = 6


async def with_rows_done(folder: Path, ends: Sequence[float]) -> Ledger:
    """Open a journal whose rows ended at these moments."""
    journal = await open_journal(folder, key=KEY)
    rows = [NewRow(id=f"row-{at}", parameters={"prompt": "a"}, place=f"rows:{at}") for at in range(len(ends))]
    await journal.add(rows)
    for row, at in zip(await journal.claim(len(ends)), ends, strict=True):
        submit = Submit(at=at, request_id=row.id, model="uni-1 image", estimated=4.0, reserved=4.0, longest=60.0)
        for step in (submit, Accept(remote_ids=(row.id,)), Download(), Finish(at=at, result={"files": []})):
            await write_step(journal, row, step)
    return journal


def ids(folder: Path) -> list[str]:
    return [json.loads(line)["id"] for line in (folder / "results.jsonl").read_text().splitlines()]


@examples(20)
@given(
    ends=st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=1, max_size=ROWS),
    order=st.permutations(range(ROWS)),
    lost=st.integers(0, ROWS),
    torn=st.sampled_from([b"", b'{"id": "row-', b"\0\0\0"]),
)
async def test_each_row_that_is_done_has_one_line(
    ends: list[float], order: Sequence[int], lost: int, torn: bytes
) -> None:
    """Lines of any rows are lost at the end, and other bytes may stand there instead."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        journal = await with_rows_done(folder, ends)
        results = ResultsFile(folder, None)
        await results.open(journal)
        results.close()
        path = folder / "results.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [lines[at] for at in order if at < len(lines)][: max(0, len(lines) - lost)]
        path.write_bytes(b"".join(kept) + torn)
        before = path.stat().st_ino
        await results.open(journal)
        results.close()
        await journal.close()
        assert sorted(ids(folder)) == [f"row-{at}" for at in range(len(ends))]
        assert (path.stat().st_ino == before, path.read_bytes().startswith(b"".join(kept))) == (True, True)


async def test_a_surplus_line_makes_the_file_be_rewritten(tmp_path: Path) -> None:
    journal = await with_rows_done(tmp_path, [1.0, 2.0])
    path = tmp_path / "results.jsonl"
    path.write_text('{"id": "row-0"}\n' * 3)
    results = ResultsFile(tmp_path, None)
    await results.open(journal)
    results.close()
    await journal.close()
    assert sorted(ids(tmp_path)) == ["row-0", "row-1"]


async def test_a_foreign_line_makes_the_file_be_rewritten(tmp_path: Path) -> None:
    journal = await with_rows_done(tmp_path, [1.0, 2.0, 3.0])
    path = tmp_path / "results.jsonl"
    path.write_text('{"id": "another"}\n')
    results = ResultsFile(tmp_path, None)
    await results.open(journal)
    results.close()
    await journal.close()
    assert sorted(ids(tmp_path)) == ["row-0", "row-1", "row-2"]


async def test_missing_lines_are_found_among_the_latest_rows(tmp_path: Path) -> None:
    journal = await with_rows_done(tmp_path, [5.0, 4.0, 3.0, 2.0])
    assert await journal.last_done(3) == [(3, "row-2"), (2, "row-1"), (1, "row-0")]
    await journal.close()
