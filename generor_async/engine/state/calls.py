"""Sends the paid calls of a client that has a state.

The intent is committed before a paid request leaves, and the id of what was paid for before the caller sees it. A call
with an idempotency key is made once: a second one gets the first one's result, in whatever process of the state.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import evolve, frozen

from generor_async.engine import media
from generor_async.engine.ids import random_uuid
from generor_async.engine.lifetime import closed_error
from generor_async.engine.loops import PerLoop
from generor_async.engine.options import Options
from generor_async.engine.state.budgets import applicable
from generor_async.engine.state.lone_calls import total_account
from generor_async.engine.state.opened import ACKNOWLEDGE, DAY, OpenedState, StateSettings
from generor_async.engine.state.paid_call import PaidCall, PaidResult, Terms
from generor_async.errors import (
    BudgetExceededError,
    ClientClosedError,
    DeadlineExceededError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    StaleRowError,
)
from generor_async.rules import arguments, job_errors
from generor_async.rules.http_types import Form, Operation
from generor_async.rules.luma_prices import DOLLARS_A_CREDIT
from generor_async.rules.row_states import PAID_STATES, Fail, Finish, MarkUnknown, Release, to_api_id
from generor_async.rules.vendors import Vendor
from generor_async.stores.records import CallRecord, NewCall, canonical_json
from generor_async.values import JSON, is_object

if TYPE_CHECKING:
    from generor_async.engine.session import Session

__all__ = ["PaidCallType", "StateCalls"]

T = TypeVar("T")

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
"""Seconds between two looks at a call that another one makes."""
_ENDED: Final = ("done", "failed")


@frozen(kw_only=True)
class PaidCallType:
    """The differences between the paid calls of the two APIs."""

    vendor: Vendor
    terms: Callable[[Operation[Any], JSON], Terms]
    """Returns what a call with this body is expected to cost and take."""
    identify: Callable[[Operation[Any], JSON], Mapping[str, JSON]]
    """Returns what must be known of a request to find what it has made in the account."""
    quote: Callable[[Any, OpenedState, Operation[Any], JSON, Terms], Awaitable[Terms]]
    """Asks with a client for the price of a call that no list has; returns terms without one if there is none."""
    describe: Callable[[Operation[Any], Any], PaidResult]
    """Returns what a result says."""
    job_end: Callable[[Any], tuple[str, "Finish | Fail | None"]]
    """Returns the id of a job that was polled, and the step that its end is; None while it goes on."""
    fetch: Callable[["Session", Options, CallRecord], Awaitable[Any]]
    """Fetches the result of a call by its ids, as the call itself would have returned it."""
    settle: Callable[[Any, OpenedState, str | None], Awaitable[bool]] | None = None
    """Corrects what calls have cost by the account's transactions, with a client, before a call of a model or where
    somebody asks, unless that was just done; returns whether a cost was corrected. None where every price is fixed."""
    begin: Callable[[Any, OpenedState], Awaitable[None]] | None = None
    """Called with a client before the first paid call, to learn the state of the account."""
    look: Callable[[Any, OpenedState], Awaitable[object]] | None = None
    """Settles unknown calls by what the account shows; None where an API shows nothing."""


class StateCalls:
    """The paid calls of a client and its views, kept in a state."""

    def __init__(self, session: "Session", settings: StateSettings, call_type: PaidCallType) -> None:
        self._session = session
        self.settings = settings
        self.call_type = call_type
        self.client: Any = None
        """The client, or a view of it, that looks into the account."""
        self._opened = PerLoop(self._make_state)

    def _make_state(self) -> OpenedState:
        session = self._session
        return OpenedState(self.settings, session.base_url, session.clock, check_open=session.lifetime.check_open)

    def opened(self) -> OpenedState:
        """Return the state of the running event loop."""
        return self._opened.get()

    async def while_open(self, what: str, work: Callable[[OpenedState], Awaitable[T]]) -> T:
        """Return what a function does with the state of the running event loop.

        Closing the client cancels it, and waits for its end before the ledger is closed: it then raises
        ClientClosedError, as where the client is closed already. `what` names it there.
        """

        async def done() -> T:
            return await work(self.opened())

        return await self._session.lifetime.while_open(done(), what)

    async def each(
        self, what: str, records: Callable[[OpenedState], AsyncIterator[CallRecord]]
    ) -> AsyncIterator[CallRecord]:
        """Yield what a function yields of the state of the running event loop; raises as `while_open` does."""
        found: AsyncIterator[CallRecord] | None = None

        async def following(state: OpenedState) -> CallRecord | None:
            nonlocal found
            found = records(state) if found is None else found
            return await anext(found, None)

        while (record := await self.while_open(what, following)) is not None:
            yield record

    async def close(self) -> None:
        """Close the ledger of the running event loop."""
        await self._opened.close()

    async def send(self, operation: Operation[T], options: Options, call_id: str | None) -> T:
        """Send a paid call or a poll, and keep what became of it."""
        if operation.endpoint.retry_safety != "bills":
            result = await self._session.send(operation, options, call_id=call_id, is_kept=True)
            await self.note_job(result)
            return result
        if self._session.lifetime.draining and options.idempotency_key is None:
            self._session.lifetime.check_intake(operation.endpoint)
        work = self._session.lifetime.begin()
        try:
            return await self._pay(self.opened(), operation, options, call_id)
        except asyncio.CancelledError:
            if not work.was_cancelled_by_close():
                raise
        finally:
            work.end()
        raise closed_error(f"{operation.endpoint.name} was cancelled: the client was closed")

    async def settle_costs(self, model: str | None = None) -> bool:
        """Correct what calls have cost, where the API shows it, before a call of a model or where somebody asks.

        Tell whether that has changed anything.
        """
        settle = self.call_type.settle
        return False if settle is None else await settle(self.client, self.opened(), model)

    async def note_job(self, result: Any) -> None:
        """Note the end of a job of this process that a poll has shown."""
        job_id, step = self.call_type.job_end(result)
        if step is None:
            return
        with contextlib.suppress(InvalidRequestError, ClientClosedError):  # a poll is worth more than a note of it
            await self.while_open("a note of a job's end", lambda state: self._note_end(state, job_id, step))

    @staticmethod
    async def _note_end(state: OpenedState, job_id: str, step: Finish | Fail) -> None:
        await state.ledger()  # which may know the job from an earlier process
        if (record := state.jobs.get(job_id)) is not None:
            await state.finish(record, evolve(step, at=state.time()))

    def forget_job(self, job_id: str) -> None:
        """Note that the API denies a job of this process: what it has cost is unknown."""
        state = self.opened()
        if (record := state.jobs.pop(job_id, None)) is not None:
            problem: JSON = {"message": f"the API says that there is no job {job_id}", "error": NotFoundError.__name__}
            state.write_soon(record, MarkUnknown(at=state.time(), problem=problem))

    # --- a paid call ------------------------------------------------------------------------------------------------

    async def _pay(self, state: OpenedState, operation: Operation[T], options: Options, call_id: str | None) -> T:
        if (begin := self.call_type.begin) is not None:
            await state.begin(lambda: begin(self.client, state))
        call_id = call_id or options.request_id or random_uuid()
        body = _whole_body(operation, options)
        needs_acknowledgement = {ACKNOWLEDGE: True} if options.acknowledge else {}
        new = NewCall(
            id=random_uuid(),
            operation=operation.endpoint.name,
            parameters={**self.call_type.identify(operation, body), **needs_acknowledgement},
            place=state.address,
            user=options.user,
            context=options.context,
        )
        if options.idempotency_key is None:
            return await self._pay_once(state, new, operation, options, call_id, body, None)
        new = await self._keyed(new, operation, options, body)
        looks = _Looks(self._session, options)
        while True:
            record, is_leased = await (await state.ledger()).lease(new)
            if is_leased:
                try:
                    return await self._pay_once(state, new, operation, options, call_id, body, record)
                except StaleRowError:  # another process took it over before it was sent
                    continue
            if await self._is_over(state, record):
                continue
            self._check_same(record, new, options)
            if await self._is_free(state, record):
                continue
            if (answer := await self._answer(state, record, options)) is not None:
                result: T = answer[0]
                return result
            await looks.wait(state)

    async def _pay_once(
        self,
        state: OpenedState,
        new: NewCall,
        operation: Operation[T],
        options: Options,
        call_id: str,
        body: JSON,
        leased: CallRecord | None,
    ) -> T:
        """Make a call, and commit what became of it before anybody is told."""
        call_type = self.call_type
        call = PaidCall(state, new, Terms(), vendor=call_type.vendor, request_id=call_id, content=body, leased=leased)
        call.total = None if call_type.settle is None else total_account(state.address)
        try:
            call.terms = await self._terms(state, operation, options, body)
            await self._check_room(call)
            if leased is not None and self._session.lifetime.draining:  # no earlier call has its result
                self._session.lifetime.check_intake(operation.endpoint)
            result = await self._session.send(operation, options, call_id=call_id, intent=call, is_kept=True)
        except asyncio.CancelledError as error:
            await call.abandon(error.__cause__)
            raise
        except Exception as error:
            try:
                await call.fail(error)
            except asyncio.CancelledError as cancelled:
                raise cancelled from (error if isinstance(error, OutcomeUnknownError) else None)
            raise
        finally:
            call.end()
        try:
            await call.accept(call_type.describe(operation, result))
        except asyncio.CancelledError as error:
            error.add_note(f"the call had finished: {result!r:.300}")
            raise error from _finished_error(new.operation, call.record)
        return result

    async def _check_room(self, call: PaidCall) -> None:
        """Raise BudgetExceededError if a budget has no room, by what calls are known to have cost."""
        if call.terms.budgets and not call.terms.fixed:
            await self.settle_costs(call.terms.model)
        try:
            await call.check_room()
        except BudgetExceededError:
            if not await self.settle_costs():
                raise
            await call.check_room()

    async def _terms(self, state: OpenedState, operation: Operation[Any], options: Options, body: JSON) -> Terms:
        """Return what a call is expected to cost; raise InvalidRequestError if budgets need an unknown price."""
        terms = self.call_type.terms(operation, body)
        if options.price is not None:
            # Under a name of its own: nothing is learned from it for calls that have an estimate.
            model = f"{terms.model} at a given price"
            terms = evolve(terms, model=model, credits=options.price / DOLLARS_A_CREDIT, fixed=True)
        budgets = applicable(self.settings.budgets, options.user)
        if not budgets:
            return terms
        if terms.credits is None:
            terms = await self.call_type.quote(self.client, state, operation, body, terms)
        if terms.credits is None:
            raise InvalidRequestError(
                "price",
                "no price is known for this call, so that a budget could not be kept",
                operation=operation.endpoint.name,
                advice="Name what it costs in US dollars: with_options(price=...)",
            )
        return evolve(terms, budgets=budgets)

    # --- a call with an idempotency key -----------------------------------------------------------------------------

    async def _keyed(self, new: NewCall, operation: Operation[Any], options: Options, body: JSON) -> NewCall:
        """Return a call with the id of its idempotency key, and a digest of its request."""
        content = await media.inline_files(body, operation.endpoint.name)
        query = {**operation.query, **options.extra_query}
        try:
            text = canonical_json([operation.endpoint.method, operation.path, query, content])
        except (TypeError, ValueError, RecursionError):
            raise arguments.unserializable(body) from None
        digest = int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:8], signed=True)
        parameters = {**new.parameters, "digest": digest}
        return evolve(new, id=f"{new.place} {options.idempotency_key}", parameters=parameters)

    async def find(self, key: str) -> CallRecord | None:
        """Return the call that has bought something with an idempotency key; OutcomeUnknownError if one may have."""

        async def find(state: OpenedState) -> CallRecord | None:
            record = await state.find(f"{state.address} {key}")
            if record is not None and record.state == "unknown":
                record = await self._look_at_unknown(state, record)
            if record is None or not (record.remote_ids or record.state in {*PAID_STATES, "done"}):
                return None
            self._note_found(state, record)
            return record

        return await self.while_open("jobs.find", find)

    @staticmethod
    def _check_same(record: CallRecord, new: NewCall, options: Options) -> None:
        """Raise InvalidRequestError where the key belongs to a call with another payload."""
        known = record.parameters.get("digest") if record.digest is None else record.digest
        if known != new.parameters["digest"]:
            raise InvalidRequestError(
                "idempotency_key",
                f"the idempotency key {options.idempotency_key!r} belongs to another call, with other parameters",
                operation=new.operation,
                advice="Give each call a key of its own, and the same parameters when it is made again",
            )

    async def _is_over(self, state: OpenedState, record: CallRecord) -> bool:
        """Delete a call that ended so long ago that its key is free; tell whether it is, whoever has deleted it."""
        if not self._ended_long_ago(state, record):
            return False
        await (await state.ledger()).prune(self.settings.keep_days * DAY)
        found = await state.find(record.id)
        return found is None or not self._ended_long_ago(state, found)

    def _ended_long_ago(self, state: OpenedState, record: CallRecord) -> bool:
        now = state.time()
        return record.state in _ENDED and now - (record.ended_at or now) > self.settings.keep_days * DAY

    @staticmethod
    async def _is_free(state: OpenedState, record: CallRecord) -> bool:
        """Release a call that failed at no cost; tell whether it is one. Whoever was quicker leases it."""
        if record.state != "failed" or record.cost != 0:
            return False
        problem: JSON = {"message": "it failed at no cost, and is made again"}
        with contextlib.suppress(StaleRowError):
            await (await state.ledger()).release(record, Release(at=state.time(), problem=problem))
        return True

    async def _answer(self, state: OpenedState, record: CallRecord, options: Options) -> tuple[Any] | None:
        """Return the result of a call that another one has made; None while it is under way."""
        if record.state == "unknown":
            await self._look_at_unknown(state, record)
            return None
        if record.state in {*PAID_STATES, *_ENDED}:
            self._note_found(state, record)
            return (await self.call_type.fetch(self._session, evolve(options, request_id=None), record),)
        return None

    async def _look_at_unknown(self, state: OpenedState, record: CallRecord) -> CallRecord | None:
        """Return what the account settles an unknown call as; raise OutcomeUnknownError if it doesn't."""
        found: CallRecord | None = record
        if self.call_type.look is not None:
            await self.call_type.look(self.client, state)
            found = await state.find(record.id)
        if found is not None and found.state == "unknown":
            raise _unknown_error(record)
        return found

    @staticmethod
    def _note_found(state: OpenedState, record: CallRecord) -> None:
        """Have the end of a job noted when a poll shows it, whichever process has submitted it."""
        if record.state in PAID_STATES and record.remote_ids:
            state.jobs.setdefault(record.remote_ids[0], record)


