"""Batches whose processes are killed: no row is charged twice, and no result is lost."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.books import check, made
from support.workers import run_beside

from generor_async.simulator import Simulator

AMBIGUOUS = 0.15
"""Share of the paid calls that lose their answers."""
REFUSED = 0.1
"""Share of the paid calls that are refused for now."""
SPEED = 200.0
FAULTS = ("reset", "close", "truncate:keep=0.02")
ACCOUNT: dict[str, Any] = {
    "tier": "pro",
    "generor_credits": 1_000_000,
    "exact_cost": True,
    "luma_rpm": 600,
    "luma_jobs": 20,
    "luma_balance": 100_000.0,
}
DEFAULT_KILLS = 8


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> int:
    return int(str(pytestconfig.getoption("--kills")))


def killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], api: str, *, rows: int, **plan: Any
) -> tuple[dict[str, Any], Counter[str]]:
    """Run batches that are killed, check them, and print the figures."""
    with Simulator(speed=SPEED, **ACCOUNT) as simulator:
        for operation in ("luma.generations.create", "generor.generators.generate"):
            for before, fault in enumerate(FAULTS):  # a call meets the later ones if it is spared by those before
                share = AMBIGUOUS / len(FAULTS)
                simulator.faults.add_spec(f"{operation}={fault}:after_charge:{share / (1 - before * share)}")
            simulator.faults.add_spec(f"{operation}=429:{REFUSED}:retry_after=20")
        came: dict[str, Any] = run_beside(
            "support.batch_worker", simulator, tmp_path, api=api, speed=SPEED, rows=rows, **plan
        )
        charges = len(simulator.ledger.charges)
        assert not simulator.ledger.duplicates()
        everything = made(simulator)
    ended_as = [row.state for name in came["batches"] for row in check(tmp_path / name, rows, everything)]
    states = Counter[str](ended_as)
    with capsys.disabled():
        print(  # noqa: T201 - figures to read
            f"\n{api}: {came['kills']} kills, {sum(states.values()):,} rows, {charges:,} charges: "
            f"0 duplicates, 0 lost; {', '.join(f'{rows} {state}' for state, rows in sorted(states.items()))}"
        )
    return came, states


@pytest.mark.parametrize("api", ["luma", "generor"])
def test_killed_at_random_moments(tmp_path: Path, capsys: pytest.CaptureFixture[str], kills: int, api: str) -> None:
    came, states = killed(tmp_path, capsys, api, rows=120, kills=kills)
    assert came["kills"] == kills
    assert states["done"]


@pytest.mark.parametrize("api", ["luma", "generor"])
def test_killed_at_every_boundary_of_the_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kills: int, api: str
) -> None:
    rounds = 1 if kills <= DEFAULT_KILLS else 4
    came, states = killed(tmp_path, capsys, api, rows=120, rounds=rounds)
    steps = ("Submit", "Defer", "MarkUnknown", "Accept", "Download", "Finish")
    kinds = ("open", "write_note", "add", "add_rejects", "claim", *steps, "close")
    assert {f"{when} {kind}" for when in ("before", "after") for kind in kinds} <= set(came["died"])
    assert states["done"]
