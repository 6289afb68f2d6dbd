"""Writes in one thread: work that many coroutines ask for at once is one transaction.

A commit waits for the disk, whatever is in it. Work that arrives during a commit is gathered for the next one.
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

from generor_async.stores.sqlite.errors import ledger_error

__all__ = ["Commit", "TransactionPart", "Writer"]

T = TypeVar("T")


class TransactionPart(Protocol):
    """Part of a transaction."""

    def execute(self, connection: sqlite3.Connection) -> None:
        """Run its statements in the writer's thread; an error fails the whole transaction."""
        ...

    def after_commit(self) -> None:
        """Follow up in the writer's thread, before the waiting coroutines resume; must not raise."""
        ...

    def finish(self) -> None:
        """Follow up in the event loop's thread.

        It is called again if it, or that of another part, was interrupted, and then must not repeat what it has done.
        """
        ...


class Writer:
    """Runs transactions in a thread of its own, one at a time; belongs to the event loop that makes it."""

    def __init__(self, connection: sqlite3.Connection, path: Path, run: str) -> None:
        self._connection = connection
        self._path = path
        self._run = run
        self._loop = asyncio.get_running_loop()
        self._thread = _WriterThread(self._loop)
        self._next = Commit(path, run, loop=self._loop)
        self._busy = False
        self._running: Commit | None = None
        """The commit that the thread was given last."""
        self._is_closed = False

    def next_commit(self) -> "Commit":
        """Return the next commit; parts must be added to it before the coroutine yields.

        Raises:
            JournalError: It is closed.
        """
        if self._is_closed:
            raise ledger_error("written to", self._path, sqlite3.ProgrammingError(), self._run)
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._submit_next)  # with all parts that are added in this turn of the loop
        return self._next

    async def run(self, work: Callable[[sqlite3.Connection], T], then: Callable[[T], object]) -> None:
        """Run a function on the connection, and pass its result to `then` once it is committed.

        A caller that is cancelled waits until the commit has succeeded or failed; in the first case `then` was called.
        """
        commit, part = self.next_commit(), _FunctionPart(work, then)
        commit.parts[part] = part
        await commit
        if commit.error is not None:
            raise commit.failure()

    async def close(self) -> None:
        """Commit pending work, and end the thread. Don't cancel it."""
        self._is_closed = True
        while self._busy and self._loop is asyncio.get_running_loop():  # in another one, its own is gone
            await asyncio.wait([self._running or self._next])
            await asyncio.sleep(0)  # where its end was interrupted, the next one is handed over in the next turn
        await asyncio.to_thread(self._thread.join)

    def _submit_next(self, _: object = None) -> None:
        """Hand the gathered work to the thread."""
        commit = self._next
        if not commit.parts:
            self._busy, self._running = False, None
            return
        self._running = commit
        self._next = Commit(self._path, self._run, loop=self._loop)
        self._loop.run_in_executor(self._thread, self._commit, commit).add_done_callback(self._submit_next)

    def _commit(self, commit: "Commit") -> None:
        """Execute all parts in one transaction; if it can't be committed, nothing is written."""
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
                with suppress(sqlite3.Error):  # if the disk fails even this, the next BEGIN reports it
                    connection.execute("ROLLBACK")


class Commit(asyncio.Future[None]):
    """A transaction that many coroutines wait for; one that is cancelled waits until it is over.

    It raises nothing: whoever awaits it must check `error`.
    """

    def __init__(self, path: Path, run: str, *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._path = path
        self._run = run
        self.parts: dict[Hashable, TransactionPart] = {}
        """Its parts, executed in any order, by a key of whoever adds them."""
        self.error: Exception | None = None
        """Why nothing was written; None after success."""
        self._calls: list[Callable[[Commit], object]] = []
        self._contexts: list[Context] = []

    def failure(self) -> Exception:
        """Return the exception to raise for the `error`."""
        assert self.error is not None
        if isinstance(self.error, sqlite3.Error):
            return ledger_error("written to", self._path, self.error, self._run)
        return self.error

    def add_done_callback(self, fn: "Callable[[Commit], object]", /, *, context: Context | None = None) -> None:
        """Register a callback for its end. `await` calls it only while the commit is pending."""
        self._calls.append(fn)
        self._contexts.append(copy_context() if context is None else context)

    def complete(self) -> None:
        """End it, and resume all waiting tasks in one turn of the loop: one turn for each takes a fifth longer."""
        self.set_result(None)
        self._resume_waiters(zip(self._calls, self._contexts, strict=True))

    def _resume_waiters(self, waiting: "Iterator[tuple[Callable[[Commit], object], Context]]") -> None:
        completed = False
        try:
            if self.error is None:
                for part in self.parts.values():
                    part.finish()
            for call, context in waiting:
                context.run(call, self)
            completed = True
        finally:
            if not completed:  # one was interrupted: resume the others
                self.get_loop().call_soon(self._resume_waiters, waiting)

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 - asyncio gives it
        """Refuse to be cancelled: others wait for it, too, and a transaction under way can't be called back."""
        return False


class _FunctionPart(Generic[T]):
    """A function on the connection, and a callback for its result."""

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
    """An executor with one thread, whose futures are the event loop's own.

    As an executor it is known to loops that keep their own time, which wait for it. `concurrent.futures` would cost as
    much as a commit of a few calls.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: queue.SimpleQueue[tuple[Callable[[Commit], None], Commit] | None] = queue.SimpleQueue()
        # A daemon, so that a ledger that nobody closes doesn't keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    def submit(  # type: ignore[override]  # a loop calls it with these arguments alone
        self, work: Callable[["Commit"], None], commit: "Commit"
    ) -> "Commit":
        """Queue work for a commit; return the commit as its future."""
        self._queue.put((work, commit))
        return commit

    def join(self) -> None:
        """Finish queued work, and end the thread; blocks."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while given := self._queue.get():
            work, commit = given
            work(commit)
            try:
                self._loop.call_soon_threadsafe(commit.complete)
            except RuntimeError:  # the loop is closed
                return
