"""What has come on a connection: whether anything lies there unread, and what came since a request left, byte for byte.

aiohttp hands out an answer as far as it could be read, and drops the rest: what lay unread when a call was cut off, and
what wasn't HTTP to its parser. The id of what was paid for may be in it, so it is kept beside.
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
"""Bytes kept of one answer; of a larger one, aiohttp has handed out as much."""


class Arrivals(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol of it, and keeps what is passed on."""

    def __init__(self, protocol: "ResponseHandler", transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._pieces, self._room = list[bytes](), 0
        self.unread = _look_at(transport)
        """Tells whether the system has something for the connection that the event loop hasn't read, be it its end."""

    def keep(self) -> list[bytes]:
        """Keep what comes from now on, until this is called again; return its list, which grows."""
        self._pieces, self._room = list[bytes](), KEPT_BYTES
        return self._pieces

    def data_received(self, data: bytes) -> None:
        """Keep it, and pass it on."""
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


def _look_at(transport: asyncio.Transport) -> Callable[[], object]:
    sock = transport.get_extra_info("socket")
    if sock is None:
        return bool
    if sys.platform == "win32":
        return lambda: select.select([sock], [], [], 0)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return partial(poll.poll, 0)
