"""`generor batch` as a process: its output, its files and its exit codes."""

import asyncio
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from rich.console import Console
from support.commands import Commands, hastened
from support.programs import until
from support.terminal import Terminal

from generor_async import AsyncLuma
from generor_async.batch.runner import run_batch
from generor_async.cli.progress_view import show_progress
from generor_async.simulator import Simulator
from generor_async.testing import run as run_in_virtual_time

COMMAND = [sys.executable, "-W", "error", "-c", "from generor_async.cli import main; main()", "batch"]
GOOD, BAD = {"prompt": "a heron"}, {"prompt": "[[moderate]] a heron"}
JOKE = {"slug": "joke", "prompt": "a heron", "model_id": 37}
PICTURE = {"slug": "image", "prompt": "a heron", "model_id": 10003}
BATCH = "rows", "rate", "credits", "time"

Run: TypeAlias = "Callable[..., subprocess.CompletedProcess[str]]"
Serve: TypeAlias = Callable[..., tuple[Simulator, dict[str, str]]]


@pytest.fixture
def run(commands: Commands) -> Run:
    def run(*arguments: str, environment: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        return commands.run("batch", *arguments, env={**os.environ, **(environment or {})})

    return run


def prompts(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "prompts.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


def herons(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"heron {number}"} for number in range(count)]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve both APIs in the place of the real ones, and return the environment that points to them."""
    started: list[Simulator] = []

    def begin(**options: Any) -> tuple[Simulator, dict[str, str]]:
        simulator = Simulator(**options)
        simulator.__enter__()
        started.append(simulator)
        return simulator, {
            **hastened(),
            "GENEROR_BASE_URL": simulator.generor_url,
            "GENEROR_API_KEY": simulator.generor_key,
            "LUMA_BASE_URL": simulator.luma_url,
            "LUMA_AGENTS_API_KEY": simulator.luma_key,
        }

    yield begin
    for simulator in started:
        simulator.__exit__(None, None, None)


def test_a_batch_is_run_shown_and_reported(run: Run, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    ended = run("run", prompts(tmp_path, GOOD), "--out", out, "--simulate", "--param", "aspect_ratio=1:1")
    assert (ended.returncode, ended.stderr) == (0, "")
    told = json.loads(ended.stdout)
    assert told["rows"] == {"done": 1}
    assert told["credits"]["spent"] == told["credits"]["estimated"] == pytest.approx(0.0404 / 0.003)
    assert json.loads(run("status", out).stdout) == told
    assert (tmp_path / "out/report.html").exists()
    (line,) = (tmp_path / "out/results.jsonl").read_text().splitlines()
    assert (tmp_path / "out" / json.loads(line)["files"][0]).exists()


@pytest.mark.parametrize("simulated", [False, True])
def test_a_run_killed_with_an_empty_journal_is_run_again(
    run: Run, tmp_path: Path, serve: Serve, simulated: Any
) -> None:
    out, (_, environment) = tmp_path / "out", serve(speed=60)
    out.mkdir()
    (out / "journal.sqlite").touch()
    how = "--simulate" if simulated else "--yes"
    ended = run("run", prompts(tmp_path, GOOD), "--out", str(out), how, environment=environment)
    assert (ended.returncode, json.loads(ended.stdout)["rows"]) == (0, {"done": 1})


def test_without_a_terminal_nothing_is_spent_unless_confirmed(run: Run, tmp_path: Path) -> None:
    ended = run("run", prompts(tmp_path, GOOD), "--out", str(tmp_path / "out"), "--max-credits", "20")
    assert ended.returncode == 2
    said = " ".join(ended.stderr.replace("│", " ").split())
    assert "this spends real credits, up to 20 credits ($0.06): confirm with --yes, or try" in said
    assert not (tmp_path / "out").exists()


def test_failed_rows_set_the_exit_code_and_can_be_retried(run: Run, tmp_path: Path) -> None:
    out, rows = str(tmp_path / "out"), prompts(tmp_path, GOOD, BAD)
    assert run("run", rows, "--out", out, "--simulate").returncode == 3
    assert run("retry", out).returncode == 2
    assert run("retry", out, "--failed").stdout == "1 row is ready to be run again\n"
    assert json.loads(run("status", out).stdout)["rows"] == {"ready": 1, "done": 1}


def test_errors_that_users_can_correct_are_one_line(run: Run, tmp_path: Path) -> None:
    for command in ("status", "report", "export"):
        ended = run(command, str(tmp_path / "nothing"))
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert "holds no batch" in ended.stderr


def test_a_line_that_cannot_be_run_is_reported_with_its_reason(run: Run, tmp_path: Path) -> None:
    rows = prompts(tmp_path, GOOD, {"promt": "misspelt"})
    ended = run("run", rows, "--out", str(tmp_path / "out"), "--simulate")
    assert ended.returncode == 3
    told = json.loads(ended.stdout)
    assert told["rejected"] == 1
    (aside,) = told["set_aside"]
    assert aside["place"] == "prompts.jsonl:2"
    assert "'promt' is no parameter" in aside["reason"]


def test_ctrl_c_waits_for_paid_rows(commands: Commands, tmp_path: Path) -> None:
    rows, out = prompts(tmp_path, *herons(200)), tmp_path / "out"
    running = commands.begin("batch", "run", rows, "--out", str(out), "--simulate")
    until((out / "media").exists)
    running.interrupt()
    code, told, errors = running.end()
    assert code == 130
    assert "stopping" in errors
    assert "run the same command again to continue" in errors
    counts = json.loads(told)["rows"]
    assert set(counts) == {"ready", "done"}


def test_a_duplicate_row_is_run_once_unless_duplicates_are_allowed(run: Run, tmp_path: Path) -> None:
    rows, out = prompts(tmp_path, GOOD, GOOD, GOOD), str(tmp_path / "out")
    assert json.loads(run("run", rows, "--out", out, "--simulate").stdout)["rows"] == {"done": 1}
    ended = run("run", rows, "--out", out, "--simulate", "--allow-duplicates")
    assert json.loads(ended.stdout)["rows"] == {"done": 3}


def test_yes_does_not_buy_again_what_the_folder_has(run: Run, tmp_path: Path, serve: Serve) -> None:
    simulator, environment = serve(speed=60)
    rows, out = prompts(tmp_path, *herons(3)), str(tmp_path / "out")
    command = ["run", rows, "--out", out, "--yes"]
    assert run(*command, environment=environment).returncode == 0
    for same in (["--param", "model=uni-1"], ["--param", "aspect_ratio=null"]):
        assert run(*command, *same, environment=environment).returncode == 0
    ended = run(*command, "--param", "model=uni-1-max", environment=environment)
    assert ended.returncode == 2
    said = ended.stderr.splitlines()[-1]
    assert said.startswith(f"generor: {out} has already what 3 rows ask for")
    assert said.endswith("bought again (again=True, --again).")
    assert len(simulator.ledger.charges) == 3
    ended = run(*command, "--param", "model=uni-1-max", "--again", environment=environment)
    assert (ended.returncode, json.loads(ended.stdout)["rows"]) == (0, {"done": 6})
    assert len(simulator.ledger.charges) == 6


def test_a_person_is_asked_whether_to_buy_again(commands: Commands, run: Run, tmp_path: Path, serve: Serve) -> None:
    simulator, environment = serve(speed=60)
    rows, out = prompts(tmp_path, *herons(2)), str(tmp_path / "out")
    assert run("run", rows, "--out", out, "--yes", environment=environment).returncode == 0
    command = ["batch", "run", rows, "--out", out, "--yes", "--param", "model=uni-1-max"]
    for key, code, charges in ((b"n\r", 130, 2), (b"y\r", 0, 4)):
        with Terminal(commands, *command, environment=environment) as terminal:
            shown = "".join(terminal.until("[y/N]").split())  # where lines break depends on the folder's name
            assert "runningthemwouldbuyitagain.Buyitagain?" in shown
            terminal.press(key)
            assert terminal.ended() == code
        assert len(simulator.ledger.charges) == charges


def test_rows_from_a_pipe_are_refused_instead_of_asking_to_buy_again(
    commands: Commands, run: Run, tmp_path: Path, serve: Serve
) -> None:
    """They can't be read a second time, so the run is refused with advice."""
    simulator, environment = serve(speed=60)
    rows, out = Path(prompts(tmp_path, *herons(2))), str(tmp_path / "out")
    text = rows.read_text()
    assert run("run", str(rows), "--out", out, "--yes", environment=environment).returncode == 0
    rows.unlink()
    os.mkfifo(rows)
    command = ["batch", "run", str(rows), "--out", out, "--param", "model=uni-1-max"]
    with Terminal(commands, *command, environment=environment) as terminal:
        rows.write_text(text)
        terminal.until("Spend this", "[y/N]")
        terminal.press(b"y\r")
        terminal.until("--again).")
        assert terminal.ended() == 2
    assert len(simulator.ledger.charges) == 2


def test_kept_columns_are_exported_also_for_duplicates(run: Run, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    rows = prompts(tmp_path, {**GOOD, "sku": "a-1", "promt": "x"}, {**GOOD, "sku": "a-2", "promt": "y"})
    ended = run("run", rows, "--out", out, "--simulate", "--keep", "sku", "--keep", "promt")
    assert ended.returncode == 0
    assert "prompts.jsonl:2 is the same row as prompts.jsonl:1: it is run once" in ended.stderr
    told = json.loads(ended.stdout)
    assert (told["rows"], told["duplicates"]) == ({"done": 1}, 1)
    first, second = [json.loads(line) for line in run("export", out).stdout.splitlines()]
    assert (first["columns"], second["columns"]) == ({"sku": "a-1", "promt": "x"}, {"sku": "a-2", "promt": "y"})
    assert (second["duplicate_of"], second["files"]) == ("prompts.jsonl:1", first["files"])
    lines = run("export", out, "--format", "csv").stdout
    assert [row["sku"] for row in csv.DictReader(io.StringIO(lines, newline=""))] == ["a-1", "a-2"]


# --- export -----------------------------------------------------------------------------------------------------------


def test_every_row_is_exported(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    formula = {"prompt": "=HYPERLINK(1)", "id": "formula", "aspect_ratio": "1:1"}
    run("run", prompts(tmp_path, formula, {**BAD, "id": "bad"}), "--out", str(out), "--simulate")
    told = {row["id"]: row for row in map(json.loads, run("export", str(out)).stdout.splitlines())}
    assert told["formula"]["parameters"] == {"prompt": "=HYPERLINK(1)", "aspect_ratio": "1:1"}
    assert (out / told["formula"]["files"][0]).exists()
    assert (told["bad"]["state"], told["bad"]["files"]) == ("failed", [])
    assert "moderat" in told["bad"]["problem"]
    for to, form in (("rows.csv", []), ("rows.txt", ["--format", "csv"])):
        ended = run("export", str(out), "--to", str(tmp_path / to), *form)
        assert (ended.returncode, ended.stdout) == (0, "")
        first, second = csv.DictReader(io.StringIO((tmp_path / to).read_bytes().decode(), newline=""))
        assert (first["prompt"], first["aspect_ratio"], second["aspect_ratio"]) == ("'=HYPERLINK(1)", "1:1", "")
    assert "://" not in run("export", str(out)).stdout


def test_a_reader_may_stop_reading_an_export(run: Run, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    run("run", prompts(tmp_path, *herons(3)), "--out", out, "--simulate")
    process = subprocess.Popen([*COMMAND, "export", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=300) == 0


def test_an_export_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    run("run", prompts(tmp_path, GOOD), "--out", out, "--simulate")
    ended = run("export", out, "--to", str(tmp_path / "nowhere/rows.csv"))
    assert ended.returncode == 2
    assert ended.stderr == f"generor: {tmp_path / 'nowhere/rows.csv'}: No such file or directory\n"


def test_an_export_replaces_no_pipe_no_link_and_no_file_of_the_batch(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("run", prompts(tmp_path, GOOD), "--out", str(out), "--simulate")
    expected = run("export", str(out), "--format", "csv").stdout
    link, pipe = tmp_path / "link.csv", tmp_path / "pipe.csv"
    link.symlink_to("file.csv")
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reading:
        assert run("export", str(out), "--to", str(pipe)).returncode == 0
        assert reading.communicate()[0].decode() == expected.replace("\n", "\r\n")
    assert pipe.is_fifo()
    assert run("export", str(out), "--to", str(link)).returncode == 0
    assert link.is_symlink()
    assert (tmp_path / "file.csv").read_text() == expected
    for name in ("results.jsonl", "failed.jsonl"):
        ended = run("export", str(out), "--to", str(out / name))
        assert ended.returncode == 2
        assert "is one of the batch's own files" in " ".join(ended.stderr.replace("│", " ").split())
    assert "call_id" not in (out / "results.jsonl").read_text()


@pytest.mark.parametrize("name", ["failed.jsonl", "rejected.jsonl"])
def test_rows_are_not_read_from_a_file_that_the_batch_writes(run: Run, tmp_path: Path, name: str) -> None:
    rows = Path(prompts(tmp_path, GOOD)).rename(tmp_path / name)
    ended = run("run", str(rows), "--out", str(tmp_path), "--simulate")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{name} is a file that the batch itself writes in its folder" in ended.stderr
    assert json.loads(rows.read_text()) == GOOD


def test_a_refused_simulated_run_says_that_it_is_simulated(run: Run, tmp_path: Path) -> None:
    ended = run("run", rows := prompts(tmp_path, GOOD), "--out", rows, "--simulate")
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["reason"], told["simulated"]) == (2, "folder", True)


def test_closed_streams_are_the_null_device(run: Run, tmp_path: Path) -> None:
    rows, out = prompts(tmp_path, GOOD), str(tmp_path / "out")
    for arguments in (["run", rows, "--out", out, "--simulate"], ["status", out], ["export", out], ["report", out]):
        closed = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *COMMAND, *arguments], check=False)
        assert closed.returncode == 0, arguments
    assert json.loads(run("status", out).stdout)["rows"] == {"done": 1}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--max-credits", "0"], "--max-credits must be above 0"),
        (["--param", "promt=x"], "--param: 'promt' is no parameter of luma.generations.create"),
        (["--tag-rows", "--api", "generor"], "--tag-rows: Generor's API takes no tag"),
    ],
)
def test_errors_name_options_as_typed(run: Run, tmp_path: Path, options: list[str], said: str) -> None:
    ended = run("run", prompts(tmp_path, GOOD), "--out", str(tmp_path / "out"), "--simulate", *options)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"generor: {said}")


