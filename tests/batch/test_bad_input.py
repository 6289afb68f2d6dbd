"""Bad input to a whole run: what can't be is said in a sentence, and costs nothing; the rest is done."""

import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from support.commands import Commands
from support.small_disk import make_read_only, run_on_small_disk

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.runner import run_batch
from generor_async.batch.status import read_status
from generor_async.errors import GenerorAsyncError
from generor_async.simulator import Simulator
from generor_async.testing import run

pytestmark = pytest.mark.filterwarnings("ignore:.* set aside:UserWarning", "ignore:.* kept beside:UserWarning")

Command: TypeAlias = Callable[..., tuple[int, list[str]]]
JOKE = {"slug": "joke", "model_id": 37}


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(*given: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in given)


@pytest.fixture
def command(commands: Commands) -> Command:
    """Run the command on the simulator; give its exit code, and what it says to a person."""

    def run(*arguments: str | Path) -> tuple[int, list[str]]:
        ended = commands.run("batch", "run", *map(str, arguments), "--simulate")
        return ended.returncode, ended.stderr.splitlines()

    return run


def outcomes(
    source: Path | Sequence[dict[str, Any]], to: Path, *, api: str = "luma", **options: Any
) -> list[RowOutcome]:
    """Run a batch in virtual time, as plenty of credits and slots allow."""

    async def main() -> list[RowOutcome]:
        async with Simulator(tier="enterprise", luma_rpm=100_000, luma_jobs=10_000, luma_balance=1e6) as simulator:
            client = AsyncLuma(**simulator.luma_options) if api == "luma" else AsyncGeneror(**simulator.generor_options)
            async with client:
                return [outcome async for outcome in run_batch(client, source, to=to, **options)]

    return run(main())


