"""Requests in a time: after a restart, beside others, in every kind of window and with every kind of header."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import aiohttp
import pytest
from strangers import GenerorWorld, LumaWorld, Others, Span, StrangerServer
from strangers.clients import (
    TRAVEL,
    admitted,
    check_charges,
    generor_of,
    luma_of,
    naive,
    now,
    ours,
    refused,
    soonest,
    virtual,
)
from strangers.limits import Window
from strangers.stage import User

from generor_async import AsyncLuma
from generor_async.testing import run

SHORT = {("uni-1", "image"): 1.0}
"""Jobs that hold no slot for long: here only windows matter."""
KINDS: list[dict[str, Any]] = [
    {"window_kind": "sliding"},
    {"window_kind": "sliding", "reset_on_success": "oldest"},
    {"window_kind": "fixed", "window_phase": 5.0},
    {"window_kind": "fixed", "window_phase": 50.0},
]
HEADERS: list[dict[str, Any]] = [
    {"reset_format": "relative"},
    {"reset_format": "milliseconds"},
    {"reset_format": "absent"},
    {"retry_after": "date"},
    {"retry_after": "absent"},
    {"retry_after": "absent", "reset_format": "absent"},
    {"round_up": False, "reset_on_success": "oldest"},
]


def world_of(**switches: Any) -> LumaWorld:
    return LumaWorld(**{"per_minute": 60, "slots": 10_000, "durations": SHORT} | switches)


def server_of(**switches: Any) -> StrangerServer:
    return StrangerServer(luma=world_of(**switches), **TRAVEL)


async def create(luma: AsyncLuma, calls: int) -> list[str]:
    """Submit many at once; each has to succeed."""
    made = await asyncio.gather(*(luma.generations.create(prompt="a chair") for _ in range(calls)))
    return [generation.id for generation in made]


def naive_last(calls: int, before: int = 0, ago: float = 0.0, **switches: Any) -> float:
    """Return when a loop that sends at once and sleeps Retry-After has its last call admitted, in the same world."""

    async def main() -> float:
        async with server_of(**switches) as server, aiohttp.ClientSession() as session:
            await server.send_as_other(count=before)
            await asyncio.sleep(ago)
            return await naive(User(server, session), calls)

    return run(main())


def luma_last(calls: int, before: int = 0, ago: float = 0.0, *, most_refused: int, **switches: Any) -> float:
    """Return when a new client has its last call admitted; none may fail, and few may be refused."""

    async def main() -> float:
        async with server_of(**switches) as server:
            await server.send_as_other(count=before)
            await asyncio.sleep(ago)
            async with luma_of(server) as luma:
                check_charges(server, await create(luma, calls))
            assert len(refused(ours(server))) <= most_refused
            return max(admitted(ours(server, method="POST")))

    return run(main())


def generor_last(calls: int, before: int, ago: float, *, most_refused: int, **switches: Any) -> float:
    """The same of Generor."""

    async def main() -> float:
        world = GenerorWorld(tier="basic", **switches)
        async with StrangerServer(generor=world, **TRAVEL) as server:
            await server.send_as_other("generor", before)
            await asyncio.sleep(ago)
            async with generor_of(server) as generor:
                await asyncio.gather(*(generor.users.me() for _ in range(calls)))
            assert len(refused(ours(server, "generor"))) <= most_refused
            return max(admitted(ours(server, "generor")))

    return run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("before", "ago"), [(60, 0.0), (60, 50.0), (45, 5.0), (20, 5.0)])
def test_after_a_restart_the_window_is_used_as_soon_as_it_is_free(
    before: int, ago: float, kind: dict[str, Any]
) -> None:
    """The client sees only what the answers say: no store, no memory."""
    best = naive_last(157, before, ago, **kind) - ago
    assert luma_last(157, before, ago, most_refused=3, **kind) - ago <= 1.1 * best


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("before", "ago"), [(60, 0.0), (60, 50.0), (45, 5.0), (20, 5.0)])
def test_the_same_of_generor(before: int, ago: float, kind: dict[str, Any]) -> None:
    best = naive_last(157, before, ago, **kind) - ago
    assert generor_last(157, before, ago, most_refused=3, **kind) - ago <= 1.1 * best
