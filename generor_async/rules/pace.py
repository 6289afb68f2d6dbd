"""When may the next request leave? A log of what left, held against what the server says.

The server counts a request when it arrives, which is after it was sent and before it was answered. So an entry of the
log is forgotten only when the server must have forgotten it: `min(received, sent + jitter) + span`. Treating every
window as a sliding one is safe where it is a fixed one, and costs nothing there.

Others may use the same key. What the server has counted beyond our own requests are phantoms: they hold places until
they must have aged out, and every newer answer corrects their number.
"""

import heapq
import math
from bisect import bisect_right, insort
from typing import Final, Literal, TypeAlias

from attrs import Factory, define, field, frozen

from generor_async.values import RateLimit

__all__ = ["DAY", "HOUR", "MINUTE", "TIERS", "Pace", "Permit", "Scope", "Wait", "Window", "WindowState"]

Scope: TypeAlias = Literal["minute", "hour", "day"]
MINUTE: Final = 60.0
HOUR: Final = 3_600.0
DAY: Final = 86_400.0
SPANS: Final[dict[Scope, float]] = {"minute": MINUTE, "hour": HOUR, "day": DAY}

TIERS: Final[dict[str, tuple[int, int, int]]] = {
    "free": (30, 500, 5_000),
    "basic": (60, 2_000, 20_000),
    "pro": (120, 5_000, 50_000),
    "enterprise": (300, 20_000, 200_000),
}
"""Generor's limits a minute, an hour and a day, by tier (documented)."""
KEYLESS: Final = 15
"""Generor's requests a minute without a key, by IP address (documented)."""

JITTER: Final = 0.35
"""Seconds by which one request may take longer to arrive than another: with none, nearly one in six is refused."""
GRAIN: Final = 36_000
"""An entry's end is rounded up to this part of its window: a day's log takes no more room than a minute's."""
GAP: Final = 0.012
"""Seconds between two requests: time for the refusal of one to stop the next, if others have taken the places."""
NEARLY: Final = 0.25
"""The part of a limit that is left when a window counts as nearly full."""
GAP_PART: Final = 0.05
"""The part of an even interval that this may be: where very much is allowed, it must not be what limits."""
REMEMBERED: Final = 900.0
"""Seconds for which places are left to others who were seen: to take them back would end in refusals."""
SPARE: Final = 1
"""Places left beside those that others had: they may want one more."""
HURRY: Final = 4.0
"""Seconds between the requests of an even stream up to which it leaves a place free for whoever is in a hurry."""
LEADER_SECONDS: Final = 5.0
"""How long the first request may keep the others waiting for what its answer says of the limit."""
OUT_OF_REACH: Final = 10_000
"""Requests a minute that no client of either API sends: such a limit is not worth counting for."""
UNKNOWN_LIMIT: Final = 30
"""What is taken for the limit a minute when nobody has said, and the first answer is late (the documents' example)."""


@frozen
class Wait:
    """No request may leave before `until`; infinity where only an event can tell."""

    until: float
    scope: Scope


@define(eq=False)
class Permit:
    """One request that was let go: when it was sent, and what had been counted then."""

    sent: float | None = None
    own: dict[Scope, int] = field(factory=dict[Scope, int])
    """Our own requests that the server may have counted when this one arrived, this one among them."""
    ends: dict[Scope, int] = field(factory=dict[Scope, int])


@frozen(kw_only=True)
class WindowState:
    """One window as it stands: `used` counts our own requests and those of others that are known of."""

    scope: Scope
    limit: int | None
    used: int
    remaining: int | None
    resets_at: float | None
    """When the next place becomes free; None where nothing is used."""


