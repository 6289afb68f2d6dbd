"""Runs in PostgreSQL, on whose rows several workers work together in this process."""

import asyncio
from collections import Counter
from functools import partial, partialmethod
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from generor_async import AsyncGeneror, AsyncLuma, Luma, sync
from generor_async.batch.database_place import DatabasePlace
from generor_async.batch.export import export_lines
from generor_async.batch.journal import open_journal, open_reader
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.retry import make_ready
from generor_async.batch.run_key import read_key
from generor_async.batch.runner import run_batch
from generor_async.batch.runs import read_run, resume_run, stop_run
from generor_async.batch.shift import ShiftEnd, run_shift
from generor_async.batch.status import read_status, report
from generor_async.errors import BuysAgainError, DatabaseChangedError, InvalidRequestError
from generor_async.simulator import Simulator
from generor_async.stores.postgres import PostgresLedger
from generor_async.stores.records import Account, CallRecord, TakenOver
from generor_async.testing import run

HERONS = [{"id": f"r{number}", "prompt": f"heron {number}"} for number in range(24)]
LEASE = 2.0


def client_of(simulator: Simulator, api: str = "luma") -> Any:
    return AsyncLuma(**simulator.luma_options) if api == "luma" else AsyncGeneror(**simulator.generor_options)


def charged(simulator: Simulator) -> Counter[str]:
    """Return how often each prompt was charged, by the server's ledger."""
    return Counter(job.request.prompt for job in simulator.luma.generations.values())


async def shift(simulator: Simulator, url: str, name: str = "herons", **options: Any) -> ShiftEnd:
    async with client_of(simulator) as client:
        return await run_shift(client, url, name, lease=LEASE, **options)


def test_workers_share_the_rows_that_were_submitted(postgres_url: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"to": postgres_url, "name": "herons", "media": f"file://{tmp_path}/out", "lease": LEASE}

    async def main() -> None:
        async with Simulator() as simulator, client_of(simulator) as client:
            batch = run_batch(client, HERONS, max_credits=900, **options)
            assert (await batch.estimate()).new == 24
            submitted = await batch.submit()
            assert (submitted.new, submitted.rejected, submitted.duplicates) == (24, 0, 0)
            assert not simulator.luma.generations, "nothing is bought"
            estimate = await run_batch(client, HERONS, **options).estimate()
            assert (estimate.new, estimate.ready, estimate.cap) == (0, 24, 900)
            assert (await batch.submit()).new == 0
            all_work, at_work = asyncio.Event(), set[int]()

            async def wait_for_others(worker: int, _: RowOutcome) -> None:
                at_work.add(worker)
                if len(at_work) == 3:
                    all_work.set()
                await all_work.wait()  # with its rows, which are fewer than all

            ends = await asyncio.gather(
                *[shift(simulator, postgres_url, concurrency=3, on_row=partial(wait_for_others, at)) for at in range(3)]
            )
            assert {end.reason for end in ends} == {"done"}
            assert sum(end.done for end in ends) == 24
            assert min(end.done for end in ends) > 0
            assert charged(simulator) == {row["prompt"]: 1 for row in HERONS}
            status = await read_status(postgres_url, name="herons")
            assert (status.counts["done"], status.total, status.missing, status.reason) == (24, 24, 0, "done")
            page = await report(postgres_url, name="herons", page=tmp_path / "page.html")
            assert "heron 7" in page.read_text()
            reader = await open_reader(postgres_url, name="herons")
            assert len([line async for line in export_lines(reader, "jsonl")]) == 24
            await reader.close()

    run(main())


def test_a_second_run_of_the_same_rows_joins(postgres_url: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"to": postgres_url, "name": "herons", "media": f"file://{tmp_path}/out", "lease": LEASE}

    async def main() -> None:
        async with Simulator() as simulator, client_of(simulator) as client:
            storks = dict[str, Any](options, name="storks")
            await run_batch(client, HERONS[:1], **storks).submit()

            async def joined() -> list[str]:
                async with client_of(simulator) as own:
                    batch = run_batch(own, HERONS, concurrency=3, **options)
                    found = [outcome.id async for outcome in batch]
                    assert batch.reason == "done"
                    return found

            found = await asyncio.gather(joined(), joined())
            assert sorted(id_ for ids in found for id_ in ids) == sorted(row["id"] for row in HERONS)
            assert charged(simulator) == {row["prompt"]: 1 for row in HERONS}
            assert await joined() == []

    run(main())


