"""Shows which owners of a ledger in a file have died: each holds a lock of the operating system on a file of its own.

A process that was killed is taken over at once, and not only when its lease has ended. The lease decides where the file
system has no locks, and for a process that was frozen. Whoever holds its lock may have another time of day than we, by
which its leases have always ended: it lives as long as it renews them.
"""

import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from generor_async.stores.file_locks import LOCKED_ERRNOS, system_lock

__all__ = ["OwnerLock", "has_died", "is_held"]

PREFIX: Final = "lock="
"""Goes before the lock's name in the text that describes an owner's process."""


class OwnerLock:
    """A locked file beside a ledger, which is deleted when it is released."""

    def __init__(self, ledger: Path) -> None:
        self._file: IO[str] | None = None
        name = secrets.token_hex(8)
        self._path = _lock_path(ledger, name)
        try:
            self._file = self._path.open("w")
            system_lock(self._file)
        except OSError:  # there are no locks here: the lease alone decides
            self.release()
        self.description = "" if self._file is None else f" {PREFIX}{name}"
        """Goes into the description of the owner's process."""

    def release(self) -> None:
        """Delete and unlock the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
            with suppress(OSError):
                self._path.unlink()


def is_held(ledger: Path, process: str) -> bool:
    """Tell whether an owner is known to hold its lock, by the description of its process."""
    path = _path_of(ledger, process)
    if path is None:
        return False
    try:
        with path.open("r+") as file:
            system_lock(file)
    except OSError as error:
        return error.errno in LOCKED_ERRNOS
    return False


def has_died(ledger: Path, process: str) -> bool:
    """Tell whether an owner is known to have died, by the description of its process; delete its file if so."""
    path = _path_of(ledger, process)
    if path is None:
        return False
    try:
        with path.open("r+") as file:
            system_lock(file)
    except FileNotFoundError:  # it was released, or another process has found this
        return True
    except OSError:  # it is locked, or can't be
        return False
    with suppress(OSError):
        path.unlink()
    return True


def _path_of(ledger: Path, process: str) -> Path | None:
    """Return the path of the lock that a process's description names; None for one of another machine, or without."""
    host, found, name = process.partition(f" {PREFIX}")
    return _lock_path(ledger, name) if found and host.rpartition(":")[0] == socket.gethostname() else None


def _lock_path(ledger: Path, name: str) -> Path:
    return ledger.with_name(f"{ledger.name}-{name}.lock")
