"""A client's life in each event loop: what is under way there, and how it ends when the client is closed.

A client that was never entered is open in every loop. One that was is closed when its last `async with` has ended,
until it is entered again. To end work is to cancel its task, as `asyncio.timeout` does: what was cancelled takes the
cancellation back, and raises an error that says what became of it.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from generor_async.engine.loops import OfLoop, PerLoop
from generor_async.errors import ClientClosedError
from generor_async.rules import arguments
from generor_async.values import Clock, Outcome

__all__ = ["Lifetime", "Work"]

T = TypeVar("T")

TURNS: Final = 3
"""Turns of the event loop in which waits that were ended get to know of it."""


class _Here(OfLoop):
    """What a client has under way in one event loop."""

    def __init__(self) -> None:
        self.closed = False
        self.entered = 0
        """How many `async with` are open in this loop."""
        self.openings = 0
        """How many there have been."""
        self.work: set[Work] = set()
        self.cut_off: set[asyncio.Task[Any]] = set()
        """Those whose cancellation is the client's own."""
        self.waiting: list[asyncio.Future[None]] = []
        """Woken when a piece of work ends."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that changes as work ends."""
        while not condition():
            change = asyncio.get_running_loop().create_future()
            self.waiting.append(change)
            await change

    async def drained(self) -> None:
        """Wait until nothing is under way, except in the running task, which can't end while it waits."""
        own = asyncio.current_task()
        await self.until(lambda: all(work.task is own for work in self.work))

    async def cut(self) -> None:
        """Cancel all that is under way in other tasks, and wait for its end."""
        own = asyncio.current_task()
        for task in {work.task for work in self.work if work.task is not None} - {own} - self.cut_off:
            self.cut_off.add(task)
            task.cancel()
        await self.until(lambda: not any(work.task not in {own, None} for work in self.work))


class Work:
    """A piece of work that is under way, in the running task; `counted` work is waited for, and never cancelled."""

    __slots__ = ("_cancels", "_here", "task")

    def __init__(self, here: _Here, *, counted: bool = False) -> None:
        self._here = here
        self.task = None if counted else asyncio.current_task()
        self._cancels = 0 if self.task is None else self.task.cancelling()
        here.work.add(self)

    def was_cut_off(self) -> bool:
        """Tell whether a cancellation that came is the client's own, which is then taken back."""
        return self._take_back() <= self._cancels

    def end(self) -> None:
        """Note that it has ended, in whatever way."""
        here = self._here
        here.work.discard(self)
        if here.waiting:
            waiting, here.waiting = here.waiting, []
            for change in waiting:
                if not change.done():
                    change.set_result(None)
        if here.cut_off and self.task in here.cut_off and not any(work.task is self.task for work in here.work):
            self._take_back()

    def _take_back(self) -> float:
        """Take the client's cancellation back; return how many others there are, infinity if there was none."""
        if self.task is None or self.task not in self._here.cut_off:
            return float("inf")
        self._here.cut_off.discard(self.task)
        return self.task.uncancel()


class Lifetime:
    """Whether a client is open; its views share it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loops = PerLoop(_Here)
        self._lock = threading.Lock()
        self._entered = 0
        """How many `async with` are open, in whatever loop."""
        self._over = False
        """Whether it was entered, and the last `async with` has ended."""
        self.waits: list[PerLoop[Any]] = []
        """What waits for jobs: closed before all else, so that each wait can say for which."""

    def begin(self, *, counted: bool = False) -> Work:
        """Note that a piece of work begins; raises ClientClosedError."""
        here = self._loops.get()
        if here.closed or self._over:
            raise _closed("the client is closed", outcome="not_sent")
        return Work(here, counted=counted)

    async def during(self, work: Awaitable[T], what: str) -> T:
        """Do a piece of work, for as long as the client is open; raises ClientClosedError."""
        try:
            here = self.begin()
        except ClientClosedError:
            if asyncio.iscoroutine(work):
                work.close()
            raise
        try:
            return await work
        except asyncio.CancelledError:
            if not here.was_cut_off():
                raise
        finally:
            here.end()
        # Raised out here, so that its context isn't the cancellation, whose frames may hold the key.
        raise _closed(f"{what} was cut off: the client was closed")

    def enter(self) -> None:
        """Open the client, at the beginning of an `async with`."""
        here = self._loops.get()
        with self._lock:
            self._entered += 1
            self._over = False
        here.entered += 1
        here.openings += 1
        here.closed = False

    async def exit(self, release: Callable[[], Awaitable[None]]) -> None:
        """Close the client at the end of the last `async with` of the running event loop."""
        here = self._loops.get()
        with self._lock:
            self._entered -= 1
            self._over = not self._entered
        here.entered -= 1
        if here.entered <= 0:
            await self._end(here, 0.0, release, stays_closed=True)

    async def close(self, drain: float, release: Callable[[], Awaitable[None]]) -> None:
        """End what is under way in the running event loop, after `drain` seconds at the latest, and release the rest.

        A client that was entered stays closed until it is entered again.
        """
        arguments.duration(drain, "drain")
        here = self._loops.get()
        await self._end(here, drain, release, stays_closed=here.openings > 0)

    async def _end(
        self, here: _Here, drain: float, release: Callable[[], Awaitable[None]], *, stays_closed: bool
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
                await self._cut(here)
            finally:
                await release()
                if here.openings == openings:
                    here.closed = stays_closed

    async def _cut(self, here: _Here) -> None:
        for waits in self.waits:
            await waits.close()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await here.cut()


def _closed(what: str, *, outcome: Outcome | None = None) -> ClientClosedError:
    advice = "Enter the client again, by `async with` or `with`, to open it again"
    return ClientClosedError(what, advice=advice, retryable=False, outcome=outcome)
