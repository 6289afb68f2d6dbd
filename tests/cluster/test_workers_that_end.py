"""Workers at the end of a run: what others leave at the last moment is fetched, and nobody waits for ever."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cluster.test_shared_batch import HERONS, charged, client_of, shift
from stores.ledgers import submit, take

from generor_async.batch.database_place import DatabasePlace
from generor_async.batch.journal import open_journal, open_reader
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.run_key import read_key
from generor_async.batch.runner import run_batch
from generor_async.batch.runs import resume_run
from generor_async.batch.shared_run import SharedBatchRun
from generor_async.batch.status import read_status
from generor_async.errors import DatabaseChangedError
from generor_async.rules.row_states import Accept
from generor_async.simulator import Simulator
from generor_async.stores.ledger import Ledger
from generor_async.stores.postgres import PostgresLedger
from generor_async.stores.records import CallRecord
from generor_async.testing import run

PATIENCE = 300.0
BEFORE = """
    LOCK TABLE generor.calls IN EXCLUSIVE MODE;
    UPDATE generor.runs SET timeline = '0000000F';
    UPDATE generor.accounts SET reserved = 0, spent = 0;
    UPDATE generor.calls SET state = 'ready', attempt = 0, owner = NULL, request_id = NULL, submitted_at = NULL,
        remote_ids = NULL, counted = 0, cost = NULL, accounts = NULL, ended_at = NULL, result = NULL
"""
"""Sets all rows back to what they were before anything was bought, in another history."""


async def execute(url: str, query: str, *arguments: object) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(query.encode(), arguments or None)


@asynccontextmanager
async def other_worker(url: str) -> AsyncGenerator[Ledger]:
    """Open the ledger of a run as another worker."""
    reader = await open_reader(url, name="herons")
    key = await read_key(reader)
    await reader.close()
    assert key is not None
    other = await open_journal(DatabasePlace(url, "herons"), key=key)
    try:
        yield other
    finally:
        await other.close()


async def accept_one(simulator: Simulator, other: Ledger) -> None:
    """Have another worker buy a row, and stop there."""
    async with client_of(simulator) as client:
        (row,) = await other.claim(1)
        job = await client.generations.submit(prompt=row.parameters["prompt"])
        await take(other, row, submit(), Accept(remote_ids=(job.id,)))


def test_a_row_that_is_taken_over_while_a_worker_is_about_to_end_is_fetched(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, looks = PostgresLedger.scan, list[str]()

    async def slow_scan(ledger: PostgresLedger, *states: Any, owned: bool = False) -> AsyncIterator[CallRecord]:
        """End the other worker's lease while rows are counted, and let the row be taken over meanwhile."""
        if owned and "ready" in states and not looks:
            looks.append("ended")
            await execute(postgres_url, "UPDATE generor.owners SET lease_until = 0 WHERE owner <> %s", ledger.owner)
            await asyncio.sleep(5.0)
        async for row in scan(ledger, *states, owned=owned):
            yield row

    async def main() -> None:
        async with Simulator() as simulator, client_of(simulator) as client:
            options: dict[str, Any] = {"to": postgres_url, "name": "herons", "media": f"file://{tmp_path}/out"}
            await run_batch(client, HERONS[:1], **options).submit()
            async with other_worker(postgres_url) as other:
                await accept_one(simulator, other)
                monkeypatch.setattr(PostgresLedger, "scan", slow_scan)
                end = await shift(simulator, postgres_url)
            assert looks
            assert (end.reason, end.done) == ("done", 1)
            assert charged(simulator) == {HERONS[0]["prompt"]: 1}

    run(main())


def test_a_shift_whose_renewals_fail_ends_with_their_error(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for another worker's row, and what would tell it of that row's end is gone."""

    async def fail(_: SharedBatchRun) -> None:
        raise LookupError("no such heron")

    async def main() -> None:
        async with Simulator() as simulator, client_of(simulator) as client:
            options: dict[str, Any] = {"to": postgres_url, "name": "herons", "media": f"file://{tmp_path}/out"}
            await run_batch(client, HERONS[:1], **options).submit()
            async with other_worker(postgres_url) as other:
                await accept_one(simulator, other)
                monkeypatch.setattr(SharedBatchRun, "_look_at_others", fail)
                with pytest.raises(LookupError, match="no such heron"):
                    await asyncio.wait_for(shift(simulator, postgres_url), PATIENCE)

    asyncio.run(main())


def test_what_a_replaced_database_lacks_is_written_again_by_the_worker_that_has_paid_for_it(
    postgres_url: str, tmp_path: Path
) -> None:
    seen = list[RowOutcome]()

    async def fail_over(outcome: RowOutcome) -> None:
        seen.append(outcome)
        if len(seen) == 3:
            await execute(postgres_url, BEFORE)

    async def main() -> None:
        async with Simulator() as simulator, client_of(simulator) as client:
            media = f"file://{tmp_path}/out"
            batch = run_batch(client, HERONS, to=postgres_url, name="herons", media=media, max_credits=5_000)
            await batch.submit()
            with pytest.raises(DatabaseChangedError) as caught:
                await shift(simulator, postgres_url, concurrency=2, on_row=fail_over)
            assert "not stored" not in f"{getattr(caught.value, '__notes__', '')}"
            made = len(simulator.luma.generations)
            before = await read_status(postgres_url, name="herons")
            assert before.counts["done"] >= 3
            assert before.counts["ready"] == len(HERONS) - made
            assert await resume_run(postgres_url, "herons", after_failover=True) == len(HERONS) - made
            await shift(simulator, postgres_url)
            status = await read_status(postgres_url, name="herons")
            assert (status.counts["done"], status.counts["unknown"]) == (made, len(HERONS) - made)
            charges = sum(entry.charged for entry in simulator.ledger.charges) / 0.003
            assert status.spent == pytest.approx(charges)
            assert charged(simulator) == {row["prompt"]: 1 for row in HERONS if row["prompt"] in charged(simulator)}

    run(main())
