"""Records the bytes that arrive on a connection: whether any are unread, and what came since a request was sent.

aiohttp returns an answer as far as it could be parsed, and drops the rest: bytes that were unread when a call was
cancelled, and bytes that its parser rejects. They may contain the id of a paid result, so they are kept. Where the
parser rejects the head of an answer, as one with two Content-Length fields, aiohttp closes the connection at once: what
comes after the head is lost.
"""

import asyncio
import select
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

__all__ = ["Arrivals"]

KEPT_BYTES: Final = 8 * 1024 * 1024
"""Number of bytes that are kept of an answer; of a larger one, aiohttp has returned as much."""


class Arrivals(asyncio.Protocol):
    """A protocol between a connection and aiohttp's own protocol, which records what it passes on."""

    def __init__(self, protocol: "ResponseHandler", transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._pieces: list[bytes] = []
        self._room = 0
        self.unread = _unread_check(transport)
        """Tells whether the socket has bytes, or its end, that the event loop hasn't read."""

    def keep(self) -> list[bytes]:
        """Record bytes from now on, until this is called again; return the list that they are added to."""
        self._pieces = []
        self._room = KEPT_BYTES
        return self._pieces

    def data_received(self, data: bytes) -> None:
        """Record bytes, and pass them on."""
        if self._room > 0:
            self._room -= len(data)
            self._pieces.append(data)
        self._protocol.data_received(data)

    def eof_received(self) -> None:
        """Pass it on."""
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._protocol.resume_writing()


def _unread_check(transport: asyncio.Transport) -> Callable[[], object]:
    sock = transport.get_extra_info("socket")
    if sock is None:
        return bool
    if sys.platform == "win32":
        return lambda: select.select([sock], [], [], 0)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return partial(poll.poll, 0)
