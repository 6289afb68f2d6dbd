"""Why rows are unknown and when they may be settled, as noted in the journal from one check to the next."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from generor_async.batch.journal import Journal, JournalReader, Row
from generor_async.rules.reconcile import absent_after
from generor_async.rules.vendors import GENEROR, Vendor

if TYPE_CHECKING:
    from generor_async.values import JSON

__all__ = ["LAG", "Unresolved", "earliest_absence", "note_unresolved", "unresolved_rows"]

LAG: Final = 300.0
"""Seconds by which listings may be late (assumed)."""
NOTE: Final = "doubts"
"""Name of the journal's note."""
NOT_LISTED: Final = (
    "Luma lists no jobs, so nobody can tell: `retry --unknown` runs it again, and it may be charged again"
)
NOT_CHECKED: Final = "the account has not been checked since its call: the next run does that"
GIVEN_UP: Final = ", and nothing more is waited for: `retry --unknown` runs it again, and it may be charged again"


@frozen(kw_only=True)
class Unresolved:
    """A row that may have been charged, or that was charged and has no result."""

    id: str
    place: str
    """Where it was read, such as `prompts.jsonl:17`."""
    why: str
    """What is not known, and what is waited for."""
    until: datetime | None
    """When it may be settled at the earliest, in UTC; None if waiting is of no use."""


def earliest_absence(row: Row) -> float:
    """Return when a row's call can first be known to have had no effect."""
    return absent_after(row.submitted_at or 0.0, longest=row.longest, lag=LAG)


async def note_unresolved(journal: Journal, reasons: Iterable[tuple[Row, str, float | None]]) -> None:
    """Note why rows stay unknown, and until when, if that has changed."""
    groups: dict[tuple[str, float | None], list[list[int]]] = {}
    for row, why, until in reasons:
        groups.setdefault((why, until), []).append([row.number, row.attempt])
    note: JSON = [[why, until, rows] for (why, until), rows in groups.items()]
    if note != await journal.read_note(NOTE):
        await journal.write_note(NOTE, note)


async def unresolved_rows(reader: JournalReader, vendor: Vendor) -> list[Unresolved]:
    """Return the unknown rows, in the order of reading."""
    note: Any = await reader.read_note(NOTE)
    reasons = dict(_reasons_by_row(note or []))
    unresolved: list[Unresolved] = []
    async for row in reader.rows("unknown"):
        why, until = _reason(row, vendor, reasons)
        when = None if until is None else datetime.fromtimestamp(until, UTC)
        unresolved.append(Unresolved(id=row.id, place=row.place, why=why, until=when))
    return unresolved


def _reasons_by_row(groups: Any) -> Iterator[tuple[tuple[int, int], tuple[str, float | None]]]:
    for why, until, rows in groups:
        for number, attempt in rows:
            yield (number, attempt), (why, until)


def _reason(
    row: Row, vendor: Vendor, known: dict[tuple[int, int], tuple[str, float | None]]
) -> tuple[str, float | None]:
    problem: Any = row.problem or {"message": ""}
    if row.remote_ids:
        return f"it was charged, and there is no result: {problem['message']}", None
    if vendor is not GENEROR:
        return NOT_LISTED, None
    why, until = known.get((row.number, row.attempt), (NOT_CHECKED, earliest_absence(row)))
    return (why if until is not None else why + GIVEN_UP), until
