"""HTTP to hosts that aren't the API: outputs, uploads, images. No cookie; the key goes to the API's own origin alone.

A presigned URL is a credential by itself: none is in what is raised here, and every redirect is looked at before it is
followed.
"""

import asyncio
import contextlib
import re
import socket
import ssl as ssl_module
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from typing import TypeAlias

import aiohttp
from attrs import frozen
from multidict import CIMultiDict
from yarl import URL

from generor_async.engine.connector import AddressInfo, Connector, abandon
from generor_async.engine.loops import PerLoop
from generor_async.engine.quiet import QuietRequest, over_a_quiet_one
from generor_async.engine.transport import USER_AGENT, describe
from generor_async.rules import header_fields, urls
from generor_async.values import Secret
from generor_async.values.secret import Masked

__all__ = ["SILENCE_SECONDS", "Reach", "Web", "WebError"]

REDIRECTS = 5
SILENCE_SECONDS = 60.0
"""How long a host may send or take nothing."""
BUFFER = 512 * 1024
"""Bytes that may have arrived and wait to be read."""
_SIGNED = re.compile(r"(?i)signature|x-amz-")
REFUSED_ADDRESS = "its host is not on the public internet"

TLS: TypeAlias = ssl_module.SSLContext | bool


class WebError(Exception):
    """No answer came that can be used; nothing in it shows a URL's query."""

    def __init__(self, problem: str, *, passing: bool, gone: bool = False, wait: float = 0.0, advice: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.passing = passing
        """Whether another attempt may bring one."""
        self.gone = gone
        """Whether the host has said that there is no such file."""
        self.wait = wait
        """Seconds for which the host asked not to be asked."""
        self.advice = advice


@frozen(kw_only=True)
class Reach:
    """Which hosts may be reached, and how."""

    schemes: frozenset[str]
    max_connections: int
    proxy: str | None = None
    ssl: TLS = True
    admits: Callable[[str], bool] | None = None
    """Whether a numeric address may be connected to; None where every one may."""
    own: URL | None = None
    """The API's own address, where what is fetched may be private: the key goes there, and nowhere else."""
    key: Secret | None = None


class Web:
    """Makes requests without credentials, over one aiohttp session for each event loop."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._sessions = PerLoop(lambda: _Session(reach))

    async def close(self) -> None:
        """Close the running event loop's connections."""
        await self._sessions.close()

    @contextlib.asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Fetch a URL, following redirects that stay with the schemes allowed; raises WebError."""
        with _translated():
            response = await self._follow(url, headers)
        async with response:
            yield response

    async def pour(self, response: aiohttp.ClientResponse, write: Callable[[bytes], object]) -> None:
        """Hand over a body as it arrives; raises WebError when it breaks off, or nothing comes for too long."""
        now, read = asyncio.get_running_loop().time, response.content.readany
        # aiohttp 3.14's parser in C waits for ever after a bad chunk header, and its own sock_read does not fire.
        patience, renewal = asyncio.timeout(SILENCE_SECONDS), 0.0
        try:
            async with patience:
                while True:
                    try:
                        chunk = await read()
                    except (aiohttp.ClientError, OSError) as error:
                        failure = _failure(error)
                        break
                    if not chunk:
                        return
                    write(chunk)
                    if (moment := now()) >= renewal:  # not for each chunk: it takes as long as reading one
                        patience.reschedule(moment + SILENCE_SECONDS)
                        renewal = moment + SILENCE_SECONDS / 20
        except TimeoutError as error:
            if not patience.expired():
                raise
            failure = _failure(error)
        raise failure

    async def put(self, url: str, headers: Mapping[str, str], body: AsyncIterator[bytes]) -> int:
        """Send a body to a URL, and return the status of the answer; raises WebError."""
        with _translated():
            async with asyncio.timeout(SILENCE_SECONDS) as patience:
                response = await self._sessions.get().http.put(
                    self._target(url),
                    headers=_sendable(headers),
                    data=_watched(body, patience),
                    allow_redirects=False,
                    # aiohttp's sock_read counts from the request's head on, and a body may take hours to leave.
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_SECONDS),
                    ssl=self._reach.ssl,
                )
                response.close()  # it may have come before the body was read
        return response.status

    async def _follow(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        target = self._target(url)
        for _ in range(REDIRECTS):
            response = await self._sessions.get().http.get(
                target, headers=self._with_key(target, headers), allow_redirects=False, ssl=self._reach.ssl
            )
            location = response.headers.get("Location")
            if response.status not in {301, 302, 303, 307, 308} or location is None:
                return response
            response.release()
            following = self._target(_joined(target, location))
            if target.scheme == "https" and following.scheme == "http":
                raise WebError("it redirects from https to http", passing=False)
            target = following
        raise WebError("it redirects too often", passing=False)

    def _with_key(self, target: URL, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Add the key for what lies at the API's own origin; a presigned URL is a credential by itself."""
        own, key = self._reach.own, self._reach.key
        if own is None or key is None or target.origin() != own.origin() or _SIGNED.search(target.raw_query_string):
            return headers
        return {**headers, "Authorization": Masked(f"Bearer {key.reveal()}")}

    def _target(self, text: str) -> URL:
        """Return a URL that may be asked."""
        try:
            url = urls.usable(urls.encoded(text), self._reach.schemes)
        except ValueError as error:
            problem = str(error)
        else:
            if not url.user and not url.password:
                return url
            problem = "it has a user name or a password"
        raise WebError(f"its URL is not asked: {problem}", passing=False)


class _ConnectionLost(aiohttp.ClientError):
    """Stands for the errors after which aiohttp would send the request again by itself, with a body that is used up."""


class _RefusedAddressError(OSError):
    """The host's address is not admitted."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request a second time: when to try again is decided elsewhere."""
    try:
        return await over_a_quiet_one(request, handler)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
        raise _ConnectionLost from None


class _Session:
    """The aiohttp session of one event loop."""

    def __init__(self, reach: Reach) -> None:
        self.http = _open_session(reach)

    async def close(self) -> None:
        """Close every connection."""
        await self.http.close()

    def abandon(self) -> None:
        """Let go of every connection."""
        abandon(self.http)


def _open_session(reach: Reach) -> aiohttp.ClientSession:
    guard = {} if reach.admits is None else {"make_socket": _guard(reach.admits)}
    return aiohttp.ClientSession(
        connector=Connector(limit=reach.max_connections, **guard),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_SECONDS, sock_read=SILENCE_SECONDS),
        auto_decompress=False,
        headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT},
        middlewares=(_once,),
        request_class=QuietRequest,
        proxy=reach.proxy,
        read_bufsize=BUFFER,
    )


