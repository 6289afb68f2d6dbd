"""What left in the last day, kept in a file: a process that starts again knows what the hour and the day still hold.

SQLite with a write-ahead log: what was written survives the process being killed, and several processes may write to
the same file. The key is never in it, only a hash.
"""

import logging
import os
import sqlite3
import weakref
from collections.abc import Iterable
from typing import Final

from generor_async.errors import InvalidRequestError
from generor_async.rules.window import DAY

__all__ = ["Store"]

SCHEMA: Final = 1
BUSY_SECONDS: Final = 1.0
"""How long another process may keep the file to itself."""

logger = logging.getLogger("generor_async")


class Store:
    """Requests that were sent, by second, for each key.

    Raises InvalidRequestError where the file cannot be used. A write that fails later (a full disk) costs no call: it
    is logged once, and the limits go on without the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._failed = False
        self._abandoned: list[sqlite3.Connection] = []
        self._begin()

    def recall(self, owner: str, now: float) -> Iterable[tuple[float, int]]:
        """Return when requests were sent, in seconds since the epoch, and how many; what is older than a day goes."""
        found: list[tuple[float, int]] = []
        try:
            with self._connection as connection:
                connection.execute("DELETE FROM sent WHERE at < ?", (int(now - DAY),))
                rows = connection.execute("SELECT at, count FROM sent WHERE owner = ? ORDER BY at", (owner,))
                # A second is over before its end is known; and a clock may have been set back since.
                found.extend((min(at + 1.0, now), count) for at, count in rows)
        except sqlite3.Error as error:
            self._give_up(error)
        return found

    def add(self, owner: str, now: float) -> None:
        """Write down that a request is sent."""
        if self._failed:
            return
        try:
            self._connection.execute(
                "INSERT INTO sent VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1", (owner, int(now))
            )
        except sqlite3.Error as error:
            self._give_up(error)

    def reopen(self) -> None:
        """Open the file again in a forked child: SQLite forbids the use of a parent's connection, even to close it."""
        self._closing.detach()
        self._abandoned.append(self._connection)
        self._begin()

    def _begin(self) -> None:
        self._connection = _open(self._path)
        self._closing = weakref.finalize(self, self._connection.close)

    def _give_up(self, error: sqlite3.Error) -> None:
        self._failed = True
        logger.warning("the limits' file %s cannot be written to (%s): it is not used any more", self._path, error)


def _open(path: str) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
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
    connection.execute(
        "CREATE TABLE IF NOT EXISTS sent (owner TEXT, at INTEGER, count INTEGER, PRIMARY KEY (owner, at)) WITHOUT ROWID"
    )
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
