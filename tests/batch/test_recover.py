"""Journals that were lost, cut short or put back from a backup, and what is rebuilt of them."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError
from generor_async.batch.call_log import CALLS
from generor_async.batch.journal import NewRow, Row, RunKey
from generor_async.batch.retry import make_ready
from generor_async.batch.runner import run_batch
from generor_async.batch.sqlite import open_journal, open_reader
from generor_async.batch.sqlite.recover import recover
from generor_async.batch.status import read_status
from generor_async.rules.equivalence import CANONICAL_VERSION
from generor_async.rules.row_states import Accept, Download, Fail, MarkUnknown, Release, RowStep, Submit
from generor_async.simulator import Simulator
from generor_async.testing import run

KEY = RunKey(operation="luma.generations.create", address="https://agents.lumalabs.ai/v1", source="prompts.jsonl")
WHERE = "journal.sqlite"


def submit(call_id: str) -> Submit:
    return Submit(at=7.0, call_id=call_id, model="uni-1", estimated=2.0, reserved=3.0)


def lose(folder: Path) -> None:
    for name in (WHERE, f"{WHERE}-wal", f"{WHERE}-shm"):
        (folder / name).unlink(missing_ok=True)


async def rows_of(folder: Path) -> dict[str, Row]:
    reader = await open_reader(folder)
    rows = {row.id: row async for row in reader.rows()}
    await reader.close()
    return rows


async def lived_through(folder: Path) -> dict[str, Row]:
    """Leave behind a journal with a row in each state that a call leads to, and return its rows."""
    ends: dict[str, tuple[RowStep, ...]] = {
        "new": (),
        "leased": (),
        "sent": (submit("a"),),
        "doubted": (submit("b"), MarkUnknown(at=8.0, problem={"message": "reset"})),
        "accepted": (submit("c"), Accept(remote_ids=("job-c",), cost=4.0)),
        "downloading": (submit("d"), Accept(remote_ids=("job-d",)), Download()),
        "failed": (submit("e"), Fail(at=8.0, problem={"message": "moderated"}, cost=0.0)),
        "refused": (submit("f"), Release(at=8.0, problem={"message": "429"}, cost=0.0)),
    }
    journal = await open_journal(folder, key=KEY)
    await journal.write_note("account", {"balance": 70.0, "transaction": 12})
    await journal.add(
        NewRow(id=name, parameters={"prompt": name}, place=f"prompts.jsonl:{line}", columns={"shelf": line})
        for line, name in enumerate(ends, 1)
    )
    for row in await journal.claim(len(ends)):
        for step in ends[row.id]:
            await journal.step(row, step)
    await journal.close()
    return await rows_of(folder)


async def test_the_calls_of_a_journal_are_rebuilt(tmp_path: Path) -> None:
    before = await lived_through(tmp_path)
    lose(tmp_path)
    found = await recover(tmp_path)
    assert (found.knows_calls, found.strays) == (True, 0)
    after = await rows_of(tmp_path)
    assert {name: row.state for name, row in after.items()} == {
        "sent": "unknown",
        "doubted": "unknown",
        "accepted": "accepted",
        "downloading": "accepted",
        "failed": "failed",
        "refused": "ready",
    }
    for name, row in after.items():
        was = before[name]
        for field in (
            "number",
            "parameters",
            "place",
            "columns",
            "call_id",
            "submitted_at",
            "estimated",
            "counted",
            "cost",
        ):
            assert getattr(row, field) == getattr(was, field), (name, field)
        assert row.remote_ids == was.remote_ids
    reader = await open_reader(tmp_path)
    assert await reader.read_note("account") == {"balance": 70.0, "transaction": 12}
    assert await reader.read_note("fingerprint") == CANONICAL_VERSION
    await reader.close()
    for name in ("sent", "doubted"):
        problem: Any = after[name].problem
        assert problem["error"] == "OutcomeUnknownError"


async def test_costs_from_the_account_are_rebuilt(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    journal = await open_journal(tmp_path, key=KEY)
    number = (await rows_of(tmp_path))["accepted"].number
    await journal.correct_costs({number: 5.0}, "listed")
    await journal.close()
    lose(tmp_path)
    await recover(tmp_path)
    row = (await rows_of(tmp_path))["accepted"]
    assert (row.state, row.cost, row.counted, row.cost_source) == ("accepted", 5.0, 5.0, "listed")


async def test_earlier_attempts_still_count(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    assert await make_ready(tmp_path, failed=False, unknown=True) == 2
    journal = await open_journal(tmp_path, key=KEY)
    rows = [row for row in await journal.claim(99) if row.id == "sent"]
    await journal.step(rows[0], submit("again"))
    await journal.close()
    lose(tmp_path)
    await recover(tmp_path)
    row = (await rows_of(tmp_path))["sent"]
    assert (row.state, row.call_id, row.counted, row.charged_before, row.attempt) == ("unknown", "again", 3.0, 3.0, 2)


async def test_an_intact_journal_is_not_rebuilt(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    with pytest.raises(InvalidRequestError, match=r"journal\.sqlite is whole: there is nothing to rebuild"):
        await recover(tmp_path)


async def test_the_broken_journal_is_kept(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    os.truncate(tmp_path / WHERE, 5_000)
    await recover(tmp_path)
    assert (tmp_path / f"{WHERE}.broken").stat().st_size == 5_000
    assert (await read_status(tmp_path)).total == 6


async def test_a_folder_in_use_is_not_rebuilt(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, key=KEY)
    with pytest.raises(InvalidRequestError, match="is in use by process"):
        await recover(tmp_path)
    await journal.close()


async def test_a_folder_with_nothing_in_it_has_nothing_to_rebuild(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("")
    with pytest.raises(InvalidRequestError, match="from which a journal could be rebuilt"):
        await recover(tmp_path)


async def test_a_journal_that_is_older_than_the_calls_is_refused_and_rebuilt(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    backup = tmp_path / "backup"
    shutil.copy(tmp_path / WHERE, backup)
    journal = await open_journal(tmp_path, key=KEY)
    rows = await journal.claim(99)
    for row in rows:
        await journal.step(row, submit(f"later {row.id}"))
    await journal.close()
    lose(tmp_path)
    shutil.copy(backup, tmp_path / WHERE)
    with pytest.raises(InvalidRequestError, match=r"is older than calls\.jsonl beside it.*generor batch recover"):
        await open_journal(tmp_path, key=KEY)
    await recover(tmp_path)
    states = {row.id: row.state for row in (await rows_of(tmp_path)).values()}
    assert [states[row.id] for row in rows] == ["unknown"] * len(rows)


async def test_calls_are_logged_for_a_folder_that_began_without_the_log(tmp_path: Path) -> None:
    before = await lived_through(tmp_path)
    (tmp_path / CALLS).unlink()
    await (await open_journal(tmp_path, key=KEY)).close()
    lose(tmp_path)
    await recover(tmp_path)
    after = await rows_of(tmp_path)
    assert after.keys() == {name for name, row in before.items() if row.call_id}
    assert (after["accepted"].state, after["accepted"].remote_ids) == ("accepted", ("job-c",))
    assert after["sent"].state == "unknown"


async def test_lines_that_were_cut_short_are_left_out(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    lose(tmp_path)
    os.truncate(tmp_path / CALLS, (tmp_path / CALLS).stat().st_size - 9)
    await recover(tmp_path)
    assert (await rows_of(tmp_path))["refused"].state == "unknown", "what came of its call is cut off"


def pictures(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"heron {number}"} for number in range(count)]


def jokes(count: int) -> list[dict[str, Any]]:
    return [{"slug": "joke", "prompt": f"heron {number}", "model_id": 37} for number in range(count)]


@pytest.mark.parametrize("api", ["luma", "generor"])
@pytest.mark.parametrize("calls", ["with", "without"])
def test_a_batch_resumes_with_a_rebuilt_journal_and_buys_only_rows_without_result(
    tmp_path: Path, api: str, calls: str
) -> None:
    async def main() -> None:
        async with Simulator(exact_cost=True) as simulator:
            client = AsyncLuma(**simulator.luma_options) if api == "luma" else AsyncGeneror(**simulator.generor_options)
            rows = pictures(12) if api == "luma" else jokes(12)
            async with client:
                done = [one async for one in run_batch(client, rows[:8], to=tmp_path)]
                assert len(done) == 8
                spent = (await read_status(tmp_path)).spent
                lose(tmp_path)
                if calls == "without":
                    (tmp_path / CALLS).unlink()
                    (tmp_path / "simulator.jsonl").touch()
                with pytest.raises(InvalidRequestError, match="generor batch recover"):
                    [one async for one in run_batch(client, rows, to=tmp_path)]
                found = await recover(tmp_path)
                assert (found.counts, found.strays) == ({"done": 8}, 0)
                assert (await read_status(tmp_path)).spent == pytest.approx(spent)
                assert len([one async for one in run_batch(client, rows, to=tmp_path)]) == 4
            charges = [entry for entry in simulator.ledger.requests if entry.charged]
            assert len(charges) == 12
        parameters = [row.parameters["prompt"] for row in (await rows_of(tmp_path)).values()]
        assert sorted(map(str, parameters)) == sorted(f"heron {number}" for number in range(12))

    run(main())


async def test_each_call_and_its_outcome_are_lines_of_json(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, key=KEY)
    parameters = {"prompt": 'say "é"\n\u2028 \\ 鶴', "web_search": True}
    await journal.add([NewRow(id='a "b" é', parameters=parameters, place="x:1", columns={"Né": 'a "cell"'})])
    (row,) = await journal.claim(1)
    submit = Submit(at=1e9, call_id="call", model="uni-1 image", estimated=4, reserved=4.04, longest=0.0)
    await journal.step(row, submit)
    await journal.step(row, Accept(remote_ids=('job "1"', "2"), cost=None))
    await journal.close()
    _, called, accepted = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_bytes().splitlines()]
    assert called == {
        "id": row.id, "number": 1, "place": "x:1", "parameters": parameters, "columns": {"Né": 'a "cell"'},
        "call_id": "call", "at": 1e9, "longest": 0, "model": "uni-1 image", "estimated": 4, "held": 4.04,
    }  # fmt: skip
    told = {"number": 1, "to": "accepted", "cost": None, "held": None, "alone": 0, "remote_ids": ['job "1"', "2"]}
    assert accepted == told