# --- on a terminal ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_terminal_shows_progress_and_is_restored_after_ctrl_c(
    commands: Commands, tmp_path: Path, columns: int
) -> None:
    command = ["batch", "run", prompts(tmp_path, *herons(300)), "--out", str(tmp_path / "out"), "--simulate"]
    with Terminal(commands, *command, columns=columns) as terminal:
        shown = terminal.until("running", "where the limits allow 30 calls", "to come", "left", "nothing is charged")
        assert all(re.search(rf"^{name} ", shown, re.MULTILINE) for name in BATCH)
        terminal.press(b"\x03")
        terminal.until("stopping: waiting for paid rows; Ctrl-C again stops at once")
        assert terminal.ended() == 130
        left = " ".join(terminal.text.split())
        assert "runthesamecommandagaintocontinue" in left.replace(" ", "")  # lines break anywhere
        assert "stopping" not in left
        assert "━" not in left
        assert re.search(r"ready \d+ done \d+ spent [\d.]+ credits", left)
        assert terminal.raw.endswith(b"\r\n")
        assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")  # the cursor is there again


def test_no_color_is_respected(commands: Commands, run: Run, tmp_path: Path) -> None:
    command = ["batch", "run", prompts(tmp_path, GOOD, BAD), "--out", str(tmp_path / "out"), "--simulate"]
    for environment, coloured in (({"NO_COLOR": "1"}, False), ({}, True)):
        with Terminal(commands, *command, environment=environment) as terminal:
            terminal.until("running")
            assert terminal.ended() == 3
            assert bool(re.search(rb"\x1b\[[\d;]*3\d", terminal.raw)) == coloured
        run("retry", str(tmp_path / "out"), "--failed")


