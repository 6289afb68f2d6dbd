"""When may the next request leave? All windows of one key in one step, and what the answers say of them."""

import math
from bisect import bisect_right
from typing import Final

from attrs import define, field

from generor_async.rules.wait import Wait
from generor_async.rules.window import JITTER, MINUTE, Permit, Scope, Window
from generor_async.values import RateLimit

__all__ = ["TIERS", "Pace"]

TIERS: Final[dict[str, tuple[int, int, int]]] = {
    "free": (30, 500, 5_000),
    "basic": (60, 2_000, 20_000),
    "pro": (120, 5_000, 50_000),
    "enterprise": (300, 20_000, 200_000),
}
"""Generor's limits a minute, an hour and a day, by tier (documented)."""
KEYLESS: Final = 15
"""Generor's requests a minute without a key, by IP address (documented)."""

GAP: Final = 0.012
"""Seconds between two requests: time for the refusal of one to stop the next, if others have taken the places."""
GAP_PART: Final = 0.05
"""The part of an even interval that this may be: where very much is allowed, it must not be what limits."""
HURRY: Final = 4.0
"""Seconds between the requests of an even stream up to which it leaves a place free for whoever is in a hurry."""
LEADER_SECONDS: Final = 5.0
"""How long the first request may keep the others waiting for what its answer says of the limit."""
OUT_OF_REACH: Final = 10_000
"""Requests a minute that no client of either API sends: such a limit is not worth counting for."""
UNKNOWN_LIMIT: Final = 30
"""What is taken for the limit a minute when nobody has said, and the first answer is late (the documents' example)."""


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
