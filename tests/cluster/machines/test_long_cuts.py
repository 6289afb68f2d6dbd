"""A database that all workers are cut off from for half a minute: nothing is bought meanwhile, and nothing is lost."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from support.fleets import Site, fleet, running_site
from support.machines import Network

SPEED: Final = 20.0
ROWS: Final = 400
CUT: Final = 30.0
"""Seconds."""
ANSWERED: Final = 3.0
"""Seconds after which calls that were sent before the cut are charged."""


@pytest.fixture(params=[2.0, 60.0], ids=["leases end", "leases last"])
def site(net: Network, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    with running_site(net, tmp_path, speed=SPEED, lease=request.param, luma_rpm=1_200) as running:
        yield running


def charges(site: Site) -> int:
    return len(site.simulator.ledger.charges)


@pytest.mark.parametrize("api", ["luma", "generor"])
def test_a_cut_of_half_a_minute_stops_charges_and_loses_nothing(
    api: str, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    order = site.order("herons", api)
    machines = [site.net.machine() for _ in range(2)]
    site.submit(machines[0], order, ROWS)
    with fleet(site, machines, order) as team:
        team.until(lambda: charges(site) > ROWS / 10)
        begun = [worker.process for worker in team.workers]
        for machine in machines:
            site.net.cut(machine, site.store)
        time.sleep(ANSWERED)
        before = charges(site)
        time.sleep(CUT - ANSWERED)
        assert charges(site) == before < ROWS, "nothing is bought while no intent can be written"
        for machine in machines:
            site.net.mend(machine, site.store)
        mended = time.monotonic()
        team.until(lambda: charges(site) > before)
        seconds = time.monotonic() - mended
        team.finish()
        assert [worker.process for worker in team.workers] == begun, "they went on by themselves"
    states = site.check("herons", ROWS)
    assert states == {"done": ROWS}
    money = site.check_money(["herons"], api)
    with capsys.disabled():
        print(f"\n{api}: cut for {CUT:.0f} s, bought on {seconds:.1f} s after; {dict(states)}; {money}")  # noqa: T201
