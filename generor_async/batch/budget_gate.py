"""Reserves credits for the calls of a batch, first come first served, and corrects their costs from the account.

Calls of a model whose price is not known run one by one. The account's transactions correct what calls were charged.
They are read every ten minutes, when calls come near the cap, and before the cap refuses one. Where a call that ran
alone names no cost, the balance before and after it tells.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Final

from attrs import evolve

from generor_async.batch.account_reader import AccountReader
from generor_async.errors import APIError, DeadlineExceededError, GenerorAsyncError
from generor_async.prices import Quote
from generor_async.rules.budget import CREDIT_TOLERANCE, NO_CAP, Budget, Reservation
from generor_async.rules.charges import valid_cost
from generor_async.rules.spend_attribution import SpendAmount, UnattributedCall, attribute_spends
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import Account, CallRecord
from generor_async.values import Clock

__all__ = ["BudgetGate"]

FIRST_REFRESH: Final = 60.0
REFRESH_EVERY: Final = 600.0
"""Seconds between two reads of the account: each takes a call of the key's limits, and one more per 100 rows."""
FEW_CALLS: Final = 3
"""So few calls settled since the last read are not worth another."""
PRICE_RISE: Final = 4
"""By which factor calls may have become dearer since the last read of the account (the documentation's own example was
estimated at 6 and charged 24)."""
REMEMBERED: Final = 10_000
"""How many calls without a transaction, and how many foreign spends, are kept in memory."""


