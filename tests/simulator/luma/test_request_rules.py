"""Validation of generation requests: every 400 of the vendor's error page, and similar ones."""

from typing import Any

import pytest
from support.luma_service import Service, refused

URL = "https://example.com/photo.jpg"
IMAGE = {"url": URL}
VIDEO = {"url": "https://example.com/clip.mp4", "media_type": "video/mp4"}
RAY = {"model": "ray-3.2"}
OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"type": "audio"}, "Type 'audio' is not supported for model 'uni-1'"),
    (
        {"model": "uni-1-max", "type": "layering"},
        "Type 'layering' is not supported for model 'uni-1-max'",
    ),
    (RAY, "Type 'image' is not supported for model 'ray-3.2'"),
    (
        {**RAY, "type": "video", "aspect_ratio": "3:1"},
        "Invalid aspect_ratio '3:1'. Valid: 1:1, 16:9, 21:9, 3:4, 4:3, 9:16",
    ),
    ({"style": "noir"}, "Invalid style 'noir'. Valid: auto, manga"),
    ({"output_format": "webp"}, "Invalid output_format 'webp'. Valid: jpeg, png"),
    ({"image_ref": [IMAGE] * 10}, "image supports up to 9 reference images"),
    (
        {**RAY, "type": "video", "image_ref": [IMAGE]},
        "image_ref is only valid for types 'image' and 'image_edit'",
    ),
    ({**RAY, "type": "video", "source": IMAGE}, "source is not valid for type 'video'"),
    ({**RAY, "type": "video_edit"}, "source is required for type 'video_edit'"),
    ({**RAY, "type": "video_reframe"}, "source is required for type 'video_reframe'"),
    ({"type": "layering"}, "source is required for type 'layering'"),
    (
        {"type": "layering", "source": IMAGE, "prompt": "a" * 501},
        "Prompt must be at most 500 characters for type 'layering'",
    ),
    ({"layering": {}}, "layering is only valid for type 'layering'"),
    (
        {"type": "layering", "source": IMAGE, "layering": {"resolution": "4k"}},
        "Invalid layering.resolution '4k'. Valid: 1k, 2k",
    ),
    ({"video": {}}, "video is only valid for types video, video_edit, video_reframe"),
    (
        {**RAY, "type": "video_edit", "source": {"url": URL}},
        "source: 'media_type' must be a video type such as video/mp4",
    ),
    (
        {"image_ref": [{}]},
        "image_ref[0]: provide exactly one of 'url', 'data', 'generation_id' or 'file_id'",
    ),
    (
        {"image_ref": [{"file_id": "1", "generation_id": "2"}]},
        "image_ref[0]: provide exactly one of 'url', 'data', 'generation_id' or 'file_id'",
    ),
    ({"image_ref": [{"url": 5}]}, "image_ref[0]: 'url' must be a string"),
    ({"image_ref": [URL]}, "image_ref[0] must be an object"),
    ({"image_ref": URL}, "image_ref must be a list"),
    ({"prompt": 5}, "prompt must be a string"),
    ({"web_search": "yes"}, "web_search must be a boolean"),
    ({"user_id": 5}, "user_id must be a string"),
    ({"model": ["uni-1"]}, "Unknown model: ['uni-1']"),
]


@pytest.fixture
def luma() -> Service:
    return Service(rpm=1000, jobs=1000)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"model": "super-model-v9"}, "Unknown model: super-model-v9"),
        ({"type": "video"}, "Type 'video' is not supported for model 'uni-1'"),
        (
            {"aspect_ratio": "4:3"},
            "Invalid aspect_ratio '4:3'. Valid: 1:1, 1:2, 1:3, 16:9, 2:1, 2:3, 3:1, 3:2, 9:16",
        ),
        ({"prompt": ""}, "Prompt must be between 1 and 6000 characters"),
        ({"prompt": "a" * 6001}, "Prompt must be between 1 and 6000 characters"),
        (
            {"image_ref": [{"url": URL, "data": "iVBORw0KGgo...", "media_type": "image/jpeg"}]},
            "image_ref[0]: provide either 'url' or 'data', not both",
        ),
        (
            {
                "type": "image_edit",
                "source": {"url": "https://example.com/source.jpg"},
                "image_ref": [{"url": f"https://example.com/{number}.jpg"} for number in range(1, 10)],
            },
            "image_edit supports up to 8 reference images (source occupies one slot)",
        ),
        ({"type": "image", "source": IMAGE}, "source is only valid for type 'image_edit'"),
        ({"source": IMAGE}, "source is only valid for type 'image_edit'"),
        ({"type": "image_edit"}, "source is required for type 'image_edit'"),
        (
            {"image_ref": [{"data": "iVBORw0KGgo..."}]},
            "image_ref[0]: 'media_type' is required with 'data'",
        ),
        (
            {"type": "image_edit", "source": {"data": "iVBORw0KGgo..."}},
            "source: 'media_type' is required with 'data'",
        ),
        (
            {"image_ref": [IMAGE, {"url": URL, "data": "iVBO", "media_type": "image/png"}]},
            "image_ref[1]: provide either 'url' or 'data', not both",
        ),
    ],
)
def test_a_documented_bad_request_gets_the_vendors_message(luma: Service, body: dict[str, Any], detail: str) -> None:
    assert refused(luma.create(**body)) == (400, detail)


@pytest.mark.parametrize(("body", "detail"), OTHERS)
def test_any_other_bad_request_gets_a_similar_message(luma: Service, body: dict[str, Any], detail: str) -> None:
    assert refused(luma.create(**body)) == (400, detail)


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "a"},
        {"prompt": "a" * 6000},
        {"prompt": "half a pair \ud83c"},
        {"image_ref": [IMAGE] * 9},
        {"image_ref": []},
        {"type": "image_edit", "source": IMAGE, "image_ref": [IMAGE] * 8},
        {"model": "uni-1-max", "style": "manga", "web_search": True, "user_id": "someone"},
        {"type": "layering", "source": IMAGE, "prompt": ""},
        {**RAY, "type": "video_edit", "source": VIDEO},
        {"aspect_ratio": None, "output_format": None, "source": None, "video": None, "layering": None},
        {"image_ref": [{"url": URL, "data": None, "media_type": None}]},
        {"something_new": True},
    ],
)
def test_a_valid_request_is_accepted(luma: Service, body: dict[str, Any]) -> None:
    assert luma.create(**body).status == 201


@pytest.mark.parametrize("ratio", ["1:1", "1:2", "1:3", "16:9", "2:1", "2:3", "3:1", "3:2", "9:16"])
def test_every_valid_ratio_is_accepted(luma: Service, ratio: str) -> None:
    assert luma.create(aspect_ratio=ratio).status == 201


def test_a_missing_prompt_gets_the_message_of_an_empty_one(luma: Service) -> None:
    answer = luma.call("POST", "/generations", json_body={"model": "uni-1"})
    assert refused(answer) == (400, "Prompt must be between 1 and 6000 characters")


@pytest.mark.parametrize("body", [b"", b"{", b'{"prompt": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_is_a_400(luma: Service, body: bytes) -> None:
    answer = luma.call("POST", "/generations", body=body)
    assert refused(answer) == (400, "Request body is not valid JSON")


def test_a_body_that_is_no_object_is_a_400(luma: Service) -> None:
    answer = luma.call("POST", "/generations", body=b"[]")
    assert refused(answer) == (400, "Request body must be an object")