@define
class Window:
    """One of the API's limits, and what we know to be in it."""

    scope: Scope
    limit: int | None = None
    share: float = 1.0
    """The part of the limit that is ours."""
    span: float = field(init=False, default=Factory(lambda self: SPANS[self.scope], takes_self=True))
    """Its length in seconds."""
    grain: float = field(init=False, default=Factory(lambda self: self.span / GRAIN, takes_self=True))
    """The seconds to which ends are rounded up."""
    _unsent: int = field(default=0, init=False)
    _counts: dict[int, int] = field(factory=dict[int, int], init=False)
    _ends: list[int] = field(factory=list[int], init=False)
    _settled: int = field(default=0, init=False)
    _phantoms: list[float] = field(factory=list[float], init=False)
    _neighbours: tuple[float, int] = field(default=(-math.inf, 0), init=False)
    """How many places others had, and when that was last seen."""
    _heard: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer was believed last: what an earlier one says is stale."""

    def own(self, now: float) -> int:
        """Count our own requests that the server may still count."""
        self._forget(now)
        return self._settled + self._unsent

    def used(self, now: float) -> int:
        """Count what is in the window: our own requests and the phantoms."""
        return self.own(now) + len(self._phantoms)

    def left(self, now: float, spare: int = 0) -> float:
        """Count the requests that may still leave, if so many places are to stay free; one is always ours."""
        if self.limit is None:
            return math.inf
        own = self.own(now)
        ours = self.limit - max(len(self._phantoms), self.margin(now))
        return max(1, min(ours, math.floor(self.limit * self.share)) - spare) - own

    def may_refuse(self, now: float, left: float) -> bool:
        """Tell whether others may have taken the last places: nobody has said yet how many are left, or few are."""
        if self.limit is None or self.margin(now):
            return False
        return left < NEARLY * self.limit or (self._heard == -math.inf and self.scope == "minute")

    def next_end(self, now: float) -> float:
        """Return when the next place becomes free."""
        self._forget(now)
        ends = [self._ends[0] * self.grain] if self._ends else []
        return min([*ends, *self._phantoms[:1]], default=math.inf)

    def take(self) -> None:
        """Count a request that is let go and has not left."""
        self._unsent += 1

    def settle(self, permit: Permit, base: float) -> None:
        """Let a request end `span` after `base`; an earlier end replaces a later one."""
        end = math.ceil((base + self.span) / self.grain)
        known = permit.ends.get(self.scope)
        if known is None:
            self._unsent -= 1
            self._settled += 1
        elif end >= known or known not in self._counts:
            return
        else:
            self._counts[known] -= 1
        permit.ends[self.scope] = end
        if end not in self._counts:
            self._counts[end] = 0
            heapq.heappush(self._ends, end)
        self._counts[end] += 1

    def give_back(self, permit: Permit) -> None:
        """Forget a request that the server did not count."""
        end = permit.ends.pop(self.scope, None)
        if end is None:
            self._unsent -= 1
        elif self._counts.get(end, 0) > 0:
            self._counts[end] -= 1
            self._settled -= 1

    def hear(self, permit: Permit, counted: int, received: float, later: int) -> None:
        """Learn from an answer how many requests the server had counted when this one arrived.

        `later` is how many of our own were sent so soon after this one that they may have arrived before it.
        """
        assert permit.sent is not None
        if permit.sent < self._heard:
            return
        self._heard = permit.sent
        self._assume(counted - permit.own[self.scope] - later, received)

    def full(self, now: float, until: float) -> None:
        """Learn from a refusal that the window is full, and that a place becomes free at `until`."""
        if self.limit is None:
            return
        self._assume(self.limit - self.own(now), now)
        if self._phantoms:
            self._phantoms = sorted([until, *self._phantoms[:-1]])

    def _assume(self, foreign: int, now: float) -> None:
        """Take so many requests in the window for those of others; whose end isn't known ends a span from now."""
        if foreign > 0 and foreign + SPARE >= self.margin(now):
            self._neighbours = (now, foreign)
        self._phantoms = [end for end in self._phantoms if end > now]
        surplus = len(self._phantoms) - max(foreign, 0)
        if surplus > 0:
            del self._phantoms[:surplus]
        for _ in range(-surplus):
            insort(self._phantoms, now + self.span)

    def margin(self, now: float) -> int:
        """Return how many places to leave to others: as many as they had of late."""
        since, foreign = self._neighbours
        return foreign + SPARE if foreign and now < since + max(REMEMBERED, self.span) else 0

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0] * self.grain <= now:
            self._settled -= self._counts.pop(heapq.heappop(self._ends))
        if self._phantoms and self._phantoms[0] <= now:
            self._phantoms = [end for end in self._phantoms if end > now]

    def state(self, now: float) -> WindowState:
        """Return the window as it stands."""
        used = self.used(now)
        end = self.next_end(now)
        return WindowState(
            scope=self.scope,
            limit=self.limit,
            used=used,
            remaining=None if self.limit is None else max(0, self.limit - used),
            resets_at=None if end == math.inf else end,
        )


