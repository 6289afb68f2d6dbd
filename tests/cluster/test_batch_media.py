"""Batches whose outputs go to S3, by moto's server: what is paid for is stored once, whatever the bucket does."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.moto import Moto

from generor_async import AsyncLuma, StorageError
from generor_async.batch.fetch import fetch_missing
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import read_status, report
from generor_async.simulator import Simulator

SECRET = "hush-hush"
BUCKET = "herons"
MEDIA = f"s3://{BUCKET}/wild"
ROWS = [{"id": f"r{n}", "prompt": f"heron {n}"} for n in range(12)]


@pytest.fixture
def simulator(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    moto.delete_all()  # the server is not this test's alone
    for name, value in moto.environment(SECRET).items():
        monkeypatch.setenv(name, value)
    with Simulator(speed=100.0) as running:
        yield running


def client_of(simulator: Simulator) -> AsyncLuma:
    return AsyncLuma(simulator.luma_key, base_url=simulator.luma_url)


def test_a_bucket_that_goes_away_stops_the_run_and_nothing_paid_is_lost(
    moto: Moto, simulator: Simulator, tmp_path: Path
) -> None:
    async def delete_all(_: RowOutcome) -> None:
        await asyncio.to_thread(moto.delete_all)  # before another row has this one's place

    async def run_until_it_stops(batch: Batch) -> None:
        async for _ in batch:
            pass

    async def main() -> None:
        async with client_of(simulator) as luma:
            batch = run_batch(luma, ROWS, to=tmp_path, media=MEDIA, concurrency=2, on_row=delete_all)
            with pytest.raises(StorageError, match=f"the bucket {BUCKET} does not exist"):
                await anext(aiter(batch))
            assert batch.reason == "storage"
            assert not simulator.ledger.charges

            await asyncio.to_thread(moto.create_bucket, BUCKET)
            with pytest.raises(StorageError, match=f"the bucket {BUCKET} does not exist") as caught:
                await run_until_it_stops(batch)
            assert "Nothing is lost" in "".join(caught.value.__notes__)
            assert batch.reason == "storage"
            assert len(simulator.ledger.charges) < 6

            await asyncio.to_thread(moto.create_bucket, BUCKET)
            async for _ in run_batch(luma, ROWS, to=tmp_path):
                pass
            missing = (await read_status(tmp_path)).missing
            assert 0 < missing < 6, "what was deleted with the bucket"
            assert len(await asyncio.to_thread(moto.keys, BUCKET)) == 12 - missing
            assert (await fetch_missing(luma, tmp_path)).rows == missing

    asyncio.run(main())
    jobs = {generation.id for generation in simulator.luma.generations.values()}
    assert {key.rpartition("/")[2].rpartition("-")[0] for key in moto.keys(BUCKET)} == jobs
    assert len(simulator.ledger.charges) == 12
    check_links(moto, tmp_path)


def check_links(moto: Moto, folder: Path) -> None:
    """Check that the folder has the URLs of all objects, and signed ones in a report alone that was asked for them."""
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    urls = [url for line in lines for url in line["files"]]
    assert sorted(urls) == sorted(f"s3://{BUCKET}/{key}" for key in moto.keys(BUCKET))
    page = asyncio.run(report(folder)).read_text()
    assert page.count('src="data:image') == 12
    assert all(f'href="{url}"' in page for url in urls)
    for path in folder.iterdir():
        content = path.read_bytes()
        assert b"X-Amz-" not in content, path
        assert SECRET.encode() not in content, path
    page = asyncio.run(report(folder, signed_links=60)).read_text()
    link = next(part.partition('"')[0] for part in page.split('href="') if "X-Amz-Signature" in part)
    with urllib.request.urlopen(link.replace("&amp;", "&"), timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("image/")
    assert SECRET not in page
