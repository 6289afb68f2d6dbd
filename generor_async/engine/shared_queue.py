"""Queues of calls whose limits a store keeps; an exchange asks the store for all of them at once."""

import asyncio
import math
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from generor_async.engine.exchange import Exchange
from generor_async.engine.key_state import Waiting
from generor_async.engine.loops import call_in
from generor_async.engine.queue import Queue, Rule
from generor_async.engine.waiters import PriorityClass, QueuedCall
from generor_async.rules.user_turns import Taken, weight_of
from generor_async.rules.wait import LimitScope, Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType
from generor_async.values import Clock, Priority

__all__ = ["SharedQueue"]

P = TypeVar("P")

SHORT_WAIT: Final = 1.0
"""The longest wait, in seconds, that may be for requests under way, and so may end with their answers."""


class SharedQueue(Queue[P]):
    """A queue whose calls get their permits in the rounds of an exchange."""

    def __init__(
        self,
        rule: Rule[P],
        clock: Clock,
        lock: threading.RLock,
        exchange: Exchange,
        scope: LimitScope,
        weigh: Callable[[RequestType], int] = weight_of,
    ) -> None:
        super().__init__(rule, clock, lock, weigh)
        self.scope: LimitScope = scope
        """The limit to name while the store is busy."""
        self._exchange = exchange
        self._granted: list[tuple[Taken[QueuedCall[P]], P, PriorityClass[P]]] = []
        """The calls that this round has admitted: they get their permits when the store has it."""
        self._left: list[QueuedCall[P]] = []
        """Those of them that have left meanwhile."""
        self._passed_by: list[tuple[PriorityClass[P] | QueuedCall[P], int]] = []
        """How many calls had passed each class and first call when the round began."""
        self._asking: list[asyncio.Future[None]] = []
        """Calls that the next round answers, in a thread."""
        self._answering: list[asyncio.Future[None]] = []
        """Those that the round under way answers."""
        self._refusal: Wait | None = None
        """What a call has to wait for that has asked for itself in this turn of the event loop."""
        exchange.add(self)

    @property
    def no_timer(self) -> bool:
        """Never: the store is asked again in any case."""
        return False

    def may_go_on(self, now: float) -> bool:
        """Whether calls wait here for what others of this process come to."""
        wait = self._last_wait
        return bool(self._loops) and (wait is None or wait.sooner or not now + SHORT_WAIT < wait.until < math.inf)

    @property
    def has_granted(self) -> bool:
        """Whether this round has admitted a call."""
        return bool(self._granted)

    def first(self) -> Waiting:
        """Return the first call that waits, and how many do."""
        queue = self._nonempty[0]
        return queue.name, queue.heads()[0].request_type, len(self)

    def enter_nowait(self, now: float, priority: Priority, request_type: RequestType = DEFAULT_TYPE) -> P | None:
        """Return a permit if there is one now; None where the call has to queue, or to wait for a round."""
        with self._lock:
            self._refusal = None
            if self._loops or self._exchange.asked or self._exchange.takes_time:
                return None
            permit = self._exchange.reserve(
                lambda: self._rule.reserve(now, smooth=priority == "bulk", request_type=request_type),
                self.scope,
                (priority, request_type, 1),
            )
            if not isinstance(permit, Wait):
                return permit
            self._refusal = permit
            return None

    def pump(self, now: float) -> Wait | None:  # noqa: ARG002 - a round has its own time
        """Do nothing: whatever happens is followed by a round."""
        return None

    def _ask(self, now: float) -> Wait | None:  # noqa: ARG002 - a round has its own time
        refusal, self._refusal = self._refusal, None
        if refusal is None or not self._exchange.asked:
            self._exchange.ask_soon()
            return None
        self._set_wait(refusal)
        return refusal

    async def _answer(self, waiter: QueuedCall[P]) -> Wait | None:
        if self._exchange.takes_time:
            await self._wait_for_round(waiter)
        else:
            await asyncio.sleep(0)  # the round that was asked for is held before this goes on
        return None if waiter.permit is not None else self._last_wait or Wait(math.inf, self.scope, sooner=True)

    async def _wait_for_round(self, waiter: QueuedCall[P]) -> None:
        """Wait until a call was admitted or has to wait, or until its deadline."""
        with self._lock:
            self._asking.append(answer := waiter.loop.create_future())
        left = (waiter.deadline - self._clock.monotonic()) / self._clock.speed
        await asyncio.wait(
            (waiter.future, answer),
            timeout=None if left == math.inf else max(0.0, left),
            return_when=asyncio.FIRST_COMPLETED,
        )

    def _leave(self, waiter: QueuedCall[P], queue: PriorityClass[P], now: float) -> None:
        with self._lock:
            if any(
                waiter is taken[0] for taken, _, _ in self._granted
            ):  # what becomes of its permit is known at the end
                self._left.append(waiter)
            else:
                super()._leave(waiter, queue, now)

    def begin_round(self) -> None:
        """Prepare for `admit`."""
        self._purge_closed_loops()
        self._passed_by = [(each, each.passed_by) for each in self._classes.values()]
        self._passed_by += [(head, head.passed_by) for each in self._nonempty for head in each.heads()]
        self._answering += self._asking
        self._asking = []

    def admit(self, now: float) -> Wait | None:
        """Hand out permits in an update of the store; return what the other calls wait for. It may be repeated."""
        if self._granted:
            self._undo()
        return self._admit_all(now)

    def _hand_over(self, taken: Taken[QueuedCall[P]], permit: P, queue: PriorityClass[P]) -> None:
        self._granted.append((taken, permit, queue))
        if not queue.count:
            self._update_nonempty()

    def _undo(self) -> None:
        """Put all calls back that were admitted and still wait."""
        for taken, _, queue in reversed(self._granted):
            taken[0].passed_by = 0
            queue.put_back(taken)
        for (waiter, *_), _, queue in self._granted:
            if waiter in self._left:
                queue.leave(waiter)
                self._waiter_left(waiter, queue)
        self._granted.clear()
        self._left.clear()
        self._update_nonempty()
        for each in self._nonempty:
            for head in each.heads():
                head.passed_by = 0
        for passed, passed_by in self._passed_by:
            passed.passed_by = passed_by

    def end_round(self, wait: Wait | None) -> None:
        """Wake the calls that were admitted, and set the alarms for the others."""
        granted, self._granted = self._granted, []
        left, self._left = self._left, []
        for taken, permit, queue in granted:
            if (waiter := taken[0]) in left:
                self._waiter_left(waiter, queue)
                self._rule.give_back(permit)
            else:
                super()._hand_over(taken, permit, queue)
        self._set_wait(wait)
        answering, self._answering = self._answering, []
        for answer in answering:
            call_in(answer.get_loop(), _end, answer)

    def _set_wait(self, wait: Wait | None) -> None:
        self._last_wait = wait
        if wait is not None:
            for waiters in self._loops.values():
                waiters.alarm.cancel()
                waiters.alarm.set_to(wait.ask_at)

    def _ring(self, _: float) -> None:
        self._exchange.hold_round()


def _end(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
