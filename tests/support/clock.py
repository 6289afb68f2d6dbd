"""A clock that nobody has to wait for."""

import asyncio

from attrs import define, field

__all__ = ["FakeClock"]


@define
class FakeClock:
    """Records each sleep and jumps over it."""

    speed: float = 1.0
    now: float = 1_000.0
    epoch: float = 1_775_649_600.0
    """Unix seconds when `now` was zero."""
    slept: list[float] = field(factory=list)

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.epoch + self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
