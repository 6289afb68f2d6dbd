"""When may the next request leave? All windows of one key in one step, and what the answers say of them."""

import math
from collections import Counter, deque
from itertools import islice
from typing import Any, Final

from attrs import Factory, define, field

from generor_async.rules.long_windows import LongWindows
from generor_async.rules.permit import Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.state_json import (
    StateReader,
    choice_reader,
    dump_fields,
    int_reader,
    load_fields,
    optional_reader,
    read_bool,
    read_past,
    read_past_or_never,
    read_text,
    time_reader,
)
from generor_async.rules.wait import Wait
from generor_async.rules.wait_headers import LONGEST_BELIEVED_WAIT
from generor_async.rules.weights import DEFAULT_TYPE, RequestType, Weights
from generor_async.rules.window import (
    ASK_EVERY,
    GAP,
    JITTER,
    MINUTE,
    NOW,
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

SILENCE: Final = 1.0
"""Seconds without a request after which the next one leads: its answer, or that it isn't refused, lets the rest go."""
HURRY: Final = 4.0
"""Seconds between the requests of an even stream up to which it leaves a place free for whoever is in a hurry."""
RENEW_SECONDS: Final = 5.0
"""After how many seconds a process tells others anew of what it has let go and not sent."""
PENDING_SECONDS: Final = 20.0
"""How long a request of another process counts that was let go and not sent: untold of so long, its process is dead."""
LEAVING_SECONDS: Final = 2.0
"""Within how many seconds a request of another process leaves, as a rule; what is later waits for a connection."""
OUT_OF_REACH: Final = 10_000
"""Requests a minute that no client of either API sends: such a limit is not worth counting for."""
KINDS_KEPT: Final = 1_000
"""Of how many requests the kinds are remembered."""
LONGEST_PAUSE: Final = 8.0
"""Seconds to which the wait after one refusal upon another grows where Retry-After asks for less: others insist."""
UNKNOWN_LIMIT: Final = 30
"""What is taken for the limit a minute when nobody has said, and the first answer is late (the documents' example).

A refusal comes soon even where answers take long, so with each `JITTER` without one twice as many may leave.
"""


@define
class Pace:
    """All windows of one key: `reserve` lets a request go or says until when to wait, in one step over all of them."""

    windows: tuple[Window, ...]
    """The minute's first."""
    weights: Weights = field(factory=Weights)
    """What requests weigh, as the answers show it."""
    tier: str | None = field(default=None, init=False)
    _minute: Window = field(init=False, default=Factory(lambda self: self.windows[0], takes_self=True))
    _longs: LongWindows = field(
        init=False, default=Factory(lambda self: LongWindows(self.windows[1:]), takes_self=True)
    )
    _pending: dict[int, tuple[float, int]] = field(factory=dict[int, tuple[float, int]], init=False)
    """Requests that were let go and not sent yet, by number: when, and their units."""
    _others: dict[int, tuple[float, float, int]] = field(factory=dict[int, tuple[float, float, int]], init=False)
    """Those of other processes: when they were let go, when these told so last, and their units."""
    _pending_units: int = field(default=0, init=False)
    """The units of both."""
    _renewed: float = field(default=-math.inf, init=False)
    """When others were told anew of what is pending here."""
    _kinds: deque[RequestType] = field(factory=deque[RequestType], init=False)
    """The kinds of the requests that were sent last, in their order."""
    _all_refusals: int = field(default=0, init=False)
    """How many requests were ever refused."""
    _number: int = field(default=0, init=False)
    """How many requests were ever let go."""
    _held: float = field(default=-math.inf, init=False)
    _held_scope: Scope = field(default="minute", init=False)
    _leader: float | None = field(default=None, init=False)
    """When the request was let go whose answer will name the limit; others may follow it before that."""
    _untold: bool = field(default=False, init=False)
    """Whether the server answers without naming a limit: then there is nothing to keep to."""
    _assumed: bool = field(default=False, init=False)
    """Whether the limit a minute is not known, and taken for the documents' example until an answer comes."""
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

    def restrict(self, *, tier: str | None, rpm: int | None, share: float) -> None:
        """Keep to what one more caller gives as well: of two numbers the smaller holds, until an answer names one."""
        self._longs.free = 0
        for window in self.windows:
            window.share = min(window.share, share)
        if self._told > -math.inf or (tier is None and rpm is None):
            return
        limits = [*TIERS.get(tier or "", ())]
        if tier is not None and (self.tier not in TIERS or TIERS[tier] < TIERS[self.tier]):
            self.tier = tier
        if rpm is not None:
            limits[:1] = [rpm]
        if self._assumed:
            self._minute.limit, self._assumed = None, False
        for window, limit in zip(self.windows, limits, strict=False):
            window.limit = limit if window.limit is None else min(window.limit, limit)
        self._leader, self._untold = None, False

    def reserve(self, now: float, smooth: bool = False, request_type: RequestType = DEFAULT_TYPE) -> Permit | Wait:
        """Let one request of a kind go, or say until when none may.

        `smooth` spreads requests evenly, so that whoever is in more of a hurry finds a place soon.
        """
        units = 1 if request_type is DEFAULT_TYPE else self.weights.of(request_type)
        wait = self._wait(now, units, smooth)
        if wait is not None:
            return wait
        if self._minute.limit is None and self._leaderless:
            self._leader = now
        if smooth:
            self._smooth_due = max(self._smooth_due, now - self.interval()) + self.interval()
        if now >= self._last + SILENCE:
            self._led, self._clear = now, False
        self._last = now
        self._number = number = self._number + 1
        permit = Permit(units, math.inf, number, request_type)
        longs = self._longs
        if self._minute.left < 0 or longs.free < units:
            self._ask(permit, now)
        longs.free -= units
        self._pending[number] = now, units
        self._pending_units += units
        return permit

    def _ask(self, permit: Permit, now: float) -> None:
        """Note that a request leaves although a window seems full."""
        for window in self.windows:
            if window.left < 0:
                permit.asks = "guess" if window.ask(now) else "due"

    def _wait(self, now: float, units: int, smooth: bool) -> Wait | None:
        if now < self._held:
            return Wait(self._held, self._held_scope)
        if self._others:
            self._lapse(now)
        minute, pending = self._minute, self._pending_units
        if self._leader is not None:
            until = self._untold_until(now, self._leader)
            if until > now:
                return Wait(until, "minute", sooner=True)
        until = minute.blocked_until(now, pending, units, 1 if smooth and self.interval() <= HURRY else 0)
        if until == NOW and (pending or minute.own.landed < minute.own.total or not self._quick):
            leaving = self._leaving(now) if self._others else pending
            until = minute.in_turn(now, leaving, self._quick, self._last)
        scope: Scope = "minute"
        if until <= now and self._clear and self._longs.free >= units and not smooth:
            return None  # as a rule
        if self._longs.free < units:
            longest, which = self._longs.blocked_until(now, pending, units)
            if longest > until:
                until, scope = longest, which
        if not self._clear and until < self._led + JITTER and minute.limit is not None and not self._may_follow(now):
            until, scope = self._led + JITTER, "minute"
        if self._others and until > now:
            until = min(until, self._lapses_at(until))
        if smooth and until < self._smooth_due:
            until, scope = self._smooth_due, "minute"
        return Wait(until, scope) if until > now else None

    def _untold_until(self, now: float, leader: float) -> float:
        """Return until when a request has to wait while the answer is awaited that names the limit."""
        most, until = 1, leader + JITTER
        while until <= now and most < UNKNOWN_LIMIT:
            most, until = 2 * most, until + JITTER
        if most >= UNKNOWN_LIMIT:
            self._leader, self._minute.limit, self._assumed = None, UNKNOWN_LIMIT, True
            return now
        if self._minute.own.units + self._pending_units < most:
            until = self._last + GAP
        return until

    def _lapse(self, now: float) -> None:
        """Count no longer what other processes have let go, and told nothing more of: they have ended."""
        for number, (_, told, units) in list(self._others.items()):
            if told + PENDING_SECONDS <= now:
                del self._others[number]
                self._pending_units -= units

    def _lapses_at(self, until: float) -> float:
        """Return when others are taken to have ended, if that may let a request go that waits until then."""
        others = sum(units for *_, units in self._others.values())
        if until < math.inf and self._minute.left + others < 0:
            return math.inf
        return min(told for _, told, _ in self._others.values()) + PENDING_SECONDS

    def _leaving(self, now: float) -> int:
        """Count the units of requests that are about to leave."""
        late = sum(units for since, _, units in self._others.values() if since + LEAVING_SECONDS <= now)
        return self._pending_units - late

    def _may_follow(self, now: float) -> bool:
        """Tell whether others may leave beside the one that leads after a silence."""
        if not self._clear and self._led + JITTER <= now:
            self._clear = True
        return self._clear or now >= self._last + SILENCE

    @property
    def _leaderless(self) -> bool:
        """Whether the limit is unknown, and nobody is under way who will learn it."""
        return self._leader is None and not self._untold and self._minute.limit is None

    @property
    def unbound(self) -> bool:
        """Whether there is nothing to keep to: no limit is told, or one that no client reaches."""
        limit = self._minute.limit
        return self._untold if limit is None else limit >= OUT_OF_REACH

    def told(self, said: RateLimitReport) -> None:
        """Take over the limits that an answer names which was sent without a permit."""
        self._untold = False
        self._limits(said, -math.inf)

    def hold(self, until: float, scope: Scope) -> None:
        """Let nothing go before `until`."""
        if until > self._held:
            self._held, self._held_scope = until, scope

    def interval(self) -> float:
        """Return the seconds between two requests at the even rate of the window that binds most over a minute."""
        limit = self._minute.limit
        return 0.0 if limit is None else MINUTE / max(1, math.floor(limit * self._minute.share))

    def sent(self, permit: Permit, now: float) -> None:
        """Note that a request leaves this machine now."""
        if permit.sent < math.inf:
            return
        permit.sent = now
        if self._pending.pop(permit.number, None) is not None:
            self._pending_units -= permit.units
        if permit.kind is not DEFAULT_TYPE:
            permit.refusals = self._all_refusals
            self._kinds.append(permit.kind)
            if len(self._kinds) > KINDS_KEPT:
                self._kinds.popleft()
        self._minute.own.sent(permit, now)
        if self._longs.windows:
            self._longs.sent(permit.units, now)

    def received(self, permit: Permit, now: float, said: RateLimitReport | None, *, succeeded: bool) -> None:
        """Note an answer and what it says of the limits; how old its counts are is known only of a stamped request."""
        sent = permit.sent
        stamped = sent < math.inf
        if not stamped:
            self.sent(permit, now)
            sent = now
        minute = self._minute
        minute.own.answered(permit, now)
        if permit.asks:
            for window in self.windows:
                window.answered()
        self._leader = None
        self._quick = now < sent + JITTER
        if not self._clear and sent >= self._led:
            self._clear = True
        if self._refusals and sent >= self._refused:
            self._refusals = 0
        if said is not None:
            if stamped:
                self._learn(permit, sent, now, said)
            else:
                self._limits(said, -math.inf)
        if (minute.limit is None or self._assumed) and succeeded:
            self._answered_first(said)

    def _answered_first(self, said: RateLimitReport | None) -> None:
        """Note whether the first answer names a limit; if not, there is none to keep to."""
        if self._assumed and (said is None or said.limit is None):
            self._minute.limit = None
        self._assumed, self._untold = False, self._minute.limit is None

    def give_back(self, permit: Permit) -> None:
        """Take back a permit whose request never left."""
        if permit.sent == math.inf:
            if not self._clear and permit.number == self._number:  # it was to lead: the next one does
                self._last = -math.inf
            if self._pending.pop(permit.number, None) is not None:
                self._pending_units -= permit.units
            self._leader = None

    def refused(
        self, permit: Permit, now: float, retry_after: float, scope: Scope, said: RateLimitReport | None
    ) -> None:
        """Note a 429: the request wasn't counted (assumed), and nothing leaves until the wait is over."""
        self._all_refusals += 1
        self._longs.refused(permit, now)
        self._minute.forget_exact()
        stamped = permit.sent < math.inf
        sent = permit.sent if stamped else now
        if stamped:
            self._minute.own.remove(permit.place, permit.units)
        self.give_back(permit)
        self._leader = None
        if said is not None:
            self._limits(said, sent if stamped else -math.inf)
        if not stamped or sent >= self._refused:
            self._refusals += 1
            self._refused = now
        self.hold(now + max(retry_after, min(LONGEST_PAUSE, 2.0 ** (self._refusals - 1))), scope)
        for window in self.windows:
            if window.scope == scope:
                window.refused(sent, now, now + retry_after, self._pending_units)
                again = self._refusals > 1
                if permit.asks or again:
                    window.asked_in_vain(now, guessed=permit.asks == "guess", again=again)
                if again and not window.own.units:  # others take every place
                    self.hold(now + ASK_EVERY, scope)

    def _learn(self, permit: Permit, sent: float, now: float, said: RateLimitReport) -> None:
        minute, place = self._minute, 0
        if said.limit == minute.limit and said.tier == self.tier and sent >= self._told:
            self._told = sent
        else:
            place = self._limits(said, sent)
        if said.used is None:
            return
        if place:
            window, own = self.windows[place], minute.own
            seen = self._longs.seen_by(window, permit, own.total - permit.total, now)
            window.hear(seen, said.used, now, said.resets_in, own.overtaking(permit, now))
            return
        if permit.kind is not DEFAULT_TYPE and not minute.own.overtaking(permit, now):
            self._weigh(permit, said.used, now)
        minute.hear(permit, said.used, now, said.resets_in)

    def _weigh(self, permit: Permit, used: int, now: float) -> None:
        """Learn what requests weigh, from what came into the window since the last answer that told it exactly."""
        if used < permit.units:  # the window holds this request at least
            self.weights.observe(permit.kind, used)
        if permit.refusals != self._all_refusals:  # what was sent isn't what was counted
            return
        found = self._minute.exactly(permit, used, now)
        last = len(self._kinds) - (self._minute.own.next - 1 - permit.place)
        if found is None or not 0 < found.requests <= last:
            return
        kinds = Counter(islice(self._kinds, last - found.requests, last))
        believed = sum(self.weights.of(kind) * count for kind, count in kinds.items())
        if found.certain or found.units > believed:
            self.weights.observe_all(kinds, found.units)

    def _limits(self, said: RateLimitReport, sent: float) -> int:
        """Take over the limits that an answer names, if no newer one did; return which window its numbers are about."""
        place = self._window_of(said)
        if sent < self._told:
            return place
        self._told = sent
        if said.limit is not None:
            self._assumed = False
        if said.tier is not None and said.tier != self.tier and len(self.windows) > 1:
            self._promote(said.tier)
        if said.limit is not None and self.windows[place].limit != said.limit:
            self.windows[place].limit, self._longs.free = said.limit, 0
        return place

    def _window_of(self, said: RateLimitReport) -> int:
        if said.limit == self._minute.limit and said.tier == self.tier:
            return 0
        limits = TIERS.get(said.tier or "", ())[: len(self.windows)]
        return limits.index(said.limit) if said.limit in limits else 0

    def _promote(self, tier: str) -> None:
        self.tier, self._longs.free = tier, 0
        for window, limit in zip(self.windows, TIERS.get(tier, ()), strict=False):
            window.limit = limit

    def states(self, now: float) -> dict[Scope, WindowState]:
        """Return the windows as they stand."""
        self._lapse(now)
        self._longs.tell(now)
        return {window.scope: window.state(now, self._pending_units) for window in self.windows}

    def renew(self, now: float) -> None:
        """Have what is pending here told anew, now and then: others forget what they hear nothing of."""
        if now >= self._renewed + RENEW_SECONDS:
            self._renewed = now

    def dump(self) -> JSON:
        """Return what `load` takes: all that is known, as plain data; the weights have a `dump` of their own."""
        pending = [[number, at, max(at, self._renewed), units] for number, (at, units) in self._pending.items()]
        pending += [[number, *each] for number, each in self._others.items()]
        return [self._minute.dump(), self._longs.dump(), pending, *dump_fields(self, _KEPT)]

    def load(self, dumped: Any, now: float) -> None:
        """Take over what another knew. Raises ValueError or TypeError for anything else.

        What it has let go is that of others, but for what is known to be this process's own.
        """
        minute, longs, pending, *kept = dumped
        if self._assumed:  # nobody has said it
            self._minute.limit = None
        self._minute.load(minute, now)
        self._longs.load(longs, now)
        own, self._pending, self._others = self._pending, {}, {}
        for number, since, told, units in pending:
            known = own.get(number)
            if known is not None and known[0] == since:
                self._pending[number] = known
            else:
                self._others[_COUNT(number, now)] = read_past(since, now), read_past(told, now), _COUNT(units, now)
        own_units = sum(units for _, units in self._pending.values())
        self._pending_units = own_units + sum(units for *_, units in self._others.values())
        self._kinds.clear()
        numbers = self._number
        load_fields(self, kept, _KEPT, now)
        self._number = max(numbers, self._number)  # those that were given out here are taken


_COUNT: Final = int_reader()
_KEPT: Final[dict[str, StateReader]] = {
    "tier": optional_reader(read_text),
    "_number": _COUNT,
    "_held": time_reader(LONGEST_BELIEVED_WAIT, never=-math.inf),
    "_held_scope": choice_reader(SPANS),
    "_leader": optional_reader(read_past),
    "_untold": read_bool,
    "_assumed": read_bool,
    "_told": read_past_or_never,
    "_last": read_past_or_never,
    "_led": read_past_or_never,
    "_clear": read_bool,
    "_quick": read_bool,
    "_smooth_due": time_reader(MINUTE, never=-math.inf),
    "_refused": read_past_or_never,
    "_refusals": _COUNT,
    "_all_refusals": _COUNT,
}
"""What else there is to know of a key's windows."""
