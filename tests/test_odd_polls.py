"""A job that was paid for outlives odd answers to its polls; and whatever ends a wait names it."""

import asyncio
import copy
import json
import pickle
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import FakeClock
from support.wire import Step, Wire, answer, stall
from test_luma import JOB, KEY, client, created, generation, seen

from generor_async import (
    APIStatusError,
    AsyncGeneror,
    AsyncLuma,
    AuthenticationError,
    ClientClosedError,
    DeadlineExceededError,
    DownloadError,
    GenerationFailedError,
    GenerorAsyncError,
    InsufficientCreditsError,
    Luma,
    MediaRef,
    NotFoundError,
    PermissionDeniedError,
    ResponseShapeError,
)
from generor_async.api.generor.models import GeneratedCreation
from generor_async.rules.poll_failures import ODD_POLLS, ODD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

UNSEEN = str(uuid.uuid4())
MISSING = answer(404, {"detail": "Generation not found"})
FIREWALL = answer(403, b"<html><title>Access denied</title>", content_type="text/html")
ODD: dict[str, Step] = {
    "404": MISSING,
    "401, a page": answer(401, b"<html>", content_type="text/html"),
    "403, a page": FIREWALL,
    "302": answer(302, headers={"Location": "https://login.example/"}),
    "400": answer(400, {"detail": "Bad request"}),
    "408": answer(408, b"", content_type="text/plain"),
    "200, a page": answer(200, b"<html>", content_type="text/html"),
    "200, empty": answer(200, b""),
    "200, cut": answer(200, json.dumps(generation("completed")).encode()[:-20]),
    "200, state null": answer(200, generation("completed") | {"state": None}),
    "200, no state": answer(200, {name: value for name, value in generation("completed").items() if name != "state"}),
    "200, megabytes": answer(200, b"[" + b"0," * 5_000_000 + b"0]"),
    "200, another shape": answer(200, b"[]"),
    "204": answer(204),
}
DOCUMENTED: dict[str, tuple[Step, type[GenerorAsyncError]]] = {
    "401": (answer(401, {"detail": "API key has been revoked"}), AuthenticationError),
    "403": (answer(403, {"detail": "API client is suspended"}), PermissionDeniedError),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("times", [1, ODD_POLLS - 1])
async def test_an_odd_answer_is_looked_at_again(odd: str, times: int) -> None:
    async with (
        Wire(created(), *[ODD[odd]] * times, seen("processing"), seen("completed")) as wire,
        client(wire) as luma,
    ):
        assert (await luma.generations.run(prompt="a heron")).id == JOB
    assert [request.method for request in wire.requests] == ["POST", *["GET"] * (times + 2)]


@pytest.mark.parametrize("odd", ODD)
async def test_one_that_comes_again_and_again_ends_the_wait_and_names_the_job(odd: str) -> None:
    clock = FakeClock()
    async with Wire(created(), ODD[odd]) as wire, client(wire, clock=clock) as luma:
        job = await luma.generations.submit(prompt="a heron")
        began = clock.monotonic()
        with pytest.raises(GenerorAsyncError) as caught:
            await job
    polls = len(wire.requests) - 1
    assert polls >= ODD_POLLS
    assert sum(clock.slept[-polls + 1 :]) >= ODD_SECONDS
    assert clock.monotonic() - began < 60, "soon enough"
    assert_names_the_job(caught.value)
    assert job.error is caught.value


def assert_names_the_job(error: GenerorAsyncError) -> None:
    """Hold an error, and what pickle and copy make of it, against the job's id."""
    for one in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert one.job_id == JOB
        assert f"generations.job('{JOB}')" in str(one)


async def test_what_comes_in_turns_with_a_state_never_ends_a_wait() -> None:
    steps = [MISSING, MISSING, seen("queued"), FIREWALL, FIREWALL, seen("processing"), MISSING, MISSING]
    async with Wire(created(), *steps, seen("completed")) as wire, client(wire) as luma:
        assert (await luma.generations.run(prompt="a heron")).state == "completed"


@pytest.mark.parametrize("name", DOCUMENTED)
async def test_a_documented_refusal_is_the_end_at_once(name: str) -> None:
    step, cls = DOCUMENTED[name]
    async with Wire(created(), step) as wire, client(wire) as luma:
        with pytest.raises(cls) as caught:
            await luma.generations.run(prompt="a heron")
    assert len(wire.requests) == 2
    assert_names_the_job(caught.value)


async def test_an_id_that_nobody_has_seen_is_given_up_at_the_first_404() -> None:
    async with Wire(MISSING) as wire, client(wire) as luma:
        with pytest.raises(NotFoundError) as caught:
            await luma.generations.job(UNSEEN)
    assert len(wire.requests) == 1
    assert caught.value.job_id == UNSEEN


async def by_another_client(url: str) -> None:
    """Submit a job by a client that is gone afterwards."""
    async with AsyncLuma(KEY, base_url=url, clock=FakeClock()) as other:
        await other.generations.create(prompt="a heron")


@pytest.mark.parametrize("first", ["create", "get", "another client", "another job", "a wait that was left"])
async def test_a_job_that_was_seen_anywhere_in_the_process_exists(first: str) -> None:
    steps = {"get": seen("queued"), "a wait that was left": seen("queued")}
    async with Wire(steps.get(first, created()), MISSING, seen("completed")) as wire, client(wire) as luma:
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "create": lambda: luma.generations.create(prompt="a heron"),
            "get": lambda: luma.generations.get(JOB),
            "another client": lambda: by_another_client(wire.url),
            "another job": lambda: luma.with_options(priority="bulk").generations.submit(prompt="a heron"),
            "a wait that was left": lambda: anext(luma.generations.job(JOB).updates()),
        }
        await ways[first]()
        assert (await luma.generations.job(JOB)).state == "completed"


