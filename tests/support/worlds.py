"""A world in which requests travel and a server counts them: no event loop, no clock, all of it in one heap."""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Literal, TypeAlias

from attrs import define, evolve, field, frozen

from generor_async.rules.pace import Pace, Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType
from generor_async.rules.window import JITTER, SPANS, Scope

__all__ = ["Arrival", "Reset", "Server", "ServerWindow", "Style", "World", "soonest"]

Style: TypeAlias = Literal["fixed", "sliding"]
Reset: TypeAlias = Literal["oldest", "now"]
"""What Reset tells in an answer to a request that was admitted: a 429's is always the oldest one's end."""


@define
class ServerWindow:
    """A window as the server keeps it: a plain list of the moments at which it counted somebody, and the units."""

    scope: Scope
    limit: int
    style: Style = "sliding"
    phase: float = 0.0
    """When a fixed window begins."""
    log: list[tuple[float, int]] = field(factory=list[tuple[float, int]])

    @property
    def span(self) -> float:
        return SPANS[self.scope]

    def count(self, now: float) -> int:
        since = now - self.span if self.style == "sliding" else math.nextafter(self.began(now), -math.inf)
        self.log = [each for each in self.log if each[0] > since]
        return sum(units for _, units in self.log)

    def began(self, now: float) -> float:
        return math.floor((now - self.phase) / self.span) * self.span + self.phase

    def resets_at(self, now: float) -> float:
        if self.style == "fixed":
            return self.began(now) + self.span
        return min(self.log)[0] + self.span if self.log else now + self.span


