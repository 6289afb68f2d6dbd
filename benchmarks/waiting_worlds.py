"""Worlds in which calls wait: a server with limits on a real socket, and who calls it; time is virtual."""

import asyncio
import json
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from attrs import define, field, frozen
from stage import EPOCH, RESULT

from generor_async.values import Priority

__all__ = ["WORLDS", "Life", "Server", "Stream", "World"]

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
TRAVEL: Final = (0.02, 0.05)
"""Seconds that a message is on its way; nothing is left to chance where it is always the mean."""
TIERS: Final = {"free": (30, 500, 5_000), "basic": (60, 2_000, 20_000)}

Life: TypeAlias = Callable[[random.Random, float], float]
"""Draws how long a job lives, or what remains of one of this age."""
Answer: TypeAlias = tuple[object, str, Mapping[str, str]]
"""Body, status and headers."""
Come: TypeAlias = Literal["at once", "poisson", "bursts"]


@frozen(kw_only=True)
class Stream:
    """Calls of one kind."""

    rate: float
    """Calls a second; of those that come at once, how many."""
    come: Come = "poisson"
    size: int = 1
    """Calls in a burst."""
    priority: Priority = "normal"
    user: str | None = None
    users: int = 1
    """Among so many users in turn, if there is more than one."""
    asks: bool = True
    """Whether its calls ask how long they will wait."""
    kind: str = "image"
    cancels: float = 0.0
    """Which part of them is cancelled, after a minute or so."""
    start: float = 0.0
    """When those come that come at once."""
    process: int = 0

    def moments(self, dice: random.Random, seconds: float) -> Iterator[float]:
        """Yield when calls are made."""
        if self.come == "at once":
            yield from [self.start] * round(self.rate)
            return
        moment = dice.expovariate(self.rate / self.size)
        while moment < seconds:
            yield from [moment] * self.size
            moment += dice.expovariate(self.rate / self.size)


@frozen(kw_only=True)
class World:
    """What the server allows, and who calls."""

    name: str
    api: Literal["luma", "generor"] = "luma"
    windows: Mapping[float, int] = {MINUTE: 60}
    """The limit of each span."""
    fixed: bool = False
    bare: bool = False
    """Whether answers say nothing of limits."""
    ceiling: int | None = None
    """How many jobs run at once."""
    told: bool = True
    """Whether the client is told the ceiling."""
    lives: Mapping[str, Life] = field(factory=dict[str, Life])
    """Of each kind of job; without one, it has ended when it is taken."""
    streams: tuple[Stream, ...]
    foreign: float = 0.0
    """Requests of others a second."""
    seconds: float = 1_800.0
    """How long calls come."""
    warm: float = 0.0
    """Seconds at the beginning in which nobody asks."""
    seeds: int = 3
    chance: bool = True
    """Whether anything is left to chance, so that a wait can't be told to two seconds."""
    oracle: bool = False
    """Whether arrivals are random, so that bounds are compared with those of an oracle."""
    every: int = 3
    """Of so many calls one asks."""
    processes: int = 1
    share: float = 1.0


def fixed(seconds: float) -> Life:
    """All live alike."""
    return lambda _, age: max(seconds - age, 0.0)


def exponential(mean: float) -> Life:
    """What remains is the same at any age."""
    return lambda dice, _: dice.expovariate(1 / mean)


def drawn(draw: Callable[[random.Random], float]) -> Life:
    """Draw until one is older than that."""

    def life(dice: random.Random, age: float) -> float:
        for _ in range(10_000):
            if (found := draw(dice)) > age:
                return found - age
        return 0.0

    return life


def lognormal(median: float, sigma: float) -> Life:
    """Most are near the median, and some last long."""
    return drawn(lambda dice: dice.lognormvariate(math.log(median), sigma))


def bimodal(short: float, long: float, share: float) -> Life:
    """One of two durations, or nearly."""
    return drawn(lambda dice: (short if dice.random() < share else long) * dice.uniform(0.9, 1.1))


# --- the server -------------------------------------------------------------------------------------------------------


