"""The simulator as one object: both APIs on a loopback port, in the caller's event loop or a thread."""

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, Self

from generor_async.simulator.clock import SimulatedClock
from generor_async.simulator.exchange import Answer, Call
from generor_async.simulator.generor.api import TIERS, GenerorApi
from generor_async.simulator.ledger import Ledger
from generor_async.simulator.limits import WindowKind
from generor_async.simulator.luma.answers import COMMON_HEADERS
from generor_async.simulator.luma.api import LumaApi
from generor_async.simulator.routing import Handler, Mount
from generor_async.simulator.server import Server
from generor_async.simulator.storage import Storage

__all__ = ["Simulator"]

MIB = 1024 * 1024
GENEROR_BODY = 10 * MIB
LUMA_BODY = 700 * MIB
"""Nine references of 50 MB each in base64 still fit: a single image too large is the API's own matter."""
STORAGE_BODY = 512 * MIB
LATEST_EPOCH = 1e11
"""Unix seconds: dates beyond the year 9999 can't be written, and years may yet be advanced."""


class Simulator:
    """Both APIs, as far as their documents go, with no key and no network.

    `async with` serves in the running event loop; `with` serves in a thread with an event loop of its own.

    `speed` is how many simulated seconds pass in a real one, `epoch` the Unix time at which they begin
    (None: now). `tier` and `generor_credits` are those of the Generor account, `luma_rpm` and `luma_jobs`
    the limits of the Luma client and `luma_balance` its US dollars. `port` 0 takes any that is free.
    Switches for what the documents leave open: `exact_cost`, `generor_window`, `count_rejected`,
    `listing_lag` and `release_lag` (seconds), `failure_rate` and `moderation_rate` (0 to 1). Raises
    ValueError for what can't be simulated.
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        tier: str = "pro",
        luma_rpm: int = 30,
        luma_jobs: int = 10,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        epoch: float | None = None,
        generor_credits: int = 100_000,
        luma_balance: float = 1_000.0,
        exact_cost: bool = False,
        generor_window: WindowKind = "sliding",
        count_rejected: bool = False,
        listing_lag: float = 0.0,
        release_lag: float = 0.0,
        failure_rate: float = 0.0,
        moderation_rate: float = 0.0,
    ) -> None:
        _check_range("speed", speed, above=0)
        _check_range("luma_rpm", luma_rpm, above=0)
        _check_range("luma_jobs", luma_jobs, above=0)
        _check_range("port", port, least=0, most=65_535)
        _check_range("epoch", epoch or 0, least=0, most=LATEST_EPOCH)
        _check_range("generor_credits", generor_credits, least=0)
        _check_range("luma_balance", luma_balance, least=0)
        _check_range("listing_lag", listing_lag, least=0)
        _check_range("release_lag", release_lag, least=0)
        _check_range("failure_rate", failure_rate, least=0, most=1)
        _check_range("moderation_rate", moderation_rate, least=0, most=1)
        _check_choice("tier", tier, tuple(TIERS))
        _check_choice("generor_window", generor_window, ("sliding", "fixed"))
        self.clock = SimulatedClock(speed=speed, epoch=epoch)
        """The server's clock, to be given to the client as well."""
        self.ledger = Ledger()
        """Every request that arrived, and what it cost."""
        self.storage = Storage()
        self.luma = LumaApi(
            seed=seed,
            storage=self.storage,
            rpm=luma_rpm,
            jobs=luma_jobs,
            balance=luma_balance,
            count_rejected=count_rejected,
            release_lag=release_lag,
            failure_rate=failure_rate,
            moderation_rate=moderation_rate,
        )
        self.generor = GenerorApi(
            seed=seed,
            tier=tier,
            credits=generor_credits,
            exact_cost=exact_cost,
            listing_lag=listing_lag,
            window_kind=generor_window,
            count_rejected=count_rejected,
            failure_rate=failure_rate,
            moderation_rate=moderation_rate,
            now=self.clock.time(),
        )
        self.host = host
        self._port = port
        self._server = Server(self._mounts(), clock=self.clock, ledger=self.ledger, seed=seed)
        self._origin: str | None = None
        self._thread: _ServerThread | None = None

    @property
    def url(self) -> str:
        """Scheme, host and port under which the simulator is reached; RuntimeError when it isn't running."""
        if self._origin is None:
            raise RuntimeError("the simulator isn't running: enter it with `async with` or `with` first")
        return self._origin

    @property
    def generor_url(self) -> str:
        """The Generor API's base URL."""
        return f"{self.url}/api/v1"

    @property
    def luma_url(self) -> str:
        """The Luma Agents API's base URL."""
        return f"{self.url}/v1"

    @property
    def generor_key(self) -> str:
        """A key to the Generor API, good for everything."""
        return self.generor.key

    @property
    def luma_key(self) -> str:
        """A key to the Luma Agents API, good for everything."""
        return self.luma.key

    @property
    def generor_options(self) -> dict[str, Any]:
        """What a Generor client of ours needs to talk to the simulator: key, base URL and clock."""
        return {"api_key": self.generor_key, "base_url": self.generor_url, "clock": self.clock}

    @property
    def luma_options(self) -> dict[str, Any]:
        """What a Luma client of ours needs to talk to the simulator: key, base URL and clock."""
        return {"api_key": self.luma_key, "base_url": self.luma_url, "clock": self.clock}

    def advance(self, seconds: float) -> None:
        """Move the simulated clock on by so many seconds, at once."""
        self.clock.advance(seconds)

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stop()

    def __enter__(self) -> Self:
        self._check_stopped()
        self._thread = _ServerThread(self._start, self._stop)
        self._thread.start()
        self._thread.ready.result()
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._thread is not None
        self._thread.stop()
        self._thread = None

    def _check_stopped(self) -> None:
        if self._origin is not None:
            raise RuntimeError("the simulator is running already")

    async def _start(self) -> None:
        self._check_stopped()
        port = await self._server.start(self.host, self._port)
        self._origin = f"http://[{self.host}]:{port}" if ":" in self.host else f"http://{self.host}:{port}"

    async def _stop(self) -> None:
        self._origin = None
        await self._server.stop()

    def _mounts(self) -> list[Mount]:
        refuse, files = self.generor.refuse, [*self.storage.routes, *self.generor.file_routes]
        return [
            Mount(
                api="generor",
                prefix="/api/v1",
                routes=self.generor.routes,
                not_found=refuse("NOT_FOUND", "Endpoint not found"),
                not_allowed=refuse("METHOD_NOT_ALLOWED", "Method not allowed for this endpoint"),
                too_large=refuse("VALIDATION_ERROR", f"Request body must be at most {GENEROR_BODY:,} bytes"),
                malformed=refuse("VALIDATION_ERROR", "Request body could not be read"),
                max_body=GENEROR_BODY,
            ),
            Mount(
                api="luma",
                prefix="/v1",
                routes=self.luma.routes,
                not_found=_detail(404, "Not Found"),
                not_allowed=_detail(405, "Method Not Allowed"),
                too_large=_detail(413, "Request body too large"),
                malformed=_detail(400, "Request body could not be read"),
                max_body=LUMA_BODY,
            ),
            Mount(
                api="storage",
                prefix="",
                routes=files,
                not_found=_plain(404, "Not Found: Generor is under /api/v1, Luma under /v1"),
                not_allowed=_plain(405, "Method Not Allowed"),
                too_large=_plain(413, "Request body too large"),
                malformed=_plain(400, "Request body could not be read"),
                max_body=STORAGE_BODY,
            ),
        ]


