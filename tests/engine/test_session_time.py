"""Deadlines over attempts and backoff, waits that the server asked for, and cancellation."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from support.calls import KEY, REQUEST_ID, BareLuma, operation
from support.clock import FakeClock, LoopClock, in_virtual_time
from support.wire import Step, Wire, answer, reset, stall

from generor_async.errors import (
    APIConnectionError,
    APITimeoutError,
    DeadlineExceededError,
    InvalidRequestError,
    OutcomeUnknownError,
    RateLimitError,
)
from generor_async.values import AttemptEnded, Event, RetrySafety, RetryScheduled, Throttled

anyio_backend = in_virtual_time


def limited(**headers: str) -> Step:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(429, {"detail": "Rate limit exceeded"}, headers={"X-RateLimit-Limit": "30", **named})


async def test_an_attempt_that_takes_too_long_is_given_up_and_tried_again() -> None:
    async with (
        Wire(stall, answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=FakeClock(), attempt_timeout=0.1) as client,
    ):
        assert await client.send(operation()) == {}
    assert len(wire.requests) == 2


async def test_a_deadline_ends_the_attempt_under_way() -> None:
    async with Wire(stall) as wire, BareLuma(KEY, base_url=wire.url, clock=LoopClock(), timeout=0.2) as client:
        with pytest.raises(DeadlineExceededError, match=r"0\.2 s were not enough") as caught:
            await client.send(operation())
    assert caught.value.waited_for == "attempt"
    assert caught.value.request_id == wire.requests[0].headers["X-Request-Id"]


async def test_a_deadline_that_cuts_off_a_paid_call_leaves_its_outcome_unknown() -> None:
    async with Wire(stall) as wire, BareLuma(KEY, base_url=wire.url, clock=LoopClock(), timeout=0.2) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.send(operation("bills"))
    assert isinstance(caught.value.__cause__, DeadlineExceededError)
    assert len(wire.requests) == 1


async def test_a_deadline_covers_all_attempts_and_all_waits() -> None:
    clock = FakeClock()
    async with (
        Wire(limited(Retry_After="4")) as wire,
        BareLuma(KEY, base_url=wire.url, clock=clock, max_retries=100, timeout=10.0) as client,
    ):
        with pytest.raises(RateLimitError) as caught:
            await client.send(operation("bills"))
    assert sum(clock.slept) < 10
    assert (len(wire.requests), caught.value.attempts) == (3, 3)


async def test_a_wait_that_took_too_long_ends_the_call() -> None:
    class Slow(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds + 60)

    async with Wire(reset) as wire, BareLuma(KEY, base_url=wire.url, clock=Slow()) as client:
        with pytest.raises(DeadlineExceededError) as caught:
            await client.send(operation())
    assert caught.value.waited_for == "retry"
    assert len(wire.requests) == 1


@pytest.mark.parametrize("retry_safety", ["read", "bills"])
async def test_a_wait_longer_than_the_deadline_is_not_begun(retry_safety: RetrySafety) -> None:
    clock = FakeClock()
    async with (
        Wire(limited(Retry_After="61")) as wire,
        BareLuma(KEY, base_url=wire.url, clock=clock, timeout=60.0) as client,
    ):
        with pytest.raises(RateLimitError) as caught:
            await client.send(operation(retry_safety))
    assert (caught.value.retry_after, caught.value.retryable) == (61, True)
    assert (clock.slept, len(wire.requests)) == ([], 1)


@pytest.mark.parametrize(("retry_safety", "sent"), [("bills", 1), ("read", 2)])
async def test_a_paid_call_is_not_sent_with_hardly_any_time_left(retry_safety: RetrySafety, sent: int) -> None:
    async with (
        Wire(limited(Retry_After="9.5"), answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=FakeClock(), timeout=10.5) as client,
    ):
        with suppress(DeadlineExceededError, RateLimitError):
            await client.send(operation(retry_safety))
    assert len(wire.requests) == sent, "what is cut off must not be in doubt"


async def test_without_an_end_every_wait_is_waited() -> None:
    clock = FakeClock()
    async with (
        Wire(limited(Retry_After="86400"), answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=clock, timeout=math.inf, attempt_timeout=math.inf) as client,
    ):
        await client.send(operation("bills"))
    assert 86_400 <= clock.slept[0] <= 86_401


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"Retry_After": "12"}, 12, 13),
        ({"Retry_After": "2.5"}, 2.5, 2.75),
        ({"Retry_After": "Wed, 08 Apr 2026 12:00:30 GMT", "Date": "Wed, 08 Apr 2026 12:00:00 GMT"}, 30, 31),
        ({"X_RateLimit_Reset": "1775649620", "Date": "Wed, 08 Apr 2026 12:00:00 GMT"}, 20, 21),
        ({"X_RateLimit_Reset": "20"}, 20, 21),
        ({"X_RateLimit_Reset": "1775649620000", "Date": "Wed, 08 Apr 2026 12:00:00 GMT"}, 20, 21),
        ({"Retry_After": "-3"}, 1, 1.1),
        ({}, 1, 1.1),
    ],
)
async def test_a_429_waits_as_told_and_goes_on(headers: dict[str, str], least: float, most: float) -> None:
    clock = FakeClock()
    events: list[Event] = []
    async with (
        Wire(limited(**headers), answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=clock, on_event=events.append) as client,
    ):
        await client.send(operation("bills"))
    assert len(clock.slept) == 1
    assert least <= clock.slept[0] <= most
    throttled = [event for event in events if isinstance(event, Throttled)]
    assert [(event.scope, event.delay) for event in throttled] == [("minute", clock.slept[0])]
    scheduled = [event for event in events if isinstance(event, RetryScheduled)]
    assert [(event.attempt, event.reason) for event in scheduled] == [(2, "RateLimitError")]
    assert scheduled[0].delay == clock.slept[0]


async def test_waits_grow_and_stay_below_their_bounds() -> None:
    clock = FakeClock()
    async with (
        Wire(reset) as wire,
        BareLuma(KEY, base_url=wire.url, clock=clock, max_retries=9, timeout=math.inf) as client,
    ):
        with pytest.raises(APIConnectionError):
            await client.send(operation())
    assert len(wire.requests) == 10
    bounds = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert all(wait <= bound for wait, bound in zip(clock.slept, bounds, strict=True))


@pytest.mark.parametrize("seconds", [None, 0, -1, math.nan, "5", True, -math.inf])
@pytest.mark.parametrize("name", ["timeout", "attempt_timeout"])
async def test_no_time_at_all_is_refused(name: str, seconds: Any) -> None:
    client = BareLuma(KEY, base_url="http://127.0.0.1:1")
    changes: dict[str, Any] = {name: seconds}
    with pytest.raises(InvalidRequestError, match=r"math\.inf") as caught:
        client.with_options(**changes)
    assert caught.value.field == name


async def test_time_that_runs_faster_shortens_real_waits() -> None:
    clock = FakeClock(speed=100_000.0)
    async with (
        Wire(stall) as wire,
        BareLuma(KEY, base_url=wire.url, clock=clock, attempt_timeout=10_000.0, max_retries=0) as client,
    ):
        async with asyncio.timeout(300):
            with pytest.raises(APITimeoutError):
                await client.send(operation())


class Nowhere(AbstractResolver):
    """Resolves nothing: it fails at once, or never comes back."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.asked = asyncio.Event()
        self.hangs = hangs

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        self.asked.set()
        if self.hangs:
            await asyncio.Event().wait()
        raise OSError(None, "no such host")

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("retry_safety", ["read", "bills"])
async def test_a_host_that_does_not_resolve_is_not_sent_and_says_what_to_do(retry_safety: RetrySafety) -> None:
    clock = FakeClock()
    async with aiohttp.TCPConnector(resolver=Nowhere()) as connector:
        client = BareLuma(KEY, base_url="https://api.invalid", connector=connector, clock=clock)
        async with client:
            with pytest.raises(APIConnectionError) as caught:
                await client.send(operation(retry_safety))
    assert (caught.value.outcome, caught.value.attempts) == ("not_sent", 5)
    assert "the host api.invalid could not be resolved" in str(caught.value)
    assert "check base_url and the network" in str(caught.value)


