"""The queue of the calls that wait for a limit.

A rule decides which call is admitted and when; this module waits. One queue serves all clients that share a limit, in
any thread or event loop. Each call sleeps in its own loop. Whoever changes the state of the rule calls `pump`, which
hands out permits. Each loop with waiting calls has an alarm for the moment at which the next call may be admitted, so
that no loop depends on another. The three classes of priority are weighted, so that none starves; within a class users
take turns (`rules.user_turns`).
"""

import asyncio
import math
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from operator import attrgetter
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

from generor_async.engine.alarm import ClockAlarm
from generor_async.engine.loops import call_in
from generor_async.engine.options import PRIORITIES
from generor_async.engine.waiters import PriorityClass, QueuedCall
from generor_async.rules.expected_wait import Arrivals, WaitedSeconds, arrivals_of, later_turns
from generor_async.rules.outcome import CallContext
from generor_async.rules.priority_order import MAX_PASSED_BY, class_order, place_in_order
from generor_async.rules.user_turns import Taken, weight_of
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType
from generor_async.values import Clock, Priority, ThrottleScope

__all__ = ["PlacedCall", "Queue", "QueueTimeoutError"]

P = TypeVar("P")

_place_of: Final = attrgetter("place")


class Rule(Protocol[P]):
    """A limit: decides which call is admitted."""

    def reserve(self, now: float, *, smooth: bool = False, request_type: RequestType = DEFAULT_TYPE) -> P | Wait:
        """Return a permit for a request of a type, or until when there is none."""
        ...

    def give_back(self, permit: P) -> None:
        """Take back a permit that was not used."""
        ...


class QueueTimeoutError(Exception):
    """A wait can't end, or has not ended, by its deadline. Internal: callers see `DeadlineExceededError`."""

    def __init__(self, scope: ThrottleScope, wait: float) -> None:
        super().__init__(scope, wait)
        self.scope: ThrottleScope = scope
        self.wait = wait


class PlacedCall(NamedTuple, Generic[P]):
    """A waiting call, and where it is in the order."""

    place: int
    """How many calls are before it."""
    priority: Priority
    turn: int
    """The round of its turn; -1 where it goes before all others."""
    call: QueuedCall[P]


class _LoopWaiters:
    """The number of calls of one event loop that wait, and the alarm that pumps the queue from that loop."""

    __slots__ = ("alarm", "count")

    def __init__(self, alarm: ClockAlarm) -> None:
        self.alarm = alarm
        self.count = 0


