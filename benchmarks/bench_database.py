"""What a ledger in PostgreSQL takes: rows a second over a slow link, and a million rows.

    python benchmarks/bench_database.py link [--delay 0.005] [--rows 1000] [--concurrency 16]
    python benchmarks/bench_database.py million [--rows 1000000]

It starts a server of its own, with `fsync`. A row is an intent that reserves on two accounts, an accept and its end.
"""

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.servers import POSTGRES, PostgresServer, postgres_server
from support.wire import closed_port

from generor_async.rules.row_states import Accept, Download, Finish, Submit
from generor_async.stores.ledger import Ledger
from generor_async.stores.opening import open_ledger, open_reader
from generor_async.stores.records import CallRecord, NewRow
from generor_async.values import JSON

ACCOUNTS = [("run:herons", ""), ("day", "2026-11-30")]
SETTINGS = {**POSTGRES, "fsync": "on", "shared_buffers": "128MB"}


class Rules:
    """Requests are the same whose parameters are equal."""

    def request_key(self, parameters: Mapping[str, JSON], /) -> int:
        """Return a hash of the parameters."""
        return hash(str(parameters)) >> 1

    digest = request_key

    def without_quotes(self, value: JSON, _: Mapping[str, JSON], /) -> JSON:
        """Return the value."""
        return value


def rows(first: int, count: int) -> list[NewRow]:
    """Return rows with prompts of a usual length."""
    return [
        NewRow(
            id=f"row-{at}",
            parameters={"prompt": f"a heron in the rain, number {at}, in the style of a woodcut", "seed": at},
            place=f"prompts.jsonl:{at}",
        )
        for at in range(first, first + count)
    ]


async def make(ledger: Ledger, call: CallRecord) -> None:
    """Take all steps of a row."""
    intent = Submit(at=1.0, request_id=f"r-{call.number}", model="uni-1", estimated=2.0, reserved=2.0)
    assert await ledger.intend(call, intent, ACCOUNTS) is None
    await ledger.accept(call, Accept(remote_ids=(f"job-{call.number}",), cost=2.0))
    await ledger.accept(call, Download())
    await ledger.settle(call, Finish(at=2.0, result={"files": [f"{call.id}.png"]}))


async def link(server: PostgresServer, delay: float, count: int, concurrency: int) -> None:
    """Print how many rows a second one worker ends over a link with a delay."""
    port = closed_port()
    proxy = Path(__file__).parents[1] / "tests" / "support" / "delay_proxy.py"
    target = [server.host, str(port), server.host, str(server.port), str(delay)]
    command = [sys.executable, str(proxy), *target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220 - nothing else runs
        assert process.stdout is not None
        process.stdout.readline()
        ledger = await open_ledger(server.url.replace(str(server.port), str(port)), run="herons", rules=Rules())
        await ledger.open_account(ACCOUNTS[0], 1e9)
        for first in range(0, count, 500):
            await ledger.add(rows(first, min(500, count - first)))
        begun = time.monotonic()

        async def work() -> None:
            while calls := await ledger.claim(4):
                await asyncio.gather(*(make(ledger, call) for call in calls))

        await asyncio.gather(*(work() for _ in range(max(1, concurrency // 4))))
        took = time.monotonic() - begun
        print(f"{count} rows in {took:.1f} s: {count / took:.0f} rows a second, {delay * 1000:g} ms each way")
        await ledger.close()
        process.kill()


async def million(server: PostgresServer, count: int) -> None:
    """Print what so many rows take to be added, counted, and read."""
    ledger = await open_ledger(server.url, run="herons", rules=Rules())
    begun = time.monotonic()
    for first in range(0, count, 500):
        await ledger.add(rows(first, 500))
    print(f"added {count} rows in {time.monotonic() - begun:.1f} s")
    reader = await open_reader(server.url, run="herons")
    assert reader is not None
    for _ in range(2):
        begun = time.monotonic()
        await reader.counts()
        print(f"counted in {time.monotonic() - begun:.2f} s")
    begun = time.monotonic()
    claimed = await ledger.claim(100)
    print(f"claimed {len(claimed)} in {time.monotonic() - begun:.2f} s")
    begun, read, before = time.monotonic(), 0, peak()
    async for _ in reader.scan():
        read += 1
    print(
        f"read {read} rows in {time.monotonic() - begun:.1f} s, peak memory {before:.0f} MB before, {peak():.0f} after"
    )
    begun = time.monotonic()
    print(f"names {await reader.parameter_names()} in {time.monotonic() - begun:.1f} s")
    await reader.close()
    await ledger.close()


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["link", "million"])
    parser.add_argument("--delay", type=float, default=0.005)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=16)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres_server(Path(folder), settings=SETTINGS) as server:
        if given.what == "link":
            asyncio.run(link(server, given.delay, given.rows or 1_000, given.concurrency))
        else:
            asyncio.run(million(server, given.rows or 1_000_000))


if __name__ == "__main__":
    main()
