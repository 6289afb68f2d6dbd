"""The budget of a run that several processes work on: one account in the database has room or not.

What is here is only what this process knows of the account, so that no call waits in the queue for nothing; the account
is asked in the transaction of each intent, and refuses what exceeds the cap. So the cap is exact for fixed prices. A
call of Generor may cost more than its estimate: until the account's transactions have shown the price, it reserves a
multiple. Nothing is learned from the balance, which falls by what other processes buy, nor is any call known to run
alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from generor_async.batch.account_reader import AccountReader
from generor_async.batch.budget_gate import REMEMBERED, BudgetGate
from generor_async.batch.costs import read_charges
from generor_async.batch.database_outage import DatabaseOutage
from generor_async.prices import Quote
from generor_async.rules.budget import NO_CAP, Budget, Reservation
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import Account, AccountKey
from generor_async.values import Clock

__all__ = ["SharedBudgetGate"]

RETRY_SECONDS = 1.0
"""Seconds between two looks whether others have left room under the cap."""


class SharedBudgetGate(BudgetGate):
    """The budget that the rows of one process share with those of others."""

    is_alone = False

    def __init__(
        self,
        account: AccountReader,
        journal: Ledger,
        key: AccountKey,
        *,
        clock: Clock,
        outage: DatabaseOutage,
        may_free_room: Callable[[], Awaitable[bool]],
    ) -> None:
        super().__init__(Budget(), account, journal)
        self._key = key
        self._clock = clock
        self._outage = outage
        self._may_free_room = may_free_room
        """Tells whether a call is under way anywhere that may cost less than is reserved for it."""

    async def begin(self) -> None:
        """Record the account's state, and read what was spent."""
        await self._account.begin()
        await self.reload()

    async def reload(self) -> None:
        """Read what all processes have spent and reserved."""
        account = await self._journal.account(self._key)
        assert account is not None
        charges = await read_charges(self._journal)
        budget = self.budget
        budget.cap, budget.charges = NO_CAP if account.cap is None else account.cap, charges
        budget.unresolved = account.reserved - budget.booked + max(0.0, account.spent - charges.counted)

    async def reserve(self, quote: Quote) -> Reservation | None:
        """Reserve credits for a call; wait while others may leave room; return None if the cap doesn't allow it."""
        async with self._lock:
            while (reservation := await self._reserve(quote)) is None:
                if not await self._outage.until_back(self._may_free_room):
                    return None
                self._changed.clear()
                waiting = asyncio.ensure_future(self._changed.wait())
                try:
                    await asyncio.wait({waiting}, timeout=RETRY_SECONDS / self._clock.speed)
                finally:
                    waiting.cancel()
            self._count(quote)
            return reservation

    async def _reserve(self, quote: Quote) -> Reservation | None:
        """Reserve by what is known here or, if that leaves no room, by what the database says."""
        reserve = self.budget.reserve_beside_others
        if (found := reserve(quote.model, quote.credits, fixed=quote.fixed)) is None:
            if not quote.fixed:
                await self._refresh_if_new()
            await self._outage.until_back(self.reload)
            found = reserve(quote.model, quote.credits, fixed=quote.fixed)
        return found

    def settle(
        self, reservation: Reservation, cost: float | None, *, number: int, remote_ids: tuple[str, ...]
    ) -> float:
        """Count a call; until its price is known, it counts on the account as what was reserved for it."""
        likely = super().settle(reservation, cost, number=number, remote_ids=remote_ids)
        return likely if self.budget.charges.is_known(reservation.model) else max(likely, reservation.credits)

    async def correct_account(self, full: Account) -> bool:  # noqa: ARG002 - it may have changed since
        """Read what others have spent; return False, as the account itself is right."""
        await self._outage.until_back(self.reload)
        return False

    async def refresh(self) -> None:
        """Read the account's new transactions, if any charged call of any process has none yet."""
        if self._account.lists_transactions:
            self._unattributed = {call.number: call for call in await self._journal.unlisted_calls(REMEMBERED)}
        await super().refresh()
        await self.reload()

    def _count_corrections(self, costs: Mapping[int, float]) -> None:
        """Do nothing: the charges are read again."""
