"""The default clock of clients: real time."""

import asyncio
import time

__all__ = ["REAL_CLOCK", "RealClock"]


class RealClock:
    """The system's time, and the event loop's sleep."""

    speed = 1.0
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds."""
        await asyncio.sleep(seconds)


REAL_CLOCK = RealClock()
