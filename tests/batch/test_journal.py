"""The journal: steps and restarts, killed processes, full disks, and folders that can't be used."""

import asyncio
import errno
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from contextvars import Context, ContextVar
from pathlib import Path
from typing import IO, Any

import pytest
from attrs import asdict, evolve

import generor_async
from generor_async.batch.folder_place import FolderPlace
from generor_async.batch.journal import open_journal, open_reader
from generor_async.batch.run_key import RunKey
from generor_async.errors import FolderError, InvalidRequestError, JournalError, StaleRowError
from generor_async.rules.charges import ChargedCalls
from generor_async.rules.row_states import (
    PAID_STATES,
    ROW_STATES,
    Accept,
    Download,
    Fail,
    Finish,
    MarkUnknown,
    Release,
    RowStep,
    Submit,
)
from generor_async.rules.spend_attribution import UnattributedCall
from generor_async.stores.ledger import FOLDER_RUN, Ledger, write_step
from generor_async.stores.records import AddResult, CallRecord, NewRow, Reject
from generor_async.stores.sqlite import SqliteLedger
from generor_async.stores.sqlite.schema import connect
from generor_async.stores.sqlite.tables import SCHEMA
from generor_async.stores.sqlite.writer import Writer
from generor_async.testing import run

KEY = RunKey(operation="luma.generations.create", address="https://agents.lumalabs.ai/v1", source="prompts.jsonl")
SUBMIT = Submit(at=10.0, request_id="r-1", model="uni-1", estimated=6.0, reserved=7.0, longest=60.0)
ACCEPT = Accept(remote_ids=("job-1",))
PROBLEM = {"message": "no"}
HERE = Path(__file__).parent


def new_rows(*ids: str, **parameters: Any) -> list[NewRow]:
    return [NewRow(id=id_, parameters={"prompt": id_, **parameters}, place=f"prompts.jsonl:{id_}") for id_ in ids]


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = await open_journal(tmp_path, key=KEY)
    yield opened
    await opened.close()


async def again(journal: Ledger, folder: Path) -> Ledger:
    """Close a journal, and open it as the next run does."""
    await journal.close()
    return await open_journal(folder, key=KEY)


async def claimed(journal: Ledger, *steps: Any, id_: str = "a") -> CallRecord:
    """Add a row, claim it, and take steps."""
    await journal.add(new_rows(id_))
    (row,) = await journal.claim(1)
    for step in steps:
        await write_step(journal, row, step)
    return row


async def all_rows(journal: Ledger) -> list[CallRecord]:
    return [row async for row in journal.scan()]


def shown(row: CallRecord) -> dict[str, Any]:
    return asdict(row)


# --- steps ------------------------------------------------------------------------------------------------------------


async def test_a_row_takes_all_steps_to_done(journal: Ledger) -> None:
    row = await claimed(journal)
    assert (row.state, row.attempt, row.parameters, row.place) == ("leased", 1, {"prompt": "a"}, "prompts.jsonl:a")
    for step, state in (
        (SUBMIT, "submitting"),
        (Accept(remote_ids=("1", "2"), cost=24.0, alone=True), "accepted"),
        (Download(), "downloading"),
        (Finish(at=99.0, result={"files": ["é.png"]}), "done"),
    ):
        await write_step(journal, row, step)
        assert row.state == state
        (found,) = await all_rows(journal)
        assert shown(found) == shown(row)
    assert (row.counted, row.cost, row.remote_ids, row.ended_at) == (24.0, 24.0, ("1", "2"), 99.0)
    assert row.result == {"files": ["é.png"]}
    assert await journal.charges() == [ChargedCalls(model="uni-1", estimated=6.0, cost=24.0, source="alone")]
    assert await journal.unresolved_credits() == 0.0


@pytest.mark.parametrize("lost", ["state", "attempt", "owner"])
async def test_a_step_on_a_row_that_somebody_else_has_moved_writes_nothing(journal: Ledger, lost: str) -> None:
    row = await claimed(journal, SUBMIT)
    before = shown((await all_rows(journal))[0])
    if lost == "state":
        row.state = "accepted"
    elif lost == "attempt":
        row.attempt = 2
    else:
        row.owner = 77
    with pytest.raises(StaleRowError, match="row a was taken"):
        await write_step(journal, row, Download() if lost == "state" else ACCEPT)
    assert shown((await all_rows(journal))[0]) == before


