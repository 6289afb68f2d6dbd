"""The exchange that asks a store of limits for all calls that wait, and tells it what has happened.

A round is one update of the store: it saves what has happened here, and hands out permits to as many waiting calls as
fit. Calls of one turn of the event loop share a round; what nobody waits for is told with what happens next, within
`RENEW_SECONDS`. While requests are about to leave, or jobs are being submitted, a round comes every `RENEW_SECONDS`,
because other processes forget what isn't confirmed.

A store in a file is used at once, and a call that finds an empty queue asks for itself. One on a server is used in a
thread: one round is under way at a time, and calls that come meanwhile share the next one. While the server can't be
used, rounds are held without it, and the thread looks whether it is back.
"""

import asyncio
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import evolve

from generor_async.engine.key_state import KeyState, Waiting
from generor_async.engine.loops import call_in
from generor_async.engine.shared_rules import BUSY_WAIT, RECHECK_SECONDS, AbandonedError, SharedRules, Urgency
from generor_async.engine.store_thread import StoreThread
from generor_async.rules.pending import RENEW_SECONDS
from generor_async.rules.turns import LATER_RECHECK, LONGEST_RECHECK, YIELD_SECONDS
from generor_async.rules.wait import LimitScope, Wait
from generor_async.stores.limit_store import StoreBusyError
from generor_async.values import Clock

if TYPE_CHECKING:
    from generor_async.engine.shared_queue import SharedQueue

__all__ = ["Exchange"]

P = TypeVar("P")

JOB_RECHECK_SECONDS: Final = YIELD_SECONDS / 2
"""The most seconds after which a process asks again for a slot that others may have left to it."""
ROUND_SECONDS: Final = 0.05
"""The fewest seconds between two rounds of which the second only saves what has happened."""
ROUND_LIMIT: Final = 3.0
"""Seconds after which a round is no longer waited for: a driver that was given ready may have no time-outs."""
SAVE_SECONDS: Final = 2.0
"""Seconds for which a client that is closed waits until the last things are saved."""


