"""The simulator's start, and its requests a second beside a bare aiohttp.web handler that answers the same JSON.

Simulator, bare handler and client have a process each; the client is a raw protocol that costs little, so that what is
measured are the servers. Rounds are interleaved in one run, the two servers in turn going first; figures are medians
of rounds, the ratio the median of the rounds' ratios.

    python benchmarks/bench_simulator.py [--rounds 9] [--seconds 1.0] [--at-once 16]
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from typing import Any
from urllib.request import Request, urlopen

from aiohttp import web
from attrs import frozen

from generor_async.simulator import Simulator

PLENTY = 10**9
SPEED = 2_000.0
"""Jobs end soon enough for few to be under way, and a second lasts for more than one request."""
START = """
import asyncio, time
before = time.perf_counter()
from generor_async.simulator import Simulator
imported = time.perf_counter() - before

async def main():
    started = []
    for _ in range(9):
        before = time.perf_counter()
        async with Simulator():
            started.append(time.perf_counter() - before)
    print(imported, started[0], sorted(started)[4])

asyncio.run(main())
"""


@frozen
class Ask:
    """One request that is made over and over."""

    name: str
    method: str
    path: str
    key: str
    body: Any = None

    def encoded(self) -> bytes:
        """Give it as it goes over the wire."""
        body = b"" if self.body is None else json.dumps(self.body).encode()
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.key}\r\n{length}\r\n"
        )
        return head.encode() + body


class Asking(asyncio.Protocol):
    """Sends a request again as soon as it is answered."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.answered = 0
        self.pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Count an answer that has arrived whole, and go on."""
        self.pending += data
        end = self.pending.find(b"\r\n\r\n")
        at = self.pending.find(b"Content-Length: ")
        if end < 0 or len(self.pending) < end + 4 + int(self.pending[at + 16 : self.pending.find(b"\r", at)]):
            return
        assert self.pending.startswith(b"HTTP/1.1 20"), self.pending
        self.pending = b""
        self.answered += 1
        self.transport.write(self.request)


async def requests_a_second(port: int, request: bytes, *, seconds: float, at_once: int) -> float:
    """Keep a server busy, and count what it answers."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Asking(request), "127.0.0.1", port) for _ in range(at_once)]
    await asyncio.sleep(seconds / 10)
    before, began = sum(asking.answered for _, asking in made), time.perf_counter()
    await asyncio.sleep(seconds)
    rate = (sum(asking.answered for _, asking in made) - before) / (time.perf_counter() - began)
    for transport, _ in made:
        transport.abort()
    return rate


async def simulated(pipe: Connection) -> None:
    """Serve the simulator, without limits that a benchmark would meet."""
    async with Simulator(speed=SPEED, luma_rpm=PLENTY, luma_jobs=PLENTY, luma_balance=PLENTY) as simulator:
        for window in simulator.generor.state.keys[simulator.generor_key].windows:
            window.limit = PLENTY
        pipe.send((int(simulator.url.rpartition(":")[2]), simulator.luma_key, simulator.generor_key))
        await asyncio.Event().wait()


async def bare(pipe: Connection) -> None:
    """Serve handlers that read the body, if any, and answer one JSON value each."""
    answers: dict[tuple[str, str], tuple[int, Any]] = pipe.recv()

    async def handle(request: web.Request) -> web.Response:
        if request.can_read_body:
            await request.json()
        status, value = answers[request.method, request.path]
        return web.json_response(value, status=status)

    app = web.Application()
    for method, path in answers:
        app.router.add_route(method, path, handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    pipe.send(runner.addresses[0][1])
    await asyncio.Event().wait()


def run(main: Callable[[Connection], Coroutine[Any, Any, None]], pipe: Connection) -> None:
    """Run a server in this process, until the process is ended."""
    asyncio.run(main(pipe))


def start(*server: object) -> None:
    """Run a server in a process of its own."""
    multiprocessing.Process(target=run, args=server, daemon=True).start()


def fetch(port: int, ask: Ask) -> tuple[int, Any]:
    """Make a request once, and give status and JSON."""
    data = None if ask.body is None else json.dumps(ask.body).encode()
    headers = {"Authorization": f"Bearer {ask.key}", "Content-Type": "application/json"}
    request = Request(f"http://127.0.0.1:{port}{ask.path}", data, headers, method=ask.method)
    with urlopen(request) as reply:
        return reply.status, json.load(reply)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--at-once", type=int, default=16)
    options = parser.parse_args()

    started = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    imported, first, usual = (1000 * float(seconds) for seconds in started.stdout.split())
    print(f"import {imported:.0f} ms; start {first:.1f} ms the first time, {usual:.1f} ms after that\n")

    pipe, theirs = multiprocessing.Pipe()
    start(simulated, theirs)
    port, luma_key, generor_key = pipe.recv()
    create = Ask("POST /v1/generations", "POST", "/v1/generations", luma_key, {"prompt": "A glass of iced coffee"})
    _, generation = fetch(port, create)
    time.sleep(0.2)  # until it has ended
    asks = [
        Ask("GET /v1/generations/{id}", "GET", f"/v1/generations/{generation['id']}", luma_key),
        create,
        Ask("GET /api/v1/users/me", "GET", "/api/v1/users/me", generor_key),
        Ask("GET /api/v1/generators", "GET", "/api/v1/generators", generor_key),
    ]
    pipe, theirs = multiprocessing.Pipe()
    start(bare, theirs)
    pipe.send({(ask.method, ask.path): fetch(port, ask) for ask in asks})
    ports = {"simulator": port, "bare": pipe.recv()}

    print("| request | simulator (1/s) | bare handler (1/s) | ratio |\n|---|---|---|---|")
    for ask in asks:
        found: dict[str, list[float]] = {name: [] for name in ports}
        for number in range(options.rounds):
            for name in sorted(ports, reverse=bool(number % 2)):
                rate = requests_a_second(ports[name], ask.encoded(), seconds=options.seconds, at_once=options.at_once)
                found[name].append(asyncio.run(rate))
        ratio = statistics.median(ours / other for ours, other in zip(found["simulator"], found["bare"], strict=True))
        ours, handler = (statistics.median(found[name]) for name in ports)
        print(f"| {ask.name} | {ours:,.0f} | {handler:,.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
