"""A store of limits that is used in a thread, in memory: a test decides how long its server takes, and whether it is
there."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeVar

from support.stores import Memory

from generor_async.stores.limit_store import Decide, StoreError
from generor_async.values import Clock

__all__ = ["RemoteMemory"]

T = TypeVar("T")


class RemoteMemory(Memory):
    """A server's store; `hold` keeps its answers back."""

    remote = True

    def __init__(self, clock: Clock, rows: dict[str, tuple[float, str]] | None = None) -> None:
        super().__init__(clock, rows)
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Semaphore(0)
        """Released with each update that begins."""
        self.away = False
        self.threads: set[int] = set()
        """The threads in which it was used."""
        self._guard = threading.Lock()

    @contextmanager
    def hold(self) -> Generator[None]:
        """Let no update end before the block does."""
        self.answers.clear()
        try:
            yield
        finally:
            self.answers.set()

    def update(self, scope: str, decide: Decide[T]) -> T:
        self.threads.add(threading.get_ident())
        assert self._guard.acquire(blocking=False), "one update at a time"
        try:
            at, text = self.rows.get(scope, (None, None))
            if not self.away:
                decide(text, self._clock.read(at))  # what is decided upon may be out of date
            self.asked.release()
            self.answers.wait()
            if self.away:
                raise StoreError("the server is away")
            return super().update(scope, decide)
        finally:
            self._guard.release()