class _Looks:
    """The looks at a call that another one makes, ever further apart."""

    def __init__(self, session: "Session", options: Options) -> None:
        self._clock = session.clock
        self._pause = FIRST_PAUSE
        self._timeout = options.timeout
        self._deadline = None if options.timeout is None else session.clock.monotonic() + options.timeout

    async def wait(self, state: OpenedState) -> None:
        """Wait until the next look; take over the call if whoever has made it is gone."""
        if self._deadline is not None and self._clock.monotonic() + self._pause > self._deadline:
            raise DeadlineExceededError(
                f"{self._timeout:g} s were not enough: another call with the idempotency key is under way",
                waited_for="attempt",
                advice="Make it again with the same key: it gets what the other one got",
            )
        await self._clock.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        await state.end_abandoned_at_times()


def _whole_body(operation: Operation[Any], options: Options) -> JSON:
    body = operation.body
    if isinstance(body, Form):
        return dict(body.fields)
    return {**(body if is_object(body) else {}), **options.extra_body} if options.extra_body else body


def _finished_error(operation: str, record: CallRecord | None) -> OutcomeUnknownError:
    """Return the error of a call that was cancelled when its result was being written down."""
    ids = () if record is None else record.remote_ids
    request_id = None if record is None else record.request_id
    error = OutcomeUnknownError(
        "it was cancelled when it had taken effect", operation=operation, request_id=request_id, ids=ids, outcome="done"
    )
    creation_id = to_api_id(ids[0]) if ids and ids[0].isdecimal() else None
    job_errors.attach_result(error, operation, creation_id)
    return error


def _unknown_error(record: CallRecord) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        "an earlier call with this idempotency key may have been charged, and nobody knows what came of it",
        advice="It is in client.jobs.unknown(), and stays so until it is settled there",
        operation=record.operation or "",
        request_id=record.request_id or "",
        outcome="unknown",
    )
