"""How long calls will wait for the limits of a key: what is known of them goes into the rules that foretell it.

Nothing is recorded for this beside what admission itself needs, but the moments at which calls joined the queue.
"""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import islice
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from generor_async.engine.options import PRIORITIES, Options
from generor_async.engine.queue import Queue
from generor_async.engine.waiters import QueuedCall
from generor_async.rules.admission_times import AdmissionTimes
from generor_async.rules.expected_wait import Arrivals, Bounds, window_wait
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
    slot_waits,
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
FOREIGN_SLACK: Final = 2.8
"""The same where others use the key: nobody knows when what they have used expires."""
SLACK_SHARE: Final = 0.01
"""The same as a part of the wait: answers don't take equally long."""
PLACES_ASKED: Final = 100
"""Of more calls than that, neighbours in the queue are told the same wait."""
BURSTY: Final = 2.0
"""From this dispersion on, calls come in bursts."""
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

    # --- a call that comes now ------------------------------------------------------------------------------------

    def newcomer(self, priority: Priority, user: str | None, request_type: RequestType, *, job: bool) -> ExpectedWait:
        """Return how long a call will wait that comes now."""
        if job and self.slots is not None and not self._is_free(self.slots, request_type):
            return self._told(self._wait_for_slot(self.slots, priority, user, request_type))
        units = self.state.pace.weights.of(request_type) + self._units_ahead(self.windows, priority, user)
        calls = self.windows.arrivals(priority, user, self.now)
        bursty = any(each.dispersion > BURSTY for each in calls)
        found = (self._play_windows if bursty else self._wait_for_windows)(priority, units, calls)
        is_free = not len(self.windows) and self.state.pace.check(self.at, priority == "bulk", request_type) is None
        return self._told(found, certain=is_free)

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
            slack = SHARED_SLACK if self._others else SLACK
            if self._foreign:
                slack = max(slack, FOREIGN_SLACK)
            slack += SLACK_SHARE * expected
            low, high = (
                max(expected - math.hypot(expected - low, slack), 0.0),
                expected + math.hypot(high - expected, slack),
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
        ahead = queue.ahead_of(priority, user)
        weights = self.state.pace.weights
        if all(weights.of(each) == 1 for each in queue.request_types()):
            return ahead
        return sum(weights.of(each.request_type) for each in islice(queue.order(), ahead))

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
        return [Arrivals(self._foreign / MINUTE, known=self._foreign)] if self._foreign else []

    def _wait_for_windows(self, priority: Priority, units: int, calls: Sequence[Arrivals]) -> Bounds:
        """Return the wait of the last of so many units of this process."""
        others, foreign = self._others, self._foreign_arrivals()
        soonest, latest = self._times_of(priority)
        if soonest is latest and not others:
            return window_wait(latest, units, calls, foreign)
        # The calls of other processes have their turns before, between or after those of this one.
        expected = window_wait(latest, units + sum(others) // 2, calls, foreign)[0]
        low = window_wait(soonest, units, calls, foreign)[1]
        return expected, low, window_wait(latest, units + MOST_CALLS * sum(others), calls, foreign)[2]

    def _play_windows(self, priority: Priority, units: int, calls: Sequence[Arrivals]) -> Bounds:
        """Return the same by futures, as quantiles of counts tell little of bursts."""
        if self._foreign or self._others:
            return self._wait_for_windows(priority, units, calls)
        times, one, draw = self._times_of(priority), WaitingUnits(1, (0.0,)), Random(SEED).random  # noqa: S311 - no secret
        return slot_waits(FutureSlots(limited=False), times, [one] * min(units, NEAR), [units - 1], calls, draw)[0]

    # --- slots ------------------------------------------------------------------------------------------------------

    def _wait_for_slot(
        self, queue: Queue[Any], priority: Priority, user: str | None, request_type: RequestType
    ) -> Bounds:
        ahead = queue.ahead_of(priority, user)
        first = [self._waiting(each.request_type) for each in islice(queue.order(), min(ahead, NEAR))]
        first.append(self._waiting(request_type))
        calls = queue.arrivals(priority, user, self.now)
        return self._slot_waits(first, [ahead], priority, calls)[0]

    def _with_slots(self, priority: Priority) -> int:
        """Return the units of the calls that have slots and wait for a window."""
        return self._units_ahead(self.windows, priority, None) if len(self.windows) else 0

    def _slot_waits(
        self,
        first: Sequence[WaitingUnits],
        places: Sequence[int],
        priority: Priority,
        calls: Sequence[Arrivals],
    ) -> list[Bounds]:
        """Return the waits at these places of the queue for slots; calls that have one are before them."""
        rule = self.state.slots
        holders = rule.holders(self.at)
        strata = strata_for(len(holders))
        future = FutureSlots(
            ceiling=rule.own_ceiling,
            ends=[(each.units, self._rest(each, strata)) for each in holders],
            begin=max(rule.blocked_until - self.at, 0.0),
            doubt=self._doubt([each.request_type for each in holders]),
            first=FIRST_UNITS if not first or not first[-1].is_video else FIRST_VIDEO_UNITS,
            before=self._with_slots(priority),
            others=self._others,
            foreign=self._foreign_arrivals(),
        )
        draw = Random(SEED).random  # noqa: S311 - no secret
        return slot_waits(future, self._times_of(priority), first, places, calls, draw)

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
        found = self._waiting_for_windows(user)
        return found if self.slots is None else found + self._waiting_for_slots(self.slots, user)

    def _waiting_for_windows(self, user: str | None) -> list[WaitingCall]:
        queue, units, found = self.windows, 0, list[WaitingCall]()
        urgent = {each: queue.urgent_arrivals(each, self.now) for each in PRIORITIES}
        for position, (priority, call) in enumerate(queue.order_with_priorities(), 1):
            units += self.state.pace.weights.of(call.request_type)
            if user is None or call.user == user:
                wait = self._wait_for_windows(priority, units, urgent[priority])
                found.append(_described(call, position, self._told(wait)))
        return found

    def _waiting_for_slots(self, queue: Queue[Any], user: str | None) -> list[WaitingCall]:
        order = list(queue.order_with_priorities())
        first = [self._waiting(each.request_type) for _, each in order[:NEAR]]
        found = list[WaitingCall]()
        for priority in PRIORITIES:
            mine = [
                place
                for place, (each, call) in enumerate(order)
                if each == priority and (user is None or call.user == user)
            ]
            if mine:
                asked = mine[:: math.ceil(len(mine) / PLACES_ASKED)] + mine[-1:]
                waits = self._slot_waits(first, asked, priority, queue.urgent_arrivals(priority, self.now))
                for place in mine:
                    at = bisect_left(asked, place)
                    found.append(_described(order[place][1], place + 1, self._told(waits[at])))
        return sorted(found, key=_position)


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
