"""One process's share of a run in a database, on whose rows any number of processes work together.

Each process leases rows, and renews its lease. The rows of one that has died or is cut off are taken over by whoever is
there within two leases: those that were not sent are ready, those that may have been sent are unknown, and those that
the API has accepted are polled on. A share ends when every row of the run has ended, whoever did it.
"""

import asyncio
import shlex
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from attrs import frozen

from generor_async.batch.account_reader import AccountReader
from generor_async.batch.database_outage import DatabaseOutage, is_outage
from generor_async.batch.journal import open_journal
from generor_async.batch.lease import Lease
from generor_async.batch.paid_rows import PaidRows
from generor_async.batch.progress import Phase
from generor_async.batch.run import BatchRun
from generor_async.batch.run_settings import RunSettings, join_settings
from generor_async.batch.run_times import record_end
from generor_async.batch.runs import AT_ONCE, STOPPED_NOTE
from generor_async.batch.shared_budget import SharedBudgetGate
from generor_async.batch.spec import BatchSpec
from generor_async.batch.stopping import StopStage
from generor_async.errors import JournalError
from generor_async.rules.budget import NO_CAP, Budget
from generor_async.rules.luma_prices import REFUNDED_CODES
from generor_async.rules.reconcile import SNAPSHOT_INTERVAL
from generor_async.rules.row_states import PAID_STATES, RowState, RowStep
from generor_async.stores.ledger import Ledger
from generor_async.stores.opening import give_up
from generor_async.stores.records import CallRecord

__all__ = ["SharedBatchRun", "Submitted", "open_run"]

T = TypeVar("T")

SETTLING: Final = "settling"
"""The note with the owner who settles unknown rows, and until when it is believed to."""
SENT_STATES: Final[tuple[RowState, ...]] = ("submitting", *PAID_STATES)
"""States of rows whose call may have been sent, and that have not ended."""


async def open_run(spec: BatchSpec) -> BatchRun:
    """Open the run of a batch in its place, or create it."""
    return await (BatchRun if spec.place.lease is None else SharedBatchRun).open(spec)


@frozen(kw_only=True)
class Submitted:
    """What was done with the rows of an input."""

    new: int
    """Rows that were added."""
    known: int
    """Rows that the run had."""
    rejected: int
    """Lines that can't be run."""
    duplicates: int
    """Rows that repeat another, and are made once."""


