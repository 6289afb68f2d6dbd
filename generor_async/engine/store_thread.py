"""One thread in which a store on a server is used, so that no event loop waits for the network."""

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, TypeVar

__all__ = ["StoreThread"]

T = TypeVar("T")


class StoreThread(Executor):
    """Does one piece of work after the other. It starts with the first, and ends with this object.

    It is a daemon: a server that does not answer keeps no process from ending.
    """

    def __init__(self) -> None:
        self._work = SimpleQueue[Callable[[], None] | None]()
        self._started = False
        self._lock = threading.Lock()
        weakref.finalize(self, self._work.put, None).atexit = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Have a function called in the thread; return the future of its result."""
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=_run, args=(self._work,), name="generor_async limits", daemon=True).start()
        future = Future[T]()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 - whoever waits for the future gets it
                    future.set_exception(error)

        self._work.put(work)
        return future


def _run(queue: "SimpleQueue[Callable[[], None] | None]") -> None:
    while (work := queue.get()) is not None:
        work()
        del work  # it holds the object whose end ends the thread
