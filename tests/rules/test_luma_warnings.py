"""Checks and warnings by Luma's pages."""

import base64
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generor_async import InvalidRequestError
from generor_async.rules import luma_input_checks
from generor_async.rules.luma_input_checks import check_inputs
from generor_async.rules.luma_warnings import parameter_warnings

HTTPS = {"url": "https://x.example/a.png"}


def drawn(form: str = "PNG", size: tuple[int, int] = (8, 8), **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, form, **options)
    return file.getvalue()


def inline(data: bytes, media_type: str = "image/png") -> dict[str, str]:
    return {"data": base64.b64encode(data).decode(), "media_type": media_type}


ANIMATED = drawn("GIF", save_all=True, append_images=[Image.new("RGB", (8, 8), "red")])
HEIC = b"\0\0\0\x18ftypheic" + bytes(20)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"user_id": "u" * 257}, "user_id", "user_id must have at most 256 characters. It has 257"),
        (
            {"image_ref": [HTTPS, inline(drawn(size=(8_001, 2)))]},
            "image_ref[1]",
            "the picture has 8,001 x 2 pixels, and a side may have 8,000. Resize it",
        ),
        ({"source": inline(drawn("JPEG", (2, 9_000)), "image/jpeg")}, "source", "2 x 9,000 pixels"),
        ({"video": {"start_frame": inline(drawn("WEBP", (8_001, 1)), "image/webp")}}, "video.start_frame", "8,001 x 1"),
        ({"video": {"edit": {"keyframes": [inline(HEIC)]}}}, "video.edit.keyframes[0]", "not image/heic"),
        ({"source": inline(HEIC, "image/heic; x=y")}, "source", "takes image/jpeg, image/png, image/webp, image/gif"),
        ({"source": inline(b"<svg/>", "image/svg+xml")}, "source", "not image/svg+xml"),
        ({"source": inline(ANIMATED, "image/gif")}, "source", "the GIF is animated"),
    ],
)
def test_what_is_in_hand_and_certain_to_fail_is_refused_with_its_place(
    body: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_inputs({"prompt": "x", **body})
    assert caught.value.field == field
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": "u" * 256},
        {"user_id": None, "image_ref": None, "video": None},
        {"image_ref": [inline(drawn(size=(8_000, 1)))]},
        {"source": inline(drawn("GIF"), "image/gif")},
        {"source": inline(drawn("JPEG"), "image/jpg")},
        {"source": inline(b"what this is nobody can tell")},
        {"source": inline(drawn(), "application/octet-stream")},
        {"source": {"data": "not base64!", "media_type": "image/png"}},
        {"source": {"data": 7, "media_type": "image/png"}},
        {"source": inline(b"\0\0\0\x18ftypisom", "video/mp4")},
        {"image_ref": "a string", "video": [], "source": {"url": "u"}},
    ],
)
def test_what_may_be_right_is_left_to_the_server(body: dict[str, Any]) -> None:
    check_inputs({"prompt": "x", **body})


def test_a_video_inside_a_request_has_at_most_200_mb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luma_input_checks, "LARGEST_VIDEO", 10)
    check_inputs({"source": inline(bytes(10), "video/mp4")})
    with pytest.raises(InvalidRequestError, match=r"has 11 bytes, more than 200 MB\. Upload it with files\.upload"):
        check_inputs({"source": inline(bytes(11), "video/mp4")})


@given(st.binary(max_size=200), st.integers(0, 250), st.integers(0, 60))
def test_a_piece_of_base64_is_the_piece_of_what_it_stands_for(data: bytes, offset: int, count: int) -> None:
    read = luma_input_checks._reader(base64.b64encode(data).decode())  # pyright: ignore[reportPrivateUsage]
    assert read(offset, count) == data[offset : offset + count]


VIDEO = {"model": "ray-3.2", "type": "video"}
EDIT = {"model": "ray-3.2", "type": "video_edit", "source": {**HTTPS, "media_type": "video/mp4"}}
REFRAME = {**EDIT, "type": "video_reframe"}
GENERATION = {"generation_id": "g"}


