"""The id of what was paid for is found in any answer, whatever its status, its encoding and its place in it."""

import gzip
import json
from typing import Any

import pytest
from support.wire import Arrived, Peer, Step, Wire, answer

from generor_async import AsyncGeneror, AsyncLuma, GenerorAsyncError, OutcomeUnknownError

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


@pytest.mark.parametrize("form", forms(JOBS))
async def test_the_job_is_named(form: str) -> None:
    for status in [201, *UNSURE, *REFUSALS]:
        body, headers = forms(JOBS)[form]
        async with Wire(answer(status, body, headers={"Content-Type": "application/json", **headers})) as api:
            error = await error_of(AsyncLuma("luma-api-0123456789", base_url=api.url, max_retries=0))
            assert len(api.requests) == 1
        assert error is not None or status == 201
        assert error is None or (error.job_id, JOB in str(error)) == (JOB, True)


@pytest.mark.parametrize("form", PAGES)
async def test_it_is_named_by_a_page_and_by_a_location_where_nobody_refuses(form: str) -> None:
    for status in [201, *UNSURE]:
        body, headers = PAGES[form]
        async with Wire(answer(status, body, headers=headers)) as api:
            error = await error_of(AsyncLuma("luma-api-0123456789", base_url=api.url, max_retries=0))
        assert error is not None
        assert error.job_id == JOB


@pytest.mark.parametrize("form", forms(CREATIONS))
async def test_the_creation_is_named(form: str) -> None:
    for status in [*UNSURE, *REFUSALS]:
        body, headers = forms(CREATIONS)[form]
        async with Wire(answer(status, body, headers={"Content-Type": "application/json", **headers})) as api:
            error = await error_of(AsyncGeneror("gnr_live_x", base_url=api.url, max_retries=0))
            assert len(api.requests) == 1
        assert error is not None
        assert (error.creation_id, str(CREATION) in str(error)) == (CREATION, True)


LIMIT = 50_000
"""Bytes that an answer may have in what follows."""
PLACES = {
    "first": {**JOBS, "pad": LONG},
    "last": {"pad": LONG, **JOBS},
    "between much": {"pad": LONG * 20, **JOBS, "more": LONG * 20},
    "twice": {"pad": LONG, **JOBS, "links": {"self": {"id": JOB}}},
    "where the limit is": {"pad": "x" * (LIMIT - 40), **JOBS, "more": LONG},
}


@pytest.mark.parametrize("form", ["length", "gzip", "utf-16", "utf-32", "pieces"])
@pytest.mark.parametrize("place", PLACES)
async def test_it_is_named_wherever_it_stands_in_an_answer_that_is_too_large(place: str, form: str) -> None:
    text = json.dumps(PLACES[place])
    step = {
        "length": answer(201, text.encode()),
        "gzip": answer(201, gzip.compress(text.encode()), headers={"Content-Encoding": "gzip"}),
        "utf-16": answer(201, text.encode("utf-16")),
        "utf-32": answer(201, text.encode("utf-32")),
        "pieces": in_pieces(text.encode(), 7_001),
    }[form]
    async with Wire(step) as api:
        error = await error_of(AsyncLuma("luma-api-0123456789", base_url=api.url, max_reply_bytes=LIMIT))
        assert len(api.requests) == 1
    assert isinstance(error, OutcomeUnknownError)
    assert (error.job_id, error.ids) == (JOB, (JOB,))
    assert "larger than max_reply_bytes (50,000 bytes)" in str(error)
    assert f"Job {JOB} can be taken up again with generations.job('{JOB}')" in str(error)


@pytest.mark.parametrize("size", range(LIMIT - 6, LIMIT + 6))
async def test_a_number_that_the_limit_cuts_is_read_whole(size: int) -> None:
    told = f'{{"pad": "{"x" * (size - 30)}", "creation_id": {CREATION}, "more": "{LONG}"}}'.encode()
    async with Wire(in_pieces(told, LIMIT + 1)) as api:
        error = await error_of(AsyncGeneror("gnr_live_x", base_url=api.url, max_reply_bytes=LIMIT))
    assert error is not None
    assert error.creation_id == CREATION
    assert f"creations.wait({CREATION})" in str(error)


async def test_an_answer_without_an_end_is_not_read_for_ever() -> None:
    sent = 0

    async def pour(peer: Peer, _: Arrived) -> None:
        nonlocal sent
        await peer.send(b"HTTP/1.1 201 Created\r\nContent-Length: 9999999999\r\n\r\n")
        while True:
            await peer.send(b" " * 262_144)
            sent += 262_144

    async with Wire(pour) as api:
        error = await error_of(AsyncLuma("luma-api-0123456789", base_url=api.url))
    assert isinstance(error, OutcomeUnknownError)
    assert error.job_id is None
    assert 64 * 2**20 < sent < 96 * 2**20


def in_pieces(body: bytes, size: int) -> Step:
    """Return the step that answers with a body in chunks of one size, each of which arrives by itself."""

    async def step(peer: Peer, _: Arrived) -> None:
        await peer.send(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(body), size):
            piece = body[at : at + size]
            await peer.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await peer.send(b"0\r\n\r\n")

    return step
