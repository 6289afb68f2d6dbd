"""Keys, limits, money and the life of a generation on the simulated Luma Agents API."""

from decimal import Decimal
from io import BytesIO
from itertools import pairwise
from statistics import median
from typing import Any

import pytest
from PIL import Image
from support.luma_service import START, Service, refused

KINDS: list[dict[str, Any]] = [
    {},
    {"type": "image_edit", "source": {"url": "https://example.com/a.jpg"}},
    {"type": "layering", "source": {"url": "https://example.com/a.jpg"}},
    {"model": "uni-1-max"},
    {"model": "ray-3.2", "type": "video"},
]


@pytest.fixture
def luma() -> Service:
    return Service()


# Keys and standing.


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "luma-api-0123"},
        {"Authorization": "Basic luma-api-0123"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer gnr_live_0123"},
    ],
)
def test_a_missing_or_malformed_key_is_refused(luma: Service, headers: dict[str, str]) -> None:
    for method, url in (("POST", "/generations"), ("GET", "/generations/x"), ("GET", "/files")):
        answer = luma.call(method, url, key=None, headers=headers, json_body={"prompt": "A sunset"})
        assert refused(answer) == (401, "Missing or invalid API key")


@pytest.mark.parametrize(
    ("key", "status", "detail"),
    [
        ("luma-api-nobody_has_this", 401, "Invalid API key"),
        ("luma-api-revoked_key_12345", 401, "API key has been revoked"),
        ("revoked", 401, "API key has been revoked"),
        ("expired", 401, "API key has expired"),
        ("suspended", 403, "API client is suspended"),
        ("deactivated", 403, "API client is deactivated"),
        ("poor", 402, "Insufficient credits. Please add credits to continue."),
    ],
)
def test_an_invalid_key_is_refused_with_the_reason(luma: Service, key: str, status: int, detail: str) -> None:
    assert refused(luma.create(key=key)) == (status, detail)


def test_a_key_expires_while_it_is_in_use(luma: Service) -> None:
    key = luma.api.add_key(luma.api.client, expires_at=START + 10)
    assert luma.create(key=key).status == 201
    luma.now += 10
    assert refused(luma.create(key=key)) == (401, "API key has expired")


def test_the_key_is_the_same_for_a_seed_and_another_for_another() -> None:
    keys = [Service(seed=seed).api.key for seed in (7, 7, 8)]
    assert keys[0] == keys[1] != keys[2]
    assert all(key.startswith("luma-api-") for key in keys)


def test_every_answer_names_the_api_version(luma: Service) -> None:
    answers = (luma.create(), luma.create(prompt=""), luma.call("GET", "/files"), luma.create(key=None))
    assert [answer.headers["X-API-Version"] for answer in answers] == ["2026-04-01"] * 4


def test_the_ledger_learns_the_client_but_not_the_key(luma: Service) -> None:
    assert luma.create().caller == "main"
    assert luma.create(key="suspended").caller == "suspended"
    assert luma.create(key=None).caller is None


# Submission.


def test_a_submission_is_answered_as_documented(luma: Service) -> None:
    luma.create()
    luma.now += 5
    answer = luma.create(
        prompt="A glass of iced coffee on a marble countertop, morning light streaming through a window",
        aspect_ratio="16:9",
    )
    assert answer.status == 201
    assert {name: text for name, text in answer.headers.items() if name.startswith("X-RateLimit")} == {
        "X-RateLimit-Limit": "30",
        "X-RateLimit-Remaining": "28",
        "X-RateLimit-Reset": str(int(START) + 60),
    }
    generation_id = answer.json.pop("id")
    assert len(generation_id) == 36
    assert answer.json == {
        "type": "image",
        "state": "queued",
        "model": "uni-1",
        "created_at": "2026-04-08T12:00:05Z",
        "output": [],
        "failure_reason": None,
        "failure_code": None,
    }


@pytest.mark.parametrize("fields", KINDS)
def test_a_generation_is_queued_then_processed_then_completed(luma: Service, fields: dict[str, Any]) -> None:
    generation_id = luma.submitted(**fields)
    states = list[str]()
    for _ in range(4000):
        luma.now += 0.25
        states.append(luma.generation(generation_id)["state"])
    assert list(dict.fromkeys(states)) == ["queued", "processing", "completed"]


