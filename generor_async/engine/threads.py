"""Blocking work beside the event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

__all__ = ["Beside", "to_the_end"]

T = TypeVar("T")


class Beside:
    """One piece of blocking work, done in a thread as often as it is asked for, never twice at a time."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._running: asyncio.Future[object] | None = None

    def start(self) -> None:
        """Do it, unless it is being done; raises what it raised the last time."""
        if self._running is not None:
            if not self._running.done():
                return
            self._running.result()
        self._running = asyncio.ensure_future(asyncio.to_thread(self._work))

    async def end(self) -> None:
        """Wait until it is not being done any more; raises what it raised."""
        if self._running is not None:
            running, self._running = self._running, None
            await _ended(running)


async def to_the_end(work: Callable[[], T]) -> T:
    """Run blocking work in a thread; whoever cancels it waits until it has ended.

    Work on an open file must have ended before the file is closed: its number may be another file's the moment after.
    """
    return await _ended(asyncio.ensure_future(asyncio.to_thread(work)))


async def _ended(running: "asyncio.Future[T]") -> T:
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        running.exception()  # nobody else will ask for it
        raise cancelled
    return running.result()
