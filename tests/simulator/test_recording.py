"""Simulators that record their requests, and others that continue from the record."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncGeneror, AsyncLuma, Generor, Luma
from generor_async.simulator import Simulator

JOKE: dict[str, Any] = {"prompt": "a heron", "model_id": 37}
SERVE = """
import asyncio, sys
from generor_async.simulator import Simulator
async def main():
    async with Simulator(kept_in=sys.argv[1], seed=None, speed=1_000.0) as simulator:
        for told in (simulator.luma_url, simulator.luma_key, simulator.generor_url, simulator.generor_key):
            print(told, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110 - the simulator tells of it in its state alone
        await asyncio.sleep(0.01)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "simulator.jsonl"


def test_a_process_that_is_killed_has_kept_all_that_it_answered(path: Path) -> None:
    command = [sys.executable, "-c", SERVE, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        luma_url, luma_key, generor_url, generor_key = (process.stdout.readline().strip() for _ in range(4))
        with Luma(base_url=luma_url, api_key=luma_key) as luma:
            jobs = [luma.generations.create(prompt=f"heron {n}").id for n in range(3)]
        with Generor(base_url=generor_url, api_key=generor_key) as generor:
            made = generor.generators.generate("joke", **JOKE)
            balance = generor.credits.balance().total
        os.kill(process.pid, signal.SIGKILL)
    with Simulator(kept_in=path, seed=None) as simulator:
        assert (simulator.luma_key, simulator.generor_key) == (luma_key, generor_key)
        assert simulator.generor.account.wallet.total == balance
        assert [job.id for job in simulator.luma.generations.values()] == jobs
        assert [one.creation_id for one in simulator.generor.account.creations] == [made.creations[0].creation_id]
        assert sum(entry.charged > 0 for entry in simulator.ledger.requests) == 4
        with Luma(**simulator.luma_options) as luma:
            assert luma.generations.get(jobs[0]).id == jobs[0]
            assert luma.generations.create(prompt="another").id not in jobs
        with Generor(**simulator.generor_options) as generor:
            again = generor.generators.generate("joke", **JOKE).creations[0].creation_id
            assert again == made.creations[0].creation_id + 1


async def test_what_was_being_made_is_made_and_charged_later(path: Path) -> None:
    async with Simulator(kept_in=path, speed=100.0, exact_cost=True) as simulator:
        before = simulator.generor.account.wallet.total
        async with AsyncGeneror(**simulator.generor_options) as generor:
            task = asyncio.create_task(generor.generators.generate("video", prompt="a heron", model_id=20061))
            await until(lambda: simulator.generor.account.creations)
            task.cancel()
            await asyncio.wait([task])
    async with Simulator(kept_in=path, speed=10_000.0, exact_cost=True) as simulator:
        (creation,) = simulator.generor.account.creations
        await until(lambda: creation.outcome)
        charged = before - simulator.generor.account.wallet.total
        assert charged > 0
    async with Simulator(kept_in=path, exact_cost=True) as simulator:
        assert simulator.generor.account.wallet.total == before - charged
        assert simulator.generor.account.creations[0].outcome == "completed"


def test_what_else_happened_on_the_account_happens_again_in_the_same_order(path: Path) -> None:
    """A spend can't exceed the balance, so the order shows."""
    kept = Simulator(kept_in=path)
    before = [kept.change_credits(*change) for change in (("spend", 99_990), ("daily_bonus", 250))]
    with kept as simulator, Generor(**simulator.generor_options) as generor:
        generor.generators.generate("joke", **JOKE)
        after = [simulator.change_credits(*change) for change in (("spend", 1_000), ("refund", 24))]
        balance, history = generor.credits.balance().total, simulator.generor.account.transactions
    assert (before, -1_000 < after[0] < 0, balance) == ([-99_990, 250], True, 24)
    for _ in range(2):
        with Simulator(kept_in=path) as simulator:
            assert simulator.generor.account.wallet.total == balance
            assert simulator.generor.account.transactions == history


async def test_time_goes_on_from_where_it_was(path: Path) -> None:
    async with Simulator(kept_in=path, epoch=1_000_000.0) as simulator, AsyncLuma(**simulator.luma_options) as luma:
        job = await luma.generations.create(prompt="a heron")
        simulator.advance(3_600)
        assert (await luma.generations.get(job.id)).state == "completed"
    async with Simulator(kept_in=path, epoch=1_000_000.0) as simulator, AsyncLuma(**simulator.luma_options) as luma:
        assert simulator.clock.time() >= 1_003_600
        assert (await luma.generations.get(job.id)).state == "completed"


async def test_what_is_refused_changes_nothing_afterwards(path: Path) -> None:
    options: dict[str, Any] = {"kept_in": path, "luma_jobs": 2, "speed": 0.01}
    async with Simulator(**options) as simulator, AsyncLuma(**simulator.luma_options, max_retries=0) as luma:
        first = [(await luma.generations.create(prompt="a heron")).id for _ in range(2)]
    async with Simulator(**options) as simulator:
        assert [job.id for job in simulator.luma.generations.values()] == first


async def test_a_reset_forgets_what_was_kept(path: Path) -> None:
    async with Simulator(kept_in=path) as simulator, AsyncLuma(**simulator.luma_options) as luma:
        await luma.generations.create(prompt="a heron")
        simulator.reset()
    async with Simulator(kept_in=path) as simulator:
        assert not simulator.luma.generations


def test_a_line_that_was_cut_short_is_left_out(path: Path) -> None:
    with Simulator(kept_in=path) as simulator, Luma(**simulator.luma_options) as luma:
        first, _ = [luma.generations.create(prompt="a heron").id for _ in range(2)]
    os.truncate(path, path.stat().st_size - 5)
    with Simulator(kept_in=path) as simulator, Luma(**simulator.luma_options) as luma:
        assert list(simulator.luma.generations) == [first]
        luma.generations.create(prompt="another")
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_other_options_and_other_files_are_refused(path: Path) -> None:
    with Simulator(kept_in=path):
        pass
    with pytest.raises(ValueError, match="was begun with tier='pro', not 'free'"):
        Simulator(kept_in=path, tier="free")
    with pytest.raises(ValueError, match="was begun with seed=7, not 8"):
        Simulator(kept_in=path, seed=8)
    path.write_text("a shopping list\n")
    with pytest.raises(ValueError, match="is no file of the simulator's"):
        Simulator(kept_in=path)


def test_a_seed_that_is_drawn_is_another_each_time() -> None:
    simulators = [Simulator(seed=None) for _ in range(3)]
    assert len({simulator.luma_key for simulator in simulators}) == 3
    assert len({simulator.generor.state.next_creation_id for simulator in simulators}) == 3