class BudgetGate:
    """The budget that the rows of a run share."""

    is_alone = True
    """Whether nobody else spends under the cap."""

    def __init__(self, budget: Budget, account: AccountReader, journal: Ledger) -> None:
        self.budget = budget
        self._account = account
        self._journal = journal
        self._lock = asyncio.Lock()
        self._refresh_lock = asyncio.Lock()
        self._changed = asyncio.Event()
        self._quotes, self._quoted_credits = 0, 0.0
        """How many calls were reserved, and the sum of their estimates."""
        self._unattributed: dict[int, UnattributedCall] = {}
        """Charged calls that no transaction has been attributed to, by row number."""
        self._foreign_spends: list[SpendAmount] = []
        """Spends that no call is known for: another user's, or of calls that are still under way."""
        self._names_creations = False
        """Whether a transaction has named a creation of this batch."""
        self._settled_calls = 0
        """Calls that this run has settled."""
        self._settled_at_refresh = -1
        """What that number was when the account was read last."""
        self._call_without_cost: UnattributedCall | None = None
        """The latest call that ran alone to teach a price, and whose answer named no cost."""
        self._balance: float | None = None
        """The balance before the next call that is to teach a price; None until a call has named no cost."""

    async def begin(self) -> None:
        """Record the account's state, and load the calls without a transaction."""
        await self._account.begin()
        if self._account.lists_transactions:
            self._unattributed = {call.number: call for call in await self._journal.unlisted_calls(REMEMBERED)}

    @property
    def spent(self) -> float:
        """What was charged, as the best sources say."""
        return self.budget.charges.spent

    @property
    def mean_cost(self) -> float | None:
        """What a call is likely to cost on average; None before the first."""
        if not self._quotes:
            return None
        charges = self.budget.charges
        drift = charges.spent / charges.estimated if charges.estimated else 1.0
        return drift * self._quoted_credits / self._quotes

    async def poll_account(self, clock: Clock) -> None:
        """Read the account's transactions at intervals, until cancelled."""
        pause = FIRST_REFRESH
        while True:
            await clock.sleep(pause)
            with suppress(GenerorAsyncError):
                await self.refresh()
            pause = REFRESH_EVERY

    async def reserve(self, quote: Quote) -> Reservation | None:
        """Reserve credits for a call, in order of request; return None if the cap doesn't allow it."""
        async with self._lock:
            while True:
                self._changed.clear()
                if self._price_is_unknown(quote):
                    await self._refresh_if_new()
                    await self._read_balance()
                elif self._is_near_the_cap(quote):
                    await self._refresh_if_new()
                reservation = self.budget.reserve(quote.model, quote.credits, fixed=quote.fixed)
                if isinstance(reservation, Reservation):
                    self._count(quote)
                    return reservation
                if reservation == "wait":
                    await self._changed.wait()
                elif not await self._refresh_if_new():
                    return None

    def _count(self, quote: Quote) -> None:
        self._quotes, self._quoted_credits = self._quotes + 1, self._quoted_credits + quote.credits

    async def correct_account(self, full: Account) -> bool:
        """Replace what an account without room has spent by what is known here; return whether that was another sum."""
        spent = self.budget.charges.counted
        if abs(spent - full.spent) <= CREDIT_TOLERANCE:
            return False
        await self._journal.set_spent(full.key, spent)
        return True

    def resume(self, row: CallRecord) -> Reservation | None:
        """Reserve credits for a row whose call was made before the restart; None if its cost is known."""
        if row.cost is not None:
            return None
        return self.budget.resume(row.model or "", row.estimated, row.counted)

    def release_unresolved(self, row: CallRecord) -> None:
        """Release what was reserved for an unknown row whose call had no effect."""
        self.release(self.budget.resume(row.model or "", row.estimated, row.counted))

    def settle(
        self, reservation: Reservation, cost: float | None, *, number: int, remote_ids: tuple[str, ...]
    ) -> float:
        """Count what a row's call says that it cost; return what it likely cost."""
        settled = self.budget.settle(reservation, cost)
        self._settled_calls += 1
        call = UnattributedCall(number=number, remote_ids=remote_ids, settled=settled)
        if reservation.learns_price and cost is None:
            self._call_without_cost = call
        if self._account.lists_transactions and remote_ids:
            self._unattributed[number] = call
            for oldest in list(islice(self._unattributed, max(0, len(self._unattributed) - REMEMBERED))):
                del self._unattributed[oldest]
        self._changed.set()
        return self.budget.charges.probable_cost(settled)

    def release(self, reservation: Reservation) -> None:
        """Release a reservation: the call cost nothing."""
        self.budget.release(reservation)
        self._changed.set()

    def keep_unresolved(self, reservation: Reservation) -> None:
        """Count a reservation as the worst cost of a call that may have been charged."""
        self.budget.keep_unresolved(reservation)
        self._changed.set()

    async def refresh(self) -> None:
        """Read the account's new transactions, if any charged call has none yet."""
        async with self._refresh_lock:
            if not self._unattributed:
                return
            self._settled_at_refresh = self._settled_calls
            spends = await self._account.new_spends()
            if spends is not None:
                await self._apply_transactions([*self._foreign_spends, *spends])
        self._changed.set()

    def _price_is_unknown(self, quote: Quote) -> bool:
        return not (quote.fixed or self.budget.cap == NO_CAP or self.budget.charges.is_known(quote.model))

    def _is_near_the_cap(self, quote: Quote) -> bool:
        """Return whether the calls settled since the last read may have cost all that is left under the cap."""
        since = self._settled_calls - max(0, self._settled_at_refresh)
        price = self.budget.charges.price(quote.model, quote.credits)
        return since >= FEW_CALLS and since * price * PRICE_RISE >= self.budget.cap - self.budget.committed

    async def _read_balance(self) -> None:
        """Read the balance if the call before named no cost: what the balance fell by is the cost."""
        silent, before, self._call_without_cost = self._call_without_cost, self._balance, None
        if silent is None:
            return
        self._balance = await self._account.balance()
        if before is None or self._balance is None:
            return
        cost = valid_cost(before - self._balance)
        if cost:
            better = silent.settled.with_cost(cost, "alone")
            await self._journal.correct_costs({silent.number: cost}, "alone")
            self.budget.charges.correct(silent.settled, better)
            if silent.number in self._unattributed:
                self._unattributed[silent.number] = evolve(silent, settled=better)

    async def _refresh_if_new(self) -> bool:
        """Read the account if calls were settled since the last read; return whether that leaves more under the cap."""
        if self._settled_calls == self._settled_at_refresh:
            return False
        before = self.budget.committed
        with suppress(APIError, DeadlineExceededError):
            await self.refresh()
        return self.budget.committed < before - CREDIT_TOLERANCE

    async def _apply_transactions(self, spends: list[SpendAmount]) -> None:
        calls = list(self._unattributed.values())
        costs, foreign = attribute_spends(calls, spends, self.budget.charges.probable_cost, names=self._names_creations)
        self._foreign_spends = foreign[-REMEMBERED:]
        self._names_creations = self._names_creations or bool(
            costs and any(spend.creation_id is not None for spend in spends)
        )
        await self._journal.correct_costs(costs, "listed")
        self._count_corrections(costs)
        if not (self._unattributed or self.budget.reserved or self.budget.unresolved > CREDIT_TOLERANCE):
            await self._account.mark_attributed()

    def _count_corrections(self, costs: Mapping[int, float]) -> None:
        if self._call_without_cost is not None and self._call_without_cost.number in costs:
            self._call_without_cost = None
        for number, cost in costs.items():
            settled = self._unattributed.pop(number).settled
            self.budget.charges.correct(settled, settled.with_cost(cost, "listed"))