class Queue(Generic[P]):
    """Calls that wait for permits of a rule. The `lock` protects the rule as well."""

    def __init__(
        self,
        rule: Rule[P],
        clock: Clock,
        lock: threading.RLock,
        weigh: Callable[[RequestType], int] = weight_of,
    ) -> None:
        self._rule = rule
        self._clock = clock
        # Reentrant: the collector may end calls of a closed event loop while this very thread holds it.
        self._lock = lock
        self._pumping = False
        self._classes: dict[Priority, PriorityClass[P]] = {name: PriorityClass(weigh, name) for name in PRIORITIES}
        self._nonempty: list[PriorityClass[P]] = []
        """The classes in which calls wait, the most urgent first."""
        self._loops: dict[asyncio.AbstractEventLoop, _LoopWaiters] = {}
        self._waited = WaitedSeconds()
        self._last_wait: Wait | None = None
        """The rule's last answer to the first calls in the queue."""

    def __len__(self) -> int:
        return sum(each.count for each in self._nonempty)

    @property
    def waits_for(self) -> str | None:
        """The limit that the first calls wait for, as far as is known."""
        return None if self._last_wait is None else self._last_wait.scope

    @property
    def no_timer(self) -> bool:
        """Whether calls wait, and no time is known at which the next one may be admitted."""
        return bool(self._loops) and (self._last_wait is None or _alarm_time(self._last_wait) == math.inf)

    def order(self, most: int | None = None) -> Iterator[QueuedCall[P]]:
        """Yield the waiting calls, or the first so many, as they are admitted if nobody comes, goes, or is passed.

        The lock has to be held, here and below.
        """
        calls = [each.order(most) for each in self._classes.values()]
        return (next(calls[number]) for number in islice(self._class_order(), most))

    def placed(self, user: str | None = None) -> list[PlacedCall[P]]:
        """Return the waiting calls, or those of a user, in that order."""
        if user is None:
            calls = [each.order_with_turns() for each in self._classes.values()]
            order = enumerate(self._class_order())
            return [PlacedCall(place, PRIORITIES[number], *next(calls[number])) for place, number in order]
        counts, passed_by = self._class_counts()
        found: list[PlacedCall[P]] = []
        for number, (name, each) in enumerate(self._classes.items()):
            mine = each.places_of(user) if each.count else ()
            places = place_in_order(counts, passed_by, number, [place for place, *_ in mine])
            found += [PlacedCall(at, name, turn, call) for at, (_, turn, call) in zip(places, mine, strict=True)]
        return sorted(found, key=_place_of)

    def request_types(self) -> set[RequestType]:
        """Return the types of the requests that wait."""
        return {each for queue in self._nonempty for each in queue.request_types()}

    def units(self) -> int:
        """Return the units of all calls that wait."""
        return sum(each.units() for each in self._nonempty)

    def ahead_of(self, priority: Priority, user: str | None) -> int:
        """Return about how many calls are before a new one."""
        ahead = self._classes[priority].ahead_of(user)
        if len(self) == self._classes[priority].count:
            return ahead
        number = PRIORITIES.index(priority)
        return place_in_order(*self._class_counts(newcomer=number), number, [ahead])[0]

    def next_turn(self, priority: Priority, user: str | None) -> int:
        """Return the round in which a new call of a user has its turn."""
        return self._classes[priority].next_turn(user)

    def arrivals(self, priority: Priority, turn: int, now: float) -> list[Arrivals]:
        """Return the calls to be expected that go before one that has its turn in a round, by those that came last."""
        now = self._waited.until(now)
        urgent = PRIORITIES[: PRIORITIES.index(priority)]
        found = [arrivals_of([moment for moment, _ in self._classes[each].arrivals], now) for each in urgent]
        own = self._classes[priority]
        free = {user: turn - own.next_turn(user) for user in {user for _, user in own.arrivals}}
        found.append(later_turns(own.arrivals, free, now))
        return [each for each in found if each is not None]

    def _class_order(self) -> Iterator[int]:
        return class_order(*self._class_counts())

    def _class_counts(self, newcomer: int | None = None) -> tuple[list[int], list[int]]:
        """Return how many calls each class has, and how often it was passed by."""
        classes = self._classes.values()
        counts = [each.count + (number == newcomer) for number, each in enumerate(classes)]
        return counts, [each.passed_by for each in classes]

    def enter_nowait(self, now: float, priority: Priority, request_type: RequestType = DEFAULT_TYPE) -> P | None:
        """Return a permit if there is one now; None where the call has to queue."""
        with self._lock:
            if self._loops:
                return None
            permit = self._rule.reserve(now, smooth=priority == "bulk", request_type=request_type)
            return permit if not isinstance(permit, Wait) else None

    async def enter(
        self,
        priority: Priority,
        deadline: float,
        announce: Callable[[Wait], None],
        *,
        again: bool,
        request_type: RequestType = DEFAULT_TYPE,
        user: str | None = None,
        context: CallContext | None = None,
    ) -> P:
        """Wait for a permit; raise QueueTimeoutError when the wait cannot end, or has not ended, by the `deadline`.

        `announce` is called with the wait when it begins. A call that had a permit before and was refused (`again`)
        goes to the head of its class; any other waits until it is its user's turn.
        """
        loop = asyncio.get_running_loop()
        began = self._clock.monotonic()
        with self._lock:
            here = self._loops.get(loop)
            if not self._loops:
                self._waited.begin(began)
            if here is None:
                here = self._loops[loop] = _LoopWaiters(ClockAlarm(self._clock, self._ring))
                self._last_wait = None  # so that its alarm is set
            here.count += 1
            queue = self._classes[priority]
            is_first = again or not queue.has(request_type)
            waiter: QueuedCall[P] = QueuedCall(request_type, user, loop, loop.create_future(), deadline, context)
            queue.join(waiter, again=again)
            if not again and self._waited.counts(began):
                queue.arrivals.append((self._waited.until(began), user))
            if queue.count == 1:
                self._update_nonempty()
            wait = self._last_wait
            if is_first or wait is None or began >= _alarm_time(wait) or here.alarm.at == math.inf:
                wait = self._ask(began)  # else it waits for what those before it wait for
        try:
            if waiter.permit is None and (wait is not None or (wait := await self._answer(waiter)) is not None):
                announce(wait)
                if waiter.deadline == math.inf:
                    await waiter.future
                else:
                    await self._wait_until_deadline(waiter, wait)
        except GeneratorExit:
            # Its loop was closed, and the collector is here, in the middle of anything: the queue finds out by itself.
            if waiter.permit is not None:
                with self._lock:
                    self._rule.give_back(waiter.permit)
                    self.pump(self._clock.monotonic())
            raise
        except BaseException:
            self._leave(waiter, queue, self._clock.monotonic())
            raise
        assert waiter.permit is not None
        return waiter.permit

    async def _wait_until_deadline(self, waiter: QueuedCall[P], wait: Wait) -> None:
        deadline = waiter.deadline
        left = deadline - self._clock.monotonic()
        if wait.sooner or wait.until <= deadline or wait.until == math.inf:
            guard = waiter.loop.call_later(left / self._clock.speed, waiter.wake)
            try:
                await waiter.future
            finally:
                guard.cancel()
        if waiter.permit is None:
            raise QueueTimeoutError(wait.scope, left)

    def _leave(self, waiter: QueuedCall[P], queue: PriorityClass[P], now: float) -> None:
        """Remove a call from the queue; a permit that it was handed goes to the next."""
        with self._lock:
            if queue.leave(waiter):
                self._waiter_left(waiter, queue)
            if waiter.permit is not None:
                self._rule.give_back(waiter.permit)
            self.pump(now)

    def expire_waits(self, until: float) -> None:
        """Wake the calls whose deadline is before `until`: none is admitted before that."""
        with self._lock:
            for queue in self._nonempty:
                for waiter in queue:
                    if waiter.deadline < until:
                        call_in(waiter.loop, waiter.wake)

    def pump(self, now: float) -> Wait | None:
        """Hand permits to the calls that may be admitted now, and set the alarms; return what the others wait for."""
        if not self._loops or self._pumping:  # pumping: the collector came in between; whoever is at it goes on
            return None
        last, self._last_wait, self._pumping = self._last_wait, None, True
        try:
            self._purge_closed_loops()
            wait = self._admit_all(now)
            if wait is not None:
                if wait is not last:
                    at = _alarm_time(wait)
                    for waiters in self._loops.values():
                        waiters.alarm.set_to(at)
                self._last_wait = wait
            return wait
        finally:
            self._pumping = False

    _ask = pump
    """Called when a call has joined the queue."""

    async def _answer(self, waiter: QueuedCall[P]) -> Wait | None:  # noqa: ARG002 - another queue waits for it
        """Return what a call waits for that has just asked, if that isn't known yet."""
        return None

    def _admit_all(self, now: float) -> Wait | None:
        """Hand permits to the calls that may be admitted now; return what the others wait for."""
        while waiting := self._nonempty:
            only = waiting[0].only_line if len(waiting) == 1 else None
            if only is None:
                wait = self._admit_one(now)
            else:
                wait = self._try_to_admit(waiting[0], next(iter(only.values())), now)
            if wait is not None:
                return wait
        return None

    def _admit_one(self, now: float) -> Wait | None:
        """Admit the first call that may be admitted; return what the calls wait for if there is none.

        A call that takes fewer units may pass one that takes more, up to `MAX_PASSED_BY` times.
        """
        first: Wait | None = None
        passed: list[QueuedCall[P]] = []
        # Who was passed over too often is first, and then who is most urgent.
        for queue in sorted(self._nonempty, key=_is_not_overdue):
            for waiter in queue.heads():
                wait = self._try_to_admit(queue, waiter, now)
                if wait is None:
                    for each in passed:
                        each.passed_by += 1
                    return None
                if waiter.passed_by >= MAX_PASSED_BY:
                    return wait
                if first is None or wait.until < first.until:
                    first = wait
                passed.append(waiter)
        return first

    def _try_to_admit(self, queue: PriorityClass[P], waiter: QueuedCall[P], now: float) -> Wait | None:
        """Hand a permit to a call if there is one; return what it waits for if not."""
        smooth = queue.name == "bulk" and queue.passed_by < MAX_PASSED_BY
        permit = self._rule.reserve(now, smooth=smooth, request_type=waiter.request_type)
        if isinstance(permit, Wait):
            return permit
        taken = queue.take(waiter)
        queue.passed_by = 0
        if len(self._nonempty) > 1:
            for each in self._nonempty:
                if each is not queue:
                    each.passed_by += 1
        self._hand_over(taken, permit, queue)
        return None

    def _hand_over(self, taken: Taken[QueuedCall[P]], permit: P, queue: PriorityClass[P]) -> None:
        """Wake a call that has left the queue with a permit."""
        waiter = taken[0]
        waiter.permit = permit
        self._waiter_left(waiter, queue)
        if not call_in(waiter.loop, waiter.wake):
            self._rule.give_back(permit)

    def _waiter_left(self, waiter: QueuedCall[P], queue: PriorityClass[P]) -> None:
        """Count a call that has left the queue; cancel the alarm of its loop if it was the last."""
        if not queue.count:
            queue.passed_by = 0
            self._update_nonempty()
        waiters = self._loops[waiter.loop]
        waiters.count -= 1
        if not waiters.count:
            del self._loops[waiter.loop]
            waiters.alarm.cancel()
            self._end_if_empty()

    def _update_nonempty(self) -> None:
        """Update the classes after one got its first call or lost its last."""
        self._nonempty = [each for each in self._classes.values() if each.count]

    def _purge_closed_loops(self) -> None:
        """Remove the calls of loops that were closed."""
        for loop in tuple(self._loops):
            if loop.is_closed():
                self._purge_closed_loop(loop)

    def _purge_closed_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        for queue in self._nonempty:
            for waiter in [waiter for waiter in queue if waiter.loop is loop]:
                queue.leave(waiter)
        self._update_nonempty()
        del self._loops[loop]
        self._end_if_empty()

    def _end_if_empty(self) -> None:
        if not self._loops:
            self._waited.end(self._clock.monotonic())

    def _ring(self, _: float) -> None:
        with self._lock:
            self._last_wait = None  # so that the alarm is set again
            self.pump(self._clock.monotonic())


def _alarm_time(wait: Wait) -> float:
    return wait.until if wait.ask_at == math.inf else wait.ask_at


def _is_not_overdue(queue: PriorityClass[Any]) -> bool:
    return queue.passed_by < MAX_PASSED_BY