@pytest.mark.parametrize("count", [6, 40, 600])
async def test_a_stale_step_does_not_spoil_the_others_of_its_transaction(journal: Ledger, count: int) -> None:
    await journal.add(new_rows(*map(str, range(count))))
    rows, stale = await journal.claim(count), [2, count - 3]
    for at in stale:
        rows[at].attempt = 9
    results = await asyncio.gather(*(write_step(journal, row, SUBMIT) for row in rows), return_exceptions=True)
    assert [at for at, result in enumerate(results) if isinstance(result, StaleRowError)] == stale
    assert [result for result in results if result is not None] == [results[at] for at in stale]
    assert [row.state for row in rows] == [row.state for row in await all_rows(journal)]
    assert (await journal.counts())["submitting"] == count - 2


async def test_of_two_steps_on_one_row_in_a_transaction_one_is_written(journal: Ledger) -> None:
    await journal.add(new_rows(*map(str, range(40))))
    rows = await journal.claim(40)
    other = evolve(rows[7])
    results = await asyncio.gather(
        *(write_step(journal, row, SUBMIT) for row in [*rows, other]), return_exceptions=True
    )
    assert [type(results[at]) for at in (7, 40)] == [type(None), StaleRowError]
    assert (rows[7].state, other.state) == ("submitting", "leased")
    assert (await journal.counts())["submitting"] == 40


async def test_steps_of_many_rows_write_the_same_as_steps_of_one(journal: Ledger) -> None:
    await journal.add(new_rows(*map(str, range(40))))
    rows = await journal.claim(40)
    for step in (
        SUBMIT,
        Accept(remote_ids=("1", "é"), cost=24.0, alone=True),
        Download(),
        Finish(at=9.0, result=[]),
    ):
        await asyncio.gather(*(write_step(journal, row, step) for row in rows))
    assert [shown(row) for row in rows] == [shown(row) for row in await all_rows(journal)]


async def test_an_illegal_step_is_an_assertion_error(journal: Ledger) -> None:
    row = await claimed(journal)
    with pytest.raises(AssertionError):
        await write_step(journal, row, ACCEPT)


async def test_rows_are_claimed_once_and_in_input_order(journal: Ledger) -> None:
    await journal.add(new_rows(*map(str, range(50))))
    pages = await asyncio.gather(*(journal.claim(7) for _ in range(9)))
    assert [row.id for page in pages for row in page] == [str(n) for n in range(50)]
    assert await journal.claim(1) == []


async def test_a_released_row_is_claimed_again_as_another_attempt(journal: Ledger) -> None:
    row = await claimed(journal, SUBMIT, Release(at=20.0, problem=PROBLEM, cost=None))
    (released,) = await all_rows(journal)
    assert (released.state, released.owner, released.counted, released.problem) == ("ready", None, 7.0, PROBLEM)
    (retried,) = await journal.claim(1)
    assert (retried.id, retried.attempt, retried.counted, retried.charged_before) == ("a", 2, 0.0, 7.0)
    assert retried.request_id is None
    await write_step(journal, retried, SUBMIT)
    await write_step(journal, retried, Accept(remote_ids=("job-2",), cost=6.0))
    assert await journal.charges() == [ChargedCalls(model="uni-1", estimated=6.0, cost=6.0, source="overlapped")]
    assert await journal.unresolved_credits() == 7.0
    row.state = "submitting"
    with pytest.raises(StaleRowError):  # its former holder can't go on where it was
        await write_step(journal, row, ACCEPT)


async def test_an_attempt_without_cost_counts_nothing(journal: Ledger) -> None:
    await claimed(journal, SUBMIT, Release(at=20.0, problem=PROBLEM))
    await claimed(journal, SUBMIT, Fail(at=20.0, problem=PROBLEM, cost=0.0), id_="b")
    assert (await journal.charges(), await journal.unresolved_credits()) == ([], 0.0)


async def test_an_unknown_attempt_counts_its_reservation(journal: Ledger) -> None:
    await claimed(journal, SUBMIT, MarkUnknown(at=20.0, problem=PROBLEM))
    await claimed(journal, SUBMIT, ACCEPT, Fail(at=20.0, problem=PROBLEM), id_="b")
    assert (await journal.charges(), await journal.unresolved_credits()) == ([], 14.0)


