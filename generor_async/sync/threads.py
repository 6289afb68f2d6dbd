"""What a blocking call has to know of the thread that it is made in."""

import _thread
import asyncio
import sys
import threading
import warnings
from collections.abc import Callable
from typing import TypeVar

from generor_async.engine.callers import caller_stacklevel

__all__ = ["aside", "wait_for", "warn_of_a_running_loop"]

T = TypeVar("T")

PATIENCE = 0.1 if sys.platform == "win32" else -1.0
"""Seconds for which a lock is waited for at a time; -1 has no end. On Windows, Ctrl-C comes only in between."""
ADVICE = (
    "a blocking call of generor_async stops the event loop that runs in this thread until it has ended: use"
    " AsyncGeneror or AsyncLuma there, or make the call in another thread, with asyncio.to_thread()"
)

_warned = False


def wait_for(over: threading.Lock) -> None:
    """Wait until another thread has released a lock."""
    while not over.acquire(timeout=PATIENCE):
        pass


def aside(work: Callable[[], T]) -> T:
    """Do something in another thread and wait for it; what a signal's handler raises here doesn't stop it there."""
    results: list[T] = []
    errors: list[BaseException] = []
    over = threading.Lock()
    over.acquire()

    def do() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is for whoever waits
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


def warn_of_a_running_loop() -> None:
    """Warn once where a call stops an event loop; a notebook's kernel runs its cells in one, and has no other way."""
    global _warned  # noqa: PLW0603 - once a process is the point
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
