"""What rows have cost and may have cost, computed from the journal the same way for every display."""

from attrs import frozen

from generor_async.rules.charges import ChargedCalls, Charges
from generor_async.stores.ledger import LedgerReader
from generor_async.stores.records import CallRecord

__all__ = ["RowCost", "read_charges", "row_cost"]


async def read_charges(reader: LedgerReader) -> Charges:
    """Return the charges of all calls."""
    return Charges(await reader.charges())


@frozen
class RowCost:
    """The cost of a row's attempts, in credits."""

    spent: float
    """What they likely cost."""
    doubtful: float
    """What else they may have cost."""


def row_cost(row: CallRecord, charges: Charges) -> RowCost | None:
    """Return what a row has cost; None if no call was made for it."""
    before = row.charged_before - row.unresolved_before
    if row.model is None:
        return RowCost(before, row.unresolved_before) if row.charged_before else None
    if row.cost is None and row.state != "done":
        return RowCost(before, row.unresolved_before + row.counted)
    if row.cost == 0 and row.state in {"ready", "failed"}:
        return RowCost(before, row.unresolved_before)
    settled = ChargedCalls(model=row.model, estimated=row.estimated, cost=row.cost, source=row.cost_source)
    return RowCost(before + charges.probable_cost(settled), row.unresolved_before)
