"""Results in every place and form: what is downloaded are the right bytes, and nothing to download is an error."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncGeneror, DownloadError, Generor, Luma, run_batch
from strangers import GenerorWorld, LumaWorld, StrangerServer
from strangers.clients import TRAVEL, check_charges, generor_of, luma_of, virtual
from strangers.results import RESULTS, SUFFIXES
from strangers.storage import make_png
from strangers.test_client_paid import JOKE, attempt, rows

HOLDING = [name for name in RESULTS if name != "nothing"]


def server_of(results: str, urls: Any = "whole") -> StrangerServer:
    return StrangerServer(generor=GenerorWorld(results=results, urls=urls), **TRAVEL)


def check_files(results: str, paths: Iterable[Path]) -> None:
    """Hold files against what the server holds: each content once, under a name that fits it."""
    form, found = RESULTS[results], list(paths)
    wanted = [file.content for file in form.files.values()] + [text.encode() for text in form.texts]
    assert sorted(path.read_bytes() for path in found) == sorted(wanted)
    assert not {".bin", ""} & {path.suffix for path in found}
    assert {path.suffix for path in found} <= SUFFIXES.get(results, {path.suffix for path in found})
    for path in found:
        assert (path.suffix == ".txt") == (path.read_bytes().decode("utf-8", "ignore") in form.texts)


def check_empty(folder: Path) -> None:
    assert not list(folder.iterdir())


async def result_by(way: str, generor: AsyncGeneror, made: Any) -> Any:
    """Return a result as one comes by it: from the call itself, by its number, or in a list."""
    if way == "generate":
        return made
    if way == "get":
        return await generor.creations.get(made.creations[0].creation_id)
    (found,) = await generor.creations.list().collect()
    return found


@pytest.mark.parametrize("results", HOLDING)
@pytest.mark.parametrize("urls", ["whole", "path"])
@pytest.mark.parametrize("way", ["generate", "get", "list"])
@virtual
async def test_everything_that_a_result_holds_is_downloaded(way: str, urls: str, results: str, tmp_path: Path) -> None:
    async with server_of(results, urls) as server, generor_of(server) as generor:
        made = await generor.generators.generate(**JOKE)
        found = await result_by(way, generor, made)
        check_files(results, await generor.download(found, tmp_path))
        check_charges(server, [made.creations[0].creation_id])
        told = {one.path: "Authorization" in one.headers for one in server.requests if one.api == "storage"}
        assert set(told) == set(RESULTS[results].files)


@pytest.mark.parametrize("way", ["generate", "get", "list"])
@virtual
async def test_nothing_to_download_is_an_error_that_names_the_creation(way: str, tmp_path: Path) -> None:
    async with server_of("nothing") as server, generor_of(server) as generor:
        made = await generor.generators.generate(**JOKE)
        found = await result_by(way, generor, made)
        with pytest.raises(DownloadError, match="nothing to download") as caught:
            await generor.download(found, tmp_path)
        assert caught.value.creation_id == made.creations[0].creation_id
        assert str(caught.value.creation_id) in str(caught.value)
        check_empty(tmp_path)


@pytest.mark.parametrize("results", RESULTS)
@virtual
async def test_a_batch_has_the_files_of_each_row(results: str, tmp_path: Path) -> None:
    async with server_of(results) as server, generor_of(server) as generor:
        outcomes = {one.id: one async for one in run_batch(generor, rows(slug="joke", model_id=37), to=tmp_path)}
        assert len(server.charges) == len(rows())
        for outcome in outcomes.values():
            if results != "nothing":
                assert outcome.state == "done", outcome.problem
                check_files(results, outcome.files)
            assert outcome.remote_ids
        check_charges(server, [id_ for outcome in outcomes.values() for id_ in outcome.remote_ids])


@pytest.mark.parametrize("results", ["image_urls", "private", "a space", "a text and a picture"])
async def test_the_blocking_half_downloads_the_same(results: str, tmp_path: Path) -> None:
    durations = {"text": 0.0}
    async with StrangerServer(generor=GenerorWorld(results=results, durations=durations)) as server:

        def block() -> list[Path]:
            with Generor(server.generor_key, base_url=server.generor_url) as generor:
                made = generor.generators.generate(**JOKE)
                assert str(made.creations[0].creation_id) == server.charges[0].item
                return generor.download(generor.creations.get(made.creations[0].creation_id), tmp_path)

        check_files(results, await asyncio.to_thread(block))


# --- Luma -------------------------------------------------------------------------------------------------------------

NAMES = ["output", "a heron", "höron-鷺", "50%", "a+b", "heron(1)", "a'b"]
"""Names of objects in the storage; they stand in URLs as they are."""


@pytest.mark.parametrize("name", NAMES)
@virtual
async def test_a_picture_is_downloaded_whatever_its_url_is_made_of(name: str, tmp_path: Path) -> None:
    async with StrangerServer(luma=LumaWorld(result_name=name), **TRAVEL) as server, luma_of(server) as luma:
        done = await luma.generations.run(prompt="a chair")
        (path,) = await luma.download(done, tmp_path)
        assert path.read_bytes() == make_png(done.id)
        assert path.suffix == ".png"
        asked = [one for one in server.requests if one.api == "storage"]
        assert not [one for one in asked if "Authorization" in one.headers]
        check_charges(server, [done.id])


async def test_the_blocking_half_runs_and_downloads_too(tmp_path: Path) -> None:
    durations = {("uni-1", "image"): 0.0}
    async with StrangerServer(luma=LumaWorld(durations=durations, odd_paid="state: null")) as server:

        def block() -> tuple[str, bytes]:
            with Luma(server.luma_key, base_url=server.luma_url) as luma:
                done = luma.generations.run(prompt="a chair")
                (path,) = luma.download(done, tmp_path)
                return done.id, path.read_bytes()

        job_id, content = await asyncio.to_thread(block)
        assert content == make_png(job_id)
        check_charges(server, [job_id])


@virtual
async def test_what_was_failed_to_be_made_is_nothing_to_download(tmp_path: Path) -> None:
    async with StrangerServer(**TRAVEL) as server, luma_of(server) as luma:
        error = await attempt(luma.generations.run(prompt="[fails:output_not_found]"))
        with pytest.raises(DownloadError) as caught:
            await luma.download(error.generation, tmp_path)
        assert caught.value.job_id == server.charges[0].item
