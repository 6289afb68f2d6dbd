"""Missing outputs are fetched again at no cost, and rows are run again by their ids."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncGeneror, AsyncLuma, AuthenticationError, InvalidRequestError
from generor_async.batch.fetch import MAX_FAILURES_IN_A_ROW, fetch_missing
from generor_async.batch.retry import make_ready
from generor_async.batch.runner import run_batch
from generor_async.batch.status import read_status
from generor_async.simulator import Simulator
from generor_async.testing import run

Test = Callable[[Simulator, AsyncLuma, AsyncGeneror], Awaitable[None]]


def in_both(test: Test, **options: Any) -> None:
    async def main() -> None:
        async with (
            Simulator(seed=1, tier="pro", **options) as simulator,
            AsyncLuma(**simulator.luma_options) as luma,
            AsyncGeneror(**simulator.generor_options) as generor,
        ):
            await test(simulator, luma, generor)

    run(main())


async def ran(client: AsyncLuma | AsyncGeneror, folder: Path, *prompts: str) -> None:
    given: dict[str, Any] = {} if isinstance(client, AsyncLuma) else {"slug": "image", "model_id": 10003}
    async for _ in run_batch(client, [{"id": prompt, "prompt": prompt, **given} for prompt in prompts], to=folder):
        pass


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in (folder / "media").rglob("*.*")}


@pytest.mark.parametrize("api", ["luma", "generor"])
def test_deleted_files_are_fetched_again_without_a_charge(tmp_path: Path, api: str) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma, generor: AsyncGeneror) -> None:
        client = luma if api == "luma" else generor
        await ran(client, tmp_path, *map(str, range(12)))
        before, charges = content(tmp_path), len(simulator.ledger.charges)
        assert len(before) == charges == 12
        kept = tmp_path / next(iter(before))
        there = kept.stat().st_mtime_ns
        for name in list(before)[1:]:
            (tmp_path / name).unlink()
        assert (await read_status(tmp_path)).missing == 11
        fetched = await fetch_missing(client, tmp_path)
        assert (fetched.rows, fetched.lost, fetched.errors) == (11, 0, [])
        assert content(tmp_path) == before
        assert kept.stat().st_mtime_ns == there, "what is there is left alone"
        shutil.rmtree(tmp_path / "media")
        assert (await fetch_missing(client, tmp_path)).rows == 12
        assert (await fetch_missing(client, tmp_path)).rows == 0
        assert content(tmp_path) == before
        assert len(simulator.ledger.charges) == charges

    in_both(test)


def test_outputs_the_api_no_longer_has_are_reported_and_the_rest_is_fetched(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma, generor: AsyncGeneror) -> None:
        await ran(generor, tmp_path, *map(str, range(12)))
        shutil.rmtree(tmp_path / "media")
        mine = [creation async for creation in generor.creations.list()]
        gone = {str(creation.prompt) for creation in mine[:8]}
        for creation in mine[:8]:
            await generor.creations.delete(creation.creation_id)
        fetched = await fetch_missing(generor, tmp_path)
        assert (fetched.rows, fetched.lost) == (4, 8)
        assert {id_ for id_, _ in fetched.errors} <= gone

    in_both(test)


def test_a_refused_key_stops_fetching_early(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma, generor: AsyncGeneror) -> None:
        await ran(luma, tmp_path, *map(str, range(60)))
        shutil.rmtree(tmp_path / "media")
        asked = len(simulator.ledger.requests)
        other: Any = {**simulator.luma_options, "api_key": "luma-api-nobodys"}
        async with AsyncLuma(**other) as stranger:
            with pytest.raises(AuthenticationError):
                await fetch_missing(stranger, tmp_path)
        assert MAX_FAILURES_IN_A_ROW <= len(simulator.ledger.requests) - asked < 40
        assert (await fetch_missing(luma, tmp_path)).rows == 60

    in_both(test)


def test_a_client_of_another_api_is_refused(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma, generor: AsyncGeneror) -> None:
        await ran(luma, tmp_path, "a heron")
        with pytest.raises(InvalidRequestError, match="belongs to another run, whose operation is luma"):
            await fetch_missing(generor, tmp_path)
        async with AsyncLuma("luma-api-x", base_url="http://127.0.0.1:9/v1") as elsewhere:
            with pytest.raises(InvalidRequestError, match="holds a simulated run"):
                await fetch_missing(elsewhere, tmp_path)

    in_both(test)


def test_retry_makes_rows_ready_by_their_ids(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma, generor: AsyncGeneror) -> None:
        prompts = {"a": "[[moderate]] 1", "b": "[[moderate]] 2", "c": "a heron"}
        rows = [{"id": id_, "prompt": prompt} for id_, prompt in prompts.items()]
        async for _ in run_batch(luma, rows[:2], to=tmp_path):
            pass
        simulator.faults.add_spec("luma.generations.create=reset:after_charge:1x")
        async for _ in run_batch(luma, rows, to=tmp_path):
            pass
        counts = (await read_status(tmp_path)).counts
        assert (counts["failed"], counts["unknown"]) == (2, 1)

        with pytest.raises(InvalidRequestError, match=r"'c' may have been charged, and nobody knows.*--unknown"):
            await make_ready(tmp_path, ids=["a", "c"])
        with pytest.raises(InvalidRequestError, match="there is no row 'x'"):
            await make_ready(tmp_path, ids=["a", "x"])
        assert (await read_status(tmp_path)).counts == counts
        assert await make_ready(tmp_path, ids=["a"]) == 1
        with pytest.raises(InvalidRequestError, match="'a' is ready"):
            await make_ready(tmp_path, ids=["a"])
        assert await make_ready(tmp_path, unknown=True, ids=["b", "c"]) == 2
        assert (await read_status(tmp_path)).counts["ready"] == 3

    in_both(test)
