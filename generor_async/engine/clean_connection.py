"""Sends a request once, on a connection that is quiet: one with no unread bytes on it.

aiohttp 3.14 reuses a connection on which a stray response lies already, and takes that for the answer to the next
request. So every connection is checked just before a request leaves on it: for bytes that aiohttp has read, and for
bytes that wait in the socket's buffer. aiohttp also sends some requests a second time by itself when their connection
is lost; when to send again is decided elsewhere, so that is turned off.
"""

import os
import weakref
from typing import TYPE_CHECKING, Final

import aiohttp

from generor_async.engine.arrived_bytes import Arrivals

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

__all__ = ["CheckedRequest", "ConnectionLostError", "StrayDataError", "check_no_stray_data", "describe", "send_once"]

_USED: Final = weakref.WeakSet["ResponseHandler"]()
"""The connections that have carried a request. A connection that was lost has no attribute that would say so."""


class StrayDataError(aiohttp.ClientError):
    """A connection was closed by the server, or has bytes on it, before the request was sent."""

    def __init__(self, *, used: bool) -> None:
        super().__init__("the server sent something, or hung up, before it was asked")
        self.used = used
        """Whether the connection has carried another request before."""


def check_no_stray_data(protocol: "ResponseHandler") -> Arrivals:
    """Check a connection just before a request is sent on it, and return what records the bytes that it receives.

    On a new TLS connection, bytes that wait in the socket's buffer are part of the handshake and don't count.

    Raises:
        StrayDataError: The connection is closed, or has unread bytes on it.
    """
    transport = protocol.transport
    arrivals = None if transport is None else transport.get_protocol()
    if isinstance(arrivals, Arrivals):
        if protocol.should_close or arrivals.unread():
            raise StrayDataError(used=True)
        return arrivals
    if transport is None or protocol.should_close:
        raise StrayDataError(used=protocol in _USED)
    arrivals = Arrivals(protocol, transport)
    transport.set_protocol(arrivals)
    _USED.add(protocol)
    if transport.get_extra_info("sslcontext") is None and arrivals.unread():
        raise StrayDataError(used=False)
    return arrivals


class CheckedRequest(aiohttp.ClientRequest):
    """A request that checks its connection for stray bytes before it is sent."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Send the request; raises StrayDataError where the connection is not quiet."""
        assert conn.protocol is not None
        check_no_stray_data(conn.protocol)
        return await super().send(conn)


class ConnectionLostError(aiohttp.ClientError):
    """Replaces the errors for which aiohttp would send the request a second time by itself."""


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request once, as a middleware of aiohttp: try connections from the pool until one of them is quiet.

    A connection that is not quiet is closed by aiohttp, and nothing was sent on it.

    Raises:
        StrayDataError: A new connection isn't quiet either.
        aiohttp.ClientError: The request failed; never one for which aiohttp sends it a second time.
    """
    while True:
        try:
            return await handler(request)
        except StrayDataError as error:
            if not error.used:
                raise
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            raise ConnectionLostError(describe(error)) from None


def describe(error: Exception) -> str:
    """Describe an error in a few words, without the objects that it carries: they may hold credentials."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {error.host} is not valid ({error.certificate_error})"
        case aiohttp.ClientConnectorDNSError():
            return f"the host {error.host} could not be resolved"
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno
            reason = os.strerror(number) if number else str(error.os_error)
            return f"no connection to {error.host}:{error.port} ({reason})"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection without an answer"
        case OSError() if error.strerror:
            return f"the connection broke ({error.strerror})"
        case _:
            return f"{error}" or type(error).__name__
