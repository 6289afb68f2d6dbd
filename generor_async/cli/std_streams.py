"""The standard streams of a command as others left them: closed, on a full disk, or on a terminal that is gone."""

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["is_written", "mend_streams"]

GONE: Final = frozenset({errno.EPIPE, errno.EIO})
"""What the operating system says where nobody reads any more."""


class _Unfailing(io.FileIO):
    """A file that takes what can't be written as well."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write what can be written."""
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def mend_streams() -> None:
    """Have streams that are closed take everything, and let nothing that can't be said on stderr end a command.

    Where one is closed, a file that is opened later would be in its place, and get what is written there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the first number that is free
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - as long as the process lives
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    encoding = sys.stderr.encoding if sys.stderr else None
    unfailing = io.BufferedWriter(_Unfailing(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(unfailing, encoding, errors="backslashreplace", line_buffering=True)


def is_written(write: Callable[[], object]) -> bool:
    """Write to stdout, which takes everything afterwards; return whether all was written, or nobody reads any more."""
    try:
        write()
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error.errno in GONE
    return True
