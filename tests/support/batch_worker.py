"""Runs batches in processes of their own, and kills them: at random moments, or at the boundaries of their journals.

A boundary is the moment right before or right after something is written down. The API is elsewhere, and lives on.

    python -m support.batch_worker ORDER    (JSON, as `Order` has it; prints what came of it, as JSON)
"""

import asyncio
import json
import sys
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeAlias
from unittest.mock import patch

from attrs import define, frozen
from support.clock import FastClock
from support.forks import die, forked

from generor_async import AsyncGeneror, AsyncLuma
from generor_async.batch.runner import run_batch
from generor_async.batch.sqlite import SqliteJournal, open_journal
from generor_async.batch.status import read_status
from generor_async.errors import DeadlineExceededError, InvalidRequestError, OutcomeUnknownError
from generor_async.rules.row_states import END_STATES

__all__ = ["Order", "has_ended", "write_rows"]

When: TypeAlias = Literal["before", "after"]
WHENS: tuple[When, ...] = ("before", "after")
WRITES = ("add", "add_rejects", "claim", "step", "write_note", "close")
STEPS = ("Submit", "Defer", "MarkUnknown", "Accept", "Download", "Finish", "Fail")
KINDS = ("open", "write_note", "add", "add_rejects", "claim", *STEPS)
ONCE = frozenset({"open", "add", "add_rejects", "write_note", "close"})
"""Met once a process, or few times."""
AT_THE_END = ("Release", "close")
"""Met when all the others are: a row that is surely absent is released, and then the journal is closed."""
FEW = 8
RUNS = 20
"""How often a run that stopped by itself is gone on with."""
SHORTEST, LONGEST = 0.02, 0.4
"""Real seconds after which a process is killed."""


@frozen(kw_only=True)
class Order:
    """What is to be run, where, and how it is to be killed."""

    api: str
    base_url: str
    key: str
    speed: float
    epoch: float
    folder: str
    rows: int
    """How many a batch has; whenever one is ended, another begins."""
    kills: int = 0
    """How many kills at random moments; none means the boundaries."""
    rounds: int = 1
    """How many batches die at every boundary: at its first occurrence, its second, and so on."""
    seed: int = 7


@define
class Boundaries:
    """Counts the boundaries that a process comes to, and ends it at the one that was chosen."""

    kind: str
    when: When
    occurrence: int

    def at(self, kind: str, when: When) -> None:
        """Come to a boundary."""
        if (kind, when) == (self.kind, self.when):
            self.occurrence -= 1
            if self.occurrence == 0:
                die()

    async def open(self, *place: Any, **key: Any) -> SqliteJournal:
        """Open a journal whose writing is watched."""
        self.at("open", "before")
        journal = await open_journal(*place, **key)
        self.at("open", "after")
        for name in WRITES:
            setattr(journal, name, partial(self._write, name, getattr(journal, name)))
        return journal

    async def _write(self, name: str, write: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        kind = type(arguments[1]).__name__ if name == "step" else name
        self.at(kind, "before")
        result = await write(*arguments, **options)
        self.at(kind, "after")
        return result


def write_rows(folder: str, name: str, *, api: str, rows: int) -> Path:
    """Write down the rows of a batch: no two alike, one in twelve refused by moderation, and a line that is no row."""
    common = {} if api == "luma" else {"slug": "joke", "model_id": 37}
    path = Path(folder, f"{name}.jsonl")
    with path.open("w") as file:
        for number in range(rows):
            refused = "" if number % 12 else " [[moderate]]"
            file.write(f"{json.dumps({'prompt': f'heron {name} {number}{refused}', **common})}\n")
        file.write("no row\n")
    return path


def go(order: Order, rows: Path, boundaries: Boundaries | None = None) -> None:
    """Run a batch, or go on with it, to its end."""

    async def main() -> None:
        kind = AsyncLuma if order.api == "luma" else AsyncGeneror
        clock = FastClock(order.speed, order.epoch)
        async with kind(order.key, base_url=order.base_url, clock=clock) as client:
            # Few at a time where many processes die: what is under way is in doubt each time.
            concurrency = None if boundaries is None else FEW
            async for _ in run_batch(client, rows, to=rows.with_suffix(""), concurrency=concurrency):
                pass

    with patch("generor_async.batch.run.open_journal", boundaries.open if boundaries else open_journal):
        for left in reversed(range(RUNS)):
            try:
                asyncio.run(main())
                break
            except (DeadlineExceededError, OutcomeUnknownError):
                # Time that runs so fast is soon up on a busy machine; of answers that are lost some are so in a row.
                if not left:
                    raise


def has_ended(folder: Path, *, unknown: bool = True) -> bool:
    """Tell whether every row has; those that are `unknown` have, unless they are looked for in the account yet."""
    try:
        counts = asyncio.run(read_status(folder)).counts
    except InvalidRequestError:  # killed before there was a journal
        return False
    ended = END_STATES if unknown else {"done", "failed"}
    return sum(counts.values()) > 0 and all(state in ended for state, rows in counts.items() if rows)


def at_random(order: Order) -> dict[str, Any]:
    """Kill at random moments; whenever the rows of a batch have ended, let it end, and begin another."""
    dice, killed, batches = Random(order.seed), 0, list[str]()
    while killed < order.kills:
        rows = write_rows(order.folder, f"batch-{len(batches)}", api=order.api, rows=order.rows)
        batches.append(rows.stem)
        begin = partial(go, order, rows)
        while killed < order.kills and not has_ended(rows.with_suffix("")):
            if forked(begin, dice.uniform(SHORTEST, LONGEST)):
                break
            killed += 1
        assert forked(begin)
    return {"kills": killed, "batches": batches}


def at_boundaries(order: Order) -> dict[str, Any]:
    """Die at every kind of boundary, in batches that go on."""
    died, batches = list[str](), list[str]()
    for occurrence in range(1, order.rounds + 1):
        rows = write_rows(order.folder, f"batch-{occurrence}", api=order.api, rows=order.rows)
        batches.append(rows.stem)
        for kind, when in product((*KINDS, *AT_THE_END), WHENS):
            nth = 1 if kind in ONCE else occurrence
            if not forked(partial(go, order, rows, Boundaries(kind, when, nth))):
                died.append(f"{when} {kind}")
        assert forked(partial(go, order, rows))
    return {"kills": len(died), "batches": batches, "died": died}


def main() -> None:
    """Do as ordered."""
    order = Order(**json.loads(sys.argv[1]))
    json.dump(at_random(order) if order.kills else at_boundaries(order), sys.stdout)


if __name__ == "__main__":
    main()
