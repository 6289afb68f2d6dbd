"""One blocking call: a coroutine that runs in the event loop while the caller's thread waits for it."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextvars import copy_context
from typing import Any, Generic, TypeVar

from generor_async.errors import ClientClosedError
from generor_async.sync.registrations import ClientRegistration
from generor_async.sync.threads import wait_for

__all__ = ["BlockingCall"]

T = TypeVar("T")


class BlockingCall(Generic[T]):
    """A coroutine that runs in the event loop while its caller waits.

    It is started by `call_soon_threadsafe`, and a lock is released at its end. That is cheaper than a call of anyio's
    portal, which takes several futures and iterations of the loop.
    """

    __slots__ = ("_error", "_over", "_result", "_task", "_work", "cancelled", "ended", "registration")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.registration: ClientRegistration | None = None
        """The registration of its client with the event loop; None before it was admitted."""
        self.ended = False
        """Whether it has ended, or was interrupted before it was admitted."""
        self.cancelled = False
        """Whether it was cancelled because its client was closed."""
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._result: T
        self._error: BaseException | None = None
        self._over = threading.Lock()
        self._over.acquire()

    def run(self, registration: ClientRegistration) -> None:
        """Run the coroutine in a copy of the caller's context, and wait for its end."""
        registration.loop.call_soon_threadsafe(self._begin, registration.loop, context=copy_context())
        wait_for(self._over)

    def result(self) -> T:
        """Return the coroutine's result, or raise its error."""
        error, self._error, self._task = self._error, None, None
        if error is None:
            result = self._result
            del self._result  # a task that this call started may keep this object alive
            return result
        if self.cancelled and isinstance(error, asyncio.CancelledError):
            error = ClientClosedError("the client was closed during the call", retryable=False)
        try:
            raise error
        finally:
            del error  # its traceback holds this frame

    def cancel(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel the coroutine because its client was closed; the caller gets a ClientClosedError."""
        self.cancelled = True
        loop.call_soon_threadsafe(self._cancel, loop)

    def stop(self, interruption: BaseException) -> None:
        """Cancel the coroutine, wait for its end, and add notes to the interruption that say what became of the call.

        A second interruption cancels it again: it may still wait for something that was paid for.
        """
        if self.registration is None:
            self._work.close()
            return
        while not self.ended:
            try:
                self._cancel_and_wait(self.registration.loop)
            except BaseException:  # noqa: BLE001 - the first interruption is raised
                if self.registration.loop.is_closed():
                    self._mark_lost()
        for line in self._notes():
            interruption.add_note(line)
        self._error = self._task = None

    def _cancel_and_wait(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self._cancel, loop)
        wait_for(self._over)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._task = loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            self._result = await self._work
        except BaseException as error:  # noqa: BLE001 - it is raised in the caller's thread
            self._error = error
        self._end()

    def _end(self) -> None:
        self.ended = True
        self._over.release()

    def _cancel(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._task is not None:
            # In the next iteration: a task that is cancelled before its first step never runs its code.
            loop.call_soon(self._task.cancel)
        elif not self.ended:  # the caller was interrupted before the coroutine started
            self._work.close()
            self._error = asyncio.CancelledError()
            self._end()

    def _mark_lost(self) -> None:
        """Record that the coroutine never ended, because its loop was closed."""
        self.ended = True
        if self._task is None:
            self._work.close()
        self._error = self._error or asyncio.CancelledError()

    def _notes(self) -> Iterator[str]:
        error = self._error
        if error is None:
            yield f"the call had finished: {self._result!r:.300}"
        elif not isinstance(error, asyncio.CancelledError):
            yield f"the call had failed: {type(error).__name__}: {error}"
        else:
            yield from getattr(error, "__notes__", ["the call was cancelled when no request of it was under way"])
