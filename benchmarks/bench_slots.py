"""Use of a limit of concurrent jobs, and the number of refusals: ours compared with common approaches.

Time is virtual, sockets and clients are real. The server is written for this benchmark alone: it counts the jobs that
have not ended (lognormal, median 40 s), and refuses what is too many with a 429 and Retry-After 60, as documented. It
says nothing of its ceiling. Others who hold slots are a ceiling that changes. Peers poll a job every three seconds
and obey Retry-After. The bound is the last end of the same jobs, in the same order, if each began the moment a slot
became free.

    python benchmarks/bench_slots.py [--seeds 3] [--calls 300] [--only generor_async] [--out FOLDER]
"""

import asyncio
import heapq
import json
import math
import random
import statistics
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

import aiohttp
from attrs import define, field, frozen
from stage import OURS, Curve, LoopClock, converse, keep, options, plain_session, plot

from generor_async import AsyncLuma, GenerorAsyncError, Limits
from generor_async.testing.loop import run

KEY = "luma-api-benchmark"
MEDIAN_SECONDS, SPREAD = 40.0, 0.4
TRAVEL_SECONDS, HANDLING_SECONDS, LOOK_SECONDS = 0.025, 0.15, 3.0
FOREIGN_SECONDS, FOREIGN_MOST, HORIZON = 60.0, 6, 40_000.0
RETRY_AFTER = 60

Changes: TypeAlias = tuple[tuple[float, int], ...]


@frozen(kw_only=True)
class Scene:
    """What the server does: its ceiling from which moment on, and how late it frees slots."""

    changes: Changes
    lag: float = 0.0
    others: bool = False
    """Whether others hold up to six of the slots, changing every minute or so."""
    calls: int

    @property
    def most(self) -> int:
        """The ceiling that somebody would be told."""
        return max(ceiling for _, ceiling in self.changes)

    def at(self, dice: random.Random) -> Changes:
        """Return when how many slots are ours."""
        if not self.others:
            return self.changes
        moment, changes = 0.0, list[tuple[float, int]]()
        while moment < HORIZON:
            changes.append((moment, self.most - dice.randint(0, FOREIGN_MOST)))
            moment += dice.expovariate(1 / FOREIGN_SECONDS)
        return tuple(changes)


def bound(changes: Changes, lives: list[float]) -> float:
    """Return when the last job ends if each begins the moment there is room."""
    moments = [*(moment for moment, _ in changes), math.inf]
    ends: list[float] = []
    now = last = 0.0
    for life in lives:
        while True:
            while ends and ends[0] <= now:
                heapq.heappop(ends)
            if len(ends) < ceiling_at(changes, now):
                break
            now = min(ends[0], next(moment for moment in moments if moment > now))
        heapq.heappush(ends, now + life)
        last = max(last, now + life)
    return last


def ceiling_at(changes: Changes, now: float) -> int:
    """Return the ceiling of a moment."""
    return [ceiling for moment, ceiling in changes if moment <= now][-1]


