"""Refuses what the vendor's own server is certain to refuse, or to fail the job for: sizes, types and lengths.

Another server may accept it, so this is applied at the vendor's own address only.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

from generor_async.errors import InvalidRequestError
from generor_async.rules import media_types
from generor_async.rules.image_size import Read, image_dimensions, is_animated_gif
from generor_async.values import JSON, is_array, is_object

__all__ = ["LARGEST_VIDEO", "check_inputs", "media_references", "value_at"]

IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/webp", "image/gif")
"""Accepted types of images; of GIF, those that are not animated (page: FAQ, image editing)."""
LONGEST_SIDE: Final = 8_000
"""Longest side of an image in pixels (page: FAQ, image editing)."""
LARGEST_VIDEO: Final = 200 * 1024 * 1024
"""Largest video inside a request, in bytes (page: editing, reframing; 200 MB, read as MiB, the larger reading)."""
LONGEST_USER_ID: Final = 256
"""Longest `user_id` in characters (page: API reference)."""

_REFERENCES: Final = ("source", "video.start_frame", "video.end_frame")
_LISTS: Final = ("image_ref", "video.keyframes", "video.edit.keyframes")
"""The parameters that hold media: single ones, and lists."""


def check_inputs(body: Mapping[str, JSON]) -> None:
    """Raise InvalidRequestError for what the vendor's server is certain to refuse, or to fail the job for."""
    user = body.get("user_id")
    if isinstance(user, str) and len(user) > LONGEST_USER_ID:
        raise InvalidRequestError(
            "user_id", f"user_id must have at most {LONGEST_USER_ID} characters", advice=f"It has {len(user):,}"
        )
    for place, reference in media_references(body):
        data, media_type = reference.get("data"), reference.get("media_type")
        if isinstance(data, str) and isinstance(media_type, str):
            _check_data(place, data, media_type.partition(";")[0].strip().lower())


def _check_data(place: str, data: str, media_type: str) -> None:
    if media_type.startswith("video/"):
        size = len(data) // 4 * 3 - data[-2:].count("=")
        if size > LARGEST_VIDEO:
            advice = "Upload it with files.upload(...), and name it by MediaRef.uploaded(id)"
            raise InvalidRequestError(place, f"{place}: the video has {size:,} bytes, more than 200 MB", advice=advice)
        return
    read = _reader(data)
    found = media_types.sniff(read(0, media_types.SNIFFED_BYTES))
    named = media_types.ALIASES.get(media_type, media_type) if media_type.startswith("image/") else None
    if wrong := next((one for one in (found, named) if one is not None and one not in IMAGE_TYPES), None):
        raise InvalidRequestError(
            place,
            f"{place}: the API takes {', '.join(IMAGE_TYPES)}, not {wrong}",
            advice="Convert the picture, to PNG for example",
        )
    sides = image_dimensions(read)
    if sides is not None and max(sides) > LONGEST_SIDE:
        raise InvalidRequestError(
            place,
            f"{place}: the picture has {sides[0]:,} x {sides[1]:,} pixels, and a side may have {LONGEST_SIDE:,}",
            advice="Resize it",
        )
    if found == "image/gif" and is_animated_gif(read(0, len(data))):
        raise InvalidRequestError(
            place, f"{place}: the GIF is animated", advice="Send one of its frames, as PNG for example"
        )


def _reader(data: str) -> Read:
    """Return a function that reads parts of base64 data without decoding all of it; None for data that isn't base64."""

    def read(offset: int, count: int) -> bytes:
        first, beyond = offset // 3, -(-(offset + count) // 3)
        try:
            piece = base64.b64decode(data[4 * first : 4 * beyond], validate=True)
        except (binascii.Error, ValueError):
            return b""
        return piece[offset - 3 * first :][:count]

    return read


def media_references(body: Mapping[str, JSON]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every media reference of a request with its path, such as `video.source`."""
    for place in _REFERENCES:
        if is_object(found := value_at(body, place)):
            yield place, found
    for place in _LISTS:
        if is_array(listed := value_at(body, place)):
            yield from ((f"{place}[{index}]", found) for index, found in enumerate(listed) if is_object(found))


def value_at(body: JSON, place: str) -> JSON:
    """Return the value at a path of a request; None where there is none."""
    for name in place.split("."):
        if not is_object(body):
            return None
        body = body.get(name)
    return body