def _guard(admits: Callable[[str], bool]) -> Callable[[AddressInfo], socket.socket]:
    """Return what makes the sockets. It sees every address that is connected to, after DNS and each redirect."""

    def made(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if not admits(str(address[0])):
            raise _RefusedAddressError(REFUSED_ADDRESS)
        return socket.socket(family, kind, protocol)

    return made


async def _watched(body: AsyncIterator[bytes], patience: asyncio.Timeout) -> AsyncIterator[bytes]:
    """Pass a body on; each piece that is taken shows that the host is there."""
    now = asyncio.get_running_loop().time
    async for chunk in body:
        yield chunk
        patience.reschedule(now() + SILENCE_SECONDS)


@contextlib.contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise _failure(error) from None


def _joined(base: URL, location: str) -> str:
    """Return where a redirect leads."""
    try:
        return str(base.join(URL(urls.encoded(location), encoded=True)))
    except ValueError:
        pass
    raise WebError("it redirects to what is no URL", passing=False)


def _sendable(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return headers that the API has named, each once; raises WebError for what none can carry."""
    for name, value in headers.items():
        if problem := header_fields.problem(name, value):
            raise WebError(f"the API named a header that can't be sent: {problem}", passing=False)
    return CIMultiDict(headers)


def _failure(error: Exception) -> WebError:
    match error:
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, _RefusedAddressError):
            return WebError(REFUSED_ADDRESS, passing=False)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError() | aiohttp.InvalidURL():
            return WebError(describe(error), passing=False)
        case TimeoutError():
            return WebError(f"nothing came for {SILENCE_SECONDS:g} s", passing=True)
        case aiohttp.ClientConnectorError():
            return WebError(describe(error), passing=True)
        case _:
            return WebError(f"the connection broke off ({type(error).__name__})", passing=True)
