"""Estimating and generating: the documents' examples, prices, times, files, and refusals."""

import asyncio
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from support.generor_service import Caller, generor, until

HOROSCOPE = {
    "model_id": 37,
    "count": 5,
    "parameters": {"zodiac-sign": "aries", "horoscope-length": "long"},
}
PHOTO = "https://example.com/photo.jpg"
CLIP = "https://example.com/source.mp4"
SUPPORTED = [5, 6, 7, 8, 10, 12, 15]


async def estimate(caller: Caller, slug: str, **body: Any) -> Any:
    return (await caller.post(f"/generators/{slug}/estimate", body)).data


async def refusal(caller: Caller, slug: str = "joke", **body: Any) -> tuple[int, str, str]:
    body = {"prompt": "A sunset", "model_id": 37} | body
    return (await caller.post(f"/generators/{slug}/generate", body)).refusal


async def download(caller: Caller, url: str) -> tuple[str, bytes]:
    async with caller.session.get(url) as reply:
        assert reply.status == 200
        return reply.content_type, await reply.read()


async def test_the_documented_estimate_is_reproduced() -> None:
    async with generor() as caller:
        data = await estimate(caller, "horoscope", **HOROSCOPE)
        assert data["credit_cost"] == {
            "total": 15,
            "per_item": 3,
            "count": 5,
            "discount": 0,
            "discount_percent": 5,
        }
        assert data["applied_parameters"] == {
            "zodiac-sign": "aries",
            "horoscope-length": "long",
            "model-text": "3",
            "horoscope-count": "5",
        }
        assert (data["generator"], data["model_id"], data["model_type"]) == ("horoscope", 37, "text")
        assert data["model_name"] == "Gemini 3.5 Flash"
        assert (data["time_estimate"]["seconds"], data["time_estimate"]["per_item"]) == (50, 10)
        assert "adjustments" not in data


async def test_an_estimate_needs_no_key_and_changes_nothing() -> None:
    async with generor() as caller:
        before = (await caller.get("/users/me")).data
        await estimate(caller.with_key(None), "horoscope", **HOROSCOPE)
        assert (await caller.get("/users/me")).data == before
        assert not caller.simulator.ledger.charges


async def test_an_unsupported_duration_snaps_as_in_the_documents() -> None:
    async with generor() as caller:
        data = await estimate(caller, "video", model_id=20061, seconds=3)
        assert data["adjustments"] == {
            "seconds": {
                "requested": 3,
                "used": 5,
                "supported": SUPPORTED,
                "reason": "snapped to nearest provider-supported duration",
            }
        }
        assert (data["credit_cost"]["total"], data["time_estimate"]["seconds"]) == (30, 60)


@pytest.mark.parametrize(("requested", "used"), [(1, 5), (9, 8), (11, 10), (13, 12), (14, 15), (100, 15)])
async def test_durations_snap_to_the_nearest_and_ties_to_the_lower(requested: int, used: int) -> None:
    async with generor() as caller:
        data = await estimate(caller, "video", model_id=20061, seconds=requested)
        assert data["adjustments"]["seconds"]["used"] == used


async def test_a_supported_duration_is_left_alone() -> None:
    async with generor() as caller:
        assert "adjustments" not in await estimate(caller, "video", model_id=20061, seconds=10)


async def test_generate_reports_the_same_adjustment() -> None:
    async with generor() as caller:
        estimated = await estimate(caller, "video", model_id=20061, seconds=3)
        made = await caller.make("video", 20061, seconds=3)
        assert made["adjustments"] == estimated["adjustments"]


@pytest.mark.parametrize(("count", "discount", "percent"), [(1, 0, 1), (2, 3, 2), (5, 20, 5), (10, 80, 10)])
async def test_the_bulk_discount_is_rounded_down(count: int, discount: int, percent: int) -> None:
    async with generor() as caller:
        cost = (await estimate(caller, "image", model_id=10001, count=count))["credit_cost"]
        assert (cost["per_item"], cost["discount"], cost["discount_percent"]) == (80, discount, percent)
        assert cost["total"] == 80 * count - discount


