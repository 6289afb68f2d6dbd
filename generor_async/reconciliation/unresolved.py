"""Why calls are unknown and when they may be settled, as noted from one check to the next."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from generor_async.reconciliation.kept_calls import KeptCalls
from generor_async.rules.reconcile import absent_after
from generor_async.stores.records import CallRecord

if TYPE_CHECKING:
    from generor_async.values import JSON

__all__ = ["LAG", "NOTE", "Reason", "earliest_absence", "note_unresolved", "reasons_by_attempt"]

LAG: Final = 300.0
"""Seconds by which listings may be late (assumed)."""
NOTE: Final = "doubts"
"""Name of the note."""
Reason = tuple[str, float | None]
"""Why a call is unknown, and until when at least, in Unix seconds; None if no check will settle it."""


def earliest_absence(row: CallRecord) -> float:
    """Return when a row's call can first be known to have had no effect."""
    return absent_after(row.submitted_at or 0.0, longest=row.longest, lag=LAG)


async def note_unresolved(journal: KeptCalls, reasons: Iterable[tuple[CallRecord, str, float | None]]) -> None:
    """Note why rows stay unknown, and until when, if that has changed."""
    groups: dict[tuple[str, float | None], list[list[int]]] = {}
    for row, why, until in reasons:
        groups.setdefault((why, until), []).append([row.number, row.attempt])
    note: JSON = [[why, until, rows] for (why, until), rows in groups.items()]
    if note != await journal.read_note(NOTE):
        await journal.write_note(NOTE, note)


def reasons_by_attempt(note: Any) -> dict[tuple[int, int], Reason]:
    """Return the reasons in a note, by number and attempt."""
    return dict(_reasons(note or []))


def _reasons(groups: Any) -> Iterator[tuple[tuple[int, int], Reason]]:
    for why, until, rows in groups:
        for number, attempt in rows:
            yield (number, attempt), (why, until)
