"""Opens and closes a client in each event loop, and cancels the calls that are under way when it is closed.

A client that was never entered is open in every loop. One that was entered is closed at the end of its last
`async with`, until it is entered again. Calls are ended as `asyncio.timeout` does it: their task is cancelled, and the
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

__all__ = ["Lifetime", "Task"]

T = TypeVar("T")

TURNS: Final = 3
"""Iterations of the event loop in which waits that were ended run to their end."""


class _LoopWork(LoopBound):
    """The calls of a client that are under way in one event loop."""

    def __init__(self) -> None:
        self.closed = False
        self.entered = 0
        """Number of `async with` blocks that are open in this loop."""
        self.openings = 0
        """Number of those that were ever opened."""
        self.work: set[Task] = set()
        self.cancelled: set[asyncio.Task[Any]] = set()
        """Tasks that the client itself has cancelled."""
        self.waiting: list[asyncio.Future[None]] = []
        """Woken whenever a call ends."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, which is checked whenever a call ends."""
        while not condition():
            change = asyncio.get_running_loop().create_future()
            self.waiting.append(change)
            await change

    async def drained(self) -> None:
        """Wait until no call is under way in any other task."""
        own = asyncio.current_task()
        await self.until(lambda: all(work.task is own for work in self.work))

    async def cancel_all(self) -> None:
        """Cancel the calls in all other tasks, and wait for their end."""
        own = asyncio.current_task()
        for task in {work.task for work in self.work if work.task is not None} - {own} - self.cancelled:
            self.cancelled.add(task)
            task.cancel()
        await self.until(lambda: not any(work.task not in {own, None} for work in self.work))


class Task:
    """A call that is under way in the running task; one that is only `counted` is waited for, and never cancelled."""

    __slots__ = ("_cancels", "_here", "task")

    def __init__(self, here: _LoopWork, *, counted: bool = False) -> None:
        self._here = here
        self.task = None if counted else asyncio.current_task()
        self._cancels = 0 if self.task is None else self.task.cancelling()
        here.work.add(self)

    def was_cancelled_by_close(self) -> bool:
        """Tell whether the task was cancelled by the client alone; the client's cancellation is undone."""
        return self._uncancel() <= self._cancels

    def end(self) -> None:
        """Record the end of the call."""
        here = self._here
        here.work.discard(self)
        if here.waiting:
            waiting, here.waiting = here.waiting, []
            for change in waiting:
                if not change.done():
                    change.set_result(None)
        if here.cancelled and self.task in here.cancelled and not any(work.task is self.task for work in here.work):
            self._uncancel()

    def _uncancel(self) -> float:
        """Undo the client's cancellation; return the number of others, or infinity where the client didn't cancel."""
        if self.task is None or self.task not in self._here.cancelled:
            return float("inf")
        self._here.cancelled.discard(self.task)
        return self.task.uncancel()


class Lifetime:
    """Whether a client is open. All views of a client share one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loops = PerLoop(_LoopWork)
        self._lock = threading.Lock()
        self._entered = 0
        """Number of `async with` blocks that are open in all loops."""
        self._over = False
        """Whether the client was entered, and its last `async with` block has ended."""
        self.waits: list[PerLoop[Any]] = []
        """The waits for jobs: closed first, so that their errors can name the job."""

    def begin(self, *, counted: bool = False) -> Task:
        """Record the beginning of a call; raises ClientClosedError."""
        here = self._loops.get()
        if here.closed or self._over:
            raise _closed_error("the client is closed", outcome="not_sent")
        return Task(here, counted=counted)

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
        self, here: _LoopWork, drain: float, release: Callable[[], Awaitable[None]], *, stays_closed: bool
    ) -> None:
        openings = here.openings
        try:
            if drain > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if drain == float("inf") else drain / self._clock.speed):
                        await here.drained()
        finally:
            here.closed = True
            try:
                await self._cancel_all(here)
            finally:
                await release()
                if here.openings == openings:
                    here.closed = stays_closed

    async def _cancel_all(self, here: _LoopWork) -> None:
        for waits in self.waits:
            await waits.close()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await here.cancel_all()


def _closed_error(what: str, *, outcome: Outcome | None = None) -> ClientClosedError:
    advice = "Enter the client again, by `async with` or `with`, to open it again"
    return ClientClosedError(what, advice=advice, retryable=False, outcome=outcome)
