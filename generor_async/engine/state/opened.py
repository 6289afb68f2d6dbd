"""One opening of a client's state: an owner of its ledger, in one event loop.

A process that is gone is taken over by whoever asks next what is unfinished or unknown: what it had submitted and can't
tell of is unknown, what was accepted belongs to the new owner, and what had not been sent failed at no cost.
"""

import asyncio
import contextlib
import logging
import math
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from generor_async.engine.lifetime import closed_error
from generor_async.errors import InvalidRequestError, JournalError, StaleRowError
from generor_async.rules.budget_periods import PERIOD, ended_before
from generor_async.rules.charges import Charges
from generor_async.rules.row_states import (
    PAID_STATES,
    Accept,
    Fail,
    Finish,
    MarkUnknown,
    Release,
    RowState,
    RowStep,
    is_legal,
)
from generor_async.stores.ledger import DATABASE_LEASE_SECONDS, NO_RUN, Ledger, UnusableLedgerError, write_step
from generor_async.stores.opening import Place, open_ledger, was_replaced
from generor_async.stores.records import AccountKey, CallRecord
from generor_async.values import JSON, Clock

if TYPE_CHECKING:
    from generor_async.engine.state.budgets import Budget

__all__ = ["ACKNOWLEDGE", "DAY", "RULES", "OpenedState", "StateSettings"]

logger = logging.getLogger("generor_async")

DAY: Final = 86_400.0
ACKNOWLEDGE: Final = "acknowledge"
"""The parameter of calls that stay unfinished until they are acknowledged."""
RENEWALS: Final = 4
"""How often a lease is renewed before it would end."""
WRITE_PAUSES: Final = (0.0, 0.5, 1.0, 2.0)
"""Seconds before each attempt to write what became of a call; after them it is tried again beside other calls."""
ABANDONED: Final[JSON] = {"message": "it was stopped before its call was made"}
TAKEN_AT_A_TIME: Final = 100
SHORTEST_KEPT: Final = 3_600.0
"""Seconds for which the account of a period is kept in any case: a call may just be reserving on it."""
LOOK_EVERY: Final = 5.0
"""Seconds between two looks at the owners of calls by somebody who waits for one."""


@frozen(kw_only=True)
class StateSettings:
    """How a client keeps its calls."""

    place: Place = field(repr=False)
    keep_days: float = 30.0
    """For how many days calls that have ended are kept, and with them their idempotency keys."""
    keep_results: bool = False
    """Whether answers are kept whole, and not their ids alone."""
    budgets: "Sequence[Budget]" = ()


class _Rules:
    """Tells by digest which requests are the same."""

    def request_key(self, parameters: Mapping[str, JSON], /) -> int:
        """Return the digest: what a call asks for is not known otherwise."""
        return self.digest(parameters)

    def digest(self, parameters: Mapping[str, JSON], /) -> int:
        """Return the digest that is kept with a call that has an idempotency key; 0 for others."""
        found = parameters.get("digest")
        return found if isinstance(found, int) else 0

    def without_quotes(self, value: JSON, _: Mapping[str, JSON], /) -> JSON:
        """Return a value as it is: messages are kept without quotes from the beginning."""
        return value


RULES: Final = _Rules()
"""The rules of the calls of all clients."""


