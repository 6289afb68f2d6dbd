"""Documented 502 and 503 on the wire: one state that a client's calls share."""

import asyncio
import functools
import json
import math
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import attrs
import pytest
from support.calls import KEY, BareLuma, operation
from support.clock import LoopClock
from support.wire import Arrived, Peer, Step, Wire, answer, stall

from generor_async import (
    AsyncLuma,
    BadGatewayError,
    Event,
    Limits,
    MediaRef,
    OutcomeUnknownError,
    ServiceUnavailableError,
    Throttled,
)
from generor_async.testing import run

Scene = Callable[[], Coroutine[Any, Any, None]]
AWAY = {502: "Upstream service unavailable", 503: "Image URL ingestion unavailable"}


def virtual(scene: Scene) -> Callable[[], None]:
    """Run a test in virtual time."""

    @functools.wraps(scene)
    def test() -> None:
        run(scene())

    return test


def now() -> float:
    return asyncio.get_running_loop().time()


def own(status: int, **headers: str) -> Step:
    return answer(status, {"detail": AWAY[status]}, headers=headers)


@attrs.define
class Site:
    """A server that is away for so many seconds: it answers after `takes`, as it was when the request came."""

    away: float
    status: int = 502
    takes: float = 0.05
    only_urls: bool = False
    moments: list[float] = attrs.field(factory=list[float])
    together: list[int] = attrs.field(factory=list[int])
    """How many requests were under way when one came."""
    _under_way: int = 0
    _ids: "count[int]" = attrs.field(factory=count)

    async def step(self, peer: Peer, request: Arrived) -> None:
        self.moments.append(now())
        self._under_way += 1
        self.together.append(self._under_way)
        away = now() < self.away and (not self.only_urls or "url" in request.body.decode())
        await asyncio.sleep(self.takes)
        self._under_way -= 1
        job: dict[str, Any] = {"type": "image", "model": "uni-1", "created_at": "2026-04-08T12:00:00Z", "output": []}
        asked = request.target.rpartition("/")[2]
        made = {**job, "id": f"job-{next(self._ids)}" if request.method == "POST" else asked, "state": "completed"}
        await (own(self.status) if away else answer(201 if request.method == "POST" else 200, made))(peer, request)


def luma(wire: Wire, **options: Any) -> AsyncLuma:
    known: dict[str, Any] = {
        "clock": LoopClock(),
        "limits": Limits(rpm=9_999, jobs=9_999),
    } | options
    return AsyncLuma(KEY, base_url=wire.url, **known)


@pytest.mark.parametrize("status", [502, 503])
@pytest.mark.parametrize(("away", "posts"), [(1.0, 2.0), (20.0, 3.0)])
@pytest.mark.parametrize("calls", [50, 500])
def test_all_calls_gathered_over_an_outage_succeed(status: int, away: float, posts: float, calls: int) -> None:
    async def scene() -> None:
        site = Site(away, status)
        async with Wire(site.step) as wire, luma(wire) as client:
            await asyncio.gather(*(client.generations.create(prompt=f"{number}") for number in range(calls)))
        assert len(site.moments) <= posts * calls
        assert now() < away + 40

    run(scene())


@virtual
async def test_with_default_limits_and_reads_as_well() -> None:
    site = Site(20.0, 503)
    async with Wire(site.step) as wire, luma(wire, limits=Limits()) as client:
        creations = (client.generations.create(prompt=f"{number}") for number in range(50))
        reads = (client.generations.get(f"{number}") for number in range(50))
        await asyncio.gather(*creations, *reads)
    assert len(site.moments) <= 3 * 100


@virtual
async def test_one_call_probes_and_the_others_leave_at_twice_the_pace_of_successes() -> None:
    site = Site(12.0)
    async with Wire(site.step) as wire, luma(wire) as client:
        await asyncio.gather(*(client.generations.create(prompt=f"{number}") for number in range(50)))
    asking = [moment for moment in site.moments if moment < 12]
    assert 2 <= len(asking) <= 3  # the first of a burst leads: it finds out alone
    assert asking[1] >= 5
    leaving = site.together[len(asking) :]
    assert leaving[0] == 1
    assert all(together <= 2 * (place + 1) for place, together in enumerate(leaving))
    assert len(leaving) == 50


@virtual
async def test_an_outage_of_media_by_url_concerns_no_other_calls() -> None:
    site = Site(20.0, 503, only_urls=True)
    source = MediaRef.url("https://example.com/a.png")
    async with Wire(site.step) as wire, luma(wire) as client:
        fetched = [
            asyncio.create_task(client.generations.create(prompt="x", type="image_edit", source=source))
            for _ in range(5)
        ]
        await asyncio.sleep(0.5)
        for _ in range(5):
            await client.generations.create(prompt="x")
            await client.generations.get("job-1")
        assert now() < 2
        assert not any(task.done() for task in fetched)
        await asyncio.gather(*fetched)
    assert now() >= 20


