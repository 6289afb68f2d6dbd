"""A checked body of /estimate or /generate, with its defaults and its price.

`documented`: the fields with their bounds, snapping, dropped parameters, the discount. `assumed`: wrong
types and values are refused, while a field that the model doesn't use is ignored; a ratio or a count at the top level
takes precedence over one inside `parameters`; multipliers multiply each other.
"""

import math
from collections.abc import Mapping

from attrs import frozen

from generor_async.simulator.catalog import (
    GENERATOR_BY_SLUG,
    IMAGE_RATIOS,
    MODEL_BY_ID,
    VIDEO_RATIOS,
    CatalogGenerator,
    CatalogModel,
    CatalogRatio,
)
from generor_async.simulator.generor.envelope import GenerorRefusal, Json, not_found
from generor_async.simulator.generor.fields import Fields

__all__ = ["PricedRequest", "find_generator", "read_priced_request"]

MAX_PROMPT = 10_000
MAX_COUNT = 10
MAX_REFERENCE_IMAGES = 9
MAX_REFERENCE_VIDEOS = 3
MAX_DISCOUNT_PERCENT = 10
LONGEST_VALUE = 100
"""Characters; every option is shorter."""
CHARACTERS_PRICED = 1_000
THINKING_MODES = ("off", "on", "high")
FREE_TEXTS = ("language", "user_text", "user_text_two", "story_context", "character_context")
MORE_TEXTS = ("character_name", "mode", "source_language")
WHOLE_NUMBERS = ("item_index", "total_count")


@frozen(kw_only=True)
class PricedRequest:
    """A request for /estimate or /generate, with its price."""

    generator: CatalogGenerator
    model: CatalogModel
    prompt: str
    count: int
    privacy_mode: int
    team_id: int | None
    ratio: str
    """Such as 16:9; has no effect on text and sound."""
    seconds: int | None
    """The duration that a video will have."""
    seconds_requested: int | None
    with_audio: bool
    speech: CatalogModel | None
    """The model that reads a text aloud."""
    parameters: Mapping[str, str]
    """The generator's parameters, as applied."""
    parents: tuple[int, ...]
    """Ids of the creations that it is based on, which must exist."""

    @property
    def per_item(self) -> int:
        """The credits for one item: the model's price times the multipliers of the chosen options."""
        price = self.model.credit_cost
        if self.model.priced_by == "second":
            price *= self.seconds or 1
        elif self.model.priced_by == "thousand_characters":
            price *= max(1, math.ceil(len(self.prompt) / CHARACTERS_PRICED))
        if self.with_audio and self.model.video is not None:
            price *= self.model.video.audio_cost_multiplier
        for parameter in self.generator.parameters:
            price *= parameter.cost_multipliers.get(self.parameters.get(parameter.id, ""), 1)
        return price + (0 if self.speech is None else self.speech.credit_cost)

    @property
    def discount_percent(self) -> int:
        """The bulk discount: one percent per item, up to ten."""
        return min(self.count, MAX_DISCOUNT_PERCENT)

    @property
    def discount(self) -> int:
        """The discount in credits, rounded down."""
        return self.per_item * self.count * self.discount_percent // 100

    @property
    def total(self) -> int:
        """The estimated credits for all items."""
        return self.per_item * self.count - self.discount

    @property
    def time_factor(self) -> float:
        """The factor on the model's time, which is for its shortest video."""
        if self.model.video is None or self.seconds is None:
            return 1.0
        return self.seconds / self.model.video.supported_durations[0]

    def cost_json(self) -> Json:
        """Return the price in the format of /estimate."""
        return {
            "total": self.total,
            "per_item": self.per_item,
            "count": self.count,
            "discount": self.discount,
            "discount_percent": self.discount_percent,
        }

    def adjustments(self) -> Json:
        """Return the adjustments of the request: an empty object, or the documented block."""
        video = self.model.video
        if video is None or self.seconds_requested is None or self.seconds_requested == self.seconds:
            return {}
        snapped: Json = {
            "requested": self.seconds_requested,
            "used": self.seconds,
            "supported": list(video.supported_durations),
            "reason": "snapped to nearest provider-supported duration",
        }
        return {"adjustments": {"seconds": snapped}}


def find_generator(slug: str) -> CatalogGenerator:
    """Return a generator; raises GenerorRefusal."""
    generator = GENERATOR_BY_SLUG.get(slug)
    if generator is None:
        raise not_found("Generator")
    return generator


def read_priced_request(slug: str, fields: Fields, *, prompt_needed: bool) -> PricedRequest:
    """Read a body, and check it against the documented rules and the abilities of generator and model."""
    generator = find_generator(slug)
    prompt = fields.text("prompt", max_length=MAX_PROMPT) or ""
    model = _model(generator, fields)
    picture_suffices = _check_references(model, fields)
    _check_text_fields(fields)
    translated = fields.integer("translation_of", least=1)
    if prompt_needed and not prompt.strip() and not picture_suffices and translated is None:
        raise GenerorRefusal("VALIDATION_ERROR", "prompt is required")
    applied = _applied_parameters(generator, fields)
    count = fields.integer("count", least=1, most=MAX_COUNT) or int(applied.get(f"{slug}-count", 1))
    fields.number("temperature", least=0, most=2)
    requested = fields.integer("seconds", least=1)
    speech = _speech(fields, model)
    parents = (translated, fields.integer("support_for", least=1))
    return PricedRequest(
        generator=generator,
        model=model,
        prompt=prompt,
        count=count,
        privacy_mode=fields.integer("privacy_mode", least=0, most=1) or 0,
        team_id=fields.integer("team_id", least=1),
        ratio=_ratio(model, fields, applied),
        seconds=_nearest_duration(model, requested),
        seconds_requested=requested,
        with_audio=_with_audio(model, fields),
        speech=speech,
        parameters=applied | _always_applied(generator, model, count),
        parents=tuple(parent for parent in parents if parent is not None),
    )


