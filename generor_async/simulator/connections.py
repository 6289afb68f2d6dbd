"""The part of the server that deals with aiohttp: connections, request bodies, response heads."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from aiohttp import web

__all__ = ["ALREADY_SENT", "Connections", "TooLargeError", "read_body", "write_head"]


class TooLargeError(Exception):
    """The body is longer than the API takes."""


async def read_body(request: web.BaseRequest, most: int) -> bytes:
    """Read a body of at most `most` bytes."""
    if (request.content_length or 0) > most:
        raise TooLargeError
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
    body = await request.content.readany()
    if len(body) <= most and request.content.at_eof():
        return body  # as nearly all do, it came in one piece
    pieces = bytearray(body)
    while len(pieces) <= most:
        piece = await request.content.readany()
        if not piece:
            return bytes(pieces)
        pieces += piece
    raise TooLargeError


class _AlreadySent(web.StreamResponse):
    """A response that was already sent; it tells aiohttp whether to keep the connection."""

    def __init__(self, *, kept: bool) -> None:
        super().__init__()
        self._kept = kept

    @property
    def keep_alive(self) -> bool:
        """Whether the connection is kept."""
        return self._kept

    async def prepare(self, request: web.BaseRequest) -> None:
        """Do nothing; the head was sent."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing; the body was sent."""


ALREADY_SENT: Mapping[bool, _AlreadySent] = {kept: _AlreadySent(kept=kept) for kept in (True, False)}
_PHRASES: Mapping[int, str] = {status.value: status.phrase for status in HTTPStatus}


def write_head(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a response head. No header value comes unchecked from a caller, so none has a line break."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return f"HTTP/1.1 {status} {_PHRASES[status]}\r\n{lines}\r\n".encode()


class Connections(web.Server):
    """aiohttp's server, which also reports disconnected clients, and can abort all connections."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], **options: Any) -> None:
        super().__init__(handler, **options)
        self._departure_events: dict[web.RequestHandler, asyncio.Event] = {}
        self._departure_callbacks: dict[web.RequestHandler, Callable[[], object]] = {}
        self._transports: dict[web.RequestHandler, asyncio.Transport] = {}
        """Connections that are open, or are closing with data left to send."""

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Add a connection."""
        super().connection_made(handler, transport)
        self._transports[handler] = transport

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Remove a closed connection."""
        super().connection_lost(handler, exc)
        self._transports.pop(handler, None)
        departure = self._departure_events.pop(handler, None)
        if departure is not None:
            departure.set()
        if (callback := self._departure_callbacks.get(handler)) is not None:
            callback()

    @contextmanager
    def notify_departure(self, handler: web.RequestHandler, callback: Callable[[], object]) -> Generator[None]:
        """Call `callback` if the connection is closed while the block runs."""
        self._departure_callbacks[handler] = callback
        try:
            yield
        finally:
            del self._departure_callbacks[handler]

    async def wait_for_departure(self, handler: web.RequestHandler) -> None:
        """Wait until the client has closed the connection, or it was aborted."""
        if handler.transport is not None:
            await self._departure_events.setdefault(handler, asyncio.Event()).wait()

    def abort(self) -> None:
        """Abort every connection; a plain close would wait for peers that don't read."""
        for transport in self._transports.values():
            transport.abort()
