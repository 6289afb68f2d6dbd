"""Sends one request over aiohttp, and returns its reply.

This module knows what only aiohttp can tell: whether anything left this machine, and what its exceptions mean. It
decides nothing.

Two pools: calls that may be repeated keep their connections; calls that may not (`plain` and `bills`) leave only on a
connection that is new or has idled for less than a second, because a server that closes an idle connection just as a
paid request leaves makes its outcome unknown.
"""

import io
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client import ClientTimeout
from attrs import field, frozen
from multidict import istr
from yarl import URL

from generor_async.engine.clean_connection import StrayDataError, check_no_stray_data, describe, send_once
from generor_async.engine.connector import Connector, abandon
from generor_async.engine.deadline import TimeLimit, TimeLimits
from generor_async.rules.http_types import REQUEST_ID, Form, Reply, Request, TransportError
from generor_async.rules.partial_responses import partial_success
from generor_async.rules.request_id_echo import EchoTracker, may_be_result
from generor_async.rules.response_ids import IdScanner
from generor_async.values import Masked, Secret
from generor_async.values.version import VERSION

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler

__all__ = [
    "USER_AGENT",
    "AiohttpTransport",
    "Attempt",
    "BlockedBeforeSendError",
    "Connection",
    "Intent",
    "Transport",
]

USER_AGENT: Final = f"generor_async/{VERSION} aiohttp/{aiohttp.__version__}"
"""Firewalls refuse the default one of Python programs (measured)."""
AUTHORIZATION: Final = istr("Authorization")
FRESH_SECONDS = 1.0
"""How long a connection may have idled for a request that must not be sent twice."""
SWITCHING = 101
"""The status with which a server switches to another protocol: the connection carries no more HTTP."""
FIELD_BYTES: Final = 64 * 1024
"""Limit for a header field, in bytes: gateways add cookies and policies of more than aiohttp's 8,190."""
FIELDS: Final = 512
"""Limit for the number of header fields; aiohttp's own is 128."""
SCANNED_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a paid call's answer that are read beyond `max_reply_bytes`: an id may be in them."""
LARGE_BODY = 1024 * 1024
"""Bytes above which aiohttp warns of a body that it is given in one piece."""


