"""The steps of one row: price it, commit its intent, make its paid call once, and store its outputs.

What is known of money is written down first, and retried until the disk takes it. A row that is cancelled before its
call was sent is ready again; one whose call may have been charged stays unknown until the account or the user decides.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from attrs import evolve, fields

from generor_async.batch.budget_gate import BudgetGate
from generor_async.batch.provider import Accepted, MediaStorage, Provider
from generor_async.batch.run_monitor import RunMonitor
from generor_async.batch.stopping import Stopping, StopStage
from generor_async.engine.ids import random_uuid
from generor_async.errors import (
    DownloadError,
    GenerationFailedError,
    GenerorAsyncError,
    JournalError,
    OutcomeUnknownError,
    StaleRowError,
)
from generor_async.rules.row_states import (
    END_STATES,
    MOST_ATTEMPTS,
    PAID_STATES,
    STATE_AFTER,
    Accept,
    Defer,
    Download,
    Fail,
    Finish,
    MarkUnknown,
    Release,
    RowState,
    RowStep,
    RowVerdict,
    Submit,
    is_legal,
    verdict_for,
)
from generor_async.rules.stop_rules import CallOutcome
from generor_async.stores.ledger import Ledger, write_step
from generor_async.stores.records import AccountKey, CallRecord
from generor_async.values import JSON, Clock

if TYPE_CHECKING:
    from generor_async.rules.budget import Reservation

__all__ = ["RETRY_PAUSES", "RowRun"]

RETRY_PAUSES: Final = (5.0, 15.0, 60.0)
"""Seconds before each further try to poll or download, after the client's own retries."""
T = TypeVar("T")


