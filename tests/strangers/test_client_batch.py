"""Batches against the server: every row has its result, and every charge its row."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncGeneror, Limits, OutcomeUnknownError, RowOutcome, run_batch
from generor_async.batch.status import read_status
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
async def test_every_picture_of_a_batch_is_made_and_fetched(tmp_path: Path) -> None:
    """30 jobs on 10 slots, of 27 to 36 s or so: three times their length, and some."""
    async with StrangerServer(**TRAVEL) as server, luma_of(server, limits=Limits()) as luma:
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
        assert {outcome.state for outcome in outcomes.values()} == {"done"}
        check_charges(server, [remote_id for outcome in outcomes.values() for remote_id in outcome.remote_ids])
        assert (await batch.status()).spent == len(server.charges)


async def last_words(generor: AsyncGeneror, folder: Path) -> dict[str, RowOutcome]:
    """Run 20 jokes, and again where calls in doubt have stopped it; return the last that was told of each."""
    told: dict[str, RowOutcome] = {}
    while True:
        with suppress(OutcomeUnknownError):
            async for outcome in run_batch(generor, jokes(20), to=folder):
                told[outcome.id] = outcome
            return told


def all_lost(arrival: Arrival) -> Answer | None:
    """Let every answer to a paid POST be lost on its way back."""
    paid = arrival.method == "POST" and arrival.path.endswith("generate")
    return Answer(cut=True, after=True) if paid else None


HALF_PAST = 19_800.0


@virtual
@pytest.mark.parametrize(("zone", "at"), [(0.0, "start"), (-28_800.0, "end"), (HALF_PAST, "start")])
async def test_where_no_answer_ever_came_all_rows_are_found_whatever_the_accounts_zone(
    tmp_path: Path, zone: float, at: Any
) -> None:
    """The zone is told by what was spent, and by creations with the rows' own prompts."""
    world = GenerorWorld(zone=zone, charged_at=at, listed_from=at)
    async with StrangerServer(generor=world, script=all_lost, **TRAVEL) as server, generor_of(server) as generor:
        outcomes = await last_words(generor, tmp_path)
        assert {outcome.state for outcome in outcomes.values()} == {"done"}
        check_charges(server, [remote_id for outcome in outcomes.values() for remote_id in outcome.remote_ids])
        assert (await read_status(tmp_path)).doubts == []


@virtual
@pytest.mark.parametrize(("wrong", "liar"), [(-50_000.0, 3), (-7_200.0, 4), (18_000.0, 3)])
async def test_one_wrongly_dated_creation_among_many_hinders_nothing(tmp_path: Path, wrong: float, liar: int) -> None:
    """Be it that of a row that was answered, or of one whose answer was lost: the fifth one's was."""
    world, script = GenerorWorld(zone=HALF_PAST, misdated={liar: wrong}), lost(2, 5, 6, 12)
    async with StrangerServer(generor=world, script=script, **TRAVEL) as server, generor_of(server) as generor:
        outcomes = await last_words(generor, tmp_path)
        assert len(server.charges) == len({charge.item for charge in server.charges}) == 20
        assert [outcome.state for outcome in outcomes.values()] == ["done"] * 20


@virtual
@pytest.mark.parametrize("change", [3_600.0, -3_600.0])
async def test_a_change_of_the_servers_clock_in_the_midst_charges_nothing_twice(tmp_path: Path, change: float) -> None:
    world = GenerorWorld(limits=(2, 5_000, 50_000), zone=7_200.0, zone_changes={330.0: change})
    script = lost(2, 7, 13, 14, 19, 20)
    async with StrangerServer(generor=world, script=script, **TRAVEL) as server, generor_of(server) as generor:
        outcomes = await last_words(generor, tmp_path)
        made = [creation["prompt"] for creation in server.generor.creations]
        assert len(made) == len(set(made)), "nothing twice"
        held = [name for name, outcome in outcomes.items() if outcome.state == "unknown"]
        assert change < 0 or not held, "only what was shown twice can't be told apart"
        assert {doubt.id for doubt in (await read_status(tmp_path)).doubts} == set(held)


@virtual
async def test_creations_that_are_listed_without_the_users_name_are_found(tmp_path: Path) -> None:
    world = GenerorWorld(unlisted=frozenset({"username", "user_id", "license", "images"}))
    async with StrangerServer(generor=world, script=lost(2, 5, 10), **TRAVEL) as server, generor_of(server) as generor:
        outcomes = await last_words(generor, tmp_path)
        assert [outcome.state for outcome in outcomes.values()] == ["done"] * 20
        check_charges(server, [remote_id for outcome in outcomes.values() for remote_id in outcome.remote_ids])
