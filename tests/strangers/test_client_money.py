"""Batches under a cap, on accounts whose transactions name nothing: what they spend, and what they say of it."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.examples import runs

from generor_async import run_batch
from strangers import GenerorWorld, StrangerServer
from strangers.clients import TRAVEL, generor_of, virtual
from strangers.worlds import Event

IMAGE, PRICE = 10003, 6
KINDS = ("spend", "daily_bonus", "purchase", "refund", "gift_sent", "gift_received")


def pictures(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"heron {number}", "slug": "image", "model_id": IMAGE} for number in range(count)]


async def check(folder: Path, world: GenerorWorld, *, cap: int, concurrency: int, rows: int = 80) -> None:
    """Run a batch, and hold the server's books against the cap, and against what is told."""
    async with StrangerServer(generor=world, **TRAVEL) as server, generor_of(server) as generor:
        batch = run_batch(generor, pictures(rows), to=folder, max_credits=cap, concurrency=concurrency)
        async for _ in batch:
            assert batch.progress is not None
            assert batch.progress.spent >= 0
        charged = sum(charge.credits for charge in server.charges)
        assert charged <= cap + concurrency * PRICE * world.cost_factor
        assert charged >= min(0.8 * cap - PRICE * world.cost_factor, rows * PRICE)
        assert batch.progress is not None
        assert batch.progress.spent == (await batch.status()).spent == pytest.approx(charged, rel=0.05)


@virtual
@pytest.mark.parametrize("bonus", [250, 10_000])
async def test_a_bonus_during_the_run_does_not_raise_the_cap(tmp_path: Path, bonus: int) -> None:
    world = GenerorWorld(balance=100_000, cost_told="difference", events=(Event(60.0, "daily_bonus", bonus),))
    await check(tmp_path, world, cap=150, concurrency=4)


@virtual
@pytest.mark.parametrize("told", ["difference", "nothing"])
async def test_a_foreign_spend_during_the_first_call_is_not_taken_for_its_price(tmp_path: Path, told: Any) -> None:
    world = GenerorWorld(balance=100_000, cost_told=told, events=(Event(8.0, "spend", 500),))
    await check(tmp_path, world, cap=300, concurrency=4)


@virtual
@pytest.mark.parametrize("told", ["difference", "nothing"])
async def test_an_estimate_that_is_a_quarter_of_the_charge_is_found_out(tmp_path: Path, told: Any) -> None:
    await check(tmp_path, GenerorWorld(balance=100_000, cost_told=told, cost_factor=4.0), cap=600, concurrency=4)


@virtual
@pytest.mark.parametrize("seed", range(runs(5)))
async def test_with_any_events_on_the_account_the_cap_holds_and_figures_are_right(tmp_path: Path, seed: int) -> None:
    dice = Random(seed)  # to be repeated
    world = GenerorWorld(
        tier="pro",
        balance=100_000,
        cost_told=dice.choice(["difference", "difference", "own", "nothing"]),
        cost_factor=dice.choice([1.0, 1.0, 4.0]),
        charged_at=dice.choice(["start", "end"]),
        events=tuple(
            Event(dice.uniform(0.0, 600.0), dice.choice(KINDS), round(10 ** dice.uniform(0, 4)))
            for _ in range(dice.randrange(1, 13))
        ),
    )
    concurrency = dice.randint(1, 8)
    cap = round(world.cost_factor * dice.randint(150, 400))
    await check(tmp_path, world, cap=cap, concurrency=concurrency)