def test_output_is_empty_until_it_is_completed(luma: Service) -> None:
    generation_id = luma.submitted()
    job = luma.api.generations[generation_id]
    luma.now = job.ends_at - 0.1
    assert luma.generation(generation_id)["output"] == []
    luma.now = job.ends_at
    assert len(luma.generation(generation_id)["output"]) == 1


def test_half_of_all_images_take_about_twenty_seconds() -> None:
    luma = Service(rpm=1000, jobs=1000)
    jobs = [luma.api.generations[luma.submitted()] for _ in range(300)]
    assert 18 < median(job.ends_at - job.created_at for job in jobs) < 25


def test_the_same_seed_and_requests_bring_the_same_generations() -> None:
    one, two, other = (Service(seed=seed) for seed in (7, 7, 8))
    assert one.finished() == two.finished()
    assert one.finished()["id"] != other.finished()["id"]


def test_a_refused_submission_does_not_change_the_next_generation() -> None:
    one, two = Service(), Service()
    one.create(image_ref=[{"url": "https://host.invalid/a.png"}])
    assert one.submitted() == two.submitted()


# Who may look.


@pytest.mark.parametrize(
    "generation_id",
    ["00000000-0000-0000-0000-000000000000", "not-a-uuid", "d290f1ee-6c54-4b01-90e6-d701748f0851"],
)
def test_a_generation_that_is_not_there_is_a_404(luma: Service, generation_id: str) -> None:
    answer = luma.call("GET", f"/generations/{generation_id}")
    assert refused(answer) == (404, "Generation not found")


def test_a_generation_of_another_key_is_not_found_even_with_the_same_client(luma: Service) -> None:
    generation_id = luma.submitted()
    sibling = luma.api.add_key(luma.api.client)
    for key in ("other", sibling):
        answer = luma.call("GET", f"/generations/{generation_id}", key=key)
        assert refused(answer) == (404, "Generation not found")


# Outputs.


def picture(luma: Service, generation: Any) -> Image.Image:
    answer = luma.fetch(generation["output"][0]["url"])
    assert answer.status == 200
    assert answer.body is not None
    return Image.open(BytesIO(answer.body))


@pytest.mark.parametrize(("fields", "form"), [({}, "PNG"), ({"output_format": "jpeg"}, "JPEG")])
def test_an_image_has_the_format_asked_for(luma: Service, fields: dict[str, Any], form: str) -> None:
    assert picture(luma, luma.finished(**fields)).format == form


@pytest.mark.parametrize(("ratio", "wanted"), [("16:9", 16 / 9), ("1:3", 1 / 3), ("1:1", 1)])
def test_an_image_has_the_ratio_asked_for(luma: Service, ratio: str, wanted: float) -> None:
    image = picture(luma, luma.finished(aspect_ratio=ratio))
    assert image.width / image.height == pytest.approx(wanted, rel=0.02)


def test_the_model_chooses_a_ratio_when_none_is_asked_for() -> None:
    luma = Service(jobs=40, rpm=100)
    ratios = {luma.api.generations[luma.submitted()].ratio for _ in range(40)}
    assert len(ratios) > 4
    assert ratios <= {"1:1", "1:2", "1:3", "16:9", "2:1", "2:3", "3:1", "3:2", "9:16"}


def test_an_edit_keeps_the_ratio_of_its_source(luma: Service) -> None:
    first = luma.finished(aspect_ratio="3:1")
    edit = luma.submitted(type="image_edit", source={"generation_id": first["id"]})
    assert luma.api.generations[edit].ratio == "3:1"


def test_a_video_is_an_mp4(luma: Service) -> None:
    generation = luma.finished(model="ray-3.2", type="video", aspect_ratio="9:16")
    [output] = generation["output"]
    answer = luma.fetch(output["url"])
    assert output["type"] == "video"
    assert answer.headers["Content-Type"] == "video/mp4"
    assert (answer.body or b"")[4:8] == b"ftyp"


def test_layering_gives_a_picture_for_each_layer_and_the_background_last(luma: Service) -> None:
    generation = luma.finished(type="layering", source={"url": "https://example.com/a.jpg"}, aspect_ratio="1:1")
    layers = [output["layer"] for output in generation["output"]]
    assert [layer["index"] for layer in layers] == list(range(len(layers)))
    assert [set(layer) for layer in layers] == [{"index", "label", "description", "alpha_hint"}] * len(layers)
    assert (layers[-1]["label"], layers[-1]["alpha_hint"]) == ("Background", "none")
    assert picture(luma, generation).mode == "RGBA"