class OpenedState:
    """A client's state in one event loop; the ledger is opened at first use."""

    def __init__(
        self, settings: StateSettings, address: str, clock: Clock, *, check_open: Callable[[], None] = lambda: None
    ) -> None:
        self.address = address
        """The API's address: calls of other APIs in the same ledger are left alone."""
        self.clock = clock
        self.time = clock.time
        """Returns Unix seconds, by which calls are dated: by the server's clock as soon as an API tells it."""
        self.settings = settings
        self.jobs: dict[str, CallRecord] = {}
        """The calls that were accepted and have not ended, by the id of their job: of this owner, and those that it has
        heard of."""
        self._ends: dict[int, Finish | Fail] = {}
        """The ends of calls that have to be acknowledged, by their number."""
        self.opened_accounts: dict[AccountKey, float] = {}
        """The accounts of budgets that this process has opened, with their limits."""
        self.under_way: set[object] = set()
        """The paid calls of this process that are under way."""
        self._charges: Charges | None = None
        self.account: Any = None
        """What settles unknown calls by the account, where the API shows it."""
        self._check_open = check_open
        """Raises ClientClosedError if the client is closed: then the ledger is not opened again."""
        self._opening: asyncio.Future[Ledger] | None = None
        self._owner: int | None = None
        self._beginning: asyncio.Future[None] | None = None
        self._is_closed = False
        self._renewing: asyncio.Task[None] | None = None
        self._looked_at = self._pruned_at = -math.inf
        self._writing: set[asyncio.Task[None]] = set()
        """Steps that nobody waits for."""
        self._late: list[tuple[CallRecord, RowStep]] = []
        """Steps that could not be written yet."""

    async def ledger(self) -> Ledger:
        """Return the ledger; open it if it isn't open.

        Raises:
            InvalidRequestError: It can't be opened.
            ClientClosedError: The client is closed, or was closed since this state was its loop's.
        """
        if self._is_closed:
            raise closed_error("the client was closed meanwhile")
        if self._opening is None:
            self._check_open()
            self._opening = asyncio.ensure_future(self._open())
        try:
            return await asyncio.shield(self._opening)
        except UnusableLedgerError as error:
            self._opening = None
            raise InvalidRequestError(
                "state", f"the state cannot be used: {error.problem}", advice=error.advice or "Give another path"
            ) from None

    async def _open(self) -> Ledger:
        ledger = await open_ledger(self.settings.place, run=NO_RUN, rules=RULES, clock=self.clock.time)
        try:
            await ledger.leave_out_parameters()
            await self._end_abandoned(ledger)
            await self._know(ledger.scan(*PAID_STATES))
        except BaseException:
            await ledger.close()
            raise
        self._renewing = asyncio.create_task(self._keep_alive(ledger))
        self._owner = ledger.owner
        return ledger

    def own_jobs(self) -> list[str]:
        """Return the ids of the jobs of this owner that have not ended."""
        return [id_ for id_, call in self.jobs.items() if call.owner == self._owner]

    async def begin(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Do once what comes before the first paid call; all calls wait for it. What failed is tried again."""
        beginning = self._beginning
        if beginning is None or (beginning.done() and (beginning.cancelled() or beginning.exception() is not None)):
            beginning = self._beginning = asyncio.ensure_future(begin())
        await asyncio.shield(beginning)

    async def charges(self) -> Charges:
        """Return what calls were charged, by which prices are learned."""
        if self._charges is None:
            found = Charges(await (await self.ledger()).charges())
            self._charges = self._charges or found
        return self._charges

    def forget_charges(self) -> None:
        """Have them read again: costs of calls were corrected."""
        self._charges = None

    async def end_abandoned(self) -> Ledger:
        """End the calls of owners that are gone: those that may have been sent become unknown; return the ledger.

        What they have paid for belongs to nobody until somebody asks for it: by `calls(..., owned=True)`.
        """
        ledger = await self.ledger()
        await self._end_abandoned(ledger)
        return ledger

    async def end_abandoned_at_times(self) -> None:
        """Do the same unless it was done just now."""
        if self.clock.monotonic() - self._looked_at >= LOOK_EVERY:
            await self.end_abandoned()

    async def _end_abandoned(self, ledger: Ledger, *, resume: bool = False) -> None:
        self._looked_at = self.clock.monotonic()
        await ledger.take_over(resume=resume, place=self.address)
        if await was_replaced(ledger):  # what it has as not made yet may have been paid for
            return
        while claimed := await ledger.claim(TAKEN_AT_A_TIME):
            for call in claimed:
                with contextlib.suppress(StaleRowError):
                    await ledger.settle(call, Fail(at=self.time(), problem=ABANDONED, cost=0.0))

    async def _know(self, calls: AsyncIterator[CallRecord]) -> None:
        """Have the end of jobs noted when a poll shows it, whichever process has submitted them."""
        async for call in calls:
            if call.remote_ids and call.place == self.address:
                self.jobs[call.remote_ids[0]] = call

    async def calls(self, *states: RowState, owned: bool = False) -> AsyncIterator[CallRecord]:
        """Yield this API's calls in these states; with `owned`, its own alone, to which are added those of nobody."""
        ledger = await self.ledger()
        await self._end_abandoned(ledger, resume=owned)
        if owned:
            await self._know(ledger.scan(*states, owned=True))
        try:
            async for call in ledger.scan(*states, owned=owned):
                if call.place == self.address:
                    yield call
        except JournalError:
            if self._is_closed:  # between two of them
                raise closed_error("the client was closed while its calls were read") from None
            raise

    async def find(self, id_: str) -> CallRecord | None:
        """Return the call with an id; None if there is none."""
        ledger = await self.ledger()
        found = (await ledger.find([id_])).get(id_)
        records = () if found is None else await ledger.get([found.number])
        return records[0] if records else None

    async def prune(self, seconds: float) -> int:
        """Delete calls that ended so many seconds ago, and the accounts of periods that did; return how many calls."""
        return await self._prune(await self.ledger(), seconds)

    async def _prune(self, ledger: Ledger, seconds: float) -> int:
        before = self.time() - max(seconds, SHORTEST_KEPT)
        await ledger.prune_accounts(PERIOD, ended_before(before))
        self.opened_accounts.clear()
        return await ledger.prune(seconds)

    async def _keep_alive(self, ledger: Ledger) -> None:
        """Renew the lease, write what could not be written, and delete what is old, until cancelled."""
        self._pruned_at = -math.inf
        async with asyncio.TaskGroup() as tasks:  # which ends when both have ended
            for work in (ledger.renew, partial(self._tidy, ledger)):
                tasks.create_task(self._repeat(work))

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do some work several times in each lease, until cancelled."""
        while True:
            with contextlib.suppress(JournalError):
                await work()
            await self.clock.sleep(DATABASE_LEASE_SECONDS / RENEWALS)

    async def _tidy(self, ledger: Ledger) -> None:
        """Write what could not be written, and delete what is old once a day; either may wait for others' locks."""
        if self.clock.monotonic() - self._pruned_at >= DAY:
            self._pruned_at = self.clock.monotonic()
            await self._prune(ledger, self.settings.keep_days * DAY)
        await self._write_late(ledger)

    # --- steps ------------------------------------------------------------------------------------------------------

    async def write(self, call: CallRecord, step: RowStep) -> None:
        """Write what became of a call. What the disk refuses is tried again later, and the caller need not wait."""
        ledger, problem = await self.ledger(), ""
        for pause in WRITE_PAUSES:
            if pause:
                await self.clock.sleep(pause)
            try:
                await self._write_once(ledger, call, step)
            except StaleRowError:
                return
            except JournalError as error:
                problem = str(error)
            else:
                self._note_lost(ledger, call, step)
                return
        self._late.append((call, step))
        known = f" (its ids: {', '.join(step.remote_ids)})" if isinstance(step, Accept) else ""
        logger.error("what became of request %s is not in the state yet%s: %s", call.request_id, known, problem)

    @staticmethod
    def _note_lost(ledger: Ledger, call: CallRecord, step: RowStep) -> None:
        """Log the ids of what was paid for, if they were written where nobody finds them."""
        if isinstance(step, Accept) and (problem := ledger.problem()) is not None:
            logger.error("request %s has made %s, but %s", call.request_id, ", ".join(step.remote_ids), problem)

    async def finish(self, call: CallRecord, end: Finish | Fail) -> None:
        """Write that a call has ended, unless that has to be acknowledged."""
        if call.remote_ids and call.parameters.get(ACKNOWLEDGE):
            self._ends[call.number] = end
            return
        if call.remote_ids:
            self.jobs.pop(call.remote_ids[0], None)
        await self.write(call, end)

    async def acknowledge(self, id_: str) -> None:
        """Write that a call has ended: the one that has made what has this id. One that is known no more has ended."""
        await self.ledger()  # which knows those of earlier processes
        call = next((call for call in self.jobs.values() if id_ in call.remote_ids), None)
        if call is not None:
            del self.jobs[call.remote_ids[0]]
            end = self._ends.pop(call.number, Finish(at=0.0, result=None))
            await self.write(call, evolve(end, at=self.time()))

    def write_soon(self, call: CallRecord, step: RowStep) -> None:
        """Write what became of a call, without waiting for it."""
        task = asyncio.ensure_future(self.write(call, step))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_once(self, ledger: Ledger, call: CallRecord, step: RowStep) -> None:
        """Write a step; one of a call that was taken over meanwhile is written if its attempt is still the same."""
        for _ in range(3):
            if not is_legal(call.state, step):
                return
            try:
                await write_step(ledger, call, step)
            except StaleRowError:
                found = await ledger.get([call.number])
                if not found or found[0].attempt != call.attempt:
                    raise
                call.state, call.owner = found[0].state, found[0].owner
                if call.state == "unknown" and isinstance(step, Fail):  # it was taken for unknown, and had no effect
                    step = Release(at=step.at, problem=step.problem, cost=step.cost)
                elif call.state == "unknown" and isinstance(step, MarkUnknown):
                    return
            else:
                return

    async def _write_late(self, ledger: Ledger) -> None:
        while self._late:
            call, step = self._late[0]
            with contextlib.suppress(StaleRowError):
                await self._write_once(ledger, call, step)
            del self._late[0]

    # --- the end ----------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Close the ledger, which ends this owner's lease. Nobody waits for a call of this state any more."""
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.wait([self._beginning])
        while self._writing:
            await asyncio.wait(self._writing)
        self._is_closed = True
        opening, self._opening = self._opening, None
        if opening is None:
            return
        await asyncio.wait([opening])
        if opening.cancelled() or opening.exception() is not None:  # whoever has opened it was told
            return
        ledger = opening.result()
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        try:
            with contextlib.suppress(JournalError):
                await self._write_late(ledger)
        finally:
            await ledger.close()

    def abandon(self) -> None:
        """Close the ledger, whose event loop is gone, in a loop of another thread."""
        opening = self._opening
        if opening is None or not opening.done() or opening.cancelled() or opening.exception() is not None:
            return
        threading.Thread(target=_close, args=(opening.result(),), daemon=True).start()


def _close(ledger: Any) -> None:
    with contextlib.suppress(Exception):  # its lease ends by itself
        asyncio.run(ledger.close())
