"""CPU of a batch per row, beyond that of the client for the same calls.

The batch reads rows from Python, prices them, journals each step and hands out how each ended. Beside it, so many
workers make the same calls with the client alone: submit, wait, download, into folders of as many files. The server is
a raw protocol in a process of its own whose jobs are complete at once, so that what is measured is this side. Files are
kept in memory where the machine has a place for that: a disk's own time is many times what is looked for here.

The two take turns, each round in the other order; what is counted is CPU of the whole process, all threads of it, user
and system, from the first row to the closing. Each round runs both at two lengths: the difference is what rows cost,
without what a run costs. The median of the rounds' differences is shown with its quartiles.

With `--instructions`, callgrind counts what either takes, at 100 rows and at 500; instructions become microseconds by
what the client alone takes of both. It counts no system's time, which is added as it was measured, and runs one thread
at a time. The counts differ by some per cent from run to run, as the event loop turns as often as answers come in.

    python benchmarks/bench_rows.py [--rounds 15] [--rows 1000] [--at-once 100] [--folder /dev/shm] [--instructions]
"""

import argparse
import asyncio
import email.utils
import gc
import logging
import multiprocessing
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from raw import KEY, generation, message, serve

from generor_async import AsyncLuma
from generor_async.batch.runner import run_batch

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(2_000)
FEW = 100
"""Rows of a run that is taken off a longer one."""
COUNTED = 100, 500
"""Rows of the two runs whose difference callgrind counts."""
FILES_A_FOLDER = 1_000
"""As a batch has it."""


def parameters(rows: int) -> Iterator[dict[str, Any]]:
    """Make rows."""
    for number in range(rows):
        yield {"prompt": f"A glass of iced coffee on a marble countertop, number {number}", "aspect_ratio": "16:9"}


# --- the far side -----------------------------------------------------------------------------------------------------


def answer(head: bytes, address: str) -> bytes:
    """Answer with a job that is complete, or with its picture."""
    if head.startswith(b"POST"):
        job = generation(str(uuid4()), "completed", f"{address}/picture.png")
        return message("201 Created", job, f"Date: {email.utils.formatdate(usegmt=True)}\r\n")
    return b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE


# --- the two ----------------------------------------------------------------------------------------------------------


async def batch(luma: AsyncLuma, rows: int, at_once: int, folder: Path) -> None:
    """Run the rows as a batch."""
    ended = 0
    async for outcome in run_batch(luma, parameters(rows), to=folder, concurrency=at_once):
        assert outcome.state == "done"
        ended += 1
    assert ended == rows


async def client(luma: AsyncLuma, rows: int, at_once: int, folder: Path) -> None:
    """Make the same calls, at the same priority."""
    bulk, to_do = luma.with_options(priority="bulk"), enumerate(parameters(rows), 1)

    async def worker() -> None:
        for number, row in to_do:
            generation = await bulk.generations.run(**row)
            await bulk.download(generation, folder / "media" / f"{number // FILES_A_FOLDER:04}", overwrite=True)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())


CONTENDERS = {"batch": batch, "client": client}


class Bench:
    """Runs either side against one server."""

    def __init__(self, url: str, options: argparse.Namespace) -> None:
        self.url = url
        self.at_once: int = options.at_once
        self.folder: str | None = options.folder

    def run(self, name: str, rows: int) -> tuple[float, float]:
        """Run one side once; return the microseconds of user's and system's CPU that it took."""

        async def measure() -> tuple[float, float]:
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                async with AsyncLuma(KEY, base_url=self.url) as luma:
                    before = resource.getrusage(resource.RUSAGE_SELF)
                    await CONTENDERS[name](luma, rows, self.at_once, Path(folder))
                    after = resource.getrusage(resource.RUSAGE_SELF)
            return (after.ru_utime - before.ru_utime) * 1e6, (after.ru_stime - before.ru_stime) * 1e6

        return asyncio.run(measure())

    def a_row(self, name: str, rows: int) -> tuple[float, float]:
        """Return what a row takes of user's and system's CPU, in microseconds, without what a run takes."""
        (user, system), (less_user, less_system) = self.run(name, FEW + rows), self.run(name, FEW)
        return (user - less_user) / rows, (system - less_system) / rows

    def rounds(self, count: int, rows: int) -> list[dict[str, tuple[float, float]]]:
        """Let the two take turns."""
        names = list(CONTENDERS)
        return [{name: self.a_row(name, rows) for name in names[:: 1 - number % 2 * 2]} for number in range(count)]


def instructions(name: str, options: argparse.Namespace) -> float:
    """Return how many instructions a row takes, as callgrind counts them."""
    found = list[int]()
    for rows in COUNTED:
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, __file__]
        command += ["--only", name, "--rows", str(rows), "--at-once", str(options.at_once)]
        command += ["--folder", options.folder] if options.folder else []
        told = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "0"}
        ).stderr
        found.append(int(re.findall(r"Collected : (\d+)", told)[-1]))
    return (found[1] - found[0]) / (COUNTED[1] - COUNTED[0])


def show(rounds: list[dict[str, tuple[float, float]]]) -> None:
    """Print what the clocks told."""
    beyond = [sum(one["batch"]) - sum(one["client"]) for one in rounds]
    low, middle, high = statistics.quantiles(beyond, n=4)
    told = [
        " + ".join(f"{statistics.median(one[name][kind] for one in rounds):.0f}" for kind in (0, 1))
        for name in CONTENDERS
    ]
    print("| batch, CPU a row, user + system (µs) | client alone | the batch's own | quartiles |\n|---|---|---|---|")
    print(f"| {told[0]} | {told[1]} | {middle:.0f} | {low:.0f} to {high:.0f} |")


def show_instructions(rounds: list[dict[str, tuple[float, float]]], options: argparse.Namespace) -> None:
    """Print what callgrind counted, and what that is in microseconds."""
    mine, alone = (instructions(name, options) for name in CONTENDERS)
    speed = alone / statistics.median(one["client"][0] for one in rounds)
    system = statistics.median(one["batch"][1] - one["client"][1] for one in rounds)
    print(
        "\n| batch, instructions a row | client alone | the batch's own | instructions a µs | own user + system (µs) |"
    )
    print("|---|---|---|---|---|")
    own = f"{(mine - alone) / speed:.0f} + {system:.0f}"
    print(f"| {mine:,.0f} | {alone:,.0f} | {mine - alone:,.0f} | {speed:,.0f} | {own} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--folder", default="/dev/shm" if Path("/dev/shm").is_dir() else None)
    parser.add_argument("--instructions", action="store_true", help="have callgrind count as well; takes minutes")
    parser.add_argument("--only", choices=sorted(CONTENDERS), help="run one side once, for a profiler to look at")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    here, there = multiprocessing.Pipe()
    apart = multiprocessing.get_context("spawn")  # a fork would be counted with this process
    server = apart.Process(target=serve, args=(there, answer), daemon=True)
    server.start()
    bench = Bench(here.recv(), options)
    if options.only:
        gc.freeze()  # a collection over all modules would hide what is measured
        bench.run(options.only, options.rows)
    else:
        rounds = bench.rounds(options.rounds, options.rows)
        show(rounds)
        if options.instructions:
            show_instructions(rounds, options)
    server.terminate()


if __name__ == "__main__":
    main()
