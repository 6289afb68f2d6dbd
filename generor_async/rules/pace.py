"""When the next request may be sent: all rate limits of one key, checked in one step.

Alone on a key, a limit is used to the last request without a refusal. Beside others it depends on what answers say:

- The first request names the limit. While its answer is late, twice as many may follow with each `JITTER` that brings
  no refusal: refusals come soon even where answers take long.
- After `IDLE_SECONDS` without a request, one leads and the rest wait until it is answered, or isn't refused: others may
  have used the window meanwhile, and one refusal is better than ten.
- After refusals in a row the wait grows to `LONGEST_PAUSE`, because others are insisting.
- Smooth requests are spread evenly, and leave a unit to those that aren't.
"""

import math
from collections import Counter, deque
from itertools import islice
from typing import Any, Final, TypeAlias

from attrs import Factory, define, field

from generor_async.rules.admission_times import AdmissionTimes
from generor_async.rules.long_windows import LongWindows
from generor_async.rules.pending import PendingRequests
from generor_async.rules.permit import Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.state_json import (
    StateReader,
    choice_reader,
    dump_fields,
    int_reader,
    load_fields,
    optional_reader,
    read_flag,
    read_past,
    read_past_or_never,
    read_text,
    time_reader,
)
from generor_async.rules.wait import Wait
from generor_async.rules.wait_headers import LONGEST_BELIEVED_WAIT
from generor_async.rules.weights import DEFAULT_TYPE, LearnedWeights, RequestType
from generor_async.rules.window import (
    GAP,
    GAP_PART,
    JITTER,
    MINUTE,
    NEARLY,
    NOW,
    PLENTY,
    PROBE_INTERVAL,
    SPANS,
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

IDLE_SECONDS: Final = 1.0
"""Seconds without a request after which the next one leads."""
HURRY: Final = 4.0
"""The longest interval, in seconds, at which smooth requests leave a unit free for others."""

OUT_OF_REACH: Final = 10_000
"""A limit, in requests a minute, that no client reaches: it isn't counted for."""
RECENT_TYPES: Final = 1_000
"""How many sent requests' types are kept."""
LONGEST_PAUSE: Final = 8.0
"""The longest wait, in seconds, after refusals in a row where Retry-After asks for less."""
TURN_GAP: Final = 0.02
"""Seconds between the turns of processes that wait for the same moment."""
FLIGHT_GAP: Final = 0.08
"""The same while they wait for requests in flight: each turn takes about as long as an answer."""
UNKNOWN_LIMIT: Final = 30
"""The limit a minute that is assumed while the first answer is late (the documents' example)."""

OwnPending: TypeAlias = tuple[dict[int, tuple[float, int]], int]


@define
class Pace:
    """All windows of one key."""

    windows: tuple[Window, ...]
    """The minute's first."""
    weights: LearnedWeights = field(factory=LearnedWeights)
    """The weights of request types, corrected by answers."""
    _given_tier: str | None = field(default=None, init=False)
    """The lowest tier that clients gave; only a key of Generor has one."""
    _named_tier: str | None = field(default=None, init=False)
    """The tier that an answer named."""
    _minute: Window = field(init=False, default=Factory(lambda self: self.windows[0], takes_self=True))
    _longs: LongWindows = field(
        init=False, default=Factory(lambda self: LongWindows(self.windows[1:]), takes_self=True)
    )
    _pending: PendingRequests = field(factory=PendingRequests, init=False)
    _recent_types: deque[RequestType] = field(factory=deque[RequestType], init=False)
    """The types of the requests sent last, in their order; those of the default type are left out."""
    _refusals_total: int = field(default=0, init=False)
    """Requests refused so far."""
    _last_number: int = field(default=0, init=False)
    """The number of the newest permit."""
    _blocked_until: float = field(default=-math.inf, init=False)
    _blocked_scope: Scope = field(default="minute", init=False)
    _discovery_since: float | None = field(default=None, init=False)
    """When the request was admitted whose answer will name the limit."""
    _unlimited: bool = field(default=False, init=False)
    """Whether the server answers without naming a limit."""
    _limit_assumed: bool = field(default=False, init=False)
    """Whether the minute's limit is `UNKNOWN_LIMIT` until an answer comes."""
    _limits_sent: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer named the current limits."""
    _last_reserved: float = field(default=-math.inf, init=False)
    """When a request was admitted last."""
    _burst_since: float = field(default=-math.inf, init=False)
    """When the first request after `IDLE_SECONDS` was admitted."""
    _burst_cleared: bool = field(default=False, init=False)
    """Whether this request was answered, or is older than `JITTER` and not refused."""
    _answers_soon: bool = field(default=False, init=False)
    """Whether the last answer took less than `JITTER`."""
    _smooth_due: float = field(default=-math.inf, init=False)
    """When the next smooth request is due."""
    _last_refused: float = field(default=-math.inf, init=False)
    """When a refusal came last."""
    _refusals_in_row: int = field(default=0, init=False)
    """Refusals in a row, each of a request that was sent after the one before came."""

    @classmethod
    def of_generor(cls, *, keyless: bool, tier: str | None, rpm: int | None, share: float) -> "Pace":
        """Make the windows of a Generor key; without a key the minute of the IP address."""
        scopes: tuple[Scope, ...] = ("minute",) if keyless else ("minute", "hour", "day")
        pace = cls(tuple(Window(scope, None, share) for scope in scopes))
        pace._give(tier, KEYLESS if keyless and rpm is None else rpm)
        return pace

    @classmethod
    def of_luma(cls, *, rpm: int | None, share: float, weights: LearnedWeights | None = None) -> "Pace":
        """Make the window of a Luma key: units a minute."""
        pace = cls((Window("minute", share=share),), weights or LearnedWeights())
        pace._give(None, rpm)
        return pace

    @property
    def tier(self) -> str | None:
        """Generor's tier, as an answer named it or else as it was given."""
        return self._named_tier or self._given_tier

    def restrict(self, *, tier: str | None, rpm: int | None, share: float) -> None:
        """Apply the limits that another client gave: the smaller of two holds until an answer names one."""
        self._longs.free = 0
        for window in self.windows:
            window.share = min(window.share, share)
        self._give(tier, rpm)

    def _give(self, tier: str | None, rpm: int | None) -> None:
        minute, *longs = self.windows
        if longs and tier is not None:
            if self._given_tier is None or TIERS[tier] < TIERS[self._given_tier]:
                self._given_tier = tier
            of_minute, *of_longs = TIERS[tier]
            rpm = of_minute if rpm is None else rpm
            for window, limit in zip(longs, of_longs, strict=True):
                window.give(limit)
        if rpm is not None:
            if self._limit_assumed:
                minute.limit, self._limit_assumed = None, False
            minute.give(rpm)
            self._discovery_since, self._unlimited = None, False

    def check(self, now: float, smooth: bool, request_type: RequestType) -> Wait | None:
        """Return until when a request has to wait; None where `reserve` would give a permit."""
        return self._wait(now, self.weights.of(request_type), smooth)

    def reserve(self, now: float, smooth: bool = False, request_type: RequestType = DEFAULT_TYPE) -> Permit | Wait:
        """Return a permit for one request, or until when to wait.

        Args:
            now: the time.
            smooth: whether to spread requests evenly, so that others find room soon.
            request_type: what tells the request's weight.
        """
        units = 1 if request_type is DEFAULT_TYPE else self.weights.of(request_type)
        wait = self._wait(now, units, smooth)
        if wait is not None:
            return wait
        if self._minute.limit is None and self._needs_discovery:
            self._discovery_since = now
        if smooth:
            self._smooth_due = max(self._smooth_due, now - self.interval()) + self.interval()
        if now >= self._last_reserved + IDLE_SECONDS:
            self._burst_since, self._burst_cleared = now, False
        self._last_reserved = now
        self._last_number = number = self._last_number + 1
        permit = Permit(units, math.inf, number, request_type)
        longs, pending = self._longs, self._pending
        if self._minute.remaining < 0 or longs.free < units:
            self._probe(permit, now)
        longs.free -= units
        pending.own[number] = now, units
        pending.units += units
        return permit

    def _probe(self, permit: Permit, now: float) -> None:
        """Mark a request that is sent although a window seems full."""
        for window in self.windows:
            if window.remaining < 0:
                permit.probe = "guess" if window.probe(now) else "due"

    def _wait(self, now: float, units: int, smooth: bool) -> Wait | None:
        """Return until when a request has to wait; None where it may be sent."""
        if now < self._blocked_until:
            return Wait(self._blocked_until, self._blocked_scope)
        minute, pending = self._minute, self._pending
        if pending.foreign:
            pending.expire(now)
        if self._discovery_since is not None:
            until = self._discovery_until(now, self._discovery_since)
            if until > now:
                return Wait(until, "minute", sooner=True)
        until = minute.blocked_until(now, pending.units, units, 1 if smooth and self.interval() <= HURRY else 0)
        # A new request is paced only while others are under way, or answers take long.
        if until == NOW and (pending.units or minute.own.settled < minute.own.total or not self._answers_soon):
            leaving = pending.leaving_units(now) if pending.foreign else pending.units
            until = minute.paced_until(now, leaving, self._answers_soon, self._last_reserved)
            if pending.foreign and until > now:
                until = min(until, pending.leave_by(now))
        if until <= now and self._burst_cleared and self._longs.free >= units and not smooth:
            return None  # the usual case ends here
        scope: Scope = "minute"
        if self._longs.free < units:
            longest, which = self._longs.blocked_until(now, pending.units, units)
            if longest > until:
                until, scope = longest, which
        if (
            not self._burst_cleared
            and until < self._burst_since + JITTER
            and minute.limit is not None
            and not self._may_follow(now)
        ):
            until, scope = self._burst_since + JITTER, "minute"
        if pending.foreign and until > now:
            until = min(until, self._pending_expiry(until))
        if smooth and until < self._smooth_due:
            until, scope = self._smooth_due, "minute"
        return Wait(until, scope) if until > now else None

    def _discovery_until(self, now: float, leader: float) -> float:
        """Return until when a request has to wait while no answer has named the limit."""
        if self._minute.is_given:  # another process, whose clients gave none, finds it out
            return now
        most, until = 1, leader + JITTER
        while until <= now and most < UNKNOWN_LIMIT:
            most, until = 2 * most, until + JITTER
        if most >= UNKNOWN_LIMIT:
            self._discovery_since, self._minute.limit, self._limit_assumed = None, UNKNOWN_LIMIT, True
            return now
        if self._minute.own.units + self._pending.units < most:
            until = self._last_reserved + GAP
        return until

    def _pending_expiry(self, until: float) -> float:
        """Return when a request that waits until then may be admitted because another process has ended."""
        if until < math.inf and self._minute.remaining + self._pending.foreign_units() < 0:
            return math.inf
        return self._pending.next_expiry()

    def _may_follow(self, now: float) -> bool:
        """Return whether requests may follow the one that leads."""
        if not self._burst_cleared and self._burst_since + JITTER <= now:
            self._burst_cleared = True
        return self._burst_cleared or now >= self._last_reserved + IDLE_SECONDS

    @property
    def _needs_discovery(self) -> bool:
        """Whether the limit is unknown, and no request is under way whose answer will name it."""
        return self._discovery_since is None and not self._unlimited and self._minute.limit is None

    @property
    def unbound(self) -> bool:
        """Whether there is no limit to keep to, or one that no client reaches."""
        limit = self._minute.limit
        return self._unlimited if limit is None else limit >= OUT_OF_REACH

    @property
    def left(self) -> int:
        """How many units the minute had beside the request that was checked last."""
        minute = self._minute
        if minute.limit is None:
            return PLENTY
        return minute.remaining - minute.limit + math.floor(minute.limit * minute.share)

    def is_news(self, report: RateLimitReport | None) -> bool:
        """Tell whether an answer names other limits than are known: other processes should know them soon."""
        if report is None:
            return False
        return report.limit not in {window.limit for window in self.windows} or report.tier != self._named_tier

    def learn_limits(self, report: RateLimitReport) -> None:
        """Take over the limits named by an answer to a request without a permit."""
        self._unlimited = False
        self._apply_limits(report, -math.inf)

    def hold(self, until: float, scope: Scope) -> None:
        """Admit no request before `until`."""
        if until > self._blocked_until:
            self._blocked_until, self._blocked_scope = until, scope

    def interval(self) -> float:
        """Return the seconds between requests that use the minute evenly."""
        limit = self._minute.limit
        return 0.0 if limit is None else MINUTE / max(1, math.floor(limit * self._minute.share))

    def sent(self, permit: Permit, now: float) -> None:
        """Record that a request is sent now."""
        if permit.sent < math.inf:
            return
        permit.sent = now
        if self._pending.own.pop(permit.number, None) is not None:
            self._pending.units -= permit.units
        if permit.request_type is not DEFAULT_TYPE:
            permit.refusals = self._refusals_total
            self._recent_types.append(permit.request_type)
            if len(self._recent_types) > RECENT_TYPES:
                self._recent_types.popleft()
        self._minute.own.sent(permit, now)
        if self._longs.windows:
            self._longs.sent(permit.units, now)

    def received(self, permit: Permit, now: float, report: RateLimitReport | None, *, succeeded: bool) -> None:
        """Record an answer and its limits; its counts are used only where the time of sending is known."""
        sent = permit.sent
        stamped = sent < math.inf
        if not stamped:
            self.sent(permit, now)
            sent = now
        minute = self._minute
        minute.own.answered(permit, now)
        if permit.probe:
            for window in self.windows:
                window.probe_answered()
        self._discovery_since = None
        self._answers_soon = now < sent + JITTER
        if not self._burst_cleared and sent >= self._burst_since:
            self._burst_cleared = True
        if self._refusals_in_row and sent >= self._last_refused:
            self._refusals_in_row = 0
        if report is not None:
            if stamped:
                self._learn_usage(permit, sent, now, report)
            else:
                self._apply_limits(report, -math.inf)
        if (minute.limit is None or self._limit_assumed) and succeeded:
            self._first_answer(report)

    def _first_answer(self, report: RateLimitReport | None) -> None:
        """Record whether the first answer names a limit; if not, there is none to keep to."""
        if self._limit_assumed and (report is None or report.limit is None):
            self._minute.limit = None
        self._limit_assumed, self._unlimited = False, self._minute.limit is None

    def give_back(self, permit: Permit) -> None:
        """Take back a permit whose request never left."""
        if permit.sent == math.inf:
            if not self._burst_cleared and permit.number == self._last_number:  # the next one leads instead
                self._last_reserved = -math.inf
            self._pending.remove(permit.number)
            self._discovery_since = None

    def refused(
        self, permit: Permit, now: float, retry_after: float, scope: Scope, report: RateLimitReport | None
    ) -> None:
        """Record a 429: the request wasn't counted (assumed), and none is admitted for `retry_after` seconds."""
        self._refusals_total += 1
        self._longs.refused(permit, now)
        self._minute.discard_exact()
        stamped = permit.sent < math.inf
        sent = permit.sent if stamped else now
        if stamped:
            self._minute.own.remove(permit.place, permit.units)
        self.give_back(permit)
        self._discovery_since = None
        if report is not None:
            self._apply_limits(report, sent if stamped else -math.inf)
        if not stamped or sent >= self._last_refused:
            self._refusals_in_row += 1
            self._last_refused = now
        self.hold(now + max(retry_after, min(LONGEST_PAUSE, 2.0 ** (self._refusals_in_row - 1))), scope)
        for window in self.windows:
            if window.scope == scope:
                window.refused(sent, now, now + retry_after, self._pending.units)
                again = self._refusals_in_row > 1
                if permit.probe or again:
                    window.probe_refused(now, guessed=permit.probe == "guess", again=again)
                if again and not window.own.units:  # others use all of the limit
                    self.hold(now + PROBE_INTERVAL, scope)

    def _learn_usage(self, permit: Permit, sent: float, now: float, report: RateLimitReport) -> None:
        minute, place = self._minute, 0
        if (
            report.limit == minute.limit
            and report.tier == self._named_tier
            and sent >= self._limits_sent
            and not minute.is_given
        ):
            self._limits_sent = sent
        else:
            place = self._apply_limits(report, sent)
        if report.used is None:
            return
        if place:
            window, own = self.windows[place], minute.own
            seen = self._longs.view(window, permit, own.total - permit.total, now)
            window.learn_usage(seen, report.used, now, report.resets_in, own.sent_just_after(permit, now))
            return
        if permit.request_type is not DEFAULT_TYPE and not minute.own.sent_just_after(permit, now):
            self._learn_weight(permit, report.used, now)
        later = None
        if untold := self._pending.foreign_units():  # they may have been sent before this one arrived
            later = minute.own.sent_just_after(permit, now) + untold
        minute.learn_usage(permit, report.used, now, report.resets_in, later)

    def _learn_weight(self, permit: Permit, used: int, now: float) -> None:
        """Learn weights from what came into the window since the last exact answer."""
        if used < permit.units:  # the window holds at least this request
            self.weights.observe(permit.request_type, used)
        if permit.refusals != self._refusals_total:  # not all that was sent was counted
            return
        found = self._minute.units_since_last_exact(permit, used, now)
        last = len(self._recent_types) - (self._minute.own.next_place - 1 - permit.place)
        if found is None or not 0 < found.requests <= last:
            return
        types = Counter(islice(self._recent_types, last - found.requests, last))
        believed = sum(self.weights.of(kind) * count for kind, count in types.items())
        if found.certain or found.units > believed:
            self.weights.observe_all(types, found.units)

    def _apply_limits(self, report: RateLimitReport, sent: float) -> int:
        """Take over an answer's limits unless it is stale; return the index of the window that it counts."""
        place = self._window_index(report)
        if sent < self._limits_sent:
            return place
        self._limits_sent = sent
        if report.limit is not None:
            self._limit_assumed = False
        if report.tier is not None and report.tier != self._named_tier and len(self.windows) > 1:
            self._named_tier, self._longs.free = report.tier, 0
            for window, limit in zip(self.windows, TIERS.get(report.tier, ()), strict=False):
                window.name(limit)
        if report.limit is not None:
            self.windows[place].name(report.limit)
            self._longs.free = 0
        return place

    def _window_index(self, report: RateLimitReport) -> int:
        if report.limit == self._minute.limit and report.tier == self._named_tier:
            return 0
        limits = TIERS.get(report.tier or "", ())[: len(self.windows)]
        return limits.index(report.limit) if report.limit in limits else 0

    def states(self, now: float) -> dict[Scope, WindowState]:
        """Return the state of each window."""
        self._pending.expire(now)
        self._longs.flush(now)
        return {window.scope: window.state(now, self._pending.units) for window in self.windows}

    def admission_times(self, now: float, *, smooth: bool, assumed: int | None = None) -> AdmissionTimes:
        """Return when the next units will be admitted, if others send no more.

        An unknown limit of the minute is left out, unless one is `assumed`.
        """
        minute, pending = self._minute, self._pending.units
        self._longs.flush(now)
        windows = [each for window in self.windows for each in window.ahead(now, pending)]
        if minute.limit is None and assumed is not None and not windows:
            windows.insert(0, minute.future(now, pending, assumed))
        times = AdmissionTimes(windows, max(self._blocked_until - now, 0.0))
        if (limit := minute.limit) is None:
            return times
        if not self._answers_soon:
            times.gap = min(GAP, GAP_PART * MINUTE / limit)
        times.plenty = NEARLY * limit
        times.slow_gap = max(times.gap, minute.flight_gap(now, quick=self._answers_soon))
        if smooth:
            times.gap = times.slow_gap = max(times.gap, self.interval())
            if self.interval() <= HURRY:
                windows[0].leave(1)
            times.begin = max(times.begin, self._smooth_due - now)
        return times

    def foreign_units(self, now: float) -> int:
        """Return how many units others have used within the last minute, as far as was seen."""
        self._minute.foreign.expire(now)
        return self._minute.foreign.units

    def renew(self, now: float) -> None:
        """Confirm this process's pending requests if that is due: other processes forget what isn't confirmed."""
        self._pending.renew(now)

    @property
    def is_discovering(self) -> bool:
        """Whether the limit is unknown, or assumed, until an answer comes."""
        return self._discovery_since is not None or self._limit_assumed or self._minute.limit is None

    def divide(self, parts: int) -> None:
        """Keep to one of so many parts of each limit: the other processes can't be heard of."""
        self._longs.free = 0
        for window in self.windows:
            window.divide(parts)

    def reunite(self) -> None:
        """Keep to the whole limits again."""
        self._longs.free = 0
        for window in self.windows:
            window.reunite()

    def turn_after(self, until: float, before: int) -> float:
        """Return when so many others, who wait until then as well, will probably have had their turn."""
        missing = before - max(0, self._minute.remaining)
        if missing <= 0:  # there is room for all: they wait for requests in flight
            return until + before * FLIGHT_GAP
        return max(until + before * TURN_GAP, self._minute.own.expiry_after(until, missing))

    def own_pending(self) -> OwnPending:
        """Return the pending requests of this process, and its last number, for `set_own_pending`."""
        return dict(self._pending.own), self._last_number

    def forget_pending(self, number: int) -> None:
        """Remove a pending request of this process that has ended already."""
        self._pending.remove(number)

    def restore_own_pending(self, own: OwnPending) -> None:
        """Add pending requests of this process that a state lacks, because it has lost them."""
        for number, (since, units) in own[0].items():
            if number not in self._pending.own:
                self._pending.own[number] = since, units
                self._pending.units += units

    def set_own_pending(self, own: OwnPending) -> None:
        """Say which pending requests of the next state to `load` are this process's own."""
        pending, self._last_number = own
        self._pending.own = dict(pending)

    def dump(self) -> JSON:
        """Return the state as JSON data; the weights have a `dump` of their own."""
        return [self._minute.dump(), self._longs.dump(), self._pending.dump(), *dump_fields(self, _KEPT)]

    def load(self, dumped: Any, now: float) -> None:
        """Restore a state from `dump`, of this process or another; raises ValueError or TypeError."""
        minute, longs, pending, *kept = dumped
        if self._limit_assumed:  # no answer has named it
            self._minute.limit = None
        given = self._minute.limit if self._minute.is_given else None
        self._minute.load(minute, now)
        self._longs.load(longs, now)
        self._pending.load(pending, now)
        self._recent_types.clear()
        numbers = self._last_number
        load_fields(self, kept, _KEPT, now)
        self._last_number = max(numbers, self._last_number)  # those that were given out here are taken
        if given is not None and self._limit_assumed:  # by a process whose clients gave none
            self._minute.limit, self._minute.is_given, self._limit_assumed = given, True, False


_COUNT: Final = int_reader()
_KEPT: Final[dict[str, StateReader]] = {
    "_named_tier": optional_reader(read_text),
    "_last_number": _COUNT,
    "_blocked_until": time_reader(LONGEST_BELIEVED_WAIT, never=-math.inf),
    "_blocked_scope": choice_reader(SPANS),
    "_discovery_since": optional_reader(read_past),
    "_unlimited": read_flag,
    "_limit_assumed": read_flag,
    "_limits_sent": read_past_or_never,
    "_last_reserved": read_past_or_never,
    "_burst_since": read_past_or_never,
    "_burst_cleared": read_flag,
    "_answers_soon": read_flag,
    "_smooth_due": time_reader(MINUTE, never=-math.inf),
    "_last_refused": read_past_or_never,
    "_refusals_in_row": _COUNT,
    "_refusals_total": _COUNT,
}
"""Other attributes to dump, in the order of the dump."""