async def test_native_audio_costs_more_where_the_model_has_it() -> None:
    async with generor() as caller:
        silent = await estimate(caller, "video", model_id=20040, seconds=8)
        loud = await estimate(caller, "video", model_id=20040, seconds=8, generate_audio=True)
        assert loud["credit_cost"]["total"] > silent["credit_cost"]["total"]


async def test_unknown_and_invalid_parameters_are_dropped_silently() -> None:
    sent = {"zodiac-sign": "unicorn", "nonsense": 1, "horoscope-tone": "mystical", "model-text": "5"}
    async with generor() as caller:
        data = await estimate(caller, "horoscope", model_id=37, parameters=sent)
        assert data["applied_parameters"] == {
            "horoscope-tone": "mystical",
            "model-text": "3",
            "horoscope-count": "1",
        }


async def test_a_count_among_the_parameters_counts() -> None:
    async with generor() as caller:
        made = await caller.make("joke", 37, parameters={"joke-count": "3"})
        assert len(made["creations"]) == 3


async def test_estimates_come_from_history_after_three_samples() -> None:
    async with generor() as caller:
        sources: list[tuple[int, str, bool]] = []
        for _ in range(4):
            told = (await estimate(caller, "joke", model_id=37))["time_estimate"]
            sources.append((told["sample_count"], told["source"], told["has_historical"]))
            await caller.make()
        assert sources == [
            (0, "fallback", False),
            (1, "fallback", False),
            (2, "fallback", False),
            (3, "historical", True),
        ]


async def test_history_averages_the_latest_ten() -> None:
    async with generor() as caller:
        await caller.make("joke", 37, count=10)
        times = [(await caller.make())["time_taken_seconds"] for _ in range(10)]
        told = (await estimate(caller, "joke", model_id=37, count=2))["time_estimate"]
        assert told["per_item"] == pytest.approx(sum(times) / 10, abs=0.51)
        assert (told["seconds"], told["sample_count"]) == (2 * told["per_item"], 10)
        assert told["min_seconds"] <= min(times) <= max(times) <= told["max_seconds"]


async def test_a_joke_has_the_documented_fields() -> None:
    async with generor(generor_credits=36_025) as caller:
        made = await caller.make("joke", 37, prompt="Tell me a joke about programming")
        assert made.keys() == {
            *("generator", "model_id", "model_type", "model_name", "creations"),
            *("credit_cost", "credit_cost_estimated", "credits_remaining", "time_taken_seconds"),
        }
        (creation,) = made["creations"]
        assert creation.keys() == {"creation_id", "text", "illustration_desc"}
        assert (made["credit_cost"], made["credit_cost_estimated"]) == (1, 1)
        assert made["credits_remaining"] == 36_024


async def test_a_picture_costs_as_in_the_documented_example() -> None:
    async with generor(generor_credits=36_022) as caller:
        made = await caller.make("image", 10003, aspect_ratio=1)
        assert (made["credit_cost"], made["credit_cost_estimated"]) == (24, 6)
        assert made["credits_remaining"] == 35_998
        assert made["model_name"] == "black-forest-labs/flux-schnell"


async def test_a_recipe_has_its_own_fields() -> None:
    async with generor() as caller:
        (creation,) = (await caller.make("recipe", 37))["creations"]
        assert isinstance(creation["dish_name"], str)
        assert len(creation["ingredients"]) == 4


async def test_several_items_are_several_creations() -> None:
    async with generor() as caller:
        creations = (await caller.make("joke", 37, count=3))["creations"]
        ids = [creation["creation_id"] for creation in creations]
        assert ids == [ids[0], ids[0] + 1, ids[0] + 2]


