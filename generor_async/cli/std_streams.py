"""Repairs the standard streams, which may be closed, on a full disk, or on a terminal that has gone away."""

import errno
import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["discard_stdout", "repair_streams", "write_stdout"]

READER_GONE: Final = frozenset({errno.EPIPE, errno.EIO})
"""Error numbers of a write that nobody reads any more."""


class _LenientFile(io.FileIO):
    """A file to which a failed write is no error."""

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write as much as possible; report everything as written."""
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def repair_streams() -> None:
    """Connect closed streams to the null device, and ignore write errors on stderr.

    If a stream stayed closed, the next file that is opened would get its number, and what is written to the stream.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the first number that is free
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - as long as the process lives
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    encoding = sys.stderr.encoding if sys.stderr else None
    unfailing = io.BufferedWriter(_LenientFile(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(unfailing, encoding, errors="backslashreplace", line_buffering=True)


def write_stdout(write: Callable[[], object]) -> bool:
    """Write to stdout; return False if that failed for another reason than that nobody reads any more.

    After a failure, stdout is connected to the null device.
    """
    try:
        write()
        sys.stdout.flush()
    except OSError as error:
        discard_stdout()
        return error.errno in READER_GONE
    return True


def discard_stdout() -> None:
    """Connect stdout to the null device."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
