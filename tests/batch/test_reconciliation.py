"""Settling Generor's unknown calls with an account that is truthful, late, or incomplete."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.clock import FakeClock, SetClock
from support.wire import Wire, answer

from generor_async import AsyncGeneror, OutcomeUnknownError, ResponseShapeError, RowOutcome
from generor_async.batch.runner import run_batch
from generor_async.batch.status import read_status
from generor_async.batch.unresolved import Unresolved
from generor_async.reconciliation.account_view import CreationListing, list_creations
from generor_async.reconciliation.clock import ServerClock
from generor_async.reconciliation.unresolved import LAG
from generor_async.rules.creation_matching import GENERATE_SECONDS
from generor_async.rules.reconcile import SNAPSHOT_INTERVAL
from generor_async.simulator import Simulator
from generor_async.stores.records import CallRecord
from generor_async.testing import run

GENERATE = "generor.generators.generate"
BALANCE = "generor.credits.balance"
CREATIONS, TRANSACTIONS = "generor.creations.list", "generor.credits.list_transactions"
JOKE, ROWS = 37, 24


async def run_to_the_end(
    generor: AsyncGeneror, rows: list[dict[str, Any]], folder: Path, concurrency: int | None = None
) -> list[RowOutcome]:
    """Run a batch, and again if unknown calls have stopped it; return each run's outcomes."""
    outcomes: list[RowOutcome] = []
    while True:
        with suppress(OutcomeUnknownError):
            async for _ in run_batch(generor, rows, to=folder, concurrency=concurrency, on_row=outcomes.append):
                pass
            return outcomes


def settled(folder: Path, *specs: str, concurrency: int | None = None) -> tuple[int, int]:
    """Run a batch under faults; return how many rows were unknown, and how many stayed so. None is charged twice."""
    rows = [{"slug": "joke", "prompt": f"heron {number}", "model_id": JOKE} for number in range(ROWS)]

    async def main() -> tuple[int, int]:
        async with Simulator(tier="enterprise") as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            for spec in specs:
                simulator.faults.add_spec(spec)
            states = [outcome.state for outcome in await run_to_the_end(generor, rows, folder, concurrency)]
        counts = (await read_status(folder)).counts
        still_unknown = counts["unknown"]
        assert counts["done"] + still_unknown == ROWS
        made = Counter(creation.prompt for creation in simulator.generor.account.creations)
        charged = [made[f"heron {number}"] for number in range(ROWS)]
        assert max(charged) == 1
        assert charged.count(0) <= still_unknown, "whatever is done was made"
        asked = [entry for entry in simulator.ledger.requests if entry.operation == CREATIONS and entry.status == 200]
        looks = pairwise(entry.at for entry in asked)
        assert all(later - sooner >= SNAPSHOT_INTERVAL - 1 for sooner, later in looks), "or no two could agree"
        return states.count("unknown"), still_unknown

    return run(main())


@pytest.mark.parametrize(
    "specs",
    [
        (f"{GENERATE}=reset:after_charge:4x", f"{GENERATE}=reset:before_charge:4x"),
        (f"{GENERATE}=early_reset:seconds=600:4x", f"{GENERATE}=reset:before_charge:4x"),
        (
            f"{GENERATE}=reset:after_charge:4x",
            f"{GENERATE}=reset:before_charge:4x",
            f"{CREATIONS}=stale_listing:seconds=250",
            f"{TRANSACTIONS}=stale_listing:seconds=250",
        ),
        (f"{GENERATE}=reset:after_charge:4x", f"{GENERATE}=reset:before_charge:4x", f"{CREATIONS}=wrong_type:3x"),
        (f"{GENERATE}=early_reset:seconds=1100:8x",),
        (f"{GENERATE}=early_reset:seconds=300:8x", f"{BALANCE}=skewed_clock:seconds=7200"),
        (f"{GENERATE}=early_reset:seconds=300:8x", f"{BALANCE}=skewed_clock:seconds=-7200"),
    ],
    ids=[
        "truthful",
        "done ten minutes after the reset",
        "late by less than is waited",
        "unreadable for a while",
        "done just before nobody waits any more",
        "the balance dated two hours ahead",
        "the balance dated two hours back",
    ],
)
def test_every_unknown_call_is_settled_if_the_account_shows_everything(tmp_path: Path, specs: tuple[str, ...]) -> None:
    assert settled(tmp_path, *specs) == (8, 0)


