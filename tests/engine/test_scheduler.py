"""One look for each job that is due: shared by all who wait, bounded, in time, and none where nobody waits."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

import pytest
import trustme
from attrs import evolve
from engine.test_jobs import Thing, kind, state
from engine.test_jobs import look as ours
from support.calls import KEY, BareGeneror, BareLuma
from support.clock import FakeClock, LoopClock
from support.tls import served_by
from support.wire import Step, Wire, answer, hang_up, stall

from generor_async import DeadlineExceededError, NotFoundError
from generor_async.engine.jobs import JobWaiter, TrackedJob
from generor_async.engine.scheduler import LAST_POLL, POLLS_AT_ONCE
from generor_async.errors import APIConnectionError
from generor_async.rules.http_types import Operation
from generor_async.rules.schedule import (
    BACKLOG_AGE,
    LEAST_SPACING,
    LEAST_SPACING_IN_BACKLOG,
    MOST_SPACING,
    MOST_SPACING_BY_PRIOR,
)
from generor_async.rules.vendors import GENEROR
from generor_async.testing import run
from generor_async.values import JobPolled, response_to

GONE = answer(404, {"detail": "Generation not found"})


class World:
    """Jobs of a scripted server, watched in virtual time."""

    def __init__(self, *steps: Step, **options: Any) -> None:
        self.wire = Wire(*steps)
        self.options = options
        self.polled: list[tuple[str, float]] = []

    async def __aenter__(self) -> "World":
        await self.wire.__aenter__()
        self.clock = LoopClock()
        self.client = BareLuma(
            KEY, base_url=self.wire.url, clock=self.clock, on_event=self._note, max_connections=2 * POLLS_AT_ONCE
        )
        self.watch: JobWaiter[Thing] = self.client.watch(kind(), **self.options)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()
        await self.wire.__aexit__()

    def _note(self, event: object) -> None:
        if isinstance(event, JobPolled):
            self.polled.append((event.job_id, round(self.clock.monotonic(), 1)))

    def submitted(self, job_id: str = "gen-1") -> TrackedJob[Thing]:
        return self.watch.track_submitted(job_id, Thing(state="queued"), None)

    async def ended(self, job: TrackedJob[Thing], timeout: float = 1_000.0) -> str:
        return (await self.watch.wait(job, timeout=timeout)).state

    async def teach(self, seconds: float, count: int = 5) -> None:
        """Have jobs of that duration end, and be seen to."""
        for _ in range(count):
            now = self.clock.monotonic()
            await self.ended(TrackedJob("gen-0", submitted_at=now - seconds, unfinished_at=now - LEAST_SPACING))
        self.polled.clear()


def our_tasks() -> "set[asyncio.Task[Any]]":
    """Return all tasks but the test's and the server's."""
    return {task for task in asyncio.all_tasks() - {asyncio.current_task()} if "Wire." not in repr(task)}


def play(scene: Callable[[World], Coroutine[Any, Any, None]], *steps: Step, **options: Any) -> None:
    """Run a scene in virtual time."""

    async def main() -> None:
        async with World(*steps, **options) as world:
            await scene(world)

    run(main())


def test_all_waits_for_a_job_share_its_polls() -> None:
    async def scene(world: World) -> None:
        mine, theirs = world.submitted(), TrackedJob[Thing]("gen-1")
        waits = [asyncio.ensure_future(world.ended(job)) for job in (mine, mine, theirs)]
        changes = [found.state async for found in world.watch.changes(mine, timeout=100.0)]
        assert changes == ["queued", "processing", "completed"]
        assert await asyncio.gather(*waits) == ["completed"] * 3
        assert theirs.last_seen is mine.last_seen

    play(scene, state("processing"), state("completed"))


def test_another_wait_does_not_advance_the_next_poll() -> None:
    async def scene(world: World) -> None:
        waits = [asyncio.ensure_future(world.ended(world.submitted())) for _ in range(50)]
        await asyncio.sleep(1)
        waits += [asyncio.ensure_future(world.ended(TrackedJob("gen-1"))) for _ in range(50)]
        assert set(await asyncio.gather(*waits)) == {"completed"}
        assert world.polled == [("gen-1", 2.0), ("gen-1", 5.0)]

    play(scene, state("processing"), state("completed"))


def test_each_wait_for_a_missing_job_gets_an_error_of_its_own() -> None:
    async def scene(world: World) -> None:
        jobs = [TrackedJob[Thing]("never seen") for _ in range(3)]
        found = await asyncio.gather(*map(world.ended, jobs), return_exceptions=True)
        assert {type(error) for error in found} == {NotFoundError}
        assert {getattr(error, "job_id", None) for error in found} == {"never seen"}
        assert len(set(map(id, found))) == 3
        assert [job.error for job in jobs] == found
        assert len(world.wire.requests) == 1

    play(scene, GONE)


def test_a_job_without_waits_is_not_polled() -> None:
    async def scene(world: World) -> None:
        first, second = (asyncio.ensure_future(world.ended(world.submitted())) for _ in range(2))
        await asyncio.sleep(6)
        first.cancel()
        await asyncio.sleep(6)
        assert len(world.polled) == 3, "somebody still waits"
        second.cancel()
        await asyncio.sleep(100)
        assert len(world.polled) == 3
        assert not our_tasks()

    play(scene, state("processing"))


def test_a_poll_is_cancelled_when_the_last_wait_ends() -> None:
    async def scene(world: World) -> None:
        wait = asyncio.ensure_future(world.ended(TrackedJob("gen-1")))
        await world.wire.arrived()
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        await asyncio.sleep(0)
        assert await world.ended(TrackedJob("gen-1")) == "completed", "and the next wait begins anew"

    play(scene, stall, state("completed"))


def test_a_state_that_one_wait_brings_along_ends_the_others() -> None:
    async def scene(world: World) -> None:
        mine = world.submitted()
        wait = asyncio.ensure_future(world.ended(mine))
        await asyncio.sleep(1)
        world.watch.note_poll(mine, Thing(state="completed"))
        assert await world.ended(TrackedJob("gen-1")) == "completed"
        assert await wait == "completed"
        await asyncio.sleep(100)
        assert not world.wire.requests

    play(scene, state("completed"))


def test_only_so_many_polls_run_at_once() -> None:
    async def scene(world: World) -> None:
        jobs = [TrackedJob[Thing](f"gen-{number}") for number in range(3 * POLLS_AT_ONCE)]
        waits = [asyncio.ensure_future(world.ended(job, timeout=20)) for job in jobs]
        await asyncio.sleep(10)
        assert len(world.wire.requests) == POLLS_AT_ONCE
        found = await asyncio.gather(*waits, return_exceptions=True)
        assert {type(error) for error in found} == {DeadlineExceededError}
        assert len(world.wire.requests) == POLLS_AT_ONCE

    play(scene, stall)


def test_a_poll_that_ends_makes_room_for_the_next_due() -> None:
    async def scene(world: World) -> None:
        jobs = [TrackedJob[Thing](f"gen-{number}") for number in range(3 * POLLS_AT_ONCE)]
        assert set(await asyncio.gather(*map(world.ended, jobs))) == {"completed"}

    play(scene, state("completed"))


def test_there_is_a_last_poll_before_a_deadline() -> None:
    async def scene(world: World) -> None:
        await world.teach(200)
        job = world.submitted()
        began = world.clock.monotonic()
        with pytest.raises(DeadlineExceededError, match="within 9 s"):
            await world.ended(job, timeout=9)
        assert [at - began for _, at in world.polled] == [pytest.approx(9 - LAST_POLL, abs=0.1)]
        assert job.last_seen is not None
        assert job.last_seen.state == "processing"

    play(scene, *[state("completed")] * 5, state("processing"))


def test_other_waits_continue_when_one_runs_out_of_time() -> None:
    async def scene(world: World) -> None:
        patient = asyncio.ensure_future(world.ended(world.submitted()))
        with pytest.raises(DeadlineExceededError):
            await world.ended(world.submitted(), timeout=12)
        assert await patient == "completed"

    play(scene, *[state("processing")] * 5, state("completed"))


def test_a_deadline_during_a_poll_ends_one_wait_and_not_the_poll() -> None:
    async def slow(peer: Any, request: Any) -> None:
        await asyncio.sleep(10)
        await state("completed")(peer, request)

    async def scene(world: World) -> None:
        patient = asyncio.ensure_future(world.ended(TrackedJob("gen-1")))
        await world.wire.arrived()
        began = world.clock.monotonic()
        with pytest.raises(DeadlineExceededError):
            await world.ended(TrackedJob("gen-1"), timeout=4)
        assert world.clock.monotonic() - began == pytest.approx(4, abs=0.1)
        assert await patient == "completed"
        assert len(world.wire.requests) == 1

    play(scene, slow)


def test_long_jobs_are_polled_when_they_may_be_done() -> None:
    async def scene(world: World) -> None:
        await world.teach(40, count=30)
        job = world.submitted()
        began = world.clock.monotonic()
        wait = asyncio.ensure_future(world.ended(job, timeout=200))
        await asyncio.sleep(60)
        wait.cancel()
        ages = [at - began for _, at in world.polled]
        assert ages[0] == pytest.approx(MOST_SPACING, abs=0.2)
        assert sum(30 < age < 50 for age in ages) >= 6
        assert len(ages) <= 14

    play(scene, *[state("completed")] * 30, state("processing"))


def test_the_usual_duration_spaces_the_polls_of_first_jobs_unless_calls_wait() -> None:
    def usual(_: Hashable) -> float:
        return 60.0

    def scene(ages: list[float], backlog: int) -> Callable[[World], Coroutine[Any, Any, None]]:
        async def wait(world: World) -> None:
            watch: JobWaiter[Thing] = world.client.watch(kind(prior=usual), backlog=lambda: backlog)
            await watch.wait(watch.track_submitted("gen-1", Thing(state="queued"), None), timeout=100.0)
            assert [at for _, at in world.polled] == ages

        return wait

    steps = [*[state("processing")] * 2, state("completed")]
    play(scene([MOST_SPACING_BY_PRIOR, 2 * MOST_SPACING_BY_PRIOR, 2 * MOST_SPACING_BY_PRIOR + MOST_SPACING], 0), *steps)
    play(scene([MOST_SPACING_BY_PRIOR, BACKLOG_AGE + LEAST_SPACING, BACKLOG_AGE + 2 * LEAST_SPACING], 100), *steps)


def test_the_age_of_a_resumed_job_is_by_the_servers_clock() -> None:
    old = {"created_at": "2026-04-08T12:00:00+00:00"}
    now = {"Date": "Wed, 08 Apr 2026 12:00:38 GMT"}
    running = answer(200, {"state": "processing", **old}, headers=now)

    async def scene(world: World) -> None:
        await world.teach(40, count=30)
        job = TrackedJob[Thing]("gen-1")
        wait = asyncio.ensure_future(world.ended(job))
        await asyncio.sleep(3)
        wait.cancel()
        assert len(world.polled) == 2, "it is old enough to be looked at often"
        assert job.submitted_at is None or job.submitted_at == pytest.approx(world.clock.monotonic() - 41, abs=0.2)

    play(scene, *[state("completed")] * 30, running)


def test_no_duration_is_learned_from_a_job_that_had_ended_before_its_first_poll() -> None:
    old = {"created_at": "2026-04-08T12:00:00+00:00"}
    ended = answer(200, {"state": "completed", **old}, headers={"Date": "Wed, 08 Apr 2026 12:30:00 GMT"})

    async def scene(world: World) -> None:
        for number in range(5):
            await world.ended(TrackedJob(f"gen-{number}"))
        world.polled.clear()
        began = world.clock.monotonic()
        await world.ended(world.submitted())
        assert world.polled[0][1] - began == pytest.approx(2, abs=0.1)

    play(scene, *[ended] * 5, state("processing"), state("completed"))


def test_no_poll_comes_sooner_than_the_server_asks() -> None:
    busy = answer(429, {"detail": "Rate limit exceeded"}, headers={"Retry-After": "37"})

    async def scene(world: World) -> None:
        assert await world.ended(world.submitted()) == "completed"
        assert world.clock.monotonic() == pytest.approx(39, abs=0.2)
        assert len(world.wire.requests) == 2

    play(scene, busy, state("completed"))


def test_only_the_schedule_repeats_polls() -> None:
    async def scene(world: World) -> None:
        assert await world.ended(world.submitted()) == "completed"
        assert world.clock.monotonic() == pytest.approx(10, abs=0.2)

    play(scene, hang_up, hang_up, state("completed"))


async def test_a_permanent_error_ends_the_wait() -> None:
    async with Wire(tls=served_by(trustme.CA())) as wire, BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client:
        watch: JobWaiter[Thing] = client.watch(kind())
        with pytest.raises(APIConnectionError, match="certificate"):
            await watch.wait(TrackedJob("gen-1"), timeout=100.0)


def test_an_outdated_answer_is_no_change() -> None:
    async def scene(world: World) -> None:
        job = world.submitted()
        states = [found.state async for found in world.watch.changes(job, timeout=100.0)]
        assert states == ["queued", "processing", "completed"]

    play(scene, state("processing"), state("queued"), state("processing"), state("completed"))


def test_a_backlog_makes_polls_more_frequent() -> None:
    async def scene(world: World) -> None:
        assert await world.ended(world.submitted()) == "completed"
        assert [at for _, at in world.polled] == [1.0, 2.3, 3.7, 5.0]

    play(scene, *[state("processing")] * 3, state("completed"), backlog=lambda: 100)


@pytest.mark.parametrize(("backlog", "seconds"), [(0, LEAST_SPACING), (100, LEAST_SPACING_IN_BACKLOG)])
def test_a_repeated_wait_keeps_the_distance_from_the_last_poll(backlog: int, seconds: float) -> None:
    async def scene(world: World) -> None:
        job: TrackedJob[Thing] = TrackedJob(
            "gen-0", submitted_at=world.clock.monotonic(), unfinished_at=world.clock.monotonic()
        )
        assert await world.ended(job) == "completed"
        assert [at for _, at in world.polled] == [seconds]

    play(scene, state("completed"), backlog=lambda: backlog)


def test_polls_are_rarer_where_they_use_up_a_quota() -> None:
    def scarce(name: str) -> Step:
        told = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "8", "X-RateLimit-Reset": "1775649660"}
        return answer(200, {"state": name}, headers=told)

    def look(job_id: str) -> Operation[Thing]:
        operation = ours(job_id)
        return evolve(operation, endpoint=evolve(operation.endpoint, vendor=GENEROR, quota=("minute",)))

    async def main() -> list[float]:
        polled: list[float] = []

        def note(event: object) -> None:
            if isinstance(event, JobPolled):
                polled.append(round(clock.monotonic()))

        async with Wire(scarce("processing"), scarce("processing"), scarce("completed")) as wire:
            clock = LoopClock()
            client = BareGeneror("gnr_live_0123456789", base_url=wire.url, clock=clock, on_event=note)
            async with client:
                watch: JobWaiter[Thing] = client.watch(kind(poll=look))
                await watch.wait(watch.track_submitted("gen-1", Thing(state="queued"), None), timeout=1_000.0)
        return polled

    first, second, third = run(main())
    assert first == 2
    assert 7 <= second - first <= 9, "three times as long as with plenty left"
    assert third - second >= 13


def test_a_poll_that_is_cancelled_from_outside_ends_the_waits() -> None:
    async def scene(world: World) -> None:
        wait = asyncio.ensure_future(world.ended(TrackedJob("gen-1")))
        known = our_tasks()
        await world.wire.arrived()
        (look,) = our_tasks() - known
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait

    play(scene, stall)


async def test_each_event_loop_polls_by_itself() -> None:
    async with Wire(state("completed")) as wire:
        client = BareLuma(KEY, base_url=wire.url)
        watch: JobWaiter[Thing] = client.watch(kind())

        async def elsewhere() -> str:
            async with client:
                return (await watch.wait(TrackedJob("gen-2"), timeout=10.0)).state

        async with client:
            here = (await watch.wait(TrackedJob("gen-1"), timeout=10.0)).state
            assert (here, await asyncio.to_thread(asyncio.run, elsewhere())) == ("completed", "completed")


def test_only_a_job_that_has_ended_keeps_its_headers() -> None:
    async def scene(world: World) -> None:
        job = world.submitted()
        kept: list[int] = []
        async for found in world.watch.changes(job, timeout=100.0):
            info = response_to(found)
            kept.append(len(info.headers) if info else 0)
        assert kept[:2] == [0, 0]
        assert kept[2] > 0

    play(scene, state("processing"), state("completed"))
