"""One thread that writes: what many coroutines ask for at once goes into one transaction.

A commit costs a wait for the disk, whatever is in it. While one is under way, the work that arrives is gathered for the
next.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from generor_async.errors import JournalError, StaleRowError

__all__ = ["Job", "Work", "Writer"]

T = TypeVar("T")

ADVICE: Final = "Free some space or mend the disk, and run it again: what was committed is not lost"


class Job:
    """Something to do in a transaction, and who waits for it."""

    __slots__ = ("error", "future", "settled")

    future: "asyncio.Future[None]"

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.settled = False

    def do(self, connection: sqlite3.Connection) -> None:
        """Do it, in the writer's thread; if this raises StaleRowError, it must have written nothing."""
        raise NotImplementedError

    def committed(self) -> None:
        """Take note, in the event loop's thread, that it is committed."""
        raise NotImplementedError


class Work(Job, Generic[T]):
    """A function to run on the connection, and another to be told what it returned, once that is committed."""

    __slots__ = ("_result", "_then", "_work")

    def __init__(self, work: Callable[[sqlite3.Connection], T], then: Callable[[T], None]) -> None:
        super().__init__()
        self._work = work
        self._then = then

    def do(self, connection: sqlite3.Connection) -> None:
        """Run the function."""
        self._result = self._work(connection)

    def committed(self) -> None:
        """Tell what it returned."""
        self._then(self._result)


class Writer:
    """Runs jobs on a connection in a thread of its own; belongs to the event loop that makes it."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        # A daemon: whoever forgets to close the journal is not kept from ending; what isn't committed never was.
        self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)
        self._thread.start()

    async def run(self, job: Job) -> None:
        """Do a job, and return when it is committed.

        Whoever cancels this waits until the job is committed or has failed; `committed` was called if it is.
        """
        job.future = self._loop.create_future()
        self._jobs.put(job)
        try:
            await job.future
        except asyncio.CancelledError:
            await self._settled(job)
            if job.error is None:
                job.committed()
            raise
        if job.error is not None:
            raise job.error
        job.committed()

    async def _settled(self, job: Job) -> None:
        while not job.settled:
            job.future = self._loop.create_future()  # the one before was cancelled with its waiter
            with contextlib.suppress(asyncio.CancelledError):
                await job.future

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

    def _commit(self, jobs: list[Job]) -> None:
        """Do all the work in one transaction; if that can't be committed, none of it is done."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                try:
                    job.do(connection)
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


def _settle(jobs: list[Job]) -> None:
    for job in jobs:
        job.settled = True
        if not job.future.done():
            job.future.set_result(None)
