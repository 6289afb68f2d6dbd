"""A batch of very many rows: time to the first charge, memory, time to resume, and how it ends.

The real command runs a file of so many rows against a simulator in this process:

- with `--yes`, from its start to the first charge;
- until every row is in the journal;
- on a terminal, from its start to the question.

Then nine tenths of the rows are done, written into the journal by SQL, with their lines and files, and the same command
goes on, again from its start to the first charge: with results.jsonl as it should be, with a line too few, as a kill
leaves it, and without the file. It is killed each time. Then all rows but some are done, and it runs to its end: the
seconds after the last row are those of the end, with the page. Last, what is asked of the folder: status, report,
exports.

Seconds are followed by those of CPU, in brackets, which other work on the machine doesn't stretch, and the most memory.
Beside them stands the CPU that bare `json` and `sqlite3` take for reading the same rows into a table with an index.
Pictures are one picture of the simulator's under many names.

    python benchmarks/bench_million.py [--rows 1000000] [--last 500] [--folder FOLDER]
"""

import argparse
import hashlib
import json
import mmap
import os
import pty
import select
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from attrs import frozen

from generor_async.batch.folder_place import ACCOUNT
from generor_async.simulator import Simulator, outputs

PROMPT = "A photo of an astronaut riding a horse in a forest. There is a river in front of them with water lilies."
OFTEN = 0.02
"""Seconds between two polls."""


