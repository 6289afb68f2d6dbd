"""The file or pipe that rows are read from: opened, unpacked, decoded, and parted into lines.

A pipe is opened once. What the estimate reads of it is kept in a temporary file, for the run to read again.
"""

import codecs
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
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from attrs import define, field

from generor_async.engine.threads import run_to_completion
from generor_async.errors import InvalidRequestError
from generor_async.rules.csv_quotes import LONGEST_RECORD
from generor_async.rules.file_fingerprint import FileFingerprint

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["MAX_REJECTS_NAMED", "ReadingNotices", "RowSource", "rows_error"]

MAX_REJECTS_NAMED: Final = 5
"""How many of the lines that were set aside are named."""
STDIN: Final = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
STREAMS: Final = ("/dev/fd/", "/proc/self/fd/")
"""Where a shell shows what a command writes, as for `<(...)`."""
KEPT_IN_MEMORY: Final = 1 << 20
CHUNK: Final = 1 << 16
"""Bytes that are read at a time."""
STOP_CHECK_SECONDS: Final = 0.2
"""Seconds after which whoever waits for a pipe looks whether it is to stop."""
DIGEST: Final = "sha256"
HEAD_BYTES: Final = 4
GZIP: Final = b"\x1f\x8b"
BINARY_FORMATS: Final = {
    b"PK\x03\x04": "a zip archive, as Excel's workbooks are",
    b"\xd0\xcf\x11\xe0": "a workbook of an older Excel",
    b"PAR1": "Parquet",
    b"BZh": "packed with bzip2",
    b"\xfd7zX": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with Zstandard",
    b"SQLi": "an SQLite database",
    b"%PDF": "a PDF",
}
BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@define
class ReadingNotices:
    """What is said of how the rows are read, each sentence once; the first that is told hears those from before."""

    _sentences: dict[str, None] = field(init=False, factory=dict[str, None])
    _listener: Callable[[str], object] | None = field(init=False, default=None)
    _reject_places: set[str] = field(init=False, factory=set[str])
    """What was set aside, as far as it is named."""

    def add(self, sentence: str) -> None:
        """Say it, unless it was said."""
        if sentence not in self._sentences:
            self._sentences[sentence] = None
            self.emit(sentence)

    def emit(self, sentence: str) -> None:
        """Say what another reading wouldn't: it isn't kept."""
        if self._listener is not None:
            self._listener(sentence)

    def add_reject(self, place: str, reason: str) -> None:
        """Say that something was set aside; of many, the first are named."""
        if len(self._reject_places) < MAX_REJECTS_NAMED:
            self._reject_places.add(place)
            self.add(f"{place} was set aside: {reason}")

    @property
    def sentences(self) -> Sequence[str]:
        """All that was said."""
        return list(self._sentences)

    @property
    def has_listener(self) -> bool:
        """Whether anybody is told."""
        return self._listener is not None

    def listen(self, listener: Callable[[str], object]) -> None:
        """Have somebody told of all that is said, before any row that is read later is charged."""
        self._listener = listener
        for sentence in self._sentences:
            listener(sentence)


def rows_error(problem: str, advice: str) -> InvalidRequestError:
    """Make the error of rows that can't be read."""
    return InvalidRequestError("rows", problem, advice=advice)