class RunContext(Protocol):
    """What the rows of a run share, and what they report to it."""

    journal: Ledger
    account: AccountKey
    provider: Provider
    budget_gate: BudgetGate
    clock: Clock
    media: Path | MediaStorage
    """Where outputs go: the results folder, or a storage."""
    refunds: bool
    """Whether to count a failed job as refunded where the vendor's FAQ says so."""
    stopping: Stopping
    monitor: RunMonitor

    async def row_ended(self, row: CallRecord) -> None:
        """Report a row that has ended."""
        ...

    def call_sent(self, now: float) -> None:
        """Count a paid call that was sent."""
        ...

    def apply_verdict(self, verdict: RowVerdict, error: Exception) -> None:
        """Stop or pause the run if an error concerns more than its row."""
        ...

    @property
    def may_send(self) -> bool:
        """Whether no other process can have taken over what this one works on."""
        ...

    async def until_back(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do some work; in a database that is away, again and again until it is back."""
        ...

    def waits_for_database(self, error: JournalError) -> bool:
        """Tell whether an error says that a database is away that the run waits for."""
        ...

    def note_step(self, row: CallRecord, step: RowStep) -> None:
        """Note a step of a row that is about to be written."""
        ...

    def write_failed(self, error: JournalError, tries: int) -> bool:
        """Note that a step could not be written, after so many tries; return whether to try it again."""
        ...


class RowRun:
    """Runs one row."""

    __slots__ = (
        "_budget_gate",
        "_clock",
        "_handle",
        "_intent",
        "_journal",
        "_provider",
        "_reservation",
        "_row",
        "_run",
        "_unwritten_step",
        "answered",
        "sent",
        "sent_at",
        "started",
    )

    def __init__(self, row: CallRecord, run: RunContext) -> None:
        self._row = row
        self._run = run
        self._journal = run.journal
        self._provider = run.provider
        self._budget_gate = run.budget_gate
        self._clock = run.clock
        self._reservation: Reservation | None = None
        self._handle: Any = None
        self._intent: Submit | None = None
        """What is committed before the paid call is sent."""
        self._unwritten_step: RowStep | None = None
        """A step about money that the journal has not committed yet."""
        self.sent = row.state in PAID_STATES
        """Whether the paid call may have been sent and was not refused."""
        self.answered = self.sent
        """Whether the paid call has an outcome, be it `unknown`: what is left to do is free."""
        self.sent_at: float | None = None
        """When the call was first sent, by the monotonic clock; None if it was not, or was in an earlier run."""
        self.started = False
        """Whether the task has started: one that is cancelled before that leaves its row as it is."""

    @property
    def number(self) -> int:
        """The row's number."""
        return self._row.number

    @property
    def state(self) -> RowState:
        """The row's state."""
        return self._row.state

    @property
    def unwritten_ids(self) -> Mapping[str, tuple[str, ...]]:
        """The ids of what its call has made, by its own id, if the journal has not taken them."""
        step = self._unwritten_step
        return {self._row.id: step.remote_ids} if isinstance(step, Accept) and step.remote_ids else {}

    @property
    def holds_credits(self) -> bool:
        """Whether credits are reserved for its call."""
        return self._reservation is not None

    def is_cancelled_at(self, stage: StopStage) -> bool:
        """Return whether a run in this stop stage cancels the row instead of waiting for it."""
        if self.answered:
            return stage >= StopStage.DRAINING
        return stage is StopStage.ENDING or not self.sent

    async def perform(self) -> None:
        """Run the row to its end, or as far as it gets; leave it to another owner who has taken it over."""
        self.started = True
        try:
            await self._perform()
        except StaleRowError:
            await self._leave()

    async def _perform(self) -> None:
        row = self._row
        try:
            if (stage := self._run.stopping.stage) and self.is_cancelled_at(stage):
                await self._abandon()
                return
            if resumed := row.state in PAID_STATES:
                self._reservation = self._budget_gate.resume(row)
            else:
                await self._submit()
            if row.state in PAID_STATES and self._run.stopping.stage < StopStage.DRAINING:
                await self._store_outputs(resumed=resumed)
        except asyncio.CancelledError as error:
            await self._abandon(error.__cause__)
            await self._report_end()  # its end may have been committed meanwhile
            raise
        await self._report_end()

    async def _report_end(self) -> None:
        if self._row.state in END_STATES:
            await self._run.row_ended(self._row)

    async def _submit(self) -> None:
        """Price the row, reserve its credits, and make the paid call."""
        row = self._row
        try:
            quote = await self._provider.quote(row)
            self._reservation = reservation = await self._budget_gate.reserve(quote)
            if reservation is None:
                await self._release("the cap on credits allows no more")
                self._run.stopping.stop_at_cap()
                return
            self._intent = Submit(
                at=self._clock.time(),
                request_id=random_uuid(),
                model=quote.model,
                estimated=quote.credits,
                reserved=reservation.credits,
                longest=quote.longest,
            )
            accepted = await self._provider.submit(row, self._intent.request_id, self)
        except GenerorAsyncError as error:
            sent, verdict = self.sent, self._verdict(error)
            if row.state == "leased" and verdict.to not in {"ready", "failed"}:  # the estimate failed
                verdict = RowVerdict(to="ready", charged=False, stops=row.attempt >= MOST_ATTEMPTS)
            await self._apply(verdict, error)
            if sent and verdict.to != "ready":
                self._call_ended("unknown" if verdict.to == "unknown" else "known", error)
            return
        await self._accept(accepted, reservation)
        self._call_ended("answered")

    def _call_ended(self, outcome: CallOutcome, error: Exception | None = None) -> None:
        self.answered = True
        self._run.monitor.call_ended(outcome, error)

    async def record_sending(self) -> None:
        """Commit the intent: the call is sent as soon as this returns.

        Raises CancelledError if the run is stopping or holds back new calls, so that the call is not sent.
        """
        if self._run.stopping.stage or self._run.monitor.record.common_problem:
            raise asyncio.CancelledError
        assert self._intent is not None
        await self._intend(evolve(self._intent, at=self._clock.time()))
        if not self._run.may_send:
            raise asyncio.CancelledError
        self.sent = True
        if self.sent_at is None:
            self.sent_at = self._clock.monotonic()
            self._run.call_sent(self.sent_at)

    async def _intend(self, intent: Submit) -> None:
        """Commit an intent; raises CancelledError if the account has no room, or while the database is away."""
        assert self._reservation is not None
        try:
            while (full := await self._journal.intend(self._row, intent, [self._run.account])) is not None:
                if not await self._budget_gate.correct_account(full):
                    if self._budget_gate.is_alone:
                        self._run.stopping.stop_at_cap()
                    raise asyncio.CancelledError
        except JournalError as error:
            if not self._run.waits_for_database(error):
                raise
            raise asyncio.CancelledError from None
        self._reservation.booked = True

    async def record_waiting(self) -> None:
        """Take back the intent, if there is one: the call had no effect, and waits to be sent again.

        A run that is stopping cancels the call instead, and `_abandon` makes the row ready.
        """
        self.sent = False
        if self._row.state == "submitting" and not self._run.stopping.stage:
            await self._record(Defer())
            if self._reservation is not None:
                self._reservation.booked = False
        if self._run.stopping.stage:
            raise asyncio.CancelledError

    async def _accept(self, accepted: Accepted, reservation: "Reservation") -> None:
        self._handle, likely = accepted.handle, None
        if accepted.is_complete:
            likely = self._settle(reservation, accepted.cost, accepted.remote_ids)
        await self._record(
            Accept(remote_ids=accepted.remote_ids, cost=accepted.cost, likely=likely, alone=reservation.alone)
        )

    def _settle(self, reservation: "Reservation", cost: float | None, remote_ids: tuple[str, ...]) -> float:
        self._reservation = None
        return self._budget_gate.settle(reservation, cost, number=self._row.number, remote_ids=remote_ids)

    async def _store_outputs(self, *, resumed: bool) -> None:
        """Wait until the call's output is complete, and store it."""
        row, tries = self._row, 0
        while True:
            try:
                result = await self._download()
                break
            except JournalError:
                raise
            except GenerorAsyncError as error:
                if not await self._waits_for_retry(error, tries, resumed=resumed):
                    return
                tries += 1
        await self._record(Finish(at=self._clock.time(), result=result))
        if self._reservation is not None:
            self._settle(self._reservation, None, row.remote_ids)

    async def _waits_for_retry(self, error: GenerorAsyncError, tries: int, *, resumed: bool) -> bool:
        """Wait until a failed download may be tried again, and return True; return False if it may not."""
        if (problem := self._journal.problem()) is not None:
            raise problem from error
        verdict, is_last = self._verdict(error), tries == len(RETRY_PAUSES)
        # A new output may reach the store late: that it is gone is believed only by a later run.
        may_come = isinstance(error, DownloadError) and not (is_last and resumed)
        if verdict.stops or (verdict.to is not None and not may_come):
            await self._apply(verdict, error)
            if verdict.to == "unknown" and not resumed:
                self._run.monitor.outputs_gone(error)
            return False
        if is_last:
            self._run.monitor.download_given_up(error, resumed=resumed)
            return False
        if not resumed:
            self._run.monitor.download_failed(self._row.number, error)
        await self._clock.sleep(RETRY_PAUSES[tries])
        return True

    async def _download(self) -> JSON:
        row = self._row
        self._handle = await self._provider.complete(row, self._handle)
        if row.state != "downloading":
            await self._record(Download())
        if (problem := self._journal.problem()) is not None:  # a download would make a folder at the old path
            raise problem
        return await self._provider.store(row, self._handle, self._run.media)

    def _verdict(self, error: Exception) -> RowVerdict:
        """Return what an error means for the row in its current state."""
        row, run = self._row, self._run
        return verdict_for(
            error, vendor=self._provider.vendor, state=row.state, attempt=row.attempt, refunds=run.refunds
        )

    async def _apply(self, verdict: RowVerdict, error: Exception) -> None:
        """Move the row to the state that an error leads to."""
        now, problem = self._clock.time(), _problem_of(error)
        cost = None if verdict.charged is not False else 0.0
        match verdict.to:
            case "accepted":
                await self._record(Accept(remote_ids=verdict.remote_ids))
            case "unknown":
                await self._record(MarkUnknown(at=now, problem=problem))
            case "failed":
                await self._record(Fail(at=now, problem=problem, cost=cost))
            case "ready":
                await self._record(Release(at=now, problem=problem, cost=cost))
            case None:
                pass
        if verdict.to not in {"accepted", None}:
            self._drop_reservation(uncharged=verdict.charged is False)
        self._run.apply_verdict(verdict, error)

    def _drop_reservation(self, *, uncharged: bool) -> None:
        if self._reservation is not None:
            (self._budget_gate.release if uncharged else self._budget_gate.keep_unresolved)(self._reservation)
            self._reservation = None

    async def _record(self, step: RowStep) -> None:
        """Commit a step; if it can't be written, keep trying.

        In the stage ENDING it gives up: a call that was sent and is not recorded stays unknown.
        """
        self._unwritten_step, tries = step, 0
        self._run.note_step(self._row, step)
        while True:
            try:
                await write_step(self._journal, self._row, step)
            except StaleRowError:
                if (after := await self._step_after_take_over(step, tries)) is None:
                    self._unwritten_step = None
                    return
                step = after
            except JournalError as error:
                tries += 1
                if not self._run.write_failed(error, tries) or self._run.stopping.stage is StopStage.ENDING:
                    raise
                await self._clock.sleep(1.0 if tries > 1 else 0.0)
            else:
                self._unwritten_step = None
                return

    async def _step_after_take_over(self, step: RowStep, tries: int) -> RowStep | None:
        """Return the step to write for a row that is not as it was left; None if the step was written.

        A database that broke off may have written the step in one of the earlier `tries` without saying so. Another
        owner may have taken the row for unknown, while what became of it is known here: its ids, or that its call was
        not sent.

        Raises StaleRowError if there is no more to say of it than the other owner knows.
        """
        row, after = self._row, STATE_AFTER[type(step)]
        (current,) = await self._run.until_back(lambda: self._journal.get([row.number]))
        is_own = current.attempt == row.attempt and current.owner in {None, self._journal.owner}
        if tries and is_own and current.state == after and current.remote_ids == (row.remote_ids or current.remote_ids):
            for each in fields(CallRecord):
                setattr(row, each.name, getattr(current, each.name))
            return None
        if is_own and current.state != row.state and is_legal(current.state, step):
            row.state, row.owner = current.state, current.owner
            return step
        if is_own and current.state == "unknown" and not self.sent:
            row.state, row.owner = current.state, current.owner
            message = "it was taken over before its call was made"
            release = Release(at=self._clock.time(), problem={"message": message})
            if not isinstance(step, Defer):
                return release
            await self._record(release)  # the call itself still waits to be sent, and ends
        raise StaleRowError(f"row {row.id} was taken over by another process")

    async def _leave(self) -> None:
        """Leave the row to the owner who has taken it over, with its money if its call may have been charged."""
        (current,) = await self._run.until_back(lambda: self._journal.get([self._row.number]))
        self._row.state = current.state
        self._drop_reservation(uncharged=not self.sent)

    async def _abandon(self, call_error: BaseException | None = None) -> None:
        """Leave a cancelled row ready if its call was not sent, and unknown if it may have been charged.

        `call_error` is the error of a call whose answer had begun to arrive: a job in it is resumed by the next run.
        """
        row = self._row
        if self._unwritten_step is not None and is_legal(row.state, self._unwritten_step):
            await self._record(self._unwritten_step)
        if not self.sent:
            if row.state in {"leased", "submitting"}:
                await self._release("it was stopped before its call was made")
            self._drop_reservation(uncharged=True)
        elif row.state == "submitting":
            if isinstance(call_error, OutcomeUnknownError):
                verdict = self._verdict(call_error)
                if verdict.to == "accepted":
                    await self._record(Accept(remote_ids=verdict.remote_ids))
                    return
            message = "it was stopped while its call was under way"
            problem: JSON = {"message": message, "error": OutcomeUnknownError.__name__}
            await self._record(MarkUnknown(at=self._clock.time(), problem=problem))
            self._drop_reservation(uncharged=False)

    async def _release(self, message: str) -> None:
        await self._record(Release(at=self._clock.time(), problem={"message": message}))


def _problem_of(error: Exception) -> JSON:
    code = {"code": error.code} if isinstance(error, GenerationFailedError) else {}
    return {"message": str(error), "error": type(error).__name__, **code}
