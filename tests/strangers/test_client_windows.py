"""Requests in a time: after a restart, beside others, in every kind of window and with every kind of header."""

import asyncio
import functools
from collections import Counter
from typing import Any

import aiohttp
import pytest

from generor_async import AsyncLuma, DeadlineExceededError, RateLimitError
from generor_async.testing import run
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
)
from strangers.limits import Window
from strangers.server import EPOCH
from strangers.stage import User

SHORT = {("uni-1", "image"): 1.0}
"""Jobs that hold no slot for long: here only windows matter."""
KINDS: list[dict[str, Any]] = [
    {"window_kind": "sliding"},
    {"window_kind": "sliding", "reset_on_success": "oldest"},
    {"window_kind": "fixed", "window_phase": 5.0},
    {"window_kind": "fixed", "window_phase": 50.0},
]
BEFORE = [(60, 0.0), (60, 50.0), (45, 5.0), (20, 5.0)]
"""How many requests others sent, and how many seconds ago."""
RESTARTS = [(*before, kind) for i, before in enumerate(BEFORE) for j, kind in enumerate(KINDS) if i % 2 == j % 2]
"""Each before two kinds of windows, and each kind after two of them."""
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
    known: dict[str, Any] = {"per_minute": 60, "slots": 10_000, "durations": SHORT}
    return LumaWorld(**known | switches)


def server_of(**switches: Any) -> StrangerServer:
    return StrangerServer(luma=world_of(**switches), **TRAVEL)


async def create(luma: AsyncLuma, calls: int) -> list[str]:
    """Submit many at once; each has to succeed."""
    made = await asyncio.gather(*(luma.generations.create(prompt="a chair") for _ in range(calls)))
    return [generation.id for generation in made]


@functools.cache
def naive_last(calls: int, before: int = 0, ago: float = 0.0, **switches: Any) -> float:
    """Return when a loop that sends at once and sleeps Retry-After has its last call admitted, in the same world."""

    async def main() -> float:
        async with server_of(**switches) as server, aiohttp.ClientSession() as session:
            await server.send_as_other(count=before)
            await asyncio.sleep(ago)
            return await naive(User(server, session), calls)

    return run(main())


