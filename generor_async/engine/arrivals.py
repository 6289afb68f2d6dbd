"""What has come on a connection since a request left on it, byte for byte.

aiohttp hands out an answer as far as it could be read, and drops the rest: what lay unread when a call was cut off, and
what wasn't HTTP to its parser. The id of what was paid for may be in it, so it is kept beside.
"""

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

__all__ = ["keep_arrivals"]

KEPT_BYTES: Final = 256 * 1024
"""Bytes kept of one answer; of a larger one, aiohttp has handed out more."""


class _Arrivals(asyncio.Protocol):
    """Stands between a connection and aiohttp's protocol of it, and keeps what is passed on."""

    def __init__(self, protocol: "ResponseHandler") -> None:
        self._protocol = protocol

    def begin(self) -> list[bytes]:
        """Return the list of what comes from now on, which grows."""
        self._pieces, self._room = list[bytes](), KEPT_BYTES
        return self._pieces

    def data_received(self, data: bytes) -> None:
        if self._room > 0:
            self._room -= len(data)
            self._pieces.append(data)
        self._protocol.data_received(data)

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()


def keep_arrivals(protocol: "ResponseHandler") -> list[bytes]:
    """Keep what comes on a connection from now on, until this is called again; return its list, which grows."""
    transport = protocol.transport
    if transport is None:  # it is closed already: nothing will come
        return []
    present = transport.get_protocol()
    if not isinstance(present, _Arrivals):
        present = _Arrivals(protocol)
        transport.set_protocol(present)
    return present.begin()
