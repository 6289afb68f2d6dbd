"""The id of what was paid for is found in any answer, whatever its status, its encoding and its place in it."""

import gzip
import json
from typing import Any

import pytest
from support.wire import Wire, answer

from generor_async import AsyncGeneror, AsyncLuma, GenerorAsyncError

JOB, CREATION = "5f0e8b1c-0000-4c57-9f60-000000000000", 61_440_000
JOBS: dict[str, Any] = {"id": JOB, "state": "queued", "type": "image", "model": "uni-1", "output": []}
CREATIONS: dict[str, Any] = {
    "success": False,
    "data": {"generator": {"id": 37}, "creations": [{"creation_id": CREATION, "text": "a heron"}], "credit_cost": 24},
}
LONG = "x" * 100_000
"""More than is kept of an answer's text."""
PAGE = {"Content-Type": "text/html"}
UNSURE = (409, 418, 500, 502, 503, 504, 599)
"""Statuses after which nobody can say what a paid call did."""
REFUSALS = (302, 400, 404, 413, 422, 429)
"""Statuses that say that it had no effect, where nothing in the answer tells otherwise."""


def forms(told: dict[str, Any]) -> dict[str, tuple[bytes, dict[str, str]]]:
    text = json.dumps(told)
    squeezed = gzip.compress(text.encode())
    return {
        "as it is": (text.encode(), {}),
        "after much else": (json.dumps({"pad": LONG, **told}).encode(), {}),
        "after a byte order mark": (text.encode("utf-8-sig"), {}),
        "in UTF-16": (text.encode("utf-16"), {}),
        "in UTF-32": (text.encode("utf-32"), {}),
        "cut": (text.encode()[:-3], {}),
        "in a string": (json.dumps(text).encode(), {}),
        "as Python writes it": (str(told).encode(), {}),
        "compressed without a word": (squeezed, {}),
        "compressed twice": (gzip.compress(squeezed), {"Content-Encoding": "gzip"}),
        "compressed three times": (gzip.compress(gzip.compress(squeezed)), {"Content-Encoding": "gzip"}),
        "text after much else": (f"{LONG} {text}".encode(), {"Content-Type": "text/plain"}),
    }


PAGES = {
    "in a page": (f"<html><script>{json.dumps(JOBS)}</script>".encode(), PAGE),
    "in a page, after much else": (f"<html>{LONG}<script>{json.dumps(JOBS)}</script>".encode(), PAGE),
    "in a page in UTF-16": (f"<html><script>{json.dumps(JOBS)}</script>".encode("utf-16-le"), PAGE),
    "in Location": (b"", {"Location": f"/v1/generations/{JOB}"}),
}
"""What a refusal may hold of other requests as well, and says nothing of this one."""


async def error_of(client: AsyncLuma | AsyncGeneror) -> GenerorAsyncError | None:
    async with client:
        try:
            if isinstance(client, AsyncLuma):
                assert (await client.generations.create(prompt="a heron")).id == JOB
            else:
                await client.generators.generate("joke", model_id=37, prompt="a heron")
        except GenerorAsyncError as error:
            return error
    return None


@pytest.mark.parametrize("status", [201, *UNSURE, *REFUSALS])
@pytest.mark.parametrize("form", forms(JOBS))
async def test_the_job_is_named(form: str, status: int) -> None:
    body, headers = forms(JOBS)[form]
    async with Wire(answer(status, body, headers={"Content-Type": "application/json", **headers})) as api:
        error = await error_of(AsyncLuma("luma-api-0123456789", base_url=api.url, max_retries=0))
        assert len(api.requests) == 1
    assert error is not None or status == 201
    assert error is None or (error.job_id, JOB in str(error)) == (JOB, True)


@pytest.mark.parametrize("status", [201, *UNSURE])
@pytest.mark.parametrize("form", PAGES)
async def test_it_is_named_by_a_page_and_by_a_location_where_nobody_refuses(form: str, status: int) -> None:
    body, headers = PAGES[form]
    async with Wire(answer(status, body, headers=headers)) as api:
        error = await error_of(AsyncLuma("luma-api-0123456789", base_url=api.url, max_retries=0))
    assert error is not None
    assert error.job_id == JOB


@pytest.mark.parametrize("status", [*UNSURE, *REFUSALS])
@pytest.mark.parametrize("form", forms(CREATIONS))
async def test_the_creation_is_named(form: str, status: int) -> None:
    body, headers = forms(CREATIONS)[form]
    async with Wire(answer(status, body, headers={"Content-Type": "application/json", **headers})) as api:
        error = await error_of(AsyncGeneror("gnr_live_x", base_url=api.url, max_retries=0))
        assert len(api.requests) == 1
    assert error is not None
    assert (error.creation_id, str(CREATION) in str(error)) == (CREATION, True)


async def test_of_an_answer_that_is_too_large_what_has_come_is_read() -> None:
    body = json.dumps({**JOBS, "pad": LONG}).encode()
    async with Wire(answer(201, body)) as api:
        error = await error_of(AsyncLuma("luma-api-0123456789", base_url=api.url, max_reply_bytes=50_000))
    assert error is not None
    assert error.job_id == JOB
