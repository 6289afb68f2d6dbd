"""A pool of connections that can be dropped after its event loop was closed."""

import socket
from collections.abc import Callable
from typing import Any, TypeAlias
from weakref import WeakSet

import aiohttp

__all__ = ["AddressInfo", "Connector", "abandon"]

AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
"""An entry of `socket.getaddrinfo`."""


def _plain_socket(info: AddressInfo) -> socket.socket:
    return socket.socket(*info[:3])


class Connector(aiohttp.TCPConnector):
    """aiohttp's pool of connections, which also keeps the sockets themselves.

    A transport closes its socket through the event loop, so it stays open when the loop is closed first.
    """

    _is_abandoned = False

    def __init__(self, *, make_socket: Callable[[AddressInfo], socket.socket] = _plain_socket, **options: Any) -> None:
        sockets = self._sockets = WeakSet[socket.socket]()

        def made(info: AddressInfo) -> socket.socket:
            made = make_socket(info)
            sockets.add(made)
            return made

        super().__init__(socket_factory=made, **options)  # pyright: ignore[reportUnknownMemberType] # aiohttp leaves it open

    def abandon(self) -> None:
        """Close every socket, without the event loop."""
        self._is_abandoned = True
        for each in list(self._sockets):
            each.close()

    def __del__(self, *_: object) -> None:
        if not self._is_abandoned:
            super().__del__()


def abandon(session: aiohttp.ClientSession) -> None:
    """Drop a session whose event loop is closed, without warnings about unclosed connections."""
    connector = session.connector
    session.detach()
    if isinstance(connector, Connector):
        connector.abandon()
