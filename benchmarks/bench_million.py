"""How soon a batch of very many rows begins, what memory it takes, and how soon it is gone on with.

The real command runs a file of so many rows against a simulator in this process:

- with `--yes`, from its start to the first charge, and its memory at the most when every row is in the journal;
- the same again after it was killed, from its start to the first charge;
- on a terminal, from its start to the question.

Seconds are followed by those of CPU, in brackets, which other work on the machine doesn't stretch. Beside them stands
the CPU that bare `json` and `sqlite3` take for reading the same rows into a table with an index.

    python benchmarks/bench_million.py [--rows 1000000] [--folder FOLDER]
"""

import argparse
import hashlib
import json
import os
import pty
import select
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from generor_async.simulator import Simulator

PROMPT = "A photo of an astronaut riding a horse in a forest. There is a river in front of them with water lilies."
OFTEN = 0.02
"""Seconds between two looks."""


def write(path: Path, rows: int) -> None:
    """Write a file of so many rows."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            file.write(json.dumps({"prompt": f"{PROMPT} {number}", "aspect_ratio": "16:9"}) + "\n")


def command(source: Path, out: Path, *more: str) -> list[str]:
    """Return the command."""
    return [
        sys.executable,
        "-c",
        "from generor_async.cli import main; main()",
        "batch",
        "run",
        str(source),
        "--out",
        str(out),
        *more,
    ]


@contextmanager
def running(source: Path, out: Path, env: Mapping[str, str]) -> Generator["subprocess.Popen[bytes]"]:
    """Run the command; it is killed in the end."""
    process = subprocess.Popen(
        command(source, out, "--yes"), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(true: Callable[[], bool], process: "subprocess.Popen[bytes]") -> tuple[float, float]:
    """Return the seconds until something is so, and those of CPU that the process has taken by then."""
    began = time.perf_counter()
    while not true():
        assert process.poll() is None, "it has ended"
        time.sleep(OFTEN)
    return time.perf_counter() - began, cpu(process)


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


def is_read(out: Path, rows: int) -> bool:
    """Tell whether all rows are in the journal."""
    with closing(sqlite3.connect(out / "journal.sqlite")) as connection:
        (last,) = connection.execute("SELECT max(number) FROM inputs").fetchone()
    return bool(last == rows)


def until_asked(source: Path, out: Path, env: Mapping[str, str]) -> tuple[float, float, float]:
    """Return the seconds until the question is on a terminal, those of CPU, and the memory in MB."""
    ours, theirs = pty.openpty()
    began = time.perf_counter()
    process = subprocess.Popen(command(source, out), env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    while b"[y/N]" not in said:
        assert process.poll() is None, said.decode()
        if select.select([ours], [], [], OFTEN)[0]:
            said += os.read(ours, 4_096)
    told = time.perf_counter() - began, cpu(process), peak(process)
    process.kill()
    process.wait()
    os.close(ours)
    return told


def measure(rows: int, folder: Path) -> None:
    """Print what a file of so many rows takes."""
    source, out = folder / "rows.jsonl", folder / "out"
    write(source, rows)
    with Simulator(luma_balance=1e9) as simulator:
        keys = {"LUMA_BASE_URL": simulator.luma_url, "LUMA_AGENTS_API_KEY": simulator.luma_key}
        env = {**os.environ, **keys, "XDG_CACHE_HOME": str(folder / "cache"), "TERM": "dumb"}
        ledger = simulator.ledger
        with running(source, out, env) as process:
            first = until(lambda: len(ledger.charges) > 0, process)
            read = until(lambda: is_read(out, rows), process)
            memory = peak(process)
        so_far = len(ledger.charges)
        with running(source, out, env) as process:
            resumed = until(lambda: len(ledger.charges) > so_far, process)
            memory = max(memory, peak(process))
        *asked, memory_asked = until_asked(source, folder / "asked", env)
        memory = max(memory, memory_asked)
    whole = first[0] + read[0], read[1]
    print("| rows | first charge, --yes | question | memory (MB) | resumed | all read | bare |")
    print("|---|---|---|---|---|---|---|")
    told = " | ".join(f"{wall:.1f} ({cpu:.1f})" for wall, cpu in (first, asked))
    more = " | ".join(f"{wall:.1f} ({cpu:.1f})" for wall, cpu in (resumed, whole))
    print(f"| {rows:,} | {told} | {memory:.0f} | {more} | ({bare(source, folder):.1f}) |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", help="where the files go; by default a temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        measure(given.rows, Path(folder))


if __name__ == "__main__":
    main()
