"""Folders that are moved, deleted, replaced or copied during a run, or whose journal is lost.

The command runs in a process of its own, against a simulator that knows what was charged.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.commands import Commands, Running, hastened

from generor_async import AsyncLuma, FolderError, InvalidRequestError
from generor_async.batch.folder import ResultsFolder
from generor_async.batch.runner import run_batch
from generor_async.simulator import Simulator
from generor_async.testing import run

ROWS, JOBS = 16, 4
SPEED = 100.0


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(speed=SPEED, luma_rpm=6_000, luma_jobs=JOBS, generor_credits=1_000_000) as simulator:
        yield simulator


class Shell:
    """Runs the command as a user of the simulator's Luma API."""

    def __init__(self, commands: Commands, simulator: Simulator, tmp_path: Path) -> None:
        self._commands = commands
        self.rows, self.out = tmp_path / "prompts.jsonl", tmp_path / "results"
        self.rows.write_text("".join(f"{json.dumps({'prompt': f'heron {n}'})}\n" for n in range(ROWS)))
        self._environment = {
            **os.environ,
            **hastened(),
            "LUMA_BASE_URL": simulator.luma_url,
            "LUMA_AGENTS_API_KEY": simulator.luma_key,
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        }

    def begin(self, out: Path | None = None) -> Running:
        """Start a run."""
        return self._commands.begin(*self._run(out), env=self._environment)

    def run(self, *arguments: str, out: Path | None = None, limit: int | None = None) -> tuple[int, str, str]:
        """Run the batch, or another command, to its end; return its exit code and output.

        With a `limit`, it can write no file of more bytes.
        """
        given = ("batch", *arguments) if arguments else self._run(out)
        if limit is not None:
            program = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
            command = [sys.executable, "-c", f"{program}\nfrom generor_async.cli import main; main()", *given]
            limited = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
            return limited.returncode, limited.stdout, limited.stderr
        ended = self._commands.run(*given, env=self._environment)
        return ended.returncode, ended.stdout, ended.stderr

    def _run(self, out: Path | None) -> tuple[str, ...]:
        return "batch", "run", str(self.rows), "--out", str(out or self.out), "--yes"


@pytest.fixture
def shell(commands: Commands, simulator: Simulator, tmp_path: Path) -> Shell:
    return Shell(commands, simulator, tmp_path)


def until(true: Callable[[], object]) -> None:
    while not true():
        time.sleep(0.01)