def _model(generator: CatalogGenerator, fields: Fields) -> CatalogModel:
    model_id = fields.integer("model_id")
    if model_id is None:
        raise GenerorRefusal("VALIDATION_ERROR", "model_id is required")
    model = MODEL_BY_ID.get(model_id)
    if model is None:
        raise GenerorRefusal("VALIDATION_ERROR", f"model_id {model_id} does not exist: see GET /models")
    if model.type not in generator.model_types:
        takes = " or ".join(generator.model_types)
        message = f"model_id {model_id} is of type {model.type}; {generator.slug} takes {takes} models"
        raise GenerorRefusal("VALIDATION_ERROR", message)
    return model


def _check_references(model: CatalogModel, fields: Fields) -> bool:
    """Check the references, and tell whether a picture replaces the prompt for this model."""
    image, video = fields.url("image_url"), fields.url("video_url")
    fields.url("ending_frame_url")
    fields.url("reference_audio")
    images = fields.urls("reference_images", most=MAX_REFERENCE_IMAGES)
    fields.urls("reference_videos", most=MAX_REFERENCE_VIDEOS)
    if 0 < model.max_reference_images < len(images):
        message = f"reference_images accepts at most {model.max_reference_images} URLs for {model.name}"
        raise GenerorRefusal("VALIDATION_ERROR", message)
    if model.needs_image and image is None:
        raise GenerorRefusal("VALIDATION_ERROR", f"image_url is required by {model.name}")
    if model.needs_video and video is None:
        raise GenerorRefusal("VALIDATION_ERROR", f"video_url is required by {model.name}")
    return model.type != "video" and model.needs_image


def _check_text_fields(fields: Fields) -> None:
    """Check the types of the fields for the language model, which have no other effect here."""
    for name in (*FREE_TEXTS, *MORE_TEXTS):
        fields.text(name)
    for name in WHOLE_NUMBERS:
        fields.integer(name, least=0)
    for name in ("preference", "preference_two", "character_id"):
        fields.text_or_integer(name)
    fields.boolean("avoid_duplicates")
    fields.choice("thinking_mode", THINKING_MODES)


def _applied_parameters(generator: CatalogGenerator, fields: Fields) -> dict[str, str]:
    """Return the parameters that the generator has, as strings; others are dropped silently."""
    schema = {parameter.id: parameter for parameter in generator.parameters}
    applied: dict[str, str] = {}
    for name, value in fields.mapping("parameters").items():
        if isinstance(value, str | int) and not isinstance(value, bool):
            parameter, text = schema.get(name), str(value)[:LONGEST_VALUE]
            if parameter is not None and parameter.type != "model" and parameter.accepts(text):
                applied[name] = text
    return applied


def _always_applied(generator: CatalogGenerator, model: CatalogModel, count: int) -> dict[str, str]:
    """Return the two entries that the documents' example has without their being sent."""
    return {f"model-{model.type}": model.choice, f"{generator.slug}-count": str(count)}


def _ratio(model: CatalogModel, fields: Fields, applied: Mapping[str, str]) -> str:
    known = VIDEO_RATIOS if model.type == "video" else IMAGE_RATIOS
    asked = fields.text_or_integer("aspect_ratio")
    if asked is None:
        inside = applied.get(f"{'video' if model.type == 'video' else 'image'}-aspect-ratio")
        asked = known[0].ratio if inside is None else int(inside)
    if not model.aspect_ratios:
        return known[0].ratio
    for ratio in model.aspect_ratios:
        if _matches(asked, ratio):
            return "1:1" if ratio.ratio == "match_input_image" else ratio.ratio
    valid = ", ".join(ratio.ratio for ratio in model.aspect_ratios)
    raise GenerorRefusal("VALIDATION_ERROR", f"aspect_ratio '{asked}' is not one of {valid} (or their ids or names)")


def _matches(asked: str | int, ratio: CatalogRatio) -> bool:
    if isinstance(asked, int):
        return asked == ratio.id
    return asked.lower() in {ratio.ratio, ratio.label.lower(), str(ratio.id)}


def _nearest_duration(model: CatalogModel, requested: int | None) -> int | None:
    """Return the nearest supported duration; of two equally near, the shorter."""
    if model.video is None:
        return None
    if requested is None:
        return model.video.default_duration
    return min(model.video.supported_durations, key=lambda supported: (abs(supported - requested), supported))


def _with_audio(model: CatalogModel, fields: Fields) -> bool:
    asked = fields.boolean("generate_audio") or False
    return asked and model.video is not None and model.video.supports_audio


def _speech(fields: Fields, model: CatalogModel) -> CatalogModel | None:
    model_id = fields.integer("model_speech")
    if model_id is None or model.type != "text":
        return None
    speech = MODEL_BY_ID.get(model_id)
    if speech is None or speech.type != "speech":
        raise GenerorRefusal(
            "VALIDATION_ERROR", f"model_speech {model_id} is not a speech model: see GET /models/speech"
        )
    return speech