def luma_last(
    calls: int,
    before: int = 0,
    ago: float = 0.0,
    *,
    most_refused: int,
    most_a_minute: int | None = None,
    ahead: float = 0.0,
    travel_seed: int = 1,
    **switches: Any,
) -> float:
    """Return when a new client has its last call admitted; none may fail, and few may be refused.

    The server's clock is `ahead` of the client's so many seconds.
    """
    world, epoch = world_of(**switches), EPOCH + ahead

    async def main() -> float:
        async with StrangerServer(luma=world, epoch=epoch, travel_seed=travel_seed, **TRAVEL) as server:
            await server.send_as_other(count=before)
            await asyncio.sleep(ago)
            async with luma_of(server) as luma:
                check_charges(server, await create(luma, calls))
            refusals = refused(ours(server))
            assert len(refusals) <= most_refused
            by_minute = Counter(at // 60 for at in refusals)
            assert most_a_minute is None or max(by_minute.values(), default=0) <= most_a_minute
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


@pytest.mark.parametrize(("before", "ago", "kind"), RESTARTS)
def test_after_a_restart_the_window_is_used_as_soon_as_it_is_free(
    before: int, ago: float, kind: dict[str, Any]
) -> None:
    """The client sees only what the answers say: no store, no memory."""
    best = naive_last(157, before, ago, **kind) - ago
    assert luma_last(157, before, ago, most_refused=3, **kind) - ago <= 1.1 * best


@pytest.mark.parametrize(("before", "ago", "kind"), RESTARTS)
def test_the_same_of_generor(before: int, ago: float, kind: dict[str, Any]) -> None:
    best = naive_last(157, before, ago, **kind) - ago
    assert generor_last(157, before, ago, most_refused=3, **kind) - ago <= 1.1 * best


@pytest.mark.parametrize("headers", HEADERS)
def test_odd_or_missing_headers_cost_little(headers: dict[str, Any]) -> None:
    """Alone on a key nothing is refused; after others who left, no more than a question or two."""
    assert luma_last(150, most_refused=0, **headers) <= 1.1 * 120
    best = naive_last(120, 45, 5.0) - 5
    assert luma_last(120, 45, 5.0, most_refused=3, **headers) - 5 <= 1.1 * best + 2


@pytest.mark.parametrize("ahead", [-3_600.0, -7.0, 7.0, 3_600.0])
def test_a_clock_that_is_off_costs_nothing(ahead: float) -> None:
    assert luma_last(150, most_refused=0, ahead=ahead) <= 1.1 * 120
    best = naive_last(120, 45, 5.0) - 5
    assert luma_last(120, 45, 5.0, most_refused=3, ahead=ahead) - 5 <= 1.1 * best


def test_refusals_that_count_as_requests_cost_little() -> None:
    best = naive_last(157, 60, 5.0) - 5
    assert luma_last(157, 60, 5.0, most_refused=3, counted_refusals=frozenset({"window"})) - 5 <= 1.1 * best + 10
    kind: dict[str, Any] = {"window_kind": "sliding", "counts_refused": True}
    assert generor_last(157, 60, 5.0, most_refused=3, **kind) - 5 <= 1.1 * best + 10


@pytest.mark.parametrize("spelling", ["Basic", "BASIC", "basic "])
def test_a_tier_is_known_in_any_case(spelling: str) -> None:
    async def main() -> None:
        world = GenerorWorld(tier="basic", tier_spelling=spelling, window_kind="sliding")
        async with StrangerServer(generor=world, **TRAVEL) as server, generor_of(server) as generor:
            await asyncio.gather(*(generor.users.me() for _ in range(100)))
            windows = generor.rate_limits.windows
            assert {scope: window.limit for scope, window in windows.items()} == {
                "minute": 60,
                "hour": 2_000,
                "day": 20_000,
            }
            assert not refused(ours(server, "generor"))

    run(main())


@pytest.mark.parametrize("shows", ["refusing", "minute"])
def test_the_window_of_an_hour_is_kept_too(shows: Any) -> None:
    """30 a minute, 500 an hour: the last of 600 leaves with the second hour."""

    async def main() -> None:
        world = GenerorWorld(window_kind="sliding", refusal_shows=shows)
        async with StrangerServer(generor=world, **TRAVEL) as server, generor_of(server) as generor:
            await asyncio.gather(*(generor.users.me() for _ in range(600)))
            assert not refused(ours(server, "generor"))
            assert max(admitted(ours(server, "generor"))) <= 1.03 * (3_600 + 180)

    run(main())


def test_while_the_limits_store_is_down_answers_without_headers_change_nothing() -> None:
    """Nothing is counted from 20 s to 50 s; before and after that the limit stands as it was told."""

    async def main() -> None:
        async with server_of(store_down=(Span(20, 50),)) as server, luma_of(server) as luma:
            first = await create(luma, 60)
            await asyncio.sleep(25)
            assert luma.rate_limits.windows["minute"].limit == 60
            second = await create(luma, 100)
            assert luma.rate_limits.windows["minute"].limit == 60
            check_charges(server, first + second)
            assert len(refused(ours(server))) <= 1
            assert max(admitted(ours(server, method="POST"))) <= 125

    run(main())


def test_from_the_start_without_headers_nothing_is_waited_for() -> None:
    async def main() -> None:
        async with server_of(store_down=(Span(),)) as server, luma_of(server) as luma:
            check_charges(server, await create(luma, 200))
            assert now() < 10

    run(main())


# --- others who use the key at the same time --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "kind", "most_refused"), [(0.0, KINDS[0], 4), (70.0, KINDS[1], 2), (0.0, KINDS[2], 2)]
)
@pytest.mark.parametrize("travel_seed", [1, 2])
def test_beside_others_at_a_quarter_of_the_limit(
    start: float, kind: dict[str, Any], most_refused: int, travel_seed: int
) -> None:
    """One refusal in each of four minutes is the most.

    In a sliding window whoever comes at the moment when ours leave it is not seen until it is full again, and when the
    place comes free that the refusal named, others are there first. Which requests meet that depends on their order:
    on the jitter, and on connections that are closed by the machine's clock.
    """
    switches: dict[str, Any] = {"others": (Others(start=start, every=4.0),), **kind}
    last = luma_last(270, most_refused=most_refused, most_a_minute=1, travel_seed=travel_seed, **switches)
    assert last <= 1.1 * naive_last(270, **switches)


@pytest.mark.parametrize(("start", "kind"), [(20.0, KINDS[0]), (0.0, KINDS[1]), (20.0, KINDS[2])])
def test_beside_a_hog_that_takes_every_place_for_three_minutes(start: float, kind: dict[str, Any]) -> None:
    switches: dict[str, Any] = {"hogs": (Span(start, start + 180),), **kind}
    assert luma_last(157, most_refused=4, **switches) <= 1.1 * naive_last(157, **switches)


def test_beside_a_hog_a_call_with_a_timeout_ends_in_time() -> None:
    async def main() -> None:
        async with server_of(hogs=(Span(),)) as server, luma_of(server) as luma:
            with pytest.raises((RateLimitError, DeadlineExceededError)):
                await luma.with_options(timeout=100).generations.create(prompt="a chair")
            assert now() <= 101
            with pytest.raises(RateLimitError):
                await luma.with_options(max_retries=0).generations.create(prompt="a chair")

    run(main())


@pytest.mark.parametrize("others", [Others(start=30, size=30, every=180.0, insist=True), Others(size=120, insist=True)])
@pytest.mark.parametrize("kind", KINDS[:2])
def test_beside_others_who_insist_no_place_is_left_unused(others: Others, kind: dict[str, Any]) -> None:
    """Who insists is not to be starved: the last call may wait for all others that were admitted, and no longer."""

    async def main() -> None:
        async with server_of(others=(others,), **kind) as server, luma_of(server) as luma:
            check_charges(server, await create(luma, 270))
            last = max(admitted(ours(server, method="POST")))
            theirs = [one.at for one in server.requests if one.other and one.status == 201 and one.at < last]
            assert last <= 1.1 * soonest(Window(limit=60), 270 + len(theirs))
            assert len(refused(ours(server))) <= 8

    run(main())