def said(body: dict[str, Any], **how: bool) -> set[str]:
    return {remark.name for remark in parameter_warnings({"prompt": "x", **body}, **how)}


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("manga", {"style": "manga", "aspect_ratio": "16:9"}, {"style": "manga", "aspect_ratio": "9:16"}),
        ("manga", {"style": "manga", "aspect_ratio": "1:1"}, {"style": "manga"}),
        ("edit_ratio", {"type": "image_edit", "source": HTTPS, "aspect_ratio": "1:1"}, {"aspect_ratio": "1:1"}),
        ("edit_ratio", {**EDIT, "aspect_ratio": "1:1"}, {**REFRAME, "aspect_ratio": "1:1"}),
        ("video_ratio", {**VIDEO, "aspect_ratio": "2:1"}, {**VIDEO, "aspect_ratio": "21:9"}),
        (
            "upright_1080p",
            {**VIDEO, "aspect_ratio": "9:16", "video": {"resolution": "1080p"}},
            {**VIDEO, "aspect_ratio": "1:1", "video": {"resolution": "1080p"}},
        ),
        (
            "10s_frames",
            {**VIDEO, "video": {"duration": "10s", "start_frame": HTTPS}},
            {**VIDEO, "video": {"duration": "10s", "keyframes": [HTTPS], "keyframe_indexes": [0]}},
        ),
        (
            "10s_hdr",
            {**VIDEO, "video": {"duration": "10s", "hdr": True}},
            {**VIDEO, "video": {"duration": "10s", "hdr": False}},
        ),
        (
            "10s_loop",
            {**VIDEO, "video": {"duration": "10s", "loop": True}},
            {**VIDEO, "video": {"duration": "5s", "loop": True}},
        ),
        (
            "hdr_resolution",
            {**VIDEO, "video": {"resolution": "540p", "hdr": True}},
            {**VIDEO, "video": {"resolution": "1080p", "hdr": True}},
        ),
        ("hdr_loop", {**VIDEO, "video": {"hdr": True, "loop": True}}, {**VIDEO, "video": {"loop": True}}),
        ("exr", {**VIDEO, "video": {"exr_export": True}}, {**VIDEO, "video": {"exr_export": True, "hdr": True}}),
        (
            "keyframes",
            {**VIDEO, "video": {"keyframes": [HTTPS], "keyframe_indexes": [0], "end_frame": HTTPS}},
            {**VIDEO, "video": {"start_frame": HTTPS, "end_frame": HTTPS}},
        ),
        (
            "extend",
            {**VIDEO, "video": {"start_frame": GENERATION, "end_frame": HTTPS}},
            {**VIDEO, "video": {"start_frame": GENERATION}},
        ),
        ("extend", {**VIDEO, "video": {"start_frame": GENERATION, "hdr": True}}, {**VIDEO, "video": {"hdr": True}}),
        (
            "edit_controls",
            {**EDIT, "video": {"edit": {"auto_controls": True, "strength": "flex_1"}}},
            {**EDIT, "video": {"edit": {"auto_controls": False, "strength": "flex_1"}}},
        ),
        ("edit_references", {**EDIT, "image_ref": [HTTPS]}, {**VIDEO, "image_ref": [HTTPS]}),
        ("edit_frames", {**EDIT, "video": {"end_frame": HTTPS}}, {**EDIT, "video": {"start_frame": HTTPS}}),
        (
            "source_position",
            {**REFRAME, "video": {"source_position": {"x_norm": 0, "y_norm": 2.5, "w_norm": 1, "h_norm": 1}}},
            {**REFRAME, "video": {"source_position": {"x_norm": -2, "y_norm": 2, "w_norm": 0.1, "h_norm": 2}}},
        ),
        (
            "source_position",
            {**REFRAME, "video": {"source_position": {"x_norm": 0, "y_norm": 0, "w_norm": 0, "h_norm": 1}}},
            REFRAME,
        ),
        ("older_api", {"keyframes": {"frame0": {"type": "image", "url": "https://x.example"}}}, {}),
        (
            "reference_url",
            {"image_ref": [HTTPS, {"url": "http://x.example/a.png"}]},
            {"image_ref": [HTTPS, {"url": "https://8.8.8.8/a.png"}]},
        ),
        ("reference_url", {"image_ref": [{"url": "https://10.0.0.1/a.png"}]}, {"image_ref": [GENERATION]}),
        ("reference_url", {"image_ref": [{"url": "https://localhost/a.png"}]}, {"image_ref": [{"url": "https://[x"}]}),
    ],
)
def test_what_a_page_calls_impossible_is_remarked_on_and_what_is_beside_it_is_not(
    name: str, wrong: dict[str, Any], right: dict[str, Any]
) -> None:
    assert said(wrong) == {name}
    assert said(right) == set()


def test_a_remark_says_what_to_do() -> None:
    (remark,) = parameter_warnings({"type": "video", "video": {"duration": "10s", "start_frame": HTTPS}})
    assert "One picture and 10s: keyframes=[...], keyframe_indexes=[0]" in remark.text


def test_a_client_that_fetches_references_itself_may_name_any_and_one_on_this_machine_what_is_here() -> None:
    here = {"image_ref": [{"url": "http://127.0.0.1:8080/a.png"}, {"url": "http://localhost/b.png"}]}
    assert said(here) == {"reference_url"}
    assert said(here, is_local=True) == set()
    assert said({"image_ref": [{"url": "http://10.0.0.1/a.png"}]}, fetches_itself=True) == set()


NAMES = st.sampled_from(
    ["type", "style", "aspect_ratio", "video", "edit", "source", "url", "source_position", "keyframes", "w_norm", "hdr"]
)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["video", "10s", "http://[", "manga"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(NAMES, ANYTHING, max_size=6))
def test_nothing_that_a_body_may_hold_is_too_odd_to_be_looked_at(body: dict[str, Any]) -> None:
    check_inputs(body)
    parameter_warnings(body)
