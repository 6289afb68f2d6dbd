"""Use of a limit per minute, and the number of refusals: ours compared with other limiters.

Time is virtual, sockets and clients are real. The server is written for this benchmark alone: it counts requests in a
fixed or a sliding window, says how it stands in the documented headers, and answers after eight seconds (lognormal).
A peer is used as its own documentation says, and obeys Retry-After where it is refused. One that reads the machine's
clock gets the virtual one, here alone.

    python benchmarks/bench_quota.py [--seeds 5] [--calls 600] [--only generor_async] [--out FOLDER]
"""

import asyncio
import itertools
import json
import math
import random
import statistics
import time
from argparse import Namespace
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Literal, TypeAlias
from unittest import mock

import aiohttp
import aiolimiter
import aiometer
import pyrate_limiter
from attrs import define, field, frozen
from stage import EPOCH, OURS, RESULT, Curve, LoopClock, converse, keep, options, plain_session, plot

from generor_async import AsyncGeneror, AttemptStarted, Event, Limits
from generor_async.testing.loop import run

Kind: TypeAlias = Literal["fixed", "sliding"]
MINUTE, HOUR = 60.0, 3_600.0
SPANS = (MINUTE, HOUR)
MEDIAN_SECONDS, SPREAD = 8.0, 0.5
LATE_SHARE, LATE_SECONDS, TRAVEL_SECONDS = 0.05, 0.25, 0.01
KEY = "gnr_live_benchmark"
GENERATION: dict[str, object] = {
    "id": "d290f1ee-6c54-4b01-90e6-d701748f0851",
    "type": "image",
    "state": "queued",
    "model": "uni-1",
    "created_at": "2026-04-08T12:00:00Z",
    "output": [],
    "failure_reason": None,
    "failure_code": None,
}


@frozen(kw_only=True)
class Scene:
    """What the server and the neighbours do."""

    kind: Kind = "sliding"
    foreign: float = 0.0
    """Requests of others on the same key, a second."""
    limits: tuple[int, int] = (60, 2_000)
    """Requests a minute and an hour."""
    tier: str = "basic"
    skew: float = 0.0
    """Seconds by which the server's clock is ahead."""
    changes: tuple[tuple[float, int], ...] = ()
    """When the limit a minute changes, and to what."""
    calls: int = 600


@define
class Server:
    """Counts, admits, refuses."""

    scene: Scene
    dice: random.Random
    limits: list[int]
    logs: tuple[deque[float], deque[float]] = field(factory=lambda: (deque[float](), deque[float]()))
    refused: int = 0
    admitted: list[float] = field(factory=list[float])
    by_key: dict[str, list[float]] = field(factory=lambda: defaultdict(list))

    def count(self, which: int, now: float) -> int:
        """Count what is in a window."""
        span, log = SPANS[which], self.logs[which]
        sliding = self.scene.kind == "sliding"
        since = now - span if sliding else math.floor(now / span) * span
        while log and (log[0] <= since if sliding else log[0] < since):
            log.popleft()
        return len(log)

    def reset(self, which: int, now: float) -> float:
        """Tell when the window resets, or its oldest request ages out."""
        span, log = SPANS[which], self.logs[which]
        if self.scene.kind == "fixed":
            return math.floor(now / span) * span + span
        return log[0] + span if log else now + span

    def full(self, now: float) -> int | None:
        """Tell which window is full; count a request that finds room in both."""
        for which in (1, 0):
            if self.count(which, now) >= self.limits[which]:
                return which
        for log in self.logs:
            log.append(now)
        return None

    async def neighbours(self) -> None:
        """Send requests with the same key, and never mind a refusal."""
        while True:
            await asyncio.sleep(self.dice.expovariate(self.scene.foreign))
            self.full(asyncio.get_running_loop().time())

    async def change(self) -> None:
        """Change the limit as the scene has it."""
        for at, limit in self.scene.changes:
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            self.limits[0] = limit

    def head(self, which: int, now: float) -> str:
        """Write the headers that say how it stands."""
        ahead = EPOCH + self.scene.skew
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(ahead + now))
        return (
            f"Content-Type: application/json\r\nDate: {date}\r\nX-RateLimit-Limit: {self.limits[which]}\r\n"
            f"X-RateLimit-Remaining: {max(0, self.limits[which] - self.count(which, now))}\r\n"
            f"X-RateLimit-Reset: {math.ceil(ahead + self.reset(which, now))}\r\n"
            f"X-RateLimit-Tier: {self.scene.tier}\r\n"
        )

    async def answer(self, head: bytes) -> bytes:
        """Take one request, and return what is answered."""
        loop = asyncio.get_running_loop()
        late = LATE_SECONDS if self.dice.random() < LATE_SHARE else 0.0
        await asyncio.sleep(TRAVEL_SECONDS + late)
        now = loop.time()
        which = self.full(now)
        headers = self.head(which or 0, now)
        if which is None:
            self.admitted.append(now)
            self.by_key[head.partition(b"Bearer ")[2].partition(b"\r\n")[0].decode()].append(now)
            await asyncio.sleep(self.dice.lognormvariate(math.log(MEDIAN_SECONDS), SPREAD))
            ours = b"/generators/" in head.partition(b"\r\n")[0]
            body = json.dumps({"success": True, "data": RESULT} if ours else GENERATION).encode()
            status = "201 Created"
        else:
            self.refused += 1
            headers += f"Retry-After: {max(1, math.ceil(self.reset(which, now) - now))}\r\n"
            error = {"code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded", "status": 429}
            body, status = json.dumps({"success": False, "error": error}).encode(), "429 Too Many Requests"
        return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


