"""The simulator's HTTP server: every request passes `Server._exchange`, and is written down there.

It alone waits, reads and writes; what to answer is decided by plain functions of the call, in the APIs'
modules.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from random import Random

from aiohttp import web

from generor_async.simulator.clock import SimulatedClock
from generor_async.simulator.exchange import Answer, Call, Later
from generor_async.simulator.ledger import Entry, Ledger
from generor_async.simulator.routing import Match, Mount, Router

__all__ = ["Server"]

NO_QUERY: Mapping[str, str] = {}
SHUTDOWN_SECONDS = 0.1
LINGERING_SECONDS = 1.0
"""For how long the rest of a refused body is read, so that the caller sees the answer."""
LONGEST_REQUEST_ID = 200
"""Characters; a longer X-Request-Id is treated as none (assumed)."""


class Server:
    """Serves the mounted APIs on one port, by the simulated clock."""

    def __init__(self, mounts: Sequence[Mount], *, clock: SimulatedClock, ledger: Ledger, seed: int) -> None:
        self._router = Router(mounts)
        self._clock = clock
        self._ledger = ledger
        self._dice = Random(f"request ids {seed}")  # noqa: S311  # ids to be repeated, not secrets
        self._date = (-1, "")
        self._under_way: set[asyncio.Task[object]] = set()

    async def start(self, host: str, port: int) -> int:
        """Begin to listen, and give the port."""
        loop = asyncio.get_running_loop()
        self._protocol = web.Server(self._handle, access_log=None, lingering_time=LINGERING_SECONDS)
        self._listener = await loop.create_server(self._protocol, host, port)
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop at once: what is under way is dropped, unanswered and uncharged; connections are closed."""
        await _turn()  # asyncio 3.11 loses the socket of a connection that is being accepted as its server closes
        self._listener.close()
        self._protocol.pre_shutdown()
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        transports = [connection.transport for connection in self._protocol.connections]
        await self._protocol.shutdown(SHUTDOWN_SECONDS)
        for transport in transports:
            if transport is not None:
                transport.abort()  # a peer that doesn't read would keep a closing connection open
        await self._listener.wait_closed()
        await _turn()  # the transports close their sockets

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            return await self._exchange(request)
        finally:
            self._under_way.discard(task)

    async def _exchange(self, request: web.BaseRequest) -> web.StreamResponse:
        """Take a request from its arrival to its answer: the one place that all of them pass.

        A caller who goes away stops nothing: the work is done and charged, and the ledger says unanswered.
        """
        path = request.rel_url.raw_path
        match = self._router.find(request.method, path)
        body, handle = b"", match.handle
        if request.body_exists:
            try:
                body = await _read(request, match.mount.max_body)
            except _TooLargeError:
                handle = match.mount.too_large
            except web.RequestPayloadError:
                handle = match.mount.malformed
        call = self._call(request, match, path, body)
        entry = self._ledger.open(
            at=call.now,
            api=match.mount.api,
            operation=call.operation,
            method=call.method,
            path=path,
            request_id=call.request_id,
        )
        # Here a fault acts that comes before the charge,
        answer = handle(call)
        if isinstance(answer, Later):
            await self._clock.sleep(answer.seconds)
            answer = answer.finish(self._clock.time())
        entry.caller, entry.status, entry.charged = answer.caller, answer.status, answer.charged
        # and here one that comes after it.
        response = self._response(call, match, answer)
        await _write(request, response, entry)
        return response

    def _call(self, request: web.BaseRequest, match: Match, path: str, body: bytes) -> Call:
        headers, url = request.headers, request.rel_url
        return Call(
            operation=match.operation,
            method=request.method,
            path=path,
            params=match.params,
            query=url.query if url.raw_query_string else NO_QUERY,
            headers=headers,
            body=body,
            request_id=self._request_id(headers.get("X-Request-Id", "")),
            now=self._clock.time(),
            peer=request.remote or "",
            origin=f"http://{request.host}",
        )

    def _request_id(self, given: str) -> str:
        if given and given.isascii() and given.isprintable() and len(given) <= LONGEST_REQUEST_ID:
            return given
        digits = f"{self._dice.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def _response(self, call: Call, match: Match, answer: Answer) -> web.Response:
        headers = {
            "Date": self._now_as_date(),
            "Server": "generor-simulator",
            "X-Request-Id": call.request_id,
            **match.headers,
        }
        body = answer.body
        if body is None and answer.status != 204:
            headers["Content-Type"] = "application/json"
            body = json.dumps(answer.json).encode()
        return web.Response(status=answer.status, headers={**headers, **answer.headers}, body=body)

    def _now_as_date(self) -> str:
        second = int(self._clock.time())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]


class _TooLargeError(Exception):
    """The body is longer than the API takes."""


async def _read(request: web.BaseRequest, most: int) -> bytes:
    """Read a body of at most `most` bytes."""
    if (request.content_length or 0) > most:
        raise _TooLargeError
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > most:
            raise _TooLargeError
    return bytes(body)


async def _write(request: web.BaseRequest, response: web.Response, entry: Entry) -> None:
    try:
        await response.prepare(request)
        await response.write_eof()
    except ConnectionError:
        return  # the caller has gone; aiohttp notices by itself
    entry.answered = True


async def _turn() -> None:
    """Let the event loop finish what it has begun: accepting and closing take it a few turns each."""
    for _ in range(5):
        await asyncio.sleep(0)
