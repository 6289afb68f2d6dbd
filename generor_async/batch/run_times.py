"""When each run of a batch began and ended, as the journal notes it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from generor_async.batch.journal import Journal, JournalReader

__all__ = ["record_end", "record_start", "run_spans"]

RUNS_NOTE: Final = "runs"
"""Name of the journal's note: a pair of start and end for each run, the end null while it goes on."""


async def record_start(journal: "Journal", now: float) -> None:
    """Note that a run begins."""
    spans: Any = await journal.read_note(RUNS_NOTE)
    await journal.write_note(RUNS_NOTE, [*(spans or []), [now, None]])


async def record_end(journal: "Journal", now: float) -> None:
    """Note that the latest run ends."""
    spans: Any = await journal.read_note(RUNS_NOTE)
    await journal.write_note(RUNS_NOTE, [*spans[:-1], [spans[-1][0], now]])


async def run_spans(reader: "JournalReader") -> Sequence[tuple[float, float]]:
    """Return start and end of each run, in Unix seconds; there is at least one.

    A run that was killed, or still goes on, ends with the last step of its rows.
    """
    note: Any = await reader.read_note(RUNS_NOTE)
    if not note:  # the folder was begun by a version without the note
        began: Any = await reader.read_note("began") or 0.0
        ended: Any = await reader.read_note("ended") or 0.0
        return [(began, max(began, ended))]
    spans = list[tuple[float, float]]()
    for place, (began, ended) in enumerate(note):
        if ended is None:
            after = note[place + 1][0] if place + 1 < len(note) else None
            ended = max(began, await reader.last_activity(after))  # noqa: PLW2901 - the best that is known
        spans.append((began, ended))
    return spans
