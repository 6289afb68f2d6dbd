"""Batches whose processes are killed: no row is charged twice, no result is lost, and nothing is forgotten."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

import generor_async
from generor_async.batch.journal import Row
from generor_async.batch.sqlite import open_reader
from generor_async.simulator import Simulator

AMBIGUOUS = 0.15
"""How many of the paid calls lose their answers."""
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
DEFAULT_KILLS = 20


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> int:
    return int(str(pytestconfig.getoption("--kills")))


def made(simulator: Simulator) -> dict[str, list[str]]:
    """Return the ids of what was made of each prompt, in either API."""
    found = defaultdict[str, list[str]](list)
    for job in simulator.luma.generations.values():
        found[job.request.prompt].append(job.id)
    for creation in simulator.generor.account.creations:
        found[creation.prompt].append(str(creation.creation_id))
    return found


def rows_of(folder: Path) -> list[Row]:
    async def look() -> list[Row]:
        reader = await open_reader(folder)
        try:
            return [row async for row in reader.rows()]
        finally:
            await reader.close()

    return asyncio.run(look())


def check(folder: Path, count: int, everything: dict[str, list[str]]) -> Counter[str]:
    """Hold a batch that has ended against what the server made, and count its rows' states."""
    rows = rows_of(folder)
    assert len(rows) == count
    told = {line["id"]: line for line in map(json.loads, (folder / "results.jsonl").read_text().splitlines())}
    for row in rows:
        prompt = str(row.parameters["prompt"])
        ids = everything.get(prompt, [])
        assert len(ids) <= 1, f"{prompt} was charged {len(ids)} times"
        if row.state == "done":
            assert list(row.remote_ids) == ids == told[row.id]["remote_ids"]
            assert told[row.id]["files"]
            assert all((folder / name).stat().st_size for name in told[row.id]["files"])
        elif row.state == "failed":
            assert "[[moderate]]" in prompt
        else:
            problem: Any = row.problem
            assert (row.state, problem["error"]) == ("unknown", "OutcomeUnknownError")
            assert problem["message"]
    states = Counter[str](row.state for row in rows)
    assert len(told) == states["done"]
    return states


def killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], api: str, *, rows: int, **plan: Any
) -> tuple[dict[str, Any], Counter[str]]:
    """Run batches that are killed, check them, and show the figures."""
    with Simulator(speed=SPEED, **ACCOUNT) as simulator:
        for operation in ("luma.generations.create", "generor.generators.generate"):
            for before, fault in enumerate(FAULTS):  # a call meets the later ones if it is spared by those before
                share = AMBIGUOUS / len(FAULTS)
                simulator.faults.add_spec(f"{operation}={fault}:after_charge:{share / (1 - before * share)}")
        luma = api == "luma"
        order = {
            "api": api,
            "base_url": simulator.luma_url if luma else simulator.generor_url,
            "key": simulator.luma_key if luma else simulator.generor_key,
            "speed": SPEED,
            "epoch": simulator.clock.time() - time.monotonic() * SPEED,
            "folder": str(tmp_path),
            "rows": rows,
            **plan,
        }
        places = [Path(generor_async.__file__).parents[1], Path(__file__).parents[1]]
        ended = subprocess.run(
            [sys.executable, "-m", "support.batch_worker", json.dumps(order)],
            env={**os.environ, "PYTHONPATH": ":".join(map(str, places))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        charges = len(simulator.ledger.charges)
        assert not simulator.ledger.duplicates()
        everything = made(simulator)
    came: dict[str, Any] = json.loads(ended.stdout)
    states = sum((check(tmp_path / name, rows, everything) for name in came["batches"]), Counter[str]())
    with capsys.disabled():
        print(  # noqa: T201 - figures to read
            f"\n{api}: {came['kills']} kills, {sum(states.values()):,} rows, {charges:,} charges: "
            f"0 duplicates, 0 lost; {', '.join(f'{rows} {state}' for state, rows in sorted(states.items()))}"
        )
    return came, states


@pytest.mark.parametrize("api", ["luma", "generor"])
def test_killed_at_random_moments(tmp_path: Path, capsys: pytest.CaptureFixture[str], kills: int, api: str) -> None:
    came, states = killed(tmp_path, capsys, api, rows=240, kills=kills)
    assert came["kills"] == kills
    assert states["done"]


@pytest.mark.parametrize("api", ["luma", "generor"])
def test_killed_at_every_boundary_of_the_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kills: int, api: str
) -> None:
    rounds = 1 if kills <= DEFAULT_KILLS else 4
    came, states = killed(tmp_path, capsys, api, rows=120, rounds=rounds)
    kinds = ["open", "remember", "add", "reject", "claim", "Submit", "Doubt", "Accept", "Download", "Finish", "close"]
    assert {f"{when} {kind}" for when in ("before", "after") for kind in kinds} <= set(came["died"])
    assert states["done"]
