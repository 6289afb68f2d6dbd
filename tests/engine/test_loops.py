"""One of something for each event loop."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator

from generor_async.engine.loops import LoopBound, PerLoop


class Thing(LoopBound):
    closed = left = False

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed = True

    def abandon(self) -> None:
        self.left = True


def test_each_loop_has_its_own_and_keeps_it() -> None:
    things = PerLoop(Thing)

    async def twice() -> tuple[Thing, Thing]:
        return things.get(), things.get()

    first, second = asyncio.run(twice()), asyncio.run(twice())
    assert first[0] is first[1]
    assert second[0] is second[1]
    assert first[0] is not second[0]


async def test_closing_closes_the_running_loops_object_and_the_next_use_opens_another() -> None:
    things = PerLoop(Thing)
    await things.close()
    assert things.opened() is None
    first = things.get()
    assert things.opened() is first
    await things.close()
    assert first.closed
    assert things.get() is not first


def test_an_object_is_closed_when_its_loop_ends() -> None:
    first, second = PerLoop(Thing), PerLoop(Thing)

    async def use() -> tuple[Thing, Thing]:
        return first.get(), second.get()

    opened = asyncio.run(use())
    assert all(thing.closed and not thing.left for thing in opened)


def test_an_error_in_one_close_does_not_prevent_the_others() -> None:
    class Failing(Thing):
        async def close(self) -> None:
            raise OSError("no way")

    failing, things, told = PerLoop(Failing), PerLoop(Thing), list[str]()

    async def use() -> Thing:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(repr(context["exception"])))
        failing.get()
        return things.get()

    assert asyncio.run(use()).closed
    assert told == ["OSError('no way')"]


def test_a_loop_that_is_gone_is_forgotten() -> None:
    things = PerLoop(Thing)

    async def use() -> "tuple[weakref.ref[Thing], weakref.ref[asyncio.AbstractEventLoop]]":
        return weakref.ref(things.get()), weakref.ref(asyncio.get_running_loop())

    thing, loop = asyncio.run(use())
    gc.collect()
    assert thing() is None
    assert loop() is None


def test_the_objects_of_a_closed_loop_are_abandoned_when_the_next_one_is_used() -> None:
    things = PerLoop(Thing)

    async def use() -> Thing:
        return things.get()

    loop = asyncio.new_event_loop()
    first = loop.run_until_complete(use())
    loop.close()
    asyncio.run(use())
    assert first.left
    assert not first.closed
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


def test_an_object_that_is_opened_as_its_loop_ends_is_abandoned_later() -> None:
    things = PerLoop(Thing)
    late: list[Thing] = []

    async def cleaning_up() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            for _ in range(9):
                await asyncio.sleep(0)  # until what was opened before is closed
            late.append(things.get())

    async def use() -> None:
        things.get()
        await anext(held)

    held = cleaning_up()
    asyncio.run(use())
    asyncio.run(asyncio.sleep(0))

    async def again() -> Thing:
        return things.get()

    asyncio.run(again())
    assert late[0].left
