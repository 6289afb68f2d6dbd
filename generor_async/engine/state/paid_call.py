"""One paid call that is kept in a state: its intent before it leaves, and its outcome before anybody is told."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from attrs import evolve, frozen

from generor_async.engine.ids import random_uuid
from generor_async.engine.state.budgets import ROOM, Budget, exceeded_error, open_accounts
from generor_async.engine.state.lone_calls import spent_by_others
from generor_async.engine.state.opened import ABANDONED, OpenedState
from generor_async.errors import (
    APIError,
    DeadlineExceededError,
    GenerorAsyncError,
    JournalError,
    OutcomeUnknownError,
    StaleRowError,
)
from generor_async.rules.charges import ChargedCalls, CostSource
from generor_async.rules.quotes import texts_in, without_quotes
from generor_async.rules.row_states import (
    Accept,
    Defer,
    Fail,
    Finish,
    MarkUnknown,
    RowStep,
    RowVerdict,
    Submit,
    verdict_for,
)
from generor_async.rules.vendors import Vendor
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import AccountKey, CallRecord, NewCall
from generor_async.stores.threads import finished
from generor_async.values import JSON

__all__ = ["PaidCall", "PaidResult", "Terms", "describe_problem"]

STOPPED: Final = "it was stopped while its call was under way"


@frozen(kw_only=True)
class PaidResult:
    """What the answer to a paid call says."""

    ids: tuple[str, ...]
    """The job, or the creations."""
    cost: float | None = None
    """Credits; None where the answer doesn't say."""
    is_complete: bool = False
    """Whether the call has ended: there is no job to wait for."""
    raw: JSON = None
    """What is kept with `keep_results`."""


@frozen(kw_only=True)
class Terms:
    """What a call is expected to be."""

    model: str = ""
    credits: float | None = None
    """Its price; None if it isn't known."""
    longest: float = 0.0
    """Its estimated longest duration in seconds."""
    fixed: bool = False
    """Whether the charge can't differ from the price."""
    budgets: Sequence[Budget] = ()
    """The budgets that it counts against."""


