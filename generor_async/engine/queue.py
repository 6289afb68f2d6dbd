"""The queue of the calls that wait for a limit.

A rule decides who goes and when; this module waits. One queue serves all clients that share a limit, in whatever thread
or event loop they run. Each waiter sleeps in its own loop. Whoever changes the state of the rule calls `pump`, which
hands permits to those who may go now. Each loop with waiters has an alarm for the moment at which time alone lets one
go, so that no loop depends on another. The three classes of priority are weighted, so that none starves.
"""

import asyncio
import math
import threading
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

from generor_async.engine.alarm import ClockAlarm
from generor_async.engine.loops import call_in
from generor_async.engine.options import PRIORITIES
from generor_async.engine.waiters import PriorityClass, Waiter
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType
from generor_async.values import Clock, Priority, ThrottleScope

__all__ = ["Queue", "QueueTimeoutError"]

P = TypeVar("P")

PASSED_OVER_MOST: Final = 9
"""Number of other calls after which a class that waits goes first."""


class Rule(Protocol[P]):
    """What decides who may go."""

    def reserve(self, now: float, *, smooth: bool = False, request_type: RequestType = DEFAULT_TYPE) -> P | Wait:
        """Let one of a request_type go, or say until when none may."""
        ...

    def give_back(self, permit: P) -> None:
        """Take back a permit that wasn't used."""
        ...


class QueueTimeoutError(Exception):
    """A wait for one's turn that cannot end in time. Internal: callers see `DeadlineExceededError`."""

    def __init__(self, scope: ThrottleScope, wait: float) -> None:
        super().__init__(scope, wait)
        self.scope: ThrottleScope = scope
        self.wait = wait


class _Crowd:
    """The calls of one event loop that wait, and the alarm that pumps the queue from that loop."""

    __slots__ = ("alarm", "count")

    def __init__(self, alarm: ClockAlarm) -> None:
        self.alarm = alarm
        self.count = 0


