"""One of the API's limits: what is known to be in its window, and whether one more request may leave.

A window is taken for a sliding one until an answer shows less in it than our own requests; then the oldest of ours go.
Treating every window so is safe where it is a fixed one, and Reset tells when that ends.

Where the window seems full, one request may leave all the same, and its answer tells the rest: at the moment that the
server named for the next place, or when others are expected to have left. The second kind is a question that may be
refused; after a refusal none is asked for a minute.
"""

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from attrs import Factory, define, evolve, field, frozen

from generor_async.rules.weights import Kind
from generor_async.rules.window_usage import GRAINS, JITTER, ForeignUsage, OwnUsage
from generor_async.values import JSON

__all__ = [
    "ASK_EVERY",
    "DAY",
    "HOUR",
    "JITTER",
    "MINUTE",
    "SPANS",
    "Counted",
    "Scope",
    "Sent",
    "Window",
    "WindowState",
    "dump_kinds",
    "load_kinds",
]

Scope: TypeAlias = Literal["minute", "hour", "day"]
MINUTE: Final = 60.0
HOUR: Final = 3_600.0
DAY: Final = 86_400.0
SPANS: Final[dict[Scope, float]] = {"minute": MINUTE, "hour": HOUR, "day": DAY}

ROUNDING: Final = 1.0
"""Seconds by which a moment in whole seconds may be off."""
FRESH: Final = 2.0
"""A Reset that is a span after the request but for so many seconds may be no more than its arrival and a span."""
LATENCY: Final = 4.0
"""Seconds that a request takes to arrive at most, where its answer tells no better."""
ASK_EVERY: Final = 60.0
"""Seconds after a question that was refused until the next."""
ASK_SELDOM: Final = 300.0
"""The same while half of the window is ours, so that our own requests tell enough."""
CAREFUL: Final = 60.0
"""Seconds after a refusal for which requests go one at a time where there is little room."""
REMEMBERED: Final = 300.0
"""Seconds after others were seen for which they may come again at any time."""
QUICK_FLIGHT: Final = 3
"""How many units may be under way at once where answers come soon."""
CROWDED_PART: Final = 100
"""The part of the limit that may be under way at once where answers come soon and others were seen."""
SLOW_FLIGHT: Final = 4
"""How many may be where answers take long, and others were seen."""
GAP: Final = 0.012
"""Seconds between two requests: time for the refusal of one to stop the next, if others have taken the places."""
GAP_PART: Final = 0.05
"""The part of an even interval that this may be: where very much is allowed, it must not be what limits."""
NEARLY: Final = 0.25
"""The part of a limit that is left when a window counts as nearly full."""


@frozen(kw_only=True)
class WindowState:
    """One window as it stands, in units: `used` counts our own requests and the estimate of others'."""

    scope: Scope
    limit: int | None
    used: int
    remaining: int | None
    resets_at: float | None
    """When the next place becomes free; None where nothing is used."""

    def later(self, seconds: float) -> "WindowState":
        """Return the same by a clock that shows so much more."""
        return self if self.resets_at is None else evolve(self, resets_at=self.resets_at + seconds)


@define(eq=False)
class Counted:
    """What there is of one request of ours in one window."""

    number: int
    """Of its entry."""
    least: int
    """How many units of ours the server had counted when it arrived, at least; its own among them."""
    most: int
    dropped: int
    """How many units had been seen to be forgotten before their time when it was sent."""
    gone: int
    """How many units of ours had left the window when it was sent."""


@frozen
class Sent:
    """What had ever been sent at a moment."""

    kinds: Mapping[Kind, int]
    """How many requests of each kind."""
    refusals: int
    """How many of them had been refused by then."""


@frozen
class Exact:
    """An answer that told exactly what the window held, of ours at least."""

    units: int
    gone: int
    """How many units of ours had left the window when its request was sent."""
    dropped: int
    """How many had been seen to be forgotten before their time."""
    sent: Sent


@frozen
class Fall:
    """What came into the window from one exact answer to the next."""

    units: int
    certain: bool
    """Whether no others can have left in between."""
    kinds: Mapping[Kind, int]
    """How many requests of ours, of each kind."""