def test_a_dumb_terminal_gets_lines(commands: Commands, tmp_path: Path) -> None:
    command = ["batch", "run", prompts(tmp_path, GOOD), "--out", str(tmp_path / "out"), "--simulate"]
    with Terminal(commands, *command, environment={"TERM": "dumb"}) as terminal:
        assert terminal.ended() == 0
        assert b"\x1b" not in terminal.raw


def test_without_a_terminal_progress_is_a_line_every_ten_seconds(tmp_path: Path) -> None:
    told = io.StringIO()

    async def main() -> float:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            batch, began = run_batch(luma, herons(60), to=tmp_path), simulator.clock.time()
            telling = asyncio.create_task(show_progress(batch, Console(file=told, width=40)))
            async for _ in batch:
                pass
            telling.cancel()
            return simulator.clock.time() - began

    seconds = run_in_virtual_time(main())
    lines = told.getvalue().splitlines()
    assert len(lines) == seconds // 10
    assert re.search(
        r"^\d+ done, \d+ running, \d+ waiting[^;]*; [\d.]+ a minute, where the limits allow 30 calls", lines[6]
    )
    assert re.search(r"spent, about [\d,.]+ \(\$\d\.\d\d\) to come; 70 s so far, about \d+ s left$", lines[6])


def test_the_price_is_shown_and_confirmed_before_anything_is_spent(
    commands: Commands, tmp_path: Path, serve: Serve
) -> None:
    simulator, environment = serve(speed=60)
    rows, out = prompts(tmp_path, *herons(4), GOOD, GOOD), tmp_path / "out"
    command = ["batch", "run", rows, "--out", str(out), "--max-credits", "50"]
    with Terminal(commands, *command, environment=environment) as terminal:
        shown = " ".join(terminal.until("[y/N]").split())
        assert "rows 5 new, 1 duplicate, run once price 67.33 credits ($0.20), prices of mid-2026 cap" in shown
        assert "cap 50 credits ($0.15); not all rows fit" in shown
        terminal.press(b"n\r")
        assert terminal.ended() == 130
        assert "nothing was spent" in terminal.text
    assert not simulator.ledger.requests
    assert not out.exists()
    with Terminal(commands, *command, environment=environment) as terminal:
        terminal.until("[y/N]")
        terminal.press(b"y\r")
        assert terminal.ended() == 4
        assert "a higher --max-credits" in " ".join(terminal.text.split())
    assert len(simulator.ledger.charges) == 3
    command[-1] = "70"
    with Terminal(commands, *command, environment=environment) as terminal:
        shown = " ".join(terminal.until("[y/N]").split())
        assert "rows 0 new, 2 from earlier runs, 1 duplicate, run once price 26.93 credits" in shown
        assert "cap 70 credits ($0.21), 40.40 ($0.12) of it used" in shown
        terminal.press(b"\x03")
        assert terminal.ended() == 130
    assert len(simulator.ledger.charges) == 3


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (b"n\r", 130, "nothing was spent"),
        (b"\x03", 130, "stopped before any row was started"),
        (signal.SIGTERM, 143, "stopped before any row was started"),
        (signal.SIGHUP, 129, "stopped before any row was started"),
    ],
)
def test_a_declined_question_ends_in_json_without_the_question(
    commands: Commands, tmp_path: Path, serve: Serve, answer: bytes | signal.Signals, code: int, said: str
) -> None:
    simulator, environment = serve(speed=60)
    out, into = tmp_path / "out", tmp_path / "told.json"
    command = ["batch", "run", prompts(tmp_path, GOOD), "--out", str(out), "--max-credits", "50"]
    with (
        into.open("w") as file,
        Terminal(commands, *command, environment=environment, stdout=file.fileno()) as terminal,
    ):
        terminal.until("[y/N]")
        if isinstance(answer, bytes):
            terminal.press(answer)
        else:
            os.kill(terminal.pid, answer)
        assert terminal.ended() == code
        assert said in " ".join(terminal.text.split())
    told = into.read_text()
    assert (told[0], json.loads(told)["reason"]) == ("{", "interrupted")
    assert not simulator.ledger.requests
    assert not out.exists()


