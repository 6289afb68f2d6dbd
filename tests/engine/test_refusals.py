"""429s on the wire, in virtual time: which limit they prove, who waits for it, for how long, and who is told."""

import asyncio
import functools
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.calls import KEY, BareGeneror, BareLuma, operation
from support.clock import LoopClock
from support.wire import Arrived, Peer, Step, Wire, answer

from generor_async import (
    AsyncLuma,
    ConcurrentJobsError,
    DeadlineExceededError,
    Event,
    Limits,
    RateLimitError,
    RetryScheduled,
    Throttled,
)
from generor_async.rules.http_types import Operation
from generor_async.rules.vendors import GENEROR
from generor_async.testing import run

Scene = Callable[[], Coroutine[Any, Any, None]]
JOB: dict[str, Any] = {
    "id": "one",
    "type": "image",
    "model": "uni-1",
    "created_at": "2026-04-08T12:00:00Z",
    "output": [],
}
CREATED = answer(201, {**JOB, "state": "queued"}, headers={"X-RateLimit-Limit": "100000"})
WINDOW = {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "0"}
SLOTS = answer(429, {"detail": "Concurrent generation limit reached"}, headers={"Retry-After": "60"})
RATE = {"detail": "Rate limit exceeded"}


def page(**headers: str) -> Step:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(429, b"<html>", headers=named, content_type="text/html")


def virtual(scene: Scene) -> Callable[[], None]:
    """Run a test in virtual time."""

    @functools.wraps(scene)
    def test() -> None:
        run(scene())

    return test


def now() -> float:
    return asyncio.get_running_loop().time()


@attrs.define
class Timed:
    """A script, and when its requests came."""

    steps: tuple[Step, ...]
    moments: list[float] = attrs.field(factory=list[float])

    async def __call__(self, peer: Peer, request: Arrived) -> None:
        self.moments.append(now())
        await self.steps[min(len(self.moments), len(self.steps)) - 1](peer, request)


def script(*steps: Step) -> Timed:
    return Timed(steps)


def luma(wire: Wire, events: list[Event] | None = None, **options: Any) -> AsyncLuma:
    known: dict[str, Any] = {"clock": LoopClock(), "limits": Limits(rpm=1_000)} | options
    return AsyncLuma(KEY, base_url=wire.url, on_event=None if events is None else events.append, **known)


def metered() -> Operation[Any]:
    """A call that draws on the limit a minute."""
    plain = operation("plain")
    return attrs.evolve(plain, endpoint=attrs.evolve(plain.endpoint, quota=("minute",)))


def waits(events: list[Event]) -> list[tuple[str, float]]:
    return [(event.scope, event.delay) for event in events if isinstance(event, Throttled)]


def retries(events: list[Event]) -> list[float]:
    return [event.delay for event in events if isinstance(event, RetryScheduled)]


# --- which limit it is ----------------------------------------------------------------------------------------------


@virtual
async def test_a_gateways_page_counts_as_an_attempt_and_teaches_nothing() -> None:
    site = script(page(Retry_After="1"))
    async with Wire(site) as wire, luma(wire, max_retries=1, queue_timeout=10.0) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.generations.create(prompt="x")
        assert type(caught.value) is RateLimitError
        known = client.rate_limits
        assert known.jobs is not None
        assert (known.jobs.used, known.jobs.ceiling, known.held) == (0, None, None)
        assert known.windows["minute"].limit == 1_000
    assert site.moments == pytest.approx([0, 1], abs=0.2)


@virtual
async def test_one_odd_429_while_three_jobs_run_teaches_no_ceiling() -> None:
    site = script(*[CREATED] * 3, answer(429, {"detail": "Slow down"}), CREATED)
    ids = iter("abcdefgh")

    async def numbered(peer: Peer, request: Arrived) -> None:
        site.moments.append(now())
        made = answer(201, {**JOB, "id": next(ids), "state": "queued"})
        await (site.steps[3] if len(site.moments) == 4 else made)(peer, request)

    async with Wire(numbered) as wire, luma(wire) as client:
        for _ in range(5):
            await client.generations.create(prompt="x")
        assert client.rate_limits.jobs is not None
        assert (client.rate_limits.jobs.used, client.rate_limits.jobs.ceiling) == (5, None)
    assert site.moments[4] - site.moments[3] == pytest.approx(1, abs=0.2)


