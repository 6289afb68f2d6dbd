"""What rows have cost, and what is in doubt, told from the journal: the same wherever it is shown."""

from attrs import frozen

from generor_async.batch.journal import JournalReader, Row
from generor_async.rules.charges import ChargedCalls, Charges

__all__ = ["RowCost", "read_charges", "row_cost"]


async def read_charges(reader: JournalReader) -> Charges:
    """Return what is known of all calls that were charged."""
    return Charges(await reader.charges())


@frozen
class RowCost:
    """What a row's attempts come to, in credits."""

    spent: float
    """What they have likely cost."""
    doubtful: float
    """What they may have cost beside."""


def row_cost(row: Row, charges: Charges) -> RowCost | None:
    """Return what a row has cost, and may have cost beside; None where no call was made."""
    before = row.charged_before - row.unresolved_before
    if row.model is None:
        return RowCost(before, row.unresolved_before) if row.charged_before else None
    if row.cost is None and row.state != "done":
        return RowCost(before, row.unresolved_before + row.counted)
    if row.cost == 0 and row.state in {"ready", "failed"}:
        return RowCost(before, row.unresolved_before)
    settled = ChargedCalls(model=row.model, estimated=row.estimated, cost=row.cost, source=row.cost_source)
    return RowCost(before + charges.likely(settled), row.unresolved_before)
