"""What keeps one call from being sent: limits, holds and outages. Waited for here, and told to the event stream."""

import math
import random
from typing import TYPE_CHECKING, Any

from attrs import frozen

from generor_async.engine.admission import LimitAdmission
from generor_async.engine.events import EventStream
from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.engine.loops import PerLoop
from generor_async.engine.media import ImageFetcher
from generor_async.engine.options import Options
from generor_async.engine.outage import OutageGate
from generor_async.engine.queue import QueueTimeoutError
from generor_async.engine.slots import SlotPoller
from generor_async.engine.transport import BlockedBeforeSendError, Transport
from generor_async.errors import APIError, DeadlineExceededError, RateLimitError
from generor_async.rules import outcome, retry
from generor_async.rules.holds import Hold
from generor_async.rules.http_types import Operation
from generor_async.values import Clock, RetryScheduled, Secret, Throttled, ThrottleScope

if TYPE_CHECKING:
    from generor_async.rules.outage import OutageTicket
    from generor_async.rules.refusal import LimitRefusal
    from generor_async.rules.wait import Wait

__all__ = ["Admission", "ClientParts"]


@frozen(kw_only=True)
class ClientParts:
    """What the calls of one client have in common."""

    key: Secret | None
    clock: Clock
    events: EventStream
    limits: LimitKeeper
    transports: PerLoop[Transport]
    slot_pollers: PerLoop[SlotPoller]
    budget: retry.RetryBudget
    images: ImageFetcher | None


