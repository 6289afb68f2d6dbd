"""The official client, `luma-agents` from PyPI, works against the simulator unmodified, by `base_url` alone.

It knows nothing of the simulator's clock: a job's time passes because the clock runs fast, or is moved on.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import luma_agents
import pytest
from luma_agents.types import Generation
from PIL import Image

from generor_async.simulator import Simulator

PATIENCE = 5.0
"""Real seconds after which a job should long have ended."""
FAST = 500.0
UNHEARD_OF: Any = "super-model-v9"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(speed=FAST) as running:
        yield running


@pytest.fixture
async def luma(simulator: Simulator) -> AsyncIterator[luma_agents.AsyncLuma]:
    async with luma_agents.AsyncLuma(auth_token=simulator.luma_key, base_url=simulator.luma_url) as client:
        yield client


@pytest.fixture
def threaded() -> Iterator[Simulator]:
    with Simulator(speed=FAST) as running:
        yield running


@pytest.fixture
def blocking(threaded: Simulator) -> Iterator[luma_agents.Luma]:
    with luma_agents.Luma(auth_token=threaded.luma_key, base_url=threaded.luma_url) as client:
        yield client


async def ended(luma: luma_agents.AsyncLuma, generation: Generation) -> Generation:
    async with asyncio.timeout(PATIENCE):
        while generation.state not in {"completed", "failed"}:
            await asyncio.sleep(0.005)
            generation = await luma.generations.get(generation.id)
    return generation


def assert_picture(content: bytes, ratio: tuple[int, int], kind: str) -> None:
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        assert picture.format == kind
        assert picture.width * ratio[1] == picture.height * ratio[0]


async def test_a_generation_is_created_polled_and_downloaded(luma: luma_agents.AsyncLuma) -> None:
    created = await luma.generations.create(prompt="A lighthouse in a storm", aspect_ratio="16:9")
    assert created.state == "queued"
    assert (created.model, created.type, created.output) == ("uni-1", "image", [])
    done = await ended(luma, created)
    assert done.id == created.id
    assert (done.state, done.failure_code, done.failure_reason) == ("completed", None, None)
    (output,) = done.output or []
    assert output.url is not None
    async with httpx.AsyncClient() as http:
        answer = await http.get(output.url)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert_picture(answer.content, (16, 9), "PNG")


def test_the_blocking_client_does_the_same(blocking: luma_agents.Luma, threaded: Simulator) -> None:
    generation = blocking.generations.create(prompt="A heron", aspect_ratio="1:1", output_format="jpeg")
    deadline = time.monotonic() + PATIENCE
    while generation.state not in {"completed", "failed"}:
        assert time.monotonic() < deadline
        time.sleep(0.005)
        generation = blocking.generations.get(generation.id)
    assert generation.state == "completed"
    (output,) = generation.output or []
    assert output.url is not None
    answer = httpx.get(output.url)
    assert answer.status_code == 200
    assert_picture(answer.content, (1, 1), "JPEG")
    assert len(threaded.ledger.charges) == 1


async def test_an_edit_takes_an_earlier_generation_by_its_id(luma: luma_agents.AsyncLuma) -> None:
    first = await ended(luma, await luma.generations.create(prompt="A heron", aspect_ratio="2:1"))
    edit = await luma.generations.create(prompt="Make it night", type="image_edit", source={"generation_id": first.id})
    done = await ended(luma, edit)
    assert (done.state, done.type) == ("completed", "image_edit")


async def test_a_file_is_uploaded_completed_listed_and_deleted(luma: luma_agents.AsyncLuma) -> None:
    content = b"\x89PNG\r\n\x1a\n" + bytes(64)
    created = await luma.files.create(mime_type="image/png", size_bytes=len(content), filename="heron.png")
    assert created.upload is not None
    async with httpx.AsyncClient() as http:
        put = await http.put(created.upload.url, content=content, headers=created.upload.headers)
    assert put.status_code == 200
    file = await luma.files.complete(created.id)
    async with asyncio.timeout(PATIENCE):
        while file.state == "pending":
            await asyncio.sleep(0.005)
            file = await luma.files.get(created.id)
    assert (file.state, file.filename, file.size_bytes) == ("ready", "heron.png", len(content))
    assert [listed.id for listed in (await luma.files.list()).data] == [created.id]
    await luma.files.delete(created.id)
    assert (await luma.files.list()).data == []


@pytest.mark.parametrize(
    ("prompt", "code", "reason"),
    [
        (
            "[[moderate]] A heron",
            "content_moderated",
            "Generation output was flagged by our content moderation system.",
        ),
        ("[[fail:generation_failed]] A heron", "generation_failed", "Generation failed"),
        (
            "[[fail:budget_exhausted]] A heron",
            "budget_exhausted",
            "Insufficient credits to complete this generation.",
        ),
        ("[[fail:output_not_found]] A heron", "output_not_found", "Output artifacts not found"),
    ],
)
async def test_a_failed_generation_says_why(luma: luma_agents.AsyncLuma, prompt: str, code: str, reason: str) -> None:
    done = await ended(luma, await luma.generations.create(prompt=prompt))
    assert (done.state, done.output) == ("failed", [])
    assert (done.failure_code, done.failure_reason) == (code, reason)


async def test_400_is_a_bad_request(luma: luma_agents.AsyncLuma) -> None:
    with pytest.raises(luma_agents.BadRequestError) as caught:
        await luma.generations.create(prompt="A heron", model=UNHEARD_OF)
    assert caught.value.status_code == 400
    assert caught.value.body == {"detail": "Unknown model: super-model-v9"}
    assert caught.value.response.headers["X-API-Version"] == "2026-04-01"


@pytest.mark.parametrize(
    ("token", "detail"),
    [
        ("sk-nothing", "Missing or invalid API key"),
        ("luma-api-nobody_has_this_key", "Invalid API key"),
        ("luma-api-revoked_key_12345", "API key has been revoked"),
    ],
)
async def test_401_is_an_authentication_error(simulator: Simulator, token: str, detail: str) -> None:
    async with luma_agents.AsyncLuma(auth_token=token, base_url=simulator.luma_url) as luma:
        with pytest.raises(luma_agents.AuthenticationError) as caught:
            await luma.generations.create(prompt="A heron")
    assert caught.value.body == {"detail": detail}


async def test_404_is_not_found(luma: luma_agents.AsyncLuma) -> None:
    with pytest.raises(luma_agents.NotFoundError) as caught:
        await luma.generations.get("00000000-0000-0000-0000-000000000000")
    assert caught.value.body == {"detail": "Generation not found"}


async def test_429_is_a_rate_limit_error_with_its_headers() -> None:
    async with (
        Simulator(luma_rpm=1, speed=0.001) as simulator,
        luma_agents.AsyncLuma(auth_token=simulator.luma_key, base_url=simulator.luma_url, max_retries=0) as luma,
    ):
        await luma.generations.create(prompt="A heron")
        with pytest.raises(luma_agents.RateLimitError) as caught:
            await luma.generations.create(prompt="Another heron")
    headers = caught.value.response.headers
    assert caught.value.body == {"detail": "Rate limit exceeded"}
    assert (headers["Retry-After"], headers["X-RateLimit-Remaining"]) == ("60", "0")


async def test_the_other_429_has_no_rate_limit_headers() -> None:
    async with (
        Simulator(luma_jobs=1, speed=0.001) as simulator,
        luma_agents.AsyncLuma(auth_token=simulator.luma_key, base_url=simulator.luma_url, max_retries=0) as luma,
    ):
        await luma.generations.create(prompt="A heron")
        with pytest.raises(luma_agents.RateLimitError) as caught:
            await luma.generations.create(prompt="Another heron")
    headers = caught.value.response.headers
    assert caught.value.body == {"detail": "Too many concurrent jobs"}
    assert headers["Retry-After"] == "60"
    assert not [name for name in headers if name.lower().startswith("x-ratelimit")]


async def test_it_waits_out_a_502_and_goes_on(simulator: Simulator) -> None:
    async with luma_agents.AsyncLuma(auth_token=simulator.luma_key, base_url=simulator.luma_url, max_retries=1) as luma:
        with pytest.raises(luma_agents.InternalServerError) as caught:
            await luma.generations.create(prompt="[[bad-gateway]] A heron")
    assert caught.value.status_code == 502
    assert [entry.status for entry in simulator.ledger.requests] == [502, 502]
    assert simulator.ledger.charges == ()
