"""What the account shows of what a batch has spent: its transactions, and its balance."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from generor_async.batch.journal import Journal
from generor_async.batch.provider import Provider
from generor_async.errors import APIError, DeadlineExceededError, InternalServerError, ResponseShapeError
from generor_async.rules.spend_attribution import SpendAmount

__all__ = ["AccountReader"]

IDS_KEPT: Final = 300
"""Of how many transactions that were read last the ids are kept: one that is listed late may come before them."""


class AccountReader:
    """The account, asked for what is new since it was asked before."""

    def __init__(self, provider: Provider, journal: Journal) -> None:
        self._provider = provider
        self._journal = journal
        self._read_after: int | None = None
        """The transaction after which what was spent is read; None where nobody can say."""
        self._seen_ids: list[int] = []
        """The latest transactions after it that were read, in order."""

    @property
    def lists_transactions(self) -> bool:
        """Whether the API lists transactions."""
        return self._provider.lists_transactions

    async def begin(self) -> None:
        """Note where it stands before the batch's first call; asking proves the key, and tells the API's time."""
        balance: float | None = None
        with suppress(InternalServerError, ResponseShapeError):  # it is one of several witnesses
            balance = await self._provider.balance()
        noted: Any = await self._journal.read_note("account")
        if noted is None:
            noted = {"balance": balance, "transaction": await self._provider.latest_transaction()}
            await self._journal.write_note("account", noted)
        self._read_after = noted["transaction"]
        if self._read_after is not None:
            listed: Any = await self._journal.read_note("listed")
            self._read_after = max(self._read_after, listed or 0)

    async def new_spends(self) -> Sequence[SpendAmount] | None:
        """Return what was spent, and was not listed when this was asked before; None where nobody can say."""
        found = None if self._read_after is None else await self._provider.spends_since(self._read_after)
        if found is None:
            return None
        fresh = {id_: spend for id_, spend in found.items() if id_ not in self._seen_ids}
        self._seen_ids = sorted([*self._seen_ids, *fresh])
        if dropped := self._seen_ids[:-IDS_KEPT]:
            self._read_after, self._seen_ids = dropped[-1], self._seen_ids[-IDS_KEPT:]
        return list(fresh.values())

    async def balance(self) -> float | None:
        """Return the account's credits; None where nobody can say."""
        with suppress(APIError, DeadlineExceededError):
            return await self._provider.balance()
        return None

    async def mark_attributed(self) -> None:
        """Note that what was read so far has told of every call: what comes later is read from here on."""
        if self._seen_ids:
            await self._journal.write_note("listed", self._seen_ids[-1])
