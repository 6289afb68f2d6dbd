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
from generor_async.errors import ClientClosedError, ClientDrainingError
from generor_async.rules import option_checks
from generor_async.rules.http_types import Endpoint
from generor_async.values import Clock, Outcome

__all__ = ["ActiveCall", "Lifetime", "closed_error"]

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
        self.draining = False
        """Whether calls that would begin something are refused."""
        self.waits: list[PerLoop[Any]] = []
        """The waits for jobs. They are closed first, so that their errors name the jobs."""

    def begin(self, *, counted: bool = False) -> ActiveCall:
        """Record the beginning of a call; raises ClientClosedError."""
        self.check_open()
        return ActiveCall(self._loops.get(), counted=counted)

    def check_open(self) -> None:
        """Raise ClientClosedError if the client is closed in the running event loop."""
        if self._loops.get().closed or self._over:
            raise closed_error("the client is closed", outcome="not_sent")

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
        raise closed_error(f"{what} was cancelled: the client was closed")

    def enter(self) -> None:
        """Open the client, at the beginning of an `async with` block."""
        here = self._loops.get()
        with self._lock:
            self._entered += 1
            self._over = self.draining = False
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

    def check_intake(self, endpoint: Endpoint[Any]) -> None:
        """Raise ClientDrainingError for a call that would begin something; what reads or goes on may end."""
        if endpoint.retry_safety in {"plain", "bills"}:
            raise ClientDrainingError(
                f"{endpoint.name}: the client takes no new calls, as it is being drained",
                operation=endpoint.name,
                advice="Make it in another process, or when the program has started again",
            )

    async def drain(self, timeout: float) -> list[str]:
        """Refuse new calls, and wait until those under way in the running event loop have ended, or time is up.

        Return the ids of the jobs that are still waited for.
        """
        option_checks.duration(timeout, "timeout")
        await self._drain(self._loops.get(), timeout)
        return [job_id for waits in self.waits for job_id in waits.get().waited_for()]

    async def _drain(self, here: _LoopCalls, seconds: float) -> None:
        self.draining = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == float("inf") else seconds / self._clock.speed):
                await here.drain()

    async def close(self, drain: float, release: Callable[[], Awaitable[None]]) -> None:
        """Close the client in the running event loop.

        A client that was entered stays closed until it is entered again; one that never was is opened by its next use.

        Args:
            drain: Seconds in which calls under way may end by themselves, and no new ones begin; after that they are
                cancelled.
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
                await self._drain(here, drain)
        finally:
            here.closed = True
            try:
                await self._cancel_all(here)
            finally:
                await release()
                self.draining = False
                if here.openings == openings:
                    here.closed = stays_closed

    async def _cancel_all(self, here: _LoopCalls) -> None:
        for waits in self.waits:
            await waits.close()
        for _ in range(CANCEL_ITERATIONS):
            await asyncio.sleep(0)
        await here.cancel_all()


def closed_error(what: str, *, outcome: Outcome | None = None) -> ClientClosedError:
    """Return the error of what was ended, or not begun, because the client is closed."""
    advice = "Enter the client again, by `async with` or `with`, to open it again"
    return ClientClosedError(what, advice=advice, retryable=False, outcome=outcome)