@define
class Pace:
    """All windows of one key: `reserve` lets a request go or says until when to wait, in one step over all of them."""

    windows: tuple[Window, ...]
    tier: str | None = None
    _held: float = field(default=-math.inf, init=False)
    _held_scope: Scope = field(default="minute", init=False)
    _leader: float | None = field(default=None, init=False)
    """When the request was let go whose answer will name the limit."""
    _untold: bool = field(default=False, init=False)
    """Whether the server answers without naming a limit: then there is nothing to keep to."""
    _told: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer named the limits that are believed."""
    _sends: list[float] = field(factory=list[float], init=False)
    _last: float = field(default=-math.inf, init=False)
    """When the last request was let go."""
    _smooth_due: float = field(default=-math.inf, init=False)

    @classmethod
    def of_generor(cls, *, keyless: bool, tier: str | None, rpm: int | None, share: float) -> "Pace":
        """Make the windows of a Generor key; without a key only the minute counts, for the IP address."""
        scopes: tuple[Scope, ...] = ("minute",) if keyless else ("minute", "hour", "day")
        pace = cls(tuple(Window(scope, share=share) for scope in scopes))
        if keyless:
            pace.windows[0].limit = KEYLESS
        if tier is not None:
            pace._promote(tier)
        if rpm is not None:
            pace.windows[0].limit = rpm
        return pace

    @classmethod
    def of_luma(cls, *, rpm: int | None, share: float) -> "Pace":
        """Make the one window of a Luma API client: requests per minute."""
        return cls((Window("minute", rpm, share),))

    def reserve(self, now: float, *, smooth: bool = False) -> Permit | Wait:
        """Let one request go, or say until when none may.

        `smooth` spreads requests evenly, so that whoever is in more of a hurry finds a place soon.
        """
        wait = self._wait(now, smooth=smooth)
        if wait is not None:
            return wait
        if self._leaderless:
            self._leader = now
        if smooth:
            self._smooth_due = max(self._smooth_due, now - self.interval()) + self.interval()
        self._last = now
        for window in self.windows:
            window.take()
        return Permit()

    def _wait(self, now: float, *, smooth: bool) -> Wait | None:
        if now < self._held:
            return Wait(self._held, self._held_scope)
        if self._leader is not None:
            if now < self._leader + LEADER_SECONDS:
                return Wait(self._leader + LEADER_SECONDS, "minute")
            self._leader = None
            self.windows[0].limit = UNKNOWN_LIMIT
        first = self.windows[0]
        spare = 1 if smooth and self.interval() <= HURRY else 0
        for window in self.windows:
            left = window.left(now, spare if window is first else 0)
            if left <= 0:
                return Wait(window.next_end(now), window.scope)
            if self._last + GAP > now and window.may_refuse(now, left):
                due = self._last + min(GAP, GAP_PART * self.interval())
                if due > now:
                    return Wait(due, window.scope)
        if smooth and self._smooth_due > now:
            return Wait(self._smooth_due, "minute")
        return None

    @property
    def _leaderless(self) -> bool:
        """Whether the limit is unknown, and nobody is under way who will learn it."""
        return self._leader is None and not self._untold and self.windows[0].limit is None

    @property
    def unbound(self) -> bool:
        """Whether there is nothing to keep to: no limit is told, or one that no client reaches."""
        limit = self.windows[0].limit if self.windows else None
        return self._untold if limit is None else limit >= OUT_OF_REACH

    def told(self, said: RateLimit) -> None:
        """Take over the limits that an answer names which was sent without a permit."""
        self._untold = False
        self._limits(said, -math.inf)

    def hold(self, until: float, scope: Scope) -> None:
        """Let nothing go before `until`."""
        if until > self._held:
            self._held, self._held_scope = until, scope

    def interval(self) -> float:
        """Return the seconds between two requests at the even rate of the window that binds most over a minute."""
        limit = self.windows[0].limit
        return 0.0 if limit is None else MINUTE / max(1, math.floor(limit * self.windows[0].share))

    def sent(self, permit: Permit, now: float) -> None:
        """Note that a request leaves this machine now."""
        if permit.sent is not None:
            return
        permit.sent = now
        self._sends.append(now)
        if len(self._sends) > 4_096:
            del self._sends[:2_048]
        for window in self.windows:
            window.settle(permit, now + JITTER)
            permit.own[window.scope] = window.own(now)

    def received(self, permit: Permit, now: float, said: RateLimit | None, *, succeeded: bool) -> None:
        """Note an answer and what it says of the limits; how old its counts are is known only of a stamped request."""
        stamped = permit.sent is not None
        self.sent(permit, now)
        assert permit.sent is not None
        if now < permit.sent + JITTER:
            for window in self.windows:
                window.settle(permit, now)
        self._leader = None
        if said is not None and stamped:
            self._learn(permit, now, said)
        elif said is not None:
            self._limits(said, -math.inf)
        elif succeeded and self.windows[0].limit is None:
            self._untold = True

    def dropped(self, permit: Permit) -> None:
        """Take back a permit whose request never left."""
        if permit.sent is None:
            for window in self.windows:
                window.give_back(permit)
            self._leader = None

    def refused(self, permit: Permit, now: float, retry_after: float, scope: Scope, said: RateLimit | None) -> None:
        """Note a 429: the request wasn't counted (assumed), and nothing leaves until the wait is over."""
        for window in self.windows:
            window.give_back(permit)
        self._leader = None
        if said is not None:
            self._limits(said, -math.inf if permit.sent is None else permit.sent)
        until = now + retry_after
        self.hold(until, scope)
        for window in self.windows:
            if window.scope == scope:
                window.full(now, until)

    def _learn(self, permit: Permit, now: float, said: RateLimit) -> None:
        assert permit.sent is not None
        scope = self._limits(said, permit.sent)
        horizon = min(now, permit.sent + JITTER)
        later = bisect_right(self._sends, horizon) - bisect_right(self._sends, permit.sent)
        for window in self.windows:
            if window.scope == scope:
                window.hear(permit, said.limit - said.remaining, now, later)

    def _limits(self, said: RateLimit, sent: float) -> Scope:
        """Take over the limits that an answer names, if no newer one did; return which window its numbers are about."""
        scope = self._scope(said)
        if sent < self._told:
            return scope
        self._told = sent
        if said.tier is not None and said.tier != self.tier and len(self.windows) > 1:
            self._promote(said.tier)
        for window in self.windows:
            if window.scope == scope:
                window.limit = said.limit
        return scope

    def _scope(self, said: RateLimit) -> Scope:
        if said.tier in TIERS and said.limit in TIERS[said.tier][: len(self.windows)]:
            return self.windows[TIERS[said.tier].index(said.limit)].scope
        return "minute"

    def _promote(self, tier: str) -> None:
        self.tier = tier
        for window, limit in zip(self.windows, TIERS.get(tier, ()), strict=False):
            window.limit = limit
