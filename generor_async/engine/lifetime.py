"""Opens and closes a client in each event loop, and cancels its active calls when it is closed.

A client that was never entered is open in every loop. One that was entered is closed at the end of its last
`async with`, until it is entered again. A call is ended as `asyncio.timeout` does it: its task is cancelled, and the
call uncancels it and raises a ClientClosedError that says what became of the request.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from generor_async.engine.loops import LoopBound, PerLoop
from generor_async.errors import ClientClosedError
from generor_async.rules import option_checks
from generor_async.values import Clock, Outcome

__all__ = ["ActiveCall", "Lifetime"]

T = TypeVar("T")

CANCEL_ITERATIONS: Final = 3
"""Iterations of the event loop in which cancelled waits for jobs run to their end."""


class _LoopCalls(LoopBound):
    """The active calls of a client in one event loop."""

    def __init__(self) -> None:
        self.closed = False
        self.entered = 0
        """Number of `async with` blocks that are open in this loop."""
        self.openings = 0
        """Number of `async with` blocks that were ever opened in this loop."""
        self.active: set[ActiveCall] = set()
        self.cancelled: set[asyncio.Task[Any]] = set()
        """Tasks that the client has cancelled."""
        self.waiting: list[asyncio.Future[None]] = []
        """Futures that are woken whenever a call ends."""

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is checked whenever a call ends."""
        while not condition():
            change = asyncio.get_running_loop().create_future()
            self.waiting.append(change)
            await change

    async def drain(self) -> None:
        """Wait until no other task has an active call."""
        own = asyncio.current_task()
        await self.wait_until(lambda: all(work.task is own for work in self.active))

    async def cancel_all(self) -> None:
        """Cancel the calls of all other tasks, and wait until they have ended."""
        own = asyncio.current_task()
        for task in {work.task for work in self.active if work.task is not None} - {own} - self.cancelled:
            self.cancelled.add(task)
            task.cancel()
        await self.wait_until(lambda: not any(work.task not in {own, None} for work in self.active))


class ActiveCall:
    """An active call in the running task. One that is only `counted` is waited for, but never cancelled."""

    __slots__ = ("_calls", "_cancels", "task")

    def __init__(self, here: _LoopCalls, *, counted: bool = False) -> None:
        self._calls = here
        self.task = None if counted else asyncio.current_task()
        self._cancels = 0 if self.task is None else self.task.cancelling()
        here.active.add(self)

    def was_cancelled_by_close(self) -> bool:
        """Tell whether only the client has cancelled the task; undo the client's cancellation."""
        return self._uncancel() <= self._cancels

    def end(self) -> None:
        """Record the end of the call."""
        here = self._calls
        here.active.discard(self)
        if here.waiting:
            waiting, here.waiting = here.waiting, []
            for change in waiting:
                if not change.done():
                    change.set_result(None)
        if here.cancelled and self.task in here.cancelled and not any(work.task is self.task for work in here.active):
            self._uncancel()

    def _uncancel(self) -> float:
        """Undo the client's cancellation; return the number of others, or infinity where the client did not cancel."""
        if self.task is None or self.task not in self._calls.cancelled:
            return float("inf")
        self._calls.cancelled.discard(self.task)
        return self.task.uncancel()


class Lifetime:
    """Whether a client is open; all its views share this."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loops = PerLoop(_LoopCalls)
        self._lock = threading.Lock()
        self._entered = 0
        """Number of `async with` blocks that are open in all loops."""
        self._over = False
        """Whether the client was entered, and its last `async with` block has ended."""
        self.waits: list[PerLoop[Any]] = []
        """The waits for jobs. They are closed first, so that their errors name the jobs."""

    def begin(self, *, counted: bool = False) -> ActiveCall:
        """Record the beginning of a call; raises ClientClosedError."""
        here = self._loops.get()
        if here.closed or self._over:
            raise _closed_error("the client is closed", outcome="not_sent")
        return ActiveCall(here, counted=counted)

    async def while_open(self, work: Awaitable[T], what: str) -> T:
        """Await something until it ends or the client is closed; `what` names it in the ClientClosedError."""
        try:
            here = self.begin()
        except ClientClosedError:
            if asyncio.iscoroutine(work):
                work.close()
            raise
        try:
            return await work
        except asyncio.CancelledError:
            if not here.was_cancelled_by_close():
                raise
        finally:
            here.end()
        # Raised out here, so that its context isn't the cancellation, whose frames may hold the key.
        raise _closed_error(f"{what} was cancelled: the client was closed")

    def enter(self) -> None:
        """Open the client, at the beginning of an `async with` block."""
        here = self._loops.get()
        with self._lock:
            self._entered += 1
            self._over = False
        here.entered += 1
        here.openings += 1
        here.closed = False

    async def exit(self, release: Callable[[], Awaitable[None]]) -> None:
        """Close the client, at the end of the last `async with` block in the running event loop."""
        here = self._loops.get()
        with self._lock:
            self._entered -= 1
            self._over = not self._entered
        here.entered -= 1
        if here.entered <= 0:
            await self._end(here, 0.0, release, stays_closed=True)

    async def close(self, drain: float, release: Callable[[], Awaitable[None]]) -> None:
        """Close the client in the running event loop.

        A client that was entered stays closed until it is entered again; one that never was is opened by its next use.

        Args:
            drain: Seconds in which calls under way may end by themselves; after that they are cancelled.
            release: Closes the connections.
        """
        option_checks.duration(drain, "drain")
        here = self._loops.get()
        await self._end(here, drain, release, stays_closed=here.openings > 0)

    async def _end(
        self, here: _LoopCalls, drain: float, release: Callable[[], Awaitable[None]], *, stays_closed: bool
    ) -> None:
        openings = here.openings
        try:
            if drain > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if drain == float("inf") else drain / self._clock.speed):
                        await here.drain()
        finally:
            here.closed = True
            try:
                await self._cancel_all(here)
            finally:
                await release()
                if here.openings == openings:
                    here.closed = stays_closed

    async def _cancel_all(self, here: _LoopCalls) -> None:
        for waits in self.waits:
            await waits.close()
        for _ in range(CANCEL_ITERATIONS):
            await asyncio.sleep(0)
        await here.cancel_all()


def _closed_error(what: str, *, outcome: Outcome | None = None) -> ClientClosedError:
    advice = "Enter the client again, by `async with` or `with`, to open it again"
    return ClientClosedError(what, advice=advice, retryable=False, outcome=outcome)
