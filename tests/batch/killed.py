"""A process that runs rows through a journal, forked and killed over and over; the tests run it as a program.

Charges are written to a file as the call is made, so that they survive the kill like a server's ledger.

    python killed.py FOLDER boundaries | KILLS
"""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from support.forks import die, forked

from generor_async.batch.journal import open_journal, open_reader
from generor_async.batch.run_key import RunKey
from generor_async.rules.row_states import PAID_STATES, Accept, Download, Finish, MarkUnknown, Submit
from generor_async.stores.ledger import write_step
from generor_async.stores.records import CallRecord, NewRow

KEY = RunKey(operation="luma.generations.create", address="http://127.0.0.1/v1", source="rows")
AMBIGUOUS = 0.15
LEDGER = "ledger"


class Worker:
    """One process's share of a run: it dies at a boundary, or when it is killed."""

    def __init__(self, folder: Path, rows: int, dies_at: int | None) -> None:
        self.folder = folder
        self.rows = rows
        self.dies_at = dies_at
        self.ledger = os.open(folder / LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def boundary(self) -> None:
        if self.dies_at is not None:
            self.dies_at -= 1
            if self.dies_at < 0:
                die()

    async def run(self) -> None:
        journal = await open_journal(self.folder, key=KEY)

        async def work(row: CallRecord) -> None:
            self.boundary()
            if row.state == "leased":
                await write_step(
                    journal, row, Submit(at=1.0, request_id=f"r{row.attempt}", model="m", estimated=2.0, reserved=3.0)
                )
                self.boundary()
                ambiguous = random.random() < AMBIGUOUS
                if not ambiguous or random.random() < 0.5:
                    os.write(self.ledger, f"{row.id}\n".encode())
                self.boundary()
                await asyncio.sleep(0)
                if ambiguous:
                    await write_step(journal, row, MarkUnknown(at=2.0, problem={"message": "reset"}))
                    self.boundary()
                    return
                await write_step(journal, row, Accept(remote_ids=(f"job-{row.id}",)))
                self.boundary()
            assert row.remote_ids == (f"job-{row.id}",)
            if row.state == "accepted":
                await write_step(journal, row, Download())
                self.boundary()
            await write_step(journal, row, Finish(at=3.0, result={"files": [f"{row.id}.png"]}))
            self.boundary()

        await journal.add(NewRow(id=str(n), parameters={"prompt": str(n)}, place="-") for n in range(self.rows))
        self.boundary()
        await asyncio.gather(*[work(row) async for row in journal.scan(*PAID_STATES)])
        while claimed := await journal.claim(3):
            self.boundary()
            await asyncio.gather(*map(work, claimed))
        await journal.close()


def checked(folder: Path, rows: int) -> Counter[str]:
    """Check the journal against the ledger, and count the states."""

    async def look() -> list[CallRecord]:
        reader = await open_reader(folder)
        found = [row async for row in reader.scan()]
        await reader.close()
        return found

    charged = Counter((folder / LEDGER).read_text().split())
    found = asyncio.run(look())
    assert [row.id for row in found] == [str(n) for n in range(rows)]
    for row in found:
        assert charged[row.id] <= 1, f"row {row.id} was charged {charged[row.id]} times"
        assert row.state in {"done", "unknown"}
        if row.state == "done":
            assert charged[row.id] == 1
            assert row.result == {"files": [f"{row.id}.png"]}
        else:
            assert (row.counted, row.owner) == (3.0, None)
            assert row.problem
    return Counter(row.state for row in found)


def at_boundaries(folder: Path, rows: int = 3) -> dict[str, int]:
    """Die at the first boundary, the second, and so on, until none is left."""
    totals = Counter[str]()
    for dies_at in range(1_000):
        place = folder / str(dies_at)
        place.mkdir()

        def begin(place: Path = place, dies_at: int | None = dies_at) -> None:
            random.seed(dies_at)
            asyncio.run(Worker(place, rows, dies_at).run())

        ended = forked(begin)
        if not ended:
            assert forked(partial(begin, dies_at=None))
        totals += checked(place, rows)
        totals["kills"] += not ended
        if ended:
            return totals
    raise AssertionError("it never ended")


def at_random(folder: Path, kills: int, rows: int = 200) -> dict[str, int]:
    """Kill at random moments, so many times; when all rows are done, add new ones."""
    totals, place, dice = Counter[str](), folder / "0", random.Random(kills)
    place.mkdir()

    def begin() -> None:
        random.seed(totals["kills"])
        asyncio.run(Worker(place, rows, None).run())

    while totals["kills"] < kills:
        ended = forked(begin, dice.uniform(0.005, 0.1))
        totals["kills"] += 1
        if ended:
            totals += checked(place, rows)
            place = folder / str(totals["kills"])
            place.mkdir()
    assert forked(begin)
    return totals + checked(place, rows)


if __name__ == "__main__":
    where, what = Path(sys.argv[1]), sys.argv[2]
    sys.stdout.write(json.dumps(at_boundaries(where) if what == "boundaries" else at_random(where, int(what))))
