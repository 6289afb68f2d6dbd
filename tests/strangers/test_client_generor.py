"""The client's Generor against the server: generate, estimate, lists, downloads, credits, and what goes wrong."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from generor_async import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    InsufficientCreditsError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    response_of,
)
from strangers import GenerorWorld, StrangerServer
from strangers.clients import check_charges, generor_of, now, ours, virtual

JOKE: dict[str, Any] = {"prompt": "a heron", "model_id": 37}
IMAGE: dict[str, Any] = {"prompt": "a heron", "model_id": 10003}
VIDEO: dict[str, Any] = {"prompt": "a heron", "model_id": 20061}


def server_of(**switches: Any) -> StrangerServer:
    return StrangerServer(generor=GenerorWorld(**switches), travel=0.02, jitter=0.03)


@virtual
async def test_a_generate_waits_for_its_answer_and_tells_what_it_cost() -> None:
    async with server_of() as server, generor_of(server) as generor:
        result = await generor.generators.generate("joke", count=5, **JOKE)
        assert 12 <= now() < 12.5
        assert (result.generator, result.model_id, result.credit_cost, result.credits_remaining) == (
            "joke",
            37,
            5,
            1245,
        )
        assert [creation.text for creation in result.creations] == ["A text about a heron"] * 5
        check_charges(server, [result.creations[0].creation_id])
        told = response_of(result).rate_limit
        assert told is not None
        assert (told.limit, told.remaining, told.tier) == (30, 29, "free")


@virtual
async def test_a_picture_and_a_video_are_downloaded(tmp_path: Path) -> None:
    async with server_of() as server, generor_of(server) as generor:
        picture = await generor.generators.generate("image", aspect_ratio="16:9", **IMAGE)
        (path,) = await generor.download(picture, tmp_path)
        assert path.read_bytes().startswith(b"\x89PNG")
        video = await generor.generators.generate("video", seconds=5, **VIDEO)
        (path,) = await generor.download(video, tmp_path)
        assert path.suffix == ".mp4"
        check_charges(server, [picture.creations[0].creation_id, video.creations[0].creation_id])


@virtual
async def test_an_estimate_costs_nothing_and_shows_what_the_server_changes() -> None:
    async with server_of() as server, generor_of(server) as generor:
        estimate = await generor.generators.estimate("video", seconds=3, **VIDEO)
        assert (estimate.credit_cost.total, estimate.credit_cost.per_item, estimate.credit_cost.count) == (30, 30, 1)
        assert estimate.adjustments is not None
        assert estimate.time_estimate.seconds == 120
        assert not server.charges


@virtual
@pytest.mark.parametrize("charged_at", ["start", "end"])
async def test_the_balance_falls_by_what_calls_have_cost(charged_at: str) -> None:
    async with server_of(cost_factor=2.0, charged_at=charged_at) as server, generor_of(server) as generor:
        before = await generor.credits.balance()
        results = await asyncio.gather(*(generor.generators.generate("joke", **JOKE) for _ in range(4)))
        assert [result.credit_cost for result in results] == [2] * 4
        after = await generor.credits.balance()
        assert before.total - after.total == sum(charge.credits for charge in server.charges) == 8
        spent = [one.amount async for one in generor.credits.list_transactions(type="spend")]
        assert spent == [-2] * 4


@virtual
async def test_lists_go_over_all_pages_and_single_ones_are_found() -> None:
    async with server_of() as server, generor_of(server) as generor:
        made = list[int]()
        for _ in range(3):
            result = await generor.generators.generate("joke", count=9, **JOKE)
            made += [creation.creation_id for creation in result.creations]
        sent = len(server.requests)
        listed = [creation.creation_id async for creation in generor.creations.list(per_page=10)]
        assert listed == made[::-1]
        assert len(server.requests) - sent == 3
        page = await generor.creations.list_public(per_page=10, sort="oldest")
        assert [creation.creation_id for creation in page.items] == made[:10]
        assert (page.has_next, page.meta.total) == (True, 27)
        one = await generor.creations.get(made[0])
        assert (one.creation_id, one.prompt, one.generator) == (made[0], "a heron", "joke")
        assert (await generor.creations.status(made[0])).status == "completed"


@virtual
async def test_the_catalogue_and_the_account_can_be_read() -> None:
    async with server_of() as server, generor_of(server) as generor:
        slugs = [generator.slug for generator in await generor.generators.list()]
        assert slugs == ["joke", "horoscope", "image", "wallart", "video"]
        assert (await generor.generators.get("joke")).parameters == []
        models = await generor.models.list()
        assert [model.id for model in models["image"]] == [10001, 10003]
        video = await generor.models.get("video", 20061)
        assert (video.supported_durations, video.default_duration) == ([5, 6, 7, 8, 10, 12, 15], 8)
        profile = await generor.users.me()
        assert profile.credits is not None
        assert (profile.username, profile.credits.total) == ("stranger", 1250)


@virtual
async def test_without_a_key_the_public_calls_work_at_15_a_minute() -> None:
    async with server_of(window_kind="sliding") as server:
        async with generor_of(server, api_key=None) as public:
            await asyncio.gather(*(public.models.list() for _ in range(40)))
        assert [one.status for one in server.requests] == [200] * 40
        assert 120 <= now() < 124


@virtual
@pytest.mark.parametrize(
    ("switches", "params", "kind", "status"),
    [
        ({}, {"prompt": ""}, BadRequestError, 400),
        ({}, {"model_id": 38}, BadRequestError, 400),
        ({}, {"slug": "no-such"}, NotFoundError, 404),
        ({"balance": 0}, {}, InsufficientCreditsError, 402),
        ({"scopes": frozenset({"read"})}, {}, PermissionDeniedError, 403),
    ],
)
async def test_a_refused_generate_is_sent_once_and_costs_nothing(
    switches: dict[str, Any], params: dict[str, Any], kind: type[APIStatusError], status: int
) -> None:
    async with server_of(**switches) as server, generor_of(server) as generor:
        asked: dict[str, Any] = {"slug": "joke", **JOKE, **params}
        with pytest.raises(kind) as caught:
            await generor.generators.generate(**asked)
        assert caught.value.status_code == status
        assert len(server.requests) == 1
        assert not server.charges


@virtual
async def test_a_wrong_key_is_an_authentication_error() -> None:
    async with server_of() as server, generor_of(server, api_key="gnr_live_" + "0" * 40) as generor:
        with pytest.raises(AuthenticationError, match="Missing or invalid API key"):
            await generor.users.me()


@virtual
async def test_a_server_error_on_generate_is_unknown_and_not_sent_again() -> None:
    async with server_of() as server, generor_of(server) as generor:
        with pytest.raises(OutcomeUnknownError) as caught:
            await generor.generators.generate("joke", prompt="[fails]", model_id=37)
        assert caught.value.request_id == server.requests[0].request_id
        assert len(ours(server, "generor", "POST")) == 1


@virtual
async def test_a_gateway_that_gives_up_leaves_the_outcome_unknown_and_the_creation_is_found() -> None:
    async with server_of(gateway_timeout=5.0) as server, generor_of(server) as generor:
        with pytest.raises(OutcomeUnknownError):
            await generor.generators.generate("joke", **JOKE)
        (creation,) = await generor.creations.list().collect()
        assert creation.creation_id is not None
        assert (await generor.creations.wait(creation.creation_id)).status == "completed"
        check_charges(server, [creation.creation_id])


@virtual
async def test_a_private_creation_is_shown_to_its_owner_alone() -> None:
    async with server_of() as server, generor_of(server) as generor:
        result = await generor.generators.generate("joke", privacy_mode=1, **JOKE)
        creation_id = result.creations[0].creation_id
        assert (await generor.creations.get(creation_id)).creation_id == creation_id
        assert await generor.creations.list_public().collect() == []


@virtual
async def test_a_key_is_checked_with_what_the_account_has() -> None:
    async with server_of() as server, generor_of(server) as generor:
        found = await generor.check()
        assert (found.api, found.may_read) == ("generor", True)
        assert found.credits == (await generor.credits.balance()).total
