"""What a worker leaves that is gone is taken over by the others within two leases, by itself."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from support.fleets import Fleet, Site, Worker, fleet, running_site
from support.machines import Network

SPEED: Final = 20.0
LEASE: Final = 3.0
ROWS: Final = 40
LEFT: Final = """
    SELECT count(*) FROM generor.calls JOIN generor.owners USING (owner)
    WHERE process LIKE %s AND state NOT IN ('ready', 'done', 'failed', 'unknown')
"""


@pytest.fixture
def site(net: Network, tmp_path: Path) -> Iterator[Site]:
    with running_site(net, tmp_path, speed=SPEED, lease=LEASE) as running:
        yield running


def kill(team: Fleet, worker: Worker) -> None:
    worker.signal(signal.SIGKILL)


def stand_still(team: Fleet, worker: Worker) -> None:
    worker.signal(signal.SIGSTOP)


def cut_off(team: Fleet, worker: Worker) -> None:
    team.site.net.cut(worker.machine, team.site.store)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have each happen with either API, or once."""
    each = [(kill, "luma"), (stand_still, "generor"), (cut_off, "luma")]
    all_of_them = [(leave, api) for leave in (kill, stand_still, cut_off) for api in ("luma", "generor")]
    metafunc.parametrize(("leave", "api"), all_of_them if metafunc.config.getoption("--faults") == "all" else each)


def test_rows_of_a_worker_that_is_gone_are_taken_over_within_two_leases(
    leave: Callable[[Fleet, Worker], None],
    api: str,
    site: Site,
    pytestconfig: pytest.Config,
    capsys: pytest.CaptureFixture[str],
) -> None:
    order = site.order("herons", api)
    machines = [site.net.machine() for _ in range(2)]
    site.submit(machines[0], order, ROWS)
    with fleet(site, machines, order) as team:
        gone, _ = team.workers
        assert gone.process is not None
        process = f"%:{gone.process.pid}"
        team.until(lambda: site.count(LEFT, process) > 4)
        begun = time.monotonic()
        leave(team, gone)
        team.until(lambda: site.count(LEFT, process) == 0)
        seconds = time.monotonic() - begun
        gone.signal(signal.SIGCONT)
        site.net.mend(gone.machine, site.store)
        team.finish()
    states = site.check("herons", ROWS)
    site.check_money(["herons"], api)
    with capsys.disabled():
        print(f"\n{api}, {leave.__name__}: {seconds:.1f} s for a lease of {LEASE:.0f} s; {dict(states)}")  # noqa: T201
    if pytestconfig.getoption("--faults") == "all":  # a busy machine takes longer
        assert seconds <= 2 * LEASE
