"""The simulated clock: faster than real time, moved by hand, and the same in every thread."""

import asyncio
import threading
import time

import pytest
from attrs import define

from generor_async.simulator.clock import SimulatedClock


@define
class Source:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_begins_at_its_epoch() -> None:
    clock = SimulatedClock(epoch=1_712_592_000.0, source=Source())
    assert (clock.time(), clock.monotonic()) == (1_712_592_000.0, 0.0)


def test_it_runs_faster_by_its_speed() -> None:
    source = Source()
    clock = SimulatedClock(speed=60, epoch=0.0, source=source)
    source.now += 2
    assert clock.time() == clock.monotonic() == 120


def test_it_begins_now_by_default() -> None:
    assert abs(SimulatedClock().time() - time.time()) < 1


def test_it_can_be_advanced() -> None:
    clock = SimulatedClock(epoch=0.0, source=Source())
    clock.advance(3600)
    assert clock.time() == 3600


def test_it_can_follow_another_clock_without_a_jump() -> None:
    first, second = Source(), Source(now=5.0)
    clock = SimulatedClock(speed=10, epoch=0.0, source=first)
    first.now += 2
    clock.advance(100)
    clock.follow(second)
    assert clock.time() == 120
    first.now += 1_000
    second.now += 3
    assert clock.time() == 150


def test_it_never_goes_back() -> None:
    with pytest.raises(ValueError, match="not back: -1"):
        SimulatedClock().advance(-1)


async def test_a_sleep_takes_its_part_of_real_time() -> None:
    clock = SimulatedClock(speed=100)
    before = time.monotonic()
    await clock.sleep(5)
    assert time.monotonic() - before >= 0.05


async def test_a_sleep_is_never_shorter_than_asked() -> None:
    clock = SimulatedClock(speed=1000)
    before = clock.monotonic()
    await clock.sleep(3)
    assert clock.monotonic() - before >= 3 - 1e-6


@pytest.mark.parametrize("seconds", [0, -5])
async def test_no_time_is_no_sleep(seconds: float) -> None:
    clock = SimulatedClock(source=Source())
    await asyncio.wait_for(clock.sleep(seconds), 300)


async def test_advancing_wakes_only_sleeps_that_are_over() -> None:
    clock = SimulatedClock()
    short, long = asyncio.ensure_future(clock.sleep(60)), asyncio.ensure_future(clock.sleep(7200))
    await asyncio.sleep(0.01)
    clock.advance(3600)
    await asyncio.wait_for(short, 300)
    assert not long.done()
    clock.advance(3600)
    await asyncio.wait_for(long, 300)


async def test_advancing_from_another_thread_wakes_a_sleeper() -> None:
    clock = SimulatedClock()
    sleeper = asyncio.ensure_future(clock.sleep(60))
    await asyncio.sleep(0.01)
    thread = threading.Thread(target=clock.advance, args=(60,))
    thread.start()
    await asyncio.wait_for(sleeper, 300)
    thread.join()


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = SimulatedClock()
    sleeper = asyncio.ensure_future(clock.sleep(60))
    await asyncio.sleep(0.01)
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
    clock.advance(60)


def test_a_loop_that_was_closed_in_its_sleep_does_no_harm() -> None:
    clock, loop = SimulatedClock(), asyncio.new_event_loop()
    sleeper = loop.create_task(clock.sleep(60))
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    clock.advance(60)
    assert not sleeper.done()
    sleeper._log_destroy_pending = False  # type: ignore[attr-defined]  # left pending on purpose
