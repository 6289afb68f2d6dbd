"""Expected waits against what came: how often the wait lay within the bounds, and how far apart these were.

Time is virtual, sockets and clients are real. Calls ask how long they will wait, and are then made. Where nothing is
left to chance, the expected wait is off by no more than two seconds. Elsewhere at least three of four waits lie within
the bounds, and where arrivals are random, the bounds are no more than 1.5 times as far apart as those of an oracle.
The oracle knows all that happened, and the true rates and durations, but not what will come of them, nor when foreign
requests came that are in the window.

    python benchmarks/bench_expected_wait.py [--only NAME] [--seeds 3]
"""

import argparse
import asyncio
import itertools
import math
import random
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from attrs import define, evolve, field, frozen
from stage import LoopClock, converse, prepare
from waiting_oracle import Oracle
from waiting_worlds import MINUTE, WORLDS, Server, Stream, World

from generor_async import AsyncGeneror, AsyncLuma, AttemptStarted, Event, ExpectedWait, GenerorAsyncError, Limits
from generor_async.api.luma.operations import generations_create
from generor_async.rules.http_types import Operation
from generor_async.rules.pace import Pace
from generor_async.rules.schedule import JobDurations
from generor_async.testing.loop import run

__all__ = ["COVERED", "EXACT", "WIDER", "Asked", "Result", "played", "result_of"]

COVERED, WIDER, EXACT = 0.75, 1.5, 2.0
UNBOUND = 1_000
"""A ceiling that no world reaches."""
SHORT: float = 1.0
"""Waits that an oracle expects to be shorter tell nothing about widths."""


@define
class Asked:
    """A call that asked, and what came of it."""

    at: float
    wait: ExpectedWait
    oracle: tuple[float, float] | None
    admitted: float | None = None

    @property
    def true(self) -> float:
        """Seconds that it waited."""
        assert self.admitted is not None
        return self.admitted - self.at

    @property
    def is_covered(self) -> bool:
        """Whether it waited as long as expected."""
        return self.wait.low <= self.true <= self.wait.high


@define
class Play:
    """One run of a world."""

    world: World
    server: Server
    clients: list[AsyncLuma | AsyncGeneror]
    dice: random.Random
    asked: dict[str, Asked] = field(factory=dict[str, Asked])
    oracle: Oracle | None = None
    _numbers: "itertools.count[int]" = field(factory=lambda: itertools.count(1))

    def client(self) -> tuple[Pace, int]:
        """Return the first client's rule of windows as it is now, and how many calls wait for it."""
        limits = self.clients[0]._session.limits  # pyright: ignore[reportPrivateUsage] # nobody else needs them
        with limits.outlook(lambda _: JobDurations()) as outlook:
            return outlook.state.pace, len(outlook.windows) + len(outlook.slots or ())

    def seen(self, event: Event) -> None:
        """Note when a call is admitted."""
        if isinstance(event, AttemptStarted):
            now = asyncio.get_running_loop().time()
            if self.oracle is not None:
                self.oracle.left(event.call_id)
            asked = self.asked.get(event.call_id)
            if asked is not None and asked.admitted is None:
                asked.admitted = now

    async def stream(self, stream: Stream) -> None:
        """Make the calls of a stream."""
        loop, dice = asyncio.get_running_loop(), random.Random(self.dice.random())
        async with asyncio.TaskGroup() as group:
            for number, moment in enumerate(stream.moments(dice, self.world.seconds)):
                await asyncio.sleep(max(moment - loop.time(), 0.0))
                user = f"user {number % stream.users}" if stream.users > 1 else stream.user
                call = group.create_task(self.call(evolve(stream, user=user)))
                if dice.random() < stream.cancels:
                    loop.call_later(dice.expovariate(1 / 60), call.cancel)
                await asyncio.sleep(0)  # it is in the queue before the next one asks

    async def call(self, stream: Stream) -> None:
        """Ask how long it will take, and make a call."""
        now, client = asyncio.get_running_loop().time(), self.clients[stream.process]
        number = next(self._numbers)
        call_id = str(UUID(int=number))
        view = client.with_options(user=stream.user, priority=stream.priority, request_id=call_id, timeout=math.inf)
        if stream.asks and now >= self.world.warm and number % self.world.every == 0:
            bounds = None if self.oracle is None else self.oracle.bounds(stream, now)
            self.asked[call_id] = Asked(now, view.expected_wait(_operation(view, stream)), bounds)
        if self.oracle is not None:
            self.oracle.joined(call_id, stream)
        try:
            if isinstance(view, AsyncLuma):
                if stream.kind == "video":
                    await view.generations.run(prompt=call_id, type="video", model="ray-3.2")
                else:
                    await view.generations.run(prompt=call_id)
            else:
                await view.generators.generate("joke", model_id=37, prompt=call_id)
        except (GenerorAsyncError, asyncio.CancelledError):
            if self.oracle is not None:
                self.oracle.left(call_id)


