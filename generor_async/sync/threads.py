"""Helpers of blocking calls: waiting for a lock, and a warning inside of a running event loop."""

import _thread
import asyncio
import sys
import threading
import warnings
from collections.abc import Callable
from typing import TypeVar

from generor_async.engine.stacklevel import caller_stacklevel

__all__ = ["run_in_thread", "wait_for", "warn_in_running_loop"]

T = TypeVar("T")

LOCK_TIMEOUT = 0.1 if sys.platform == "win32" else -1.0
"""Seconds of each wait for a lock; -1 is unlimited. On Windows, Ctrl-C is handled only between two waits."""
ADVICE = (
    "a blocking call of generor_async stops the event loop that runs in this thread until it has ended: use"
    " AsyncGeneror or AsyncLuma there, or make the call in another thread, with asyncio.to_thread()"
)

_warned = False


def wait_for(over: threading.Lock) -> None:
    """Wait until another thread has released a lock."""
    while not over.acquire(timeout=LOCK_TIMEOUT):
        pass


def run_in_thread(work: Callable[[], T]) -> T:
    """Run a function in another thread, and wait for it; an exception of a signal handler doesn't interrupt it."""
    results: list[T] = []
    errors: list[BaseException] = []
    over = threading.Lock()
    over.acquire()

    def do() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised in the waiting thread
            errors.append(error)
        finally:
            over.release()

    # Not by `Thread.start`: it waits by a Condition, which turns an interrupt into a RuntimeError, and a Thread has a
    # finalizer, in which Python loses one.
    _thread.start_new_thread(do, ())
    wait_for(over)
    if errors:
        raise errors.pop()
    return results.pop()


def warn_in_running_loop() -> None:
    """Warn once where a blocking call is made inside of a running event loop, except in the kernel of a notebook."""
    global _warned  # noqa: PLW0603 - it is for the whole process
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if not _warned and not _is_kernel():
        _warned = True
        warnings.warn(ADVICE, RuntimeWarning, stacklevel=caller_stacklevel())


def _is_kernel() -> bool:
    """Tell whether this is the process of an IPython kernel."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
