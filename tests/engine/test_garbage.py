"""What a call leaves behind is freed as it ends, and not left to the garbage collector."""

import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import pytest
from support.wire import Wire, answer

from generor_async import AsyncGeneror, AsyncLuma, Limits

KEYS = {"luma": "luma-api-0123456789", "generor": "gnr_live_0123456789"}
JOB: dict[str, Any] = {
    "id": "one",
    "type": "image",
    "state": "queued",
    "model": "uni-1",
    "created_at": "2026-04-08T12:00:00Z",
    "output": [],
}
MADE = {
    "success": True,
    "data": {
        "generator": "joke",
        "model_id": 37,
        "model_type": "text",
        "model_name": "Gemini",
        "creations": [{"creation_id": 6144, "text": "A joke."}],
        "credit_cost": 1,
        "credit_cost_estimated": 1,
        "credits_remaining": 36024,
        "time_taken_seconds": 4.18,
    },
}
CALLS = 20


@pytest.fixture
def collected() -> Generator[Callable[[], Counter[str]]]:
    """Return what counts the objects of ours and of aiohttp's client that only the collector frees, since it began."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)

    def count() -> Counter[str]:
        gc.collect()
        types: list[type[object]] = [type(found) for found in gc.garbage]
        own = [kind for kind in types if kind.__module__.startswith(("generor_async", "aiohttp.client"))]
        return Counter(kind.__qualname__ for kind in own)

    try:
        yield count
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def repeated(call: Callable[[], Awaitable[object]]) -> None:
    for _ in range(CALLS):
        await call()


@pytest.mark.parametrize(
    "limits", [{"X-RateLimit-Limit": "100000"}, {"X-RateLimit-Limit": "90"}], ids=["loose", "near"]
)
async def test_a_submission(collected: Callable[[], Counter[str]], limits: dict[str, str]) -> None:
    async with (
        Wire(answer(201, JOB, headers=limits)) as wire,
        AsyncLuma(KEYS["luma"], base_url=wire.url, limits=Limits(jobs=100)) as luma,
    ):
        await repeated(lambda: luma.generations.create(prompt="A heron"))
        assert not collected()


async def test_a_poll(collected: Callable[[], Counter[str]]) -> None:
    async with Wire(answer(200, JOB)) as wire, AsyncLuma(KEYS["luma"], base_url=wire.url) as luma:
        await repeated(lambda: luma.generations.get("one"))
        assert not collected()


async def test_a_paid_call(collected: Callable[[], Counter[str]]) -> None:
    async with Wire(answer(201, MADE)) as wire, AsyncGeneror(KEYS["generor"], base_url=wire.url) as generor:
        await repeated(lambda: generor.generators.generate("joke", prompt="A heron", model_id=37))
        assert not collected()