async def test_the_time_taken_is_the_simulated_time() -> None:
    async with generor(speed=1000.0) as caller:
        before = caller.simulator.clock.time()
        made = await caller.make("image", 10003)
        assert made["time_taken_seconds"] <= caller.simulator.clock.time() - before


async def test_the_same_seed_and_requests_give_the_same_answers() -> None:
    answers: list[Any] = []
    for _ in range(2):
        async with generor(port=0, epoch=0.0) as caller:
            made = [await caller.make("joke", 37), await caller.make("video", 20061)]
            for creation in made[1]["creations"]:
                creation["video_url"] = creation["video_url"].removeprefix(caller.simulator.url)
            answers.append(made)
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("slug", "model_id", "ratio", "size"),
    [
        ("image", 10003, {"aspect_ratio": 1}, (512, 512)),
        ("image", 10003, {"aspect_ratio": "wide"}, (512, 288)),
        ("image", 10003, {"aspect_ratio": "Tall"}, (288, 512)),
        ("image", 10003, {"aspect_ratio": "3:4"}, (384, 512)),
        ("image", 10003, {"parameters": {"image-aspect-ratio": "4"}}, (512, 288)),
        ("image", 10003, {"parameters": {"image-aspect-ratio": "4"}, "aspect_ratio": 3}, (512, 384)),
        ("image", 10001, {"aspect_ratio": "match_input_image", "image_url": PHOTO}, (512, 512)),
        ("image", 10003, {}, (512, 512)),
    ],
)
async def test_a_picture_has_the_ratio_asked_for(
    slug: str, model_id: int, ratio: dict[str, Any], size: tuple[int, int]
) -> None:
    async with generor() as caller:
        (creation,) = (await caller.make(slug, model_id, **ratio))["creations"]
        content_type, content = await download(caller, creation["image_url"])
        picture = Image.open(BytesIO(content))
        assert (content_type, picture.format, picture.size) == ("image/webp", "WEBP", size)


@pytest.mark.parametrize(("aspect_ratio", "clip"), [(1, "16:9"), (2, "9:16"), ("9:16", "9:16"), ("wide", "16:9")])
async def test_an_integer_ratio_means_another_thing_for_videos(aspect_ratio: int | str, clip: str) -> None:
    async with generor() as caller:
        creation_id = await caller.make_one("video", 20061, aspect_ratio=aspect_ratio)
        media = caller.simulator.generor.state.creations[creation_id].media
        assert media is not None
        assert media.ratio == clip


@pytest.mark.parametrize(
    ("slug", "model_id", "more", "field", "content_type", "begin"),
    [
        ("video", 20061, {}, "video_url", "video/mp4", b"ftyp"),
        ("speech", 30001, {}, "audio_url", "audio/wav", b"RIFF"),
        ("music", 40001, {}, "audio_url", "audio/wav", b"RIFF"),
        ("soundeffect", 50001, {}, "audio_url", "audio/wav", b"RIFF"),
        ("joke", 37, {"model_speech": 30001}, "audio_url", "audio/wav", b"RIFF"),
        ("vector", 70001, {}, "image_url", "image/svg+xml", b"<svg"),
        ("upscale", 60001, {"image_url": PHOTO}, "image_url", "image/png", b"\x89PNG"),
        ("backgroundremoval", 80001, {"image_url": PHOTO}, "image_url", "image/png", b"\x89PNG"),
    ],
)
async def test_other_models_make_real_files_too(
    slug: str, model_id: int, more: dict[str, Any], field: str, content_type: str, begin: bytes
) -> None:
    async with generor() as caller:
        (creation,) = (await caller.make(slug, model_id, **more))["creations"]
        told, content = await download(caller, creation[field])
        assert told == content_type
        assert begin in content[:12]


async def test_vision_needs_a_picture_and_no_prompt() -> None:
    async with generor() as caller:
        body: dict[str, Any] = {"model_id": 34, "image_url": PHOTO, "preference": "detailed"}
        assert (await caller.post("/generators/vision/generate", body)).status == 201
        del body["image_url"]
        reply = await caller.post("/generators/vision/generate", body)
        assert reply.refusal == (400, "VALIDATION_ERROR", "image_url is required by Qwen VL Max")