@pytest.mark.parametrize(
    "specs",
    [
        (f"{CREATIONS}=stale_listing:seconds=100000",),
        (f"{CREATIONS}=lossy_listing:share=0.5",),
        (f"{TRANSACTIONS}=lossy_listing:share=0.3",),
        (f"{CREATIONS}=lossy_listing:share=0.5", f"{TRANSACTIONS}=lossy_listing:share=0.3"),
    ],
    ids=["creations too late", "creations missing", "transactions missing", "both missing"],
)
def test_if_the_account_hides_something_rows_stay_unknown_and_none_is_charged_twice(
    tmp_path: Path, specs: tuple[str, ...]
) -> None:
    faults = (f"{GENERATE}=reset:after_charge:4x", f"{GENERATE}=reset:before_charge:4x")
    unknown, still_unknown = settled(tmp_path, *faults, *specs)
    assert unknown == 8
    assert still_unknown >= 1


def test_unknown_calls_of_different_ages_are_all_settled(tmp_path: Path) -> None:
    unknown, still_unknown = settled(tmp_path, f"{GENERATE}=reset:before_charge:0.5:10x:seed=1", concurrency=1)
    assert (unknown, still_unknown) == (10, 0)


@pytest.mark.parametrize("lying", [("generor.*",), (BALANCE, TRANSACTIONS, CREATIONS)], ids=["all", "all looks"])
@pytest.mark.parametrize("ahead", [7_200, -7_200])
def test_with_any_server_dates_no_late_call_is_made_again(tmp_path: Path, lying: tuple[str, ...], ahead: int) -> None:
    dated = (f"{name}=skewed_clock:seconds={ahead}" for name in lying)
    doubtful, _ = settled(tmp_path, f"{GENERATE}=early_reset:seconds=600:8x", *dated)
    assert doubtful == 8


@pytest.mark.parametrize(("first", "hours"), [(0.0, -3.0), (0.0, 0.0), (0.0, 3.0), (2.0, 0.0), (-2.0, 0.0)])
@pytest.mark.parametrize("dated", [None, 7_200], ids=["dated right", "the balance dated ahead"])
def test_setting_the_clock_between_two_runs_makes_no_call_again_too_early(
    tmp_path: Path, first: float, hours: float, dated: int | None
) -> None:
    """The call has its effect ten minutes after its connection broke; the machine starts again at once."""
    rows: list[dict[str, Any]] = [{"slug": "joke", "prompt": f"heron {n}", "model_id": JOKE} for n in range(6)]

    async def main() -> None:
        async with Simulator(tier="enterprise") as simulator:
            clock = SetClock(simulator.clock)
            clock.ahead = first * 3_600
            options: dict[str, Any] = simulator.generor_options | {"clock": clock}
            async with AsyncGeneror(**options) as generor:
                simulator.faults.add_spec(f"{GENERATE}=early_reset:seconds=600:1x")
                batch = run_batch(generor, rows, to=tmp_path, concurrency=1, on_row=lambda _: batch.stop())
                assert [outcome.state async for outcome in batch] == ["unknown"]
                before = await read_status(tmp_path)
                clock.ahead = hours * 3_600
                if dated is not None:
                    simulator.faults.add_spec(f"{BALANCE}=skewed_clock:seconds={dated}")
                states = [outcome.state async for outcome in run_batch(generor, rows, to=tmp_path)]
            assert states == ["done"] * 6
            made = Counter(creation.prompt for creation in simulator.generor.account.creations)
            assert [made[row["prompt"]] for row in rows] == [1] * 6
        (doubt,) = before.doubts
        assert "the next run" in doubt.why
        assert doubt.until is not None

    run(main())


