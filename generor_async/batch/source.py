"""The file or pipe that rows are read from, line by line.

A pipe can be read only once. What the estimate reads of it is kept in a temporary file, for the run to read again.
"""

import errno
import gzip
import hashlib
import io
import os
import select
import stat
import sys
import tempfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from generor_async.batch.notices import rows_error
from generor_async.batch.text_stream import CHUNK, DIGEST, HashingFile, decode
from generor_async.rules.csv_quotes import LONGEST_RECORD
from generor_async.rules.file_fingerprint import FileFingerprint
from generor_async.stores.threads import run_to_completion

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["RowSource"]

STDIN: Final = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
STREAMS: Final = ("/dev/fd/", "/proc/self/fd/")
"""Beginnings of paths that name an open pipe, as a shell makes them for `<(...)`."""
BUFFER_IN_MEMORY: Final = 1 << 20
"""Bytes of a pipe that are kept in memory before a temporary file is made."""
STOP_CHECK_SECONDS: Final = 0.2
"""Seconds between two checks whether the reading of a pipe was stopped."""


class RowSource:
    """A file, or a pipe, which can be read only once; `-` is stdin."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_stdin = str(path) in STDIN
        self.is_stream = self.is_stdin or str(path).startswith(STREAMS)
        self.name = "stdin" if self.is_stdin else "pipe" if self.is_stream else path.name
        """Its name in the places of rows, and in the journal."""
        self._file: HashingFile | None = None
        """The file as last opened."""
        self._pipe: io.FileIO | None = None
        """The pipe, at what was not read yet."""
        self._buffer: IO[bytes] | None = None
        """What was read of the pipe."""
        self._keeps_buffer = False
        self._stopped = False

    @property
    def display_name(self) -> str:
        """Its name in messages: of a file, the path."""
        return self.name if self.is_stream else str(self.path)

    @property
    def folder(self) -> Path:
        """The folder that paths in its rows are relative to."""
        return Path.cwd() if self.is_stream else self.path.parent

    @property
    def suffix(self) -> str:
        """The suffix of its name in lower case, before `.gz`; empty if it has none."""
        name = Path("" if self.is_stream else self.path.name.lower())
        return Path(name.stem).suffix if name.suffix == ".gz" else name.suffix

    @property
    def is_pipe(self) -> bool:
        """Whether it can be read only once."""
        if self.is_stream or self._pipe is not None:
            return True
        mode = self.path.stat().st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)

    @contextmanager
    def open(self, *, keep: bool = False) -> Generator[IO[str]]:
        """Open it as text; bytes that aren't UTF-8 become surrogates.

        Args:
            keep: Whether to keep what is read of a pipe, for the next `open`.

        Raises:
            InvalidRequestError: It can't be read, or is no text; `lines` and `pieces` raise it as well.
        """
        self._keeps_buffer = keep
        try:
            with ExitStack() as open_:
                with self._translated_errors():
                    raw = open_.enter_context(self._open_bytes())
                    text = open_.enter_context(decode(raw, self.display_name))
                yield text
        finally:
            if not keep:
                self._close()

    def lines(self, text: IO[str]) -> Iterator[tuple[int, str]]:
        """Yield each line with its number, cut at the longest length that a line may have."""
        number = 0
        with self._translated_errors():
            while line := text.readline(LONGEST_RECORD):
                number += 1
                yield number, line
                while len(line) == LONGEST_RECORD and not line.endswith(("\n", "\r")):
                    line = text.readline(LONGEST_RECORD)

    def pieces(self, text: IO[str]) -> Iterator[str]:
        """Yield the rest of a text in pieces."""
        with self._translated_errors():
            while piece := text.read(CHUNK):
                yield piece

    @contextmanager
    def _translated_errors(self) -> Generator[None]:
        """Raise InvalidRequestError for the errors of reading."""
        where = self.display_name
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise rows_error(
                f"{where} breaks off, or is damaged, where it is packed ({error})", "Pack it again"
            ) from None
        except OSError as error:
            raise rows_error(f"{where} cannot be read ({error.strerror})", "Give a file that can be read") from None
        except UnicodeError as error:
            raise rows_error(f"{where} breaks off or is not UTF-16 ({error})", "Write it again, as UTF-8") from None

    @property
    def content(self) -> FileFingerprint | None:
        """The content of the file as last read; None unless it was read to its end."""
        return None if self._file is None else self._file.content

    async def read_content(self, size: int) -> FileFingerprint | None:
        """Return the content of the file now; None unless it has this size."""

        def read() -> FileFingerprint | None:
            if self.is_pipe or self.path.stat().st_size != size:
                return None
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, DIGEST).hexdigest()
                return FileFingerprint(size=file.tell(), digest=digest)

        try:
            return await run_to_completion(read)
        except OSError:  # raised when its rows are read
            return None

    def _open_bytes(self) -> io.BufferedReader:
        if not self.is_pipe:
            self._file = HashingFile(self.path)
            return io.BufferedReader(self._file, CHUNK)
        if self._pipe is None:
            self._pipe = io.FileIO(0, closefd=False) if self.is_stdin else _open_pipe(self.path)
            if self._keeps_buffer:
                self._buffer = tempfile.SpooledTemporaryFile(BUFFER_IN_MEMORY)  # noqa: SIM115 - the next opening reads it
        elif self._buffer is None:
            raise rows_error(f"{self.display_name} has been read, and can be read only once", "Give a file")
        else:
            self._buffer.seek(0)
        return io.BufferedReader(_PipeReader(self), CHUNK)

    def _close(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._buffer is not None:
            self._buffer.close()
            self._buffer = None

    def read_pipe_into(self, into: "WriteableBuffer") -> int:
        """Read from the buffer of a pipe, then from the pipe."""
        assert self._pipe is not None
        view = memoryview(into).cast("B")
        piece = b"" if self._buffer is None else self._buffer.read(len(view))
        if not piece:
            self._wait_until_readable(self._pipe)
            piece = self._pipe.read(len(view)) or b""
            if self._keeps_buffer and self._buffer is not None:
                self._buffer.write(piece)
        view[: len(piece)] = piece
        return len(piece)

    @property
    def is_idle(self) -> bool:
        """Whether a pipe has nothing to read at the moment."""
        pipe = self._pipe
        return pipe is not None and not pipe.closed and not _is_readable(pipe, 0)

    def stop(self) -> None:
        """End the waiting for a pipe with an OSError."""
        self._stopped = True

    def _wait_until_readable(self, pipe: io.FileIO) -> None:
        """Wait until there is something to read, or `stop`: a blocking read could not be ended by a cancellation."""
        while not self._stopped and not _is_readable(pipe, STOP_CHECK_SECONDS):
            pass
        if self._stopped:
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))


def _is_readable(pipe: io.FileIO, timeout: float) -> bool:
    """Wait for something to read, at most so many seconds; on Windows, where pipes can't be waited for, say yes."""
    return sys.platform == "win32" or bool(select.select([pipe], [], [], timeout)[0])


def _open_pipe(path: Path) -> io.FileIO:
    """Open a pipe without waiting for its writer, as that waiting could not be ended."""
    if sys.platform != "linux":  # elsewhere a FIFO without a writer seems to be at its end
        return io.FileIO(path)
    file = io.FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    os.set_blocking(file.fileno(), True)
    return file


class _PipeReader(io.RawIOBase):
    def __init__(self, source: RowSource) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        return self._source.read_pipe_into(buffer)
