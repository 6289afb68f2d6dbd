"""How long calls will wait for the limits of a key: what is known of them goes into the rules that foretell it.

Nothing is recorded for this beside what admission itself needs, but when calls joined the queue while others waited.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from generor_async.engine.options import PRIORITIES, Options
from generor_async.engine.queue import PlacedCall, Queue
from generor_async.engine.waiters import QueuedCall
from generor_async.rules.admission_times import AdmissionTimes
from generor_async.rules.expected_wait import Arrivals, Bounds, window_places
from generor_async.rules.http_types import Endpoint, Form
from generor_async.rules.pace import UNKNOWN_LIMIT
from generor_async.rules.schedule import JobDurations, poll_value
from generor_async.rules.slot_futures import (
    MOST_CALLS,
    NEAR,
    STRATA,
    FutureSlots,
    WaitingUnits,
    doubt,
    lifetimes,
    slot_wait,
    strata_for,
)
from generor_async.rules.slot_usage import SlotHolder
from generor_async.rules.slots import FIRST_UNITS, FIRST_VIDEO_UNITS
from generor_async.rules.turns import YIELD_SECONDS
from generor_async.rules.weights import DEFAULT_TYPE, RequestType
from generor_async.rules.window import MINUTE
from generor_async.values import JSON, Priority
from generor_async.values.waits import ExpectedWait, WaitingCall

if TYPE_CHECKING:
    from generor_async.engine.key_state import KeyState

__all__ = ["Outlook", "of_newcomer"]

SLACK: Final = 1.0
"""Seconds by which a wait that is not left to chance may be longer or shorter: times of others are in whole seconds."""
SHARED_SLACK: Final = 4.0
"""The same while calls of other processes wait, which ask in turns."""
REFUSED_SECONDS: Final = 2.0
"""Seconds by which a wait may be longer, and not shorter, where others use the key: they may take the unit for which a
call is sent. It is refused then, and the next one waits for a second at least, and for its turn to be tried again."""
SLACK_SHARE: Final = 0.01
"""The same as a part of the wait: answers don't take equally long."""
PLACES_ASKED: Final = 5
"""Of a user's calls the first is reckoned, and so many that are further and further back."""
WEIGHED: Final = 200
"""So many calls are weighed one by one, where their weights differ."""
SEED: Final = 7
"""What futures are drawn from: who asks twice is told the same."""