def test_a_generor_batch_shows_price_and_time_before_and_its_cost_after(
    commands: Commands, tmp_path: Path, serve: Serve
) -> None:
    simulator, environment = serve(speed=60, tier="pro", exact_cost=True)
    rows = prompts(tmp_path, JOKE, PICTURE)
    command = ["batch", "run", rows, "--out", str(tmp_path / "out"), "--api", "generor"]
    with Terminal(commands, *command, environment=environment) as terminal:
        shown = " ".join(terminal.until("[y/N]").split())
        assert "price 7.00 credits as the API estimates it; what is charged may differ" in shown
        assert "account 100,000 credits" in shown
        assert re.search(r"time at least \d+ s, at the key's limits", shown)
        assert not simulator.ledger.charges
        terminal.press(b"y\r")
        assert terminal.ended() == 0
        assert "spent 25.00 credits, estimated at 7.00" in " ".join(terminal.text.split())


# --- what stops it ----------------------------------------------------------------------------------------------------


def test_an_empty_account_stops_the_run_with_advice(run: Run, tmp_path: Path, serve: Serve) -> None:
    _, environment = serve(speed=60, luma_balance=0.1)
    rows, out = prompts(tmp_path, *herons(5)), tmp_path / "out"
    ended = run("run", rows, "--out", str(out), "--yes", environment=environment)
    assert ended.returncode == 4
    told = json.loads(ended.stdout)
    assert (told["rows"], told["reason"]) == ({"ready": 3, "done": 2}, "credits")
    assert "402" in ended.stderr
    assert "Nothing is lost" in ended.stderr
    assert "Add credits, then run the same again" in ended.stderr
    assert (out / "report.html").exists()


