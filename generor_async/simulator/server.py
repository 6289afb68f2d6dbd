"""The simulator's HTTP server: `Server._answer` takes every request, and enters it in the ledger.

Only the server waits, reads and writes. Plain functions in the APIs' modules return the answers; `wire_faults` has what
faults do to connections.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from email.utils import formatdate
from random import Random
from typing import Any
from uuid import uuid4

from aiohttp import HttpVersion10, web

from generor_async.simulator import wire_faults
from generor_async.simulator.clock import SimulatedClock
from generor_async.simulator.connections import ALREADY_SENT, Connections, TooLargeError, read_body, write_head
from generor_async.simulator.fault_answers import TRUE_ANSWER, altered_call, faulty_answer
from generor_async.simulator.faults import Fault, Faults
from generor_async.simulator.foreign_users import ForeignUsers
from generor_async.simulator.ledger import Entry, Ledger
from generor_async.simulator.listener import Listener
from generor_async.simulator.messages import Answer, DeferredAnswer, IncomingCall, uuid_of
from generor_async.simulator.recording import CreditChange, Recording
from generor_async.simulator.replay import PendingAnswer, Replay
from generor_async.simulator.routing import Handler, Mount, RouteMatch, Router

__all__ = ["Server"]

NO_QUERY: Mapping[str, str] = {}
SHUTDOWN_SECONDS = 0.1
LINGERING_SECONDS = 1.0
"""How long the rest of a refused body is read, so that the caller sees the answer."""
IDLE_SECONDS = 1e9
"""How long a connection may be idle. In virtual time a day passes within no real time, by which aiohttp's client closes
its idle connections; a server that closed one just as a request leaves would lose the request."""
LONGEST_REQUEST_ID = 200
"""Characters; a longer X-Request-Id is treated as none (assumed)."""


class Server:
    """Serves the mounted APIs on one port, in simulated time."""

    def __init__(
        self,
        mounts: Sequence[Mount],
        *,
        clock: SimulatedClock,
        ledger: Ledger,
        faults: Faults,
        others: ForeignUsers,
        seed: int,
        recording: Recording | None,
        change: Callable[[CreditChange], object],
    ) -> None:
        self._clock = clock
        self._recording = recording
        self._pending: list[PendingAnswer] = []
        """Requests without an answer when the previous simulator ended."""
        self._finishing: list[asyncio.Task[None]] = []
        self._ledger = ledger
        self._faults = faults
        self._others = others
        self._seed = seed
        self._date = (-1, "")
        self._under_way: dict[asyncio.Task[object], web.RequestHandler] = {}
        """The connection of each request under way, by its task."""
        self._refusing: dict[Fault, asyncio.Task[None]] = {}
        self.mount(mounts)
        if recording is not None:
            self._pending = Replay(recording, self._router, self._open).run(change)

    def mount(self, mounts: Sequence[Mount]) -> None:
        """Replace the served APIs."""
        self._router = Router(mounts)
        self._rng = Random(f"request ids {self._seed}")  # noqa: S311  # ids to be repeated, not secrets

    async def start(self, host: str, port: int) -> int:
        """Start to listen, and return the port."""
        self._loop = asyncio.get_running_loop()
        self._protocol = Connections(
            self._handle, access_log=None, lingering_time=LINGERING_SECONDS, keepalive_timeout=IDLE_SECONDS
        )
        self._listener = Listener(self._protocol)
        port = await self._listener.open(host, port)
        self._faults.port = self
        self.follow()
        if self._recording is not None:
            self._recording.open()
            self._finishing = [self._loop.create_task(self._finish(one, self._recording)) for one in self._pending]
        return port

    async def stop(self) -> None:
        """Stop at once: requests under way are dropped, uncharged; connections are closed."""
        self._faults.port = None
        # asyncio 3.11 loses the socket of a connection that is being accepted as its server closes.
        await _run_pending_callbacks()
        await self._listener.close()
        self._protocol.pre_shutdown()
        tasks: list[asyncio.Task[Any]] = [*self._under_way, *self._refusing.values(), *self._finishing]
        self._refusing.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._recording is not None:
            self._recording.close()
        await self._protocol.shutdown(SHUTDOWN_SECONDS)
        self._protocol.abort()
        await self._listener.wait_closed()
        await _run_pending_callbacks()  # the transports close their sockets

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._under_way[task] = request.protocol
        try:
            return await self._answer(request)
        finally:
            del self._under_way[task]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, and keep its ledger entry.

        If the caller disconnects, the operation is still completed and charged, and the ledger says unanswered.
        """
        path = request.rel_url.raw_path
        match = self._router.find(request.method, path)
        body, handle = b"", match.handle
        if request.body_exists:
            try:
                body = await read_body(request, match.mount.max_body)
            except TooLargeError:
                handle = match.mount.too_large
            except web.RequestPayloadError:
                handle = match.mount.malformed
        call = self._call(request, match, path, body)
        self._others.catch_up(call.now)
        if not match.mount.recorded:
            answer = handle(call)
            assert isinstance(answer, Answer)  # the control endpoints take no time
            await self._send(request, call, match, answer)
            return ALREADY_SENT[request.keep_alive]
        entry = self._open(call, match.mount.api, request.rel_url.raw_query_string)
        if self._faults.armed:
            fault = self._faults.strike(call.operation)
            if fault is not None:
                return await self._strike(fault, request, match, handle, call, entry)
        answer = await self._decide(handle, call, entry, request)
        entry.answered = True  # before the last byte: whoever has the answer may look at once
        delivered = False
        try:
            delivered = await self._send(request, call, match, answer)
        finally:
            entry.answered = delivered  # not, if the simulator is stopped before the last byte has left
        return ALREADY_SENT[request.keep_alive]

    async def _decide(self, handle: Handler, call: IncomingCall, entry: Entry, request: web.BaseRequest) -> Answer:
        """Run the operation, and enter its answer in the ledger."""
        answer = handle(call)
        recorded = None
        if self._recording is not None:
            recorded = self._recording.record_request(call, request.raw_path, answer)
        if isinstance(answer, DeferredAnswer):
            with self._protocol.notify_departure(request.protocol, entry.abandon):
                await self._clock.sleep(answer.seconds)
            now = self._clock.time()
            answer = answer.finish(now)
            if self._recording is not None and recorded is not None:
                self._recording.record_end(recorded, now)
        entry.note_answer(answer)
        return answer

    async def _finish(self, one: PendingAnswer, recording: Recording) -> None:
        await one.finish(self._clock, recording)
        self._pending.remove(one)

    def _open(self, call: IncomingCall, api: str, query: str) -> Entry:
        return self._ledger.open(
            at=call.now,
            api=api,
            operation=call.operation,
            method=call.method,
            path=call.path,
            request_id=call.request_id,
            content=(call.headers.get("Authorization"), query, call.body),
        )

    async def _strike(
        self,
        fault: Fault,
        request: web.BaseRequest,
        match: RouteMatch,
        handle: Handler,
        call: IncomingCall,
        entry: Entry,
    ) -> web.StreamResponse:
        """Answer a request that a fault strikes, before or after its operation."""
        entry.fault, entry.when = fault.fault, fault.when
        if fault.fault == "early_reset":
            return await self._cut_off(fault.details["seconds"], request, handle, call, entry)
        answer = None
        if fault.when != "before_charge":
            answer = await self._decide(handle, altered_call(fault, call), entry, request)
        faulty = faulty_answer(fault, call, answer, match.mount)

        def record_outcome(delivered: bool) -> None:
            if answer is None:
                entry.status = faulty.status if delivered else None
            entry.answered = delivered and (answer is None or fault.fault in TRUE_ANSWER)

        connection = wire_faults.FaultyConnection(
            request=request,
            response=self._response(call, match, faulty),
            details=fault.details,
            sleep=self._clock.sleep,
            wait_for_departure=lambda: self._protocol.wait_for_departure(request.protocol),
            record_outcome=record_outcome,
        )
        try:
            return await wire_faults.WIRE_FAULTS.get(fault.fault, wire_faults.send_unchanged)(connection)
        except asyncio.CancelledError:
            record_outcome(False)
            raise
        except ConnectionError:
            record_outcome(False)
            return connection.response

    async def _cut_off(
        self, seconds: float, request: web.BaseRequest, handle: Handler, call: IncomingCall, entry: Entry
    ) -> web.StreamResponse:
        """Break the connection; the operation is still run, so many seconds later."""
        if request.transport is not None:
            wire_faults.reset(request.transport)

        def prolonged(call: IncomingCall) -> Answer | DeferredAnswer:
            answer = handle(call)
            return DeferredAnswer(seconds, answer.finish) if isinstance(answer, DeferredAnswer) else answer

        await self._decide(prolonged, call, entry, request)
        return ALREADY_SENT[False]

    def _call(self, request: web.BaseRequest, match: RouteMatch, path: str, body: bytes) -> IncomingCall:
        headers, url = request.headers, request.rel_url
        # What is no part of the simulation must not change its random numbers.
        recorded = match.mount.recorded
        return IncomingCall(
            operation=match.operation,
            method=request.method,
            path=path,
            params=match.params,
            query=url.query if url.raw_query_string else NO_QUERY,
            headers=headers,
            body=body,
            request_id=self._request_id(headers.get("X-Request-Id", "")) if recorded else str(uuid4()),
            now=self._clock.time(),
            peer=request.remote or "",
            origin=f"http://{request.host}",
        )

    def _request_id(self, given: str) -> str:
        if given and given.isascii() and given.isprintable() and len(given) <= LONGEST_REQUEST_ID:
            return given
        return uuid_of(f"{self._rng.getrandbits(128):032x}")

    async def _send(self, request: web.BaseRequest, call: IncomingCall, match: RouteMatch, answer: Answer) -> bool:
        """Send an answer in one piece; return False if the caller has disconnected.

        It is written to the transport directly: aiohttp's own responses take as long as all the rest.
        """
        transport = request.transport
        if transport is None or transport.is_closing():
            return False
        body = answer.payload()
        headers = self._headers(call, match, answer)
        if answer.status != 204:
            headers["Content-Length"] = str(len(body))
        if not request.keep_alive:
            headers["Connection"] = "close"
        elif request.version == HttpVersion10:
            headers["Connection"] = "keep-alive"
        transport.write(write_head(answer.status, headers) + (b"" if call.method == "HEAD" else body))
        try:
            await request.writer.drain()
        except ConnectionError:
            return False
        return True

    def _response(self, call: IncomingCall, match: RouteMatch, answer: Answer) -> web.Response:
        """Return the answer as a response that faults can change."""
        return web.Response(status=answer.status, headers=self._headers(call, match, answer), body=answer.payload())

    def _headers(self, call: IncomingCall, match: RouteMatch, answer: Answer) -> dict[str, str]:
        if answer.by_gateway:
            return {"Date": self._now_as_date(), "Server": "nginx", **answer.headers}
        headers = {"Date": self._now_as_date(), "Server": "generor-simulator", "X-Request-Id": call.request_id}
        if answer.body is None and answer.status != 204:
            headers["Content-Type"] = "application/json"
        return {**headers, **match.headers, **answer.headers}

    def _now_as_date(self) -> str:
        second = int(self._clock.time())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]

    def follow(self) -> None:
        """Close or open the port, as the faults demand; may be called from any thread."""
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            self._follow()
            return
        done: Future[None] = Future()
        self._loop.call_soon_threadsafe(self._follow, done)
        done.result()

    def _follow(self, done: "Future[None] | None" = None) -> None:
        wanted = self._faults.refusals
        for fault, ending in list(self._refusing.items()):
            if fault not in wanted:
                ending.cancel()
                del self._refusing[fault]
        for fault in wanted:
            if fault not in self._refusing:
                self._refusing[fault] = self._loop.create_task(self._end(fault))
        if wanted:
            self._close_connections()
        self._listener.refuse(bool(wanted))
        if done is not None:
            done.set_result(None)

    def _close_connections(self) -> None:
        """Close kept connections: idle ones now, the others when they are idle."""
        busy = set(self._under_way.values())
        for connection in self._protocol.connections:
            if connection in busy:
                connection.close()
            else:
                connection.force_close()

    async def _end(self, fault: Fault) -> None:
        """Remove a `refuse` rule when its time has passed."""
        await self._clock.sleep(fault.details["seconds"])
        del self._refusing[fault]  # this very task needs no cancelling
        self._faults.remove(fault)


async def _run_pending_callbacks() -> None:
    """Run the callbacks that are due: accepting and closing take a few turns of the event loop."""
    for _ in range(5):
        await asyncio.sleep(0)
