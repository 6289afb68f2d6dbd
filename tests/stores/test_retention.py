"""What a ledger deletes, and that nothing is bought again for it."""

import asyncio
import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from stores.ledgers import Ledgers, OpenLedger, SettableClock
from support.examples import examples

from generor_async.rules.file_fingerprint import CompletedRead, FileFingerprint
from generor_async.rules.quotes import texts_in, without_quotes
from generor_async.rules.row_states import Accept, Download, Fail, Finish, MarkUnknown, Release, Submit
from generor_async.stores.ledger import LEASE_SECONDS, NO_RUN, Ledger
from generor_async.stores.records import AddResult, CallRecord, NewRow, Reject
from generor_async.stores.sqlite import SqliteLedger, open_ledger
from generor_async.values import JSON

ALL: Final = ("all", "")
DAY: Final = 86_400.0
PROBLEM: Final[JSON] = {"message": "a heron in rain is not allowed", "error": "GenerationFailedError", "code": "banned"}
FILE: Final = CompletedRead(content=FileFingerprint(size=1, digest="00"), terms="")


@define
class Clock:
    """The clock of a store."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class PromptRules:
    """Requests of one prompt have the same content; a parameter that is null is missing."""

    def request_key(self, parameters: Mapping[str, JSON], /) -> int:
        return zlib.crc32(str(parameters.get("prompt")).encode())

    def digest(self, parameters: Mapping[str, JSON], /) -> int:
        given = {name: value for name, value in parameters.items() if value is not None}
        return zlib.crc32(json.dumps(given, sort_keys=True).encode())

    def without_quotes(self, value: JSON, parameters: Mapping[str, JSON], /) -> JSON:
        return without_quotes(value, list(texts_in(dict(parameters))))


RULES: Final = PromptRules()


async def opened(path: Path, clock: Callable[[], float], *, keep: bool = True, **options: Any) -> SqliteLedger:
    ledger = await open_ledger(path, rules=RULES, clock=clock, **options)
    await ledger.take_over(alone=True)
    if not keep:
        await ledger.leave_out_parameters()
    return ledger


def new_row(id_: str, prompt: str = "a heron in rain", **others: JSON) -> NewRow:
    return NewRow(id=id_, parameters={"prompt": prompt, **others}, place=f"rows:{id_}", columns={"sku": f"sku-{id_}"})


async def submit(ledger: Ledger, call: CallRecord, at: float) -> None:
    intent = Submit(at=at, request_id=f"call-{call.id}-{call.attempt}", model="m", estimated=2.0, reserved=2.0)
    assert await ledger.intend(call, intent, [ALL]) is None


async def end(ledger: Ledger, call: CallRecord, at: float, *, well: bool = True) -> None:
    """Take a claimed call to its end."""
    await submit(ledger, call, at)
    if well:
        await ledger.accept(call, Accept(remote_ids=(f"job-{call.id}",), cost=1.5))
        await ledger.accept(call, Download())
        await ledger.settle(call, Finish(at=at, result={"files": [f"media/{call.id}.png"]}))
    else:
        await ledger.settle(call, Fail(at=at, problem=PROBLEM))


async def end_all(ledger: SqliteLedger, at: float, *failing: str) -> None:
    for call in await ledger.claim(100):
        await end(ledger, call, at, well=call.id not in failing)


async def calls_of(ledger: SqliteLedger) -> dict[str, CallRecord]:
    return {call.id: call async for call in ledger.scan()}


# --- a run ------------------------------------------------------------------------------------------------------------


async def test_of_an_old_call_of_a_run_its_money_stays_and_its_content_goes(tmp_path: Path) -> None:
    clock = Clock()
    ledger = await opened(tmp_path / "ledger", clock)
    await ledger.add([new_row("done"), new_row("failed", "a failed heron")])
    await end_all(ledger, clock.now, "failed")
    await ledger.write_note("began", 1.0)
    account, before = await ledger.account(ALL), await calls_of(ledger)
    clock.now += DAY
    assert await ledger.prune(DAY + 1) == 0
    assert all(call.parameters for call in (await calls_of(ledger)).values())
    assert await ledger.prune(DAY - 1) == 2
    for id_, call in (await calls_of(ledger)).items():
        was = before[id_]
        assert (call.parameters, call.text, call.columns, call.result) == ({}, "", {}, None)
        assert (call.digest, call.request_key) == (RULES.digest(was.parameters), RULES.request_key(was.parameters))
        for name in ("number", "state", "place", "attempt", "request_id", "cost", "counted", "model", "remote_ids"):
            assert getattr(call, name) == getattr(was, name)
    assert (await calls_of(ledger))["failed"].problem == {
        "message": "",
        "error": "GenerationFailedError",
        "code": "banned",
    }
    assert await ledger.refundable(["banned"]) == 2.0
    assert await ledger.account(ALL) == account
    assert await ledger.read_note("began") == 1.0
    assert await ledger.prune(DAY - 1) == 0
    await ledger.close()


async def test_calls_that_may_need_their_parameters_are_not_pruned(tmp_path: Path) -> None:
    ledger = await opened(tmp_path / "ledger", lambda: 1_000.0)
    await ledger.add([new_row(id_) for id_ in ("unknown", "leased", "submitting", "accepted", "downloading", "ready")])
    calls = {call.id: call for call in await ledger.claim(5)}
    for id_ in ("unknown", "submitting", "accepted", "downloading"):
        await submit(ledger, calls[id_], 1.0)
    await ledger.settle(calls["unknown"], MarkUnknown(at=1.0, problem=PROBLEM))
    for id_ in ("accepted", "downloading"):
        await ledger.accept(calls[id_], Accept(remote_ids=("job",)))
    await ledger.accept(calls["downloading"], Download())
    assert await ledger.prune(0.0) == 0
    after = await calls_of(ledger)
    assert {id_: call.state for id_, call in after.items()} == {id_: id_ for id_ in after}
    assert all(call.parameters and call.columns for call in after.values())
    await ledger.close()


async def test_a_row_that_is_read_again_after_it_was_pruned_is_known(tmp_path: Path) -> None:
    ledger = await opened(tmp_path / "ledger", lambda: 1_000.0)
    await ledger.add([new_row("a"), new_row("b", "an owl")])
    await end_all(ledger, 1.0)
    assert await ledger.prune(0.0) == 2
    await ledger.begin_reading()
    added = await ledger.add([new_row("a", other=None), new_row("b", "a changed owl"), new_row("c")], again=False)
    assert (added.new, added.known, [reject.place for reject in added.rejects]) == (1, 1, ["rows:b"])
    await ledger.begin_reading()
    added = await ledger.add([new_row("d"), new_row("e", "an owl", seed=1), new_row("f", "a crane")], again=False)
    assert ([row.id for row in added.withheld], added.new) == (["d", "e"], 1)
    await ledger.close()


async def test_a_failed_row_is_called_again_once_its_parameters_are_read_again(tmp_path: Path) -> None:
    ledger = await opened(tmp_path / "ledger", lambda: 1_000.0)
    await ledger.begin_reading()
    await ledger.add([new_row("a")])
    await ledger.end_reading(FILE)
    await end_all(ledger, 1.0, "a")
    await ledger.prune(0.0)
    assert await ledger.read_whole() == FILE
    (call,) = await ledger.get([1])
    await ledger.release(call, Release(at=1.0, problem=PROBLEM, cost=None))
    assert await ledger.read_whole() is None
    assert await ledger.claim(10) == []
    await ledger.begin_reading()
    assert (await ledger.add([new_row("a")], again=False)).known == 1
    (call,) = await ledger.claim(10)
    assert (call.parameters, call.charged_before) == (new_row("a").parameters, 2.0)
    await end(ledger, call, 2.0)
    await ledger.end_reading(FILE)
    assert await ledger.prune(0.0) == 1
    assert await ledger.has_call(1, "call-a-1")
    await ledger.close()


# --- without a run ----------------------------------------------------------------------------------------------------


async def test_an_old_call_without_a_run_is_deleted_whole(tmp_path: Path) -> None:
    jobs = await opened(tmp_path / "ledger", lambda: 1_000.0, run=NO_RUN)
    batch = await opened(tmp_path / "ledger", lambda: 1_000.0)
    await jobs.add([new_row("old"), new_row("young"), new_row("waiting")])
    await batch.add([new_row("row")])
    await end_all(batch, 1.0)
    old, young = await jobs.claim(2)
    await end(jobs, old, 1.0)
    await end(jobs, young, 900.0)
    await jobs.add_rejects([Reject(place="rows:4", text="a heron", reason="no")])
    account = await jobs.account(ALL)
    assert await jobs.prune(500.0) == 1
    assert list(await calls_of(jobs)) == ["young", "waiting"]
    assert [reject.place async for reject in jobs.rejects()] == ["rows:4"]
    assert (await calls_of(batch))["row"].parameters == new_row("row").parameters
    assert await jobs.account(ALL) == account
    await jobs.close()
    await batch.close()
    with closing(sqlite3.connect(tmp_path / "ledger")) as connection:
        assert connection.execute("SELECT count(*) FROM inputs").fetchone() == (3,)


async def test_many_calls_are_pruned_page_by_page(tmp_path: Path) -> None:
    jobs = await opened(tmp_path / "ledger", lambda: 1_000.0, run=NO_RUN)
    for first in range(0, 2_500, 500):
        await jobs.add([new_row(str(number)) for number in range(first, first + 500)])
    for call in await jobs.claim(2_400):
        await jobs.settle(call, Fail(at=float(call.number % 2), problem=PROBLEM, cost=0.0))
    assert await jobs.prune(999.5) == 1_200
    assert await jobs.counts() == {**dict.fromkeys(await jobs.counts(), 0), "failed": 1_200, "ready": 100}
    await jobs.close()


async def test_owners_that_ended_long_ago_are_deleted_unless_they_have_calls(tmp_path: Path) -> None:
    clock = Clock()
    owners = [await open_ledger(tmp_path / "ledger", rules=RULES, clock=clock) for _ in range(4)]
    first, second, third, last = owners
    await first.add([new_row("a")])
    (call,) = await first.claim(1)
    await first.close()
    await second.close()
    clock.now += DAY
    await last.renew()
    await last.prune(DAY)
    with closing(sqlite3.connect(tmp_path / "ledger")) as connection:
        found = [owner for (owner,) in connection.execute("SELECT owner FROM owners ORDER BY owner")]
    assert found == [call.owner, third.owner, last.owner]
    clock.now += LEASE_SECONDS + 1
    assert (await last.take_over()).ready == 1
    await third.close()
    await last.close()


# --- the bytes of the files -------------------------------------------------------------------------------------------


def bytes_in(folder: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def copy_files(folder: Path, to: Path) -> None:
    """Copy a folder's files as a kill leaves them."""
    to.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (to / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize("run", [NO_RUN, "batch"])
async def test_no_byte_of_what_was_pruned_is_left_in_the_files(tmp_path: Path, run: str) -> None:
    ledger = await opened(tmp_path / "ledger", lambda: 1_000.0, run=run)
    rows = [new_row(str(number), f"SECRET heron {number} {'in rain ' * (number % 90)}") for number in range(600)]
    await ledger.add([*rows[:300]])
    await end_all(ledger, 1.0)
    await ledger.add(rows[300:])
    for call in await ledger.claim(1_000):
        await ledger.settle(call, Fail(at=1.0, problem={"message": f"no {call.parameters['prompt']}"}))
    assert b"SECRET" in bytes_in(tmp_path)
    assert await ledger.prune(0.0) == 600
    assert b"SECRET" not in bytes_in(tmp_path)
    await ledger.close()
    assert b"SECRET" not in bytes_in(tmp_path)


async def test_while_others_have_the_file_open_it_is_not_written_anew(tmp_path: Path) -> None:
    ledger = await opened(tmp_path / "ledger", lambda: 1_000.0, run=NO_RUN)
    other = await open_ledger(tmp_path / "ledger", rules=RULES, clock=lambda: 1_000.0)
    await ledger.add([new_row(str(number), f"SECRET {'x' * 900}") for number in range(200)])
    await end_all(ledger, 1.0)
    await other.close()
    third = await open_ledger(tmp_path / "ledger", rules=RULES, clock=lambda: 1_000.0)
    size = (tmp_path / "ledger").stat().st_size
    assert await ledger.prune(0.0) == 100
    assert (tmp_path / "ledger").stat().st_size >= size
    await third.close()
    await ledger.close()


# --- calls whose parameters are left out ------------------------------------------------------------------------------


async def test_parameters_are_left_out_once_a_call_has_ended(tmp_path: Path) -> None:
    ledger = await opened(tmp_path / "ledger", lambda: 1_000.0, keep=False)
    await ledger.add([new_row(id_, "SECRET heron in rain") for id_ in ("done", "failed", "unknown")])
    await ledger.add([new_row("ready", "a waiting owl")])
    done, failed, unknown = await ledger.claim(3)
    await end(ledger, done, 1.0)
    await ledger.settle(failed, Fail(at=1.0, problem={"message": "no: a secret heron in r...", "code": "banned"}))
    await submit(ledger, unknown, 1.0)
    await ledger.settle(unknown, MarkUnknown(at=1.0, problem={"message": "lost: SECRET heron"}))
    calls = await calls_of(ledger)
    assert {id_: bool(call.parameters) for id_, call in calls.items()} == {
        "done": False,
        "failed": False,
        "unknown": True,
        "ready": True,
    }
    assert calls["done"].result == {"files": ["media/done.png"]}
    assert (calls["failed"].problem, failed.problem) == ({"message": "no: a [...]...", "code": "banned"},) * 2
    assert calls["unknown"].problem == {"message": "lost: [...]"}
    assert calls["done"].columns == {"sku": "sku-done"}
    await ledger.add_rejects([Reject(place="rows:9", text='{"prompt": "SECRET"}', reason="'SECRET' is no prompt")])
    assert [(reject.text, reject.reason) async for reject in ledger.rejects()] == [("", "'[...]' is no prompt")]
    await ledger.release(unknown, Release(at=1.0, problem=PROBLEM))
    (unknown,) = await ledger.claim(1)
    await end(ledger, unknown, 2.0)
    await ledger.close()
    assert b"SECRET" not in bytes_in(tmp_path)
    assert b"waiting" in bytes_in(tmp_path)


async def test_parameters_that_were_kept_are_left_out_of_the_files(tmp_path: Path) -> None:
    ledger = await opened(tmp_path / "ledger", lambda: 1_000.0)
    rows = [new_row(str(number), f"SECRET heron {number} {'in rain ' * (number % 90)}") for number in range(300)]
    await ledger.add(rows)
    for call in await ledger.claim(1_000):
        await ledger.settle(call, Fail(at=1.0, problem={"message": f"no {call.parameters['prompt']}"}))
    await ledger.close()
    assert b"SECRET" in bytes_in(tmp_path)
    ledger = await opened(tmp_path / "ledger", lambda: 1_000.0, keep=False)
    await ledger.close()
    assert b"SECRET" not in bytes_in(tmp_path)


async def test_after_a_kill_the_next_owner_leaves_nothing_in_the_files(tmp_path: Path) -> None:
    ledger = await opened(tmp_path / "ledger", lambda: 1_000.0, keep=False)
    await ledger.add([new_row(str(number), f"SECRET heron {number}") for number in range(50)])
    await end_all(ledger, 1.0)
    copy_files(tmp_path, tmp_path / "copy")
    await ledger.close()
    copied = await opened(tmp_path / "copy" / "ledger", lambda: 1_000.0, keep=False)
    await copied.close()
    assert b"SECRET" not in bytes_in(tmp_path)


# --- any history ------------------------------------------------------------------------------------------------------

Row: TypeAlias = tuple[int, int, bool]
"""A row's id and prompt, by number, and whether it has another setting."""
ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans()), min_size=1, max_size=6)
STEPS = st.one_of(
    st.tuples(st.just("read"), ROWS),
    st.tuples(st.just("end"), st.booleans()),
    st.tuples(st.just("retry"), ROWS),
    st.tuples(st.just("reopen"), st.just(0)),
)


