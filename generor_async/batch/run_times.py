"""Keeps when the runs of a batch began and ended, and why, in notes of the journal.

Of a run in a database, on which several processes work together, the whole counts as one.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from generor_async.reconciliation.clock import ServerClock
from generor_async.rules.stop_rules import StopReason

if TYPE_CHECKING:
    from generor_async.stores.ledger import Ledger, LedgerReader

__all__ = ["record_end", "record_start", "run_spans"]

RUNS_NOTE: Final = "runs"
"""Name of the note. Its value is a list of [start, end] in Unix seconds; the end of a run under way is null."""


async def record_start(journal: "Ledger", clock: ServerClock, *, shared: bool) -> None:
    """Record the start of a run."""
    if await journal.read_note("began") is None:
        await journal.write_note("began", clock.time())
    if not shared:
        spans: Any = await journal.read_note(RUNS_NOTE)
        await journal.write_note(RUNS_NOTE, [*(spans or []), [clock.time(), None]])
    await journal.write_note("ending", None)


async def record_end(journal: "Ledger", clock: ServerClock, reason: StopReason, *, shared: bool) -> None:
    """Record the end of the latest run; a process that was interrupted leaves one that is shared to the others."""
    if not (shared and reason == "interrupted"):
        await journal.write_note("ending", reason)
    await journal.write_note("ended", clock.time())
    if not shared:
        spans: Any = await journal.read_note(RUNS_NOTE)
        await journal.write_note(RUNS_NOTE, [*spans[:-1], [spans[-1][0], clock.time()]])
    await clock.save(journal)


async def run_spans(reader: "LedgerReader") -> Sequence[tuple[float, float]]:
    """Return the start and end of each run, at least one, in Unix seconds.

    The end of a run that was killed or is under way is the last time at which one of its rows changed.
    """
    note: Any = await reader.read_note(RUNS_NOTE)
    if not note:  # a run in a database, or a folder of an earlier version
        began: Any = await reader.read_note("began") or 0.0
        ended: Any = await reader.read_note("ended") or await reader.last_activity(None)
        return [(began, max(began, ended))]
    spans = list[tuple[float, float]]()
    for (began, ended), (next_start, _) in zip_longest(note, note[1:], fillvalue=(None, None)):
        spans.append((began, max(began, await reader.last_activity(next_start)) if ended is None else ended))
    return spans