@define
class Server:
    """Takes jobs while there are slots."""

    changes: Changes
    lag: float
    lives: list[float]
    """What the jobs live, in the order in which they are taken."""
    ends: dict[str, float] = field(factory=dict[str, float])
    refused: int = 0
    polls: int = 0
    _step: int = 0

    def submit(self, now: float) -> str | None:
        """Take a job and return its id; None where there is no slot."""
        while self._step + 1 < len(self.changes) and self.changes[self._step + 1][0] <= now:
            self._step += 1
        held = sum(end + self.lag > now for end in self.ends.values())
        if held >= self.changes[self._step][1]:
            self.refused += 1
            return None
        job_id = str(UUID(int=len(self.ends) + 1))
        self.ends[job_id] = now + self.lives[len(self.ends) % len(self.lives)]
        return job_id

    async def answer(self, head: bytes) -> bytes:
        """Take one request, and return what is answered."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(TRAVEL_SECONDS)
        method, path, _ = head.split(b" ", 2)
        now, headers, status = loop.time(), "", "200 OK"
        if method == b"GET":
            self.polls += 1
            body = self.shown(path.rpartition(b"/")[2].decode(), now)
        elif (job_id := self.submit(now)) is None:
            body, status = {"detail": "Too many concurrent jobs"}, "429 Too Many Requests"
            headers = f"Retry-After: {RETRY_AFTER}\r\n"
        else:
            body, status = self.shown(job_id, now), "201 Created"
            headers = f"X-RateLimit-Limit: 10000\r\nX-RateLimit-Remaining: 9999\r\nX-RateLimit-Reset: {2**31}\r\n"
            await asyncio.sleep(HANDLING_SECONDS)
        await asyncio.sleep(TRAVEL_SECONDS)
        content = json.dumps(body).encode()
        headers += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        return f"HTTP/1.1 {status}\r\n{headers}\r\n".encode() + content

    def shown(self, job_id: str, now: float) -> dict[str, object]:
        """Show a job as it stands."""
        ended = self.ends[job_id] <= now
        return {
            "id": job_id,
            "type": "image",
            "state": "completed" if ended else "processing",
            "model": "uni-1",
            "created_at": "2026-04-08T12:00:00Z",
            "output": [{"type": "image", "url": "https://cdn.invalid/x.png"}] if ended else [],
            "failure_reason": None,
            "failure_code": None,
        }


# --- contenders: each has so many jobs made by a server at `url`, and returns how many failed -------------------------

Contender: TypeAlias = Callable[[str, Scene], Awaitable[int]]
Turn: TypeAlias = AbstractAsyncContextManager[Any]


async def make(session: aiohttp.ClientSession, url: str, turn: Turn) -> None:
    """Submit until it is taken, waiting as told where it is not; then look until it has ended, all in one's turn."""
    async with turn:
        while True:
            async with session.post(f"{url}/generations", json={"prompt": "x"}) as reply:
                job = await reply.json()
                if reply.status != 429:
                    break
                wait = float(reply.headers["Retry-After"])
            await asyncio.sleep(wait)
        while job["state"] != "completed":
            await asyncio.sleep(LOOK_SECONDS)
            async with session.get(f"{url}/generations/{job['id']}") as reply:
                job = await reply.json()


async def retry_loop(url: str, scene: Scene) -> int:
    """Obey Retry-After, and do nothing else."""
    async with plain_session(KEY) as session:
        await asyncio.gather(*(make(session, url, nullcontext()) for _ in range(scene.calls)))
    return 0


async def by_semaphore(url: str, scene: Scene) -> int:
    """A semaphore of the true limit, acquired until the end of the job is seen."""
    semaphore = asyncio.Semaphore(scene.most)
    async with plain_session(KEY) as session:
        await asyncio.gather(*(make(session, url, semaphore) for _ in range(scene.calls)))
    return 0


async def by_luma_agents(url: str, scene: Scene) -> int:
    """The vendor's own client with ten retries; it has no poller, so ours is the peers' loop."""
    from luma_agents import AsyncLuma as TheirLuma  # noqa: PLC0415 - slow to import, and only wanted here
    from luma_agents import LumaError  # noqa: PLC0415

    async with TheirLuma(auth_token=KEY, base_url=url, max_retries=10) as client:

        async def call() -> int:
            try:
                job = await client.generations.create(prompt="x")
                while job.state != "completed":
                    await asyncio.sleep(LOOK_SECONDS)
                    job = await client.generations.get(job.id)
            except LumaError:
                return 1
            return 0

        return sum(await asyncio.gather(*(call() for _ in range(scene.calls))))


async def ours(url: str, scene: Scene, *, told: bool) -> int:
    """Ours, told the ceiling as the semaphore is; or told nothing."""
    limits = Limits(jobs=scene.most) if told else Limits()
    async with AsyncLuma(KEY, base_url=url, clock=LoopClock(), max_connections=1_000, limits=limits) as luma:
        patient = luma.with_options(timeout=math.inf)

        async def call() -> int:
            try:
                await patient.generations.run(prompt="x")
            except GenerorAsyncError:
                return 1
            return 0

        return sum(await asyncio.gather(*(call() for _ in range(scene.calls))))


