"""A failover to a standby that lacks the last commits: the run stops, goes on by command, and buys nothing twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import evolve
from support.books import made
from support.fleets import PLACES, Fleet, Site, fleet, running_site
from support.machines import Machine, Network
from support.servers import PostgresServer
from support.shift import Order

SPEED: Final = 20.0
LEASE: Final = 2.0
ROWS: Final = 120
LOST: Final = 20
"""Calls that are charged at least while the standby hears nothing of them."""
PATIENCE: Final = 120.0


@pytest.fixture
def pair(net: Network, tmp_path: Path) -> Iterator[tuple[Site, PostgresServer, Machine]]:
    """A site whose URL names a primary and its standby; the standby, and its machine."""
    with running_site(net, tmp_path, speed=SPEED, lease=LEASE, luma_rpm=2_400) as running:
        elsewhere = net.machine()
        with elsewhere.standby(running.postgres, tmp_path) as standby:
            primary = running.postgres
            hosts = f"{primary.host}:{primary.port},{standby.host}:{standby.port}"
            url = f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"
            yield evolve(running, url=url), standby, elsewhere


def command(machine: Machine, order: Order, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `generor batch` on a machine, in the time of the workers."""
    epoch = order.begun + (time.time() - order.begun - time.monotonic()) * SPEED
    given = [sys.executable, "-m", "support.fast_command", str(SPEED), str(epoch), "batch", *arguments]
    env = {**os.environ, "PYTHONPATH": PLACES, "GENEROR_DATABASE_URL": order.to}
    with machine.start(given, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def charges(site: Site) -> int:
    return len(site.simulator.ledger.charges)


def fail_over(team: Fleet, standby: PostgresServer, elsewhere: Machine) -> None:
    """Have the primary die with its last commits, and a worker with it, and make the standby the primary."""
    site = team.site
    team.until(lambda: charges(site) > LOST)
    site.net.cut(site.store, elsewhere)
    before = charges(site)
    team.until(lambda: charges(site) >= before + LOST)
    team.workers[0].signal(signal.SIGKILL)
    site.postgres.kill()
    site.net.mend(site.store, elsewhere)
    with elsewhere.entered():
        standby.promote()


def ended(team: Fleet) -> bool:
    return all(worker.process is not None and worker.process.poll() is not None for worker in team.workers)


@pytest.mark.parametrize("api", ["luma", "generor"])
def test_a_failover_stops_the_run_until_somebody_goes_on(
    api: str, pair: tuple[Site, PostgresServer, Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    site, standby, elsewhere = pair
    order = site.order("herons", api)
    machines = [site.net.machine() for _ in range(3)]
    site.submit(machines[0], order, ROWS)
    with fleet(site, machines, order) as team:
        fail_over(team, standby, elsewhere)
        until = time.monotonic() + PATIENCE
        while not ended(team):
            assert time.monotonic() < until, team.log.read_text()
            time.sleep(0.05)
        told = team.log.read_text()
        assert told.count("DatabaseChangedError") == 2, told
        assert "Paid for and not stored" not in told
    bought = charges(site)
    assert command(machines[0], order, "status", "--name", "herons", "--check").returncode == 5
    status = command(machines[0], order, "status", "--name", "herons", "--json")
    assert json.loads(status.stdout)["reason"] == "database", status
    resumed = command(machines[0], order, "resume", "--name", "herons", "--after-failover")
    assert resumed.returncode == 0, resumed
    assert charges(site) == bought
    before = site.states("herons")
    with fleet(site, machines, order) as team:
        team.finish()
    states = check(site, "herons")
    if api == "generor":
        assert states == {"done": ROWS}, "the account shows what was bought"
    with capsys.disabled():
        print(f"\n{api}: {bought} of {ROWS} bought at the failover; then {dict(before)}; in the end {dict(states)}")  # noqa: T201


def check(site: Site, name: str) -> Counter[str]:
    """Hold the rows against what the server made: nothing was charged twice, and no charge is nobody's."""
    everything: Any = made(site.simulator)
    rows = {str(row.parameters["prompt"]): row for row in site.rows(name)}
    assert len(rows) == ROWS
    for prompt, row in rows.items():
        assert len(everything.get(prompt, [])) <= 1, f"{prompt} was charged twice"
        assert row.state in {"done", "unknown"}, (row, (site.folder / "herons.log").read_text())
        if row.state == "done":
            assert list(row.remote_ids) == everything[prompt]
    assert everything.keys() <= rows.keys()
    assert not site.simulator.ledger.duplicates()
    return Counter(row.state for row in rows.values())
