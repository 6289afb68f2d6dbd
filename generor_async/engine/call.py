"""One logical call under way: what it waits for, its one deadline, its attempts, and what the last of them came to."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from attrs import frozen

from generor_async.engine import media
from generor_async.engine.deadline import within
from generor_async.engine.events import EventStream
from generor_async.engine.limits import Limits
from generor_async.engine.loops import PerLoop
from generor_async.engine.options import Options
from generor_async.engine.outage import Gate, Gates
from generor_async.engine.queue import OutOfTurnError
from generor_async.engine.slots import Lookout
from generor_async.engine.transport import Attempt, Transport
from generor_async.engine.turn import Turn
from generor_async.errors import APIError, APITimeoutError, DeadlineExceededError, RateLimitError
from generor_async.rules import answer, outcome, retry
from generor_async.rules.holds import Hold
from generor_async.rules.refusal import Refusal
from generor_async.rules.wait import Wait
from generor_async.rules.wire import Operation, Reply, Request, TransportError
from generor_async.values import (
    AttemptEnded,
    AttemptStarted,
    Clock,
    Outcome,
    RetryScheduled,
    Throttled,
    ThrottleScope,
)

if TYPE_CHECKING:
    from generor_async.rules.outage import Ticket

__all__ = ["Call", "Shared"]

T = TypeVar("T")


@frozen(kw_only=True)
class Shared:
    """What the calls of one client have in common."""

    clock: Clock
    events: EventStream
    limits: Limits
    transports: PerLoop[Transport]
    lookouts: PerLoop[Lookout]
    gates: PerLoop[Gates]
    budget: retry.RetryBudget
    images: media.ImageFetcher | None


class Call(Generic[T]):
    """One logical call: `admitted` waits until it may be sent, `attempt` sends it, `delay_after` says when again.

    A `timeout` that is given covers everything, and a `queue_timeout` all waits for limits, from the first attempt to
    the last. A default deadline begins when the call is let go, stands still while it waits for its turn, and begins
    anew after a 429 that proves a limit.
    """

    __slots__ = (
        "_before",
        "_body",
        "_context",
        "_deadline",
        "_draw",
        "_error",
        "_gate",
        "_gates",
        "_inlined",
        "_latest",
        "_operation",
        "_options",
        "_refused",
        "_requeued",
        "_sent",
        "_shared",
        "_started",
        "_ticket",
        "_timeout",
        "_turn",
        "_waited",
    )

    def __init__(
        self,
        shared: Shared,
        operation: Operation[T],
        options: Options,
        request_id: str,
        before: Callable[[], Awaitable[None]] | None,
    ) -> None:
        endpoint, clock, given = operation.endpoint, shared.clock, options.timeout
        self._shared = shared
        self._operation = operation
        self._body = operation.body
        self._options = options
        self._before = before
        self._started = self._sent = clock.monotonic()
        self._timeout = endpoint.timeout if given is None else given
        self._deadline = None if given is None else self._started + given
        """When time is up; unless the caller said so, it begins to run when the first attempt is let go."""
        self._waited = 0.0
        """Seconds that the call has waited for limits, where `queue_timeout` counts them."""
        self._latest = math.inf
        """Until when it waits for its turn."""
        self._context = outcome.Context(endpoint, request_id)
        self._requeued = 0
        """How often a limit has refused it: that is no attempt that failed."""
        self._draw = 0.0
        """A random number for the waits after the last attempt."""
        self._error: APIError | None = None
        """What the last attempt came to."""
        self._refused: RateLimitError | None = None
        """A 429 whose wait has not been told to the event stream yet."""
        self._inlined = False
        self._gates = shared.gates.get()
        self._gate: Gate | None = None
        self._ticket: Ticket | None = None
        self._turn: Turn | None = None
        if endpoint.quota or endpoint.shows_job:
            self._turn = Turn(operation, options.priority, limits=shared.limits, lookouts=shared.lookouts, clock=clock)
        shared.budget.count(self._started)

    # --- before an attempt ------------------------------------------------------------------------------------------

    async def admitted(self) -> None:
        """Wait until nothing keeps the call from being sent; what this raises ends the call.

        Raises RateLimitError where a 429 holds the calls of the key for longer than a given timeout leaves, and
        DeadlineExceededError where the turn doesn't come in time for any other reason: at once, where that is certain.
        """
        try:
            await self._take_turn()
            if not self._gates.well:
                await self._pass_gate()
            if self._before is not None and not self._context.attempts:
                await self._before()
        except BaseException as error:
            if self._turn is not None:
                self._turn.failed(error)
            self._leave_gate()
            raise

    async def _take_turn(self) -> None:
        clock, turn = self._shared.clock, self._turn
        began = clock.monotonic()
        self._latest = began + self._patience(began)
        missed: OutOfTurnError | None = None
        try:
            await self._wait_out_hold()
            if turn is not None:
                await turn.take(self._latest - clock.monotonic(), self._has_to_wait, again=self._context.attempts > 0)
                await self._wait_out_hold()
        except OutOfTurnError as error:
            missed = error
        if missed is not None:
            raise self._not_in_time(missed.scope)
        if self._refused is not None and self._context.refusal is not None:  # the limit lets it go at once
            self._tell_wait(self._context.refusal.scope, 0.0)
        waited = clock.monotonic() - began
        if waited and self._options.timeout is None:
            self._waited += waited
            if self._deadline is not None:
                self._deadline += waited

    def _patience(self, now: float) -> float:
        """Return for how many seconds the call may wait for limits."""
        if self._options.timeout is None:
            return self._options.queue_timeout - self._waited
        assert self._deadline is not None
        return self._deadline - now

    async def _wait_out_hold(self) -> None:
        """Wait while all calls of the key are held."""
        clock, holds = self._shared.clock, self._shared.limits.holds
        while (hold := holds.everything) is not None and (left := hold.until - (now := clock.monotonic())) > 0:
            if hold.until >= self._latest:
                raise OutOfTurnError("abuse", left)
            delay = min(retry.with_jitter(left, random.random()), self._latest - now)  # noqa: S311 - jitter, no secret
            self._tell_wait("abuse", delay)
            await clock.sleep(delay)

    async def _pass_gate(self) -> None:
        """Wait for one's turn while the API is away; that takes of the call's own time."""
        clock = self._shared.clock
        gate = self._gates.of(self._body, self._options.extra_body)
        if gate.well:
            return
        now = clock.monotonic()
        if self._deadline is None:
            self._deadline = now + self._timeout
        self._latest = self._deadline
        try:
            self._ticket = await gate.enter(self._options.priority, self._deadline - now, self._has_to_wait)
        except OutOfTurnError:
            failure = self._error or outcome.still_away(self._context, gate.error)
        else:
            self._gate = gate
            return
        raise failure

    def _leave_gate(self) -> None:
        gate, ticket = self._gate, self._ticket
        self._gate = self._ticket = None
        if gate is not None and ticket is not None:
            gate.leave(ticket)

    def _not_in_time(self, scope: ThrottleScope) -> APIError | DeadlineExceededError:
        now, name = self._shared.clock.monotonic(), self._operation.endpoint.name
        if scope in {"minute", "hour", "day", "abuse"} and (hold := self._shared.limits.holds.of(scope, now)):
            return outcome.held(self._context, hold, hold.until - now)
        given = self._options.queue_timeout if self._options.timeout is None else self._timeout
        what = "all slots for jobs are taken" if scope == "jobs" else f"the limit a {scope} is used up"
        return DeadlineExceededError(
            f"{name}: its turn did not come within {given:g} s ({what})",
            waited_for="slot" if scope == "jobs" else "pace",
            request_id=self._context.request_id,
            advice="Give it more time, or a higher priority, or send less",
        )

    # --- one attempt ------------------------------------------------------------------------------------------------

    async def attempt(self, request: Request) -> T:
        """Send once; return the result, or raise the error that this attempt came to."""
        turn = self._turn
        try:
            result = await self._send(request, Attempt() if turn is None else turn.attempt(request))
        except BaseException as error:
            self._draw = random.random()  # noqa: S311 - jitter, no secret
            if turn is not None:
                turn.failed(error)
            if isinstance(error, RateLimitError) and self._context.refusal is not None:
                self._hold(error, self._context.refusal)
            if isinstance(error, APIError):
                self._found_away(error)
            self._leave_gate()
            raise
        if turn is not None:
            turn.succeeded(result)
        if not self._gates.well:
            self._gates.of(self._body, self._options.extra_body).succeeded()
        self._leave_gate()
        return result

    async def _send(self, request: Request, attempt: Attempt) -> T:
        shared, context = self._shared, self._context
        began = shared.clock.monotonic() if context.attempts or self._turn is not None else self._started
        self._sent = began
        if self._deadline is None:
            self._deadline, remaining = began + self._timeout, self._timeout
        else:
            remaining = self._deadline - began
        if remaining <= 0:
            raise self._out_of_time("retry")
        limit = min(self._options.attempt_timeout or self._operation.endpoint.attempt_timeout, remaining)
        context.attempts += 1
        context.refusal = None
        try:
            if shared.events.listening:
                return await self._watched(request, attempt, limit, began)
            return self._answer(await shared.transports.get().exchange(request, attempt, timeout=limit))
        except TransportError as error:
            failure = outcome.broken(context, error, shared.clock.monotonic() - began)
        except asyncio.CancelledError as error:
            error.add_note(outcome.cut_off(context, sent=attempt.sent))
            raise
        # Raised out here, so that its context isn't the other error: a key may be in what came of the answer.
        raise failure

    async def _watched(self, request: Request, attempt: Attempt, timeout: float, began: float) -> T:
        """Do the same, and tell the event stream."""
        shared, context = self._shared, self._context
        name = self._operation.endpoint.name
        known: dict[str, Any] = {
            "operation": name,
            "request_id": context.request_id,
            "attempt": context.attempts,
        }
        shared.events.emit(AttemptStarted(**known))
        status: int | None = None
        result: Outcome = "done"
        try:
            reply = await shared.transports.get().exchange(request, attempt, timeout=timeout)
            status = reply.status
            return self._answer(reply)
        except TransportError as error:
            failure = outcome.broken(context, error, shared.clock.monotonic() - began)
            result = failure.outcome or "unknown"
        except APIError as error:
            result = error.outcome or "unknown"
            raise
        except asyncio.CancelledError:
            result = "unknown" if attempt.sent else "not_sent"
            raise
        finally:
            elapsed = shared.clock.monotonic() - began
            shared.events.emit(AttemptEnded(**known, outcome=result, status=status, elapsed=elapsed))
        raise failure

    def _answer(self, reply: Reply) -> T:
        clock, operation = self._shared.clock, self._operation
        elapsed = clock.monotonic() - self._started
        try:
            result = answer.read(operation.endpoint, self._context, reply, now=clock.time(), elapsed=elapsed)
        finally:
            if self._turn is not None:
                self._turn.answered(reply, self._context.refusal)
        if operation.endpoint.derive is not None:
            operation.endpoint.derive(result, operation.body)
        return result

    def _hold(self, error: RateLimitError, refusal: Refusal) -> None:
        """Let the limits know what a 429 has other calls wait for."""
        limits, clock, endpoint = self._shared.limits, self._shared.clock, self._operation.endpoint
        if not refusal.proven:
            return
        now = clock.monotonic()
        if refusal.is_window and not endpoint.quota:
            limits.refused(None, now, refusal.wait, refusal.window, None)
        hold = Hold(until=now + refusal.wait, scope=refusal.hold_scope, reason=error.message)
        if limits.hold(hold, now):
            self._shared.events.warn(hold, refusal.wait, clock.time() + refusal.wait)

    def _found_away(self, error: APIError) -> None:
        """Let the other calls know that the API is away, if that is what an attempt has shown."""
        busy = outcome.is_busy(error) and self.images_for(error) is None
        if not busy and (self._ticket is None or error.outcome not in {"unknown", "not_sent"}):
            return
        gate = self._gate or self._gates.of(self._body, self._options.extra_body)
        gate.failed(error, self._sent, self._draw)

    # --- after an attempt -------------------------------------------------------------------------------------------

    def delay_after(self, error: APIError) -> float:
        """Return the seconds to wait before the call is admitted again, or raise what the caller gets to see."""
        context, now = self._context, self._shared.clock.monotonic()
        self._error = error
        remaining = math.inf if self._deadline is None else self._deadline - now
        out_of_time = isinstance(error, APITimeoutError) and remaining <= 0
        conduct = self._operation.endpoint.conduct
        if error.outcome == "unknown":
            context.lost = True
            if conduct in {"plain", "bills"}:
                cause = self._out_of_time("attempt") if out_of_time else error
                raise outcome.unknown(context, error) from cause
        if out_of_time:
            raise self._out_of_time("attempt") from None
        if isinstance(error, RateLimitError) and context.refusal is not None and context.refusal.proven:
            return self._back_to_the_queue(error, context.refusal, now)
        retries = context.attempts - 1 - self._requeued
        if not retry.may_repeat(conduct, error) or retries >= self._options.max_retries:
            raise error
        delay = self._backoff(error, retries, now, remaining)
        if delay >= remaining:
            raise error
        self._announce(error, delay)
        return delay

    def _backoff(self, error: APIError, retries: int, now: float, remaining: float) -> float:
        """Return the seconds before another attempt of a call that has failed."""
        if self.images_for(error) is not None:
            return 0.0  # it is changed, and need not wait for better times
        if isinstance(error, RateLimitError) and (refusal := self._context.refusal) is not None:
            return retry.with_jitter(refusal.wait, self._draw)
        delay = retry.retry_delay(error, retries, self._draw)
        if outcome.is_busy(error) or delay >= remaining:
            return delay
        return self._shared.budget.book(now, now + delay, now + (delay + remaining) / 2) - now

    def _back_to_the_queue(self, error: RateLimitError, refusal: Refusal, now: float) -> float:
        """Let a call that a limit has refused wait for it, at the head of the queue where the limit has one."""
        if not self._options.max_retries:
            raise error
        self._requeued += 1
        if self._options.timeout is None:
            self._deadline = None
        patience = self._patience(now)
        queues = refusal.scope == "abuse" or (self._turn is not None and self._turn.waits_for(refusal))
        if refusal.wait >= patience and not (queues and refusal.scope == "jobs"):
            raise error
        if queues:
            self._refused = error
            return 0.0
        delay = min(retry.with_jitter(refusal.wait, self._draw), patience)
        if self._options.timeout is None:
            self._waited += delay
        self._announce(error, delay)
        return delay

    def images_for(self, error: APIError) -> media.ImageFetcher | None:
        """Return what fetches the images of the request, where the API can't and the caller wants it."""
        return None if self._inlined or not outcome.wants_images_inline(error) else self._shared.images

    async def with_images(self, images: media.ImageFetcher) -> Operation[T]:
        """Return the operation with the images in it that it names by URL."""
        operation = await within(
            (self._deadline or math.inf) - self._shared.clock.monotonic(),
            self._shared.clock,
            images.inlined(self._operation, max_retries=self._options.max_retries),
            what=f"{self._operation.endpoint.name}: fetching the images of the request",
            advice="Give it more with with_options(timeout=...)",
        )
        self._body, self._inlined = operation.body, True
        return operation

    # --- what others are told ---------------------------------------------------------------------------------------

    def _has_to_wait(self, wait: Wait) -> None:
        """Tell of a wait; of one after a 429 only where it is begun, because it can end in time."""
        if self._refused is None or wait.until <= self._latest or wait.until == math.inf:
            self._tell_wait(wait.scope, max(wait.until - self._shared.clock.monotonic(), 0.0))

    def _tell_wait(self, scope: ThrottleScope, delay: float) -> None:
        """Tell the event stream that the call waits for a limit; and, after a 429, that it goes again then."""
        refused, self._refused = self._refused, None
        name, request_id = self._operation.endpoint.name, self._context.request_id
        self._shared.events.emit(Throttled(operation=name, request_id=request_id, scope=scope, delay=delay))
        if refused is not None:
            self._tell_retry(refused, delay)

    def _announce(self, error: APIError, delay: float) -> None:
        """Tell the event stream that the call waits by itself, and goes again then."""
        if isinstance(error, RateLimitError) and self._context.refusal is not None:
            self._refused = error
            self._tell_wait(self._context.refusal.scope, delay)
        else:
            self._tell_retry(error, delay)

    def _tell_retry(self, error: APIError, delay: float) -> None:
        self._shared.events.emit(
            RetryScheduled(
                operation=self._operation.endpoint.name,
                request_id=self._context.request_id,
                attempt=self._context.attempts + 1,
                delay=delay,
                reason=type(error).__name__,
            )
        )

    def _out_of_time(self, waited_for: Literal["attempt", "retry"]) -> DeadlineExceededError:
        doing = "waiting for an answer" if waited_for == "attempt" else "waiting to try again"
        return DeadlineExceededError(
            f"{self._operation.endpoint.name}: {self._timeout:g} s were not enough; it was {doing}",
            waited_for=waited_for,
            request_id=self._context.request_id,
            advice="Give it more with with_options(timeout=...)",
        )