def as_rows(given: Sequence[Row]) -> list[NewRow]:
    rows = [new_row(f"row-{id_}", f"prompt {prompt}", seed=1 if other else None) for id_, prompt, other in given]
    return list({row.id: row for row in rows}.values())


async def read(ledger: Ledger, rows: Sequence[NewRow]) -> AddResult:
    await ledger.begin_reading()
    return await ledger.add(rows, again=False)


async def play(
    store: Ledgers, steps: Sequence[tuple[str, Any]], *, prune: bool = False, keep: bool = True
) -> list[object]:
    """Play a history; return all that the ledger said, and what was sent."""
    told, now = list[object](), 10.0
    ledger = await reopened(store, keep=keep)
    for what, given_ in steps:
        if prune:
            await ledger.prune(0.0)
        match what:
            case "read":
                told.append(await read(ledger, as_rows(given_)))
            case "end":
                for call in await ledger.claim(3, seen=True):
                    told.append((call.id, dict(call.parameters), call.charged_before))
                    await end(ledger, call, now, well=given_)
            case "retry":
                for call in [call async for call in ledger.scan("failed")]:
                    await ledger.release(call, Release(at=now, problem=PROBLEM, cost=None))
                told.append(await read(ledger, as_rows(given_)))
            case _:
                await ledger.close()
                ledger = await reopened(store, keep=keep)
        told += [await ledger.counts(), await ledger.account(ALL), await ledger.unresolved_credits()]
    await store.close()
    return told


