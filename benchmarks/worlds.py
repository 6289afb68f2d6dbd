"""A limit that foreign users share, and the naive loop to which our client is compared: pure, without sockets.

The limit counts requests in a fixed or a sliding window, and says what the documented headers say. Others act whenever
the limit is asked: whoever sends next comes first. So the same world serves a server in virtual time and a simulation
that has no event loop at all.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, Literal, Protocol, TypeAlias

from attrs import define, evolve, field, frozen

__all__ = [
    "MINUTE",
    "START",
    "STORED",
    "TARGETS",
    "Limit",
    "Naive",
    "Others",
    "World",
    "bursts_begun",
    "cast",
    "fair_last",
    "run_naive",
    "travel",
    "worlds",
]

EPOCH: Final = 1_700_000_000.0
START: Final = 100.0
"""When our client starts, in seconds of the world."""
MINUTE: Final = 60.0
TRAVEL: Final = (0.02, 0.05)
"""Seconds that a message is on its way: a round trip takes 40 to 100 ms."""
BURST_PERIOD: Final = 180.0
FIRST_BURST: Final = (5.0, 65.0)
"""Seconds from our start within which the first burst comes."""
HOG_SECONDS: Final = 180.0
EXAMPLE: Final = 30
"""Requests a minute in the documents' example: what is taken for the limit before an answer has named it."""
BEFORE_SECONDS: Final = 90.0
"""How long before our client those are there who come before it: a window and a half."""

Kind: TypeAlias = Literal["sliding", "fixed"]
Reset: TypeAlias = Literal["oldest", "now"]
"""What Reset means on a success: the end of the window's oldest request, or now and a minute (sliding alone)."""
Who: TypeAlias = Literal["gone", "steady, before", "steady, coming", "bursts", "hog"]

STORED: Final = "restart with the store"
"""The row in which what was used before a restart is our own, and known."""
TARGETS: Final[dict[str, tuple[float, float]]] = {
    "restart": (1.10, 3),
    STORED: (1.05, 0),
    "others, steady": (1.10, 2),
    "others, bursts": (1.10, 4),
    "others, bursts; answers after 8 s": (1.25, 6),
    "a hog": (1.10, 4),
}
"""By row of the table: the last admission over the naive loop's, and refusals (bursts: for each)."""


@frozen(kw_only=True)
class World:
    """What the server counts, and what others do."""

    row: str
    api: Literal["luma", "generor"] = "luma"
    limit: int = 60
    kind: Kind = "sliding"
    boundary: float = 0.0
    """Seconds from our start to the end of a fixed window."""
    reset: Reset = "oldest"
    windows: float = 2.5
    """How many windows our calls would fill."""
    who: Who = "gone"
    share: float = 0.0
    """The part of the limit that was used before a restart."""
    seconds_ago: float = 0.0
    """Seconds from that use to our start."""
    answer_seconds: float = 0.0

    @property
    def calls(self) -> int:
        """How many calls we make."""
        return round(self.limit * self.windows)

    def label(self) -> str:
        """Say in which world we are."""
        window = f"fixed, {self.boundary:g} s away" if self.kind == "fixed" else f"sliding, Reset {self.reset}"
        used = f", {self.share:.0%} {self.seconds_ago:g} s ago" if self.who == "gone" else f", {self.who}"
        return f"{self.api}, {self.limit} a minute, {window}{used}, {self.windows:g} windows"


