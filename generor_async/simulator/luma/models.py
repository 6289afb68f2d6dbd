"""Luma's models as data: abilities, times and prices.

`documented`: models and image types, the nine ratios of `uni-1`, image prices. `page`: video prices, but for what is
marked. `client`: layering, and the types of `ray-3.2`. `measured`: how long an edit of `uni-1` takes, by two sources;
and the durations of `MEASURED`, by one each. `assumed`: the ratios of `ray-3.2`, the price of layering, and all other
durations.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from attrs import frozen

__all__ = [
    "DURATIONS",
    "FRAMES",
    "HDR",
    "HDR_AND_EXR",
    "MODELS",
    "RESOLUTIONS",
    "TEN_SECONDS",
    "VIDEO_PRICES",
    "VIDEO_TYPES",
    "Durations",
    "LumaModel",
    "Timing",
]

Durations = Literal["brief", "measured"]

VIDEO_TYPES = ("video", "video_edit", "video_reframe")

FRAMES: Mapping[str, int] = {"5s": 120, "10s": 240}
"""The last frame a keyframe may be pinned to, by duration (24 frames a second)."""

VIDEO_PRICES: Mapping[str, Mapping[str, Decimal]] = {
    "video": {"360p": Decimal("0.06"), "540p": Decimal("0.15"), "720p": Decimal("0.30"), "1080p": Decimal("1.20")},
    "video_edit": {"360p": Decimal("0.54"), "540p": Decimal("0.72"), "720p": Decimal("1.08"), "1080p": Decimal("2.16")},
    "video_reframe": {
        "360p": Decimal("0.15"),
        "540p": Decimal("0.30"),
        "720p": Decimal("0.60"),
        "1080p": Decimal("1.80"),
    },
}
"""US dollars for five seconds, by type and resolution; reframing 360p is assumed."""

RESOLUTIONS = tuple(VIDEO_PRICES["video"])

TEN_SECONDS: Mapping[str, int] = {"video": 3, "video_edit": 2, "video_reframe": 2}
"""Price of ten seconds as a multiple of five seconds, by type."""

HDR, HDR_AND_EXR = 2, 3
"""Multiples of the price of SDR; for edits and for ten seconds assumed."""


@frozen
class Timing:
    """How long one type of generation takes: a lognormal distribution."""

    median: float
    """Seconds."""
    sigma: float = 0.35


@frozen(kw_only=True)
class LumaModel:
    """One model: what it accepts and what one generation costs."""

    types: Mapping[str, Timing]
    ratios: tuple[str, ...]
    price: Decimal = Decimal(0)
    """US dollars for one image from text."""
    per_input: Decimal = Decimal(0)
    """US dollars more for each input image."""


_IMAGE_RATIOS = ("1:1", "1:2", "1:3", "16:9", "2:1", "2:3", "3:1", "3:2", "9:16")

MODELS: Mapping[str, LumaModel] = {
    "uni-1": LumaModel(
        types={"image": Timing(20.0), "image_edit": Timing(65.0, 0.05), "layering": Timing(40.0)},
        ratios=_IMAGE_RATIOS,
        price=Decimal("0.0404"),
        per_input=Decimal("0.0030"),
    ),
    "uni-1-max": LumaModel(
        types={"image": Timing(32.0), "image_edit": Timing(38.0)},
        ratios=_IMAGE_RATIOS,
        price=Decimal("0.1000"),
        per_input=Decimal("0.0030"),
    ),
    "ray-3.2": LumaModel(
        types={
            "video": Timing(90.0, 0.3),
            "video_edit": Timing(110.0, 0.3),
            "video_reframe": Timing(75.0, 0.3),
        },
        ratios=("1:1", "16:9", "21:9", "3:4", "4:3", "9:16"),
    ),
}

DURATIONS: Mapping[Durations, Mapping[tuple[str, str], Timing]] = {
    "brief": {},
    "measured": {
        ("uni-1", "image"): Timing(31.0, 0.15),
        ("uni-1-max", "image_edit"): Timing(93.0, 0.15),
        ("ray-3.2", "video"): Timing(100.0, 0.1),
        ("ray-3.2", "video_edit"): Timing(520.0, 0.25),
        ("ray-3.2", "video_reframe"): Timing(520.0, 0.25),
    },
}
"""Where a profile differs from the models' own timings, by model and type."""