async def test_a_firewall_is_told_as_what_it_is() -> None:
    async with Wire(created(), FIREWALL) as wire, client(wire) as luma:
        with pytest.raises(PermissionDeniedError, match="firewall") as caught:
            await luma.generations.run(prompt="a heron")
    assert "Access denied" in str(caught.value.body)


# Whatever is raised once a job is known names it.


async def test_as_completed_and_wait_all_name_the_jobs_that_could_not_be_waited_for() -> None:
    other = JOB.replace("d290", "e290")
    steps = [created(), answer(201, generation("queued", id=other)), FIREWALL]
    async with Wire(*steps) as wire, client(wire) as luma:
        jobs = [await luma.generations.submit(prompt="a heron") for _ in range(2)]
        ended = [job async for job in luma.generations.as_completed(jobs)]
        assert {job.id for job in ended} == {JOB, other}
        for job in await luma.generations.wait_all(jobs):
            assert isinstance(job.error, PermissionDeniedError)
            assert job.error.job_id == job.id
            assert f"generations.job('{job.id}')" in str(job.error)


async def test_jobs_that_a_closed_client_can_not_wait_for_are_named() -> None:
    async with Wire(created()) as wire:
        async with client(wire) as luma:
            job = await luma.generations.submit(prompt="a heron")
        with pytest.raises(ClientClosedError) as waited:
            await job
        with pytest.raises(ClientClosedError) as together:
            await luma.generations.wait_all([job])
    for caught in (waited, together):
        assert_names_the_job(caught.value)
    assert JOB in together.value.__notes__[0]


async def test_a_deadline_names_the_job_and_what_its_last_poll_said() -> None:
    async with Wire(created(), MISSING) as wire, client(wire) as luma:
        job = await luma.generations.submit(prompt="a heron")
        with pytest.raises(DeadlineExceededError, match="Generation not found") as caught:
            await job.wait(timeout=6)
    assert_names_the_job(caught.value)


async def test_a_look_and_a_download_name_the_job(tmp_path: Any) -> None:
    gone = answer(404, b"", content_type="text/plain")
    async with Wire(created(), MISSING, gone) as wire, client(wire) as luma:
        job = await luma.generations.submit(prompt="a heron")
        with pytest.raises(NotFoundError) as looked:
            await job.refresh()
        with pytest.raises(DownloadError) as early:
            await job.download(tmp_path)
        output = [{"type": "image", "url": f"{wire.url}/heron.png?secret"}]
        done = await client_of(luma, generation("completed", output=output))
        with pytest.raises(DownloadError) as late:
            await luma.download(done, tmp_path)
    for caught in (looked, early, late):
        assert_names_the_job(caught.value)


async def client_of(luma: AsyncLuma, body: dict[str, Any]) -> Any:
    """Return a generation that an earlier answer of the same API was."""
    async with Wire(answer(200, body)) as wire, client(wire) as other:
        return await other.generations.get(JOB)


async def test_what_the_callers_own_function_raises_names_the_job() -> None:
    def refuse(_: object) -> None:
        raise GenerorAsyncError("the database is away")

    async with Wire(created()) as wire, client(wire) as luma:
        with pytest.raises(GenerorAsyncError, match="the database is away") as caught:
            await luma.generations.run(prompt="a heron", on_submitted=refuse)
    assert_names_the_job(caught.value)


