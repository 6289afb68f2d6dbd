"""Generators and models, and the pages of their lists."""

from typing import Any

import pytest
from support.generor_service import generor

TYPES = ["text", "image", "video", "speech", "music", "soundeffect", "upscale", "vector", "backgroundremoval"]


async def test_the_generators_take_five_pages_of_twenty() -> None:
    async with generor() as caller:
        reply = await caller.get("/generators?status=all")
        assert len(reply.data) == 20
        assert reply.meta["total_pages"] >= 5
        assert reply.meta["total"] >= 93


async def test_a_generator_in_a_list_shows_what_the_documents_name() -> None:
    async with generor() as caller:
        shown = (await caller.get("/generators")).data[0]
        assert {"slug", "title", "description", "icon", "similar"} <= shown.keys()
        assert "parameters" not in shown


@pytest.mark.parametrize("status", ["active", "development"])
async def test_generators_are_filtered_by_status(status: str) -> None:
    async with generor() as caller:
        listed = (await caller.get(f"/generators?status={status}&per_page=100")).data
        assert {item["status"] for item in listed} == {status}


async def test_an_unknown_status_is_refused() -> None:
    async with generor() as caller:
        reply = await caller.get("/generators?status=retired")
        assert reply.refusal == (400, "VALIDATION_ERROR", "status must be one of: active, development, all")


async def test_a_generator_shows_its_parameters() -> None:
    async with generor() as caller:
        parameters = (await caller.get("/generators/horoscope")).data["parameters"]
        by_id = {parameter["id"]: parameter for parameter in parameters}
        assert by_id["horoscope-length"]["cost_multipliers"]["long"] == 3
        assert by_id["horoscope-count"].keys() >= {"type", "min", "max", "default", "cost_multipliers"}
        assert by_id["model-text"]["type"] == "model"


async def test_an_unknown_generator_is_not_found() -> None:
    async with generor() as caller:
        assert (await caller.get("/generators/x")).refusal == (404, "NOT_FOUND", "Generator not found")


async def test_models_are_grouped_by_type() -> None:
    async with generor() as caller:
        grouped = (await caller.get("/models")).data
        assert list(grouped) == TYPES
        assert all(model["type"] == kind for kind in TYPES for model in grouped[kind])


async def test_models_of_one_type_are_a_list() -> None:
    async with generor() as caller:
        assert {model["type"] for model in (await caller.get("/models/video")).data} == {"video"}


async def test_the_documented_image_model_is_as_printed() -> None:
    async with generor() as caller:
        shown = (await caller.get("/models/image/10001")).data
        ratios = shown.pop("aspect_ratios")
        assert shown == {
            "id": 10001,
            "name": "Flux 1.1 Pro",
            "type": "image",
            "provider": "replicate",
            "description": "High-quality image generation...",
            "credit_cost": 80,
            "supports_img2img": True,
            "supports_aspect_ratio": True,
        }
        assert len(ratios) == 6


async def test_the_documented_video_model_is_as_printed() -> None:
    documented: dict[str, Any] = {
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
    async with generor() as caller:
        assert (await caller.get("/models/video/20061")).data == documented


@pytest.mark.parametrize("path", ["/models/image/20061", "/models/image/1", "/models/image/x", "/models/image/0"])
async def test_a_model_that_is_not_there_is_not_found(path: str) -> None:
    async with generor() as caller:
        assert (await caller.get(path)).refusal == (404, "NOT_FOUND", "Model not found")


async def test_an_unknown_type_names_the_valid_ones() -> None:
    async with generor() as caller:
        status, code, message = (await caller.get("/models/hologram")).refusal
        assert (status, code) == (400, "VALIDATION_ERROR")
        assert all(kind in message for kind in TYPES)
