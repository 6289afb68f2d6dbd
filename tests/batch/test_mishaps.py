"""A full disk, failing downloads, an empty account, or a clock that is set during a run.

Nothing that was paid for is lost or paid for twice, and a sentence says what to do.
"""

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.clock import SetClock
from support.small_disk import full, run_on_small_disk

from generor_async import AsyncGeneror, AsyncLuma, BudgetExhaustedError, DownloadError, InsufficientCreditsError
from generor_async.batch import run as run_module
from generor_async.batch.journal import open_journal
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.retry import make_ready
from generor_async.batch.runner import run_batch
from generor_async.batch.status import read_status
from generor_async.errors import InvalidRequestError, JournalError
from generor_async.rules.poll_failures import ODD_SECONDS
from generor_async.simulator import Simulator
from generor_async.stores.ledger import Ledger
from generor_async.testing import run

UNI_1 = 0.0404 / 0.003
"""Credits that one of Luma's images costs."""
JOKE = 37
ROWS = 24


def pictures(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"heron {number}"} for number in range(count)]


def jokes(count: int) -> list[dict[str, Any]]:
    return [{"slug": "joke", "prompt": f"heron {number}", "model_id": JOKE} for number in range(count)]


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


async def counts(folder: Path) -> dict[str, int]:
    return {state: rows for state, rows in (await read_status(folder)).counts.items() if rows}