async def reopened(store: Ledgers, *, keep: bool) -> Ledger:
    """Open a store as its only owner."""
    ledger = await store.open()
    await ledger.take_over(alone=True)
    if not keep:
        await ledger.leave_out_parameters()
    return ledger


@examples(30)
@given(st.lists(STEPS, min_size=2, max_size=12))
def test_a_ledger_without_parameters_buys_the_same_as_one_that_keeps_them(
    ledgers: type[Ledgers], steps: list[tuple[str, Any]]
) -> None:
    def played(**options: bool) -> list[object]:
        with TemporaryDirectory() as folder:
            return asyncio.run(play(ledgers(Path(folder), SettableClock(1_000.0)), steps, **options))

    kept = played()
    assert played(prune=True) == kept
    assert played(keep=False) == kept


async def test_of_calls_that_have_ended_hashes_stay_in_the_place_of_parameters(open_ledger: OpenLedger) -> None:
    ledger = await open_ledger()
    await ledger.add([new_row(id_, "SECRET heron in rain") for id_ in ("before", "done", "failed", "unknown")])
    await ledger.add([new_row("ready", "a waiting owl")])
    (before,) = await ledger.claim(1)
    await ledger.settle(before, Fail(at=1.0, problem={"message": "no: a secret heron in r...", "code": "banned"}))
    await ledger.add_rejects([Reject(place="rows:8", text="SECRET", reason="no prompt")])
    await ledger.leave_out_parameters()
    done, failed, unknown = await ledger.claim(3)
    await end(ledger, done, 1.0)
    await ledger.settle(failed, Fail(at=1.0, problem={"message": "no: a secret heron in r...", "code": "banned"}))
    await submit(ledger, unknown, 1.0)
    await ledger.settle(unknown, MarkUnknown(at=1.0, problem={"message": "lost: SECRET heron"}))
    calls = {call.id: call async for call in ledger.scan()}
    assert [id_ for id_, call in calls.items() if call.parameters] == ["unknown", "ready"]
    assert [id_ for id_, call in calls.items() if call.digest is not None] == ["before", "done", "failed"]
    assert calls["before"].problem == calls["failed"].problem == {"message": "no: a [...]...", "code": "banned"}
    assert calls["unknown"].problem == {"message": "lost: [...]"}
    await ledger.begin_reading()
    added = await ledger.add(
        [new_row("done", "SECRET heron in rain"), new_row("new", "SECRET heron in rain")], again=False
    )
    assert (added.known, [row.id for row in added.withheld]) == (1, ["new"])
