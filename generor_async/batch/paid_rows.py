"""The rows that this process has paid for last, with what it knows of them.

A database that was replaced after a failover, or restored, may lack what was committed last. What a process knows that
has bought it is written again: the ids of jobs and creations, by which their outputs are fetched, and what they cost.
"""

from copy import copy
from typing import Final

from generor_async.rules.row_states import STATE_AFTER, Accept, Fail, Finish, MarkUnknown, Release, RowState, RowStep
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import CallRecord
from generor_async.stores.steps import update_call

__all__ = ["PaidRows"]

KEPT: Final = 2_000
"""Rows that are remembered: more than are paid for in what a failover may lose."""
BEHIND: Final[frozenset[RowState]] = frozenset({"ready", "leased", "submitting", "unknown"})
"""States of rows of whose payment a ledger doesn't know."""


class PaidRows:
    """Remembers the rows that were paid for last."""

    def __init__(self) -> None:
        self._rows: dict[int, CallRecord] = {}

    def note(self, row: CallRecord, step: RowStep) -> None:
        """Note a step of a row, whether or not it can be written."""
        match step:
            case Accept():
                self._rows[row.number] = copy(row)
                if len(self._rows) > KEPT:
                    del self._rows[next(iter(self._rows))]
            case Finish() | Fail():
                pass
            case Release() | MarkUnknown():
                self._rows.pop(row.number, None)
                return
            case _:
                return
        if (known := self._rows.get(row.number)) is not None:
            known.state, known.owner = STATE_AFTER[type(step)], None
            update_call(known, step)

    async def write_lost(self, journal: Ledger) -> set[str]:
        """Write those again that a ledger lacks; return the ids of what all of them have made, if it has them now."""
        stored = await journal.get(list(self._rows))
        lost = [self._rows[row.number] for row in stored if _is_behind(row, self._rows[row.number])]
        if lost:
            await journal.restore(lost)
        return {id_ for row in [*stored, *lost] for id_ in row.remote_ids}


def _is_behind(stored: CallRecord, known: CallRecord) -> bool:
    return stored.state in BEHIND and not stored.remote_ids and stored.attempt <= known.attempt
