"""The time limit over a piece of work."""

import asyncio
import math
import os
import time
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

import pytest

from generor_async.engine.deadline import TimeLimit, TimeLimits
from generor_async.testing import VirtualTimeLoop

Ts = TypeVarTuple("Ts")


class CountingLoop(VirtualTimeLoop):
    """Knows the timers that were set in it, which it fires so much too `early`."""

    def __init__(self, early: float = 0.0) -> None:
        super().__init__()
        self.early = early
        self.timers: list[asyncio.TimerHandle] = []

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        assert len(self.timers) < 100, "it is set again and again"
        self.timers.append(super().call_at(when - self.early, callback, *args, context=context))
        return self.timers[-1]

    def running_timers(self) -> int:
        """Count those that are still to come."""
        return sum(not timer.cancelled() and timer.when() > self.time() for timer in self.timers)


async def test_a_limit_ends_work_that_takes_longer() -> None:
    with pytest.raises(TimeoutError), TimeLimit(0.01, TimeLimits()):
        await asyncio.Event().wait()
    await asyncio.sleep(0)


async def test_work_that_is_done_in_time_is_not_cancelled() -> None:
    with TimeLimit(60.0, TimeLimits()):
        await asyncio.sleep(0)


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def work() -> None:
        with TimeLimit(60.0, TimeLimits()):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_data_that_arrived_while_the_event_loop_was_blocked_is_read() -> None:
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    ours, theirs = os.pipe()
    loop.add_reader(ours, arrived.set)
    try:
        with TimeLimit(0.01, TimeLimits()):
            loop.call_soon(os.write, theirs, b"an answer")
            loop.call_soon(time.sleep, 0.3)
            await arrived.wait()
    finally:
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)


async def test_work_ends_if_nothing_arrived_while_the_event_loop_was_blocked() -> None:
    asyncio.get_running_loop().call_soon(time.sleep, 0.3)
    with pytest.raises(TimeoutError), TimeLimit(0.01, TimeLimits()):
        await asyncio.Event().wait()


async def test_many_limits_each_end_their_work_in_time() -> None:
    limits, ended = TimeLimits(), list[int]()

    async def work(number: int, seconds: float) -> None:
        with pytest.raises(TimeoutError), TimeLimit(seconds, limits):
            await asyncio.Event().wait()
        ended.append(number)

    async with asyncio.TaskGroup() as group:
        for number, seconds in enumerate((0.15, 0.05, 0.1)):
            group.create_task(work(number, seconds))
        with TimeLimit(math.inf, limits):
            await asyncio.sleep(0)
    assert ended == [1, 2, 0]
    assert (limits.running, limits.alarm.at) == (set(), math.inf)


async def test_a_timer_that_fires_for_ended_work_is_set_for_the_rest() -> None:
    limits = TimeLimits()
    with TimeLimit(0.02, limits):
        pass
    with pytest.raises(TimeoutError), TimeLimit(0.05, limits):
        await asyncio.Event().wait()


async def test_a_timer_is_moved_for_a_limit_that_begins_later_and_ends_sooner() -> None:
    loop, limits = asyncio.get_running_loop(), TimeLimits()
    with TimeLimit(1e9, limits):
        began = loop.time()
        with pytest.raises(TimeoutError), TimeLimit(0.02, limits):
            await asyncio.Event().wait()
        assert loop.time() - began >= 0.02
        assert limits.alarm.at > began + 1e8
    limits.close()
    assert limits.alarm.at == math.inf


async def test_closing_the_limits_leaves_the_running_ones() -> None:
    limits = TimeLimits()

    async def work() -> None:
        with TimeLimit(0.01, limits):
            limits.close()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    assert (await asyncio.wait([task], timeout=5.0))[0] == {task}
    assert isinstance(task.exception(), TimeoutError)
    assert (limits.running, limits.alarm.at) == (set(), math.inf)


def test_many_limits_have_one_timer_and_none_after_closing() -> None:
    loop = CountingLoop()

    async def work() -> None:
        limits = TimeLimits()
        for seconds in (3.0, 2.0, 1.0, 4.0, 1.5):
            with TimeLimit(seconds, limits):
                await asyncio.sleep(0)
                assert loop.running_timers() == 1
        limits.close()
        assert loop.running_timers() == 0

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work())


def test_a_timer_that_fires_a_clock_tick_early_ends_its_work() -> None:
    async def work() -> None:
        limits = TimeLimits()
        with pytest.raises(TimeoutError), TimeLimit(30.2, limits):
            await asyncio.Event().wait()

    loop = CountingLoop(early=1e-10)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work())
    assert len(loop.timers) == 1


def test_a_paused_limit_ends_only_after_its_restart() -> None:
    async def work(limit: TimeLimit) -> None:
        with limit:
            await asyncio.sleep(50.0)
            limit.pause()
            await asyncio.sleep(1_000.0)
            limit.restart()
            await asyncio.sleep(59.0)
            assert not limit.expired
            await asyncio.Event().wait()

    async def main() -> None:
        loop, limits = asyncio.get_running_loop(), TimeLimits()
        began = loop.time()
        with pytest.raises(TimeoutError):
            await work(TimeLimit(60.0, limits))
        assert loop.time() - began == pytest.approx(1_110.0)
        limits.close()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main())
