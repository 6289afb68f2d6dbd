"""Journals that were lost, cut short or put back from a backup, and what is rebuilt of them."""

import errno
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from generor_async import AsyncGeneror, AsyncLuma, InvalidRequestError
from generor_async.batch.call_log import CALLS, CallLog, read_call_lines
from generor_async.batch.folder_place import ACCOUNT
from generor_async.batch.journal import open_journal, open_reader
from generor_async.batch.outcomes import RESULTS
from generor_async.batch.recover import _guess_key, recover  # pyright: ignore[reportPrivateUsage]
from generor_async.batch.retry import make_ready
from generor_async.batch.run_key import OperationRequests, RunKey
from generor_async.batch.runner import run_batch
from generor_async.batch.spec import address_of
from generor_async.batch.status import read_status
from generor_async.rules.equivalence import CANONICAL_VERSION
from generor_async.rules.row_states import Accept, Download, Fail, MarkUnknown, Release, RowStep, Submit
from generor_async.simulator import Simulator
from generor_async.stores.ledger import write_step
from generor_async.stores.records import CallRecord, NewRow
from generor_async.stores.sqlite import schema
from generor_async.testing import run

KEY = RunKey(operation="luma.generations.create", address="https://agents.lumalabs.ai/v1", source="prompts.jsonl")
WHERE = "journal.sqlite"


def submit(call_id: str) -> Submit:
    return Submit(at=7.0, request_id=call_id, model="uni-1", estimated=2.0, reserved=3.0)


def lose(folder: Path) -> None:
    for name in (WHERE, f"{WHERE}-wal", f"{WHERE}-shm"):
        (folder / name).unlink(missing_ok=True)


async def rows_of(folder: Path) -> dict[str, CallRecord]:
    reader = await open_reader(folder)
    rows = {row.id: row async for row in reader.scan()}
    await reader.close()
    return rows


async def lived_through(folder: Path) -> dict[str, CallRecord]:
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
            await write_step(journal, row, step)
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
            "request_id",
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
    await write_step(journal, rows[0], submit("again"))
    await journal.close()
    lose(tmp_path)
    await recover(tmp_path)
    row = (await rows_of(tmp_path))["sent"]
    assert (row.state, row.request_id, row.counted, row.charged_before, row.attempt) == (
        "unknown",
        "again",
        3.0,
        3.0,
        2,
    )


