"""One thread that writes: what many coroutines ask for at once goes into one transaction.

A commit costs a wait for the disk, whatever is in it. While one is under way, the work that arrives is gathered for the
next.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any, Final, Generic, TypeAlias, TypeVar

from generor_async.errors import JournalError

__all__ = ["Do", "Job", "Work", "Writer"]

T = TypeVar("T")
Do: TypeAlias = Callable[[sqlite3.Connection, Sequence[Any]], None]
"""Does jobs, all of them its own, in the writer's thread; sets the `error` of one of which it wrote nothing."""

ADVICE: Final = "Free some space or mend the disk, and run it again: what was committed is not lost"


class Job:
    """Something to do in a transaction, for somebody who waits for it.

    Jobs that wait for the same commit are done in no order. Those that name the same `do` are handed to it together.
    """

    __slots__ = ("do", "error")

    def __init__(self, do: Do) -> None:
        self.do = do
        self.error: Exception | None = None

    def committed(self) -> None:
        """Take note, in the event loop's thread, that it is committed."""
        raise NotImplementedError


class Work(Job, Generic[T]):
    """A function to run on the connection, and another to be told what it returned, once that is committed."""

    __slots__ = ("_result", "_then", "_work")

    def __init__(self, work: Callable[[sqlite3.Connection], T], then: Callable[[T], None]) -> None:
        super().__init__(self._run)
        self._work = work
        self._then = then

    def _run(self, connection: sqlite3.Connection, _: Sequence[Job]) -> None:
        self._result = self._work(connection)

    def committed(self) -> None:
        """Tell what it returned."""
        self._then(self._result)


class Writer:
    """Runs jobs on a connection in a thread of its own; belongs to the event loop that makes it.

    One transaction is under way at a time.
    """

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._thread = _Thread(self._loop)
        self._next = _Commit(loop=self._loop)
        self._busy = False

    async def run(self, job: Job) -> None:
        """Do a job, and return when it is committed.

        Whoever cancels this waits until the job is committed or has failed; `committed` was called if it is.
        """
        commit = self._next
        commit.jobs.append(job)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._hand_over)  # with what else is asked for in this turn
        await commit
        if job.error is not None:
            raise job.error

    def close(self) -> None:
        """Commit what is under way, and end the thread; blocks meanwhile."""
        self._thread.end()

    def _hand_over(self, _: object = None) -> None:
        """Have the thread do what was gathered: those who waited for the last were woken before, and have asked."""
        commit = self._next
        if not commit.jobs:
            self._busy = False
            return
        self._next = _Commit(loop=self._loop)
        self._loop.run_in_executor(self._thread, self._commit, commit).add_done_callback(self._hand_over)

    def _commit(self, commit: "_Commit") -> None:
        """Do all the work in one transaction; if that can't be committed, none of it is done."""
        connection, jobs = self._connection, commit.jobs
        alike: dict[Do, list[Job]] = {}
        for job in jobs:
            alike.setdefault(job.do, []).append(job)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for do, some in alike.items():
                do(connection, some)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - it is raised again where it is waited for
            for job in jobs:
                job.error = self._told(error)
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # of a disk that takes not even that, the next BEGIN tells
                    connection.execute("ROLLBACK")

    def _told(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error):
            return JournalError(f"{self._path} cannot be written to ({error})", advice=ADVICE)
        return error


class _Thread(Executor):
    """An executor of one thread, whose futures are the event loop's own and not `concurrent.futures`'.

    Work in an executor is what a loop knows that it waits for, also where it keeps a time of its own. Those of the
    standard library cost as much as a commit of a few rows.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._given: queue.SimpleQueue[tuple[Callable[[_Commit], None], _Commit] | None] = queue.SimpleQueue()
        # A daemon: whoever forgets to close the journal is not kept from ending; what isn't committed never was.
        self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)
        self._thread.start()

    def submit(  # type: ignore[override]  # of what an executor can do, a loop asks for this alone
        self, work: Callable[["_Commit"], None], commit: "_Commit"
    ) -> "_Commit":
        """Do work for a commit, and return the commit: it is the future."""
        self._given.put((work, commit))
        return commit

    def end(self) -> None:
        """Do what was handed in, and end; blocks meanwhile."""
        self._given.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while given := self._given.get():
            work, commit = given
            work(commit)
            try:
                self._loop.call_soon_threadsafe(commit.tell)
            except RuntimeError:  # the loop is closed, and nobody waits any more
                return


class _Commit(asyncio.Future[None]):
    """A transaction that many wait for. A task that is cancelled waits on, and is cancelled when it is over."""

    def __init__(self, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.jobs: list[Job] = []

    def tell(self) -> None:
        """Take note that it is over, and wake those who wait."""
        for job in self.jobs:
            if job.error is None:
                job.committed()
        self.set_result(None)

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - asyncio gives it
        """Refuse: it is not of one waiter alone, and what is handed over can't be called back."""
        return False
