"""How long one call may wait for limits, holds and outages, and the events of its waits.

A given `timeout` covers everything; a `queue_timeout` covers the waits for limits of all attempts. A default timeout
begins when the call is admitted, is suspended while it waits for a limit, and begins anew after a 429 that proves a
limit.
"""

import math
import random
from typing import TYPE_CHECKING, Any

from attrs import frozen

from generor_async.engine.events import EventStream
from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.engine.loops import PerLoop
from generor_async.engine.media import ImageFetcher
from generor_async.engine.options import Options
from generor_async.engine.queue import QueueTimeoutError
from generor_async.engine.slots import SlotPoller
from generor_async.engine.transport import Transport
from generor_async.errors import APIError, DeadlineExceededError, RateLimitError
from generor_async.rules import outcome, retry
from generor_async.rules.http_types import Operation
from generor_async.values import Clock, RetryScheduled, Secret, Throttled, ThrottleScope

if TYPE_CHECKING:
    from generor_async.rules.refusal import LimitRefusal
    from generor_async.rules.wait import Wait

__all__ = ["CallWaits", "ClientParts"]


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


class CallWaits:
    """The deadlines of one call, and its waits."""

    __slots__ = (
        "_context",
        "_operation",
        "_options",
        "_parts",
        "_refused",
        "_waited",
        "again",
        "deadline",
        "latest",
        "timeout",
    )

    def __init__(
        self, parts: ClientParts, operation: Operation[Any], options: Options, context: outcome.CallContext, now: float
    ) -> None:
        given = options.timeout
        self._parts = parts
        self._operation = operation
        self._options = options
        self._context = context
        self._waited = 0.0
        """Seconds that the call has waited for limits, where `queue_timeout` counts them."""
        self._refused: RateLimitError | None = None
        """A 429 for whose wait no event was emitted yet."""
        self.again = False
        """Whether the call was admitted before, and then blocked before it was sent."""
        self.timeout = operation.endpoint.timeout if given is None else given
        self.deadline = None if given is None else now + given
        """When the call's time is over; None before its timeout begins."""
        self.latest = math.inf
        """When the present wait has to end."""

    @property
    def goes_first(self) -> bool:
        """Whether the call goes to the head of its queue: it was admitted before, and then refused or blocked."""
        return self.again or self._context.attempts > 0

    def remaining(self, now: float) -> float:
        """Return the seconds that the call has left."""
        return math.inf if self.deadline is None else self.deadline - now

    def begin(self, now: float) -> None:
        """Begin a wait for limits."""
        self.latest = now + self._queue_timeout(now)

    def end(self, began: float) -> None:
        """End a wait for limits: the call is admitted."""
        if self._refused is not None and self._context.refusal is not None:  # it did not have to wait after all
            self._emit_throttled(self._context.refusal.scope, 0.0)
        if self._options.timeout is None:
            waited = self._parts.clock.monotonic() - began
            self._waited += waited
            if self.deadline is not None:
                self.deadline += waited

    def begin_outage(self, now: float) -> None:
        """Begin a wait for the end of an outage; it counts towards the call's timeout."""
        if self.deadline is None:
            self.deadline = now + self.timeout
        self.latest = self.deadline - retry.least_seconds_left(self._operation.endpoint.retry_safety, self.timeout)

    def _queue_timeout(self, now: float) -> float:
        """Return the seconds for which the call may wait for limits."""
        if self._options.timeout is None:
            return self._options.queue_timeout - self._waited
        return self.remaining(now)

    async def until_unblocked(self, now: float) -> None:
        """Wait while all calls of the key are blocked."""
        clock, holds = self._parts.clock, self._parts.limits.holds.by_scope
        while (hold := holds.get("abuse")) is not None and (left := hold.until - now) > 0:
            if hold.until >= self.latest:
                raise QueueTimeoutError("abuse", left)
            delay = min(retry.with_spread(left, random.random()), self.latest - now)  # noqa: S311 - jitter, no secret
            self._emit_throttled("abuse", delay)
            await clock.sleep(delay)
            now = clock.monotonic()

    def deadline_error(self, scope: ThrottleScope) -> APIError | DeadlineExceededError:
        """Return the error of a call that was not admitted in time."""
        now, name = self._parts.clock.monotonic(), self._operation.endpoint.name
        hold = self._parts.limits.holds.longest(now, but="jobs")
        if hold is not None and (scope != "jobs" or hold.until >= self.latest):
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

    def requeue(self, error: RateLimitError, refusal: "LimitRefusal", draw: float) -> float:
        """Return the seconds after which a call that a limit has refused asks for admission again.

        They are 0 where the limit has a queue: the call goes to its head. Raises the error where the wait would be too
        long.
        """
        if self._options.timeout is None:
            self.deadline = None
        timeout = self._queue_timeout(self._parts.clock.monotonic())
        queues = self._has_queue(refusal)
        if refusal.wait >= timeout and not (queues and refusal.scope == "jobs"):
            raise error
        if queues:
            self._refused = error
            return 0.0
        delay = min(retry.with_jitter(refusal.wait, draw), timeout)
        if self._options.timeout is None:
            self._waited += delay
        self.announce_retry(error, delay)
        return delay

    def _has_queue(self, refusal: "LimitRefusal") -> bool:
        """Tell whether the limit that refused the call has a queue, or blocks all calls of the key."""
        quota = self._operation.endpoint.quota
        if refusal.scope == "jobs":
            return "jobs" in quota and self._parts.limits.slots is not None
        return refusal.scope == "abuse" or bool(quota)

    # --- events -----------------------------------------------------------------------------------------------------

    def announce_retry(self, error: APIError, delay: float) -> None:
        """Emit the events of a call that is sent again after a delay."""
        if isinstance(error, RateLimitError) and self._context.refusal is not None:
            self._refused = error
            self._emit_throttled(self._context.refusal.scope, delay)
        else:
            self._emit_retry(error, delay)

    def announce(self, wait: "Wait") -> None:
        """Emit the events of a wait that begins; after a 429 only if the wait can end in time."""
        if self._refused is None and not self._parts.events.listens_to_waits:
            return
        if self._refused is None or wait.until <= self.latest or wait.until == math.inf:
            self._emit_throttled(wait.scope, max(wait.until - self._parts.clock.monotonic(), 0.0))

    def _emit_throttled(self, scope: ThrottleScope, delay: float) -> None:
        """Emit the event of a wait for a limit; after a 429, the one of the next attempt as well."""
        refused, self._refused = self._refused, None
        if self._parts.events.listens_to_waits:
            self._parts.events.emit(
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
        self._parts.events.emit(
            RetryScheduled(
                operation=self._operation.endpoint.name,
                call_id=self._context.call_id,
                request_id=self._context.request_id,
                attempt=self._context.attempts + 1,
                delay=delay,
                reason=type(error).__name__,
            )
        )