class SharedBatchRun(BatchRun):
    """A process's share of a run."""

    is_shared = True
    budget_gate: SharedBudgetGate

    def __init__(self, spec: BatchSpec, journal: Ledger, settings: RunSettings) -> None:
        super().__init__(spec, journal, Budget())
        assert spec.place.lease is not None
        self.refunds = settings.refunds
        self.tags_rows = settings.tag_rows
        self.lease = Lease(journal, spec.place.lease)
        self.outage = DatabaseOutage(self.clock, self.stopping)
        self._paid_rows = PaidRows()
        self._taking_over = asyncio.Lock()
        self._settles = False
        """Whether this process settles unknown rows."""
        self._look = spec.look or asyncio.Event()
        """Set to have the lease renewed at once, and the others looked at."""
        self._works = True
        """Whether this process works on rows, and doesn't only submit them."""
        self._takes_up = False
        """Whether rows may belong to this process that it doesn't work on."""
        self.budget_gate = SharedBudgetGate(
            AccountReader(spec.provider, journal),
            journal,
            self.account,
            clock=self.clock,
            outage=self.outage,
            may_free_room=self._may_free_room,
        )

    @classmethod
    async def open(cls, spec: BatchSpec) -> "SharedBatchRun":
        """Join the run, or begin it."""
        await spec.provider.check_key()
        spec.provider.clock.follow_server()
        place = spec.place
        journal = await open_journal(place, key=spec.key, keep_prompts=spec.keep_prompts)
        try:
            given = RunSettings(price=spec.price, refunds=spec.refunds, tag_rows=spec.tag_rows)
            settings = await join_settings(journal, place, given)
            if settings.refunds:
                await journal.refund(REFUNDED_CODES)
            account = await journal.account(place.account)
            if account is None or spec.cap < NO_CAP:
                account = await journal.open_account(place.account, None if spec.cap == NO_CAP else spec.cap)
            spec.provider.set_terms(capped=account.cap is not None, price=settings.price)
            run = cls(spec, journal, settings)
            await run._prepare()
            if spec.rows is None:
                async for _ in journal.rejects():
                    run._counters.rejected += 1
        except BaseException:
            await journal.close()
            raise
        return run

    # --- the lease, and the other processes ---------------------------------------------------------------------------

    @property
    def may_send(self) -> bool:
        """Whether no other process can have taken over what this one works on."""
        return self.lease.is_valid

    async def _renew_lease(self) -> None:
        """Renew the lease, and look at the others, until cancelled."""
        while True:
            try:
                await self.lease.renew()
                if self._works:
                    await self._while_renewed(self._look_at_others())
            except JournalError as error:
                if not self.waits_for_database(error):
                    self.halt(error)
                    return
            else:
                self.outage.note_answer()
            self._changed.set()
            if self.lease.is_valid:
                await self._pause(self.lease.pause)
            else:
                await self.clock.sleep(1.0)

    async def _while_renewed(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work that may have to wait for what others have locked, and renew the lease meanwhile."""
        task = asyncio.create_task(work)
        try:
            while not (await asyncio.wait([task], timeout=self.lease.pause))[0]:
                with suppress(JournalError):  # the work will tell
                    await self.lease.renew()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await task

    async def _pause(self, seconds: float) -> None:
        """Wait until the next renewal, or until somebody wants one; the database's time runs as fast as ours."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # in Python 3.11 `wait_for` may lose a cancellation
                await self._look.wait()
        self._look.clear()

    async def _look_at_others(self) -> None:
        """Take over what others have left, count the rows that they have, and see whether the run was stopped."""
        await self._heed_stop()
        async with self._taking_over:
            taken = await self.journal.take_over()
            self._takes_up |= taken.resumed > 0
        await self._count_rows()
        await self._note_settling()

    async def _heed_stop(self) -> None:
        """Make no new call while somebody has stopped the run; what is paid for is fetched, unless it ends at once."""
        stopped = await self.journal.read_note(STOPPED_NOTE)
        if not stopped:
            self._takes_up |= self.stopping.is_held
            self.stopping.go_on()
        elif stopped != AT_ONCE:
            self.stopping.hold()
        elif self.stopping.stage < StopStage.DRAINING:
            self.stopping.drain(self._spec.drain)

    async def _count_rows(self) -> None:
        """Count the rows that other processes work on."""
        states = Counter(await self.journal.counts())
        states.subtract(Counter(run.state for run in self._tasks.values()))
        states["ready"] += states.pop("leased", 0)
        states["accepted"] += states.pop("submitting", 0)
        self._counters.states = +states  # rows may have moved on meanwhile
        self._row_reader.set_unclaimed(states["ready"])

    async def _others_have(self, *states: RowState) -> bool:
        """Tell whether rows are in these states that this process doesn't have."""
        counts = await self.journal.counts()
        rows = sum(counts.get(state, 0) for state in states)
        if rows:
            rows -= len([row async for row in self.journal.scan(*states, owned=True)])
        return rows > 0

    async def _is_unfinished(self) -> bool:
        """Tell whether other processes have rows that have not ended, or a row is ready."""
        return await self._others_have("ready", "leased", *SENT_STATES)

    async def _may_free_room(self) -> bool:
        """Tell whether credits are reserved for a call that may yet cost less."""
        return any(run.holds_credits for run in self._tasks.values()) or await self._others_have(*SENT_STATES)

    # --- a database that is away --------------------------------------------------------------------------------------

    async def until_back(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do some work of the journal, again and again while the database is away."""
        return await self.outage.until_back(work)

    def waits_for_database(self, error: JournalError) -> bool:
        """Tell whether an error says that the database is away, and note that."""
        if is_outage(error):
            self.outage.note(error)
            return True
        return False

    def note_step(self, row: CallRecord, step: RowStep) -> None:
        """Remember what was paid for, as a database that is replaced may lack it."""
        self._paid_rows.note(row, step)

    def write_failed(self, error: JournalError, tries: int) -> bool:  # noqa: ARG002 - it is tried until it is back
        """Keep what could not be written until the database is back."""
        if self.waits_for_database(error):
            return True
        self.halt(error)
        return False

    def _displayed_phase(self) -> Phase:
        return "held" if self.outage.problem and not self.stopping.stage else super()._displayed_phase()

    def _cancel_pending(self) -> None:
        """Cancel the rows that the current stop stage does not wait for, and at its end also what waits."""
        super()._cancel_pending()
        if self.stopping.stage is StopStage.ENDING:
            give_up(self.journal)

    @property
    def _unwritten_note(self) -> str:
        jobs = [f"--job={row}={id_}" for row, ids in self._unwritten_ids.items() for id_ in ids]
        command = shlex.join(["generor", "batch", "adopt", "--name", self.place.title(), *jobs])
        return f"{super()._unwritten_note} Once the database is back, have their outputs fetched: `{command}`"

    # --- the run ------------------------------------------------------------------------------------------------------

    async def submit(self) -> Submitted:
        """Add the rows, and make no call."""
        reader = self._row_reader
        reader.reads_ahead, self._works = True, False
        renewing = asyncio.create_task(self._renew_lease())
        try:
            await reader.read()
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
        rejected = self._counters.rejected
        return Submitted(new=reader.new, known=reader.known, rejected=rejected, duplicates=reader.duplicates)

    async def _run_rows(self, reading: "asyncio.Task[None]") -> None:
        """Work on rows until every row of the run has ended, whoever works on it."""
        self._takes_up = True
        await self.until_back(self._heed_stop)
        while True:
            while not self.stopping.stage and await self.until_back(partial(self._start_rows, reading)):
                pass
            if self.stopping.is_held and await self.until_back(self._fetch_paid_rows):
                continue
            await self._wait_until(lambda: not self._tasks)
            if self.stopping.stage:
                break
            self._changed.clear()  # before it is asked: what happens meanwhile may be the last
            if self._limit.remaining and await self._must_wait_for_others():
                await self._changed.wait()
            elif not self._takes_up and not await self.until_back(self._settle_unknown_rows):
                break

    async def _fetch_paid_rows(self) -> bool:
        """Go on with what is paid for while the run is stopped; return False once nothing of any process is."""
        await self._take_up(*PAID_STATES, until=StopStage.DRAINING)
        self._changed.clear()
        if self.stopping.stage is StopStage.FINISHING:
            if not self._tasks:
                async with self._taking_over:
                    if not self._takes_up and not await self._others_have(*SENT_STATES):
                        return False
            if not self._takes_up:
                await self._changed.wait()
        return self.stopping.stage < StopStage.DRAINING

    async def _must_wait_for_others(self) -> bool:
        """Tell whether other processes have rows that have not ended; what they left is taken over, or will be."""
        async with self._taking_over:  # so that the ledger and `_takes_up` agree
            return await self.until_back(self._is_unfinished)

    async def _settle_unknown_rows(self) -> bool:
        """Settle unknown rows, unless another process does; return whether any was settled."""
        noted: Any = await self.journal.read_note(SETTLING)
        if noted is not None and noted[0] != self.journal.owner and noted[1] > self.clock.time():
            return False
        self._settles = True
        try:
            await self._note_settling()
            return await self._unknown_rows.settle_all()
        finally:
            self._settles = False
            await self.journal.write_note(SETTLING, None)

    async def _note_settling(self) -> None:
        if self._settles:
            await self.journal.write_note(SETTLING, [self.journal.owner, self.clock.time() + 2 * SNAPSHOT_INTERVAL])

    async def _start_rows(self, reading: "asyncio.Task[None]") -> bool:
        """Start as many rows as there is room for; return whether there may be more."""
        if not self.lease.is_valid:
            await self.lease.renew()
        await self._take_up("leased", *PAID_STATES, until=StopStage.FINISHING)
        return await self._start_ready_rows(reading)

    async def _take_up(self, *states: RowState, until: StopStage) -> None:
        """Work on rows in these states that belong to this process, if there may be some that it doesn't work on."""
        if self._takes_up or self.outage.has_ended:
            self._takes_up = self.outage.has_ended = False
            await self._resume_rows(*states, until=until)

    async def _write_summary(self) -> None:
        """Note why the run has ended; nobody goes on with one whose database may lack what was paid for."""
        if self.stopping.reason == "database":
            await record_end(self.journal, self.provider.clock, "database", shared=True)
            written = await self.until_back(lambda: self._paid_rows.write_lost(self.journal))
            unwritten = self._unwritten_ids.items()
            self._unwritten_ids = {row: ids for row, ids in unwritten if not written.issuperset(ids)}
        else:
            await super()._write_summary()

    async def _record_end(self) -> None:
        """Note why the run has ended, unless others go on with it."""
        if not await self._others_have("leased", *SENT_STATES):
            await super()._record_end()