def test_status_says_what_an_unknown_row_waits_for_and_until_when(tmp_path: Path) -> None:
    rows = [{"id": f"row {number}", "slug": "joke", "prompt": f"heron {number}", "model_id": JOKE} for number in (1, 2)]

    async def main() -> None:
        async with Simulator(tier="enterprise") as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            simulator.faults.add_spec(f"{GENERATE}=reset:before_charge:1x")
            sent, told = simulator.clock.time(), list[Unresolved]()

            async def watch() -> None:
                while True:
                    await asyncio.sleep(100)
                    told.extend((await read_status(tmp_path)).doubts)

            watching = asyncio.create_task(watch())
            async for outcome in run_batch(generor, rows, to=tmp_path):
                if outcome.state == "unknown":
                    simulator.faults.add_spec(f"{TRANSACTIONS}=lossy_listing:share=0.9:seed=2")
            watching.cancel()
            waited_for = list(dict.fromkeys(doubt.why for doubt in told))
            assert waited_for[:2] == ["its call may still be under way", "the transactions don't add up to the balance"]
            assert {(doubt.id, doubt.place) for doubt in told} == {("row 1", "rows:1")}
            due = [doubt.until.timestamp() for doubt in told if doubt.why == waited_for[0] and doubt.until]
            assert due
            assert all(sent + GENERATE_SECONDS + LAG <= moment <= sent + GENERATE_SECONDS + LAG + 60 for moment in due)
            (last,) = (await read_status(tmp_path)).doubts
            assert last.why.startswith(waited_for[1])
            assert "retry --unknown" in last.why
            assert last.until is None, "nothing more is waited for"

    run(main())


def test_foreign_use_of_the_account_is_told_from_the_batchs_own(tmp_path: Path) -> None:
    rows = [{"slug": "joke", "prompt": f"heron {number}", "model_id": JOKE} for number in range(8)]

    async def main() -> None:
        async with Simulator(tier="enterprise") as simulator:
            options = simulator.generor_options
            others_options: dict[str, Any] = {**options, "api_key": simulator.generor.add_key(name="others")}
            account = simulator.generor.account
            async with AsyncGeneror(**options) as generor, AsyncGeneror(**others_options) as other:
                await other.generators.generate("joke", prompt="other", model_id=JOKE)
                simulator.faults.add_spec(f"{GENERATE}=reset:before_charge:3x")

                async def others() -> None:
                    while account.creations[-1].prompt == "other":  # noqa: ASYNC110 - the server knows nothing of events
                        await asyncio.sleep(0.5)
                    for number in range(4):
                        await other.generators.generate("joke", prompt=f"other {number}", model_id=JOKE, count=2)
                    account.wallet.free += 5
                    now = simulator.clock.time()
                    simulator.generor.state.record(account, "daily_bonus", 5, at=now, description="Daily bonus")

                using = asyncio.create_task(others())
                states = Counter([outcome.state async for outcome in run_batch(generor, rows, to=tmp_path)])
                await using
        assert states == {"unknown": 3, "done": 8}
        made = Counter(creation.prompt for creation in account.creations)
        assert [made[f"heron {number}"] for number in range(8)] == [1] * 8

    run(main())


GOOD: dict[str, Any] = {"creation_id": 1, "generator": "joke", "prompt": "x", "created_at": "2026-02-20 12:00:00"}


LISTED: list[tuple[list[Any], bool]] = [
    ([GOOD], True),
    ([{**GOOD, "creation_id": "1", "prompt": None}], True),
    ([GOOD, {**GOOD, "username": None}], True),
    ([GOOD, None], False),
    ([GOOD, {**GOOD, "created_at": None}], False),
    ([GOOD, {**GOOD, "created_at": "soon"}], False),
    ([GOOD, {**GOOD, "creation_id": None}], False),
    ([GOOD, {**GOOD, "generator": []}], False),
]


async def listed(page: dict[str, Any], *, since: float = 0.0, known: Sequence[str] = ()) -> CreationListing | None:
    """Read a list of creations of one page, beside rows whose creations are known."""
    rows = [CallRecord(number, "row", {}, "", "done", 1, remote_ids=(id_,)) for number, id_ in enumerate(known)]
    async with (
        Wire(answer(200, {"success": True, **page})) as wire,
        AsyncGeneror("gnr_live_0123456789", base_url=f"{wire.url}/api/v1") as generor,
    ):
        return await list_creations(generor.creations.list(), since, ServerClock(FakeClock()), rows)


