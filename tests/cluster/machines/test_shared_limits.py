"""Machines that share a key's limits keep to them together, whatever happens to their clocks, links and store."""

import json
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from attrs import asdict, frozen
from support.caller import Order
from support.forked_programs import Program, ended
from support.machines import Machine, Network
from support.servers import PostgresServer, RedisServer

import generor_async
from generor_async.simulator import Simulator

PLACES = f"{Path(generor_async.__file__).parents[1]}:{Path(__file__).parents[2]}"
SPEED = 20.0
RPM = 20
CALLS = 14
"""Of each of three machines: two minutes of calls, and two more."""


@frozen
class Store:
    """A server of limits, and its machine."""

    machine: Machine
    server: PostgresServer | RedisServer


@frozen
class Callers:
    """Clients on machines, which have started."""

    programs: Sequence[Program]

    def go(self) -> None:
        """Let them make their calls."""
        for program in self.programs:
            assert program.stdin is not None
            program.stdin.write("\n")
            program.stdin.flush()

    def done(self) -> int:
        """Wait for their ends, and return how many calls succeeded; none may fail."""
        told = [json.loads(line(program)) for program in self.programs]
        assert not any(each["errors"] for each in told), told
        return sum(each["done"] for each in told)


@contextmanager
def callers(machines: Sequence[Machine], order: Order) -> Generator[Callers]:
    """Start a client on each machine."""
    program = ["-m", "support.caller", json.dumps(asdict(order))]
    env = {**os.environ, "PYTHONPATH": PLACES}
    with ExitStack() as ends:
        programs = [ends.enter_context(ended(machine.run(program, env=env))) for machine in machines]
        for each in programs:
            assert line(each) == "started\n"
        yield Callers(programs)


def line(program: Program) -> str:
    """Return the next line that a program writes."""
    assert program.stdout is not None
    return program.stdout.readline()


def order(simulator: Simulator, store: str, speed: float) -> Order:
    return Order(
        base_url=simulator.luma_url,
        key=simulator.luma_key,
        store=store,
        calls=CALLS,
        speed=speed,
        begun=time.time(),
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have one kind of server stand for both where each fault is to happen once."""
    kinds = ["redis", "postgres"] if metafunc.config.getoption("--faults") == "all" else ["redis"]
    metafunc.parametrize("store", kinds, indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, net: Network, tmp_path: Path) -> Iterator[Store]:
    """A server of limits on a machine of its own."""
    machine = net.machine()
    run = machine.redis if request.param == "redis" else machine.postgres
    with run(tmp_path) as server:
        yield Store(machine, server)


def play(
    net: Network,
    store: Store,
    machines: Sequence[Machine],
    meanwhile: Callable[[], object] = lambda: None,
    speed: float = SPEED,
    *,
    in_time: bool,
) -> int:
    """Make calls from three machines in two minutes and a bit; return how many were refused.

    `in_time` says whether they must be made in that time, which a busy machine can't promise.
    """
    with net.machine().simulator(speed=speed, luma_rpm=RPM, luma_jobs=RPM) as simulator:
        with callers(machines, order(simulator, store.server.url, speed)) as running:
            running.go()
            meanwhile()
            assert running.done() == CALLS * len(machines)
        charged = [entry for entry in simulator.ledger.requests if entry.charged]
        assert len(charged) == CALLS * len(machines)
        seconds = max(entry.at for entry in charged) - min(entry.at for entry in charged)
        assert not in_time or seconds < 1.25 * 120
        return sum(entry.status == 429 for entry in simulator.ledger.requests)


@pytest.fixture
def in_time(pytestconfig: pytest.Config) -> bool:
    """Whether the figures of a machine that does nothing else are to be reached."""
    return bool(pytestconfig.getoption("--faults") == "all")


def test_clocks_that_are_wrong_cost_no_request(net: Network, store: Store, in_time: bool) -> None:
    slow = SPEED / 2
    machines = [net.machine(ahead=ahead / slow) for ahead in (70.0, -70.0, 0.0)]
    # A clock that is believed costs a minute's requests; some may come late on a busy machine.
    assert play(net, store, machines, speed=slow, in_time=in_time) <= (1 if in_time else RPM - 1)


def flush(net: Network, store: Store, machines: Sequence[Machine]) -> None:
    with store.machine.entered():
        if isinstance(store.server, RedisServer):
            store.server.flush()
        else:
            with psycopg.connect(store.server.url) as connection:
                connection.execute("TRUNCATE generor.limits")


def restart(net: Network, store: Store, machines: Sequence[Machine]) -> None:
    store.server.restart(immediate=True)


def cut_off(net: Network, store: Store, machines: Sequence[Machine]) -> None:
    """Cut one machine off for half a minute of its time."""
    net.cut(machines[0], store.machine)
    time.sleep(30 / SPEED)
    net.mend(machines[0], store.machine)


@pytest.mark.parametrize("fault", [flush, restart, cut_off])
def test_a_store_that_fails_costs_few_refusals_and_no_call(
    fault: Callable[[Network, Store, Sequence[Machine]], None], net: Network, store: Store, in_time: bool
) -> None:
    machines = [net.machine() for _ in range(3)]

    def meanwhile() -> None:
        time.sleep(45 / SPEED)  # in the first minute
        fault(net, store, machines)

    assert play(net, store, machines, meanwhile, in_time=in_time) <= (5 if in_time else RPM - 1)
