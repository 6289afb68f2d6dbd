"""One run of a batch: starts rows as room frees up, hands out their outcomes, and stops when it must.

A run begins with few paid calls at a time and allows more as calls are answered. Calls go through the client's own
queue at bulk priority; pacing and retries happen there. A row's intent is committed once its call has been admitted
and has a connection, and taken back when the call is refused and waits for another attempt. So after a crash, only
rows whose call may really have been sent are unknown.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from contextlib import suppress
from inspect import isawaitable
from typing import TYPE_CHECKING, Final, TypeVar

from generor_async.batch.account_reader import AccountReader
from generor_async.batch.budget_gate import BudgetGate
from generor_async.batch.costs import read_charges
from generor_async.batch.journal import open_journal
from generor_async.batch.media import open_media
from generor_async.batch.outcomes import RowOutcome, outcome_of
from generor_async.batch.progress import BatchProgress, Phase, RunCounters
from generor_async.batch.row import RowRun
from generor_async.batch.row_limit import RowLimit
from generor_async.batch.row_reader import RowReader
from generor_async.batch.run_files import files_of
from generor_async.batch.run_monitor import RunMonitor
from generor_async.batch.run_times import record_end, record_start
from generor_async.batch.spec import BatchSpec
from generor_async.batch.stopping import Stopping, StopStage
from generor_async.batch.unknown_rows import UnknownRows
from generor_async.errors import APIError, BuysAgainError, DeadlineExceededError, JournalError
from generor_async.rules.budget import NO_CAP, Budget
from generor_async.rules.luma_prices import REFUNDED_CODES
from generor_async.rules.resume_advice import UNSTORED
from generor_async.rules.row_states import PAID_STATES, RowState, RowStep, RowVerdict
from generor_async.rules.stop_rules import StopReason
from generor_async.stores.ledger import LEASE_SECONDS, Ledger
from generor_async.stores.records import CallRecord

if TYPE_CHECKING:
    from pathlib import Path

    from generor_async.batch.provider import MediaStorage
    from generor_async.values import Clock

__all__ = ["BatchRun"]

T = TypeVar("T")

WRITE_ATTEMPTS: Final = 61
"""How often a step is tried to be written into a folder, once a second."""


class BatchRun:
    """One run of a batch, from opening its journal to closing it."""

    is_shared = False
    """Whether other processes may work on the same rows."""

    def __init__(self, spec: BatchSpec, journal: Ledger, budget: Budget) -> None:
        self._spec = spec
        self._client = spec.client
        self.place = spec.place
        self.account = spec.place.account
        self.journal: Ledger = journal
        self.provider = spec.provider
        self._files = files_of(spec.place.folder, journal, spec.provider.vendor.credit_dollars)
        self.media: Path | MediaStorage
        self.refunds = spec.refunds
        self.tags_rows = spec.tag_rows
        self.budget_gate = BudgetGate(budget, AccountReader(spec.provider, journal), journal)
        self.loop = asyncio.get_running_loop()
        self.clock: Clock = self.provider.clock
        self._tasks: dict[asyncio.Task[None], RowRun] = {}
        self._changed = asyncio.Event()
        """Set when there may be a row to start, room for one, or nothing left to wait for."""
        self.stopping = Stopping(spec.provider.vendor, self._cancel_pending)
        self.monitor = RunMonitor(self.stopping, self._changed.set)
        self._pause_until = -math.inf
        self._complete = False
        self._unwritten_ids: dict[str, tuple[str, ...]] = {}
        """The ids of paid jobs and creations that the journal has not taken, by row."""
        self._ended_rows: deque[RowOutcome] = deque()
        """Outcomes that the consumer has not taken yet."""
        self._outcome_ready = asyncio.Event()
        """Set when there is an outcome to take, or when no more will come."""
        self._has_consumer = True
        self._counters = RunCounters(self.clock.monotonic())
        self._limit = RowLimit(spec.limit)
        self._max_active_rows = spec.max_active_rows
        self._row_reader = RowReader(spec, journal, self._counters, self._changed.set, until_back=self.until_back)
        self._reading_task: asyncio.Task[None] | None = None
        self._unknown_rows = UnknownRows(
            self.provider.reconciliation(journal, beside_calls=self.is_shared),
            journal,
            self.clock,
            self.stopping,
            self._on_settled,
        )

    @classmethod
    async def open(cls, spec: BatchSpec) -> "BatchRun":
        """Open the folder, or create it, and prepare the run."""
        await spec.provider.check_key()
        journal = await open_journal(spec.place, key=spec.key, take_over=spec.take_over, keep_prompts=spec.keep_prompts)
        try:
            if spec.refunds:
                await journal.refund(REFUNDED_CODES)
            budget = Budget(spec.cap, await read_charges(journal), await journal.unresolved_credits())
            await journal.open_account(spec.place.account, None if spec.cap == NO_CAP else spec.cap)
            await journal.set_spent(spec.place.account, budget.charges.counted)
            run = cls(spec, journal, budget)
            await run._prepare()
        except BaseException:
            await journal.close()
            raise
        return run

    async def _prepare(self) -> None:
        """Record the account's state before the first call, which also proves the key and reads the API's time."""
        await self.provider.clock.resume(self.journal)
        await self.budget_gate.begin()
        await self.provider.clock.save(self.journal)
        await self._apply_tag_rows()
        self.media = await open_media(self.provider, self.journal, self.place, self._spec.media)
        self._counters.states.update(await self.journal.counts())
        self.monitor.record.answered = await self.journal.count_answered(self._max_active_rows)
        cap = self.budget_gate.budget.cap
        await self.journal.write_note("cap", None if cap == NO_CAP else cap)
        await record_start(self.journal, self.provider.clock, shared=self.is_shared)
        await self._files.open()

    async def _apply_tag_rows(self) -> None:
        """Tag rows if this run asks for it or an earlier one did, so that support can find all rows of a folder."""
        self.provider.tags_rows = bool(self.tags_rows or await self.journal.read_note("tag_rows"))
        if self.provider.tags_rows:
            await self.journal.write_note("tag_rows", True)

    # --- for the consumer --------------------------------------------------------------------------------------------

    async def outcomes(self) -> AsyncGenerator[RowOutcome, None]:
        """Run the batch, and yield each row's outcome as it ends."""
        running = asyncio.create_task(self._run())
        running.add_done_callback(lambda _: self._outcome_ready.set())
        try:
            try:
                while True:
                    while self._ended_rows:
                        yield self._ended_rows.popleft()
                        self._changed.set()
                    if running.done():
                        break
                    self._outcome_ready.clear()
                    await self._outcome_ready.wait()
            except asyncio.CancelledError:
                if not running.done():
                    self._drain()
                raise
            finally:
                self._has_consumer = False
                self._ended_rows.clear()
                await self._shut_down(running)
        except asyncio.CancelledError as error:
            error.add_note(f"the batch was stopped: run it again, into {self.place}, to go on")
            if self._unwritten_ids:
                error.add_note(self._unwritten_note)
            raise
        if self.stopping.error is not None:
            raise self.stopping.error

    async def _shut_down(self, running: "asyncio.Task[None]") -> None:
        """Stop the run if it still goes on, wait for its end, and close everything."""
        if not running.done() and (not self.stopping.stage or self.stopping.is_held):
            self.stopping.stop()
        cancelled: asyncio.CancelledError | None = None
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError as error:
                cancelled = error
                self._drain()
        self.stopping.cancel_timer()
        self._files.close()
        await self.journal.close()
        if cancelled is not None:
            raise cancelled
        running.result()

    def _drain(self) -> None:
        """Wait for answers of paid calls for the drain time; a second cancellation stops at once."""
        self.stopping.drain(0.0 if self.stopping.stage >= StopStage.DRAINING else self._spec.drain)

    @property
    def reason(self) -> StopReason:
        """Why the run ended."""
        return self.stopping.reason or ("done" if self._complete else "failed")

    def progress(self) -> BatchProgress:
        """Return the current progress."""
        sent = sum(run.sent for run in self._tasks.values())
        return self._counters.progress(
            self.clock,
            client=self._client,
            budget_gate=self.budget_gate,
            sent=sent,
            unsent=len(self._tasks) - sent,
            may_start=self._limit.remaining,
            pause=max(0.0, self._pause_until - self.clock.monotonic()),
            next_check_at=self._unknown_rows.next_check_at,
            phase=self._displayed_phase(),
            why=str(self.stopping.error or self.monitor.record.common_problem),
            is_reading=self._reading_task is None or not self._reading_task.done(),
        )

    def _displayed_phase(self) -> Phase:
        """Return the phase to show."""
        if self.stopping.stage is StopStage.DRAINING:
            return "draining"
        if self.stopping.stage:
            stopped: Phase = "capped" if self.stopping.reason == "cap" else "stopping"
            return "halted" if self.stopping.error is not None else stopped
        if self.monitor.record.common_problem:
            return "held"
        return "settling" if self._unknown_rows.is_settling else "running"

    def halt(self, error: BaseException) -> None:
        """Submit nothing more, and raise this error at the end."""
        if isinstance(error, JournalError):
            self._files.release_reserve()
        self.stopping.halt(error)

    def _cancel_pending(self) -> None:
        """Cancel the rows that the current stop stage does not wait for."""
        for task, row in self._tasks.items():
            if row.started and row.is_cancelled_at(self.stopping.stage):
                task.cancel()
        self._changed.set()

    # --- the run -----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Run rows until none is left or the run is stopped."""
        self._reading_task = reading = asyncio.create_task(self._row_reader.read())
        reading.add_done_callback(self._on_read)
        polling = asyncio.create_task(self.budget_gate.poll_account(self.clock))
        renewing = asyncio.create_task(self._renew_lease())
        for task in (polling, renewing):
            task.add_done_callback(self._on_helper_done)
        try:
            await self._run_rows(reading)
        except Exception as error:  # noqa: BLE001 - `outcomes` raises it
            self.halt(error)
            await self._wait_until(lambda: not self._tasks)
        finally:
            for task in (reading, polling, renewing):
                task.cancel()
            await asyncio.wait([reading, polling, renewing])
        if not reading.cancelled() and (problem := reading.exception()) is not None:
            self.stopping.halt(problem)
        self.monitor.report_undownloaded()
        try:
            await self._write_summary()
        except JournalError as error:
            self.stopping.halt(error)
        if self.stopping.error is not None and self._unwritten_ids:
            self.stopping.error.add_note(self._unwritten_note)

    @property
    def _unwritten_note(self) -> str:
        ids = (id_ for ids in self._unwritten_ids.values() for id_ in ids)
        return f"{UNSTORED}{', '.join(ids)}."

    async def _run_rows(self, reading: "asyncio.Task[None]") -> None:
        """Resume paid rows, settle unknown ones, and start ready ones, until no row is left."""
        is_resumed = any(self._counters.states.values())
        await self._resume_rows(*PAID_STATES)
        if is_resumed and not isinstance(self._spec.rows, AsyncIterable):  # which may wait for rows to end
            await self._wait_until(lambda: self._row_reader.may_buy or reading.done() or self.stopping.stage > 0)
        if self._counters.states["unknown"]:
            await self._unknown_rows.settle_earlier()
        while True:
            while not self.stopping.stage and await self._start_ready_rows(reading):
                pass
            await self._wait_until(lambda: not self._tasks)
            if self.stopping.stage or not await self._unknown_rows.settle_all():
                break

    async def _resume_rows(self, *states: RowState, until: StopStage = StopStage.FINISHING) -> None:
        """Start rows of this owner in these states that are not active, until the run is in a stop stage."""
        active = {run.number for run in self._tasks.values()}
        async for row in self.journal.scan(*states, owned=True):
            await self._wait_until(lambda: self._free_places() > 0 or self.stopping.stage >= until)
            if self.stopping.stage >= until:
                break
            if row.number not in active:
                self._start(row, since=row.state)

    async def _renew_lease(self) -> None:
        """Renew the lease of the journal's owner until cancelled."""
        while True:
            await self.clock.sleep(LEASE_SECONDS / 3)
            with suppress(JournalError):  # it is renewed the next time, and nobody else takes it in between
                await self.journal.renew()

    def _on_read(self, reading: "asyncio.Task[None]") -> None:
        """Note that reading has ended; if it was refused, halt before any of the rows read so far is bought."""
        if not reading.cancelled() and isinstance(problem := reading.exception(), BuysAgainError):
            self.halt(problem)
        self._changed.set()

    def _on_helper_done(self, task: "asyncio.Task[None]") -> None:
        """Halt if a task that goes on beside the rows has failed: without it the run might wait for ever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.halt(error)

    async def _write_summary(self) -> None:
        """Write the notes and files that summarize the run."""
        if (problem := self.journal.problem()) is not None:
            if problem.is_deleted:
                await self._collect_lost_ids()
            return
        counts = await self.journal.counts()
        waiting = self._row_reader.absent if self._limit.remaining else counts["ready"]
        self._complete = counts["done"] + waiting == sum(counts.values()) and not self._counters.rejected
        await self._files.write_summary()
        await self._record_end()
        with suppress(APIError, DeadlineExceededError):
            await self.stopping.run_unless(StopStage.DRAINING, self.budget_gate.refresh())

    async def _record_end(self) -> None:
        await record_end(self.journal, self.provider.clock, self.reason, shared=self.is_shared)

    async def _collect_lost_ids(self) -> None:
        """Collect the ids of paid jobs and creations that are not stored: the journal with them is gone."""
        self._unwritten_ids |= {row.id: row.remote_ids async for row in self.journal.scan(*PAID_STATES)}

    async def _wait_until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._changed.clear()
            await self._changed.wait()

    async def _start_ready_rows(self, reading: "asyncio.Task[None]") -> bool:
        """Start as many rows as there is room for; return whether there may be more."""
        if (pause := self._pause_until - self.clock.monotonic()) > 0:
            await self.stopping.run_unless(StopStage.FINISHING, self.clock.sleep(pause))
            return True
        self._changed.clear()
        # A file is read to its end, to name all its rejects; an iterator is not asked for more rows than are started.
        ended = reading.done() or not (self._limit.remaining or self._spec.is_file)
        room = min(self._free_places(), self.monitor.free_calls, self._limit.remaining)
        rows: Sequence[CallRecord] = await self.journal.claim(room, seen=not self.is_shared) if room > 0 else ()
        self._row_reader.claimed(len(rows))
        for row in rows:
            self._limit.row_started(row.number)
            self._start(row, since="ready")
        if not rows:
            if (room > 0 or not self._limit.remaining) and ended and not self._tasks:
                return False
            await self._changed.wait()
        return True

    def _on_settled(self, row: CallRecord, counted: float) -> None:
        """Go on with a row that is no longer unknown; `counted` is what it counted against the cap."""
        if row.state == "ready":
            row.counted = counted
            self.budget_gate.release_unresolved(row)
            self._limit.row_ready(row.number)
            self._counters.states.update(unknown=-1, ready=1)
        else:
            self._start(row, since="unknown")

    def _start(self, row: CallRecord, *, since: RowState) -> None:
        self._counters.states[since] -= 1
        run = RowRun(row, self)
        self.monitor.row_started(answered=run.answered)
        task = asyncio.create_task(run.perform())
        self._tasks[task] = run
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        row = self._tasks.pop(task)
        self.monitor.row_ended(row.number, answered=row.answered)
        self._unwritten_ids |= row.unwritten_ids
        now = self.clock.monotonic()
        self._counters.row_ended(row.state, now, None if row.sent_at is None else now - row.sent_at)
        if row.state == "ready":
            self._limit.row_ready(row.number)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.halt(error)
        self._changed.set()

    def _free_places(self) -> int:
        """Return how many rows may start; a row counts until its outcome is taken."""
        return self._max_active_rows - len(self._tasks) - len(self._ended_rows)

    # --- for the rows ------------------------------------------------------------------------------------------------

    @property
    def may_send(self) -> bool:
        """Whether no other process can have taken over what this one works on: a lock keeps them off."""
        return True

    async def until_back(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do some work of the journal."""
        return await work()

    def waits_for_database(self, error: JournalError) -> bool:  # noqa: ARG002 - see SharedBatchRun
        """Return False: a folder doesn't come back."""
        return False

    def note_step(self, row: CallRecord, step: RowStep) -> None:
        """Do nothing: a folder doesn't lose what was committed."""

    def write_failed(self, error: JournalError, tries: int) -> bool:
        """Halt the run, as the disk may be full; return whether to try it again."""
        self.halt(error)
        return tries <= WRITE_ATTEMPTS

    async def row_ended(self, row: CallRecord) -> None:
        """Store a done row's result line, and hand out the row's outcome."""
        outcome = outcome_of(row, self.place.folder, self.provider.vendor.credit_dollars)
        if row.state == "done":
            self.monitor.outputs_stored()
            try:
                self._files.add(row)
            except JournalError as error:
                self.halt(error)
        if self._spec.on_row is not None:
            awaitable = self._spec.on_row(outcome)
            if isawaitable(awaitable):
                await awaitable
        if self._has_consumer:
            self._ended_rows.append(outcome)
            self._outcome_ready.set()

    def call_sent(self, now: float) -> None:
        """Count a paid call that was sent."""
        self._counters.throughput.left(now)

    def apply_verdict(self, verdict: RowVerdict, error: Exception) -> None:
        """Stop or pause the run if an error concerns more than its row."""
        if verdict.stops:
            self.halt(error)
        if verdict.wait:
            self._pause_until = max(self._pause_until, self.clock.monotonic() + verdict.wait)
