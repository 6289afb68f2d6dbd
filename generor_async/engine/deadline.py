"""Time limits for work of many steps."""

import asyncio
import math
from collections.abc import Awaitable
from types import TracebackType
from typing import Final, TypeVar

from generor_async.errors import DeadlineExceededError
from generor_async.values import Clock

__all__ = ["Alarm", "TimeLimit", "within"]

T = TypeVar("T")

LATE: Final = 0.1
"""A timer is late by so many seconds when the process was stopped, or its event loop was blocked."""
GRACE: Final = 1.0
"""Most seconds that remain then to read an answer; never more than the timer was late."""


class Alarm:
    """Cancels the work of a `TimeLimit` that is over, with one timer of the event loop for all limits."""

    __slots__ = ("_handle", "limits", "rings_at")

    def __init__(self) -> None:
        self.limits = set[TimeLimit]()
        """The limits that are running."""
        self.rings_at = math.inf
        self._handle: asyncio.TimerHandle | None = None

    def set_to(self, moment: float) -> None:
        """Set the timer to a moment of the event loop's time."""
        if self._handle is not None:
            self._handle.cancel()
        self.rings_at = moment
        self._handle = asyncio.get_running_loop().call_at(moment, self._fire)

    def close(self) -> None:
        """Cancel the timer, unless a limit is running."""
        if self._handle is not None and not self.limits:
            self.rings_at = math.inf
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        now = max(self.rings_at, asyncio.get_running_loop().time())  # a timer may fire a clock tick early
        self.rings_at, self._handle = math.inf, None
        for limit in [limit for limit in self.limits if limit.ends_at <= now]:
            limit.is_due(now)
        moment = min((limit.ends_at for limit in self.limits), default=math.inf)
        if moment < math.inf:
            self.set_to(moment)


class TimeLimit:
    """Cancels the work in its block after so many seconds, with TimeoutError, as `asyncio.timeout` does.

    When the process was stopped, or the event loop was blocked, the timer is due before an answer is read that has
    arrived in the meantime, and that answer may be a paid one. So a timer that fires late waits a little longer.
    """

    __slots__ = ("_alarm", "_cancelling", "_late", "_seconds", "_task", "ends_at", "expired")

    def __init__(self, seconds: float, alarm: Alarm) -> None:
        self._seconds = seconds
        self._alarm = alarm
        self._late = False
        self.expired = False
        """Whether the time is over."""

    def __enter__(self) -> None:
        loop, alarm = asyncio.get_running_loop(), self._alarm
        task = asyncio.current_task(loop)
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self.ends_at = ends_at = loop.time() + self._seconds
        alarm.limits.add(self)
        if ends_at < alarm.rings_at:
            alarm.set_to(ends_at)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._alarm.limits.discard(self)
        if self.expired and self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def pause(self) -> None:
        """Stand still until `restart`: what comes now is not the time of what is limited."""
        self.ends_at = math.inf

    def restart(self) -> None:
        """Begin anew."""
        self.ends_at = ends_at = asyncio.get_running_loop().time() + self._seconds
        if ends_at < self._alarm.rings_at:
            self._alarm.set_to(ends_at)

    def is_due(self, now: float) -> None:
        """Cancel the work, or wait a little longer where the timer is late."""
        late = now - self.ends_at
        if late > LATE and not self._late:
            self._late, self.ends_at = True, now + min(late, GRACE)
        else:
            self._alarm.limits.discard(self)
            self.expired = True
            self._task.cancel()


async def within(seconds: float | None, clock: Clock, work: Awaitable[T], *, what: str, advice: str) -> T:
    """Await something for so many of the clock's seconds, None for no limit; raises DeadlineExceededError."""
    seconds = math.inf if seconds is None else seconds
    alarm = Alarm()
    limit = TimeLimit(seconds / clock.speed, alarm)
    try:
        with limit:
            return await work
    except TimeoutError:
        if not limit.expired:
            raise
    finally:
        alarm.close()
    # Raised out here: what was cut off may have a presigned URL in its frames.
    raise DeadlineExceededError(f"{what} took longer than {seconds:g} s", waited_for="attempt", advice=advice)
