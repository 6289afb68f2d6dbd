"""What is written by hand for Generor: keys that may be missing, downloads, and the open request."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.clock import FakeClock
from support.wire import Arrived, Peer, Step, Wire, answer

from generor_async import (
    AsyncGeneror,
    BadRequestError,
    DeadlineExceededError,
    DownloadError,
    GenerateProgress,
    InvalidRequestError,
    MissingAPIKeyError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    Secret,
    response_of,
)
from generor_async.simulator import Simulator
from generor_async.testing import run

RESULT: dict[str, Any] = {
    "generator": "image",
    "model_id": 10003,
    "model_type": "image",
    "model_name": "flux",
    "creations": [],
    "credit_cost": 24,
    "credit_cost_estimated": 6,
    "credits_remaining": 35998,
    "time_taken_seconds": 23.7,
}


CREATION: dict[str, Any] = {
    "creation_id": 12345,
    "generator": "image",
    "user_id": 42,
    "username": "johndoe",
    "created_at": "2026-02-20 12:00:00",
    "privacy_mode": 0,
    "type": "img",
    "license": 1,
}


def client(wire: Wire, key: str | None = "gnr_live_0123456789", **options: Any) -> AsyncGeneror:
    options.setdefault("clock", FakeClock())
    return AsyncGeneror(key, base_url=f"{wire.url}/api/v1", **options)


def enveloped(data: object, **meta: object) -> dict[str, object]:
    return {"success": True, "data": data, **({"meta": meta} if meta else {})}


async def test_public_endpoints_work_without_a_key_and_others_say_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GENEROR_API_KEY", raising=False)
    async with Wire(answer(200, enveloped([]))) as wire, client(wire, None) as generor:
        assert await generor.generators.list() == []
        with pytest.raises(MissingAPIKeyError, match="Set GENEROR_API_KEY") as caught:
            await generor.users.me()
    assert caught.value.operation == "generor.users.me"
    assert len(wire.requests) == 1
    assert "Authorization" not in wire.requests[0].headers


async def test_a_list_that_says_there_is_more_is_fetched_whole() -> None:
    pages = [
        answer(200, enveloped([{"slug": "joke"}, {"slug": "poem"}], page=1, has_next=True)),
        answer(200, enveloped([{"slug": "image"}], page=2, has_next=False)),
    ]
    async with Wire(*pages) as wire, client(wire) as generor:
        found = await generor.generators.list(status="all")
    assert [generator.slug for generator in found] == ["joke", "poem", "image"]
    assert [request.target for request in wire.requests] == [
        "/api/v1/generators?status=all",
        "/api/v1/generators?status=all&page=2",
    ]
    assert response_of(found[0]).status == 200


async def test_relative_addresses_are_the_sites_own(tmp_path: Path) -> None:
    creation = {**CREATION, "images": [{"url": "/users/42/img/image-12345.png"}]}
    picture = answer(200, b"RIFF....WEBPVP8 ", content_type="image/webp")
    async with Wire(answer(200, enveloped(creation)), picture) as wire, client(wire) as generor:
        paths = await generor.download(await generor.creations.get(12345), tmp_path)
    assert paths == [tmp_path / "12345-0.webp"]
    assert wire.requests[1].target == "/users/42/img/image-12345.png"
    assert wire.requests[1].headers["Authorization"] == "Bearer gnr_live_0123456789"


async def test_every_medium_of_every_creation_of_a_result_is_downloaded(tmp_path: Path) -> None:
    async with Wire(answer(200, b"....ftypisom....", content_type="video/mp4")) as host:
        creations = [{"creation_id": n, "video_url": f"{host.url}/{n}.mp4"} for n in (1, 2)]
        made = answer(201, enveloped({**RESULT, "creations": [*creations, {"creation_id": 3, "text": "words"}]}))
        async with Wire(made) as wire, client(wire) as generor:
            result = await generor.generators.generate("video", prompt="waves", model_id=20061)
            paths = await generor.download(result, tmp_path)
    assert [path.name for path in paths] == ["1-0.mp4", "2-0.mp4", "3.txt"]
    assert paths[2].read_text() == "words"
    assert all("Authorization" not in request.headers for request in host.requests)


@pytest.mark.parametrize(
    "more",
    [
        {"generator_data": {"video_url": "/v"}},
        {"generator_data": '{"video_url": "/v"}'},
        {"image_urls": [], "videos": ["/v"], "generator_data": []},
    ],
)
async def test_a_creation_that_is_fetched_later_gives_its_files_as_well(tmp_path: Path, more: dict[str, Any]) -> None:
    creation: dict[str, Any] = {**CREATION, "images": [], **more}
    movie = answer(200, b"....ftypisom....", content_type="video/mp4")
    listed = answer(200, {"success": True, "data": [creation], "meta": {"has_next": False}})
    async with Wire(answer(200, enveloped(creation)), movie, listed, movie) as wire, client(wire) as generor:
        paths = await generor.download(await generor.creations.get(12345), tmp_path)
        again = await generor.download((await generor.creations.list()).items[0], tmp_path, overwrite=True)
    assert paths == again == [tmp_path / "12345-0.mp4"]


async def test_pictures_beside_the_creations_are_the_first_ones(tmp_path: Path) -> None:
    picture = answer(200, b"RIFF....WEBPVP8 ", content_type="image/webp")
    result = {**RESULT, "creations": [{"creation_id": 5}], "image_urls": ["/my heron.webp", "/réiher.webp"]}
    async with Wire(answer(201, enveloped(result)), picture, picture) as wire, client(wire) as generor:
        made = await generor.generators.generate("image", prompt="heron", model_id=10003)
        paths = await generor.download(made, tmp_path)
    assert [path.name for path in paths] == ["5-0.webp", "5-1.webp"]
    assert sorted(request.target for request in wire.requests[1:]) == ["/my%20heron.webp", "/r%C3%A9iher.webp"]


@pytest.mark.parametrize("query", ["X-Amz-Signature=abc", "Signature=abc&Expires=1"])
async def test_a_presigned_address_gets_no_key(tmp_path: Path, query: str) -> None:
    creation = {**CREATION, "images": [{"url": f"/a.png?{query}"}]}
    picture = answer(200, b"\x89PNG\r\n\x1a\n", content_type="image/png")
    async with Wire(answer(200, enveloped(creation)), picture) as wire, client(wire) as generor:
        await generor.download(await generor.creations.get(12345), tmp_path)
    assert "Authorization" not in wire.requests[1].headers


async def test_the_key_does_not_follow_a_redirect_to_another_host(tmp_path: Path) -> None:
    picture = answer(200, b"\x89PNG\r\n\x1a\n", content_type="image/png")
    creation = {**CREATION, "images": [{"url": "/a.png"}]}
    async with Wire(picture) as host:
        moved = answer(302, b"", headers={"Location": f"{host.url}/a.png"})
        async with Wire(answer(200, enveloped(creation)), moved) as wire, client(wire) as generor:
            await generor.download(await generor.creations.get(12345), tmp_path)
    assert "Authorization" in wire.requests[1].headers
    assert "Authorization" not in host.requests[0].headers


@pytest.mark.parametrize("creations", [[], [{"creation_id": 7, "dish_name": "Soup"}]])
async def test_nothing_to_download_is_an_error_that_says_so(tmp_path: Path, creations: list[Any]) -> None:
    made = answer(201, enveloped({**RESULT, "creations": creations}))
    async with Wire(made) as wire, client(wire) as generor:
        result = await generor.generators.generate("recipe", prompt="soup", model_id=37)
        with pytest.raises(DownloadError, match="nothing to download") as caught:
            await generor.download(result, tmp_path)
    assert not caught.value.retryable
    assert "creations.get(" in str(caught.value)


async def test_a_result_with_odd_fields_is_warned_of_once_a_place(caplog: pytest.LogCaptureFixture) -> None:
    odd: dict[str, Any] = {
        **RESULT,
        "creations": [{"creation_id": 1, "text": []}, {"creation_id": "2", "text": {}}],
        "credit_cost": None,
    }
    async with Wire(answer(201, enveloped(odd))) as wire, client(wire) as generor:
        (result, *_) = [await generor.generators.generate("joke", prompt="x", model_id=37) for _ in range(3)]
    assert [creation.creation_id for creation in result.creations] == [1, 2]
    assert result.problems == ("$.data.creations[0].text", "$.data.creations[1].text", "$.data.credit_cost")
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == [
        "generor.generators.generate: the answer is odd at $.data.creations[0].text: expected a string, found list",
        "generor.generators.generate: the answer is odd at $.data.credit_cost: expected a number, found nothing",
    ]


async def test_what_was_dropped_of_the_parameters_is_named() -> None:
    data = {
        "credit_cost": {"total": 3},
        "time_estimate": {"seconds": 10},
        "applied_parameters": {"zodiac-sign": "aries"},
    }
    async with Wire(answer(200, enveloped(data))) as wire, client(wire) as generor:
        estimate = await generor.generators.estimate(
            "horoscope", model_id=37, parameters={"zodiac-sign": "aries", "zodiac-sing": "leo"}
        )
    assert estimate.dropped_parameters == ["zodiac-sing"]


async def test_a_403_names_the_scope_that_the_call_needs() -> None:
    error = {"success": False, "error": {"code": "FORBIDDEN", "message": "No.", "status": 403}}
    async with Wire(answer(403, error)) as wire, client(wire) as generor:
        with pytest.raises(PermissionDeniedError, match="needs the scope 'generate'"):
            await generor.generators.generate("joke", model_id=37)


async def test_me_is_not_taken_for_a_username() -> None:
    async with Wire() as wire, client(wire) as generor:
        with pytest.raises(InvalidRequestError, match=r"users\.me\(\)"):
            await generor.users.get("me")
    assert wire.requests == []


async def test_a_key_that_was_made_is_a_secret_everywhere() -> None:
    key = "gnr_live_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0"
    data = {"key_id": 1, "api_key": key, "prefix": "gnr_live_a1b2c3d4", "name": "App", "scopes": ["read"]}
    async with Wire(answer(201, enveloped(data))) as wire, client(wire) as generor:
        made = await generor.api_keys.create(name="App", scopes=["read"])
    assert made.api_key == Secret(key)
    assert made.api_key.reveal() == key
    assert key not in f"{made!r} {made.raw!r}"


async def test_a_lost_answer_to_making_a_key_says_how_to_revoke_it_and_shows_no_key() -> None:
    key = "gnr_live_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0"
    broken = f'{{"success": true, "data": {{"key_id": 1, "api_key": "{key}"'.encode()
    async with Wire(answer(201, broken)) as wire, client(wire) as generor:
        with pytest.raises(OutcomeUnknownError, match="revoke it by its prefix") as caught:
            await generor.api_keys.create(name="App")
    assert key not in f"{caught.value!r} {caught.value} {caught.value.body!r} {caught.value.__cause__!r}"
    assert caught.value.ids == ("1",)
    assert len(wire.requests) == 1


async def test_an_endpoint_that_is_not_known_is_reached_by_request() -> None:
    async with Wire(answer(200, {"anything": [1, 2]})) as wire, client(wire) as generor:
        found = await generor.request("post", "/new/thing", query={"a": "b c"}, json={"x": 1}, retry_safety="read")
        for path in ("new", "/../users", "/a?b=c", "/a#b"):
            with pytest.raises(InvalidRequestError, match="not a path below the base URL"):
                await generor.request("GET", path)
        with pytest.raises(InvalidRequestError, match="retry_safety must be one of"):
            await generor.request("GET", "/new", retry_safety="careless")  # type: ignore[arg-type] # that is the point
    assert found == {"anything": [1, 2]}
    assert (wire.requests[0].method, wire.requests[0].target) == ("POST", "/api/v1/new/thing?a=b%20c")
    assert wire.requests[0].body == b'{"x":1}'


async def test_an_estimate_raises_the_time_that_a_generate_is_given_and_never_lowers_it() -> None:
    def estimate(seconds: float, most: float) -> Step:
        time = {"seconds": seconds, "max_seconds": most}
        return answer(200, enveloped({"credit_cost": {"total": 3}, "time_estimate": time}))

    refused = answer(429, b"<html>", headers={"Retry-After": "2000"}, content_type="text/html")
    steps = (estimate(50, 14), refused, estimate(900, 450), refused, answer(201, enveloped(RESULT)))
    wish: dict[str, Any] = {"model_id": 20061, "count": 5}
    async with Wire(*steps) as wire, client(wire, max_retries=1) as generor:
        await generor.generators.estimate("video", **wish)
        with pytest.raises(RateLimitError) as caught:
            await generor.generators.generate("video", **wish)
        await generor.generators.estimate("video", **wish)
        result = await generor.generators.generate("video", **wish)
    assert caught.value.retry_after == 2000
    assert response_of(result).elapsed >= 2000


def status(name: str) -> Step:
    return answer(200, enveloped({"creation_id": 12345, "status": name}))


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_a_creation_is_waited_for_and_returned_as_it_ended(end: str) -> None:
    clock = FakeClock()
    steps = [status(name) for name in ("pending", "generating", "generating", end)]
    async with Wire(*steps) as wire, client(wire, clock=clock) as generor:
        ended = await generor.creations.wait(12345)
    assert (ended.creation_id, ended.status) == (12345, end)
    assert {request.target for request in wire.requests} == {"/api/v1/creations/12345/status"}
    assert clock.slept == [2, 3, 5]


async def test_a_wait_for_a_creation_that_runs_out_of_time_says_how_to_go_on() -> None:
    async with Wire(status("generating")) as wire, client(wire) as generor:
        with pytest.raises(DeadlineExceededError, match=r"creation 12345 .* creations\.wait\(12345\)") as caught:
            await generor.creations.wait(12345, timeout=30)
    assert (caught.value.waited_for, caught.value.job_id, caught.value.creation_id) == ("poll", None, 12345)


async def test_views_look_at_a_creation_once_for_all() -> None:
    async with Wire(status("generating"), status("completed")) as wire, client(wire) as generor:
        view = generor.with_options(priority="bulk")
        found = await asyncio.gather(generor.creations.wait(12345), view.creations.wait(12345))
    assert [one.status for one in found] == ["completed"] * 2
    assert len(wire.requests) == 2


async def test_a_creation_that_is_not_there_is_not_waited_for() -> None:
    error = {"success": False, "error": {"code": "NOT_FOUND", "message": "Creation not found", "status": 404}}
    async with Wire(answer(404, error)) as wire, client(wire) as generor:
        with pytest.raises(NotFoundError):
            await generor.creations.wait(987_654_321)
    assert len(wire.requests) == 1


def test_a_generate_tells_how_far_it_is_likely_to_have_come() -> None:
    async def main() -> list[GenerateProgress]:
        told: list[GenerateProgress] = []
        async with Simulator(seed=7) as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            view = generor.with_options(on_progress=told.append)
            await view.generators.generate("video", prompt="Waves", model_id=20061)
            assert [request.path.rpartition("/")[2] for request in simulator.ledger.requests].count("generate") == 1
        return told

    told = run(main())
    assert told[0].fraction is None
    assert told[0].estimated
    fractions = [one.fraction for one in told if one.fraction is not None]
    assert len(fractions) > 10
    assert fractions == sorted(fractions)
    assert all(one.estimated and (one.fraction or 0.0) < 1 for one in told[:-1])
    assert (told[-1].fraction, told[-1].estimated) == (1.0, False)
    assert [round(one.elapsed) for one in told[:5]] == [0, 1, 2, 3, 4]


def test_nothing_is_left_of_an_estimate_when_the_answer_is_there_first() -> None:
    async def main() -> None:
        async with Simulator(seed=7) as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            view = generor.with_options(on_progress=lambda _: None)
            await view.generators.generate("joke", prompt="A hen", model_id=37)
            assert not [task for task in asyncio.all_tasks() if "progress" in repr(task)]

    run(main())


def test_what_was_estimated_before_is_not_asked_for_again() -> None:
    async def main() -> None:
        told: list[GenerateProgress] = []
        async with Simulator(seed=7) as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            wish: dict[str, Any] = {"prompt": "Waves", "model_id": 20061}
            estimate = await generor.generators.estimate("video", **wish)
            await generor.with_options(on_progress=told.append, request_id="mine").generators.generate("video", **wish)
            assert len(simulator.ledger.requests) == 2
        assert {one.expected for one in told} == {estimate.time_estimate.seconds}
        assert told[0].fraction == 0

    run(main())


async def test_neither_a_failing_callable_nor_a_failing_estimate_costs_a_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[GenerateProgress] = []
    error = {"success": False, "error": {"code": "VALIDATION_ERROR", "message": "No.", "status": 400}}

    def fail(progress: GenerateProgress) -> None:
        told.append(progress)
        raise ValueError("no")

    async def step(peer: Peer, request: Arrived) -> None:
        if request.target.endswith("/estimate"):
            await answer(400, error)(peer, request)
        else:
            await asyncio.sleep(0.05)
            await answer(201, enveloped(RESULT))(peer, request)

    async with Wire(step) as wire, client(wire) as generor:
        result = await generor.with_options(on_progress=fail).generators.generate("image", model_id=10003)
    assert result.model_name == "flux"
    assert told[-1].fraction == 1.0
    assert all(one.expected is None for one in told)
    assert any("on_progress failed" in record.message for record in caplog.records)


async def test_a_generate_that_fails_tells_no_end() -> None:
    told: list[GenerateProgress] = []
    error = {"success": False, "error": {"code": "VALIDATION_ERROR", "message": "No.", "status": 400}}
    async with Wire(answer(400, error)) as wire, client(wire) as generor:
        with pytest.raises(BadRequestError):
            await generor.with_options(on_progress=told.append).generators.generate("image", model_id=10003)
    assert all(one.estimated for one in told)
