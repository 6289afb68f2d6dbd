"""The event loop of the blocking clients: one loop, in one thread, for all of a process.

It runs from the first call of the first client until the last client is closed: each open client holds a registration.
A forked child starts a loop of its own.

anyio runs the loop in its thread. The engine itself is without anyio: aiohttp runs on asyncio alone, and a call that is
cancelled has to end with what became of it, which anyio's cancellation, delivered again and again, doesn't allow.
"""

import asyncio
import atexit
import os
import threading
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

from generor_async.engine.client import Client

if TYPE_CHECKING:
    from concurrent.futures import Future

    from anyio.abc import TaskStatus
    from anyio.from_thread import BlockingPortalProvider

    from generor_async.sync.calls import BlockingCall

__all__ = ["ClientRegistration", "Process", "describe", "process"]


WINDING_DOWN = 10.0
"""Seconds in which calls of a closed client may end by themselves: a batch writes its journal."""


class ClientRegistration:
    """The registration of a client with the event loop, from its first call until it is closed."""

    def __init__(self, holder: "Process", client: Client) -> None:
        self.process = holder
        self.client = client
        self.calls: set[BlockingCall[Any]] = set()
        """The calls under way; it may hold one more, whose caller was interrupted as it ended."""
        self.closing = False
        self.ended = False
        self.drain = 0.0
        """Seconds in which calls may end by themselves when the client is closed."""
        self._left, self.loop, self._leave = holder.enter(self)

    def end(self, drain: float = 0.0) -> None:
        """Close the client, wait until it is closed and its calls have ended, and give the registration back."""
        self.drain = drain
        self.drop()
        try:
            self._left.result()
            with self.process.changed:
                self.closing = True
                if not self.process.changed.wait_for(self._is_idle, timeout=WINDING_DOWN):
                    for call in self.calls:
                        call.cancel(self.loop)
                    self.process.changed.wait_for(self._is_idle)
        finally:
            self.process.sweep()

    def _is_idle(self) -> bool:
        return all(call.ended for call in self.calls)

    def drop(self) -> None:
        """Close the client without waiting; the garbage collector calls this, in any thread."""
        self.ended = True
        self.process.dropped.append(self)
        self.loop.call_soon_threadsafe(self._leave.set)


class Process:
    """The state that the blocking clients of one process share."""

    def __init__(self) -> None:
        # The lock is reentrant: the garbage collector, or a signal handler, may make a call in between.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        """Notified when a call of a client that is being closed ends."""
        self.registrations: set[ClientRegistration] = set()
        self.dropped: deque[ClientRegistration] = deque()
        """Registrations that ended and are yet to be given back."""
        self.over = False
        """Whether the interpreter exits: all clients were closed, and none is opened any more."""
        self._portals: BlockingPortalProvider | None = None
        self._thread: int | None = None

    def refuse_own_thread(self) -> None:
        """Raise RuntimeError in the loop's own thread, where a blocking call would be a deadlock."""
        if threading.get_ident() == self._thread:
            raise RuntimeError(
                "a callback of a blocking client, such as on_event or on_progress, cannot make a blocking call: it runs"
                " in the thread that would carry it out"
            )

    def enter(
        self, registration: ClientRegistration
    ) -> "tuple[Future[None], asyncio.AbstractEventLoop, asyncio.Event]":
        """Register a client with the loop, which is started for the first one."""
        # Imported here, because the async clients don't need anyio, whose import takes noticeable time.
        from anyio.from_thread import BlockingPortalProvider  # noqa: PLC0415

        self.sweep()
        if self._portals is None:
            self._portals = BlockingPortalProvider()
        portal = self._portals.__enter__()
        leave = asyncio.Event()
        try:
            left, (loop, self._thread) = portal.start_task(_hold_open, registration, leave)
        except BaseException:  # interrupted; the task may have started
            portal.start_task_soon(leave.set)
            self._portals.__exit__(None, None, None)
            raise
        self.registrations.add(registration)
        return left, loop, leave

    def sweep(self) -> None:
        """Give back the registrations that ended; the loop ends with the last one."""
        with self.changed:
            while self.dropped:
                self.registrations.discard(self.dropped.popleft())
                assert self._portals is not None
                self._portals.__exit__(None, None, None)
            if not self.registrations:
                self._thread = None


async def _hold_open(
    registration: ClientRegistration,
    leave: asyncio.Event,
    *,
    task_status: "TaskStatus[tuple[asyncio.AbstractEventLoop, int]]",
) -> None:
    """Hold a client open in the loop, and close it at the end.

    In a forked child, the frame of this task keeps the parent's connections from being freed: to close them there would
    remove them from the selector that both processes share.
    """
    task_status.started((asyncio.get_running_loop(), threading.get_ident()))
    async with registration.client:
        await leave.wait()
        await registration.client.close(drain=registration.drain)


_process = Process()


def process() -> Process:
    """Return the state of this process."""
    return _process


def _reset_after_fork() -> None:
    """Start with a new state in a forked child: the loop, its thread and the lock are the parent's."""
    global _process  # noqa: PLW0603 - it is one for each process
    _process = Process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


@atexit.register
def _close_all() -> None:
    """Close all open clients when the interpreter exits, so that the loop's thread ends."""
    _process.over = True
    unclosed = [registration for registration in _process.registrations if not registration.ended]
    for registration in unclosed:
        registration.end()
    _process.sweep()
    for registration in unclosed:
        warnings.warn(f"unclosed {describe(registration.client)}", ResourceWarning, stacklevel=1, source=registration)


def describe(impl: object) -> str:
    """Return the repr of the blocking proxy of an async object."""
    return repr(impl).removeprefix("Async")