@virtual
async def test_the_text_decides_before_the_headers_do() -> None:
    site = script(answer(429, RATE, headers={"Retry-After": "3"}), CREATED)
    async with Wire(site) as wire, luma(wire) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.with_options(max_retries=0).generations.create(prompt="x")
        assert not isinstance(caught.value, ConcurrentJobsError)
        assert client.rate_limits.jobs is not None
        assert client.rate_limits.jobs.ceiling is None
        await client.generations.create(prompt="x")
    assert site.moments == pytest.approx([0, 3], abs=0.4)


@virtual
async def test_concurrent_in_the_text_is_about_jobs_whatever_the_headers() -> None:
    headers = {"X-RateLimit-Limit": "30", "X-RateLimit-Remaining": "21", "X-RateLimit-Reset": "60"}
    detail = {"detail": "Concurrent generation capacity reached, limit=10 weight units"}
    async with Wire(answer(429, detail, headers=headers)) as wire, luma(wire, max_retries=0) as client:
        with pytest.raises(ConcurrentJobsError):
            await client.generations.create(prompt="x")
        assert client.rate_limits.windows["minute"].limit == 30


@virtual
async def test_a_generor_refusal_is_waited_for_by_its_code_or_its_headers() -> None:
    own = {"success": False, "error": {"code": "RATE_LIMIT_EXCEEDED", "message": "Too many", "status": 429}}
    site = script(
        *[answer(429, own, headers={"Retry-After": "30"})] * 6,
        *[page(**WINDOW, Retry_After="30")] * 6,
        answer(200, {}),
    )
    async with Wire(site) as wire, BareGeneror(base_url=wire.url, clock=LoopClock(), max_retries=1) as client:
        read = operation("read", vendor=GENEROR)
        await client.send(attrs.evolve(read, endpoint=attrs.evolve(read.endpoint, quota=("minute",))))
    assert site.moments[1] == pytest.approx(30, abs=0.2)
    assert len(site.moments) == 13


# --- the ceiling against abuse holds everything ---------------------------------------------------------------------


@virtual
async def test_a_429_on_a_read_holds_all_calls_of_all_clients_of_the_key() -> None:
    site = script(answer(429, {"detail": "Too many requests"}, headers={"Retry-After": "30"}), answer(200, {}))
    clock, limits, events = LoopClock(), Limits(rpm=1_000), list[Event]()
    async with Wire(site) as wire:
        first = BareLuma(KEY, base_url=wire.url, clock=clock, limits=limits)
        second = BareLuma(KEY, base_url=wire.url, clock=clock, limits=limits, on_event=events.append)
        async with first, second:
            poll = asyncio.create_task(first.send(operation("read")))
            await wire.arrived()
            await asyncio.sleep(1.0)
            held = second.rate_limits.held
            assert held is not None
            assert (held.scope, held.reason) == ("abuse", "Too many requests")
            assert held.until == pytest.approx(1_775_649_630, abs=0.5)
            await asyncio.gather(
                poll, second.send(operation("read")), second.send(metered()), first.send(operation("idempotent"))
            )
            assert second.rate_limits.held is None
    assert len(site.moments) == 5
    assert all(30 <= moment <= 32.5 for moment in site.moments[1:]), "nothing leaves before, and not all at once"
    assert [scope for scope, _ in waits(events)] == ["abuse"] * 2
    assert all(29 <= delay <= 32.4 for _, delay in waits(events))


@virtual
async def test_a_read_waits_for_the_ceiling_against_abuse_however_often_it_is_refused() -> None:
    site = script(*[answer(429, RATE, headers={"Retry-After": "50"})] * 5, answer(200, {}))
    events: list[Event] = []
    async with (
        Wire(site) as wire,
        BareLuma(KEY, base_url=wire.url, clock=LoopClock(), max_retries=1, on_event=events.append) as client,
    ):
        await client.send(operation("read"))
    assert [later - earlier for earlier, later in zip(site.moments, site.moments[1:], strict=False)] == pytest.approx(
        retries(events), abs=0.1
    )
    assert [delay for _, delay in waits(events)] == retries(events)
    assert len(events) > 10


