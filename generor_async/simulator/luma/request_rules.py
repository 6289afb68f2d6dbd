"""The rules for the fields of a generation request; each violation is a 400 with its own message.

Messages of the vendor's error page are verbatim. Rules that only the official client has (video, layering) have
`assumed` messages in the same style. Also `assumed`: a missing prompt gets the message of an empty one; null counts as
absent; unknown fields are ignored; layering may have an empty prompt; `image_ref` is refused for types without one.
"""

from typing import Any

from attrs import define, evolve, field

from generor_async.simulator.luma.answers import LumaRefusal, as_list, as_object, check_choice, listed_values
from generor_async.simulator.luma.media import MediaKind, MediaReference, read_ref
from generor_async.simulator.luma.models import MODELS, VIDEO_TYPES
from generor_async.simulator.luma.video import NO_VIDEO_OPTIONS, VideoSettings, read_video

__all__ = ["GenerationRequest", "read_request"]

MAX_PROMPT = 6000
MAX_LAYERING_PROMPT = 500
MAX_REFS = {"image": 9, "image_edit": 8}
SOURCE_TYPES = ("image_edit", "layering", "video_edit", "video_reframe")


# Not frozen: nobody changes it, and each submission makes one.
@define(kw_only=True)
class GenerationRequest:
    """A valid generation request."""

    prompt: str = field(repr=False)
    model: str
    type: str
    aspect_ratio: str | None
    """None if the model chooses."""
    output_format: str
    layer_resolution: str
    image_refs: tuple[MediaReference, ...]
    source: MediaReference | None
    video: VideoSettings

    @property
    def refs(self) -> tuple[MediaReference, ...]:
        """Every media reference, in the order in which they are fetched."""
        source = () if self.source is None else (self.source,)
        return (*source, *self.image_refs, *self.video.refs)

    @property
    def media(self) -> MediaKind:
        """The kind of media that it makes."""
        return "video" if self.type in VIDEO_TYPES else "image"

    def without_refs(self) -> "GenerationRequest":
        """Return the request without its media references, which may hold many megabytes."""
        return evolve(self, image_refs=(), source=None, video=evolve(self.video, refs=())) if self.refs else self


def read_request(body: dict[str, Any]) -> GenerationRequest:
    """Read and check the body of `POST /generations`."""
    model, kind = _model_and_type(body)
    prompt = _prompt(body, kind)
    ratio = check_choice(body.get("aspect_ratio"), "aspect_ratio", MODELS[model].ratios)
    check_choice(body.get("style"), "style", ("auto", "manga"))
    if not isinstance(body.get("web_search"), bool | None):
        raise LumaRefusal(400, "web_search must be a boolean")
    if not isinstance(body.get("user_id"), str | None):
        raise LumaRefusal(400, "user_id must be a string")
    return GenerationRequest(
        prompt=prompt,
        model=model,
        type=kind,
        aspect_ratio=ratio,
        output_format=check_choice(body.get("output_format"), "output_format", ("png", "jpeg")) or "png",
        layer_resolution=_layer_resolution(body, kind),
        image_refs=_image_refs(body, kind),
        source=_source(body, kind),
        video=_video(body, kind),
    )


def _model_and_type(body: dict[str, Any]) -> tuple[str, str]:
    model = "uni-1" if body.get("model") is None else body["model"]
    if not isinstance(model, str) or model not in MODELS:
        raise LumaRefusal(400, f"Unknown model: {model}")
    kind = "image" if body.get("type") is None else body["type"]
    if not isinstance(kind, str) or kind not in MODELS[model].types:
        raise LumaRefusal(400, f"Type '{kind}' is not supported for model '{model}'")
    return model, kind


def _prompt(body: dict[str, Any], kind: str) -> str:
    prompt = "" if body.get("prompt") is None else body["prompt"]
    if not isinstance(prompt, str):
        raise LumaRefusal(400, "prompt must be a string")
    if kind == "layering":
        if len(prompt) > MAX_LAYERING_PROMPT:
            raise LumaRefusal(400, f"Prompt must be at most {MAX_LAYERING_PROMPT} characters for type 'layering'")
    elif not 1 <= len(prompt) <= MAX_PROMPT:
        raise LumaRefusal(400, f"Prompt must be between 1 and {MAX_PROMPT} characters")
    return prompt


def _image_refs(body: dict[str, Any], kind: str) -> tuple[MediaReference, ...]:
    if body.get("image_ref") is None:
        return ()
    given = as_list(body["image_ref"], "image_ref")
    limit = MAX_REFS.get(kind, 0)
    if len(given) > limit:
        if limit == 0:
            raise LumaRefusal(400, "image_ref is only valid for types 'image' and 'image_edit'")
        note = " (source occupies one slot)" if kind == "image_edit" else ""
        raise LumaRefusal(400, f"{kind} supports up to {limit} reference images{note}")
    return tuple(read_ref(entry, f"image_ref[{index}]") for index, entry in enumerate(given))


def _source(body: dict[str, Any], kind: str) -> MediaReference | None:
    given = body.get("source")
    if kind in SOURCE_TYPES:
        if given is None:
            raise LumaRefusal(400, f"source is required for type '{kind}'")
        return read_ref(given, "source", wants=("video",) if kind in VIDEO_TYPES else ("image",))
    if given is None:
        return None
    if kind == "image":
        raise LumaRefusal(400, "source is only valid for type 'image_edit'")
    raise LumaRefusal(400, f"source is not valid for type '{kind}'")


def _layer_resolution(body: dict[str, Any], kind: str) -> str:
    given = body.get("layering")
    if given is None:
        return "1k"
    if kind != "layering":
        raise LumaRefusal(400, "layering is only valid for type 'layering'")
    resolution = as_object(given, "layering").get("resolution")
    return check_choice(resolution, "layering.resolution", ("1k", "2k")) or "1k"


def _video(body: dict[str, Any], kind: str) -> VideoSettings:
    given = body.get("video")
    if given is None:
        return NO_VIDEO_OPTIONS
    if kind not in VIDEO_TYPES:
        raise LumaRefusal(400, f"video is only valid for types {listed_values(VIDEO_TYPES)}")
    return read_video(as_object(given, "video"), kind)
