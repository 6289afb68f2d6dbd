"""Images that are fetched here when the API can't fetch them: with care, once, and only if wanted."""

import asyncio
import base64
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from support.clock import FakeClock, in_virtual_time
from support.leaks import leaks
from support.wire import Arrived, Peer, Step, Wire, answer, drip, hang_up, stall, truncated

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    DeadlineExceededError,
    DownloadError,
    InvalidRequestError,
    Luma,
    MediaRef,
    ServiceUnavailableError,
    UnprocessableEntityError,
)
from generor_async.batch.runner import run_batch
from generor_async.engine.media import image_host_policy
from generor_async.engine.plain_http import HostPolicy

KEY = "luma-api-0123456789"
PNG, JPEG = b"\x89PNG\r\n\x1a\n" + bytes(500), b"\xff\xd8\xff\xe0" + bytes(500)
SIGNED = "X-Amz-Signature=hush-hush"
UNAVAILABLE = answer(503, {"detail": "Image URL ingestion unavailable"})
GENERATION: dict[str, Any] = {
    "id": "d290f1ee-6c54-4b01-90e6-d701748f0851",
    "type": "image",
    "state": "queued",
    "model": "uni-1",
    "created_at": "2026-04-08T12:00:00Z",
    "output": [],
}
CREATED = answer(201, GENERATION)

anyio_backend = in_virtual_time


def client(api: Wire, **options: Any) -> AsyncLuma:
    chosen: dict[str, Any] = {"clock": FakeClock(), "inline_on_503": True, "max_retries": 2} | options
    return AsyncLuma(KEY, base_url=api.url, **chosen)


def inline(data: bytes, media_type: str) -> dict[str, str]:
    return {"data": base64.b64encode(data).decode(), "media_type": media_type}


def sent(request: Arrived) -> Any:
    return json.loads(request.body)


def served(body: bytes = PNG, content_type: str = "image/png") -> Step:
    return answer(200, body, content_type=content_type)


async def test_every_image_url_of_a_request_is_fetched_and_sent_as_base64() -> None:
    async def pictures(peer: Peer, request: Arrived) -> None:
        await (served(JPEG, "text/plain") if "b" in request.target else served())(peer, request)

    async with Wire(pictures) as host, Wire(UNAVAILABLE, CREATED) as api, client(api) as luma:
        a, b = f"{host.url}/a.png?{SIGNED}", f"{host.url}/b.png"
        created = await luma.generations.create(
            prompt="a heron",
            type="image_edit",
            source=MediaRef.url(a),
            image_ref=[{"url": b}, MediaRef.generation("gen-1"), MediaRef.bytes(PNG, "image/png")],
            video={"keyframes": [{"url": a}], "edit": {"keyframes": [{"url": b}]}},
        )
    assert created.state == "queued"
    first, second = api.requests
    assert sent(first)["source"] == {"url": a}
    assert sent(second) == {
        **sent(first),
        "source": inline(PNG, "image/png"),
        "image_ref": [inline(JPEG, "image/jpeg"), {"generation_id": "gen-1"}, inline(PNG, "image/png")],
        "video": {
            "keyframes": [inline(PNG, "image/png")],
            "edit": {"keyframes": [inline(JPEG, "image/jpeg")]},
        },
    }
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]


async def test_no_credentials_go_to_the_images_host() -> None:
    async with Wire(served()) as host, Wire(UNAVAILABLE, CREATED) as api, client(api) as luma:
        await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    (fetched,) = host.requests
    assert fetched.method == "GET"
    assert not {"Authorization", "Cookie", "X-Request-Id", "Referer"} & set(fetched.headers)
    assert KEY.encode() not in fetched.head


async def test_the_request_goes_again_at_once() -> None:
    clock = FakeClock()
    async with Wire(served()) as host, Wire(UNAVAILABLE, CREATED) as api, client(api, clock=clock) as luma:
        await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    assert clock.slept == []


