"""Jobs and downloads of the Luma client, on real sockets and a clock that nobody has to wait for."""

import asyncio
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.clock import FakeClock
from support.wire import Step, Wire, answer, closed_port, hang_up, stall, truncated

from generor_async import (
    AsyncLuma,
    BudgetExhaustedError,
    ContentModeratedError,
    DeadlineExceededError,
    DownloadError,
    Event,
    GenerationFailedError,
    InputRejectedError,
    InvalidRequestError,
    Job,
    JobEnded,
    JobPolled,
    JobSubmitted,
    MissingAPIKeyError,
    NotFoundError,
    OutcomeUnknownError,
    OutputNotFoundError,
    Secret,
    response_of,
)
from generor_async.rules.schedule import LUMA_PRIORS
from generor_async.simulator import Simulator
from generor_async.simulator.luma.models import MODELS
from generor_async.testing import run

JOB = "d290f1ee-6c54-4b01-90e6-d701748f0851"
KEY = "luma-api-0123456789"


def generation(state: str, **known: Any) -> dict[str, Any]:
    return {
        "id": JOB,
        "type": "image",
        "state": state,
        "model": "uni-1",
        "created_at": "2026-04-08T12:00:00Z",
        "output": [],
        "failure_reason": None,
        "failure_code": None,
        **known,
    }


def created() -> Step:
    return answer(201, generation("queued"))


def seen(state: str, **known: Any) -> Step:
    return answer(200, generation(state, **known))


def client(wire: Wire, **options: Any) -> AsyncLuma:
    options.setdefault("clock", FakeClock())
    return AsyncLuma(KEY, base_url=wire.url, **options)


async def test_run_submits_once_and_polls_until_the_job_is_completed() -> None:
    steps = (created(), seen("queued"), seen("processing"), seen("processing"), seen("completed"))
    async with Wire(*steps) as wire, client(wire) as luma:
        done = await luma.generations.run(prompt="a heron")
    assert done.state == "completed"
    assert [request.method for request in wire.requests] == ["POST", "GET", "GET", "GET", "GET"]
    assert response_of(done).status == 200


@pytest.mark.parametrize(("model", "ages"), [("uni-1", [10, 20, 27, 32]), ("uni-9", [2, 5, 10, 15])])
async def test_the_first_job_is_polled_when_one_of_its_model_is_usually_done_or_else_as_documented(
    model: str, ages: list[int]
) -> None:
    clock = FakeClock()
    began = clock.monotonic()
    polled: list[int] = []

    def note(event: Event) -> None:
        if isinstance(event, JobPolled):
            polled.append(round(clock.monotonic() - began))

    steps = (answer(201, generation("queued", model=model)), *[seen("processing", model=model)] * 3, seen("completed"))
    async with Wire(*steps) as wire, client(wire, clock=clock, on_event=note) as luma:
        await luma.generations.run(prompt="a heron", model=model)
    assert polled == ages


def test_a_job_of_every_known_model_and_type_has_a_prior() -> None:
    kinds = {(name, kind) for name, model in MODELS.items() for kind in model.types}
    assert kinds == set(LUMA_PRIORS)


async def test_updates_yield_each_change_of_state_once() -> None:
    steps = (created(), seen("queued"), seen("processing"), seen("processing"), seen("completed"))
    async with Wire(*steps) as wire, client(wire) as luma:
        job = await luma.generations.submit(prompt="a heron")
        states = [update.state async for update in job.updates()]
    assert states == ["queued", "processing", "completed"]
    assert job.generation is not None
    assert job.generation.state == "completed"


async def test_an_unknown_state_is_not_terminal_and_told_once() -> None:
    steps = (created(), seen("polishing"), seen("polishing"), seen("completed"))
    async with Wire(*steps) as wire, client(wire) as luma:
        job = await luma.generations.submit(prompt="a heron")
        assert [update.state async for update in job.updates()] == ["queued", "polishing", "completed"]


