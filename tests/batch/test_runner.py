"""Batches against the simulator: each row is charged at most once, and every charge is accounted for."""

import asyncio
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from generor_async import AsyncGeneror, AsyncLuma, AuthenticationError, InsufficientCreditsError, InvalidRequestError
from generor_async.batch.journal import open_journal
from generor_async.batch.outcomes import RowOutcome
from generor_async.batch.runner import Batch, run_batch
from generor_async.batch.status import read_status, report
from generor_async.rules.row_states import Fail, Finish, MarkUnknown
from generor_async.simulator import Simulator
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import CallRecord
from generor_async.stores.sqlite import SqliteLedger
from generor_async.testing import run

CREATE, GENERATE = "luma.generations.create", "generor.generators.generate"
IMAGE, TEXT = 10003, 37
"""Generor's models."""
UNI_1 = 0.0404 / 0.003
"""Credits that one of Luma's images costs."""


def pictures(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"heron {number}"} for number in range(count)]


def jokes(count: int) -> list[dict[str, Any]]:
    return [{"slug": "joke", "prompt": f"heron {number}", "model_id": TEXT} for number in range(count)]


def charged_by_prompt(simulator: Simulator) -> Counter[str]:
    """Count how often each prompt was paid for, by what the server made."""
    prompts = [job.request.prompt for job in simulator.luma.generations.values()]
    prompts += [creation.prompt for creation in simulator.generor.account.creations]
    return Counter(prompt for prompt in prompts if prompt.startswith("heron "))


async def ended(batch: Batch) -> list[RowOutcome]:
    return [outcome async for outcome in batch]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_books(simulator: Simulator, folder: Path, outcomes: Sequence[RowOutcome]) -> None:
    """Check the batch's figures against what the server made."""
    assert not simulator.ledger.duplicates()
    states = {outcome.parameters["prompt"]: outcome.state for outcome in outcomes}
    for prompt, times in charged_by_prompt(simulator).items():
        assert times == 1
        assert states[prompt] in {"done", "unknown"}
    done = [outcome for outcome in outcomes if outcome.state == "done"]
    for outcome in done:
        assert outcome.files
        assert all(path.stat().st_size for path in outcome.files)
    listed = lines(folder / "results.jsonl")
    assert sorted(line["id"] for line in listed) == sorted(outcome.id for outcome in done)
    assert "http" not in (folder / "results.jsonl").read_text()


