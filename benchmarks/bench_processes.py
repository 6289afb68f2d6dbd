"""Processes that share a store: whether they keep to one limit together, how long they take, and what it costs.

In real time: a server with a sliding window of 60 a minute, round trips of 40 to 100 ms, and eight processes, each with
a client of its own and one store of limits, that make their calls at once. The server counts the refusals; the time
runs from the moment at which the last process has started. Transactions of the store are counted in the processes,
those of their starts included; round trips of a server are counted by its own statistics.

    python benchmarks/bench_processes.py [--api luma] [--processes 8] [--calls 15] [--limit 60] [--jobs 60] [--no-store]
        [--store URL | --server {redis,postgres} [--flush SECONDS] [--restart SECONDS]] [--web CALLS]

Without --store, limits are kept in a file. --server has the tests' Valkey or PostgreSQL started, which --flush empties
and --restart restarts so many seconds after the last process has started.

With --web, the calls are bulk ones, and one process more makes so many interactive calls, one after the other, with
pauses of half a place to two. Each waits from its start to its admission; what is counted is how many others are
admitted meanwhile.

A burst of 1,200 calls, for which there is room at once: --calls 150 --limit 3000, of Luma with --jobs 1200.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from attrs import define, frozen
from shared_pace import INTERACTIVE, KEYS, Server, failures
from stage import converse, prepare
from worlds import Limit, World, cast

from generor_async import AsyncGeneror, AsyncLuma, Limits
from generor_async.rules.database_urls import is_database_url, is_redis_url
from generor_async.stores.limit_store import Decide, LimitStore

T = TypeVar("T")
STORE: Final = "BENCH_STORE"
"""The variable that tells the processes of the store: a URL may hold a password, and `ps` shows arguments."""
IN_SCRIPT: Final = {"hmget", "hset", "pexpire", "time"}
"""Commands that the script of limits runs: they are no round trips."""
OWN: Final = {"info", "config|resetstat", "flushall"}
"""Commands of this benchmark."""
TIMEOUT = 150.0
"""Seconds that a call has, waiting included."""
STARTED = b"started\n"
WARM_SECONDS = 5.0
"""Seconds after which interactive calls begin: bulk ones wait by then."""


class CountingStore:
    """A store that counts its transactions."""

    def __init__(self, store: LimitStore) -> None:
        self._store = store
        self.transactions = 1  # that of the start

    def update(self, scope: str, decide: Decide[T]) -> T:
        """Count an update."""
        self.transactions += 1
        return self._store.update(scope, decide)

    @property
    def remote(self) -> bool:
        """Tell what the store tells."""
        return self._store.remote

    def reset_after_fork(self) -> None:
        """Do what the store does."""
        self._store.reset_after_fork()

    def close(self) -> None:
        """Do what the store does."""
        self._store.close()


async def work(url: str, given: argparse.Namespace) -> None:
    """Make the calls of one process; print that it has started, and at last how many failed, and transactions."""
    limits = Limits(store=os.environ[STORE] or None, jobs=given.jobs)
    options: dict[str, Any] = {"base_url": url, "limits": limits, "timeout": TIMEOUT, "max_connections": 1_000}
    client: AsyncLuma | AsyncGeneror
    if given.api == "luma":
        client = AsyncLuma(KEYS["luma"], **options)
        luma = client.with_options(priority=given.priority)
        calls: list[Any] = [luma.generations.create(prompt="x") for _ in range(given.calls if given.web is None else 0)]
    else:
        client = AsyncGeneror(KEYS["generor"], **options)
        generor = client.with_options(priority=given.priority)
        calls = [
            generor.generators.generate("joke", prompt="x", model_id=37)
            for _ in range(given.calls if given.web is None else 0)
        ]
    counting: CountingStore | None = None
    if (shared := client._session.limits._shared) is not None:  # pyright: ignore[reportPrivateUsage] # no other place sees them all
        counting = shared._store = CountingStore(shared._store)  # pyright: ignore[reportPrivateUsage]
    starts: list[float] = []
    async with client:
        sys.stdout.buffer.write(STARTED)
        sys.stdout.flush()
        failed = await (failures(calls) if given.web is None else interactive(client, given, starts))
    print(failed, 0 if counting is None else counting.transactions, *starts)


async def interactive(client: AsyncLuma | AsyncGeneror, given: argparse.Namespace, starts: list[float]) -> int:
    """Make interactive calls one after the other, beside the bulk ones of others; return how many failed."""
    dice, place, failed = random.Random(1), 60.0 / given.limit, 0
    await asyncio.sleep(WARM_SECONDS)
    urgent = client.with_options(priority="interactive")
    for _ in range(given.web):
        await asyncio.sleep(dice.uniform(0.5, 2.0) * place)
        starts.append(time.monotonic())
        if isinstance(urgent, AsyncLuma):
            failed += await failures([urgent.generations.create(prompt=INTERACTIVE)])
        else:
            failed += await failures([urgent.generators.generate("joke", prompt=INTERACTIVE, model_id=37)])
    return failed


@frozen
class Ended:
    """What the processes came to."""

    done: int
    refused: int
    seconds: float
    """From the start of the last process to the end of all."""
    span: float
    """From the first admission to the last, by the server."""
    transactions: int
    passed: int
    """How many others were admitted at most while an interactive call waited."""


@define
class Store:
    """Where limits are kept, and what can be done there."""

    place: str
    """A path or a URL; empty for none."""
    round_trips: Callable[[], int] | None = None
    """Reads the server's statistics."""
    mishaps: Mapping[str, Callable[[], object]] = {}
    """What may happen to it, by name."""


