"""One thread that writes: what many coroutines ask for at once goes into one transaction.

A commit costs a wait for the disk, whatever is in it. While one is under way, the work that arrives is gathered for the
next.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import Context, copy_context
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from generor_async.batch.sqlite.errors import journal_error

__all__ = ["Commit", "TransactionPart", "Writer"]

T = TypeVar("T")


class TransactionPart(Protocol):
    """Part of a transaction."""

    def execute(self, connection: sqlite3.Connection) -> None:
        """Do it, in the writer's thread; an error fails the whole transaction."""
        ...

    def after_commit(self) -> None:
        """Follow the commit, in the writer's thread, before anybody is told; raises nothing."""
        ...

    def finish(self) -> None:
        """Take note that it is committed, in the event loop's thread.

        Called again after an interruption, of it or of another: what is done isn't done twice.
        """
        ...


class Writer:
    """Does work on a connection in a thread of its own; belongs to the event loop that makes it.

    One transaction is under way at a time.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._thread = _WriterThread(self._loop)
        self._next = Commit(path, loop=self._loop)
        self._busy = False

    def next_commit(self) -> "Commit":
        """Return the next commit, for a part to be added to it at once."""
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._submit_next)  # with what else is asked for in this turn
        return self._next

    async def run(self, work: Callable[[sqlite3.Connection], T], then: Callable[[T], object]) -> None:
        """Run a function on the connection, and tell another what it returned once that is committed.

        Whoever cancels this waits until it is committed or has failed; `then` was called if it is.
        """
        commit, once = self.next_commit(), _FunctionPart(work, then)
        commit.parts[once] = once
        await commit
        if commit.error is not None:
            raise commit.failure()

    def close(self) -> None:
        """Commit what is under way, and end the thread; blocks meanwhile."""
        self._thread.join()

    def _submit_next(self, _: object = None) -> None:
        """Have the thread do what was gathered: those who waited for the last were woken before, and have asked."""
        commit = self._next
        if not commit.parts:
            self._busy = False
            return
        self._next = Commit(self._path, loop=self._loop)
        self._loop.run_in_executor(self._thread, self._commit, commit).add_done_callback(self._submit_next)

    def _commit(self, commit: "Commit") -> None:
        """Do all parts in one transaction; if that can't be committed, none of it is done."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for part in commit.parts.values():
                part.execute(connection)
            connection.execute("COMMIT")
            for part in commit.parts.values():
                part.after_commit()
        except Exception as error:  # noqa: BLE001 - it is raised again where it is waited for
            commit.error = error
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # of a disk that takes not even that, the next BEGIN tells
                    connection.execute("ROLLBACK")


class Commit(asyncio.Future[None]):
    """A transaction that many wait for. A task that is cancelled waits on, and is cancelled when it is over.

    Whoever awaits it looks for an `error` afterwards: it raises nothing by itself.
    """

    def __init__(self, path: Path, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._path = path
        self.parts: dict[Hashable, TransactionPart] = {}
        """What it consists of, done in no order; the key is its owner's."""
        self.error: Exception | None = None
        """Why nothing of it was done."""
        self._calls: list[Callable[[Commit], object]] = []
        self._contexts: list[Context] = []

    def failure(self) -> Exception:
        """Return what to raise where there is an `error`."""
        assert self.error is not None
        if isinstance(self.error, sqlite3.Error):
            return journal_error("written to", self._path, self.error)
        return self.error

    def add_done_callback(self, fn: "Callable[[Commit], object]", /, *, context: Context | None = None) -> None:
        """Have something called when it is over; nobody asks for that of one that is, as `await` needs no call then."""
        self._calls.append(fn)
        self._contexts.append(copy_context() if context is None else context)

    def complete(self) -> None:
        """Take note that it is over, and go on at once with all that wait: each on its own would cost a fifth more."""
        self.set_result(None)
        self._resume_waiters(zip(self._calls, self._contexts, strict=True))

    def _resume_waiters(self, waiting: "Iterator[tuple[Callable[[Commit], object], Context]]") -> None:
        through = False
        try:
            if self.error is None:
                for part in self.parts.values():
                    part.finish()
            for call, context in waiting:
                context.run(call, self)
            through = True
        finally:
            if not through:  # one was interrupted, the others were not
                self.get_loop().call_soon(self._resume_waiters, waiting)

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - asyncio gives it
        """Refuse: it is not of one waiter alone, and what is handed over can't be called back."""
        return False


class _FunctionPart(Generic[T]):
    """A function on the connection, and another that is told what it returned."""

    def __init__(self, work: Callable[[sqlite3.Connection], T], then: Callable[[T], object]) -> None:
        self._work = work
        self._then = then
        self._results: list[T] = []

    def execute(self, connection: sqlite3.Connection) -> None:
        self._results.append(self._work(connection))

    def after_commit(self) -> None:
        pass

    def finish(self) -> None:
        while self._results:
            self._then(self._results.pop())


class _WriterThread(Executor):
    """An executor of one thread, whose futures are the event loop's own and not `concurrent.futures`'.

    Work in an executor is what a loop knows that it waits for, also where it keeps a time of its own. Those of the
    standard library cost as much as a commit of a few rows.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: queue.SimpleQueue[tuple[Callable[[Commit], None], Commit] | None] = queue.SimpleQueue()
        # A daemon: whoever forgets to close the journal is not kept from ending; what isn't committed never was.
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def submit(  # type: ignore[override]  # of what an executor can do, a loop asks for this alone
        self, work: Callable[["Commit"], None], commit: "Commit"
    ) -> "Commit":
        """Do work for a commit, and return the commit: it is the future."""
        self._queue.put((work, commit))
        return commit

    def join(self) -> None:
        """Do what was handed in, and end; blocks meanwhile."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while given := self._queue.get():
            work, commit = given
            work(commit)
            try:
                self._loop.call_soon_threadsafe(commit.complete)
            except RuntimeError:  # the loop is closed, and nobody waits any more
                return
