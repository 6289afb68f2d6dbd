"""One event loop, in one thread of the process, for all blocking clients: each holds a lease while it is open.

The loop runs from the first call of the first client until the last client is closed. A forked child starts its own.
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

    from generor_async.sync.calls import Call

__all__ = ["Lease", "Process", "process", "shown"]


WINDING_DOWN = 10.0
"""Seconds in which work whose client was closed may end by itself: a batch has something to write down."""


class Lease:
    """A client's time in the event loop: from its first call until it is closed."""

    def __init__(self, holder: "Process", client: Client) -> None:
        self.process = holder
        self.client = client
        self.calls: set[Call[Any]] = set()
        """Those under way, and perhaps one whose caller was interrupted as it ended."""
        self.closing = False
        self.ended = False
        self.drain = 0.0
        """For how many seconds calls under way may go on once the client is being closed."""
        self._left, self.loop, self._leave = holder.enter(self)

    def end(self, drain: float = 0.0) -> None:
        """Have the client closed, wait for that and for the end of its calls, and give the lease back."""
        self.drain = drain
        self.drop()
        try:
            self._left.result()
            with self.process.changed:
                self.closing = True
                if not self.process.changed.wait_for(self._is_idle, timeout=WINDING_DOWN):
                    for call in self.calls:
                        call.cut(self.loop)
                    self.process.changed.wait_for(self._is_idle)
        finally:
            self.process.sweep()

    def _is_idle(self) -> bool:
        return all(call.ended for call in self.calls)

    def drop(self) -> None:
        """Have the client closed, without waiting: the collector may want this, in whatever thread."""
        self.ended = True
        self.process.dropped.append(self)
        self.loop.call_soon_threadsafe(self._leave.set)


class Process:
    """What the blocking clients of one process have in common."""

    def __init__(self) -> None:
        # The lock is reentrant: the collector, or a signal's handler, may come in between with a call of its own.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        """Notified when a call of a client that is being closed has ended."""
        self.leases: set[Lease] = set()
        self.dropped: deque[Lease] = deque()
        """Leases that ended, and are still to be given back."""
        self.over = False
        """Whether the interpreter is ending: what was open has been closed, and nothing is opened any more."""
        self._portals: BlockingPortalProvider | None = None
        self._thread: int | None = None

    def refuse_own_thread(self) -> None:
        """Raise RuntimeError in the loop's own thread, where a blocking call would wait for itself."""
        if threading.get_ident() == self._thread:
            raise RuntimeError(
                "a callback of a blocking client, such as on_event or on_progress, cannot make a blocking call: it runs"
                " in the thread that would carry it out"
            )

    def enter(self, lease: Lease) -> "tuple[Future[None], asyncio.AbstractEventLoop, asyncio.Event]":
        """Let a client into the loop, which is started for the first one."""
        # The async clients do without anyio, whose import takes long enough to be noticed.
        from anyio.from_thread import BlockingPortalProvider  # noqa: PLC0415

        self.sweep()
        if self._portals is None:
            self._portals = BlockingPortalProvider()
        portal = self._portals.__enter__()
        leave = asyncio.Event()
        try:
            left, (loop, self._thread) = portal.start_task(_live, lease, leave)
        except BaseException:  # interrupted, and perhaps it is in the loop by now
            portal.start_task_soon(leave.set)
            self._portals.__exit__(None, None, None)
            raise
        self.leases.add(lease)
        return left, loop, leave

    def sweep(self) -> None:
        """Give back the leases that ended; the loop ends with the last one."""
        with self.changed:
            while self.dropped:
                self.leases.discard(self.dropped.popleft())
                assert self._portals is not None
                self._portals.__exit__(None, None, None)
            if not self.leases:
                self._thread = None


async def _live(
    lease: Lease, leave: asyncio.Event, *, task_status: "TaskStatus[tuple[asyncio.AbstractEventLoop, int]]"
) -> None:
    """Be in the loop on a client's behalf, and close it at the end.

    In a forked child, this task is why the parent's connections are left alone: nothing frees what the frames of the
    parent's threads hold. To close them there would take them out of the selector that both share.
    """
    task_status.started((asyncio.get_running_loop(), threading.get_ident()))
    async with lease.client:
        await leave.wait()
        await lease.client.close(drain=lease.drain)


_process = Process()


def process() -> Process:
    """Return this process's own."""
    return _process


def _start_afresh() -> None:
    """In a forked child: the loop, its thread and the lock are the parent's."""
    global _process  # noqa: PLW0603 - one a process is the point
    _process = Process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)


@atexit.register
def _end_all() -> None:
    """As the interpreter ends: close what nobody closed, so that no thread is left in the loop."""
    _process.over = True
    unclosed = [lease for lease in _process.leases if not lease.ended]
    for lease in unclosed:
        lease.end()
    _process.sweep()
    for lease in unclosed:
        warnings.warn(f"unclosed {shown(lease.client)}", ResourceWarning, stacklevel=1, source=lease)


def shown(half: object) -> str:
    """Return the repr of an async object's blocking twin."""
    return repr(half).removeprefix("Async")