def in_luma(test: Callable[[Simulator, AsyncLuma], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        async with Simulator(**options) as simulator, AsyncLuma(**simulator.luma_options) as luma:
            await test(simulator, luma)

    run(main())


def in_generor(test: Callable[[Simulator, AsyncGeneror], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def main() -> None:
        async with Simulator(**options) as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            await test(simulator, generor)

    run(main())


def test_every_row_is_done_and_has_its_files(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        batch = run_batch(luma, pictures(25), to=tmp_path)
        outcomes = await ended(batch)
        assert [outcome.state for outcome in outcomes] == ["done"] * 25
        check_books(simulator, tmp_path, outcomes)
        status = await batch.status()
        assert status.is_complete
        assert status.spent == pytest.approx(25 * UNI_1)
        page = await batch.report()
        assert page.read_text().count('src="data:image') == 25
        assert not (tmp_path / "failed.jsonl").exists()

    in_luma(test)


def test_generors_texts_are_stored_as_files(tmp_path: Path) -> None:
    async def test(simulator: Simulator, generor: AsyncGeneror) -> None:
        rows = [*jokes(5), {"slug": "image", "prompt": "a heron", "model_id": IMAGE}]
        outcomes = await ended(run_batch(generor, rows, to=tmp_path))
        assert [outcome.state for outcome in outcomes] == ["done"] * 6
        files = {outcome.parameters["slug"]: outcome.files for outcome in outcomes}
        assert files["joke"][0].read_text()
        assert files["image"][0].suffix == ".webp"
        assert len(simulator.ledger.charges) == 6
        status = await read_status(tmp_path)
        assert status.spent == sum(entry.charged for entry in simulator.ledger.charges)  # overlapping costs and all

    in_generor(test)


@pytest.mark.parametrize(
    "fault", ["reset:after_charge", "truncate:after_charge:keep=0.02", "503:after_charge:shape=gateway"]
)
def test_a_call_that_may_have_been_charged_is_unknown_and_not_repeated(tmp_path: Path, fault: str) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        simulator.faults.add_spec(f"{CREATE}={fault}:0.3")
        outcomes = await ended(run_batch(luma, pictures(30), to=tmp_path))
        states = Counter(outcome.state for outcome in outcomes)
        assert states["unknown"] >= 3
        assert states["unknown"] + states["done"] == 30
        check_books(simulator, tmp_path, outcomes)
        simulator.faults.clear()
        charged = len(simulator.ledger.charges)
        assert await ended(run_batch(luma, pictures(30), to=tmp_path)) == []
        assert len(simulator.ledger.charges) == charged
        status = await read_status(tmp_path)
        assert status.doubtful == pytest.approx(states["unknown"] * UNI_1)

    in_luma(test)


def test_a_call_that_was_not_charged_is_repeated_until_done(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        simulator.faults.add_spec(f"{CREATE}=503:before_charge:0.4")
        outcomes = await ended(run_batch(luma, pictures(20), to=tmp_path))
        assert {outcome.state for outcome in outcomes} == {"done"}
        check_books(simulator, tmp_path, outcomes)

    in_luma(test)


def test_failed_rows_name_the_error_and_can_be_run_again(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        rows = [{"prompt": "[[moderate]] no", "id": "bad"}, {"prompt": "a heron", "id": "good"}]
        outcomes = {outcome.id: outcome for outcome in await ended(run_batch(luma, rows, to=tmp_path / "a"))}
        assert outcomes["good"].state == "done"
        assert outcomes["bad"].state == "failed"
        assert "moderat" in outcomes["bad"].problem
        failed = tmp_path / "a/failed.jsonl"
        (line,) = lines(failed)
        assert line.pop("error") == {"type": "ContentModeratedError", "message": outcomes["bad"].problem}
        assert line == {"id": "bad", "prompt": "[[moderate]] no"}
        (again,) = await ended(run_batch(luma, failed, to=tmp_path / "b"))
        assert (again.id, again.parameters) == ("bad", {"prompt": "[[moderate]] no"})

    in_luma(test)


def test_a_cap_stops_the_run_and_a_higher_one_continues_it(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        outcomes = await ended(run_batch(luma, pictures(20), to=tmp_path, max_credits=7.5 * UNI_1))
        assert len(outcomes) == len(simulator.ledger.charges) == 7
        status = await read_status(tmp_path)
        assert status.counts["ready"] == 13
        assert not status.is_complete
        await ended(run_batch(luma, pictures(20), to=tmp_path, max_credits=20 * UNI_1))
        assert len(simulator.ledger.charges) == 20
        assert (await read_status(tmp_path)).is_complete

    in_luma(test)


def test_overlapping_costs_of_generor_do_not_use_up_the_cap(tmp_path: Path) -> None:
    """`credit_cost` is a difference of balances: each of ten concurrent calls names the cost of all ten."""

    async def test(simulator: Simulator, generor: AsyncGeneror) -> None:
        rows = [{"slug": "image", "prompt": f"heron {number}", "model_id": IMAGE} for number in range(20)]
        price = (await generor.generators.estimate("image", prompt="heron", model_id=IMAGE)).credit_cost.total
        cap = 60 * price
        outcomes = await ended(run_batch(generor, rows, to=tmp_path, max_credits=cap))
        charged = sum(entry.charged for entry in simulator.ledger.charges)
        assert charged <= cap
        assert len(outcomes) >= 10
        assert (await read_status(tmp_path)).spent == pytest.approx(charged)
        page = (await report(tmp_path)).read_text()
        costs = [float(cost) for cost in re.findall(r'data-cost="([^"]*)"', page)]
        assert sum(costs) == pytest.approx(charged)

    in_generor(test, tier="pro", generor_credits=1_000_000)


def test_equal_rows_show_equal_costs_whatever_their_source(tmp_path: Path) -> None:
    async def test(simulator: Simulator, generor: AsyncGeneror) -> None:
        simulator.faults.add_spec("generor.generators.generate=reset:after_charge:4x")
        rows = [{"slug": "image", "prompt": f"heron {number}", "model_id": IMAGE} for number in range(20)]
        await ended(run_batch(generor, rows, to=tmp_path))
        charges = [entry.charged for entry in simulator.ledger.charges]
        assert (await read_status(tmp_path)).counts["done"] == len(charges) == 20
        page = (await report(tmp_path)).read_text()
        assert [float(cost) for cost in re.findall(r'data-cost="([^"]*)"', page)] == pytest.approx(charges, rel=0.01)

    in_generor(test, tier="pro", generor_credits=1_000_000)


def test_an_unreadable_account_at_the_end_does_not_fail_the_run(tmp_path: Path) -> None:
    async def test(simulator: Simulator, generor: AsyncGeneror) -> None:
        states: list[str] = []
        async for outcome in run_batch(generor, jokes(3), to=tmp_path):
            states.append(outcome.state)
            if len(states) == 1:
                simulator.faults.add_spec("generor.credits.balance=stall")
        assert states == ["done"] * 3

    in_generor(test, tier="pro")


def test_an_unknown_price_is_refused_only_under_a_cap(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        small = {"resolution": "360p"}
        source = {"url": "https://x.example/a.mp4", "media_type": "video/mp4"}
        rows = [{"prompt": "a heron", "model": "ray-3.2", "type": "video_reframe", "source": source, "video": small}]
        (outcome,) = await ended(run_batch(luma, rows, to=tmp_path / "a", max_credits=1_000))
        assert outcome.state == "failed"
        assert "--price" in outcome.problem
        assert not simulator.ledger.charges
        (outcome,) = await ended(run_batch(luma, rows, to=tmp_path / "b", max_credits=1_000, price=1.5))
        assert (outcome.state, outcome.cost) == ("done", 500)

    in_luma(test)


def test_an_empty_account_stops_the_run_and_fails_no_row(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        states: list[str] = []
        with pytest.raises(InsufficientCreditsError):
            await ended(run_batch(luma, pictures(12), to=tmp_path, on_row=lambda outcome: states.append(outcome.state)))
        assert states == ["done"] * 5
        counts = (await read_status(tmp_path)).counts
        assert (counts["done"], counts["ready"]) == (5, 7)

    in_luma(test, luma_balance=0.0404 * 5.5)


def test_a_bad_key_is_reported_before_any_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with Simulator() as simulator:
            options: dict[str, Any] = simulator.generor_options | {"api_key": "gnr_live_nobody"}
            async with AsyncGeneror(**options) as generor:
                with pytest.raises(AuthenticationError):
                    await ended(run_batch(generor, jokes(3), to=tmp_path))
            assert not simulator.ledger.charges

    run(main())


def test_repeated_rows_run_once_and_bad_lines_are_rejected(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        given = tmp_path / "prompts.jsonl"
        good = json.dumps({"prompt": "a heron"})
        given.write_text("\n".join([good, "{no json", good, json.dumps({"prompt": "x" * 6_001}), '{"promt": "a"}']))
        with pytest.warns(UserWarning, match="was set aside"):
            outcomes = await ended(run_batch(luma, given, to=tmp_path / "out"))
        assert [outcome.place for outcome in outcomes] == ["prompts.jsonl:1"]
        assert len(simulator.ledger.charges) == 1
        status = await read_status(tmp_path / "out")
        assert (status.total, status.rejected) == (1, 3)
        assert not status.is_complete

    in_luma(test)


def test_outcomes_that_are_not_taken_hold_up_later_rows(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        taken = 0
        async for _ in run_batch(luma, pictures(40), to=tmp_path, concurrency=4):
            taken += 1
            await asyncio.sleep(100)
            assert len(simulator.ledger.charges) <= taken + 1 + 4  # one waits to be taken, four are in work
        assert taken == 40

    in_luma(test)


def test_leaving_the_loop_early_loses_nothing(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        batch = run_batch(luma, pictures(40), to=tmp_path, concurrency=12)
        outcomes: list[RowOutcome] = []
        async for outcome in batch:
            outcomes.append(outcome)
            if len(outcomes) == 3:
                batch.stop()
        assert 3 <= len(outcomes) < 40
        counts = (await read_status(tmp_path)).counts
        assert counts["done"] == len(simulator.ledger.charges) == len(outcomes)
        assert counts["ready"] == 40 - counts["done"]
        outcomes += await ended(run_batch(luma, pictures(40), to=tmp_path))
        assert len(outcomes) == 40
        check_books(simulator, tmp_path, outcomes)

    in_luma(test)


def test_leaving_the_loop_does_not_wait_for_untaken_outcomes(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        async with aclosing(aiter(run_batch(luma, pictures(40), to=tmp_path, concurrency=10))) as outcomes:
            await anext(outcomes)
            await asyncio.sleep(10_000)
        status = await read_status(tmp_path)
        assert status.counts["done"] == len(simulator.ledger.charges) >= 10

    in_luma(test)


def test_a_cancelled_batch_waits_only_for_answers(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        begun = asyncio.Event()
        batch = run_batch(luma, pictures(30), to=tmp_path, concurrency=10, on_row=lambda _: begun.set())
        task = asyncio.create_task(ended(batch))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert batch.reason == "interrupted"
        counts = (await read_status(tmp_path)).counts
        assert counts["unknown"] == 0
        assert counts["ready"] == 30 - len(simulator.ledger.charges) > 0
        assert counts["accepted"] > 0
        await ended(run_batch(luma, pictures(30), to=tmp_path))
        assert len(simulator.ledger.charges) == 30

    in_luma(test)


def test_a_batch_cancelled_twice_stops_and_resumes_its_jobs_later(tmp_path: Path) -> None:
    async def test(simulator: Simulator, luma: AsyncLuma) -> None:
        task = asyncio.create_task(ended(run_batch(luma, pictures(12), to=tmp_path)))
        while not simulator.ledger.charges:  # noqa: ASYNC110 - the server knows nothing of events
            await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        counts = (await read_status(tmp_path)).counts
        assert counts["done"] == 0
        assert counts["accepted"] + counts["unknown"] >= len(simulator.ledger.charges) >= 1
        outcomes = await ended(run_batch(luma, pictures(12), to=tmp_path))
        status = await read_status(tmp_path)
        assert status.counts["done"] == len(outcomes) == 12 - counts["unknown"]
        assert not [prompt for prompt, times in charged_by_prompt(simulator).items() if times > 1]

    in_luma(test)


def test_a_row_that_is_being_committed_at_the_stop_is_reported(tmp_path: Path) -> None:
    async def test(_simulator: Simulator, luma: AsyncLuma) -> None:
        reported: list[RowOutcome] = []
        batch = run_batch(luma, pictures(3), to=tmp_path, on_row=reported.append)

        class Stopping(SqliteLedger):
            """Stops everything at once while the end of a row is committed."""

            async def settle(self, call: CallRecord, step: Finish | Fail | MarkUnknown) -> None:
                if isinstance(step, Finish):
                    batch.stop()
                    batch.stop()
                await super().settle(call, step)

        async def opened(*place: Any, **key: Any) -> Ledger:
            journal = await open_journal(*place, **key)
            journal.__class__ = Stopping
            return journal

        with patch("generor_async.batch.run.open_journal", opened):
            outcomes = await ended(batch)
        assert [outcome.state for outcome in outcomes] == ["done"]
        assert reported == outcomes
        assert [line["id"] for line in lines(tmp_path / "results.jsonl")] == [outcomes[0].id]

    in_luma(test)


def test_a_folder_has_one_run_at_a_time(tmp_path: Path) -> None:
    async def test(_simulator: Simulator, luma: AsyncLuma) -> None:
        async for _ in run_batch(luma, pictures(2), to=tmp_path):
            with pytest.raises(InvalidRequestError, match=f"in use by process {os.getpid()}"):
                await ended(run_batch(luma, pictures(2), to=tmp_path))

    in_luma(test)


def test_a_truncated_results_file_is_mended(tmp_path: Path) -> None:
    async def test(_simulator: Simulator, luma: AsyncLuma) -> None:
        await ended(run_batch(luma, pictures(6), to=tmp_path))
        results = tmp_path / "results.jsonl"
        whole = sorted(results.read_text().splitlines())
        results.write_bytes(results.read_bytes()[:-40])
        assert await ended(run_batch(luma, pictures(6), to=tmp_path)) == []
        assert sorted(results.read_text().splitlines()) == whole

    in_luma(test)


@pytest.mark.parametrize("when", ["before_charge", "after_charge"])
def test_unknown_generor_rows_are_found_or_run_again(tmp_path: Path, when: str) -> None:
    async def test(simulator: Simulator, generor: AsyncGeneror) -> None:
        simulator.faults.add_spec(f"{GENERATE}=reset:{when}:4x")
        outcomes = await ended(run_batch(generor, jokes(8), to=tmp_path))
        states = Counter(outcome.state for outcome in outcomes)
        assert states == {"unknown": 4, "done": 8}
        assert charged_by_prompt(simulator) == {f"heron {number}": 1 for number in range(8)}
        assert (await read_status(tmp_path)).is_complete
        assert len(lines(tmp_path / "results.jsonl")) == 8
        assert "OutcomeUnknownError" not in (await report(tmp_path)).read_text()

    in_generor(test, tier="pro", exact_cost=True)


def test_a_failed_check_of_the_account_is_repeated(tmp_path: Path) -> None:
    async def test(simulator: Simulator, generor: AsyncGeneror) -> None:
        simulator.faults.add_spec(f"{GENERATE}=reset:after_charge:2x")
        looks = simulator.faults.add_spec("generor.creations.list=503:7x")  # more than a call is tried
        await ended(run_batch(generor, jokes(4), to=tmp_path))
        assert looks.struck == 7
        assert (await read_status(tmp_path)).is_complete

    in_generor(test, tier="pro", exact_cost=True)
