"""Workers on machines that share a run in a database, what befalls them, and what came of it."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from attrs import asdict, define, evolve, frozen
from support.books import made
from support.fleet_commands import STATES
from support.forked_programs import Program
from support.machines import Machine, Network
from support.servers import PostgresServer, RedisServer
from support.shift import Order

import generor_async
from generor_async.batch.journal import open_reader
from generor_async.batch.status import Status, read_status
from generor_async.simulator import Simulator
from generor_async.stores.records import CallRecord

__all__ = ["Fleet", "Site", "Worker", "fleet", "running_site"]

T = TypeVar("T")

PLACES: Final = f"{Path(generor_async.__file__).parents[1]}:{Path(__file__).parents[1]}"
ENDED: Final = frozenset({"done", "failed", "unknown"})
PATIENCE: Final = 300.0
ACCOUNT: Final[Mapping[str, Any]] = {
    "tier": "pro",
    "generor_credits": 10_000_000,
    "exact_cost": True,
    "luma_rpm": 6_000,
    "luma_jobs": 60,
    "luma_balance": 1_000_000.0,
}
COMMON: Final[Mapping[str, Mapping[str, Any]]] = {"luma": {}, "generor": {"slug": "joke", "model_id": 37}}
DOLLARS_A_CREDIT: Final = 0.003
SESSIONS: Final = """
    SELECT client_addr::text, client_port, state, wait_event_type, wait_event, now() - state_change, query
    FROM pg_stat_activity WHERE client_addr IS NOT NULL
