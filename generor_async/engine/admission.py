"""The admission of one call under the limits of its key.

`async with admission.admit(request) as attempt` is entered before each attempt: it waits until the call has a permit of
the rate limit, a slot for the job that it submits, and, during an outage of the API, a ticket. When the block ends,
they are accounted for by what the attempt came to: spent, or given back exactly once.
"""

import random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from multidict import istr

from generor_async.engine.call_waits import CallWaits, ClientParts
from generor_async.engine.options import Options
from generor_async.engine.outage import OutageGate
from generor_async.engine.queue import QueueTimeoutError
from generor_async.engine.transport import Attempt, BlockedBeforeSendError, Intent
from generor_async.errors import APIError, ConcurrentJobsError, RateLimitError
from generor_async.rules import outcome
from generor_async.rules.holds import Hold
from generor_async.rules.http_types import Form, Operation, Reply, Request
from generor_async.rules.lifecycle import LUMA_JOB
from generor_async.rules.rate_headers import read_rate_limit_report
from generor_async.rules.weights import DEFAULT_TYPE
from generor_async.rules.window import SPANS
from generor_async.values import Outcome, ThrottleScope

if TYPE_CHECKING:
    from collections.abc import Collection

    from generor_async.rules.outage import OutageTicket
    from generor_async.rules.pace import Permit
    from generor_async.rules.refusal import LimitRefusal
    from generor_async.rules.slot_usage import JobSlot

__all__ = ["Admission"]

SMALL_BODY: Final = 65_536
"""Largest body in bytes that counts as received as soon as it is sent."""
SMALL_LIMIT: Final = 4
"""Number of digits of a limit that a client may reach."""
_LIMIT: Final = istr("X-RateLimit-Limit")
_NOT_SENT: Final = Attempt()