@define
class Limit:
    """Counts requests a minute, and admits what there is room for."""

    world: World
    log: deque[float] = field(factory=deque[float])
    epoch: float = EPOCH
    """Unix seconds at the world's zero."""

    def count(self, now: float) -> int:
        """Count what is in the window."""
        log, sliding = self.log, self.world.kind == "sliding"
        began = 0.0 if sliding else self.end(now) - MINUTE
        while log and (log[0] + MINUTE <= now if sliding else log[0] < began):
            log.popleft()
        return len(log)

    def end(self, now: float) -> float:
        """Return when the fixed window of a moment ends."""
        first = START + self.world.boundary
        return first + MINUTE * (math.floor((now - first) / MINUTE) + 1)

    def free_at(self, now: float) -> float:
        """Return when the next place becomes free by itself."""
        if self.world.kind == "fixed":
            return self.end(now)
        return self.log[0] + MINUTE if self.log else now

    def take(self, now: float) -> float | None:
        """Admit a request, or return the Retry-After of its refusal."""
        if self.count(now) >= self.world.limit:
            return max(1.0, math.ceil(self.free_at(now) - now))
        self.log.append(now)
        return None

    def headers(self, now: float, *, admitted: bool) -> dict[str, str]:
        """Return what an answer says of the limit."""
        world = self.world
        if admitted and world.kind == "sliding" and world.reset == "now":
            reset = math.floor(self.epoch + now + MINUTE)
        else:
            reset = math.ceil(self.epoch + self.free_at(now))
        said = {
            "X-RateLimit-Limit": str(world.limit),
            "X-RateLimit-Remaining": str(max(0, world.limit - self.count(now))),
            "X-RateLimit-Reset": str(reset),
        }
        if world.api == "generor":
            said["X-RateLimit-Tier"] = {30: "free", 60: "basic", 300: "enterprise"}.get(world.limit, "another")
        return said


class Others(Protocol):
    """Those who use the same key."""

    @property
    def next(self) -> float:
        """When the next of their requests arrives."""
        ...

    def step(self) -> None:
        """Let it arrive."""
        ...


def travel(dice: random.Random) -> float:
    """Draw how long a message is on its way."""
    return dice.uniform(*TRAVEL)


class Senders:
    """Send at given moments; who is refused sends again after Retry-After, until admitted."""

    def __init__(self, limit: Limit, moments: Iterable[float], dice: random.Random) -> None:
        self._limit = limit
        self._dice = dice
        self._moments: Iterator[float] = iter(moments)
        self._again: list[float] = []
        self._fresh = next(self._moments, math.inf)
        self.refused = 0
        self.admitted = 0
        self.last = -math.inf
        """When the last was admitted."""

    @property
    def next(self) -> float:
        """When the next request arrives."""
        return min(self._fresh, self._again[0]) if self._again else self._fresh

    def step(self) -> None:
        """Let it arrive."""
        if self._again and self._again[0] <= self._fresh:
            now = heapq.heappop(self._again)
        else:
            now, self._fresh = self._fresh, next(self._moments, math.inf)
        wait = self._limit.take(now)
        if wait is None:
            self.admitted += 1
            self.last = now
        else:
            self.refused += 1
            heapq.heappush(self._again, now + travel(self._dice) + wait + travel(self._dice))


