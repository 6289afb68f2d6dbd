"""Locks of the operating system on a file, which end with the process however that ends."""

import errno
import sys
from collections.abc import Callable
from typing import IO, Final, TypeAlias

__all__ = ["LOCKED_BYTE", "LOCKED_ERRNOS", "SystemLock", "lock_range", "system_lock"]

SystemLock: TypeAlias = Callable[[IO[str]], None]
"""Locks an open file until it is closed; raises OSError if another process holds it, or if there are no locks."""
LOCKED_ERRNOS: Final = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""Error numbers for a lock that another process holds; any other means that there are no locks."""
LOCKED_BYTE: Final = 4096
"""Position of the locked byte where a lock makes bytes unreadable: behind the text, which others read."""

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def system_lock(file: IO[str]) -> None:
        """Lock a file."""
        file.seek(LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def lock_range(file: IO[str]) -> None:
        """Do nothing: Windows has no advisory locks of ranges."""

else:
    import fcntl

    def system_lock(file: IO[str]) -> None:
        """Lock a file."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def lock_range(file: IO[str]) -> None:
        """Lock a file as SQLite does, and unlock it."""
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(file, fcntl.LOCK_UN)
