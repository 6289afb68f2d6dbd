"""Plain HTTP requests to hosts other than the API: downloads of outputs, uploads, and images named by URL.

No cookies are sent, and the key goes to the API's own origin only. A presigned URL is a credential: no error raised
here shows its query. Every redirect is checked before it is followed.
"""

import asyncio
import contextlib
import re
import socket
import ssl as ssl_module
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Mapping
from typing import TypeAlias

import aiohttp
from attrs import frozen
from multidict import CIMultiDict
from yarl import URL

from generor_async.engine.clean_connection import CheckedRequest, ConnectionLostError, describe, send_once
from generor_async.engine.connector import AddressInfo, Connector, abandon
from generor_async.engine.loops import PerLoop
from generor_async.engine.transport import USER_AGENT
from generor_async.rules import request_headers, urls
from generor_async.values import Secret
from generor_async.values.secret import Masked

__all__ = ["IDLE_SECONDS", "HostPolicy", "PlainHttp", "PlainHttpError"]

REDIRECTS = 5
IDLE_SECONDS = 60.0
"""Seconds after which a host that neither sends nor takes a byte is given up."""
BUFFER = 512 * 1024
"""Size of the read buffer of a connection, in bytes."""
_SIGNED = re.compile(r"(?i)signature|x-amz-")
REFUSED_ADDRESS = "its host is not on the public internet"

TLS: TypeAlias = ssl_module.SSLContext | bool


class PlainHttpError(Exception):
    """A request brought no usable answer. The message never shows the query of a URL."""

    def __init__(
        self, problem: str, *, transient: bool, gone: bool = False, wait: float = 0.0, advice: str = ""
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.transient = transient
        """Whether another attempt may succeed."""
        self.gone = gone
        """Whether the host said that the file doesn't exist (404 or 410)."""
        self.wait = wait
        """Seconds to wait before another attempt, from the host's Retry-After."""
        self.advice = advice


@frozen(kw_only=True)
class HostPolicy:
    """Which hosts requests may go to, and how they are sent."""

    schemes: frozenset[str]
    max_connections: int
    proxy: str | None = None
    ssl: TLS = True
    allows_address: Callable[[str], bool] | None = None
    """Tells whether a numeric IP address may be connected to; None allows every address."""
    api_url: URL | None = None
    """The API's base URL: requests to its origin carry the key. None where no request does."""
    key: Secret | None = None


class PlainHttp:
    """Makes requests by a host policy, with one aiohttp session for each event loop."""

    def __init__(self, policy: HostPolicy) -> None:
        self._policy = policy
        self._sessions = PerLoop(lambda: _Session(policy))

    async def close(self) -> None:
        """Close the running event loop's connections."""
        await self._sessions.close()

    @contextlib.asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Send a GET, and follow redirects to allowed schemes; raises PlainHttpError."""
        with _translated():
            response = await self._follow(url, headers)
        async with response:
            yield response

    async def stream_to(
        self, response: aiohttp.ClientResponse, write: Callable[[bytes], Awaitable[object] | None]
    ) -> None:
        """Read a body, and pass each chunk to `write` as it arrives; an awaitable that it returns is awaited first.

        Raises:
            PlainHttpError: The connection was lost, or the host sent nothing for `IDLE_SECONDS`.
        """
        now, read = asyncio.get_running_loop().time, response.content.readany
        # After a bad chunk header, aiohttp 3.14's C parser waits for ever, and its own sock_read timeout does not fire.
        idle, renewal = asyncio.timeout(IDLE_SECONDS), 0.0
        try:
            async with idle:
                while True:
                    try:
                        chunk = await read()
                    except (aiohttp.ClientError, OSError) as error:
                        failure = _failure(error)
                        break
                    if not chunk:
                        return
                    if (writing := write(chunk)) is not None:
                        idle.reschedule(None)  # the host is not idle: it is not read from
                        await writing
                        renewal = 0.0
                    if (moment := now()) >= renewal:  # not for each chunk: to reschedule costs as much as to read one
                        idle.reschedule(moment + IDLE_SECONDS)
                        renewal = moment + IDLE_SECONDS / 20
        except TimeoutError as error:
            if not idle.expired():
                raise
            failure = _failure(error)
        raise failure

    async def put(self, url: str, headers: Mapping[str, str], body: AsyncIterator[bytes]) -> int:
        """Send a PUT with a streamed body, and return the status of the answer; raises PlainHttpError."""
        with _translated():
            async with asyncio.timeout(IDLE_SECONDS) as idle:
                response = await self._sessions.get().http.put(
                    self._target(url),
                    headers=_check_headers(headers),
                    data=_with_idle_timeout(body, idle),
                    allow_redirects=False,
                    # aiohttp's sock_read timeout begins with the request's head, and a body may take hours to send.
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=IDLE_SECONDS),
                    ssl=self._policy.ssl,
                )
                response.close()  # the answer may have come before the whole body was sent
        return response.status

    async def _follow(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        target = self._target(url)
        for _ in range(REDIRECTS):
            response = await self._sessions.get().http.get(
                target, headers=self._with_key(target, headers), allow_redirects=False, ssl=self._policy.ssl
            )
            location = response.headers.get("Location")
            if response.status not in {301, 302, 303, 307, 308} or location is None:
                return response
            response.release()
            following = self._target(_resolve_location(target, location))
            if target.scheme == "https" and following.scheme == "http":
                raise PlainHttpError("it redirects from https to http", transient=False)
            target = following
        raise PlainHttpError("it redirects too often", transient=False)

    def _with_key(self, target: URL, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Add the key where the target is at the API's own origin and is not a presigned URL."""
        own, key = self._policy.api_url, self._policy.key
        if own is None or key is None or target.origin() != own.origin() or _SIGNED.search(target.raw_query_string):
            return headers
        return {**headers, "Authorization": Masked(f"Bearer {key.reveal()}")}

    def _target(self, text: str) -> URL:
        """Parse a URL, and check that a request may be sent to it; raises PlainHttpError."""
        try:
            url = urls.usable(urls.encoded(text), self._policy.schemes)
        except ValueError as error:
            problem = str(error)
        else:
            if not url.user and not url.password:
                return url
            problem = "it has a user name or a password"
        raise PlainHttpError(f"its URL cannot be used: {problem}", transient=False)


class _RefusedAddressError(OSError):
    """The host policy doesn't allow this address."""


class _Session:
    """The aiohttp session of one event loop."""

    def __init__(self, policy: HostPolicy) -> None:
        self.http = _open_session(policy)

    async def close(self) -> None:
        """Close every connection."""
        await self.http.close()

    def abandon(self) -> None:
        """Drop every connection, without an event loop."""
        abandon(self.http)


def _open_session(policy: HostPolicy) -> aiohttp.ClientSession:
    guard = {} if policy.allows_address is None else {"make_socket": _socket_factory(policy.allows_address)}
    return aiohttp.ClientSession(
        connector=Connector(limit=policy.max_connections, **guard),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=IDLE_SECONDS, sock_read=IDLE_SECONDS),
        auto_decompress=False,
        headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT},
        middlewares=(send_once,),
        request_class=CheckedRequest,
        proxy=policy.proxy,
        read_bufsize=BUFFER,
    )