async def test_a_reconciled_unknown_row_is_resumed(journal: Ledger) -> None:
    await claimed(journal, SUBMIT, MarkUnknown(at=20.0, problem=PROBLEM))
    (row,) = [found async for found in journal.scan("unknown")]
    await write_step(journal, row, Accept(remote_ids=("7",), cost=5.0))
    await write_step(journal, row, Download())
    await write_step(journal, row, Finish(at=30.0, result=None))
    assert (await journal.counts())["done"] == 1


async def test_a_cancelled_step_waits_until_it_is_committed(journal: Ledger, tmp_path: Path) -> None:
    row = await claimed(journal)
    blocker = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    step = asyncio.ensure_future(write_step(journal, row, SUBMIT))
    await asyncio.sleep(0.05)
    for _ in range(3):
        step.cancel()
        await asyncio.sleep(0.01)
    states = [row.state]
    assert not step.done()
    blocker.execute("ROLLBACK")
    blocker.close()
    with pytest.raises(asyncio.CancelledError):
        await step
    assert [*states, row.state] == ["leased", "submitting"]
    assert (await journal.counts())["submitting"] == 1


def test_virtual_time_stands_still_while_a_commit_is_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        journal = await open_journal(tmp_path, key=KEY)
        leap = asyncio.create_task(asyncio.sleep(3_600))
        row = await claimed(journal)
        blocker = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None, check_same_thread=False)
        blocker.execute("BEGIN IMMEDIATE")
        threading.Timer(0.1, blocker.close).start()
        await write_step(journal, row, SUBMIT)
        assert asyncio.get_running_loop().time() == 0
        assert not leap.done()
        await journal.close()

    run(main())


async def test_rows_of_a_cancelled_claim_are_returned_by_the_next(journal: Ledger) -> None:
    await journal.add(new_rows(*"abc"))
    claim = asyncio.ensure_future(journal.claim(2))
    await asyncio.sleep(0)
    claim.cancel()
    with pytest.raises(asyncio.CancelledError):
        await claim
    assert [row.id for row in await journal.claim(1)] == ["a"]
    assert [row.id for row in await journal.claim(5)] == ["b", "c"]


async def test_work_requested_during_a_commit_shares_the_next_one() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute("CREATE TABLE t (x)")
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    writer, gathered, done = Writer(connection, Path("a file"), FOLDER_RUN), threading.Event(), list[None]()

    def insert(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (1)")

    async with asyncio.TaskGroup() as group:
        group.create_task(writer.run(lambda _: gathered.wait(), lambda _: None))
        for _ in range(200):
            group.create_task(writer.run(insert, done.append))
        await asyncio.sleep(0.05)
        assert done == []
        gathered.set()
    assert len(done) == 200
    assert statements.count("COMMIT") in {1, 2}, "the first may be under way already, or not"
    await writer.close()
    connection.close()


async def test_what_was_asked_for_before_the_close_is_committed(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, key=KEY)
    with closing(sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None, timeout=300)) as other:
        other.execute("BEGIN IMMEDIATE")  # the first commit waits for it, and the others are gathered
        asked = [asyncio.ensure_future(journal.write_note(f"note {number}", number)) for number in range(2)]
        await asyncio.sleep(0.05)
        asked += [asyncio.ensure_future(journal.write_note(f"note {number}", number)) for number in range(2, 4)]
        await asyncio.sleep(0)
        ending = asyncio.ensure_future(journal.close())
        await asyncio.sleep(0.05)
        other.execute("ROLLBACK")
        await asyncio.gather(*asked, ending)
        assert other.execute("SELECT count(*) FROM notes WHERE name LIKE 'note %'").fetchall() == [(4,)]
    with pytest.raises(JournalError, match="it is closed"):
        await journal.write_note("note", 1)
    with pytest.raises(JournalError, match="it is closed"):
        await journal.read_note("note")


async def test_a_task_that_waits_for_a_commit_keeps_its_context(journal: Ledger) -> None:
    variable: ContextVar[int] = ContextVar("variable")
    await journal.add(new_rows("a"))

    async def task() -> int:
        (row,) = await journal.claim(1)
        variable.set(1)
        await write_step(journal, row, SUBMIT)
        await asyncio.sleep(0)  # goes on in the task's own context, whatever the commit did
        return variable.get()

    assert await asyncio.create_task(task(), context=Context()) == 1


