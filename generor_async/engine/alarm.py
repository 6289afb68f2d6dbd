"""One timer of an event loop, which any thread may set, move and cancel."""

import asyncio
import math
from collections.abc import Callable
from typing import Final

from generor_async.engine.loops import call_in
from generor_async.values import Clock

__all__ = ["MOMENT", "Alarm", "ClockAlarm"]

MOMENT: Final = 0.001
"""Shortest sleep in seconds: a clock that rounds shorter ones away would never reach their end."""


class Alarm:
    """Calls `ring` in the running event loop at a moment of the loop's time."""

    __slots__ = ("_loop", "_ring", "_timer", "at")

    def __init__(self, ring: Callable[[float], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        """Called with the moment that the alarm was set to."""
        self._timer: asyncio.TimerHandle | asyncio.Task[None] | None = None
        self.at = math.inf
        """When it rings; infinite while it is not set."""

    def set_to(self, at: float) -> None:
        """Ring at a moment, unless the alarm rings before that."""
        if at < self.at:
            self.at = at
            call_in(self._loop, self._restart)

    def cancel(self) -> None:
        """Cancel the timer, until the alarm is set again."""
        if self.at < math.inf:
            self.at = math.inf
            call_in(self._loop, self._restart)

    def _restart(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._start() if self.at < math.inf else None

    def _start(self) -> "asyncio.TimerHandle | asyncio.Task[None]":
        return self._loop.call_at(self.at, self._fire, self.at)

    def _fire(self, at: float) -> None:
        self.at, self._timer = math.inf, None
        self._ring(at)


class ClockAlarm(Alarm):
    """An alarm by a client's clock. It sleeps by that clock, which may be moved on by hand."""

    __slots__ = ("_clock",)

    def __init__(self, clock: Clock, ring: Callable[[float], object]) -> None:
        super().__init__(ring)
        self._clock = clock

    def _start(self) -> "asyncio.Task[None]":
        return self._loop.create_task(self._sleep(self.at))

    async def _sleep(self, at: float) -> None:
        await self._clock.sleep(max(at - self._clock.monotonic(), MOMENT))
        self._fire(at)