async def test_nothing_is_fetched_unless_it_is_wanted() -> None:
    async with Wire(served()) as host, Wire(UNAVAILABLE) as api, client(api, inline_on_503=False) as luma:
        with pytest.raises(ServiceUnavailableError, match="ingestion unavailable"):
            await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    assert host.requests == []
    assert [sent(request)["image_ref"] for request in api.requests] == [[{"url": f"{host.url}/a.png"}]] * 3


@pytest.mark.parametrize(
    "other",
    [answer(503, {"detail": "Down for maintenance"}), answer(503, b"<html>ingestion", content_type="text/html")],
)
async def test_nothing_is_fetched_for_any_other_reason(other: Step) -> None:
    async with Wire(served()) as host, Wire(other) as api, client(api, max_retries=0) as luma:
        with pytest.raises(Exception, match=r"maintenance|not the API's own"):
            await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    assert host.requests == []


async def test_an_api_that_is_not_content_with_base64_either_is_asked_again_with_backoff_and_given_up() -> None:
    clock = FakeClock()
    async with Wire(served()) as host, Wire(UNAVAILABLE) as api, client(api, clock=clock, max_retries=3) as luma:
        with pytest.raises(ServiceUnavailableError):
            await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    assert len(host.requests) == 1
    assert len(api.requests) == 4
    assert len(clock.slept) == 2


async def test_a_video_is_left_to_the_api() -> None:
    async with Wire(served()) as host, Wire(UNAVAILABLE, CREATED) as api, client(api) as luma:
        source = MediaRef.url(f"{host.url}/a.mp4", media_type="video/mp4")
        await luma.generations.create(prompt="a heron", model="ray-3.2", type="video_edit", source=source)
    assert host.requests == []
    assert sent(api.requests[1]) == sent(api.requests[0])


# What isn't fetched, or isn't sent on.


async def refused(step: Step | None, url: str = "{host}/a.png?" + SIGNED, **options: Any) -> tuple[str, int]:
    """Have a URL fetched that can't be; return what is said, and how often the host was asked."""
    async with Wire(*([step] if step else [])) as host, Wire(UNAVAILABLE) as api, client(api, **options) as luma:
        with pytest.raises(DownloadError) as caught:
            await luma.generations.create(
                prompt="a heron", image_ref=[MediaRef.generation("g"), MediaRef.url(url.format(host=host.url))]
            )
    assert len(api.requests) == 1, "nothing was charged, and nothing sent again"
    assert not leaks(caught.value, "hush-hush")
    assert str(caught.value).startswith("image_ref[1]: ")
    return str(caught.value), len(host.requests)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (served(b"<!doctype html>", "text/html"), "content-type is not an image"),
        (served(b"<!doctype html>", "image/png"), "content-type is not an image"),
        (served(b"\0\0\0\x20ftypisom", "image/png"), "content-type is not an image"),
        (served(b"", "image/png"), "content-type is not an image"),
        (answer(404, b"gone"), "the host answered 404"),
        (answer(403, b"no"), "refused the URL"),
        (answer(302, headers={"Location": "file:///etc/passwd"}), "https or http, not file"),
        (answer(302, headers={"Location": f"ftp://127.0.0.1/?{SIGNED}"}), "https or http, not ftp"),
        (answer(302, headers={"Location": f"http://10.0.0.1/?{SIGNED}"}), "not on the public internet"),
        (answer(302, headers={"Location": "http://[::ffff:a00:1]/"}), "not on the public internet"),
        (answer(302, headers={"Location": "http://169.254.169.254/latest"}), "not on the public internet"),
        (answer(200, PNG, headers={"Content-Length": "52428801"}), "Image exceeds 50 MB size limit"),
    ],
)
async def test_what_is_no_good_image_is_told_with_its_place(step: Step, words: str) -> None:
    said, asked = await refused(step)
    assert words in said
    assert asked == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/a.png", "https or http, not ftp"),
        ("file:///etc/passwd", "https or http, not file"),
        ("data:image/png;base64,AAAA", "https or http, not data"),
        ("/a.png", "https or http, not a relative one"),
        ("http://[broken", "it is not a URL"),
        ("http://user:hush-hush@127.0.0.1/a.png", "it has a user name or a password"),
        ("http://10.0.0.1/a.png", "not on the public internet"),
        ("http://192.168.1.1/a.png", "not on the public internet"),
        ("http://169.254.169.254/latest/meta-data", "not on the public internet"),
        ("http://0.0.0.0/a.png", "not on the public internet"),
        ("http://[fd00::1]/a.png", "not on the public internet"),
        ("http://[::ffff:192.168.1.1]/a.png", "not on the public internet"),
    ],
)
async def test_a_url_that_leads_elsewhere_is_not_asked(url: str, words: str) -> None:
    said, _ = await refused(None, url)
    assert words in said


