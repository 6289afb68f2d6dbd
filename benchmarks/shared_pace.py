"""Our client with a limit that foreign users share: a server on a real socket, in virtual time."""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Awaitable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from attrs import define, evolve, field, frozen
from stage import RESULT, LoopClock, converse
from worlds import MINUTE, START, STORED, Limit, Others, World, cast, travel

from generor_async import AsyncGeneror, AsyncLuma, GenerorAsyncError, Limits
from generor_async.rules.window import GAP, GAP_PART
from generor_async.testing.loop import run

__all__ = ["GENERATION", "INTERACTIVE", "KEYS", "Played", "Server", "failures", "play", "reply"]

KEYS: Final = {"luma": "luma-api-benchmark", "generor": "gnr_live_benchmark"}
INTERACTIVE: Final = "an interactive one"
"""The prompt by which a server knows interactive calls."""
HORIZON: Final = 36_000.0
"""Seconds after which calls that are still under way have failed."""
GENERATION: Final[dict[str, object]] = {
    "id": "d290f1ee-6c54-4b01-90e6-d701748f0851",
    "type": "image",
    "state": "completed",
    "model": "uni-1",
    "created_at": "2026-04-08T12:00:00Z",
    "output": [{"type": "image", "url": "https://cdn.invalid/x.png"}],
    "failure_reason": None,
    "failure_code": None,
}
"""A job that has ended as soon as it is taken: it is the pace that is measured, not the slots."""
DONE: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "luma": ("201 Created", GENERATION),
    "generor": ("201 Created", {"success": True, "data": RESULT}),
}
ERROR: Final = {"code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded", "status": 429}
REFUSED: Final[dict[str, dict[str, object]]] = {
    "luma": {"detail": "Rate limit exceeded"},
    "generor": {"success": False, "error": ERROR},
}


def reply(status: str, body: Mapping[str, object], headers: Mapping[str, str], unix: float) -> bytes:
    """Write an answer as a server sends it that says what time it is."""
    content = json.dumps(body).encode()
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(unix))
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDate: {date}\r\n{more}"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


@define
class Server:
    """Asks the limit, after whoever else came in the meantime, and answers."""

    limit: Limit
    others: Others
    dice: random.Random
    admitted: list[float] = field(factory=list[float])
    interactive: list[float] = field(factory=list[float])
    """Those of them that ask for `INTERACTIVE`."""
    refused: list[float] = field(factory=list[float])

    async def answer(self, head: bytes) -> bytes:
        """Take one request, and return what is answered."""
        limit, world = self.limit, self.limit.world
        await asyncio.sleep(travel(self.dice))
        now = asyncio.get_running_loop().time()
        while self.others.next <= now:
            self.others.step()
        wait = limit.take(now)
        headers = limit.headers(now, admitted=wait is None)
        if wait is None:
            self.admitted.append(now)
            if INTERACTIVE.encode() in head:
                self.interactive.append(now)
            await asyncio.sleep(world.answer_seconds)
            status, body = DONE[world.api]
        else:
            self.refused.append(now)
            headers["Retry-After"] = f"{wait:.0f}"
            status, body = "429 Too Many Requests", REFUSED[world.api]
        await asyncio.sleep(travel(self.dice))
        return reply(status, body, headers, limit.epoch + asyncio.get_running_loop().time())


@frozen
class Played:
    """What our calls came to; moments are seconds from our start."""

    last: float
    """When the last of those was admitted that were."""
    refused: list[float]
    failed: int
    before: tuple[float, ...]
    """When what was in the window already had been admitted, in seconds of the world."""


def play(world: World, seed: int) -> Played:
    """Run our client in one world."""
    random.seed(seed)  # what the client draws
    return run(_play(world, seed))


async def _play(world: World, seed: int) -> Played:
    stored = world.row == STORED
    limit = Limit(world)
    others = cast(evolve(world, share=0.0) if stored else world, limit, seed)
    server = Server(limit, others, random.Random(f"ours {seed}"))
    listening = await asyncio.start_server(partial(converse, server.answer), "127.0.0.1", 0, backlog=4_096)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "limits" if stored else None
        if stored:
            await _first_process(world, url, store)
        await _until(START)
        before = tuple(limit.log) if stored else ()
        server.admitted.clear()
        server.refused.clear()
        failed = await _calls(world, url, Limits(store=store), world.calls)
    listening.close()
    last = max(server.admitted, default=START) - START
    return Played(last, [moment - START for moment in server.refused], failed, before)


async def _first_process(world: World, url: str, store: Path | None) -> None:
    """Use the window's share before the restart; the last of it so many seconds before our start."""
    count = round(world.share * world.limit)
    takes = 0.3 + count * min(GAP, GAP_PART * MINUTE / world.limit)
    await _until(START - world.seconds_ago - takes)
    if await _calls(world, url, Limits(store=store), count):
        raise RuntimeError("a call failed before the restart")


async def _until(moment: float) -> None:
    await asyncio.sleep(moment - asyncio.get_running_loop().time())


async def _calls(world: World, url: str, limits: Limits, count: int) -> int:
    """Make so many calls at once with one client; return how many failed."""
    clock, key = LoopClock(), KEYS[world.api]
    many = 1_000
    if world.api == "luma":
        async with AsyncLuma(key, base_url=url, clock=clock, limits=limits, max_connections=many) as luma:
            return await failures(luma.generations.create(prompt="x") for _ in range(count))
    async with AsyncGeneror(key, base_url=url, clock=clock, limits=limits, max_connections=many) as generor:
        return await failures(generor.generators.generate("joke", prompt="x", model_id=37) for _ in range(count))


async def failures(calls: Iterable[Awaitable[object]]) -> int:
    """Await calls; return how many failed, or had not ended in a time in which everything ends."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    done, pending = await asyncio.wait(tasks, timeout=HORIZON)
    for task in pending:
        task.cancel()
    errors = [error for task in done if (error := task.exception()) is not None]
    for error in errors:
        if not isinstance(error, GenerorAsyncError):
            raise error
    return len(pending) + len(errors)
