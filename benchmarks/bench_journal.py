"""Speed, size and memory of a batch's journal, compared with bare SQLite that makes the same commits.

Each row is claimed, its intent written down, and its outcome. Ours are coroutines, so many at a time, each awaiting its
own commits: workers that take row after row, or a task for each row, which is asyncio's to pay for. Bare SQLite is a
plain loop that makes the same changes of the same tables, with the same compare-and-set, as many rows a commit. They
take turns, each on a journal that was filled, closed and opened again.
Then a journal of many rows, half of them done and a hundred under way, is taken up again in a process of its own:
opened, counted, summed up, what is under way found, more claimed; and every row is read.

    python benchmarks/bench_journal.py [--rounds 7] [--rows 1000000] [--folder FOLDER]
"""

import argparse
import asyncio
import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from generor_async.batch.folder import JOURNAL
from generor_async.batch.journal import NewRow, Row, RunKey
from generor_async.batch.sqlite import SqliteJournal, open_journal
from generor_async.batch.sqlite.schema import connect
from generor_async.rules.charges import Charges
from generor_async.rules.row_states import PAID_STATES, Accept, Download, Finish, Submit

KEY = RunKey(operation="luma.generations.create", address="http://127.0.0.1/v1", source="rows")
REQUEST_ID = "5f0c3f9e-6f5c-4f0e-9a53-0a6f3a3a8f11"
PROMPT = "A photo of an astronaut riding a horse in a forest. There is a river in front of them with water lilies."
ADDED_AT_ONCE, CLAIMED_AT_ONCE = 500, 5_000
SUBMIT = Submit(at=1.8e9, call_id=REQUEST_ID, model="uni-1", estimated=13.5, reserved=13.5, longest=60.0)
ACCEPT = Accept(remote_ids=(REQUEST_ID,))
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


async def take(journal: SqliteJournal, row: Row) -> None:
    """Intend and conclude."""
    await journal.step(row, SUBMIT)
    await journal.step(row, ACCEPT)


async def workers(journal: SqliteJournal, rows: int, at_a_time: int) -> None:
    """Carry rows through with so many coroutines, each of which takes one after another."""
    claimed: asyncio.Queue[Row] = asyncio.Queue()

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


async def tasks(journal: SqliteJournal, rows: int, at_a_time: int) -> None:
    """Carry rows through, each in a task of its own, so many at a time."""
    for _ in range(rows // at_a_time):
        await asyncio.gather(*(take(journal, row) for row in await journal.claim(at_a_time)))


def bare(connection: sqlite3.Connection, rows: int, at_a_time: int) -> None:
    """Do the same with SQLite alone: the same changes of the same rows, as many a commit, and the same checks."""
    condition = "WHERE number = ? AND attempt = ? AND state = ? AND owner IS ?"
    intent = (
        "UPDATE rows SET state = 'submitting', call_id = ?, submitted_at = ?, longest = ?, model = ?,"
        f" estimated = ?, held = ? {condition}"
    )
    outcome = (
        f"UPDATE rows SET state = 'accepted', owner = ?, alone = ?, cost = ?, held = ?, remote_ids = ? {condition}"
    )
    chosen = "SELECT number FROM rows WHERE state = 'ready' ORDER BY number LIMIT ?"
    for _ in range(rows // at_a_time):
        connection.execute("BEGIN IMMEDIATE")
        found = connection.execute(
            "SELECT rows.number, id, parameters, place, attempt FROM rows JOIN inputs USING (number)"
            f" WHERE rows.number IN ({chosen}) ORDER BY rows.number",
            (at_a_time,),
        ).fetchall()
        connection.execute(
            f"UPDATE rows SET state = 'leased', attempt = attempt + 1, owner = 1 WHERE number IN ({chosen})",
            (at_a_time,),
        )
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        for number, *_ in found:
            values = (REQUEST_ID, 1.8e9, 60.0, "uni-1", 13.5, 13.5, number, 1, "leased", 1)
            assert connection.execute(intent, values).rowcount == 1
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        for number, *_ in found:
            ended = (1, 0, None, 13.5, f'["{REQUEST_ID}"]', number, 1, "submitting", 1)
            assert connection.execute(outcome, ended).rowcount == 1
        connection.execute("COMMIT")


async def prepare(folder: str, rows: int) -> None:
    """Make a journal of so many ready rows."""
    journal = await open_journal(folder, key=KEY)
    for page in new_rows(0, rows):
        await journal.add(page)
    await journal.close()


Drive: TypeAlias = Callable[[SqliteJournal, int, int], Coroutine[None, None, None]]


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
            connection.execute("INSERT INTO owners (pid) VALUES (1)")
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


# --- size and memory --------------------------------------------------------------------------------------------------


async def fill(folder: str, rows: int) -> None:
    """Make a journal of so many rows, half of them done and a hundred under way."""
    journal = await open_journal(folder, key=KEY)
    for page in new_rows(0, rows):
        await journal.add(page)

    async def finish(row: Row) -> None:
        for step in (SUBMIT, ACCEPT, Download(), FINISH):
            await journal.step(row, step)

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
    under_way = [row.id async for row in journal.rows(*PAID_STATES)]
    claimed = await journal.claim(200)
    seconds = time.perf_counter() - began
    assert len(claimed) == 200
    assert len(under_way) == 100
    seen = 0
    async for _ in journal.rows():
        seen += 1
    assert seen == sum(counts.values())
    await journal.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "MB": peak, "held": Charges(charges).spent + doubtful}))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
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
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(fill(folder, given.rows))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        command = [sys.executable, __file__, "--take-up", folder]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"\n{given.rows:,} rows: {size / given.rows:,.0f} bytes a row, half of them done; taken up again in")
    print(f"{found['seconds']:.2f} s; {found['MB']:.0f} MB at the most, with every row read")


if __name__ == "__main__":
    main()
