"""Opens a ledger's file: creates its tables, upgrades those of an earlier version, and refuses other files."""

import os
import sqlite3
import time
from pathlib import Path

from generor_async.stores.ledger import FOLDER_RUN, NO_RUN, UnusableLedgerError
from generor_async.stores.sqlite.errors import BUSY_SECONDS, newer_advice, unusable
from generor_async.stores.sqlite.owners import add_owner
from generor_async.stores.sqlite.tables import APPLICATION, SCHEMA, create_tables
from generor_async.stores.sqlite.upgrade import read_old, upgrade

__all__ = ["connect", "open_to_read", "open_to_write"]


def connect(path: Path, *, mode: str = "rw") -> sqlite3.Connection:
    """Open a SQLite file; `mode` is SQLite's, such as `rwc` to create it."""
    address = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection | None:
    """Open a file for reading, also while others write it; return None if it has no tables yet.

    Raises:
        UnusableLedgerError: It can't be read, or is no ledger of this version or an earlier one.
    """
    # In a read-only folder nobody writes, and SQLite can't create the files that readers share with a writer.
    mode = "rw" if os.access(path.parent, os.W_OK) else "ro&immutable=1"
    try:
        connection = connect(path, mode=mode)
        try:
            version = _check_version(connection, path)
            if 0 < version < SCHEMA:
                read_old(connection, version)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise unusable("read", path, error) from None
    if not version:  # its creator was killed before it made the tables
        connection.close()
        return None
    return connection


def open_to_write(path: Path, now: float, lock: str = "", *, run: str = FOLDER_RUN) -> tuple[sqlite3.Connection, int]:
    """Open or create a file for writing; return the connection, and the number of the owner that was added.

    `lock` describes the owner's lock.

    Raises:
        UnusableLedgerError: It can't be used, or is no ledger of this version or an earlier one.
    """
    try:
        connection = connect(path, mode="rwc")
        try:
            return connection, _prepare(connection, path, now, lock, run)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise unusable("used", path, error, run) from None


def _prepare(connection: sqlite3.Connection, path: Path, now: float, lock: str, run: str) -> int:
    """Create the tables, or upgrade earlier ones; return the number of a new owner."""
    version = _check_version(connection, path, run)
    _use_write_ahead_log(connection)
    if 0 < version < SCHEMA:
        upgrade(connection, path, version)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if not _check_version(connection, path, run):
            create_tables(connection)
        return add_owner(connection, now, lock)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log. SQLite does not wait for another process that does the same, so this does."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _check_version(connection: sqlite3.Connection, path: Path, run: str = FOLDER_RUN) -> int:
    """Return the version of a file's tables, 0 if it is empty; raise UnusableLedgerError if it can't be used."""
    application, version, tables = connection.execute(  # one statement sees no half of what another process creates
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application != APPLICATION and tables:
        problem = "is a database of something else" if run == NO_RUN else "is not a journal of this package"
        raise UnusableLedgerError(f"{path} {problem}", None)
    if version > SCHEMA:
        raise UnusableLedgerError(f"{path} was made by a newer version of this package", newer_advice(run))
    return int(version)
