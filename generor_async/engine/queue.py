"""The queue before a limit: who goes next, and when.

A rule decides; this module waits. One queue serves all clients that share it, whatever thread or event loop they run
in: each waiter sleeps in its own loop, and whoever changes something looks whom it lets go. Each loop with waiters has
one alarm, so that none depends on another. The three classes of priority are weighted, so that none starves.
"""

import asyncio
import math
import threading
from collections import Counter
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar, TypeVarTuple, Unpack

from attrs import define

from generor_async.engine.options import PRIORITIES
from generor_async.engine.waiters import PriorityClass, Waiter
from generor_async.rules.wait import Wait
from generor_async.rules.weights import PLAIN, Kind
from generor_async.values import Clock, Priority, ThrottleScope

__all__ = ["OutOfTurnError", "Queue"]

P = TypeVar("P")
Ts = TypeVarTuple("Ts")

MOMENT: Final = 0.001
"""The shortest sleep of an alarm, in seconds: a clock that rounds less than that away would never come to the end."""
PATIENCE: Final = 9
"""How many others a class that waits lets pass before it has its turn."""


class Rule(Protocol[P]):
    """What decides who may go."""

    def reserve(self, now: float, *, smooth: bool = False, kind: Kind = PLAIN) -> P | Wait:
        """Let one of a kind go, or say until when none may."""
        ...

    def dropped(self, permit: P) -> None:
        """Take back a permit that wasn't used."""
        ...


class OutOfTurnError(Exception):
    """A wait for one's turn that cannot end in time. Internal: callers see `DeadlineExceededError`."""

    def __init__(self, scope: ThrottleScope, wait: float) -> None:
        super().__init__(scope, wait)
        self.scope: ThrottleScope = scope
        self.wait = wait


@define(eq=False)
class _Alarm:
    """What wakes the queue, from one event loop, when time alone lets somebody go."""

    at: float
    loop: asyncio.AbstractEventLoop
    task: "asyncio.Task[None] | None" = None