@pytest.mark.parametrize(("items", "told"), LISTED)
async def test_an_unreadable_listed_creation_proves_nothing(items: list[Any], told: bool) -> None:
    found = await listed({"data": items, "meta": {"has_next": False}})
    assert (found is not None) is told
    assert found is None or (found.whole and [creation.creation_id for creation in found.listed] == [1])


@pytest.mark.parametrize(("total", "whole"), [(1, True), (2, False)])
async def test_a_list_with_fewer_items_than_it_counts_is_incomplete(total: int, whole: bool) -> None:
    page = {"data": [GOOD], "meta": {"has_next": False, "total": total}}
    found, nothing = await listed(page), await listed(page, since=4e9)
    assert found is not None
    assert found.whole is whole
    assert nothing is not None
    assert nothing.whole, "what is older doesn't count"


@pytest.mark.parametrize(
    ("known", "whole"), [((), True), (("1",), True), (("2", "1"), True), (("0", "1"), False), (("x",), True)]
)
async def test_a_list_without_a_known_creation_is_incomplete(known: tuple[str, ...], whole: bool) -> None:
    page = {"data": [GOOD], "meta": {"has_next": False}}
    found, older = await listed(page, known=known), await listed(page, since=4e9, known=known)
    assert found is not None
    assert found.whole is whole
    assert older is not None
    assert older.whole, "it was read as far as was asked"


async def test_a_list_that_announces_a_next_page_without_items_is_an_error() -> None:
    with pytest.raises(ResponseShapeError):
        await listed({"data": [GOOD], "meta": {"has_next": True}})


def test_a_run_settles_unknown_rows_of_earlier_runs_before_any_call(tmp_path: Path) -> None:
    """The cap has room for new calls only once unknown ones without effect have released their credits."""
    rows: list[dict[str, Any]] = [{"slug": "joke", "prompt": f"heron {n}", "model_id": JOKE} for n in range(12)]

    async def main() -> None:
        async with Simulator(tier="enterprise") as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            price = (await generor.generators.estimate(**rows[0])).credit_cost.total
            simulator.faults.add_spec(f"{GENERATE}=reset:after_charge:0.5:seed=2")
            simulator.faults.add_spec(f"{GENERATE}=reset:before_charge")
            with pytest.raises(OutcomeUnknownError):
                _ = [outcome async for outcome in run_batch(generor, rows, to=tmp_path)]
            doubtful = (await read_status(tmp_path)).counts["unknown"]
            charged = len(simulator.ledger.charges)
            assert 0 < charged < doubtful
            simulator.faults.clear()
            simulator.advance(GENERATE_SECONDS + LAG + 120)
            before = len(simulator.ledger.requests)
            batch = run_batch(generor, rows, to=tmp_path, max_credits=price * len(rows))
            states = Counter([outcome.state async for outcome in batch])
        assert states == {"done": 12}
        assert (len(simulator.ledger.charges), batch.reason) == (12, "done")
        asked = [entry.operation for entry in simulator.ledger.requests[before:]]
        looks = [place for place, operation in enumerate(asked) if operation == CREATIONS]
        assert len(looks) == 2
        assert looks[-1] < asked.index(GENERATE)

    run(main())


def test_a_failed_check_at_the_start_is_repeated_at_the_end(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"slug": "joke", "prompt": f"heron {n}", "model_id": JOKE} for n in range(20)]

    async def main() -> None:
        async with Simulator(tier="enterprise") as simulator, AsyncGeneror(**simulator.generor_options) as generor:
            simulator.faults.add_spec(f"{GENERATE}=reset:after_charge:5x")
            with pytest.raises(OutcomeUnknownError):
                _ = [outcome async for outcome in run_batch(generor, rows, to=tmp_path)]
            simulator.faults.add_spec(f"{CREATIONS}=wrong_type:2x")
            before = len(simulator.ledger.requests)
            _ = [outcome async for outcome in run_batch(generor, rows, to=tmp_path)]
        assert (await read_status(tmp_path)).counts["done"] == len(simulator.ledger.charges) == 20
        asked = [entry.operation for entry in simulator.ledger.requests[before:]]
        assert asked.index(CREATIONS) < asked.index(GENERATE) < len(asked) - asked[::-1].index(CREATIONS)

    run(main())
