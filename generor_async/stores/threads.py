"""Runs blocking work in threads."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

__all__ = ["SingleFlight", "finished", "run_to_completion"]

T = TypeVar("T")


class SingleFlight:
    """Blocking work that runs in a thread, never twice at the same time."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._running: asyncio.Future[object] | None = None

    def start(self) -> None:
        """Start the work, unless it is running; raises what the last run raised."""
        if self._running is not None:
            if not self._running.done():
                return
            self._running.result()
        self._running = asyncio.ensure_future(asyncio.to_thread(self._work))

    async def end(self) -> None:
        """Wait until it isn't running; raises what the last run raised."""
        if self._running is not None:
            running, self._running = self._running, None
            await finished(running)


async def run_to_completion(work: Callable[[], T]) -> T:
    """Run blocking work in a thread, and return its result; when cancelled, wait for its end first.

    Work on an open file must have ended before the file is closed, since its descriptor may be reused at once.
    """
    return await finished(asyncio.ensure_future(asyncio.to_thread(work)))


async def finished(running: "asyncio.Future[T]") -> T:
    """Return the result of a future; when cancelled, wait for its end first."""
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
