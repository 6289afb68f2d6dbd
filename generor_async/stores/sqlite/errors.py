"""Explains errors of SQLite to users: what is wrong with the file, and what to do."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from generor_async.errors import JournalError
from generor_async.stores.ledger import FOLDER_RUN, NO_RUN, RECOVER_ADVICE, UnusableLedgerError

__all__ = ["BUSY_SECONDS", "ledger_error", "newer_advice", "unusable"]

BUSY_SECONDS: Final = 60.0
"""How long to wait while another program, such as a backup or a database browser, locks the file."""

_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DISK: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
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


FORGOTTEN: Final = "there, nobody knows what was bought, and calls with known idempotency keys are charged again"
STATE_ADVICE: Final = f"Put a copy of it back that is as new, or give another path: {FORGOTTEN}"


def newer_advice(run: str) -> str:
    """Return what to do with a file that a newer version of this package has made."""
    if run == NO_RUN:
        return f"Upgrade the package. Don't give another path: {FORGOTTEN}"
    return "Upgrade it: another folder buys every row again"


def _explain(error: sqlite3.Error, path: Path, run: str) -> tuple[str, str]:
    """Return what is wrong, to be put in brackets behind "cannot be read" or the like, and advice."""
    if isinstance(error, sqlite3.ProgrammingError):
        return "it is closed", "Open it again"
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in _LOCKED:
        return (
            f"another program has locked it, for {BUSY_SECONDS:g} s",
            f"Nothing is lost: end what has {path.name} open, such as a backup or a database browser, and run it again",
        )
    if code & 0xFF in _CORRUPT:
        return f"{error}", STATE_ADVICE if run == NO_RUN else RECOVER_ADVICE
    if code in _NO_LOCKS:
        return (
            f"{error}: the file system has no locks",
            "Move the whole folder to a disk of this machine, and go on with it there",
        )
    if code & 0xFF == sqlite3.SQLITE_CANTOPEN:
        return _explain_closed(error, path)
    if code & 0xFF == sqlite3.SQLITE_READONLY:
        return f"{error}", f"Let the user of this process write {path.name} and its folder, and try again"
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 - `Path` raises in closed folders
        return "it is no ordinary file", "Give the path of a file"
    if f"{error}".startswith("no such table: main."):  # which only views of old tables name like this
        return "another process upgrades it to the format of this version", "Run it again"
    return f"{error}", "Free some space or mend the disk, and run it again: what was committed is not lost"


def _explain_closed(error: sqlite3.Error, path: Path) -> tuple[str, str]:
    """Explain why a file can't be opened."""
    if os.path.isdir(path):  # noqa: PTH112 - `Path` raises in closed folders
        return "it is a folder", f"Give the path of a file in it, such as {path / 'calls.sqlite'}"
    with suppress(OSError):  # nobody can tell
        if not path.parent.is_dir():
            return f"there is no folder {path.parent}", "Create it, or correct the path"
    return (
        f"{error}",
        "Let its folder be read and written, or raise the limit of open files (`ulimit -n`), and try again",
    )


def unusable(action: str, path: Path, error: sqlite3.Error, run: str = FOLDER_RUN) -> UnusableLedgerError:
    """Return the error for a file that can't be opened."""
    problem, advice = _explain(error, path, run)
    is_disk_error = getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK
    return UnusableLedgerError(f"{path} cannot be {action} ({problem})", advice, is_disk_error=is_disk_error)


def ledger_error(action: str, path: Path, error: sqlite3.Error, run: str) -> JournalError:
    """Return the error for a ledger that is open and can't be read or written."""
    problem, advice = _explain(error, path, run)
    return JournalError(f"{path} cannot be {action} ({problem})", advice=advice)