async def test_a_job_is_taken_up_by_its_id_without_a_request_and_looked_at_at_once() -> None:
    clock = FakeClock()
    async with Wire(seen("completed")) as wire, client(wire, clock=clock) as luma:
        job = luma.generations.job(JOB)
        assert wire.requests == []
        assert repr(job) == f"Job('{JOB}', not polled yet)"
        assert (await job).state == "completed"
    assert clock.slept == []
    assert wire.requests[0].target == f"/generations/{JOB}"


async def test_waiting_for_a_job_that_has_ended_asks_nobody() -> None:
    async with Wire(created(), seen("completed")) as wire, client(wire) as luma:
        job = await luma.generations.submit(prompt="a heron")
        first = await job
        assert await job is first
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    ("code", "error_class", "retryable"),
    [
        ("content_moderated", ContentModeratedError, False),
        ("generation_failed", GenerationFailedError, True),
        ("budget_exhausted", BudgetExhaustedError, False),
        ("output_not_found", OutputNotFoundError, True),
        ("image_too_large", InputRejectedError, False),
        ("rate_limited", GenerationFailedError, True),
        ("never_heard_of", GenerationFailedError, False),
    ],
)
async def test_a_failed_job_raises_the_class_of_its_code(
    code: str, error_class: type[GenerationFailedError], retryable: bool
) -> None:
    failed = seen("failed", failure_code=code, failure_reason="because")
    async with Wire(created(), failed) as wire, client(wire) as luma:
        with pytest.raises(error_class) as caught:
            await luma.generations.run(prompt="a heron")
    assert type(caught.value) is error_class
    assert (caught.value.code, caught.value.reason, caught.value.retryable) == (code, "because", retryable)
    assert caught.value.generation.id == JOB
    assert JOB in str(caught.value)


@pytest.mark.parametrize("trouble", [hang_up, answer(500, b"<html>", content_type="text/html"), answer(504)])
async def test_a_look_that_fails_is_not_the_job_failing(trouble: Step) -> None:
    steps = (created(), *[trouble] * 8, seen("completed"))
    async with Wire(*steps) as wire, client(wire) as luma:
        assert (await luma.generations.run(prompt="a heron")).state == "completed"
    assert [request.method for request in wire.requests].count("POST") == 1


async def test_a_404_on_a_look_is_final_and_says_whose_it_may_be() -> None:
    async with Wire(answer(404, {"detail": "Generation not found"})) as wire, client(wire) as luma:
        with pytest.raises(NotFoundError, match="submitted with the same API key"):
            await luma.generations.job("00000000-0000-4000-8000-000000000404").wait()
    assert len(wire.requests) == 1


async def test_a_wait_that_runs_out_of_time_names_the_job_which_goes_on() -> None:
    clock = FakeClock()
    async with Wire(created(), seen("processing")) as wire, client(wire, clock=clock) as luma:
        job = await luma.generations.submit(prompt="a heron")
        with pytest.raises(DeadlineExceededError, match=rf"generations\.job\('{JOB}'\)") as caught:
            await job.wait(timeout=12)
    assert (caught.value.waited_for, caught.value.job_id) == ("poll", JOB)
    assert sum(clock.slept) <= 12


async def test_the_timeout_of_a_client_covers_submission_and_polls_of_a_run() -> None:
    clock = FakeClock()
    async with Wire(created(), seen("processing")) as wire, client(wire, clock=clock, timeout=20) as luma:
        with pytest.raises(DeadlineExceededError) as caught:
            await luma.generations.run(prompt="a heron")
    assert caught.value.job_id == JOB
    assert sum(clock.slept) <= 20


async def test_a_run_without_a_timeout_gives_up_after_half_an_hour() -> None:
    clock = FakeClock()
    async with Wire(created(), seen("processing")) as wire, client(wire, clock=clock) as luma:
        with pytest.raises(DeadlineExceededError):
            await luma.generations.run(prompt="a heron")
    assert 1_790 <= sum(clock.slept) <= 1_800