async def test_the_documents_video_examples_are_taken() -> None:
    multi_reference = {
        "aspect_ratio": "16:9",
        "seconds": 6,
        "reference_images": ["https://example.com/character.jpg", "https://example.com/forest.jpg"],
    }
    async with generor() as caller:
        assert "adjustments" not in await caller.make("video", 20050, **multi_reference)
        assert "adjustments" not in await caller.make("video", 20051, video_url=CLIP, seconds=5)


@pytest.mark.parametrize(
    ("slug", "body", "complaint"),
    [
        ("joke", {"prompt": None}, "prompt is required"),
        ("joke", {"prompt": "  "}, "prompt is required"),
        ("joke", {"prompt": 5}, "prompt must be a string"),
        ("joke", {"prompt": "x" * 10_001}, "prompt must be at most 10,000 characters"),
        ("joke", {"model_id": None}, "model_id is required"),
        ("joke", {"model_id": "37"}, "model_id must be an integer"),
        ("joke", {"model_id": True}, "model_id must be an integer"),
        ("joke", {"model_id": 9999}, "model_id 9999 does not exist"),
        ("joke", {"model_id": 10003}, "model_id 10003 is of type image; joke takes text models"),
        ("joke", {"count": 0}, "count must be between 1 and 10"),
        ("joke", {"count": 11}, "count must be between 1 and 10"),
        ("joke", {"temperature": 2.1}, "temperature must be between 0 and 2"),
        ("joke", {"temperature": "hot"}, "temperature must be a number"),
        ("joke", {"privacy_mode": 2}, "privacy_mode must be between 0 and 1"),
        ("joke", {"thinking_mode": "hard"}, "thinking_mode must be one of: off, on, high"),
        ("joke", {"avoid_duplicates": "yes"}, "avoid_duplicates must be true or false"),
        ("joke", {"preference": 1.5}, "preference must be a string or an integer"),
        ("joke", {"parameters": []}, "parameters must be an object"),
        ("joke", {"model_speech": 37}, "model_speech 37 is not a speech model"),
        ("joke", {"user_text": 1}, "user_text must be a string"),
        ("joke", {"item_index": -1}, "item_index must be at least 0"),
        ("image", {"model_id": 10003, "aspect_ratio": "2:1"}, "aspect_ratio '2:1' is not one of 1:1,"),
        ("image", {"model_id": 10003, "aspect_ratio": 7}, "aspect_ratio '7' is not one of"),
        ("image", {"model_id": 10001, "image_url": "photo.jpg"}, "image_url must be an http or https URL"),
        ("image", {"model_id": 10001, "image_url": "http://["}, "image_url must be an http or https URL"),
        ("video", {"model_id": 20061, "aspect_ratio": "1:1"}, "aspect_ratio '1:1' is not one of 16:9, 9:16"),
        ("video", {"model_id": 20061, "seconds": 0}, "seconds must be at least 1"),
        ("video", {"model_id": 20061, "seconds": 5.5}, "seconds must be an integer"),
        ("video", {"model_id": 20061, "generate_audio": 1}, "generate_audio must be true or false"),
        ("video", {"model_id": 20051}, "video_url is required by Happy Horse Video Edit"),
        (
            "video",
            {"model_id": 20050, "reference_images": [PHOTO] * 10},
            "reference_images accepts at most 9 URLs",
        ),
        (
            "video",
            {"model_id": 20040, "reference_images": [PHOTO] * 4},
            "reference_images accepts at most 3 URLs for Veo 3.1",
        ),
        (
            "video",
            {"model_id": 20051, "video_url": CLIP, "reference_images": [PHOTO] * 6},
            "reference_images accepts at most 5 URLs for Happy Horse Video Edit",
        ),
        (
            "video",
            {"model_id": 20060, "reference_videos": [CLIP] * 4},
            "reference_videos accepts at most 3 URLs",
        ),
        ("video", {"model_id": 20050, "reference_images": PHOTO}, "reference_images must be a list"),
        ("video", {"model_id": 20050, "reference_images": [1]}, "reference_images must be a list of http"),
    ],
)
async def test_a_broken_rule_is_refused_with_the_name_of_the_field(
    slug: str, body: dict[str, Any], complaint: str
) -> None:
    async with generor() as caller:
        status, code, message = await refusal(caller, slug, **body)
        assert (status, code) == (400, "VALIDATION_ERROR")
        assert message.startswith(complaint)
        assert not caller.simulator.ledger.charges


