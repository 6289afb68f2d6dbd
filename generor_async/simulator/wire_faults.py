"""Faults on the connection: answers that break HTTP, or that are slow.

They are real at the socket: a reset is an RST, a close is a FIN, a truncated body is shorter than its Content-Length.
They write to the transport directly; a broken connection is never used again, and aiohttp finds it closing.
"""

import asyncio
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from aiohttp import web
from attrs import frozen

__all__ = ["WIRE_FAULTS", "FaultyConnection", "WireFault", "reset", "send_unchanged"]

# Linger for no time at all: what closing then sends is an RST.
LINGER_ZERO = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
MAX_FIRST_CHUNK = 64
"""Most bytes before a bad chunk header, so that both arrive together."""
PIECE = b"0" * 65_536
MEGABYTE = 1_000_000


@frozen(kw_only=True)
class FaultyConnection:
    """A connection whose request was read, and the answer to be sent."""

    request: web.BaseRequest
    response: web.Response
    """The answer; nothing of it was sent yet."""
    details: Mapping[str, Any]
    """The details of the fault."""
    sleep: Callable[[float], Awaitable[None]]
    """Sleeps for simulated seconds."""
    wait_for_departure: Callable[[], Awaitable[None]]
    """Waits until the client has closed the connection."""
    record_outcome: Callable[[bool], None]
    """Called before the last byte, with whether the answer is whole: the caller may read the ledger at once."""

    @property
    def body(self) -> bytes:
        """The answer's body."""
        body = self.response.body
        assert isinstance(body, bytes)
        return body


WireFault: TypeAlias = Callable[[FaultyConnection], Awaitable[web.StreamResponse]]
"""Sends an answer, or fails to, and returns what aiohttp should believe was sent; raises ConnectionError."""


def reset(transport: asyncio.Transport) -> None:
    """Reset a connection with an RST."""
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    transport.abort()


async def send_unchanged(wire: FaultyConnection) -> web.StreamResponse:
    """Send the answer unchanged."""
    await wire.response.prepare(wire.request)
    wire.record_outcome(True)
    await wire.response.write_eof()
    return wire.response


async def _reset(wire: FaultyConnection) -> web.StreamResponse:
    reset(_transport(wire))
    return wire.response


async def _close(wire: FaultyConnection) -> web.StreamResponse:
    _transport(wire).close()
    return wire.response


async def _truncate(wire: FaultyConnection) -> web.StreamResponse:
    transport, body = _transport(wire), wire.body
    transport.write(_head(wire.response, "Content-Length", str(len(body))))
    transport.write(body[: int(len(body) * wire.details["keep"])])
    transport.close()
    return wire.response


async def _broken_chunk(wire: FaultyConnection) -> web.StreamResponse:
    transport, body = _transport(wire), wire.body
    head = _head(wire.response, "Transfer-Encoding", "chunked")
    if wire.details["how"] == "cut":
        transport.write(head + b"%x\r\n%b" % (len(body), body[: max(1, len(body) // 2)]))
    else:
        # In one write, and soon after the head: a client that gets the bad line later may do something else about it.
        # aiohttp (3.14, its parser in C) then closes the connection and leaves whoever reads the body waiting.
        first = min(MAX_FIRST_CHUNK, max(1, len(body) // 2))
        transport.write(head + b"%x\r\n%b\r\nno number\r\n%b\r\n0\r\n\r\n" % (first, body[:first], body[first:]))
    transport.close()
    return wire.response


async def _stall(wire: FaultyConnection) -> web.StreamResponse:
    if wire.details["sent"] == "headers":
        _transport(wire).write(_head(wire.response, "Content-Length", str(len(wire.body))))
    await wire.wait_for_departure()
    return wire.response


async def _drip(wire: FaultyConnection) -> web.StreamResponse:
    if not wire.body:
        return await send_unchanged(wire)
    body, pieces = wire.body, wire.details["pieces"]
    response = await _begin(wire, len(body))
    size = max(1, -(-len(body) // pieces))
    for start in range(0, len(body), size):
        if start:
            await wire.sleep(wire.details["pause"])
        if start + size >= len(body):
            wire.record_outcome(True)
        await response.write(body[start : start + size])
    await response.write_eof()
    return response


async def _huge(wire: FaultyConnection) -> web.StreamResponse:
    left = MEGABYTE * wire.details["megabytes"]
    response = await _begin(wire, None)
    await response.write(b'{"data": "')
    while left:
        piece = PIECE[:left]
        await response.write(piece)
        left -= len(piece)
    await response.write(b'"}')
    wire.record_outcome(True)
    await response.write_eof()
    return response


async def _begin(wire: FaultyConnection, length: int | None) -> web.StreamResponse:
    """Send the head of a response whose body follows in pieces; without a length, chunked."""
    response = web.StreamResponse(status=wire.response.status, headers=wire.response.headers)
    response.content_length = length
    await response.prepare(wire.request)
    return response


def _transport(wire: FaultyConnection) -> asyncio.Transport:
    transport = wire.request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    return transport


def _head(response: web.Response, framing: str, value: str) -> bytes:
    """Return the head of an answer whose body will contradict `framing`."""
    lines = [f"HTTP/1.1 {response.status} {response.reason}"]
    lines += [f"{name}: {told}" for name, told in response.headers.items() if name.lower() != "content-length"]
    return "\r\n".join([*lines, f"{framing}: {value}", "", ""]).encode()


WIRE_FAULTS: Mapping[str, WireFault] = {
    "reset": _reset,
    "close": _close,
    "truncate": _truncate,
    "broken_chunk": _broken_chunk,
    "stall": _stall,
    "drip": _drip,
    "huge": _huge,
}
