"""Speed, size and memory of a batch's ledger, compared with bare SQLite that makes the same commits.

Each row is claimed; its intent is written, which reserves its credits on the run's account; and its cost is settled.
Ours are coroutines, so many at a time, each awaiting its own commits: workers that take row after row, or a task for
each row, which is asyncio's to pay for. Bare SQLite is a plain loop that makes the same changes of the same tables,
with the same compare-and-set, as many rows a commit, and changes the account once a commit. They take turns, each on a
ledger that was filled, closed and opened again.

Then processes reserve on three accounts at once until the cap of one is reached: how many intents a second are granted,
and that they are exactly as many as the cap allows.

Last, a ledger of many rows, half of them done and a hundred under way, is resumed in a process of its own:
opened, counted, summed up, what is under way found, more claimed; and every row is read.

    python benchmarks/bench_ledger.py [--rounds 7] [--processes 8] [--rows 1000000] [--folder FOLDER]
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from generor_async.batch.folder import JOURNAL
from generor_async.batch.folder_place import ACCOUNT
from generor_async.batch.journal import open_journal
from generor_async.batch.run_key import RunKey
from generor_async.rules.charges import Charges
from generor_async.rules.row_states import PAID_STATES, Accept, Download, Finish, Submit
from generor_async.stores.ledger import FOLDER_RUN, Ledger, write_step
from generor_async.stores.records import CallRecord, NewRow, canonical_json
from generor_async.stores.sqlite import open_ledger
from generor_async.stores.sqlite.owners import add_owner
from generor_async.stores.sqlite.schema import connect
from generor_async.values import JSON

KEY = RunKey(operation="luma.generations.create", address="http://127.0.0.1/v1", source="rows")
REQUEST_ID = "5f0c3f9e-6f5c-4f0e-9a53-0a6f3a3a8f11"
PROMPT = "A photo of an astronaut riding a horse in a forest. There is a river in front of them with water lilies."
ADDED_AT_ONCE, CLAIMED_AT_ONCE = 500, 5_000
SUBMIT = Submit(at=1.8e9, request_id=REQUEST_ID, model="uni-1", estimated=13.5, reserved=13.5, longest=60.0)
ACCEPT = Accept(remote_ids=(REQUEST_ID,), cost=13.5)
RESERVED_AT_ONCE = 10
SHARED = (("key:", ""), ("run:", ""), ("team:", "2026-11"))
"""Accounts that processes reserve on."""
FINISH = Finish(at=1.8e9, result={"id": REQUEST_ID, "files": [f"{REQUEST_ID}-1.png"], "seconds": 41.25})


def new_rows(first: int, end: int) -> Iterator[list[NewRow]]:
    """Make rows as they come from a file of prompts."""
    for start in range(first, end, ADDED_AT_ONCE):
        yield [
            NewRow(
                id=f"{number:032x}",
                parameters={"prompt": f"{PROMPT} {number}", "aspect_ratio": "16:9", "model": "uni-1"},
                place=f"prompts.jsonl:{number}",
            )
            for number in range(start, min(start + ADDED_AT_ONCE, end))
        ]


# --- speed ------------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Pace:
    """What a number of rows took."""

    rows: int
    seconds: float
    cpu: float

    @property
    def per_second(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds

    @property
    def cpu_per_row(self) -> float:
        """Microseconds of CPU a row."""
        return self.cpu / self.rows * 1e6


async def take(journal: Ledger, row: CallRecord) -> None:
    """Intend and conclude."""
    assert await journal.intend(row, SUBMIT, [ACCOUNT]) is None
    await journal.accept(row, ACCEPT)


async def workers(journal: Ledger, rows: int, at_a_time: int) -> None:
    """Carry rows through with so many coroutines, each of which takes one after another."""
    claimed: asyncio.Queue[CallRecord] = asyncio.Queue()

    async def work() -> None:
        while True:
            await take(journal, await claimed.get())
            claimed.task_done()

    async with asyncio.TaskGroup() as group:  # an error of one ends the run, where `join` would wait for ever
        team = [group.create_task(work()) for _ in range(at_a_time)]
        for _ in range(rows // at_a_time):
            for row in await journal.claim(at_a_time):
                claimed.put_nowait(row)
            await claimed.join()
        for worker in team:
            worker.cancel()


async def tasks(journal: Ledger, rows: int, at_a_time: int) -> None:
    """Carry rows through, each in a task of its own, so many at a time."""
    for _ in range(rows // at_a_time):
        await asyncio.gather(*(take(journal, row) for row in await journal.claim(at_a_time)))


def bare(connection: sqlite3.Connection, rows: int, at_a_time: int) -> None:
    """Do the same with SQLite alone: the same changes of the same rows, as many a commit, and the same checks."""
    condition = "WHERE number = ? AND attempt = ? AND state = ? AND owner IS ?"
    intent = (
        "UPDATE calls SET state = 'submitting', request_id = ?, submitted_at = ?, longest = ?, model = ?,"
        f" estimated = ?, counted = ?, accounts = ? {condition}"
    )
    outcome = (
        "UPDATE calls SET state = 'accepted', owner = ?, cost_source = ?, cost = ?, counted = ?, remote_ids = ?"
        f" {condition}"
    )
    chosen = f"SELECT number FROM calls WHERE run = '{FOLDER_RUN}' AND state = 'ready' ORDER BY number LIMIT ?"
    reserve = (
        "UPDATE accounts SET reserved = reserved + ?1 WHERE scope = ?2 AND period = ?3"
        " AND (cap IS NULL OR reserved + spent + ?1 <= cap)"
    )
    settle = "UPDATE accounts SET reserved = reserved - ?1, spent = spent + ?1 WHERE scope = ?2 AND period = ?3"
    accounts = json.dumps([ACCOUNT], separators=(",", ":"))
    for _ in range(rows // at_a_time):
        connection.execute("BEGIN IMMEDIATE")
        found = connection.execute(
            "SELECT calls.number, key, parameters, place, attempt FROM calls JOIN inputs USING (number)"
            f" WHERE calls.number IN ({chosen}) ORDER BY calls.number",
            (at_a_time,),
        ).fetchall()
        assert len(found) == at_a_time
        connection.execute(
            f"UPDATE calls SET state = 'leased', attempt = attempt + 1, owner = 1 WHERE number IN ({chosen})",
            (at_a_time,),
        )
        connection.execute("COMMIT")
        needed = 13.5 * len(found)
        connection.execute("BEGIN IMMEDIATE")
        assert connection.execute(reserve, (needed, *ACCOUNT)).rowcount == 1
        for number, *_ in found:
            values = (REQUEST_ID, 1.8e9, 60.0, "uni-1", 13.5, 13.5, accounts, number, 1, "leased", 1)
            assert connection.execute(intent, values).rowcount == 1
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        assert connection.execute(settle, (needed, *ACCOUNT)).rowcount == 1
        for number, *_ in found:
            ended = (1, 0, 13.5, 13.5, f'["{REQUEST_ID}"]', number, 1, "submitting", 1)
            assert connection.execute(outcome, ended).rowcount == 1
        connection.execute("COMMIT")


async def prepare(folder: str, rows: int) -> None:
    """Make a journal of so many ready rows."""
    journal = await open_journal(folder, key=KEY)
    await journal.open_account(ACCOUNT, 13.5 * rows)
    for page in new_rows(0, rows):
        await journal.add(page)
    await journal.close()


Drive: TypeAlias = Callable[[Ledger, int, int], Coroutine[None, None, None]]


def pace_of_ours(drive: Drive, rows: int, at_a_time: int) -> Pace:
    """Measure ours in a fresh folder, on a journal that was just opened."""

    async def measure(folder: str) -> Pace:
        journal = await open_journal(folder, key=KEY)
        began, cpu = time.perf_counter(), time.process_time()
        await drive(journal, rows, at_a_time)
        pace = Pace(rows=rows, seconds=time.perf_counter() - began, cpu=time.process_time() - cpu)
        await journal.close()
        return pace

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(prepare(folder, rows))
        return asyncio.run(measure(folder))


def pace_of_bare(rows: int, at_a_time: int) -> Pace:
    """Measure bare SQLite in a fresh folder, on a connection that was just opened and has written."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(prepare(folder, rows))
        with closing(connect(Path(folder) / JOURNAL)) as connection:
            add_owner(connection, time.time())
            began, cpu = time.perf_counter(), time.process_time()
            bare(connection, rows, at_a_time)
            return Pace(rows=rows, seconds=time.perf_counter() - began, cpu=time.process_time() - cpu)


