"""The options of `generor batch run` that run or print less: --limit, --dry-run, --quiet."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
from support.commands import Commands, hastened
from support.terminal import Terminal

from generor_async.simulator import Simulator

if TYPE_CHECKING:
    import subprocess

Run: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"
UNI_1 = 13.466667


@pytest.fixture
def luma() -> Iterator[tuple[Simulator, dict[str, str]]]:
    with Simulator(speed=60) as simulator:
        key = simulator.luma_key
        yield simulator, {**hastened(), "LUMA_BASE_URL": simulator.luma_url, "LUMA_AGENTS_API_KEY": key}


@pytest.fixture
def run(commands: Commands, luma: tuple[Simulator, dict[str, str]]) -> Run:
    def run(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return commands.run("batch", *arguments, env={**os.environ, **luma[1]}, stdin=stdin)

    return run


def table(folder: Path, rows: int) -> str:
    path = folder / "rows.csv"
    lines = ["sku,prompt,notes", *(f"a-{number},heron {number},x" for number in range(rows))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


# --- trying it first --------------------------------------------------------------------------------------------------


def test_limit_runs_some_rows_and_the_same_command_continues(
    run: Run, luma: tuple[Simulator, dict[str, str]], tmp_path: Path
) -> None:
    rows, out = table(tmp_path, 9), str(tmp_path / "out")
    ended = run("run", rows, "--out", out, "--yes", "--limit", "4")
    assert ended.returncode == 0
    told = json.loads(ended.stdout)
    assert (told["reason"], told["rows"]) == ("done", {"ready": 5, "done": 4})
    assert told["credits"]["spent"] == pytest.approx(4 * UNI_1, abs=1e-5)
    assert "--limit is reached: 5 rows are left for the next run" in ended.stderr
    assert run("status", out).returncode == 3
    ended = run("run", rows, "--out", out, "--yes", "--limit", "2")
    assert (ended.returncode, json.loads(ended.stdout)["rows"]) == (0, {"ready": 3, "done": 6})
    ended = run("run", rows, "--out", out, "--yes")
    assert (ended.returncode, json.loads(ended.stdout)["rows"]) == (0, {"done": 9})
    assert "--limit" not in ended.stderr
    assert len(luma[0].ledger.charges) == 9
    assert run("run", rows, "--out", out, "--yes", "--limit", "0").returncode == 2


def test_the_question_is_about_the_rows_within_the_limit(
    commands: Commands, luma: tuple[Simulator, dict[str, str]], tmp_path: Path
) -> None:
    command = ["batch", "run", table(tmp_path, 9), "--out", str(tmp_path / "out"), "--limit", "4"]
    with Terminal(commands, *command, columns=120, environment=luma[1]) as terminal:
        shown = " ".join(terminal.until("[y/N]").split())
        assert "rows 9 new; --limit starts 4 of them price 53.87 credits ($0.16)" in shown
        terminal.press(b"y\r")
        assert terminal.ended() == 0
    assert len(luma[0].ledger.charges) == 4


@pytest.mark.parametrize("rows", [12, 0])
def test_a_yes_does_not_count_for_another_file_than_the_question_was_about(
    commands: Commands, luma: tuple[Simulator, dict[str, str]], tmp_path: Path, rows: int
) -> None:
    command = ["batch", "run", table(tmp_path, 2), "--out", str(tmp_path / "out")]
    with Terminal(commands, *command, columns=120, environment=luma[1]) as terminal:
        terminal.until("[y/N]")
        if rows:
            table(tmp_path, rows)
        else:
            (tmp_path / "rows.csv").unlink()
        terminal.press(b"y\r")
        assert terminal.ended() == 2
        assert "haschangedsincethequestionwasasked.Nothingwasspent" in "".join(terminal.text.split())
    assert not luma[0].ledger.charges


# --- what it would cost -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize("from_stdin", [False, True])
def test_a_dry_run_shows_the_cost_and_changes_nothing(
    run: Run, luma: tuple[Simulator, dict[str, str]], tmp_path: Path, simulated: bool, from_stdin: bool
) -> None:
    path, out = Path(table(tmp_path, 3)), tmp_path / "out"
    path.write_text(path.read_text() + "a-9,heron 0,y\na-10,,x\n")
    given = ["-"] if from_stdin else [str(path)]
    extra = ["--simulate"] if simulated else []
    text = path.read_text() if from_stdin else ""
    ended = run("run", *given, "--out", str(out), "--dry-run", "--max-credits", "30", *extra, stdin=text)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["dry_run"], told.get("simulated", False)) == (True, simulated)
    assert told["rows"] == {"new": 3, "ready": 0, "under_way": 0}
    assert (told["begun"], told["rejected"], told["duplicates"], told["again"]) == (3, 1, 1, 0)
    assert told["set_aside"][0]["place"] == ("stdin:6" if from_stdin else "rows.csv:6")
    assert told["columns"] == ["sku", "notes"]
    assert told["credits"] == {
        "estimated": pytest.approx(3 * UNI_1, abs=1e-5),
        "counted": 0,
        "cap": 30,
        "balance": None,
    }
    assert told["dollars"]["estimated"] == pytest.approx(0.1212)
    assert told["price_sources"] == ["prices of mid-2026"]
    assert not out.exists()
    assert not luma[0].ledger.requests


def test_a_dry_run_counts_the_rows_of_the_folder(
    run: Run, luma: tuple[Simulator, dict[str, str]], tmp_path: Path
) -> None:
    rows, out = table(tmp_path, 5), tmp_path / "out"
    run("run", rows, "--out", str(out), "--yes", "--limit", "2")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != "journal.sqlite-shm"}
    told = json.loads(run("run", rows, "--out", str(out), "--dry-run", "--limit", "1").stdout)
    assert (told["rows"]["new"], told["rows"]["ready"], told["begun"], told["limit"]) == (0, 3, 1, 1)
    assert told["credits"]["estimated"] == pytest.approx(UNI_1, abs=1e-5)
    assert told["credits"]["counted"] == pytest.approx(2 * UNI_1, abs=1e-5)
    after = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name != "journal.sqlite-shm"}
    assert before == {path: after.get(path) for path in before}
    assert len(luma[0].ledger.charges) == 2


def test_a_dry_run_with_wrong_options_is_refused(run: Run, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("promt\na heron\n")
    ended = run("run", str(rows), "--out", str(tmp_path / "out"), "--dry-run")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "is it 'prompt'?" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_on_a_terminal_a_dry_run_is_a_table(
    commands: Commands, luma: tuple[Simulator, dict[str, str]], tmp_path: Path
) -> None:
    command = ["batch", "run", table(tmp_path, 9), "--out", str(tmp_path / "out"), "--dry-run"]
    with Terminal(commands, *command, environment=luma[1]) as terminal:
        assert terminal.ended() == 0
        shown = " ".join(terminal.text.split())
        assert "rows 9 new price 121.20 credits ($0.36), prices of mid-2026" in shown
        assert shown.count("'sku', 'notes'") == 1
        assert "[y/N]" not in shown
    with Terminal(commands, *command, "--json", "--quiet", columns=2000, environment=luma[1]) as terminal:
        assert terminal.ended() == 0
        said = terminal.text.splitlines()
        assert json.loads(said[-1])["begun"] == 9
    assert not (tmp_path / "out").exists()


# --- while it goes on -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 120])
def test_each_line_of_progress_fits(commands: Commands, tmp_path: Path, columns: int) -> None:
    rows, out = table(tmp_path, 2_500), str(tmp_path / "out")
    command = ["batch", "run", rows, "--out", out, "--simulate", "--max-credits", "40000", "--concurrency", "40"]
    with Terminal(commands, *command, columns=columns) as terminal:
        terminal.until("where the limits allow 30 calls", "to come", "left", "nothing is charged")
        pictures = terminal.pictures(8, whole="nothing is charged")
        terminal.press(b"\x03")
        assert terminal.ended() == 130
    for picture in pictures:
        below = picture[picture.index("\nrows ") :].split("\n")[1:]
        assert [line.split()[0] for line in below] == ["rows", "rate", "credits", "cap", "time", "simulated,"], picture
    assert len({picture.index("\nrows ") for picture in pictures}) == 1


# --- saying less ------------------------------------------------------------------------------------------------------


def test_quiet_only_prints_errors_and_warnings_before_a_charge(run: Run, tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.jsonl", str(tmp_path / "out")
    rows.write_text('{"prompt": "a heron"}\n{"prompt": "a heron"}\n')
    loud = run("run", str(rows), "--out", str(tmp_path / "loud"), "--yes")
    assert "is the same row as" in loud.stderr
    quiet = run("run", str(rows), "--out", out, "--yes", "--quiet")
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert json.loads(quiet.stdout)["rows"] == {"done": 1}
    rows.write_text('{"promt": "a heron"}\n{"prompt": "[[moderate]] a heron"}\n')
    quiet = run("run", str(rows), "--out", out, "--yes", "--quiet")
    assert quiet.returncode == 3
    assert "rows.jsonl:1 was set aside: 'promt' is no parameter" in quiet.stderr
    assert "not all rows are done: 1 failed" in quiet.stderr
    assert "price" not in quiet.stderr


def test_quiet_still_asks(commands: Commands, luma: tuple[Simulator, dict[str, str]], tmp_path: Path) -> None:
    command = ["batch", "run", table(tmp_path, 3), "--out", str(tmp_path / "out"), "--quiet", "--json"]
    with Terminal(commands, *command, columns=2000, environment=luma[1]) as terminal:
        shown = " ".join(terminal.until("[y/N]").split())
        assert "price 40.40 credits ($0.12)" in shown
        terminal.press(b"y\r")
        assert terminal.ended() == 0
        assert json.loads(terminal.text.splitlines()[-1])["rows"] == {"done": 3}
        assert b"a minute" not in terminal.raw
    with Terminal(commands, "batch", "status", str(tmp_path / "out"), "--json", columns=2000) as terminal:
        assert terminal.ended() == 0
        assert json.loads(terminal.text)["rows"] == {"done": 3}


# --- tags -------------------------------------------------------------------------------------------------------------


def test_rows_are_tagged_where_the_api_takes_tags(run: Run, tmp_path: Path) -> None:
    rows, out = table(tmp_path, 2), str(tmp_path / "out")
    assert run("run", rows, "--out", out, "--yes", "--tag-rows").returncode == 0
    ended = run("run", rows, "--out", out, "--yes", "--tag-rows", "--api", "generor")
    assert ended.returncode == 2
    assert "Generor's API takes no tag" in ended.stderr
