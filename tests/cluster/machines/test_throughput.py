"""A limit is used up by one worker as by eight: rows go at the pace of the key, not of the machines."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from support.fleets import Site, fleet, running_site
from support.machines import Network

SPEED: Final = 3.0
RPM: Final = 300
ROWS: Final = 1_200
LEAST: Final = 0.97
"""Of what the limit allows."""


@pytest.fixture
def site(net: Network, tmp_path: Path) -> Iterator[Site]:
    with running_site(net, tmp_path, speed=SPEED, lease=10.0, luma_rpm=RPM, luma_jobs=RPM) as running:
        yield running


@pytest.mark.parametrize("count", [1, 8])
def test_workers_use_the_whole_limit(count: int, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    order = site.order("herons", "luma")
    machines = [site.net.machine() for _ in range(count)]
    site.submit(machines[0], order, ROWS)
    with fleet(site, machines, order) as team:
        team.finish(1_000)
    assert site.check("herons", ROWS) == {"done": ROWS}
    charged = sorted(entry.at for entry in site.simulator.ledger.charges)
    refused = sum(entry.status == 429 for entry in site.simulator.ledger.requests)
    share = ROWS / RPM * 60 / (charged[-1] - charged[0])
    minutes = Counter(int((at - charged[0]) // 60) for at in charged)
    with capsys.disabled():
        print(f"\n{count} workers: {share:.1%} of {RPM} a minute: {[*minutes.values()]}; {refused} refused")  # noqa: T201
    assert share >= LEAST
