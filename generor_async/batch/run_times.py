"""Keeps the start and end of each run of a batch, in a note of the journal."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from generor_async.batch.journal import Journal, JournalReader

__all__ = ["record_end", "record_start", "run_spans"]

RUNS_NOTE: Final = "runs"
"""Name of the note. Its value is a list of [start, end] in Unix seconds; the end of a run under way is null."""


async def record_start(journal: "Journal", now: float) -> None:
    """Record the start of a run."""
    spans: Any = await journal.read_note(RUNS_NOTE)
    await journal.write_note(RUNS_NOTE, [*(spans or []), [now, None]])


async def record_end(journal: "Journal", now: float) -> None:
    """Record the end of the latest run."""
    spans: Any = await journal.read_note(RUNS_NOTE)
    await journal.write_note(RUNS_NOTE, [*spans[:-1], [spans[-1][0], now]])


async def run_spans(reader: "JournalReader") -> Sequence[tuple[float, float]]:
    """Return the start and end of each run, at least one, in Unix seconds.

    The end of a run that was killed or is under way is the last time at which one of its rows changed.
    """
    note: Any = await reader.read_note(RUNS_NOTE)
    if not note:  # a folder of an earlier version
        began: Any = await reader.read_note("began") or 0.0
        ended: Any = await reader.read_note("ended") or 0.0
        return [(began, max(began, ended))]
    spans = list[tuple[float, float]]()
    for (began, ended), (next_start, _) in zip_longest(note, note[1:], fillvalue=(None, None)):
        spans.append((began, max(began, await reader.last_activity(next_start)) if ended is None else ended))
    return spans