@pytest.mark.parametrize("retry_safety", ["read", "bills"])
async def test_a_deadline_before_anything_was_sent_is_not_sent(retry_safety: RetrySafety) -> None:
    async with aiohttp.TCPConnector(resolver=Nowhere(hangs=True)) as connector:
        client = BareLuma(
            KEY,
            base_url="https://api.invalid",
            connector=connector,
            clock=FakeClock(),
            attempt_timeout=0.05,
            max_retries=2,
        )
        async with client:
            with pytest.raises(APITimeoutError) as caught:
                await client.send(operation(retry_safety))
    assert (caught.value.outcome, caught.value.attempts) == ("not_sent", 3)


def ended(events: list[Event]) -> list[tuple[str, int | None]]:
    return [(event.outcome, event.status) for event in events if isinstance(event, AttemptEnded)]


async def cancelled(client: BareLuma, ready: Callable[[], Any], retry_safety: RetrySafety = "bills") -> list[str]:
    """Cancel a call in the middle, and return the notes that say what became of it."""
    call = client.with_options(request_id=REQUEST_ID).send(operation(retry_safety))
    task = asyncio.ensure_future(call)
    await ready()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    return caught.value.__notes__


async def test_a_paid_call_cancelled_before_it_was_sent_says_so() -> None:
    events: list[Event] = []
    resolver = Nowhere(hangs=True)
    async with aiohttp.TCPConnector(resolver=resolver) as connector:
        client = BareLuma(KEY, base_url="https://api.invalid", connector=connector, on_event=events.append)
        async with client:
            notes = await cancelled(client, resolver.asked.wait)
    assert notes == [f"luma.things.bills (request id {REQUEST_ID}) was cancelled before it was sent"]
    assert ended(events) == [("not_sent", None)]


async def test_a_paid_call_cancelled_after_it_was_sent_is_unknown() -> None:
    events: list[Event] = []
    async with Wire(stall) as wire, BareLuma(KEY, base_url=wire.url, on_event=events.append) as client:
        (note,) = await cancelled(client, wire.arrived)
    assert note.endswith("was cut off after it was sent: whether it took effect is unknown")
    assert ended(events) == [("unknown", None)]
    assert len(wire.requests) == 1


async def test_a_read_that_was_cancelled_has_changed_nothing() -> None:
    async with Wire(stall) as wire, BareLuma(KEY, base_url=wire.url) as client:
        (note,) = await cancelled(client, wire.arrived, "read")
    assert note.endswith("was cancelled; it changes nothing")


async def test_a_cancelled_call_leaks_no_connection() -> None:
    async with (
        Wire(stall, answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, max_connections=1) as client,
    ):
        await cancelled(client, wire.arrived)
        async with asyncio.timeout(300):
            await client.send(operation("bills"))
    assert wire.connections == 2


async def test_the_wait_for_a_retry_can_be_cancelled() -> None:
    async with Wire(limited(Retry_After="30")) as wire, BareLuma(KEY, base_url=wire.url) as client:
        task = asyncio.ensure_future(client.send(operation()))
        await wire.arrived()
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(wire.requests) == 1