@pytest.mark.parametrize(
    ("api", "row", "change", "said"),
    [
        ("generor", JOKE, {"GENEROR_API_KEY": "gnr_live_nobody"}, "401"),
        ("generor", JOKE, {"GENEROR_API_KEY": ""}, "Set GENEROR_API_KEY"),
        ("luma", GOOD, {"LUMA_AGENTS_API_KEY": ""}, "Set LUMA_AGENTS_API_KEY"),
    ],
)
def test_a_bad_key_is_reported_before_any_call(
    run: Run, tmp_path: Path, serve: Serve, api: str, row: dict[str, Any], change: dict[str, str], said: str
) -> None:
    _, environment = serve()
    rows, out = prompts(tmp_path, row), tmp_path / "out"
    ended = run("run", rows, "--out", str(out), "--api", api, "--yes", environment=environment | change)
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["reason"], told["rows"]) == (2, "key", {})
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not out.exists()


def test_the_status_says_why_a_row_is_unknown_and_that_nothing_is_awaited(
    run: Run, tmp_path: Path, serve: Serve
) -> None:
    simulator, environment = serve()
    simulator.faults.add_spec("luma.generations.create=reset:after_charge:1x")
    out = str(tmp_path / "out")
    ended = run("run", prompts(tmp_path, {**GOOD, "id": "first"}), "--out", out, "--yes", environment=environment)
    shown = run("status", out)
    for told in (ended, shown):
        (doubt,) = json.loads(told.stdout)["unknown"]
        assert (doubt["id"], doubt["place"], doubt["until"]) == ("first", "prompts.jsonl:1", None)
        assert doubt["why"].startswith("Luma lists no jobs")
        assert f"1 unknown: {doubt['why']}" in told.stderr