@virtual
async def test_a_calls_timeout_ends_its_wait_with_the_last_error() -> None:
    site, events = Site(math.inf), list[Event]()
    async with Wire(site.step) as wire, luma(wire, on_event=events.append) as client:
        failing = asyncio.create_task(client.generations.create(prompt="x"))
        await asyncio.sleep(1)
        with pytest.raises(BadGatewayError) as caught:
            await client.with_options(timeout=3.0).generations.create(prompt="y")
        assert (caught.value.outcome, caught.value.attempts) == ("not_sent", 0)
        with pytest.raises(BadGatewayError) as caught:
            await failing
        assert caught.value.attempts >= 2
        assert caught.value.outcome == "refused"
        assert now() <= 61
        began = now()
        with pytest.raises(BadGatewayError):
            await client.generations.create(prompt="z")
        assert now() - began <= 61, "a default deadline ends it as well"
    assert not [event for event in events if isinstance(event, Throttled) and event.scope != "outage"]


@virtual
async def test_a_wait_of_any_length_ends_with_the_error_of_the_api() -> None:
    """Also where its turn comes when it has too little time left for an attempt."""
    site = Site(math.inf)
    async with Wire(site.step) as wire, luma(wire, max_retries=100) as client:
        asked = [client.with_options(timeout=5 + part / 4).generations.create(prompt="x") for part in range(300)]
        ends = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(end) for end in ends} == {BadGatewayError}


@virtual
async def test_max_retries_limits_the_attempts_of_each_call() -> None:
    site = Site(math.inf, 503)
    async with Wire(site.step) as wire, luma(wire, max_retries=2) as client:
        with pytest.raises(ServiceUnavailableError) as caught:
            await client.generations.create(prompt="x")
        assert caught.value.attempts == len(site.moments) == 3
        with pytest.raises(ServiceUnavailableError) as caught:
            await client.with_options(max_retries=0).generations.create(prompt="x")
        assert caught.value.attempts == 1


@virtual
async def test_after_a_cancelled_probe_the_next_call_probes() -> None:
    site = Site(1.0)
    async with Wire(own(502), stall, site.step) as wire, luma(wire) as client:
        tasks = [asyncio.create_task(client.generations.create(prompt="x")) for _ in range(2)]
        await asyncio.sleep(11)
        assert len(wire.requests) == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(5):
            await client.generations.create(prompt="y")


@virtual
async def test_a_gateways_page_after_a_paid_call_stays_unknown_and_begins_no_outage() -> None:
    page = answer(502, b"<html>", content_type="text/html")
    site = Site(0.0)
    async with Wire(page, site.step) as wire, luma(wire) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.generations.create(prompt="x")
        await client.generations.create(prompt="y")
    assert site.moments == pytest.approx([0], abs=0.2)


@virtual
async def test_a_gateways_page_for_the_probe_keeps_the_others_waiting() -> None:
    """Otherwise one paid call after the other would be lost to a gateway."""
    page = answer(502, b"<html>", content_type="text/html")
    site = Site(0.0)
    async with Wire(own(502), page, site.step) as wire, luma(wire) as client:
        calls = [asyncio.create_task(client.generations.create(prompt="x")) for _ in range(3)]
        found = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, OutcomeUnknownError) for one in found) == 1
    assert len(site.moments) == 2
    assert site.moments[0] >= 15


@virtual
async def test_no_probe_comes_before_retry_after() -> None:
    site = Site(0.0)
    async with Wire(own(503, **{"Retry-After": "40"}), site.step) as wire, luma(wire) as client:
        await client.generations.create(prompt="x")
    assert 40 <= site.moments[0] <= 41.1


@virtual
async def test_images_that_are_sent_inline_do_not_wait_for_the_outage_to_end() -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    site = Site(1_000.0, 503, only_urls=True)
    async with (
        Wire(answer(200, png, content_type="image/png")) as host,
        Wire(site.step) as wire,
        luma(wire, inline_on_503=True) as client,
    ):
        source = MediaRef.url(f"{host.url}/a.png")
        await asyncio.gather(
            *(client.generations.create(prompt="x", type="image_edit", source=source) for _ in range(5))
        )
        assert now() < 10
    assert sum("url" not in json.loads(request.body)["source"] for request in wire.requests) == 5


@virtual
async def test_a_read_that_fails_is_shared_too() -> None:
    site = Site(4.0)
    async with Wire(site.step) as wire, BareLuma(KEY, base_url=wire.url, clock=LoopClock()) as client:
        await asyncio.gather(*(client.send(operation("read")) for _ in range(50)))
    assert len(site.moments) == 100


@virtual
async def test_a_default_timeout_is_suspended_while_a_call_waits_for_a_limit() -> None:
    """All have failed once, and go again one a minute."""
    site = Site(3.0)
    async with Wire(site.step) as wire, luma(wire, limits=Limits(rpm=5, jobs=100)) as client:
        await asyncio.gather(*(client.generations.create(prompt="x") for _ in range(12)))
    assert now() > 120


@virtual
async def test_clients_of_one_key_share_an_outage() -> None:
    site = Site(20.0)
    async with Wire(site.step) as wire:
        shared: dict[str, Any] = {"limits": Limits(rpm=9_999, jobs=9_999), "clock": LoopClock()}
        async with luma(wire, **shared) as one, luma(wire, **shared) as other:
            calls = [client.generations.create(prompt=f"{n}") for client in (one, other) for n in range(20)]
            first = asyncio.create_task(calls[0])
            await asyncio.sleep(1.0)
            asked = len(site.moments)
            await asyncio.gather(first, *calls[1:])
    after = [moment for moment in site.moments[asked:] if moment < 20.0]
    assert len(after) <= 8, "whoever comes later waits, and one of them all asks"