# --- contenders: each makes so many calls to a server at `url`, and returns how many failed ---------------------------

Contender: TypeAlias = Callable[[str, Scene], Awaitable[int]]


async def post(session: aiohttp.ClientSession, url: str, turn: Callable[[], Awaitable[object]] | None = None) -> None:
    """Send until it is taken, and wait as told where it is not; `turn` is the limiter's, before every attempt."""
    while True:
        if turn is not None:
            await turn()
        async with session.post(f"{url}/generators/joke/generate", json={"prompt": "x"}) as reply:
            await reply.read()
            if reply.status != 429:
                return
            wait = float(reply.headers["Retry-After"])
        await asyncio.sleep(wait)


async def retry_loop(url: str, scene: Scene) -> int:
    """Obey Retry-After, and do nothing else."""
    async with plain_session(KEY) as session:
        await asyncio.gather(*(post(session, url) for _ in range(scene.calls)))
    return 0


async def by_aiolimiter(url: str, scene: Scene) -> int:
    """AsyncLimiter: a leaky bucket."""
    limiter = aiolimiter.AsyncLimiter(scene.limits[0], MINUTE)
    async with plain_session(KEY) as session:
        await asyncio.gather(*(post(session, url, limiter.acquire) for _ in range(scene.calls)))
    return 0


async def by_pyrate(url: str, scene: Scene, *, hours: bool = False) -> int:
    """pyrate-limiter: a log of what was let go, in memory."""
    loop = asyncio.get_running_loop()

    def in_ns() -> int:
        return int(loop.time() * 1e9)

    rates = [pyrate_limiter.Rate(scene.limits[0], pyrate_limiter.Duration.MINUTE)]
    if hours:
        rates.append(pyrate_limiter.Rate(scene.limits[1], pyrate_limiter.Duration.HOUR))
    with (
        mock.patch("pyrate_limiter.clocks.monotonic_ns", new=in_ns),
        mock.patch("pyrate_limiter.limiter.monotonic", new=loop.time),
    ):
        limiter = pyrate_limiter.Limiter(rates)
        async with plain_session(KEY) as session:
            turn = partial(limiter.try_acquire_async, "key")
            await asyncio.gather(*(post(session, url, turn) for _ in range(scene.calls)))
        limiter.close()
    return 0


async def by_aiometer(url: str, scene: Scene) -> int:
    """aiometer: so many a second, evenly."""
    async with plain_session(KEY) as session:
        calls = [partial(post, session, url) for _ in range(scene.calls)]
        await aiometer.run_all(calls, max_per_second=scene.limits[0] / MINUTE)
    return 0


async def by_luma_agents(url: str, scene: Scene) -> int:
    """The vendor's own client with ten retries."""
    from luma_agents import AsyncLuma, LumaError  # noqa: PLC0415 - slow to import, and only wanted here

    async with AsyncLuma(auth_token=KEY, base_url=url, max_retries=10) as client:

        async def call() -> int:
            try:
                await client.generations.create(prompt="x")
            except LumaError:
                return 1
            return 0

        return sum(await asyncio.gather(*(call() for _ in range(scene.calls))))


async def generate(client: AsyncGeneror) -> None:
    """Make one call as users make it."""
    await client.generators.generate("joke", prompt="x", model_id=37)


def our_client(
    url: str, limits: Limits | None, *, key: str = KEY, on_event: Callable[[Event], object] | None = None
) -> AsyncGeneror:
    """Make our client with enough connections and the virtual clock."""
    return AsyncGeneror(
        key,
        base_url=url,
        clock=LoopClock(),
        max_connections=1_000,
        max_retries=10,
        limits=limits,
        on_event=on_event,
    )


async def ours(url: str, scene: Scene, *, told: bool = True) -> int:
    """Ours, told the tier as the peers are told the limit; or told nothing."""
    limits = Limits(tier=scene.tier) if told else None
    async with our_client(url, limits) as client:
        await asyncio.gather(*(generate(client) for _ in range(scene.calls)))
    return 0