def delete(folder: Path) -> None:
    """Delete a folder in which a run creates and removes files meanwhile."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def done(out: Path) -> int:
    results = out / "results.jsonl"
    return results.read_text().count("\n") if results.exists() else 0


def charged(simulator: Simulator) -> Counter[str]:
    """Count the charges by prompt."""
    return Counter(job.request.prompt for job in simulator.luma.generations.values())


def states(out: Path) -> Counter[str]:
    connection = sqlite3.connect(out / "journal.sqlite")
    found = Counter(state for (state,) in connection.execute("SELECT state FROM calls"))
    connection.close()
    return found


def test_nothing_more_is_charged_once_the_folder_is_deleted(shell: Shell, simulator: Simulator) -> None:
    running = shell.begin()
    until(lambda: done(shell.out) > 1)
    delete(shell.out)
    bought = len(simulator.luma.generations)
    code, out, err = running.end()
    assert (code, json.loads(out)["reason"]) == (5, "folder")
    assert f"{shell.out} was deleted while the batch ran: nothing more is bought" in err
    assert "Restore it before you go on" in err
    assert len(simulator.luma.generations) <= bought + JOBS, "but for what was being sent"
    assert not shell.out.exists(), "nothing is stored where nobody would look for it"


def test_the_error_names_paid_jobs_that_are_lost_with_the_journal(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            done = list[str]()
            rows = [{"prompt": f"heron {n}"} for n in range(ROWS)]

            async def delete_in_the_midst() -> None:
                async for row in run_batch(luma, rows, to=tmp_path / "out"):
                    done.extend(row.remote_ids)
                    shutil.rmtree(tmp_path / "out", ignore_errors=True)

            with pytest.raises(FolderError, match="was deleted while the batch ran") as caught:
                await delete_in_the_midst()
            (note,) = (note for note in caught.value.__notes__ if note.startswith("Paid for and not stored: "))
            named = note.removeprefix("Paid for and not stored: ").removesuffix(".").split(", ")
            assert sorted(named + done) == sorted(simulator.luma.generations)
            assert 0 < len(named) < ROWS

    run(main())


def test_a_folder_moved_during_a_run_can_be_continued_at_its_new_path(shell: Shell, simulator: Simulator) -> None:
    running = shell.begin()
    until(lambda: done(shell.out) > 1)
    moved = shell.out.rename(shell.out.with_name("moved"))
    code, out, err = running.end()
    assert (code, json.loads(out)["reason"]) == (5, "folder")
    assert f"{shell.out} was moved to {moved} while the batch ran: nothing more is bought" in err
    assert not shell.out.exists()
    assert len(simulator.luma.generations) < ROWS
    code, out, err = shell.run(out=moved)
    assert code == 0, err
    assert json.loads(out)["rows"] == {"done": ROWS}
    assert charged(simulator) == {f"heron {n}": 1 for n in range(ROWS)}
    assert all((moved / name).exists() for line in _results(moved) for name in line["files"])


def _results(out: Path) -> list[dict[str, list[str]]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def test_a_replaced_folder_is_left_to_the_other_run(shell: Shell, simulator: Simulator) -> None:
    running = shell.begin()
    until(lambda: done(shell.out) > 1)
    delete(shell.out)
    before = len(simulator.luma.generations)
    second = shell.begin()
    until(lambda: done(shell.out) > 1)
    code, out, err = running.end()
    assert (code, json.loads(out)["reason"]) == (5, "folder")
    assert "was deleted while the batch ran" in err
    code, out, err = second.end()
    assert code == 0, err
    assert json.loads(out)["rows"] == {"done": ROWS}
    assert states(shell.out) == {"done": ROWS}
    assert len(simulator.luma.generations) <= before + JOBS + ROWS


def test_a_second_run_in_the_same_folder_is_refused_and_changes_nothing(shell: Shell, simulator: Simulator) -> None:
    running = shell.begin()
    until(lambda: done(shell.out) > 1)
    code, _, err = shell.run()
    assert code == 2
    assert f"is in use by process {running.pid} (since " in err
    code, _, err = running.end()
    assert code == 0, err
    assert charged(simulator) == {f"heron {n}": 1 for n in range(ROWS)}


def test_a_copy_made_during_a_run_is_refused(shell: Shell, simulator: Simulator) -> None:
    running = shell.begin()
    until(lambda: done(shell.out) > 1)
    copy = shutil.copytree(
        shell.out, shell.out.with_name("copy"), ignore=shutil.ignore_patterns("media", "*.part", "*.reserve", ".*")
    )
    code, _, err = shell.run(out=Path(copy))
    assert code == 2
    assert f"is a copy of a folder that is in use, by process {running.pid}" in err
    running.interrupt()
    running.end()
    assert max(charged(simulator).values()) == 1


def test_a_copy_made_after_a_run_can_be_continued(shell: Shell, simulator: Simulator) -> None:
    running = shell.begin()
    until(lambda: done(shell.out) > 1)
    os.kill(running.pid, signal.SIGKILL)
    running.end()
    copy = shutil.copytree(shell.out, shell.out.with_name("copy"))
    shutil.rmtree(shell.out)
    code, out, err = shell.run(out=Path(copy))
    assert json.loads(out)["rows"].get("done", 0) + json.loads(out)["rows"].get("unknown", 0) == ROWS, err
    assert code in {0, 3}
    assert max(charged(simulator).values()) == 1


def test_a_folder_with_results_and_no_readable_journal_is_refused(shell: Shell, simulator: Simulator) -> None:
    assert shell.run()[0] == 0
    journal = shell.out / "journal.sqlite"
    for size, harm in ((journal.stat().st_size // 2, "is cut short"), (0, "is empty"), (None, "is missing")):
        if size is None:
            journal.unlink()
        else:
            os.truncate(journal, size)
        for command in ((), ("status", str(shell.out)), ("retry", str(shell.out), "--failed")):
            code, _, err = shell.run(*command)
            assert code == 2
            assert harm in err
            assert "generor batch recover" in err
            assert "does not exist yet" not in err
    code, out, err = shell.run("recover", str(shell.out))
    assert (code, out) == (0, f"the journal is rebuilt, with {ROWS} done; run the batch again to continue\n"), err
    code, out, err = shell.run()
    assert code == 0, err
    assert json.loads(out)["rows"] == {"done": ROWS}
    assert len(simulator.luma.generations) == ROWS


def test_a_journal_lost_during_a_run_is_rebuilt_and_nothing_is_bought_twice(shell: Shell, simulator: Simulator) -> None:
    running = shell.begin()
    until(lambda: done(shell.out) > 1)
    os.kill(running.pid, signal.SIGKILL)
    running.end()
    for name in ("journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"):
        (shell.out / name).unlink()
    assert shell.run()[0] == 2
    assert shell.run("recover", str(shell.out))[0] == 0
    code, out, err = shell.run()
    assert code in {0, 3}, err
    rows = json.loads(out)["rows"]
    assert rows["done"] + rows.get("unknown", 0) == ROWS
    assert max(charged(simulator).values()) == 1


def test_status_counts_rows_with_deleted_files(shell: Shell, simulator: Simulator) -> None:
    assert shell.run()[0] == 0
    for line in _results(shell.out)[:3]:
        (shell.out / line["files"][0]).unlink()
    code, out, err = shell.run("status", str(shell.out))
    assert (code, json.loads(out)["missing"]) == (0, 3)
    assert "3 of the rows that are done have files that are no longer there" in err
    shutil.rmtree(shell.out / "media")
    code, out, err = shell.run()
    assert (code, json.loads(out)["missing"]) == (0, ROWS), err
    assert len(simulator.luma.generations) == ROWS


def test_the_journal_waits_for_another_programs_database_lock(shell: Shell, simulator: Simulator) -> None:
    running = shell.begin()
    until(lambda: done(shell.out) > 1)
    other = sqlite3.connect(shell.out / "journal.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    before = len(simulator.luma.generations)
    time.sleep(0.5)
    other.execute("ROLLBACK")
    other.close()
    assert len(simulator.luma.generations) <= before + JOBS, "nothing is bought whose intent can't be written down"
    code, _, err = running.end()
    assert code == 0, err
    assert charged(simulator) == {f"heron {n}": 1 for n in range(ROWS)}


@pytest.mark.parametrize("limit", [0, 2_000, 20_000, 100_000])
def test_a_folder_without_write_permission_is_refused(shell: Shell, simulator: Simulator, limit: int) -> None:
    """Each limit on the size of a file fails another write: of the lock, the journal, its tables, the reserve."""
    code, out, err = shell.run(limit=limit)
    assert (code, json.loads(out)["reason"]) == (2, "disk"), err
    assert "Free some space" in err
    assert not simulator.luma.generations
    code, _, err = shell.run()
    assert code == 0, err
    assert charged(simulator) == {f"heron {n}": 1 for n in range(ROWS)}


def test_a_dangling_link_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "out"
    link.symlink_to(tmp_path / "disk")
    with pytest.raises(InvalidRequestError, match=r"leads to .*disk, which is not there") as refused:
        ResultsFolder(link)
    assert "does not exist yet" not in str(refused.value)
    assert not (tmp_path / "disk").exists()
