"""The catalogue contains what the documents name, in their form, and is consistent."""

from random import Random
from statistics import median

import pytest

from generor_async.simulator.catalog import (
    GENERATOR_BY_SLUG,
    GENERATORS,
    IMAGE_RATIOS,
    MODEL_BY_ID,
    MODEL_TYPES,
    MODELS,
    CatalogGenerator,
    CatalogModel,
)

DREAMINA_720P = {
    "id": 20061,
    "name": "Dreamina Seedance 2.0 (720p)",
    "type": "video",
    "provider": "byteplus",
    "credit_cost": 6,
    "supported_durations": [5, 6, 7, 8, 10, 12, 15],
    "default_duration": 8,
    "supports_audio": True,
    "audio_cost_multiplier": 1,
    "supports_end_frame": True,
    "quality": "720p",
    "default_quality": "720p",
    "qualities": {"480p": 20060, "720p": 20061, "1080p": 20062},
    "group_slug": "dreamina-seedance-2-direct",
    "group_name": "Dreamina Seedance 2.0",
    "supports_aspect_ratio": True,
    "aspect_ratios": [
        {"id": 1, "ratio": "16:9", "label": "Wide"},
        {"id": 2, "ratio": "9:16", "label": "Tall"},
    ],
}
FLUX_PRO = {
    "id": 10001,
    "name": "Flux 1.1 Pro",
    "type": "image",
    "provider": "replicate",
    "description": "High-quality image generation...",
    "credit_cost": 80,
    "supports_img2img": True,
    "supports_aspect_ratio": True,
}


def test_the_documented_video_model_is_shown_word_for_word() -> None:
    assert MODEL_BY_ID[20061].to_json() == DREAMINA_720P


def test_the_documented_image_model_is_shown_word_for_word_with_its_ratios() -> None:
    ratios = [ratio.to_json() for ratio in IMAGE_RATIOS]
    assert MODEL_BY_ID[10001].to_json() == FLUX_PRO | {"aspect_ratios": ratios}


@pytest.mark.parametrize(
    ("model_id", "kind", "name"),
    [
        (34, "text", "Qwen VL Max"),
        (37, "text", "Gemini 3.5 Flash"),
        (10003, "image", "black-forest-labs/flux-schnell"),
        (20050, "video", "Happy Horse 1.0 R2V"),
        (20051, "video", "Happy Horse Video Edit"),
        (20060, "video", "Dreamina Seedance 2.0 (480p)"),
        (20062, "video", "Dreamina Seedance 2.0 (1080p)"),
    ],
)
def test_every_model_id_in_the_documents_has_its_name_and_type(model_id: int, kind: str, name: str) -> None:
    model = MODEL_BY_ID[model_id]
    assert (model.type, model.name) == (kind, name)


@pytest.mark.parametrize(
    ("name", "images", "videos"),
    [
        ("Veo 3.1", 3, 0),
        ("Seedance 2.0", 9, 3),
        ("Dreamina Seedance 2.0 (720p)", 9, 3),
        ("Happy Horse 1.0 R2V", 9, 0),
        ("Happy Horse Video Edit", 5, 0),
    ],
)
def test_references_are_bounded_as_documented(name: str, images: int, videos: int) -> None:
    model = next(model for model in MODELS if model.name == name)
    assert (model.max_reference_images, model.max_reference_videos) == (images, videos)


def test_end_frames_and_the_audio_toggle_are_where_the_documents_put_them() -> None:
    films = [(model.name, model.video) for model in MODELS if model.video is not None]
    dreamina = {f"Dreamina Seedance 2.0 ({quality})" for quality in ("480p", "720p", "1080p")}
    with_end_frame = {name for name, video in films if video.supports_end_frame}
    assert with_end_frame == dreamina | {"Veo 3.1", "Wan 2.6 I2V", "Seedance Pro Lite", "Kling v3"}
    with_audio = {name for name, video in films if video.supports_audio}
    assert with_audio == dreamina | {"Veo 3.1", "Seedance 1.5 Pro"}


def test_only_the_video_edit_model_needs_a_video() -> None:
    assert [model.id for model in MODELS if model.needs_video] == [20051]
    assert [model.id for model in MODELS if model.takes_video] == [20051, 20060, 20061, 20062]


def test_all_nine_types_have_models_with_ids_of_their_own() -> None:
    assert [kind for kind in MODEL_TYPES if not any(model.type == kind for model in MODELS)] == []
    assert len(MODEL_TYPES) == 9
    assert len(MODEL_BY_ID) == len(MODELS)
    bounds = {"text": (1, 9999), "image": (10001, 19999), "video": (20001, 29999)}
    for model in MODELS:
        least, most = bounds.get(model.type, (30001, 99999))
        assert least <= model.id <= most


