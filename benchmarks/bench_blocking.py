"""Blocking calls a second, one thread's and eight's: ours beside the official blocking client and what is in between.

The server is a raw protocol in a process of its own, that of `bench_request.py`. Beside the two clients stands bare
aiohttp behind an anyio portal, the least that a blocking call over asyncio costs without a bridge like ours. Rounds
are interleaved; the figures are medians of rounds, the ratios medians of the rounds' ratios.

    python benchmarks/bench_blocking.py [--rounds 9] [--calls 1000]
"""

import argparse
import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

import aiohttp
from anyio.from_thread import start_blocking_portal
from bench_request import PROMPT, RATIO, answer
from raw import KEY, serve

from generor_async import Luma

OFFICIAL = "luma-agents"

Call = Callable[[], object]


@contextmanager
def bare(url: str) -> Generator[Call, None, None]:
    """Bare aiohttp behind an anyio portal."""

    async def opened() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"})

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(portal.call(opened)) as session:

        async def call() -> object:
            async with session.post(f"{url}/generations", json={"prompt": PROMPT, "aspect_ratio": RATIO}) as response:
                return await response.json()

        yield lambda: portal.call(call)


@contextmanager
def ours(url: str) -> Generator[Call, None, None]:
    """Our blocking client, as the README has it."""
    with Luma(KEY, base_url=url) as luma:
        yield lambda: luma.generations.create(prompt=PROMPT, aspect_ratio="16:9")


@contextmanager
def official(url: str) -> Generator[Call, None, None]:
    """The vendor's own blocking client."""
    from luma_agents import Luma as Official  # noqa: PLC0415 - slow to import, and only wanted here

    with Official(auth_token=KEY, base_url=url) as client:
        yield lambda: client.generations.create(prompt=PROMPT, aspect_ratio="16:9")


def calls_a_second(opening: AbstractContextManager[Call], calls: int, threads: int) -> float:
    """Make so many calls in all, from so many threads at once."""
    with opening as call:

        def work(share: int) -> None:
            for _ in range(share):
                call()

        def at_once(share: int) -> float:
            workers = [threading.Thread(target=work, args=(share,)) for _ in range(threads)]
            began = time.perf_counter()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            return time.perf_counter() - began

        at_once(20)
        return calls / at_once(calls // threads)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=1000)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there, answer), daemon=True)
    server.start()
    url = here.recv()
    contenders = {"aiohttp behind a portal": bare, "generor_async": ours, OFFICIAL: official}
    print(f"| threads | client | calls a second | beside {OFFICIAL} |\n|---|---|---|---|")
    for threads in (1, 8):
        found: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(options.rounds):
            for name, contender in contenders.items():
                found[name].append(calls_a_second(contender(url), options.calls, threads))
        for name, figures in found.items():
            ratio = statistics.median(a / b for a, b in zip(figures, found[OFFICIAL], strict=True))
            print(f"| {threads} | {name} | {statistics.median(figures):,.0f} | {ratio:.2f} |")
    server.terminate()


if __name__ == "__main__":
    main()
