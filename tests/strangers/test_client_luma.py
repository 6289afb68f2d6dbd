"""The client's Luma against the server: what a user does in the first hour, and every failure that is documented."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from generor_async import (
    AsyncLuma,
    AuthenticationError,
    BadRequestError,
    BudgetExhaustedError,
    ContentModeratedError,
    DeadlineExceededError,
    GenerationFailedError,
    InsufficientCreditsError,
    Job,
    MediaRef,
    NotFoundError,
    OutputNotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    UnprocessableEntityError,
    response_of,
)
from strangers import LumaWorld, StrangerServer
from strangers.clients import check_charges, luma_of, ours, virtual

PNG = b"\x89PNG\r\n\x1a\n"


def server_of(**switches: Any) -> StrangerServer:
    return StrangerServer(luma=LumaWorld(**switches), travel=0.02, jitter=0.03)


@virtual
async def test_a_run_ends_completed_and_its_picture_is_downloaded(tmp_path: Path) -> None:
    async with server_of() as server, luma_of(server) as luma:
        generation = await luma.generations.run(prompt="a chair", aspect_ratio="16:9", output_format="png")
        assert (generation.state, generation.model, generation.type) == ("completed", "uni-1", "image")
        (path,) = await luma.download(generation, tmp_path)
        assert path.read_bytes().startswith(PNG)
        check_charges(server, [generation.id])


@virtual
async def test_a_create_is_one_post_and_a_get_one_look() -> None:
    async with server_of() as server, luma_of(server) as luma:
        made = await luma.generations.create(prompt="a chair")
        seen = await luma.generations.get(made.id)
        assert (made.state, seen.state, seen.output) == ("queued", "queued", [])
        assert [one.method for one in ours(server)] == ["POST", "GET"]
        told = response_of(made)
        assert (told.status, told.request_id, told.attempts) == (201, server.requests[0].request_id, 1)
        assert told.rate_limit is not None
        assert (told.rate_limit.limit, told.rate_limit.remaining) == (30, 29)


@virtual
async def test_a_job_tells_each_state_once_and_is_taken_up_again_by_its_id() -> None:
    async with server_of(queued_seconds=8.0) as server, luma_of(server) as luma:
        job = await luma.generations.submit(prompt="a chair")
        assert [generation.state async for generation in job.updates()] == ["queued", "processing", "completed"]
        again = luma.generations.job(job.id)
        assert (await again).output[0].url.startswith("http")
        check_charges(server, [again.id])


@virtual
async def test_a_wait_that_takes_too_long_names_the_job_which_goes_on() -> None:
    async with server_of() as server, luma_of(server) as luma:
        job = await luma.generations.submit(prompt="[seconds:90]")
        with pytest.raises(DeadlineExceededError) as caught:
            await job.wait(timeout=5)
        assert caught.value.job_id == job.id
        assert (await luma.generations.job(job.id).wait()).state == "completed"
        check_charges(server, [job.id])


@virtual
async def test_an_expired_url_is_fetched_anew(tmp_path: Path) -> None:
    async with server_of(url_seconds=600) as server, luma_of(server) as luma:
        generation = await luma.generations.run(prompt="a chair")
        await asyncio.sleep(1_000)
        (path,) = await luma.download(generation, tmp_path)
        assert path.read_bytes().startswith(PNG)


@virtual
async def test_a_video_is_an_mp4(tmp_path: Path) -> None:
    async with server_of() as server, luma_of(server) as luma:
        video = await luma.generations.run(
            prompt="waves", model="ray-3.2", type="video", video={"duration": "5s", "resolution": "720p"}
        )
        (path,) = await luma.download(video, tmp_path)
        assert path.suffix == ".mp4"
        assert [charge.credits for charge in server.charges] == [100.0]


@virtual
async def test_a_file_goes_up_and_is_edited_and_goes_away(tmp_path: Path) -> None:
    async with server_of() as server, luma_of(server) as luma:
        (picture,) = await luma.download(await luma.generations.run(prompt="a chair"), tmp_path)
        file = await luma.files.upload(picture)
        assert (file.state, file.mime_type) == ("ready", "image/png")
        edit = await luma.generations.run(type="image_edit", prompt="at night", source=MediaRef.uploaded(file.id))
        chained = await luma.generations.run(
            prompt="both", image_ref=[MediaRef.generation(edit.id), MediaRef.file(picture)]
        )
        assert chained.state == "completed"
        await luma.files.delete(file.id)
        assert [one.state async for one in luma.files.list(limit=1)] == ["deleted"]


@virtual
async def test_files_are_listed_over_all_pages() -> None:
    async with server_of(ingest_seconds=0.0) as server, luma_of(server) as luma:
        made = [(await luma.files.upload(PNG + bytes([number]))).id for number in range(7)]
        assert [file.id async for file in luma.files.list(limit=3)] == made[::-1]
        assert len([one for one in ours(server, method="GET") if one.path == "/v1/files"]) == 3


@virtual
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("content_moderated", ContentModeratedError),
        ("budget_exhausted", BudgetExhaustedError),
        ("output_not_found", OutputNotFoundError),
        ("generation_failed", GenerationFailedError),
        ("a_code_of_tomorrow", GenerationFailedError),
    ],
)
async def test_a_job_that_fails_is_an_error_of_its_code(code: str, kind: type[GenerationFailedError]) -> None:
    async with server_of() as server, luma_of(server) as luma:
        with pytest.raises(kind) as caught:
            await luma.generations.run(prompt=f"[fails:{code}]")
        assert type(caught.value) is kind
        assert caught.value.code == code
        assert caught.value.generation.id == server.charges[0].item
        assert caught.value.retryable == (code in {"output_not_found", "generation_failed"})
        assert len(server.charges) == 1


@virtual
async def test_jobs_end_in_any_order_and_one_failure_does_not_stop_the_others() -> None:
    async with server_of() as server, luma_of(server) as luma:
        prompts = ["[seconds:40]", "[seconds:20][fails:generation_failed]", "[seconds:5]"]
        jobs = [await luma.generations.submit(prompt=prompt) for prompt in prompts]
        ended: list[Job] = [job async for job in luma.generations.as_completed(jobs)]
        assert ended == jobs[::-1]
        assert [job.error is None for job in ended] == [True, False, True]
        check_charges(server, [job.id for job in jobs])


@virtual
@pytest.mark.filterwarnings("ignore:.*aspect ratios:UserWarning")  # the client says so before the server does
@pytest.mark.parametrize(
    ("switches", "params", "kind", "text"),
    [
        ({}, {"model": "super-model-v9"}, BadRequestError, "Unknown model: super-model-v9"),
        ({}, {"aspect_ratio": "4:3"}, BadRequestError, "Invalid aspect_ratio '4:3'"),
        ({"balance": 5.0}, {}, InsufficientCreditsError, "Insufficient credits"),
        ({"balance": 5.0, "late_wording": True}, {}, InsufficientCreditsError, "Insufficient balance"),
        ({"account": "suspended"}, {}, PermissionDeniedError, "API client is suspended"),
        ({"account": "deactivated"}, {}, PermissionDeniedError, "API client is deactivated"),
        ({"account": "expired"}, {}, AuthenticationError, "API key has expired"),
        ({"account": "revoked"}, {}, AuthenticationError, "API key has been revoked"),
        ({}, {"style": "manga", "aspect_ratio": "1:1"}, UnprocessableEntityError, "does not support aspect_ratio"),
        (
            {},
            {"image_ref": [{"url": "https://a.example/nonexistent.png"}]},
            UnprocessableEntityError,
            "failed to fetch",
        ),
        (
            {},
            {"image_ref": [{"generation_id": "550e8400-e29b-41d4-a716-446655440000"}]},
            BadRequestError,
            "not found or not ready",
        ),
    ],
)
async def test_a_refused_request_is_sent_once_and_costs_nothing(
    switches: dict[str, Any], params: dict[str, Any], kind: type[BadRequestError], text: str
) -> None:
    async with server_of(**switches) as server, luma_of(server) as luma:
        with pytest.raises(kind) as caught:
            await luma.generations.create(prompt="a chair", **params)
        assert text in caught.value.message
        assert len(server.requests) == 1
        assert caught.value.request_id == server.requests[0].request_id
        assert not server.charges


@virtual
@pytest.mark.parametrize("late_wording", [False, True])
async def test_a_picture_of_more_than_50_mb_is_too_large(late_wording: bool) -> None:
    async with server_of(late_wording=late_wording) as server, luma_of(server) as luma:
        reference = MediaRef.bytes(PNG + bytes(52_428_800), "image/png")
        with pytest.raises((PayloadTooLargeError, BadRequestError)):
            await luma.generations.create(prompt="a chair", image_ref=[reference])
        assert not server.charges


@virtual
async def test_what_is_not_there_is_not_found_and_the_error_says_so() -> None:
    async with server_of() as server, luma_of(server) as luma:
        with pytest.raises(NotFoundError, match="Generation not found"):
            await luma.generations.get("550e8400-e29b-41d4-a716-446655440000")
        with pytest.raises(NotFoundError, match="File not found"):
            await luma.files.get("550e8400-e29b-41d4-a716-446655440000")


@virtual
async def test_a_firewall_that_dislikes_python_lets_the_client_look() -> None:
    async with server_of(firewall=True) as server, luma_of(server) as luma:
        generation = await luma.generations.run(prompt="a chair")
        check_charges(server, [generation.id])


@virtual
async def test_a_key_is_checked_at_no_cost_and_one_that_is_no_good_is_told() -> None:
    async with server_of() as server, luma_of(server) as luma:
        found = await luma.check()
        assert (found.api, found.base_url, found.may_read) == ("luma", server.luma_url, True)
        async with AsyncLuma("luma-api-nobodys", base_url=server.luma_url) as other:
            with pytest.raises(AuthenticationError):
                await other.check()
        assert not server.charges
