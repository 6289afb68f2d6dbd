"""Credits for the calls of a batch: who asks first gets them first, and waits where waiting is of use."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from generor_async.batch.journal import Row
from generor_async.batch.prices import Quote
from generor_async.errors import GenerorAsyncError
from generor_async.rules.spending import Budget, Hold
from generor_async.values import Clock

__all__ = ["Purse"]

FIRST_LOOK: Final = 60.0
LOOK_EVERY: Final = 600.0
"""Seconds between two looks at what the account has spent: each costs two calls of the key's limits."""


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
        self._left: set[Hold] = set()
        """What is set aside for calls that have left."""
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

    async def keep_looking(self, clock: Clock) -> None:
        """Ask the account now and then, where calls that overlapped leave open what they cost; until cancelled."""
        pause = FIRST_LOOK
        while True:
            await clock.sleep(pause)
            if self._overlap:
                with suppress(GenerorAsyncError):
                    await self._correct()
            pause = LOOK_EVERY

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

    def leaves(self, hold: Hold) -> None:
        """Note that the call is made: from now on the account may show it."""
        self._left.add(hold)

    def settle(self, hold: Hold, cost: float | None) -> None:
        """Count what a call cost."""
        self._left.discard(hold)
        if cost is not None and not hold.alone:
            self._overlap += max(0.0, cost - self._drift * hold.credits)
        self.budget.settle(hold, cost)
        self._changed.set()

    def free(self, hold: Hold) -> None:
        """Give back what was set aside."""
        self._left.discard(hold)
        self.budget.free(hold)
        self._changed.set()

    def doubt(self, hold: Hold) -> None:
        """Keep what was set aside as a worst cost."""
        self._left.discard(hold)
        self.budget.doubt(hold)
        self._changed.set()

    async def _correct(self) -> bool:
        """Ask the account, where anything was settled since it was asked; tell whether less was spent than thought."""
        before, overlap = self.budget.settled, self._overlap
        if before in {0.0, self._corrected_at}:
            return False
        spent = await self._spent()
        if spent is not None:
            # Of those under way nobody knows whether they are charged yet: so this is the least that it can be.
            likely = (before - overlap) / self._drift + sum([hold.credits for hold in self._left])
            self._drift = max(1.0, spent / likely) if likely > 0 else self._drift
            # What was settled meanwhile may not be in what the account says.
            self.budget.observe(spent + self.budget.settled - before)
            if spent < before:
                self._overlap -= overlap
        self._corrected_at = self.budget.settled
        return self.budget.settled < before
