"""Reads the account's new transactions and its balance, as far as the API shows them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from generor_async.batch.provider import Provider
from generor_async.errors import APIError, DeadlineExceededError, InternalServerError, ResponseShapeError
from generor_async.rules.spend_attribution import SpendAmount
from generor_async.stores.ledger import Ledger

if TYPE_CHECKING:
    from generor_async.values import JSON

__all__ = ["AccountReader"]

IDS_KEPT: Final = 300
"""How many ids of the latest transactions are kept: one that is listed late may have a lower id."""


class AccountReader:
    """Reads the account; each transaction is returned once."""

    def __init__(self, provider: Provider, journal: Ledger) -> None:
        self.lists_transactions = provider.lists_transactions
        self._provider = provider
        self._journal = journal
        self._read_after: int | None = None
        """Id of the transaction after which to read; None if the account's transactions can't be read."""
        self._seen_ids: list[int] = []
        """Ids of the latest transactions read after it, in order."""

    async def begin(self) -> None:
        """Record balance and latest transaction before the batch's first call, which also proves the key."""
        balance: float | None = None
        with suppress(InternalServerError, ResponseShapeError):  # it is one of several witnesses
            balance = await self._provider.balance()
        note: Any = await self._journal.read_note("account")
        if note is None:
            found: JSON = {"balance": balance, "transaction": await self._provider.latest_transaction()}
            note = await self._journal.read_note("account")  # the process that was first may have bought since
            if note is None:
                note = found
                await self._journal.write_note("account", note)
        self._read_after = note["transaction"]
        if self._read_after is not None:
            last_listed: Any = await self._journal.read_note("listed")
            self._read_after = max(self._read_after, last_listed or 0)

    async def new_spends(self) -> Sequence[SpendAmount] | None:
        """Return the spends listed since the last read; None if they can't be read."""
        spends = None if self._read_after is None else await self._provider.spends_since(self._read_after)
        if spends is None:
            return None
        new = {id_: spend for id_, spend in spends.items() if id_ not in self._seen_ids}
        self._seen_ids = sorted([*self._seen_ids, *new])
        if dropped := self._seen_ids[:-IDS_KEPT]:
            self._read_after, self._seen_ids = dropped[-1], self._seen_ids[-IDS_KEPT:]
        return list(new.values())

    async def balance(self) -> float | None:
        """Return the account's credits; None if they can't be read."""
        with suppress(APIError, DeadlineExceededError):
            return await self._provider.balance()
        return None

    async def mark_attributed(self) -> None:
        """Note that every call so far has its transaction, so that the next run reads only later ones."""
        if self._seen_ids:
            await self._journal.write_note("listed", self._seen_ids[-1])
