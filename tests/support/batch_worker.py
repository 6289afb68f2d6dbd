"""Runs batches in processes of their own, and kills them: at random moments, or at the boundaries of their journals.

A boundary is the moment right before or right after a write to the journal. The API runs in another process.

    python -m support.batch_worker ORDER    (an `Order` as JSON; prints the outcome as JSON)
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
from generor_async.batch.journal import open_journal
from generor_async.batch.runner import run_batch
from generor_async.batch.status import read_status
from generor_async.errors import DeadlineExceededError, InvalidRequestError, OutcomeUnknownError
from generor_async.rules.row_states import END_STATES
from generor_async.stores.ledger import Ledger

__all__ = ["Order", "has_ended", "write_rows"]

When: TypeAlias = Literal["before", "after"]
WHENS: tuple[When, ...] = ("before", "after")
STEP_WRITES = ("intend", "accept", "settle", "release")
WRITES = ("add", "add_rejects", "claim", *STEP_WRITES, "write_note", "close")
STEPS = ("Submit", "Defer", "MarkUnknown", "Accept", "Download", "Finish", "Fail")
KINDS = ("open", "write_note", "add", "add_rejects", "claim", *STEPS)
ONCE = frozenset({"open", "add", "add_rejects", "write_note", "close"})
"""Boundaries that a process meets once or a few times."""
AT_THE_END = ("Release", "close")
"""Boundaries met last: an absent row is released, and the journal is closed."""
FEW = 8
RUNS = 20
"""How often a run that stopped by itself is run again."""
SHORTEST, LONGEST = 0.02, 0.4
"""Real seconds before a process is killed."""


@frozen(kw_only=True)
class Order:
    """What to run, against which server, and how to kill it."""

    api: str
    base_url: str
    key: str
    speed: float
    epoch: float
    folder: str
    rows: int
    """Rows of a batch; when one has ended, another begins."""
    kills: int = 0
    """Kills at random moments; none means kills at the boundaries."""
    rounds: int = 1
    """How many batches die at every boundary: at its first occurrence, its second, and so on."""
    seed: int = 7


@define
class Boundaries:
    """Counts the boundaries that a process meets, and kills it at the chosen one."""

    kind: str
    when: When
    occurrence: int

    def at(self, kind: str, when: When) -> None:
        """Count a boundary, and die if it is the chosen one."""
        if (kind, when) == (self.kind, self.when):
            self.occurrence -= 1
            if self.occurrence == 0:
                die()

    async def open(self, *place: Any, **key: Any) -> Ledger:
        """Open a journal whose writes are boundaries."""
        self.at("open", "before")
        journal = await open_journal(*place, **key)
        self.at("open", "after")
        for name in WRITES:
            setattr(journal, name, partial(self._write, name, getattr(journal, name)))
        return journal

    async def _write(self, name: str, write: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        kind = type(arguments[1]).__name__ if name in STEP_WRITES else name
        self.at(kind, "before")
        result = await write(*arguments, **options)
        self.at(kind, "after")
        return result


def write_rows(folder: str, name: str, *, api: str, rows: int) -> Path:
    """Write a batch's input file: distinct rows, one in twelve refused by moderation, and a line that is no row."""
    common = {} if api == "luma" else {"slug": "joke", "model_id": 37}
    path = Path(folder, f"{name}.jsonl")
    with path.open("w") as file:
        for number in range(rows):
            refused = "" if number % 12 else " [[moderate]]"
            file.write(f"{json.dumps({'prompt': f'heron {name} {number}{refused}', **common})}\n")
        file.write("no row\n")
    return path


def go(order: Order, rows: Path, boundaries: Boundaries | None = None) -> None:
    """Run a batch, or continue it, to its end."""

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
    """Return whether every row has ended; `unknown` says whether an unknown row counts as ended."""
    try:
        counts = asyncio.run(read_status(folder)).counts
    except InvalidRequestError:  # killed before there was a journal
        return False
    ended = END_STATES if unknown else {"done", "failed"}
    return sum(counts.values()) > 0 and all(state in ended for state, rows in counts.items() if rows)


def at_random(order: Order) -> dict[str, Any]:
    """Kill at random moments; when a batch has ended, begin another."""
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
    """Die at every kind of boundary, in batches that are continued."""
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
    """Run as the argument says, and print the outcome."""
    order = Order(**json.loads(sys.argv[1]))
    json.dump(at_random(order) if order.kills else at_boundaries(order), sys.stdout)


if __name__ == "__main__":
    main()
