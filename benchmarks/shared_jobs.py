"""Our client and a naive loop with outages and job slots: a server on a real socket, in virtual time."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import aiohttp
from attrs import define, field, frozen
from shared_pace import GENERATION, KEYS, failures, reply
from stage import EPOCH, LoopClock, converse, plain_session
from worlds import travel

from generor_async import AsyncLuma, Limits
from generor_async.testing.loop import run

__all__ = ["Ended", "Outage", "Slots", "outages", "play_outage", "play_slots", "slots"]

LOOK_SECONDS: Final = 2.0
"""How often the naive loop polls a job."""
WINDOW: Final = 10_000
"""Units a minute: so many that pace doesn't matter."""
EDIT: Final[Mapping[str, Any]] = {
    "prompt": "x",
    "model": "uni-1-max",
    "type": "image_edit",
    "source": {"url": "https://cdn.invalid/x.png"},
}
IMAGE: Final[Mapping[str, Any]] = {"prompt": "x"}
EDIT_UNITS: Final = 3


@frozen(kw_only=True)
class Outage:
    """A documented 502 or 503 that lasts so long."""

    row: str
    status: Literal[502, 503]
    seconds: float
    calls: int
    told: bool
    """Whether the client is told limits that are never reached: then all its calls leave at once."""

    def label(self) -> str:
        """Say in which world we are."""
        told = "told the limits" if self.told else "told nothing"
        return f"{self.calls} calls, {self.status} for {self.seconds:g} s, {told}"


@frozen(kw_only=True)
class Slots:
    """A ceiling of jobs under way, counted in units."""

    row: str
    jobs: tuple[Mapping[str, Any], ...]
    """What is asked for, in this order."""
    job_seconds: float
    ceiling: int
    bound: float
    """Seconds in which it can be done."""
    named: Literal["units", "number", "nothing"]
    """How the refusal names the ceiling."""
    held: int = 0
    """Units that others hold at first."""
    held_seconds: float = 0.0
    order: str = ""

    def label(self) -> str:
        """Say in which world we are."""
        return f"{len(self.jobs)} jobs{self.order and ', ' + self.order}"

    def detail(self, units: int) -> str:
        """Word the refusal of a request that weighs so much."""
        if self.named == "units":
            needs = f"limit={self.ceiling} weight units, this request needs {units}"
            return f"Concurrent generation capacity reached: {needs}"
        if self.named == "number":
            return f"Concurrent generation limit reached ({self.ceiling})"
        return "Too many concurrent jobs"


@frozen
class Ended:
    """What the calls came to."""

    last: float
    """Seconds until the last job had ended; of an outage, until the last call was admitted."""
    refused: int
    posts: int
    failed: int


# --- outages ----------------------------------------------------------------------------------------------------------

DOWN: Final[dict[int, tuple[str, str]]] = {
    502: ("502 Bad Gateway", "Upstream service unavailable"),
    503: ("503 Service Unavailable", "Image URL ingestion unavailable"),
}


@define
class Door:
    """Is down at first, and takes everything afterwards."""

    world: Outage
    dice: random.Random
    posts: int = 0
    last: float = math.inf

    async def answer(self, request: bytes) -> bytes:  # noqa: ARG002 - only POSTs come
        """Take one request, and return what is answered."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(travel(self.dice))
        self.posts += 1
        now = loop.time()
        if now >= self.world.seconds:
            self.last = now
        await asyncio.sleep(travel(self.dice))
        if now >= self.world.seconds:
            return reply("201 Created", GENERATION, window(1), EPOCH + loop.time())
        status, detail = DOWN[self.world.status]
        return reply(status, {"detail": detail}, {}, EPOCH + loop.time())


def window(used: int) -> dict[str, str]:
    """Return the headers of a window that is never full."""
    return {
        "X-RateLimit-Limit": str(WINDOW),
        "X-RateLimit-Remaining": str(WINDOW - used),
        "X-RateLimit-Reset": str(math.floor(EPOCH + asyncio.get_running_loop().time() + 60)),
    }


def play_outage(world: Outage, seed: int) -> Ended:
    """Run our client through an outage."""
    random.seed(seed)  # what the client draws
    door = Door(world, random.Random(f"ours {seed}"))

    async def calls(luma: AsyncLuma) -> int:
        return await failures(luma.generations.create(prompt="x") for _ in range(world.calls))

    limits = Limits(rpm=WINDOW, jobs=WINDOW) if world.told else Limits()
    failed = run(serving(door.answer, partial(by_ours, calls, limits)))
    return Ended(door.last, 0, door.posts, failed)


# --- slots ------------------------------------------------------------------------------------------------------------


@define
class Shop:
    """Takes jobs while there are units, and shows them."""

    world: Slots
    dice: random.Random
    jobs: dict[str, tuple[float, float, int]] = field(factory=dict[str, tuple[float, float, int]])
    """By id, when a job was taken and when it ends, and its units."""
    refused: int = 0

    def submit(self, units: int, now: float) -> str | None:
        """Take a job and return its id; None where there is no room for it."""
        held = self.world.held if now < self.world.held_seconds else 0
        held += sum(weight for _, end, weight in self.jobs.values() if end > now)
        if held + units > self.world.ceiling:
            self.refused += 1
            return None
        name = str(UUID(int=len(self.jobs) + 1))
        self.jobs[name] = now, now + self.world.job_seconds, units
        return name

    def shown(self, name: str, now: float) -> dict[str, object]:
        """Show a job as it stands."""
        _, end, units = self.jobs[name]
        body: dict[str, object] = {**GENERATION, "id": name}
        if units == EDIT_UNITS:
            body.update(model=EDIT["model"], type=EDIT["type"])
        if end > now:
            body.update(state="processing", output=[])
        return body

    async def answer(self, request: bytes) -> bytes:
        """Take one request, and return what is answered."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(travel(self.dice))
        method, path, _ = request.split(b" ", 2)
        now, headers, status = loop.time(), dict[str, str](), "200 OK"
        units = EDIT_UNITS if b"image_edit" in request else 1
        if method == b"GET":
            body = self.shown(path.rpartition(b"/")[2].decode(), now)
        elif (name := self.submit(units, now)) is None:
            body, status = {"detail": self.world.detail(units)}, "429 Too Many Requests"
            headers["Retry-After"] = "60"
        else:
            body, status = self.shown(name, now), "201 Created"
            headers = window(sum(weight for taken, _, weight in self.jobs.values() if taken + 60 > now))
        await asyncio.sleep(travel(self.dice))
        return reply(status, body, headers, EPOCH + loop.time())