async def measure(given: argparse.Namespace, store: Store) -> Ended:
    """Serve the processes, and wait for their ends."""
    loop = asyncio.get_running_loop()
    world = World(row="processes", api=given.api, limit=given.limit)
    limit = Limit(world, epoch=time.time() - loop.time())
    server = Server(limit, cast(world, limit, 0), random.Random(0))
    listening = await asyncio.start_server(partial(converse, server.answer), "127.0.0.1", 0, backlog=4_096)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    command = [sys.executable, __file__, "--work", url, "--api", given.api]
    command += ["--calls", str(given.calls), *(["--jobs", str(given.jobs)] if given.jobs else [])]
    env = {**os.environ, STORE: store.place}
    if given.web is not None:
        command += ["--priority", "bulk"]
    commands = [command] * given.processes + [[*command, "--web", str(given.web)]] * (given.web is not None)
    processes = [await asyncio.create_subprocess_exec(*each, stdout=PIPE, env=env) for each in commands]
    starts = await asyncio.gather(*map(started, processes))
    for name, happen in store.mishaps.items():
        if (seconds := getattr(given, name)) is not None:
            loop.call_later(seconds, loop.run_in_executor, None, happen)
    ends = await asyncio.gather(*map(ended, processes))
    failed, transactions = sum(each[0] for each in ends), sum(each[1] for each in ends)
    seconds = loop.time() - max(starts)
    listening.close()
    span = max(server.admitted) - min(server.admitted)
    waits = zip([start for *_, starts in ends for start in starts], server.interactive, strict=True)
    passed = max((sum(start < at < end for at in server.admitted) for start, end in waits), default=0)
    calls = given.processes * given.calls + (given.web or 0)
    return Ended(calls - failed, len(server.refused), seconds, span, transactions, passed)


async def started(process: Process) -> float:
    """Wait for a process to start; return when it did."""
    assert process.stdout is not None
    if await process.stdout.readline() != STARTED:
        raise RuntimeError("a process did not start")
    return asyncio.get_running_loop().time()


async def ended(process: Process) -> tuple[int, int, list[float]]:
    """Wait for a process to end; return how many calls failed, its transactions, and when interactive calls began."""
    assert process.stdout is not None
    failed, transactions, *starts = (await process.stdout.readline()).split()
    await process.wait()
    return int(failed), int(transactions), [float(start) for start in starts]


