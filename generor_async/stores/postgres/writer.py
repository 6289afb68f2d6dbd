"""Writes in one transaction at a time: work that many coroutines ask for at once shares it.

A commit waits for the network and the disk, whatever is in it. Work that arrives during a commit is gathered for the
next one.

A connection may be lost while a commit is under way. Then nobody knows whether it has succeeded, and to do it again
could do it twice. So each transaction writes its number into a row of its owner. Afterwards that row is looked at: it
is locked while the transaction lives; it has the number if the commit has succeeded; and if not, a higher number is
written, after which the transaction would fail if it came late.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, Self, TypeVar

import psycopg
from attrs import frozen
from psycopg import AsyncCursor, AsyncPipeline

from generor_async.stores.connection_pool import ConnectionPool
from generor_async.stores.postgres.database import (
    WAIT_SECONDS,
    Connection,
    Database,
    has_lost_connection,
    is_rolled_back,
    ledger_error,
    pipelined,
)
from generor_async.stores.postgres.sessions import NAME_OWNER
from generor_async.stores.threads import finished

__all__ = ["Owner", "Part", "Patience", "Transaction", "Writer", "process_name"]

T = TypeVar("T")

POOL_SECONDS: Final = 5.0
"""For how long to wait for a connection before the wait is counted as another attempt."""
IDLE_LEASES: Final = 6
"""A session that leaves a transaction alone for a sixth of a lease is ended by the server, and so lets go of its locks.
"""
SILENT_SECONDS: Final = 10
"""The server gives a connection up whose other end doesn't answer for so long."""
LOCK_SECONDS: Final = 10.0
"""How long a statement waits for others' locks, at most, until it looks who has them."""
LOCK_LEASES: Final = 3
"""It waits no longer than a third of a lease."""
LONGEST_DELAY: Final = 1.0
"""Seconds between attempts, at most."""
MOST_CONFLICTS: Final = 30
"""How often a transaction that others were in the way of is tried, beside the times that it has waited for a lock."""
SET_LOCAL: Final = f"""
    SELECT {NAME_OWNER}, set_config('synchronous_commit', 'on', true), set_config('lock_timeout', %s, true),
        set_config('idle_in_transaction_session_timeout', %s, true),
        set_config('tcp_keepalives_idle', '{SILENT_SECONDS // 2}', true),
        set_config('tcp_keepalives_interval', '1', true),
        set_config('tcp_keepalives_count', '{SILENT_SECONDS // 2}', true),
        set_config('tcp_user_timeout', '{SILENT_SECONDS * 1000}', true)
"""
MARK: Final = """
    INSERT INTO generor.commits AS known (owner, lane, last) VALUES (%s, %s, %s) ON CONFLICT (owner, lane) DO UPDATE
    SET last = CASE WHEN known.last < excluded.last THEN excluded.last END
"""
"""A transaction that comes after a later one of its owner would write NULL, which fails it."""
FIND_MARK: Final = "SELECT last FROM generor.commits WHERE owner = %s AND lane = %s FOR UPDATE"


@frozen
class Owner:
    """An opening of a ledger."""

    number: int
    run: int
    lease: float
    """Seconds."""


class Transaction:
    """A transaction under way. Its statements are sent without waiting for the results of those before."""

    def __init__(self, connection: Connection, pipeline: AsyncPipeline) -> None:
        self._connection = connection
        self._pipeline = pipeline

    @classmethod
    async def begin(cls, connection: Connection, pipeline: AsyncPipeline, owner: Owner) -> Self:
        """Begin a transaction of an owner, whose commit has reached the disk when it returns."""
        begun = cls(connection, pipeline)
        await begun.send("BEGIN")
        lock_seconds, idle_seconds = min(LOCK_SECONDS, owner.lease / LOCK_LEASES), owner.lease / IDLE_LEASES
        await begun.send(SET_LOCAL, owner.number, f"{lock_seconds * 1000:.0f}ms", f"{max(1, round(idle_seconds))}s")
        return begun

    async def send(self, query: str, *arguments: object) -> AsyncCursor[tuple[Any, ...]]:
        """Send a statement; `rows` waits for its result."""
        return await self._connection.execute(query.encode(), arguments)

    async def fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Send a statement, and wait for its rows."""
        return await self.rows(await self.send(query, *arguments))

    async def rows(self, cursor: AsyncCursor[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Wait for the rows of a statement that was sent.

        The server counts a session as idle only after a sync, which ends what may be sent together.
        """
        if cursor.pgresult is None:
            await self._pipeline.sync()
        return await cursor.fetchall()


class Part(Protocol):
    """Part of a transaction."""

    async def execute(self, transaction: Transaction) -> None:
        """Run its statements; if the transaction is tried again, this is called again."""
        ...

    async def committed(self) -> None:
        """Follow up on a commit, and resume those who wait."""
        ...

    def failed(self, error: BaseException) -> None:
        """Raise an error where it is waited for."""
        ...