class Hog:
    """Takes every place the moment it becomes free, from a minute before our start on, and then leaves."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self.next = START - MINUTE

    def step(self) -> None:
        """Take the places; of a sliding window, at first, one after the other over a minute."""
        now, limit = self.next, self._limit
        while limit.take(now) is None:
            if now < START and limit.world.kind == "sliding":
                break
        self.next = limit.free_at(now)
        if now < START and limit.world.kind == "sliding":
            self.next = min(self.next, now + MINUTE / limit.world.limit)
        if self.next > START + HOG_SECONDS:
            self.next = math.inf


class Nobody:
    """Nobody else."""

    next = math.inf

    def step(self) -> None:
        """Never come."""


def others_dice(seed: int) -> random.Random:
    """Return the dice of the others: they do the same beside every contender."""
    return random.Random(f"others {seed}")


def cast(world: World, limit: Limit, seed: int) -> Others:
    """Return the others of a world."""
    dice = others_dice(seed)
    if world.who == "hog":
        return Hog(limit)
    if world.who == "bursts":
        return Senders(limit, bursts(world, dice), dice)
    if world.who != "gone":
        return Senders(limit, steady(world, dice), dice)
    limit.log.extend([START - world.seconds_ago] * round(world.share * world.limit))
    return Nobody()


def steady(world: World, dice: random.Random) -> Iterator[float]:
    """Yield the moments of a quarter of the limit, evenly, from before our start or from its middle on."""
    since = START - BEFORE_SECONDS if world.who == "steady, before" else START + world.windows * MINUTE / 2
    interval = MINUTE / (world.limit / 4)
    moment = since + dice.uniform(0, interval)
    while True:
        yield moment
        moment += interval


def bursts(world: World, dice: random.Random) -> Iterator[float]:
    """Yield the moments of half the limit at once, every three minutes."""
    moment = START + dice.uniform(*FIRST_BURST)
    while True:
        yield from sorted(moment + travel(dice) for _ in range(world.limit // 2))
        moment += BURST_PERIOD


def bursts_begun(seed: int, until: float) -> int:
    """Count the bursts that began up to so many seconds from our start; at least one."""
    first = others_dice(seed).uniform(*FIRST_BURST)
    return max(1, math.floor((until - first) / BURST_PERIOD) + 1)


@frozen
class Naive:
    """What the naive loop came to: its last admission, in seconds from the start, and its refusals."""

    last: float
    refused: int


def run_naive(world: World, seed: int, before: Iterable[float] = ()) -> Naive:
    """Send all calls at once, and each again after Retry-After, until all are admitted.

    `before` are the moments of what is in the window already.
    """
    dice = random.Random(f"naive {seed}")
    limit = Limit(world)
    others = cast(world, limit, seed)
    limit.log.extend(before)
    naive = Senders(limit, sorted(START + travel(dice) for _ in range(world.calls)), dice)
    while naive.admitted < world.calls:
        (others if others.next <= naive.next else naive).step()
    return Naive(naive.last - START, naive.refused)


def fair_last(world: World, seed: int) -> float | None:
    """Return when whoever leaves others the places that they ask for can have the last call admitted.

    In each window others have as many places as they send new requests in it, and the rest is ours at its very
    beginning; a sliding window is taken for one that begins with us. Until the first answer has named the limit no more
    leave than the documents' example allows; a sliding window gives the rest back so much later each time. None where
    there are no others who ask for a part.
    """
    if world.who in {"gone", "hog"}:
        return None
    dice = others_dice(seed)
    moments = bursts(world, dice) if world.who == "bursts" else steady(world, dice)
    start, end = START, START + (world.boundary if world.kind == "fixed" else MINUTE)
    asked, left = next(moments), world.calls
    while True:
        room = world.limit
        while asked < end:
            room -= asked >= end - MINUTE
            asked = next(moments)
        soon, late = room, start + world.answer_seconds
        if world.answer_seconds and (start == START or world.kind == "sliding"):
            soon = min(room, EXAMPLE)
            room = soon if late >= end else room
        if left <= room:
            return (start if left <= soon else late) - START
        left, start, end = left - room, end, end + MINUTE


# --- the table's worlds -----------------------------------------------------------------------------------------------

LIMITS = (30, 60, 300)
BOUNDARIES = (5.0, 20.0, 50.0)
WINDOWS = (2.5, 10.0)
SHARES = (1.0, 0.75, 0.33)
AGES = (0.0, 5.0, 50.0)
QUICK_LIMITS, QUICK_BOUNDARIES, QUICK_WINDOWS = (60,), (20.0,), (2.5,)


def servers(row: str, *, quick: bool) -> Iterator[World]:
    """Yield the servers of a row: limit, window, what Reset means, and how much we want of it."""
    resets: tuple[Reset, ...] = ("oldest", "now")
    for limit in QUICK_LIMITS if quick else LIMITS:
        for windows in QUICK_WINDOWS if quick else WINDOWS:
            for reset in resets:
                yield World(row=row, limit=limit, windows=windows, reset=reset)
            for boundary in QUICK_BOUNDARIES if quick else BOUNDARIES:
                yield World(row=row, limit=limit, windows=windows, kind="fixed", boundary=boundary)


def worlds(*, quick: bool) -> Iterator[World]:
    """Yield all worlds of the rows on pace."""
    for row in ("restart", STORED):
        for world in servers(row, quick=quick):
            for share in SHARES:
                for age in AGES:
                    yield evolve(world, share=share, seconds_ago=age)
    steadies: tuple[Who, ...] = ("steady, before", "steady, coming")
    for world in servers("others, steady", quick=quick):
        for who in steadies:
            yield evolve(world, who=who)
    for world in servers("others, bursts", quick=quick):
        yield evolve(world, who="bursts")
    for world in servers("others, bursts; answers after 8 s", quick=quick):
        yield evolve(world, api="generor", who="bursts", answer_seconds=8.0)
    for world in servers("a hog", quick=quick):
        yield evolve(world, who="hog")
