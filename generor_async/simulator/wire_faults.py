"""Faults of the connection: answers that break HTTP, or that arrive slowly.

A reset is an RST, a close is a FIN, and a truncated body is shorter than its Content-Length. A fault that breaks HTTP
writes to the transport directly and closes it, so that aiohttp doesn't use it again.
"""

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from typing import Any, TypeAlias

from aiohttp import web
from attrs import frozen

__all__ = ["WIRE_FAULTS", "FaultyConnection", "WireFault", "reset", "send_unchanged"]

LINGER_ZERO = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""The value of SO_LINGER with which closing a socket sends an RST."""
MAX_FIRST_CHUNK = 64
"""Bytes before a bad chunk header: few, so that both arrive together."""
PIECE = b"0" * 65_536
MEGABYTE = 1_000_000


@frozen(kw_only=True)
class FaultyConnection:
    """A connection whose request has been read, and the answer to send on it."""

    request: web.BaseRequest
    response: web.Response
    """The answer, of which nothing has been sent."""
    details: Mapping[str, Any]
    """The details of the fault."""
    sleep: Callable[[float], Awaitable[None]]
    """Sleeps for simulated seconds."""
    wait_for_departure: Callable[[], Awaitable[None]]
    """Waits until the client has closed the connection."""
    record_outcome: Callable[[bool], None]
    """Called with whether the answer is complete, and before its last byte: the client may read the ledger then."""

    @property
    def body(self) -> bytes:
        """The answer's body."""
        body = self.response.body
        assert isinstance(body, bytes)
        return body


WireFault: TypeAlias = Callable[[FaultyConnection], Awaitable[web.StreamResponse]]
"""Sends an answer with its fault, and returns a response for aiohttp to finish; raises ConnectionError."""


def reset(transport: asyncio.Transport) -> None:
    """Reset a connection with an RST."""
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    transport.abort()


async def send_unchanged(connection: FaultyConnection) -> web.StreamResponse:
    """Send the answer unchanged."""
    await connection.response.prepare(connection.request)
    connection.record_outcome(True)
    await connection.response.write_eof()
    return connection.response


async def _reset(connection: FaultyConnection) -> web.StreamResponse:
    reset(_open_transport(connection))
    return connection.response


async def _close(connection: FaultyConnection) -> web.StreamResponse:
    _open_transport(connection).close()
    return connection.response


async def _truncate(connection: FaultyConnection) -> web.StreamResponse:
    transport, body = _open_transport(connection), connection.body
    transport.write(_head(connection.response, "Content-Length", str(len(body))))
    transport.write(body[: int(len(body) * connection.details["keep"])])
    transport.close()
    return connection.response


async def _broken_chunk(connection: FaultyConnection) -> web.StreamResponse:
    transport, body = _open_transport(connection), connection.body
    head = _head(connection.response, "Transfer-Encoding", "chunked")
    if connection.details["how"] == "cut":
        transport.write(head + b"%x\r\n%b" % (len(body), body[: max(1, len(body) // 2)]))
    else:
        # In one write, soon after the head, so that each client fails in the same way: if the bad line arrives later,
        # aiohttp 3.14 (its C parser) closes the connection, and the reader of the body waits forever.
        first = min(MAX_FIRST_CHUNK, max(1, len(body) // 2))
        transport.write(head + b"%x\r\n%b\r\nno number\r\n%b\r\n0\r\n\r\n" % (first, body[:first], body[first:]))
    transport.close()
    return connection.response


async def _stall(connection: FaultyConnection) -> web.StreamResponse:
    if connection.details["sent"] == "headers":
        _open_transport(connection).write(_head(connection.response, "Content-Length", str(len(connection.body))))
    await connection.wait_for_departure()
    return connection.response


async def _drip(connection: FaultyConnection) -> web.StreamResponse:
    if not connection.body:
        return await send_unchanged(connection)
    body, pieces = connection.body, connection.details["pieces"]
    response = await _start_response(connection, len(body))
    size = ceil(len(body) / pieces)
    for start in range(0, len(body), size):
        if start:
            await connection.sleep(connection.details["pause"])
        if start + size >= len(body):
            connection.record_outcome(True)
        await response.write(body[start : start + size])
    await response.write_eof()
    return response


async def _huge(connection: FaultyConnection) -> web.StreamResponse:
    left = MEGABYTE * connection.details["megabytes"]
    response = await _start_response(connection, None)
    await response.write(b'{"data": "')
    while left:
        piece = PIECE[:left]
        await response.write(piece)
        left -= len(piece)
    await response.write(b'"}')
    connection.record_outcome(True)
    await response.write_eof()
    return response


async def _start_response(connection: FaultyConnection, length: int | None) -> web.StreamResponse:
    """Send the head of a response whose body follows in pieces; it is chunked if `length` is None."""
    response = web.StreamResponse(status=connection.response.status, headers=connection.response.headers)
    response.content_length = length
    await response.prepare(connection.request)
    return response


def _open_transport(connection: FaultyConnection) -> asyncio.Transport:
    transport = connection.request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    return transport


def _head(response: web.Response, framing_header: str, framing: str) -> bytes:
    """Return the head of an answer, with the header that says how its body ends."""
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items() if name.lower() != "content-length"]
    return "\r\n".join([*lines, f"{framing_header}: {framing}", "", ""]).encode()


WIRE_FAULTS: Mapping[str, WireFault] = {
    "reset": _reset,
    "close": _close,
    "truncate": _truncate,
    "broken_chunk": _broken_chunk,
    "stall": _stall,
    "drip": _drip,
    "huge": _huge,
}
