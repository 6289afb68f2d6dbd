"""Requests that are looked at before they leave: at the vendor's own address what is certain to fail isn't sent."""

import base64
import json
import struct
import warnings
from pathlib import Path
from typing import Any

import pytest
from support.clock import FakeClock
from support.wire import Wire, answer

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError, MediaRef
from generor_async.batch.runner import run_batch

KEY = "luma-api-0123456789"
CREATED = answer(
    201,
    {
        "id": "d290f1ee-6c54-4b01-90e6-d701748f0851",
        "type": "image",
        "state": "queued",
        "model": "uni-1",
        "created_at": "2026-04-08T12:00:00Z",
        "output": [],
    },
)
WIDE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 8_001, 2) + b"\x08\x02\0\0\0"
ONE_PICTURE_AND_10S: dict[str, Any] = {
    "prompt": "a heron",
    "model": "ray-3.2",
    "type": "video",
    "video": {"duration": "10s", "start_frame": {"url": "https://x.example/a.png"}},
}


def path_to(tmp_path: Path) -> Path:
    path = tmp_path / "wide.png"
    path.write_bytes(WIDE)
    return path


def client(api: Wire, **options: Any) -> AsyncLuma:
    chosen: dict[str, Any] = {"clock": FakeClock()} | options
    return AsyncLuma(KEY, base_url=api.url, **chosen)


@pytest.mark.parametrize("how", ["bytes", "file", "mapping"])
async def test_a_picture_that_is_too_large_is_not_sent_to_the_vendor(tmp_path: Path, how: str) -> None:
    reference: Any = {
        "bytes": MediaRef.bytes(WIDE, "image/png"),
        "file": MediaRef.file(path_to(tmp_path)),
        "mapping": {"data": base64.b64encode(WIDE).decode(), "media_type": "image/png"},
    }[how]
    async with AsyncLuma(KEY, base_url="https://agents.lumalabs.ai/v1/") as luma:
        with pytest.raises(InvalidRequestError, match="8,001 x 2 pixels") as caught:
            await luma.generations.create(prompt="a heron", image_ref=[reference])
    assert caught.value.field == "image_ref[0]"
    assert caught.value.response is None


async def test_a_users_id_that_is_too_long_is_not_sent_to_the_vendor_by_any_call() -> None:
    long = "u" * 257
    async with AsyncLuma(KEY, base_url="https://agents.lumalabs.ai/v1") as luma:
        for call in (
            luma.generations.create(prompt="a heron", user_id=long),
            luma.with_options(extra_body={"user_id": long}).generations.create(prompt="a heron"),
            luma.files.create(mime_type="image/png", size_bytes=7, user_id=long),
            luma.files.create_inline(b"abc", filename="a.png", mime_type="image/png", user_id=long),
            luma.request("POST", "/generations", json={"user_id": long}),
        ):
            with pytest.raises(InvalidRequestError, match=r"at most 256 characters\. It has 257"):
                await call


async def test_another_server_may_take_what_the_vendor_refuses() -> None:
    async with Wire(CREATED) as api, client(api) as luma:
        await luma.generations.create(
            prompt="a heron", user_id="u" * 257, image_ref=[MediaRef.bytes(WIDE, "image/png")]
        )
    assert len(json.loads(api.requests[0].body)["user_id"]) == 257


async def test_a_combination_that_pages_call_impossible_is_sent_and_warned_of_once() -> None:
    async with Wire(CREATED) as api, client(api) as luma:
        with pytest.warns(UserWarning, match=r"One picture and 10s: keyframes=\[\.\.\.\]") as told:
            await luma.generations.create(**ONE_PICTURE_AND_10S)
        for _ in range(3):  # a warning would be an error here
            await luma.generations.create(**ONE_PICTURE_AND_10S)
            await luma.with_options(timeout=5).generations.submit(**ONE_PICTURE_AND_10S)
        assert told[0].filename == __file__, "where the call was made, not where this package warned"
    assert len(api.requests) == 7


async def test_an_http_reference_is_warned_of_unless_the_client_fetches_it_where_the_api_cant() -> None:
    ask: dict[str, Any] = {"prompt": "a heron", "image_ref": [MediaRef.url("http://x.example/a.png")]}
    async with Wire(CREATED) as api:
        async with client(api) as luma:
            with pytest.warns(UserWarning, match=r"image_ref\[0\]: the API fetches references from public https"):
                await luma.generations.create(**ask)
        async with client(api, inline_on_503=True) as luma:
            await luma.generations.create(**ask)
        async with client(api) as luma:
            await luma.generations.create(prompt="a heron", image_ref=[MediaRef.url(f"{api.url}/a.png")])


async def test_a_warning_that_is_made_an_error_sends_nothing() -> None:
    async with Wire(CREATED) as api, client(api) as luma:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserWarning, match="aspect_ratio is ignored"):
                await luma.generations.create(
                    prompt="a heron", type="image_edit", source=MediaRef.generation("g"), aspect_ratio="1:1"
                )
    assert not api.requests


async def test_a_batch_warns_once_for_all_rows(tmp_path: Path) -> None:
    rows = [{**ONE_PICTURE_AND_10S, "prompt": f"heron {number}"} for number in range(5)]
    refused = answer(400, {"detail": "no"})
    async with Wire(refused) as api, client(api) as luma:
        with pytest.warns(UserWarning, match="One picture and 10s") as told:
            outcomes = [outcome async for outcome in run_batch(luma, rows, to=tmp_path)]
    assert len(told) == 1
    assert [outcome.state for outcome in outcomes] == ["failed"] * 5


async def test_generor_is_left_alone() -> None:
    async with Wire(answer(200, {"success": True, "data": {}})) as api, AsyncGeneror(base_url=api.url) as generor:
        await generor.request("POST", "/x", json={"user_id": "u" * 257, "keyframes": {}})
