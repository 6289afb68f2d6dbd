"""When may the next request leave? All windows of one key in one step, and what the answers say of them."""

import math
from collections import Counter, deque
from itertools import islice
from typing import Any, Final, Literal

from attrs import define, field

from generor_async.rules.rate_headers import Said
from generor_async.rules.state import checked
from generor_async.rules.wait import Wait
from generor_async.rules.weights import PLAIN, Kind, Weights
from generor_async.rules.window import (
    ASK_EVERY,
    JITTER,
    MINUTE,
    Counted,
    Scope,
    Window,
    WindowState,
)
from generor_async.values import JSON

__all__ = ["TIERS", "Pace", "Permit"]

TIERS: Final[dict[str, tuple[int, int, int]]] = {
    "free": (30, 500, 5_000),
    "basic": (60, 2_000, 20_000),
    "pro": (120, 5_000, 50_000),
    "enterprise": (300, 20_000, 200_000),
}
"""Generor's limits a minute, an hour and a day, by tier (documented)."""
KEYLESS: Final = 15
"""Generor's requests a minute without a key, by IP address (documented)."""

SILENCE: Final = 1.0
"""Seconds without a request after which the next one leads: its answer, or that it isn't refused, lets the rest go."""
HURRY: Final = 4.0
"""Seconds between the requests of an even stream up to which it leaves a place free for whoever is in a hurry."""
LEADER_SECONDS: Final = 5.0
"""How long the first request may keep the others waiting for what its answer says of the limit."""
PENDING_SECONDS: Final = 60.0
"""How long a request of another process may be let go and not be sent."""
OUT_OF_REACH: Final = 10_000
"""Requests a minute that no client of either API sends: such a limit is not worth counting for."""
KINDS_KEPT: Final = 1_000
"""Of how many requests the kinds are remembered."""
TOLD_EVERY: Final = 1.0
"""Seconds for which requests of an hour and a day are put together."""
UNKNOWN_LIMIT: Final = 30
"""What is taken for the limit a minute when nobody has said, and the first answer is late (the documents' example)."""


@define(eq=False)
class Permit:
    """One request that was let go."""

    number: int
    kind: Kind = PLAIN
    units: int = 1
    sent: float | None = None
    asks: Literal["guess", "due"] | None = None
    """Whether it left although a window seemed full, and whether at least the server had said when to."""
    counted: Counted = field(init=False)
    """What the server had counted in the minute when it was sent."""
    total: int = field(init=False)
    """How many units had ever been sent, with this one."""
    place: int = field(init=False)
    """How many requests had ever been sent, with this one."""
    refusals: int = field(init=False)
    """How many of them had been refused by then."""


