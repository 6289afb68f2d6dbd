"""The real clock. Whoever wants time to run faster hands in another one."""

import asyncio
import time

__all__ = ["REAL_CLOCK", "RealClock"]


class RealClock:
    """The machine's own time, and the event loop's own sleep."""

    speed = 1.0
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        await asyncio.sleep(seconds)


REAL_CLOCK = RealClock()
