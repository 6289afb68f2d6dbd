"""CPU of one call: ours beside bare aiohttp and the official client, against the same server in one run.

The server is a raw protocol in a process of its own that answers every request with the documented 201, so that
what is measured is the client. Rounds are interleaved; the figures are medians of rounds, the ratios medians of
the rounds' ratios.

Each answer names a job of its own, as the API's do. With `--one-job` all name the same one: a client that knows no
ceiling takes the account for one on which no more than that runs, and beyond ten calls under way others wait in its
queue. So what a wait in the queue costs is the difference.

    python benchmarks/bench_request.py [--rounds 9] [--calls 2000] [--at-once 20] [--one-job]
"""

import argparse
import asyncio
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable

import aiohttp
from raw import KEY, generation, message, serve

from generor_async import AsyncLuma

PROMPT, RATIO = "A glass of iced coffee on a marble countertop", "16:9"
JOB_ID = "d290f1ee-6c54-4b01-90e6-d701748f0851"
ANSWER = message("201 Created", generation(JOB_ID, "queued"))
NUMBERS = itertools.count()


def answer(head: bytes, address: str) -> bytes:  # noqa: ARG001 - all are answered alike
    """Answer that a job was taken on."""
    return ANSWER.replace(JOB_ID.encode(), f"{JOB_ID[:-12]}{next(NUMBERS):012x}".encode())


def same_answer(head: bytes, address: str) -> bytes:  # noqa: ARG001 - as above
    """Answer the same, always with the same job."""
    return ANSWER


async def measured(call: Callable[[], Awaitable[object]], calls: int, at_once: int) -> float:
    """Return microseconds of CPU a call."""

    async def worker(share: int) -> None:
        for _ in range(share):
            await call()

    await asyncio.gather(*(worker(10) for _ in range(at_once)))
    began = time.process_time()
    await asyncio.gather(*(worker(calls // at_once) for _ in range(at_once)))
    return (time.process_time() - began) / calls * 1e6


async def bare(url: str, calls: int, at_once: int) -> float:
    """Bare aiohttp, as its documentation has it."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:

        async def call() -> object:
            async with session.post(f"{url}/generations", json={"prompt": PROMPT, "aspect_ratio": RATIO}) as response:
                return await response.json()

        return await measured(call, calls, at_once)


async def ours(url: str, calls: int, at_once: int) -> float:
    """Our client, as the README has it."""
    async with AsyncLuma(KEY, base_url=url) as luma:
        return await measured(lambda: luma.generations.create(prompt=PROMPT, aspect_ratio=RATIO), calls, at_once)


async def official(url: str, calls: int, at_once: int) -> float:
    """The vendor's own client."""
    from luma_agents import AsyncLuma as Official  # noqa: PLC0415 - slow to import, and only wanted here

    async with Official(auth_token=KEY, base_url=url) as client:
        return await measured(lambda: client.generations.create(prompt=PROMPT, aspect_ratio="16:9"), calls, at_once)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--one-job", action="store_true", help="let all answers name the same job")
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(
        target=serve, args=(there, same_answer if options.one_job else answer), daemon=True
    )
    server.start()
    url = here.recv()
    contenders = {"aiohttp, bare": bare, "generor_async": ours, "luma-agents": official}
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, contender in contenders.items():
            calls = options.calls if contender is not official else options.calls // 4
            found[name].append(asyncio.run(contender(url, calls, options.at_once)))
    server.terminate()
    print("| client | CPU a call (µs) | beside bare aiohttp |\n|---|---|---|")
    for name, figures in found.items():
        ratio = statistics.median(a / b for a, b in zip(figures, found["aiohttp, bare"], strict=True))
        print(f"| {name} | {statistics.median(figures):.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
