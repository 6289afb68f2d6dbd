"""A pool of connections that knows its sockets."""

import socket
from collections.abc import Callable
from typing import Any, TypeAlias
from weakref import WeakSet

import aiohttp

__all__ = ["AddressInfo", "Connector", "abandon"]

AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
"""Family, kind, protocol, name and address of what is connected to."""


def _plain_socket(info: AddressInfo) -> socket.socket:
    return socket.socket(*info[:3])


class Connector(aiohttp.TCPConnector):
    """aiohttp's pool, whose connections can be let go of when their event loop is closed already.

    A transport closes its socket by the loop, and is left with it open where that loop is gone.
    """

    _abandoned = False

    def __init__(self, *, make_socket: Callable[[AddressInfo], socket.socket] = _plain_socket, **options: Any) -> None:
        sockets = self._sockets = WeakSet[socket.socket]()

        def made(info: AddressInfo) -> socket.socket:
            made = make_socket(info)
            sockets.add(made)
            return made

        super().__init__(socket_factory=made, **options)  # pyright: ignore[reportUnknownMemberType] # aiohttp leaves it open

    def abandon(self) -> None:
        """Close every socket; the connections are left to the collector."""
        self._abandoned = True
        for each in list(self._sockets):
            each.close()

    def __del__(self, *_: object) -> None:
        if not self._abandoned:
            super().__del__()


def abandon(session: aiohttp.ClientSession) -> None:
    """Let go of a session whose event loop is closed: neither it nor its connections will say that they are open."""
    connector = session.connector
    session.detach()
    if isinstance(connector, Connector):
        connector.abandon()
