"""A raw loopback server that follows a script: it answers, closes, resets, stalls, truncates, drips or talks nonsense.

It knows nothing of any API and uses no HTTP library: what it records is what arrived, and what it sends is what the
script says, byte for byte.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Self, TypeAlias

from attrs import define, field, frozen
from multidict import CIMultiDict

__all__ = [
    "Arrived",
    "Peer",
    "Step",
    "Wire",
    "answer",
    "closed_port",
    "drip",
    "hang_up",
    "raw",
    "reset",
    "stall",
    "truncated",
]


@frozen
class Arrived:
    """One request as it came: `head` is everything before the body."""

    connection: int
    method: str
    target: str
    headers: CIMultiDict[str]
    head: bytes = field(repr=False)
    body: bytes = field(repr=False)


@define
class Peer:
    """The server's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def delivered(self) -> None:
        """Wait until the other end's machine has all that was sent."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        while self.writer.transport.get_write_buffer_size() or _unacknowledged(sock):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0)

    def reset(self) -> None:
        """Break the connection off with a RST."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def read_request(self) -> Arrived | None:
        """Read one request whole; None where the other side is gone."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ", 2)
            headers = CIMultiDict(_header(line) for line in lines[1:] if line)
            body = await self.reader.readexactly(int(headers.get("Content-Length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return Arrived(self.number, method, target, headers, head, body)


if sys.platform == "linux":
    import fcntl
    import termios

    def _unacknowledged(sock: socket.socket) -> int:
        """Return how many bytes were sent and not acknowledged."""
        return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)

else:

    def _unacknowledged(sock: socket.socket) -> int:
        """Tell nothing: other systems have no such request."""
        del sock
        return 0


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip()


Step: TypeAlias = Callable[[Peer, Arrived], Awaitable[None]]
"""What the server does with one request."""


class Wire:
    """Follows one step for each request; the last step serves all that come after.

    `greeting`, where given, acts on a connection before anything is read from it.
    """

    def __init__(
        self,
        *steps: Step,
        greeting: Callable[[Peer], Awaitable[bool]] | None = None,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.requests: list[Arrived] = []
        self.connections = 0
        self.steps = steps or (answer(200, {}),)
        self._greeting = greeting
        self._tls = tls
        self.port = port
        self._peers: list[Peer] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for peer in self._peers:
            peer.writer.transport.abort()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """The address to give to a client."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def arrived(self, count: int = 1) -> None:
        """Wait until so many requests are here."""
        async with asyncio.timeout(300):
            while len(self.requests) < count:
                self._news.clear()
                await self._news.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        peer = Peer(reader, writer, self.connections)
        self._peers.append(peer)
        try:
            with contextlib.suppress(ConnectionError):
                await self._converse(peer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _converse(self, peer: Peer) -> None:
        if self._greeting is not None and not await self._greeting(peer):
            return
        while not peer.writer.is_closing() and (request := await peer.read_request()) is not None:
            self.requests.append(request)
            self._news.set()
            step = self.steps[min(len(self.requests), len(self.steps)) - 1]
            await step(peer, request)


def raw(data: bytes, *, close: bool = False) -> Step:
    """Send these bytes, whatever they are."""

    async def step(peer: Peer, _: Arrived) -> None:
        await peer.send(data)
        if close:
            peer.writer.close()

    return step


def _head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(
    status: int = 200,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    content_type: str = "application/json",
    close: bool = False,
) -> Step:
    """Answer properly; `body` is JSON unless it is bytes."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    known = {"Content-Type": content_type, "Content-Length": str(len(content)), **(headers or {})}
    if status == 204:
        known = dict(headers or {})
    return raw(_head(status, known.items()) + content, close=close)


def truncated(body: bytes, *, promised: int, status: int = 200) -> Step:
    """Promise more bytes than come, then close."""
    head = _head(status, {"Content-Type": "application/json", "Content-Length": str(promised)}.items())
    return raw(head + body, close=True)


def drip(chunk: bytes, *, times: int, every: float = 0.0, headers: dict[str, str] | None = None) -> Step:
    """Send a chunked body bit by bit, and notice when nobody listens any more."""

    async def step(peer: Peer, _: Arrived) -> None:
        known = {"Content-Type": "application/json", "Transfer-Encoding": "chunked", **(headers or {})}
        await peer.send(_head(200, known.items()))
        for _turn in range(times):
            await peer.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            if every:
                await asyncio.sleep(every)
        await peer.send(b"0\r\n\r\n")

    return step


async def hang_up(peer: Peer, request: Arrived) -> None:
    """Close without an answer."""
    peer.writer.close()


async def reset(peer: Peer, request: Arrived) -> None:
    """Break the connection off with a RST."""
    peer.reset()


async def stall(peer: Peer, request: Arrived) -> None:
    """Never answer."""
    await asyncio.Event().wait()


def closed_port() -> int:
    """Return a loopback port on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
