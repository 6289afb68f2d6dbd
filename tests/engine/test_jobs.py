"""A job is looked at on the documented schedule until it ends, whatever befalls a single look."""

import asyncio
import logging
import math
from datetime import datetime
from operator import attrgetter
from typing import Any

import pytest
from attrs import define, evolve
from support.calls import KEY, BareLuma, endpoint
from support.clock import FakeClock, LoopClock, in_virtual_time
from support.wire import Step, Wire, answer, hang_up, reset, stall

from generor_async.engine.jobs import JobType, JobWaiter, TrackedJob
from generor_async.errors import DeadlineExceededError, NotFoundError
from generor_async.rules.body_decoders import Decoder
from generor_async.rules.http_types import Operation
from generor_async.rules.job_errors import attach_job, resume_job_hint
from generor_async.rules.lifecycle import LUMA_JOB
from generor_async.values import Clock, Event, JobEnded, JobPolled, JobSubmitted, Model
from generor_async.values.shapes import Problems

URL = "/generations/gen-1"

anyio_backend = in_virtual_time


@define(kw_only=True)
class Thing(Model):
    """As much of a generation as a wait looks at."""

    state: str
    failure_code: str | None = None
    created_at: datetime | None = None


def decode(body: Any) -> Thing:
    created = body.get("created_at")
    return Thing(
        raw=body,
        state=body["state"],
        failure_code=body.get("failure_code"),
        created_at=created and datetime.fromisoformat(created),
    )


def decode_leniently(body: Any, _: Problems) -> Thing:
    return decode(body)


DECODER = Decoder(decode, decode_leniently)


def state(name: str, **more: Any) -> Step:
    return answer(200, {"state": name, **more})


def look(job_id: str) -> Operation[Thing]:
    return Operation(endpoint("read", decode=DECODER), f"/generations/{job_id}")


def kind(**changes: Any) -> JobType[Thing]:
    known: JobType[Thing] = JobType(
        name="job",
        lifecycle=LUMA_JOB,
        poll=look,
        state=attrgetter("state"),
        failure_code=attrgetter("failure_code"),
        family=lambda _: "things",
        prior=lambda _: None,
        created_at=attrgetter("created_at"),
        resume_hint=resume_job_hint,
        attach_id=attach_job,
    )
    return evolve(known, **changes)


class Watched:
    """A watch over jobs of a scripted server, by a clock that jumps."""

    def __init__(self, wire: Wire, clock: Clock | None = None, *, attempt_timeout: float = 0.05) -> None:
        self.events: list[Event] = []
        self.fake = FakeClock()
        self.client = BareLuma(
            KEY,
            base_url=wire.url,
            clock=clock or self.fake,
            on_event=self.events.append,
            max_retries=0,
            attempt_timeout=attempt_timeout,
        )
        self.watch: JobWaiter[Thing] = self.client.watch(kind())

    async def states(self, seen: Thing | None = None, timeout: float = math.inf) -> list[str]:
        job = self.watch.track_submitted("gen-1", seen, "uni-1") if seen else TrackedJob[Thing]("gen-1")
        async with self.client:
            return [found.state async for found in self.watch.changes(job, timeout=timeout)]


QUEUED = Thing(state="queued")


async def test_each_change_is_yielded_once_and_the_last_is_terminal() -> None:
    script = ["queued", "processing", "processing", "processing", "completed"]
    async with Wire(*map(state, script)) as wire:
        watched = Watched(wire)
        assert await watched.states(QUEUED) == ["queued", "processing", "completed"]
    assert watched.fake.slept == [2, 3, 5, 5, 5]
    assert {request.target for request in wire.requests} == {URL}


async def test_an_unknown_job_is_polled_at_once() -> None:
    async with Wire(state("completed")) as wire:
        watched = Watched(wire)
        assert await watched.states() == ["completed"]
    assert watched.fake.slept == []


async def test_a_job_known_to_have_ended_is_not_polled() -> None:
    async with Wire() as wire:
        assert await Watched(wire).states(Thing(state="failed")) == ["failed"]
    assert not wire.requests


