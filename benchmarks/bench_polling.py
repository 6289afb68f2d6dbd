"""Polls per job against the delay until its end is seen: ours compared with fixed intervals and growing backoff.

Jobs arrive one a second; how long each takes is drawn before, the same for all contenders. All of them talk to a
loopback server over real sockets, in virtual time. A schedule is measured by the product of polls per job and mean
lag: for a fixed interval it is about half the mean duration, whatever the interval.

Then the first jobs of a process, of whose kind no duration has been learned: one alone, and ten at once. Beside them
stands the same client with a model of which it knows no prior: it polls after 2, 3, then every 5 s, until the first job
has ended. Durations are the quantiles of a lognormal distribution, around what was measured; at last around a fourth of
that and four times that, so that the prior is wrong.

Then 10,000 jobs wait at once, against a server in a process of its own: what each of them takes in memory beyond its
task, and how many polls a second one core can do.

    python benchmarks/bench_polling.py [--jobs 500] [--first 60] [--waiting 10000] [--seconds 10]
"""

import argparse
import asyncio
import gc
import math
import multiprocessing
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, repeat
from random import Random
from statistics import NormalDist
from typing import Final, TypeAlias
from uuid import UUID

from attrs import define, field, frozen
from raw import KEY, generation, message, serve, start
from stage import LoopClock

from generor_async import AsyncLuma, Event, Job, JobPolled
from generor_async.testing import run

SEED = 5


@define
class Service:
    """A server of jobs that end when they are told to."""

    durations: Iterator[float]
    now: Callable[[], float]
    model: str = "uni-1"
    kind: str = "image"
    ends: dict[str, float] = field(factory=dict[str, float])
    polls: int = 0

    def answer(self, head: bytes, _: str) -> bytes:
        """Answer a request by its first line."""
        method, target, _ = head.decode().split(" ", 2)
        if method == "POST":
            job_id = str(UUID(int=len(self.ends) + 1))
            self.ends[job_id] = self.now() + next(self.durations)
            return message("201 Created", self.shown(job_id, "queued"))
        self.polls += 1
        job_id = target.rpartition("/")[2]
        return message("200 OK", self.shown(job_id, "completed" if self.now() >= self.ends[job_id] else "processing"))

    def shown(self, job_id: str, state: str) -> dict[str, object]:
        """Show a job as it stands."""
        return {**generation(job_id, state), "model": self.model, "type": self.kind}


Contender: TypeAlias = Callable[[AsyncLuma], Awaitable[str]]
"""Submits one job, waits for its end, and returns its id."""


async def ours(luma: AsyncLuma) -> str:
    """What this package does."""
    return (await luma.generations.run(prompt="A heron")).id


def polling(intervals: Callable[[], Iterator[float]]) -> Contender:
    """Make a loop that polls a job at given intervals, on the same client."""

    async def poll(luma: AsyncLuma) -> str:
        generation = await luma.generations.create(prompt="A heron")
        for seconds in intervals():
            await asyncio.sleep(seconds)
            generation = await luma.generations.get(generation.id)
            if generation.state == "completed":
                break
        return generation.id

    return poll


CONTENDERS: dict[str, Contender] = {
    "generor_async": ours,
    "every 2 s": polling(lambda: repeat(2.0)),
    "every 5 s": polling(lambda: repeat(5.0)),
    "1.5x up to 10 s": polling(lambda: chain((1.5**n for n in range(6)), repeat(10.0))),
    "every 30 s": polling(lambda: repeat(30.0)),
}


