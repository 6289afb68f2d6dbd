"""`generor batch` in a process of its own: what it prints, what it leaves, how it exits."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [sys.executable, "-W", "error", "-c", "from generor_async.cli import main; main()", "batch"]
GOOD, BAD = {"prompt": "a heron"}, {"prompt": "[[moderate]] a heron"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )


def prompts(folder: Path, *rows: dict[str, str]) -> str:
    path = folder / "prompts.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(path)


def test_a_batch_is_run_shown_and_reported(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    ended = run("run", prompts(tmp_path, GOOD), "--out", out, "--simulate", "--param", "aspect_ratio=1:1")
    assert (ended.returncode, ended.stderr) == (0, "")
    told = json.loads(ended.stdout)
    assert told["rows"] == {"done": 1}
    assert json.loads(run("status", out).stdout) == told
    assert (tmp_path / "out/report.html").exists()
    (line,) = (tmp_path / "out/results.jsonl").read_text().splitlines()
    assert (tmp_path / "out" / json.loads(line)["files"][0]).exists()


def test_nothing_is_spent_where_nobody_can_be_asked(tmp_path: Path) -> None:
    ended = run("run", prompts(tmp_path, GOOD), "--out", str(tmp_path / "out"), "--max-credits", "20")
    assert ended.returncode == 2
    said = " ".join(ended.stderr.replace("│", " ").split())
    assert "this spends real credits, up to 20 credits: say --yes, or --simulate" in said
    assert not (tmp_path / "out").exists()


def test_rows_that_failed_are_told_by_the_exit_code_and_run_again_when_wanted(tmp_path: Path) -> None:
    out, rows = str(tmp_path / "out"), prompts(tmp_path, GOOD, BAD)
    assert run("run", rows, "--out", out, "--simulate").returncode == 3
    assert run("retry", out).returncode == 2
    assert run("retry", out, "--failed").stdout == "1 rows are ready to be run again\n"
    assert json.loads(run("status", out).stdout)["rows"] == {"ready": 1, "done": 1}


def test_what_a_person_can_mend_is_one_line(tmp_path: Path) -> None:
    ended = run("status", str(tmp_path / "nothing"))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "holds no batch" in ended.stderr


def test_ctrl_c_waits_for_what_is_paid_for(tmp_path: Path) -> None:
    rows = prompts(tmp_path, *({"prompt": f"heron {number}"} for number in range(200)))
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*COMMAND, "run", rows, "--out", str(out), "--simulate"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (out / "media").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopping" in errors
    counts = json.loads(told)["rows"]
    assert set(counts) == {"ready", "done"}
