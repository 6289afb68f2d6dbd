"""Processes that share a store: whether they keep to one limit together, and how long they take.

In real time: a server with a sliding window of 60 a minute, round trips of 40 to 100 ms, and eight processes, each with
a client of its own and `Limits(store=PATH)`, that make their calls at once. The server counts the refusals; the time
runs from the moment at which the last process has started.

    python benchmarks/bench_processes.py [--processes 8] [--calls 15] [--limit 60] [--no-store]
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from functools import partial
from pathlib import Path

from attrs import frozen
from shared_pace import KEYS, Server, failures
from stage import converse, prepare
from worlds import Limit, World, cast

from generor_async import AsyncLuma, Limits

TIMEOUT = 150.0
"""Seconds that a call has, waiting included."""
STARTED = b"started\n"


async def work(url: str, store: str, calls: int) -> None:
    """Make the calls of one process; print that it has started, and at last how many failed."""
    limits = Limits(store=store or None)
    async with AsyncLuma(KEYS["luma"], base_url=url, limits=limits, timeout=TIMEOUT) as luma:
        sys.stdout.buffer.write(STARTED)
        sys.stdout.flush()
        print(await failures(luma.generations.create(prompt="x") for _ in range(calls)))


@frozen
class Ended:
    """What the processes came to."""

    done: int
    refused: int
    seconds: float
    """From the start of the last process to the end of all."""


async def measure(given: argparse.Namespace, store: str) -> Ended:
    """Serve the processes, and wait for their ends."""
    loop = asyncio.get_running_loop()
    world = World(row="processes", limit=given.limit)
    limit = Limit(world, epoch=time.time() - loop.time())
    server = Server(limit, cast(world, limit, 0), random.Random(0))
    listening = await asyncio.start_server(partial(converse, server.answer), "127.0.0.1", 0, backlog=4_096)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    command = [sys.executable, __file__, "--work", url, "--store", store, "--calls", str(given.calls)]
    processes = [await asyncio.create_subprocess_exec(*command, stdout=PIPE) for _ in range(given.processes)]
    starts = await asyncio.gather(*map(started, processes))
    failed = await asyncio.gather(*map(ended, processes))
    seconds = loop.time() - max(starts)
    listening.close()
    return Ended(given.processes * given.calls - sum(failed), len(server.refused), seconds)


async def started(process: Process) -> float:
    """Wait for a process to start; return when it did."""
    assert process.stdout is not None
    if await process.stdout.readline() != STARTED:
        raise RuntimeError("a process did not start")
    return asyncio.get_running_loop().time()


async def ended(process: Process) -> int:
    """Wait for a process to end; return how many of its calls failed."""
    assert process.stdout is not None
    failed = int(await process.stdout.readline())
    await process.wait()
    return failed


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--calls", type=int, default=15, help="of each process")
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--no-store", action="store_true", help="each process by itself")
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--store", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print the table; or be one of the processes."""
    given = parsed()
    prepare()
    if given.work is not None:
        asyncio.run(work(given.work, given.store, given.calls))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(given, "" if given.no_store else str(Path(folder) / "limits")))
    calls = given.processes * given.calls
    print("| processes | calls | done | refusals | to reach | seconds | to reach |")
    print("|---|---|---|---|---|---|---|")
    print(f"| {given.processes} | {calls} | {found.done} | {found.refused} | <= 2 | {found.seconds:.1f} | <= 70 |")


if __name__ == "__main__":
    main()
