"""Why rows are unknown and when they may be settled, as noted in the journal from one check to the next."""

from datetime import UTC, datetime
from typing import Any, Final

from attrs import frozen

from generor_async.reconciliation.unresolved import NOTE, Reason, earliest_absence, reasons_by_attempt
from generor_async.rules.vendors import GENEROR, Vendor
from generor_async.stores.ledger import LedgerReader
from generor_async.stores.records import CallRecord

__all__ = ["Unresolved", "unresolved_rows"]

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


async def unresolved_rows(reader: LedgerReader, vendor: Vendor) -> list[Unresolved]:
    """Return the unknown rows, in the order of reading."""
    reasons = reasons_by_attempt(await reader.read_note(NOTE))
    unresolved: list[Unresolved] = []
    async for row in reader.scan("unknown"):
        why, until = _reason(row, vendor, reasons)
        when = None if until is None else datetime.fromtimestamp(until, UTC)
        unresolved.append(Unresolved(id=row.id, place=row.place, why=why, until=when))
    return unresolved


def _reason(row: CallRecord, vendor: Vendor, known: dict[tuple[int, int], Reason]) -> tuple[str, float | None]:
    problem: Any = row.problem or {"message": ""}
    if row.remote_ids:
        return f"it was charged, and there is no result: {problem['message']}", None
    if vendor is not GENEROR:
        return NOT_LISTED, None
    why, until = known.get((row.number, row.attempt), (NOT_CHECKED, earliest_absence(row)))
    return (why if until is not None else why + GIVEN_UP), until
