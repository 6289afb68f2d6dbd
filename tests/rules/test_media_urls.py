"""URLs of media in creations, and their encoding."""

import json
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from generor_async.rules.media_urls import generated_text, media_urls
from generor_async.rules.urls import encoded

VIDEO = "https://cdn.example.com/v/1.mp4"


@pytest.mark.parametrize(
    ("creation", "found"),
    [
        ({"image_url": "https://x/a"}, {"https://x/a": "image"}),
        ({"video_url": "/users/2/video/v"}, {"/users/2/video/v": "video"}),
        ({"audio_url": "//cdn.x/a"}, {"//cdn.x/a": "audio"}),
        ({"image_urls": ["https://x/a", "https://x/b"]}, {"https://x/a": "image", "https://x/b": "image"}),
        (
            {"image_urls": {"0": "https://x/a", "hd": "https://x/b.png"}},
            {"https://x/a": "image", "https://x/b.png": "image"},
        ),
        ({"images": [{"url": "/a", "width": 1, "alt": "/no"}]}, {"/a": "image"}),
        ({"images": ["/a.png", "users/2/b.webp"]}, {"/a.png": "image", "users/2/b.webp": "image"}),
        ({"generator_data": {"video_url": VIDEO}}, {VIDEO: "video"}),
        ({"generator_data": {"result": {"videos": [{"src": VIDEO}]}}}, {VIDEO: "video"}),
        ({"generator_data": json.dumps({"video_url": VIDEO})}, {VIDEO: "video"}),
        ({"generator_data": {"output": "https://x/a.ogg?s=1"}}, {"https://x/a.ogg?s=1": "audio"}),
        ({"generator_data": {"videoUrl": VIDEO}}, {VIDEO: "video"}),
        ({"speech": {"url": "https://x/a"}}, {"https://x/a": "audio"}),
        ({"image_url": VIDEO, "images": [{"url": VIDEO}]}, {VIDEO: "image"}),
        ({"image_url": "https://x/my heron.png"}, {"https://x/my heron.png": "image"}),
    ],
)
def test_every_file_is_found(creation: Any, found: dict[str, str]) -> None:
    assert media_urls(creation) == found


@pytest.mark.parametrize(
    "creation",
    [
        {"text": "see https://x/a.png"},
        {"url": "https://generor.com/creations/5"},
        {"image_url": None, "video_url": "", "images": [], "generator_data": []},
        {"images": [{"url": 5}, None, {"width": 3}]},
        {"avatar_url": "https://x/a.png", "website": "https://x/b.png", "thumbnail_url": "https://x/t.webp"},
        {"generator_data": {"reference_images": ["https://x/a.png"], "ending_frame_url": "https://x/b.png"}},
        {"generator_data": {"parameters": {"image": "https://x/a.png"}, "prompt": "https://x/a.png"}},
        {"image_description": "a heron"},
        None,
        [],
        "https",
    ],
)
def test_what_is_no_file_that_was_made_is_not_taken_for_one(creation: Any) -> None:
    assert media_urls(creation) == {}


def test_the_order_is_that_of_the_fields() -> None:
    creation = {"video_url": "/b.mp4", "images": [{"url": "/c.png"}, {"url": "/a.png"}], "audio_url": "/d.wav"}
    assert list(media_urls(creation)) == ["/b.mp4", "/c.png", "/a.png", "/d.wav"]


def test_however_deep_it_is_nested_it_is_found() -> None:
    deep: Any = {"video_url": VIDEO}
    for _ in range(5_000):
        deep = {"data": [deep]}
    assert media_urls(deep) == {VIDEO: "video"}


@pytest.mark.parametrize(
    ("creation", "text"),
    [
        ({"text": "a joke"}, "a joke"),
        ({"text": None, "generator_data": {"text": "a joke"}}, "a joke"),
        ({"generator_data": '{"text": "a joke"}'}, "a joke"),
        ({"text": 5, "generator_data": []}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_a_text_is_found(creation: Any, text: str) -> None:
    assert generated_text(creation) == text


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("https://x/a%20b.png?X-Amz-Signature=a%2Fb&c=d+e", "https://x/a%20b.png?X-Amz-Signature=a%2Fb&c=d+e"),
        ("https://x/my heron.png", "https://x/my%20heron.png"),
        ("https://x/réiher.png?n=ü", "https://x/r%C3%A9iher.png?n=%C3%BC"),
        ("https://x/a%20b c.png", "https://x/a%20b%20c.png"),
        ("https://x/100%.png", "https://x/100%25.png"),
        ('https://x/a"b<c>.png', "https://x/a%22b%3Cc%3E.png"),
        ("https://x/a\udce9.png", "https://x/a%E9.png"),
        ("https://bücher.example/a.png", "https://xn--bcher-kva.example/a.png"),
        ("/users/2/my heron.png", "/users/2/my%20heron.png"),
        (" https://x/a.png ", "https://x/a.png"),
        ("https://x/a\nb.png", "https://x/a\nb.png"),
    ],
)
def test_an_address_is_encoded_where_it_must_be_and_nowhere_else(address: str, sent: str) -> None:
    assert encoded(address) == sent


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
@example("?")
@example("a?#b")
@example("#")
def test_what_is_sent_means_what_was_named(path: str) -> None:
    sent = encoded(f"https://x/{path}")
    assert sent.isascii()
    assert not any(char.isspace() or ord(char) < 0x20 for char in sent)
    assert encoded(sent) == sent
    assert str(URL(sent, encoded=True)) == urlunsplit(
        urlsplit(sent)
    )  # neither has a `?` or `#` without anything after it


@given(st.text(st.characters(exclude_characters="%?#", exclude_categories=["Cs", "Cc", "Z"])))
def test_a_path_comes_back_as_it_was(path: str) -> None:
    assert unquote(encoded(f"https://x/a{path}z")) == f"https://x/a{path}z"
