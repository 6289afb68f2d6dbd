"""One of the API's limits: what is known to be in its window, and whether one more request may leave.

A window is taken for a sliding one until an answer shows less in it than our own requests; then the oldest of ours go.
Treating every window so is safe where it is a fixed one, and Reset tells when that ends.

Where the window seems full, one request may leave all the same, and its answer tells the rest: at the moment that the
server named for the next place, or when others are expected to have left. The second kind is a question that may be
refused; after a refusal none is asked for a minute.
"""

import math
from typing import Any, Final, Literal, TypeAlias

from attrs import Factory, define, evolve, field, frozen

from generor_async.rules.foreign_usage import ForeignUsage
from generor_async.rules.own_usage import GRAINS, JITTER, OwnUsage
from generor_async.rules.permit import Permit
from generor_async.rules.state_json import (
    StateReader,
    dump_fields,
    int_reader,
    load_fields,
    optional_reader,
    read_past,
    read_past_or_never,
    time_reader,
)
from generor_async.rules.wait_headers import LONGEST_BELIEVED_WAIT
from generor_async.values import JSON

__all__ = [
    "ASK_EVERY",
    "DAY",
    "HOUR",
    "JITTER",
    "MINUTE",
    "SPANS",
    "Scope",
    "Window",
    "WindowState",
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
STEADY: Final = 100.0
"""Seconds for which others are seen without a break when they are taken for steady: a burst is over by then."""
BREAK: Final = 65.0
"""Seconds without a sight of others after which they come anew: a span, as answers may come once in one."""
GAP: Final = 0.018
"""Seconds between two requests: time for the refusal of one to stop the next, if others have taken the places."""
GAP_PART: Final = 0.08
"""The part of an even interval that this may be: where very much is allowed, it must not be what limits."""
PLENTY: Final = 1_000
"""Units that may leave where no limit is known, until it is asked for again."""
MANY: Final = 0.1
"""The part of a limit that others use where they are many."""
NEVER: Final = math.inf
NOW: Final = -math.inf
"""Until when a request has to wait that may leave."""
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


@frozen
class Fall:
    """What came into the window from one answer that told exactly what it held to the next."""

    units: int
    certain: bool
    """Whether no others can have left in between."""
    requests: int
    """How many requests of ours these were."""


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
    left: int = field(default=0, init=False)
    """How many units were left beside the request that was looked at last; below 0 where the window seemed full."""
    _heard: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer was believed last: what an earlier one says is stale."""
    _exact: tuple[int, int, int, int] | None = field(default=None, init=False)
    """The last answer that told exactly what the window held, of ours at least: the units that it named, those that had
    left and had been dropped when its request was sent, and the number of its entry."""
    _begun: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer showed last that the window doesn't slide."""
    _refused: float = field(default=-math.inf, init=False)
    """When a request was refused last."""
    _seen_since: float = field(default=-math.inf, init=False)
    """Since when many others are seen without a break."""
    _due: float = field(default=math.inf, init=False)
    """When the server says that the next place becomes free."""
    _ask_from: float = field(default=-math.inf, init=False)
    """When a request may leave next although the window seems full."""
    _guess_from: float = field(default=-math.inf, init=False)
    """The same where the server has not said that a place is free."""
    _asked: float | None = field(default=None, init=False)
    """When a request left although the window seemed full, while it is neither answered nor taken for admitted."""

    def blocked_until(self, now: float, pending: int, units: int, spare: int) -> float:
        """Return until when a request has to wait for room: `now` or sooner where it may leave.

        `pending` are the units of ours that may leave and have not yet been sent, `spare` those that are to stay free.
        """
        limit = self.limit
        if limit is None:
            return NOW
        own, foreign = self.own, self.foreign
        if own.next_end <= now:
            own.forget(now)
        if foreign.units or self._asked is not None:
            self._refresh(now, pending)
        ours = own.total - own.left + pending + units
        self.left = left = (limit if units == 1 else max(limit, units)) - ours - foreign.units
        if self.share < 1 and ours + spare > max(units, math.floor(limit * self.share)):
            return own.next_end  # the rest is left to others, even where it is free
        if left >= spare:
            if not foreign.units or left >= max(1, limit // CROWDED_PART) or not self._is_contested(now):
                return NOW
            return min(own.next_end, foreign.next_end)
        if self._asked is not None:
            return min(own.next_end, foreign.next_end, self._asked + JITTER)
        return min(own.next_end, foreign.next_end, self._ask_at(units, own.units + pending))

    def _is_contested(self, now: float) -> bool:
        """Tell whether the window's last place is better left to others.

        Where they send steadily beside us, one of theirs often takes it while a request of ours is on its way.
        """
        assert self.limit is not None
        steady = now < self.foreign.seen + BREAK and self.foreign.seen > self._seen_since + STEADY
        return steady and now < self._refused + REMEMBERED and self.own.units * 2 >= self.limit

    def room(self, now: float, units: int) -> int:
        """Return how many units may leave beside so many, whatever becomes of others; 0 where that is not sure."""
        if self.limit is None:
            return PLENTY
        self._refresh(now, 0)
        return max(0, math.floor(self.limit * self.share) - self.own.units - self.foreign.units - units)

    def in_turn(self, now: float, pending: int, quick: bool, last: float) -> float:
        """Return when a request may leave for which there is room.

        A refusal is to stop the rest, if others come: where there is little room, few are under way at once where
        answers come soon, or others were seen. Where answers take long, requests leave a moment apart in any case.
        `last` is when the last one was let go, and `quick` whether answers come soon.
        """
        limit = self.limit
        if limit is None:
            return NOW
        if self.left >= NEARLY * limit:
            if quick:
                return NOW
        elif quick or now < self.foreign.seen + REMEMBERED:
            own = self.own
            if own.in_flight(now) + pending >= self._most_at_once(now, quick):
                return own.settles_at()
            return NOW
        return last + min(GAP, GAP_PART * self.span / limit)

    def _most_at_once(self, now: float, quick: bool) -> int:
        """Return how many units may be under way where there is little room."""
        assert self.limit is not None
        if now < self._refused + CAREFUL:
            return 1
        if not quick:
            return SLOW_FLIGHT
        if now < self.foreign.seen + REMEMBERED:
            return max(1, min(self.limit // CROWDED_PART, self.left // 4))
        return max(QUICK_FLIGHT, self.limit // CROWDED_PART)

    def _ask_at(self, units: int, own: int) -> float:
        """Return when one request may find out whether there is room although the window seems full."""
        assert self.limit is not None
        guess = math.inf if own * 2 >= self.limit else max(self.foreign.expected_end(units), self._guess_from)
        return max(min(self._next_due, guess), self._ask_from)

    @property
    def _next_due(self) -> float:
        """When the server says that the next place becomes free; what was sent since may have taken it."""
        return self._due if self.own.latest < self._due else math.inf

    def ask(self, now: float) -> bool:
        """Note that a request leaves although the window seems full; tell whether only a guess speaks for it."""
        self._asked = now
        guessed = now < self._next_due
        if not guessed:
            self._due = NEVER
        return guessed

    def _refresh(self, now: float, pending: int) -> None:
        """Take away what is over: requests that left the window, and a question that was not refused."""
        self.own.forget(now)
        self.foreign.forget(now)
        if self._asked is not None and now >= self._asked + JITTER:
            self._asked = None
            assert self.limit is not None
            self.foreign.lower_to(self.limit - self.own.units - pending)

    def exactly(self, permit: Permit, total: int, now: float) -> Fall | None:
        """Return what has come since the last answer that told exactly what the window held.

        None where this answer doesn't tell exactly, or is the first that does, or where what it tells can't be
        compared.
        """
        if permit.sent < self._heard or permit.least != permit.most:
            return None
        dropped = permit.corrections.dropped
        known, self._exact = self._exact, (total, permit.gone, dropped, permit.place)
        if total < permit.least:  # it doesn't slide, and has begun anew
            self._exact = None
        if known is None or self._exact is None or dropped != known[2]:
            return None
        gone = permit.gone - known[1]  # by the weights that are believed: they would confirm themselves
        certain = not gone and self.foreign.earliest_end > now
        return Fall(total - known[0] + gone, certain, permit.place - known[3])

    def forget_exact(self) -> None:
        """Compare nothing with the answers so far: a request between them was not counted."""
        self._exact = None

    def hear(self, permit: Permit, total: int, now: float, resets_in: float | None, later: int | None = None) -> None:
        """Learn from an answer how many units the window held when its request arrived.

        `later` are the units of ours that were sent so soon afterwards that they may have been counted before; they
        are counted here where they aren't given.
        """
        sent, own = permit.sent, self.own
        if sent < self._heard:
            return
        since, self._heard = self._heard, sent
        if self._asked is not None and self._asked < sent:
            self._asked = None
        # As a rule nobody else is there, and the server has counted our own requests alone.
        alone = permit.least <= total <= permit.most and permit.corrections is own.corrections
        if not alone or self.foreign.units:
            later = own.overtaking(permit, now) if later is None else later
            self._estimate(permit, later, total, since, now)
        self._due = NEVER
        if resets_in is not None and ROUNDING < resets_in < sent - now + self.span - FRESH:
            self._reset(now + resets_in, now - sent)

    def _estimate(self, permit: Permit, later: int, total: int, since: float, now: float) -> None:
        """Estimate how many units of others the window holds, and how many of ours it has forgotten early."""
        sent, own, foreign, known = permit.sent, self.own, self.foreign, permit.corrections
        foreign.forget(now)
        dropped = own.corrections.dropped - known.dropped
        most = total - permit.least + dropped + own.corrections.refused - known.refused
        least = total - permit.most + dropped - later
        if most < foreign.units:
            if most < 0:  # but for what has left in its time since
                own.drop_oldest(-most - own.gone + permit.gone)
                self._begun = sent
            foreign.lower_to(most)
        if least > 0 and sent > self._begun + JITTER:  # else it may have arrived before the window began anew
            foreign.raise_to(least, since=since, until=min(sent + JITTER, now))
            self._notice(now)
        if foreign.units:
            foreign.none_ends_before(sent, latest=sent)  # those that it counted were in the window then

    def _reset(self, reset: float, took: float) -> None:
        """Believe a Reset, unless it is the end of one of ours, which the server counted a little later than we did."""
        self.foreign.none_ends_before(reset - 2 * ROUNDING, latest=reset)
        if self.own.next_end > reset + JITTER and self.own.last_end < reset - ROUNDING - min(took, LATENCY):
            self._due = reset

    def answered(self) -> None:
        """Note that the request was answered that left although the window seemed full."""
        self._asked = None

    def refused(self, sent: float, now: float, until: float, pending: int) -> None:
        """Learn from a refusal that the window is full, and that a place becomes free at `until`."""
        since, self._heard = self._heard, max(self._heard, sent)
        self._asked, self._due, self._refused = None, until, now
        if self.limit is None:
            return
        self.own.forget(now)
        self.foreign.forget(now)
        self.foreign.raise_to(self.limit - self.own.units - pending, since=since, until=now)
        self.foreign.none_ends_before(until - ROUNDING, latest=until)
        self._notice(now)

    def _notice(self, now: float) -> None:
        """Note it where there are many others: few take a place now and then, and no care is worth its time."""
        if self.limit is not None and self.foreign.units >= MANY * self.limit:
            if now > self.foreign.seen + BREAK:
                self._seen_since = now
            self.foreign.seen = now

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
        return [self.own.dump(), self.foreign.dump(), self._exact, *dump_fields(self, _KEPT)]

    def load(self, dumped: Any, now: float) -> None:
        """Take over what another knows of the window. Raises ValueError or TypeError for anything else."""
        own, foreign, exact, *kept = dumped
        self.own.load(own, now)
        self.foreign.load(foreign, now)
        self._exact = None
        if exact is not None:
            total, gone, dropped, number = (_COUNT(each, now) for each in exact)
            self._exact = total, gone, dropped, number
        limit = self.limit
        load_fields(self, kept, _KEPT, now)
        if self.limit is None:
            self.limit = limit

    def state(self, now: float, pending: int) -> WindowState:
        """Return the window as it stands."""
        self._refresh(now, pending)
        used = self.own.units + pending + self.foreign.units
        end = min(self.own.next_end, self.foreign.next_end, max(now, self._next_due))
        return WindowState(
            scope=self.scope,
            limit=self.limit,
            used=used,
            remaining=None if self.limit is None else max(0, self.limit - used),
            resets_at=end if used and end < math.inf else None,
        )


_COUNT: Final = int_reader()
_KEPT: Final[dict[str, StateReader]] = {
    "limit": optional_reader(int_reader(1)),
    "_heard": read_past_or_never,
    "_begun": read_past_or_never,
    "_refused": read_past_or_never,
    "_seen_since": read_past_or_never,
    "_due": time_reader(LONGEST_BELIEVED_WAIT, never=math.inf),
    "_ask_from": time_reader(ASK_SELDOM, never=-math.inf),
    "_guess_from": time_reader(ASK_EVERY, never=-math.inf),
    "_asked": optional_reader(read_past),
}
"""What else there is to know of a window."""
