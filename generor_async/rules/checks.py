"""Refuses what is always invalid, before anything is sent.

Only what the documents exclude for good is checked here. What the server may accept later (models, ratios, durations,
types) is left to the server.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments, older_api
from generor_async.values import JSON, UNSET, MediaRef, Unset, is_object

__all__ = ["LARGEST_INLINE", "TOO_LARGE", "items", "length", "luma_generation", "reserved", "within"]

LARGEST_INLINE = 50 * 1024 * 1024
"""Size of the largest inline image in bytes (documented: 50 MB; read as MiB, the larger reading)."""
TOO_LARGE = "Image exceeds 50 MB size limit"
"""The API's own message (documented)."""

NO_SOURCE_TYPES = frozenset({"image", "video"})
SOURCE_TYPES = frozenset({"image_edit", "video_edit", "video_reframe", "layering"})


def length(value: str | Unset | None, name: str, *, at_least: int = 0, at_most: int, refusal: str = "") -> None:
    """Refuse a string that is too short or too long, in characters."""
    if isinstance(value, str) and not at_least <= len(value) <= at_most:
        bounds = f"{at_least:,} to {at_most:,}" if at_least else f"at most {at_most:,}"
        raise InvalidRequestError(
            name, refusal or f"{name} must have {bounds} characters", advice=f"It has {len(value):,}"
        )


def within(
    value: float | str | Unset | None,
    name: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    refusal: str = "",
) -> None:
    """Refuse a number outside of its range; other types are left to the server."""
    if not isinstance(value, int | float):
        return
    low = at_least is not None and not value >= at_least
    high = at_most is not None and not value <= at_most
    if low or high:
        if at_least is not None and at_most is not None:
            bounds = f"between {at_least} and {at_most}"
        else:
            bounds = f"at least {at_least}" if at_most is None else f"at most {at_most}"
        raise InvalidRequestError(name, refusal or f"{name} must be {bounds}", advice=f"It is {value}")


def items(value: Sequence[object] | Unset | None, name: str, *, at_most: int | None = None, refusal: str = "") -> None:
    """Refuse a list that is too long."""
    if value is UNSET or value is None or at_most is None:
        return
    is_list = isinstance(value, Sequence) and not isinstance(value, str)  # pyright: ignore[reportUnnecessaryIsInstance] # not everybody has types
    if is_list and len(value) > at_most:
        raise InvalidRequestError(
            name, refusal or f"{name} takes at most {at_most} entries", advice=f"It has {len(value)}"
        )


def reserved(value: str | int, name: str, taken: str, instead: str) -> None:
    """Refuse a path parameter that is the name of another endpoint."""
    if value == taken:
        raise InvalidRequestError(name, f"{name} {taken!r} is another endpoint", advice=f"Call {instead}")


def luma_generation(body: Mapping[str, Any]) -> None:
    """Check the fields of a `POST /generations` against each other, in the vendor's words."""
    kind = body.get("type", "image")
    source = body.get("source")
    if source is not None and kind in NO_SOURCE_TYPES:
        raise InvalidRequestError(
            "source",
            "source is only valid for type 'image_edit'",
            advice="Remove the source, or change the type",
        )
    if source is None and kind in SOURCE_TYPES:
        raise InvalidRequestError(
            "source",
            f"source is required for type '{kind}'",
            advice="Add a source: MediaRef.url(...), .file(...), .bytes(...), .generation(...) or .uploaded(...)",
        )
    references = body.get("image_ref") or ()
    if kind == "image_edit" and len(references) > 8:
        raise InvalidRequestError(
            "image_ref",
            "image_edit supports up to 8 reference images (source occupies one slot)",
            advice="Reduce image_ref to 8 or fewer entries",
        )
    if source is not None:
        _media(source, "source")
    for index, reference in enumerate(references):
        _media(reference, f"image_ref[{index}]")
    if "video" in body:
        _video(body["video"])


def _video(video: JSON) -> None:
    if not is_object(video):
        return
    for name in ("start_frame", "end_frame"):
        if video.get(name) is not None:
            _media(video[name], f"video.{name}")
    _keyframes(video, "video")
    _keyframes(video.get("edit"), "video.edit")


def _keyframes(owner: JSON, name: str) -> None:
    if is_object(owner):
        for index, frame in enumerate(owner.get("keyframes") or ()):
            _media(frame, f"{name}.keyframes[{index}]")


def _media(reference: JSON, field: str) -> None:
    """Check a MediaRef in the API's own form."""
    if isinstance(reference, MediaRef):  # a file of this machine
        return
    if not is_object(reference):
        raise InvalidRequestError(field, f"{field}: expected a MediaRef or a mapping, not {type(reference).__name__}")
    named = [name for name in ("url", "data", "generation_id", "file_id") if reference.get(name) is not None]
    if "url" in named and "data" in named:
        raise InvalidRequestError(
            field,
            f"{field}: provide either 'url' or 'data', not both",
            advice="Remove either the url or the data and media_type fields",
        )
    for name in ("url", "data", "generation_id", "file_id", "media_type"):
        if reference.get(name) is not None:
            arguments.text(reference[name], f"{field}.{name}")
    if len(named) != 1:
        problem = f"{field}: provide exactly one of 'url', 'data', 'generation_id' or 'file_id'"
        raise InvalidRequestError(field, problem, advice=older_api.advice_on_reference(reference))
    if "data" in named and not reference.get("media_type"):
        raise InvalidRequestError(
            field,
            f"{field}: 'media_type' is required with 'data'",
            advice='Add "media_type": "image/jpeg" (or the appropriate MIME type)',
        )
    if "data" in named and str(reference["media_type"]).startswith("image/"):
        size = _decoded_size(reference["data"])
        if size > LARGEST_INLINE:
            raise InvalidRequestError(field, f"{field}: {TOO_LARGE}", advice=f"It has {size:,} bytes: resize it")


def _decoded_size(data: Any) -> int:
    """Return the size of base64 data when decoded, in bytes; invalid base64 is left to the server."""
    if not isinstance(data, str):
        return 0
    return len(data) // 4 * 3 - data[-2:].count("=")