"""


@frozen
class Site:
    """Where the servers are: each on a machine of its own."""

    net: Network
    folder: Path
    api: Machine
    store: Machine
    cache: Machine
    simulator: Simulator
    postgres: PostgresServer
    redis: RedisServer
    url: str
    """The database."""
    speed: float
    lease: float

    def order(self, name: str, api: str) -> Order:
        """Return the order to work on a run."""
        luma = api == "luma"
        return Order(
            api=api,
            base_url=self.simulator.luma_url if luma else self.simulator.generor_url,
            key=self.simulator.luma_key if luma else self.simulator.generor_key,
            to=self.url,
            name=name,
            lease=self.lease,
            speed=self.speed,
            begun=time.time(),
            limits=self.redis.url,
        )

    def submit(
        self,
        machine: Machine,
        order: Order,
        rows: int | Path,
        *,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        """Submit a file of rows, or so many generated ones, from a machine; the options are those of `run_batch`."""
        if isinstance(rows, int):
            lines = [{"prompt": f"heron {order.name} {number}", **COMMON[order.api]} for number in range(rows)]
            rows = _write(self.folder / f"{order.name}.jsonl", lines)
        given = {"media": f"file://{self.folder / 'media'}", "rows": str(rows), **options}
        log = self.folder / f"{order.name}.log"
        process = start(machine, evolve(order, submit=given), log, env)
        assert process.wait(PATIENCE) == 0, log.read_text()

    def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask what only the database can tell, from its own machine."""

        async def ask() -> T:
            return await question()

        with self.store.entered():
            return asyncio.run(ask())

    def status(self, name: str) -> Status:
        """Return a run's status, without a look at the storage."""
        return self.ask(lambda: read_status(self.url, name=name, checks_storage=False))

    def rows(self, name: str) -> list[CallRecord]:
        """Return all rows of a run."""

        async def read() -> list[CallRecord]:
            reader = await open_reader(self.url, name=name)
            try:
                return [row async for row in reader.scan()]
            finally:
                await reader.close()

        return self.ask(read)

    def states(self, name: str) -> Counter[str]:
        """Count a run's rows by state; none while the database can't tell."""
        try:
            return Counter(dict(self.query(STATES, name)))
        except psycopg.Error:
            return Counter()

    def count(self, query: str, *values: object) -> int:
        """Ask the database for a number."""
        ((number,),) = self.query(query, *values)
        return int(number)

    def query(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with self.store.entered(), psycopg.connect(self.url, connect_timeout=10) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def check(self, name: str, count: int) -> Counter[str]:
        """Hold the rows of an ended run against what the server made; return how many are in each state."""
        everything, rows = made(self.simulator), self.rows(name)
        assert len(rows) == count
        for row in rows:
            prompt = str(row.parameters["prompt"])
            known = everything.get(prompt, [])
            assert len(known) <= 1, f"{prompt} was charged {len(known)} times"
            assert row.state in {"done", "unknown"}, f"{prompt} is {row.state}: {row.problem}"
            if row.state == "done":
                assert list(row.remote_ids) == known
        return Counter(row.state for row in rows)

    def check_money(self, names: Sequence[str], api: str) -> str:
        """Hold what all runs together say they spent against what the server charged; return that in words."""
        unit = DOLLARS_A_CREDIT if api == "luma" else 1.0
        requests = {entry.number: entry for entry in self.simulator.ledger.requests}
        charges = self.simulator.ledger.charges
        # A call is known by the request id of its first attempt.
        charged = {requests[entry.call].request_id: entry.charged / unit for entry in charges}
        assert len(charged) == len(charges), "a call was charged twice"
        rows = [row for name in names for row in self.rows(name)]
        assert charged.keys() <= {row.request_id for row in rows}, "a charge belongs to no row"
        done = {row.request_id for row in rows if row.state == "done"}
        assert done <= charged.keys(), "a row is done and was not charged"
        statuses = [self.status(name) for name in names]
        spent, total = sum(status.spent for status in statuses), sum(charged.values())
        doubtful = sum(status.doubtful for status in statuses)
        in_doubt = sum(cost for request, cost in charged.items() if request not in done)
        assert abs(spent + in_doubt - total) < 1e-6 * max(total, 1.0), f"{spent} + {in_doubt} of {total}"
        assert doubtful >= in_doubt - 1e-6
        return f"{total:,.2f} credits charged: {spent:,.2f} spent, {in_doubt:,.2f} of {doubtful:,.2f} in doubt"


def _write(path: Path, lines: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@contextmanager
def running_site(net: Network, folder: Path, *, speed: float, lease: float, **options: Any) -> Generator[Site]:
    """Run the servers, each on a machine of its own; the options are the simulator's."""
    api, store, cache = net.machine(), net.machine(), net.machine()
    with ExitStack() as ends:
        postgres = ends.enter_context(store.postgres(folder))
        redis = ends.enter_context(cache.redis(folder))
        simulator = ends.enter_context(api.simulator(speed=speed, **{**ACCOUNT, **options}))
        yield Site(net, folder, api, store, cache, simulator, postgres, redis, postgres.url, speed, lease)


def start(machine: Machine, order: Order, log: Path, env: Mapping[str, str] | None = None) -> Program:
    """Start a process on a machine."""
    program = ["-m", "support.shift", json.dumps(asdict(order))]
    return machine.run(program, env={**os.environ, "PYTHONPATH": PLACES, **(env or {})}, out=log, err=log)


@define(eq=False)
class Worker:
    """A machine, and the process that works on it."""

    machine: Machine
    process: Program | None = None

    def signal(self, number: int) -> None:
        """Send a signal to the process, which may have ended."""
        assert self.process is not None
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


@define(eq=False)
class Fleet:
    """Workers that are started again when they end before the run does, as a supervisor starts them."""

    site: Site
    workers: Sequence[Worker]
    order: Order
    log: Path
    env: Mapping[str, str]

    def tend(self) -> bool:
        """Start what has ended before the run; return whether all workers say that it has ended."""
        ended = 0
        for worker in self.workers:
            code = 1 if worker.process is None else worker.process.poll()
            if code == 0:
                ended += 1
            elif code is not None:
                worker.process = start(worker.machine, self.order, self.log, self.env)
        return ended == len(self.workers)

    def until(self, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Tend the workers until a condition is true."""
        until = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < until, self._explained()
            self.tend()
            time.sleep(0.05)

    def _explained(self) -> str:
        """Return what there is to know of workers that go on for too long: where they are, and their connections."""
        said = [str(self.site.states(self.order.name)), *map(str, self.site.query(SESSIONS))]
        for worker in self.workers:
            for number in (signal.SIGUSR2, signal.SIGUSR1):
                worker.signal(number)
            sockets = [*worker.machine.prefix, "ss", "--tcp", "--numeric", "--processes", "--options"]
            said.append(subprocess.run(sockets, capture_output=True, text=True, check=True).stdout)
        time.sleep(3.0)  # for what they print
        return "\n".join([*said, self.log.read_text()[-50_000:]])

    def finish(self, patience: float = PATIENCE) -> None:
        """Tend the workers until all say that the run has ended."""
        self.until(self.tend, patience)

    def counts(self) -> tuple[int, int]:
        """Return how many rows are under way, and how many have ended."""
        states = self.site.states(self.order.name)
        ended = sum(states[state] for state in ENDED)
        return states.total() - ended - states["ready"], ended

    def end(self) -> None:
        """Kill all workers."""
        for worker in self.workers:
            if worker.process is not None:
                worker.process.kill()
                worker.process.wait()


@contextmanager
def fleet(
    site: Site, machines: Sequence[Machine], order: Order, env: Mapping[str, str] | None = None
) -> Generator[Fleet]:
    """Let machines work on a run until the end of the block."""
    working = Fleet(
        site, [Worker(machine) for machine in machines], order, site.folder / f"{order.name}.log", env or {}
    )
    working.tend()
    try:
        yield working
    finally:
        working.end()
