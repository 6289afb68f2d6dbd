"""Generor's unknown calls: how many are resolved, how many stay unknown, and whether any is charged twice.

Whole batches against the simulator, in a thread of its own, by a clock that runs fast. Of every 100 calls 15 break off:
half of them before they are charged, half after. The account is truthful, late or lossy about what it shows, and used
by nobody else, or by others as well, who generate and are given credits. What is true is what the simulator made: a row
is charged twice if there are two creations of its prompt.

    python benchmarks/bench_reconcile.py [--rows 200] [--seeds 3] [--speed 100] [--only lossy]
"""

import argparse
import asyncio
import logging
import random
import tempfile
from collections import Counter
from contextlib import suppress
from typing import Any, Final

from attrs import define, frozen

from generor_async import AsyncGeneror, GenerorAsyncError, OutcomeUnknownError, RowOutcome, run_batch
from generor_async.simulator import Simulator

GENERATE: Final = "generor.generators.generate"
BALANCE: Final = "generor.credits.balance"
CREATIONS, TRANSACTIONS = "generor.creations.list", "generor.credits.list_transactions"
JOKE: Final = 37
EVERY: Final = 20.0
"""Seconds between two things that others do, on average."""
WITHIN_THE_LAG: Final = 250
BEYOND_IT: Final = 5_000
SCENES: Final = {
    "truthful": (),
    "truthful, the balance dated two hours ahead": (f"{BALANCE}=skewed_clock:seconds=7200",),
    "truthful, the server done 10 minutes after the reset": (),
    "lagging by 250 s": tuple(f"{name}=stale_listing:seconds={WITHIN_THE_LAG}" for name in (CREATIONS, TRANSACTIONS)),
    "creations lagging by 5,000 s": (f"{CREATIONS}=stale_listing:seconds={BEYOND_IT}",),
    "lossy: 30 % of creations": (f"{CREATIONS}=lossy_listing:share=0.3",),
    "lossy: 30 % of transactions": (f"{TRANSACTIONS}=lossy_listing:share=0.3",),
    "lossy: 30 % of both": tuple(f"{name}=lossy_listing:share=0.3" for name in (CREATIONS, TRANSACTIONS)),
}
LATE: Final = "truthful, the server done 10 minutes after the reset"


@frozen
class Given:
    """What was asked for."""

    rows: int
    seeds: int
    speed: float
    only: str


@define
class Result:
    """What came of the runs of one scene."""

    doubtful: int = 0
    held: int = 0
    duplicates: int = 0
    lost: int = 0
    """Rows that are done in the batch's eyes, and were never made."""
    longest: float = 0.0
    """Seconds from the first call to the end of the run."""

    def row(self, name: str) -> str:
        """Write a line of the table."""
        settled = 100 * (1 - self.held / self.doubtful)
        return (
            f"| {name} | {self.doubtful} | {settled:.0f} % | {self.held} | {self.duplicates} | {self.lost}"
            f" | {self.longest:,.0f} |"
        )


async def use(simulator: Simulator, dice: random.Random) -> None:
    """Do what others do with an account, until cancelled."""
    account = simulator.generor.account
    options: dict[str, Any] = simulator.generor_options | {"api_key": simulator.generor.add_key(name="others")}
    async with AsyncGeneror(**options) as generor, asyncio.TaskGroup() as under_way:

        async def generate(number: int) -> None:
            with suppress(GenerorAsyncError):
                await generor.generators.generate(
                    "joke", prompt=f"other {number}", model_id=JOKE, count=dice.choice([1, 1, 2])
                )

        for number in range(1_000_000):
            await simulator.clock.sleep(dice.expovariate(1 / EVERY))
            if number % 4 == 3:
                account.wallet.free += 5
                simulator.generor.state.record(
                    account, "daily_bonus", 5, at=simulator.clock.time(), description="Daily bonus"
                )
            else:
                under_way.create_task(generate(number))


async def run_to_the_end(generor: AsyncGeneror, rows: list[dict[str, Any]], folder: str) -> list[RowOutcome]:
    """Run a batch, and again where unresolved calls have stopped it; return the outcomes that it reported."""
    told: list[RowOutcome] = []
    while True:
        with suppress(OutcomeUnknownError):
            async for _ in run_batch(generor, rows, to=folder, on_row=told.append):
                pass
            return told


async def play(scene: str, given: Given, seed: int, *, others: bool, result: Result) -> None:
    """Run one batch, and hold what it says against what is true."""
    rows = [{"slug": "joke", "prompt": f"heron {number}", "model_id": JOKE} for number in range(given.rows)]
    with Simulator(speed=given.speed, seed=seed, tier="enterprise", generor_credits=1_000_000) as simulator:
        for spec in SCENES[scene]:
            simulator.faults.add_spec(f"{spec}:seed={seed}" if "lossy" in spec else spec)
        after = "early_reset:seconds=600" if scene == LATE else "reset:after_charge"
        simulator.faults.add_spec(f"{GENERATE}={after}:0.075:seed={seed}")
        simulator.faults.add_spec(f"{GENERATE}=reset:before_charge:0.08:seed={seed + 1_000}")
        began, states = simulator.clock.time(), dict[str, str]()
        async with AsyncGeneror(**simulator.generor_options) as generor:
            using = asyncio.create_task(use(simulator, random.Random(seed))) if others else None
            with tempfile.TemporaryDirectory() as folder:
                for told in await run_to_the_end(generor, rows, folder):
                    result.doubtful += told.state == "unknown"
                    states[told.parameters["prompt"]] = told.state
            if using is not None:
                using.cancel()
                await asyncio.wait([using])
        made = Counter(creation.prompt for creation in simulator.generor.account.creations)
    result.held += sum(state == "unknown" for state in states.values())
    result.duplicates += sum(made[prompt] > 1 for prompt in states)
    result.lost += sum(state == "done" and not made[prompt] for prompt, state in states.items())
    result.longest = max(result.longest, simulator.clock.time() - began)


async def table(given: Given, *, others: bool) -> None:
    """Print what came of every scene."""
    print(f"### {given.rows} rows, {given.seeds} seeds, {'others use the account' if others else 'nobody else'}\n")
    print("| the account's listings | unknown | resolved | unresolved | charged twice | lost | longest run (s) |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for scene in SCENES:
        if given.only in scene:
            result = Result()
            for seed in range(given.seeds):
                await play(scene, given, seed, others=others, result=result)
            print(result.row(scene), flush=True)
    print()


async def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--speed", type=float, default=100.0)
    parser.add_argument("--only", default="", help="leave out scenes that have not this in their name")
    logging.disable(logging.CRITICAL)
    given = Given(**vars(parser.parse_args()))
    for others in (False, True):
        await table(given, others=others)


if __name__ == "__main__":
    asyncio.run(main())
