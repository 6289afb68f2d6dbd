"""The other commands of `generor batch`: status --follow, fetch, retry by id, export by file name."""

import csv
import json
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support.commands import Commands, hastened
from support.terminal import Terminal

from generor_async.simulator import Simulator

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(commands: Commands) -> Run:
    def run(*arguments: str) -> CompletedProcess[str]:
        return commands.run("batch", *arguments)

    return run


@pytest.fixture
def out(run: Run, tmp_path: Path) -> str:
    """A simulated batch with one row done and two failed."""
    rows = [{"id": "a", "prompt": "a heron"}, *({"id": id_, "prompt": f"[[moderate]] {id_}"} for id_ in "bc")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    ended = run("run", str(path), "--out", str(tmp_path / "out"), "--simulate")
    assert ended.returncode == 3
    assert "2 failed: ContentModeratedError (content_moderated), such as: generation " in ended.stderr
    (failed,) = json.loads(ended.stdout)["failed"]
    assert (failed["rows"], failed["error"], failed["code"]) == (2, "ContentModeratedError", "content_moderated")
    return str(tmp_path / "out")


def test_retry_selects_rows_by_id(run: Run, out: str) -> None:
    assert run("retry", out, "--id", "b").stdout == "1 row is ready to be run again\n"
    assert json.loads(run("status", out).stdout)["rows"] == {"ready": 1, "done": 1, "failed": 1}
    refused = run("retry", out, "--id", "a", "--id", "c")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "'a' is done" in refused.stderr


def test_the_format_of_an_export_follows_the_file_name(run: Run, out: str, tmp_path: Path) -> None:
    exports = {suffix: tmp_path / f"rows.{suffix}" for suffix in ("csv", "jsonl", "json", "JSON")}
    for path in exports.values():
        assert run("export", out, "--to", str(path)).returncode == 0
    rows = json.loads(exports["json"].read_text())
    assert [row["id"] for row in rows] == ["a", "b", "c"]
    assert json.loads(exports["JSON"].read_text()) == rows
    assert [json.loads(line) for line in exports["jsonl"].read_text().splitlines()] == rows
    with exports["csv"].open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["a", "b", "c"]
    for other in ("rows.parquet", "rows.txt", "rows"):
        refused = run("export", out, "--to", str(tmp_path / other))
        assert refused.returncode == 2
        assert "does not end in .csv, .jsonl or .json" in " ".join(refused.stderr.replace("│", " ").split())
        assert not (tmp_path / other).exists()
    assert run("export", out, "--to", str(tmp_path / "rows.txt"), "--format", "jsonl").returncode == 0
    assert run("export", out, "--to", "-", "--format", "json").stdout == exports["json"].read_text()
    assert not Path("-").exists()


def test_deleted_files_are_fetched_again(run: Run, out: str) -> None:
    assert run("fetch", out).stdout == "no file is missing\n"
    (file,) = (Path(out) / "media").rglob("*.png")
    content = file.read_bytes()
    shutil.rmtree(Path(out) / "media")
    assert "`generor batch fetch " in run("status", out).stderr
    assert run("fetch", out).stdout == "1 row has its files again\n"
    assert file.read_bytes() == content
    (Path(out) / "simulator.jsonl").unlink()  # its API has forgotten the job
    file.unlink()
    lost = run("fetch", out)
    assert (lost.returncode, lost.stdout) == (3, "0 rows have their files again\n")
    assert "the files of a could not be downloaded: " in lost.stderr


def test_fetch_says_that_outputs_of_paid_rows_come_with_the_next_run(run: Run, out: str) -> None:
    with closing(sqlite3.connect(Path(out) / "journal.sqlite", isolation_level=None)) as journal:
        journal.execute("UPDATE calls SET state = 'downloading' WHERE state = 'done'")
    fetched = run("fetch", out)
    assert (fetched.returncode, fetched.stdout) == (3, "")
    assert "1 row is paid for, and not downloaded yet: run the batch again" in fetched.stderr


def test_status_follows_a_run_until_it_ends(commands: Commands, run: Run, tmp_path: Path) -> None:
    path, out = tmp_path / "rows.jsonl", tmp_path / "out"
    path.write_text("".join(f"{json.dumps({'prompt': f'heron {n}'})}\n" for n in range(400)))
    running = commands.begin("batch", "run", str(path), "--out", str(out), "--simulate")
    while '"done"' not in run("status", str(out)).stdout:
        pass
    following = commands.begin("batch", "status", str(out), "--follow")
    first = json.loads(following.stdout.readline())
    assert first["reason"] is None
    another = commands.begin("batch", "status", str(out), "--follow")
    another.stdout.readline()
    another.send(signal.SIGTERM)
    assert another.end()[0] == 143
    running.interrupt()
    assert running.end()[0] == 130
    code, told, _ = following.end()
    last = json.loads(told.splitlines()[-1])
    assert (code, last["reason"]) == (3, "interrupted")
    assert json.loads(run("status", str(out)).stdout) == last


def test_a_run_that_has_ended_is_shown_at_once_on_a_terminal_too(commands: Commands, out: str) -> None:
    with Terminal(commands, "batch", "status", out, "--follow") as terminal:
        assert terminal.ended() == 3
        assert re.search(r"^failed +2$", terminal.text, re.MULTILINE)


def test_overwrite_replaces_the_files_of_a_call(commands: Commands, tmp_path: Path) -> None:
    with Simulator(speed=50) as simulator:
        keys = {"LUMA_BASE_URL": simulator.luma_url, "LUMA_AGENTS_API_KEY": simulator.luma_key}
        env = os.environ | hastened() | keys
        made = commands.run("call", "luma.generations.create", "--prompt", "heron", "--wait", "--yes", env=env)
        look = (
            "call",
            "luma.generations.get",
            "--generation-id",
            json.loads(made.stdout)["id"],
            "--out",
            str(tmp_path),
        )
        assert commands.run(*look, env=env).returncode == 0
        (file,) = tmp_path.iterdir()
        file.write_bytes(b"")
        refused = commands.run(*look, env=env)
        assert refused.returncode == 1
        assert "exists already" in refused.stderr
        assert "--overwrite" in refused.stderr
        assert commands.run(*look, "--overwrite", env=env).returncode == 0
        assert file.stat().st_size > 0
        without = commands.run(*look[:-2], "--overwrite", env=env)
        assert without.returncode == 2
        assert "--overwrite: it says what to do with files of --out, which is missing" in without.stderr
