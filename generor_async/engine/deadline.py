"""Time limits for work of many steps."""

import asyncio
import math
from collections.abc import Awaitable
from types import TracebackType
from typing import Final, TypeVar

from generor_async.engine.alarm import Alarm
from generor_async.errors import DeadlineExceededError
from generor_async.values import Clock

__all__ = ["TimeLimit", "TimeLimits", "within"]

T = TypeVar("T")

LATE: Final = 0.1
"""Seconds after which a timer counts as late: the process was stopped, or its event loop was blocked."""
GRACE: Final = 1.0
"""Most seconds that a late timer leaves for reading an answer; never more than it was late."""


class TimeLimits:
    """The running time limits of one event loop, which share one timer."""

    __slots__ = ("alarm", "running")

    def __init__(self) -> None:
        self.running = set[TimeLimit]()
        self.alarm = Alarm(self._end_due)

    def close(self) -> None:
        """Cancel the timer, unless a limit is running."""
        if not self.running:
            self.alarm.cancel()

    def _end_due(self, at: float) -> None:
        now = max(at, asyncio.get_running_loop().time())  # a timer may fire a clock tick early
        for limit in [limit for limit in self.running if limit.ends_at <= now]:
            limit.is_due(now)
        self.alarm.set_to(min((limit.ends_at for limit in self.running), default=math.inf))


class TimeLimit:
    """Cancels the work in its block after some seconds and raises TimeoutError, as `asyncio.timeout` does.

    After the process was stopped or the event loop was blocked, the timer fires before an answer is read that has
    arrived in the meantime, and that answer may be a paid one. So a timer that fires late waits a little longer.
    """

    __slots__ = ("_cancelling", "_late", "_limits", "_seconds", "_task", "ends_at", "expired")

    def __init__(self, seconds: float, limits: TimeLimits) -> None:
        self._seconds = seconds
        self._limits = limits
        self._late = False
        self.expired = False
        """Whether the limit has ended the work."""

    def __enter__(self) -> None:
        loop, limits = asyncio.get_running_loop(), self._limits
        task = asyncio.current_task(loop)
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self.ends_at = ends_at = loop.time() + self._seconds
        limits.running.add(self)
        if ends_at < limits.alarm.at:
            limits.alarm.set_to(ends_at)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._limits.running.discard(self)
        if self.expired and self._task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def pause(self) -> None:
        """Suspend the limit until `restart`."""
        self.ends_at = math.inf

    def restart(self) -> None:
        """Restart the limit with all its seconds."""
        self.ends_at = ends_at = asyncio.get_running_loop().time() + self._seconds
        self._limits.alarm.set_to(ends_at)

    def is_due(self, now: float) -> None:
        """Cancel the work, or extend the limit a little where the timer is late."""
        late = now - self.ends_at
        if late > LATE and not self._late:
            self._late, self.ends_at = True, now + min(late, GRACE)
        else:
            self._limits.running.discard(self)
            self.expired = True
            self._task.cancel()


async def within(seconds: float | None, clock: Clock, work: Awaitable[T], *, what: str, advice: str) -> T:
    """Await `work` for at most `seconds` of the clock, None for no limit; raises DeadlineExceededError."""
    seconds = math.inf if seconds is None else seconds
    limits = TimeLimits()
    limit = TimeLimit(seconds / clock.speed, limits)
    try:
        with limit:
            return await work
    except TimeoutError:
        if not limit.expired:
            raise
    finally:
        limits.close()
    # Raised out here: what was cut off may have a presigned URL in its frames.
    raise DeadlineExceededError(f"{what} took longer than {seconds:g} s", waited_for="attempt", advice=advice)