class Transport(Protocol):
    """Sends one request and returns one reply."""

    async def exchange(self, request: Request, attempt: "Attempt", *, timeout: float) -> Reply:
        """Send a request once, within `timeout` seconds; raise TransportError when no whole reply came."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...

    def abandon(self) -> None:
        """Drop every connection: the event loop is closed."""
        ...


class Intent(Protocol):
    """Writes down that a call is about to leave, so that after a crash it is known that it may have."""

    async def record_sending(self) -> None:
        """Write down that the call, which has a connection, leaves as soon as this returns.

        It is called before each attempt, and again for another connection. What it raises ends the call.
        """
        ...

    async def record_waiting(self) -> None:
        """Write down that the call did not leave, or was refused without effect, and is sent again later."""
        ...


class _TrackedRequest(aiohttp.ClientRequest):
    """A request that records whether it got a connection: before that, nothing can have been sent."""

    has_connection = False
    intent: Intent | None = None
    limit: TimeLimit
    protocol: "ResponseHandler | None" = None
    leaves: Callable[[], None] | None = None
    on_end: Callable[[], None] | None = None
    keeps_answer = False
    """Whether the bytes of its answer are kept."""
    received: Sequence[bytes] = ()
    DEFAULT_HEADERS = {istr("Accept"): "application/json", istr("Accept-Encoding"): "gzip, deflate"}  # noqa: RUF012 - as aiohttp has it

    def send(  # pyright: ignore[reportIncompatibleMethodOverride] # what it returns is aiohttp's own coroutine
        self, conn: aiohttp.connector.Connection
    ) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Send over a connection without unread bytes, unless the call was blocked meanwhile."""
        return self._send_now(conn) if self.intent is None else self._send_after_intent(conn, self.intent)

    async def _send_after_intent(self, conn: aiohttp.connector.Connection, intent: Intent) -> aiohttp.ClientResponse:
        self.limit.pause()  # a disk that is slow costs the server no time
        await intent.record_sending()
        self.limit.restart()
        try:
            sending = self._send_now(conn)
        except (BlockedBeforeSendError, StrayDataError):
            await intent.record_waiting()
            raise
        return await sending

    def _send_now(self, conn: aiohttp.connector.Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        protocol = self.protocol = conn.protocol
        assert protocol is not None
        arrivals = check_no_stray_data(protocol)
        if self.leaves is not None:
            self.leaves()
        if self.keeps_answer:
            self.received = arrivals.keep()
        self.has_connection = True
        return super().send(conn)

    def write_bytes(  # pyright: ignore[reportIncompatibleMethodOverride] # as above
        self, writer: AbstractStreamWriter, conn: Any, content_length: int | None = None
    ) -> Coroutine[Any, Any, None]:
        """Write the body, and record when its end was written."""
        writing = super().write_bytes(writer, conn, content_length)
        return writing if self.on_end is None else _and_then(writing, self.on_end)


async def _and_then(work: Coroutine[Any, Any, None], note: Callable[[], None]) -> None:
    await work
    note()


class _SingleUseRequest(_TrackedRequest):
    """A request that must not be sent twice: any part of its answer may name what was paid for."""

    keeps_answer = True


class BlockedBeforeSendError(Exception):
    """The request was not sent although it was admitted: a 429 came meanwhile, and it has to wait. Internal."""


class Attempt:
    """Records, as a middleware of aiohttp, whether an attempt was sent; it also prevents aiohttp's own retry.

    `leaves` is called when there is a connection, since waiting for one is not the server's time; it may still raise
    BlockedBeforeSendError. `on_end` is called when the last piece of the body is written.
    """

    __slots__ = ("_leaves", "_on_end", "_request", "chunks", "headers", "intent", "limit", "reply", "result")

    def __init__(self, leaves: Callable[[], None] | None = None, on_end: Callable[[], None] | None = None) -> None:
        self._leaves = leaves
        self._on_end = on_end
        self._request: aiohttp.ClientRequest | None = None
        self.headers: Sequence[Mapping[str, str]] = ()
        """Headers of the request beside aiohttp's own; the last one counts."""
        self.chunks: list[bytes] = []
        """The part of the answer's body that was read."""
        self.intent: Intent | None = None
        """Called before `leaves`."""
        self.limit: TimeLimit
        """The end of the attempt's time."""
        self.reply: Reply | None = None
        """The answer, once it has come."""
        self.result: Any = None
        """What the answer was decoded to."""

    @property
    def sent(self) -> bool:
        """Whether anything may have left this machine."""
        return getattr(self._request, "has_connection", False)

    def arrived(self) -> tuple[bytes, str]:
        """Return the part of an answer's body that came, and its Location, for an error.

        That is the part that was read; of a success of a paid call, all that came. Other answers have no Location.
        """
        body, location = partial_success(b"".join(getattr(self._request, "received", ())))
        return max(b"".join(self.chunks), body, key=len), location

    def end_connection(self, response: aiohttp.ClientResponse) -> None:
        """Close the connection of a response as soon as that is read: it may carry other answers that aren't ours.

        Where the response came in one piece, the connection is in the pool already, and is closed there at once.
        """
        if not isinstance(self._request, _TrackedRequest) or (protocol := self._request.protocol) is None:
            return
        self._request.received = ()  # another's
        protocol.force_close()
        if response.connection is None:
            protocol.close()

    def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Send the request once, as a middleware of aiohttp."""
        self._request = request
        for headers in self.headers:
            request.headers.update(headers)
        if isinstance(request, _TrackedRequest):
            request.leaves, request.on_end = self._leaves, self._on_end
            request.intent, request.limit = self.intent, self.limit
        return send_once(request, handler)


@frozen(kw_only=True)
class Connection:
    """How to reach one API; `AiohttpTransport` is made from it, once for each event loop."""

    key: Secret | None
    max_connections: int
    max_reply_bytes: int
    connector: aiohttp.BaseConnector | None
    proxy: str | None
    ssl: ssl.SSLContext | aiohttp.Fingerprint | bool | None
    speed: float
    echoes: EchoTracker = field(factory=EchoTracker)


class AiohttpTransport:
    """Sends requests over two aiohttp sessions, which it owns."""

    def __init__(self, connection: Connection) -> None:
        self._speed = connection.speed
        self._limit = connection.max_reply_bytes
        self._headers: Mapping[str, str] = (
            {} if connection.key is None else {AUTHORIZATION: Masked(f"Bearer {connection.key.reveal()}")}
        )
        """Added to each request: as headers of the session, they would be sent to a proxy as well."""
        self._echoes = connection.echoes
        self._time_limits = TimeLimits()
        self._ssl = True if connection.ssl is None else connection.ssl
        self._sessions = {reusable: self._open(connection, reusable=reusable) for reusable in (True, False)}

    async def exchange(self, request: Request, attempt: Attempt, *, timeout: float) -> Reply:
        """Send the request once; raise TransportError when no whole reply came."""
        request_id = request.headers.get(REQUEST_ID, "")
        echoes, chunks = self._echoes, attempt.chunks
        ours = True
        echoes.sent(request_id)
        attempt.headers = self._headers, request.headers
        try:
            attempt.limit = TimeLimit(max(timeout, 0.001) / self._speed, self._time_limits)
            with attempt.limit:
                response = await self._sessions[request.reusable].request(
                    request.method,
                    URL(request.url, encoded=True),
                    data=_payload(request.body),
                    allow_redirects=False,
                    middlewares=(attempt,),
                    ssl=self._ssl,
                )
                headers = response.headers
                echoed = headers.get(REQUEST_ID)
                if not (echoes.settled if echoed == request_id else echoed is None and echoes.silent):
                    ours = self._is_ours(response, request_id, echoed)
                if not ours:
                    attempt.end_connection(response)
                    chunks = []
                try:
                    await self._read(response.content, chunks, scans=ours and not request.reusable)
                except BaseException:
                    if response.content.exception() is None:
                        chunks.append(response.content.read_nowait())
                    response.close()
                    raise
                if response.status == SWITCHING:
                    response.close()
        except (aiohttp.ClientError, OSError) as error:
            failure = _translate(error, sent=attempt.sent)
            failure.partial, failure.location = attempt.arrived()  # it may name what was paid for
        else:
            return Reply(status=response.status, headers=headers, body=b"".join(chunks), misdirected=not ours)
        # Raised out here, so that its context isn't aiohttp's exception, which carries the request's headers.
        raise failure

    async def close(self) -> None:
        """Close every connection, but not a caller's connector."""
        self._time_limits.close()
        for session in self._sessions.values():
            await session.close()

    def abandon(self) -> None:
        """Drop every connection."""
        for session in self._sessions.values():
            abandon(session)

    def _open(self, connection: Connection, *, reusable: bool) -> aiohttp.ClientSession:
        limit = connection.max_connections
        own = connection.connector is None
        return aiohttp.ClientSession(
            connector=connection.connector
            or (Connector(limit=limit) if reusable else Connector(limit=limit, keepalive_timeout=FRESH_SECONDS)),
            connector_owner=own,
            headers={"User-Agent": USER_AGENT},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=ClientTimeout(total=None),
            request_class=_TrackedRequest if reusable else _SingleUseRequest,
            max_line_size=FIELD_BYTES,
            max_field_size=FIELD_BYTES,
            max_headers=FIELDS,
            proxy=connection.proxy,
        )

    def _is_ours(self, response: aiohttp.ClientResponse, sent: str, echoed: str | None) -> bool:
        succeeded = may_be_result(response.status, response.content_type)
        return self._echoes.is_ours(sent, echoed, succeeded=succeeded)

    async def _read(self, content: aiohttp.StreamReader, chunks: list[bytes], *, scans: bool) -> None:
        """Read a body, piece by piece; with `scans`, look for ids in what is too large to be kept."""
        total = 0
        while not content.at_eof():
            chunk = content.read_nowait() if content.is_eof() else await content.readany()
            chunks.append(chunk)
            total += len(chunk)
            if total > self._limit:
                if scans:
                    await _scan(content, chunks)
                raise _TooLargeError(f"the answer is larger than max_reply_bytes ({self._limit:,} bytes)")


async def _scan(content: aiohttp.StreamReader, chunks: list[bytes]) -> None:
    """Read on in a body, and keep only the ids in it."""
    scan, left = IdScanner(b"".join(chunks)), SCANNED_BYTES
    chunks[:] = [scan.before]
    while left > 0 and not content.at_eof():
        piece = await content.readany()
        left -= len(piece)
        chunks += scan.ids_in(piece)
    chunks += scan.ids_in(b"")


class _TooLargeError(aiohttp.ClientError):
    pass


def _translate(error: Exception, *, sent: bool) -> TransportError:
    """Translate an exception of aiohttp 3.14, without its objects: they carry request headers."""
    text = describe(error)
    match error:
        case aiohttp.ConnectionTimeoutError():
            return TransportError(text, sent=False, timed_out=True)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return TransportError(text, sent=False, permanent=True)
        case aiohttp.ServerFingerprintMismatch() | aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return TransportError("the server's certificate or the URL is not right", sent=False, permanent=True)
        case aiohttp.ClientConnectorError():
            return TransportError(text, sent=False)
        case aiohttp.ClientHttpProxyError():
            return TransportError(f"the proxy refused to connect ({error.status})", sent=False)
        case _TooLargeError():
            return TransportError(text, sent=True, permanent=True)
        case TimeoutError():
            return TransportError("timed out", sent=sent, timed_out=True)
        case aiohttp.ClientPayloadError():
            return TransportError("the answer broke off", sent=True)
        case aiohttp.ClientResponseError():
            return TransportError("the answer was not HTTP", sent=True)
        case _:
            return TransportError(text, sent=sent)


def _payload(body: bytes | Form | None) -> "aiohttp.Payload | io.BytesIO | aiohttp.FormData | None":
    """Return a body as aiohttp takes it: a large one piece by piece, so that the event loop isn't held up."""
    if isinstance(body, Form):
        return _multipart(body)
    if body is None:
        return None
    return aiohttp.BytesPayload(body) if len(body) <= LARGE_BODY else io.BytesIO(body)


def _multipart(form: Form) -> aiohttp.FormData:
    data = aiohttp.FormData()
    for name, value in form.fields.items():
        data.add_field(name, value)
    data.add_field("file", io.BytesIO(form.content), filename=form.filename, content_type=form.media_type)
    return data
