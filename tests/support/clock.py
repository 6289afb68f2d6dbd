"""Clocks for tests, which need no real waiting."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import define, field

from generor_async.engine.clock import REAL_CLOCK
from generor_async.testing import VirtualTimeLoop
from generor_async.values import Clock

__all__ = ["FakeClock", "FastClock", "LoopClock", "PatientClock", "SetClock", "hasten", "in_virtual_time", "patient"]


@pytest.fixture(scope="module")
def in_virtual_time() -> tuple[str, dict[str, object]]:
    """Return the `anyio_backend` that runs a module's tests in virtual time.

    Time stands still while anything is ready to run, so that a slow machine causes no timeout.
    """
    return "asyncio", {"loop_factory": VirtualTimeLoop}


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


@define
class LoopClock:
    """The clock of an event loop."""

    loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop)
    speed: float = 1.0
    epoch: float = 1_775_649_600.0
    """Unix seconds when the loop's time was zero."""

    def monotonic(self) -> float:
        return self.loop.time()

    def time(self) -> float:
        return self.epoch + self.loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@define
class FastClock:
    """The machine's clock, sped up: for threads and processes, which share no event loop.

    A client with this clock waits for answers in real time: none is late on a busy machine.
    """

    pace: float = 200.0
    """How many of its seconds pass per real second."""
    epoch: float = 1_775_649_600.0
    """Unix seconds when `monotonic()` was zero, as it was for all processes of the machine."""
    speed: float = field(default=1.0, init=False)

    def monotonic(self) -> float:
        return time.monotonic() * self.pace

    def time(self) -> float:
        return self.epoch + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.pace)


@define
class PatientClock:
    """Another clock, by which a client waits for answers in real time: none is late on a busy machine."""

    clock: Clock
    speed: float = field(default=1.0, init=False)

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def time(self) -> float:
        return self.clock.time()

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)


def patient(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a simulator's options for a client that waits for answers in real time."""
    return {**options, "clock": PatientClock(options["clock"])}


def hasten(pace: float, epoch: float | None = None) -> None:
    """Have the time of this process's clients run so many times as fast, from now on if no other epoch is given."""
    fast = FastClock(pace, time.time() - time.monotonic() * pace if epoch is None else epoch)
    for name in ("monotonic", "time", "sleep"):
        setattr(REAL_CLOCK, name, getattr(fast, name))


@define
class SetClock:
    """A clock whose time of day can be set, like a machine's; its monotonic clock stays right."""

    clock: Clock
    ahead: float = 0.0
    """Seconds by which it was set ahead."""

    @property
    def speed(self) -> float:
        return self.clock.speed

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def time(self) -> float:
        return self.clock.time() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
