"""Machines that work on one run, and what befalls them: nothing is charged twice, and nothing paid is lost."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

import pytest
from support.fleets import Fleet, Site, Worker, fleet, running_site
from support.machines import Machine, Network
from support.shift import Order
from support.takeovers import Takeovers

SPEED: Final = 20.0
LEASE: Final = 2.0
ROWS: Final = 60
LOST: Final = 0.15
"""Share of the paid calls whose answers are lost."""
PAID: Final = {"luma": "luma.generations.create", "generor": "generor.generators.generate"}
Fault: TypeAlias = Callable[[Fleet, Worker], None]


def kill(team: Fleet, worker: Worker) -> None:
    worker.signal(signal.SIGKILL)


def freeze(team: Fleet, worker: Worker) -> None:
    """Stop a process for longer than its lease, and let it go on."""
    worker.signal(signal.SIGSTOP)
    wait(team, 1.5 * LEASE)
    worker.signal(signal.SIGCONT)


def restart_database(team: Fleet, worker: Worker) -> None:
    team.site.postgres.restart(immediate=True)


def cut_from(place: str) -> Fault:
    """Cut a machine off from a server, for longer than its lease."""

    def cut(team: Fleet, worker: Worker) -> None:
        server = getattr(team.site, place)
        team.site.net.cut(worker.machine, server)
        wait(team, 1.5 * LEASE)
        team.site.net.mend(worker.machine, server)

    return cut


def lose_answers_of(place: str) -> Fault:
    """Let what a machine sends to a server arrive, and no answer come back."""

    def cut(team: Fleet, worker: Worker) -> None:
        server = getattr(team.site, place)
        team.site.net.cut_answers(worker.machine, server)
        wait(team, 1.5 * LEASE)
        team.site.net.mend(worker.machine, server)

    return cut


def flush_limits(team: Fleet, worker: Worker) -> None:
    with team.site.cache.entered():
        team.site.redis.flush()


def restart_limits(team: Fleet, worker: Worker) -> None:
    team.site.redis.restart(immediate=True)


FAULTS: Final[Mapping[str, tuple[Fault, int]]] = {
    "kill -9": (kill, 200),
    "SIGSTOP beyond the lease": (freeze, 50),
    "database restarted, immediately": (restart_database, 20),
    "cut off from the database": (cut_from("store"), 20),
    "cut off from the API": (cut_from("api"), 20),
    "cut off from the limits": (cut_from("cache"), 20),
    "answers of the database lost": (lose_answers_of("store"), 20),
    "FLUSHALL": (flush_limits, 20),
    "limits restarted": (restart_limits, 20),
}
"""Each fault, and how often it happens in the whole table."""
AWAY: Final = frozenset({"SIGSTOP beyond the lease", "cut off from the database", "answers of the database lost"})
"""Faults of one worker in which it isn't there for the others."""
FOR_ALL: Final = frozenset({"database restarted, immediately", "FLUSHALL", "limits restarted"})
"""Faults of all workers."""


def wait(team: Fleet, seconds: float) -> None:
    until = time.monotonic() + seconds
    team.until(lambda: time.monotonic() >= until)


@pytest.fixture
def site(net: Network, tmp_path: Path) -> Iterator[Site]:
    with running_site(net, tmp_path, speed=SPEED, lease=LEASE) as running:
        for operation in PAID.values():
            running.simulator.faults.add_spec(f"{operation}=reset:after_charge:{LOST}")
        yield running


def chosen(config: pytest.Config, api: str) -> list[str]:
    """Return the faults that are to happen: the whole table, or of each kind one, with either API."""
    if config.getoption("--faults") == "all":
        return [name for name, (_, count) in FAULTS.items() for _ in range(count)]
    return list(FAULTS)[list(PAID).index(api) :: len(PAID)]


@pytest.mark.parametrize("api", PAID)
def test_nothing_is_charged_twice_and_nothing_is_lost(
    api: str, site: Site, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    dice, states, runs, takeovers = Random(api), Counter[str](), list[str](), Takeovers()
    machines = [site.net.machine() for _ in range(3)]
    left = chosen(pytestconfig, api)
    happened = Counter(left)
    dice.shuffle(left)
    while left:
        runs.append(f"{api}-{len(runs)}")
        states += survive(site, machines, site.order(runs[-1], api), left, dice, takeovers)
    money = site.check_money(runs, api)
    with capsys.disabled():
        print(f"\n{api}: {dict(happened)}; {len(runs)} runs, {dict(states)}; {money}: 0 duplicates, 0 lost")  # noqa: T201
        print(f"rows waited for somebody who was there: {takeovers}; the lease is {LEASE} s")  # noqa: T201
    if pytestconfig.getoption("--faults") == "all":
        assert max(takeovers.longest.values()) <= 2 * LEASE, takeovers


def survive(
    site: Site, machines: list[Machine], order: Order, left: list[str], dice: Random, takeovers: Takeovers
) -> Counter[str]:
    """Run some rows through, with what befalls the machines meanwhile; return the rows by state."""
    site.submit(machines[0], order, ROWS)
    with fleet(site, machines, order) as team, takeovers.watching(team):
        team.until(lambda: any(team.counts()))
        while left and team.counts()[1] < ROWS:
            wait(team, dice.uniform(0.1, 0.6))
            fault, worker = left.pop(), dice.choice(team.workers)
            befallen = team.workers if fault in FOR_ALL else [worker]
            with takeovers.befalling(fault, befallen, away=fault in AWAY):
                FAULTS[fault][0](team, worker)
        team.finish()
    return site.check(order.name, ROWS)