def _socket_factory(admits: Callable[[str], bool]) -> Callable[[AddressInfo], socket.socket]:
    """Return a socket factory for the connector: it checks every address, after DNS and after each redirect."""

    def made(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if not admits(str(address[0])):
            raise _RefusedAddressError(REFUSED_ADDRESS)
        return socket.socket(family, kind, protocol)

    return made


async def _with_idle_timeout(body: AsyncIterator[bytes], idle: asyncio.Timeout) -> AsyncIterator[bytes]:
    """Yield the chunks of a body, and restart the idle timeout whenever one was taken."""
    now = asyncio.get_running_loop().time
    async for chunk in body:
        yield chunk
        idle.reschedule(now() + IDLE_SECONDS)


@contextlib.contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise _failure(error) from None


def _resolve_location(base: URL, location: str) -> str:
    """Resolve the Location of a redirect against its URL."""
    try:
        return str(base.join(URL(urls.encoded(location), encoded=True)))
    except ValueError:
        pass
    raise PlainHttpError("it redirects to something that is not a URL", transient=False)


def _check_headers(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return headers that the API asked for, each name once; raises PlainHttpError for one that HTTP does not allow."""
    for name, value in headers.items():
        if problem := request_headers.problem(name, value):
            raise PlainHttpError(f"the API named a header that can't be sent: {problem}", transient=False)
    return CIMultiDict(headers)


def _failure(error: Exception) -> PlainHttpError:
    match error:
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, _RefusedAddressError):
            return PlainHttpError(REFUSED_ADDRESS, transient=False)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | aiohttp.InvalidURL():
            return PlainHttpError(describe(error), transient=False)
        case TimeoutError():
            return PlainHttpError(f"nothing came for {IDLE_SECONDS:g} s", transient=True)
        case aiohttp.ClientConnectorError() | ConnectionLostError():
            return PlainHttpError(describe(error), transient=True)
        case _:
            return PlainHttpError(f"the connection broke off ({type(error).__name__})", transient=True)
