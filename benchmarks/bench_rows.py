"""CPU that a batch takes for a row, beyond what the client takes for the same calls.

The batch reads rows from Python, prices them, journals each step and hands out how each ended. Beside it, so many
workers make the same calls with the client alone: submit, wait, download. The server is a raw protocol in a process of
its own whose jobs are complete at once, so that what is measured is this side. The two take turns; what is counted is
CPU of the whole process, all threads of it, from the first row to the closing.

With `--only`, one of the two runs once, for an instruction counter to look at: the difference of two lengths is what
rows cost without what a run costs.

    python benchmarks/bench_rows.py [--rounds 7] [--rows 2000] [--at-once 100]
    valgrind --tool=callgrind python benchmarks/bench_rows.py --only batch --rows 300
"""

import argparse
import asyncio
import json
import logging
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import uuid4

from generor_async import AsyncLuma
from generor_async.batch.runner import run_batch

KEY = "luma-api-benchmark"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(2_000)


def parameters(rows: int) -> Iterator[dict[str, Any]]:
    """Make rows."""
    for number in range(rows):
        yield {"prompt": f"A glass of iced coffee on a marble countertop, number {number}", "aspect_ratio": "16:9"}


# --- the far side -----------------------------------------------------------------------------------------------------


class Answering(asyncio.Protocol):
    """Answers each request, once it has arrived whole: a completed job, or its picture."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.pending = b""
        self.address = "http://{}:{}".format(*transport.get_extra_info("sockname"))

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
            self.transport.write(self.job() if head.startswith(b"post") else picture())

    def job(self) -> bytes:
        """Answer with a job that is complete."""
        generation = {
            "id": str(uuid4()),
            "type": "image",
            "state": "completed",
            "model": "uni-1",
            "created_at": "2026-04-08T12:00:00Z",
            "output": [{"type": "image", "url": f"{self.address}/picture.png"}],
            "failure_reason": None,
            "failure_code": None,
        }
        body = json.dumps(generation).encode()
        head = (
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nX-API-Version: 2026-04-01\r\n"
            b"X-Request-Id: 550e8400-e29b-41d4-a716-446655440000\r\nX-RateLimit-Limit: 1000000000\r\n"
            b"X-RateLimit-Remaining: 999999999\r\nX-RateLimit-Reset: 1712592060\r\nContent-Length: %d\r\n\r\n"
        )
        return head % len(body) + body


def picture() -> bytes:
    """Answer with a picture."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE


def serve(pipe: Connection) -> None:
    """Serve until the process is ended."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


# --- the two ----------------------------------------------------------------------------------------------------------


async def batch(luma: AsyncLuma, rows: int, at_once: int, folder: Path) -> None:
    """Run the rows as a batch."""
    ended = 0
    async for outcome in run_batch(luma, parameters(rows), to=folder, concurrency=at_once):
        assert outcome.state == "done"
        ended += 1
    assert ended == rows


async def client(luma: AsyncLuma, rows: int, at_once: int, folder: Path) -> None:
    """Make the same calls, at the same priority."""
    bulk, to_do = luma.with_options(priority="bulk"), parameters(rows)

    async def worker() -> None:
        for row in to_do:
            generation = await bulk.generations.run(**row)
            await bulk.download(generation, folder / "media" / "0000", overwrite=True)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())


CONTENDERS = {"batch": batch, "client": client}


def measured(name: str, url: str, rows: int, at_once: int) -> float:
    """Return microseconds of CPU a row."""

    async def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncLuma(KEY, base_url=url) as luma:
                began = time.process_time()
                await CONTENDERS[name](luma, rows, at_once, Path(folder))
                return (time.process_time() - began) / rows * 1e6

    return asyncio.run(measure())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--only", choices=sorted(CONTENDERS))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    here, there = multiprocessing.Pipe()
    apart = multiprocessing.get_context("spawn")  # a fork would be counted with this process
    server = apart.Process(target=serve, args=(there,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{here.recv()}/v1"
    if options.only:
        measured(options.only, url, options.rows, options.at_once)
    else:
        pairs = [
            [measured(name, url, options.rows, options.at_once) for name in ("batch", "client")]
            for _ in range(options.rounds)
        ]
        beyond = statistics.median(mine - alone for mine, alone in pairs)
        mine, alone = (statistics.median(found) for found in zip(*pairs, strict=True))
        print("| batch, CPU a row (µs) | client alone | the batch's own |\n|---|---|---|")
        print(f"| {mine:.0f} | {alone:.0f} | {beyond:.0f} |")
    server.terminate()


if __name__ == "__main__":
    main()
