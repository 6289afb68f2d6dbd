"""Limits in a file of SQLite: a row for each scope, in a write-ahead log."""

import os
import sqlite3
import weakref
from pathlib import Path
from typing import Final, TypeVar

from generor_async.errors import InvalidRequestError
from generor_async.stores.limit_store import Decide, StoreBusyError, StoreError
from generor_async.stores.shared_clock import SharedClock
from generor_async.values import Clock

__all__ = ["SCHEMA", "SqliteLimitStore"]

T = TypeVar("T")

APPLICATION_ID: Final = 0x67656E61
"""Marks a file of SQLite as one of this package."""
SCHEMA: Final = 4
UNMARKED_SCHEMAS: Final[dict[int, dict[str, list[str]]]] = {
    0: {},
    1: {"sent": ["owner", "at", "count"]},
    2: {"limits": ["scope", "state"]},
}
"""The tables and columns of an empty file, and of earlier versions that did not mark their files."""
BUSY_SECONDS: Final = 0.02
"""Seconds to wait for another process's transaction; the event loop waits as well."""


class SqliteLimitStore:
    """A file of SQLite with a write-ahead log: what was written survives the kill of the process.

    Keys are never in it, only hashes. A file that another process has locked is opened later, and one that was deleted
    or replaced is opened again. Raises InvalidRequestError where the file can't be opened, or is not one of this
    package.
    """

    remote = False
    """A transaction takes less time than handing it to a thread."""

    def __init__(self, path: str | os.PathLike[str], clock: Clock) -> None:
        self._clock = SharedClock(clock)
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - what is a link may become another one
        self._abandoned: list[sqlite3.Connection] = []
        self._connection: sqlite3.Connection | None = None
        self._closing: weakref.finalize[[], SqliteLimitStore] | None = None
        self._opened_file: tuple[int, int] | None = None
        """Device and inode of the file that is open."""
        try:
            self._connect()
        except StoreBusyError:
            pass
        except StoreError as error:
            raise InvalidRequestError(
                "store",
                str(error),
                advice="Give a file in a folder that exists and can be written to, or one that does not exist yet",
            ) from None

    def update(self, scope: str, decide: Decide[T]) -> T:
        """Read, decide and write in one transaction; `decide` is called once."""
        connection = self._connection
        if connection is None or self._identity() != self._opened_file:
            connection = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                row = connection.execute("SELECT at, state FROM limits WHERE scope = ?", (scope,)).fetchone()
                at, text = (None, None) if row is None else row
                now = self._clock.read(at)
                state, result = decide(text, now)
                if state is not None:
                    connection.execute("INSERT OR REPLACE INTO limits VALUES (?, ?, ?)", (scope, now, state))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._failure(error) from None
        return result

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._closing is not None:
            self._closing()
        self._connection = None

    def reset_after_fork(self) -> None:
        """Open the file again in a forked child: SQLite forbids the use of a parent's connection, even to close it."""
        if self._connection is not None and self._closing is not None:
            self._closing.detach()
            self._abandoned.append(self._connection)
            self._connection = None

    def _connect(self) -> sqlite3.Connection:
        """Open the file. Raises StoreError."""
        self.close()
        try:
            connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                _prepare(connection, self._path)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise self._failure(error) from None
        self._closing = weakref.finalize(self, connection.close)
        self._connection, self._opened_file = connection, self._identity()
        return connection

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)  # noqa: PTH116 - for every transaction
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _failure(self, error: sqlite3.Error) -> StoreError:
        busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
        return (StoreBusyError if busy else StoreError)(f"{self._path} cannot be used ({error})")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Create the table where there is none. Raises StoreError for any other database."""
    connection.execute("BEGIN")  # one view of all that is looked at, while another process creates the table
    ready = _is_ready(connection, path)
    connection.execute("COMMIT")
    if not ready:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        if not _is_ready(connection, path):  # another process may have been faster
            for tables in UNMARKED_SCHEMAS.values():
                for name in tables:
                    connection.execute(f"DROP TABLE IF EXISTS {name}")
            connection.execute("CREATE TABLE limits (scope TEXT PRIMARY KEY, at REAL, state TEXT) WITHOUT ROWID")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    connection.execute("PRAGMA synchronous = NORMAL")


def _is_ready(connection: sqlite3.Connection, path: Path) -> bool:
    """Tell whether a file has the table; False where it may be created. Raises StoreError for any other database."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == APPLICATION_ID:
        if version > SCHEMA:
            raise StoreError(f"{path} was made by a newer version of this package")
        return bool(version == SCHEMA)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    tables = {
        name: [row[1] for row in connection.execute("SELECT * FROM pragma_table_info(?)", (name,))] for name in names
    }
    if application or tables != UNMARKED_SCHEMAS.get(version):
        raise StoreError(f"{path} is a database of something else")
    return False