class Queue(Generic[P]):
    """Calls that wait for a rule to let them go; whoever holds the `lock` may ask and tell the rule."""

    def __init__(self, rule: Rule[P], clock: Clock, lock: threading.RLock) -> None:
        self._rule = rule
        self._clock = clock
        # Reentrant: the collector may end calls of a closed event loop while this very thread holds it.
        self._lock = lock
        self._pumping = False
        self._classes: dict[Priority, PriorityClass[P]] = {name: PriorityClass(name) for name in PRIORITIES}
        self._waiting: list[PriorityClass[P]] = []
        """The classes in which calls wait, by urgency."""
        self._crowds: dict[asyncio.AbstractEventLoop, _Crowd] = {}
        self._last: Wait | None = None
        """What the first calls in the queue wait for, as the rule said last."""

    def __len__(self) -> int:
        return sum(each.count for each in self._waiting)

    @property
    def no_timer(self) -> bool:
        """Whether calls wait and no moment is known at which time alone lets one go."""
        return bool(self._crowds) and (self._last is None or _alarm_time(self._last) == math.inf)

    def enter_nowait(self, now: float, priority: Priority, request_type: RequestType = DEFAULT_TYPE) -> P | None:
        """Let a call go at once; None where it has to queue."""
        with self._lock:
            if self._crowds:
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
    ) -> P:
        """Wait for a permit; raise QueueTimeoutError when the wait cannot end, or has not ended, by the `deadline`.

        `announce` is called with the wait when it begins. A call that had a permit before and was refused (`again`)
        goes to the head of its class.
        """
        loop = asyncio.get_running_loop()
        began = self._clock.monotonic()
        with self._lock:
            crowd = self._crowds.get(loop)
            if crowd is None:
                crowd = self._crowds[loop] = _Crowd(ClockAlarm(self._clock, self._ring))
                self._last = None  # so that its alarm is set
            crowd.count += 1
            queue = self._classes[priority]
            is_first = again or not queue.has(request_type)
            waiter = queue.join(loop, request_type, deadline, again=again)
            if queue.count == 1:
                self._find_waiting()
            wait = self._last
            if is_first or wait is None or began >= wait.until or crowd.alarm.at == math.inf:
                wait = self.pump(began)  # else it waits for what those before it wait for
        try:
            if wait is not None and waiter.permit is None:
                announce(wait)
                if waiter.deadline == math.inf:
                    await waiter.future
                else:
                    await self._within_deadline(waiter, wait)
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

    async def _within_deadline(self, waiter: Waiter[P], wait: Wait) -> None:
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

    def _leave(self, waiter: Waiter[P], queue: PriorityClass[P], now: float) -> None:
        """Take a waiter out of the queue, wherever it stands; a permit that it was handed goes to the next."""
        with self._lock:
            if queue.leave(waiter):
                self._waiter_left(waiter, queue)
            if waiter.permit is not None:
                self._rule.give_back(waiter.permit)
            self.pump(now)

    def expire_waits(self, until: float) -> None:
        """End the waits that must end before that moment: nobody is let go until then."""
        with self._lock:
            for queue in self._waiting:
                for waiter in queue:
                    if waiter.deadline < until:
                        call_in(waiter.loop, waiter.wake)

    def pump(self, now: float) -> Wait | None:
        """Let go whoever may go now, in turn; set the alarms for the next. Returns what the queue waits for."""
        if not self._crowds or self._pumping:  # pumping: the collector came in between; whoever is at it goes on
            return None
        last, self._last, self._pumping = self._last, None, True
        try:
            for loop in tuple(self._crowds):
                if loop.is_closed():
                    self._purge_closed_loop(loop)
            while waiting := self._waiting:
                only = waiting[0].only if len(waiting) == 1 else None
                if only is None:
                    wait = self._admit_one(now)
                else:
                    wait = self._hand_permit(waiting[0], next(iter(only.values())), now)
                if wait is not None:
                    if wait is not last:
                        at = _alarm_time(wait)
                        for crowd in self._crowds.values():
                            crowd.alarm.set_to(at)
                    self._last = wait
                    return wait
            return None
        finally:
            self._pumping = False

    def _admit_one(self, now: float) -> Wait | None:
        """Let the first go that may; return what all wait for if none may.

        Whoever takes fewer units may pass one for whom there are too few, but not more than `PATIENCE` times.
        """
        first: Wait | None = None
        passed: list[Waiter[P]] = []
        # Who was passed over too often is first, and then who is most urgent.
        for queue in sorted(self._waiting, key=_is_patient):
            for waiter in queue.heads():
                wait = self._hand_permit(queue, waiter, now)
                if wait is None:
                    for each in passed:
                        each.passed += 1
                    return None
                if waiter.passed >= PASSED_OVER_MOST:
                    return wait
                if first is None or wait.until < first.until:
                    first = wait
                passed.append(waiter)
        return first

    def _hand_permit(self, queue: PriorityClass[P], waiter: Waiter[P], now: float) -> Wait | None:
        """Let one go if it may; return what it waits for if not."""
        smooth = queue.name == "bulk" and queue.passed < PASSED_OVER_MOST
        permit = self._rule.reserve(now, smooth=smooth, request_type=waiter.request_type)
        if isinstance(permit, Wait):
            return permit
        queue.leave(waiter)
        queue.passed = 0
        if len(self._waiting) > 1:
            for each in self._waiting:
                if each is not queue:
                    each.passed += 1
        self._waiter_left(waiter, queue)
        waiter.permit = permit
        if not call_in(waiter.loop, waiter.wake):
            self._rule.give_back(permit)
        return None

    def _waiter_left(self, waiter: Waiter[P], queue: PriorityClass[P]) -> None:
        """Note that one waiter is gone; with the last one of a loop goes its alarm."""
        if not queue.count:
            self._find_waiting()
        crowd = self._crowds[waiter.loop]
        crowd.count -= 1
        if not crowd.count:
            del self._crowds[waiter.loop]
            crowd.alarm.cancel()

    def _find_waiting(self) -> None:
        """Note that a class has got its first waiter, or lost its last."""
        self._waiting = [each for each in self._classes.values() if each.count]

    def _purge_closed_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forget the waiters of a loop that was closed."""
        for queue in self._waiting:
            for waiter in [waiter for waiter in queue if waiter.loop is loop]:
                queue.leave(waiter)
        self._find_waiting()
        del self._crowds[loop]

    def _ring(self, _: float) -> None:
        with self._lock:
            self._last = None  # so that the alarm is set again
            self.pump(self._clock.monotonic())


def _alarm_time(wait: Wait) -> float:
    return min(wait.until, wait.ask_at)


def _is_patient(queue: PriorityClass[Any]) -> bool:
    return queue.passed < PASSED_OVER_MOST
