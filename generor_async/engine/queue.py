"""The queue of the calls that wait for a limit.

A rule decides which call is admitted and when; this module waits. One queue serves all clients that share a limit, in
any thread or event loop. Each call sleeps in its own loop. Whoever changes the state of the rule calls `pump`, which
hands out permits. Each loop with waiting calls has an alarm for the moment at which the next call may be admitted, so
that no loop depends on another. The three classes of priority are weighted, so that none starves.
"""

import asyncio
import math
import threading
from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar

from generor_async.engine.alarm import ClockAlarm
from generor_async.engine.loops import call_in
from generor_async.engine.options import PRIORITIES
from generor_async.engine.waiters import PriorityClass, QueuedCall
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType
from generor_async.values import Clock, Priority, ThrottleScope

__all__ = ["Queue", "QueueTimeoutError"]

P = TypeVar("P")

MAX_PASSED_BY: Final = 9
"""Number of other calls after which a class, or a heavy call, that waits goes first."""


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


class _LoopWaiters:
    """The number of calls of one event loop that wait, and the alarm that pumps the queue from that loop."""

    __slots__ = ("alarm", "count")

    def __init__(self, alarm: ClockAlarm) -> None:
        self.alarm = alarm
        self.count = 0


class Queue(Generic[P]):
    """Calls that wait for permits of a rule. The `lock` protects the rule as well."""

    def __init__(self, rule: Rule[P], clock: Clock, lock: threading.RLock) -> None:
        self._rule = rule
        self._clock = clock
        # Reentrant: the collector may end calls of a closed event loop while this very thread holds it.
        self._lock = lock
        self._pumping = False
        self._classes: dict[Priority, PriorityClass[P]] = {name: PriorityClass(name) for name in PRIORITIES}
        self._nonempty: list[PriorityClass[P]] = []
        """The classes in which calls wait, the most urgent first."""
        self._loops: dict[asyncio.AbstractEventLoop, _LoopWaiters] = {}
        self._last_wait: Wait | None = None
        """The rule's last answer to the first calls in the queue."""

    def __len__(self) -> int:
        return sum(each.count for each in self._nonempty)

    @property
    def no_timer(self) -> bool:
        """Whether calls wait, and no time is known at which the next one may be admitted."""
        return bool(self._loops) and (self._last_wait is None or _alarm_time(self._last_wait) == math.inf)

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
    ) -> P:
        """Wait for a permit; raise QueueTimeoutError when the wait cannot end, or has not ended, by the `deadline`.

        `announce` is called with the wait when it begins. A call that had a permit before and was refused (`again`)
        goes to the head of its class.
        """
        loop = asyncio.get_running_loop()
        began = self._clock.monotonic()
        with self._lock:
            here = self._loops.get(loop)
            if here is None:
                here = self._loops[loop] = _LoopWaiters(ClockAlarm(self._clock, self._ring))
                self._last_wait = None  # so that its alarm is set
            here.count += 1
            queue = self._classes[priority]
            is_first = again or not queue.has(request_type)
            waiter = queue.join(loop, request_type, deadline, again=again)
            if queue.count == 1:
                self._update_nonempty()
            wait = self._last_wait
            if is_first or wait is None or began >= wait.until or here.alarm.at == math.inf:
                wait = self.pump(began)  # else it waits for what those before it wait for
        try:
            if wait is not None and waiter.permit is None:
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
            for loop in tuple(self._loops):
                if loop.is_closed():
                    self._purge_closed_loop(loop)
            while waiting := self._nonempty:
                only = waiting[0].only_line if len(waiting) == 1 else None
                if only is None:
                    wait = self._admit_one(now)
                else:
                    wait = self._try_to_admit(waiting[0], next(iter(only.values())), now)
                if wait is not None:
                    if wait is not last:
                        at = _alarm_time(wait)
                        for waiters in self._loops.values():
                            waiters.alarm.set_to(at)
                    self._last_wait = wait
                    return wait
            return None
        finally:
            self._pumping = False

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
        queue.leave(waiter)
        queue.passed_by = 0
        if len(self._nonempty) > 1:
            for each in self._nonempty:
                if each is not queue:
                    each.passed_by += 1
        self._waiter_left(waiter, queue)
        waiter.permit = permit
        if not call_in(waiter.loop, waiter.wake):
            self._rule.give_back(permit)
        return None

    def _waiter_left(self, waiter: QueuedCall[P], queue: PriorityClass[P]) -> None:
        """Count a call that has left the queue; cancel the alarm of its loop if it was the last."""
        if not queue.count:
            self._update_nonempty()
        waiters = self._loops[waiter.loop]
        waiters.count -= 1
        if not waiters.count:
            del self._loops[waiter.loop]
            waiters.alarm.cancel()

    def _update_nonempty(self) -> None:
        """Update the classes after one got its first call or lost its last."""
        self._nonempty = [each for each in self._classes.values() if each.count]

    def _purge_closed_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Remove the calls of a loop that was closed."""
        for queue in self._nonempty:
            for waiter in [waiter for waiter in queue if waiter.loop is loop]:
                queue.leave(waiter)
        self._update_nonempty()
        del self._loops[loop]

    def _ring(self, _: float) -> None:
        with self._lock:
            self._last_wait = None  # so that the alarm is set again
            self.pump(self._clock.monotonic())


def _alarm_time(wait: Wait) -> float:
    return min(wait.until, wait.ask_at)


def _is_not_overdue(queue: PriorityClass[Any]) -> bool:
    return queue.passed_by < MAX_PASSED_BY
