"""Luma's slots for jobs: submissions wait for them, and jobs that nobody waits for are looked at for their sake."""

import asyncio
import functools
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support.calls import KEY
from support.clock import LoopClock
from support.wire import Wire, answer

from generor_async import (
    AsyncLuma,
    ConcurrentJobsError,
    DeadlineExceededError,
    Event,
    InvalidRequestError,
    Limits,
    NotFoundError,
    OutcomeUnknownError,
    Throttled,
)
from generor_async.engine.slots import STALE_AFTER
from generor_async.luma_resources import RUN_SECONDS
from generor_async.rules.poll_failures import ODD_SECONDS
from generor_async.rules.slot_usage import UNSEEN_SECONDS
from generor_async.simulator import Simulator
from generor_async.testing import run

Scene = Callable[[], Coroutine[Any, Any, None]]
CREATE, GET = "luma.generations.create", "luma.generations.get"
LAWFUL = 3
"""Refusals that it may take to learn a ceiling: of submissions that were under way together."""


def virtual(scene: Scene) -> Callable[[], None]:
    """Run a test in virtual time."""

    @functools.wraps(scene)
    def test() -> None:
        run(scene())

    return test


def refused(simulator: Simulator) -> int:
    return sum(entry.status == 429 for entry in simulator.ledger.requests)


def asked(simulator: Simulator, operation: str) -> int:
    return sum(entry.operation == operation for entry in simulator.ledger.requests)


def crowded(luma_jobs: int = 10) -> Simulator:
    return Simulator(luma_jobs=luma_jobs, luma_rpm=10_000)


async def settle(seconds: float = 1.0) -> None:
    await asyncio.sleep(seconds)


@virtual
async def test_more_creates_in_a_row_than_there_are_slots_do_not_hang() -> None:
    async with crowded() as simulator, AsyncLuma(**simulator.luma_options) as luma:
        for number in range(25):
            await luma.generations.create(prompt=f"Number {number}")
        assert len(simulator.ledger.charges) == 25
        assert refused(simulator) <= LAWFUL
        assert asked(simulator, GET) > 0, "nobody else looked at the jobs"


@virtual
async def test_a_given_ceiling_is_never_exceeded() -> None:
    limits = Limits(jobs=4)
    async with crowded(luma_jobs=4) as simulator, AsyncLuma(**simulator.luma_options, limits=limits) as luma:
        await asyncio.gather(*(luma.generations.run(prompt=f"Number {number}") for number in range(40)))
        assert len(simulator.ledger.charges) == 40
        assert refused(simulator) == 0


@virtual
async def test_an_unknown_ceiling_is_learned() -> None:
    async with crowded() as simulator, AsyncLuma(**simulator.luma_options) as luma:
        tasks = [asyncio.create_task(luma.generations.run(prompt=f"Number {number}")) for number in range(60)]
        while not refused(simulator):
            await settle(0.1)
        await settle(2.0)
        known = luma.rate_limits.jobs
        assert known is not None
        assert (known.ceiling, known.used) == (10, 10)
        assert luma.rate_limits.queued > 0
        await asyncio.gather(*tasks)
        assert len(simulator.ledger.charges) == 60
        assert refused(simulator) <= 10


@virtual
async def test_without_retries_the_refusal_is_raised() -> None:
    async with crowded(luma_jobs=1) as simulator, AsyncLuma(**simulator.luma_options, max_retries=0) as luma:
        await luma.generations.create(prompt="The first")
        with pytest.raises(ConcurrentJobsError) as caught:
            await luma.generations.create(prompt="The second")
        assert caught.value.retry_after == 60
        assert caught.value.outcome == "refused"


@virtual
async def test_refusals_without_a_free_slot_do_not_use_up_retries() -> None:
    async with crowded(luma_jobs=1) as simulator:
        other, ours = simulator.luma_options, simulator.luma_options
        async with AsyncLuma(**other, limits=Limits(name="other")) as first, AsyncLuma(**ours, max_retries=1) as second:

            async def occupy() -> None:
                while True:
                    await first.generations.run(prompt="Theirs")

            occupant = asyncio.create_task(occupy())
            await settle()
            made = await second.generations.create(prompt="Ours")
            occupant.cancel()
        assert made.state == "queued"


@virtual
async def test_a_deadline_error_names_the_slot_that_was_waited_for() -> None:
    events: list[Event] = []
    limits = Limits(jobs=1)
    async with (
        crowded() as simulator,
        AsyncLuma(**simulator.luma_options, limits=limits, on_event=events.append) as luma,
    ):
        await luma.generations.create(prompt="The first")
        hurried = luma.with_options(queue_timeout=3.0)
        with pytest.raises(DeadlineExceededError, match="all slots for jobs are taken") as caught:
            await hurried.generations.create(prompt="The second")
        assert caught.value.waited_for == "slot"
        assert luma.rate_limits.queued == 0
    assert [event.scope for event in events if isinstance(event, Throttled)] == ["jobs"]