def workloads(jobs: int) -> dict[str, list[float]]:
    """Draw how long the jobs take."""
    dice = Random(SEED)
    draw = dice.lognormvariate
    return {
        "lognormal, sigma 0.2": [draw(math.log(40), 0.2) for _ in range(jobs)],
        "lognormal, sigma 0.4": [draw(math.log(40), 0.4) for _ in range(jobs)],
        "lognormal, sigma 0.7": [draw(math.log(40), 0.7) for _ in range(jobs)],
        "bimodal, 12 s and 90 s": [draw(math.log(dice.choice((12, 90))), 0.15) for _ in range(jobs)],
        "drifting, 20 s to 80 s": [draw(math.log(20 * 4 ** (n / jobs)), 0.3) for n in range(jobs)],
        "drifting, 80 s to 20 s": [draw(math.log(80 * 0.25 ** (n / jobs)), 0.3) for n in range(jobs)],
    }


MEASURED: Final = (
    ("image, 31 s", "uni-1", "image", 31.0),
    ("image edit, 65 s", "uni-1", "image_edit", 65.0),
    ("uni-1-max edit, 93 s", "uni-1-max", "image_edit", 93.0),
    ("video, 100 s", "ray-3.2", "video", 100.0),
    ("video edit, 600 s", "ray-3.2", "video_edit", 600.0),
)
"""Kinds of jobs: name, model, type and median duration."""
SURPRISING: Final = (
    ("image, 7.75 s", "uni-1", "image", 31 / 4),
    ("image, 124 s", "uni-1", "image", 31 * 4.0),
    ("video, 25 s", "ray-3.2", "video", 100 / 4),
    ("video, 400 s", "ray-3.2", "video", 100 * 4.0),
)
"""The same, where the prior is wrong."""
FIRST_JOBS: Final = [(*job, sigma) for job in MEASURED for sigma in (0.2, 0.3, 0.4)] + [
    (*job, 0.3) for job in SURPRISING
]
UNKNOWN_MODEL: Final = "unknown"


@frozen
class Figures:
    """What a contender came to, a job."""

    polls: float
    lag: float

    @property
    def product(self) -> float:
        """Looks times lag."""
        return self.polls * self.lag


async def measured(contender: Contender, durations: list[float]) -> Figures:
    """Have one contender wait for all jobs."""
    clock, lags = LoopClock(), list[float]()
    service = Service(iter(durations), clock.monotonic)
    server, url = await start(service.answer)

    async def job(luma: AsyncLuma, arrival: float) -> None:
        await asyncio.sleep(arrival)
        job_id = await contender(luma)
        lags.append(clock.monotonic() - service.ends[job_id])

    async with server, AsyncLuma(KEY, base_url=url, clock=clock) as luma:
        await asyncio.gather(*(job(luma, float(number)) for number in range(len(durations))))
    return Figures(service.polls / len(durations), sum(lags) / len(durations))