@define
class Window:
    """One of the API's limits, and what we know to be in it."""

    scope: Scope
    limit: int | None = None
    """How many units the server takes in it; None where nobody has said."""
    share: float = 1.0
    """The part of the limit that is ours."""
    span: float = field(init=False, default=Factory(lambda self: SPANS[self.scope], takes_self=True))
    """Its length in seconds."""
    own: OwnUsage = field(
        init=False,
        default=Factory(
            lambda self: OwnUsage(self.span, 0.0 if self.scope == "minute" else self.span / GRAINS), takes_self=True
        ),
    )
    foreign: ForeignUsage = field(init=False, default=Factory(lambda self: ForeignUsage(self.span), takes_self=True))
    _heard: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer was believed last: what an earlier one says is stale."""
    _exact: Exact | None = field(default=None, init=False)
    """The last answer that told exactly what the window held."""
    _refused: float = field(default=-math.inf, init=False)
    """When a request was refused last."""
    _due: float = field(default=math.inf, init=False)
    """When the server says that the next place becomes free."""
    _ask_from: float = field(default=-math.inf, init=False)
    """When a request may leave next although the window seems full."""
    _guess_from: float = field(default=-math.inf, init=False)
    """The same where the server has not said that a place is free."""
    _asked: float | None = field(default=None, init=False)
    """When a request left although the window seemed full, while it is neither answered nor taken for admitted."""

    def blocked_until(self, now: float, pending: int, units: int, *, spare: int = 0, quick: bool, last: float) -> float:
        """Return until when a request has to wait: `now` or sooner where it may leave.

        `pending` are the units of ours that may leave and have not yet been sent, `spare` those that are to stay free,
        `last` is when the last one was let go, and `quick` whether answers come soon.
        """
        if self.limit is None:
            return -math.inf
        self._refresh(now, pending)
        ours = self.own.units + pending + spare + units
        allowed = max(units, math.floor(self.limit * self.share))
        room = max(self.limit, units) - ours - self.foreign.units
        if ours <= allowed and room >= 0:
            return self._in_turn(now, pending, room, quick=quick, last=last)
        if ours > allowed and self.share < 1:  # the rest is left to others, even where it is free
            return self.own.next_end
        moments = (self.own.next_end, self.foreign.next_end)
        if self._asked is not None:
            return min(*moments, self._asked + JITTER)
        return min(*moments, self._ask_at(units, self.own.units + pending))

    def _in_turn(self, now: float, pending: int, room: int, *, quick: bool, last: float) -> float:
        """Return when a request may leave for which there is room.

        A refusal is to stop the rest, if others come: where there is little room, few are under way at once where
        answers come soon, or others were seen. Where answers take long, requests leave a moment apart in any case.
        """
        assert self.limit is not None
        crowded = now < self.foreign.seen + REMEMBERED
        if room >= NEARLY * self.limit:
            if quick:
                return -math.inf
        elif quick or crowded:
            most = SLOW_FLIGHT if not quick else max(1 if crowded else QUICK_FLIGHT, self.limit // CROWDED_PART)
            if now < self._refused + CAREFUL:
                most = 1
            return self.own.settles_at() if self.own.in_flight(now) + pending >= most else -math.inf
        return last + min(GAP, GAP_PART * self.span / self.limit)

    def _ask_at(self, units: int, own: int) -> float:
        """Return when one request may find out whether there is room although the window seems full."""
        assert self.limit is not None
        guess = math.inf if own * 2 >= self.limit else max(self.foreign.expected_end(units), self._guess_from)
        return max(min(self._due, guess), self._ask_from)

    def seems_full(self, pending: int, units: int) -> bool:
        """Tell whether a request that may leave is one that finds out whether there is room."""
        return self.limit is not None and self.own.units + pending + self.foreign.units + units > max(self.limit, units)

    def ask(self, now: float) -> bool:
        """Note that a request leaves although the window seems full; tell whether only a guess speaks for it."""
        self._asked = now
        guessed = now < self._due
        if not guessed:
            self._due = math.inf
        return guessed

    def _refresh(self, now: float, pending: int) -> None:
        """Take away what is over: requests that left the window, and a question that was not refused."""
        self.own.forget(now)
        self.foreign.forget(now)
        if self._asked is not None and now >= self._asked + JITTER:
            self._asked = None
            assert self.limit is not None
            self.foreign.lower_to(self.limit - self.own.units - pending)

    def add(self, sent: float, units: int) -> Counted:
        """Note that a request leaves."""
        self.own.forget(sent)
        number = self.own.add(sent, units)
        least = min(self.own.surely(sent) + units, self.own.units)
        if sent >= self._due:
            self._due = math.inf
        return Counted(number, least, self.own.units, self.own.dropped, self.own.gone)

    def fall(self, sent: float, counted: Counted, total: int, then: Sent, now: float) -> Fall | None:
        """Return what has come since the last answer that told exactly what the window held.

        None where this answer doesn't tell exactly, or is the first that does, or where not all that was sent since
        was counted.
        """
        if sent < self._heard or counted.least != counted.most:
            return None
        known, self._exact = self._exact, Exact(total, counted.gone, counted.dropped, then)
        if total < counted.least:  # it doesn't slide, and has begun anew
            self._exact = None
        if known is None or self._exact is None:
            return None
        if (counted.dropped, then.refusals) != (known.dropped, known.sent.refusals):
            return None
        kinds = {kind: count - known.sent.kinds.get(kind, 0) for kind, count in then.kinds.items()}
        return Fall(total - known.units + counted.gone - known.gone, self.foreign.earliest_end > now, kinds)

    def hear(self, sent: float, counted: Counted, later: int, total: int, now: float, resets_in: float | None) -> None:
        """Learn from an answer how many units the window held when its request arrived.

        `later` are the units of ours that were sent so soon afterwards that they may have been counted before.
        """
        if sent < self._heard:
            return
        since, self._heard = self._heard, sent
        if self._asked is not None and self._asked < sent:
            self._asked = None
        self.foreign.forget(now)
        dropped = self.own.dropped - counted.dropped
        most = total - counted.least + dropped
        if most < 0:  # but for what has left in its time since
            self.own.drop_oldest(-most - self.own.gone + counted.gone)
        self.foreign.lower_to(most)
        self.foreign.raise_to(total - counted.most + dropped - later, since=since, until=min(sent + JITTER, now))
        self._due = math.inf
        if resets_in is not None and ROUNDING < resets_in < sent - now + self.span - FRESH:
            reset = now + resets_in
            self.foreign.none_ends_before(reset - 2 * ROUNDING)
            # Unless it is the end of one of ours, which the server counted a little later than we did.
            if self.own.next_end > reset + JITTER and self.own.last_end < reset - ROUNDING - min(now - sent, LATENCY):
                self._due = reset

    def answered(self) -> None:
        """Note that the request was answered that left although the window seemed full."""
        self._asked = None

    def refused(self, sent: float | None, now: float, until: float, pending: int) -> None:
        """Learn from a refusal that the window is full, and that a place becomes free at `until`."""
        since, self._heard = self._heard, max(self._heard, now if sent is None else sent)
        self._asked, self._due, self._refused = None, until, now
        if self.limit is None:
            return
        self.own.forget(now)
        self.foreign.forget(now)
        self.foreign.raise_to(self.limit - self.own.units - pending, since=since, until=now)
        self.foreign.none_ends_before(until - ROUNDING)

    def asked_in_vain(self, now: float, *, guessed: bool, again: bool) -> None:
        """Ask no more for a while after a refusal: the more seldom, the more our own requests tell.

        `again` tells that the one before was refused as well: others take every place.
        """
        ours = self.limit is not None and self.own.units * 2 >= self.limit
        self._guess_from = now + ASK_EVERY
        if not guessed or again:
            self._ask_from = now + (ASK_SELDOM if ours else ASK_EVERY)

    def dump(self) -> JSON:
        """Return what `load` takes."""
        return [self.own.dump(), self.foreign.dump(), self._dump_exact(), *(getattr(self, name) for name in _KEPT)]

    def _dump_exact(self) -> JSON:
        exact = self._exact
        if exact is None:
            return None
        return [exact.units, exact.gone, exact.dropped, dump_kinds(exact.sent.kinds), exact.sent.refusals]

    def load(self, dumped: Any) -> None:
        """Take over what another knows of the window."""
        own, foreign, exact, *kept = dumped
        self.own.load(own)
        self.foreign.load(foreign)
        self._exact = None
        if exact is not None:
            units, gone, dropped, kinds, refusals = exact
            self._exact = Exact(units, gone, dropped, Sent(load_kinds(kinds), refusals))
        limit = self.limit
        for name, value in zip(_KEPT, kept, strict=True):
            setattr(self, name, value)
        if self.limit is None:
            self.limit = limit

    def state(self, now: float, pending: int) -> WindowState:
        """Return the window as it stands."""
        self._refresh(now, pending)
        used = self.own.units + pending + self.foreign.units
        end = min(self.own.next_end, self.foreign.next_end, max(now, self._due))
        return WindowState(
            scope=self.scope,
            limit=self.limit,
            used=used,
            remaining=None if self.limit is None else max(0, self.limit - used),
            resets_at=end if used and end < math.inf else None,
        )


def dump_kinds(kinds: Mapping[Kind, int]) -> JSON:
    """Return counts by kind as plain data."""
    return [[*kind, count] for kind, count in kinds.items()]


def load_kinds(dumped: Any) -> dict[Kind, int]:
    """Return what `dump_kinds` was given."""
    return {Kind(*kind): count for *kind, count in dumped}


_KEPT: Final = ("limit", "_heard", "_refused", "_due", "_ask_from", "_guess_from", "_asked")
"""What else there is to know of a window."""
