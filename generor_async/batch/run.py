"""One run of a batch: keeps so many rows in work, hands out how each ended, and stops when it must.

It begins with few paid calls at a time, and has more under way as more are answered.
Calls go through the client's own queue, as bulk; nothing here paces or repeats them. A row's intent is committed when
its call has had its turn and has a connection, and taken back when the call is refused and waits for another try: of
the rows that wait, none is in doubt after a crash.
"""

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from contextlib import suppress
from inspect import isawaitable
from typing import TYPE_CHECKING, TypeVar

from generor_async.batch.account import Account
from generor_async.batch.budget_gate import BudgetGate
from generor_async.batch.costs import charges_of
from generor_async.batch.disk_reserve import Reserve
from generor_async.batch.journal import Journal, Row
from generor_async.batch.outcomes import (
    Results,
    RowOutcome,
    outcome_of,
    write_failed,
    write_rejected,
)
from generor_async.batch.progress import Phase, Progress, RunCounters
from generor_async.batch.reconcile import Reconciliation
from generor_async.batch.row import RowRun
from generor_async.batch.row_limit import Limit
from generor_async.batch.row_reader import RowReader
from generor_async.batch.run_monitor import RunMonitor
from generor_async.batch.run_times import note_begin, note_end
from generor_async.batch.spec import BatchSpec
from generor_async.batch.sqlite import open_journal
from generor_async.batch.stopping import Stage, Stopping
from generor_async.errors import APIError, BuysAgainError, DeadlineExceededError, JournalError
from generor_async.rules.budget import NO_CAP, Budget
from generor_async.rules.luma_prices import REFUNDED
from generor_async.rules.reconcile import SNAPSHOT_INTERVAL
from generor_async.rules.resume_advice import Reason
from generor_async.rules.row_states import PAID_STATES, RowState, RowVerdict

if TYPE_CHECKING:
    from generor_async.values import Clock

__all__ = ["BatchRun"]

T = TypeVar("T")


