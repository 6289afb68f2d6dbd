"""Odd lists, in a grid: a walk ends with all items or with an error, and is never short without a word."""

from typing import Any

import pytest

from generor_async import GenerorAsyncError, ResponseShapeError
from generor_async.values import maybe
from strangers import GenerorWorld, LumaWorld, StrangerServer
from strangers.clients import TRAVEL, generor_of, luma_of, ours, virtual
from strangers.odd_pages import CATALOGUE, ENDLESS, ENDLESS_FILES, FILES, PAGES
from strangers.test_client_paid import JOKE

PNG = b"\x89PNG\r\n\x1a\n"
PLENTY = (10_000, 10_000, 10_000)
MOST = 12
"""Requests that a walk which leads nowhere may take."""


def generor_server(odd: str) -> StrangerServer:
    return StrangerServer(generor=GenerorWorld(odd_pages=odd, limits=PLENTY), **TRAVEL)


async def made_by(generor: Any) -> list[int]:
    """Make 27 creations, and return their numbers from the newest on."""
    made = list[int]()
    for _ in range(3):
        result = await generor.generators.generate(**JOKE, count=9)
        made += [creation.creation_id for creation in result.creations]
    return made[::-1]


async def walk(pages: Any, way: str) -> list[Any]:
    """Return all items, walked in one of the three ways."""
    if way == "items":
        return [one async for one in pages]
    if way == "pages":
        return [one async for page in pages.by_page() for one in page.items]
    found: list[Any] = await pages.collect()
    return found


@pytest.mark.parametrize("odd", PAGES)
@pytest.mark.parametrize("way", ["items", "pages", "collect"])
@virtual
async def test_a_walk_over_odd_pages_has_all_items(way: str, odd: str) -> None:
    async with generor_server(odd) as server, generor_of(server) as generor:
        made = await made_by(generor)
        for pages in (generor.creations.list(per_page=10), generor.creations.list_public(per_page=10)):
            found = await walk(pages, way)
            known = (one.creation_id for one in found if one.creation_id is not None)
            assert list(dict.fromkeys(known)) == made
        assert len(ours(server, "generor", "GET")) <= 2 * 5


@pytest.mark.parametrize("odd", ENDLESS)
@pytest.mark.parametrize("way", ["items", "pages", "collect"])
@virtual
async def test_a_walk_that_does_not_get_to_an_end_is_an_error(way: str, odd: str) -> None:
    async with generor_server(odd) as server, generor_of(server) as generor:
        await made_by(generor)
        with pytest.raises(ResponseShapeError):
            await walk(generor.creations.list(per_page=10), way)
        assert len(ours(server, "generor", "GET")) <= MOST


@virtual
async def test_a_page_behind_the_end_is_empty_and_one_in_the_middle_has_what_follows() -> None:
    async with generor_server("") as server, generor_of(server) as generor:
        assert await generor.creations.list().collect() == []
        made = await made_by(generor)
        assert await generor.creations.list(page=9, per_page=10).collect() == []
        rest = await generor.creations.list(page=2, per_page=10).collect()
        assert [one.creation_id for one in rest] == made[10:]


@pytest.mark.parametrize("odd", PAGES)
@virtual
async def test_money_that_was_spent_is_listed_to_the_end(odd: str) -> None:
    async with generor_server("") as server, generor_of(server) as generor:
        await made_by(generor)
        server.generor.world = GenerorWorld(odd_pages=odd if "ids" not in odd else "", limits=PLENTY)
        spent = await generor.credits.list_transactions(per_page=1).collect()
        known = {one.description: one.amount for one in spent if one.description is not None}
        assert list(known.values()) == [-9] * 3


@pytest.mark.parametrize("odd", CATALOGUE)
@virtual
async def test_one_bad_item_costs_no_catalogue(odd: str) -> None:
    world = GenerorWorld(odd_catalogue=odd)
    async with StrangerServer(generor=world, **TRAVEL) as server, generor_of(server) as generor:
        slugs = [one.slug for one in await generor.generators.list() if maybe(one.slug) is not None]
        assert [slug for slug in slugs if slug != "x"] == ["joke", "horoscope", "image", "wallart", "video"]
        models = await generor.models.list()
        known = {kind: [one.id for one in found if maybe(one.id) is not None] for kind, found in models.items()}
        assert {kind: ids for kind, ids in known.items() if ids} == {
            "text": [37],
            "image": [10001, 10003],
            "video": [20061],
        }
        assert [one.id for one in await generor.models.list_by_type("image") if maybe(one.id)] == [10001, 10003]


def luma_server(odd: str) -> StrangerServer:
    return StrangerServer(luma=LumaWorld(odd_pages=odd, ingest_seconds=0.0), **TRAVEL)


@pytest.mark.parametrize("odd", FILES)
@virtual
async def test_files_are_listed_to_the_end(odd: str) -> None:
    async with luma_server(odd) as server, luma_of(server) as luma:
        made = [(await luma.files.upload(PNG + bytes([number]))).id for number in range(7)]
        assert [file.id async for file in luma.files.list(limit=3)] == made[::-1]
        assert [file.id for file in await luma.files.list(limit=3).collect()] == made[::-1]


@pytest.mark.parametrize("odd", ENDLESS_FILES)
@virtual
async def test_a_walk_over_files_that_leads_nowhere_is_an_error(odd: str) -> None:
    async with luma_server(odd) as server, luma_of(server) as luma:
        for number in range(7):
            await luma.files.upload(PNG + bytes([number]))
        asked = len(ours(server, method="GET"))
        with pytest.raises(GenerorAsyncError):
            _ = [file async for file in luma.files.list(limit=3)]
        assert len(ours(server, method="GET")) - asked <= MOST