class _ServerThread(threading.Thread):
    """Runs a server in an event loop of its own, until it is told to stop."""

    def __init__(self, start_server: Callable[[], Awaitable[None]], stop_server: Callable[[], Awaitable[None]]) -> None:
        super().__init__(name="generor simulator", daemon=True)
        self._start_server, self._stop_server = start_server, stop_server
        self.ready: Future[None] = Future()
        """Done when the server listens, or has failed to."""

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._start_server()
        except BaseException as error:  # noqa: BLE001  # whatever it is, who waits must hear of it
            self.ready.set_exception(error)
            return
        self.ready.set_result(None)
        await self._stopping.wait()
        await self._stop_server()

    def stop(self) -> None:
        """Stop the server, and wait until it has."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self.join()


def _check_range(
    name: str, value: float, *, above: float | None = None, least: float = -math.inf, most: float = math.inf
) -> None:
    if above is not None and not (above < value < math.inf):
        raise ValueError(f"{name} must be greater than {above} and finite, not {value}")
    if not least <= value <= most:
        upper = "" if most == math.inf else f" and at most {most}"
        raise ValueError(f"{name} must be at least {least}{upper}, not {value}")


def _check_choice(name: str, value: str, options: tuple[str, ...]) -> None:
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, not {value!r}")


def _detail(status: int, detail: str) -> Handler:
    """Refuse in Luma's shape what none of its operations is for."""

    def refused(call: Call) -> Answer:  # noqa: ARG001  # every handler takes the call
        return Answer(status=status, json={"detail": detail}, headers=COMMON_HEADERS)

    return refused


def _plain(status: int, text: str) -> Handler:
    """Refuse in plain text what belongs to neither API."""

    def refused(call: Call) -> Answer:  # noqa: ARG001  # every handler takes the call
        return Answer(status=status, body=f"{text}\n".encode(), headers={"Content-Type": "text/plain"})

    return refused