async def test_a_failed_job_is_returned_as_such() -> None:
    async with Wire(state("failed", failure_code="content_moderated")) as wire:
        watched = Watched(wire)
        assert await watched.states(QUEUED) == ["queued", "failed"]
    assert [event.failure_code for event in watched.events if isinstance(event, JobEnded)] == ["content_moderated"]


async def test_an_unknown_state_is_yielded_and_is_not_the_end() -> None:
    async with Wire(state("dreaming"), state("dreaming"), state("completed")) as wire:
        assert await Watched(wire).states(QUEUED) == ["queued", "dreaming", "completed"]


PASSING: dict[str, Step] = {
    "closed": hang_up,
    "reset": reset,
    "stalled": stall,
    "500": answer(500, {"detail": "oops"}),
    "502": answer(502, b"<html>", content_type="text/html"),
    "503": answer(503, {"detail": "down"}),
    "429": answer(429, {"detail": "Rate limit exceeded"}, headers={"Retry-After": "86400"}),
}


@pytest.mark.parametrize("fault", PASSING)
async def test_a_failed_poll_is_no_failed_job(fault: str) -> None:
    async with Wire(PASSING[fault], PASSING[fault], state("completed")) as wire:
        watched = Watched(wire)
        assert await watched.states(QUEUED) == ["queued", "completed"]
    assert len(wire.requests) == 3


async def test_a_missing_job_ends_the_wait() -> None:
    async with Wire(answer(404, {"detail": "Generation not found"})) as wire:
        watched = Watched(wire)
        with pytest.raises(NotFoundError) as caught:
            await watched.watch.wait(TrackedJob("never seen"), timeout=60)
        await watched.client.close()
    assert len(wire.requests) == 1
    assert caught.value.job_id == "never seen"


async def test_the_deadline_error_names_the_job_and_how_to_resume() -> None:
    async with Wire(state("processing")) as wire:
        watched = Watched(wire)
        with pytest.raises(DeadlineExceededError, match="gen-1 has not ended within 12 s") as caught:
            await watched.states(QUEUED, timeout=12.0)
    assert (caught.value.waited_for, caught.value.job_id) == ("poll", "gen-1")
    assert "generations.job('gen-1')" in str(caught.value)
    assert watched.fake.slept == [2, 3, 5], "a wait that cannot end in time is not begun"


async def test_a_poll_that_lasts_until_the_deadline_ends_the_wait() -> None:
    async with Wire(stall) as wire:
        watched = Watched(wire, LoopClock(), attempt_timeout=math.inf)
        with pytest.raises(DeadlineExceededError, match=r"gen-1 has not ended within 0\.1 s") as caught:
            await watched.states(timeout=0.1)
    assert (caught.value.waited_for, caught.value.job_id) == ("poll", "gen-1")


async def test_an_event_tells_of_a_submitted_job() -> None:
    async with Wire() as wire:
        watched = Watched(wire)
        watched.watch.track_submitted("gen-1", QUEUED, "uni-1")
    assert watched.events == [JobSubmitted(job_id="gen-1", model="uni-1")]


async def test_no_event_is_emitted_without_a_listener(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with Wire(state("completed")) as wire, BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client:
        watch = client.watch(kind())
        job = watch.track_submitted("gen-1", QUEUED, None)
        assert (await watch.wait(job, timeout=60.0)).state == "completed"
    assert not caplog.records


async def test_polls_and_the_end_emit_events() -> None:
    async with Wire(state("processing"), state("completed")) as wire:
        watched = Watched(wire)
        await watched.states(QUEUED)
    ours = [event for event in watched.events if isinstance(event, JobPolled | JobEnded)]
    assert ours == [
        JobPolled(job_id="gen-1", state="processing", elapsed=2.0),
        JobPolled(job_id="gen-1", state="completed", elapsed=5.0),
        JobEnded(job_id="gen-1", state="completed", failure_code=None, elapsed=5.0),
    ]


async def test_a_wait_that_is_cancelled_names_the_job() -> None:
    class Endless(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.Event().wait()

    async with Wire() as wire:
        watched = Watched(wire, Endless())
        task = asyncio.ensure_future(watched.states(QUEUED))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert "job gen-1 goes on" in caught.value.__notes__[0]