UNTOLD = "generor_async, given no limits"
CONTENDERS: dict[str, Contender] = {
    "Retry-After loop": retry_loop,
    "luma-agents, 10 retries": by_luma_agents,
    "aiolimiter": by_aiolimiter,
    "aiometer": by_aiometer,
    "pyrate-limiter": by_pyrate,
    UNTOLD: partial(ours, told=False),
    OURS: ours,
}


# --- the scenes -------------------------------------------------------------------------------------------------------


@frozen
class Result:
    """What a run came to."""

    refused: int
    last: float
    failed: int
    admitted: list[float]
    by_key: dict[str, list[float]]


Play: TypeAlias = Callable[[str, Scene], Awaitable[int]]


def play(scene: Scene, contender: Play, seed: int) -> Result:
    """Run one contender through one scene."""
    random.seed(seed)  # what clients draw
    return run(_play(scene, contender, seed))


async def _play(scene: Scene, contender: Play, seed: int) -> Result:
    server = Server(scene, random.Random(seed), list(scene.limits))
    listening = await asyncio.start_server(partial(converse, server.answer), "127.0.0.1", 0, backlog=4_096)
    port = listening.sockets[0].getsockname()[1]
    around: list[Coroutine[Any, Any, None]] = [server.change()]
    if scene.foreign:
        around.append(server.neighbours())
    tasks = [asyncio.create_task(each) for each in around]
    failed = await contender(f"http://127.0.0.1:{port}/api/v1", scene)
    for task in tasks:
        task.cancel()
    listening.close()
    return Result(server.refused, max(server.admitted), failed, server.admitted, dict(server.by_key))


def shown(results: list[Result]) -> str:
    """Put the seeds' median in a table's cell; the worst too, where it differs."""
    refused = [result.refused for result in results]
    middle = f"{statistics.median(refused):g}"
    worst = f" (worst {max(refused)})" if max(refused) != statistics.median(refused) else ""
    failed = statistics.median(result.failed for result in results)
    lost = f", {failed:g} failed" if failed else ""
    return f"{middle}{worst} / {statistics.median(result.last for result in results):.0f}{lost}"


def table(title: str, scenes: dict[str, Scene], contenders: dict[str, Contender], given: Namespace) -> str:
    """Run all contenders that are wanted through all scenes; return a Markdown table."""
    lines = [f"### {title}", "", f"| | {' | '.join(scenes)} |", f"|---|{'---|' * len(scenes)}"]
    for name in (name for name in contenders if given.only in name):
        runs = [[play(scene, contenders[name], seed) for seed in range(given.seeds)] for scene in scenes.values()]
        lines.append(f"| {name} | {' | '.join(map(shown, runs))} |")
    return "\n".join([*lines, ""])


def quota(given: Namespace) -> str:
    """The main table."""
    calls = given.calls
    scenes = {
        "fixed window": Scene(kind="fixed", calls=calls),
        "sliding": Scene(calls=calls),
        "fixed + 0.25/s foreign": Scene(kind="fixed", foreign=0.25, calls=calls),
        "sliding + 0.25/s foreign": Scene(foreign=0.25, calls=calls),
    }
    title = f"{calls} calls of 8 s, 60 a minute, 5 % of sends 250 ms late: refusals / last admission (s)"
    return table(title, scenes, CONTENDERS, given)


def hours(given: Namespace) -> str:
    """The hour's limit."""
    free = partial(Scene, limits=(30, 500), tier="free", calls=given.calls)
    scenes = {"fixed window": free(kind="fixed"), "sliding": free()}
    contenders: dict[str, Contender] = {
        "pyrate-limiter, minutes": by_pyrate,
        "pyrate-limiter, minutes and hours": partial(by_pyrate, hours=True),
        UNTOLD: partial(ours, told=False),
        OURS: ours,
    }
    return table(f"{given.calls} calls on the free tier, 30 a minute and 500 an hour", scenes, contenders, given)


def troubles(given: Namespace) -> str:
    """Clocks that are off, and a limit that changes in flight."""
    calls = given.calls
    scenes = {
        "clock 2 s ahead": Scene(skew=2.0, calls=calls),
        "clock 2 s behind": Scene(skew=-2.0, calls=calls),
        "60, 30, 60 a minute": Scene(changes=((200.0, 30), (320.0, 60)), calls=calls),
        "60, 120, 60 a minute": Scene(changes=((200.0, 120), (320.0, 60)), calls=calls),
    }
    names = ("Retry-After loop", "aiolimiter", "pyrate-limiter", OURS)
    return table("Troubles, sliding window", scenes, {name: CONTENDERS[name] for name in names}, given)


