"""The tables of a journal in SQLite, and the checks and repairs when one is opened.

A folder is refused rather than begun anew if it has results but no usable journal, as every row would be bought again:
the journal is missing, empty or cut short, or older than calls.jsonl beside it (a restored backup, or one whose
write-ahead log is lost).
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final, cast

from attrs import asdict

from generor_async.batch.call_log import CALLS, CallLog, last_call
from generor_async.batch.folder import JOURNAL, ResultsFolder, invalid_folder
from generor_async.batch.journal import SIMULATED, RunKey
from generor_async.batch.sqlite.errors import BUSY_SECONDS, RECOVER_ADVICE, explain
from generor_async.batch.sqlite.logged_calls import open_call_log
from generor_async.errors import InvalidRequestError, OutcomeUnknownError
from generor_async.rules.equivalence import CANONICAL_VERSION
from generor_async.rules.row_states import PAID_STATES, STATE_AFTER_CRASH

__all__ = ["SCHEMA", "check_journal", "connect", "open_to_read", "open_to_write", "simulation_mismatch"]

APPLICATION: Final = 0x676E7230
"""SQLite's application id of a journal."""
SCHEMA: Final = 2

RESULT_FILES: Final = ("results.jsonl", CALLS)
MEDIA: Final = "media"
"""What a batch writes after its journal: files that aren't empty, and files in this folder."""
SQLITE_HEADER: Final = Struct(">16sH6xII60xI")
"""The header of a SQLite file: magic, page size, change counter, number of pages, and the value of the change counter
for which that number is valid (https://www.sqlite.org/fileformat.html)."""
MAGIC: Final = b"SQLite format 3\0"

INTERRUPTED_PROBLEM: Final = json.dumps(
    {
        "message": "the process ended before anybody could say what came of it<sent>",
        "error": OutcomeUnknownError.__name__,
    }
)
"""The problem of a row whose call a crash has interrupted."""
REQUEST_ID_NOTE: Final = " (its first request had the id "
"""Goes in the place of `<sent>` if a request may have been sent: the vendor can find it by this id."""

TABLES: Final = """
CREATE TABLE inputs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    parameters TEXT NOT NULL,
    place TEXT NOT NULL
);
CREATE TABLE rows (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    owner INTEGER,
    call_id TEXT,
    submitted_at REAL,
    longest REAL NOT NULL DEFAULT 0,
    model TEXT,
    estimated REAL NOT NULL DEFAULT 0,
    held REAL NOT NULL DEFAULT 0,
    cost REAL,
    alone INTEGER NOT NULL DEFAULT 0,
    remote_ids TEXT,
    ended_at REAL,
    result TEXT,
    problem TEXT
);
CREATE INDEX ready ON rows (number) WHERE state = 'ready';
CREATE TABLE earlier AS SELECT * FROM rows;
CREATE INDEX earlier_number ON earlier (number);
CREATE TABLE rejects (place TEXT PRIMARY KEY, text TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE owners (owner INTEGER PRIMARY KEY AUTOINCREMENT, pid INTEGER NOT NULL);
"""
"""The tables of version 1."""
TABLES_2: Final = """
CREATE TABLE beside (number INTEGER PRIMARY KEY, columns TEXT NOT NULL);
CREATE TABLE duplicates (place TEXT PRIMARY KEY, number INTEGER NOT NULL, columns TEXT NOT NULL);
"""
"""The tables that version 2 adds: columns that are no parameters, and duplicates."""
INDEXES_2: Final = """
DROP INDEX IF EXISTS ready;
CREATE INDEX IF NOT EXISTS states ON rows (state);
"""
"""The index by state of version 2, so that finding and counting rows in a state doesn't scan all."""


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


