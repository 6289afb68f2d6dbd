"""One window of a rate limit: an estimate of what it holds, and whether one more request may be sent.

A window is assumed to slide until an answer shows less in it than our own requests; then the oldest of ours are
dropped. That is safe for a fixed window too, and Reset tells when a fixed one ends.

An answer names the units in the window when its request arrived. Own requests sent within `JITTER` of it may or may not
be among them. So the estimate of foreign units is raised only as if all were, and lowered only as if none were.

Where the window seems full, one request is sent all the same as a probe, and its answer corrects the estimate: at the
Reset that the server named, or when foreign requests are expected to have expired. A probe of the second kind is a
guess, and may be refused; after a refusal there is none for a minute.
"""

import math
from typing import Any, Final, Literal, TypeAlias

from attrs import Factory, define, evolve, field, frozen

from generor_async.rules.admission_times import FutureWindow
from generor_async.rules.foreign_usage import ForeignUsage
from generor_async.rules.own_usage import JITTER, SLICES, OwnUsage
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
    "DAY",
    "HOUR",
    "JITTER",
    "MINUTE",
    "PROBE_INTERVAL",
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
"""Seconds by which a time in whole seconds may be off."""
FRESH: Final = 2.0
"""A Reset may be no more than the request's arrival plus a span where it is within so many seconds of that."""
LATENCY: Final = 4.0
"""The most seconds that a request takes to arrive, where its answer took longer."""
PROBE_INTERVAL: Final = 60.0
"""Seconds between a refused probe and the next."""
RARE_PROBE_INTERVAL: Final = 300.0
"""The same while at least half of the window is ours: our own answers tell enough."""
CAUTION_SECONDS: Final = 60.0
"""Seconds after a refusal during which one request at a time is in flight where there is little room."""
FOREIGN_REMEMBERED: Final = 300.0
"""Seconds during which foreign requests may return at any time."""
QUICK_FLIGHT: Final = 3
"""The most units in flight in a nearly full window where answers come soon."""
CROWDED_PART: Final = 100
"""The same as a divisor of the limit, where foreign requests were seen."""
SLOW_FLIGHT: Final = 4
"""The same where answers take long and foreign requests were seen."""
STEADY: Final = 100.0
"""Seconds of foreign usage after which it counts as steady: a burst is over by then."""
BREAK: Final = 65.0
"""Seconds without foreign usage after which it begins anew: about a span, because answers may be that far apart."""
GAP: Final = 0.018
"""Seconds between two requests, so that the refusal of one stops the next."""
GAP_PART: Final = 0.08
"""The largest part of an even interval that the gap may be, so that it never slows a high limit."""
PLENTY: Final = 1_000
"""Units that may be admitted without a known limit before it is checked again."""
MANY: Final = 0.1
"""The part of a limit from which foreign usage matters."""
NEVER: Final = math.inf
NOW: Final = -math.inf
"""What `blocked_until` returns for a request that may be sent."""
NEARLY: Final = 0.25
"""The part of a limit that remains when a window counts as nearly full."""


@frozen(kw_only=True)
class WindowState:
    """The state of one window, in units: `used` is our own usage and the estimate of foreign usage."""

    scope: Scope
    limit: int | None
    used: int
    remaining: int | None
    resets_at: float | None
    """When the next unit expires; None where none is used."""

    def later(self, seconds: float) -> "WindowState":
        """Return the same state by a clock that is so many seconds ahead."""
        return self if self.resets_at is None else evolve(self, resets_at=self.resets_at + seconds)


@frozen
class Fall:
    """The fall of Remaining between two answers that counted exactly the requests before them."""

    units: int
    certain: bool
    """Whether no foreign request can have expired in between."""
    requests: int
    """Our own requests in between."""