def play_slots(world: Slots, seed: int) -> tuple[Ended, Ended]:
    """Run our client through a world, and the naive loop."""

    async def runs(luma: AsyncLuma) -> int:
        return await failures(luma.generations.run(**job) for job in world.jobs)

    async def by_naive(url: str) -> int:
        async with plain_session(KEYS["luma"]) as session:
            await asyncio.gather(*(make(session, url, job) for job in world.jobs))
        return 0

    def ended(contender: Contender, name: str) -> Ended:
        random.seed(seed)  # what the client draws
        shop = Shop(world, random.Random(f"{name} {seed}"))
        failed = run(serving(shop.answer, contender))
        last = math.inf if failed else max(end for _, end, _ in shop.jobs.values())
        return Ended(last, shop.refused, len(shop.jobs) + shop.refused, failed)

    return ended(partial(by_ours, runs, Limits()), "ours"), ended(by_naive, "naive")


async def make(session: aiohttp.ClientSession, url: str, job: Mapping[str, Any]) -> None:
    """Submit until it is taken, waiting as told where it is not; then look until it has ended."""
    while True:
        async with session.post(f"{url}/generations", json=job) as answer:
            seen = await answer.json()
            if answer.status != 429:
                break
            wait = float(answer.headers["Retry-After"])
        await asyncio.sleep(wait)
    while seen["state"] != "completed":
        await asyncio.sleep(LOOK_SECONDS)
        async with session.get(f"{url}/generations/{seen['id']}") as answer:
            seen = await answer.json()


# --- contenders and worlds --------------------------------------------------------------------------------------------

Contender: TypeAlias = Callable[[str], Awaitable[int]]
"""Makes its calls to a server at an address, and returns how many failed."""


async def serving(answer: Callable[[bytes], Awaitable[bytes]], contender: Contender) -> int:
    """Serve a contender; return how many of its calls failed."""
    listening = await asyncio.start_server(partial(converse, answer), "127.0.0.1", 0, backlog=4_096)
    try:
        return await contender(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
    finally:
        listening.close()


async def by_ours(calls: Callable[[AsyncLuma], Awaitable[int]], limits: Limits, url: str) -> int:
    """Make the calls with our client."""
    clock = LoopClock()
    async with AsyncLuma(KEYS["luma"], base_url=url, clock=clock, limits=limits, max_connections=1_000) as luma:
        return await calls(luma)


def outages(*, quick: bool) -> Iterator[Outage]:
    """Yield the outages of the table."""
    statuses: tuple[Literal[502, 503], ...] = (502, 503)
    for seconds in (1.0, 20.0):
        for status in statuses:
            for calls in (50,) if quick else (50, 500):
                for told in (False, True):
                    row = f"an outage of {seconds:g} s"
                    yield Outage(row=row, status=status, seconds=seconds, calls=calls, told=told)


def slots() -> Iterator[Slots]:
    """Yield the slots of the table."""
    orders = {
        "edits first": [EDIT] * 7 + [IMAGE] * 7,
        "edits last": [IMAGE] * 7 + [EDIT] * 7,
        "mixed": [EDIT, IMAGE] * 7,
    }
    for order, jobs in orders.items():
        yield Slots(
            row="uni-1-max edits and others",
            jobs=tuple(jobs),
            order=order,
            job_seconds=20.0,
            ceiling=10,
            bound=60.0,
            named="units",
        )
    images = (IMAGE,) * 60
    ten = partial(Slots, jobs=images[:40], job_seconds=30.0, ceiling=10, bound=120.0)
    yield ten(row="10 slots, named", named="number")
    yield ten(row="10 slots, not named", named="nothing")
    yield Slots(
        row="2 of 4 slots in foreign use for 300 s",
        jobs=images,
        job_seconds=30.0,
        ceiling=4,
        bound=600.0,
        named="number",
        held=2,
        held_seconds=300.0,
    )