def test_every_poll_returns_a_new_url_that_is_valid_for_an_hour(luma: Service) -> None:
    generation = luma.finished()
    url = generation["output"][0]["url"]
    luma.now += 3600
    assert luma.fetch(url).status == 403
    fresh = luma.generation(generation["id"])["output"][0]["url"]
    assert fresh != url
    assert luma.fetch(fresh).status == 200


# Failures.


@pytest.mark.parametrize(
    ("prompt", "code", "reason"),
    [
        (
            "[[moderate]]",
            "content_moderated",
            "Generation output was flagged by our content moderation system.",
        ),
        (
            "[[fail:content_moderated]]",
            "content_moderated",
            "Generation output was flagged by our content moderation system.",
        ),
        ("[[fail:generation_failed]]", "generation_failed", "Generation failed"),
        (
            "[[fail:budget_exhausted]]",
            "budget_exhausted",
            "Insufficient credits to complete this generation.",
        ),
        ("[[fail:output_not_found]]", "output_not_found", "Output artifacts not found"),
    ],
)
def test_a_prompt_can_ask_for_each_documented_failure(luma: Service, prompt: str, code: str, reason: str) -> None:
    generation = luma.finished(prompt=f"A sunset {prompt}")
    assert generation["state"] == "failed"
    assert generation["output"] == []
    assert (generation["failure_code"], generation["failure_reason"]) == (code, reason)


@pytest.mark.parametrize(
    "code",
    [
        "image_too_large",
        "unsupported_format",
        "corrupt_input",
        "invalid_request",
        "rate_limited",
        "a_code_yet_to_come",
    ],
)
def test_a_prompt_can_ask_for_any_other_failure_code(luma: Service, code: str) -> None:
    generation = luma.finished(prompt=f"[[fail:{code}]]")
    assert generation["failure_code"] == code
    assert generation["failure_reason"]


def test_a_failure_shows_only_when_it_happens(luma: Service) -> None:
    generation = luma.generation(luma.submitted(prompt="[[moderate]]"))
    assert (generation["state"], generation["failure_code"], generation["failure_reason"]) == (
        "queued",
        None,
        None,
    )


def test_jobs_fail_at_the_given_rate() -> None:
    luma = Service(rpm=1000, jobs=1000, failure_rate=0.2, moderation_rate=0.1)
    codes = [luma.api.generations[luma.submitted()].failure for _ in range(400)]
    assert 0.15 < codes.count("generation_failed") / 400 < 0.25
    assert 0.06 < codes.count("content_moderated") / 400 < 0.14
    assert set(codes) == {"generation_failed", "content_moderated", None}


# The requests of a minute.


def test_a_429_says_when_the_oldest_request_ages_out() -> None:
    luma = Service(rpm=2)
    luma.submitted()
    luma.now += 10
    luma.submitted()
    luma.now += 38
    answer = luma.create()
    assert refused(answer) == (429, "Rate limit exceeded")
    assert answer.headers == {
        "Retry-After": "12",
        "X-RateLimit-Limit": "2",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(START) + 60),
        "X-API-Version": "2026-04-01",
    }
    luma.now += 12
    assert luma.create().status == 201


def test_requests_age_out_one_by_one() -> None:
    luma = Service(rpm=3)
    for _ in range(3):
        luma.submitted()
        luma.now += 10
    taken = list[float]()
    while len(taken) < 3:
        if luma.create().status == 201:
            taken.append(luma.now)
        luma.now += 1
    assert [later - earlier for earlier, later in pairwise(taken)] == [10, 10]


def test_a_fixed_window_resets_for_all_requests_at_once() -> None:
    luma = Service(rpm=3, window_kind="fixed")
    for _ in range(3):
        luma.submitted()
        luma.now += 10
    assert luma.create().headers["Retry-After"] == "30"
    luma.now = START + 60
    assert [luma.create().status for _ in range(4)] == [201, 201, 201, 429]


def test_rejected_requests_count_with_the_switch() -> None:
    luma = Service(rpm=1, count_rejected=True)
    luma.submitted()
    luma.now += 30
    assert luma.create().status == 429
    luma.now += 30
    assert luma.create().status == 429


def test_a_request_that_is_refused_for_its_fields_counts_but_shows_no_limit_headers() -> None:
    luma = Service(rpm=2)
    answer = luma.create(prompt="")
    assert answer.status == 400
    assert set(answer.headers) == {"X-API-Version"}
    luma.submitted()
    assert luma.create().status == 429