class PaidCall:
    """A paid call, which writes itself down as an `Intent`."""

    def __init__(
        self,
        state: OpenedState,
        new: NewCall,
        terms: Terms,
        *,
        vendor: Vendor,
        request_id: str,
        content: JSON,
        leased: CallRecord | None,
    ) -> None:
        self._state = state
        self._new = new
        self.terms = terms
        """What it is expected to be."""
        self._vendor = vendor
        self._request_id = request_id
        self._content = content
        """The request's body: what is written down doesn't quote it."""
        self._is_keyed = leased is not None
        self.total: AccountKey | None = None
        """The account on which all calls of its API count; None if the API's prices are fixed."""
        self._alone = False
        """Whether no other paid call of this process was under way meanwhile."""
        self._spent_before: float | None = None
        """What the calls of all processes had cost when it was sent; None while others were under way."""
        self.record = leased
        """Its record; None before it is first sent, if it has no idempotency key."""

    # --- before it is sent ------------------------------------------------------------------------------------------

    async def record_sending(self) -> None:
        """Commit the intent: the call is sent as soon as this returns."""
        ledger = await self._state.ledger()
        intent = await self._intent()
        if self.record is None:
            self.record, _ = await ledger.lease(self._new)
        try:
            await self._intend(ledger, self.record, intent)
        except StaleRowError:  # it waited for longer than the lease, and was taken over
            if self._is_keyed:
                raise
            self._new = evolve(self._new, id=random_uuid())
            self.record, _ = await ledger.lease(self._new)
            await self._intend(ledger, self.record, intent)
        await self._note_sending()

    async def _intent(self) -> Submit:
        terms, estimated = self.terms, self.terms.credits or 0.0
        needed = estimated
        if estimated and not terms.fixed:
            needed = (await self._state.charges()).price(terms.model, estimated)
        return Submit(
            at=self._state.time(),
            request_id=self._request_id,
            model=terms.model,
            estimated=estimated,
            reserved=needed,
            longest=terms.longest,
        )

    async def _intend(self, ledger: Ledger, record: CallRecord, intent: Submit) -> None:
        """Commit the intent, with what it reserves on the accounts of budgets.

        Raises BudgetExceededError if one of them has no room.
        """
        accounts = await open_accounts(self._state, ledger, self.terms.budgets, self._new.user)
        full = await ledger.intend(record, intent, [*accounts, *([] if self.total is None else [self.total])])
        if full is not None:
            raise exceeded_error(*accounts[full.key], full, self._new.user, intent.reserved)

    async def check_room(self) -> None:
        """Raise BudgetExceededError if a budget has no room now, so that the call need not wait for its turn first."""
        if not self.terms.budgets:
            return
        ledger, needed = await self._state.ledger(), (await self._intent()).reserved
        accounts = await open_accounts(self._state, ledger, self.terms.budgets, self._new.user)
        for key, (budget, period) in accounts.items():
            account = await ledger.account(key)
            if account is not None and account.reserved + account.spent + needed > budget.limit + ROOM:
                raise exceeded_error(budget, period, account, self._new.user, needed)

    async def _note_sending(self) -> None:
        """Note which calls are under way at the same time: their costs can't be told apart."""
        others = self._state.under_way - {self}
        self._alone = not others
        for other in others:
            if isinstance(other, PaidCall):
                other._alone = False
        self._state.under_way.add(self)
        self._spent_before = await self._spent_by_others()

    async def _spent_by_others(self) -> float | None:
        """Return what calls have cost; None if others are under way, or the cost of this one is known anyway."""
        if self.record is None or not self._alone or self.terms.fixed or not self.terms.credits:
            return None
        with suppress(JournalError):  # nobody can tell
            return await spent_by_others(self._state, self.record)
        return None

    def end(self) -> None:
        """Note that it is not under way any more."""
        self._state.under_way.discard(self)

    async def record_waiting(self) -> None:
        """Take back the intent, if there is one: the call had no effect, and waits to be sent again."""
        if self.record is not None and self.record.state == "submitting":
            await self._write(Defer())

    # --- its outcome ------------------------------------------------------------------------------------------------

    async def accept(self, result: PaidResult) -> None:
        """Commit the ids of what was paid for."""
        alone = self._spent_before is not None and self._spent_before == await self._spent_by_others()
        likely = None if result.cost is None else await self._likely_cost(result.cost, alone=alone)
        await self._write(Accept(remote_ids=result.ids, cost=result.cost, likely=likely, alone=alone))
        await self._finish_or_keep(result)

    async def _likely_cost(self, cost: float, *, alone: bool) -> float | None:
        """Return what the call has likely cost: what it says is a difference of balances, if others overlapped."""
        if not self.terms.credits:
            return None
        if self.terms.fixed:
            return self.terms.credits
        source: CostSource = "alone" if alone else "overlapped"
        charges = await self._state.charges()
        settled = ChargedCalls(model=self.terms.model, estimated=self.terms.credits, cost=cost, source=source)
        charges.add(settled)
        return charges.probable_cost(settled)

    async def _finish_or_keep(self, result: PaidResult) -> None:
        """End a call that is complete; keep another one's job until it has ended."""
        record = self.record
        assert record is not None
        if result.ids:
            self._state.jobs[result.ids[0]] = record
        if result.is_complete:
            kept = result.raw if self._state.settings.keep_results else None
            end = Finish(at=self._state.time(), result=kept)
            await finished(asyncio.ensure_future(self._state.finish(record, end)))

    async def fail(self, error: Exception) -> None:
        """Commit what an error means: nothing was charged, it is not known, or it was charged nevertheless."""
        if self.record is None:
            return
        verdict = self._verdict(error, self.record)
        problem = describe_problem(error, self._content)
        match verdict.to:
            case "accepted":
                await self.accept(PaidResult(ids=verdict.remote_ids, is_complete=self._vendor.name != "luma"))
            case "unknown":
                await self._write(MarkUnknown(at=self._state.time(), problem=problem))
            case _:
                await self._write(Fail(at=self._state.time(), problem=problem, cost=0.0))

    def _verdict(self, error: Exception, record: CallRecord) -> RowVerdict:
        if isinstance(error, APIError | DeadlineExceededError):
            return verdict_for(error, vendor=self._vendor, state=record.state, attempt=record.attempt)
        if record.state == "submitting":  # nobody can tell
            return RowVerdict(to="unknown", charged=None)
        return RowVerdict(to="failed", charged=False)

    async def abandon(self, came_of: BaseException | None) -> None:
        """Commit what became of a call that was cancelled; `came_of` is the error of an answer that had begun."""
        if self.record is None:
            return
        if isinstance(came_of, OutcomeUnknownError):
            await self.fail(came_of)
        elif self.record.state == "submitting":
            problem: JSON = {"message": STOPPED, "error": OutcomeUnknownError.__name__}
            await self._write(MarkUnknown(at=self._state.time(), problem=problem))
        elif self.record.state == "leased":
            await self._write(Fail(at=self._state.time(), problem=ABANDONED, cost=0.0))

    async def _write(self, step: RowStep) -> None:
        assert self.record is not None
        await finished(asyncio.ensure_future(self._state.write(self.record, step)))


def describe_problem(error: Exception, content: JSON) -> Mapping[str, JSON]:
    """Return an error as it is kept: without what it quotes of the request."""
    message = without_quotes(str(error), list(texts_in(content)))
    known = {"request_id": error.request_id} if isinstance(error, APIError) else {}
    ids = {"job_id": error.job_id} if isinstance(error, GenerorAsyncError) and error.job_id is not None else {}
    return {"message": message, "error": type(error).__name__, **known, **ids}
