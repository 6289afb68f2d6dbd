"""Downloads: throughput beside bare aiohttp writing the same file, and memory at several sizes.

The server is a raw protocol in a process of its own that sends a PNG's head and zeros, so that what is measured is the
client. Each download is made by a fresh process, which tells how long it took and how much memory it needed at most;
rounds are interleaved, and the ratio is the median of the rounds' ratios. Bare aiohttp reads and writes as its
documentation has it: no temporary file, no check, no retry. It is timed twice: as it is, and with the fsync that ours
ends with, without which a file that seems whole may be lost with the power. `--line` is the speed of the line between
the two, in megabits a second; without it they are as fast as this machine is, and the disk is what is waited for.

    python benchmarks/bench_download.py [--rounds 7] [--megabytes 1 64 512] [--line 1000] [--folder DIR]
"""

import argparse
import asyncio
import multiprocessing
import os
import resource
import socketserver
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp

from generor_async import AsyncLuma
from generor_async.api.luma.models import Generation, Output

JOB = "d290f1ee-6c54-4b01-90e6-d701748f0851"
MEGABYTE = 1024 * 1024
PIECE = bytes(MEGABYTE)
FIRST = b"\x89PNG\r\n\x1a\n" + PIECE[8:]

Contender: TypeAlias = Callable[[str, Path], Coroutine[Any, Any, None]]


class Sending(socketserver.StreamRequestHandler):
    """Sends as many megabytes as the path says, at so many megabits a second."""

    def handle(self) -> None:
        """Answer one request."""
        line, megabytes = map(int, self.rfile.readline().split(b" ")[1].strip(b"/").split(b"/"))
        while self.rfile.readline() not in {b"\r\n", b""}:
            pass
        length = megabytes * MEGABYTE
        self.wfile.write(
            b'HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\nETag: "0123456789abcdef"\r\n'
        )
        self.wfile.write(f"Content-Length: {length}\r\n\r\n".encode())
        began = time.perf_counter()
        for number in range(megabytes):
            self.wfile.write(PIECE if number else FIRST)
            if line:
                due = began + (number + 1) * MEGABYTE * 8 / (line * 1e6)
                time.sleep(max(0.0, due - time.perf_counter()))


def serve(pipe: Connection) -> None:
    """Serve until the process is ended."""
    with socketserver.TCPServer(("127.0.0.1", 0), Sending) as server:
        pipe.send(server.server_address[1])
        server.serve_forever()


async def bare(url: str, folder: Path) -> None:
    """Bare aiohttp, as its documentation has it."""
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        with (folder / "bare.png").open("wb") as file:
            async for chunk in response.content.iter_chunked(MEGABYTE):
                file.write(chunk)


async def bare_synced(url: str, folder: Path) -> None:
    """The same, and on the disk when it returns."""
    await bare(url, folder)
    with (folder / "bare.png").open("rb") as file:
        await asyncio.to_thread(os.fsync, file.fileno())


async def ours(url: str, folder: Path) -> None:
    """Our client, as the README has it."""
    output = Output(raw={}, type="image", url=url)
    made = Generation(
        raw={},
        id=JOB,
        type="image",
        state="completed",
        model="uni-1",
        created_at=datetime(2026, 4, 8, 12, tzinfo=UTC),
        output=[output],
    )
    async with AsyncLuma("luma-api-benchmark", base_url=url.rpartition("/")[0]) as luma:
        await luma.download(made, folder, overwrite=True)


CONTENDERS: dict[str, Contender] = {"aiohttp, bare": bare, "aiohttp, bare, fsync": bare_synced, "generor_async": ours}


def measured(pipe: Connection, name: str, url: str, folder: Path) -> None:
    """Download once; tell seconds, and bytes of memory at most."""
    began = time.perf_counter()
    asyncio.run(CONTENDERS[name](url, folder))
    seconds = time.perf_counter() - began
    pipe.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))


def run(name: str, url: str, folder: Path) -> tuple[float, int]:
    """Download in a process of its own."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=measured, args=(there, name, url, folder))
    process.start()
    seconds, memory = here.recv()
    process.join()
    for path in folder.iterdir():
        path.unlink()
    return seconds, memory


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[1, 64, 512])
    parser.add_argument("--line", type=int, default=0, help="megabits a second; 0: as fast as it goes")
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; by default a temporary folder")
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there,), daemon=True)
    server.start()
    port = here.recv()
    print("| MB | client | MB a second | beside bare aiohttp | beside it with fsync | most memory (MB) |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for megabytes in options.megabytes:
            found: dict[str, list[tuple[float, int]]] = {name: [] for name in CONTENDERS}
            for _ in range(options.rounds):
                for name in CONTENDERS:
                    url = f"http://127.0.0.1:{port}/{options.line}/{megabytes}"
                    found[name].append(run(name, url, Path(folder)))
            report(megabytes, found)
    server.terminate()


def report(megabytes: int, found: dict[str, list[tuple[float, int]]]) -> None:
    """Print the rows of one size."""
    times = {name: [seconds for seconds, _ in runs] for name, runs in found.items()}
    for name, seconds in times.items():
        speed = megabytes / statistics.median(seconds)
        memory = max(memory for _, memory in found[name]) / MEGABYTE
        ratios = [
            statistics.median(other / own for other, own in zip(times[base], seconds, strict=True))
            for base in ("aiohttp, bare", "aiohttp, bare, fsync")
        ]
        print(f"| {megabytes} | {name} | {speed:,.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} | {memory:.0f} |")


if __name__ == "__main__":
    main()
