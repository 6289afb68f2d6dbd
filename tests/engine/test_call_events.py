"""Each logical call is bracketed by `CallStarted` and `CallEnded`, and all its events have its id."""

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest
from support.clock import patient

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    ContentModeratedError,
    DeadlineExceededError,
    Event,
    InvalidRequestError,
    Job,
    JobEnded,
    JobPolled,
    JobSubmitted,
    Luma,
    NotFoundError,
    OutcomeUnknownError,
    Throttled,
)
from generor_async.simulator import Simulator

NOBODY = "00000000-0000-0000-0000-000000000000"


def client(simulator: Simulator, **options: Any) -> tuple[AsyncLuma, list[Any]]:
    luma, events = AsyncLuma(**{**patient(simulator.luma_options), **options}), list[Event]()
    luma.events.subscribe(events.append)
    return luma, events


def calls(events: list[Any]) -> tuple[list[CallStarted], list[CallEnded]]:
    started = [event for event in events if isinstance(event, CallStarted)]
    return started, [event for event in events if isinstance(event, CallEnded)]


async def test_a_run_is_one_call_with_its_submission_and_polls(simulator: Simulator) -> None:
    luma, events = client(simulator)
    async with luma:
        generation = await luma.generations.run(prompt="a heron", model="uni-1-max")
    assert {event.call_id for event in events} == {events[0].call_id}
    (started,), (ended,) = calls(events)
    assert (events[0], events[-1]) == (started, ended)
    assert (started.operation, started.method, started.path, started.billable) == (
        "luma.generations.run",
        None,
        None,
        True,
    )
    assert (started.model, started.base_url) == ("uni-1-max", simulator.luma_url)
    assert (ended.outcome, ended.status, ended.error) == ("done", 200, None)
    assert (ended.model, ended.job_id) == ("uni-1-max", generation.id)
    assert ended.cost == pytest.approx(0.1 / 0.003)
    counts = Counter[type](map(type, events))
    assert 0 <= ended.waited < ended.elapsed
    assert ended.attempts == counts[AttemptEnded] == counts[JobPolled] + 1
    assert counts[JobSubmitted] == counts[JobEnded] == 1
    first, *others = [event.request_id for event in events if isinstance(event, AttemptStarted)]
    assert first == started.call_id
    assert len({first, *others}) == 1 + len(others)
    assert "heron" not in repr(events)


async def test_submit_and_wait_are_two_calls_of_one_job(simulator: Simulator) -> None:
    luma, events = client(simulator)
    async with luma:
        job = await luma.generations.submit(prompt="a heron")
        await job
    (submit, wait), ends = calls(events)
    assert [submit.operation, wait.operation] == ["luma.generations.submit", "luma.generations.wait"]
    assert [end.job_id for end in ends] == [job.id, job.id]
    assert [end.cost is None for end in ends] == [False, True]
    assert wait.job_id == job.id
    assert {event.call_id for event in events if isinstance(event, JobPolled | JobEnded)} == {wait.call_id}


async def test_concurrent_calls_keep_their_ids(simulator: Simulator) -> None:
    luma, events = client(simulator)
    async with luma:
        made = await asyncio.gather(*(luma.generations.run(prompt="a heron") for _ in range(4)))
    started, ended = calls(events)
    assert len(started) == 4
    assert {end.call_id: end.job_id for end in ended}.keys() == {start.call_id for start in started}
    assert {end.job_id for end in ended} == {generation.id for generation in made}
    by_job = {end.job_id: end.call_id for end in ended}
    assert all(event.call_id == by_job[event.job_id] for event in events if isinstance(event, JobPolled))


async def test_a_call_in_on_submitted_is_a_call_of_its_own(simulator: Simulator) -> None:
    luma, events = client(simulator)

    async def look(job: Job) -> None:
        await luma.generations.get(job.id)

    async with luma:
        await luma.generations.run(prompt="a heron", on_submitted=look)
    started, _ = calls(events)
    assert [start.operation for start in started] == ["luma.generations.run", "luma.generations.get"]
    assert len({start.call_id for start in started}) == 2


async def test_a_call_in_a_task_of_a_subscriber_is_a_call_of_its_own(simulator: Simulator) -> None:
    luma, events = client(simulator)
    tasks: list[asyncio.Task[Any]] = []

    def look(event: Event) -> None:
        if isinstance(event, JobSubmitted):
            tasks.append(asyncio.create_task(luma.generations.get(event.job_id)))

    luma.events.subscribe(look)
    async with luma:
        await luma.generations.run(prompt="a heron")
        await asyncio.gather(*tasks)
    started, ended = calls(events)
    assert [start.operation for start in started] == ["luma.generations.run", "luma.generations.get"]
    polls = [event for event in events if isinstance(event, JobPolled)]
    attempts = {end.operation: end.attempts for end in ended}
    assert attempts == {"luma.generations.run": len(polls) + 1, "luma.generations.get": 1}