def test_polls_and_files_do_not_count_in_the_window() -> None:
    luma = Service(rpm=2)
    generation_id = luma.submitted()
    for _ in range(5):
        assert "X-RateLimit-Limit" not in luma.call("GET", f"/generations/{generation_id}").headers
        luma.call("GET", "/files")
    assert luma.create().status == 201


def test_the_keys_of_a_client_share_its_window() -> None:
    luma = Service(rpm=1)
    sibling = luma.api.add_key(luma.api.client)
    luma.submitted()
    assert luma.create(key=sibling).status == 429
    assert luma.create(key="other").status == 201


def test_the_limit_can_be_changed_at_any_time(luma: Service) -> None:
    luma.submitted()
    luma.api.client.window.limit = 5
    assert luma.create().headers["X-RateLimit-Limit"] == "5"


# Concurrent jobs.


def test_a_429_for_concurrent_jobs_has_retry_after_and_no_limit_headers() -> None:
    luma = Service(jobs=2)
    first, _ = luma.submitted(), luma.submitted()
    answer = luma.create()
    assert refused(answer) == (429, "Concurrent generation limit reached (2)")
    assert answer.headers == {"Retry-After": "60", "X-API-Version": "2026-04-01"}
    luma.now = luma.api.generations[first].ends_at + 60
    assert luma.create().status == 201


def test_a_submission_refused_for_its_slot_counts_against_the_minute_and_costs_nothing() -> None:
    luma = Service(jobs=1, rpm=2)
    luma.submitted()
    answer = luma.create()
    assert refused(answer) == (429, "Concurrent generation limit reached (1)")
    assert answer.charged == 0
    assert refused(luma.create()) == (429, "Rate limit exceeded")


def test_a_job_that_ends_frees_its_slot_at_once_however_it_ends() -> None:
    luma = Service(jobs=1)
    job = luma.api.generations[luma.submitted(prompt="[[fail:generation_failed]]")]
    luma.now = job.ends_at - 0.01
    assert luma.create().status == 429
    luma.now = job.ends_at
    assert luma.api.active(luma.api.client, luma.now) == 0
    assert luma.create().status == 201


def test_a_slot_can_be_released_late() -> None:
    luma = Service(jobs=1, release_lag=5.0)
    job = luma.api.generations[luma.submitted()]
    luma.now = job.ends_at + 4.9
    assert luma.create().status == 429
    luma.now = job.ends_at + 5.0
    assert luma.create().status == 201


def test_slots_belong_to_the_client() -> None:
    luma = Service(jobs=1)
    luma.submitted()
    assert luma.create(key="other").status == 201
    assert luma.create(key=luma.api.add_key(luma.api.client)).status == 429


# Money.


@pytest.mark.parametrize(
    ("fields", "price"),
    [
        ({}, 0.0404),
        ({"image_ref": [{"url": "https://example.com/1.jpg"}]}, 0.0434),
        ({"image_ref": [{"url": f"https://example.com/{n}.jpg"} for n in range(3)]}, 0.0494),
        ({"type": "image_edit", "source": {"url": "https://example.com/1.jpg"}}, 0.0434),
        (
            {
                "type": "image_edit",
                "source": {"url": "https://example.com/1.jpg"},
                "image_ref": [{"url": "https://example.com/2.jpg"}],
            },
            0.0464,
        ),
        ({"model": "uni-1-max"}, 0.1),
        ({"model": "uni-1-max", "image_ref": [{"url": "https://example.com/1.jpg"}]}, 0.103),
    ],
)
def test_a_submission_is_charged_at_its_price(luma: Service, fields: dict[str, Any], price: float) -> None:
    answer = luma.create(**fields)
    assert answer.charged == price
    assert luma.api.client.balance == Decimal(1000) - Decimal(str(price))


SOURCES: dict[str, dict[str, Any]] = {
    "video": {},
    "video_edit": {"source": {"url": "https://example.com/a.mp4", "media_type": "video/mp4"}},
    "video_reframe": {"source": {"url": "https://example.com/a.mp4", "media_type": "video/mp4"}},
}


def videos_price(kind: str, **video: Any) -> float:
    luma = Service()
    answer = luma.create(model="ray-3.2", type=kind, video=video, **SOURCES[kind])
    assert luma.api.client.balance == Decimal(1000) - Decimal(str(answer.charged))
    return float(answer.charged)