async def test_a_failed_job_is_named_and_so_is_it_where_its_successor_is_refused() -> None:
    failed = seen("failed", failure_code="generation_failed")
    broke = answer(402, {"detail": "Insufficient credits"})
    async with Wire(created(), failed, broke) as wire, client(wire) as luma:
        with pytest.raises(InsufficientCreditsError, match=f"it was to follow job {JOB}, which had failed") as caught:
            await luma.generations.run(prompt="a heron", resubmit=1)
    assert caught.value.job_id == JOB
    async with Wire(created(), failed) as wire, client(wire) as luma:
        with pytest.raises(GenerationFailedError, match=JOB) as ended:
            await luma.generations.run(prompt="a heron")
    assert ended.value.job_id == JOB


async def test_a_job_whose_images_were_sent_inline_is_named() -> None:
    away = answer(503, {"detail": "Image URL ingestion unavailable"})
    image = answer(200, b"\x89PNG\r\n\x1a\n", content_type="image/png")
    async with Wire(away, image, created(), FIREWALL) as wire, client(wire, inline_on_503=True) as luma:
        with pytest.raises(PermissionDeniedError) as caught:
            await luma.generations.run(prompt="a heron", image_ref=[MediaRef.url(f"{wire.url}/heron.png")])
    assert [request.method for request in wire.requests][:3] == ["POST", "GET", "POST"]
    assert_names_the_job(caught.value)


async def test_a_blocking_call_names_the_job() -> None:
    def block(url: str) -> GenerorAsyncError:
        with Luma(KEY, base_url=url, clock=FakeClock()) as luma, pytest.raises(PermissionDeniedError) as caught:
            luma.generations.run(prompt="a heron")
        return caught.value

    async with Wire(created(), FIREWALL) as wire:
        assert_names_the_job(await asyncio.to_thread(block, wire.url))


async def test_a_wait_that_is_cancelled_names_the_job() -> None:
    async with Wire(created(), stall) as wire, client(wire) as luma:
        running = asyncio.ensure_future(luma.generations.run(prompt="a heron"))
        await wire.arrived(2)
        running.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await running
    assert any(f"generations.job('{JOB}')" in note for note in caught.value.__notes__)


# Creations.


def envelope(data: Any) -> dict[str, Any]:
    return {"success": True, "data": data}


def refused(status: int, code: str) -> Step:
    return answer(status, {"success": False, "error": {"code": code, "message": "No", "status": status}})


def generor(wire: Wire) -> AsyncGeneror:
    return AsyncGeneror("gnr_live_0123", base_url=f"{wire.url}/api/v1", clock=FakeClock())


def status(**fields: Any) -> Step:
    return answer(200, envelope({"creation_id": 7, **fields}))


@pytest.mark.parametrize("name", ["archived", "Completed"])
async def test_a_status_that_nobody_knows_ends_a_wait_with_what_it_is(name: str) -> None:
    async with Wire(status(status="generating"), status(status=name)) as wire, generor(wire) as client_:
        ended = await client_.creations.wait(7)
    assert ended.status == name


@pytest.mark.parametrize("fields", [{}, {"status": None}])
async def test_a_creation_without_a_status_is_looked_at_again_and_then_given_back_as_it_is(fields: Any) -> None:
    async with Wire(status(status="pending"), status(**fields)) as wire, generor(wire) as client_:
        ended = await client_.creations.wait(7)
    assert ended.status is None
    assert ended.creation_id == 7
    assert len(wire.requests) >= ODD_POLLS + 1


async def test_errors_about_a_creation_name_it(tmp_path: Any) -> None:
    made = GeneratedCreation(creation_id=7, raw={"image_url": "/heron.png"})
    gone = answer(404, b"", content_type="text/plain")
    async with Wire(refused(404, "NOT_FOUND"), refused(403, "FORBIDDEN"), gone) as wire, generor(wire) as client_:
        caught: list[GenerorAsyncError] = []
        for call in (client_.creations.wait(7), client_.creations.get(7)):
            with pytest.raises(APIStatusError) as refusal:
                await call
            caught.append(refusal.value)
        with pytest.raises(DownloadError) as lost:
            await client_.download(made, tmp_path)
        caught.append(lost.value)
    for error in caught:
        assert (error.creation_id, error.job_id) == (7, None)
        assert "creations.get(7)" in str(error)
        assert pickle.loads(pickle.dumps(error)).creation_id == 7
    assert len(wire.requests) == 3


async def test_an_answer_without_a_state_is_told_as_such() -> None:
    async with Wire(created(), ODD["200, no state"]) as wire, client(wire) as luma:
        with pytest.raises(ResponseShapeError, match="state") as caught:
            await luma.generations.run(prompt="a heron")
    assert caught.value.body is not None
