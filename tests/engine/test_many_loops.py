"""A client made at module level, and a hundred event loops: nothing of one that is gone is left."""

from pathlib import Path

import pytest
from support.programs import begin, finished

from generor_async.simulator import Simulator

COUNTING = """
    import asyncio, gc, os, threading
    import aiohttp
    from generor_async import AsyncLuma

    luma = AsyncLuma()

    async def call():
        made = await luma.generations.create(prompt="A heron")
        assert (await luma.generations.get(made.id)).id == made.id

    async def cut_off(work, seconds=0.05):
        task = asyncio.ensure_future(work)  # it is cancelled by the end of its loop
        await asyncio.sleep(seconds)

    async def entered():
        async with luma:
            await call()

    def left():
        gc.collect()
        kinds = asyncio.BaseEventLoop, aiohttp.ClientSession, aiohttp.BaseConnector
        found = sum(isinstance(each, kinds) for each in gc.get_objects())
        return len(os.listdir("/proc/self/fd")), found

    asyncio.run(call())
    before = left()
"""
RUNS = {
    "a hundred": (100, "asyncio.run(call())"),
    "in threads": (20, "thread = threading.Thread(target=asyncio.run, args=[call()]); thread.start(); thread.join()"),
    "a job that is waited for": (1, "asyncio.run(luma.generations.run(prompt='A heron'))"),
    "cut off in a wait": (20, "asyncio.run(cut_off(luma.generations.run(prompt='A heron')))"),
    "cut off in a call": (20, "asyncio.run(cut_off(call(), 0))"),
    "with as well": (20, "asyncio.run(entered())"),
}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system shows no descriptors")
@pytest.mark.simulator(luma_rpm=1_000_000, luma_jobs=100_000)
@pytest.mark.parametrize("run", RUNS)
def test_nothing_is_left_of_loops_that_are_gone(simulator: Simulator, run: str) -> None:
    times, statement = RUNS[run]
    program = f"""{COUNTING}
    for _ in range({times}):
        {statement}
    after = left()
    print(before == after, before, after)
    """
    code, out, err = finished(begin(simulator, program, "-Wd"))
    assert (code, out.split()[:1], err) == (0, ["True"], ""), out


CLOSED_BY_HAND = f"""{COUNTING}
    most = 0
    for _ in range(30):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(call())
        loop.close()
        del loop
        most = max(most, len(os.listdir("/proc/self/fd")))
    print(most <= before[0] + 8)
    asyncio.run(call())
    print(before == left())
    loop = asyncio.new_event_loop()
    loop.run_until_complete(call())
    loop.close()
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system shows no descriptors")
@pytest.mark.simulator(luma_rpm=1_000_000, luma_jobs=100_000)
def test_loops_that_are_only_closed_do_not_pile_up_and_nothing_is_said(simulator: Simulator) -> None:
    code, out, err = finished(begin(simulator, CLOSED_BY_HAND))
    assert (code, out.split(), err) == (0, ["True", "True"], "")