async def test_a_task_that_ended_before_its_commit_is_not_resumed(journal: Ledger) -> None:
    await journal.add(new_rows("a"))
    (row,) = await journal.claim(1)
    waiting = write_step(journal, row, SUBMIT)
    waiting.send(None)
    waiting.close()  # as when the loop is closed under it
    assert row.state == "leased"


def test_an_interrupted_waiter_leaves_no_other_waiting(tmp_path: Path) -> None:
    rows: list[CallRecord] = []

    async def main() -> None:
        journal = await open_journal(tmp_path, key=KEY)
        await journal.add(new_rows(*"abc"))
        rows.extend(await journal.claim(3))

        async def take(row: CallRecord) -> None:
            await write_step(journal, row, SUBMIT)
            if row is rows[0]:
                raise KeyboardInterrupt  # as by a signal's handler, in the midst of a task

        try:
            await asyncio.gather(*map(take, rows))
        finally:
            await journal.close()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())  # ends when every task has
    assert [row.state for row in rows] == ["submitting"] * 3


def test_an_interrupted_part_leaves_no_other_unfinished() -> None:
    told: list[str] = []

    def interrupted(what: str) -> None:
        told.append(what)
        raise KeyboardInterrupt  # as by a signal's handler

    async def main() -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        writer = Writer(connection, Path("a file"), FOLDER_RUN)
        try:
            await asyncio.gather(writer.run(lambda _: "one", interrupted), writer.run(lambda _: "other", told.append))
        finally:
            await writer.close()
            connection.close()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())  # ends when every task has
    assert told == ["one", "other"]


async def test_failing_work_fails_its_transaction_and_not_the_writer() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.execute("CREATE TABLE t (x)")
    writer = Writer(connection, Path("a file"), FOLDER_RUN)
    with pytest.raises(OverflowError):
        await writer.run(lambda it: it.execute("INSERT INTO t VALUES (?)", (2**70,)), lambda _: None)
    with pytest.raises(JournalError, match="a file cannot be written to"):
        await writer.run(lambda it: it.executescript("nonsense"), lambda _: None)
    await writer.run(lambda it: it.execute("INSERT INTO t VALUES (1)"), lambda _: None)
    await writer.close()
    assert connection.execute("SELECT * FROM t").fetchall() == [(1,)]
    connection.close()


# --- rows and notes ---------------------------------------------------------------------------------------------------


async def test_the_same_row_is_known_and_another_of_its_id_rejected(journal: Ledger) -> None:
    assert await journal.add(new_rows("b", "a")) == AddResult(new=2, known=0)
    assert [row.id for row in await journal.claim(1)] == ["b"]
    await journal.begin_reading()
    assert await journal.add([*new_rows("c", "a"), *new_rows("b", style="manga")]) == AddResult(
        new=1,
        known=1,
        rejects=(
            Reject(
                place="prompts.jsonl:b",
                text='{"prompt":"b","style":"manga"}',
                reason="the id 'b' belongs to what this row was before: give each row an id of its own, or none",
            ),
        ),
    )
    assert [row.id for row in await all_rows(journal)] == ["b", "a", "c"]


async def test_a_waiting_row_takes_the_latest_parameters_of_its_id(journal: Ledger) -> None:
    await journal.add(new_rows("a", "b"))
    await journal.begin_reading()
    assert await journal.add(new_rows("b", style="manga")) == AddResult(new=0, known=1)
    assert len((await journal.add(new_rows("b", style="none"))).rejects) == 1
    assert await journal.delete_unread() == (1, 0)
    (row,) = await journal.claim(9, seen=True)
    assert (row.id, row.parameters["style"]) == ("b", "manga")


async def test_rejects_and_notes_are_kept(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, key=KEY)
    one, two = (Reject(place=f"x:{n}", text="{", reason="it is not JSON") for n in (1, 2))
    await journal.add_rejects([one, two])
    await journal.add_rejects([two])
    await journal.write_note("balance", {"total": 12.5, "at": 1})
    await journal.write_note("balance", {"total": 11.5, "at": 2})
    journal = await again(journal, tmp_path)
    assert [reject async for reject in journal.rejects()] == [one, two]
    assert await journal.read_note("balance") == {"total": 11.5, "at": 2}
    assert await journal.read_note("nothing") is None
    await journal.close()