class Patience:
    """Waits between attempts until they have taken WAIT_SECONDS, or nobody waits any more."""

    def __init__(
        self, action: str, database: Database, free_locks: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._action = action
        self._database = database
        self._free_locks = free_locks
        """Called after another's lock was waited for."""
        self._until = asyncio.get_running_loop().time() + WAIT_SECONDS
        self._delay = 0.01
        self._conflicts = 0

    async def wait(self, error: Exception) -> None:
        """Wait before the next attempt; raise JournalError if there is to be none."""
        conflict, was_locked = is_rolled_back(error), isinstance(error, psycopg.errors.LockNotAvailable)
        self._conflicts += conflict and not was_locked
        is_over = asyncio.get_running_loop().time() > self._until or self._conflicts >= MOST_CONFLICTS
        if is_over or self._database.is_given_up or not (conflict or has_lost_connection(error)):
            raise ledger_error(self._action, self._database.name, error) from None
        if was_locked and self._free_locks is not None:
            with suppress(psycopg.Error):  # the next attempt tells what is wrong
                await self._free_locks()
        await asyncio.sleep(self._delay)
        self._delay = min(2 * self._delay, LONGEST_DELAY)


class Writer:
    """Runs transactions of one owner, one at a time; belongs to the event loop that makes it.

    An owner may have several writers, whose transactions are counted apart by their `lane`.
    """

    def __init__(
        self,
        database: Database,
        pool: ConnectionPool[Connection],
        owner: Owner,
        lane: int,
        free_locks: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._pool = pool
        self._owner = owner
        self._free_locks = free_locks
        self._lane = lane
        self._next: dict[Hashable, Part] = {}
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        """The number of the latest transaction; the one after it says that it came to nothing."""
        self.committed = 0
        """The number of the latest transaction that is known to be committed."""
        self._is_committing = False

    def next_parts(self) -> dict[Hashable, Part]:
        """Return the parts of the next transaction, to add one by a key; do so before the coroutine yields."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._write())
        return self._next

    async def run(self, work: Callable[[Transaction], Awaitable[T]], then: Callable[[T], object] = lambda _: None) -> T:
        """Return what a function has returned, and pass it to `then`, once its transaction is committed.

        The function may be called several times. A caller that is cancelled waits until the commit has succeeded or
        failed; in the first case `then` was called.
        """
        part = _FunctionPart(work, then)
        self.next_parts()[part] = part
        return await finished(part.result)

    async def close(self) -> None:
        """Commit pending work."""
        while self._task is not None:
            await finished(self._task)

    async def _write(self) -> None:
        """Write all that is asked for, until nothing is left."""
        try:
            while self._next:
                parts, self._next = [*self._next.values()], {}
                await self._write_parts(parts)
        finally:
            self._task = None

    async def _write_parts(self, parts: Sequence[Part]) -> None:
        """Write parts together or, if one of them can't be written, each by itself."""
        try:
            await self._commit(parts)
        except BaseException as error:
            if len(parts) > 1 and isinstance(error, Exception) and not self._database.is_given_up:
                for part in parts:
                    await self._write_parts([part])
                return
            for part in parts:
                part.failed(error)
            if not isinstance(error, Exception):
                raise
        else:
            for part in parts:
                try:
                    await part.committed()
                except Exception as error:  # noqa: BLE001 - it is raised where the part is waited for
                    part.failed(error)

    async def _commit(self, parts: Sequence[Part]) -> None:
        """Write parts in one transaction, which is tried again as long as that is safe."""
        patience = Patience("written to", self._database, self._free_locks)
        while True:
            self._is_committing = False
            try:
                await self._try(parts)
            except psycopg.Error as error:
                if self._is_committing and has_lost_connection(error) and await self._was_committed(patience):
                    break
                await patience.wait(error)
            else:
                break
        self.committed = self._number

    async def _try(self, parts: Sequence[Part]) -> None:
        self._number += 2
        async with self._pool.connection(POOL_SECONDS) as connection:
            async with pipelined(connection) as pipeline:
                transaction = await Transaction.begin(connection, pipeline, self._owner)
                for part in parts:
                    await part.execute(transaction)
                self._is_committing = True
                await self._mark(transaction, self._number)
                end = await transaction.send("COMMIT")
            assert end.statusmessage == "COMMIT", end.statusmessage

    async def _was_committed(self, patience: Patience) -> bool:
        """Tell whether the transaction whose answer was lost is committed; if not, it can't be any more."""
        while True:
            try:
                async with self._pool.connection(POOL_SECONDS) as connection, pipelined(connection) as pipeline:
                    transaction = await Transaction.begin(connection, pipeline, self._owner)
                    found = await transaction.fetch(FIND_MARK, self._owner.number, self._lane)
                    last = found[0][0] if found else 0
                    if last < self._number:
                        await self._mark(transaction, self._number + 1)
                    await transaction.send("COMMIT")
            except psycopg.Error as error:
                await patience.wait(error)
            else:
                return bool(last == self._number)

    async def _mark(self, transaction: Transaction, number: int) -> None:
        """Write the transaction's number."""
        await transaction.send(MARK, self._owner.number, self._lane, number)


class _FunctionPart(Generic[T]):
    """A function in a transaction, and its result."""

    def __init__(self, work: Callable[[Transaction], Awaitable[T]], then: Callable[[T], object]) -> None:
        self._work = work
        self._then = then
        self._found: list[T] = []
        self.result: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    async def execute(self, transaction: Transaction) -> None:
        self._found = [await self._work(transaction)]

    async def committed(self) -> None:
        (found,) = self._found
        self._then(found)
        self.result.set_result(found)

    def failed(self, error: BaseException) -> None:
        self.result.set_exception(error)


def process_name() -> str:
    """Return a name of this process for people."""
    return f"{socket.gethostname()}:{os.getpid()}"
