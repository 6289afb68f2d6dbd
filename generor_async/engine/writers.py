"""Writes to what a caller has opened: a binary file, a file of an async library, or another object with `write`."""

import errno
import io
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Protocol, cast, runtime_checkable

from generor_async.engine.output_stream import OutputStream
from generor_async.errors import InvalidRequestError
from generor_async.rules.arguments import type_error
from generor_async.stores.threads import run_to_completion

__all__ = ["Writer", "copy_to", "writing_to"]

ADVICE = "Open it with open(path, 'wb'), or give any other object whose write takes bytes"


@runtime_checkable
class Writer(Protocol):
    """An object with `write(data)`, which takes bytes and may return an awaitable."""

    def write(self, data: bytes, /) -> object:
        """Write bytes; a whole number that is returned, or awaited, is how many were taken."""
        ...


def writing_to(writer: object) -> Callable[[bytes], Awaitable[None]]:
    """Return a function that writes all of some bytes.

    The files of the standard library are written to in a thread, because a pipe or a network drive may block; anything
    else in the event loop. A `drain` is awaited after each write, as asyncio's streams need it.

    Raises:
        InvalidRequestError: It can't be written to.
    """
    write = getattr(writer, "write", None)
    if not callable(write):
        raise type_error("writer", "an open binary file or another object with write", writer, ADVICE)
    # Text files of other libraries have an encoding as well.
    if isinstance(writer, io.TextIOBase) or getattr(writer, "encoding", None) is not None:
        raise InvalidRequestError("writer", "writer was opened for text", advice=ADVICE)
    if isinstance(writer, io.IOBase):
        if writer.closed or not writer.writable():
            state = "closed" if writer.closed else "not open for writing"
            raise InvalidRequestError("writer", f"writer is {state}", advice=ADVICE)
        if not isinstance(writer, io.BytesIO):
            return lambda data: run_to_completion(lambda: _write_file(cast("io.RawIOBase", writer), data))
    return lambda data: _write_object(cast("Writer", writer), data)


async def copy_to(write: Callable[[bytes], Awaitable[None]], stream: OutputStream) -> int:
    """Write a stream; return the number of bytes."""
    size = 0
    async with stream:
        async for chunk in stream:
            await write(chunk)
            size += len(chunk)
    return size


def _write_file(file: io.RawIOBase, data: bytes) -> None:
    """Write all of some bytes to a file of the standard library: an unbuffered one may take a part of them."""
    rest = memoryview(data)
    while rest:
        written = file.write(rest)
        if written is None:
            raise BlockingIOError(errno.EAGAIN, "the writer doesn't block, and takes no more for now")
        rest = rest[written:]


async def _write_object(writer: Writer, data: bytes) -> None:
    while data:
        written = writer.write(data)
        if isawaitable(written):
            written = await written
        data = data[written:] if type(written) is int and 0 <= written < len(data) else b""
    drain = getattr(writer, "drain", None)
    if callable(drain) and isawaitable(draining := drain()):
        await draining
