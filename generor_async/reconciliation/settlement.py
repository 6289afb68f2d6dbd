"""Corrects what the calls in a state have cost by the account's transactions.

By `credit_cost` alone nobody can tell what a call has cost that overlapped with others: it counts as its estimate times
the ratio that was learned. The transactions are the charges themselves: they correct the calls, and with them every
account that these count on, so that the sum over users stays the total.

What was read of the transactions is noted in the state, as any of its processes may read on.
"""

from typing import Any, Final, Protocol

from generor_async.reconciliation.account_reads import read_latest_transaction, read_spends
from generor_async.reconciliation.kept_calls import AccountClient, KeptCalls
from generor_async.rules.charges import Charges
from generor_async.rules.spend_attribution import SpendAmount, attribute_spends
from generor_async.stores.ledger import Ledger
from generor_async.values import JSON

__all__ = ["SettledCalls", "begin_settlement", "settle_calls"]

NOTE: Final = "transactions"
"""Name of the note: the transaction after which to read, the ids of those that were read after it, the spends that
belong to no known call, and whether transactions have named a creation."""
MOST_CALLS: Final = 10_000
"""How many calls without a transaction are looked for, of the latest first, and how many foreign spends are kept."""
IDS_KEPT: Final = 300
"""How many ids of the latest transactions are kept: one that is listed late may have a lower id."""
FOREIGN_KEPT: Final = 1_000


class SettledCalls(KeptCalls, Protocol):
    """The calls of one account in a ledger."""

    place: str
    """The API's address."""

    async def ledger(self) -> Ledger:
        """Return the ledger."""
        ...


async def begin_settlement(calls: KeptCalls, transaction: int | None) -> None:
    """Note after which transaction the first call is made; None if they can't be read."""
    if transaction is not None and await calls.read_note(NOTE) is None:
        await calls.write_note(NOTE, _note(transaction, [], [], names=False))


async def settle_calls(client: AccountClient, calls: SettledCalls, charges: Charges) -> bool:
    """Read the new transactions, if a call has none yet; return whether the cost of a call was corrected.

    Raises:
        APIError: They can't be read now.
        DeadlineExceededError: As above.
    """
    ledger = await calls.ledger()
    unlisted = await ledger.unlisted_calls(MOST_CALLS, place=calls.place)
    if not unlisted:
        return False
    note: Any = await calls.read_note(NOTE)
    if note is None:  # nobody can tell which transactions those of these calls are
        await begin_settlement(calls, await read_latest_transaction(client))
        return False
    spends = await read_spends(client, note["after"])
    if spends is None:
        return False
    new = {id_: spend for id_, spend in spends.items() if id_ not in note["seen"]}
    known = [SpendAmount(*one) for one in note["foreign"]]
    costs, foreign = attribute_spends(
        unlisted, [*known, *new.values()], charges.probable_cost, names=bool(note["names"])
    )
    await ledger.correct_costs(costs, "listed")
    names = bool(note["names"]) or bool(costs and any(spend.creation_id is not None for spend in new.values()))
    await calls.write_note(NOTE, _note(note["after"], [*note["seen"], *new], foreign, names=names))
    return bool(costs)


def _note(after: int, seen: list[int], foreign: list[SpendAmount], *, names: bool) -> JSON:
    """Return the note, with as much as is kept."""
    seen = sorted(seen)
    if dropped := seen[:-IDS_KEPT]:
        after, seen = dropped[-1], seen[-IDS_KEPT:]
    kept = [[one.credits, one.creation_id] for one in foreign[-FOREIGN_KEPT:]]
    return {"after": after, "seen": [*seen], "foreign": [*kept], "names": names}