async def test_a_wait_has_no_end_of_its_own() -> None:
    clock = FakeClock()
    steps = (created(), *[seen("processing")] * 500, seen("completed"))
    async with Wire(*steps) as wire, client(wire, clock=clock) as luma:
        job = await luma.generations.submit(prompt="a heron")
        assert (await job.wait(timeout=math.inf)).state == "completed"
    assert sum(clock.slept) > 1_800


async def test_a_cancelled_wait_names_the_job() -> None:
    class Stuck(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.Event().wait()

    async with Wire(created()) as wire, client(wire, clock=Stuck()) as luma:
        job = await luma.generations.submit(prompt="a heron")
        task = asyncio.create_task(job.wait())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert any(JOB in note for note in caught.value.__notes__)


async def test_a_wait_that_is_cancelled_in_the_middle_of_a_look_names_the_job_too() -> None:
    async with Wire(stall) as wire, client(wire) as luma:
        task = asyncio.create_task(luma.generations.job(JOB).wait())
        await wire.arrived()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    assert any(JOB in note for note in caught.value.__notes__)


async def test_a_lost_answer_to_a_submission_is_unknown_and_never_sent_again() -> None:
    async with Wire(hang_up) as wire, client(wire) as luma:
        with pytest.raises(OutcomeUnknownError, match="Luma lists no jobs"):
            await luma.generations.run(prompt="a heron")
    assert len(wire.requests) == 1


async def test_what_came_of_a_broken_answer_is_kept_with_any_id_in_it() -> None:
    broken = truncated(f'{{"id": "{JOB}", "type": "im'.encode(), promised=300, status=201)
    async with Wire(broken) as wire, client(wire) as luma:
        with pytest.raises(OutcomeUnknownError) as caught:
            await luma.generations.create(prompt="a heron")
    assert caught.value.ids == (JOB,)
    assert JOB in caught.value.body
    assert len(wire.requests) == 1


async def test_events_tell_the_life_of_a_job() -> None:
    events: list[Event] = []
    steps = (created(), seen("processing"), seen("completed"))
    async with Wire(*steps) as wire, client(wire, on_event=events.append) as luma:
        await luma.generations.run(prompt="a heron")
    submitted = [(event.job_id, event.model) for event in events if isinstance(event, JobSubmitted)]
    assert submitted == [(JOB, "uni-1")]
    assert [event.state for event in events if isinstance(event, JobPolled)] == ["processing", "completed"]
    assert [event.state for event in events if isinstance(event, JobEnded)] == ["completed"]
    assert "heron" not in repr(events)


async def test_refresh_looks_once() -> None:
    async with Wire(seen("processing")) as wire, client(wire) as luma:
        job = luma.generations.job(JOB)
        assert (await job.refresh()).state == "processing"
        assert repr(job) == f"Job('{JOB}', processing)"


async def test_what_remains_of_a_job_is_known_by_its_type_and_age() -> None:
    clock = FakeClock()
    steps = (created(), seen("processing"), seen("completed"))
    async with Wire(*steps) as wire, client(wire, clock=clock) as luma:
        assert luma.generations.job(JOB).expected_seconds is None  # it was never polled
        job = await luma.generations.submit(prompt="a heron")
        assert job.expected_seconds == pytest.approx(LUMA_PRIORS["uni-1", "image"], abs=3)
        await clock.sleep(20.0)
        left = job.expected_seconds
        assert left is not None
        assert 5 < left < 15
        await clock.sleep(1e6)
        assert job.expected_seconds is None  # no job is known to run as long
        await job.refresh()
        await job
        assert job.expected_seconds == 0.0


async def test_nothing_is_known_of_jobs_of_an_unknown_type_before_one_has_ended() -> None:
    clock = FakeClock()
    models = {"model": "uni-9"}
    ends = (answer(201, generation("queued", **models)), seen("processing", **models), seen("completed", **models))
    async with Wire(*ends, answer(201, generation("queued", **models))) as wire, client(wire, clock=clock) as luma:
        job = await luma.generations.submit(prompt="a heron", model="uni-9")
        assert job.expected_seconds is None
        await job
        again = await luma.generations.submit(prompt="a heron", model="uni-9")
        assert again.expected_seconds is not None
        assert again.expected_seconds > 1


async def test_outputs_are_downloaded_under_names_of_ours_and_without_the_key(tmp_path: Path) -> None:
    async with Wire(answer(200, b"\x89PNG\r\n\x1a\n....", content_type="image/png")) as host:
        outputs = [{"type": "image", "url": f"{host.url}/../../etc/{n}?X-Amz-Signature=s"} for n in range(3)]
        async with Wire(seen("completed", output=outputs)) as wire, client(wire) as luma:
            job: Job = luma.generations.job(JOB)
            await job
            paths = await job.download(tmp_path / "out")
    assert paths == [tmp_path / f"out/{JOB}-{n}.png" for n in range(3)]
    assert all(path.read_bytes() == b"\x89PNG\r\n\x1a\n...." for path in paths)
    assert all("Authorization" not in request.headers for request in host.requests)


async def test_an_expired_url_is_fetched_anew(tmp_path: Path) -> None:
    refused, picture = answer(403, b"<Error/>"), answer(200, b"GIF89a", content_type="image/gif")
    async with Wire(refused, picture) as host:
        old, new = ([{"type": "image", "url": f"{host.url}/{name}"}] for name in ("old", "new"))
        async with Wire(seen("completed", output=old), seen("completed", output=new)) as wire, client(wire) as luma:
            done = await luma.generations.get(JOB)
            (path,) = await luma.download(done, tmp_path)
    assert path.name == f"{JOB}-0.gif"
    assert [request.target for request in host.requests] == ["/old", "/new"]


async def test_a_generation_without_outputs_is_not_downloaded(tmp_path: Path) -> None:
    async with Wire(seen("processing")) as wire, client(wire) as luma:
        with pytest.raises(DownloadError, match="its state is processing"):
            await luma.download(await luma.generations.get(JOB), tmp_path)
        with pytest.raises(DownloadError, match="not known yet"):
            await luma.generations.job(JOB).download(tmp_path)


def test_a_client_without_a_key_says_so_when_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMA_AGENTS_API_KEY", raising=False)
    with pytest.raises(MissingAPIKeyError, match=r"Set LUMA_AGENTS_API_KEY or pass api_key=\.\.\.") as caught:
        AsyncLuma()
    assert caught.value.response is None


def test_a_key_of_another_api_is_refused_at_the_vendors_own_address_alone() -> None:
    with pytest.raises(InvalidRequestError, match="does not start with luma-api-") as caught:
        AsyncLuma(Secret("gnr_live_0123456789"))
    assert "0123456789" not in str(caught.value)
    AsyncLuma("anything", base_url=f"http://127.0.0.1:{closed_port()}")


async def test_views_share_the_connection_and_change_only_what_they_say() -> None:
    async with Wire(seen("processing")) as wire, client(wire) as luma:
        view = luma.with_options(extra_headers={"X-Team": "birds"}, extra_query={"debug": "1"})
        await luma.generations.get(JOB)
        await view.generations.get(JOB)
        await luma.generations.get(JOB)
    assert wire.connections == 1
    assert [request.headers.get("X-Team") for request in wire.requests] == [None, "birds", None]
    assert [request.target.partition("?")[2] for request in wire.requests] == ["", "debug=1", ""]


async def test_a_view_with_a_request_id_serves_one_call() -> None:
    async with Wire(seen("processing")) as wire, client(wire) as luma:
        view = luma.with_options(request_id="mine")
        await view.generations.get(JOB)
        with pytest.raises(InvalidRequestError, match="serves one call"):
            await view.generations.get(JOB)
    assert [request.headers["X-Request-Id"] for request in wire.requests] == ["mine"]


async def test_an_id_can_be_written_down_before_the_first_look() -> None:
    noted: list[tuple[str, int]] = []
    async with Wire(created(), seen("completed")) as wire, client(wire) as luma:

        async def note(job: Job) -> None:
            await asyncio.sleep(0)
            noted.append((job.id, len(wire.requests)))

        await luma.generations.run(prompt="a heron", on_submitted=note)
        await luma.generations.submit(prompt="a heron", on_submitted=lambda job: noted.append((job.id, 0)))
    assert noted == [(JOB, 1), (JOB, 0)]


async def test_what_on_submitted_raises_names_the_job_which_goes_on() -> None:
    def fail(_: Job) -> None:
        raise OSError("the disk is full")

    async with Wire(created()) as wire, client(wire) as luma:
        with pytest.raises(OSError, match="disk") as caught:
            await luma.generations.run(prompt="a heron", on_submitted=fail)
    assert any(JOB in note for note in caught.value.__notes__)
    assert len(wire.requests) == 1


async def test_a_job_that_failed_for_a_passing_reason_is_submitted_anew_when_asked() -> None:
    failed = seen("failed", failure_code="generation_failed")
    steps = (created(), failed, created(), failed, created(), seen("completed"))
    submitted: list[str] = []
    async with Wire(*steps) as wire, client(wire) as luma:
        done = await luma.generations.run(
            prompt="a heron", resubmit=2, on_submitted=lambda job: submitted.append(job.id)
        )
    assert done.state == "completed"
    assert len(submitted) == 3
    bodies = [request.body for request in wire.requests if request.method == "POST"]
    assert bodies == bodies[:1] * 3, "and `resubmit` is none of the API's fields"


@pytest.mark.parametrize(
    ("code", "resubmit", "charges"),
    [("generation_failed", 0, 1), ("generation_failed", 2, 3), ("content_moderated", 5, 1), ("never_heard_of", 5, 1)],
)
async def test_no_more_is_charged_than_was_allowed(code: str, resubmit: int, charges: int) -> None:
    def step(method: str) -> Step:
        return created() if method == "POST" else seen("failed", failure_code=code)

    async def by_method(peer: Any, request: Any) -> None:
        await step(request.method)(peer, request)

    async with Wire(by_method) as wire, client(wire) as luma:
        with pytest.raises(GenerationFailedError):
            await luma.generations.run(prompt="a heron", resubmit=resubmit)
    assert [request.method for request in wire.requests].count("POST") == charges


async def test_an_api_that_is_too_busy_is_given_time_before_the_next_charge() -> None:
    clock = FakeClock()
    steps = (created(), seen("failed", failure_code="rate_limited"), created(), seen("completed"))
    async with Wire(*steps) as wire, client(wire, clock=clock) as luma:
        await luma.generations.run(prompt="a heron", resubmit=1)
    assert clock.slept[1] == 30
    assert len(wire.requests) == 4


async def test_time_that_is_up_ends_resubmitting() -> None:
    steps = (created(), seen("failed", failure_code="rate_limited"))
    async with Wire(*steps) as wire, client(wire, timeout=20) as luma:
        with pytest.raises(GenerationFailedError):
            await luma.generations.run(prompt="a heron", resubmit=1)
    assert len(wire.requests) == 2


async def test_a_job_tells_its_result_or_its_error() -> None:
    steps = (created(), seen("completed"), seen("failed", failure_code="content_moderated"))
    async with Wire(*steps) as wire, client(wire) as luma:
        job = await luma.generations.submit(prompt="a heron")
        assert (job.result, job.error) == (None, None)
        assert await job is job.result
        assert job.error is None
        other = luma.generations.job(JOB)
        with pytest.raises(ContentModeratedError):
            await other
    assert other.result is None
    assert isinstance(other.error, ContentModeratedError)


async def test_what_a_wait_came_to_is_forgotten_by_the_next() -> None:
    async with Wire(created(), seen("completed")) as wire, client(wire) as luma:
        job = await luma.generations.submit(prompt="a heron")
        with pytest.raises(DeadlineExceededError):
            await job.wait(timeout=1)
        assert isinstance(job.error, DeadlineExceededError)
        await job
    assert job.error is None


@pytest.mark.parametrize("timeout", [None, math.nan, "5", True])
async def test_no_end_of_a_wait_is_spelled_inf(timeout: Any) -> None:
    async with Wire() as wire, client(wire) as luma:
        with pytest.raises(InvalidRequestError, match=r"math\.inf"):
            await luma.generations.job(JOB).wait(timeout=timeout)
    assert not wire.requests


def many_places() -> Simulator:
    return Simulator(seed=7, luma_rpm=1_000, luma_jobs=1_000)


def test_all_of_many_jobs_are_waited_for_and_none_that_fails_stops_the_others() -> None:
    async def main() -> None:
        async with many_places() as simulator:
            async with AsyncLuma(**simulator.luma_options) as luma:
                prompts = [f"Heron {number}{' [[moderate]]' * (number % 10 == 3)}" for number in range(100)]
                submitted = await asyncio.gather(*(luma.generations.submit(prompt=prompt) for prompt in prompts))
                lost = luma.generations.job("00000000-0000-4000-8000-000000000000")
                jobs = [*submitted, lost, submitted[0]]
                assert await luma.generations.wait_all(jobs) == jobs
                assert [number for number, job in enumerate(submitted) if job.result is None] == list(range(3, 100, 10))
                assert {type(job.error) for job in submitted} == {type(None), ContentModeratedError}
                assert isinstance(lost.error, NotFoundError)
                looks = Counter(request.path for request in simulator.ledger.requests if request.method == "GET")
                assert max(looks.values()) < 30
                assert sum(looks.values()) < 10 * len(looks)
            assert len(simulator.ledger.charges) == 100

    run(main())


def test_jobs_are_given_back_as_they_end_and_those_left_when_time_is_up_come_last() -> None:
    async def main() -> None:
        async with many_places() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            quick = [await luma.generations.submit(prompt=f"Heron {number}") for number in range(5)]
            slow = await luma.generations.submit(prompt="Waves", model="ray-3.2", type="video")
            ended = [job async for job in luma.generations.as_completed([slow, *quick], timeout=50)]
            assert ended[-1] is slow
            assert isinstance(slow.error, DeadlineExceededError)
            assert slow.error.job_id == slow.id
            assert set(ended[:-1]) == set(quick)
            assert all(job.result for job in quick)
            again = [job async for job in luma.generations.as_completed([slow, *quick])]
            assert again == [*quick, slow], "those that have ended come first"
            assert slow.result is not None

    run(main())


def test_breaking_off_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with many_places() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            jobs = [await luma.generations.submit(prompt=f"Heron {number}") for number in range(5)]
            async for job in luma.generations.as_completed(jobs):
                assert job.result
                break
            made = len(simulator.ledger.requests)
            await asyncio.sleep(1_000)
            assert len(simulator.ledger.requests) == made

    run(main())


def test_cancelling_a_wait_for_many_says_how_many_go_on() -> None:
    async def main() -> None:
        async with many_places() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            jobs = [await luma.generations.submit(prompt=f"Heron {number}") for number in range(5)]
            task = asyncio.create_task(luma.generations.wait_all(jobs))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert any("5 jobs go on" in note for note in caught.value.__notes__)
            await luma.generations.wait_all(jobs)
            assert all(job.result for job in jobs)

    run(main())