@contextmanager
def store_of(given: argparse.Namespace) -> Generator[Store]:
    """Yield the store of the command line: in a file, at a URL, on a server that is started here, or none."""
    with tempfile.TemporaryDirectory() as folder:
        if given.no_store:
            yield Store("")
        elif given.server is not None:
            with started_server(given.server, Path(folder)) as store:
                yield store
        elif is_redis_url(given.store):
            yield Store(given.store, partial(redis_round_trips, given.store))
        elif is_database_url(given.store):
            yield Store(given.store, partial(postgres_round_trips, given.store))
        else:
            yield Store(given.store or str(Path(folder) / "limits"))


@contextmanager
def started_server(kind: str, folder: Path) -> Generator[Store]:
    """Start one of the servers of the tests."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from support.servers import postgres_server, redis_server  # noqa: PLC0415 - only where it is wanted

    if kind == "postgres":
        with postgres_server(folder) as postgres:
            count = partial(postgres_round_trips, postgres.url)
            yield Store(postgres.url, count, {"restart": partial(postgres.restart, immediate=True)})
        return
    with redis_server(folder) as redis:
        before = 0  # a server that starts again counts from zero

        def restart() -> None:
            nonlocal before
            before += redis_round_trips(redis.url)
            redis.restart(immediate=True)

        yield Store(
            redis.url,
            lambda: before + redis_round_trips(redis.url),
            {"flush": redis.flush, "restart": restart},
        )


def redis_round_trips(url: str) -> int:
    """Return how many commands clients have sent, those of their connections included."""
    import redis  # noqa: PLC0415 - only where it is used

    client: Any = redis.Redis(connection_pool=redis.ConnectionPool.from_url(url))  # pyright: ignore[reportUnknownMemberType] # it has no types
    counts: dict[str, dict[str, int]] = client.info("commandstats")
    client.connection_pool.disconnect()
    commands = {name.removeprefix("cmdstat_"): found["calls"] for name, found in counts.items()}
    return sum(calls for name, calls in commands.items() if name not in IN_SCRIPT | OWN)


def postgres_round_trips(url: str) -> int:
    """Return how many transactions there were in the database: each is one statement, and one round trip."""
    import psycopg  # noqa: PLC0415 - only where it is used

    time.sleep(1.5)  # sessions that have ended have told the statistics of all
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        found = connection.execute(query).fetchone()
    assert found is not None
    return int(found[0])


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--calls", type=int, default=15, help="of each process")
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--api", choices=["luma", "generor"], default="luma")
    parser.add_argument("--jobs", type=int, help="Luma's jobs at once, where they are known")
    parser.add_argument("--no-store", action="store_true", help="each process by itself")
    parser.add_argument("--store", metavar="URL", default="", help="of a server that nobody uses")
    parser.add_argument("--server", choices=["redis", "postgres"], help="start one")
    parser.add_argument("--flush", type=float, metavar="SECONDS", help="when to empty it")
    parser.add_argument("--restart", type=float, metavar="SECONDS", help="when to restart it")
    parser.add_argument("--web", type=int, metavar="CALLS", help="interactive calls of one process more")
    parser.add_argument("--priority", default="normal", help=argparse.SUPPRESS)
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print the table; or be one of the processes."""
    given = parsed()
    prepare()
    if given.work is not None:
        asyncio.run(work(given.work, given))
        return
    with store_of(given) as store:
        before = store.round_trips() if store.round_trips else 0
        found = asyncio.run(measure(given, store))
        trips = store.round_trips() - before if store.round_trips else 0
    calls = given.processes * given.calls + (given.web or 0)
    print(
        "| processes | calls | limit | done | refusals | seconds | first to last admission | transactions a call |"
        " round trips a call |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {given.processes} | {calls} | {given.limit} | {found.done} | {found.refused} | {found.seconds:.1f} |"
        f" {found.span:.1f} | {found.transactions / calls:.2f} | {trips / calls:.2f} |"
    )
    if given.web is not None:
        print(f"\nWhile an interactive call waited, {found.passed} others were admitted at most.")


if __name__ == "__main__":
    main()
