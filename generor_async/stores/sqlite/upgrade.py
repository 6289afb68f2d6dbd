"""Reads ledgers of versions 1 and 2, and upgrades them to the tables of this version.

The new tables are defined over the old ones once, as temporary views. A reader reads an old ledger through them, and
changes nothing. The upgrade fills the new tables from them.

The upgrade first makes a backup, under a temporary name until the copy is on the disk. The rest is one transaction:
after a crash at any moment, the ledger is old and whole or new and whole, and the next opening continues. Rows are
moved in chunks, so that the new tables reuse the pages that the old ones free: the file doesn't grow, and needs no
VACUUM, for which the disk would have to hold it once more.
"""

import errno
import logging
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from generor_async.stores.ledger import FOLDER_RUN, UnusableLedgerError
from generor_async.stores.sqlite.tables import INDEXES, SCHEMA, TABLES, run_statements

__all__ = ["read_old", "upgrade"]

logger = logging.getLogger("generor_async")

CHUNK: Final = 1_000
"""Rows that are moved at a time."""
MAX_LOG_BYTES: Final = 1 << 24
"""To what the write-ahead log is cut by the next write; during the upgrade it becomes as large as the ledger."""
LARGE: Final = 100 << 20
"""Size in bytes of a ledger whose upgrade takes some seconds, which users are told: 600 MB took 15 s (measured)."""

DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Error numbers of a disk, or a user's quota, without space for a file, and of one that fails."""

OLD_TABLES: Final = ("rows", "earlier", "inputs", "beside", "rejects", "duplicates", "notes", "owners")
"""The tables of version 2."""
NEW_IN_2: Final[Mapping[str, str]] = {
    "beside": "number INTEGER PRIMARY KEY, columns TEXT NOT NULL",
    "duplicates": "place TEXT PRIMARY KEY, number INTEGER NOT NULL, columns TEXT NOT NULL",
}
"""Those that version 1 lacks."""
MOVED: Final = ("calls", "inputs")
"""The new tables with a row for each call, which are filled in chunks."""
MOVED_FROM: Final = ("rows", "inputs", "beside")
"""The old tables that these take the place of."""

CALL: Final = f"""
    number, '{FOLDER_RUN}' AS run, id AS key, NULL AS user, NULL AS operation, NULL AS digest, NULL AS context, state,
    attempt, owner, call_id AS request_id, submitted_at, longest, model, estimated,
    iif(call_id IS NOT NULL OR held > 0, '[["run:",""]]', NULL) AS accounts, held AS counted, cost,
    alone AS cost_source, remote_ids, ended_at, result, problem
"""
VIEWS: Final[Mapping[str, str]] = {
    "owners": "SELECT owner, CAST(pid AS TEXT) AS process, 0.0 AS lease_until FROM {owners}",
    "calls": f"SELECT {CALL} FROM {{rows}} LEFT JOIN {{inputs}} USING (number)",
    "attempts": f"SELECT {CALL} FROM {{earlier}} LEFT JOIN {{inputs}} USING (number)",
    "accounts": """
        SELECT 'run:' AS scope, '' AS period, NULL AS cap,
            total(held) FILTER (WHERE NOT is_final) AS reserved, total(held) FILTER (WHERE is_final) AS spent
        FROM (
            SELECT held, cost IS NOT NULL OR state = 'done' AS is_final FROM {rows}
            UNION ALL SELECT held, cost IS NOT NULL OR state = 'done' FROM {earlier}
        )
    """,
    "inputs": """
        SELECT number, place, parameters, columns, NULL AS request_key FROM {inputs} LEFT JOIN {beside} USING (number)
    """,
    "skipped_inputs": f"""
        SELECT rowid AS rowid, '{FOLDER_RUN}' AS run, place, NULL AS number, NULL AS columns, text, reason
        FROM {{rejects}}
        UNION ALL
        SELECT rowid + (SELECT ifnull(max(rowid), 0) FROM {{rejects}}), '{FOLDER_RUN}', place, number, columns, NULL,
            NULL
        FROM {{duplicates}}
    """,
    "notes": f"SELECT '{FOLDER_RUN}' AS run, name, value FROM {{notes}}",
}
"""The new tables as queries over the old ones. The joins are outer ones, so that SQLite leaves them out where a query
needs no id."""


def read_old(connection: sqlite3.Connection, version: int) -> None:
    """Create temporary views that show the tables of a ledger of version 1 or 2 as those of this version."""
    sources = {table: f"main.{table}" for table in OLD_TABLES}
    if version < 2:
        for table, columns in NEW_IN_2.items():
            sources[table] = f"temp.{table}"
            connection.execute(f"CREATE TABLE temp.{table} ({columns})")
    _create_views(connection, sources)


