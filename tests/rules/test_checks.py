"""Refusals of requests that are always invalid, in the vendor's words."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.errors import InvalidRequestError
from generor_async.rules import checks
from generor_async.values import UNSET, MediaRef


def allowed(check: Callable[[], None]) -> bool:
    try:
        check()
    except InvalidRequestError:
        return False
    return True


@given(st.text(max_size=12), st.integers(0, 5), st.integers(5, 10))
def test_a_length_is_within_its_bounds_or_refused(text: str, least: int, most: int) -> None:
    assert allowed(lambda: checks.length(text, "prompt", at_least=least, at_most=most)) is (least <= len(text) <= most)


def test_a_refusal_is_in_the_vendors_words() -> None:
    words = "Prompt must be between 1 and 6000 characters"
    with pytest.raises(InvalidRequestError) as caught:
        checks.length("x" * 6_001, "prompt", at_least=1, at_most=6_000, refusal=words)
    assert caught.value.problem == words
    assert "It has 6,001" in str(caught.value)
    assert "xxx" not in str(caught.value), "a prompt is never shown"


@given(st.integers() | st.floats(), st.floats(-5, 5), st.floats(5, 10))
def test_a_number_is_within_its_range_or_refused(value: float, least: float, most: float) -> None:
    assert allowed(lambda: checks.within(value, "count", at_least=least, at_most=most)) is (least <= value <= most)


@pytest.mark.parametrize("value", [None, UNSET, "16:9"])
def test_what_is_left_out_or_is_no_number_is_left_to_the_server(value: Any) -> None:
    checks.within(value, "count", at_least=1, at_most=10)
    checks.within(value, "count", at_most=10)
    if not isinstance(value, str):
        checks.length(value, "prompt", at_most=1)
        checks.items(value, "reference_images", at_most=0)


def test_one_sided_ranges_say_so() -> None:
    with pytest.raises(InvalidRequestError, match="at most 100"):
        checks.within(101, "per_page", at_most=100)
    with pytest.raises(InvalidRequestError, match="at least 1"):
        checks.within(0, "page", at_least=1)


def test_a_list_is_counted() -> None:
    checks.items(["a"] * 9, "reference_images", at_most=9)
    with pytest.raises(InvalidRequestError, match="at most 9 entries"):
        checks.items(["a"] * 10, "reference_images", at_most=9)


def test_a_name_that_is_another_endpoint_is_refused_with_the_right_call() -> None:
    checks.reserved("meg", "username", "me", "users.me()")
    with pytest.raises(InvalidRequestError, match=r"users\.me\(\)"):
        checks.reserved("me", "username", "me", "users.me()")


URL = {"url": "https://example.com/a.png"}
BOTH = {**URL, "data": "aGk=", "media_type": "image/png"}
BARE = {"data": "aGk="}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"source": URL}, "source", "source is only valid for type 'image_edit'"),
    ({"type": "image", "source": URL}, "source", "source is only valid for type 'image_edit'"),
    ({"type": "image_edit"}, "source", "source is required for type 'image_edit'"),
    ({"type": "layering"}, "source", "source is required for type 'layering'"),
    (
        {"type": "image_edit", "source": URL, "image_ref": [URL] * 9},
        "image_ref",
        "image_edit supports up to 8 reference images (source occupies one slot)",
    ),
    ({"image_ref": [URL, BOTH]}, "image_ref[1]", "image_ref[1]: provide either 'url' or 'data', not both"),
    ({"image_ref": [BARE]}, "image_ref[0]", "image_ref[0]: 'media_type' is required with 'data'"),
    (
        {"type": "image_edit", "source": BOTH},
        "source",
        "source: provide either 'url' or 'data', not both",
    ),
    (
        {"image_ref": [{}]},
        "image_ref[0]",
        "image_ref[0]: provide exactly one of 'url', 'data', 'generation_id' or 'file_id'",
    ),
    (
        {"image_ref": ["https://example.com/a.png"]},
        "image_ref[0]",
        "image_ref[0]: expected a MediaRef or a mapping, not str",
    ),
    (
        {"type": "video", "video": {"start_frame": BARE}},
        "video.start_frame",
        "video.start_frame: 'media_type' is required with 'data'",
    ),
    (
        {"type": "video", "video": {"keyframes": [URL, BOTH]}},
        "video.keyframes[1]",
        "video.keyframes[1]: provide either 'url' or 'data', not both",
    ),
    (
        {"type": "video_edit", "source": URL, "video": {"edit": {"keyframes": [BARE]}}},
        "video.edit.keyframes[0]",
        "video.edit.keyframes[0]: 'media_type' is required with 'data'",
    ),
]


@pytest.mark.parametrize(("body", "field", "words"), REFUSED)
def test_a_generation_that_can_never_be_right_is_refused(body: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        checks.luma_generation(body)
    assert (caught.value.field, caught.value.problem) == (field, words)


def carried(size: int, media_type: str) -> MediaRef:
    return MediaRef.bytes(bytes(size), media_type)


def test_an_inline_image_is_refused_from_the_first_byte_beyond_the_apis_limit_and_in_its_words() -> None:
    limit = checks.LARGEST_INLINE
    for size in (limit - 1, limit):
        checks.luma_generation({"image_ref": [carried(size, "image/png").to_json()]})
    for size in (limit + 1, limit + 2, limit + 3):
        with pytest.raises(InvalidRequestError, match=r"^image_ref\[0\]: Image exceeds 50 MB size limit") as caught:
            checks.luma_generation({"image_ref": [carried(size, "image/png").to_json()]})
        assert caught.value.field == "image_ref[0]"
    checks.luma_generation({"type": "video_edit", "source": carried(limit + 1, "video/mp4").to_json()})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "image", "image_ref": [URL] * 9},
        {"type": "image_edit", "source": URL, "image_ref": [URL] * 8},
        {"type": "image_edit", "source": MediaRef.file("a.png")},
        {"image_ref": [{"generation_id": "g"}, {"file_id": "f"}, {**BARE, "media_type": "image/png"}]},
        {"type": "something_new", "source": URL},
        {"type": "something_new"},
        {"type": "video", "video": {"start_frame": URL, "end_frame": None, "keyframes": None}},
        {"type": "video", "video": "later"},
    ],
)
def test_what_the_server_may_take_is_left_to_it(body: dict[str, Any]) -> None:
    checks.luma_generation(body)
