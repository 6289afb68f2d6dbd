"""Settles the unknown calls in a Generor client's state by what its account shows."""

import asyncio
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import contextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from generor_async.api.generor.models import Estimate
from generor_async.api.generor.operations import GENERATORS_ESTIMATE, GENERATORS_GENERATE
from generor_async.engine.state.lone_calls import total_account
from generor_async.engine.state.opened import OpenedState
from generor_async.engine.state.paid_call import Terms
from generor_async.errors import APIError, ClientClosedError, DeadlineExceededError, StaleRowError
from generor_async.prices import EstimateCache
from generor_async.reconciliation.account_reads import read_balance, read_latest_transaction
from generor_async.reconciliation.clock import ServerClock
from generor_async.reconciliation.reconcile import Reconciliation
from generor_async.reconciliation.settlement import begin_settlement, settle_calls
from generor_async.reconciliation.unresolved import NOTE, Reason, reasons_by_attempt
from generor_async.rules.http_types import Operation
from generor_async.rules.row_states import Accept, Release, RowState
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import CallRecord
from generor_async.values import JSON, is_object

if TYPE_CHECKING:
    from generor_async.generor import AsyncGeneror

__all__ = ["GenerorAccount", "begin", "look", "quote", "settle"]

SETTLE_EVERY: Final = 60.0
"""Seconds between two reads of the transactions while calls are made."""
SETTLE_PAUSE: Final = 10.0
"""The same, at least, where what is left is in question."""
SETTLE_TIMEOUT: Final = 15.0
"""Seconds for which a read of the transactions may hold up a paid call."""

UNSETTLED: Final[tuple[RowState, ...]] = ("submitting", "unknown")
"""States of calls that may have been charged."""


class GenerorAccount:
    """The account of a client, as one event loop reads it."""

    def __init__(self, client: "AsyncGeneror", state: OpenedState) -> None:
        self._client = client
        self._state = state
        self._clock = ServerClock(client._clock)  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        self._clock.follow_server()
        self._has_clock = False
        self._calls = _AccountCalls(state)
        self._quick_client = client.with_options(timeout=SETTLE_TIMEOUT)
        """For what a paid call waits for."""
        self._settling = asyncio.Lock()
        self._settled_at, self._settled_spent = -inf, 0.0
        """When calls were settled last, by the monotonic clock, and what they had cost then."""
        self._lock = asyncio.Lock()
        self.estimates = EstimateCache(self._estimate)
        self._reconciliation = Reconciliation(client, self._calls, self._clock, self._balance, beside_calls=True)

    async def begin(self) -> None:
        """Note balance and latest transaction, from which later spends are told, if nothing is unsettled.

        What can't be read is left out: then an unknown call can be found, but not be known to have had no effect.
        """
        await self._set_clock()
        note: JSON = {"balance": None, "transaction": None}
        began = self._clock.time()
        if await self._calls.has_unsettled():
            return
        with _left_for_later():
            latest = await read_latest_transaction(self._client)
            note = {"balance": await self._balance(), "transaction": latest}
            await begin_settlement(self._calls, latest)
        if not await self._calls.has_unsettled():  # a call of another process may have been charged before this
            await self._write_beginning(began, note)

    async def _write_beginning(self, began: float, note: JSON) -> None:
        await self._calls.write_note("began", began)
        await self._calls.write_note("account", note)

    async def _set_clock(self) -> None:
        """Date calls by the server's time from now on, as the clocks of this state's processes may differ by hours.

        A process whose clock is ahead would take a call that is under way for one that had no effect long ago.
        """
        if not self._has_clock:
            with suppress(APIError, DeadlineExceededError):
                await self._balance()  # whose answer tells the server's time
            await self._clock.save(self._calls)
            self._state.time, self._has_clock = self._clock.time, True

    async def look(self) -> Mapping[tuple[int, int], Reason]:
        """Check the account, unless it was checked a minute ago; return why calls are still unknown."""
        async with self._lock:
            await self._set_clock()
            if await self._calls.read_note("account") is None:
                await self._write_beginning(self._clock.time(), {"balance": None, "transaction": None})
            with _left_for_later():
                await self._check()
        return reasons_by_attempt(await self._calls.read_note(NOTE))

    async def settle(self, pause: float) -> bool:
        """Correct what calls have cost by the transactions, if any has cost something since the last time.

        That must be `pause` seconds ago. Return whether a cost was corrected. What can't be read now is left for later.
        """
        if self._clock.monotonic() - self._settled_at < pause:
            return False
        async with self._settling:
            now = self._clock.monotonic()
            if now - self._settled_at < pause or await self._calls.spent() == self._settled_spent:
                return False
            self._settled_at, is_corrected = now, False
            with _left_for_later():
                charges = await self._state.charges()
                is_corrected = await settle_calls(self._quick_client, self._calls, charges)
                self._settled_spent = await self._calls.spent()
                if is_corrected:
                    self._state.forget_charges()
            return is_corrected

    async def _check(self) -> None:
        settled = await self._reconciliation.check_account()
        if any(call.state == "ready" for call in settled):
            await self._state.end_abandoned()  # they failed at no cost

    async def _estimate(self, parameters: Mapping[str, JSON]) -> Estimate:
        path = f"/generators/{parameters['slug']}/estimate"
        body = {name: value for name, value in parameters.items() if name != "slug"}
        return await self._client.send(Operation(GENERATORS_ESTIMATE, path, body=body))

    async def _balance(self) -> float | None:
        """Return the account's credits; None if the answer doesn't say."""
        return await read_balance(self._client, self._clock)