def upgrade(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Make a backup of a ledger of version 1 or 2 beside it, and replace its tables by those of this version.

    The backup of `journal.sqlite` is `journal.sqlite.v2`. No file is overwritten.

    Raises:
        UnusableLedgerError: The backup can't be written.
        sqlite3.Error: The ledger or the backup can't be written or read. The ledger is as it was.
    """
    if path.stat().st_size > LARGE:
        logger.warning("%s is upgraded to the format of this version, once, after a copy is made: please wait", path)
    connection.execute(f"PRAGMA journal_size_limit = {MAX_LOG_BYTES}")
    with connection:
        connection.execute("BEGIN IMMEDIATE")  # also while the backup is made, so that nobody writes meanwhile
        if connection.execute("PRAGMA user_version").fetchone() != (version,):  # somebody else has upgraded it
            return
        _back_up(path, version)
        _replace_tables(connection, version)


def _replace_tables(connection: sqlite3.Connection, version: int) -> None:
    _set_old_aside(connection, version)
    run_statements(connection, TABLES)
    _create_views(connection, {table: f"main.old_{table}" for table in OLD_TABLES})
    _fill(connection)
    for view in VIEWS:
        connection.execute(f"DROP VIEW temp.{view}")
    for table in OLD_TABLES:
        connection.execute(f"DROP TABLE main.old_{table}")
    run_statements(connection, INDEXES)  # not before, as each row would take longer
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _create_views(connection: sqlite3.Connection, sources: Mapping[str, str]) -> None:
    """Create the views over the old tables, which have these names now."""
    for view, query in VIEWS.items():
        connection.execute(f"CREATE TEMP VIEW {view} AS {query.format_map(sources)}")


def _set_old_aside(connection: sqlite3.Connection, version: int) -> None:
    """Rename the old tables, some of whose names the new ones need; create those that version 1 lacks."""
    for index in ("ready", "states"):
        connection.execute(f"DROP INDEX IF EXISTS main.{index}")
    for table in OLD_TABLES:
        if version < 2 and table in NEW_IN_2:
            connection.execute(f"CREATE TABLE main.old_{table} ({NEW_IN_2[table]})")
        else:
            connection.execute(f"ALTER TABLE main.{table} RENAME TO old_{table}")


def _fill(connection: sqlite3.Connection) -> None:
    """Fill the new tables from the views."""
    for table in VIEWS:
        if table not in MOVED:
            _copy(connection, table)
    ((last,),) = connection.execute("SELECT ifnull(max(number), 0) FROM main.old_inputs")
    for first in range(1, last + 1, CHUNK):
        chunk = f"number BETWEEN {first} AND {first + CHUNK - 1}"
        for table in MOVED:
            _copy(connection, table, chunk)
        for old in MOVED_FROM:
            connection.execute(f"DELETE FROM main.old_{old} WHERE {chunk}")


def _copy(connection: sqlite3.Connection, table: str, chosen: str = "TRUE") -> None:
    """Fill a new table with the chosen rows of its view."""
    described = connection.execute(f"SELECT * FROM temp.{table} LIMIT 0").description
    columns = ", ".join([column for column, *_ in described])
    connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM temp.{table} WHERE {chosen}")


def _back_up(path: Path, version: int) -> None:
    """Make a backup beside a ledger, unless an interrupted upgrade has made it."""
    backup, number = path.with_name(f"{path.name}.v{version}"), 1
    while backup.exists():
        if _is_backup(backup, path):
            return
        number += 1
        backup = path.with_name(f"{path.name}.v{version}-{number}")
    partial = path.with_name(f"{path.name}.v{version}.new")
    try:
        _copy_file(path, partial)
        partial.rename(backup)
        _sync_folder(path.parent)
    except OSError as error:
        raise UnusableLedgerError(
            f"{path} is of an earlier version of this package, and {backup} cannot be written ({error.strerror})",
            "Free some space, or let its folder be written to, and run it again: nothing is lost",
            is_disk_error=error.errno in DISK_ERRORS,
        ) from None


def _is_backup(backup: Path, path: Path) -> bool:
    """Tell whether a file is a backup of a ledger that was not opened for writing since: each opening adds an owner."""
    with suppress(sqlite3.Error):  # it is something else
        return _last_owner(backup) == _last_owner(path)
    return False


def _last_owner(path: Path) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT max(owner) FROM owners").fetchone()


def _copy_file(path: Path, copy: Path) -> None:
    """Copy a ledger to the disk, with its access rights; leave nothing behind if that fails."""
    copy.unlink(missing_ok=True)
    try:
        copy.touch(path.stat().st_mode & 0o777)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy.absolute()),))
        with copy.open("r+b") as file:
            os.fsync(file.fileno())
    except BaseException:
        copy.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that the name of a new file is on disk as well."""
    if os.name != "posix":  # elsewhere a folder can't be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