@define
class Pace:
    """All windows of one key: `reserve` lets a request go or says until when to wait, in one step over all of them."""

    windows: tuple[Window, ...]
    weights: Weights = field(factory=Weights)
    """What requests weigh, as the answers show it."""
    tier: str | None = field(default=None, init=False)
    _pending: dict[int, tuple[float, int]] = field(factory=dict[int, tuple[float, int]], init=False)
    """Requests that were let go and not sent yet, by number: when, and their units."""
    _pending_units: int = field(default=0, init=False)
    _kinds: deque[Kind] = field(factory=deque[Kind], init=False)
    """The kinds of the requests that were sent last, in their order."""
    _sent: int = field(default=0, init=False)
    """How many requests were ever sent."""
    _free: int = field(default=0, init=False)
    """How many units may leave before the longer windows are looked at again."""
    _late: int = field(default=0, init=False)
    """Units that the longer windows haven't been told of yet."""
    _told_longer: float = field(default=-math.inf, init=False)
    """When they were told last."""
    _all_refusals: int = field(default=0, init=False)
    """How many requests were ever refused."""
    _number: int = field(default=0, init=False)
    """How many requests were ever let go."""
    _total: int = field(default=0, init=False)
    """Units that were ever sent."""
    _held: float = field(default=-math.inf, init=False)
    _held_scope: Scope = field(default="minute", init=False)
    _leader: float | None = field(default=None, init=False)
    """When the request was let go whose answer will name the limit."""
    _untold: bool = field(default=False, init=False)
    """Whether the server answers without naming a limit: then there is nothing to keep to."""
    _told: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer named the limits that are believed."""
    _last: float = field(default=-math.inf, init=False)
    """When the last request was let go."""
    _led: float = field(default=-math.inf, init=False)
    """When the first one after a silence was let go."""
    _clear: bool = field(default=False, init=False)
    """Whether that one was answered, or at least not refused."""
    _quick: bool = field(default=False, init=False)
    """Whether answers come so soon that each lets the next request go."""
    _smooth_due: float = field(default=-math.inf, init=False)
    _refused: float = field(default=-math.inf, init=False)
    """When a refusal came last."""
    _refusals: int = field(default=0, init=False)
    """How many came in a row, each to a request that was sent after the one before."""

    @classmethod
    def of_generor(cls, *, keyless: bool, tier: str | None, rpm: int | None, share: float) -> "Pace":
        """Make the windows of a Generor key; without a key only the minute counts, for the IP address."""
        scopes: tuple[Scope, ...] = ("minute",) if keyless else ("minute", "hour", "day")
        pace = cls(tuple(Window(scope, None, share) for scope in scopes))
        if keyless:
            pace.windows[0].limit = KEYLESS
        if tier is not None:
            pace._promote(tier)
        if rpm is not None:
            pace.windows[0].limit = rpm
        return pace

    @classmethod
    def of_luma(cls, *, rpm: int | None, share: float, weights: Weights | None = None) -> "Pace":
        """Make the one window of a Luma API client: units per minute."""
        return cls((Window("minute", rpm, share),), weights or Weights())

    def reserve(self, now: float, *, smooth: bool = False, kind: Kind = PLAIN) -> Permit | Wait:
        """Let one request of a kind go, or say until when none may.

        `smooth` spreads requests evenly, so that whoever is in more of a hurry finds a place soon.
        """
        units = self.weights.of(kind)
        wait = self._wait(now, units, smooth=smooth)
        if wait is not None:
            return wait
        if self._leaderless:
            self._leader = now
        if smooth:
            self._smooth_due = max(self._smooth_due, now - self.interval()) + self.interval()
        if now >= self._last + SILENCE:
            self._led, self._clear = now, False
        self._last = now
        self._number += 1
        permit = Permit(self._number, kind, units)
        if self.windows[0].seems_full(self._pending_units, units) or (self._free < units and len(self.windows) > 1):
            self._ask(permit, now)
        self._free -= units
        self._pending[permit.number] = now, units
        self._pending_units += units
        return permit

    def _ask(self, permit: Permit, now: float) -> None:
        """Note that a request leaves although a window seems full."""
        for window in self.windows:
            if window.seems_full(self._pending_units, permit.units):
                permit.asks = "guess" if window.ask(now) else "due"

    def _wait(self, now: float, units: int, *, smooth: bool) -> Wait | None:
        if now < self._held:
            return Wait(self._held, self._held_scope)
        if self._leader is not None:
            if now < self._leader + LEADER_SECONDS:
                return Wait(self._leader + LEADER_SECONDS, "minute", sooner=True)
            self._leader = None
            self.windows[0].limit = UNKNOWN_LIMIT
        until, scope = self._blocked_until(now, units, spare=1 if smooth and self.interval() <= HURRY else 0)
        if self.windows[0].limit is not None and not self._may_follow(now) and until < self._led + JITTER:
            until, scope = self._led + JITTER, "minute"
        if smooth and until < self._smooth_due:
            until, scope = self._smooth_due, "minute"
        return Wait(until, scope) if until > now else None

    def _blocked_until(self, now: float, units: int, spare: int) -> tuple[float, Scope]:
        """Return which window lets a request wait longest, and until when; `spare` places of the first stay free."""
        minute, pending, quick, last = self.windows[0], self._pending_units, self._quick, self._last
        until = minute.blocked_until(now, pending, units, spare=spare, quick=quick, last=last)
        longest: tuple[float, Scope] = until, "minute"
        if self._free >= units or len(self.windows) == 1:
            return longest
        self._tell_longer(now)
        for window in self.windows[1:]:
            until = window.blocked_until(now, pending, units, quick=quick, last=last)
            if until > longest[0]:
                longest = until, window.scope
        self._free = min(window.room(now, pending) for window in self.windows[1:])
        return longest

    def _tell_longer(self, now: float) -> None:
        """Let the windows of an hour and a day know of what was sent of late."""
        if self._late:
            for window in self.windows[1:]:
                window.own.forget(now)
                window.own.add(now, self._late)
            self._late = 0

    def _may_follow(self, now: float) -> bool:
        """Tell whether others may leave beside the one that leads after a silence."""
        if not self._clear and self._led + JITTER <= now:
            self._clear = True
        return self._clear or now >= self._last + SILENCE

    @property
    def _leaderless(self) -> bool:
        """Whether the limit is unknown, and nobody is under way who will learn it."""
        return self._leader is None and not self._untold and self.windows[0].limit is None

    @property
    def unbound(self) -> bool:
        """Whether there is nothing to keep to: no limit is told, or one that no client reaches."""
        limit = self.windows[0].limit
        return self._untold if limit is None else limit >= OUT_OF_REACH

    def told(self, said: Said) -> None:
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
        self._leave_pending(permit)
        self._sent += 1
        self._total += permit.units
        permit.total, permit.place, permit.refusals = self._total, self._sent, self._all_refusals
        if permit.kind is not PLAIN:
            self._kinds.append(permit.kind)
            if len(self._kinds) > KINDS_KEPT:
                self._kinds.popleft()
        permit.counted = self.windows[0].add(now, permit.units)
        if len(self.windows) > 1:
            self._late += permit.units
            if now >= self._told_longer + TOLD_EVERY:
                self._told_longer = now
                self._tell_longer(now)

    def received(self, permit: Permit, now: float, said: Said | None, *, succeeded: bool) -> None:
        """Note an answer and what it says of the limits; how old its counts are is known only of a stamped request."""
        stamped = permit.sent is not None
        self.sent(permit, now)
        assert permit.sent is not None
        self.windows[0].own.answered(permit.counted.number, now)
        if permit.asks:
            for window in self.windows:
                window.answered()
        self._leader = None
        self._quick = now < permit.sent + JITTER
        if permit.sent >= self._led:
            self._clear = True
        if permit.sent >= self._refused:
            self._refusals = 0
        if said is not None and stamped:
            self._learn(permit, now, said)
        elif said is not None:
            self._limits(said, -math.inf)
        if succeeded and self.windows[0].limit is None:
            self._untold = True

    def recall(self, sent: float, count: int) -> None:
        """Count requests that an earlier process sent, in the order of sending and before any other."""
        for window in self.windows:
            window.own.add(sent, count)
        self._total += count
        self._free = 0

    def dropped(self, permit: Permit) -> None:
        """Take back a permit whose request never left."""
        if permit.sent is None:
            if not self._clear and permit.number == self._number:  # it was to lead: the next one does
                self._last = -math.inf
            self._leave_pending(permit)
            self._leader = None

    def _leave_pending(self, permit: Permit) -> None:
        if self._pending.pop(permit.number, None) is not None:
            self._pending_units -= permit.units

    def refused(self, permit: Permit, now: float, retry_after: float, scope: Scope, said: Said | None) -> None:
        """Note a 429: the request wasn't counted (assumed), and nothing leaves until the wait is over."""
        sent = permit.sent
        self._all_refusals += 1
        self._free = 0
        self._tell_longer(now)
        self.windows[0].forget_exact()
        if sent is not None:
            self.windows[0].own.remove(permit.counted.number, permit.units)
            for window in self.windows[1:]:
                window.own.remove_latest(permit.units)
        self.dropped(permit)
        self._leader = None
        if said is not None:
            self._limits(said, -math.inf if sent is None else sent)
        if sent is None or sent >= self._refused:
            self._refusals += 1
            self._refused = now
        self.hold(now + retry_after, scope)
        for window in self.windows:
            if window.scope == scope:
                window.refused(sent, now, now + retry_after, self._pending_units)
                again = self._refusals > 1
                if permit.asks or again:
                    window.asked_in_vain(now, guessed=permit.asks == "guess", again=again)
                if again and not window.own.units:  # others take every place
                    self.hold(now + ASK_EVERY, scope)

    def _learn(self, permit: Permit, now: float, said: Said) -> None:
        assert permit.sent is not None
        if said.limit == self.windows[0].limit and said.tier == self.tier and permit.sent >= self._told:
            self._told, place = permit.sent, 0
        else:
            place = self._limits(said, permit.sent)
        if said.used is None:
            return
        later, counted, window = self._later(permit, now), permit.counted, self.windows[place]
        if place:
            self._tell_longer(now)
            counted = self._counted_longer(window, permit)
            self._free = 0
        elif not later and permit.kind is not PLAIN:
            self._weigh(permit, window, said.used, now)
        window.hear(permit.sent, counted, later, said.used, now, said.resets_in)

    def _counted_longer(self, window: Window, permit: Permit) -> Counted:
        """Return what a longer window had counted of ours: what was sent since is known, what left it was little."""
        own = window.own
        most = own.units - (self._total - permit.total)
        least = max(0, most - permit.counted.most + permit.counted.least)
        return Counted(-1, least, most, own.dropped, own.refused, own.gone)

    def _later(self, permit: Permit, now: float) -> int:
        """Return how many units were sent so soon after a request that they may have arrived before it."""
        assert permit.sent is not None
        if now > permit.sent + JITTER and self._total > permit.total:
            later = self.windows[0].own.sent_between(permit.counted.number, permit.sent + JITTER)
            if later is not None:
                return later
        return self._total - permit.total

    def _weigh(self, permit: Permit, window: Window, used: int, now: float) -> None:
        """Learn what requests weigh, from what came into the window since the last answer that told it exactly."""
        assert permit.sent is not None
        if used < permit.units:  # the window holds this request at least
            self.weights.observe(permit.kind, used)
        if permit.refusals != self._all_refusals:  # what was sent isn't what was counted
            return
        found = window.exactly(permit.sent, permit.counted, used, permit.place, now)
        if found is None or permit.place - found.since > len(self._kinds) - (self._sent - permit.place):
            return
        last = len(self._kinds) - (self._sent - permit.place)
        kinds = Counter(islice(self._kinds, last - (permit.place - found.since), last))
        believed = sum(self.weights.of(kind) * count for kind, count in kinds.items())
        if found.certain or found.units > believed:
            self.weights.observe_all(kinds, found.units)

    def _limits(self, said: Said, sent: float) -> int:
        """Take over the limits that an answer names, if no newer one did; return which window its numbers are about."""
        place = self._window_of(said)
        if sent < self._told:
            return place
        self._told = sent
        if said.tier is not None and said.tier != self.tier and len(self.windows) > 1:
            self._promote(said.tier)
        if said.limit is not None and self.windows[place].limit != said.limit:
            self.windows[place].limit, self._free = said.limit, 0
        return place

    def _window_of(self, said: Said) -> int:
        if said.limit == self.windows[0].limit and said.tier == self.tier:
            return 0
        limits = TIERS.get(said.tier or "", ())[: len(self.windows)]
        return limits.index(said.limit) if said.limit in limits else 0

    def _promote(self, tier: str) -> None:
        self.tier, self._free = tier, 0
        for window, limit in zip(self.windows, TIERS.get(tier, ()), strict=False):
            window.limit = limit

    def states(self, now: float) -> dict[Scope, WindowState]:
        """Return the windows as they stand."""
        self._tell_longer(now)
        return {window.scope: window.state(now, self._pending_units) for window in self.windows}

    def dump(self) -> JSON:
        """Return what `load` takes: all that is known, as plain data; the weights have a `dump` of their own."""
        pending = [[number, since, units] for number, (since, units) in self._pending.items()]
        return [[window.dump() for window in self.windows], pending, *(getattr(self, name) for name in _KEPT)]

    def load(self, dumped: Any, now: float) -> None:
        """Take over what another knew; what it let go long ago and never sent is forgotten: it may have ended."""
        windows, pending, *kept = dumped
        for window, each in zip(self.windows, windows, strict=True):
            window.load(each)
        self._pending = {number: (since, units) for number, since, units in pending if now < since + PENDING_SECONDS}
        self._pending_units = sum(units for _, units in self._pending.values())
        self._kinds.clear()
        self._free = 0
        for (name, kind), value in zip(_KEPT.items(), kept, strict=True):
            setattr(self, name, checked(value, kind, maybe=name in {"tier", "_leader"}))


_KEPT: Final[dict[str, type]] = {
    "tier": str,
    "_number": int,
    "_total": int,
    "_held": float,
    "_held_scope": str,
    "_leader": float,
    "_untold": bool,
    "_told": float,
    "_last": float,
    "_led": float,
    "_clear": bool,
    "_quick": bool,
    "_smooth_due": float,
    "_refused": float,
    "_refusals": int,
    "_all_refusals": int,
    "_sent": int,
    "_late": int,
    "_told_longer": float,
}
"""What else there is to know of a key's windows."""
