"""One of something for each event loop."""

import asyncio
import gc
import weakref

from attrs import define

from generor_async.engine.loops import PerLoop


@define(eq=False)
class Thing:
    closed: bool = False

    async def close(self) -> None:
        self.closed = True


def test_each_loop_has_its_own_and_keeps_it() -> None:
    things = PerLoop(Thing)

    async def twice() -> tuple[Thing, Thing]:
        return things.get(), things.get()

    first, second = asyncio.run(twice()), asyncio.run(twice())
    assert first[0] is first[1]
    assert second[0] is second[1]
    assert first[0] is not second[0]


async def test_closing_closes_the_running_loops_own_and_the_next_use_opens_another() -> None:
    things = PerLoop(Thing)
    await things.close()
    first = things.get()
    await things.close()
    assert first.closed
    assert things.get() is not first


def test_a_loop_that_is_gone_is_forgotten() -> None:
    things = PerLoop(Thing)

    async def use() -> "weakref.ref[Thing]":
        return weakref.ref(things.get())

    gone = asyncio.run(use())
    gc.collect()
    assert gone() is None
