"""The time limit over a piece of work."""

import asyncio
import math
import os
import time

import pytest

from generor_async.engine.deadline import Alarm, TimeLimit


async def test_it_ends_what_takes_longer() -> None:
    with pytest.raises(TimeoutError), TimeLimit(0.01, Alarm()):
        await asyncio.Event().wait()
    await asyncio.sleep(0)


async def test_what_is_done_in_time_is_left_alone() -> None:
    with TimeLimit(60.0, Alarm()):
        await asyncio.sleep(0)


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def work() -> None:
        with TimeLimit(60.0, Alarm()):
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_arrived_while_the_event_loop_was_held_up_is_read_all_the_same() -> None:
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    ours, theirs = os.pipe()
    loop.add_reader(ours, arrived.set)
    try:
        with TimeLimit(0.01, Alarm()):
            loop.call_soon(os.write, theirs, b"an answer")
            loop.call_soon(time.sleep, 0.3)
            await arrived.wait()
    finally:
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)


async def test_it_ends_work_all_the_same_when_nothing_arrived_while_the_event_loop_was_held_up() -> None:
    asyncio.get_running_loop().call_soon(time.sleep, 0.3)
    with pytest.raises(TimeoutError), TimeLimit(0.01, Alarm()):
        await asyncio.Event().wait()


async def test_an_alarm_ends_each_of_many_works_in_its_own_time() -> None:
    alarm, ended = Alarm(), list[int]()

    async def work(number: int, seconds: float) -> None:
        with pytest.raises(TimeoutError), TimeLimit(seconds, alarm):
            await asyncio.Event().wait()
        ended.append(number)

    async with asyncio.TaskGroup() as group:
        for number, seconds in enumerate((0.15, 0.05, 0.1)):
            group.create_task(work(number, seconds))
        with TimeLimit(math.inf, alarm):
            await asyncio.sleep(0)
    assert ended == [1, 2, 0]
    assert (alarm.limits, alarm.rings_at) == (set(), math.inf)


async def test_an_alarm_that_rings_for_what_is_done_is_set_for_what_is_not() -> None:
    alarm = Alarm()
    with TimeLimit(0.02, alarm):
        pass
    with pytest.raises(TimeoutError), TimeLimit(0.05, alarm):
        await asyncio.Event().wait()
