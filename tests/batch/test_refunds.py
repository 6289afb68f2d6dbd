"""Refunds by Luma's FAQ: reported, and counted against a cap unless the user believes them."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncLuma
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.retry import make_ready
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import Status, read_status
from generor_async.cli.batch_options import OutputOptions
from generor_async.cli.batch_places import Place
from generor_async.cli.status_view import print_status
from generor_async.simulator import Simulator
from generor_async.testing import run

UNI_1 = 0.0404 / 0.003
SAID = ("content_moderated", "generation_failed", "output_not_found")
UNSAID = ("corrupt_input", "invalid_request", "made_up_tomorrow")
ROWS = [{"prompt": f"[[fail:{code}]] a heron", "id": code} for code in (*SAID, *UNSAID)]


async def ended(batch: Batch) -> dict[str, RowOutcome]:
    return {outcome.id: outcome async for outcome in batch}


def in_luma(test: Callable[[Simulator, AsyncLuma], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
            return await test(simulator, luma)

    return run(main())


def test_a_failed_row_names_its_refund_and_still_counts(tmp_path: Path) -> None:
    outcomes, status = in_luma(lambda _, luma: both(run_batch(luma, ROWS, to=tmp_path), tmp_path))
    assert {id_ for id_, outcome in outcomes.items() if "(refunded, says the FAQ)" in outcome.problem} == set(SAID)
    assert {outcome.cost for outcome in outcomes.values()} == {None}
    assert status.doubtful == pytest.approx(6 * UNI_1)
    assert status.refundable == pytest.approx(3 * UNI_1)


async def both(batch: Batch, folder: Path) -> tuple[dict[str, RowOutcome], Status]:
    return await ended(batch), await read_status(folder)


def test_refunds_makes_only_refunded_failures_free(tmp_path: Path) -> None:
    outcomes, status = in_luma(lambda _, luma: both(run_batch(luma, ROWS, to=tmp_path, refunds=True), tmp_path))
    assert {id_ for id_, outcome in outcomes.items() if outcome.cost == 0} == set(SAID)
    assert status.doubtful == pytest.approx(3 * UNI_1)
    assert (status.spent, status.refundable) == (0, 0)


@pytest.mark.parametrize("refunds", [False, True])
def test_a_cap_counts_failures_unless_refunds_is_set(tmp_path: Path, refunds: bool) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> int:
        rows = [{"prompt": f"[[moderate]] heron {number}"} for number in range(9)]
        await ended(run_batch(luma, rows, to=tmp_path, max_credits=3.5 * UNI_1, refunds=refunds, concurrency=2))
        return len([entry for entry in simulator.ledger.charges if entry.charged > 0])

    assert in_luma(test) == (9 if refunds else 3)


@pytest.mark.parametrize("again", [False, True])
def test_refunds_covers_failures_of_earlier_runs(tmp_path: Path, again: bool) -> None:
    """Also of rows that were made ready again since, and of earlier attempts."""

    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        moderated = [{"prompt": f"[[moderate]] heron {number}"} for number in range(2)]
        await ended(run_batch(luma, moderated, to=tmp_path))
        if again:
            await make_ready(tmp_path, failed=True, unknown=False)
            await ended(run_batch(luma, moderated, to=tmp_path))
            await make_ready(tmp_path, failed=True, unknown=False)
        paid = 4 if again else 2
        assert (await read_status(tmp_path)).refundable == pytest.approx(paid * UNI_1)
        capped: dict[str, Any] = {"to": tmp_path, "max_credits": 2.5 * UNI_1}
        assert (await run_batch(luma, moderated, **capped).estimate()).counted == pytest.approx(paid * UNI_1)
        assert (await run_batch(luma, moderated, **capped, refunds=True).estimate()).counted == pytest.approx(0)
        batch = run_batch(luma, moderated, **capped, refunds=True)
        await ended(batch)
        status = await read_status(tmp_path)
        assert (status.doubtful, status.refundable, status.counts["failed"]) == (0, 0, 2)

    in_luma(test)


def test_status_has_refunds_in_credits_and_dollars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, status = in_luma(lambda _, luma: both(run_batch(luma, ROWS, to=tmp_path, max_credits=100.0), tmp_path))
    print_status(status, Place(tmp_path), OutputOptions())
    printed = json.loads(capsys.readouterr().out)
    assert printed["credits"] == {
        "spent": 0,
        "estimated": 0,
        "doubtful": pytest.approx(6 * UNI_1),
        "refundable": pytest.approx(3 * UNI_1),
        "cap": 100.0,
    }
    assert printed["dollars"] == {
        "spent": 0,
        "estimated": 0,
        "doubtful": pytest.approx(6 * 0.0404),
        "refundable": pytest.approx(3 * 0.0404),
        "cap": pytest.approx(0.3),
    }