class Exchange:
    """Has the store told of what happens here, and asked for the calls that wait."""

    def __init__(self, shared: SharedRules, clock: Clock, lock: threading.RLock) -> None:
        self._shared = shared
        self._clock = clock
        self._lock = lock
        self._queues: list[SharedQueue[Any]] = []
        self._thread = StoreThread() if shared.remote else None
        """Where the store is used; None for one that is used at once."""
        self.on_round: Callable[[], None] = _ignore
        """Called after each round."""
        self.asked = False
        """Whether the store was asked in this turn of an event loop."""
        self._now = -math.inf
        """When the last round began."""
        self._running = False
        self._round_number = 0
        self._round_loop: asyncio.AbstractEventLoop | None = None
        """Where the round under way was asked for."""
        self._again: set[asyncio.AbstractEventLoop | None] = set()
        """Where another round was asked for meanwhile."""
        self._looking = False
        """Whether the thread looks for the store."""
        self._ends: list[asyncio.Future[None]] = []
        """Ended with the next round."""
        self._scheduled: dict[asyncio.AbstractEventLoop, tuple[float, asyncio.Handle]] = {}
        """The next round in each event loop, and when it is."""
        shared.noted = self._noted

    def add(self, queue: "SharedQueue[Any]") -> None:
        """Hand out permits to the calls of a queue as well."""
        self._queues.append(queue)

    @property
    def takes_time(self) -> bool:
        """Whether calls have to wait for a round, because it is held in the thread."""
        return self._thread is not None and (self._running or self._uses_thread)

    @property
    def _uses_thread(self) -> bool:
        """Whether a round that begins now is held in the thread."""
        return self._thread is not None and not self._shared.without_store

    def reserve(self, step: Callable[[], P | Wait], scope: LimitScope, first: Waiting) -> P | Wait:
        """Ask for one call, while none waits."""
        self._look_for_store()
        try:
            found = self._shared.update(lambda state, at: self._reserve(state, at, step, first))
        except StoreBusyError:
            return self._shared.busy_wait(scope)
        self._mark_asked()
        self._confirm_later()
        self.on_round()
        return found

    def _reserve(self, state: KeyState, at: float, step: Callable[[], P | Wait], first: Waiting) -> P | Wait:
        hold = state.holds.by_scope.get("abuse")
        if hold is not None and hold.until > self._clock.monotonic():  # another process was told of it just now
            return Wait(hold.until, "minute")
        found = step()
        return self._timed(state, at, found, first, served=False) if isinstance(found, Wait) else found

    # --- when rounds are held -------------------------------------------------------------------------------------

    def ask_soon(self) -> None:
        """Hold a round in the next turn of the running event loop."""
        self._schedule(0.0)

    def refresh(self) -> None:
        """Load what other processes have saved, without waiting for a server."""
        if self._thread is None:
            self._shared.sync()
        else:
            self.hold_round(needed=True)

    async def save(self) -> None:
        """Save what has happened, because it may be the last; wait no longer than `SAVE_SECONDS` for a server."""
        if self._thread is None:
            self._shared.flush()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(SAVE_SECONDS):
                while self._shared.has_steps and not self._shared.without_store:
                    with self._lock:
                        self._ends.append(end := asyncio.get_running_loop().create_future())
                        self.hold_round()
                    await end

    def save_at_exit(self) -> None:
        """Do the same where no event loop is left."""
        if self._thread is None:
            self._shared.flush()
        elif self._shared.has_steps and not self._shared.without_store:
            with suppress(TimeoutError):
                self._thread.submit(self._shared.flush).result(SAVE_SECONDS)

    def _confirm_later(self) -> None:
        """Hold a round in time for what others forget unless it is confirmed, and for a store that may be back."""
        if self._shared.has_own or (self._thread is not None and self._shared.without_store):
            with suppress(RuntimeError):
                self._schedule_in(asyncio.get_running_loop(), RENEW_SECONDS)

    def _noted(self, urgency: Urgency) -> None:
        """Hold a round: something happened. What nobody waits for is told with what happens next."""
        if urgency == "now":
            self._schedule(0.0)
            return
        now = self._clock.monotonic()
        soon = urgency == "soon" or self._shared.others_may_go_on or any(each.may_go_on(now) for each in self._queues)
        self._schedule(max(0.0, self._now + (ROUND_SECONDS if soon else RENEW_SECONDS) - now))

    def _schedule(self, delay: float) -> None:
        loop = _running_loop()
        if loop is None:
            self.hold_round()
        else:
            self._schedule_in(loop, delay)

    def _schedule_in(self, loop: asyncio.AbstractEventLoop, delay: float) -> None:
        at, scheduled = self._clock.monotonic() + delay if delay else -math.inf, self._scheduled.get(loop)
        if scheduled is not None:
            if scheduled[0] <= at:
                return
            scheduled[1].cancel()
        self._scheduled[loop] = (
            at,
            loop.call_later(delay / self._clock.speed, self._due, loop) if delay else loop.call_soon(self._due, loop),
        )

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._scheduled = {
                each: due for each, due in self._scheduled.items() if each is not loop and not each.is_closed()
            }
        self.hold_round()

    # --- a round --------------------------------------------------------------------------------------------------

    def hold_round(self, *, needed: bool = False) -> None:
        """Save what has happened, and hand out permits to the calls that may be admitted now.

        Without anything to tell and to ask for, there is none, unless it is `needed` for what others have told.
        """
        with self._lock:
            if self._running:
                if self._thread is not None:  # else the collector came in between
                    self._again.add(_running_loop())
                return
            for queue in self._queues:
                queue.begin_round()
            if not (needed or self._shared.has_steps or self._shared.has_own or any(map(len, self._queues))):
                self._end_round([None for _ in self._queues])
                return
            self._running, self._now = True, self._clock.monotonic()
            self._look_for_store()
            if self._uses_thread:
                self._start_round()
                return
            try:
                waits = self._decided()
            finally:
                self._running = False
            self._end_round(waits)
            self._mark_asked()
            self._follow_up()

    def _start_round(self) -> None:
        """Hold a round in the thread."""
        assert self._thread is not None
        self._round_number += 1
        loop = self._round_loop = _running_loop()
        if loop is None:
            self._thread.submit(self._round)
            return
        limit = loop.call_later(ROUND_LIMIT, self._give_up, self._round_number)
        loop.run_in_executor(self._thread, self._round).add_done_callback(lambda _: limit.cancel())

    def _round(self) -> None:
        """Hold a round, in the thread."""
        try:
            waits = self._decided()
        except AbandonedError:
            return
        except BaseException:
            self._running = False
            raise
        with self._lock:
            self._round_ended(waits)

    def _give_up(self, number: int) -> None:
        """Go on without a server that does not answer at all."""
        with self._lock:
            if self._running and self._round_number == number:
                self._round_ended(self._shared.abandon(self._decide))

    def _round_ended(self, waits: list[Wait | None]) -> None:
        """Wake whoever waits for a round that was held in the thread, in its event loop."""
        self._running = False
        loop, again, self._again = self._round_loop, self._again, set()
        self._end_round(waits)
        if loop is not None:
            call_in(loop, self._follow_up)
        for each in again:
            if each is None or not call_in(each, self._due, each):
                self.hold_round()

    def _decided(self) -> list[Wait | None]:
        try:
            return self._shared.update(self._decide)
        except StoreBusyError:
            return [self._shared.busy_wait(queue.scope) for queue in self._queues]

    def _end_round(self, waits: list[Wait | None]) -> None:
        for queue, wait in zip(self._queues, waits, strict=True):
            queue.end_round(wait)
        self.on_round()
        ends, self._ends = self._ends, []
        for end in ends:
            call_in(end.get_loop(), _end, end)

    def _follow_up(self) -> None:
        """Plan the next round, in the event loop of the last one."""
        with self._lock:
            loop = _running_loop()
            if self._shared.is_busy and loop is not None:  # without one, the next round saves what has happened
                self._schedule_in(loop, BUSY_WAIT)
            self._confirm_later()

    def _look_for_store(self) -> None:
        """Have the thread look for a store that could not be used, while rounds are held without it."""
        if self._thread is None or self._looking or not (self._shared.without_store and self._shared.is_to_look):
            return
        self._looking = True
        loop = _running_loop()
        if loop is None:
            self._thread.submit(self._look, loop)
        else:
            loop.run_in_executor(self._thread, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Look for the store, in the thread."""
        found = False
        try:
            found = self._shared.find_store()
        finally:
            self._looking = False
        if found and (loop is None or not call_in(loop, self.hold_round)):
            self.hold_round()

    # --- what is decided in it ------------------------------------------------------------------------------------

    def _decide(self, state: KeyState, at: float) -> list[Wait | None]:
        waits = [queue.admit(self._now) for queue in self._queues]
        found = [
            None if wait is None else self._timed(state, at, wait, queue.first(), served=queue.has_granted)
            for queue, wait in zip(self._queues, waits, strict=True)
        ]
        scopes = {None if wait is None else wait.scope == "jobs" for wait in waits}
        if True not in scopes:
            state.job_turns.leave(self._shared.process)
        if False not in scopes:
            state.turns.leave(self._shared.process)
        return found

    def _timed(self, state: KeyState, at: float, wait: Wait, first: Waiting, *, served: bool) -> Wait:
        """Return a wait by this process's own clock, with the time at which to ask again."""
        shared = self._shared
        # Others may free a place sooner. All processes together ask about once for each request of an even pace.
        asking = max(len(state.turns), len(state.job_turns))
        recheck = min(max(RECHECK_SECONDS, asking * state.pace.interval()), LONGEST_RECHECK)
        if wait.scope == "jobs":
            state.wait_for_slot(shared.process, at, first)
            turn = wait.until
            if len(state.job_turns) > 1 and state.slots.ceiling is not None:
                recheck = min(recheck, JOB_RECHECK_SECONDS)
        else:
            before = state.wait_for_window(shared.process, at, first, served=served)
            turn = state.pace.turn_after(wait.until, before)
            if wait.until < math.inf:  # whoever is next finds out first
                recheck = min(recheck * (before + 1), LATER_RECHECK)
        ask_at = turn if turn <= at + 2 * recheck else at + recheck
        return evolve(wait, until=shared.own_time(wait.until), ask_at=shared.own_time(ask_at))

    def _mark_asked(self) -> None:
        """Have calls that come in this turn of the event loop wait for a round."""
        loop = _running_loop()
        if loop is not None:
            loop.call_soon(self._turn_over)
            self.asked = True

    def _turn_over(self) -> None:
        self.asked = False


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _end(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _ignore() -> None:
    """Do nothing."""