@pytest.mark.parametrize(
    ("kind", "options", "prices"),
    [
        ("video", {}, (0.06, 0.15, 0.30, 1.20)),
        ("video", {"duration": "10s"}, (0.18, 0.45, 0.90, 3.60)),
        ("video", {"hdr": True}, (None, None, 0.60, 2.40)),
        ("video", {"hdr": True, "exr_export": True}, (None, None, 0.90, 3.60)),
        ("video_edit", {}, (0.54, 0.72, 1.08, 2.16)),
        ("video_edit", {"duration": "10s"}, (1.08, 1.44, 2.16, 4.32)),
        ("video_reframe", {}, (None, 0.30, 0.60, 1.80)),
        ("video_reframe", {"duration": "10s"}, (None, 0.60, 1.20, 3.60)),
    ],
)
def test_a_video_is_charged_as_the_price_list_says(
    kind: str, options: dict[str, Any], prices: tuple[float | None, ...]
) -> None:
    for resolution, price in zip(("360p", "540p", "720p", "1080p"), prices, strict=True):
        if price is not None:
            assert videos_price(kind, resolution=resolution, **options) == pytest.approx(price)
    assert videos_price(kind, **options) == videos_price(kind, resolution="720p", **options)


@pytest.mark.parametrize(
    ("kind", "video", "price"),
    [
        ("video_reframe", {"resolution": "360p"}, 0.15),
        ("video_edit", {"hdr": True}, 2.16),
        ("video", {"hdr": True, "duration": "10s"}, 1.80),
    ],
)
def test_generations_without_a_listed_price_are_charged(kind: str, video: dict[str, Any], price: float) -> None:
    assert videos_price(kind, **video) == pytest.approx(price)


def test_a_layering_is_charged_by_the_layer_and_twice_that_for_2k() -> None:
    source = {"url": "https://example.com/a.jpg"}
    one, two = Service(), Service()
    answer = one.create(type="layering", source=source)
    layers = len(one.api.generations[answer.json["id"]].layers)
    assert answer.charged == pytest.approx(0.0434 * layers)
    fine = two.create(type="layering", source=source, layering={"resolution": "2k"})
    assert fine.charged == pytest.approx(2 * answer.charged)


@pytest.mark.parametrize(
    "fields",
    [{"prompt": ""}, {"image_ref": [{"url": "https://host.invalid/a.png"}]}, {"prompt": "[[bad-gateway]]"}],
)
def test_a_refused_submission_is_not_charged(luma: Service, fields: dict[str, Any]) -> None:
    assert luma.create(**fields).charged == 0
    assert luma.api.client.balance == 1000


def test_a_job_that_fails_keeps_what_was_charged_at_submission(luma: Service) -> None:
    luma.finished(prompt="[[fail:generation_failed]]")
    assert luma.api.client.balance == Decimal("999.9596")


def test_a_balance_that_does_not_cover_the_price_is_a_402_and_queues_nothing() -> None:
    luma = Service(balance=0.05)
    assert luma.create().status == 201
    assert refused(luma.create()) == (402, "Insufficient credits. Please add credits to continue.")
    assert len(luma.api.generations) == 1


def test_charged_at_completion_a_job_is_charged_once_at_the_first_poll() -> None:
    luma = Service(charge_at="completion")
    submission = luma.create()
    generation_id = submission.json["id"]
    assert submission.charged == 0
    luma.now += 3600
    charges = [luma.call("GET", f"/generations/{generation_id}").charged for _ in range(3)]
    assert charges == [0.0404, 0, 0]
    assert luma.api.client.balance == Decimal("999.9596")


def test_charged_at_completion_a_failed_job_costs_nothing() -> None:
    luma = Service(charge_at="completion")
    luma.finished(prompt="[[moderate]]")
    assert luma.api.client.balance == 1000


def test_charged_at_completion_a_job_fails_if_the_balance_is_too_low() -> None:
    luma = Service(charge_at="completion", balance=0.05)
    jobs = [luma.api.generations[luma.submitted()] for _ in range(2)]
    luma.now += 3600
    first, last = sorted(jobs, key=lambda job: job.ends_at)
    assert luma.generation(first.id)["state"] == "completed"
    assert luma.generation(last.id)["failure_code"] == "budget_exhausted"
    assert luma.generation(last.id)["failure_reason"] == "Insufficient credits to complete this generation."