async def two_shares(url: str, scene: Scene) -> int:
    """Two processes' worth of limits, half of the key for each; told apart by what follows the key."""

    async def one(name: str) -> None:
        async with our_client(url, Limits(tier=scene.tier, max_share=0.5), key=KEY + name) as client:
            await asyncio.gather(*(generate(client) for _ in range(scene.calls // 2)))

    await asyncio.gather(one("1"), one("2"))
    return 0


def most_in_a_minute(moments: list[float]) -> int:
    """Return the most that any sliding minute holds."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - MINUTE:
            first += 1
        most = max(most, last - first + 1)
    return most


def shares(given: Namespace) -> str:
    """Two limiters with half a share each."""
    lines = ["### Two processes with max_share=0.5 each, 60 a minute", ""]
    lines += ["| window | refusals / last admission (s) | most of one in a minute |", "|---|---|---|"]
    for kind in ("fixed", "sliding"):
        results = [play(Scene(kind=kind, calls=given.calls), two_shares, seed) for seed in range(given.seeds)]
        most = max(most_in_a_minute(moments) for result in results for moments in result.by_key.values())
        lines.append(f"| {kind} | {shown(results)} | {most} of 30 |")
    return "\n".join([*lines, ""])


def latency(given: Namespace) -> str:
    """How long an interactive call waits beside 2,000 in bulk, and what bulk keeps under constant load."""
    waits: list[float] = []
    left: list[bool] = []
    for seed in range(given.seeds):
        play(Scene(), partial(beside_bulk, waits=waits), seed)
        play(Scene(), partial(under_load, left=left), seed)
    interval, ranked = MINUTE / 60, sorted(waits)
    return (
        "### Priorities, 60 a minute\n\n"
        f"Beside 2,000 calls in bulk, {len(waits)} interactive calls waited, in send intervals of {interval:g} s: "
        f"median {statistics.median(waits):.2f}, 99th percentile {ranked[int(0.99 * len(ranked))]:.2f}, "
        f"longest {ranked[-1]:.2f}. Under constant interactive load "
        f"bulk kept {sum(left) / len(left):.1%} of the rate.\n"
    )


async def beside_bulk(url: str, scene: Scene, *, waits: list[float]) -> int:
    """Make an interactive call now and then while 2,000 queue in bulk; note how long each waits for its turn."""
    loop = asyncio.get_running_loop()

    def note(event: Event) -> None:
        if isinstance(event, AttemptStarted) and event.request_id.startswith("bot"):
            waits.append(loop.time() - float(event.request_id[3:]))

    async with our_client(url, Limits(tier=scene.tier), on_event=note) as client:
        tasks = [asyncio.create_task(generate(client.with_options(priority="bulk"))) for _ in range(2_000)]
        for _ in range(40):
            await asyncio.sleep(random.uniform(5, 30))
            await generate(client.with_options(priority="interactive", request_id=f"bot{loop.time()!r}"))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return 0


async def under_load(url: str, scene: Scene, *, left: list[bool]) -> int:
    """Keep the queue full of interactive calls; note of each that leaves whether it was in bulk."""

    def note(event: Event) -> None:
        if isinstance(event, AttemptStarted):
            left.append(not event.request_id.startswith("bot"))

    async with our_client(url, Limits(tier=scene.tier), on_event=note) as client:
        bulk = client.with_options(priority="bulk")

        async def bots(name: int) -> None:
            for number in itertools.count():
                await generate(client.with_options(priority="interactive", request_id=f"bot{name}.{number}"))

        tasks = [asyncio.create_task(generate(bulk)) for _ in range(300)]
        tasks += [asyncio.create_task(bots(name)) for name in range(100)]
        await asyncio.sleep(10 * MINUTE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return 0


# --- the plot ---------------------------------------------------------------------------------------------------------


def drawing(given: Namespace) -> str:
    """Draw how many were admitted by when, beside others on the key."""
    scene = Scene(foreign=0.25, calls=given.calls)
    results = {name: play(scene, contender, 0) for name, contender in CONTENDERS.items() if given.only in name}
    curves = [
        Curve(name, result.admitted, f"{result.refused} refusals, last at {result.last:.0f} s")
        for name, result in results.items()
    ]
    return plot("Calls admitted by when: a sliding window of 60 a minute, with 0.25/s of others", curves)


def main() -> None:
    """Print the tables; write them and the plot where they are wanted."""
    given = options(__doc__, calls=600, seeds=5)
    parts: list[str] = []
    for part in (quota, hours, troubles, shares, latency):
        parts.append(part(given))
        print(parts[-1], flush=True)
    if given.out is not None:
        keep(given.out, "quota", parts, drawing(given))


if __name__ == "__main__":
    main()
