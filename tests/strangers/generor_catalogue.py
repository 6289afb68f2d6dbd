"""Generor's models and generators, and what a generate call would cost."""

import attrs

from strangers.records import Json, as_object, whole

RATIOS: list[Json] = [{"id": 1, "ratio": "16:9", "label": "Wide"}, {"id": 2, "ratio": "9:16", "label": "Tall"}]
IMAGE_RATIOS = set("12345") | {"1:1", "3:4", "4:3", "16:9", "9:16", "square", "vertical", "horizontal", "wide", "tall"}
VIDEO_RATIOS = {"1", "2", "16:9", "9:16", "wide", "tall"}
GENERATORS = {"joke": "text", "horoscope": "text", "image": "image", "wallart": "image", "video": "video"}
TYPES = ("text", "image", "video", "speech", "music", "soundeffect", "upscale", "vector", "backgroundremoval")


@attrs.frozen
class Model:
    """A model; credits are for one item, or for one second of video."""

    id: int
    name: str
    type: str
    provider: str
    credit_cost: int
    durations: tuple[int, ...] = ()

    def show(self) -> Json:
        """Return the model (documented)."""
        about: Json = {"id": self.id, "name": self.name, "type": self.type, "provider": self.provider}
        about |= {"description": self.name, "credit_cost": self.credit_cost}
        if self.type != "text":
            about |= {"supports_img2img": self.type == "image", "supports_aspect_ratio": True}
        if self.type == "video":
            about |= {"supported_durations": list(self.durations), "default_duration": 8, "aspect_ratios": RATIOS}
        return about


_MODELS = (
    Model(37, "Gemini 3.5 Flash", "text", "google", 1),
    Model(10001, "Flux 1.1 Pro", "image", "replicate", 80),
    Model(10003, "black-forest-labs/flux-schnell", "image", "replicate", 6),
    Model(20061, "Dreamina Seedance 2.0 (720p)", "video", "byteplus", 6, (5, 6, 7, 8, 10, 12, 15)),
)
MODELS = {model.id: model for model in _MODELS}


def find_problem(body: Json) -> str | None:
    """Return what is wrong with a body (limits documented, texts assumed)."""
    prompt, model = body.get("prompt"), MODELS.get(whole(body.get("model_id"), 0))
    if not isinstance(prompt, str) or not prompt:
        return "prompt is required"
    if len(prompt) > 10_000:
        return "prompt must be at most 10,000 characters"
    if model is None:
        return "model_id is invalid"
    if not 1 <= whole(body.get("count", 1), 0) <= 10:
        return "count must be between 1 and 10"
    ratio = body.get("aspect_ratio")
    if ratio is not None and model.type != "text" and str(ratio) not in _ratios(model):
        return "aspect_ratio is invalid"
    return None


def _ratios(model: Model) -> set[str]:
    return VIDEO_RATIOS if model.type == "video" else IMAGE_RATIOS


@attrs.frozen
class Estimate:
    """What a call costs, and what the server changes of it."""

    model: Model
    count: int
    per_item: int
    percent: int
    discount: int
    total: int
    adjustments: Json


def estimate(body: Json) -> Estimate:
    """Work out the price: count% off, at most 10; seconds snap to the nearest, ties to the lower (documented)."""
    model, number = MODELS[whole(body.get("model_id"), 0)], whole(body.get("count", 1), 1)
    per_item, adjustments = model.credit_cost, Json()
    if model.durations:
        asked = whole(body.get("seconds", 8), 8)
        used = min(model.durations, key=lambda seconds: (abs(seconds - asked), seconds))
        per_item *= used
        if used != asked:
            reason = "snapped to nearest provider-supported duration"
            supported = list(model.durations)
            adjustments["seconds"] = {"requested": asked, "used": used, "supported": supported, "reason": reason}
    percent = min(10, number) if number > 1 else 0
    discount = per_item * number * percent // 100
    return Estimate(model, number, per_item, percent, discount, per_item * number - discount, adjustments)


def show_estimate(slug: str, body: Json, found: Estimate, seconds: float) -> Json:
    """Return what POST /estimate says (documented)."""
    cost: Json = {"total": found.total, "per_item": found.per_item, "count": found.count}
    cost |= {"discount": found.discount, "discount_percent": found.percent}
    per_item = round(seconds / found.count)
    time: Json = {"seconds": round(seconds), "per_item": per_item, "min_seconds": per_item, "max_seconds": per_item}
    time |= {"sample_count": 0, "has_historical": False, "source": "fallback"}
    shown: Json = {"generator": slug, "model_id": found.model.id, "model_type": found.model.type}
    shown |= {"model_name": found.model.name, "credit_cost": cost, "time_estimate": time}
    shown["applied_parameters"] = as_object(body.get("parameters")) or {}
    return shown | ({"adjustments": found.adjustments} if found.adjustments else {})
