"""What a body of POST /v1/generations has to be, and what it costs."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from strangers.records import Json, as_list, as_object, whole

Problem: TypeAlias = tuple[int, str]

MODELS: dict[str, tuple[str, ...]] = {
    "uni-1": ("image", "image_edit", "layering"),
    "uni-1-max": ("image", "image_edit"),
    "ray-3.2": ("video", "video_edit", "video_reframe"),
}
IMAGE_RATIOS = ("1:1", "1:2", "1:3", "16:9", "2:1", "2:3", "3:1", "3:2", "9:16")
"""In the order of the documented answer."""
VIDEO_RATIOS = ("1:1", "16:9", "21:9", "3:4", "4:3", "9:16")
MANGA_RATIOS = ("2:3", "9:16", "1:2", "1:3")
LARGEST = 52_428_800
FETCH_PROBLEMS = {
    "nonexistent": "failed to fetch URL",
    "deleted": "failed to fetch URL (HTTP 404)",
    ".pdf": "content-type is not an image",
}


def model_of(body: Json) -> str:
    """Return the model; ``uni-1`` is the default (page)."""
    return str(body.get("model") or "uni-1")


def type_of(body: Json) -> str:
    """Return the type; ``image`` is the default (page)."""
    return str(body.get("type") or "image")


def find_problem(body: Json, generations: Sequence[str], files: Sequence[str], *, late: bool) -> Problem | None:
    """Return the first thing that is wrong; the order of the checks is assumed."""
    return next(_problems(body, {"generation_id": generations, "file_id": files}, late=late), None)


def _problems(body: Json, known: dict[str, Sequence[str]], *, late: bool) -> Iterator[Problem]:
    yield from _plain_problems(body)
    yield from _reference_rules(body)
    for field, value in _references(body):
        yield from _reference_problems(field, value, known, late=late)
    if model_of(body) == "ray-3.2":
        yield from _video_problems(body)


def _plain_problems(body: Json) -> Iterator[Problem]:
    """Model, type, ratio and prompt (documented), manga's ratios and user_id (page)."""
    model, kind, prompt, ratio = model_of(body), type_of(body), body.get("prompt"), body.get("aspect_ratio")
    if model not in MODELS:
        yield 400, f"Unknown model: {model}"
        return
    if kind not in MODELS[model]:
        yield 400, f"Type '{kind}' is not supported for model '{model}'"
    ratios = VIDEO_RATIOS if model == "ray-3.2" else IMAGE_RATIOS
    if ratio is not None and ratio not in ratios:
        yield 400, f"Invalid aspect_ratio '{ratio}'. Valid: {', '.join(ratios)}"
    least, most = (0, 500) if kind == "layering" else (1, 6000)
    if not isinstance(prompt, str) or not least <= len(prompt) <= most:
        yield 400, f"Prompt must be between {least} and {most} characters"
    if body.get("style") == "manga" and ratio is not None and ratio not in MANGA_RATIOS:
        yield 422, f"style 'manga' does not support aspect_ratio '{ratio}'"
    if len(str(body.get("user_id") or "")) > 256:
        yield 400, "user_id must be at most 256 characters"


def _reference_rules(body: Json) -> Iterator[Problem]:
    """Where a source belongs, and how many references there may be (documented; 9 for images: client)."""
    kind, pictures = type_of(body), len(as_list(body.get("image_ref")))
    needs_source = kind in {"image_edit", "video_edit", "video_reframe", "layering"}
    if body.get("source") is not None and not needs_source:
        yield 400, "source is only valid for type 'image_edit'"
    if body.get("source") is None and needs_source:
        yield 400, f"source is required for type '{kind}'"
    if kind == "image_edit" and pictures > 8:
        yield 400, "image_edit supports up to 8 reference images (source occupies one slot)"
    if pictures > 9:
        yield 400, "image supports up to 9 reference images"


