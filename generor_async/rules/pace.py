"""When may the next request leave? All windows of one key in one step, and what the answers say of them."""

import math
from typing import Final

from attrs import define, field

from generor_async.rules.wait import Wait
from generor_async.rules.weights import PLAIN, Kind
from generor_async.rules.window import JITTER, MINUTE, Log, Permit, Scope, Window
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
ROOM: Final = 1_000
"""The least requests for which the log has room."""


@define
class Pace:
    """All windows of one key: `reserve` lets a request go or says until when to wait, in one step over all of them."""

    windows: tuple[Window, ...]
    _log: Log
    tier: str | None = field(default=None, init=False)
    _held: float = field(default=-math.inf, init=False)
    _held_scope: Scope = field(default="minute", init=False)
    _leader: float | None = field(default=None, init=False)
    """When the request was let go whose answer will name the limit."""
    _untold: bool = field(default=False, init=False)
    """Whether the server answers without naming a limit: then there is nothing to keep to."""
    _told: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer named the limits that are believed."""
    _room: int = field(default=ROOM, init=False)
    """How long the log may become before what no window holds any more is taken away."""
    _last: float = field(default=-math.inf, init=False)
    """When the last request was let go."""
    _smooth_due: float = field(default=-math.inf, init=False)

    @classmethod
    def of_generor(cls, *, keyless: bool, tier: str | None, rpm: int | None, share: float) -> "Pace":
        """Make the windows of a Generor key; without a key only the minute counts, for the IP address."""
        scopes: tuple[Scope, ...] = ("minute",) if keyless else ("minute", "hour", "day")
        log = Log()
        pace = cls(tuple(Window(scope, None, share, log) for scope in scopes), log)
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
        log = Log()
        return cls((Window("minute", rpm, share, log),), log)

    def reserve(self, now: float, *, smooth: bool = False, kind: Kind = PLAIN) -> Permit | Wait:  # noqa: ARG002 - each request is one
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
        self._log.taken += 1
        return Permit()

    def _wait(self, now: float, *, smooth: bool) -> Wait | None:
        if now < self._held:
            return Wait(self._held, self._held_scope)
        if self._leader is not None:
            if now < self._leader + LEADER_SECONDS:
                return Wait(self._leader + LEADER_SECONDS, "minute")
            self._leader = None
            self.windows[0].limit = UNKNOWN_LIMIT
        burst = now < self._last + GAP
        spare = 1 if smooth and self.interval() <= HURRY else 0
        for window in self.windows:
            if not (burst or spare) and self._log.taken - window.head < window.sure:
                continue  # there is room, even if nothing has aged out since it was last looked at
            left = window.left(now, spare)
            if left <= 0:
                return Wait(window.next_end(now), window.scope)
            if burst and window.may_refuse(now, left):
                due = self._last + min(GAP, GAP_PART * self.interval())
                if due > now:
                    return Wait(due, window.scope)
            spare = 0
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
        limit = self.windows[0].limit
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
        log = self._log
        permit.number = log.first + len(log.bases)
        log.bases.append(now + JITTER)
        permit.own = [window.own(now) for window in self.windows]
        if len(log.bases) > self._room:
            log.drop(self.windows[-1].head)
            self._room = ROOM + 2 * len(log.bases)

    def received(self, permit: Permit, now: float, said: RateLimit | None, *, succeeded: bool) -> None:
        """Note an answer and what it says of the limits; how old its counts are is known only of a stamped request."""
        stamped = permit.sent is not None
        self.sent(permit, now)
        assert permit.sent is not None
        if now < permit.sent + JITTER:
            self._log.bases[permit.number - self._log.first] = now
        self._leader = None
        if said is not None and stamped:
            self._learn(permit, now, said)
        elif said is not None:
            self._limits(said, -math.inf)
        elif succeeded and self.windows[0].limit is None:
            self._untold = True

    def recall(self, base: float, count: int) -> None:
        """Count requests that an earlier process sent at `base`, in the order of sending and before any other."""
        self._log.bases.extend([base + JITTER] * count)
        self._log.taken += count

    def dropped(self, permit: Permit) -> None:
        """Take back a permit whose request never left."""
        if permit.sent is None:
            self._log.taken -= 1
            self._leader = None

    def refused(self, permit: Permit, now: float, retry_after: float, scope: Scope, said: RateLimit | None) -> None:
        """Note a 429: the request wasn't counted (assumed), and nothing leaves until the wait is over."""
        if permit.sent is not None:
            self._log.give_back(permit.number)
        self.dropped(permit)
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
        place = self._limits(said, permit.sent)
        counted = said.limit - said.remaining
        # What was sent so soon after this one may have arrived before it.
        later = self._log.sent_by(min(now, permit.sent + JITTER), permit.number)
        self.windows[place].hear(permit.sent, counted - permit.own[place] - later, now)

    def _limits(self, said: RateLimit, sent: float) -> int:
        """Take over the limits that an answer names, if no newer one did; return which window its numbers are about."""
        place = self._window_of(said)
        if sent < self._told:
            return place
        self._told = sent
        if said.tier is not None and said.tier != self.tier and len(self.windows) > 1:
            self._promote(said.tier)
        if self.windows[place].limit != said.limit:
            self.windows[place].limit = said.limit
        return place

    def _window_of(self, said: RateLimit) -> int:
        limits = TIERS.get(said.tier or "", ())[: len(self.windows)]
        return limits.index(said.limit) if said.limit in limits else 0

    def _promote(self, tier: str) -> None:
        self.tier = tier
        for window, limit in zip(self.windows, TIERS.get(tier, ()), strict=False):
            window.limit = limit