@virtual
async def test_a_call_that_draws_on_no_limit_waits_for_a_window_that_refused_it_by_itself() -> None:
    site = script(*[answer(429, RATE, headers={**WINDOW, "Retry-After": "50"})] * 3, answer(200, {}))
    async with (
        Wire(site) as wire,
        BareLuma(KEY, base_url=wire.url, clock=LoopClock(), max_retries=1, queue_timeout=160.0) as client,
    ):
        await client.send(operation("plain"))
        assert len(site.moments) == 4
        site.moments.clear()
        with pytest.raises(RateLimitError) as caught:
            await client.with_options(timeout=120.0).send(operation("plain"))
        assert caught.value.retry_after == 50
        assert now() == pytest.approx(250, abs=5)


# --- one time for the whole call ------------------------------------------------------------------------------------


@virtual
async def test_a_queue_timeout_is_one_time_for_the_whole_call() -> None:
    async with Wire(SLOTS) as wire, luma(wire, queue_timeout=100.0) as client:
        with pytest.raises(DeadlineExceededError, match="within 100 s") as caught:
            await client.generations.create(prompt="x")
        assert caught.value.waited_for == "slot"
        assert now() <= 100.5
    assert len(wire.requests) <= 2


@virtual
async def test_a_timeout_is_one_time_for_the_whole_call() -> None:
    async with Wire(SLOTS) as wire, luma(wire, timeout=100.0) as client:
        with pytest.raises(DeadlineExceededError):
            await client.generations.create(prompt="x")
        assert now() <= 100.5


@virtual
async def test_a_default_deadline_begins_anew_after_a_limit() -> None:
    site = script(*[answer(429, RATE, headers={**WINDOW, "Retry-After": "55"})] * 10, CREATED)
    async with Wire(site) as wire, luma(wire) as client:
        await client.generations.create(prompt="x")
    assert site.moments[-1] >= 550


@pytest.mark.parametrize(
    ("text", "headers", "error"),
    [
        ("Concurrent generation limit reached", {}, ConcurrentJobsError),
        ("Rate limit exceeded", WINDOW, RateLimitError),
        ("Rate limit exceeded", {}, RateLimitError),
        ("Something else", {}, RateLimitError),
    ],
)
def test_without_retries_the_first_refusal_is_raised_whatever_it_is(
    text: str, headers: dict[str, str], error: type[RateLimitError]
) -> None:
    async def scene() -> None:
        refusal = answer(429, {"detail": text}, headers={**headers, "Retry-After": "5"})
        async with Wire(refusal) as wire, luma(wire, max_retries=0) as client:
            with pytest.raises(error):
                await client.generations.create(prompt="x")
        assert len(wire.requests) == 1

    run(scene())