@pytest.mark.parametrize("prompt", ["x" * 10_000, "\ud800 half a pair", "日本語 ✨", "{topic} %s \\"])
async def test_any_other_prompt_is_taken(prompt: str) -> None:
    async with generor() as caller:
        made = await caller.make("image", 10003, prompt=prompt)
        await download(caller, made["creations"][0]["image_url"])
        shown = (await caller.get(f"/creations/{made['creations'][0]['creation_id']}")).data
        assert shown["prompt"] == prompt


async def test_an_unknown_generator_is_not_found() -> None:
    async with generor() as caller:
        assert await refusal(caller, "nonsense") == (404, "NOT_FOUND", "Generator not found")


async def test_a_moderated_prompt_is_refused_at_once_and_for_free() -> None:
    async with generor(speed=0.01) as caller:
        async with asyncio.timeout(300):  # where a generate takes minutes
            status, code, message = await refusal(caller, prompt="[[moderate]]")
        assert (status, code) == (400, "VALIDATION_ERROR")
        assert "moderation" in message
        assert not caller.simulator.ledger.charges


async def test_a_failing_generation_ends_in_500_and_costs_nothing() -> None:
    async with generor() as caller:
        assert await refusal(caller, prompt="Oh [[fail:model_crashed]] no") == (
            500,
            "SERVER_ERROR",
            "Generation failed: model_crashed",
        )
        assert not caller.simulator.ledger.charges
        assert (await caller.get("/credits/balance")).data["total"] == 100_000


async def test_a_failed_creation_says_so_and_is_not_listed() -> None:
    async with generor() as caller:
        before = await caller.make_one()
        await refusal(caller, prompt="[[fail:generation_failed]]")
        assert (await caller.get(f"/creations/{before + 1}/status")).data["status"] == "failed"
        assert len((await caller.get("/creations")).data) == 1


@pytest.mark.parametrize(
    ("option", "refused"), [("failure_rate", "SERVER_ERROR"), ("moderation_rate", "VALIDATION_ERROR")]
)
async def test_generations_fail_at_the_given_rate(option: str, refused: str) -> None:
    async with generor(**{option: 1.0}) as caller:
        assert (await refusal(caller))[1] == refused
    async with generor(**{option: 0.5}) as caller:
        body = {"prompt": "A sunset", "model_id": 37}
        replies = [await caller.post("/generators/joke/generate", body) for _ in range(40)]
        assert 8 <= sum(reply.status == 201 for reply in replies) <= 32


async def test_too_few_credits_are_a_402() -> None:
    async with generor(generor_credits=79) as caller:
        status, code, message = await refusal(caller, "image", model_id=10001)
        assert (status, code) == (402, "INSUFFICIENT_CREDITS")
        assert "80" in message
        assert "79" in message


async def test_the_last_credit_can_be_spent() -> None:
    async with generor(generor_credits=1) as caller:
        assert (await caller.make())["credits_remaining"] == 0
        assert (await refusal(caller))[1] == "INSUFFICIENT_CREDITS"


async def test_a_charge_never_takes_more_than_there_is() -> None:
    async with generor(generor_credits=10) as caller:
        made = await caller.make("image", 10003)
        assert (made["credit_cost"], made["credits_remaining"]) == (10, 0)


