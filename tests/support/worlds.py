"""A world in which requests travel and a server counts them: no event loop, no clock, all of it in one heap."""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Literal, TypeAlias

from attrs import define, field, frozen

from generor_async.rules.pace import Pace
from generor_async.rules.wait import Wait
from generor_async.rules.window import JITTER, SPANS, Permit, Scope
from generor_async.values import RateLimit

__all__ = ["EPOCH", "Kind", "Server", "ServerWindow", "World"]

Kind: TypeAlias = Literal["fixed", "sliding"]
EPOCH = 1_775_649_600.0


@define
class ServerWindow:
    """A window as the server keeps it: a plain list of the moments at which it counted somebody."""

    scope: Scope
    limit: int
    kind: Kind = "sliding"
    phase: float = 0.0
    """When a fixed window begins."""
    log: list[float] = field(factory=list[float])

    @property
    def span(self) -> float:
        return SPANS[self.scope]

    def count(self, now: float) -> int:
        since = now - self.span if self.kind == "sliding" else self.began(now)
        self.log = [moment for moment in self.log if moment > since or (self.kind == "fixed" and moment == since)]
        return len(self.log)

    def began(self, now: float) -> float:
        return math.floor((now - self.phase) / self.span) * self.span + self.phase

    def resets_at(self, now: float) -> float:
        if self.kind == "fixed":
            return self.began(now) + self.span
        return self.log[0] + self.span if self.log else now + self.span


@define
class Server:
    """Admits a request that every window has room for, and says how the minute stands."""

    windows: Sequence[ServerWindow]
    tier: str | None = None

    def admit(self, now: float) -> ServerWindow | None:
        """Count a request; return the window that is full instead, if one is."""
        for window in self.windows:
            if window.count(now) >= window.limit:
                return window
        for window in self.windows:
            window.log.append(now)
        return None

    def says(self, window: ServerWindow, now: float) -> RateLimit:
        remaining = max(0, window.limit - window.count(now))
        return RateLimit(limit=window.limit, remaining=remaining, reset=EPOCH + window.resets_at(now), tier=self.tier)


@frozen
class Arrival:
    """One request as the server saw it."""

    sent: float
    arrived: float
    admitted: bool


@define
class World:
    """Our side asks `pace` whenever something may have changed, and always wants to send more, up to `calls`."""

    pace: Pace
    server: Server
    dice: Random
    calls: int
    base: float = 0.05
    jitter: float = JITTER
    connecting: float = 0.0
    """The most seconds from permit to connection."""
    service: float = 20.0
    """The most seconds from arrival to answer."""
    foreign: float = 0.0
    """Requests of others, a second."""
    smooth: bool = False
    now: float = 0.0
    arrivals: list[Arrival] = field(factory=list[Arrival])
    answered_at: list[float] = field(factory=list[float])
    foreign_arrivals: int = 0
    _heap: list[tuple[float, int, Callable[[], None]]] = field(factory=list, init=False)
    _order: Iterator[int] = field(factory=lambda: iter(range(10**9)), init=False)
    _granted: int = field(default=0, init=False)
    _alarm: float = field(default=math.inf, init=False)

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Let something happen at a moment."""
        heapq.heappush(self._heap, (when, next(self._order), act))

    def run(self) -> None:
        """Go on until every call was admitted and answered."""
        self.begin()
        if self.foreign:
            self.at(self.dice.expovariate(self.foreign), self._foreigner)
        while self._heap and len(self.answered_at) < self.calls:
            self.step()

    def step(self) -> None:
        """Let the next thing happen."""
        self.now, _, act = heapq.heappop(self._heap)
        act()
        self._check()

    @property
    def next_at(self) -> float:
        """When the next thing happens."""
        return self._heap[0][0] if self._heap else math.inf

    def begin(self) -> None:
        """Have our side look for the first time."""
        self.at(self.now, self._look)

    @property
    def refused(self) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if not arrival.admitted]

    @property
    def admitted(self) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.admitted]

    def _look(self) -> None:
        while self._granted < self.calls:
            permit = self.pace.reserve(self.now, smooth=self.smooth)
            if isinstance(permit, Wait):
                assert permit.until > self.now
                if permit.until < self._alarm:
                    self._alarm = permit.until
                    self.at(permit.until, self._ring)
                return
            self._granted += 1
            self.at(self.now + self.dice.uniform(0, self.connecting), self._sender(permit))

    def _ring(self) -> None:
        if self._alarm <= self.now:
            self._alarm = math.inf
        self._look()

    def _sender(self, permit: Permit) -> Callable[[], None]:
        def send() -> None:
            self.pace.sent(permit, self.now)
            late = self.dice.choice([0.0, self.dice.random(), 0.999]) * self.jitter
            self.at(self.now + self.base + late, lambda: self._arrive(permit))
            self._look()

        return send

    def _arrive(self, permit: Permit) -> None:
        assert permit.sent is not None
        full = self.server.admit(self.now)
        self.arrivals.append(Arrival(permit.sent, self.now, full is None))
        if full is None:
            said = self.server.says(self.server.windows[0], self.now)
            later = self.now + self.dice.choice([0.01, self.dice.uniform(0.01, self.service)])
            self.at(later, lambda: self._answer(permit, said))
        else:
            said, wait = self.server.says(full, self.now), max(1, math.ceil(full.resets_at(self.now) - self.now))
            self.at(self.now + self.base, lambda: self._refuse(permit, wait, full.scope, said))

    def _answer(self, permit: Permit, said: RateLimit) -> None:
        self.pace.received(permit, self.now, said, succeeded=True)
        self.answered_at.append(self.now)
        self._look()

    def _refuse(self, permit: Permit, wait: float, scope: Scope, said: RateLimit) -> None:
        self.pace.refused(permit, self.now, wait, scope, said)
        self._granted -= 1
        self._look()

    def _foreigner(self) -> None:
        if self.server.admit(self.now) is None:
            self.foreign_arrivals += 1
        self.at(self.now + self.dice.expovariate(self.foreign), self._foreigner)

    def _check(self) -> None:
        for window in self.pace.windows:
            own, used = window.own(self.now), window.used(self.now)
            assert 0 <= own <= used
            assert window.next_end(self.now) > self.now
            state = window.state(self.now)
            assert state.remaining is None or state.remaining >= 0
