"""A program that makes paid calls with a state until it is killed: one of several, and one of several generations.

    python -m state.killed luma | generor STATE SEED

Each prints a line when it is ready; what it makes has a context of its own, by which the server's truth is compared.
"""

import asyncio
import os
import random
import sys
from contextlib import suppress
from typing import Any

from generor_async import AsyncGeneror, AsyncLuma, Budget, GenerorAsyncError

__all__ = ["AT_ONCE", "BUDGETS", "KEYS"]

AT_ONCE = 8
"""Calls under way at a time."""
KEYS = 12
"""Every other call has one of so many idempotency keys."""
BUDGETS = [Budget(credits=1e9), Budget(credits=1e9, each_user=True), Budget(credits=1e9, group="user", every="day")]


async def luma_calls(state: str, dice: random.Random) -> None:
    """Submit jobs, and poll some of them, and those of processes that were killed."""
    async with AsyncLuma(state=state, budgets=BUDGETS) as luma:

        async def take_up() -> None:
            async for job in luma.jobs.unfinished():
                await job.refresh()

        async def work(number: int) -> None:
            while True:
                name = f"{os.getpid()}.{number}.{dice.random()}"
                options: dict[str, Any] = {"context": name, "user": f"user {number}"}
                if number % 2:
                    name = options["idempotency_key"] = f"key {dice.randrange(KEYS)}"
                generations = luma.with_options(**options).generations
                with suppress(GenerorAsyncError):
                    job = await generations.submit(prompt=f"heron {name}")
                    if dice.random() < 0.5:
                        await job.refresh()

        print("ready", flush=True)  # noqa: T201 - the test waits for it
        await asyncio.gather(take_up(), *(work(number) for number in range(AT_ONCE)))


async def generor_calls(state: str, dice: random.Random) -> None:
    """Generate jokes."""
    async with AsyncGeneror(state=state) as generor:

        async def work(number: int) -> None:
            while True:
                name = f"{os.getpid()}.{number}.{dice.random()}"
                options: dict[str, Any] = {"context": name}
                if number % 2:
                    name = options["idempotency_key"] = f"key {dice.randrange(KEYS)}"
                generators = generor.with_options(**options).generators
                with suppress(GenerorAsyncError):
                    await generators.generate("joke", prompt=f"heron {name}", model_id=37)

        print("ready", flush=True)  # noqa: T201 - the test waits for it
        await asyncio.gather(*(work(number) for number in range(AT_ONCE)))


if __name__ == "__main__":
    api, place, seed = sys.argv[1:]
    asyncio.run({"luma": luma_calls, "generor": generor_calls}[api](place, random.Random(int(seed))))
