"""The simulator's clock: real time, which can run faster and can be advanced.

Server and client use the same clock. It can be shared between threads and event loops: each sleep runs in its own
loop.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

__all__ = ["SimulatedClock"]

RESOLUTION = 1e-6
"""Simulated seconds; a shorter remainder of a sleep is a rounding error."""


class SimulatedClock:
    """Tells simulated time, and sleeps by it.

    Args:
        speed: Simulated seconds that pass in a second of the source.
        epoch: The Unix time at which the clock begins, in seconds; by default now.
        source: The clock underneath, in seconds.
    """

    is_simulated: ClassVar = True
    """Tells clients that they talk to a simulator."""

    __slots__ = ("_advanced", "_epoch", "_lock", "_sleepers", "_source", "_started", "speed")

    def __init__(
        self,
        *,
        speed: float = 1.0,
        epoch: float | None = None,
        source: Callable[[], float] = time.monotonic,
    ) -> None:
        self.speed = speed
        self._epoch = time.time() if epoch is None else epoch
        self._source = source
        self._started = source()
        self._advanced = 0.0
        self._lock = threading.Lock()
        self._sleepers: set[asyncio.Future[None]] = set()

    def monotonic(self) -> float:
        """Return the simulated seconds since the clock was made; they only ever grow."""
        return (self._source() - self._started) * self.speed + self._advanced

    def time(self) -> float:
        """Return the simulated Unix time, in seconds."""
        return self._epoch + self.monotonic()

    def follow(self, source: Callable[[], float]) -> None:
        """Use another source from now on, without a jump in time.

        The simulator follows the event loop that it serves in, whose time need not be the machine's.

        Args:
            source: The clock underneath, in seconds.
        """
        with self._lock:
            self._advanced = self.monotonic()
            self._source, self._started = source, source()

    def advance(self, seconds: float) -> None:
        """Advance the clock, and wake all sleeps that are over by then.

        Args:
            seconds: By how much, in simulated seconds.
        """
        if seconds < 0:
            raise ValueError(f"the clock can only be moved on, not back: {seconds}")
        with self._lock:
            self._advanced += seconds
            sleepers = list(self._sleepers)
        for sleeper in sleepers:
            with suppress(RuntimeError):  # its loop was closed in its sleep
                sleeper.get_loop().call_soon_threadsafe(_wake, sleeper)

    async def sleep(self, seconds: float) -> None:
        """Sleep.

        Args:
            seconds: How long, in simulated seconds.
        """
        wake_at = self.monotonic() + seconds
        await asyncio.sleep(0)
        while (left := wake_at - self.monotonic()) > RESOLUTION:
            await self._nap(left / self.speed, wake_at)

    async def _nap(self, real_seconds: float, wake_at: float) -> None:
        """Sleep until the time has passed, or until the clock is advanced."""
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        with self._lock:
            if wake_at - self.monotonic() <= RESOLUTION:  # moved on since the caller looked
                return
            self._sleepers.add(sleeper)
        timer = loop.call_later(real_seconds, _wake, sleeper)
        try:
            await sleeper
        finally:
            timer.cancel()
            with self._lock:
                self._sleepers.discard(sleeper)


def _wake(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)