async def test_credits_are_not_reserved_twice() -> None:
    async with generor(generor_credits=100, speed=500.0) as caller:
        body = {"prompt": "Sea", "model_id": 10001}
        calls = [caller.post("/generators/image/generate", body) for _ in range(3)]
        statuses = sorted([(await reply).status for reply in asyncio.as_completed(calls)])
        assert statuses == [201, 402, 402]


async def _two_at_once(caller: Caller) -> list[int]:
    both = await asyncio.gather(caller.make("joke", 37), caller.make("joke", 37))
    return sorted(made["credit_cost"] for made in both)


async def test_the_cost_of_overlapping_calls_counts_each_other() -> None:
    async with generor(speed=10.0) as caller:
        assert await _two_at_once(caller) == [1, 2]


async def test_the_cost_can_be_made_exact() -> None:
    async with generor(speed=100.0, exact_cost=True) as caller:
        assert await _two_at_once(caller) == [1, 1]


async def test_the_charge_for_video_drifts_from_the_estimate() -> None:
    async with generor() as caller:
        ratios: set[float] = set()
        for _ in range(20):
            made = await caller.make("video", 20061, seconds=10)
            ratios.add(made["credit_cost"] / made["credit_cost_estimated"])
        assert min(ratios) == 1.0
        assert max(ratios) > 1.0


async def test_the_ledger_and_the_transactions_agree() -> None:
    async with generor() as caller:
        await caller.make("image", 10003)
        await caller.make("video", 20061)
        charged = [entry.charged for entry in caller.simulator.ledger.charges]
        listed = (await caller.get("/credits/transactions?type=spend&sort=oldest")).data[1:]
        assert [-item["amount"] for item in listed] == charged


async def test_a_team_that_one_is_not_in_is_forbidden() -> None:
    async with generor() as caller:
        team_id = (await caller.as_user("janedoe").post("/teams", {"name": "Hers"})).data["team_id"]
        assert (await refusal(caller, team_id=team_id))[:2] == (403, "FORBIDDEN")
        assert (await refusal(caller, team_id=999))[:2] == (404, "NOT_FOUND")


@pytest.mark.parametrize("name", ["support_for", "translation_of"])
async def test_a_parent_must_exist(name: str) -> None:
    async with generor() as caller:
        body: dict[str, Any] = {name: 99}
        assert await refusal(caller, **body) == (404, "NOT_FOUND", "Creation not found")
        await caller.make("joke", 37, **{name: 6001})


async def test_a_translation_needs_no_prompt() -> None:
    async with generor() as caller:
        body = {"model_id": 37, "translation_of": 6002, "source_language": "en-US", "language": "nb-NO"}
        assert (await caller.post("/generators/joke/generate", body)).status == 201


async def test_an_unfinished_creation_can_be_polled_and_cancelled() -> None:
    async with generor(speed=1.0) as caller:
        body = {"prompt": "Sea", "model_id": 10003, "count": 2}
        asking = asyncio.ensure_future(caller.post("/generators/image/generate", body))
        state = caller.simulator.generor.state
        first = state.next_creation_id
        await until(lambda: state.next_creation_id > first)
        paths = [f"/creations/{first}", f"/creations/{first + 1}"]
        statuses = [(await caller.get(f"{path}/status")).data["status"] for path in paths]
        assert statuses == ["generating", "pending"]
        other = caller.as_user("janedoe")
        assert (await other.get(f"{paths[0]}/status")).refusal[:2] == (404, "NOT_FOUND")
        for path in paths:
            await caller.call("DELETE", path)
        statuses = [(await caller.get(f"{path}/status")).data["status"] for path in paths]
        assert statuses == ["cancelled", "cancelled"]
        caller.simulator.advance(600)
        assert (await asking).refusal[:2] == (500, "SERVER_ERROR")
        assert not caller.simulator.ledger.charges
