"""The content of an upload: a local file, bytes, or a stream, read in chunks.

The size of a content is announced before its first byte is sent. Where it turns out to have more or fewer bytes, or
changed while it was read, the last chunk is not sent: the host then has fewer bytes than announced, and keeps nothing.
"""

import contextlib
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from generor_async.errors import InvalidRequestError, UploadError
from generor_async.rules import arguments, media_types
from generor_async.stores.threads import run_to_completion

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Content", "Source", "open_content"]

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | AsyncIterable[bytes]
"""A path, bytes, or an async iterator of bytes."""

OPERATION = "luma.files.upload"
LARGEST = 5 * 1024**3
"""Size of the largest file, in bytes (client)."""
CHUNK = 1024 * 1024


class Content:
    """Bytes of a known size and media type, which may have a file name."""

    repeatable = True
    """Whether the bytes can be read more than once."""

    def __init__(self, *, name: str, size: int, head: bytes, media_type: str | None) -> None:
        if not 1 <= size <= LARGEST:
            raise _invalid_source(f"{name or 'it'} is empty" if size <= 0 else f"{name or 'it'} is larger than 5 GiB")
        self.name = name
        self.size = size
        self.media_type = media_type or _media_type_of(head, name)
        self.error: Exception | None = None
        """The error that reading raised."""
        self.trace: TracebackType | None = None
        """Its traceback as far as this module: without the frames that hold a presigned URL."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes in chunks; the last chunk only after the size was verified.

        Raises:
            UploadError: The content is not as it was announced.
        """
        try:
            async for piece in self._checked_pieces():
                yield piece
        except Exception as error:
            self.error, self.trace = error, error.__traceback__
            raise

    async def _checked_pieces(self) -> AsyncIterator[bytes]:
        held, read = b"", 0
        async for piece in self._pieces():
            read += len(piece)
            if read > self.size:
                raise self._changed_error(f"it has more than the {self.size:,} bytes that were announced")
            if held:
                yield held
            held = bytes(piece)
        if read < self.size:
            raise self._changed_error(f"it ended after {read:,} of the {self.size:,} bytes that were announced")
        self._check_unchanged()
        yield held

    def _pieces(self) -> AsyncIterator[bytes]:
        raise NotImplementedError

    def _check_unchanged(self) -> None:
        """Raise UploadError where the content has changed since it was opened."""

    def _changed_error(self, problem: str) -> UploadError:
        name = self.name or "the content"
        return UploadError(
            f"{name} changed while it was uploaded: {problem}", advice="Upload it when nothing writes to it"
        )


class _Bytes(Content):
    def __init__(self, data: bytes, *, media_type: str | None) -> None:
        super().__init__(name="", size=len(data), head=data[: media_types.SNIFFED_BYTES], media_type=media_type)
        self._data = data

    async def _pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, self.size, CHUNK):
            yield self._data[start : start + CHUNK]


class _File(Content):
    """A local file. It stays open, so that it may be renamed or removed during the upload."""

    def __init__(self, descriptor: int, path: Path, *, media_type: str | None) -> None:
        self._descriptor = descriptor
        self._stat = os.fstat(descriptor)
        head = os.read(descriptor, media_types.SNIFFED_BYTES)
        super().__init__(name=path.name, size=self._stat.st_size, head=head, media_type=media_type)

    async def _pieces(self) -> AsyncIterator[bytes]:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        while piece := await run_to_completion(lambda: os.read(self._descriptor, CHUNK)):
            yield piece

    def _check_unchanged(self) -> None:
        now = os.fstat(self._descriptor)
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise self._changed_error("somebody wrote to it")


class _Stream(Content):
    repeatable = False

    def __init__(self, first: bytes, rest: AsyncIterator[bytes], *, size: int, media_type: str | None) -> None:
        super().__init__(name="", size=size, head=first[: media_types.SNIFFED_BYTES], media_type=media_type)
        self._first = first
        self._rest = rest

    async def _pieces(self) -> AsyncIterator[bytes]:
        yield self._first
        self._first = b""
        async for piece in self._rest:
            yield arguments.data(piece, "each piece of source")


@contextlib.asynccontextmanager
async def open_content(source: Source, *, size_bytes: int | None, media_type: str | None) -> AsyncGenerator[Content]:
    """Open the source of an upload.

    Args:
        source: A path, bytes, or an async iterator of bytes.
        size_bytes: The size of an async iterator, in bytes; None for any other source.
        media_type: Its media type; None detects it.

    Raises:
        InvalidRequestError: The source can't be uploaded.
    """
    if size_bytes is not None and not isinstance(source, AsyncIterable):
        raise _invalid_source("size_bytes is for an async iterator alone", field="size_bytes")
    if isinstance(source, bytes | bytearray | memoryview):
        yield _Bytes(bytes(source), media_type=media_type)
    elif isinstance(source, AsyncIterable):
        if size_bytes is None:
            raise _invalid_source("size_bytes must say how many bytes an async iterator yields", field="size_bytes")
        pieces = aiter(source)
        first = b""
        while len(first) < media_types.SNIFFED_BYTES and (piece := await anext(pieces, None)) is not None:
            first += arguments.data(piece, "each piece of source")
        yield _Stream(first, pieces, size=size_bytes, media_type=media_type)
    else:
        try:
            path = _path(source)
        except InvalidRequestError as error:
            error.operation = OPERATION
            raise
        descriptor = await run_to_completion(lambda: _open(path))
        try:
            yield _File(descriptor, path, media_type=media_type)
        finally:
            os.close(descriptor)


def _path(source: object) -> Path:
    if isinstance(source, str) or arguments.is_pathlike(source):
        if isinstance(source, str) and "://" in source:
            advice = "Name an image by MediaRef.url(...), without an upload; fetch anything else first"
            raise _invalid_source("source must be a file of this machine, not a URL", advice=advice)
        return Path(arguments.path(source, "source", "a file"))
    raise arguments.type_error("source", "a path, bytes or an async iterator of bytes", source)


def _open(path: Path) -> int:
    try:
        # Without O_NONBLOCK, opening a FIFO waits for somebody who writes to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        # Path.is_dir raises what open has just raised: the name is too long, or a folder on the way is closed.
        problem = "is a folder" if os.path.isdir(path) else f"cannot be read ({reason})"  # noqa: PTH112
        raise _invalid_source(f"{str(path)[:200]} {problem}") from None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    raise _invalid_source(
        f"{path} is a folder" if stat.S_ISDIR(mode) else f"{path} is not a file, but a pipe or a device"
    )


def _media_type_of(head: bytes, name: str) -> str:
    try:
        return media_types.upload_type(head, name)
    except ValueError as error:
        raise _invalid_source(f"{name or 'it'} {error}", advice="Name its type: mime_type=...") from None


def _invalid_source(problem: str, *, field: str = "source", advice: str = "") -> InvalidRequestError:
    return InvalidRequestError(field, problem, operation=OPERATION, advice=advice)
