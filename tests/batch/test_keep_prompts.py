"""Batches in whose folders no prompts are kept: nothing is bought twice for it, and no byte of a prompt is left."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from generor_async import AsyncGeneror, AsyncLuma, BuysAgainError
from generor_async.batch.export import FORMATS, export_lines
from generor_async.batch.journal import open_reader
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.recover import recover
from generor_async.batch.retry import make_ready
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import read_status
from generor_async.simulator import Simulator
from generor_async.testing import run

SECRET: Final = "gehéim"
"""A word of every prompt."""
SPELLINGS: Final = re.compile(rb"geh(\xc3\xa9|\\+u00e9)im")
"""As UTF-8, and as JSON escapes it, also in JSON that is a text in JSON."""
REFUSED: Final = f"[[moderate]] {SECRET} owl"


def rows_of(count: int, **others: Any) -> list[dict[str, Any]]:
    return [{"prompt": f"{SECRET} heron {number} in the rain", **others} for number in range(count)]


def files_with_prompts(folder: Path) -> list[str]:
    """Return the names of the files that have a prompt in any byte."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in found if SPELLINGS.search(path.read_bytes())]


async def ended(batch: Batch) -> list[RowOutcome]:
    return [outcome async for outcome in batch]


def bought(simulator: Simulator) -> Counter[str]:
    """Return how often each prompt was bought."""
    return Counter(str(job.request.prompt) for job in simulator.luma.generations.values())


def once(rows: Sequence[Mapping[str, Any]]) -> Counter[str]:
    return Counter(row["prompt"] for row in rows)


def test_no_byte_of_a_prompt_is_left_and_the_same_rows_are_known(tmp_path: Path) -> None:
    rows = [*rows_of(6), {"prompt": REFUSED}, {"prompt": f"{SECRET} crane", "colour": f"{SECRET} red"}]

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            with pytest.warns(UserWarning, match="set aside"):
                outcomes = await ended(run_batch(luma, rows, to=tmp_path, keep_prompts=False))
            assert Counter(outcome.state for outcome in outcomes) == {"done": 6, "failed": 1}
            assert {outcome.parameters["prompt"] for outcome in outcomes} == {row["prompt"] for row in rows[:7]}
            batch = run_batch(luma, rows, to=tmp_path)
            await batch.report()
            assert files_with_prompts(tmp_path) == []
            assert (await run_batch(luma, rows, to=tmp_path).estimate()).rows == 0
            with pytest.warns(UserWarning, match="set aside"):
                assert await ended(batch) == []
            assert bought(simulator) == once(rows[:7])
            with pytest.raises(BuysAgainError):
                await ended(run_batch(luma, [{**rows[0], "aspect_ratio": "1:1"}], to=tmp_path))
            again = await run_batch(luma, [{**rows[0], "aspect_ratio": "1:1"}], to=tmp_path).estimate()
            assert again.again == 1
            assert (await read_status(tmp_path)).counts["done"] == 6
            assert bought(simulator) == once(rows[:7])
        assert files_with_prompts(tmp_path) == []
        lines = (tmp_path / "failed.jsonl").read_text().splitlines()
        assert [json.loads(line).keys() for line in lines] == [{"id", "error"}]

    run(main())


