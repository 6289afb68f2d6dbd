"""Other owners of a run's ledger: rows that they take over end, not the run; what they spend counts under its cap."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncLuma
from generor_async.batch import run as run_module
from generor_async.batch.folder_place import ACCOUNT, FolderPlace
from generor_async.batch.journal import open_journal, open_reader
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.runner import run_batch
from generor_async.batch.status import read_status
from generor_async.rules.row_states import Submit
from generor_async.simulator import Simulator
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import NewRow, TakenOver
from generor_async.stores.sqlite import open_ledger
from generor_async.testing import run

ROWS, CAP = 12, 1_000.0
NO_RULES: Any = None
"""For a ledger to which nothing is added."""


async def take_all_over(folder: Path) -> TakenOver:
    """Take over all rows under way, as an owner does who believes that all others have ended."""
    other = await open_ledger(folder / "journal.sqlite", rules=NO_RULES)
    taken = await other.take_over(alone=True)
    await other.close()
    return taken


def before(step: str, act: Callable[[Path], Awaitable[object]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something done once, just before such a step of the journal is written."""
    acted = False

    async def opened(place: FolderPlace, **options: Any) -> Ledger:
        journal = await open_journal(place, **options)
        write: Any = getattr(journal, step)

        async def writes(row: Any, *arguments: Any) -> Any:
            nonlocal acted
            if row.number == ROWS // 2 and not acted:
                acted = True
                await act(place.folder)
            return await write(row, *arguments)

        setattr(journal, step, writes)
        return journal

    monkeypatch.setattr(run_module, "open_journal", opened)


@pytest.mark.parametrize("step", ["intend", "accept", "settle"])
def test_rows_that_are_taken_over_end_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    taken: list[TakenOver] = []

    async def take_over(folder: Path) -> None:
        taken.append(await take_all_over(folder))

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            rows = [{"prompt": f"heron {number}"} for number in range(ROWS)]

            async def buy() -> list[RowOutcome]:
                return [outcome async for outcome in run_batch(luma, rows, to=tmp_path, concurrency=4)]

            with monkeypatch.context() as patched:
                before(step, take_over, patched)
                first = await buy()
            assert sum([taken[0].ready, taken[0].unknown, taken[0].resumed]) > 0
            if step == "accept":
                assert taken[0].unknown > 0
            second = await buy()
            assert Counter(outcome.state for outcome in (*first, *second)) == {"done": ROWS}
            assert (await read_status(tmp_path)).counts["done"] == ROWS, "none of them is unknown"
            prompts = Counter(job.request.prompt for job in simulator.luma.generations.values())
            assert prompts == {row["prompt"]: 1 for row in rows}

    run(main())


def test_what_another_owner_has_reserved_counts_under_the_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def reserve_the_rest(folder: Path) -> None:
        other = await open_ledger(folder / "journal.sqlite", run="another", rules=NO_RULES)
        await other.add([NewRow(id="a", parameters={}, place="-")])
        (call,) = await other.claim(1)
        account = await other.account(ACCOUNT)
        assert account is not None
        assert account.cap == CAP
        rest = CAP - account.reserved - account.spent
        intent = Submit(at=0.0, request_id="r", model="uni-1", estimated=rest, reserved=rest)
        assert await other.intend(call, intent, [ACCOUNT]) is None
        await other.close()

    async def main() -> None:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            rows = [{"prompt": f"heron {number}"} for number in range(ROWS)]
            with monkeypatch.context() as patched:
                before("intend", reserve_the_rest, patched)
                batch = run_batch(luma, rows, to=tmp_path, concurrency=1, max_credits=CAP)
                outcomes = [outcome async for outcome in batch]
            assert batch.reason == "cap"
            assert len(outcomes) == len(simulator.luma.generations) == ROWS // 2 - 1
            status = await read_status(tmp_path)
            assert (status.counts["done"], status.counts["ready"]) == (ROWS // 2 - 1, ROWS - ROWS // 2 + 1)
            reader = await open_reader(tmp_path)
            account = await reader.account(ACCOUNT)
            await reader.close()
            assert account is not None
            assert account.reserved + account.spent == pytest.approx(CAP)

    run(main())