@pytest.mark.simulator(luma_rpm=1)
async def test_a_call_begins_before_it_waits_in_a_queue(simulator: Simulator) -> None:
    luma, events = client(simulator)
    async with luma:
        await luma.generations.create(prompt="a heron")
        events.clear()
        with pytest.raises(DeadlineExceededError):
            await luma.with_options(timeout=1).generations.create(prompt="a heron")
    assert [type(event) for event in events] == [CallStarted, Throttled, CallEnded]
    _, (ended,) = calls(events)
    assert (ended.outcome, ended.error, ended.attempts) == ("not_sent", "DeadlineExceededError", 0)
    assert ended.waited == ended.elapsed >= 0


async def test_an_error_ends_a_call(simulator: Simulator) -> None:
    luma, events = client(simulator)
    async with luma:
        with pytest.raises(NotFoundError):
            await luma.generations.get(NOBODY)
    _, (ended,) = calls(events)
    assert (ended.outcome, ended.status, ended.error) == ("refused", 404, "NotFoundError")


async def test_a_cancelled_call_ends(simulator: Simulator) -> None:
    luma, events = client(simulator)
    submitted = asyncio.Event()
    luma.events.subscribe(lambda event: submitted.set() if isinstance(event, JobSubmitted) else None)
    async with luma:
        running = asyncio.create_task(luma.generations.run(prompt="a heron"))
        await submitted.wait()
        running.cancel()
        await asyncio.wait([running])
        _, (ended,) = calls(events)
    assert (ended.error, ended.outcome) == ("CancelledError", "done")
    assert ended.job_id is not None


async def test_a_generators_call_ends_with_what_it_cost(simulator: Simulator) -> None:
    events: list[Event] = []
    async with AsyncGeneror(**patient(simulator.generor_options), on_event=events.append) as generor:
        result = await generor.generators.generate("image", model_id=10001, prompt="a heron")
    (started,), (ended,) = calls(events)
    assert (started.method, started.path) == ("POST", "/generators/{slug}/generate")
    assert started.model == "10001"
    assert (ended.cost, ended.job_id) == (result.credit_cost, str(result.creations[0].creation_id))


@pytest.mark.simulator(faults=["luma.generations.create=reset:after_charge"])
async def test_an_unknown_outcome_ends_a_call(simulator: Simulator) -> None:
    luma, events = client(simulator)
    async with luma:
        with pytest.raises(OutcomeUnknownError):
            await luma.generations.create(prompt="a heron")
    _, (ended,) = calls(events)
    assert (ended.outcome, ended.error, ended.cost) == ("unknown", "OutcomeUnknownError", None)


async def test_a_failed_job_ends_a_run_that_was_accepted(simulator: Simulator) -> None:
    luma, events = client(simulator)
    async with luma:
        with pytest.raises(ContentModeratedError):
            await luma.generations.run(prompt="a heron [[moderate]]")
    _, (ended,) = calls(events)
    assert (ended.outcome, ended.error) == ("done", "ContentModeratedError")
    assert ended.cost is not None


async def test_subscribers_come_and_go(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Event) -> None:
        raise RuntimeError("the dashboard broke")

    luma, first = client(simulator)
    second: list[Event] = []
    view = luma.with_options(max_retries=0)
    stop_failing, stop = luma.events.subscribe(fail), view.events.subscribe(second.append)
    async with luma:
        await luma.files.list().first_page()
        assert [type(event) for event in first] == [CallStarted, AttemptStarted, AttemptEnded, CallEnded]
        assert second == first
        assert caplog.text.count("subscriber failed for") == 4
        stop()
        stop()
        stop_failing()
        await luma.files.list().first_page()
    assert (len(first), len(second)) == (8, 4)


async def test_a_subscriber_is_a_plain_function(simulator: Simulator) -> None:
    async def subscriber(event: Event) -> None:
        raise AssertionError(event)

    luma, _ = client(simulator)
    async with luma:
        for wrong in (subscriber, None, "print"):
            with pytest.raises(InvalidRequestError, match="subscriber"):
                luma.events.subscribe(wrong)  # type: ignore[arg-type]


async def test_the_log_has_the_events_at_debug(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        for level in (logging.INFO, logging.DEBUG):
            caplog.set_level(level, "generor_async")
            await luma.generations.run(prompt="a heron")
    assert [record.getMessage().partition("(")[0] for record in caplog.records].count("CallEnded") == 1
    assert "heron" not in caplog.text


def test_a_blocking_client_has_the_same_events(simulator: Simulator) -> None:
    events: list[Event] = []
    with Luma(**patient(simulator.luma_options)) as luma:
        stop = luma.events.subscribe(events.append)
        luma.generations.run(prompt="a heron")
        stop()
        luma.generations.create(prompt="a heron")
    (started,), (ended,) = calls(events)
    assert started.call_id == ended.call_id
    assert ended.operation == "luma.generations.run"
