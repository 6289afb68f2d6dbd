"""Outputs of batches in object storage: each saved once, found again by its URL, and nothing paid is lost."""

import asyncio
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.clock import FastClock
from support.programs import environment

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError, StorageError
from generor_async.batch.export import export_lines
from generor_async.batch.fetch import fetch_missing
from generor_async.batch.journal import open_reader
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.recover import recover
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import read_status
from generor_async.simulator import Simulator
from generor_async.testing import run

IMAGE = 10003
SPEED = 100.0


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def in_luma(test: Callable[[Simulator, AsyncLuma], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        async with Simulator(**options) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            await test(simulator, luma)

    run(main())


def in_generor(test: Callable[[Simulator, AsyncGeneror], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with Simulator() as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            await test(simulator, generor)

    run(main())


def herons(count: int) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "prompt": f"heron {n}"} for n in range(count)]


async def ended(batch: Batch) -> list[RowOutcome]:
    return [outcome async for outcome in batch]


def stored(store: Path) -> dict[str, int]:
    """Return the objects with the times at which they were written.

    obstore leaves `KEY#1`, which it would have renamed, where the folder goes away meanwhile.
    """
    return {path.name: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file() and "#" not in path.name}


def move_away(store: Path) -> None:
    """Have a file where the storage's folder is, if it isn't there already."""
    if store.is_file():
        return
    if store.exists():
        store.rename(store.with_name("moved"))
    store.write_text("no folder")


def move_back(store: Path) -> None:
    store.unlink()
    if (moved := store.with_name("moved")).exists():
        moved.rename(store)


def delete(path: Path) -> None:
    path.unlink()


def lose_journal(folder: Path) -> None:
    for path in folder.glob("journal.sqlite*"):
        path.unlink()


async def exported(folder: Path) -> list[dict[str, Any]]:
    reader = await open_reader(folder)
    try:
        return [json.loads(line) async for line in export_lines(reader, "jsonl")]
    finally:
        await reader.close()


def test_outputs_are_in_the_storage_and_their_urls_everywhere_else(out: Path, store: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        batch = run_batch(luma, herons(12), to=out, media=store.as_uri())
        outcomes = await ended(batch)
        assert [outcome.state for outcome in outcomes] == ["done"] * 12
        assert not stored(out / "media")
        urls = {outcome.id: outcome.urls for outcome in outcomes}
        for outcome in outcomes:
            (url,), (job,) = outcome.urls, outcome.remote_ids
            assert url.startswith(f"{store.as_uri()}/{job}-0.")
            assert outcome.files == ()
        assert sorted(stored(store)) == sorted(url.rpartition("/")[2] for (url,) in urls.values())
        lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
        assert {line["id"]: tuple(line["files"]) for line in lines} == urls
        assert {row["id"]: tuple(row["files"]) for row in await exported(out)} == urls
        page = (await batch.report()).read_text()
        assert page.count('src="data:image') == 12
        assert all(f'href="{url}"' in page for (url,) in urls.values())
        assert "http" not in (out / "results.jsonl").read_text()
        page = (await batch.report(signed_links=60)).read_text()
        assert "file: storage has no signed links" in page
        assert page.count('src="data:image') == 12
        assert all(f'href="{url}"' in page for (url,) in urls.values())
        assert len(simulator.ledger.charges) == 12

    in_luma(test)


def test_generors_creations_and_texts_are_stored_by_their_ids(out: Path, store: Path) -> None:
    async def test(simulator: Simulator, generor: AsyncGeneror) -> None:
        rows = [
            {"id": "picture", "slug": "image", "prompt": "a heron", "model_id": IMAGE},
            {"id": "joke", "slug": "joke", "model_id": 37, "prompt": "Why do herons stand on one leg?"},
        ]
        batch = run_batch(generor, rows, to=out, media=store.as_uri())
        outcomes = {outcome.id: outcome for outcome in await ended(batch)}
        (picture,), (joke,) = outcomes["picture"].urls, outcomes["joke"].urls
        assert picture == f"{store.as_uri()}/{outcomes['picture'].remote_ids[0]}-0.webp"
        assert joke == f"{store.as_uri()}/{outcomes['joke'].remote_ids[0]}.txt"
        text = (store / joke.rpartition("/")[2]).read_text()
        page = (await batch.report()).read_text()
        assert text[:40].split("'")[0].split('"')[0] in page
        assert page.count('src="data:image') == 1

    in_generor(test)


def test_later_runs_go_on_in_the_same_storage_and_another_is_for_the_next_rows(out: Path, store: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        other = store.with_name("other")
        await ended(run_batch(luma, herons(2), to=out, media=store.as_uri()))
        before = stored(store)
        await ended(run_batch(luma, herons(4), to=out))
        assert len(stored(store)) == 4
        assert before.items() <= stored(store).items(), "what is stored is not sent again"
        await ended(run_batch(luma, herons(7), to=out, media=other.as_uri()))
        await ended(run_batch(luma, herons(8), to=out))
        assert (len(stored(store)), len(stored(other))) == (4, 4)
        assert len(simulator.ledger.charges) == 8
        assert (await read_status(out)).missing == 0

    in_luma(test)


def test_rows_of_a_folder_stay_there_when_a_storage_is_given(out: Path, store: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await ended(run_batch(luma, herons(2), to=out))
        await ended(run_batch(luma, herons(5), to=out, media=store.as_uri()))
        files = [*(out / "media").rglob("*.*")]
        assert (len(files), len(stored(store))) == (2, 3)
        delete(files[0])
        delete(store / min(stored(store)))
        assert (await read_status(out)).missing == 2
        assert (await fetch_missing(luma, out)).rows == 2
        assert stored(out / "media").keys() >= {files[0].name}
        assert len(stored(store)) == 3
        assert (await read_status(out)).missing == 0

    in_luma(test)


def test_a_deleted_object_is_counted_and_fetched_again_without_a_charge(out: Path, store: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await ended(run_batch(luma, herons(6), to=out, media=store.as_uri()))
        before = stored(store)
        gone = sorted(before)[:2]
        for name in gone:
            delete(store / name)
        assert (await read_status(out)).missing == 2
        assert (await read_status(out, checks_storage=False)).missing == 0
        fetched = await fetch_missing(luma, out)
        assert (fetched.rows, fetched.lost) == (2, 0)
        now = stored(store)
        assert sorted(now) == sorted(before)
        assert {name: now[name] for name in now if name not in gone}.items() <= before.items(), "the others are kept"
        assert len(simulator.ledger.charges) == 6

    in_luma(test)


def test_a_recovered_journal_knows_the_objects(out: Path, store: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        before = {
            outcome.id: outcome.urls
            for outcome in await ended(run_batch(luma, herons(3), to=out, media=store.as_uri()))
        }
        lose_journal(out)
        await recover(out)
        assert {row["id"]: tuple(row["files"]) for row in await exported(out)} == before
        await ended(run_batch(luma, herons(4), to=out))
        assert len(stored(store)) == 4, "the next rows go to the same storage"

    in_luma(test)


def test_a_storage_that_cannot_be_written_to_is_refused_before_anything_is_bought(out: Path, store: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        move_away(store)
        batch = run_batch(luma, herons(3), to=out, media=store.as_uri())
        with pytest.raises(StorageError, match="cannot be used"):
            await ended(batch)
        assert batch.reason == "storage"
        assert not simulator.luma.generations
        move_back(store)
        outcomes = await ended(run_batch(luma, herons(3), to=out, media=store.as_uri()))
        assert [outcome.state for outcome in outcomes] == ["done"] * 3
        assert len(simulator.ledger.charges) == 3

    in_luma(test)


def test_a_storage_that_fails_during_a_run_stops_it_and_nothing_paid_is_lost(out: Path, store: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        batch = run_batch(luma, herons(40), to=out, media=store.as_uri(), concurrency=4)

        async def run_until_it_stops() -> None:
            async for _ in batch:
                move_away(store)

        with pytest.raises(StorageError, match="paid for, and not stored yet") as caught:
            await run_until_it_stops()
        assert batch.reason == "storage"
        assert "cannot be used" in str(caught.value)
        bought = len(simulator.ledger.charges)
        assert bought < 20, "nothing more is bought"
        move_back(store)
        await ended(run_batch(luma, herons(40), to=out, media=store.as_uri()))
        assert (len(simulator.ledger.charges), len(stored(store))) == (40, 40)
        assert (await read_status(out)).is_complete

    in_luma(test)


@pytest.mark.parametrize(
    ("media", "problem"),
    [
        ("s3://key:hush@bucket/herons", "credentials"),
        ("s3://bucket/herons?X-Amz-Signature=hush", "credentials"),
        ("https://bucket/herons", "not the URL of a storage"),
        ("memory://", "loses what was paid for"),
        ("media/", "not the URL of a storage"),
    ],
)
def test_urls_that_are_refused(out: Path, media: str, problem: str) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        with pytest.raises(InvalidRequestError, match=problem) as caught:
            run_batch(luma, herons(1), to=out, media=media)
        frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
        shown = [frame.locals for frame in frames if frame.locals and "generor_async" in frame.filename]
        assert "hush" not in str(shown)
        assert caught.value.field == "media"
        assert "hush" not in str(caught.value)
        assert "results" not in os.listdir(out.parent)  # noqa: PTH208 - nothing of it is kept

    in_luma(test)


def test_a_storage_that_cannot_be_reached_is_named_in_status_and_report(
    out: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        await ended(run_batch(luma, herons(2), to=out, media=store.as_uri()))

    in_luma(test)
    move_away(store)

    async def later() -> None:
        from generor_async.batch.status import report

        status = await read_status(out)
        assert "cannot be used" in status.storage_problem
        assert (status.missing, status.counts["done"]) == (0, 2)
        page = (await report(out)).read_text()
        assert "could not be read from the storage" in page
        assert page.count(f'href="{store.as_uri()}/') == 2

    run(later())


KILLED = """
import asyncio, os, signal, sys
from generor_async import AsyncLuma
from generor_async.batch.runner import run_batch
from generor_async.batch.status import read_status
from generor_async.storage import Storage
from support.clock import FastClock

saves = 0
save = Storage.save

async def dies(self, result):
    global saves
    stored = await save(self, result)
    saves += 1
    if saves == 3:  # when no other row is being submitted, which would be unknown then
        counts = {"ready": 1}
        while any(map(counts.get, ("ready", "leased", "submitting"))):
            counts = (await read_status(sys.argv[3])).counts
        os.kill(os.getpid(), signal.SIGKILL)
    return stored

Storage.save = dies

async def main():
    clock = FastClock(float(sys.argv[5]), float(sys.argv[6]))
    async with AsyncLuma(sys.argv[1], base_url=sys.argv[2], clock=clock) as luma:
        rows = [{"id": f"r{n}", "prompt": f"heron {n}"} for n in range(8)]
        async for _ in run_batch(luma, rows, to=sys.argv[3], media=sys.argv[4]):
            pass

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_after_a_kill_what_is_stored_is_not_sent_again(out: Path, store: Path) -> None:
    """The process dies when an output is stored and its row is not done yet."""
    with Simulator(speed=SPEED) as simulator:

        async def main() -> None:
            epoch = simulator.clock.time() - time.monotonic() * SPEED
            clock = FastClock(SPEED, epoch)
            arguments = (simulator.luma_key, simulator.luma_url, out, store.as_uri(), SPEED, epoch)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", KILLED, *map(str, arguments), env=environment(simulator)
            )
            assert await process.wait() == -signal.SIGKILL
            before = stored(store)
            assert len(before) >= 3
            async with AsyncLuma(simulator.luma_key, base_url=simulator.luma_url, clock=clock) as luma:
                await ended(run_batch(luma, herons(8), to=out))
            assert before.items() <= stored(store).items(), "saved once"
            assert len(stored(store)) == 8
            assert len(simulator.ledger.charges) == 8
            assert (await read_status(out)).is_complete

        asyncio.run(main())
