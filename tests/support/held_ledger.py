"""Closes a client in the midst of a call, at each place where the call uses the ledger of the client's state."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any

import pytest
from support.generor_service import until

from generor_async.engine.state import opened
from generor_async.stores.opening import open_ledger
from generor_async.stores.threads import finished

__all__ = ["close_at_each_place"]

TURNS = 100
"""Turns of the event loop in which a close has come to where it waits for the call; it takes a dozen."""


class _HeldLedger:
    """A ledger whose use number `place` takes until it is released, and can't be cancelled, as one in a thread."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.uses = 0
        self.is_reached = False
        self.released = asyncio.Event()
        self._ledger: Any = None

    async def open(self, *given: Any, **settings: Any) -> Any:
        self._ledger = await open_ledger(*given, **settings)
        return self

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ledger, name)
        if name == "close":
            return found
        if iscoroutinefunction(found):

            async def use(*given: Any, **named: Any) -> Any:
                await self._hold()
                return await found(*given, **named)

            return use
        if isasyncgenfunction(found):

            async def read(*given: Any, **named: Any) -> AsyncIterator[Any]:
                await self._hold()
                async for each in found(*given, **named):
                    yield each

            return read
        return found

    async def _hold(self) -> None:
        task: Any = asyncio.current_task()
        if task.get_coro().__name__ == "_keep_alive":  # the client's own uses come at any time
            return
        self.uses += 1
        if self.uses == self.place:
            self.is_reached = True
            await finished(asyncio.ensure_future(self.released.wait()))


async def close_at_each_place(
    make: Callable[[], Awaitable[Any]], call: Callable[[Any], Awaitable[object]]
) -> list[BaseException | None]:
    """Make a call again and again, and close its client at a later place each time, until the call needs no more.

    `make` returns the client; every other one is used by `async with`. Return how each call ended.
    """
    problems, ends = list[object](), list[BaseException | None]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    while True:
        before = asyncio.all_tasks()
        async with AsyncExitStack() as stack:
            client = await make()
            if len(ends) % 2:
                await stack.enter_async_context(client)
            calling = await _close_at(len(ends) + 1, client, call)
        if calling is None:
            return ends
        ends.append(calling.exception())
        await _all_ended(before)
        gc.collect()
        assert problems == [], "nothing was left to itself"


async def _close_at(
    place: int, client: Any, call: Callable[[Any], Awaitable[object]]
) -> "asyncio.Future[object] | None":
    """Make a call, and close its client at a place; return None if the call has ended before."""
    ledger = _HeldLedger(place)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(opened, "open_ledger", ledger.open)
        calling = asyncio.create_task(_made(call, client))
        await until(lambda: ledger.is_reached or calling.done())
        closing = asyncio.create_task(client.close())
        for _ in range(TURNS):
            if closing.done() or calling.cancelling() or calling.done():
                break
            await asyncio.sleep(0.01)
        ledger.released.set()
        await asyncio.wait([calling, closing])
        await closing
    return calling if ledger.is_reached else None


async def _made(call: Callable[[Any], Awaitable[object]], client: Any) -> object:
    return await call(client)


async def _all_ended(before: set["asyncio.Task[Any]"]) -> None:
    await until(lambda: not asyncio.all_tasks() - before)
