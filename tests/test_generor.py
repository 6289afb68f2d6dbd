"""What is written by hand for Generor: keys that may be missing, downloads, and the open request."""

from pathlib import Path
from typing import Any

import pytest
from support.clock import FakeClock
from support.wire import Step, Wire, answer

from generor_async import (
    AsyncGeneror,
    InvalidRequestError,
    MissingAPIKeyError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitError,
    Secret,
    response_of,
)

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


RATE_LIMITED = {
    "success": False,
    "error": {"code": "RATE_LIMIT_EXCEEDED", "message": "Too many requests", "status": 429},
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
    return AsyncGeneror(key, base_url=f"{wire.url}/api/v1", clock=FakeClock(), **options)


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
    assert "Authorization" not in wire.requests[1].headers


async def test_every_medium_of_every_creation_of_a_result_is_downloaded(tmp_path: Path) -> None:
    async with Wire(answer(200, b"....ftypisom....", content_type="video/mp4")) as host:
        creations = [{"creation_id": n, "video_url": f"{host.url}/{n}.mp4"} for n in (1, 2)]
        made = answer(201, enveloped({**RESULT, "creations": [*creations, {"creation_id": 3, "text": "words"}]}))
        async with Wire(made) as wire, client(wire) as generor:
            result = await generor.generators.generate("video", prompt="waves", model_id=20061)
            paths = await generor.download(result, tmp_path)
    assert [path.name for path in paths] == ["1-0.mp4", "2-0.mp4"]


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
        found = await generor.request("post", "/new/thing", query={"a": "b c"}, json={"x": 1}, conduct="read")
        for path in ("new", "/../users", "/a?b=c", "/a#b"):
            with pytest.raises(InvalidRequestError, match="not a path below the base URL"):
                await generor.request("GET", path)
        with pytest.raises(InvalidRequestError, match="conduct must be one of"):
            await generor.request("GET", "/new", conduct="careless")  # type: ignore[arg-type] # that is the point
    assert found == {"anything": [1, 2]}
    assert (wire.requests[0].method, wire.requests[0].target) == ("POST", "/api/v1/new/thing?a=b%20c")
    assert wire.requests[0].body == b'{"x":1}'


async def test_an_estimate_raises_the_time_that_a_generate_is_given_and_never_lowers_it() -> None:
    def estimate(seconds: float, most: float) -> Step:
        time = {"seconds": seconds, "max_seconds": most}
        return answer(200, enveloped({"credit_cost": {"total": 3}, "time_estimate": time}))

    refused = answer(429, RATE_LIMITED, headers={"Retry-After": "2000"})
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
