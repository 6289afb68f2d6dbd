"""CPU of one call: ours beside bare aiohttp and the official client, against the same server in one run.

The server is a raw protocol in a process of its own that answers every request with the documented 201, so that
what is measured is the client. Rounds are interleaved; the figures are medians of rounds, the ratios medians of
the rounds' ratios.

    python benchmarks/bench_request.py [--rounds 9] [--calls 2000] [--at-once 20]
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import aiohttp

from generor_async import AsyncLuma

KEY = "luma-api-benchmark"
PROMPT, RATIO = "A glass of iced coffee on a marble countertop", "16:9"
GENERATION: dict[str, object] = {
    "id": "d290f1ee-6c54-4b01-90e6-d701748f0851",
    "type": "image",
    "state": "queued",
    "model": "uni-1",
    "created_at": "2026-04-08T12:00:00Z",
    "output": [],
    "failure_reason": None,
    "failure_code": None,
}
BODY = json.dumps(GENERATION).encode()
ANSWER = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nX-API-Version: 2026-04-01\r\n"
    b"X-Request-Id: 550e8400-e29b-41d4-a716-446655440000\r\nX-RateLimit-Limit: 1000000000\r\n"
    b"X-RateLimit-Remaining: 999999999\r\nX-RateLimit-Reset: 1712592060\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY


class Answering(asyncio.Protocol):
    """Answers each request, once it has arrived whole."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        """Answer what has arrived."""
        self.pending += data
        while (end := self.pending.find(b"\r\n\r\n")) >= 0:
            head = self.pending[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.pending) < end + 4 + length:
                return
            self.pending = self.pending[end + 4 + length :]
            self.transport.write(ANSWER)


def serve(pipe: Connection) -> None:
    """Serve until the process is ended."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


async def measured(call: Callable[[], Awaitable[object]], calls: int, at_once: int) -> float:
    """Return microseconds of CPU a call."""

    async def worker(share: int) -> None:
        for _ in range(share):
            await call()

    await asyncio.gather(*(worker(10) for _ in range(at_once)))
    began = time.process_time()
    await asyncio.gather(*(worker(calls // at_once) for _ in range(at_once)))
    return (time.process_time() - began) / calls * 1e6


async def bare(url: str, calls: int, at_once: int) -> float:
    """Bare aiohttp, as its documentation has it."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as session:

        async def call() -> object:
            async with session.post(f"{url}/generations", json={"prompt": PROMPT, "aspect_ratio": RATIO}) as response:
                return await response.json()

        return await measured(call, calls, at_once)


async def ours(url: str, calls: int, at_once: int) -> float:
    """Our client, as the README has it."""
    async with AsyncLuma(KEY, base_url=url) as luma:
        return await measured(lambda: luma.generations.create(prompt=PROMPT, aspect_ratio=RATIO), calls, at_once)


async def official(url: str, calls: int, at_once: int) -> float:
    """The vendor's own client."""
    from luma_agents import AsyncLuma as Official  # noqa: PLC0415 - slow to import, and only wanted here

    async with Official(auth_token=KEY, base_url=url) as client:
        return await measured(lambda: client.generations.create(prompt=PROMPT, aspect_ratio="16:9"), calls, at_once)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=20)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    contenders = {"aiohttp, bare": bare, "generor_async": ours, "luma-agents": official}
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, contender in contenders.items():
            calls = options.calls if contender is not official else options.calls // 4
            found[name].append(asyncio.run(contender(url, calls, options.at_once)))
    server.terminate()
    print("| client | CPU a call (µs) | beside bare aiohttp |\n|---|---|---|")
    for name, figures in found.items():
        ratio = statistics.median(a / b for a, b in zip(figures, found["aiohttp, bare"], strict=True))
        print(f"| {name} | {statistics.median(figures):.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