def open_to_read(path: Path, key: RunKey | None = None) -> sqlite3.Connection | None:
    """Open a journal for reading, also while another process writes it; return None if no batch was begun.

    With a key, refuse the journal of another run, and one that is older than calls.jsonl.
    """
    check_journal(path.parent)
    if not path.exists():
        return None
    # In a read-only folder nobody writes, and SQLite can't create the files that readers share with a writer.
    mode = "rw" if os.access(path.parent, os.W_OK) else "ro&immutable=1"
    try:
        connection = connect(path, mode=mode)
        try:
            begun = _check_version(connection, path)
            if begun and key is not None:
                check_is_current(connection, path.parent)
                _has_key(connection, path, key)
            if begun and begun < SCHEMA:  # a reader of an older version gets empty tables of its own
                connection.executescript(TABLES_2.replace("CREATE TABLE", "CREATE TEMP TABLE"))
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        problem, advice = explain(error, path)
        raise invalid_folder(f"{path} cannot be read ({problem})", advice) from None
    if not begun:  # its creator was killed before it made the tables
        connection.close()
        return None
    return connection


def check_journal(folder: Path) -> None:
    """Raise InvalidRequestError for a folder with results whose journal is missing, empty or cut short."""
    journal, log = folder / JOURNAL, folder / f"{JOURNAL}-wal"
    size = _file_size(journal)
    if not size and (_file_size(log) or _has_results(folder)):
        missing = "is empty" if journal.exists() else "is missing"
        raise invalid_folder(
            f"{folder} has results of a batch, and {journal.name}, which says what was paid for, {missing}",
            RECOVER_ADVICE,
        )
    if size and not _file_size(log) and size < _expected_size(journal):
        raise invalid_folder(f"{journal} is cut short", RECOVER_ADVICE)


def _has_results(folder: Path) -> bool:
    """Tell whether a run has left results; an empty media folder may be a link that the user has made."""
    return any(_file_size(folder / name) for name in RESULT_FILES) or any(_files_in(folder / MEDIA))


def _files_in(folder: Path) -> Iterator[str]:
    for _, _, names in os.walk(folder):
        yield from names


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _expected_size(journal: Path) -> int:
    """Return the size of the file by its header; 0 if the header doesn't tell."""
    with journal.open("rb") as file:
        head = file.read(SQLITE_HEADER.size)
    if len(head) < SQLITE_HEADER.size:
        return SQLITE_HEADER.size
    magic, page, changes, pages, counted = cast("tuple[bytes, int, int, int, int]", SQLITE_HEADER.unpack(head))
    if magic != MAGIC or changes != counted:
        return 0
    return pages * (65_536 if page == 1 else page)


def open_to_write(folder: ResultsFolder, key: RunKey) -> tuple[sqlite3.Connection, int, CallLog]:
    """Open or create the journal of a folder; return the connection, the owner's number and the log of calls.

    Release the folder if that fails.
    """
    log = CallLog(folder.path)
    try:
        check_journal(folder.path)
        connection = connect(folder.journal, mode="rwc")
        try:
            owner = _prepare(connection, folder.journal, key)
            open_call_log(log, connection)
            folder.note_journal()
        except BaseException:
            connection.close()
            raise
        else:
            return connection, owner, log
    except sqlite3.Error as error:
        folder.release()
        problem, advice = explain(error, folder.journal)
        raise invalid_folder(f"{folder.journal} cannot be used ({problem})", advice) from None
    except BaseException:
        folder.release()
        raise