@frozen(kw_only=True)
class Outlook:
    """The limits of a key at one moment. The keeper's lock has to be held."""

    state: "KeyState"
    process: str
    at: float
    """The time by the clock of the state."""
    now: float
    """The same by the clock of the queues."""
    windows: Queue[Any]
    slots: Queue[Any] | None
    durations: Callable[[RequestType], JobDurations]
    """Returns the durations of the jobs of a type."""
    held: float = 0.0
    """Seconds for which all calls of the key are blocked."""
    away: bool = False
    """Whether the API is unavailable."""
    _known_times: dict[Priority, tuple[AdmissionTimes, AdmissionTimes]] = field(
        factory=dict[Priority, tuple[AdmissionTimes, AdmissionTimes]], init=False
    )
    _known: dict[RequestType, WaitingUnits] = field(factory=dict[RequestType, WaitingUnits], init=False)
    _known_units: dict[int, list[int]] = field(factory=dict[int, list[int]], init=False)
    """The units of the first calls of each queue."""

    # --- a call that comes now ------------------------------------------------------------------------------------

    def newcomer(self, priority: Priority, user: str | None, request_type: RequestType, *, job: bool) -> ExpectedWait:
        """Return how long a call will wait that comes now."""
        if job and self.slots is not None and not self._is_free(self.slots, request_type):
            return self._told(self._wait_for_slot(self.slots, priority, user, request_type))
        units = self.state.pace.weights.of(request_type) + self._units_ahead(self.windows, priority, user)
        calls = self.windows.arrivals(priority, self.windows.next_turn(priority, user), self.now)
        is_free = not len(self.windows) and self.state.pace.check(self.at, priority == "bulk", request_type) is None
        return self._told(self._at(priority, self._places(priority, units, calls)), certain=is_free)

    def _is_free(self, queue: Queue[Any], request_type: RequestType) -> bool:
        """Tell whether there is a slot, so that calls wait for windows alone."""
        rule, ceiling = self.state.slots, self.state.slots.own_ceiling
        first = FIRST_VIDEO_UNITS if request_type.is_video else FIRST_UNITS
        taken = rule.used + rule.units_of(request_type)
        return not len(queue) and rule.blocked_until <= self.at and taken <= (first if ceiling is None else ceiling)

    def _told(self, found: Bounds, *, certain: bool = False) -> ExpectedWait:
        """Return a wait with the slack that it has, unless it is certain that there is none."""
        expected, low, high = found
        if not certain:
            slack = (SHARED_SLACK if self._others else SLACK) + SLACK_SHARE * expected
            later = max(slack, REFUSED_SECONDS) if self._foreign else slack
            low, high = (
                max(expected - math.hypot(expected - low, slack), 0.0),
                expected + math.hypot(high - expected, later),
            )
        return self._unless_held(ExpectedWait(expected, low, high))

    def _unless_held(self, wait: ExpectedWait) -> ExpectedWait:
        """Return a wait, or that for the end of a hold or an outage: nobody knows what comes after that."""
        if not (self.away or self.held):
            return wait
        return ExpectedWait(max(wait.seconds, self.held), max(wait.low, self.held), math.inf)

    def unlimited(self) -> ExpectedWait:
        """Return how long a call will wait that no limit counts."""
        return self._unless_held(ExpectedWait(0.0, 0.0, 0.0))

    def _units_ahead(self, queue: Queue[Any], priority: Priority, user: str | None) -> int:
        """Return the units of the calls that are before a new one."""
        return self._units_before(queue, queue.ahead_of(priority, user))

    def _units_before(self, queue: Queue[Any], place: int) -> int:
        """Return the units of so many calls: the weights of those far back are told by their average."""
        weights = self.state.pace.weights
        if all(weights.of(each) == 1 for each in queue.request_types()):
            return place
        if (known := self._known_units.get(id(queue))) is None:
            near = [weights.of(each.request_type) for each in queue.order(WEIGHED)]
            known = self._known_units[id(queue)] = list(accumulate(near, initial=0))
        last = len(known) - 1
        if place <= last:
            return known[place]
        return known[last] + round((queue.units() - known[last]) * (place - last) / max(len(queue) - last, 1))

    # --- windows ----------------------------------------------------------------------------------------------------

    @cached_property
    def _foreign(self) -> int:
        """How many units foreign users have in the minute's window."""
        return self.state.pace.foreign_units(self.at)

    @cached_property
    def _others(self) -> list[int]:
        """How many calls wait in each other process."""
        return max((each.others(self.process, self.at) for each in (self.state.turns, self.state.job_turns)), key=sum)

    def _times_of(self, priority: Priority) -> tuple[AdmissionTimes, AdmissionTimes]:
        """Return the earliest and the latest times: others where no limit is known, and there may be the usual one."""
        known = self._known_times.get(priority)
        if known is None:
            pace, smooth = self.state.pace, priority == "bulk"
            soonest = latest = pace.admission_times(self.at, smooth=smooth)
            if pace.is_discovering and not pace.unbound:
                latest = pace.admission_times(self.at, smooth=smooth, assumed=UNKNOWN_LIMIT)
            known = self._known_times[priority] = soonest, latest
        return known

    def _foreign_arrivals(self) -> list[Arrivals]:
        return [Arrivals(self._foreign / MINUTE)] if self._foreign else []

    def _places(self, priority: Priority, units: int, calls: Sequence[Arrivals]) -> Bounds:
        """Return the places of the last of so many units of this process among those that will be sent."""
        others, foreign = self._others, self._foreign_arrivals()
        soonest, latest = self._times_of(priority)
        draw = Random(SEED).random  # noqa: S311 - no secret
        found = window_places(latest, units, calls, foreign, draw)
        if soonest is latest and not others:
            return found
        # The calls of other processes have their turns before, between or after those of this one.
        expected = window_places(latest, units + sum(others) // 2, calls, foreign, draw)[0]
        low = window_places(soonest, units, calls, foreign, draw)[1]
        return expected, low, window_places(latest, units + MOST_CALLS * sum(others), calls, foreign, draw)[2]

    def _at(self, priority: Priority, places: Bounds) -> Bounds:
        """Return when calls at these places are sent."""
        soonest, latest = self._times_of(priority)
        expected, low, high = (
            times[int(place)] if place < math.inf else math.inf
            for times, place in zip((latest, soonest, latest), places, strict=True)
        )
        return expected, low, high

    # --- slots ------------------------------------------------------------------------------------------------------

    def _wait_for_slot(
        self, queue: Queue[Any], priority: Priority, user: str | None, request_type: RequestType
    ) -> Bounds:
        ahead = queue.ahead_of(priority, user)
        first = [self._waiting(each.request_type) for each in queue.order(min(ahead, NEAR))]
        first.append(self._waiting(request_type))
        calls = queue.arrivals(priority, queue.next_turn(priority, user), self.now)
        return self._slot_wait(first, ahead, priority, calls)

    def _with_slots(self, priority: Priority) -> int:
        """Return the units of the calls that have slots and wait for a window."""
        return self._units_ahead(self.windows, priority, None) if len(self.windows) else 0

    def _slot_wait(
        self, first: Sequence[WaitingUnits], place: int, priority: Priority, calls: Sequence[Arrivals]
    ) -> Bounds:
        """Return the wait at a place of the queue for slots; calls that have one are before it."""
        future = evolve(self._future_slots, before=self._with_slots(priority))
        if not first[-1].is_video:
            future = evolve(future, first=FIRST_UNITS)
        draw = Random(SEED).random  # noqa: S311 - no secret
        return slot_wait(future, self._times_of(priority), first, place, calls, draw)

    @cached_property
    def _future_slots(self) -> FutureSlots:
        """The slots as they are now."""
        rule = self.state.slots
        holders = rule.holders(self.at)
        strata = strata_for(len(holders))
        return FutureSlots(
            ceiling=rule.own_ceiling,
            ends=[(each.units, self._rest(each, strata)) for each in holders],
            begin=max(rule.blocked_until - self.at, 0.0),
            doubt=self._doubt([each.request_type for each in holders]),
            first=FIRST_VIDEO_UNITS,
            others=self._others,
            foreign=self._foreign_arrivals(),
        )

    def _rest(self, holder: SlotHolder, strata: int) -> list[float]:
        """Return equally likely seconds for which a slot is still held."""
        rests = self._lifetimes(holder.request_type, age=holder.seen - holder.began, strata=strata)
        return [max(rest - self.at + holder.seen, 0.0) for rest in rests]

    def _waiting(self, request_type: RequestType) -> WaitingUnits:
        known = self._known.get(request_type)
        if known is None:
            units = self.state.slots.units_of(request_type)
            known = WaitingUnits(units, self._lifetimes(request_type), is_video=request_type.is_video)
            self._known[request_type] = known
        return known

    def _lifetimes(self, request_type: RequestType, *, age: float = 0.0, strata: int = STRATA) -> list[float]:
        durations, rule = self.durations(request_type), self.state.slots
        backlog = 0 if self.slots is None else len(self.slots)
        value = poll_value(backlog=backlog, running=rule.used)
        found = lifetimes(durations, lambda age: durations.spacing(age, value), age=age, strata=strata)
        lost = rule.release_lag + (YIELD_SECONDS if self._others else 0.0)
        return [life + lost for life in found]

    def _doubt(self, request_types: Sequence[RequestType]) -> float:
        """Return by which part the average duration may be off: what is wrong of each type is so by itself."""
        squares = total = 0.0
        for request_type, count in Counter(request_types).items():
            lives = self._waiting(request_type).lives
            seconds = count * fmean(lives)
            squares += (seconds * doubt(self.durations(request_type).known, lives)) ** 2
            total += seconds
        return math.sqrt(squares) / total if total else 0.0

    # --- all calls that wait ----------------------------------------------------------------------------------------

    def waiting(self, user: str | None) -> list[WaitingCall]:
        """Return the calls that wait, or those of one user, the next one first."""
        found = self._described(self.windows, user, self._window_waits)
        return found if self.slots is None else found + self._described(self.slots, user, self._slot_waits)

    def _described(
        self,
        queue: Queue[Any],
        user: str | None,
        waits: Callable[[Queue[Any], Priority, Sequence[PlacedCall[Any]]], Iterable[Bounds]],
    ) -> list[WaitingCall]:
        placed = queue.placed(user)
        found: list[WaitingCall] = []
        for priority in PRIORITIES:
            if mine := [each for each in placed if each.priority == priority]:
                told = map(self._told, waits(queue, priority, mine))
                found += [_described(each.call, each.place + 1, wait) for each, wait in zip(mine, told, strict=True)]
        return sorted(found, key=_position)

    def _window_waits(
        self, queue: Queue[Any], priority: Priority, placed: Sequence[PlacedCall[Any]]
    ) -> Iterable[Bounds]:
        units = [self._units_before(queue, each.place + 1) for each in placed]
        asked = _asked(len(placed))
        found = [self._places(priority, units[at], queue.arrivals(priority, placed[at].turn, self.now)) for at in asked]
        return (self._at(priority, places) for places in _between([units[at] for at in asked], found, units))

    def _slot_waits(self, queue: Queue[Any], priority: Priority, placed: Sequence[PlacedCall[Any]]) -> Iterable[Bounds]:
        first = [self._waiting(each.request_type) for each in queue.order(NEAR)]
        asked = _asked(len(placed))
        found = [
            self._slot_wait(
                first[: each.place + 1], each.place, priority, queue.arrivals(priority, each.turn, self.now)
            )
            for each in (placed[at] for at in asked)
        ]
        return _between([placed[at].place for at in asked], found, [each.place for each in placed])


def _asked(count: int) -> list[int]:
    """Return which of so many calls to reckon; the waits of the others lie between theirs."""
    return sorted({round(count ** (number / PLACES_ASKED)) - 1 for number in range(PLACES_ASKED + 1)})


def _between(known: Sequence[int], found: Sequence[Bounds], wanted: Iterable[int]) -> Iterator[Bounds]:
    """Yield what is found at each of the wanted places, where it is known at some of them; all are in order."""
    at = 0
    for each in wanted:
        while known[at] < each:
            at += 1
        if known[at] == each:
            yield found[at]
        else:
            share = (each - known[at - 1]) / (known[at] - known[at - 1])
            expected, low, high = (
                a + (b - a) * share if b < math.inf else b for a, b in zip(found[at - 1], found[at], strict=True)
            )
            yield expected, low, high


def of_newcomer(outlook: Outlook, endpoint: Endpoint[Any], body: JSON | Form, options: Options) -> ExpectedWait:
    """Return how long a call of an endpoint will wait that is made now."""
    if not endpoint.quota:
        return outlook.unlimited()
    request_type = DEFAULT_TYPE if endpoint.weighing is None else endpoint.weighing.request_type_of(body)
    return outlook.newcomer(options.priority, options.user, request_type, job="jobs" in endpoint.quota)


def _described(call: QueuedCall[Any], position: int, wait: ExpectedWait) -> WaitingCall:
    context = call.context
    assert context is not None
    return WaitingCall(
        call_id=context.call_id, operation=context.endpoint.name, user=call.user, position=position, wait=wait
    )


def _position(call: WaitingCall) -> int:
    return call.position