async def test_rows_are_read_page_by_page_and_by_state(journal: Ledger) -> None:
    await journal.add(new_rows(*map(str, range(1_201))))
    for row in await journal.claim(3):
        await write_step(journal, row, SUBMIT)
    assert [row.id for row in await all_rows(journal)] == [str(n) for n in range(1_201)]
    assert [row.id async for row in journal.scan("submitting")] == ["0", "1", "2"]
    counts = await journal.counts()
    assert counts == {**dict.fromkeys(ROW_STATES, 0), "ready": 1_198, "submitting": 3}


async def test_half_a_surrogate_pair_in_a_files_name_is_kept(journal: Ledger) -> None:
    row = await claimed(journal, SUBMIT, ACCEPT, Download(), Finish(at=1.0, result={"files": ["\udcff.png"]}))
    (found,) = await all_rows(journal)
    assert found.result == row.result


async def test_charges_include_all_attempts(journal: Ledger) -> None:
    """Brute force: random rows, counted beside."""
    dice, charged, doubtful = random.Random(7), Counter[tuple[str, float, float, bool]](), 0.0
    await journal.add(new_rows(*map(str, range(60))))
    for _ in range(90):
        for row in await journal.claim(1):
            model, held, cost, alone = (
                dice.choice("ab"),
                float(dice.randint(1, 9)),
                dice.choice([None, 2.0, 3.0]),
                dice.random() < 0.5,
            )
            await write_step(journal, row, Submit(at=1.0, request_id="r", model=model, estimated=held, reserved=held))
            await write_step(journal, row, Accept(remote_ids=("1",), cost=cost, alone=alone))
            outcomes: list[RowStep] = [Release(at=1.0, problem=PROBLEM, cost=None), Fail(at=1.0, problem=PROBLEM)]
            await write_step(journal, row, dice.choice(outcomes))
            if cost is None:
                doubtful += held
            else:
                charged[model, held, cost, alone] += 1
    found = {(one.model, one.estimated, one.cost, one.source == "alone"): one.calls for one in await journal.charges()}
    assert found == charged
    assert await journal.unresolved_credits() == doubtful


async def test_costs_of_a_better_source_replace_earlier_ones(journal: Ledger) -> None:
    row = await claimed(journal, SUBMIT, Accept(remote_ids=("1", "2"), cost=99.0, likely=6.0))
    assert (row.cost, row.counted, row.cost_source) == (99.0, 6.0, "overlapped")
    told = ChargedCalls(model="uni-1", estimated=6.0, cost=99.0, source="overlapped")
    assert await journal.unlisted_calls(10) == [
        UnattributedCall(number=row.number, remote_ids=("1", "2"), settled=told)
    ]
    await journal.correct_costs({row.number: 24.0}, "listed")
    assert await journal.unlisted_calls(10) == []
    assert await journal.charges() == [told.with_cost(24.0, "listed")]
    (found,) = await all_rows(journal)
    assert (found.cost, found.counted, found.cost_source) == (24.0, 24.0, "listed")


# --- restarts ---------------------------------------------------------------------------------------------------------


async def test_a_restart_changes_states_by_the_table(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, key=KEY)
    lives: dict[str, tuple[Any, ...]] = {
        "leased": (),
        "submitting": (SUBMIT,),
        "accepted": (SUBMIT, ACCEPT),
        "downloading": (SUBMIT, ACCEPT, Download()),
        "done": (SUBMIT, ACCEPT, Download(), Finish(at=1.0, result=None)),
        "failed": (Fail(at=1.0, problem=PROBLEM),),
        "unknown": (SUBMIT, MarkUnknown(at=1.0, problem=PROBLEM)),
    }
    for state, steps in lives.items():
        await claimed(journal, *steps, id_=state)
    await journal.add(new_rows("ready"))
    journal = await again(journal, tmp_path)
    found = {row.id: row for row in await all_rows(journal)}
    assert {id_: row.state for id_, row in found.items()} == {
        **{state: state for state in lives},
        "ready": "ready",
        "leased": "ready",
        "submitting": "unknown",
    }
    assert found["submitting"].counted == 7.0, "its worst cost"
    assert found["submitting"].problem["message"].endswith("(its first request had the id r-1)"), "to ask the vendor by"
    assert found["leased"].problem["message"].endswith("what came of it"), "nothing was sent"
    taken_up = [row async for row in journal.scan(*PAID_STATES)]
    further: tuple[RowStep, ...] = (Download(), Finish(at=2.0, result=None))
    for row, step in zip(taken_up, further, strict=True):
        await write_step(journal, row, step)
    assert [row.id for row in await journal.claim(9)] == ["leased", "ready"]
    await journal.close()