def compare(at_a_time: int, rows: int, rounds: int) -> list[float]:
    """Let them take turns; return a row of the table, of medians."""
    turns = [
        (
            pace_of_ours(workers, rows, at_a_time),
            pace_of_ours(tasks, rows, at_a_time),
            pace_of_bare(rows, at_a_time),
        )
        for _ in range(rounds)
    ]
    return [
        at_a_time,
        *(statistics.median(pace.per_second for pace in paces) for paces in zip(*turns, strict=True)),
        *(statistics.median(turn[ours].per_second / turn[-1].per_second for turn in turns) for ours in (0, 1)),
        *(statistics.median(pace.cpu_per_row for pace in paces) for paces in zip(*turns, strict=True)),
    ]


# --- processes --------------------------------------------------------------------------------------------------------


class SameParameters:
    """Requests are the same if their parameters are."""

    def request_key(self, parameters: Mapping[str, JSON], /) -> int:
        """Return their hash."""
        return hash(canonical_json(dict(parameters)))

    digest = request_key

    def without_quotes(self, value: JSON, _parameters: Mapping[str, JSON], /) -> JSON:
        """Return the value as it is."""
        return value


async def reserve_until_full(path: Path, start: Callable[[], object]) -> int:
    """Reserve on three accounts until one is full, as one of many processes; return how many intents were granted."""
    ledger = await open_ledger(path, rules=SameParameters())
    await asyncio.to_thread(start)
    granted = 0
    while claimed := await ledger.claim(RESERVED_AT_ONCE):
        refusals = await asyncio.gather(*(ledger.intend(call, SUBMIT, SHARED) for call in claimed))
        granted += refusals.count(None)
        if any(refusals):
            break
    await ledger.close()
    return granted


