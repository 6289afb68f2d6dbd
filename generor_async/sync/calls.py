"""One blocking call: its work goes into the event loop, and its caller waits for it, or is interrupted."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from generor_async.errors import ClientClosedError
from generor_async.sync.leases import Lease
from generor_async.sync.threads import wait_for

__all__ = ["Call"]

T = TypeVar("T")


class Call(Generic[T]):
    """One piece of work, under way in the event loop while its caller waits.

    It goes into the loop by `call_soon_threadsafe`, and its end is told by a lock: less than anyio's portal does for a
    call, which takes several futures and turns of the loop.
    """

    __slots__ = ("_error", "_over", "_result", "_task", "_work", "cut_off", "ended", "lease")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.lease: Lease | None = None
        """On which it was let into the event loop."""
        self.ended = False
        """Whether nothing more comes of it: it is done, or was given up before it was let in."""
        self.cut_off = False
        """Whether it was cancelled because its client was closed."""
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._result: T
        self._error: BaseException | None = None
        self._over = threading.Lock()
        self._over.acquire()

    def carry_out(self, lease: Lease) -> None:
        """Have the work done, in a copy of the caller's context, and wait for its end."""
        lease.loop.call_soon_threadsafe(self._begin, lease.loop, context=copy_context())
        wait_for(self._over)

    def result(self) -> T:
        """Return what the work returned, or raise what it raised."""
        error, self._error, self._task = self._error, None, None
        if error is None:
            result = self._result
            del self._result  # a task that this call began may hold it for long
            return result
        if self.cut_off and isinstance(error, asyncio.CancelledError):
            error = ClientClosedError("the client was closed during the call", retryable=False)
        try:
            raise error
        finally:
            del error  # its traceback holds this frame

    def cut(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the work, because its client was closed; its caller gets to know."""
        self.cut_off = True
        loop.call_soon_threadsafe(self._cancel, loop)

    def stop(self, interruption: BaseException) -> None:
        """Cancel the work, wait for that to end, and let the interruption say what became of it.

        Interrupted again meanwhile, the work is cancelled once more: it may have been waiting for what is paid for.
        """
        if self.lease is None:
            self._work.close()
            return
        while not self.ended:
            try:
                self._cancel_and_wait(self.lease.loop)
            except BaseException:  # noqa: BLE001 - it is as good as the first one, which is raised
                if self.lease.loop.is_closed():
                    self._lose()
        for line in self._fate():
            interruption.add_note(line)
        self._error = self._task = None

    def _cancel_and_wait(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self._cancel, loop)
        wait_for(self._over)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._carry())

    async def _carry(self) -> None:
        try:
            self._result = await self._work
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is for the caller
            self._error = error
        self._end()

    def _end(self) -> None:
        self.ended = True
        self._over.release()

    def _cancel(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._task is not None:
            # Not at once: a task that is cancelled before its first step would never tell its end.
            loop.call_soon(self._task.cancel)
        elif not self.ended:  # it was interrupted on its way here
            self._work.close()
            self._error = asyncio.CancelledError()
            self._end()

    def _lose(self) -> None:
        """Note that nothing comes of it any more: its loop was closed before it got there."""
        self.ended = True
        if self._task is None:
            self._work.close()
        self._error = self._error or asyncio.CancelledError()

    def _fate(self) -> Iterator[str]:
        error = self._error
        if error is None:
            yield f"the call had finished: {self._result!r:.300}"
        elif not isinstance(error, asyncio.CancelledError):
            yield f"the call had failed: {type(error).__name__}: {error}"
        else:
            yield from getattr(error, "__notes__", ["the call was cancelled when no request of it was under way"])
