"""Is a connection quiet? What comes on one before a request has left can't be the answer to it.

aiohttp 3.14 hands out a connection on which a response lies already, and takes that for the answer to the next
request; only the connection's protocol knows. What the event loop hasn't read yet, only the system knows.
"""

import weakref
from typing import TYPE_CHECKING, Final

import aiohttp

from generor_async.engine.arrivals import Arrivals

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

__all__ = ["NotQuietError", "QuietRequest", "check_quiet", "over_a_quiet_one"]

_USED: Final = weakref.WeakSet["ResponseHandler"]()
"""The connections that a request has left on: one that is lost has nothing else to tell it by."""


class NotQuietError(aiohttp.ClientError):
    """Something came on a connection before the request left, be it its end."""

    def __init__(self, *, used: bool) -> None:
        super().__init__("the server sent something, or hung up, before it was asked")
        self.used = used
        """Whether the connection has carried another request before."""


def check_quiet(protocol: "ResponseHandler") -> Arrivals:
    """Raise NotQuietError where something lies on a connection that a request is about to leave on.

    On a new one with TLS, what the event loop hasn't read yet doesn't count: it is part of the handshake. Returns what
    knows of all that comes on the connection.
    """
    transport = protocol.transport
    arrivals = None if transport is None else transport.get_protocol()
    if isinstance(arrivals, Arrivals):
        if protocol.should_close or arrivals.unread():
            raise NotQuietError(used=True)
        return arrivals
    if transport is None or protocol.should_close:
        raise NotQuietError(used=protocol in _USED)
    arrivals = Arrivals(protocol, transport)
    transport.set_protocol(arrivals)
    _USED.add(protocol)
    if transport.get_extra_info("sslcontext") is None and arrivals.unread():
        raise NotQuietError(used=False)
    return arrivals


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
