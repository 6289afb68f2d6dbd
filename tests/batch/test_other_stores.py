"""A batch runs over any ledger: here one in memory, of which the folder's file only marks the place."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from stores.ledger_model import MemoryLedger, MemoryStore

from generor_async import AsyncGeneror, AsyncLuma
from generor_async.batch.export import export_lines
from generor_async.batch.fetch import fetch_missing
from generor_async.batch.journal import open_reader
from generor_async.batch.retry import make_ready
from generor_async.batch.runner import run_batch
from generor_async.batch.status import read_status, report
from generor_async.simulator import Simulator
from generor_async.stores.ledger import FOLDER_RUN, Ledger, LedgerLog, LedgerReader, RequestRules
from generor_async.testing import run

NEVER_SAME: Any = None
"""The rules of a reader, which adds nothing."""


class FolderLedger(MemoryLedger):
    """A ledger in memory that tells the folder when it is closed."""

    def __init__(self, store: MemoryStore, rules: RequestRules, log: LedgerLog, on_close: Callable[[], object]) -> None:
        store.owners += 1
        store.leases[store.owners] = store.clock() + 60.0
        super().__init__(store, FOLDER_RUN, store.owners, rules, log)
        self._on_close = on_close

    async def close(self) -> None:
        await super().close()
        self._on_close()


def mark(place: Path) -> None:
    """Write something to a file that is neither empty nor a file of SQLite."""
    place.write_text("in memory " * 20)


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Mapping[Path, MemoryStore]:
    """Open ledgers in memory, by their place."""
    stores = dict[Path, MemoryStore]()

    async def open_ledger(
        place: Path, *, rules: RequestRules, log: LedgerLog, guard: object, on_close: Callable[[], object]
    ) -> Ledger:
        if place not in stores:
            stores[place] = MemoryStore(lambda: 0.0)
            mark(place)
        return FolderLedger(stores[place], rules, log, on_close)

    async def open_to_read(place: Path) -> LedgerReader | None:
        return stores[place].open(rules=NEVER_SAME)

    monkeypatch.setattr("generor_async.batch.folder_place.open_ledger", open_ledger)
    monkeypatch.setattr("generor_async.batch.folder_place.open_ledger_reader", open_to_read)
    return stores


@pytest.mark.parametrize(("api", "charges"), [("luma", 5), ("generor", 3)])
def test_a_batch_and_all_that_reads_it_know_the_protocol_alone(
    tmp_path: Path, in_memory: Mapping[Path, MemoryStore], api: str, charges: int
) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": prompt, "shelf": number, **({} if api == "luma" else {"slug": "joke", "model_id": 37})}
        for number, prompt in enumerate(["heron", "crane", "heron", "[[moderate]] owl", "stork"])
    ]

    async def main() -> None:
        async with Simulator(exact_cost=True) as simulator:
            client = AsyncLuma(**simulator.luma_options) if api == "luma" else AsyncGeneror(**simulator.generor_options)
            async with client:
                options: dict[str, Any] = {"to": tmp_path, "keep": ["shelf"]}
                first = [one async for one in run_batch(client, rows, limit=2, **options)]
                assert [one.state for one in first] == ["done", "done"]
                estimate = await run_batch(client, rows, **options).estimate()
                assert (estimate.rows, estimate.new + estimate.ready, estimate.duplicates) == (2, 2, 1)
                second = [one async for one in run_batch(client, rows, **options)]
                assert sorted(one.state for one in second) == ["done", "failed"]
                (first[0].files[0]).unlink()
                assert (await read_status(tmp_path)).missing == 1
                assert (await fetch_missing(client, tmp_path)).rows == 1
                assert await make_ready(tmp_path, failed=True, unknown=False) == 1
                again = [one async for one in run_batch(client, rows, **options)]
                assert [one.state for one in again] == ["failed"]
                status = await run_batch(client, rows, **options).status()
                assert (status.counts["done"], status.counts["failed"], status.total, status.missing) == (3, 1, 4, 0)
                assert "heron" in (await report(tmp_path)).read_text()
                reader = await open_reader(tmp_path)
                lines = [line async for line in export_lines(reader, "jsonl")]
                await reader.close()
                assert len(lines) == 5
            charged = [entry for entry in simulator.ledger.requests if entry.charged]
            assert len(charged) == charges, "three that are done, and Luma's that failed twice"
            (store,) = in_memory.values()
            account = store.account(("run:", ""))
            assert account.spent + account.reserved == pytest.approx(status.spent + status.doubtful)

    run(main())
