"""Where the limits of a key are kept, so that processes side by side, and one after the other, share them.

A store keeps a text for each scope, and changes it in one step: read, decide, write. What is decided are the rules that
hold within one process too. What it holds may be lost: that costs refusals, never money.
"""

import os
import sqlite3
import weakref
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from generor_async.errors import InvalidRequestError

__all__ = ["LimitStore", "SQLiteStore", "StoreBusyError", "StoreError"]

T = TypeVar("T")

SCHEMA: Final = 2
BUSY_SECONDS: Final = 0.05
"""How long another process may keep the file to itself until a change is put off."""
OPEN_SECONDS: Final = 5.0
"""The same while the file is opened: whoever makes it keeps it to itself."""


class StoreError(Exception):
    """The store can't be read or written."""


class StoreBusyError(StoreError):
    """Somebody else is at it: the same again may succeed in a moment."""


class LimitStore(Protocol):
    """Keeps a text for each scope."""

    def update(self, scope: str, decide: Callable[[str | None], tuple[str | None, T]]) -> T:
        """Read what is kept, decide, and write what is to be kept instead, in one step that nobody comes between.

        `decide` gets None where nothing is kept, and returns None where nothing changes, and what is returned here.
        Raises StoreError.
        """
        ...

    def reopen(self) -> None:
        """Begin again in a forked child."""
        ...


class SQLiteStore:
    """A file of SQLite with a write-ahead log: what was written survives the process being killed.

    Keys are never in it, only hashes. Raises InvalidRequestError where the file can't be opened.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._abandoned: list[sqlite3.Connection] = []
        self._begin()

    def update(self, scope: str, decide: Callable[[str | None], tuple[str | None, T]]) -> T:
        """Read, decide and write in one transaction."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                row = connection.execute("SELECT state FROM limits WHERE scope = ?", (scope,)).fetchone()
                state, result = decide(None if row is None else row[0])
                if state is not None:
                    connection.execute("INSERT OR REPLACE INTO limits VALUES (?, ?)", (scope, state))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            busy = getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            raise (StoreBusyError if busy else StoreError)(f"{self._path}: {error}") from None
        return result

    def reopen(self) -> None:
        """Open the file again in a forked child: SQLite forbids the use of a parent's connection, even to close it."""
        self._closing.detach()
        self._abandoned.append(self._connection)
        self._begin()

    def _begin(self) -> None:
        self._connection = _open(self._path)
        self._closing = weakref.finalize(self, self._connection.close)


def _open(path: str) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=OPEN_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise InvalidRequestError(
            "store",
            f"{path} cannot be used ({error})",
            advice="Give a file in a folder that exists and can be written to, or one that does not exist yet",
        ) from None
    return connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA:
        raise InvalidRequestError("store", f"{path} was made by a newer version of this package")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("DROP TABLE IF EXISTS sent")  # what the first version kept
    connection.execute("CREATE TABLE IF NOT EXISTS limits (scope TEXT PRIMARY KEY, state TEXT) WITHOUT ROWID")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
