"""Batches against the server: every row has its result, and every charge its row."""

from pathlib import Path
from typing import Any

import pytest

from generor_async import Limits, RowOutcome, run_batch
from strangers import Answer, Arrival, GenerorWorld, LumaWorld, Others, Outage, StrangerServer
from strangers.clients import TRAVEL, check_charges, generor_of, luma_of, now, ours, refused, virtual
from strangers.records import Script

ROWS = 30


def pictures(count: int = ROWS, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"row-{number}", "prompt": f"heron {number}", **more} for number in range(count)]


def jokes(count: int = ROWS) -> list[dict[str, Any]]:
    return [{**row, "slug": "joke", "model_id": 37} for row in pictures(count)]


def check_rows(server: StrangerServer, outcomes: list[RowOutcome], rows: int = ROWS) -> None:
    """Hold the outcomes against the charges: all is done, has its files, and was charged once."""
    assert [outcome.problem for outcome in outcomes] == [""] * rows
    assert {outcome.id for outcome in outcomes} == {f"row-{number}" for number in range(rows)}
    assert all(path.stat().st_size for outcome in outcomes for path in outcome.files)
    assert all(len(outcome.files) == 1 for outcome in outcomes)
    check_charges(server, [remote_id for outcome in outcomes for remote_id in outcome.remote_ids])


@virtual
@pytest.mark.parametrize("wording", ["contract", "limit", "capacity"])
async def test_every_picture_of_a_batch_is_made_and_fetched(tmp_path: Path, wording: Any) -> None:
    """30 jobs on 10 slots, of 27 to 36 s or so: three times their length, and some."""
    world = LumaWorld(concurrent_wording=wording)
    async with StrangerServer(luma=world, **TRAVEL) as server, luma_of(server, limits=Limits()) as luma:
        outcomes = [outcome async for outcome in run_batch(luma, pictures(), to=tmp_path)]
        check_rows(server, outcomes)
        assert sum(outcome.cost or 0 for outcome in outcomes) == pytest.approx(
            sum(charge.credits for charge in server.charges), rel=0.01
        )
        assert len(refused(ours(server))) <= 3
        assert now() < 150


@virtual
async def test_every_text_of_a_batch_is_made_and_kept(tmp_path: Path) -> None:
    async with StrangerServer(**TRAVEL) as server, generor_of(server) as generor:
        batch = run_batch(generor, jokes(), to=tmp_path)
        outcomes = [outcome async for outcome in batch]
        check_rows(server, outcomes)
        assert (await batch.status()).spent == sum(charge.credits for charge in server.charges) == ROWS
        assert not refused(ours(server, "generor"))


@virtual
async def test_a_batch_gets_through_beside_others_and_through_outages(tmp_path: Path) -> None:
    world = LumaWorld(
        slots=1_000,
        others=(Others(size=10, every=60, insist=True),),
        outages=(Outage(5, 10), Outage(40, 60, status=503, scope="all")),
    )
    async with StrangerServer(luma=world, **TRAVEL) as server, luma_of(server) as luma:
        outcomes = [outcome async for outcome in run_batch(luma, pictures(60), to=tmp_path)]
        check_rows(server, outcomes, 60)
        assert now() < 300


def lost(*numbers: int) -> Script:
    """Let answers to paid POSTs be lost, by their number: half of them on the way there, half on the way back."""
    seen = 0

    def script(arrival: Arrival) -> Answer | None:
        nonlocal seen
        if arrival.method != "POST" or arrival.path.endswith("estimate"):
            return None
        seen += 1
        return Answer(cut=True, after=seen % 2 == 0) if seen in numbers else None

    return script


@virtual
async def test_rows_of_luma_whose_answer_was_lost_stay_unknown(tmp_path: Path) -> None:
    world, script = LumaWorld(slots=1_000), lost(2, 5, 10)
    async with StrangerServer(luma=world, script=script, **TRAVEL) as server, luma_of(server) as luma:
        outcomes = [outcome async for outcome in run_batch(luma, pictures(20), to=tmp_path)]
        assert sorted(outcome.state for outcome in outcomes) == ["done"] * 17 + ["unknown"] * 3
        assert len(server.charges) == 19
        known = {remote_id for outcome in outcomes for remote_id in outcome.remote_ids}
        assert len([charge for charge in server.charges if charge.item not in known]) == 2
        assert len(ours(server, method="POST")) == 20


@virtual
@pytest.mark.parametrize("at", ["start", "end"])
async def test_rows_of_generor_whose_answer_was_lost_are_found_in_the_account(tmp_path: Path, at: Any) -> None:
    world, script = GenerorWorld(charged_at=at, listed_from=at), lost(2, 5, 10)
    async with StrangerServer(generor=world, script=script, **TRAVEL) as server, generor_of(server) as generor:
        batch = run_batch(generor, jokes(20), to=tmp_path)
        outcomes = {outcome.id: outcome async for outcome in batch}  # the last word of each
        assert [name for name, outcome in outcomes.items() if outcome.state != "done"] == ["row-4"]  # never arrived
        check_charges(server, [remote_id for outcome in outcomes.values() for remote_id in outcome.remote_ids])
        assert (await batch.status()).spent == len(server.charges)