def as_earlier_versions_wrote(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line of calls.jsonl with the keys that it had in versions 1 and 2."""
    names = {"request_id": "call_id", "counted": "held", "cost_source": "alone"}
    old = {names.get(name, name): value for name, value in line.items()}
    if "alone" in old:
        old["alone"] = ["overlapped", "alone", "listed"].index(old["alone"])
    return old


@pytest.mark.parametrize("page", [1, 3, 1_000])
@pytest.mark.parametrize("version", ["old", "new"])
async def test_calls_are_rebuilt_whatever_version_has_logged_them_and_however_they_are_paged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, page: int
) -> None:
    before = await lived_through(tmp_path)
    await make_ready(tmp_path, failed=True, unknown=True)
    journal = await open_journal(tmp_path, key=KEY)
    await journal.correct_costs({before["accepted"].number: 5.0}, "listed")
    rows = {row.id: row for row in await journal.claim(99)}
    await write_step(journal, rows["sent"], submit("again"))
    await write_step(journal, rows["failed"], submit("once more"))
    await write_step(journal, rows["failed"], Accept(remote_ids=("job-e",), cost=1.5, alone=True))
    await journal.close()
    lived = {name: row for name, row in (await rows_of(tmp_path)).items() if row.attempt and row.request_id}
    lose(tmp_path)
    if version == "old":
        lines = [as_earlier_versions_wrote(json.loads(line)) for line in (tmp_path / CALLS).read_text().splitlines()]
        (tmp_path / CALLS).write_text("".join([f"{json.dumps(line)}\n" for line in lines]))
        with pytest.raises(InvalidRequestError, match="is missing"):
            await open_journal(tmp_path, key=KEY)
    monkeypatch.setattr("generor_async.batch.recover.PAGE", page)
    await recover(tmp_path)
    after = await rows_of(tmp_path)
    assert lived.keys() <= after.keys()
    for name, row in lived.items():
        for field in ("attempt", "request_id", "counted", "cost", "cost_source", "remote_ids", "charged_before"):
            assert getattr(after[name], field) == getattr(row, field), (name, field)
    reader = await open_reader(tmp_path)
    account = await reader.account(ACCOUNT)
    await reader.close()
    assert account is not None
    assert account.reserved == sum(
        row.unresolved_before + (row.counted if row.cost is None else 0.0) for row in after.values()
    )
    assert account.reserved + account.spent == sum(row.charged_before + row.counted for row in after.values())


@pytest.mark.parametrize("version", ["old", "new"])
async def test_a_journal_without_the_last_call_is_noticed_whatever_version_has_logged_it(
    tmp_path: Path, version: str
) -> None:
    await lived_through(tmp_path)
    line: dict[str, Any] = {"number": 3, "id": "sent", "request_id": "later", "counted": 3.0}
    with (tmp_path / CALLS).open("a") as file:
        file.write(f"{json.dumps(as_earlier_versions_wrote(line) if version == 'old' else line)}\n")
    with pytest.raises(InvalidRequestError, match=r"is older than calls\.jsonl"):
        await open_journal(tmp_path, key=KEY)


async def test_files_of_no_known_row_are_counted(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    lose(tmp_path)
    result = {"id": "odd", "place": "x:1", "remote_ids": ["77"], "credits": 1.0, "files": ["media/0000/first.png"]}
    (tmp_path / RESULTS).write_text(f"{json.dumps(result)}\n")
    (tmp_path / "media" / "0000").mkdir(parents=True)
    for name in ("first.png", "job-c.png", "job-d-2.mp4", "77.png", "78.png", "job-x-1.png", ".DS_Store"):
        (tmp_path / "media" / "0000" / name).touch()
    assert (await recover(tmp_path)).strays == 2, "78.png and job-x-1.png"


async def test_an_intact_journal_is_not_rebuilt(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    with pytest.raises(InvalidRequestError, match=r"journal\.sqlite is whole: there is nothing to rebuild"):
        await recover(tmp_path)


async def test_a_journal_of_a_newer_version_is_not_rebuilt(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    with closing(sqlite3.connect(tmp_path / WHERE)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(InvalidRequestError, match="was made by a newer version of this package"):
        await recover(tmp_path)
    assert not (tmp_path / f"{WHERE}.broken").exists()


async def test_a_journal_that_another_program_has_locked_is_not_rebuilt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lived_through(tmp_path)
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(tmp_path / WHERE)) as browser:
        browser.execute("PRAGMA locking_mode = EXCLUSIVE")
        browser.execute("BEGIN IMMEDIATE")
        with pytest.raises(InvalidRequestError, match="another program has locked it"):
            await recover(tmp_path)
    assert len(await rows_of(tmp_path)) == 8


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
        await write_step(journal, row, submit(f"later {row.id}"))
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
    assert after.keys() == {name for name, row in before.items() if row.request_id}
    assert (after["accepted"].state, after["accepted"].remote_ids) == ("accepted", ("job-c",))
    assert after["sent"].state == "unknown"


async def test_lines_that_were_cut_short_are_left_out(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    lose(tmp_path)
    os.truncate(tmp_path / CALLS, (tmp_path / CALLS).stat().st_size - 9)
    await recover(tmp_path)
    assert (await rows_of(tmp_path))["refused"].state == "unknown", "what came of its call is cut off"


async def test_a_call_is_logged_on_a_line_of_its_own_after_one_that_was_cut_off(tmp_path: Path) -> None:
    await lived_through(tmp_path)
    with (tmp_path / CALLS).open("ab") as file:
        file.write(b'{"id":"refused","number":8,"pla')
    journal = await open_journal(tmp_path, key=KEY)
    (row,) = await journal.claim(1)
    await journal.intend(row, submit("g"))
    await journal.accept(row, Accept(remote_ids=("job-g",)))
    await journal.close()
    lose(tmp_path)
    await recover(tmp_path)
    assert (await rows_of(tmp_path))[row.id].remote_ids == ("job-g",)


def test_calls_that_a_full_disk_does_not_take_are_logged_once_it_has_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, write, space = CallLog(tmp_path, OperationRequests(KEY.operation)), os.write, 10

    def write_some(file: int, data: bytes) -> int:
        nonlocal space
        if not space:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(file, data[:space])
        space -= written
        return written

    log.open(is_new=True)
    lines = [{"number": 1, "request_id": "paid"}, {"number": 2, "request_id": "paid, too"}]
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write_some)
        for line in lines:
            log.write_lines([line])
    log.close()
    assert list(read_call_lines(tmp_path)) == lines


def test_the_address_of_a_folder_with_results_alone_is_that_of_a_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUMA_BASE_URL", "https://mirror.example/v1/")
    (tmp_path / RESULTS).write_text(json.dumps({"remote_ids": ["job-c"], "place": "prompts.jsonl:1"}) + "\n")
    assert _guess_key(tmp_path).address == address_of(AsyncLuma("luma-api-x"))


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
    submit = Submit(at=1e9, request_id="call", model="uni-1 image", estimated=4, reserved=4.04, longest=0.0)
    await write_step(journal, row, submit)
    await write_step(journal, row, Accept(remote_ids=('job "1"', "2"), cost=None))
    await journal.close()
    _, called, accepted = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_bytes().splitlines()]
    assert called == {
        "id": row.id, "number": 1, "place": "x:1", "parameters": parameters, "columns": {"Né": 'a "cell"'},
        "request_id": "call", "at": 1e9, "longest": 0, "model": "uni-1 image", "estimated": 4, "counted": 4.04,
    }  # fmt: skip
    assert accepted == {
        "number": 1, "to": "accepted", "cost": None, "counted": None, "cost_source": "overlapped",
        "remote_ids": ['job "1"', "2"],
    }  # fmt: skip