async def test_an_image_that_does_not_end_is_cut_off_at_the_limit() -> None:
    said, asked = await refused(drip(PNG[:8] + bytes(2**20), times=80))
    assert "Image exceeds 50 MB size limit" in said
    assert asked == 1


@pytest.mark.parametrize("passing", [hang_up, answer(502), truncated(PNG, promised=9_000)])
async def test_what_passes_is_tried_again(passing: Step) -> None:
    async with Wire(passing, served()) as host, Wire(UNAVAILABLE, CREATED) as api, client(api) as luma:
        await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    assert sent(api.requests[1])["image_ref"] == [inline(PNG, "image/png")]
    _, asked = await refused(passing)
    assert asked == 3


async def test_the_calls_time_limit_covers_the_fetching() -> None:
    async with Wire(stall) as host, Wire(UNAVAILABLE) as api, client(api) as luma:
        with pytest.raises(DeadlineExceededError, match="fetching the images of the request"):
            await luma.with_options(timeout=0.3).generations.create(
                prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png?{SIGNED}")]
            )


# Which addresses are asked.


def admitted(base_url: str, address: str) -> bool:
    reach = image_host_policy(HostPolicy(schemes=frozenset({"https"}), max_connections=1), base_url)
    assert reach.allows_address is not None
    return reach.allows_address(address)


def test_only_an_api_on_this_machine_lets_this_machine_be_asked() -> None:
    for base_url in ("http://127.0.0.1:8080/v1", "http://localhost/v1", "http://[::1]/v1"):
        assert admitted(base_url, "127.0.0.1")
        assert admitted(base_url, "::1")
        assert not admitted(base_url, "10.0.0.1")
    for base_url in ("https://agents.lumalabs.ai/v1", "http://10.0.0.1/v1"):
        assert not admitted(base_url, "127.0.0.1")
        assert not admitted(base_url, "::1")
        assert admitted(base_url, "1.1.1.1")


@pytest.mark.parametrize("name", ["0xa000001", "0xa.1", "0xA.0.1"])
async def test_a_name_that_resolves_to_a_private_address_is_refused_after_dns(name: str) -> None:
    (*_, resolved), *_ = await asyncio.get_running_loop().getaddrinfo(name, 80, family=socket.AF_INET)
    assert resolved == ("10.0.0.1", 80), "a name that every resolver knows without asking anybody"
    said, _ = await refused(None, f"http://{name}/a.png")
    assert "not on the public internet" in said


async def test_a_name_of_this_machine_is_asked_if_the_api_is_there_too() -> None:
    async with Wire(served()) as host, Wire(UNAVAILABLE, CREATED) as api, client(api) as luma:
        url = host.url.replace("127.0.0.1", "localhost")
        await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{url}/a.png")])
    assert len(host.requests) == 1


@pytest.mark.parametrize("made", [AsyncLuma, AsyncGeneror])
@pytest.mark.parametrize("option", ["inline_on_503", "inline_on_422"])
def test_a_proxy_and_fetching_do_not_go_together(made: type[AsyncLuma | AsyncGeneror], option: str) -> None:
    options: dict[str, Any] = {option: True}
    with pytest.raises(InvalidRequestError, match="does not go through a proxy") as caught:
        made("x", base_url="http://127.0.0.1/v1", proxy="http://127.0.0.1:3128", **options)
    assert caught.value.field == option


# Hosts that give programs nothing.