# --- a hold of hours ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", ["7200", "2600000"])
@pytest.mark.parametrize("headers", [WINDOW, {}])
def test_under_a_hold_of_hours_the_first_call_and_later_ones_behave_the_same(
    wait: str, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        site = script(answer(429, RATE, headers={**headers, "Retry-After": wait}), CREATED)
        async with Wire(site) as wire, luma(wire) as client:
            views = client.with_options(timeout=100.0), client.with_options(queue_timeout=100.0)
            for view in (*views, client.with_options(timeout=50.0)):
                with pytest.raises(RateLimitError) as caught:
                    await view.generations.create(prompt="x")
                assert caught.value.retry_after == pytest.approx(float(wait), abs=1)
                assert caught.value.outcome == ("not_sent" if caught.value.response is None else "refused")
            assert now() < 1
            assert len(site.moments) == 1
            patient = [asyncio.create_task(client.generations.create(prompt="x")) for _ in range(3)]
            await asyncio.sleep(100)
            held = client.rate_limits.held
            assert held is not None
            assert (held.reason, held.scope) == ("Rate limit exceeded", "minute" if headers else "abuse")
            assert held.until == pytest.approx(1_775_649_600 + float(wait), abs=1)
            assert len(site.moments) == 1
            for task in patient:
                task.cancel()

    with caplog.at_level(logging.WARNING, "generor_async"):
        run(scene())
    (warning,) = caplog.records
    assert f"wait for {float(wait):.0f} s, until 2026-0" in warning.getMessage()


@virtual
async def test_who_is_in_the_queue_already_does_not_wait_for_what_cannot_come_in_time() -> None:
    site = script(answer(429, RATE, headers={**WINDOW, "Retry-After": "7200"}), CREATED)
    async with Wire(site) as wire, luma(wire, limits=Limits()) as client:
        hurried = client.with_options(timeout=100.0)
        found = await asyncio.gather(
            *(hurried.generations.create(prompt="x") for _ in range(5)), return_exceptions=True
        )
        assert [type(one) for one in found] == [RateLimitError] * 5
        assert now() < 1
        assert client.rate_limits.queued == 0
    assert len(site.moments) == 1


@virtual
async def test_without_a_timeout_the_call_that_was_refused_waits_for_hours_too() -> None:
    site = script(answer(429, RATE, headers={**WINDOW, "Retry-After": "7200"}), CREATED)
    async with Wire(site) as wire, luma(wire) as client:
        await asyncio.gather(*(client.generations.create(prompt="x") for _ in range(3)))
    assert site.moments[1] == pytest.approx(7_200, abs=1)
    assert len(site.moments) == 4


def test_a_hold_of_all_jobs_is_shown_while_none_of_ours_runs(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        refusal = answer(429, {"detail": "Too many concurrent jobs"}, headers={"Retry-After": "600"})
        async with Wire(refusal, CREATED) as wire, luma(wire) as client:
            call = asyncio.create_task(client.generations.create(prompt="x"))
            await asyncio.sleep(10)
            assert client.rate_limits.held is not None
            assert client.rate_limits.held.scope == "jobs"
            await call
            assert client.rate_limits.held is None

    with caplog.at_level(logging.WARNING, "generor_async"):
        run(scene())
    assert len(caplog.records) == 1


# --- what is told ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "scope", "wait"),
    [
        (answer(429, RATE, headers={**WINDOW, "Retry-After": "12"}), "minute", 12),
        (answer(429, RATE, headers=WINDOW), "minute", 1),
        (answer(429, RATE, headers={"Retry-After": "12"}), "abuse", 12),
        (answer(429, RATE), "abuse", 1),
        (SLOTS, "jobs", 60),
        (answer(429, {"detail": "Too many concurrent jobs"}), "jobs", 60),
        (page(Retry_After="12"), "unknown", 12),
        (page(), "unknown", 1),
    ],
)
def test_one_wait_is_told_once_and_truly(refusal: Step, scope: str, wait: float) -> None:
    async def scene() -> None:
        events: list[Event] = []
        site = script(refusal, CREATED)
        async with Wire(site) as wire, luma(wire, events) as client:
            await client.generations.create(prompt="x")
        (delay,) = retries(events)
        assert waits(events) == [(scope, delay)]
        assert wait <= delay <= wait * 1.1
        assert site.moments[1] - site.moments[0] == pytest.approx(delay, abs=0.1)

    run(scene())


@virtual
async def test_a_refusal_that_a_slot_of_our_own_ends_is_told_as_it_happens() -> None:
    """One job runs when a submission is refused: its end frees a slot, and nobody can say when."""
    events: list[Event] = []
    done = answer(200, {**JOB, "state": "completed"})
    accepted = answer(201, {**JOB, "id": "two", "state": "queued"})

    async def by_method(peer: Peer, request: Arrived) -> None:
        await (done if request.method == "GET" else accepted)(peer, request)

    site = script(CREATED, SLOTS, by_method)
    async with Wire(site) as wire, luma(wire, events) as client:
        await client.generations.create(prompt="x")
        second = asyncio.create_task(client.generations.create(prompt="y"))
        await wire.arrived(2)
        await asyncio.sleep(5)
        await client.generations.get("one")
        await second
    assert [delay for scope, delay in waits(events) if scope == "jobs"] == retries(events)
    assert len(retries(events)) == 1
    assert site.moments[-1] < 10


# --- others -----------------------------------------------------------------------------------------------------------


@virtual
async def test_who_takes_every_place_for_three_minutes_fails_no_call() -> None:
    async def hog(peer: Peer, request: Arrived) -> None:
        refusal = answer(429, RATE, headers={**WINDOW, "Retry-After": "20"})
        await (refusal if now() < 180 else answer(200, {}))(peer, request)

    async with (
        Wire(hog) as wire,
        BareLuma(KEY, base_url=wire.url, clock=LoopClock(), limits=Limits(rpm=10)) as client,
    ):
        await asyncio.gather(*(client.send(metered()) for _ in range(20)))
    assert now() >= 180


@attrs.define
class Busy:
    """A server that takes its time, and refuses the first request after `from_` seconds: nothing for so long."""

    from_: float
    headers: dict[str, str]
    moments: list[float] = attrs.field(factory=list[float])
    held_until: float = 0.0

    async def step(self, peer: Peer, request: Arrived) -> None:
        self.moments.append(now())
        if not self.held_until and now() >= self.from_:
            self.held_until = now() + float(self.headers["Retry-After"])
            await answer(429, RATE, headers=self.headers)(peer, request)
            return
        await asyncio.sleep(2.0)
        await CREATED(peer, request)


@pytest.mark.parametrize("headers", [{"Retry-After": "40", **WINDOW}, {"Retry-After": "40"}], ids=["window", "abuse"])
def test_who_waits_for_a_connection_when_a_429_comes_waits_for_that_as_well(headers: dict[str, str]) -> None:
    async def scene() -> None:
        busy = Busy(5.0, headers)
        limits = Limits(rpm=9_999, jobs=9_999)
        async with (
            Wire(busy.step) as wire,
            AsyncLuma(KEY, base_url=wire.url, clock=LoopClock(), limits=limits, max_connections=4) as client,
        ):
            await asyncio.gather(*(client.generations.create(prompt=f"{number}") for number in range(40)))
        refused = busy.held_until - 40.0
        assert [moment for moment in busy.moments if refused + 0.1 < moment < busy.held_until - 0.1] == []
        assert len(busy.moments) == 41

    run(scene())


@pytest.mark.parametrize("headers", [{"Retry-After": "600", **WINDOW}, {"Retry-After": "600"}], ids=["window", "abuse"])
@pytest.mark.parametrize("waits_for", ["window", "slot"])
@pytest.mark.parametrize("processes", [1, 2])
def test_whoever_cannot_wait_as_long_as_a_429_says_is_told_at_once(
    tmp_path: Path, headers: dict[str, str], waits_for: str, processes: int
) -> None:
    """Two clients with clocks of their own stand for two processes: they share through the file alone."""

    async def step(peer: Peer, request: Arrived) -> None:
        created = answer(201, {**JOB, "id": request.headers["X-Request-Id"], "state": "queued"})
        await (answer(429, RATE, headers=headers) if now() > 10 else created)(peer, request)

    async def scene() -> None:
        clocks = [LoopClock() for _ in range(processes)]
        rpm, jobs = (2, 100) if waits_for == "window" else (100, 2)
        options: dict[str, Any] = {
            "limits": Limits(rpm=rpm, jobs=jobs, store=tmp_path / "limits"),
            "queue_timeout": 100,
        }
        async with (
            Wire(step) as wire,
            AsyncLuma(KEY, base_url=wire.url, clock=clocks[0], **options) as one,
            AsyncLuma(KEY, base_url=wire.url, clock=clocks[-1], **options) as other,
        ):
            await asyncio.gather(*(one.generations.create(prompt="A heron") for _ in range(2)))
            late = [asyncio.create_task(other.generations.create(prompt="A heron")) for _ in range(3)]
            await asyncio.sleep(20)
            with pytest.raises(RateLimitError):
                await one.generations.get("one")
            told = await asyncio.gather(*late, return_exceptions=True)
        assert [type(error) for error in told] == [RateLimitError] * 3
        assert now() < 30

    run(scene())