@define
class Server:
    """Counts requests and jobs, and answers as the documents say."""

    world: World
    dice: random.Random
    log: dict[float, deque[float]] = field(factory=dict[float, deque[float]])
    jobs: dict[str, tuple[float, float, str]] = field(factory=dict[str, tuple[float, float, str]])
    """Of each job when it began, when it ends, and its kind."""
    submitted: list[tuple[str, float]] = field(factory=list[tuple[str, float]])
    """The calls that were admitted, by their prompts, and when they arrived."""
    refused: int = 0
    others: deque[float] = field(factory=deque[float])
    """When the requests of others came that were admitted last, the oldest first."""
    _foreign: float = math.inf
    """When the next request of others comes."""

    def __attrs_post_init__(self) -> None:
        self.log = {span: deque() for span in self.world.windows}
        if self.world.foreign:
            self._foreign = self.dice.expovariate(self.world.foreign)

    def count(self, span: float, now: float) -> int:
        """Count what a window holds."""
        log = self.log[span]
        began = math.floor((now - 7) / span) * span + 7 if self.world.fixed else now - span
        while log and log[0] <= began:
            log.popleft()
        return len(log)

    def running(self, now: float) -> list[tuple[float, str]]:
        """Return when each job that runs began, and its kind."""
        return [(began, kind) for began, end, kind in self.jobs.values() if end > now]

    def _take(self, now: float) -> tuple[bool, float]:
        """Count a request if there is room; else return when to come again."""
        for span, limit in self.world.windows.items():
            if self.count(span, now) >= limit:
                end = math.floor((now - 7) / span) * span + 7 + span if self.world.fixed else self.log[span][0] + span
                return False, max(1.0, math.ceil(end - now))
        for log in self.log.values():
            log.append(now)
        return True, 0.0

    async def answer(self, message: bytes) -> bytes:
        """Take one request, and return what is answered."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self.dice.uniform(*TRAVEL) if self.world.chance else sum(TRAVEL) / 2)
        while self._foreign <= loop.time():
            if self._take(self._foreign)[0]:
                self.others.append(self._foreign)
            self._foreign += self.dice.expovariate(self.world.foreign)
        head, _, body = message.partition(b"\r\n\r\n")
        method, path, _ = head.decode().split(" ", 2)
        if method == "GET":
            found: Answer = self._shown(path.rpartition("/")[2], loop.time()), "200 OK", {}
        else:
            found = self._submit(json.loads(body), loop.time())
        await asyncio.sleep(self.dice.uniform(*TRAVEL) if self.world.chance else sum(TRAVEL) / 2)
        return _written(*found, loop.time())

    def _submit(self, body: Mapping[str, Any], now: float) -> Answer:
        world = self.world
        ceiling, kind = world.ceiling, str(body.get("type", "image"))
        if ceiling is not None and len(self.running(now)) >= ceiling:
            self.refused += 1
            return {"detail": "Too many concurrent jobs"}, "429 Too Many Requests", {"Retry-After": "60"}
        admitted, wait = self._take(now)
        headers = {} if world.bare else self._headers(now)
        if not admitted:
            self.refused += 1
            refusal: object = {"detail": "Rate limit exceeded"}
            if world.api == "generor":
                error = {"code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded", "status": 429}
                refusal = {"success": False, "error": error}
            return refusal, "429 Too Many Requests", {**headers, "Retry-After": f"{wait:.0f}"}
        self.submitted.append((str(body["prompt"]), now))
        if world.api == "generor":
            return {"success": True, "data": RESULT}, "201 Created", headers
        job_id, life = str(UUID(int=len(self.jobs) + 1)), world.lives.get(kind)
        self.jobs[job_id] = now, now + (0.0 if life is None else life(self.dice, 0.0)), kind
        return self._shown(job_id, now), "201 Created", headers

    def _headers(self, now: float) -> dict[str, str]:
        span, limit = min(self.world.windows.items())
        log = self.log[span]
        reset = math.floor((now - 7) / span) * span + 7 + span if self.world.fixed else (log[0] if log else now) + span
        said = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - self.count(span, now))),
            "X-RateLimit-Reset": str(math.ceil(EPOCH + reset)),
        }
        tier = next((name for name, limits in TIERS.items() if limits[0] == limit), None)
        return said if self.world.api == "luma" or tier is None else {**said, "X-RateLimit-Tier": tier}

    def _shown(self, job_id: str, now: float) -> dict[str, object]:
        _, end, kind = self.jobs[job_id]
        return {
            "id": job_id,
            "type": kind,
            "state": "completed" if end <= now else "processing",
            "model": "uni-1" if kind.startswith("image") else "ray-3.2",
            "created_at": "2026-04-08T12:00:00Z",
            "output": [{"type": "image", "url": "https://cdn.invalid/x.png"}] if end <= now else [],
            "failure_reason": None,
            "failure_code": None,
        }


def _written(body: object, status: str, headers: Mapping[str, str], now: float) -> bytes:
    content = json.dumps(body).encode()
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(EPOCH + now))
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDate: {date}\r\n{more}"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


# --- the worlds -------------------------------------------------------------------------------------------------------


def _at_once(calls: int, **more: Any) -> Stream:
    return Stream(rate=calls, come="at once", **more)


def _still(name: str, calls: int, *, priority: Priority = "normal", **more: Any) -> World:
    """Return a world in which nothing is left to chance; a few calls show how long answers take."""
    streams = _at_once(5, asks=False, priority=priority), _at_once(calls, start=3.0, priority=priority)
    return World(name=name, streams=streams, chance=False, seeds=1, every=1, **more)


FREE: Final = dict(zip((MINUTE, HOUR, DAY), TIERS["free"], strict=True))
PLENTY: Final = {MINUTE: 600}
"""A window that binds nobody."""

WORLDS: Final = (
    _still("a minute alone", 200),
    _still("a share of a minute", 100, share=0.5),
    _still("an evenly used minute", 150, priority="bulk"),
    _still("an hour alone", 900, api="generor", windows=FREE),
    _still("a day alone", 5_300, api="generor", windows=FREE),
    World(name="a fixed minute", fixed=True, streams=(Stream(rate=1.0), _at_once(90)), seconds=900),
    World(name="bare 429s", api="generor", bare=True, streams=(Stream(rate=1.0), _at_once(90)), seconds=900),
    World(name="foreign usage", foreign=0.25, streams=(Stream(rate=0.82), _at_once(60)), oracle=True),
    World(
        name="priorities, Poisson",
        streams=(Stream(rate=0.4, priority="interactive", asks=False), Stream(rate=0.58), _at_once(30)),
        oracle=True,
        warm=60,
    ),
    World(
        name="priorities, bursts",
        streams=(
            Stream(rate=0.3, come="bursts", size=10, priority="interactive", asks=False),
            Stream(rate=0.65),
            _at_once(30),
        ),
        oracle=True,
        seconds=3_600,
        warm=300,
    ),
    World(
        name="users in turns",
        streams=(
            Stream(rate=0.5, users=20, asks=False),
            Stream(rate=0.48, come="bursts", size=12, user="ada"),
            _at_once(10, user="bob"),
        ),
        seconds=3_600,
    ),
    World(
        name="jobs of one duration",
        windows=PLENTY,
        ceiling=10,
        lives={"image": fixed(40.0)},
        streams=(Stream(rate=0.24), _at_once(25)),
        warm=120,
    ),
    World(
        name="jobs, exponential",
        windows=PLENTY,
        ceiling=10,
        lives={"image": exponential(40.0)},
        streams=(Stream(rate=0.24), _at_once(25)),
        oracle=True,
        seconds=3_600,
        warm=120,
    ),
    World(
        name="jobs, two durations",
        windows=PLENTY,
        ceiling=6,
        lives={"image": bimodal(20.0, 120.0, 0.7)},
        streams=(Stream(rate=0.115), _at_once(15)),
        oracle=True,
        seconds=3_600,
        warm=120,
    ),
    World(
        name="jobs, heavy-tailed",
        windows=PLENTY,
        ceiling=8,
        lives={"image": lognormal(30.0, 1.0)},
        streams=(Stream(rate=0.155), _at_once(15)),
        oracle=True,
        seconds=3_600,
        warm=120,
    ),
    World(
        name="jobs of two types",
        windows=PLENTY,
        ceiling=8,
        lives={"image": lognormal(30.0, 0.3), "video": lognormal(100.0, 0.3)},
        streams=(Stream(rate=0.1), Stream(rate=0.045, kind="video"), _at_once(12)),
        oracle=True,
        seconds=3_600,
        warm=120,
    ),
    World(
        name="jobs, and urgent ones",
        windows=PLENTY,
        ceiling=10,
        lives={"image": lognormal(40.0, 0.4)},
        streams=(Stream(rate=0.08, priority="interactive", asks=False), Stream(rate=0.14), _at_once(20)),
        oracle=True,
        seconds=3_600,
        warm=120,
    ),
    World(
        name="jobs under a window",
        windows={MINUTE: 20},
        ceiling=12,
        lives={"image": lognormal(34.0, 0.4)},
        streams=(Stream(rate=0.31), _at_once(15)),
        seconds=2_400,
        warm=120,
    ),
    World(
        name="after a restart",
        windows=PLENTY,
        ceiling=10,
        told=False,
        lives={"image": lognormal(55.0, 0.4)},
        streams=(_at_once(40),),
        seconds=1,
        seeds=6,
        every=1,
    ),
    World(
        name="calls are cancelled",
        windows=PLENTY,
        ceiling=10,
        lives={"image": lognormal(40.0, 0.4)},
        streams=(Stream(rate=0.26, cancels=0.1), _at_once(20)),
        seconds=3_600,
        warm=120,
    ),
    World(
        name="three processes",
        streams=(*(Stream(rate=0.33, process=each) for each in range(3)), _at_once(30), _at_once(30, process=1)),
        processes=3,
        seconds=1_200,
    ),
    World(
        name="three processes with jobs",
        windows=PLENTY,
        ceiling=9,
        lives={"image": lognormal(40.0, 0.4)},
        streams=(*(Stream(rate=0.07, process=each) for each in range(3)), _at_once(20)),
        processes=3,
        seconds=1_800,
        warm=120,
    ),
)