def test_a_run_needs_a_name_media_and_the_settings_that_it_was_begun_with(postgres_url: str, tmp_path: Path) -> None:
    media = f"file://{tmp_path}/out"

    async def main() -> None:
        async with Simulator() as simulator, client_of(simulator) as client:
            with pytest.raises(InvalidRequestError, match="needs a name"):
                run_batch(client, HERONS, to=postgres_url)
            with pytest.raises(InvalidRequestError, match=r"a folder of this machine, not a URL \(redis:\)"):
                run_batch(client, HERONS, to="redis://127.0.0.1/0", name="herons")
            with pytest.raises(InvalidRequestError, match="is not a valid name of a run"):
                run_batch(client, HERONS, to=postgres_url, name="her/ons")
            with pytest.raises(InvalidRequestError, match=r"keeps no outputs\. Give object storage"):
                await run_batch(client, HERONS, to=postgres_url, name="herons").submit()
            with pytest.raises(InvalidRequestError, match="has no run 'storks'"):
                await read_status(postgres_url, name="storks")
            with pytest.raises(InvalidRequestError, match="has no run 'storks'"):
                await run_shift(client, postgres_url, "storks")
            await run_batch(client, HERONS, to=postgres_url, name="herons", media=media, price=0.5).submit()
            others: tuple[tuple[dict[str, Any], str], ...] = (
                ({"price": 0.7}, r"settings have price=0\.5, not price=0\.7"),
                ({"refunds": True}, "settings have no refunds, not refunds=True"),
                ({"media": "file:///elsewhere"}, "outputs go to file://.*/out, not file:///elsewhere"),
            )
            for other, match in others:
                with pytest.raises(InvalidRequestError, match=match):
                    await run_batch(client, HERONS, to=postgres_url, name="herons", **other).submit()
            async with client_of(simulator, "generor") as generor:
                with pytest.raises(InvalidRequestError, match=r"operation is luma\.generations\.create, not generor"):
                    await run_shift(generor, postgres_url, "herons")
            assert not simulator.luma.generations

    run(main())


def test_a_database_that_may_lack_what_was_paid_for_stops_the_run(postgres_url: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"to": postgres_url, "name": "herons", "media": f"file://{tmp_path}/out"}

    async def fail_over(outcome: RowOutcome) -> None:
        async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
            await connection.execute("UPDATE generor.runs SET timeline = '0000000F'")

    async def main() -> None:
        async with Simulator() as simulator, client_of(simulator) as client:
            await run_batch(client, HERONS, **options).submit()
            with pytest.raises(DatabaseChangedError, match="--after-failover"):
                await shift(simulator, postgres_url, concurrency=1, on_row=fail_over)
            assert len(simulator.luma.generations) <= 2
            status = await read_status(postgres_url, name="herons")
            assert status.reason == "database"
            assert not (await read_run(postgres_url, "herons")).unfinished, "no worker begins another shift"
            with pytest.raises(DatabaseChangedError):
                await shift(simulator, postgres_url)
            made = len(simulator.luma.generations)

            lost = await resume_run(postgres_url, "herons", after_failover=True)
            assert lost == len(HERONS) - made
            assert (await read_status(postgres_url, name="herons")).counts["unknown"] == lost
            assert (await shift(simulator, postgres_url)).reason == "failed", "nobody knows what became of them"
            assert await make_ready(postgres_url, name="herons", unknown=True) == lost
            assert (await read_run(postgres_url, "herons")).unfinished
            assert (await shift(simulator, postgres_url)).reason == "done"
            assert charged(simulator) == {row["prompt"]: 1 for row in HERONS}

    run(main())