class Queue(Generic[P]):
    """Calls that wait for a rule to let them go; whoever holds the `lock` may ask and tell the rule."""

    def __init__(self, rule: Rule[P], clock: Clock, lock: threading.RLock) -> None:
        self._rule = rule
        self._clock = clock
        # Reentrant: the collector may end calls of a closed event loop while this very thread holds it.
        self._lock = lock
        self._pumping = False
        self._queues: dict[Priority, PriorityClass[P]] = {name: PriorityClass() for name in PRIORITIES}
        self._passed: dict[Priority, int] = dict.fromkeys(PRIORITIES, 0)
        self._crowds: Counter[asyncio.AbstractEventLoop] = Counter()
        self._alarms: dict[asyncio.AbstractEventLoop, _Alarm] = {}
        self._last: Wait | None = None
        """What the first in the queue were found to wait for, when that was asked last."""

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    @property
    def becalmed(self) -> bool:
        """Whether calls wait and no moment is known at which time alone lets one go."""
        return bool(self._crowds) and not self._alarms

    def enter_nowait(self, now: float, priority: Priority, kind: Kind = PLAIN) -> P | None:
        """Let a call go at once; None where it has to queue."""
        with self._lock:
            if self._crowds:
                return None
            permit = self._rule.reserve(now, smooth=priority == "bulk", kind=kind)
            return permit if not isinstance(permit, Wait) else None

    async def enter(
        self, priority: Priority, timeout: float, waits: Callable[[Wait], None], *, again: bool, kind: Kind = PLAIN
    ) -> P:
        """Wait for one's turn; raise OutOfTurnError when it cannot come, or has not come, within `timeout` seconds.

        Who was let go before and refused (`again`) goes to the head of its class.
        """
        loop = asyncio.get_running_loop()
        began = self._clock.monotonic()
        with self._lock:
            self._crowds[loop] += 1
            queue = self._queues[priority]
            waiter = queue.join(loop, kind, began + timeout, again=again)
            wait = self._last
            if wait is None or began >= wait.until or loop not in self._alarms or queue.leads(waiter):
                wait = self.pump(began)  # else it waits for what those before it wait for
        try:
            if wait is not None and not waiter.future.done():
                waits(wait)
                await self._turn_of(waiter, wait)
        except GeneratorExit:
            # Its loop was closed, and the collector is here, in the middle of anything: the queue finds out by itself.
            if waiter.permit is not None:
                with self._lock:
                    self._rule.dropped(waiter.permit)
                    self.pump(self._clock.monotonic())
            raise
        except BaseException:
            self._leave(waiter, priority, self._clock.monotonic())
            raise
        return waiter.given()

    async def _turn_of(self, waiter: Waiter[P], wait: Wait) -> None:
        deadline = waiter.deadline
        left = deadline - self._clock.monotonic()
        if deadline == math.inf:
            await waiter.future
        elif wait.sooner or wait.until <= deadline or wait.until == math.inf:
            guard = waiter.loop.call_later(left / self._clock.speed, _wake, waiter.future)
            try:
                await waiter.future
            finally:
                guard.cancel()
        if waiter.permit is None:
            raise OutOfTurnError(wait.scope, left)

    def _leave(self, waiter: Waiter[P], priority: Priority, now: float) -> None:
        """Take a waiter out of the queue, wherever it stands; a permit that it was handed goes to the next."""
        with self._lock:
            if self._queues[priority].leave(waiter):
                self._depart(waiter.loop)
            if waiter.permit is not None:
                self._rule.dropped(waiter.permit)
            self.pump(now)

    def give_up(self, until: float) -> None:
        """End the waits that must end before that moment: nobody is let go until then."""
        with self._lock:
            for queue in self._queues.values():
                for waiter in queue:
                    if waiter.deadline < until:
                        _call_in(waiter.loop, _wake, waiter.future)

    def pump(self, now: float) -> Wait | None:
        """Let go whoever may go now, in turn; set the alarms for the next. Returns what the queue waits for."""
        if not self._crowds or self._pumping:  # pumping: the collector came in between; whoever is at it goes on
            return None
        self._pumping, self._last = True, None
        try:
            for loop in [loop for loop in self._crowds if loop.is_closed()]:
                self._bury(loop)
            while turns := self._turns():
                wait = self._let_one_go(turns, now)
                if wait is not None:
                    self._last = wait
                    self._ring_at(min(wait.until, wait.ask_at), now)
                    return wait
            return None
        finally:
            self._pumping = False

    def _let_one_go(self, turns: list[Priority], now: float) -> Wait | None:
        """Let the first go that may; return what all wait for if none may.

        Whoever takes fewer units may pass one for whom there are too few, but not more than `PATIENCE` times.
        """
        waits: list[Wait] = []
        passed: list[Waiter[P]] = []
        for turn in turns:
            smooth = turn == "bulk" and self._passed[turn] < PATIENCE
            for waiter in self._queues[turn].heads():
                permit = self._rule.reserve(now, smooth=smooth, kind=waiter.kind)
                if not isinstance(permit, Wait):
                    for each in passed:
                        each.passed += 1
                    self._let_go(turn, waiter, permit)
                    return None
                if waiter.passed >= PATIENCE:
                    return permit
                waits.append(permit)
                passed.append(waiter)
        return min(waits, key=_until)

    def _turns(self) -> list[Priority]:
        """Return the classes that wait, in the order of their turns: who was passed over too often, then by urgency."""
        turns: list[Priority] = [name for name, queue in self._queues.items() if queue.count]
        if len(turns) > 1:
            turns.sort(key=lambda name: self._passed[name] < PATIENCE)
        return turns

    def _let_go(self, turn: Priority, waiter: Waiter[P], permit: P) -> None:
        self._queues[turn].leave(waiter)
        for name in PRIORITIES:
            self._passed[name] = 0 if name == turn or not self._queues[name] else self._passed[name] + 1
        self._depart(waiter.loop)
        waiter.permit = permit
        if not _call_in(waiter.loop, _wake, waiter.future):
            self._rule.dropped(permit)

    def _depart(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that one waiter of a loop is gone; with its last one goes its alarm."""
        self._crowds[loop] -= 1
        if self._crowds[loop] == 0:
            del self._crowds[loop]
            self._silence(loop)

    def _bury(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forget the waiters of a loop that was closed."""
        for queue in self._queues.values():
            for waiter in [waiter for waiter in queue if waiter.loop is loop]:
                queue.leave(waiter)
        del self._crowds[loop]
        self._alarms.pop(loop, None)

    def _ring_at(self, at: float, now: float) -> None:
        """Set the alarm of every loop with waiters; one that rings earlier does as well."""
        if at == math.inf:
            return
        for loop in self._crowds:
            known = self._alarms.get(loop)
            if known is not None:
                if known.at <= at:
                    continue
                self._silence(loop)
            self._alarms[loop] = alarm = _Alarm(at, loop)
            _call_in(loop, self._start_alarm, alarm, at - now)

    def _start_alarm(self, alarm: _Alarm, seconds: float) -> None:
        if self._alarms.get(alarm.loop) is alarm:
            alarm.task = alarm.loop.create_task(self._ring(alarm, seconds))

    async def _ring(self, alarm: _Alarm, seconds: float) -> None:
        try:
            await self._clock.sleep(max(seconds, MOMENT))
        except asyncio.CancelledError:  # silenced; or the loop ends, and its waiters with it
            with self._lock:
                self._rung(alarm)
            raise
        with self._lock:
            if self._rung(alarm):
                self.pump(self._clock.monotonic())

    def _rung(self, alarm: _Alarm) -> bool:
        """Take an alarm away; tell whether it was still set."""
        if self._alarms.get(alarm.loop) is not alarm:
            return False
        del self._alarms[alarm.loop]
        return True

    def _silence(self, loop: asyncio.AbstractEventLoop) -> None:
        alarm = self._alarms.pop(loop, None)
        if alarm is not None and alarm.task is not None:
            _call_in(loop, alarm.task.cancel)


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[Unpack[Ts]], object], *args: *Ts) -> bool:
    """Call something in a loop of whatever thread; False where that loop is gone."""
    if _running_loop() is loop:
        call(*args)
        return True
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        return False
    return True


def _until(wait: Wait) -> float:
    return wait.until


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