def _prepare(connection: sqlite3.Connection, path: Path, key: RunKey) -> int:
    """Create or upgrade the tables, and recover from a crash; return the number of the new owner."""
    _check_version(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not version:
            create_tables(connection, key)
        elif version < SCHEMA:
            _run_schema(connection, TABLES_2 + INDEXES_2)
        check_is_current(connection, path.parent)
        _check_key(connection, path, key)
        (owner,) = connection.execute("INSERT INTO owners (pid) VALUES (?) RETURNING owner", (os.getpid(),)).fetchone()
        for state, becomes in STATE_AFTER_CRASH.items():
            connection.execute(
                "UPDATE rows SET state = ?, owner = NULL,"
                " problem = replace(?, '<sent>', ifnull(? || call_id || ')', '')) WHERE state = ?",
                (becomes, INTERRUPTED_PROBLEM, REQUEST_ID_NOTE, state),
            )
        among = ", ".join("?" * len(PAID_STATES))
        connection.execute(f"UPDATE rows SET owner = ? WHERE state IN ({among})", (owner, *PAID_STATES))
    return int(owner)


def check_is_current(connection: sqlite3.Connection, folder: Path) -> None:
    """Raise InvalidRequestError for a journal that is older than the last call in calls.jsonl."""
    if (call := last_call(folder)) is None:
        return
    tables = (f"SELECT 1 FROM {table} WHERE number = ? AND call_id = ?" for table in ("rows", "earlier"))
    if connection.execute(" UNION ALL ".join(tables), call * 2).fetchone() is None:
        raise invalid_folder(
            f"{folder / JOURNAL} is older than {CALLS} beside it, which has calls that were paid for", RECOVER_ADVICE
        )


def create_tables(connection: sqlite3.Connection, key: RunKey) -> None:
    """Create the tables of an empty journal."""
    _run_schema(connection, TABLES + TABLES_2 + INDEXES_2)
    _write_key(connection, key)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")


def _run_schema(connection: sqlite3.Connection, tables: str) -> None:
    """Run the statements that bring a journal to the current version."""
    for statement in tables.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return a journal's version, 0 if it is empty; raise InvalidRequestError if it can't be used."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION and tables:
        advice = RECOVER_ADVICE if _has_results(path.parent) else "Give another folder"
        raise invalid_folder(f"{path} is not a journal of this package", advice)
    if version > SCHEMA:
        raise invalid_folder(
            f"{path} was made by a newer version of this package", "Upgrade it: another folder buys every row again"
        )
    return int(version)


def _check_key(connection: sqlite3.Connection, path: Path, key: RunKey) -> None:
    """Raise InvalidRequestError for another run's journal; take over one without rows."""
    if not _has_key(connection, path, key):
        connection.execute("DELETE FROM notes")
        connection.execute("DELETE FROM rejects")
        _write_key(connection, key)


def _has_key(connection: sqlite3.Connection, path: Path, key: RunKey) -> bool:
    """Tell whether a journal belongs to a run; raise InvalidRequestError if it belongs to another run and has rows."""
    (text,) = connection.execute("SELECT value FROM notes WHERE name = 'key'").fetchone()
    found = RunKey(**json.loads(text))
    if found == key:
        return True
    if connection.execute("SELECT 1 FROM inputs").fetchone() is None:  # what was refused at once is no run
        return False
    if (key.address == SIMULATED) is not (found.address == SIMULATED):
        raise simulation_mismatch(path.parent, simulated=key.address == SIMULATED)
    what, here, there = next(
        (what, here, there)
        for what, here, there in (
            ("operation is", key.operation, found.operation),
            ("API is", key.address, found.address),
            ("rows are those of", key.source, found.source),
        )
        if here != there
    )
    raise invalid_folder(
        f"{path.parent} belongs to another run, whose {what} {there}, not {here}",
        "Go on with that run, or give another folder for this one: what both have is bought twice",
    )


def simulation_mismatch(folder: Path, *, simulated: bool) -> InvalidRequestError:
    """Return the error for a simulated run in the folder of a real one, or the reverse."""
    holds, wanted = ("real", "simulated") if simulated else ("simulated", "real")
    return invalid_folder(f"{folder} holds a {holds} run", f"Give another folder for the {wanted} one")


def _write_key(connection: sqlite3.Connection, key: RunKey) -> None:
    connection.execute("INSERT INTO notes VALUES ('key', ?)", (json.dumps(asdict(key)),))
    connection.execute("INSERT INTO notes VALUES ('fingerprint', ?)", (json.dumps(CANONICAL_VERSION),))