def _references(body: Json) -> Iterator[tuple[str, object]]:
    if body.get("source") is not None:
        yield "source", body["source"]
    for index, reference in enumerate(as_list(body.get("image_ref"))):
        yield f"image_ref[{index}]", reference
    video = as_object(body.get("video")) or {}
    for field in ("start_frame", "end_frame"):
        if video.get(field) is not None:
            yield f"video.{field}", video[field]


def _reference_problems(field: str, value: object, known: dict[str, Sequence[str]], *, late: bool) -> Iterator[Problem]:
    """Check one picture: both and no media_type documented, "not neither" and https by the FAQ (page)."""
    reference = as_object(value) or {}
    given = [name for name in ("url", "data", "generation_id", "file_id") if reference.get(name)]
    if len(given) != 1:
        yield 400, f"{field}: provide either 'url' or 'data', not {'both' if given else 'neither'}"
        return
    content = str(reference[given[0]])
    if given[0] == "url":
        yield from _url_problems(field, content)
    elif given[0] == "data":
        if not reference.get("media_type"):
            yield 400, f"{field}: 'media_type' is required with 'data'"
        yield from _data_problems(field, content, late=late)
    elif content not in known[given[0]]:
        yield 400, f"{field}: {given[0]} not found or not ready"


def _url_problems(field: str, url: str) -> Iterator[Problem]:
    """Nothing is fetched: words in the URL, those of the documented examples, make it fail."""
    if not url.startswith("https://"):
        yield 422, f"{field}: failed to fetch URL"
    for word, text in FETCH_PROBLEMS.items():
        if word in url:
            yield 422, f"{field}: {text}"


def _data_problems(field: str, data: str, *, late: bool) -> Iterator[Problem]:
    try:
        size = len(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        yield 422, f"{field}: invalid base64 data"
        return
    if size > LARGEST:
        yield 413, f"{field}: image exceeds 50 MB limit" if late else "Image exceeds 50 MB size limit"


def _video_problems(body: Json) -> Iterator[Problem]:
    """Check what doesn't go together (page); the texts are assumed."""
    video = as_object(body.get("video")) or {}
    size = video.get("resolution") or "720p"
    if video.get("duration") == "10s":
        for field in ("hdr", "loop", "start_frame", "end_frame"):
            if video.get(field):
                yield 422, f"video.{field} is not available with duration '10s'"
    if size == "1080p" and body.get("aspect_ratio") in {"9:16", "3:4"}:
        yield 422, "resolution '1080p' is not available for this aspect_ratio"
    if video.get("hdr") and (size not in {"720p", "1080p"} or video.get("loop")):
        yield 422, "video.hdr needs resolution '720p' or '1080p' and excludes loop"
    if video.get("exr_export") and not video.get("hdr"):
        yield 422, "video.exr_export needs hdr"
    if len(as_list(video.get("keyframes"))) != len(as_list(video.get("keyframe_indexes"))):
        yield 422, "video.keyframes and video.keyframe_indexes differ in length"


def credits_of(body: Json) -> float:
    """Return what a job costs, in credits of 0.003 dollars (page); ten seconds cost three times five."""
    model, kind, video = model_of(body), type_of(body), as_object(body.get("video")) or {}
    size = whole(str(video.get("resolution") or "720p").removesuffix("p"), 720)
    if model == "ray-3.2":
        prices = {
            "video": {360: 0.06, 540: 0.15, 720: 0.30, 1080: 1.20},
            "video_edit": {360: 0.54, 540: 0.72, 720: 1.08, 1080: 2.16},
            "video_reframe": {360: 0.30, 540: 0.30, 720: 0.60, 1080: 1.80},
        }
        factor = 3 if kind == "video" and video.get("duration") == "10s" else 1
        dollars = prices[kind].get(size, 1.08) * factor * (2 if video.get("hdr") else 1)
    else:
        pictures = len(as_list(body.get("image_ref"))) + (body.get("source") is not None)
        dollars = (0.1000 if model == "uni-1-max" else 0.0404) + 0.0030 * pictures
    return round(dollars / 0.003, 2)
