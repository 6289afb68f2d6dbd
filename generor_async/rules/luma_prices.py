"""Prices of Luma's generations by the vendor's price lists, in US dollars.

What no list has is not guessed from neighbouring prices. An edit or a reframing is as long as its source, whose length
is unknown before it is fetched: it has a price only where the request's own `duration` gives the length.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from attrs import frozen

from generor_async.values import JSON, MediaRef, is_array, is_object

__all__ = ["DOLLARS_A_CREDIT", "REFUNDED_CODES", "Price", "price"]

DOLLARS_A_CREDIT: Final = 0.003
"""Value of one credit in US dollars (documented: about)."""

REFUNDED_CODES: Final = frozenset({"content_moderated", "generation_failed", "output_not_found"})
"""Failure codes for which the vendor's FAQ promises a refund (page)."""


@frozen
class Price:
    """The price of one generation."""

    dollars: float
    as_of: str
    """The date of the price list."""
    source: Literal["documented", "page"]


class _VideoPriceKey(NamedTuple):
    """What the price of a video depends on, beside its resolution."""

    how: Literal["video", "extend", "video_edit", "video_reframe"]
    duration: str
    hdr: bool = False
    exr: bool = False


_IMAGES_AS_OF: Final = "mid-2026"
_IMAGES: Final[Mapping[str, float]] = {"uni-1": 0.0404, "uni-1-max": 0.1000}
"""Price of an image from text, by model (documented)."""
_AN_INPUT: Final = 0.0030
"""Price of each input image, a source or a reference (documented)."""

_VIDEOS_AS_OF: Final = "late 2026"
_VIDEOS: Final[Mapping[_VideoPriceKey, Mapping[str, float]]] = {
    _VideoPriceKey("video", "5s"): {"360p": 0.06, "540p": 0.15, "720p": 0.30, "1080p": 1.20},
    _VideoPriceKey("video", "10s"): {"360p": 0.18, "540p": 0.45, "720p": 0.90, "1080p": 3.60},
    _VideoPriceKey("video", "5s", hdr=True): {"720p": 0.60, "1080p": 2.40},
    _VideoPriceKey("video", "5s", hdr=True, exr=True): {"720p": 0.90, "1080p": 3.60},
    _VideoPriceKey("extend", "5s"): {"540p": 0.15, "720p": 0.30, "1080p": 1.20},
    _VideoPriceKey("video_edit", "5s"): {"360p": 0.54, "540p": 0.72, "720p": 1.08, "1080p": 2.16},
    _VideoPriceKey("video_edit", "10s"): {"360p": 1.08, "540p": 1.44, "720p": 2.16, "1080p": 4.32},
    _VideoPriceKey("video_reframe", "5s"): {"540p": 5 * 0.06, "720p": 5 * 0.12, "1080p": 5 * 0.36},
    _VideoPriceKey("video_reframe", "10s"): {"540p": 10 * 0.06, "720p": 10 * 0.12, "1080p": 10 * 0.36},
}
"""Price of one generation of `ray-3.2`, by resolution (page: pricing; reframing by the second of the source)."""
_DURATION: Final = "5s"
"""Default duration of a new video (page)."""
_RESOLUTION: Final = "720p"
"""Default resolution (page: for new videos; assumed for the others)."""


def price(parameters: Mapping[str, JSON]) -> Price | None:
    """Return the price of a `POST /generations` with these parameters; None where no list has it."""
    model, kind = _value_or_default(parameters, "model", "uni-1"), _value_or_default(parameters, "type", "image")
    if model == "ray-3.2":
        return _video(kind, parameters.get("video"))
    if not isinstance(model, str) or model not in _IMAGES or kind not in ("image", "image_edit"):
        return None
    references = _value_or_default(parameters, "image_ref", [])
    if not is_array(references):
        return None
    inputs = len(references) + (parameters.get("source") is not None)
    return _image(model, inputs)


@lru_cache(maxsize=64)
def _image(model: str, inputs: int) -> Price:
    return Price(_IMAGES[model] + _AN_INPUT * inputs, _IMAGES_AS_OF, "documented")


def _video(kind: JSON, options: JSON) -> Price | None:
    given: JSON = {} if options is None else options
    if not is_object(given):
        return None
    duration = _value_or_default(given, "duration", _DURATION if kind == "video" else "")
    resolution = _value_or_default(given, "resolution", _RESOLUTION)
    hdr, exr = _value_or_default(given, "hdr", default=False), _value_or_default(given, "exr_export", default=False)
    if not (isinstance(duration, str) and isinstance(resolution, str)):
        return None
    if not (isinstance(hdr, bool) and isinstance(exr, bool)):
        return None  # what the server makes of a "false" is not known
    match kind:
        case "video":
            extends = any(_may_be_extended(given.get(name)) for name in ("start_frame", "end_frame"))
            made = _VideoPriceKey("extend" if extends else "video", duration, hdr, exr)
        case "video_edit" | "video_reframe" as edited:
            made = _VideoPriceKey(edited, duration, hdr, exr)
        case _:
            return None
    dollars = _VIDEOS.get(made, {}).get(resolution)
    return None if dollars is None else Price(dollars, _VIDEOS_AS_OF, "page")


def _value_or_default(parameters: Mapping[str, JSON], name: str, default: JSON) -> JSON:
    """Return a parameter, or the server's default where it is missing or null."""
    value = parameters.get(name)
    return default if value is None else value


def _may_be_extended(frame: JSON) -> bool:
    """Tell whether a frame refers to an earlier generation: that may be a video, which is extended."""
    if isinstance(frame, MediaRef):
        return frame.kind == "generation_id"
    return is_object(frame) and frame.get("generation_id") is not None
