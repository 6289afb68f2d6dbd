"""Explains errors of SQLite to the user of a batch: what is wrong with the journal, and what to do."""

import sqlite3
from pathlib import Path
from typing import Final

from generor_async.errors import JournalError

__all__ = ["BUSY_SECONDS", "RECOVER_ADVICE", "explain", "journal_error"]

BUSY_SECONDS: Final = 60.0
"""How long to wait while another program, such as a backup or a database browser, locks the journal."""
RECOVER_ADVICE: Final = (
    "Rebuild it with `generor batch recover`, or put a copy of it back that is no older than the results: another"
    " folder, or an empty one, buys every row again"
)

_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NO_LOCKS: Final = frozenset(
    {
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_IOERR_LOCK,
        sqlite3.SQLITE_IOERR_RDLOCK,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_SHMMAP,
        sqlite3.SQLITE_IOERR_SHMOPEN,
    }
)


def explain(error: sqlite3.Error, path: Path) -> tuple[str, str]:
    """Return what is wrong, to be put in brackets behind "cannot be read" or the like, and advice."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in _LOCKED:
        return (
            f"another program has locked it, for {BUSY_SECONDS:g} s",
            f"Nothing is lost: end what has {path.name} open, such as a backup or a database browser, and run it again",
        )
    if code & 0xFF in _CORRUPT:
        return f"{error}", RECOVER_ADVICE
    if code in _NO_LOCKS:
        return (
            f"{error}: the file system has no locks",
            "Move the whole folder to a disk of this machine, and go on with it there",
        )
    if code & 0xFF == sqlite3.SQLITE_CANTOPEN:
        return (
            f"{error}",
            "Let its folder be read and written, or raise the limit of open files (`ulimit -n`), and run it again",
        )
    return f"{error}", "Free some space or mend the disk, and run it again: what was committed is not lost"


def journal_error(action: str, path: Path, error: sqlite3.Error) -> JournalError:
    """Return the error for a journal that can't be read or written while a batch runs."""
    problem, advice = explain(error, path)
    return JournalError(f"{path} cannot be {action} ({problem})", advice=advice)
