"""Streams one output to a consumer, such as the handler of a web application, without holding it in memory or on disk.

A task transfers the output, and waits while its consumer is slower. An interrupted transfer resumes where it was if the
host sends a strong ETag; without one it ends with an error, because the consumer has the first bytes already.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

from generor_async.engine.lifetime import Lifetime
from generor_async.engine.loops import call_in
from generor_async.engine.plain_http import PlainHttpError
from generor_async.engine.transfer import Output, Transfer, UnsatisfiableRangeError, WrongContentError, without_urls
from generor_async.errors import GenerorAsyncError, InvalidRequestError
from generor_async.rules import arguments, byte_ranges, media_types
from generor_async.rules.byte_ranges import ByteRange, PartialFile, UsableBody

__all__ = ["Delivery", "OutputStream", "chosen", "headers_of_consumer"]

WINDOW: Final = 128 * 1024
"""Number of bytes that wait for the consumer before the transfer waits as well."""


class OutputStream:
    """The bytes of one output, as they arrive.

    The request is sent by `async with` or `open()`, or by the iteration; from then on the stream knows its `status`,
    `length`, `content_type` and `headers`. `async for chunk in stream` yields the bytes, once. To leave the iteration,
    or the block, ends the transfer.
    """

    def __init__(self, start: Callable[[], Awaitable["Delivery"]]) -> None:
        self._start = start
        self._delivery: Delivery | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> "OutputStream":
        """Send the request, unless it was sent, and return the stream when its first bytes are here.

        Raises:
            InvalidRequestError: This is no output, or there are several.
            DownloadError: There is no output, its host doesn't send it, or it isn't what was asked for.
            DeadlineExceededError: The client's `timeout` is over.
        """
        if self._delivery is None:
            self._loop = asyncio.get_running_loop()
            self._delivery = await self._start()
        return self

    @property
    def status(self) -> int:
        """200 for the whole output, 206 for a part of it, 416 where it ends before the range that was asked for."""
        return self._opened.status

    @property
    def length(self) -> int | None:
        """The number of bytes that the stream yields; None where the host doesn't say."""
        return self._opened.length

    @property
    def content_type(self) -> str:
        """The media type, such as `video/mp4`, by the first bytes where these are in the stream."""
        return self._opened.media_type

    @property
    def headers(self) -> dict[str, str]:
        """Headers for an answer that passes the stream on, such as Content-Type, Content-Length and Content-Range."""
        return self._opened.headers()

    async def close(self) -> None:
        """End the transfer, and give its connection back."""
        if self._delivery is not None:
            await self._delivery.close()

    @property
    def _opened(self) -> "Delivery":
        if self._delivery is None:
            raise RuntimeError("the stream is not open: use `async with`, or await it first")
        return self._delivery

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        await self.open()
        delivery = self._opened
        try:
            while chunk := await delivery.next_chunk():
                yield chunk
        finally:
            await delivery.close()

    def __await__(self) -> Generator[None, None, "OutputStream"]:
        return self.open().__await__()

    async def __aenter__(self) -> "OutputStream":
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        opened = self._delivery
        return f"OutputStream({'not open' if opened is None else f'{opened.status}, {opened.media_type}'})"

    def __del__(self) -> None:
        if self._delivery is not None and self._loop is not None:
            call_in(self._loop, self._delivery.cancel)


