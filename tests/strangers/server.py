"""The server: both APIs and the storage on one port of this machine."""

import asyncio
from collections.abc import Coroutine
from random import Random
from types import TracebackType
from typing import Literal, Self

from aiohttp import web

from strangers.generor import Generor
from strangers.luma import Luma
from strangers.noise import EXTRAS, Early, Noise, follow
from strangers.records import Answer, Api, Arrival, Books, Charge, Clock, Script, gateway_page
from strangers.storage import Storage
from strangers.worlds import GenerorWorld, LumaWorld, Others, Outage

EPOCH = 1_790_000_000.0
"""Unix seconds at which the loop's clock is 0: some moment in September 2026."""


class StrangerServer:
    """Serves while its block runs.

    ``travel`` and ``jitter`` are seconds each way: a request is counted after the first way, and its answer,
    Date included, is made before the second. ``travel_seed`` draws the jitter. ``script`` is asked before everything
    else. ``noise`` is what else comes on connections, and to which requests' answers it comes.
    """

    def __init__(
        self,
        *,
        luma: LumaWorld | None = None,
        generor: GenerorWorld | None = None,
        script: Script | None = None,
        travel: float = 0.0,
        jitter: float = 0.0,
        travel_seed: int = 1,
        epoch: float = EPOCH,
        noise: Noise = "",
    ) -> None:
        self.requests: list[Arrival] = []
        self.charges: list[Charge] = []
        self.script = script
        self._worlds = (luma or LumaWorld(), generor or GenerorWorld())
        self._travel = (travel, jitter)
        self._epoch = epoch
        self._travel_rng = Random(travel_seed)
        self.noise: Noise = noise
        self._following: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self.clock = Clock(self._epoch)
        self._books = Books(self.clock, Random(0), self.requests, self.charges)
        self._storage = Storage(self.clock)
        luma_world, generor_world = self._worlds
        self.luma = Luma(luma_world, self._books, self._storage)
        self.generor = Generor(generor_world, self._books)
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, keepalive_timeout=3600.0, shutdown_timeout=0.1)
        await self._runner.setup()
        self._listening = await asyncio.get_running_loop().create_server(self._connect, "127.0.0.1", 0)
        self._base = f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"
        self._storage.base = self.generor.base = self._base
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in [*self.generor.tasks, *self._following]:
            task.cancel()
        self._listening.close()
        await self._runner.cleanup()

    def _connect(self) -> asyncio.Protocol:
        assert self._runner.server is not None
        served = self._runner.server()
        return Early(served) if self.noise == "early" else served

    @property
    def luma_url(self) -> str:
        """Where the Luma Agents API is, version included."""
        return f"{self._base}/v1"

    @property
    def generor_url(self) -> str:
        """Where the Generor API is, version included."""
        return f"{self._base}/api/v1"

    @property
    def luma_key(self) -> str:
        """The one valid key."""
        return self.luma.key

    @property
    def generor_key(self) -> str:
        """The one valid key."""
        return self.generor.key

    async def send_as_other(
        self,
        api: Literal["luma", "generor"] = "luma",
        count: int = 1,
        *,
        model: str = "uni-1",
        type: str = "image",  # noqa: A002 - the API's word
        seconds: float = 0.0,
    ) -> int:
        """Send requests of another user of the key, now; return how many were admitted."""
        target, now = (self.luma if api == "luma" else self.generor), self.clock.now()
        target.settle(now)
        others = Others(model=model, type=type, seconds=seconds)
        return sum(target.send_other(now, others) is None for _ in range(count))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        await self._go()
        now = self.clock.now()
        self.luma.settle(now)
        self.generor.settle(now)
        seen = Arrival(
            at=now,
            api=_api_of(request.path),
            method=request.method,
            path=request.path,
            request_id=request.headers.get("X-Request-Id") or self._books.new_id(),
            query=request.query,
            headers=request.headers,
            body=body,
        )
        self.requests.append(seen)
        answer = await self._decide(seen)
        seen.status = 0 if answer.cut else answer.status
        date = self.clock.date(self.clock.now())
        await asyncio.sleep(answer.delay)
        await self._go()
        if self.noise in EXTRAS and isinstance(request.transport, asyncio.WriteTransport):
            self._follow(follow(request.transport, self.noise, seen, answer.content()))
        return await _deliver(request, answer, {"Date": date, "Content-Type": answer.content_type(), **answer.headers})

    def _follow(self, sending: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(sending)
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _go(self) -> None:
        seconds, jitter = self._travel
        if seconds or jitter:
            await asyncio.sleep(seconds + jitter * self._travel_rng.random())

    async def _decide(self, seen: Arrival) -> Answer:
        """Ask the script, then the outages, then the API."""
        scripted = self.script(seen) if self.script else None
        if scripted is not None and not scripted.after:
            return scripted
        outage = self._outage(seen)
        if outage is not None and not outage.after:
            return self._out(seen, outage)
        answer = await self._carry_out(seen)
        if scripted is not None:
            return scripted
        return self._out(seen, outage) if outage is not None else answer

    async def _carry_out(self, seen: Arrival) -> Answer:
        if seen.api == "luma":
            return await self.luma.handle(seen)
        if seen.api == "generor":
            return await self.generor.handle(seen)
        if seen.path.startswith("/users/"):
            return self.generor.media(seen)
        return self._storage.handle(seen)

    def _outage(self, seen: Arrival) -> Outage | None:
        luma_world, generor_world = self._worlds
        outages = {"luma": luma_world.outages, "generor": generor_world.outages}.get(seen.api, ())
        return next((one for one in outages if one.holds(seen.at) and _concerns(one, seen)), None)

    def _out(self, seen: Arrival, outage: Outage) -> Answer:
        if outage.html:
            return gateway_page(outage.status)
        return (self.luma if seen.api == "luma" else self.generor).plain_error(seen, outage.status)


def _concerns(outage: Outage, seen: Arrival) -> bool:
    if outage.scope == "all":
        return True
    return seen.method == "POST" and (outage.scope == "post" or b'"url"' in seen.body)


def _api_of(path: str) -> Api:
    if path.startswith("/v1/"):
        return "luma"
    return "generor" if path.startswith("/api/v1") else "storage"


async def _deliver(request: web.Request, answer: Answer, headers: dict[str, str]) -> web.StreamResponse:
    """Send an answer; one that is cut breaks off after what it has, or at once."""
    content = answer.content()
    if answer.raw:
        return await _send_raw(request, answer)
    if not answer.cut:
        return web.Response(status=answer.status, body=content, headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    if content:
        response.content_length = len(content) + 1000
        await response.prepare(request)
        await response.write(content)
    if request.transport is not None:
        request.transport.close()
    return response


async def _send_raw(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Send bytes as they are; the connection stays open for a minute, or till its other end has left."""
    transport = request.transport
    if isinstance(transport, asyncio.WriteTransport):
        transport.write(answer.content())
        for _ in range(60):
            if transport.is_closing():
                break
            await asyncio.sleep(1)
        transport.close()
    return web.Response()