class _AccountCalls:
    """The calls of `generate` in a state, as reconciliation and settlement take them."""

    def __init__(self, state: OpenedState) -> None:
        self._state = state
        self.place = state.address
        """The API's address."""

    async def ledger(self) -> Ledger:
        """Return the ledger."""
        return await self._state.ledger()

    async def spent(self) -> float:
        """Return what all calls have cost, as far as it is known."""
        account = await (await self.ledger()).account(total_account(self.place))
        return 0.0 if account is None else account.spent

    async def scan(self, *states: RowState) -> AsyncIterator[CallRecord]:
        """Yield the calls in these states, in the order of their beginning."""
        ledger = await self._state.ledger()
        async for call in ledger.scan(*states):
            if call.place == self._state.address and call.operation == GENERATORS_GENERATE.name:
                yield call

    async def has_unsettled(self) -> bool:
        """Tell whether a call may have been charged without anybody knowing yet."""
        async for _ in self.scan(*UNSETTLED):
            return True
        return False

    async def accept(self, call: CallRecord, step: Accept) -> None:
        """Write that the call was found, unless another process has settled it."""
        with suppress(StaleRowError):
            await (await self._state.ledger()).accept(call, step)

    async def release(self, call: CallRecord, step: Release) -> None:
        """Write that the call had no effect, unless another process has settled it."""
        with suppress(StaleRowError):
            await (await self._state.ledger()).release(call, step)

    async def read_note(self, name: str) -> JSON:
        """Return the note with this name; None if there is none."""
        return await (await self._state.ledger()).read_note(self._note(name))

    async def write_note(self, name: str, value: JSON) -> None:
        """Store a fact about the calls."""
        await (await self._state.ledger()).write_note(self._note(name), value)

    def _note(self, name: str) -> str:
        return f"{self._state.address} {name}"


@contextmanager
def _left_for_later() -> Generator[None]:
    """Leave what the API doesn't tell now; where the client was closed, nothing goes on."""
    try:
        yield
    except ClientClosedError:
        raise
    except (APIError, DeadlineExceededError):
        pass


async def quote(client: Any, state: OpenedState, operation: Operation[Any], body: JSON, terms: Terms) -> Terms:
    """Return the terms of a `generate` with the API's estimate, requested once for calls that cost the same."""
    if operation.endpoint is not GENERATORS_GENERATE or not is_object(body):
        return terms
    found = await _account(client, state).estimates.price({"slug": operation.path.split("/")[2], **body})
    if found is None:
        return terms
    return evolve(terms, model=found.model, credits=found.credits, longest=max(terms.longest, found.longest))


def _account(client: Any, state: OpenedState) -> GenerorAccount:
    if state.account is None:
        options = evolve(
            client._options, timeout=None, request_id=None, on_progress=None, idempotency_key=None, priority="normal"
        )
        state.account = GenerorAccount(client._make_view(options), state)
    account: GenerorAccount = state.account
    return account


async def settle(client: Any, state: OpenedState, model: str | None) -> bool:
    """Correct what calls have cost by the account's transactions; tell whether that has changed anything.

    Before a call of a model it is done once a minute, and more often while the model's price is not known; without a
    model, where somebody asks what is left, at once.
    """
    is_known = model is not None and (await state.charges()).is_known(model)
    return await _account(client, state).settle(SETTLE_EVERY if is_known else SETTLE_PAUSE)


async def begin(client: Any, state: OpenedState) -> None:
    """Learn the state of the account before the first paid call."""
    await _account(client, state).begin()


async def look(client: Any, state: OpenedState) -> Mapping[tuple[int, int], Reason]:
    """Settle unknown calls by what the account shows; return why others are still unknown."""
    return await _account(client, state).look()