def test_columns_that_are_no_parameters_are_refused(run: Run, tmp_path: Path) -> None:
    rows = tmp_path / "prompts.csv"
    rows.write_text("promt\na heron\n")
    ended = run("run", str(rows), "--out", str(tmp_path / "out"), "--simulate")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "'promt'" in ended.stderr


def test_a_killed_simulated_run_continues_with_the_same_account(commands: Commands, run: Run, tmp_path: Path) -> None:
    rows, out = prompts(tmp_path, *herons(24)), tmp_path / "out"
    running = commands.begin("batch", "run", rows, "--out", str(out), "--simulate", "--concurrency", "6")
    results = out / "results.jsonl"
    until(lambda: results.exists() and results.read_text())
    os.kill(running.pid, signal.SIGKILL)
    running.end()
    moved = out.rename(tmp_path / "moved")
    ended = run("run", rows, "--out", str(moved), "--simulate")
    assert ended.returncode in {0, 3}, ended.stderr
    told = json.loads(ended.stdout)
    assert told["simulated"] is True
    lines = [json.loads(line) for line in (moved / "results.jsonl").read_text().splitlines()]
    assert told["rows"].get("unknown", 0) == 24 - len(lines)
    assert len({id_ for line in lines for id_ in line["remote_ids"]}) == len(lines)
    assert len({(moved / name).read_bytes() for line in lines for name in line["files"]}) == len(lines)
    assert "Luma, simulated: nothing was paid" in (moved / "report.html").read_text()


def test_simulated_and_real_runs_do_not_share_a_folder(run: Run, tmp_path: Path, serve: Serve) -> None:
    _, real = serve()
    rows = prompts(tmp_path, GOOD)
    simulated, paid = tmp_path / "simulated", tmp_path / "paid"
    assert run("run", rows, "--out", str(simulated), "--simulate").returncode == 0
    assert run("run", rows, "--out", str(paid), "--yes", environment=real).returncode == 0
    for out, asked, sentence in (
        (simulated, "--yes", "holds a simulated run. Give another folder for the real one."),
        (paid, "--simulate", "holds a real run. Give another folder for the simulated one."),
    ):
        refused = run("run", rows, "--out", str(out), asked)
        assert refused.returncode == 2
        assert refused.stderr == f"generor: {out} {sentence}\n"
