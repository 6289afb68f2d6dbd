"""What Luma's pages say that can't work, told before it is sent.

`refuse` is about what is in hand: it raises for what the vendor's own server refuses for certain, or makes a failed job
of. `remarks` is about how a request is put together: pages differ over that and change, so it only says what they say.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from attrs import frozen

from generor_async.errors import InvalidRequestError
from generor_async.rules import addresses, media_types
from generor_async.rules.image_size import Read, dimensions, is_animated_gif
from generor_async.rules.older_api import ADVICE_ON_KEYFRAMES
from generor_async.values import JSON, is_array, is_object

__all__ = ["LARGEST_VIDEO", "Remark", "refuse", "remarks"]

IMAGE_TYPES: Final = ("image/jpeg", "image/png", "image/webp", "image/gif")
"""What the API takes for images, of GIF those that stand still (page: FAQ, image editing)."""
LONGEST_SIDE: Final = 8_000
"""Pixels (page: FAQ, image editing)."""
LARGEST_VIDEO: Final = 200 * 1024 * 1024
"""Bytes of a video inside a request (page: editing, reframing; 200 MB, read as MiB, the larger of two readings)."""
LONGEST_USER_ID: Final = 256
"""Characters (page: API reference)."""

_REFERENCES: Final = ("source", "video.start_frame", "video.end_frame")
_LISTS: Final = ("image_ref", "video.keyframes", "video.edit.keyframes")
"""Where a request names media: alone, and in a list."""


# --- what is in hand --------------------------------------------------------------------------------------------------


def refuse(body: Mapping[str, JSON]) -> None:
    """Raise InvalidRequestError for what the vendor's own server is certain to refuse, or to fail a job for."""
    user = body.get("user_id")
    if isinstance(user, str) and len(user) > LONGEST_USER_ID:
        raise InvalidRequestError(
            "user_id", f"user_id must have at most {LONGEST_USER_ID} characters", advice=f"It has {len(user):,}"
        )
    for place, reference in _media(body):
        data, media_type = reference.get("data"), reference.get("media_type")
        if isinstance(data, str) and isinstance(media_type, str):
            _refuse_data(place, data, media_type.partition(";")[0].strip().lower())


def _refuse_data(place: str, data: str, media_type: str) -> None:
    if media_type.startswith("video/"):
        size = len(data) // 4 * 3 - data[-2:].count("=")
        if size > LARGEST_VIDEO:
            advice = "Upload it with files.upload(...), and name it by MediaRef.uploaded(id)"
            raise InvalidRequestError(place, f"{place}: the video has {size:,} bytes, more than 200 MB", advice=advice)
        return
    read = _reader(data)
    found = media_types.sniff(read(0, media_types.HEAD))
    taken = media_types.ALIASES.get(media_type, media_type)
    if wrong := next((one for one in (found, taken) if one is not None and one not in IMAGE_TYPES), None):
        raise InvalidRequestError(
            place,
            f"{place}: the API takes {', '.join(IMAGE_TYPES)}, not {wrong}",
            advice="Convert the picture, to PNG for example",
        )
    sides = dimensions(read)
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
    """Return what reads pieces of base64, without decoding all of it; nothing where it isn't plain base64."""

    def read(offset: int, count: int) -> bytes:
        first, beyond = offset // 3, -(-(offset + count) // 3)
        try:
            piece = base64.b64decode(data[4 * first : 4 * beyond], validate=True)
        except (binascii.Error, ValueError):
            return b""
        return piece[offset - 3 * first :][:count]

    return read


