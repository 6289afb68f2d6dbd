"""Blocking work beside the event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

__all__ = ["to_the_end"]

T = TypeVar("T")


async def to_the_end(work: Callable[[], T]) -> T:
    """Run blocking work in a thread; whoever cancels it waits until it has ended.

    Work on an open file must have ended before the file is closed: its number may be another file's the moment after.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
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