CONTENDERS: dict[str, Contender] = {
    "Retry-After loop": retry_loop,
    "luma-agents, 10 retries": by_luma_agents,
    "semaphore of the true limit": by_semaphore,
    OURS: partial(ours, told=False),
    "generor_async, given the limit": partial(ours, told=True),
}


# --- the scenes -------------------------------------------------------------------------------------------------------


@frozen
class Result:
    """What a run came to."""

    ratio: float
    """When the last job had ended, over the bound."""
    refused: int
    failed: int
    polls: int
    ends: list[float]


def play(scene: Scene, contender: Contender, seed: int) -> Result:
    """Run one contender through one scene."""
    random.seed(seed)  # what clients draw
    return run(_play(scene, contender, random.Random(seed)))


async def _play(scene: Scene, contender: Contender, dice: random.Random) -> Result:
    lives = [dice.lognormvariate(math.log(MEDIAN_SECONDS), SPREAD) for _ in range(scene.calls)]
    server = Server(scene.at(dice), scene.lag, lives)
    listening = await asyncio.start_server(partial(converse, server.answer), "127.0.0.1", 0, backlog=4_096)
    port = listening.sockets[0].getsockname()[1]
    failed = await contender(f"http://127.0.0.1:{port}/v1", scene)
    listening.close()
    ends = sorted(server.ends.values())
    return Result(ends[-1] / bound(server.changes, lives), server.refused, failed, server.polls, ends)


def shown(results: list[Result], calls: int) -> str:
    """Put the seeds' median in a table's cell."""
    ratio = statistics.median(result.ratio for result in results)
    refused = statistics.median(result.refused for result in results)
    polls = statistics.median(result.polls for result in results) / calls
    failed = statistics.median(result.failed for result in results)
    return f"{failed:g} of {calls} failed" if failed else f"{ratio:.2f} / {refused:g} / {polls:.0f}"


def scenes_of(calls: int) -> dict[str, Scene]:
    """Return the scenes by their names."""
    scene = partial(Scene, calls=calls)
    return {
        "4 slots": scene(changes=((0.0, 4),)),
        "10": scene(changes=((0.0, 10),)),
        "40": scene(changes=((0.0, 40),)),
        "10, freed 4 s late": scene(changes=((0.0, 10),), lag=4.0),
        "10, 5, 10": scene(changes=((0.0, 10), (300.0, 5), (700.0, 10))),
        "10, others hold 0 to 6": scene(changes=((0.0, 10),), others=True),
    }


def table(given: Namespace) -> Iterator[str]:
    """Run all contenders that are wanted through all scenes; yield the lines of a Markdown table."""
    calls = given.calls
    scenes = scenes_of(calls)
    yield f"### {calls} jobs of 40 s: last end over the bound / refusals / polls a job"
    yield ""
    yield f"| | {' | '.join(scenes)} |"
    yield f"|---|{'---|' * len(scenes)}"
    for name in (name for name in CONTENDERS if given.only in name):
        runs = [[play(scene, CONTENDERS[name], seed) for seed in range(given.seeds)] for scene in scenes.values()]
        cells = [shown(results, calls) for results in runs]
        yield f"| {name} | {' | '.join(cells)} |"


def drawing(given: Namespace) -> str:
    """Draw how many jobs had ended by when, while others hold some of the slots."""
    scene = Scene(changes=((0.0, 10),), others=True, calls=given.calls)
    results = {name: play(scene, contender, 0) for name, contender in CONTENDERS.items() if given.only in name}
    curves = [
        Curve(name, result.ends, f"{result.refused} refusals, last at {result.ends[-1]:.0f} s")
        for name, result in results.items()
    ]
    return plot("Jobs ended by when: ten slots, of which others hold none to six", curves)


def main() -> None:
    """Print the table; write it and the plot where they are wanted."""
    given = options(__doc__, calls=300, seeds=3)
    lines: list[str] = []
    for line in table(given):
        print(line, flush=True)
        lines.append(line)
    if given.out is not None:
        keep(given.out, "slots", [*lines, ""], drawing(given))


if __name__ == "__main__":
    main()