class Delivery:
    """Passes the bytes of an output from its transfer to the consumer."""

    def __init__(
        self,
        output: Output,
        wanted: ByteRange | None,
        if_range: str | None,
        scope: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._output = output
        self._scope = scope
        self._asked = PartialFile(wanted=wanted, if_range=if_range)
        self._told: UsableBody | None = None
        """What the consumer knows of the bytes that come; None before it knows anything."""
        self._passed_on = False
        """Whether the consumer has bytes already."""
        self._closed = False
        self._arrived, self._room = asyncio.Event(), asyncio.Event()
        self._total: int | None = None
        self._out_of_range = False
        self.media_type = ""
        """Empty until it is known."""
        self._size = 0
        """The offset that the bytes have reached; 0 before there are any."""
        self._head = b""
        self._empty()

    async def start(self, transfer: Transfer, lifetime: Lifetime) -> "Delivery":
        """Start the transfer, and wait until its first bytes are here."""
        self._task = asyncio.create_task(lifetime.while_open(self._run(transfer), "a stream"))
        self._task.add_done_callback(self._ended)
        try:
            while not self.media_type and not self._task.done():
                await self._next_arrival()
            if not self.media_type:
                self._raise_error()
        except BaseException:
            await self.close()
            raise
        self._told = self._body
        return self

    async def next_chunk(self) -> bytes:
        """Return the next bytes; none at the end."""
        if self._closed:
            raise RuntimeError("the stream was read or closed already: call client.stream(...) again")
        while not self._chunks:
            if self._task.done():
                self._raise_error()
                return b""
            await self._next_arrival()
        chunk = self._chunks.popleft()
        self._passed_on = True
        self._waiting -= len(chunk)
        if self._waiting < WINDOW:
            self._room.set()
        return chunk

    def cancel(self) -> None:
        """Cancel the transfer."""
        self._closed = True
        self._task.cancel()

    async def close(self) -> None:
        """Cancel the transfer, and wait for its end."""
        self.cancel()
        self._chunks.clear()
        await asyncio.wait([self._task])

    @property
    def status(self) -> int:
        """The status for an answer that passes the bytes on."""
        return 416 if self._out_of_range else 200 if self._is_whole(self._told or self._body) else 206

    @property
    def length(self) -> int | None:
        """The number of bytes that are passed on; None where it is unknown."""
        body = self._told or self._body
        return None if body.stop is None else body.stop - body.start

    def headers(self) -> dict[str, str]:
        """Return the headers for an answer that passes the bytes on."""
        body, total = self._told or self._body, "*" if self._total is None else self._total
        charset = "; charset=utf-8" if self._output.text is not None else ""
        headers = {
            "Content-Type": self.media_type + charset,
            "Accept-Ranges": "bytes",
            "X-Content-Type-Options": "nosniff",
        }
        if self.media_type == "image/svg+xml":
            headers["Content-Security-Policy"] = "sandbox"  # it may have scripts, and others made it
        if self.length is not None:
            headers["Content-Length"] = str(self.length)
        if body.etag is not None:
            headers["ETag"] = body.etag
        if self._out_of_range:
            headers["Content-Range"] = f"bytes */{total}"
        elif not self._is_whole(body):
            headers["Content-Range"] = f"bytes {body.start}-{(body.stop or 0) - 1}/{total}"
        return headers

    @property
    def present(self) -> PartialFile:
        """How much of which file has come."""
        if not self._size:
            return self._asked
        body = self._body
        wanted = None if self._is_whole(body) or body.stop is None else ByteRange(body.start, body.stop - 1)
        return PartialFile(self._size, body.etag, self._total, wanted)

    def begin(self, body: UsableBody, content_type: str) -> None:
        """Start with the body of an answer; raises PlainHttpError where the consumer knows of another one."""
        self.drop()
        if self._told is not None and self._told != body:
            raise _broken_off()
        self._body, self._content_type = body, media_types.ALIASES.get(content_type, content_type)

    def expect(self, total: int | None) -> None:
        """Take the size of the complete file."""
        self._total = total

    def write(self, data: bytes) -> Awaitable[object] | None:
        """Take bytes; what is returned, where they are many, waits for the consumer."""
        self._size = len(data) + (self._size or self._body.start)
        self._chunks.append(data)
        self._waiting += len(data)
        if not self.media_type:
            self._head += data[: media_types.SNIFFED_BYTES - len(self._head)]
            if self._body.start or len(self._head) == media_types.SNIFFED_BYTES:
                self._determine_type()
        if self.media_type:
            self._arrived.set()
        if self._waiting < WINDOW:
            return None
        self._room.clear()
        return self._room.wait()

    def head(self) -> bytes:
        """Return the first bytes."""
        return self._head

    def drop(self) -> None:
        """Discard what has come; raises PlainHttpError where the consumer has a part of it."""
        if self._passed_on:
            raise _broken_off()
        self._empty()

    async def settle(self) -> None:
        """Return at once: every write was awaited."""

    def _empty(self) -> None:
        self._chunks = deque[bytes]()
        self._waiting, self._size = 0, 0
        self._head, self._content_type = b"", ""
        self._body = UsableBody(0, None, None)

    def _is_whole(self, body: UsableBody) -> bool:
        return not body.start and body.stop == self._total

    async def _run(self, transfer: Transfer) -> None:
        with self._scope():
            await without_urls(self._transfer(transfer), self._output)

    async def _transfer(self, transfer: Transfer) -> None:
        try:
            await transfer.run()
        except UnsatisfiableRangeError as error:
            self._out_of_range, self._total = True, error.total
            self._body, self.media_type = UsableBody(0, error.total, None, 0), "application/octet-stream"
        if not self.media_type:
            self._determine_type()

    def _determine_type(self) -> None:
        """Set the media type; raises WrongContentError where it isn't the expected one."""
        if self._output.text is not None:
            self.media_type = "text/plain"
        elif self._body.start or (not self._is_whole(self._body) and len(self._head) < media_types.SNIFFED_BYTES):
            self.media_type = self._content_type or "application/octet-stream"
        else:
            try:
                self.media_type = media_types.output_type(self._head, self._content_type, self._output.kind)
            except ValueError as error:
                raise WrongContentError(str(error)) from None

    async def _next_arrival(self) -> None:
        self._arrived.clear()
        await self._arrived.wait()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            task.exception()  # the consumer may have left
        self._arrived.set()

    def _raise_error(self) -> None:
        """Raise the error that ended the transfer, if there is one."""
        try:
            self._task.result()
        except GenerorAsyncError as error:
            if self._output.attach_id is not None:
                self._output.attach_id(error)
            raise


def _broken_off() -> PlainHttpError:
    advice = "Start the stream again"
    return PlainHttpError("it broke off, and its host can't send the rest alone", transient=False, advice=advice)


def chosen(outputs: list[Output], index: int | None, name: str) -> Output:
    """Return one of the outputs of the argument `name`; raises InvalidRequestError where it isn't clear which."""
    if index is None and len(outputs) > 1:
        problem = f"{name} has {len(outputs)} outputs, and one is needed"
        raise InvalidRequestError(name, problem, advice="Choose it with index=, counted from 0")
    if not 0 <= (index or 0) < len(outputs):
        problem = f"index must be below {len(outputs)}, the number of outputs"
        raise InvalidRequestError("index", problem, advice="Count from 0")
    return outputs[index or 0]


def headers_of_consumer(range_: str | None, if_range: str | None) -> tuple[ByteRange | None, str | None]:
    """Return the range that a consumer asks for, and its If-Range header; none for what a server ignores.

    Raises:
        InvalidRequestError: One of them is no text.
    """
    for value, name in ((range_, "range"), (if_range, "if_range")):
        if value is not None:
            arguments.text(value, name)
    try:
        condition = byte_ranges.parse_if_range(if_range)
    except ValueError:
        return None, None
    return byte_ranges.parse_range(range_), condition
