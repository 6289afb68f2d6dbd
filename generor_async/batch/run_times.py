"""When a batch was run, as its journal keeps it: what lies between two runs is none of its time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from generor_async.batch.journal import Journal, JournalReader

__all__ = ["record_end", "record_start", "run_spans"]

NOTE: Final = "runs"
"""What the journal remembers them by: for each when it began and when it ended, or null."""


async def record_start(journal: "Journal", now: float) -> None:
    """Note that a run begins."""
    noted: Any = await journal.read_note(NOTE)
    await journal.write_note(NOTE, [*(noted or []), [now, None]])


async def record_end(journal: "Journal", now: float) -> None:
    """Note that the run ends that began last."""
    noted: Any = await journal.read_note(NOTE)
    await journal.write_note(NOTE, [*noted[:-1], [noted[-1][0], now]])


async def run_spans(reader: "JournalReader") -> Sequence[tuple[float, float]]:
    """Return when each run began and ended, in Unix seconds: one at least.

    One that was killed, or goes on, ended when something became of a row for the last time.
    """
    noted: Any = await reader.read_note(NOTE)
    if not noted:  # the folder was begun before they were kept
        began: Any = await reader.read_note("began") or 0.0
        ended: Any = await reader.read_note("ended") or 0.0
        return [(began, max(began, ended))]
    runs = list[tuple[float, float]]()
    for place, (began, ended) in enumerate(noted):
        if ended is None:
            after = noted[place + 1][0] if place + 1 < len(noted) else None
            ended = max(began, await reader.last_activity(after))  # noqa: PLW2901 - what is known of it
        runs.append((began, ended))
    return runs
