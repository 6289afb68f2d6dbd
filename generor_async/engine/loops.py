"""One of something for each event loop: a client made at module level serves them all.

What was opened in a loop is closed when that loop ends. `asyncio.run`, and every other runner that ends a loop as the
documentation of asyncio asks for, closes the loop's asynchronous generators while it still runs: one of ours, which
does nothing else, closes the rest. Of a loop that was closed without that, what was opened in it is let go of when the
next one is opened, or as the process ends.
"""

import asyncio
import atexit
import contextlib
import os
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["OfLoop", "PerLoop"]


NO_LOOP = (
    "no event loop of asyncio runs here, and the async clients need one: under trio, use the blocking clients in"
    " threads (trio.to_thread.run_sync)"
)


class Closable(Protocol):
    """What is opened in an event loop, and belongs to it."""

    async def close(self) -> None:
        """Close it, in its loop."""
        ...

    def abandon(self) -> None:
        """Let go of what it holds, without a word: its loop is closed."""
        ...


class OfLoop:
    """Base of what has nothing to close, or nothing to let go of."""

    async def close(self) -> None:
        """Close it, in its loop."""

    def abandon(self) -> None:
        """Let go of what it holds."""


R = TypeVar("R", bound=Closable)


class PerLoop(Generic[R]):
    """Opens one at first use in each event loop, and closes it when that loop ends."""

    def __init__(self, open_one: Callable[[], R]) -> None:
        self._open = open_one
        self._opened: dict[asyncio.AbstractEventLoop, R] = {}

    def get(self) -> R:
        """Return the running loop's own, opened now if need be."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(NO_LOOP) from None
        return self._opened.get(loop) or self._open_in(loop)

    def known(self) -> R | None:
        """Return the running loop's own; None where none is open."""
        return self._opened.get(asyncio.get_running_loop())

    async def close(self) -> None:
        """Close the running loop's own; the next use opens another."""
        one = self._opened.pop(asyncio.get_running_loop(), None)
        if one is not None:
            await one.close()

    def abandon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let go of what was opened in a loop that is closed."""
        one = self._opened.pop(loop, None)
        if one is not None:
            one.abandon()

    def _open_in(self, loop: asyncio.AbstractEventLoop) -> R:
        _abandon_those(lambda other: other.is_closed())
        one = self._opened[loop] = self._open()
        end = _ends.get(loop)
        if end is None:
            end = _ends[loop] = _End(loop)
        end.holders.add(self)
        return one


class _End:
    """What is to be closed when an event loop ends."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.holders = weakref.WeakSet[PerLoop[Any]]()
        if loop not in _ending:
            self._watch = _until_the_end(loop, self.holders)
            with contextlib.suppress(StopIteration):  # it yields without having waited for anything
                self._watch.__anext__().send(None)


async def _until_the_end(
    loop: asyncio.AbstractEventLoop, holders: "weakref.WeakSet[PerLoop[Any]]"
) -> AsyncGenerator[None]:
    """Be an asynchronous generator of a loop, so that the loop's end ends it, and close what was opened there."""
    try:
        yield
    finally:
        _ending.add(loop)
        _ends.pop(loop, None)
        async with contextlib.AsyncExitStack() as stack:
            for holder in list(holders):
                stack.push_async_callback(holder.close)


_ends: dict[asyncio.AbstractEventLoop, _End] = {}
"""By the loops in which something may be open."""
_ending = weakref.WeakSet[asyncio.AbstractEventLoop]()
"""Loops whose generators were closed: what is opened in them now is left to the next loop."""
_of_parents: list[object] = []


def _abandon_those(gone: Callable[[asyncio.AbstractEventLoop], bool]) -> None:
    for loop in list(_ends):
        if gone(loop) and (end := _ends.pop(loop, None)) is not None:
            for holder in list(end.holders):
                holder.abandon(loop)


@atexit.register
def _abandon_all() -> None:
    """As the interpreter ends: nobody is there any more who could close anything."""
    _abandon_those(lambda loop: not loop.is_running())


def _start_afresh() -> None:
    """In a forked child: loops and connections are the parent's, and are not to be touched."""
    global _ends  # noqa: PLW0603 - the parent's is kept aside
    _of_parents.append(_ends)
    _ends = {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
