"""Closed and full streams, and unexpected errors: paid results are stored all the same."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-W", "error", "-c", "from generor_async.cli import main; main()"]


def in_shell(folder: Path, redirections: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a shell with redirected streams."""
    shell = ["sh", "-c", f'exec "$@" {redirections}', "sh", *COMMAND, *arguments]
    return subprocess.run(shell, cwd=folder, capture_output=True, text=True, check=False)


def rows(folder: Path) -> str:
    (folder / "rows.jsonl").write_text("".join(f'{{"prompt": "heron {number}"}}\n' for number in range(3)))
    return "rows.jsonl"


@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full", ">&-", "<&- >&- 2>&-"])
def test_closed_or_full_streams_do_not_stop_a_batch(tmp_path: Path, redirections: str) -> None:
    ended = in_shell(tmp_path, redirections, "batch", "run", rows(tmp_path), "--out", "out", "--simulate")
    assert ended.returncode == 0, ended.stderr
    if ">&-" not in redirections.replace("2>&-", ""):
        assert json.loads(ended.stdout)["rows"] == {"done": 3}
    assert (tmp_path / "out/report.html").exists()
    status = in_shell(tmp_path, "", "batch", "status", "out")
    assert json.loads(status.stdout)["rows"] == {"done": 3}


def test_a_result_that_cannot_be_printed_is_an_error_at_the_end(tmp_path: Path) -> None:
    ended = in_shell(tmp_path, ">/dev/full", "batch", "run", rows(tmp_path), "--out", "out", "--simulate")
    assert ended.returncode == 1
    assert ended.stderr.endswith(
        "generor: the result could not be written to stdout: `generor batch status out` shows it\n"
    )
    assert (tmp_path / "out/report.html").exists()


@pytest.mark.parametrize("command", ["status", "export"])
def test_a_reader_that_has_enough_is_no_error(tmp_path: Path, command: str) -> None:
    in_shell(tmp_path, "", "batch", "run", rows(tmp_path), "--out", "out", "--simulate")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [*COMMAND, "batch", command, "out"],
            cwd=tmp_path,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_unexpected_error_exits_with_1_and_a_traceback(tmp_path: Path) -> None:
    program = """
        import generor_async.batch.runner as runner
        from generor_async.cli import main

        def fails(order):
            raise ZeroDivisionError("nobody foresaw this")

        runner.BatchRun.open = fails
        main()
    """
    arguments = ("batch", "run", rows(tmp_path), "--out", "out", "--simulate")
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "Traceback" in ended.stderr
    assert ended.stderr.endswith("ZeroDivisionError: nobody foresaw this\n")