@pytest.mark.parametrize("model", [model for model in MODELS if model.video is not None], ids=lambda m: m.name)
def test_a_video_model_defaults_to_what_it_supports(model: CatalogModel) -> None:
    assert model.video is not None
    assert model.video.default_duration in model.video.supported_durations
    assert list(model.video.supported_durations) == sorted(model.video.supported_durations)
    assert model.id in model.video.qualities.values()
    assert set(model.video.qualities.values()) <= MODEL_BY_ID.keys()


def test_durations_spread_around_their_median_and_repeat_for_a_seed() -> None:
    latency = MODEL_BY_ID[37].latency
    drawn = [latency.draw(Random(number)) for number in range(400)]
    assert drawn == [latency.draw(Random(number)) for number in range(400)]
    assert median(drawn) == pytest.approx(latency.median, rel=0.1)
    assert min(drawn) < 0.7 * latency.median < 1.4 * latency.median < max(drawn)


def test_the_documented_estimates_can_be_reached() -> None:
    length = next(p for p in GENERATOR_BY_SLUG["horoscope"].parameters if p.id == "horoscope-length")
    assert MODEL_BY_ID[37].credit_cost * length.cost_multipliers["long"] == 3
    assert MODEL_BY_ID[37].choice == "3"
    assert MODEL_BY_ID[20061].credit_cost * 5 == 30
    assert MODEL_BY_ID[10003].credit_cost * MODEL_BY_ID[10003].actual_ratios[0] == 24


def test_listing_the_generators_takes_five_pages() -> None:
    active = [generator for generator in GENERATORS if generator.status == "active"]
    assert 93 <= len(active) < len(GENERATORS) <= 100
    assert len(GENERATOR_BY_SLUG) == len(GENERATORS)


def test_every_documented_generator_exists() -> None:
    named = "joke horoscope recipe image video vision wallart story story-part storyboard solution"
    assert set(named.split()) <= GENERATOR_BY_SLUG.keys()
    assert set(GENERATOR_BY_SLUG["joke"].fields) == {"text", "illustration_desc"}
    assert {"dish_name", "ingredients"} <= set(GENERATOR_BY_SLUG["recipe"].fields)


@pytest.mark.parametrize(
    ("slug", "parameter", "value"),
    [
        ("horoscope", "zodiac-sign", "aries"),
        ("horoscope", "horoscope-timeframe", "weekly"),
        ("horoscope", "horoscope-tone", "mystical"),
        ("horoscope", "horoscope-length", "long"),
        ("horoscope", "horoscope-focus", "career"),
        ("horoscope", "horoscope-count", "5"),
        ("horoscope", "model-text", "3"),
        ("wallart", "wallart-type", "framed-print"),
        ("wallart", "wallart-orientation", "landscape"),
        ("wallart", "image-aspect-ratio", "4"),
    ],
)
def test_every_parameter_in_the_documents_is_accepted(slug: str, parameter: str, value: str) -> None:
    found = next(p for p in GENERATOR_BY_SLUG[slug].parameters if p.id == parameter)
    assert found.accepts(value)


@pytest.mark.parametrize("value", ["", "0", "11", "-1", "1.5", "many", "²"])
def test_a_number_outside_its_bounds_is_not_accepted(value: str) -> None:
    found = next(p for p in GENERATOR_BY_SLUG["joke"].parameters if p.id == "joke-count")
    assert not found.accepts(value)


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda generator: generator.slug)
def test_a_generator_is_consistent(generator: CatalogGenerator) -> None:
    assert generator.slug not in generator.similar
    assert generator.similar
    assert set(generator.similar) <= GENERATOR_BY_SLUG.keys()
    for parameter in generator.parameters:
        assert parameter.accepts(parameter.default)
        assert set(parameter.cost_multipliers) <= set(parameter.options)
    shown = generator.to_json(detail=True)
    assert {*generator.to_json(detail=False), "model_types", "parameters"} == shown.keys()


def test_a_parameter_shows_options_or_bounds() -> None:
    fields = {p.id: p.to_json() for p in GENERATOR_BY_SLUG["horoscope"].parameters}
    assert fields["horoscope-length"] == {
        "id": "horoscope-length",
        "type": "enum",
        "options": ["short", "medium", "long"],
        "default": "short",
        "cost_multipliers": {"medium": 2, "long": 3},
    }
    assert fields["horoscope-count"] == {
        "id": "horoscope-count",
        "type": "number",
        "min": 1,
        "max": 10,
        "default": "1",
        "cost_multipliers": {},
    }