def no_image(words: str) -> Step:
    return answer(422, {"detail": f"image_ref[0]: {words}"})


ON_422: dict[str, Any] = {"inline_on_503": False, "inline_on_422": True}
REFUSED = no_image("failed to fetch URL (HTTP 403)")


@pytest.mark.parametrize(
    "words", ["failed to fetch URL (HTTP 403)", "failed to fetch URL", "content-type is not an image"]
)
async def test_an_image_that_a_host_refuses_the_api_is_fetched_here_if_that_is_wanted(words: str) -> None:
    clock = FakeClock()
    async with (
        Wire(served()) as host,
        Wire(no_image(words), CREATED) as api,
        client(api, clock=clock, **ON_422) as luma,
    ):
        await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    first, second = api.requests
    assert sent(first)["image_ref"] == [{"url": f"{host.url}/a.png"}]
    assert sent(second)["image_ref"] == [inline(PNG, "image/png")]
    assert clock.slept == []


@pytest.mark.parametrize("options", [{}, {"inline_on_503": False}, {**ON_422, "max_retries": 0}])
async def test_a_422_is_raised_where_that_is_not_wanted_or_no_attempt_is_left(options: dict[str, Any]) -> None:
    async with Wire(served()) as host, Wire(REFUSED) as api, client(api, **options) as luma:
        with pytest.raises(UnprocessableEntityError, match="failed to fetch URL"):
            await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    assert (len(api.requests), len(host.requests)) == (1, 0)


@pytest.mark.parametrize("words", ["invalid base64 data", "parameters that don't go together"])
async def test_another_422_is_no_reason_to_fetch(words: str) -> None:
    async with Wire(served()) as host, Wire(no_image(words)) as api, client(api, **ON_422) as luma:
        with pytest.raises(UnprocessableEntityError):
            await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    assert (len(api.requests), len(host.requests)) == (1, 0)


async def test_a_422_to_the_image_itself_is_raised_at_once() -> None:
    async with Wire(served()) as host, Wire(REFUSED) as api, client(api, **ON_422) as luma:
        with pytest.raises(UnprocessableEntityError):
            await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    assert (len(api.requests), len(host.requests)) == (2, 1)


async def test_a_host_that_refuses_this_client_too_is_told() -> None:
    async with Wire(answer(403, b"no")) as host, Wire(REFUSED) as api, client(api, **ON_422) as luma:
        with pytest.raises(DownloadError, match=r"image_ref\[0\]: the API could not fetch the image by its URL, nor"):
            await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    assert len(api.requests) == 1


async def test_one_of_the_two_does_not_stand_for_the_other() -> None:
    async with Wire(served()) as host, Wire(UNAVAILABLE) as api, client(api, **ON_422) as luma:
        with pytest.raises(ServiceUnavailableError):
            await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])
    assert host.requests == []


async def test_the_blocking_half_fetches_it_as_well() -> None:
    async with Wire(served()) as host, Wire(REFUSED, CREATED) as api:

        def create() -> None:
            with Luma(KEY, base_url=api.url, inline_on_422=True) as luma:
                luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{host.url}/a.png")])

        await asyncio.to_thread(create)
    assert sent(api.requests[1])["image_ref"] == [inline(PNG, "image/png")]


async def test_a_batchs_rows_are_fetched_for_as_well(tmp_path: Path) -> None:
    failed = {**GENERATION, "state": "failed", "failure_code": "generation_failed", "failure_reason": "it broke"}
    async with (
        Wire(served()) as host,
        Wire(REFUSED, answer(201, failed)) as api,
        AsyncLuma(KEY, base_url=api.url, inline_on_422=True) as luma,
    ):
        rows: list[dict[str, Any]] = [{"prompt": "a heron", "image_ref": [{"url": f"{host.url}/a.png"}], "id": "a"}]
        outcomes = [outcome async for outcome in run_batch(luma, rows, to=tmp_path)]
    assert [outcome.remote_ids for outcome in outcomes] == [(GENERATION["id"],)]
    assert [sent(request)["image_ref"] for request in api.requests[:2]][1] == [inline(PNG, "image/png")]
