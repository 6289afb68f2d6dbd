"""The time limit over a piece of work."""

import asyncio
import os
import time

import pytest

from generor_async.engine.deadline import TimeLimit


async def test_it_ends_what_takes_longer() -> None:
    with pytest.raises(TimeoutError), TimeLimit(0.01):
        await asyncio.Event().wait()
    await asyncio.sleep(0)


async def test_what_is_done_in_time_is_left_alone() -> None:
    with TimeLimit(60.0):
        await asyncio.sleep(0)


async def test_a_cancellation_from_outside_stays_one() -> None:
    async def work() -> None:
        with TimeLimit(60.0):
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
        with TimeLimit(0.01):
            loop.call_soon(os.write, theirs, b"an answer")
            loop.call_soon(time.sleep, 0.3)
            await arrived.wait()
    finally:
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)


async def test_it_ends_work_all_the_same_when_nothing_arrived_while_the_event_loop_was_held_up() -> None:
    asyncio.get_running_loop().call_soon(time.sleep, 0.3)
    with pytest.raises(TimeoutError), TimeLimit(0.01):
        await asyncio.Event().wait()
