"""Tells which paid calls ran alone: only then is the difference of balances that an answer names the call's own cost.

The ledger knows, for all processes of a state: calls under way are `submitting`, and each cost moves an account on
which all calls of the API count.
"""

from typing import Final

from generor_async.engine.state.opened import OpenedState
from generor_async.rules.creation_matching import GENERATE_SECONDS
from generor_async.rules.row_states import RowState
from generor_async.stores.records import AccountKey, CallRecord

__all__ = ["spent_by_others", "total_account"]

MAY_BE_UNDER_WAY: Final[tuple[RowState, ...]] = ("submitting", "unknown")


def total_account(address: str) -> AccountKey:
    """Return the account on which all calls of an API count, of whatever user, for ever and without a limit."""
    return f"{address} total", ""


async def spent_by_others(state: OpenedState, call: CallRecord) -> float | None:
    """Return what has been spent; None if another call may be under way.

    A call for which this is the same after its intent and after its answer ran alone: each call reserves before it is
    sent, and what has cost something since is counted.
    """
    ledger, now = await state.ledger(), state.time()
    async for other in ledger.scan(*MAY_BE_UNDER_WAY):
        if other.number == call.number or other.place != state.address:
            continue
        ends = (other.submitted_at or 0.0) + GENERATE_SECONDS + other.longest
        if other.state == "submitting" or ends > now:
            return None
    account = await ledger.account(total_account(state.address))
    return 0.0 if account is None else account.spent