def test_one_invalid_line_of_a_thousand_does_not_stop_the_others(tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": f"heron {number // 25}"}) for number in range(1_000)]  # each is run once
    lines[499] = '{"prompt": "heron'
    found = outcomes(write(tmp_path / "prompts.jsonl", "\n".join(lines)), tmp_path / "out")
    assert {outcome.place for outcome in found} == {f"prompts.jsonl:{number}" for number in range(1, 1_001, 25)}
    assert {outcome.state for outcome in found} == {"done"}
    (line,) = (tmp_path / "out/rejected.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["place"], told["text"]) == ("prompts.jsonl:500", '{"prompt": "heron')
    assert told["reason"].startswith("it is not JSON (Unterminated string")


def test_rejects_are_shown_with_advice(tmp_path: Path, command: Command) -> None:
    good, bad = rows({"prompt": "a heron"}), '{"promt": 1}\n'
    source = write(tmp_path / "prompts.jsonl", good + "{\n" + rows({"prompt": "x" * 6_001}) + 6 * bad)
    code, said = command(source, "--out", tmp_path / "out")
    assert code == 3
    assert said[0].startswith("prompts.jsonl:2 was set aside: it is not JSON (")
    assert said[0].endswith("write one object on each line")
    assert said[1] == (
        "prompts.jsonl:3 was set aside: prompt: Prompt must be between 1 and 6000 characters. It has 6,001."
        " Correct it, and run it again."
    )
    assert said[2].startswith("prompts.jsonl:4 was set aside: 'promt' is no parameter of luma.generations.create;")
    assert said[5] == f"and 3 more: see {tmp_path / 'out/rejected.jsonl'}"
    assert len((tmp_path / "out/rejected.jsonl").read_text().splitlines()) == 8
    # What was mended is run, and what was done stays done.
    write(source, good + rows({"prompt": "x" * 6_000}))
    assert command(source, "--out", tmp_path / "out") == (0, [])
    assert not (tmp_path / "out/rejected.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", "", "generor: {} has no rows. Write a row on each line."),
        ("a.csv", "", "generor: {} has no rows. Write a row on each line below the header."),
        (
            "a.csv",
            "Prompt,Note\na heron,nice\n",
            (
                "generor: {} has columns that may be misspelt parameters of luma.generations.create: 'Prompt'"
                " (is it 'prompt'?). Rename them, name the prompt's column (prompt_column, --prompt-column), or keep it"
                " beside the parameters (keep=['Prompt'], --keep Prompt)."
            ),
        ),
        ("a.xlsx", "PK", "generor: {} is of no known kind. Name it .jsonl, .csv or .tsv, as what it holds."),
    ],
)
def test_an_invalid_file_is_refused_and_the_folder_stays_free(
    tmp_path: Path, command: Command, name: str, content: str, sentence: str
) -> None:
    source = write(tmp_path / name, content)
    code, said = command(source, "--out", tmp_path / "out")
    assert (code, said) == (2, [sentence.format(source)])
    assert command(write(tmp_path / "b.jsonl", rows({"prompt": "a heron"})), "--out", tmp_path / "out") == (0, [])


def test_a_tsv_with_quotes_is_run_as_it_reads(tmp_path: Path) -> None:
    text = 'prompt\tstyle\n"G I G G L E" painted red\tauto\na "cat"\tmanga\n"a ""dog"""\t\n'
    found = outcomes(write(tmp_path / "a.tsv", text), tmp_path / "out")
    prompts = {outcome.parameters["prompt"] for outcome in found}
    assert prompts == {'"G I G G L E" painted red', 'a "cat"', 'a "dog"'}
    assert {outcome.state for outcome in found} == {"done"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_run(tmp_path: Path, encoding: str) -> None:
    source = write(tmp_path / "a.jsonl", rows({"prompt": "a heron"}).encode(encoding))
    (outcome,) = outcomes(source, tmp_path / "out")
    assert (outcome.state, outcome.place) == ("done", "a.jsonl:1")


def test_truncated_utf_16_is_reported_after_the_rows_before_are_done(tmp_path: Path) -> None:
    text = rows(*({"prompt": f"heron {number // 60}"} for number in range(600))).encode("utf-16")
    source = write(tmp_path / "a.jsonl", text[:-1])
    with pytest.raises(
        InvalidRequestError, match=r"a\.jsonl breaks off or is not UTF-16 .* Write it again, as UTF-8\."
    ):
        outcomes(source, tmp_path / "out")
    assert len((tmp_path / "out/results.jsonl").read_text().splitlines()) >= 9


def test_a_repeated_row_is_run_once_and_another_row_of_its_id_rejected(tmp_path: Path, command: Command) -> None:
    same, other = {"id": "a", "prompt": "a heron"}, {"id": "a", "prompt": "a cat"}
    source = write(tmp_path / "a.jsonl", rows(same, same, other))
    code, said = command(source, "--out", tmp_path / "out")
    assert (code, said) == (
        3,
        [
            (
                "a.jsonl:3 was set aside: the id 'a' belongs to another row, at a.jsonl:1:"
                " give each row an id of its own, or none"
            ),
            "a.jsonl:2 is the same row as a.jsonl:1: it is run once",
            "generor: not all rows are done: 1 set aside (correct those lines, and run it again)",
        ],
    )
    (line,) = (tmp_path / "out/results.jsonl").read_text().splitlines()
    assert json.loads(line)["place"] == "a.jsonl:1"


@pytest.mark.parametrize(("api", "most", "more"), [("luma", 6_000, {}), ("generor", 10_000, JOKE)])
def test_a_prompt_may_be_as_long_as_the_api_allows(tmp_path: Path, api: str, most: int, more: dict[str, Any]) -> None:
    given = [{"prompt": "x" * most, **more}, {"prompt": "x" * (most + 1), **more}]
    (outcome,) = outcomes(write(tmp_path / "a.jsonl", rows(*given)), tmp_path / "out", api=api)
    assert (outcome.state, outcome.place) == ("done", "a.jsonl:1")
    told = json.loads((tmp_path / "out/rejected.jsonl").read_text())
    assert told["place"] == "a.jsonl:2"
    assert f"It has {most + 1:,}. Correct it, and run it again." in told["reason"]


def test_a_corrected_reject_leaves_no_file(tmp_path: Path) -> None:
    outcomes([{"prompt": "a heron"}], tmp_path)
    assert not (tmp_path / "rejected.jsonl").exists()


# --- the folder -------------------------------------------------------------------------------------------------------


def test_a_folder_of_another_run_is_refused_by_name(tmp_path: Path, command: Command) -> None:
    first, second = (write(tmp_path / f"{name}.jsonl", rows({"prompt": "a heron"})) for name in "ab")
    assert command(first, "--out", tmp_path / "out")[0] == 0
    code, (said,) = command(second, "--out", tmp_path / "out")
    assert code == 2
    assert said.endswith(
        f"{tmp_path / 'out'} belongs to another run, whose rows are those of a.jsonl, not b.jsonl."
        " Go on with that run, or give another folder for this one: what both have is bought twice."
    )


def test_a_folder_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    outcomes([{"prompt": "a heron"}], tmp_path)
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InvalidRequestError) as caught:
        outcomes([{"prompt": "a heron"}], tmp_path)
    assert str(caught.value) == (
        f"to: {tmp_path / 'journal.sqlite'} was made by a newer version of this package."
        " Upgrade it: another folder buys every row again."
    )


async def cannot_be_written_to(disk: Path) -> None:
    """Run a batch, then let the disk be read-only: neither it nor another one is begun, and it can be looked at."""
    source = write(disk / "a.jsonl", rows({"prompt": "a heron"}))
    async with Simulator() as simulator:
        async with AsyncLuma(**simulator.luma_options) as luma:
            assert [outcome.state async for outcome in run_batch(luma, source, to=disk / "old")] == ["done"]
            make_read_only(disk)
            for name, advice in (
                ("old", "Make it writable, and run it again: another folder buys every row again."),
                ("new", "Give a folder that can be written to, or one that does not exist yet."),
            ):
                sentence = f"to: {disk / name} cannot be used (Read-only file system)."
                with pytest.raises(InvalidRequestError) as caught:
                    _ = [outcome async for outcome in run_batch(luma, source, to=disk / name)]
                assert str(caught.value) == f"{sentence} {advice}"
            with pytest.raises(GenerorAsyncError, match=r"report\.html cannot be written to \(Read-only"):
                await run_batch(luma, source, to=disk / "old").report()
            assert (await read_status(disk / "old")).is_complete
        assert len(simulator.ledger.charges) == 1


def test_a_folder_that_can_only_be_read_is_refused_and_can_still_be_looked_at() -> None:
    run_on_small_disk(cannot_be_written_to, kilobytes=8_000)


def test_a_folder_that_a_living_process_uses_is_refused_with_its_pid(
    tmp_path: Path, commands: Commands, command: Command
) -> None:
    given = rows(*({"prompt": f"heron {number}"} for number in range(300)))
    source, out = write(tmp_path / "a.jsonl", given), tmp_path / "out"
    running = commands.begin("batch", "run", str(source), "--out", str(out), "--simulate")
    while not (out / "media").exists():
        time.sleep(0.02)
    code, said = command(source, "--out", out)
    assert code == 2
    assert f"is in use by process {running.pid}" in said[-1]
    running.interrupt()
    assert running.end()[0] == 130