def test_exports_and_reports_of_waiting_rows_have_no_prompts(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            batch = run_batch(luma, rows_of(4), to=tmp_path, keep_prompts=False, limit=2)
            assert len(await ended(batch)) == 2
            assert SECRET not in (await batch.report()).read_text()
        reader = await open_reader(tmp_path)
        for form in FORMATS:
            lines = [line async for line in export_lines(reader, form)]
            assert len(lines) >= 4
            assert not [line for line in lines if SPELLINGS.search(line.encode())]
        await reader.close()
        assert set(files_with_prompts(tmp_path)) == {"journal.sqlite"}, "two rows wait for their calls"

    run(main())


def test_generors_rows_are_known_again(tmp_path: Path) -> None:
    rows = [{"model_id": 37, "slug": "joke", "prompt": f"{SECRET} joke {number}"} for number in range(4)]

    async def main() -> None:
        async with Simulator() as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            outcomes = await ended(run_batch(generor, rows, to=tmp_path, keep_prompts=False))
            assert [(outcome.state, outcome.problem) for outcome in outcomes] == [("done", "")] * 4
            assert await ended(run_batch(generor, rows, to=tmp_path)) == []
            assert len(simulator.ledger.charges) == 4
        results = (tmp_path / "results.jsonl").read_text()
        assert "a minimalist drawing of [...]" in results, "an output that is listed there quotes the prompt"
        for name in ("journal.sqlite", "calls.jsonl", "results.jsonl"):
            assert b"im joke" not in (tmp_path / name).read_bytes()

    run(main())


def test_a_row_with_an_own_id_and_changed_parameters_is_told(tmp_path: Path) -> None:
    rows = [{"id": str(number), **row} for number, row in enumerate(rows_of(3))]

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            await ended(run_batch(luma, rows, to=tmp_path, keep_prompts=False))
            changed = [{**rows[0], "prompt": f"another {SECRET}"}, *rows[1:]]
            batch = run_batch(luma, changed, to=tmp_path)
            with pytest.warns(UserWarning, match="what this row was before"):
                assert await ended(batch) == []
            assert [reject.place for reject in batch.set_aside] == ["rows:1"]
            assert bought(simulator) == once(rows)
        assert files_with_prompts(tmp_path) == []

    run(main())


def test_a_failed_row_is_run_again_with_the_input_at_hand(tmp_path: Path) -> None:
    folder, file = tmp_path / "out", tmp_path / "rows.jsonl"
    rows = [*rows_of(3), {"prompt": REFUSED}]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            await ended(run_batch(luma, file, to=folder, keep_prompts=False))
            assert await make_ready(folder, failed=True) == 1
            assert files_with_prompts(folder) == []
            (outcome,) = await ended(run_batch(luma, file, to=folder))
            assert (outcome.state, outcome.attempts) == ("failed", 2)
            assert bought(simulator) == once([*rows, rows[-1]])
        assert files_with_prompts(folder) == []

    run(main())


def test_a_run_that_was_killed_goes_on_and_leaves_nothing(tmp_path: Path) -> None:
    rows, folder, killed = rows_of(12), tmp_path / "out", tmp_path / "killed"

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:

            def copy_once(_: RowOutcome) -> None:
                if not killed.exists():
                    shutil.copytree(folder, killed)

            batch = run_batch(luma, rows, to=folder, keep_prompts=False, concurrency=3, limit=4, on_row=copy_once)
            assert len(await ended(batch)) == 4
            before = bought(simulator)
            await ended(run_batch(luma, rows, to=killed, take_over=True, limit=8))
            status = await read_status(killed)
            assert status.counts["unknown"] + status.counts["done"] >= 3
            twice = {prompt for prompt, times in bought(simulator).items() if times > 1}
            # A row that the killed run had not begun to send, and the copied run had, is bought by both.
            assert twice <= set(before)
            assert len(await ended(run_batch(luma, rows, to=killed))) >= 1
        if not (await read_status(killed)).counts["unknown"]:
            assert files_with_prompts(killed) == []

    run(main())


def test_a_lost_journal_is_rebuilt_without_prompts(tmp_path: Path) -> None:
    rows = [*rows_of(5), {"prompt": REFUSED}]

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            await ended(run_batch(luma, rows, to=tmp_path, keep_prompts=False))
            (tmp_path / "journal.sqlite").unlink()
            assert (await recover(tmp_path)).counts == {"done": 5, "failed": 1}
            assert await ended(run_batch(luma, rows, to=tmp_path)) == []
            assert bought(simulator) == once(rows)
            with pytest.raises(BuysAgainError):
                await ended(run_batch(luma, [{**rows[0], "aspect_ratio": "1:1"}], to=tmp_path))
        assert files_with_prompts(tmp_path) == []

    run(main())


def test_an_unknown_row_keeps_its_prompt_and_gets_it_back_after_a_recovery(tmp_path: Path) -> None:
    rows = rows_of(1)

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            simulator.faults.add_spec("luma.generations.create=reset:after_charge")
            (outcome,) = await ended(run_batch(luma, rows, to=tmp_path, keep_prompts=False))
            simulator.faults.clear()
            assert outcome.state == "unknown"
            assert files_with_prompts(tmp_path) == ["journal.sqlite"]
            (tmp_path / "journal.sqlite").unlink()
            assert (await recover(tmp_path)).counts == {"unknown": 1}
            assert files_with_prompts(tmp_path) == []
            assert await ended(run_batch(luma, rows, to=tmp_path)) == []
            assert files_with_prompts(tmp_path) == ["journal.sqlite"]
            assert await make_ready(tmp_path, unknown=True) == 1
            (outcome,) = await ended(run_batch(luma, rows, to=tmp_path))
            assert (outcome.state, outcome.parameters) == ("done", rows[0])
        assert files_with_prompts(tmp_path) == []

    run(main())


def test_prompts_that_were_kept_are_left_out_from_the_next_run_on(tmp_path: Path) -> None:
    rows = [*rows_of(5), {"prompt": REFUSED}, {"prompt": f"{SECRET} crane", "colour": f"{SECRET} red"}]

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            with pytest.warns(UserWarning, match="set aside"):
                await ended(run_batch(luma, rows[3:], to=tmp_path))
            await run_batch(luma, rows, to=tmp_path).report()
            names = set(files_with_prompts(tmp_path))
            assert names >= {"journal.sqlite", "calls.jsonl", "failed.jsonl", "rejected.jsonl", "report.html"}
            results = (tmp_path / "results.jsonl").read_text()
            with pytest.warns(UserWarning, match="set aside"):
                assert len(await ended(run_batch(luma, rows, to=tmp_path, keep_prompts=False))) == 3
            assert files_with_prompts(tmp_path) == []
            assert (tmp_path / "results.jsonl").read_text().startswith(results)
            assert (tmp_path / "rejected.jsonl").exists()
            assert bought(simulator) == once(rows[:6])
            journal = tmp_path / "journal.sqlite"
            journal.unlink()
            assert (await recover(tmp_path)).counts == {"done": 5, "failed": 1}
            with pytest.warns(UserWarning, match="set aside"):
                assert await ended(run_batch(luma, rows, to=tmp_path)) == []
        assert files_with_prompts(tmp_path) == []

    run(main())