@define
class Window:
    """One window of a rate limit."""

    scope: Scope
    limit: int | None = None
    """Units that the server admits; None where unknown."""
    share: float = 1.0
    """The part of the limit that we may use."""
    is_given: bool = field(default=False, init=False)
    """Whether the limit is one that clients gave, and no answer has named one."""
    span: float = field(init=False, default=Factory(lambda self: SPANS[self.scope], takes_self=True))
    """Its length in seconds."""
    own: OwnUsage = field(
        init=False,
        default=Factory(
            lambda self: OwnUsage(self.span, 0.0 if self.scope == "minute" else self.span / SLICES),
            takes_self=True,
        ),
    )
    foreign: ForeignUsage = field(init=False, default=Factory(lambda self: ForeignUsage(self.span), takes_self=True))
    parts: int = field(default=1, init=False)
    """Into how many parts the limit is divided, of which one is ours: the other processes can't be heard of."""
    _divided: int | None = field(default=None, init=False)
    """The units sent by all processes when the limit was divided."""
    remaining: int = field(default=0, init=False)
    """Units left beside the request that was checked last; below 0 where the window seemed full."""
    _newest_answered: float = field(default=-math.inf, init=False)
    """When the newest answered request was sent; answers to earlier ones are stale."""
    _last_exact: tuple[int, int, int, int] | None = field(default=None, init=False)
    """The last answer whose count was exact: units named; units expired and dropped when its request was sent; its
    entry's place."""
    _restarted: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer last showed a fixed window to have begun anew."""
    _refused: float = field(default=-math.inf, init=False)
    """When a request was refused last."""
    _full_with: int = field(default=1, init=False)
    """Our units in it at the last refusal, where no answer names the limit."""
    _crowded_since: float = field(default=-math.inf, init=False)
    """Since when foreign usage is large without a break."""
    _reset_at: float = field(default=math.inf, init=False)
    """When the next unit expires by the server's Reset."""
    _probe_from: float = field(default=-math.inf, init=False)
    """When the next probe may be sent."""
    _guess_from: float = field(default=-math.inf, init=False)
    """When the next guess may be sent."""
    _probe_sent: float | None = field(default=None, init=False)
    """When a probe was sent that is neither answered nor older than `JITTER`."""

    def give(self, limit: int) -> None:
        """Keep to a limit that a client gives; of several the smallest holds until an answer names one."""
        if self.limit is None or self.is_given:
            self.limit = limit if self.limit is None else min(self.limit, limit)
            self.is_given = True

    def name(self, limit: int) -> None:
        """Keep to the limit that an answer names."""
        self.limit, self.is_given = limit, False

    def divide(self, parts: int) -> None:
        """Keep to one of so many parts of what the limit leaves free beside what is in the window now."""
        self.parts = parts
        if self._divided is None:
            self._divided = self.own.total

    def reunite(self) -> None:
        """Keep to the whole limit again."""
        self.parts, self._divided = 1, None

    def _exceeds_part(self, units: int) -> bool:
        """Tell whether so many units beside those in the window are more than our part."""
        assert self.limit is not None
        assert self._divided is not None
        before = max(0, self._divided - self.own.removed)
        mine = self.own.units - before + units
        part = (math.floor(self.limit * self.share) - before) // self.parts
        return mine > (part if before else max(part, 1))

    def blocked_until(self, now: float, pending: int, units: int, spare: int) -> float:
        """Return until when a request has to wait for room; `NOW` or a past time where it may be sent.

        Args:
            now: the time.
            pending: units of requests that were admitted and not sent yet.
            units: units of this request.
            spare: units that are to stay free.
        """
        limit = self.limit
        if limit is None:
            return NOW
        own, foreign = self.own, self.foreign
        if own.next_expiry <= now:
            own.expire(now)
        if foreign.units or self._probe_sent is not None:
            self._refresh(now, pending)
        ours = own.total - own.removed + pending + units
        self.remaining = left = (limit if units == 1 else max(limit, units)) - ours - foreign.units
        if self.share < 1 and ours + spare > max(units, math.floor(limit * self.share)):
            return own.next_expiry  # the rest is left to others, even where it is free
        if self.parts > 1 and self._exceeds_part(pending + units):
            return own.next_expiry
        if left >= spare:
            if not foreign.units or left >= max(1, limit // CROWDED_PART) or not self._is_contested(now):
                return NOW
            return min(own.next_expiry, foreign.next_expiry)
        if self._probe_sent is not None:
            return min(own.next_expiry, foreign.next_expiry, self._probe_sent + JITTER)
        return min(own.next_expiry, foreign.next_expiry, self._probe_at(units, own.units + pending))

    def _is_contested(self, now: float) -> bool:
        """Return whether to leave the last units to others, who often take them while ours is on its way."""
        assert self.limit is not None
        steady = now < self.foreign.seen + BREAK and self.foreign.seen > self._crowded_since + STEADY
        return steady and now < self._refused + FOREIGN_REMEMBERED and self.own.units * 2 >= self.limit

    def room(self, now: float, units: int) -> int:
        """Return how many more units may certainly be sent beside so many."""
        if self.limit is None:
            return PLENTY
        self._refresh(now, 0)
        return max(0, math.floor(self.limit * self.share) - self.own.units - self.foreign.units - units) // self.parts

    def paced_until(self, now: float, pending: int, quick: bool, last: float) -> float:
        """Return when a request may be sent for which there is room.

        Few requests are in flight where little room remains, so that a refusal stops the rest. Where answers take long,
        requests are sent a `GAP` apart.

        Args:
            now: the time.
            pending: units about to be sent.
            quick: whether answers come soon.
            last: when a request was admitted last.
        """
        limit = self.limit
        if limit is None:
            return NOW
        if self.remaining >= NEARLY * limit:
            if quick:
                return NOW
        elif quick or now < self.foreign.seen + FOREIGN_REMEMBERED:
            own = self.own
            if own.units_in_flight(now) + pending >= self._max_in_flight(now, quick):
                return own.settles_at()
            return NOW
        return last + min(GAP, GAP_PART * self.span / limit)

    def _max_in_flight(self, now: float, quick: bool) -> int:
        """Return how many units may be in flight where little room remains."""
        assert self.limit is not None
        if now < self._refused + CAUTION_SECONDS:
            return 1
        if not quick:
            return SLOW_FLIGHT
        if now < self.foreign.seen + FOREIGN_REMEMBERED:
            return max(1, min(self.limit // CROWDED_PART, self.remaining // 4))
        return max(QUICK_FLIGHT, self.limit // CROWDED_PART)

    def _probe_at(self, units: int, own: int) -> float:
        """Return when the next probe may be sent."""
        assert self.limit is not None
        guess = math.inf if own * 2 >= self.limit else max(self.foreign.expected_expiry(units), self._guess_from)
        return max(min(self._next_reset, guess), self._probe_from)

    @property
    def _next_reset(self) -> float:
        """The server's Reset, unless a request was sent since that may have taken the unit."""
        return self._reset_at if self.own.latest < self._reset_at else math.inf

    def probe(self, now: float) -> bool:
        """Record that a probe is sent; return whether it is a guess."""
        self._probe_sent = now
        guessed = now < self._next_reset
        if not guessed:
            self._reset_at = NEVER
        return guessed

    def _refresh(self, now: float, pending: int) -> None:
        """Remove what has expired, and a probe that wasn't refused: there was room for it."""
        self.own.expire(now)
        self.foreign.expire(now)
        if self._probe_sent is not None and now >= self._probe_sent + JITTER:
            self._probe_sent = None
            assert self.limit is not None
            self.foreign.lower_to(self.limit - self.own.units - pending)

    def units_since_last_exact(self, permit: Permit, total: int, now: float) -> Fall | None:
        """Return what came into the window since the last exact answer.

        None where this answer isn't exact, is the first exact one, or can't be compared with the last.
        """
        if permit.sent < self._newest_answered or permit.least != permit.most:
            return None
        dropped = permit.corrections.dropped
        known, self._last_exact = self._last_exact, (total, permit.expired, dropped, permit.place)
        if total < permit.least:  # a fixed window has begun anew
            self._last_exact = None
        if known is None or self._last_exact is None or dropped != known[2]:
            return None
        expired = permit.expired - known[1]  # counted by the weights that this is to check
        certain = not expired and self.foreign.earliest_expiry > now
        return Fall(total - known[0] + expired, certain, permit.place - known[3])

    def discard_exact(self) -> None:
        """Forget the last exact answer, because a request since then was not counted."""
        self._last_exact = None

    def learn_usage(
        self, permit: Permit, total: int, now: float, resets_in: float | None, later: int | None = None
    ) -> None:
        """Learn from an answer how many units the window held when its request arrived.

        Args:
            permit: the request's.
            total: units in the window, by the answer.
            now: the time.
            resets_in: seconds until the answer's Reset.
            later: units sent so soon after the request that they may have arrived before it; counted where None.
        """
        sent, own = permit.sent, self.own
        if sent < self._newest_answered:
            return
        since, self._newest_answered = self._newest_answered, sent
        if self._probe_sent is not None and self._probe_sent < sent:
            self._probe_sent = None
        # Usually the key is ours alone, and the answer agrees with our own count.
        alone = permit.least <= total <= permit.most and permit.corrections is own.corrections
        if not alone or self.foreign.units:
            later = own.sent_just_after(permit, now) if later is None else later
            self._update_estimates(permit, later, total, since, now)
        self._reset_at = NEVER
        if resets_in is not None and ROUNDING < resets_in < sent - now + self.span - FRESH:
            self._reset(now + resets_in, now - sent)

    def _update_estimates(self, permit: Permit, later: int, total: int, since: float, now: float) -> None:
        """Update the estimate of foreign units, and drop units of ours that the server has removed early."""
        sent, own, foreign, known = permit.sent, self.own, self.foreign, permit.corrections
        foreign.expire(now)
        dropped = own.corrections.dropped - known.dropped
        most = total - permit.least + dropped + own.corrections.refused - known.refused
        least = total - permit.most + dropped - later
        if most < foreign.units:
            if most < 0:  # less what has expired since
                own.drop_oldest(-most - own.expired + permit.expired)
                self._restarted = sent
            foreign.lower_to(most)
        if least > 0 and sent > self._restarted + JITTER:  # it arrived after the window began anew
            foreign.raise_to(least, since=since, until=min(sent + JITTER, now))
            self._record_crowd(now)
        if foreign.units:
            foreign.none_expires_before(sent, latest=sent)  # all were in the window then

    def _reset(self, reset: float, took: float) -> None:
        """Believe a Reset, unless it is when one of ours expires."""
        self.foreign.none_expires_before(reset - 2 * ROUNDING, latest=reset)
        if self.own.next_expiry > reset + JITTER and self.own.last_expiry < reset - ROUNDING - min(took, LATENCY):
            self._reset_at = reset

    def probe_answered(self) -> None:
        """Record that a probe was answered."""
        self._probe_sent = None

    def refused(self, sent: float, now: float, until: float, pending: int) -> None:
        """Learn from a refusal that the window is full, and that a unit expires at `until`."""
        since, self._newest_answered = self._newest_answered, max(self._newest_answered, sent)
        self._probe_sent, self._reset_at, self._refused = None, until, now
        self.own.expire(now)
        if self.limit is None:
            self._full_with = max(self.own.units, 1)
            return
        self.foreign.expire(now)
        self.foreign.raise_to(self.limit - self.own.units - pending, since=since, until=now)
        self.foreign.none_expires_before(until - ROUNDING, latest=until)
        self._record_crowd(now)

    def _record_crowd(self, now: float) -> None:
        """Record that foreign usage is large, if it is; care would cost more than a small one does."""
        if self.limit is not None and self.foreign.units >= MANY * self.limit:
            if now > self.foreign.seen + BREAK:
                self._crowded_since = now
            self.foreign.seen = now

    def probe_refused(self, now: float, *, guessed: bool, again: bool) -> None:
        """Send no probe for a while; `again` means that the request before was refused as well."""
        ours = self.limit is not None and self.own.units * 2 >= self.limit
        self._guess_from = now + PROBE_INTERVAL
        if not guessed or again:
            self._probe_from = now + (RARE_PROBE_INTERVAL if ours else PROBE_INTERVAL)

    def ahead(self, now: float, pending: int) -> list[FutureWindow]:
        """Return the window as it will be, in seconds from now: once for what we may use, and once for the whole."""
        if self.limit is None:
            return [self.future(now, pending, self._full_with)] if now < self._refused + FOREIGN_REMEMBERED else []
        share = max(math.floor(self.limit * self.share) // self.parts, 1)
        found = [self.future(now, pending, share, whole=False)] if share < self.limit else []
        return [*found, self.future(now, pending, self.limit)] if self.foreign.units or not found else found

    def future(self, now: float, pending: int, limit: int, *, whole: bool = True) -> FutureWindow:
        """Return the window as it will be with a limit for our units, or for the `whole` of them."""
        self._refresh(now, pending) if self.limit is not None else self.own.expire(now)
        settling = JITTER if self.own.slice_seconds else self.own.seconds_until_counted()
        ends = [end - now for end in self.own.ends()] + [self.span + settling] * pending
        if whole and self.foreign.units:
            ends += [max(end - now, 0.0) for end in self.foreign.ends()]
        return self._future(limit, settling, sorted(ends), now)

    def _future(self, limit: int, settling: float, ends: list[float], now: float) -> FutureWindow:
        units, sent, until = self.own.newest_slice
        reset = self._next_reset - now
        # The server's Reset is when the oldest of ours expires, if the window slides and is ours alone.
        slides = self._restarted == -math.inf and (self.foreign.units or not ends or reset > ends[0] - ROUNDING)
        if slides or not ends:
            period, slices = self.span + settling, self.own.slice_seconds
            return FutureWindow(limit, period, ends, slices, slice=[sent - now] * units, slice_until=until - now)
        reset = max(min(reset, ends[0]), 0.0)
        return FutureWindow(limit, self.span, [reset] * (len(ends) + units), resets_at=reset)

    def flight_gap(self, now: float, *, quick: bool) -> float:
        """Return the seconds between requests where little room remains: few are in flight at once."""
        if not quick and now >= self.foreign.seen + FOREIGN_REMEMBERED:
            return 0.0
        return self.own.seconds_until_counted() / self._max_in_flight(now, quick)

    def dump(self) -> JSON:
        """Return the state as JSON data, without a limit that was given: each process keeps to those of its clients."""
        limit, *kept = dump_fields(self, _KEPT)
        return [self.own.dump(), self.foreign.dump(), self._last_exact, None if self.is_given else limit, *kept]

    def load(self, dumped: Any, now: float) -> None:
        """Restore a state from `dump`; raises ValueError or TypeError."""
        own, foreign, exact, *kept = dumped
        self.own.load(own, now)
        self.foreign.load(foreign, now)
        self._last_exact = None
        if exact is not None:
            total, expired, dropped, number = (_COUNT(each, now) for each in exact)
            self._last_exact = total, expired, dropped, number
        limit = self.limit
        load_fields(self, kept, _KEPT, now)
        if self.limit is None:
            self.limit = limit
        else:
            self.is_given = False

    def state(self, now: float, pending: int) -> WindowState:
        """Return the window's state."""
        self._refresh(now, pending)
        used = self.own.units + pending + self.foreign.units
        end = min(self.own.next_expiry, self.foreign.next_expiry, max(now, self._next_reset))
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
    "_newest_answered": read_past_or_never,
    "_restarted": read_past_or_never,
    "_refused": read_past_or_never,
    "_crowded_since": read_past_or_never,
    "_reset_at": time_reader(LONGEST_BELIEVED_WAIT, never=math.inf),
    "_probe_from": time_reader(RARE_PROBE_INTERVAL, never=-math.inf),
    "_guess_from": time_reader(PROBE_INTERVAL, never=-math.inf),
    "_probe_sent": optional_reader(read_past),
}
"""Other attributes to dump, in the order of the dump."""
