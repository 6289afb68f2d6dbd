"""A client on a machine of its own, which makes calls within limits that other machines share.

    python -m support.caller ORDER    (JSON: see `Order`)

Prints a line when it has started, makes its calls once it reads one, and prints how many succeeded and the errors.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

from attrs import define, frozen

from generor_async import AsyncLuma, GenerorAsyncError, Limits

__all__ = ["MachineClock", "Order"]


@frozen(kw_only=True)
class Order:
    """What to do."""

    base_url: str
    key: str
    store: str
    calls: int
    speed: float
    """How many of the client's seconds pass in one of the machine's."""
    begun: float
    """When the test began, by the test's clock."""
    rpm: int | None = None
    jobs: int | None = None


@define
class MachineClock:
    """The machine's clock, sped up: unlike `FastClock`, its time of day is the one that somebody may have set."""

    speed: float
    begun: float

    def monotonic(self) -> float:
        return time.monotonic() * self.speed

    def time(self) -> float:
        return self.begun + (time.time() - self.begun) * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


async def call(order: Order) -> None:
    """Make the calls, and print what they come to."""
    limits = Limits(store=order.store, rpm=order.rpm, jobs=order.jobs)
    clock = MachineClock(order.speed, order.begun)
    options: dict[str, Any] = {"limits": limits, "clock": clock, "timeout": 3_000, "allow_insecure": True}
    async with AsyncLuma(order.key, base_url=order.base_url, **options) as luma:
        print("started", flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.readline)
        calls = [luma.generations.create(prompt=f"heron {number}") for number in range(order.calls)]
        results = await asyncio.gather(*calls, return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    for error in failed:
        if not isinstance(error, GenerorAsyncError):
            raise error
    print(json.dumps({"done": order.calls - len(failed), "errors": Counter(map(repr, failed))}), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(call(Order(**json.loads(sys.argv[1]))))
