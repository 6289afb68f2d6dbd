"""Decodes a file or pipe as text: decompresses gzip, and detects the encoding by the first bytes."""

import codecs
import gzip
import hashlib
import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from generor_async.batch.notices import rows_error
from generor_async.rules.file_fingerprint import FileFingerprint

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["CHUNK", "DIGEST", "HashingFile", "decode"]

CHUNK: Final = 1 << 16
"""Bytes that are read at a time."""
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


class HashingFile(io.FileIO):
    """A file that hashes what is read of it, from its beginning."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._size = 0
        self._digest = hashlib.new(DIGEST)
        self._is_at_end = False

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read into a buffer, and hash what was read."""
        count = super().readinto(buffer)
        self._digest.update(memoryview(buffer).cast("B")[:count])
        self._size += count
        self._is_at_end = not count
        return count

    @property
    def content(self) -> FileFingerprint | None:
        """The size and hash of the whole file; None until its end is reached."""
        return FileFingerprint(size=self._size, digest=self._digest.hexdigest()) if self._is_at_end else None


class _PrefixedStream(io.RawIOBase):
    """A stream with the bytes in front of it that were read from it already."""

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


def _unpack(raw: io.BufferedReader, display_name: str) -> tuple[bytes, io.BufferedReader]:
    """Return the first bytes of a text, decompressed, and the stream to read it from."""
    head = raw.read(HEAD_BYTES)
    if head.startswith(GZIP):
        packed = gzip.GzipFile(fileobj=io.BufferedReader(_PrefixedStream(head, raw), CHUNK))
        head = packed.read(HEAD_BYTES)
        return head, io.BufferedReader(_PrefixedStream(head, packed), CHUNK)
    for magic, format_ in BINARY_FORMATS.items():
        if head.startswith(magic):
            raise rows_error(f"{display_name} is {format_}, and no text", "Write its rows as .jsonl, .csv or .tsv")
    return head, io.BufferedReader(_PrefixedStream(head, raw), CHUNK)


def decode(raw: io.BufferedReader, display_name: str) -> IO[str]:
    """Return the text of a file or pipe; bytes that aren't UTF-8 become surrogates.

    Raises:
        InvalidRequestError: It is in a known binary format.
    """
    head, stream = _unpack(raw, display_name)
    encoding = _detect_encoding(head)
    errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
    # `newline` must name the line end of a file with bare carriage returns, as old Mac programs write.
    sample = stream.peek(CHUNK).decode(encoding, "ignore")
    ends = "\r" if "\r" in sample and "\n" not in sample else "\n"
    return io.TextIOWrapper(stream, encoding, errors, newline=ends)


def _detect_encoding(head: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    zeros = "".join("x0"[byte == 0] for byte in head)
    return {"x0x0": "utf-16-le", "0x0x": "utf-16-be"}.get(zeros, "utf-8-sig")