class Admission:
    """Admits one call before each of its attempts, and accounts for what the attempt used."""

    __slots__ = (
        "_attempt",
        "_context",
        "_gate",
        "_holds_news",
        "_intent",
        "_limited",
        "_operation",
        "_options",
        "_outage_error",
        "_parts",
        "_permit",
        "_request",
        "_request_type",
        "_slot",
        "_ticket",
        "began",
        "body",
        "draw",
        "failure",
        "inlined_statuses",
        "waits",
    )

    def __init__(
        self,
        parts: ClientParts,
        operation: Operation[Any],
        options: Options,
        context: outcome.CallContext,
        now: float,
        intent: Intent | None,
    ) -> None:
        endpoint = operation.endpoint
        weighing, images = endpoint.weighing, parts.images
        self._parts = parts
        self._operation = operation
        self._options = options
        self._context = context
        self._intent = intent
        self._request_type = DEFAULT_TYPE if weighing is None else weighing.request_type_of(operation.body)
        self._limited = bool(endpoint.quota) or endpoint.shows_job
        """Whether calls of this endpoint are subject to the limits, or show jobs."""
        self._request: Request
        self._attempt = _NOT_SENT
        self._permit: Permit | None = None
        self._slot: JobSlot | None = None
        self._ticket: OutageTicket | None = None
        """The permission to be sent during an outage."""
        self._gate: OutageGate | None = None
        """The gate that the ticket is from."""
        self._holds_news = 0
        """The number of changes to the holds when the call was admitted."""
        self._outage_error: APIError | None = None
        """The error of the last attempt, where it met an outage."""
        self.began = now
        """When the attempt began."""
        self.failure: APIError | None = None
        """The error of the last attempt."""
        self.draw = 0.0
        """A random number in [0, 1) for the backoff after it, both of the call and of the outage."""
        self.body = operation.body
        """The body before it is encoded; it decides which outage concerns the call."""
        self.inlined_statuses: Collection[int] = frozenset() if images is None else images.statuses
        """Statuses after which the images of the request are fetched here, so that the call needs no backoff."""
        self.waits = CallWaits(parts, operation, options, context, now)

    def admit(self, request: Request) -> Self:
        """Prepare the admission of an attempt with this request."""
        self._request = request
        return self

    async def __aenter__(self) -> Attempt:
        """Wait until the call may be sent; return the attempt, which records whether it was sent.

        Raises:
            RateLimitError: A 429 blocks the calls of the key for longer than a given timeout leaves.
            DeadlineExceededError: The call can't be, or was not, admitted in time for another reason.
        """
        parts = self._parts
        limits, now = parts.limits, parts.clock.monotonic()
        try:
            if now >= limits.next_sync and (limits.unbound or not self._limited):
                limits.sync(now)
            if (
                self._context.attempts
                or self.waits.again
                or limits.gates.away
                or "abuse" in limits.holds.by_scope
                or (self._limited and not self._acquire_nowait(now))
            ):
                await self._wait(now)
                now = parts.clock.monotonic()
        except BaseException as error:
            self._abandon(error)
            raise
        self.began = now
        body = self._request.body
        if not self._limited:
            attempt = Attempt()
        elif isinstance(body, Form) or (body is not None and len(body) > SMALL_BODY):
            attempt = Attempt(self._check_holds, self._sent)  # it has left with its last piece
        else:
            attempt = Attempt(self._leaves)
        attempt.intent = self._intent
        self._attempt = attempt
        return attempt

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Account for the attempt. An APIError is suppressed and kept as `failure`: another attempt may follow."""
        attempt, self._attempt = self._attempt, _NOT_SENT  # it calls this object: nothing is left to the collector
        if attempt.reply is not None and self._operation.endpoint.quota:
            self._read_limits(attempt.reply)
        if error is None:
            if self._slot is not None or self._operation.endpoint.shows_job:
                self._note_job(attempt.result)
            if self._ticket is not None or self._parts.limits.gates.away:
                self._succeeded()
            return True
        self._give_back(error, sent=attempt.sent)
        self.failure = None
        if isinstance(error, APIError):
            self._failed(error)
        self._leave_gate()
        if isinstance(error, BlockedBeforeSendError):
            self.waits.again = True
            return True
        return self.failure is not None

    # --- before an attempt ------------------------------------------------------------------------------------------

    def _acquire_nowait(self, now: float) -> bool:
        """Acquire a slot and a permit, as far as the call needs them; return whether both were free."""
        limits, quota, priority = self._parts.limits, self._operation.endpoint.quota, self._options.priority
        self._holds_news = limits.holds.news
        if limits.slots is not None and "jobs" in quota:
            self._slot = limits.slots.queue.enter_nowait(now, priority, self._request_type)
            if self._slot is None:
                return False
            self._permit = self._slot.permit
        if quota and self._permit is None and not limits.unbound:
            self._permit = limits.queue.enter_nowait(now, priority, self._request_type)
            return self._permit is not None
        return True

    async def _wait(self, now: float) -> None:
        limits = self._parts.limits
        if self._limited or "abuse" in limits.holds.by_scope:
            await self._acquire(now)
        while limits.gates.away:
            await self._wait_for_outage()
            if not (self._limited and self._is_blocked()):
                break
            self._abandon(BlockedBeforeSendError())
            self.waits.again = True
            await self._acquire(self._parts.clock.monotonic())

    def _abandon(self, error: BaseException) -> None:
        """Give everything back: the call is not sent."""
        self._give_back(error, sent=False)
        self._leave_gate()

    async def _acquire(self, began: float) -> None:
        """Wait for the slot and the permit that the call needs, and while all calls of the key are blocked."""
        parts, waits = self._parts, self.waits
        limits, blocked = parts.limits, parts.limits.holds.by_scope
        missed: ThrottleScope | None = None
        waits.begin(began)
        try:
            if "abuse" in blocked:
                await waits.until_unblocked(began)
            if self._limited:
                await self._acquire_slot()
                if self._operation.endpoint.quota and self._permit is None and not limits.unbound:
                    await self._acquire_permit()
                self._holds_news = limits.holds.news
                if "abuse" in blocked:
                    await waits.until_unblocked(parts.clock.monotonic())
        except QueueTimeoutError as error:
            missed = error.scope
        if missed is not None:  # out here, so that the error's context isn't the other one
            raise waits.deadline_error(missed)
        waits.end(began)

    async def _acquire_slot(self) -> None:
        slots = self._parts.limits.slots
        if slots is None or self._slot is not None or "jobs" not in self._operation.endpoint.quota:
            return
        poller, waits = self._parts.slot_pollers.get(), self.waits
        poller.start()
        try:
            self._slot = await slots.queue.enter(
                self._options.priority,
                waits.latest,
                waits.announce,
                again=waits.goes_first,
                request_type=self._request_type,
                user=self._options.user,
                context=self._context,
            )
        finally:
            poller.stop()
        self._permit = self._slot.permit

    async def _acquire_permit(self) -> None:
        queue, priority, waits = self._parts.limits.queue, self._options.priority, self.waits
        self._permit = queue.enter_nowait(self._parts.clock.monotonic(), priority, self._request_type)
        if self._permit is None:
            self._permit = await queue.enter(
                priority,
                waits.latest,
                waits.announce,
                again=waits.goes_first,
                request_type=self._request_type,
                user=self._options.user,
                context=self._context,
            )

    async def _wait_for_outage(self) -> None:
        """Wait for a ticket during an outage; the time counts towards the call's timeout."""
        gate, waits = self._gate_of_call(), self.waits
        if gate.rule.healthy:
            return
        try:
            waits.begin_outage(self._parts.clock.monotonic())
            self._ticket = await gate.enter(
                self._options.priority, waits.latest, waits.announce, user=self._options.user
            )
        except QueueTimeoutError:
            failure = self._outage_error or outcome.outage_error(self._context, gate.error)
        else:
            self._gate = gate
            return
        raise failure

    def _gate_of_call(self) -> OutageGate:
        return self._parts.limits.gates.of(self.body, self._options.extra_body)

    # --- during an attempt ------------------------------------------------------------------------------------------

    def _is_blocked(self) -> bool:
        """Tell whether a 429 that came after the admission blocks the call."""
        holds = self._parts.limits.holds
        if holds.news == self._holds_news:
            return False
        now, windows = self._parts.clock.monotonic(), bool(self._operation.endpoint.quota)
        scopes = [scope for scope, hold in holds.by_scope.items() if hold.until > now]
        return "abuse" in scopes or (windows and any(scope in SPANS for scope in scopes))

    def _leaves(self) -> None:
        """Note that the request leaves now: it has a connection."""
        parts = self._parts
        if parts.limits.holds.news != self._holds_news:
            self._check_holds()
        if self._permit is not None:
            parts.limits.sent(self._permit, parts.clock.monotonic())

    def _check_holds(self) -> None:
        if self._is_blocked():
            raise BlockedBeforeSendError

    def _sent(self) -> None:
        if self._permit is not None:
            self._parts.limits.sent(self._permit, self._parts.clock.monotonic())

    # --- after an attempt -------------------------------------------------------------------------------------------

    def _read_limits(self, reply: Reply) -> None:
        """Pass on what an answer reports of the rate limit; a 429 that proves no limit reports nothing."""
        limits, clock, permit, refusal = self._parts.limits, self._parts.clock, self._permit, self._context.refusal
        self._permit = None
        if permit is None and refusal is None and len(reply.headers.get(_LIMIT, "")) > SMALL_LIMIT:
            return  # as unbound as before
        report = read_rate_limit_report(reply.headers, clock.time()) if refusal is None or refusal.proven else None
        if refusal is not None and refusal.proven and refusal.is_window:
            limits.refused(permit, clock.monotonic(), refusal.wait, refusal.window, report)
        elif permit is not None:
            limits.received(permit, clock.monotonic(), report, succeeded=reply.status < 400)
        elif report is not None:
            limits.learn(report)

    def _note_job(self, result: Any) -> None:
        """Note the job that the call has submitted or polled."""
        slots, slot = self._parts.limits.slots, self._slot
        if slots is None:
            return
        now, ended = self._parts.clock.monotonic(), LUMA_JOB.is_terminal(result.state)
        if slot is None:
            weighing = self._operation.endpoint.weighing
            request_type = DEFAULT_TYPE if weighing is None else weighing.request_type(result.model, result.type)
            slots.record_poll(result.id, now, asked=self.began, ended=ended, request_type=request_type)
            return
        self._parts.limits.holds.by_scope.pop("jobs", None)  # calls may go, as it turned out
        slots.accepted(slot, result.id, now)
        self._slot = None
        if ended:  # nobody polls it any more
            slots.record_poll(result.id, now, asked=self.began, ended=True)

    def _succeeded(self) -> None:
        if self._parts.limits.gates.away:
            self._gate_of_call().succeeded(self.began)
        self._leave_gate()

    def _failed(self, error: APIError) -> None:
        """Note an attempt that failed; its permit and slot were given back before."""
        self.failure, self.draw = error, random.random()  # noqa: S311 - jitter, no secret
        if isinstance(error, RateLimitError) and (refusal := self._context.refusal) is not None and refusal.proven:
            self._block_others(error, refusal)
        busy = outcome.is_documented_outage(error)
        self._outage_error = error if busy else None
        if busy and outcome.wants_images_inline(error, self.inlined_statuses):
            busy = False  # the call goes on without what is unavailable
        if busy or (self._ticket is not None and error.outcome in {"unknown", "not_sent"}):
            (self._gate or self._gate_of_call()).failed(error, self.began, self.draw)

    def _give_back(self, error: BaseException, *, sent: bool) -> None:
        """Give back the permit if the request was not sent, and the slot if no job came of it."""
        limits, now = self._parts.limits, self._parts.clock.monotonic()
        permit, slot, slots = self._permit, self._slot, limits.slots
        self._permit = self._slot = None
        if permit is not None:
            (limits.sent if sent else limits.give_back)(permit, now)
        if slots is None or slot is None:
            return
        refusal = self._context.refusal
        if isinstance(error, ConcurrentJobsError) and refusal is not None:
            slots.refused(slot, now, refusal.wait, error.message)
        elif _outcome_of(error, sent=sent) in {"unknown", "done"}:
            slots.keep_unresolved(slot, now)
        else:
            slots.release(slot, now)

    def _leave_gate(self) -> None:
        gate, ticket = self._gate, self._ticket
        self._gate = self._ticket = None
        if gate is not None and ticket is not None:
            gate.leave(ticket)

    def _block_others(self, error: RateLimitError, refusal: "LimitRefusal") -> None:
        """Block other calls until the wait that a 429 asked for is over."""
        limits, clock = self._parts.limits, self._parts.clock
        now = clock.monotonic()
        if refusal.is_window and not self._operation.endpoint.quota:
            limits.refused(None, now, refusal.wait, refusal.window, None)
        hold = Hold(until=now + refusal.wait, scope=refusal.hold_scope, reason=error.message)
        if limits.block(hold, now):
            self._parts.events.warn_of_hold(hold, refusal.wait, clock.time() + refusal.wait)


def _outcome_of(error: BaseException, *, sent: bool) -> Outcome:
    """Return the outcome of an attempt that ended in an error or was cancelled."""
    if isinstance(error, APIError) and error.outcome is not None:
        return error.outcome
    return "unknown" if sent else "not_sent"