def _media(body: Mapping[str, JSON]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every media reference of a request with its place."""
    for place in _REFERENCES:
        if is_object(found := _at(body, place)):
            yield place, found
    for place in _LISTS:
        if is_array(listed := _at(body, place)):
            yield from ((f"{place}[{index}]", found) for index, found in enumerate(listed) if is_object(found))


def _at(body: JSON, place: str) -> JSON:
    for name in place.split("."):
        if not is_object(body):
            return None
        body = body.get(name)
    return body


# --- how it is put together -------------------------------------------------------------------------------------------


class Remark(NamedTuple):
    """Something that a page says can't work, or has no effect."""

    name: str
    """The same for every request that it holds for."""
    text: str


@frozen
class _Request:
    """One `POST /generations`, as far as the rules look at it."""

    body: Mapping[str, JSON]
    video: Mapping[str, JSON]
    edit: Mapping[str, JSON]

    @property
    def type(self) -> JSON:
        return self.body.get("type") or "image"

    @property
    def ratio(self) -> JSON:
        return self.body.get("aspect_ratio")

    def has(self, *names: str) -> bool:
        """Tell whether any of these video options is given."""
        return any(self.video.get(name) not in (None, False) for name in names)

    def is_one_of(self, name: str, *values: str) -> bool:
        """Tell whether a video option has one of these values."""
        return self.video.get(name) in values

    def extends(self) -> bool:
        """Tell whether a frame names an earlier generation: one that is a video is extended."""
        return any(_at(self.video, f"{name}.generation_id") is not None for name in ("start_frame", "end_frame"))


@frozen
class _Rule:
    name: str
    source: str
    holds: Callable[[_Request], bool]
    text: str
    """What the page says, and what to do."""


_NORMS: Final = {"x_norm": (-2.0, 2.0), "y_norm": (-2.0, 2.0), "w_norm": (0.0, 2.0), "h_norm": (0.0, 2.0)}


def _is_off(request: _Request) -> bool:
    position = request.video.get("source_position")
    found = position if is_object(position) else {}
    sizes = (found.get("w_norm"), found.get("h_norm"))
    return any(
        isinstance(found.get(name), int | float) and not low <= found[name] <= high
        for name, (low, high) in _NORMS.items()
    ) or any(isinstance(size, int | float) and size <= 0 for size in sizes)


_RULES: Final[tuple[_Rule, ...]] = (
    _Rule(
        "manga",
        "page: FAQ",
        lambda it: (
            it.body.get("style") == "manga" and it.ratio is not None and it.ratio not in ("2:3", "9:16", "1:2", "1:3")
        ),
        "style 'manga' takes the aspect ratios 2:3, 9:16, 1:2 and 1:3 only. Choose one of them, or leave it out",
    ),
    _Rule(
        "edit_ratio",
        "page: FAQ, video editing",
        lambda it: it.type in ("image_edit", "video_edit") and it.ratio is not None,
        "aspect_ratio is ignored in edits: the output has the shape of its source. Leave it out; video_reframe changes"
        " the shape of a video",
    ),
    _Rule(
        "video_ratio",
        "page: video generation",
        lambda it: (
            it.type in ("video", "video_reframe")
            and it.ratio is not None
            and it.ratio not in ("9:16", "3:4", "1:1", "4:3", "16:9", "21:9")
        ),
        "videos have the aspect ratios 9:16, 3:4, 1:1, 4:3, 16:9 and 21:9 only. Choose one of them, or leave it out",
    ),
    _Rule(
        "upright_1080p",
        "page: reframing; code: generation",
        lambda it: (
            it.type in ("video", "video_reframe")
            and it.ratio in ("9:16", "3:4")
            and it.is_one_of("resolution", "1080p")
        ),
        "1080p isn't available for 9:16 and 3:4. Choose 720p, or another aspect ratio",
    ),
    _Rule(
        "10s_frames",
        "page: video generation",
        lambda it: it.type == "video" and it.is_one_of("duration", "10s") and it.has("start_frame", "end_frame"),
        "a video of 10s takes no start_frame or end_frame. One picture and 10s:"
        " keyframes=[...], keyframe_indexes=[0]; or leave the duration out, for 5s",
    ),
    _Rule(
        "10s_hdr",
        "page: video generation",
        lambda it: it.type == "video" and it.is_one_of("duration", "10s") and it.has("hdr"),
        "hdr comes with 5s only. Leave out the duration, or hdr",
    ),
    _Rule(
        "10s_loop",
        "page: video generation; client",
        lambda it: it.type == "video" and it.is_one_of("duration", "10s") and it.has("loop"),
        "loop comes with 5s only. Leave out the duration, or loop",
    ),
    _Rule(
        "hdr_resolution",
        "page: video generation",
        lambda it: it.type == "video" and it.has("hdr") and it.is_one_of("resolution", "360p", "540p"),
        "hdr comes with 720p and 1080p only. Choose one of them, or leave out hdr",
    ),
    _Rule(
        "hdr_loop",
        "page: video generation; client",
        lambda it: it.has("hdr") and it.has("loop"),
        "hdr and loop exclude each other. Leave one of them out",
    ),
    _Rule(
        "exr",
        "client",
        lambda it: it.has("exr_export") and not it.has("hdr"),
        "exr_export needs hdr. Add hdr=True, or leave it out",
    ),
    _Rule(
        "keyframes",
        "client",
        lambda it: it.has("keyframes") and it.has("start_frame", "end_frame", "loop"),
        "keyframes exclude start_frame, end_frame and loop. Put the frames among the keyframes: index 0 is the start",
    ),
    _Rule(
        "extend",
        "page: video generation",
        lambda it: it.extends() and (it.has("hdr") or (it.has("start_frame") and it.has("end_frame"))),
        "a generation that is a video is extended by its generation_id alone, in SDR, with no other frame beside it."
        " Leave out hdr and the other frame, unless it is a picture",
    ),
    _Rule(
        "edit_controls",
        "page: video editing",
        lambda it: it.edit.get("auto_controls") is True and bool(it.edit.get("strength") or it.edit.get("controls")),
        "auto_controls excludes strength and controls. Leave it out, or the others",
    ),
    _Rule(
        "edit_frames",
        "page: video editing",
        lambda it: it.type == "video_edit" and (bool(it.body.get("image_ref")) or it.has("end_frame", "loop")),
        "video_edit takes no image_ref, end_frame or loop. Leave them out; pictures go into start_frame or"
        " edit.keyframes",
    ),
    _Rule(
        "source_position",
        "page: reframing",
        _is_off,
        "in source_position x_norm and y_norm lie from -2 to 2, w_norm and h_norm above 0 and up to 2. Correct it",
    ),
    _Rule(
        "older_api",
        "measured",
        lambda it: "keyframes" in it.body,
        ADVICE_ON_KEYFRAMES,
    ),
)

_CONCERNED: Final = frozenset({"style", "type", "video", "image_ref", "source", "keyframes"})
"""Parameters that rules are about; each rule needs one of them."""


def remarks(body: Mapping[str, JSON], *, fetches_itself: bool = False, is_local: bool = False) -> Sequence[Remark]:
    """Return what pages say of how a request is put together.

    `fetches_itself` is of a client that fetches references which the API can't; `is_local` of an API on this machine,
    whose references may be on this machine as well.
    """
    if _CONCERNED.isdisjoint(body):
        return ()
    video = body.get("video")
    edit = _at(video, "edit")
    request = _Request(body, video if is_object(video) else {}, edit if is_object(edit) else {})
    found = [Remark(rule.name, rule.text) for rule in _RULES if rule.holds(request)]
    if not fetches_itself:
        for place, reference in _media(body):
            if isinstance(url := reference.get("url"), str) and not _is_reachable(url, is_local=is_local):
                text = (
                    f"{place}: the API fetches references from public https addresses only. Give an https URL, or send"
                    " the file itself with MediaRef.file(...), .bytes(...) or files.upload(...)"
                )
                return [*found, Remark("reference_url", text)]
    return found


def _is_reachable(url: str, *, is_local: bool) -> bool:
    """Tell whether the API may fetch a URL, as far as its text says; a URL that is none is left to the server."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    host = parts.hostname or ""
    here = host == "localhost" or addresses.is_loopback(host)
    if here or not host:
        return is_local or not host
    return parts.scheme != "http" and (not addresses.is_address(host) or addresses.is_public(host))
