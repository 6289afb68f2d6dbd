"""Objects that belong to one event loop, such as an aiohttp session: a client at module level serves many loops.

An object is closed when its loop ends. Before it closes a loop, `asyncio.run` (and every runner that follows asyncio's
documentation) shuts down the loop's asynchronous generators: one of them closes the objects of the loop. If a loop was
closed without that, its objects are abandoned when the next one is opened, or when the process exits.
"""

import asyncio
import atexit
import contextlib
import os
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any, Generic, Protocol, TypeVar, TypeVarTuple, Unpack

__all__ = ["LoopBound", "PerLoop", "call_in"]

Ts = TypeVarTuple("Ts")

NO_LOOP = (
    "no event loop of asyncio runs here, and the async clients need one: under trio, use the blocking clients in"
    " threads (trio.to_thread.run_sync)"
)


class Closable(Protocol):
    """An object that is opened in an event loop and belongs to it."""

    async def close(self) -> None:
        """Close the object, in its loop."""
        ...

    def abandon(self) -> None:
        """Release what the object holds, without warnings: its loop is closed."""
        ...


class LoopBound:
    """Base class of objects that need not be closed, or need not be abandoned."""

    async def close(self) -> None:
        """Close the object, in its loop."""

    def abandon(self) -> None:
        """Release what the object holds."""


R = TypeVar("R", bound=Closable)


def call_in(loop: asyncio.AbstractEventLoop, call: Callable[[Unpack[Ts]], object], *args: *Ts) -> bool:
    """Call a function in an event loop: at once if that loop is running here. Return False where the loop is closed."""
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is loop:
        call(*args)
        return True
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        return False
    return True


class PerLoop(Generic[R]):
    """Opens an object at its first use in each event loop, and closes it when that loop ends."""

    def __init__(self, open_one: Callable[[], R]) -> None:
        self._open = open_one
        self._opened: dict[asyncio.AbstractEventLoop, R] = {}

    def get(self) -> R:
        """Return the object of the running loop; open it if there is none."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(NO_LOOP) from None
        return self._opened.get(loop) or self._open_in(loop)

    def opened(self) -> R | None:
        """Return the object of the running loop; None where none is open."""
        return self._opened.get(asyncio.get_running_loop())

    async def close(self) -> None:
        """Close the object of the running loop; the next use opens another one."""
        one = self._opened.pop(asyncio.get_running_loop(), None)
        if one is not None:
            await one.close()

    def abandon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Abandon the object of a loop that is closed."""
        one = self._opened.pop(loop, None)
        if one is not None:
            one.abandon()

    def _open_in(self, loop: asyncio.AbstractEventLoop) -> R:
        _abandon_loops(lambda other: other.is_closed())
        one = self._opened[loop] = self._open()
        end = _loop_ends.get(loop)
        if end is None:
            end = _loop_ends[loop] = _LoopEnd(loop)
        end.holders.add(self)
        return one


class _LoopEnd:
    """The objects to close when an event loop ends."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.holders = weakref.WeakSet[PerLoop[Any]]()
        if loop not in _shut_down:
            self._generator = _close_at_end(loop, self.holders)
            with contextlib.suppress(StopIteration):  # it yields without having waited for anything
                self._generator.__anext__().send(None)


async def _close_at_end(
    loop: asyncio.AbstractEventLoop, holders: "weakref.WeakSet[PerLoop[Any]]"
) -> AsyncGenerator[None]:
    """Wait for the loop's end, as one of its asynchronous generators, and close what was opened in it."""
    try:
        yield
    finally:
        _shut_down.add(loop)
        _loop_ends.pop(loop, None)
        async with contextlib.AsyncExitStack() as stack:
            for holder in list(holders):
                stack.push_async_callback(holder.close)


_loop_ends: dict[asyncio.AbstractEventLoop, _LoopEnd] = {}
"""The loops in which something may be open."""
_shut_down = weakref.WeakSet[asyncio.AbstractEventLoop]()
"""Loops whose generators were shut down: what is opened in them now is abandoned later."""
_before_fork: list[object] = []


def _abandon_loops(gone: Callable[[asyncio.AbstractEventLoop], bool]) -> None:
    for loop in list(_loop_ends):
        if gone(loop) and (end := _loop_ends.pop(loop, None)) is not None:
            for holder in list(end.holders):
                holder.abandon(loop)


@atexit.register
def _abandon_all() -> None:
    """Abandon everything when the interpreter exits: no running loop is left that could close it."""
    _abandon_loops(lambda loop: not loop.is_running())


def _reset_after_fork() -> None:
    """Forget all loops in a forked child: they and their connections belong to the parent."""
    global _loop_ends  # noqa: PLW0603 - the parent's stays referenced
    _before_fork.append(_loop_ends)
    _loop_ends = {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