def write(path: Path, rows: int) -> None:
    """Write a file of so many rows."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            file.write(json.dumps({"prompt": f"{PROMPT} {number}", "aspect_ratio": "16:9"}) + "\n")


def program(*arguments: str) -> list[str]:
    """Return the command with these arguments."""
    return [sys.executable, "-c", "from generor_async.cli import main; main()", "batch", *arguments]


@contextmanager
def running(source: Path, out: Path, env: Mapping[str, str]) -> Generator["subprocess.Popen[bytes]"]:
    """Run the rows; it is killed in the end."""
    process = subprocess.Popen(
        program("run", str(source), "--out", str(out), "--yes", "--quiet"),
        env=env,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@frozen
class Took:
    """What something took until a moment, from its start."""

    seconds: float
    cpu: float
    memory: float
    """At the most, in MB."""

    def __str__(self) -> str:
        return f"{self.seconds:.1f} ({self.cpu:.1f}) | {self.memory:.0f}"


def until(true: Callable[[], bool], process: "subprocess.Popen[bytes]", began: float) -> Took:
    """Return what a process that began at a moment has taken when something is so."""
    while not true():
        assert process.poll() is None, f"it has ended with {process.returncode}"
        time.sleep(OFTEN)
    return Took(time.perf_counter() - began, cpu(process), peak(process))


def to_its_end(process: "subprocess.Popen[bytes]", began: float) -> Took:
    """Wait for a process, and return what it took since a moment."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in {0, 3}, process.returncode
    return Took(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def whole(*arguments: str, env: Mapping[str, str]) -> Took:
    """Run the command with these arguments, and return what it took."""
    began = time.perf_counter()
    return to_its_end(subprocess.Popen(program(*arguments), env=env, stdout=subprocess.DEVNULL), began)


def peak(process: "subprocess.Popen[bytes]") -> float:
    """Return the most memory that a process took so far, in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def cpu(process: "subprocess.Popen[bytes]") -> float:
    """Return the CPU that a process and its threads took so far, in seconds."""
    fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare(source: Path, folder: Path) -> float:
    """Return the CPU, in seconds, that reading the rows into a database takes which does nothing else."""
    began = time.process_time()
    with closing(sqlite3.connect(folder / "bare.sqlite")) as connection, source.open(encoding="utf-8") as file:
        connection.execute("CREATE TABLE inputs (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, parameters TEXT)")
        for line in file:
            text = json.dumps(json.loads(line), sort_keys=True)
            id_ = hashlib.sha256(text.encode()).hexdigest()
            connection.execute("INSERT INTO inputs (id, parameters) VALUES (?, ?)", (id_, text))
        connection.commit()
    return time.process_time() - began


def is_noted(out: Path) -> bool:
    """Tell whether the journal says that all of the file is in it."""
    with closing(sqlite3.connect(out / "journal.sqlite")) as connection:
        return connection.execute("SELECT 1 FROM notes WHERE name = 'read_whole'").fetchone() is not None


def is_done(out: Path, rows: int) -> bool:
    """Tell whether so many rows are done."""
    with closing(sqlite3.connect(out / "journal.sqlite")) as connection:
        (done,) = connection.execute("SELECT count(*) FROM calls WHERE state = 'done'").fetchone()
    return bool(done == rows)


def cut(path: Path, lines: int) -> None:
    """Cut so many lines off the end of a file."""
    with path.open("r+b") as file:
        content = mmap.mmap(file.fileno(), 0)
        end = len(content)
        for _ in range(lines):
            end = content.rfind(b"\n", 0, end - 1) + 1
        content.close()
        file.truncate(end)


def make_done(out: Path, last: int) -> None:
    """Have the rows up to a number be done, with their files; the lines beside the journal are left to its owner."""
    picture = out / "media" / "picture.png"
    if not picture.exists():
        picture.parent.mkdir(exist_ok=True)
        picture.write_bytes(outputs.image(PROMPT, seed=7, ratio="16:9", format="png", size=1024))
    with closing(sqlite3.connect(out / "journal.sqlite")) as connection, connection:
        chosen = "number <= ? AND state <> 'done'"
        for (number,) in connection.execute(f"SELECT number FROM calls WHERE {chosen}", (last,)):
            place = out / "media" / f"{number // 1_000:04}"
            if number % 1_000 in {0, 1}:
                place.mkdir(exist_ok=True)
            link(picture, place / f"{number}.png")
        connection.execute(
            "UPDATE calls SET state = 'done', owner = NULL, attempt = 1, submitted_at = ?1,"
            " request_id = ifnull(request_id, 'call-' || number),"
            " model = 'uni-1 image', estimated = 4.04, counted = 4.04, remote_ids = json_array('job-' || number),"
            f" accounts = '{json.dumps([ACCOUNT])}',"
            " ended_at = ?1 + number, result = json_object('files',"
            " json_array(printf('media/%04d/%d.png', number / 1000, number)))"
            " WHERE number <= ?2 AND state <> 'done'",
            (time.time() - last, last),
        )
        connection.execute("UPDATE accounts SET spent = (SELECT total(counted) FROM calls WHERE state = 'done')")


def link(picture: Path, path: Path) -> None:
    """Give a picture another name; file systems have few thousand for one."""
    try:
        path.hardlink_to(picture)
    except OSError:
        shutil.copy(picture, picture.with_suffix(".new"))
        picture.with_suffix(".new").replace(picture)
        path.hardlink_to(picture)


def until_asked(source: Path, out: Path, env: Mapping[str, str]) -> Took:
    """Return what it takes until the question is on a terminal."""
    ours, theirs = pty.openpty()
    began = time.perf_counter()
    arguments = program("run", str(source), "--out", str(out))
    process = subprocess.Popen(arguments, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while b"[y/N]" not in said:
        assert process.poll() is None, said.decode()
        if select.select([ours], [], [], OFTEN)[0]:
            said += os.read(ours, 4_096)
    told = Took(time.perf_counter() - began, cpu(process), peak(process))
    process.kill()
    process.wait()
    os.close(ours)
    return told


def show(what: str, took: Took) -> None:
    """Print a line of the table."""
    print(f"| {what} | {took} |", flush=True)


def measure(rows: int, last: int, folder: Path) -> None:
    """Print what a file of so many rows takes; the run that comes to its end has so many of them."""
    source, out = folder / "rows.jsonl", folder / "out"
    results = out / "results.jsonl"
    write(source, rows)
    print(f"| {rows:,} rows | seconds (CPU) | MB |\n|---|---|---|")
    with Simulator(luma_balance=1e9, luma_rpm=100_000, luma_jobs=1_000) as simulator:
        keys = {"LUMA_BASE_URL": simulator.luma_url, "LUMA_AGENTS_API_KEY": simulator.luma_key}
        env = {**os.environ, **keys, "XDG_CACHE_HOME": str(folder / "cache"), "TERM": "dumb"}
        ledger = simulator.ledger

        def first_charge() -> Took:
            before, began = len(ledger.charges), time.perf_counter()
            with running(source, out, env) as process:
                return until(lambda: len(ledger.charges) > before, process, began)

        show("the question", until_asked(source, folder / "asked", env))
        began = time.perf_counter()
        with running(source, out, env) as process:
            show("first charge, `--yes`", until(lambda: len(ledger.charges) > 0, process, began))
            show("all is read", until(lambda: is_noted(out), process, began))
        (out / "calls.jsonl").unlink()
        make_done(out, rows // 10 * 9)
        results.unlink(missing_ok=True)
        show("first charge, nine tenths done, results.jsonl and calls.jsonl lost", first_charge())
        make_done(out, rows // 10 * 9)
        show("first charge, nine tenths done", first_charge())
        cut(results, 1)
        show("first charge, nine tenths done, a line of results.jsonl lost", first_charge())
        make_done(out, rows - last)
        cut(results, last // 2)
        before, began = len(ledger.charges), time.perf_counter()
        with running(source, out, env) as process:
            begun = until(lambda: len(ledger.charges) > before, process, began)
            show(f"first charge, all but {last:,} done, {last // 2:,} lines of results.jsonl lost", begun)
            show("all are done", until(lambda: is_done(out, rows), process, began))
            show("its end, with the page", to_its_end(process, began))
        show("`status`", whole("status", str(out), env=env))
        show("`report`", whole("report", str(out), env=env))
        for form in ("jsonl", "csv"):
            show(f"`export`, {form}", whole("export", str(out), "--to", str(folder / f"all.{form}"), env=env))
    print(
        f"\nbare: {bare(source, folder):.1f} s of CPU; report.html {(out / 'report.html').stat().st_size / 1e6:.1f} MB"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--last", type=int, default=500, help="rows of the run that comes to its end")
    parser.add_argument("--folder", help="where the files go; by default a temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        measure(given.rows, given.last, Path(folder))


if __name__ == "__main__":
    main()