def in_luma(test: Callable[[Simulator, AsyncLuma], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run a test in virtual time."""

    async def main() -> None:
        async with Simulator(**options) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            await test(simulator, luma)

    run(main())


# --- a full disk ------------------------------------------------------------------------------------------------------


async def fills_up(disk: Path, folder: Path) -> Exception:
    """Run a batch while a disk fills up, then again once it has space: every row is charged once and done."""
    async with Simulator(luma_rpm=600, luma_jobs=8) as simulator:
        simulator.faults.add_spec(
            "luma.generations.create=drip:after_charge:pieces=2:pause=15"
        )  # charged, and not reported yet
        async with AsyncLuma(**simulator.luma_options) as luma:
            rows = [{"prompt": f"heron {number}", "id": f"{number:0190}"} for number in range(ROWS)]
            outcomes: list[RowOutcome] = []
            with ExitStack() as filled:

                def fill(outcome: RowOutcome) -> None:
                    outcomes.append(outcome)
                    if len(outcomes) == 5:
                        filled.enter_context(full(disk))

                with pytest.raises((JournalError, DownloadError)) as caught:
                    _ = [outcome async for outcome in run_batch(luma, rows, to=folder, on_row=fill, concurrency=4)]
                assert 5 <= len(simulator.ledger.charges) < ROWS
                assert len(outcomes) == (await counts(folder))["done"], "every done row was reported"
            outcomes += [outcome async for outcome in run_batch(luma, rows, to=folder)]
        assert [outcome.state for outcome in outcomes] == ["done"] * ROWS
        assert len({outcome.id for outcome in outcomes}) == ROWS
        assert len(simulator.ledger.charges) == ROWS
    assert sorted(line["id"] for line in results(folder)) == sorted(outcome.id for outcome in outcomes)
    assert not {".results.jsonl.new", "journal.reserve"} & set(os.listdir(folder))  # noqa: PTH208 - nothing blocks here
    return caught.value


async def full_at_the_journal(disk: Path) -> None:
    with tempfile.TemporaryDirectory() as elsewhere:
        (disk / "out").mkdir()
        (disk / "out/media").symlink_to(elsewhere)
        error = await fills_up(disk, disk / "out")
    journal, results = (f"{disk / 'out' / name} cannot be written to (" for name in ("journal.sqlite", "results.jsonl"))
    assert str(error).startswith((f"{journal}database or disk is full)", f"{results}No space left on device)"))
    assert ". Free some space or mend the disk, and run it again: " in str(error)


async def full_at_the_results(disk: Path) -> None:
    with tempfile.TemporaryDirectory() as elsewhere:
        (disk / "results.jsonl").write_text("")
        (Path(elsewhere) / "results.jsonl").symlink_to(disk / "results.jsonl")
        error = await fills_up(disk, Path(elsewhere))
        assert str(error) == (
            f"{Path(elsewhere) / 'results.jsonl'} cannot be written to (No space left on device). Free some space or"
            " mend the disk, and run it again: the journal has it all, and the file is written anew."
        )


async def full_at_a_download(disk: Path) -> None:
    with tempfile.TemporaryDirectory() as elsewhere:
        (Path(elsewhere) / "media").symlink_to(disk)
        error = await fills_up(disk, Path(elsewhere))
        assert isinstance(error, DownloadError)
        rows, _, problem = str(error).partition(" rows are paid for, and the outputs could not be fetched: ")
        assert int(rows) >= 3
        assert problem == (
            f"{Path(elsewhere) / 'media/0000'} cannot be written to (No space left on device)."
            " Nothing is lost: mend that, and run it again; they are fetched then, at no cost."
        )


async def full_from_the_start(disk: Path) -> None:
    async with Simulator() as simulator, AsyncLuma(**simulator.luma_options) as luma:
        with full(disk, spare=64), pytest.raises(InvalidRequestError) as caught:
            _ = [outcome async for outcome in run_batch(luma, pictures(3), to=disk / "out")]
        assert str(caught.value).endswith(
            f"{disk / 'out'} cannot be used for a batch (No space left on device)."
            " Free some space; another folder is for what has bought nothing yet."
        )
        assert not simulator.ledger.charges
        assert len([outcome async for outcome in run_batch(luma, pictures(3), to=disk / "out")]) == 3


@pytest.mark.parametrize(
    "program",
    [full_at_the_journal, full_at_the_results, full_at_a_download, full_from_the_start],
    ids=lambda it: it.__name__,
)
def test_a_full_disk_loses_nothing(program: Callable[[Path], object]) -> None:
    run_on_small_disk(program, kilobytes=4_000)


@pytest.mark.parametrize("api", ["luma", "generor"])
def test_ids_of_paid_calls_that_the_journal_does_not_take_are_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    async def refuse(*_: Any) -> None:
        raise JournalError("journal.sqlite cannot be written to (disk I/O error)")

    async def opened(folder: Path, **options: Any) -> Ledger:
        journal = await open_journal(folder, **options)
        monkeypatch.setattr(journal, "accept", refuse)
        return journal

    async def main() -> None:
        monkeypatch.setattr(run_module, "open_journal", opened)
        async with Simulator() as simulator:
            luma, generor = AsyncLuma(**simulator.luma_options), AsyncGeneror(**simulator.generor_options)
            async with luma, generor:
                client, rows = (luma, pictures(2)) if api == "luma" else (generor, jokes(2))
                with pytest.raises(JournalError) as caught:
                    _ = [outcome async for outcome in run_batch(client, rows, to=tmp_path)]
            made = [*simulator.luma.generations, *(one.creation_id for one in simulator.generor.account.creations)]
        (note,) = (note for note in caught.value.__notes__ if note.startswith("Paid for and not stored: "))
        assert made
        named = note.removeprefix("Paid for and not stored: ").removesuffix(".").split(", ")
        assert sorted(named) == sorted(map(str, made))

    run(main())


# --- outputs that can't be had ----------------------------------------------------------------------------------------


def test_failing_downloads_stop_the_run_and_the_next_run_fetches_them(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        simulator.faults.add_spec("storage.get=500")
        with pytest.raises(DownloadError) as caught:
            _ = [outcome async for outcome in run_batch(luma, pictures(40), to=tmp_path, concurrency=4)]
        assert str(caught.value) == (
            "3 rows are paid for, and the outputs could not be fetched: the host answered 500."
            " Nothing is lost: mend that, and run it again; they are fetched then, at no cost."
        )
        paid = len(simulator.ledger.charges)
        assert 3 <= paid <= 8
        assert (await counts(tmp_path))["downloading"] == paid
        simulator.faults.clear()
        outcomes = [outcome async for outcome in run_batch(luma, pictures(40), to=tmp_path)]
        assert [outcome.state for outcome in outcomes] == ["done"] * 40
        assert len(simulator.ledger.charges) == 40

    in_luma(test, luma_rpm=600)


def test_a_single_failed_download_is_reported_at_the_end(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        simulator.faults.add_spec("storage.get=500:20x")  # four times four attempts, of one row
        done: list[RowOutcome] = []
        with pytest.raises(
            DownloadError, match=r"^1 row is paid for, and the outputs could not be fetched: "
        ) as caught:
            _ = [
                outcome
                async for outcome in run_batch(luma, pictures(6), to=tmp_path, concurrency=1, on_row=done.append)
            ]
        assert len(done) == 5
        assert caught.value.job_id in simulator.luma.generations
        assert f"generations.job('{caught.value.job_id}')" in str(caught.value)
        (late,) = [outcome async for outcome in run_batch(luma, pictures(6), to=tmp_path)]
        assert late.state == "done"
        assert len(simulator.ledger.charges) == 6

    in_luma(test)


def test_failing_downloads_of_earlier_runs_do_not_stop_new_rows(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        simulator.faults.add_spec("storage.get=500")
        with pytest.raises(DownloadError):
            _ = [outcome async for outcome in run_batch(luma, pictures(3), to=tmp_path, concurrency=1)]
        simulator.faults.clear()
        simulator.faults.add_spec("storage.get=500:60x")  # for as long as these three are tried
        with pytest.raises(DownloadError, match=r"^3 rows are paid for"):
            _ = [outcome async for outcome in run_batch(luma, pictures(9), to=tmp_path, concurrency=1)]
        assert await counts(tmp_path) == {"downloading": 3, "done": 6}

    in_luma(test)


@pytest.mark.parametrize("gone", ["the file", "the job"])
def test_an_output_that_no_longer_exists_leaves_its_row_unknown_with_cost_and_id(tmp_path: Path, gone: str) -> None:
    """It is charged and has no result; it is made again only if the user says so, like every unknown row."""

    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        simulator.faults.add_spec("storage.get=500")
        with pytest.raises(DownloadError):
            _ = [outcome async for outcome in run_batch(luma, pictures(1), to=tmp_path)]
        simulator.faults.clear()
        (job,) = simulator.luma.generations
        if gone == "the job":
            simulator.luma.generations.clear()
        else:
            simulator.storage._stored.clear()  # pyright: ignore[reportPrivateUsage] # the API has no call for it
        outcomes = [outcome async for outcome in run_batch(luma, pictures(2), to=tmp_path)]
        lost, made = sorted(outcomes, key=lambda outcome: outcome.state, reverse=True)
        assert (lost.state, lost.remote_ids) == ("unknown", (job,))
        assert lost.cost == pytest.approx(UNI_1)
        assert "404" in lost.problem
        assert made.state == "done"
        assert [outcome async for outcome in run_batch(luma, pictures(2), to=tmp_path)] == [], "and it is over with"
        assert (await read_status(tmp_path)).doubtful == pytest.approx(UNI_1)
        await make_ready(tmp_path, failed=False, unknown=True)
        (again,) = [outcome async for outcome in run_batch(luma, pictures(2), to=tmp_path)]
        assert again.state == "done"

    in_luma(test)


def test_a_store_without_any_outputs_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        def lose(*_: object) -> None:
            pass

        monkeypatch.setattr(simulator.storage, "put", lose)
        with pytest.raises(DownloadError, match=r"^3 rows are paid for, .*: the host answered 404\. Nothing is lost"):
            _ = [outcome async for outcome in run_batch(luma, pictures(9), to=tmp_path, concurrency=1)]
        assert await counts(tmp_path) == {"ready": 6, "downloading": 3}

    in_luma(test)


def test_a_creation_that_no_longer_exists_causes_no_check_of_the_account(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator(tier="pro") as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            rows = [{"slug": "image", "prompt": "heron 0", "model_id": 10003}]
            simulator.faults.add_spec("storage.get=500")
            simulator.faults.add_spec("generor.files.*=500")
            with pytest.raises(DownloadError):
                _ = [outcome async for outcome in run_batch(generor, rows, to=tmp_path)]
            simulator.faults.clear()
            (creation,) = [one for one in simulator.generor.account.creations if one.prompt == "heron 0"]
            simulator.faults.add_spec("generor.creations.get=500:1x")
            creation.deleted = True
            (lost,) = [outcome async for outcome in run_batch(generor, rows, to=tmp_path)]
            assert (lost.state, lost.remote_ids) == ("unknown", (str(creation.creation_id),))
            assert [outcome async for outcome in run_batch(generor, rows, to=tmp_path)] == []
            assert len(simulator.ledger.charges) == 1

    run(main())


def test_a_job_of_an_earlier_run_survives_odd_answers(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        simulator.faults.add_spec("storage.get=500")
        with pytest.raises(DownloadError):
            _ = [outcome async for outcome in run_batch(luma, pictures(1), to=tmp_path)]
        simulator.faults.clear()
        simulator.faults.add_spec("luma.generations.get=wrong_type:2x")
        jobs = simulator.luma.generations
        missing = dict(jobs)
        jobs.clear()
        asyncio.get_running_loop().call_later(ODD_SECONDS, jobs.update, missing)
        async with AsyncLuma(**simulator.luma_options) as later:
            (done,) = [outcome async for outcome in run_batch(later, pictures(1), to=tmp_path)]
        assert (done.state, done.attempts, len(simulator.ledger.charges)) == ("done", 1, 1)

    in_luma(test)


def test_a_creation_of_an_earlier_run_survives_odd_answers(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator(tier="pro") as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            rows = [{"slug": "image", "prompt": "heron 0", "model_id": 10003}]
            simulator.faults.add_spec("storage.get=500")
            simulator.faults.add_spec("generor.files.*=500")
            with pytest.raises(DownloadError):
                _ = [outcome async for outcome in run_batch(generor, rows, to=tmp_path)]
            simulator.faults.clear()
            (creation,) = [one for one in simulator.generor.account.creations if one.prompt == "heron 0"]
            creation.deleted = True
            asyncio.get_running_loop().call_later(ODD_SECONDS - 1, setattr, creation, "deleted", False)
            (done,) = [outcome async for outcome in run_batch(generor, rows, to=tmp_path)]
            assert (done.state, len(simulator.ledger.charges)) == ("done", 1)

    run(main())


# --- an empty account -------------------------------------------------------------------------------------------------


def test_a_run_without_credits_stops_and_continues_once_there_are_more(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        done: list[RowOutcome] = []
        with pytest.raises(InsufficientCreditsError, match="Add credits or funds to your account"):
            _ = [outcome async for outcome in run_batch(luma, pictures(12), to=tmp_path, on_row=done.append)]
        assert [outcome.state for outcome in done] == ["done"] * 5
        assert await counts(tmp_path) == {"done": 5, "ready": 7}
        simulator.luma.client.balance += 1
        done += [outcome async for outcome in run_batch(luma, pictures(12), to=tmp_path)]
        assert [outcome.state for outcome in done] == ["done"] * 12
        assert len(simulator.ledger.charges) == 12

    in_luma(test, luma_balance=0.0404 * 5.5)


def test_a_job_that_broke_off_for_lack_of_credits_is_run_again_with_a_warning(
    tmp_path: Path,
) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        rows = [{"prompt": "[[fail:budget_exhausted]] a heron"}]
        for times in (1, 2):
            with pytest.raises(BudgetExhaustedError) as caught:
                _ = [outcome async for outcome in run_batch(luma, rows, to=tmp_path)]
            assert str(caught.value).endswith(
                "Add credits, then resubmit; this one may be charged in part, says the vendor's FAQ."
            )
            assert await counts(tmp_path) == {"ready": 1}
            assert len(simulator.ledger.charges) == times
            assert (await read_status(tmp_path)).doubtful == pytest.approx(times * UNI_1), "it stays counted"

    in_luma(test)


# --- a clock that is set ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-1.0, 1.0])
def test_setting_the_clock_during_a_run_changes_nothing(tmp_path: Path, hours: float) -> None:
    async def main() -> None:
        async with Simulator(luma_jobs=4) as simulator:
            clock = SetClock(simulator.clock)
            options: dict[str, Any] = simulator.luma_options | {"clock": clock}
            async with AsyncLuma(**options) as luma:

                def turn(_: RowOutcome) -> None:
                    clock.ahead = hours * 3_600

                rows = pictures(12)
                states = [outcome.state async for outcome in run_batch(luma, rows, to=tmp_path, on_row=turn)]
                assert states == ["done"] * 12
                clock.ahead -= 86_400
                assert [outcome async for outcome in run_batch(luma, rows, to=tmp_path)] == [], "nor between two"
            assert len(simulator.ledger.charges) == 12

    run(main())


@pytest.mark.parametrize("ahead", [3_600.0, -3_600.0, 400.0])
@pytest.mark.parametrize("when", ["before_charge", "after_charge"])
def test_an_unknown_call_dated_by_a_wrong_clock_is_settled_and_not_charged_again(
    tmp_path: Path, ahead: float, when: str
) -> None:
    """By its own time, the account would show nothing of the call: it would be released, and paid for again."""

    async def main() -> None:
        async with Simulator(tier="pro", exact_cost=True) as simulator:
            clock = SetClock(simulator.clock)
            options: dict[str, Any] = simulator.generor_options | {"clock": clock}
            async with AsyncGeneror(**options) as generor:
                assert len([outcome async for outcome in run_batch(generor, jokes(2), to=tmp_path)]) == 2
                clock.ahead = ahead
                simulator.faults.add_spec(f"generor.generators.generate=reset:{when}:1x")

                def turn(outcome: RowOutcome) -> None:
                    if outcome.state == "unknown":
                        clock.ahead = 0.0

                found = [outcome async for outcome in run_batch(generor, jokes(3), to=tmp_path, on_row=turn)]
            assert [outcome.state for outcome in found] == ["unknown", "done"]
            prompts = Counter(creation.prompt for creation in simulator.generor.account.creations)
            assert [prompts[f"heron {number}"] for number in range(3)] == [1, 1, 1]

    run(main())