class BatchRun:
    """One run of a batch, from the opening of its journal to its closing."""

    def __init__(self, order: BatchSpec, journal: Journal, budget: Budget) -> None:
        self._order = order
        self._client = order.client
        self.folder = order.folder
        self.journal: Journal = journal
        self._results = Results(order.folder, order.work.vendor.credit_dollars)
        self._reserve = Reserve(order.folder)
        self.work = order.work
        self.refunds = order.refunds
        self.purse = BudgetGate(budget, Account(order.work, journal), journal)
        self.loop = asyncio.get_running_loop()
        self.clock: Clock = self.work.clock
        self._tasks: dict[asyncio.Task[None], RowRun] = {}
        self._changed = asyncio.Event()
        """Set whenever there may be a row to claim, room for it, or nothing more to wait for."""
        self.stopping = Stopping(order.work.vendor, self._cancel_pending)
        self.watch = RunMonitor(self.stopping, self._changed.set)
        self._pause_until = -math.inf
        self._complete = False
        self._outcomes: deque[RowOutcome] = deque()
        """Of rows that have ended, and that nobody has taken yet."""
        self._delivered = asyncio.Event()
        """Set when there is one to take, or no other will come."""
        self._heard = True
        self._phase: Phase = "running"
        self._tally = RunCounters(self.clock.monotonic())
        self._limit = Limit(order.limit)
        self._settles_at: float | None = None
        """When unknown rows are looked for again, in Unix seconds."""
        self._intake = RowReader(order, journal, self._tally, self._changed.set)
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, order: BatchSpec) -> "BatchRun":
        """Open the folder, or begin one."""
        await order.work.check_key()
        journal = await open_journal(order.folder, key=order.key, take_over=order.take_over)
        try:
            if order.refunds:
                await journal.refund(REFUNDED)
            budget = Budget(order.cap, await charges_of(journal), await journal.unresolved_credits())
            run = cls(order, journal, budget)
            await run._begin()
        except BaseException:
            await journal.close()
            raise
        return run

    async def _begin(self) -> None:
        """Note where the account stands before the first call; asking proves the key, and tells the API's time."""
        await self.work.clock.resume(self.journal)
        await self.purse.begin()
        await self.work.clock.keep(self.journal)
        await self.journal.write_note("cap", None if self._order.cap == NO_CAP else self._order.cap)
        if await self.journal.read_note("began") is None:
            await self.journal.write_note("began", self.clock.time())
        await note_begin(self.journal, self.clock.time())
        await self.journal.write_note("ending", None)
        await self._tag_rows()
        self._tally.states.update(await self.journal.counts())
        self.watch.record.answered = await self.journal.count_answered(self._order.most)
        await self._reserve.take()
        try:
            await self._results.open(self.journal)
        except BaseException:
            self._reserve.give_up()
            raise

    async def _tag_rows(self) -> None:
        """Have rows tagged where that is wanted, or was by an earlier run: support is to find all of a folder's."""
        self.work.tags_rows = bool(self._order.tag_rows or await self.journal.read_note("tag_rows"))
        if self.work.tags_rows:
            await self.journal.write_note("tag_rows", True)

    # --- for whoever iterates ----------------------------------------------------------------------------------------

    async def outcomes(self) -> AsyncGenerator[RowOutcome, None]:
        """Run, and yield each row as it ends."""
        driving = asyncio.create_task(self._drive())
        driving.add_done_callback(lambda _: self._delivered.set())
        try:
            try:
                while True:
                    while self._outcomes:
                        yield self._outcomes.popleft()
                        self._changed.set()
                    if driving.done():
                        break
                    self._delivered.clear()
                    await self._delivered.wait()
            except asyncio.CancelledError:
                if not driving.done():
                    self._cancelled()
                raise
            finally:
                self._heard = False
                self._outcomes.clear()
                await self._end(driving)
        except asyncio.CancelledError as error:
            error.add_note(f"the batch was stopped: run it again, into {self.folder}, to go on")
            raise
        if self.stopping.error is not None:
            raise self.stopping.error

    async def _end(self, driving: "asyncio.Task[None]") -> None:
        """Wait until it has stopped, as soon as it is to."""
        if not driving.done() and not self.stopping.stage:
            self.stopping.stop()
        cancelled: asyncio.CancelledError | None = None
        while not driving.done():
            try:
                await asyncio.wait([driving])
            except asyncio.CancelledError as error:
                cancelled = error
                self._cancelled()
        self.stopping.end()
        self._results.close()
        self._reserve.give_up()
        await self.journal.close()
        if cancelled is not None:
            raise cancelled
        driving.result()

    def _cancelled(self) -> None:
        """Wait for the answers of paid calls, so long as may be; whoever cancels that too stops it at once."""
        self.stopping.drain(0.0 if self.stopping.stage >= Stage.DRAINING else self._order.drain)

    @property
    def reason(self) -> Reason:
        """Why it has ended."""
        return self.stopping.reason or ("done" if self._complete else "failed")

    def progress(self) -> Progress:
        """Return how it stands."""
        sent = sum(run.sent for run in self._tasks.values())
        return self._tally.progress(
            self.clock,
            client=self._client,
            purse=self.purse,
            sent=sent,
            unsent=len(self._tasks) - sent,
            may_begin=self._limit.left,
            pause=max(0.0, self._pause_until - self.clock.monotonic()),
            settles_at=self._settles_at,
            phase=self._shown(),
            why=str(self.stopping.error or self.watch.record.held_by),
            is_reading=self._reading is None or not self._reading.done(),
        )

    def _shown(self) -> Phase:
        """Return what is shown of where it stands."""
        if self.stopping.stage is Stage.DRAINING:
            return "draining"
        if self.stopping.stage:
            stopped: Phase = "capped" if self.stopping.reason == "cap" else "stopping"
            return "halted" if self.stopping.error is not None else stopped
        return "held" if self.watch.record.held_by else self._phase

    def halt(self, error: BaseException) -> None:
        """Submit nothing more, and raise this at the end."""
        if isinstance(error, JournalError):
            self._reserve.give_up()
        self.stopping.halt(error)

    def _cancel_pending(self) -> None:
        """Cancel what is not to be waited for."""
        for task, row in self._tasks.items():
            if row.begun and row.is_cut_short(self.stopping.stage):
                task.cancel()
        self._changed.set()

    # --- the run -----------------------------------------------------------------------------------------------------

    async def _drive(self) -> None:
        """Keep so many rows in work until none is left."""
        goes_on = any(self._tally.states.values())
        self._reading = reading = asyncio.create_task(self._intake.read())
        reading.add_done_callback(self._was_read)
        looking = asyncio.create_task(self.purse.poll_account(self.clock))
        try:
            async for row in self.journal.rows(*PAID_STATES):
                await self._until(lambda: self._places() > 0 or self.stopping.stage > 0)
                if self.stopping.stage:
                    break
                self._start(row, since=row.state)
            reconciliation = self.work.reconciliation(self.journal)
            if goes_on and not isinstance(self._order.rows, AsyncIterable):  # which may wait for rows to end
                await self._until(lambda: self._intake.settled or reading.done() or self.stopping.stage > 0)
            if reconciliation is not None and self._tally.states["unknown"]:
                await self._settle_first(reconciliation)
            while True:
                while not self.stopping.stage and await self._claim(reading):
                    pass
                await self._until(lambda: not self._tasks)
                if self.stopping.stage or reconciliation is None or not await self._reconcile(reconciliation):
                    break
        except Exception as error:  # noqa: BLE001 - it is raised again where the outcomes are taken
            self.halt(error)
            await self._until(lambda: not self._tasks)
        finally:
            reading.cancel()
            looking.cancel()
            await asyncio.wait([reading, looking])
        if not reading.cancelled() and (problem := reading.exception()) is not None:
            self.stopping.halt(problem)
        self.watch.sum_up()
        try:
            await self._sum_up()
        except JournalError as error:
            self.stopping.halt(error)

    def _was_read(self, reading: "asyncio.Task[None]") -> None:
        """Note that no more is read; where it was refused, what was written down before is not bought either."""
        if not reading.cancelled() and isinstance(problem := reading.exception(), BuysAgainError):
            self.halt(problem)
        self._changed.set()

    async def _sum_up(self) -> None:
        """Leave behind what the whole run came to."""
        if (gone := self.journal.problem()) is not None:
            if gone.is_deleted:
                await self._name_what_is_lost()
            return
        counts = await self.journal.counts()
        waiting = self._intake.not_given if self._limit.left else counts["ready"]
        self._complete = counts["done"] + waiting == sum(counts.values()) and not self._tally.rejected
        await self.journal.write_note("ending", self.reason)
        await write_failed(self.folder, self.journal)
        await write_rejected(self.folder, self.journal)
        await self.journal.write_note("ended", self.clock.time())
        await note_end(self.journal, self.clock.time())
        await self.work.clock.keep(self.journal)
        with suppress(APIError, DeadlineExceededError):
            await self._unless(Stage.DRAINING, self.purse.refresh())

    async def _name_what_is_lost(self) -> None:
        """Name the jobs and creations that were paid for and are not stored, as no journal does any more."""
        ids = [id_ async for row in self.journal.rows(*PAID_STATES) for id_ in row.remote_ids]
        if self.stopping.error is not None and ids:
            self.stopping.error.add_note(f"Paid for and not stored: {', '.join(ids)}.")

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._changed.clear()
            await self._changed.wait()

    async def _claim(self, reading: "asyncio.Task[None]") -> bool:
        """Start as many rows as there is room for; tell whether there may be more."""
        if (pause := self._pause_until - self.clock.monotonic()) > 0:
            await self._unless(Stage.FINISHING, self.clock.sleep(pause))
            return True
        self._changed.clear()
        # Of a file all that can't be run is named; who hands in rows one by one isn't asked for more than are begun.
        ended = reading.done() or not (self._limit.left or self._order.is_file)
        room = min(self._places(), self.watch.room, self._limit.left)
        rows: Sequence[Row] = await self.journal.claim(room, met=True) if room > 0 else ()
        self._intake.taken(len(rows))
        for row in rows:
            self._limit.begins(row.number)
            self._start(row, since="ready")
        if not rows:
            if (room > 0 or not self._limit.left) and ended and not self._tasks:
                return False
            await self._changed.wait()
        return True

    async def _reconcile(self, found: Reconciliation) -> bool:
        """Settle the unknown rows that can be, however long that takes; tell whether there is more to do."""
        while not self.stopping.stage:
            if await self._look(found):
                self._phase = "running"
                return True
            if found.look_at is None:
                break
            await self._pause_until_look(found.look_at)
        return False

    async def _settle_first(self, found: Reconciliation) -> None:
        """Settle the unknown rows of earlier runs that two looks can settle, before any new call is made."""
        with suppress(APIError, DeadlineExceededError):  # it is raised where they are settled at the end
            await self._look(found)
            if found.look_at is not None and found.look_at <= self.clock.time() + SNAPSHOT_INTERVAL:
                await self._pause_until_look(found.look_at)
                await self._look(found)
        self._phase = "running"

    async def _look(self, found: Reconciliation) -> bool:
        """Look at the account once; tell whether that settles any unknown row."""
        if self.stopping.stage:
            return False
        held = {row.number: row.counted async for row in self.journal.rows("unknown")}
        self._phase = "settling" if held else "running"
        settled = await self._unless(Stage.FINISHING, found.settle()) or ()
        for row in settled:
            if row.state == "ready":
                row.counted = held[row.number]
                self.purse.release_unresolved(row)
                self._limit.is_ready(row.number)
                self._tally.states.update(unknown=-1, ready=1)
            else:
                self._start(row, since="unknown")
        self._settles_at = found.look_at
        return bool(settled)

    async def _pause_until_look(self, moment: float) -> None:
        await self._unless(Stage.FINISHING, self.clock.sleep(max(1.0, moment - self.clock.time())))

    async def _unless(self, stage: Stage, work: Awaitable[T]) -> T | None:
        """Do what is given up when the run stops so far; None where it was."""
        doing = asyncio.ensure_future(work)
        doing.add_done_callback(lambda _: self._changed.set())
        await self._until(lambda: doing.done() or self.stopping.stage >= stage)
        if not doing.done():
            doing.cancel()
            await asyncio.wait([doing])
        return None if doing.cancelled() else doing.result()

    def _start(self, row: Row, *, since: RowState) -> None:
        self._tally.states[since] -= 1
        run = RowRun(row, self)
        self.watch.starts(answered=run.answered)
        task = asyncio.create_task(run.perform())
        self._tasks[task] = run
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        row = self._tasks.pop(task)
        self.watch.ended(row.number, answered=row.answered)
        now = self.clock.monotonic()
        self._tally.ended(row.state, now, None if row.left_at is None else now - row.left_at)
        if row.state == "ready":
            self._limit.is_ready(row.number)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.halt(error)
        self._changed.set()

    def _places(self) -> int:
        """Return how many rows may begin; one whose outcome waits to be taken has not left."""
        return self._order.most - len(self._tasks) - len(self._outcomes)

    # --- for the rows ------------------------------------------------------------------------------------------------

    async def finished(self, row: Row) -> None:
        """Tell of a row that has ended."""
        outcome = outcome_of(row, self.folder, self.work.vendor.credit_dollars)
        if row.state == "done":
            self.watch.stored()
            try:
                self._results.add(row)
            except JournalError as error:
                self.halt(error)
        if self._order.on_row is not None:
            told = self._order.on_row(outcome)
            if isawaitable(told):
                await told
        if self._heard:
            self._outcomes.append(outcome)
            self._delivered.set()

    def left(self, now: float) -> None:
        """Note that a paid call has left."""
        self._tally.movement.left(now)

    def apply_verdict(self, verdict: RowVerdict, error: Exception) -> None:
        """Stop, or pause, where an error concerns more than its row."""
        if verdict.stops:
            self.halt(error)
        if verdict.wait:
            self._pause_until = max(self._pause_until, self.clock.monotonic() + verdict.wait)