async def test_an_owner_from_before_the_restart_can_write_no_step(tmp_path: Path) -> None:
    journal = await open_journal(tmp_path, key=KEY)
    row = await claimed(journal, SUBMIT, ACCEPT)
    journal = await again(journal, tmp_path)
    with pytest.raises(StaleRowError):
        await write_step(journal, row, Download())
    await journal.close()


def killed(folder: Path, what: str) -> dict[str, int]:
    found = subprocess.run(
        [sys.executable, HERE / "killed.py", folder, what],
        env={**os.environ, "PYTHONPATH": f"{Path(generor_async.__file__).parents[1]}:{HERE.parent}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    totals: dict[str, int] = json.loads(found.stdout)
    return totals


def test_killed_at_every_boundary_nothing_is_charged_twice_and_nothing_lost(tmp_path: Path) -> None:
    totals = killed(tmp_path, "boundaries")
    assert totals["kills"] >= 20
    assert totals["unknown"] >= totals["kills"] / 4, "kills between intent and outcome leave rows unknown"


def test_killed_at_random_moments_nothing_is_charged_twice_and_nothing_lost(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    totals = killed(tmp_path, str(pytestconfig.getoption("--kills")))
    assert totals["done"] > totals["unknown"]


async def test_a_commit_has_reached_the_disk_when_it_returns(journal: Ledger, tmp_path: Path) -> None:
    """No kill of a process shows this, only a cut of the power."""
    connection = connect(tmp_path / "journal.sqlite")
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    assert (synchronous, mode) == (2, "wal"), "2 is FULL"


# --- folders that can't be used ---------------------------------------------------------------------------------------


async def test_a_journal_without_tables_holds_no_batch(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").touch()
    with pytest.raises(InvalidRequestError, match="holds no batch"):
        await open_reader(tmp_path)
    await (await open_journal(tmp_path, key=KEY)).close()
    await (await open_reader(tmp_path)).close()


HEAD = f"""
import asyncio, concurrent.futures.thread, os, resource, sys
from generor_async.batch.run_key import RunKey
from generor_async.stores.ledger import write_step
from generor_async.stores.records import NewRow
from generor_async.batch.journal import open_journal
from generor_async.errors import JournalError
from generor_async.rules.row_states import Submit

KEY = RunKey(operation={KEY.operation!r}, address={KEY.address!r}, source={KEY.source!r})
"""
OPENS = """
async def main():
    try:
        journal = await open_journal(sys.argv[1], key=KEY)
        print("open", flush=True)
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""
READ_ONLY = """
os.chdir(sys.argv[1])
sys.argv[1] = "."
if os.geteuid() == 0:
    os.seteuid(65534)  # root may write to what is read-only
"""
DISK_FULL = """
async def main():
    journal = await open_journal(sys.argv[1], key=KEY)
    await journal.add(NewRow(id=str(n), parameters={"prompt": "x" * 500}, place="-") for n in range(400))
    rows = await journal.claim(400)
    size = os.path.getsize(os.path.join(sys.argv[1], "journal.sqlite-wal"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, hard))
    submit = Submit(at=1.0, request_id="r" * 36, model="m", estimated=1.0, reserved=1.0)
    written = []
    for row in rows:
        try:
            await write_step(journal, row, submit)
        except JournalError as error:
            print(error)
            break
        written.append(row.id)
    assert row.state == "leased"
    assert 0 < len(written) < 400
    found = [found.id async for found in journal.scan("submitting")]
    assert found == written, "what was told to be written is there, and nothing else"
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await write_step(journal, row, submit)
    await journal.close()
    print(len(written) + 1)

asyncio.run(main())
"""


def python(program: str, folder: Path) -> "subprocess.Popen[str]":
    """Start a program in an interpreter of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + program, str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(generor_async.__file__).parents[1])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def told(process: "subprocess.Popen[str]") -> list[str]:
    """Wait for a program's end, and give the lines that it wrote."""
    out, _ = process.communicate("\n", timeout=300)
    assert process.returncode == 0
    return out.splitlines()


async def test_a_folder_in_use_is_refused_with_the_pid_until_its_process_is_killed(tmp_path: Path) -> None:
    await (await open_journal(tmp_path, key=KEY)).close()
    with python(OPENS, tmp_path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(
            InvalidRequestError, match=rf"is in use by process {other.pid} \(since .*\)\. Wait until it"
        ):
            await open_journal(tmp_path, key=KEY)
        reader = await open_reader(tmp_path)
        assert (await reader.counts())["ready"] == 0, "reading goes on meanwhile"
        await reader.close()
        other.kill()
    await (await open_journal(tmp_path, key=KEY)).close()


async def test_two_journals_of_one_process_do_not_share_a_folder(journal: Ledger, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=f"in use by process {os.getpid()}"):
        await open_journal(tmp_path, key=KEY)


async def begun(folder: Path) -> None:
    """Leave behind a run that has a row."""
    journal = await open_journal(folder, key=KEY)
    await journal.add([NewRow(id="a", parameters={"prompt": "a"}, place="prompts.jsonl:1")])
    await journal.close()


def locked(folder: Path) -> sqlite3.Connection:
    """Lock a journal, as another program does that has it open."""
    other = sqlite3.connect(folder / "journal.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


async def test_another_programs_lock_is_waited_for_and_then_reported(journal: Ledger, tmp_path: Path) -> None:
    other = locked(tmp_path)
    adding = asyncio.create_task(journal.write_note("began", 1.0))
    assert (await asyncio.wait([adding], timeout=0.1))[1] == {adding}, "it waits"
    other.execute("ROLLBACK")
    await adding
    assert isinstance(journal, SqliteLedger)
    journal._write_connection.execute("PRAGMA busy_timeout = 1")  # pyright: ignore[reportPrivateUsage] # a minute is long
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError) as caught:
        await journal.write_note("began", 2.0)
    assert "cannot be written to (another program has locked it, for 60 s)" in str(caught.value)
    assert "end what has journal.sqlite open, such as a backup or a database browser" in str(caught.value)
    other.execute("ROLLBACK")
    other.close()
    await journal.write_note("began", 3.0)
    assert await journal.read_note("began") == 3.0


async def test_take_over_opens_a_folder_whose_owner_cannot_be_checked(tmp_path: Path) -> None:
    def no_locks(_: IO[str]) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    journal = await open_journal(FolderPlace(tmp_path, lock=no_locks), key=KEY)
    there = json.loads((tmp_path / "journal.lock").read_text())
    await journal.close()
    (tmp_path / "journal.lock").write_text(json.dumps({**there, "host": "elsewhere", "boot": "another"}))
    with pytest.raises(InvalidRequestError, match=r"may be in use by process \d+ .on elsewhere.*No locks.*--take-over"):
        await open_journal(FolderPlace(tmp_path, lock=no_locks), key=KEY)
    await (await open_journal(FolderPlace(tmp_path, lock=no_locks), key=KEY, take_over=True)).close()


async def test_a_run_that_was_taken_over_makes_no_more_calls(tmp_path: Path) -> None:
    def no_locks(_: IO[str]) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    first = await open_journal(FolderPlace(tmp_path, lock=no_locks), key=KEY)
    await first.add([NewRow(id="a", parameters={"prompt": "a"}, place="prompts.jsonl:1")])
    (row,) = await first.claim(1)
    second = await open_journal(FolderPlace(tmp_path, lock=no_locks), key=KEY, take_over=True)
    with pytest.raises(FolderError, match="was taken over by another process: nothing more is bought by this one"):
        await write_step(first, row, SUBMIT)
    (row,) = await second.claim(1)
    await write_step(second, row, SUBMIT)
    await second.close()
    await first.close()


async def test_a_journal_that_could_not_be_opened_leaves_the_folder_free(tmp_path: Path) -> None:
    await begun(tmp_path)
    for _ in range(2):
        with pytest.raises(InvalidRequestError, match="belongs to another run"):
            await open_journal(tmp_path, key=RunKey(operation=KEY.operation, address=KEY.address, source="other.csv"))
    await (await open_journal(tmp_path, key=KEY)).close()


def test_a_folder_that_can_only_be_read_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    (line,) = told(python(READ_ONLY + OPENS, tmp_path))
    assert line == (
        "InvalidRequestError to: . cannot be used (Permission denied)."
        " Give a folder that can be written to, or one that does not exist yet."
    )


async def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(InvalidRequestError, match="results cannot be used"):
        await open_journal(tmp_path / "results", key=KEY)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"operation": "generor.generators.generate"}, "whose operation is luma.generations.create, not generor"),
        ({"address": "http://127.0.0.1:1/v1"}, "whose API is https://agents.lumalabs.ai/v1, not http://127.0.0.1:1/v1"),
        ({"source": "b.csv"}, "whose rows are those of prompts.jsonl, not b.csv"),
    ],
)
async def test_a_folder_of_another_run_is_refused(tmp_path: Path, other: dict[str, str], sentence: str) -> None:
    await begun(tmp_path)
    with pytest.raises(InvalidRequestError, match=sentence):
        await open_journal(tmp_path, key=evolve(KEY, **other))


