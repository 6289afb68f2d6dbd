"""Is a connection quiet? What comes on one before a request has left can't be the answer to it.

aiohttp 3.14 hands out a connection on which a response lies already, and takes that for the answer to the next
request; only the connection's protocol knows. What the event loop hasn't read yet, only the system knows.
"""

import select
import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

__all__ = ["NotQuietError", "QuietRequest", "check_quiet", "over_a_quiet_one"]

_ARRIVED: Final = weakref.WeakKeyDictionary["ResponseHandler", Callable[[], object]]()
"""For each connection that has carried a request: whether something has come that the event loop hasn't read yet."""


class NotQuietError(aiohttp.ClientError):
    """Something came on a connection before the request left, be it its end."""

    def __init__(self, *, used: bool) -> None:
        super().__init__("the server sent something, or hung up, before it was asked")
        self.used = used
        """Whether the connection has carried another request before."""


def check_quiet(protocol: "ResponseHandler") -> None:
    """Raise NotQuietError where something lies on a connection that a request is about to leave on.

    On a new one with TLS, what the event loop hasn't read yet doesn't count: it is part of the handshake.
    """
    arrived = _ARRIVED.get(protocol)
    if arrived is not None:
        if protocol.should_close or arrived():
            raise NotQuietError(used=True)
        return
    arrived = _ARRIVED[protocol] = _look_at(protocol)
    if protocol.should_close or (not _has_tls(protocol) and arrived()):
        raise NotQuietError(used=False)


class QuietRequest(aiohttp.ClientRequest):
    """A request that leaves only on a connection that is quiet."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Send it, or raise NotQuietError."""
        assert conn.protocol is not None
        check_quiet(conn.protocol)
        return await super().send(conn)


async def over_a_quiet_one(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request on one connection after another, until one is quiet: at the latest one that is new.

    aiohttp closes those that weren't. Raises NotQuietError where a new one isn't either.
    """
    while True:
        try:
            return await handler(request)
        except NotQuietError as error:
            if not error.used:
                raise


def _has_tls(protocol: "ResponseHandler") -> bool:
    return protocol.transport is not None and protocol.transport.get_extra_info("sslcontext") is not None


def _look_at(protocol: "ResponseHandler") -> Callable[[], object]:
    """Return what tells of one connection whether the system has something for it, its end included."""
    transport = protocol.transport
    sock = None if transport is None else transport.get_extra_info("socket")
    if sock is None:
        return bool
    if sys.platform == "win32":
        return lambda: select.select([sock], [], [], 0)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return partial(poll.poll, 0)