class FrozenAfterIntent:
    """An intent of a ledger after which the process stands still, until others have taken its rows over."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.taken = TakenOver()
        self.intend = PostgresLedger.intend

    async def __call__(self, ledger: PostgresLedger, call: CallRecord, *arguments: Any) -> Account | None:
        full = await self.intend(ledger, call, *arguments)
        if not self.taken.unknown:
            thread = Thread(target=lambda: asyncio.run(self.take_over()))
            thread.start()
            thread.join()  # the event loop, and so the renewal of the lease, stands still
        return full

    async def take_over(self) -> None:
        reader = await open_reader(self.url, name="herons")
        key = await read_key(reader)
        await reader.close()
        assert key is not None
        other = await open_journal(DatabasePlace(self.url, "herons"), key=key)
        while not self.taken.unknown:
            self.taken = await other.take_over()
        await other.close()


def test_a_process_that_stood_still_before_its_call_left_does_not_send_it(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = FrozenAfterIntent(postgres_url)

    async def main() -> None:
        async with Simulator() as simulator, client_of(simulator) as client:
            media = f"file://{tmp_path}/out"
            await run_batch(client, HERONS, to=postgres_url, name="herons", media=media).submit()
            with monkeypatch.context() as patched:
                patched.setattr(PostgresLedger, "intend", partialmethod(frozen))
                end = await shift(simulator, postgres_url, concurrency=1)
            assert frozen.taken.unknown == 1, "others believe that it may have been sent"
            assert (end.reason, end.done) == ("done", len(HERONS)), "it wasn't, as is known here"
            assert charged(simulator) == {row["prompt"]: 1 for row in HERONS}
            reader = await open_reader(postgres_url, name="herons")
            attempts = Counter([row.attempt async for row in reader.scan()])
            await reader.close()
            assert attempts == {1: len(HERONS) - 1, 2: 1}

    run(main())


def test_a_shift_that_is_cancelled_leaves_the_rest_to_others(postgres_url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator() as simulator, client_of(simulator) as client:
            media = f"file://{tmp_path}/out"
            await run_batch(client, HERONS, to=postgres_url, name="herons", media=media).submit()
            ended = asyncio.Event()

            def on_row(_: object) -> None:
                ended.set()

            first = asyncio.create_task(shift(simulator, postgres_url, concurrency=3, on_row=on_row, drain=5.0))
            await ended.wait()
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            status = await read_status(postgres_url, name="herons")
            assert (status.reason, status.counts["unknown"]) == (None, 0), "answers were waited for"
            assert status.counts["ready"] > 0
            assert (await shift(simulator, postgres_url)).reason == "done"
            assert charged(simulator) == {row["prompt"]: 1 for row in HERONS}

    run(main())


def test_shifts_of_a_stopped_run_buy_nothing_more_and_fetch_what_is_paid_for(postgres_url: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"to": postgres_url, "name": "herons", "media": f"file://{tmp_path}/out", "lease": LEASE}

    async def main() -> None:
        async with Simulator(luma_rpm=8) as simulator, client_of(simulator) as client:
            await run_batch(client, HERONS, **options).submit()

            async def stop(_: RowOutcome) -> None:
                await stop_run(postgres_url, "herons")

            ends = await asyncio.gather(*[shift(simulator, postgres_url, concurrency=3, on_row=stop) for _ in range(2)])
            assert {end.reason for end in ends} == {"interrupted"}
            bought = len(simulator.luma.generations)
            assert 0 < bought < len(HERONS)
            assert (await read_status(postgres_url, name="herons")).counts["done"] == bought
            assert (await shift(simulator, postgres_url)).reason == "interrupted"
            assert len(simulator.luma.generations) == bought
            await resume_run(postgres_url, "herons")
            assert (await shift(simulator, postgres_url)).reason == "done"
            assert charged(simulator) == {row["prompt"]: 1 for row in HERONS}

    run(main())


def last_number(url: str) -> int:
    """Return how many rows were ever added to the first run."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT last_number FROM generor.runs").fetchone()
        assert row is not None
        return int(row[0])


@pytest.mark.parametrize("bought", [0, 24])
def test_what_a_run_has_is_not_added_again_under_other_ids_or_settings(
    postgres_url: str, tmp_path: Path, bought: int
) -> None:
    options: dict[str, Any] = {"to": postgres_url, "name": "herons", "media": f"file://{tmp_path}/out", "lease": LEASE}
    herons, storks = ([{"prompt": f"{name} {number}"} for number in range(24)] for name in ("heron", "stork"))
    many = [{"prompt": f"gull {number}"} for number in range(2_500)]
    again = {"id": "again", "prompt": "heron 7"}

    async def main() -> None:
        async with Simulator() as simulator, client_of(simulator) as client:
            await run_batch(client, herons, **options).submit()
            if bought:
                assert (await shift(simulator, postgres_url)).done == bought
            changed = [{**row, "model": "uni-1-max"} for row in herons]
            for rows in ([*many, again], changed, [*storks, again]):
                with pytest.raises(BuysAgainError, match="running them would buy it again"):
                    await run_batch(client, rows, **options).submit()
            with pytest.raises(BuysAgainError, match="such as rows:2501"):
                async for _ in run_batch(client, [*many, again], **options):
                    pass
            assert last_number(postgres_url) == 24, "nothing was added meanwhile that a worker could have taken"
            assert (await run_batch(client, [*herons, again], **options).submit()).new == 1, "both are in the input"
            assert (await run_batch(client, [again, *storks], again=True, **options).submit()).new == 24

    run(main())


def test_a_blocking_program_submits_and_works_too(postgres_url: str, tmp_path: Path) -> None:
    with Simulator(speed=50.0) as simulator, Luma(simulator.luma_key, base_url=simulator.luma_url) as luma:
        media = f"file://{tmp_path}/out"
        batch = sync.run_batch(luma, HERONS[:2], to=postgres_url, name="herons", media=media)
        assert batch.submit().new == 2
        end = sync.run_shift(luma, postgres_url, "herons", lease=LEASE)
        assert (end.reason, end.done) == ("done", 2)
        assert batch.status().reason == "done"
        assert charged(simulator) == {row["prompt"]: 1 for row in HERONS[:2]}