@virtual
async def test_polls_for_free_slots_end_with_the_wait() -> None:
    limits = Limits(jobs=1)
    async with crowded() as simulator, AsyncLuma(**simulator.luma_options, limits=limits) as luma:
        before = len(asyncio.all_tasks())
        await luma.generations.create(prompt="The first")
        waiting = [asyncio.create_task(luma.generations.create(prompt="Another")) for _ in range(1_000)]
        await settle()
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        await settle(0.0)
        assert luma.rate_limits.queued == 0
        assert len(asyncio.all_tasks()) <= before + 1, "the simulator's connection alone"
        looks = asked(simulator, GET)
        await settle(10 * STALE_AFTER)
        assert asked(simulator, GET) == looks
        assert len(simulator.ledger.charges) == 1


@virtual
async def test_a_job_that_does_not_exist_any_more_frees_its_slot() -> None:
    """One that another key submitted, say: looking at it ends in a 404."""
    limits = Limits(jobs=1, name="both keys")
    async with (
        crowded() as simulator,
        AsyncLuma(
            **dict[str, Any](simulator.luma_options, api_key=simulator.luma.keys["other"]), limits=limits
        ) as theirs,
        AsyncLuma(**simulator.luma_options, limits=limits) as ours,
    ):
        await theirs.generations.create(prompt="Theirs")
        began = asyncio.get_running_loop().time()
        await ours.generations.create(prompt="Ours")
        assert STALE_AFTER + ODD_SECONDS <= asyncio.get_running_loop().time() - began < 3 * STALE_AFTER


@virtual
async def test_a_job_that_is_missing_once_keeps_its_slot() -> None:
    async with crowded() as simulator, AsyncLuma(**simulator.luma_options, limits=Limits(jobs=1)) as luma:
        made = await luma.generations.create(prompt="A heron")
        jobs = simulator.luma.generations
        kept = dict(jobs)
        jobs.clear()
        with pytest.raises(NotFoundError):
            await luma.generations.get(made.id)
        jobs.update(kept)
        assert luma.rate_limits.jobs is not None
        assert luma.rate_limits.jobs.used == 1


@virtual
async def test_a_job_of_an_earlier_process_takes_its_slot_again_when_it_is_polled() -> None:
    async with crowded() as simulator:
        async with AsyncLuma(**simulator.luma_options) as before:
            made = await before.generations.create(prompt="Earlier")
        limits = Limits(jobs=1)
        async with AsyncLuma(**simulator.luma_options, limits=limits) as luma:
            await luma.generations.job(made.id).refresh()
            assert luma.rate_limits.jobs is not None
            assert luma.rate_limits.jobs.used == 1
            await luma.generations.create(prompt="Later")
            ended = await luma.generations.get(made.id)
            assert ended.state in {"completed", "failed"}


@virtual
async def test_a_submission_of_unknown_outcome_holds_a_slot_until_its_job_must_have_ended() -> None:
    limits = Limits(jobs=1)
    async with crowded() as simulator, AsyncLuma(**simulator.luma_options, limits=limits) as luma:
        simulator.faults.add(operation=CREATE, fault="reset", when="after_charge", times=1)
        with pytest.raises(OutcomeUnknownError):
            await luma.generations.create(prompt="Lost")
        assert luma.rate_limits.jobs is not None
        assert luma.rate_limits.jobs.used == 1
        began = asyncio.get_running_loop().time()
        await luma.generations.create(prompt="The next")
        assert 0 < asyncio.get_running_loop().time() - began <= UNSEEN_SECONDS


@virtual
async def test_a_job_that_has_ended_by_the_time_it_is_answered_holds_no_slot() -> None:
    made: dict[str, Any] = {
        "id": "one",
        "type": "image",
        "model": "uni-1",
        "created_at": "2026-04-08T12:00:00Z",
        "output": [],
    }
    limits = Limits(jobs=1)
    async with (
        Wire(answer(201, {**made, "state": "failed"}), answer(201, {**made, "id": "two", "state": "queued"})) as wire,
        AsyncLuma(KEY, base_url=wire.url, clock=LoopClock(), limits=limits) as luma,
    ):
        await luma.generations.create(prompt="The first")
        assert luma.rate_limits.jobs is not None
        assert luma.rate_limits.jobs.used == 0
        await asyncio.wait_for(luma.generations.create(prompt="The second"), 1)
        assert luma.rate_limits.jobs.used == 1


def made(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"job-{number}",
        "type": "image",
        "model": "uni-1",
        "state": "queued",
        "created_at": "2026-04-08T12:00:00Z",
        "output": [],
        **fields,
    }


