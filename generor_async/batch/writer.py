"""One thread that writes: what many coroutines ask for at once goes into one transaction.

A commit costs a wait for the disk, whatever is in it. While one is under way, the work that arrives is gathered for the
next.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from generor_async.errors import JournalError, StaleRowError

__all__ = ["Writer"]

T = TypeVar("T")

ADVICE: Final = "Free some space or mend the disk, and run it again: what was committed is not lost"


class _Job:
    """Work for one transaction, and who waits for it."""

    __slots__ = ("error", "future", "result", "settled", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], future: "asyncio.Future[None]") -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None
        self.settled = False


class Writer:
    """Runs work on a connection in a thread of its own; belongs to the event loop that makes it."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        # A daemon: whoever forgets to close the journal is not kept from ending; what isn't committed never was.
        self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T], then: Callable[[T], None]) -> None:
        """Run work, and `then` with its result once it is committed.

        Work that raises StaleRowError must have written nothing. Whoever cancels this waits until the work is
        committed or has failed: `then` has been called if it is committed.
        """
        job = _Job(work, self._loop.create_future())
        self._jobs.put(job)
        cancelled: asyncio.CancelledError | None = None
        while not job.settled:
            try:
                await job.future
            except asyncio.CancelledError as error:
                cancelled = error
                job.future = self._loop.create_future()  # the one before was cancelled with its waiter
        if job.error is None:
            then(job.result)
        if cancelled is not None:
            raise cancelled
        if job.error is not None:
            raise job.error

    def close(self) -> None:
        """Commit what is under way, and end the thread; blocks meanwhile."""
        self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs, ends = [first], False
            while not (ends or self._jobs.empty()):
                job = self._jobs.get()
                if job is None:
                    ends = True
                else:
                    jobs.append(job)
            self._commit(jobs)
            try:
                self._loop.call_soon_threadsafe(_settle, jobs)
            except RuntimeError:  # the loop is closed, and nobody waits any more
                return
            if ends:
                return

    def _commit(self, jobs: list[_Job]) -> None:
        """Do all the work in one transaction; if that can't be committed, none of it is done."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                try:
                    job.result = job.work(connection)
                except StaleRowError as error:
                    job.error = error
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - it is raised again where it is waited for
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for job in jobs:
                job.error = self._told(error)

    def _told(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error):
            return JournalError(f"{self._path} cannot be written to ({error})", advice=ADVICE)
        return error


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        job.settled = True
        if not job.future.done():
            job.future.set_result(None)
