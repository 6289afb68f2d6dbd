"""Credits for the calls of a batch: who asks first gets them first, and waits where waiting is of use."""

import asyncio
from collections.abc import Awaitable, Callable

from generor_async.batch.journal import Row
from generor_async.batch.prices import Quote
from generor_async.rules.spending import Budget, Hold

__all__ = ["Purse"]


class Purse:
    """A budget that many coroutines draw on."""

    def __init__(self, budget: Budget, spent: Callable[[], Awaitable[float | None]]) -> None:
        self.budget = budget
        self._spent = spent
        """Says what the account has spent since the batch began, at the most; None where it doesn't."""
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._overlap = 0.0
        """What calls that overlapped told beyond what was set aside for them."""
        self._drift = 1.0
        """By how much calls that overlapped cost more than what was set aside for them, as the account had it."""
        self._priced, self._prices = 0, 0.0
        self._corrected_at: float | None = None
        """What was settled when the account was last asked."""

    @property
    def spent(self) -> float:
        """What was charged, as far as it can be told: `budget.settled` counts costs that overlap more than once."""
        return self.budget.settled - self._overlap

    @property
    def mean(self) -> float | None:
        """What a call is likely to cost, on average; None before the first."""
        return self._drift * self._prices / self._priced if self._priced else None

    async def look(self) -> None:
        """Ask the account, where calls that overlapped leave open what they cost."""
        if self._overlap:
            await self._correct()

    async def reserve(self, quote: Quote) -> Hold | None:
        """Set credits aside for a call, when those before it have theirs; None where the cap doesn't allow it."""
        async with self._turn:
            while True:
                self._changed.clear()
                given = self.budget.reserve(quote.model, quote.credits, fixed=quote.fixed)
                if isinstance(given, Hold):
                    self._priced, self._prices = self._priced + 1, self._prices + given.credits
                    return given
                if given == "wait":
                    await self._changed.wait()
                elif not await self._correct():
                    return None

    def take_up(self, row: Row) -> Hold | None:
        """Count a row that is under way since before the restart; None where its cost is known."""
        if row.cost is not None:
            return None
        return self.budget.take_up(row.model or "", row.estimated, row.held)

    def forgive(self, row: Row) -> None:
        """Give back what was set aside for a row that was in doubt, and had no effect."""
        self.free(self.budget.take_up(row.model or "", row.estimated, row.held))

    def settle(self, hold: Hold, cost: float | None) -> None:
        """Count what a call cost."""
        if cost is not None and not hold.alone:
            self._overlap += max(0.0, cost - self._drift * hold.credits)
        self.budget.settle(hold, cost)
        self._changed.set()

    def free(self, hold: Hold) -> None:
        """Give back what was set aside."""
        self.budget.free(hold)
        self._changed.set()

    def doubt(self, hold: Hold) -> None:
        """Keep what was set aside as a worst cost."""
        self.budget.doubt(hold)
        self._changed.set()

    async def _correct(self) -> bool:
        """Ask the account, where anything was settled since it was asked; tell whether less was spent than thought."""
        before = self.budget.settled
        if before in {0.0, self._corrected_at}:
            return False
        spent = await self._spent()
        if spent is not None:
            # Of those under way nobody knows whether they are charged yet: so this is the least that it can be.
            likely = (before - self._overlap) / self._drift + self.budget.held
            self._drift = max(1.0, spent / likely) if likely > 0 else self._drift
            # What was settled meanwhile may not be in what the account says.
            self.budget.observe(spent + self.budget.settled - before)
        self._corrected_at = self.budget.settled
        if self.budget.settled < before:
            self._overlap = 0.0
            return True
        return False
