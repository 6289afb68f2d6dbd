"""What the client's tests against the server share: clients in virtual time, and the books that are held together."""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from support.clock import LoopClock

from generor_async import AsyncGeneror, AsyncLuma, Limits
from generor_async.testing import run
from strangers.limits import Window
from strangers.records import Api, Arrival
from strangers.server import EPOCH, StrangerServer
from strangers.stage import User

Scene = Callable[..., Coroutine[Any, Any, None]]
TRAVEL: dict[str, Any] = {"travel": 0.02, "jitter": 0.03}
"""Seconds each way: round trips of 40 to 100 ms."""
MANY_JOBS = 10_000
"""A ceiling of jobs that nothing meets."""


def virtual(scene: Scene) -> Callable[..., None]:
    """Run a test in virtual time."""

    @functools.wraps(scene)
    def test(**fixtures: Any) -> None:
        run(scene(**fixtures))

    return test


def luma_of(server: StrangerServer, **options: Any) -> AsyncLuma:
    """Make a client of the server's Luma, with limits of its own."""
    known: dict[str, Any] = {"clock": LoopClock(epoch=EPOCH), "limits": Limits(jobs=MANY_JOBS)}
    return AsyncLuma(server.luma_key, base_url=server.luma_url, **known | options)


def generor_of(server: StrangerServer, **options: Any) -> AsyncGeneror:
    """Make a client of the server's Generor, with limits of its own."""
    known: dict[str, Any] = {"api_key": server.generor_key, "clock": LoopClock(epoch=EPOCH), "limits": Limits()}
    return AsyncGeneror(base_url=server.generor_url, **known | options)


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


def ours(server: StrangerServer, api: Api = "luma", method: str = "") -> list[Arrival]:
    """Return the requests to an API that came from the client."""
    mine = [one for one in server.requests if one.api == api and not one.other]
    return [one for one in mine if not method or one.method == method]


def refused(arrivals: Iterable[Arrival], limit: str = "") -> list[float]:
    """Return when requests were refused by a limit."""
    return [one.at for one in arrivals if one.refusal and limit in {"", one.refusal}]


def admitted(arrivals: Iterable[Arrival]) -> list[float]:
    """Return when requests were let through and answered well."""
    return [one.at for one in arrivals if one.status in {200, 201}]


def check_charges(server: StrangerServer, ids: Iterable[str | int]) -> None:
    """Hold what was charged against what the client returned: each charge has its result, and each is there once."""
    assert sorted(charge.item for charge in server.charges) == sorted(str(one) for one in ids)
    assert len({charge.request_id for charge in server.charges}) == len(server.charges)


def soonest(window: Window, calls: int, at: float = 0.0) -> float:
    """Return when the last call is admitted if each is there the moment a place comes free."""
    for _ in range(calls):
        if not window.free(at):
            at = window.oldest_end(at)
        window.take(at)
    return at


async def naive(user: User, calls: int, *, api: Api = "luma") -> float:
    """Send all calls at once, and each again after Retry-After; return when the last one was admitted."""

    async def one() -> None:
        while True:
            reply = await (user.create() if api == "luma" else user.send("GET", "/api/v1/users/me"))
            if reply.status != 429:
                return
            await asyncio.sleep(float(reply.headers["Retry-After"]))

    await asyncio.gather(*(one() for _ in range(calls)))
    return max(admitted(ours(user.server, api)))
