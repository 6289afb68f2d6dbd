"""Reads what Generor's account shows of money: its balance, and what was spent."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from generor_async.errors import NotFoundError, PermissionDeniedError, ResponseShapeError
from generor_async.reconciliation.clock import ServerClock
from generor_async.reconciliation.kept_calls import AccountClient
from generor_async.rules.charges import valid_amount
from generor_async.rules.spend_attribution import SpendAmount
from generor_async.values import maybe, response_to

__all__ = ["read_balance", "read_latest_transaction", "read_spends"]

DATES_READ: Final = 2
"""How often the balance is read again at most where the dates of the first answers don't agree on the server's time."""
_UNREADABLE: Final = (NotFoundError, PermissionDeniedError, ResponseShapeError)
"""Errors that say that transactions can never be read."""


async def read_balance(client: AccountClient, clock: ServerClock) -> float | None:
    """Return the account's credits; None if the answer doesn't say. Read again while dates don't tell the time."""
    balance = await client.credits.balance()
    clock.learn_server_time(response_to(balance))
    for _ in range(DATES_READ):
        if not clock.wants_date:
            break
        balance = await client.credits.balance()
        clock.learn_server_time(response_to(balance))
    return valid_amount(maybe(balance.total))


async def read_latest_transaction(client: AccountClient) -> int | None:
    """Return the id of the latest transaction, 0 if there is none; None if transactions can't be read."""
    with suppress(*_UNREADABLE):
        async for one in client.credits.list_transactions(sort="newest", per_page=1):
            return one.transaction_id if isinstance(one.transaction_id, int) else None
        return 0
    return None


async def read_spends(client: AccountClient, since: int) -> Mapping[int, SpendAmount] | None:
    """Return what was spent after a transaction, by transaction id; None if transactions can't be read."""
    found: dict[int, SpendAmount] = {}
    with suppress(*_UNREADABLE):
        async for one in client.credits.list_transactions(type="spend", sort="newest", per_page=100):
            if not isinstance(one.transaction_id, int):
                return None
            if one.transaction_id <= since:
                break
            amount, creation_id = valid_amount(maybe(one.amount)), maybe(one.creation_id)
            if amount and maybe(one.type) in {None, "spend"}:
                found[one.transaction_id] = SpendAmount(abs(amount), None if creation_id is None else str(creation_id))
        return found
    return None