async def test_a_folder_without_rows_is_free_for_another_run(tmp_path: Path) -> None:
    first = await open_journal(tmp_path, key=KEY)
    await first.write_note("began", 1.0)
    await first.add_rejects([Reject(place="prompts.jsonl:1", text="{", reason="it is not JSON")])
    await first.close()
    other = evolve(KEY, source="b.csv")
    second = await open_journal(tmp_path, key=other)
    assert await second.read_note("key") == asdict(other)
    assert await second.read_note("began") is None
    assert [reject async for reject in second.rejects()] == []
    await second.close()


def change(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / "journal.sqlite")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def test_a_journal_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    await (await open_journal(tmp_path, key=KEY)).close()
    change(tmp_path, f"PRAGMA user_version = {SCHEMA + 1}")
    before = (tmp_path / "journal.sqlite").read_bytes()
    for opening in (open_journal(tmp_path, key=KEY), open_reader(tmp_path)):
        with pytest.raises(InvalidRequestError, match=r"newer version of this package\. Upgrade it"):
            await opening
    assert (tmp_path / "journal.sqlite").read_bytes() == before


async def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    change(tmp_path, "CREATE TABLE theirs (x)")
    before = (tmp_path / "journal.sqlite").read_bytes()
    with pytest.raises(InvalidRequestError, match=r"is not a journal of this package\. Give another folder"):
        await open_journal(tmp_path, key=KEY)
    assert (tmp_path / "journal.sqlite").read_bytes() == before


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_text("results of last week, please keep\n" * 99)
    for opening in (open_journal(tmp_path, key=KEY), open_reader(tmp_path)):
        with pytest.raises(InvalidRequestError, match="file is not a database"):
            await opening


async def test_a_folder_without_a_journal_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"holds no batch\. Name the folder that was given to `run`"):
        await open_reader(tmp_path)
    assert os.listdir(tmp_path) == [], "looking leaves nothing behind"  # noqa: PTH208


async def test_a_process_killed_while_creating_the_journal_leaves_none_half_made(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"")
    journal = await open_journal(tmp_path, key=KEY)
    await claimed(journal, SUBMIT)
    await journal.close()


def test_a_full_disk_loses_nothing_and_the_step_can_be_taken_again(tmp_path: Path) -> None:
    sentence, written = told(python(DISK_FULL, tmp_path))
    assert "journal.sqlite cannot be written to (" in sentence
    assert sentence.endswith("Free some space or mend the disk, and run it again: what was committed is not lost.")
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    (count,) = connection.execute("SELECT count(*) FROM calls WHERE state = 'submitting'").fetchone()
    connection.close()
    assert count == int(written)


async def test_reading_a_broken_journal_is_an_error_of_the_journal(journal: Ledger, tmp_path: Path) -> None:
    reader = await open_reader(tmp_path)
    change(tmp_path, "DROP TABLE notes")
    with pytest.raises(JournalError, match="no such table: notes"):
        await reader.read_note("balance")
    await reader.close()
