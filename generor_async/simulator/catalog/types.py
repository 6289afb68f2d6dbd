"""Classes of the catalogue: models, generators and their parameters."""

from collections.abc import Mapping
from math import log
from random import Random
from typing import Literal

from attrs import field, frozen

__all__ = [
    "IMAGE_RATIOS",
    "VIDEO_RATIOS",
    "CatalogGenerator",
    "CatalogModel",
    "CatalogParameter",
    "CatalogRatio",
    "FieldKind",
    "Json",
    "Latency",
    "ModelType",
    "VideoTraits",
]

Json = dict[str, object]
ModelType = Literal[
    "text", "image", "video", "speech", "music", "soundeffect", "upscale", "vector", "backgroundremoval"
]
FieldKind = Literal["line", "text", "list"]
"""The kind of text in a field of a creation: a title or sentence, some paragraphs, or a list of lines."""


@frozen
class CatalogRatio:
    """A ratio that `aspect_ratio` accepts by id, by ratio, or by label in any case."""

    id: int
    ratio: str
    label: str

    def to_json(self) -> Json:
        """Return the ratio as `GET /models` shows it."""
        return {"id": self.id, "ratio": self.ratio, "label": self.label}


IMAGE_RATIOS = (
    CatalogRatio(1, "1:1", "Square"),
    CatalogRatio(2, "3:4", "Vertical"),
    CatalogRatio(3, "4:3", "Horizontal"),
    CatalogRatio(4, "16:9", "Wide"),
    CatalogRatio(5, "9:16", "Tall"),
    CatalogRatio(6, "match_input_image", "Match input image"),
)
VIDEO_RATIOS = (CatalogRatio(1, "16:9", "Wide"), CatalogRatio(2, "9:16", "Tall"))


@frozen
class Latency:
    """How long one item takes on a model, as a lognormal distribution in simulated seconds."""

    median: float
    sigma: float

    def draw(self, rng: Random) -> float:
        """Draw the seconds that one item takes."""
        return rng.lognormvariate(log(self.median), self.sigma)


@frozen(kw_only=True)
class VideoTraits:
    """The additional properties of a video model: the documents' provider-capability struct."""

    supported_durations: tuple[int, ...]
    """Seconds, ascending."""
    default_duration: int
    supports_audio: bool = False
    audio_cost_multiplier: int = 1
    supports_end_frame: bool = False
    qualities: Mapping[str, int]
    """Model ids of the same model at each resolution; this one's own is among them."""
    group_slug: str
    group_name: str


@frozen(kw_only=True)
class CatalogModel:
    """A model: what `GET /models` shows of it, and how the simulator runs it."""

    id: int
    name: str
    type: ModelType
    provider: str
    description: str | None = None
    credit_cost: int
    """Credits for one unit of `priced_by`."""
    priced_by: Literal["item", "second", "thousand_characters"] = "item"
    supports_img2img: bool = False
    aspect_ratios: tuple[CatalogRatio, ...] = ()
    """Empty when the output has the input's ratio, or none."""
    video: VideoTraits | None = None
    needs_image: bool = False
    """`image_url` must be given."""
    needs_video: bool = False
    """`video_url` must be given."""
    takes_video: bool = False
    """`video_url` may be given."""
    takes_reference_audio: bool = False
    max_reference_images: int = 0
    max_reference_videos: int = 0
    latency: Latency
    actual_ratios: tuple[float, ...] = (1.0,)
    """Possible ratios of charge to estimate; one is drawn for each request."""
    choice: str = ""
    """The value that stands for the model in a generator's `model-<type>` parameter."""

    def to_json(self) -> Json:
        """Return the model as `GET /models/{type}/{id}` shows it."""
        shown: Json = {"id": self.id, "name": self.name, "type": self.type, "provider": self.provider}
        if self.description is not None:
            shown["description"] = self.description
        shown["credit_cost"] = self.credit_cost
        if self.video is None:
            shown["supports_img2img"] = self.supports_img2img
        else:
            shown |= self._video_json(self.video)
        shown["supports_aspect_ratio"] = bool(self.aspect_ratios)
        if self.aspect_ratios:
            shown["aspect_ratios"] = [ratio.to_json() for ratio in self.aspect_ratios]
        return shown

    def _video_json(self, video: VideoTraits) -> Json:
        own_quality = next(quality for quality, sibling in video.qualities.items() if sibling == self.id)
        return {
            "supported_durations": list(video.supported_durations),
            "default_duration": video.default_duration,
            "supports_audio": video.supports_audio,
            "audio_cost_multiplier": video.audio_cost_multiplier,
            "supports_end_frame": video.supports_end_frame,
            "quality": own_quality,
            "default_quality": "720p" if "720p" in video.qualities else own_quality,
            "qualities": dict(video.qualities),
            "group_slug": video.group_slug,
            "group_name": video.group_name,
        }


@frozen(kw_only=True)
class CatalogParameter:
    """A field that a generator takes under `parameters`."""

    id: str
    type: Literal["enum", "number", "model"]
    options: tuple[str, ...] = ()
    """The values of an enum, or the choices of a model parameter."""
    min: int | None = None
    max: int | None = None
    default: str
    cost_multipliers: Mapping[str, int] = field(factory=dict[str, int])
    """Factor on the model's base cost by option; 1 for options without one."""

    def to_json(self) -> Json:
        """Return the parameter as `GET /generators/{slug}` shows it."""
        shown: Json = {"id": self.id, "type": self.type}
        if self.type == "number":
            shown |= {"min": self.min, "max": self.max}
        else:
            shown["options"] = list(self.options)
        return shown | {"default": self.default, "cost_multipliers": dict(self.cost_multipliers)}

    def accepts(self, value: str) -> bool:
        """Tell whether the parameter can have a value, given as a string."""
        if self.min is None or self.max is None:
            return value in self.options
        return value.isdecimal() and self.min <= int(value) <= self.max


@frozen(kw_only=True)
class CatalogGenerator:
    """A generator, as in `POST /generators/{slug}/generate`."""

    slug: str
    title: str
    description: str
    icon: str
    similar: tuple[str, ...]
    status: Literal["active", "development"] = "active"
    model_types: tuple[ModelType, ...]
    """The types of models that it can use; `model_id` is usually of the first type."""
    parameters: tuple[CatalogParameter, ...]
    fields: Mapping[str, FieldKind]
    """The fields that its creations have besides an id and files."""

    def to_json(self, *, detail: bool) -> Json:
        """Return the generator as the list shows it, or with `detail` as `GET /generators/{slug}` does."""
        shown: Json = {
            "slug": self.slug,
            "title": self.title,
            "description": self.description,
            "icon": self.icon,
            "status": self.status,
            "similar": list(self.similar),
        }
        if detail:
            shown["model_types"] = list(self.model_types)
            shown["parameters"] = [parameter.to_json() for parameter in self.parameters]
        return shown