def reserve_in_a_process(path: Path, start: Callable[[], object], granted: "multiprocessing.Queue[int]") -> None:
    """Reserve in a process of its own."""
    granted.put(asyncio.run(reserve_until_full(path, start)))


async def shared_ledger(path: Path, calls: int, cap: float) -> None:
    """Make a ledger with three accounts, of which one has this cap, and the others more."""
    ledger = await open_ledger(path, rules=SameParameters())
    for key, most in zip(SHARED, (None, 2 * cap, cap), strict=True):
        await ledger.open_account(key, most)
    for page in new_rows(0, calls):
        await ledger.add(page)
    await ledger.close()


def granted_per_second(processes: int, grants: int) -> float:
    """Let processes reserve until a cap of so many grants is reached; check the sums; return grants a second."""
    context, needed = multiprocessing.get_context("spawn"), SUBMIT.reserved
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        asyncio.run(shared_ledger(path, grants + processes * RESERVED_AT_ONCE, (grants + 0.5) * needed))
        barrier, granted = context.Barrier(processes + 1, timeout=60), context.Queue()
        given = path, barrier.wait, granted
        team = [context.Process(target=reserve_in_a_process, args=given) for _ in range(processes)]
        for process in team:
            process.start()
        barrier.wait()
        began = time.perf_counter()
        total = sum(granted.get() for _ in team)
        seconds = time.perf_counter() - began
        for process in team:
            process.join()
        with closing(connect(path)) as connection:
            sums = connection.execute("SELECT reserved, spent FROM accounts").fetchall()
            counted = connection.execute("SELECT count(*), total(counted) FROM calls WHERE state = 'submitting'")
            assert counted.fetchone() == (grants, grants * needed)
        assert total == grants, f"{total} were granted, of {grants}"
        assert sums == [(grants * needed, 0.0)] * len(SHARED), sums
    return grants / seconds


# --- size and memory --------------------------------------------------------------------------------------------------


async def fill(folder: str, rows: int) -> None:
    """Make a journal of so many rows, half of them done and a hundred under way."""
    journal = await open_journal(folder, key=KEY)
    for page in new_rows(0, rows):
        await journal.add(page)

    async def finish(row: CallRecord) -> None:
        await take(journal, row)
        for step in (Download(), FINISH):
            await write_step(journal, row, step)

    for _ in range(rows // 2 // CLAIMED_AT_ONCE):
        await asyncio.gather(*map(finish, await journal.claim(CLAIMED_AT_ONCE)))
    await tasks(journal, 100, 100)
    await journal.close()


async def take_up(folder: str) -> None:
    """Open it again, count, find what is under way, and go on; print what that took."""
    began = time.perf_counter()
    journal = await open_journal(folder, key=KEY)
    counts = await journal.counts()
    charges, doubtful = await journal.charges(), await journal.unresolved_credits()
    under_way = [row.id async for row in journal.scan(*PAID_STATES)]
    claimed = await journal.claim(200)
    seconds = time.perf_counter() - began
    assert len(claimed) == 200
    assert len(under_way) == 100
    seen = 0
    async for _ in journal.scan():
        seen += 1
    assert seen == sum(counts.values())
    await journal.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "MB": peak, "held": Charges(charges).spent + doubtful}))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--grants", type=int, default=1_666)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", help="where the journals go; by default a temporary folder")
    parser.add_argument("--take-up", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.take_up:
        asyncio.run(take_up(given.take_up))
        return
    tempfile.tempdir = given.folder
    head = "rows a second: workers | tasks | bare | ratio: workers | tasks | CPU us a row: workers | tasks | bare"
    print(f"| at a time | {head} |\n{'|---' * 9}|")
    for at_a_time, rows in ((10, 2_000), (200, 10_000)):
        print("| " + " | ".join(f"{value:,.4g}" for value in compare(at_a_time, rows, given.rounds)) + " |")
    pace = granted_per_second(given.processes, given.grants)
    print(f"\n{given.processes} processes that reserve on three accounts: {given.grants:,} of {given.grants:,} grants")
    print(f"that the cap allows, {pace:,.0f} a second")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(fill(folder, given.rows))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        command = [sys.executable, __file__, "--take-up", folder]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"\n{given.rows:,} rows: {size / given.rows:,.0f} bytes a row, half of them done; resumed in")
    print(f"{found['seconds']:.2f} s; {found['MB']:.0f} MB at the most, with every row read")


if __name__ == "__main__":
    main()
