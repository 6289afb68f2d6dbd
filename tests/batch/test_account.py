"""What batches spend and report while other events happen on the account."""

import asyncio
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from attrs import frozen
from support.examples import runs

from generor_async import AsyncGeneror
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import Status, read_status, report
from generor_async.simulator import Simulator
from generor_async.testing import run

PRICE = 24
"""Charge of a picture that is estimated at 6, as in the documentation's example."""
KINDS = ("spend", "daily_bonus", "purchase", "refund", "gift_sent", "gift_received")


def pictures(count: int) -> list[dict[str, Any]]:
    return [{"slug": "image", "prompt": f"heron {number}", "model_id": 10003} for number in range(count)]


@frozen(kw_only=True)
class Figures:
    """The figures of a batch."""

    charged: int
    """By the server's ledger."""
    spent: list[float]
    """The batch's own figures, as each row ended, and last at its end."""
    outcomes: list[RowOutcome]
    status: Status


def play(folder: Path, events: list[tuple[float, str, int]], *, rows: int = 60, **options: Any) -> Figures:
    """Run a batch while events happen, each so many seconds after its start."""
    simulated = {name: options.pop(name) for name in ("listing_lag", "exact_cost", "seed") if name in options}

    async def happen(simulator: Simulator) -> None:
        now = 0.0
        for when, kind, amount in sorted(events):
            await asyncio.sleep(when - now)
            now = when
            simulator.change_credits(kind, amount)

    async def main() -> Figures:
        async with (
            Simulator(tier="pro", **simulated) as simulator,
            AsyncGeneror(**simulator.generor_options) as generor,
        ):
            happening = asyncio.create_task(happen(simulator))
            batch = run_batch(generor, pictures(rows), to=folder, **options)
            outcomes, spent = await watched(batch)
            happening.cancel()
            charged = sum(entry.charged for entry in simulator.ledger.charges)
            return Figures(charged=int(charged), spent=spent, outcomes=outcomes, status=await read_status(folder))

    return run(main())


async def watched(batch: Batch) -> tuple[list[RowOutcome], list[float]]:
    outcomes, spent = list[RowOutcome](), list[float]()
    async for outcome in batch:
        outcomes.append(outcome)
        assert batch.progress is not None
        spent.append(batch.progress.spent)
    assert batch.progress is not None
    return outcomes, [*spent, batch.progress.spent]


def check(figures: Figures, folder: Path, *, cap: int, concurrency: int) -> None:
    """Check the server's ledger against the cap and against every reported figure."""
    assert figures.charged <= cap + concurrency * PRICE
    assert figures.charged >= 0.8 * cap - PRICE
    assert min(figures.spent) >= 0
    assert figures.spent[-1] == figures.status.spent == pytest.approx(figures.charged, rel=0.05)
    page = asyncio.run(report(folder)).read_text()
    costs = [float(cost) for cost in re.findall(r'data-cost="([^"]*)"', page)]
    assert sum(costs) == pytest.approx(figures.status.spent + figures.status.doubtful)


@pytest.mark.parametrize("bonus", [250, 10_000])
def test_a_bonus_during_the_run_does_not_raise_the_cap(tmp_path: Path, bonus: int) -> None:
    figures = play(tmp_path, [(120.0, "daily_bonus", bonus)], max_credits=600, concurrency=4)
    check(figures, tmp_path, cap=600, concurrency=4)
    assert figures.charged <= 600


@pytest.mark.parametrize("lag", [0.0, 300.0])
def test_a_foreign_spend_during_the_first_call_is_not_taken_for_its_price(tmp_path: Path, lag: float) -> None:
    figures = play(tmp_path, [(5.0, "spend", 500)], max_credits=600, concurrency=4, listing_lag=lag)
    check(figures, tmp_path, cap=600, concurrency=4)
    assert figures.charged <= 600


def test_figures_are_right_without_a_cap(tmp_path: Path) -> None:
    events = [(20.0, "spend", 500), (60.0, "purchase", 10_000), (61.0, "refund", 24)]
    figures = play(tmp_path, events, rows=30)
    assert figures.spent[-1] == figures.status.spent == figures.charged == 30 * PRICE
    assert figures.status.estimated == 30 * 6


def drawn(seed: int) -> dict[str, Any]:
    """Draw events on an account, and how late transactions are listed."""
    dice = Random(seed)  # to be repeated
    return {
        "seed": seed,
        "events": [
            (dice.uniform(0.0, 400.0), dice.choice(KINDS), round(10 ** dice.uniform(0, 4)))
            for _ in range(dice.randrange(1, 13))
        ],
        "max_credits": dice.randint(500, 1_300),
        "concurrency": dice.randint(1, 8),
        "listing_lag": dice.choice([0.0, 0.0, 5.0, 60.0]),
    }


@pytest.mark.parametrize("seed", range(runs(3)))
def test_with_any_events_on_the_account_the_cap_holds_and_figures_are_right(tmp_path: Path, seed: int) -> None:
    world = drawn(seed)
    figures = play(tmp_path, **world)
    check(figures, tmp_path, cap=world["max_credits"], concurrency=world["concurrency"])
