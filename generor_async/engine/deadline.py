"""One time limit over work of many steps."""

import asyncio
import math
from collections.abc import Awaitable
from types import TracebackType
from typing import Final, TypeVar

from generor_async.errors import DeadlineExceededError
from generor_async.values import Clock

__all__ = ["TimeLimit", "within"]

T = TypeVar("T")

LATE: Final = 0.1
"""Seconds by which a timer is late when the process was stopped, or its event loop held up."""
GRACE: Final = 1.0
"""Seconds that an answer has then to be read, at most; it has no more than the timer was late."""


class TimeLimit:
    """Ends what runs in it after so many seconds, with TimeoutError, as `asyncio.timeout` does.

    A process that was stopped, and an event loop that was held up, find the timer due before the answer was read that
    has arrived meanwhile; it may be a paid one. So a timer that fires late waits a little longer.
    """

    __slots__ = ("_cancelling", "_handle", "_loop", "_seconds", "_task", "_when", "expired")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.expired = False
        """Whether time was up."""

    def __enter__(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._when = loop.time() + self._seconds
        self._handle = None if self._seconds == math.inf else loop.call_at(self._when, self._fire)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self.expired and self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def _fire(self) -> None:
        late = self._loop.time() - self._when
        if late > LATE:
            self._handle = self._loop.call_later(min(late, GRACE), self._end)
        else:
            self._end()

    def _end(self) -> None:
        self.expired = True
        self._task.cancel()


async def within(seconds: float | None, clock: Clock, work: Awaitable[T], *, what: str, advice: str) -> T:
    """Do the work within so many of the clock's seconds, None for no end; raises DeadlineExceededError."""
    seconds = math.inf if seconds is None else seconds
    limit = TimeLimit(seconds / clock.speed)
    try:
        with limit:
            return await work
    except TimeoutError:
        if not limit.expired:
            raise
    # Raised out here: what was cut off may have a presigned URL in its frames.
    raise DeadlineExceededError(f"{what} took longer than {seconds:g} s", waited_for="attempt", advice=advice)
