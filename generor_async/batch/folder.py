"""A results folder belongs to one process at a time, and to one run.

The lock is the operating system's, on a file of its own: it ends with the process, however that ends.
"""

import os
import sys
from pathlib import Path
from typing import IO, Final

from generor_async.errors import InvalidRequestError

__all__ = ["JOURNAL", "Folder", "refused"]

JOURNAL: Final = "journal.sqlite"
LOCK: Final = "journal.lock"

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(LOCKED_AT)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


LOCKED_AT: Final = 4096
"""Which byte is locked where a lock hides bytes from others: behind the process's id, for them to read."""


class Folder:
    """A folder, made if need be, and held by this process until it is let go."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / LOCK).open("a+")
        except OSError as error:
            advice = "Give a folder that can be written to, or one that does not exist yet"
            raise refused(f"{self.path} cannot be used ({error.strerror})", advice) from None
        try:
            _lock(self._lock)
        except OSError:
            self._lock.seek(0)
            pid = self._lock.read().strip()
            self._lock.close()
            advice = "Wait until it ends, or end it; `status` and `report` work meanwhile"
            raise refused(f"{self.path} is in use by process {pid}", advice) from None
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n")
        self._lock.flush()

    def let_go(self) -> None:
        """Let others have it."""
        self._lock.close()


def refused(problem: str, advice: str) -> InvalidRequestError:
    """Make the error of a folder that can't be used."""
    return InvalidRequestError("to", problem, advice=advice)
