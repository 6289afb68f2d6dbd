"""Media types of files, by their bytes, names and hosts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.media_types import (
    SNIFFED_BYTES,
    extension,
    fetched_image_type,
    output_type,
    sniff,
    upload_type,
)

PNG, JPEG, WEBP = b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBPVP8 "
MP4, MOV, BINARY, HTML = b"\0\0\0\x20ftypisom", b"\0\0\0\x14ftypqt  ", b"\x00\x01\x02\x03", b"<!doctype html><html>"
HEADS = {
    PNG: "image/png",
    JPEG: "image/jpeg",
    b"GIF89a": "image/gif",
    WEBP: "image/webp",
    b"v/1\x01\0": "image/x-exr",
    b"\0\0\0\x20ftypavif": "image/avif",
    b"\0\0\0\x20ftypheic": "image/heic",
    MP4: "video/mp4",
    MOV: "video/quicktime",
    b"\0\0\0\x20ftypM4A ": "audio/mp4",
    b"\x1aE\xdf\xa3\x01\0\0\0B\x82\x84webm": "video/webm",
    b"\x1aE\xdf\xa3\x01\0\0\0B\x82\x88matroska": "video/x-matroska",
    b"RIFF\0\0\0\0WAVE": "audio/wav",
    b"RIFF\0\0\0\0AVI LIST": "video/x-msvideo",
    b"RIFF\0\0\0\0what": None,
    b"fLaC\0": "audio/flac",
    b"ID3\x04": "audio/mpeg",
    HTML: None,
    b"": None,
}


@pytest.mark.parametrize("head", HEADS)
def test_a_type_is_told_by_the_first_bytes(head: bytes) -> None:
    assert sniff(head) == HEADS[head]


@given(st.sampled_from([head for head, kind in HEADS.items() if kind]), st.binary(max_size=SNIFFED_BYTES), st.text())
def test_what_comes_after_the_first_bytes_and_the_host_change_nothing(head: bytes, rest: bytes, said: str) -> None:
    told = sniff(head)
    assert told is not None
    if told != "video/x-matroska":
        assert sniff(head + rest) == told
        assert output_type(head + rest, said, "") == told


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [
        ("image/jpeg", ".jpg"),
        ("image/png", ".png"),
        ("video/mp4", ".mp4"),
        ("audio/wav", ".wav"),
        ("audio/ogg", ".ogg"),
        ("audio/opus", ".opus"),
        ("audio/flac", ".flac"),
        ("audio/aac", ".aac"),
        ("text/plain", ".txt"),
        ("text/x", ".bin"),
    ],
)
def test_a_type_has_one_suffix(media_type: str, suffix: str) -> None:
    assert extension(media_type) == suffix


@pytest.mark.parametrize(
    ("head", "name", "media_type"),
    [
        (PNG, "a.png", "image/png"),
        (PNG, "a.PNG", "image/png"),
        (PNG, "", "image/png"),
        (PNG, "noon.sunset", "image/png"),
        (JPEG, "a.jpeg", "image/jpeg"),
        (MP4, "a.mov", "video/mp4"),
        (MOV, "a.mp4", "video/quicktime"),
        (b"\0\0\0\x08wide", "a.mov", "video/quicktime"),
        (b"II*\0", "a.tiff", "image/tiff"),
        (b"<svg>", "a.svg", "image/svg+xml"),
    ],
)
def test_a_file_is_what_its_bytes_say_if_its_name_agrees(head: bytes, name: str, media_type: str) -> None:
    assert upload_type(head, name) == media_type


@pytest.mark.parametrize(
    ("head", "name", "words"),
    [
        (JPEG, "a.png", "is named as image/png, but its first bytes are of image/jpeg"),
        (PNG, "a.mp4", "is named as video/mp4, but its first bytes are of image/png"),
        (BINARY, "a.png", "is named as image/png, but its first bytes are of something else"),
        (HTML, "a.mp4", "is named as video/mp4, but its first bytes are of something else"),
        (BINARY, "a.dat", "can be told"),
        (BINARY, "", "can be told"),
        (BINARY, "a.mp3", "is no image or video"),
        (b"", "a.txt", "is no image or video"),
    ],
)
def test_a_file_that_is_something_else_is_refused(head: bytes, name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        upload_type(head, name)


@pytest.mark.parametrize(
    ("head", "said", "wanted", "media_type"),
    [
        (PNG, "text/html", "image", "image/png"),
        (MP4, "binary/octet-stream", "video", "video/mp4"),
        (b"v/1\x01", "application/octet-stream", "video", "image/x-exr"),
        (BINARY, "application/octet-stream", "image", "application/octet-stream"),
        (b"RIFF\0\0\0\0WAVE", "audio/x-wav", "audio", "audio/wav"),
        (b"\0\0\0\x08wide", "video/mp4", "video", "video/mp4"),
        (b"<svg>", "image/svg+xml", "image", "image/svg+xml"),
        (HTML, "text/html", "mesh", "text/html"),
    ],
)
def test_an_output_is_what_its_bytes_say_and_else_what_its_host_says(
    head: bytes, said: str, wanted: str, media_type: str
) -> None:
    assert output_type(head, said, wanted) == media_type


@pytest.mark.parametrize(
    ("head", "said", "wanted", "words"),
    [
        (HTML, "text/html", "image", "sent text/html where image was asked for"),
        (HTML, "image/png", "image", "calls it image/png, but"),
        (BINARY, "image/jpg", "image", "calls it image/jpeg, but"),
        (HTML, "video/mp4", "video", "calls it video/mp4, but"),
        (b"", "video/mp4", "video", "calls it video/mp4, but"),
        (b"", "application/octet-stream", "image", "octet-stream where image"),
        (PNG, "video/mp4", "video", "sent image/png where video was asked for"),
        (MP4, "image/png", "image", "sent video/mp4 where image was asked for"),
        (b'{"error": 1}', "application/json", "audio", "sent application/json"),
    ],
)
def test_an_output_that_is_something_else_is_refused(head: bytes, said: str, wanted: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        output_type(head, said, wanted)


def test_an_image_that_is_none_is_refused_in_the_apis_own_words() -> None:
    assert fetched_image_type(PNG, "text/plain") == "image/png"
    for head, said in [(HTML, "image/png"), (MP4, "image/png"), (BINARY, "application/octet-stream")]:
        with pytest.raises(ValueError, match=r"^content-type is not an image$"):
            fetched_image_type(head, said)