async def first(model: str, kind: str, durations: list[float], at_once: int) -> Figures:
    """Have new clients of ours wait for all jobs, so many in each."""
    clock, lags = LoopClock(), list[float]()
    service = Service(iter(durations), clock.monotonic, model, kind)
    server, url = await start(service.answer)

    async def job(luma: AsyncLuma) -> None:
        job_id = await ours(luma)
        lags.append(clock.monotonic() - service.ends[job_id])

    async with server:
        for _ in range(len(durations) // at_once):
            async with AsyncLuma(KEY, base_url=url, clock=clock) as luma:
                await asyncio.gather(*(job(luma) for _ in range(at_once)))
    return Figures(service.polls / len(durations), sum(lags) / len(durations))


def quantiles(median: float, sigma: float, count: int) -> list[float]:
    """Return durations that are a lognormal distribution, in any order."""
    normal = NormalDist(math.log(median), sigma)
    found = [math.exp(normal.inv_cdf((number + 0.5) / count)) for number in range(count)]
    Random(SEED).shuffle(found)
    return found


def beside(known: Figures, unknown: Figures) -> str:
    """Write down what the first jobs came to with a prior, and without."""
    parts = f"{known.polls / unknown.polls:.2f}, {known.lag / unknown.lag:.2f}"
    return f"{known.polls:.1f} x {known.lag:.1f} | {unknown.polls:.1f} x {unknown.lag:.1f} | {parts}"


def print_first(count: int) -> None:
    """Print the table of the first jobs of a process."""
    print("\nThe first jobs of a process: polls a job x mean lag, with a prior and without, and one over the other\n")
    titles = "with | without | polls, lag"
    print(f"| job | sigma | one: {titles} | ten at once: {titles} |\n|{'---|' * 8}")
    for name, model, kind, median, sigma in FIRST_JOBS:
        durations = quantiles(median, sigma, count)
        cells = [
            beside(*(run(first(which, kind, durations, at_once)) for which in (model, UNKNOWN_MODEL)))
            for at_once in (1, 10)
        ]
        print(f"| {name} | {sigma} | {' | '.join(cells)} |", flush=True)


async def bytes_of_tasks(waiting: int) -> float:
    """Return the bytes that a task takes which waits for nothing in particular."""
    never = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await asyncio.shield(never)

    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    tasks = [asyncio.create_task(wait()) for _ in range(waiting)]
    await asyncio.sleep(0)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return taken / waiting


async def submitted(luma: AsyncLuma, jobs: int) -> list[Job]:
    """Submit so many jobs, a hundred at a time."""
    made: list[Job] = []
    for _ in range(jobs // 100):
        made += await asyncio.gather(*(luma.generations.submit(prompt="A heron") for _ in range(100)))
    return made


async def memory(url: str, waiting: int) -> float:
    """Return the bytes that a job which is waited for takes beyond its task, when it was looked at."""
    looked: set[str] = set()
    enough = asyncio.Event()

    def note(event: Event) -> None:
        if isinstance(event, JobPolled):
            looked.add(event.job_id)
            if len(looked) == waiting:  # the jobs hold the ids as well: the set takes its table alone
                enough.set()

    async with AsyncLuma(KEY, base_url=url, on_event=note) as luma:
        await luma.generations.wait_all(await submitted(luma, 200), timeout=4)
        looked.clear()
        tracemalloc.start()
        task = await bytes_of_tasks(waiting)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        tasks = [asyncio.create_task(job.wait()) for job in await submitted(luma, waiting)]
        await enough.wait()
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return taken / waiting - task


async def pace(url: str, waiting: int, seconds: float) -> tuple[float, float]:
    """Return the polls a second, and the share of a core that they took, while so many jobs wait."""
    polls = 0

    def note(event: Event) -> None:
        nonlocal polls
        polls += isinstance(event, JobPolled)

    async with AsyncLuma(KEY, base_url=url, on_event=note) as luma:
        tasks = [asyncio.create_task(job.wait()) for job in await submitted(luma, waiting)]
        await asyncio.sleep(2)
        before, began, used = polls, time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        passed = time.monotonic() - began
        rate, share = (polls - before) / passed, (time.process_time() - used) / passed
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return rate, share


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--first", type=int, default=60)
    parser.add_argument("--waiting", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print("Looks a job x mean lag in seconds = product\n")
    print(f"| durations | {' | '.join(CONTENDERS)} |\n|---|{'---|' * len(CONTENDERS)}")
    for name, durations in workloads(options.jobs).items():
        found = [run(measured(contender, durations)) for contender in CONTENDERS.values()]
        cells = [f"{one.polls:.1f} x {one.lag:.1f} = **{one.product:.1f}**" for one in found]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print_first(options.first)
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(
        target=serve, args=(there, Service(repeat(math.inf), time.monotonic, UNKNOWN_MODEL).answer), daemon=True
    )
    server.start()
    url = here.recv()
    rate, share = asyncio.run(pace(url, options.waiting, options.seconds))
    taken = asyncio.run(memory(url, options.waiting))
    server.terminate()
    print("\n| jobs waiting | bytes each beyond its task | polls a second | of a core | polls a core second |")
    print("|---|---|---|---|---|")
    print(f"| {options.waiting:,} | {taken:,.0f} | {rate:,.0f} | {share:.0%} | {rate / share:,.0f} |")


if __name__ == "__main__":
    main()