class RowSource:
    """A file, or what can be read only once; `-` is stdin."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_stdin = str(path) in STDIN
        self.is_stream = self.is_stdin or str(path).startswith(STREAMS)
        self.name = "stdin" if self.is_stdin else "pipe" if self.is_stream else path.name
        """How it is called in the places of rows, and by the journal."""
        self._file: HashingFile | None = None
        """The file, as it was opened last."""
        self._pipe: io.FileIO | None = None
        """Of what can be read only once, what was not read yet."""
        self._buffer: IO[bytes] | None = None
        """And what was."""
        self._keeps_buffer = False
        self._stopped = False

    @property
    def display_name(self) -> str:
        """How it is called in sentences about the whole of it."""
        return self.name if self.is_stream else str(self.path)

    @property
    def folder(self) -> Path:
        """What paths in its rows are relative to."""
        return Path.cwd() if self.is_stream else self.path.parent

    @property
    def suffix(self) -> str:
        """What its name says that it holds; empty where it has none."""
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
        """Open it as text, whose bytes that aren't UTF-8 are surrogates; `keep` what is read of a pipe, for the next.

        Raises InvalidRequestError for what can't be read or is no text; so do `lines` and `pieces` of it.
        """
        self._keeps_buffer = keep
        try:
            with ExitStack() as open_:
                with self._translated_errors():
                    raw = open_.enter_context(self._open_bytes())
                    text = open_.enter_context(decode(unpack(raw, self.display_name)))
                yield text
        finally:
            if not keep:
                self._close()

    def lines(self, text: IO[str]) -> Iterator[tuple[int, str]]:
        """Yield each line with its number; what is longer than a line may be comes cut, and its rest is left out."""
        number = 0
        with self._translated_errors():
            while line := text.readline(LONGEST_RECORD):
                number += 1
                yield number, line
                while len(line) == LONGEST_RECORD and not line.endswith(("\n", "\r")):
                    line = text.readline(LONGEST_RECORD)

    def pieces(self, text: IO[str]) -> Iterator[str]:
        """Yield what is left of a text, piece by piece."""
        with self._translated_errors():
            while piece := text.read(CHUNK):
                yield piece

    @contextmanager
    def _translated_errors(self) -> Generator[None]:
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
        """What was read when it was opened last; None unless that was all of a file."""
        return None if self._file is None else self._file.content

    async def read_content(self, size: int) -> FileFingerprint | None:
        """Return what is in it now; None unless it is a file of this size."""

        def read() -> FileFingerprint | None:
            if self.is_pipe or self.path.stat().st_size != size:
                return None
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, DIGEST).hexdigest()
                return FileFingerprint(size=file.tell(), digest=digest)

        try:
            return await run_to_completion(read)
        except OSError:  # whoever reads its rows says what is wrong
            return None

    def _open_bytes(self) -> io.BufferedReader:
        if not self.is_pipe:
            self._file = HashingFile(self.path)
            return io.BufferedReader(self._file, CHUNK)
        if self._pipe is None:
            self._pipe = io.FileIO(0, closefd=False) if self.is_stdin else _open_pipe(self.path)
            if self._keeps_buffer:
                self._buffer = tempfile.SpooledTemporaryFile(KEPT_IN_MEMORY)  # noqa: SIM115 - the next opening reads it
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
        """Read what was kept of a pipe, then what it still has."""
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
        """Whether a pipe has nothing to be read now."""
        live = self._pipe
        return (
            live is not None and not live.closed and sys.platform != "win32" and not select.select([live], [], [], 0)[0]
        )

    def stop(self) -> None:
        """Have whoever waits for a pipe give up, with an OSError."""
        self._stopped = True

    def _wait_until_readable(self, live: io.FileIO) -> None:
        """Wait until there is something to read; of a cancelled thread nobody else would end the waiting."""
        while (
            sys.platform != "win32" and not self._stopped and not select.select([live], [], [], STOP_CHECK_SECONDS)[0]
        ):
            pass
        if self._stopped:
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))


def _open_pipe(path: Path) -> io.FileIO:
    """Open what may be a FIFO that nobody writes to yet: that is waited for where the waiting can be ended."""
    if sys.platform != "linux":  # elsewhere a FIFO without a writer seems to be at its end
        return io.FileIO(path)
    file = io.FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    os.set_blocking(file.fileno(), True)
    return file


class HashingFile(io.FileIO):
    """A file that knows what was read of it, from its beginning on."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._size = 0
        self._digest = hashlib.new(DIGEST)
        self._is_at_end = False

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        count = super().readinto(buffer)
        self._digest.update(memoryview(buffer).cast("B")[:count])
        self._size += count
        self._is_at_end = not count
        return count

    @property
    def content(self) -> FileFingerprint | None:
        """What was read; None as long as that is not all."""
        return FileFingerprint(size=self._size, digest=self._digest.hexdigest()) if self._is_at_end else None


class _PipeReader(io.RawIOBase):
    def __init__(self, source: RowSource) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        return self._source.read_pipe_into(buffer)


class _PrefixedStream(io.RawIOBase):
    """What was read to look at it, and what follows."""

    def __init__(self, head: bytes, rest: io.BufferedReader | gzip.GzipFile) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        head, self._head = self._head, b""
        piece = head + self._rest.read1(len(view) - len(head))
        view[: len(piece)] = piece
        return len(piece)


def unpack(raw: io.BufferedReader, shown: str) -> tuple[bytes, io.BufferedReader]:
    """Return the first bytes of a text, and what it is read from."""
    head = raw.read(HEAD_BYTES)
    if head.startswith(GZIP):
        packed = gzip.GzipFile(fileobj=io.BufferedReader(_PrefixedStream(head, raw), CHUNK))
        head = packed.read(HEAD_BYTES)
        return head, io.BufferedReader(_PrefixedStream(head, packed), CHUNK)
    for mark, kind in BINARY_FORMATS.items():
        if head.startswith(mark):
            raise rows_error(f"{shown} is {kind}, and no text", "Write its rows as .jsonl, .csv or .tsv")
    return head, io.BufferedReader(_PrefixedStream(head, raw), CHUNK)


def decode(found: tuple[bytes, io.BufferedReader]) -> IO[str]:
    head, stream = found
    encoding = _detect_encoding(head)
    errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
    sample = stream.peek(CHUNK).decode(encoding, "ignore")
    ends = "\r" if "\r" in sample and "\n" not in sample else "\n"
    return io.TextIOWrapper(stream, encoding, errors, newline=ends)


def _detect_encoding(head: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    zeros = "".join("x0"[byte == 0] for byte in head)
    return {"x0x0": "utf-16-le", "0x0x": "utf-16-be"}.get(zeros, "utf-8-sig")