class Admission:
    """One call's way to the wire, before each of its attempts.

    A `timeout` that is given covers everything, and a `queue_timeout` all waits for limits, from the first attempt to
    the last. A default deadline begins when the call is let go, stands still while it waits for its turn, and begins
    anew after a 429 that proves a limit.
    """

    __slots__ = (
        "_context",
        "_gate",
        "_latest",
        "_operation",
        "_options",
        "_refused",
        "_shared",
        "_waited",
        "again",
        "body",
        "deadline",
        "ticket",
        "timeout",
        "turn",
    )

    def __init__(
        self, shared: ClientParts, operation: Operation[Any], options: Options, context: outcome.CallContext, now: float
    ) -> None:
        endpoint, given = operation.endpoint, options.timeout
        self._shared = shared
        self._operation = operation
        self._options = options
        self._context = context
        self.body = operation.body
        """What is sent: which outage concerns the call depends on it."""
        self.again = False
        """Whether it was let go before, and held back: it goes to the head of its queue."""
        self.timeout = endpoint.timeout if given is None else given
        self.deadline = None if given is None else now + given
        """When time is up; unless the caller said so, it begins to run when the first attempt is let go."""
        self._waited = 0.0
        """Seconds that the call has waited for limits, where `queue_timeout` counts them."""
        self._latest = math.inf
        """Until when it may wait this time."""
        self._refused: RateLimitError | None = None
        """A 429 whose wait has not been told to the event stream yet."""
        self._gate: OutageGate | None = None
        self.ticket: OutageTicket | None = None
        """What it was let go with while the API was not known to be well."""
        self.turn: LimitAdmission | None = None
        """What it holds under the limits, where they know of such calls."""
        if endpoint.quota or endpoint.shows_job:
            self.turn = LimitAdmission(operation, options.priority, shared.limits, shared.slot_pollers, shared.clock)

    def remaining(self, now: float) -> float:
        """Return the seconds that the call has left."""
        return math.inf if self.deadline is None else self.deadline - now

    # --- before an attempt ------------------------------------------------------------------------------------------

    def admit_nowait(self, now: float) -> bool:
        """Let the call go for the first time if nothing keeps it; return whether that is so. Else `wait` does."""
        limits = self._shared.limits
        if now >= limits.next_sync:
            limits.sync(now)
        if "abuse" in limits.holds.by_scope or limits.gates.away:
            return False
        return self.turn is None or self.turn.acquire_nowait()

    async def wait(self, last: APIError | None) -> None:
        """Wait until the call may be sent; `last` is what its last attempt came to.

        Raises RateLimitError where a 429 holds the calls of the key for longer than a given timeout leaves, and
        DeadlineExceededError where the turn doesn't come in time for any other reason: at once, where that is certain.
        """
        limits, turn, now = self._shared.limits, self.turn, self._shared.clock.monotonic()
        try:
            if now >= limits.next_sync:
                limits.sync(now)
            if turn is not None or "abuse" in limits.holds.by_scope:
                await self._acquire(turn, now)
            while limits.gates.away:
                await self._wait_for_outage(last)
                if turn is None or not turn.is_blocked():
                    break
                self.abandoned(BlockedBeforeSendError())
                self.again = True
                await self._acquire(turn, self._shared.clock.monotonic())
        except BaseException as error:
            self.abandoned(error)
            raise

    async def _acquire(self, turn: LimitAdmission | None, began: float) -> None:
        clock, holds = self._shared.clock, self._shared.limits.holds.by_scope
        missed: ThrottleScope | None = None
        patience = self._queue_timeout(began)
        self._latest = began + patience
        try:
            if "abuse" in holds:
                patience -= await self._wait_until_unblocked(began)
            if turn is not None:
                await turn.acquire(patience, self._announce_wait, again=self.again or self._context.attempts > 0)
                if "abuse" in holds:
                    await self._wait_until_unblocked(clock.monotonic())
        except QueueTimeoutError as error:
            missed = error.scope
        if missed is not None:  # out here, so that the error's context isn't the other one
            raise self._deadline_error(missed)
        if self._refused is not None and self._context.refusal is not None:  # the limit lets it go at once
            self._emit_throttled(self._context.refusal.scope, 0.0)
        if self._options.timeout is None:
            waited = clock.monotonic() - began
            self._waited += waited
            if self.deadline is not None:
                self.deadline += waited

    def _queue_timeout(self, now: float) -> float:
        """Return for how many seconds the call may wait for limits."""
        if self._options.timeout is None:
            return self._options.queue_timeout - self._waited
        return self.remaining(now)

    async def _wait_until_unblocked(self, began: float) -> float:
        """Wait while all calls of the key are held; return for how many seconds that was."""
        clock, holds, now = self._shared.clock, self._shared.limits.holds.by_scope, began
        while (hold := holds.get("abuse")) is not None and (left := hold.until - now) > 0:
            if hold.until >= self._latest:
                raise QueueTimeoutError("abuse", left)
            delay = min(retry.with_spread(left, random.random()), self._latest - now)  # noqa: S311 - jitter, no secret
            self._emit_throttled("abuse", delay)
            await clock.sleep(delay)
            now = clock.monotonic()
        return now - began

    async def _wait_for_outage(self, last: APIError | None) -> None:
        """Wait for one's turn while the API is away; that takes of the call's own time."""
        gate, now = self._gate_of_call(), self._shared.clock.monotonic()
        if gate.rule.healthy:
            return
        if self.deadline is None:
            self.deadline = now + self.timeout
        self._latest = self.deadline - retry.least_seconds_left(self._operation.endpoint.retry_safety, self.timeout)
        try:
            self.ticket = await gate.enter(self._options.priority, self._latest - now, self._announce_wait)
        except QueueTimeoutError:
            away = last is not None and outcome.is_documented_outage(last)
            failure = last if last is not None and away else outcome.outage_error(self._context, gate.error)
        else:
            self._gate = gate
            return
        raise failure

    def _gate_of_call(self) -> OutageGate:
        return self._shared.limits.gates.of(self.body, self._options.extra_body)

    def _deadline_error(self, scope: ThrottleScope) -> APIError | DeadlineExceededError:
        now, name = self._shared.clock.monotonic(), self._operation.endpoint.name
        hold = self._shared.limits.holds.longest(now, but="jobs")
        if hold is not None and (scope != "jobs" or hold.until >= self._latest):
            return outcome.blocked_error(self._context, hold, hold.until - now)
        given = self._options.queue_timeout if self._options.timeout is None else self.timeout
        what = "all slots for jobs are taken" if scope == "jobs" else f"the limit a {scope} is used up"
        return DeadlineExceededError(
            f"{name}: its turn did not come within {given:g} s ({what})",
            waited_for="slot" if scope == "jobs" else "pace",
            call_id=self._context.call_id,
            request_id=self._context.request_id,
            advice="Give it more time, or a higher priority, or send less",
        )

    # --- an attempt, and after it -----------------------------------------------------------------------------------

    def succeeded(self, *, sent: float) -> None:
        """Account for an attempt that was sent at `sent` and answered well."""
        if self._shared.limits.gates.away:
            self._gate_of_call().succeeded(sent)
        if self.ticket is not None:
            self._leave_gate()

    def failed(self, error: BaseException, *, sent: float, draw: float, inline: bool) -> None:
        """Account for an attempt that was sent at `sent` and came to an error, or for a wait that did.

        `draw` is a random number from 0 up to 1; `inline` tells that the call goes on without what is away.
        """
        if self.turn is not None:
            self.turn.failed(error)
        if isinstance(error, RateLimitError) and (refusal := self._context.refusal) is not None and refusal.proven:
            self._block_others(error, refusal)
        if isinstance(error, APIError):
            busy = outcome.is_documented_outage(error) and not inline
            if busy or (self.ticket is not None and error.outcome in {"unknown", "not_sent"}):
                (self._gate or self._gate_of_call()).failed(error, sent, draw)
        self._leave_gate()

    def abandoned(self, error: BaseException) -> None:
        """Give everything back: the call is not sent."""
        if self.turn is not None:
            self.turn.failed(error)
        self._leave_gate()

    def _leave_gate(self) -> None:
        gate, ticket = self._gate, self.ticket
        self._gate = self.ticket = None
        if gate is not None and ticket is not None:
            gate.leave(ticket)

    def _block_others(self, error: RateLimitError, refusal: "LimitRefusal") -> None:
        """Let the limits know what a 429 has other calls wait for."""
        limits, clock = self._shared.limits, self._shared.clock
        now = clock.monotonic()
        if refusal.is_window and not self._operation.endpoint.quota:
            limits.refused(None, now, refusal.wait, refusal.window, None)
        hold = Hold(until=now + refusal.wait, scope=refusal.hold_scope, reason=error.message)
        if limits.block(hold, now):
            self._shared.events.warn_of_hold(hold, refusal.wait, clock.time() + refusal.wait)

    def requeue(self, error: RateLimitError, refusal: "LimitRefusal", draw: float) -> float:
        """Let a call that a limit has refused wait for it; return the seconds that it waits by itself.

        Where the limit has a queue these are 0: the call goes to its head. Raises the error where it cannot wait so
        long.
        """
        if self._options.timeout is None:
            self.deadline = None
        patience = self._queue_timeout(self._shared.clock.monotonic())
        queues = refusal.scope == "abuse" or (self.turn is not None and self.turn.waits_for(refusal))
        if refusal.wait >= patience and not (queues and refusal.scope == "jobs"):
            raise error
        if queues:
            self._refused = error
            return 0.0
        delay = min(retry.with_jitter(refusal.wait, draw), patience)
        if self._options.timeout is None:
            self._waited += delay
        self.announce_retry(error, delay)
        return delay

    # --- what others are told ---------------------------------------------------------------------------------------

    def announce_retry(self, error: APIError, delay: float) -> None:
        """Tell the event stream that the call waits by itself, and goes again then."""
        if isinstance(error, RateLimitError) and self._context.refusal is not None:
            self._refused = error
            self._emit_throttled(self._context.refusal.scope, delay)
        else:
            self._emit_retry(error, delay)

    def _announce_wait(self, wait: "Wait") -> None:
        """Tell of a wait; of one after a 429 only where it is begun, because it can end in time."""
        if self._refused is None and not self._shared.events.listens_to_waits:
            return
        if self._refused is None or wait.until <= self._latest or wait.until == math.inf:
            self._emit_throttled(wait.scope, max(wait.until - self._shared.clock.monotonic(), 0.0))

    def _emit_throttled(self, scope: ThrottleScope, delay: float) -> None:
        """Tell the event stream that the call waits for a limit; and, after a 429, that it goes again then."""
        refused, self._refused = self._refused, None
        if self._shared.events.listens_to_waits:
            self._shared.events.emit(
                Throttled(
                    operation=self._operation.endpoint.name,
                    call_id=self._context.call_id,
                    request_id=self._context.request_id,
                    scope=scope,
                    delay=delay,
                )
            )
        if refused is not None:
            self._emit_retry(refused, delay)

    def _emit_retry(self, error: APIError, delay: float) -> None:
        self._shared.events.emit(
            RetryScheduled(
                operation=self._operation.endpoint.name,
                call_id=self._context.call_id,
                request_id=self._context.request_id,
                attempt=self._context.attempts + 1,
                delay=delay,
                reason=type(error).__name__,
            )
        )