def _operation(view: AsyncLuma | AsyncGeneror, stream: Stream) -> Operation[Any] | None:
    if isinstance(view, AsyncLuma) and stream.kind == "video":
        return generations_create(prompt="x", type="video", model="ray-3.2")
    return None


def played(world: World, seed: int) -> list[Asked]:
    """Run a world; return the calls that asked and were admitted."""
    random.seed(seed)
    return run(_played(world, seed))


async def _played(world: World, seed: int) -> list[Asked]:
    server = Server(world, random.Random(f"server {seed}"))
    listening = await asyncio.start_server(partial(converse, server.answer), "127.0.0.1", 0, backlog=4_096)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        play = Play(world, server, [], random.Random(f"calls {seed}"))
        if world.oracle:
            play.oracle = Oracle(world, server, random.Random(f"oracle {seed}"), play.client)
        limits = Limits(
            jobs=world.ceiling or UNBOUND if world.told else None,
            rpm=None if world.chance else world.windows[MINUTE],
            tier=None if world.chance or world.api == "luma" else "free",
            max_share=world.share,
            store=Path(folder) / "limits" if world.processes > 1 else None,
        )
        for _ in range(world.processes):
            client: AsyncLuma | AsyncGeneror = (
                AsyncLuma("luma-api-b", base_url=url, clock=LoopClock(), limits=limits, max_connections=1_000)
                if world.api == "luma"
                else AsyncGeneror("gnr_live_b", base_url=url, clock=LoopClock(), limits=limits, max_connections=1_000)
            )
            await stack.enter_async_context(client)
            play.clients.append(client)
            client.events.subscribe(play.seen)
        await asyncio.gather(*map(play.stream, world.streams))
    listening.close()
    return [each for each in play.asked.values() if each.admitted is not None]


@frozen
class Result:
    """What a world came to."""

    world: World
    asked: Sequence[Asked]

    @property
    def covered(self) -> float:
        """The part of waits within their bounds."""
        return sum(each.is_covered for each in self.asked) / len(self.asked)

    @property
    def worst(self) -> float:
        """By how many seconds an expected wait was off."""
        return max(abs(each.true - each.wait.seconds) for each in self.asked)

    @property
    def widths(self) -> tuple[float, float]:
        """The median distance of the bounds, and that of the oracle's, of calls that have to wait."""
        told = [each for each in self.asked if each.oracle is None or each.oracle[1] > SHORT]
        ours = statistics.median(each.wait.high - each.wait.low for each in told)
        return ours, statistics.median(
            each.oracle[1] - each.oracle[0] for each in told if each.oracle
        ) if self.world.oracle else math.nan

    @property
    def holds(self) -> bool:
        """Whether all is as promised."""
        ours, oracle = self.widths
        return (
            self.covered >= COVERED
            and (self.world.chance or self.worst <= EXACT)
            and (not self.world.oracle or ours <= WIDER * oracle)
        )

    def row(self) -> str:
        """Return the row of the table."""
        ours, oracle = self.widths
        waited = statistics.median(each.true for each in self.asked)
        ratio = f"{oracle:.1f} | {ours / max(oracle, 0.1):.2f}" if self.world.oracle else "- | -"
        worst = f"{self.worst:.1f}" if not self.world.chance else "-"
        verdict = "yes" if self.holds else "**no**"
        cells = [
            self.world.name,
            len(self.asked),
            f"{waited:.0f}",
            f"{self.covered:.0%}",
            f"{ours:.1f}",
            ratio,
            worst,
            verdict,
        ]
        return f"| {' | '.join(map(str, cells))} |"


def result_of(world: World, seeds: Iterable[int]) -> Result:
    """Run a world with several seeds."""
    return Result(world, [each for seed in seeds for each in played(world, seed)])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int)
    given = parser.parse_args()
    prepare()
    print("| world | asked | median wait, s | within bounds | width, s | oracle's | ratio | worst, s | holds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for world in WORLDS:
        if given.only in world.name:
            print(result_of(world, range(given.seeds or world.seeds)).row(), flush=True)


if __name__ == "__main__":
    main()
