"""Settles the unknown rows of a run: of earlier runs before new calls are made, and all others at the run's end."""

from collections.abc import Callable
from contextlib import suppress

from generor_async.batch.stopping import Stopping, StopStage
from generor_async.errors import APIError, DeadlineExceededError
from generor_async.reconciliation.reconcile import Reconciliation
from generor_async.rules.reconcile import SNAPSHOT_INTERVAL
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import CallRecord
from generor_async.values import Clock

__all__ = ["UnknownRows"]


class UnknownRows:
    """Checks the account for unknown rows until none can be settled any more, or the run is stopped."""

    def __init__(
        self,
        reconciliation: Reconciliation | None,
        journal: Ledger,
        clock: Clock,
        stopping: Stopping,
        settled: Callable[[CallRecord, float], None],
    ) -> None:
        self._reconciliation = reconciliation
        """None if the API lists nothing to settle rows by."""
        self._journal = journal
        self._clock = clock
        self._stopping = stopping
        self._settled = settled
        """Called with each row that is accepted or ready, and with the credits that it counted while it was unknown."""
        self.is_settling = False
        """Whether rows are being checked, or are left unknown at the end."""
        self.next_check_at: float | None = None
        """When the next check may settle more, in Unix seconds."""

    async def settle_all(self) -> bool:
        """Check until a check settles rows, or none will; return whether one did."""
        while not self._stopping.stage:
            if await self._check():
                self.is_settling = False
                return True
            if self.next_check_at is None:
                break
            await self._sleep_until(self.next_check_at)
        return False

    async def settle_earlier(self) -> None:
        """Settle rows of earlier runs, with two checks at most, before any new call is made."""
        with suppress(APIError, DeadlineExceededError):  # `settle_all` raises it again at the end
            await self._check()
            if self.next_check_at is not None and self.next_check_at <= self._clock.time() + SNAPSHOT_INTERVAL:
                await self._sleep_until(self.next_check_at)
                await self._check()
        self.is_settling = False

    async def _check(self) -> bool:
        """Check the account once; return whether that settled any row."""
        if self._stopping.stage or self._reconciliation is None:
            return False
        counted = {row.number: row.counted async for row in self._journal.scan("unknown")}
        self.is_settling = bool(counted)
        settled = await self._stopping.run_unless(StopStage.FINISHING, self._reconciliation.check_account()) or ()
        for row in settled:
            self._settled(row, counted[row.number])
        self.next_check_at = self._reconciliation.next_check_at
        return bool(settled)

    async def _sleep_until(self, moment: float) -> None:
        pause = self._clock.sleep(max(1.0, moment - self._clock.time()))
        await self._stopping.run_unless(StopStage.FINISHING, pause)
