"""References to images and videos that go into a generation."""

import base64
from pathlib import Path
from typing import Any

import pytest

from generor_async.values import MediaRef


def test_each_kind_has_the_apis_own_form() -> None:
    assert MediaRef.url("https://x/a.png").to_json() == {"url": "https://x/a.png"}
    assert MediaRef.url("https://x/a.mp4", media_type="video/mp4").to_json() == {
        "url": "https://x/a.mp4",
        "media_type": "video/mp4",
    }
    assert MediaRef.generation("g").to_json() == {"generation_id": "g"}
    assert MediaRef.uploaded("f").to_json() == {"file_id": "f"}


def test_bytes_are_carried_as_base64() -> None:
    data = bytes(range(256))
    form = MediaRef.bytes(data, "image/png").to_json()
    assert isinstance(form, dict)
    assert base64.b64decode(form["data"]) == data
    assert form["media_type"] == "image/png"


@pytest.mark.parametrize("data", [b"heron", bytearray(b"heron"), memoryview(b"xheron")[1:]])
def test_bytes_are_what_they_were_when_they_were_given(data: Any) -> None:
    reference = MediaRef.bytes(data, "image/png")
    if isinstance(data, bytearray):
        data[:] = b"other"
    assert reference == MediaRef.bytes(b"heron", "image/png")


def test_what_is_no_bytes_stays_itself_until_it_is_refused() -> None:
    given: Any = "aGVyb24="
    reference = MediaRef.bytes(given, "image/png")
    assert reference.to_json() is reference


def test_a_file_stays_itself_until_it_is_sent() -> None:
    reference = MediaRef.file(Path("a.png"))
    assert reference.to_json() is reference


def test_content_and_addresses_are_not_shown() -> None:
    shown = repr([MediaRef.url("https://x/a.png?X-Amz-Signature=hush"), MediaRef.bytes(b"hush", "image/png")])
    assert "hush" not in shown
    assert base64.b64encode(b"hush").decode() not in shown