@virtual
async def test_the_numbers_in_a_refusal_are_used() -> None:
    refusal = {"detail": "Concurrent generation capacity reached (limit=7 weight units, this request needs 6)"}
    answers = [answer(201, made(1)), answer(201, made(2)), answer(429, refusal), answer(201, made(3))]
    async with Wire(*answers) as wire, AsyncLuma(KEY, base_url=wire.url, clock=LoopClock(), max_retries=0) as luma:
        for _ in range(2):
            await luma.generations.create(prompt="Light")
        with pytest.raises(ConcurrentJobsError):
            await luma.generations.create(prompt="Heavy", model="ray-3.2", type="video")
        assert luma.rate_limits.jobs is not None
        assert (luma.rate_limits.jobs.ceiling, luma.rate_limits.jobs.used) == (7, 2)
        with pytest.raises(DeadlineExceededError, match="all slots for jobs are taken"):
            await luma.with_options(queue_timeout=1.0).generations.create(prompt="Too", model="ray-3.2", type="video")
        await luma.generations.create(prompt="Light")
        assert luma.rate_limits.jobs.used == 3
        assert len(wire.requests) == 4


@virtual
async def test_a_job_takes_the_units_of_its_model_and_type() -> None:
    heavy: dict[str, Any] = {"model": "uni-1-max", "type": "image_edit"}
    answers = [answer(201, made(1, **heavy)), answer(200, made(2, **heavy, state="processing")), answer(201, made(3))]
    async with Wire(*answers) as wire, AsyncLuma(KEY, base_url=wire.url, clock=LoopClock()) as luma:
        await luma.generations.create(prompt="An edit", source={"url": "https://example.com/a.png"}, **heavy)
        await luma.generations.get("job-2")
        await luma.generations.create(prompt="An image")
        assert luma.rate_limits.jobs is not None
        assert luma.rate_limits.jobs.used == 7


@virtual
async def test_a_submission_that_was_refused_for_another_reason_gives_its_slot_back() -> None:
    limits = Limits(jobs=1)
    async with crowded() as simulator, AsyncLuma(**simulator.luma_options, limits=limits) as luma:
        with pytest.raises(InvalidRequestError):
            await luma.generations.create(prompt="")
        with pytest.raises(Exception, match=r"[Mm]odel"):
            await luma.with_options(extra_body={"model": "no-such-model"}).generations.create(prompt="Wrong")
        assert luma.rate_limits.jobs is not None
        assert luma.rate_limits.jobs.used == 0
        await asyncio.wait_for(luma.generations.create(prompt="Right"), 1)


@virtual
async def test_the_next_slot_goes_to_the_most_urgent_call() -> None:
    limits = Limits(jobs=1)
    ended: list[str] = []
    async with crowded() as simulator, AsyncLuma(**simulator.luma_options, limits=limits) as luma:

        async def submit(name: str, **how: Any) -> None:
            await luma.with_options(**how).generations.create(prompt=name)
            ended.append(name)

        await luma.generations.create(prompt="The first")
        tasks = [asyncio.create_task(submit("bulk", priority="bulk"))]
        await settle()
        tasks.append(asyncio.create_task(submit("interactive", priority="interactive")))
        await asyncio.gather(*tasks)
    assert ended == ["interactive", "bulk"]


@virtual
async def test_jobs_are_polled_while_submissions_wait() -> None:
    limits = Limits(jobs=1)
    async with crowded() as simulator, AsyncLuma(**simulator.luma_options, limits=limits) as luma:
        made = await luma.generations.create(prompt="The first")
        waiting = asyncio.create_task(luma.generations.create(prompt="The second"))
        await settle()
        began = asyncio.get_running_loop().time()
        await luma.generations.get(made.id)
        assert asyncio.get_running_loop().time() - began < 0.1
        assert not waiting.done()
        waiting.cancel()


@virtual
async def test_gathered_runs_all_succeed_however_long_they_queue() -> None:
    """The queue waits as long as it must: a run's own 1,800 s begin when its job is submitted."""
    async with Simulator(luma_jobs=1_000, luma_rpm=10) as simulator, AsyncLuma(**simulator.luma_options) as luma:
        await asyncio.gather(*(luma.generations.run(prompt=f"Number {number}") for number in range(310)))
        assert asyncio.get_running_loop().time() > RUN_SECONDS
        assert len(simulator.ledger.charges) == 310
        assert refused(simulator) == 0


@pytest.mark.parametrize("jobs", [0, -1, 2.5, True, math.inf])
def test_a_ceiling_is_a_whole_number(jobs: Any) -> None:
    with pytest.raises(InvalidRequestError, match="jobs must be a whole number of jobs at once"):
        Limits(jobs=jobs)
