"""One call's turn under the limits of its key: waited for before each attempt, and accounted for after it."""

from typing import Any, Final, TypeVar

from generor_async.engine.events import EventStream
from generor_async.engine.limits import Limits
from generor_async.engine.loops import PerLoop
from generor_async.engine.queue import OutOfTurnError, Queue
from generor_async.engine.slots import Lookout
from generor_async.engine.transport import Attempt
from generor_async.errors import APIError, ConcurrentJobsError, DeadlineExceededError, NotFoundError
from generor_async.rules import outcome
from generor_async.rules.headers import retry_after
from generor_async.rules.lifecycle import LUMA_JOB
from generor_async.rules.slots import RETRY_AFTER
from generor_async.rules.usage import Lease
from generor_async.rules.wait import Wait
from generor_async.rules.weights import PLAIN
from generor_async.rules.window import Permit
from generor_async.rules.wire import Form, Operation, Reply, Request
from generor_async.values import Clock, Outcome, Priority, Throttled, read_rate_limit

__all__ = ["Turn"]

P = TypeVar("P", Permit, Lease)

STAMPED_BYTES: Final = 65_536
"""Bytes of a body that has arrived as soon as it is sent."""
SHORT_LIMIT: Final = 4
"""Digits of a limit that may be within reach."""
UNTOLD_WAIT: Final = 1.0
"""Seconds for which a 429 holds a window when it doesn't say."""


class Turn:
    """What a call holds under the limits: a place in the windows, and the slot of the job that it submits."""

    __slots__ = (
        "_attempt",
        "_began",
        "_clock",
        "_events",
        "_kind",
        "_lease",
        "_limits",
        "_lookouts",
        "_operation",
        "_permit",
        "_priority",
        "_request_id",
    )

    def __init__(
        self,
        operation: Operation[Any],
        request_id: str,
        priority: Priority,
        *,
        limits: Limits,
        lookouts: PerLoop[Lookout],
        clock: Clock,
        events: EventStream,
    ) -> None:
        self._operation = operation
        weighing = operation.endpoint.weighing
        self._kind = PLAIN if weighing is None else weighing.kind_of(operation.body)
        self._request_id = request_id
        self._priority: Priority = priority
        self._limits = limits
        self._lookouts = lookouts
        self._clock = clock
        self._events = events
        self._permit: Permit | None = None
        self._lease: Lease | None = None

    async def take(self, patience: float, *, again: bool) -> None:
        """Wait, for `patience` seconds at most, until every limit that the call draws on lets it go.

        Raises DeadlineExceededError when that takes too long. Who was let go before and refused (`again`) goes to the
        head of its class.
        """
        limits, quota = self._limits, self._operation.endpoint.quota
        self._attempt = Attempt()
        self._began = self._clock.monotonic()
        if "jobs" in quota and limits.slots is not None:
            self._lease = limits.slots.queue.enter_nowait(self._began, self._priority, self._kind)
            if self._lease is None:
                with self._lookouts.get().posted():
                    self._lease = await self._enter(limits.slots.queue, patience, again=again)
                patience -= self._clock.monotonic() - self._began
        if quota and not limits.unbound:
            self._permit = limits.queue.enter_nowait(self._clock.monotonic(), self._priority, self._kind)
            if self._permit is None:
                self._permit = await self._enter(limits.queue, patience, again=again)

    def attempt(self, request: Request) -> Attempt:
        """Return what watches the attempt, and notes when it leaves; a large body has left with its last piece."""
        limits, clock, permit = self._limits, self._clock, self._permit
        if permit is not None:
            body = request.body
            large = isinstance(body, Form) or (body is not None and len(body) > STAMPED_BYTES)
            self._attempt = Attempt(lambda: limits.sent(permit, clock.monotonic()), at_end=large)
        return self._attempt

    def answered(self, reply: Reply) -> None:
        """Tell the limits what an answer says of the windows."""
        endpoint = self._operation.endpoint
        if not endpoint.quota:
            return
        limits, permit = self._limits, self._permit
        self._permit = None
        refused = reply.status == 429 and outcome.is_rate_limit(endpoint.vendor, reply.headers)
        if not refused and permit is None:
            limit = reply.headers.get("X-RateLimit-Limit")
            if limit is not None and len(limit) <= SHORT_LIMIT and (said := read_rate_limit(reply.headers)) is not None:
                limits.told(said)
            return
        said, now = read_rate_limit(reply.headers), self._clock.monotonic()
        if not refused:
            assert permit is not None
            limits.received(permit, now, said, succeeded=reply.status < 400)
            return
        wait = retry_after(reply.headers, self._clock.time()) or UNTOLD_WAIT
        scope = outcome.scope_in(reply.headers)
        limits.refused(permit, now, wait, "minute" if scope == "unknown" else scope, said)

    def succeeded(self, result: Any) -> None:
        """Note the job that a call submitted, or looked at."""
        slots = self._limits.slots
        if slots is None:
            return
        if self._lease is not None:
            now = self._clock.monotonic()
            slots.accepted(self._lease, result.id, now)
            self._lease = None
            if LUMA_JOB.is_terminal(result.state):  # nobody will look at it any more
                slots.seen(result.id, now, asked=self._began, ended=True)
        elif self._operation.endpoint.shows_job:
            weighing, now = self._operation.endpoint.weighing, self._clock.monotonic()
            kind = PLAIN if weighing is None else weighing.kind(result.model, result.type)
            slots.seen(result.id, now, asked=self._began, ended=LUMA_JOB.is_terminal(result.state), kind=kind)

    def failed(self, error: BaseException) -> None:
        """Give back what wasn't spent: a permit whose request never left, a slot of which no job came."""
        now, sent = self._clock.monotonic(), self._attempt.sent
        if self._permit is not None:
            if sent:
                self._limits.sent(self._permit, now)
            else:
                self._limits.lost(self._permit, now)
            self._permit = None
        slots, lease = self._limits.slots, self._lease
        if slots is None:
            return
        if lease is not None:
            self._lease = None
            if isinstance(error, ConcurrentJobsError):
                slots.refused(lease, now, error.retry_after or RETRY_AFTER, error.message)
            elif _came_to(error, sent=sent) in {"unknown", "done"}:
                slots.unknown(lease, now)
            else:
                slots.lost(lease, now)
        elif isinstance(error, NotFoundError) and self._operation.endpoint.shows_job:
            slots.seen(self._operation.path.rpartition("/")[2], now, asked=self._began, ended=True)

    async def _enter(self, queue: Queue[P], patience: float, *, again: bool) -> P:
        try:
            return await queue.enter(self._priority, patience, self._throttled, again=again, kind=self._kind)
        except OutOfTurnError as error:
            turn = error
        name = self._operation.endpoint.name
        what = "all slots for jobs are taken" if turn.scope == "jobs" else f"the limit a {turn.scope} is used up"
        raise DeadlineExceededError(
            f"{name}: its turn did not come within {patience:g} s ({what})",
            waited_for="slot" if turn.scope == "jobs" else "pace",
            request_id=self._request_id,
            advice="Give it more time, or a higher priority, or send less",
        )

    def _throttled(self, wait: Wait) -> None:
        self._events.emit(
            Throttled(
                operation=self._operation.endpoint.name,
                request_id=self._request_id,
                scope=wait.scope,
                delay=wait.until - self._clock.monotonic(),
            )
        )


def _came_to(error: BaseException, *, sent: bool) -> Outcome:
    """Say what an attempt came to that ended in an error, or was cancelled."""
    if isinstance(error, APIError) and error.outcome is not None:
        return error.outcome
    return "unknown" if sent else "not_sent"
