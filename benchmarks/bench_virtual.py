"""A day of jobs in virtual time: our client over real loopback sockets against the simulator, in one event loop.

Jobs arrive at random over the day; each is submitted, and polled in the documented intervals until it is completed.
Nothing is downloaded. What is taken is the real time of it all, simulator and
client made and closed; the median of rounds.

    python benchmarks/bench_virtual.py [--jobs 1000] [--hours 24] [--rounds 3]
"""

import argparse
import asyncio
import statistics
import time
from random import Random

from attrs import frozen

from generor_async import AsyncLuma
from generor_async.simulator import Simulator
from generor_async.testing import run

SEED = 7


@frozen
class Day:
    """What a day came to."""

    requests: int
    charges: int
    virtual_seconds: float
    real_seconds: float = 0.0


async def day(jobs: int, hours: float) -> Day:
    """Run so many jobs over so many hours."""
    dice = Random(SEED)

    async def job(luma: AsyncLuma, number: int, arrival: float) -> None:
        await asyncio.sleep(arrival)
        await luma.generations.run(prompt=f"Job {number}")

    async with Simulator(seed=SEED) as simulator, AsyncLuma(**simulator.luma_options) as luma:
        arrivals = (dice.uniform(0, hours * 3600) for _ in range(jobs))
        await asyncio.gather(*(job(luma, number, arrival) for number, arrival in enumerate(arrivals)))
        ledger = simulator.ledger
        assert not ledger.duplicates()
        return Day(len(ledger.requests), len(ledger.charges), asyncio.get_running_loop().time())


def measured(jobs: int, hours: float) -> Day:
    """Take the real time of a day."""
    began = time.perf_counter()
    result = run(day(jobs, hours))
    return Day(result.requests, result.charges, result.virtual_seconds, time.perf_counter() - began)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    days = [measured(options.jobs, options.hours) for _ in range(options.rounds)]
    seconds = statistics.median(one.real_seconds for one in days)
    one = days[0]
    print("| jobs paid | requests | virtual hours | real seconds | ms a request | times as fast as life |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {one.charges} | {one.requests:,} | {one.virtual_seconds / 3600:.1f} | {seconds:.2f} "
        f"| {seconds / one.requests * 1000:.2f} | {one.virtual_seconds / seconds:,.0f} |"
    )


if __name__ == "__main__":
    main()