@define
class Server:
    """Admits a request that every window has room for, and says how the minute stands."""

    windows: Sequence[ServerWindow]
    tier: str | None = None
    reset: Reset = "oldest"

    def admit(self, now: float, units: int = 1) -> ServerWindow | None:
        """Count a request; return the window that is full instead, if one is."""
        for window in self.windows:
            if window.count(now) + units > max(window.limit, units):
                return window
        for window in self.windows:
            window.log.append((now, units))
        return None

    def says(self, window: ServerWindow, now: float, *, admitted: bool) -> tuple[RateLimitReport, float]:
        """Return what the headers of an answer say, and its Reset, in whole seconds."""
        used = min(window.limit, window.count(now))
        resets_at = math.ceil(window.resets_at(now))
        if admitted and self.reset == "now":
            resets_at = math.floor(now + window.span)
        return RateLimitReport(limit=window.limit, used=used, tier=self.tier), resets_at


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
    weights: Sequence[tuple[RequestType, int]] = ((DEFAULT_TYPE, 1),)
    """The kinds of our requests, in turn, and what the server takes each for."""
    in_turn: bool = False
    """Whether each is sent when the one before has been answered."""
    given_up: float = 0.0
    """How many of a hundred permits are given back."""
    looks: bool = True
    """Whether somebody looks at the state after each step, for whom it is brought up to date."""
    now: float = 0.0
    watch: Callable[["World"], None] | None = None
    """What looks at the world after each step."""
    arrivals: list[Arrival] = field(factory=list[Arrival])
    answered_at: list[float] = field(factory=list[float])
    asked: list[float] = field(factory=list[float])
    """When requests were sent that ask although the window seems full."""
    guesses_refused: list[float] = field(factory=list[float])
    """When those of them were sent that were on a guess, and refused."""
    _heap: list[tuple[float, int, Callable[[], None]]] = field(factory=list, init=False)
    _order: Iterator[int] = field(factory=lambda: iter(range(10**9)), init=False)
    _granted: int = field(default=0, init=False)
    _alarm: float = field(default=math.inf, init=False)

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Let something happen at a moment."""
        heapq.heappush(self._heap, (when, next(self._order), act))

    def run(self) -> "World":
        """Go on until every call was admitted and answered."""
        self.begin()
        while self._heap and len(self.answered_at) < self.calls:
            self.step()
        return self

    def step(self) -> None:
        """Let the next thing happen."""
        self.now, _, act = heapq.heappop(self._heap)
        act()
        if self.looks:
            self._check()
        if self.watch is not None:
            self.watch(self)

    @property
    def next_at(self) -> float:
        """When the next thing happens."""
        return self._heap[0][0] if self._heap else math.inf

    def begin(self) -> None:
        """Have our side look for the first time, and others come."""
        self.at(self.now, self._look)
        if self.foreign:
            self.at(self.now + self.dice.expovariate(self.foreign), self._foreigner)

    @property
    def refused(self) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if not arrival.admitted]

    @property
    def admitted(self) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.admitted]

    @property
    def last(self) -> float:
        """When the last call was admitted."""
        return max(arrival.arrived for arrival in self.admitted)

    def _look(self) -> None:
        while self._granted < self.calls and not (self.in_turn and self._granted > len(self.answered_at)):
            kind, weight = self.weights[self._granted % len(self.weights)]
            permit = self.pace.reserve(self.now, smooth=self.smooth, request_type=kind)
            if isinstance(permit, Wait):
                assert permit.until > self.now
                if permit.until < self._alarm:
                    self._alarm = permit.until
                    self.at(permit.until, self._ring)
                return
            late = self.now + self.dice.uniform(0, self.connecting)
            if self.dice.random() * 100 < self.given_up:
                self.at(late, self._giver(permit))
                continue
            self._granted += 1
            self.at(late, self._sender(permit, weight))

    def _ring(self) -> None:
        if self._alarm <= self.now:
            self._alarm = math.inf
        self._look()

    def _giver(self, permit: Permit) -> Callable[[], None]:
        def give_back() -> None:
            self.pace.give_back(permit)
            self._look()

        return give_back

    def _sender(self, permit: Permit, weight: int) -> Callable[[], None]:
        def send() -> None:
            self.pace.sent(permit, self.now)
            if permit.probe:
                self.asked.append(self.now)
            late = self.dice.choice([0.0, self.dice.random(), 0.999]) * self.jitter
            self.at(self.now + self.base + late, lambda: self._arrive(permit, weight))
            self._look()

        return send

    def _arrive(self, permit: Permit, weight: int) -> None:
        assert permit.sent < math.inf
        full = self.server.admit(self.now, weight)
        self.arrivals.append(Arrival(permit.sent, self.now, full is None))
        if full is None:
            said, reset = self.server.says(self.server.windows[0], self.now, admitted=True)
            later = self.now + self.dice.choice([0.01, self.dice.uniform(0.01, self.service)])
            self.at(later, lambda: self._answer(permit, said, reset))
        else:
            wait = max(1, math.ceil(full.resets_at(self.now) - self.now))
            said, reset = self.server.says(full, self.now, admitted=False)
            self.at(self.now + self.base, lambda: self._refuse(permit, wait, full.scope, said, reset))

    def _heard(self, said: RateLimitReport, reset: float) -> RateLimitReport:
        return evolve(said, resets_in=reset - self.now if reset > self.now else None)

    def _answer(self, permit: Permit, said: RateLimitReport, reset: float) -> None:
        self.pace.received(permit, self.now, self._heard(said, reset), succeeded=True)
        self.answered_at.append(self.now)
        self._look()

    def _refuse(self, permit: Permit, wait: float, scope: Scope, said: RateLimitReport, reset: float) -> None:
        if permit.probe == "guess" and permit.sent < math.inf:
            self.guesses_refused.append(permit.sent)
        self.pace.refused(permit, self.now, wait, scope, self._heard(said, reset))
        self._granted -= 1
        self._look()

    def _foreigner(self) -> None:
        self.server.admit(self.now)
        self.at(self.now + self.dice.expovariate(self.foreign), self._foreigner)

    def _check(self) -> None:
        for state in self.pace.states(self.now).values():
            assert state.used >= 0
            assert state.remaining is None or state.remaining >= 0
            assert state.resets_at is None or state.resets_at >= self.now


def soonest(window: ServerWindow, calls: int) -> float:
    """Return when the last call would be admitted if each arrived at the very moment that there is room for it."""
    window, now = evolve(window, log=list(window.log)), 0.0
    for _ in range(calls):
        while window.count(now) >= window.limit:
            now = window.resets_at(now) + 1e-6
        window.log.append((now, 1))
    return now
