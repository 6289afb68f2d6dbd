"""One call's turn under the limits of its key: waited for before each attempt, and accounted for after it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from multidict import istr

from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.engine.loops import PerLoop
from generor_async.engine.slots import SlotPoller
from generor_async.engine.transport import Attempt, BlockedBeforeSendError
from generor_async.errors import APIError, ConcurrentJobsError
from generor_async.rules.http_types import Form, Operation, Reply, Request
from generor_async.rules.lifecycle import LUMA_JOB
from generor_async.rules.rate_headers import read_rate_limit_report
from generor_async.rules.refusal import LimitRefusal
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE
from generor_async.rules.window import SPANS
from generor_async.values import Clock, Outcome, Priority

if TYPE_CHECKING:
    from generor_async.rules.pace import Permit
    from generor_async.rules.slot_usage import JobSlot

__all__ = ["LimitAdmission"]

STAMPED_BYTES: Final = 65_536
"""Bytes of a body that has arrived as soon as it is sent."""
SMALL_LIMIT: Final = 4
"""Digits of a limit that may be within reach."""
_LIMIT: Final = istr("X-RateLimit-Limit")
_NOT_SENT: Final = Attempt()


class LimitAdmission:
    """What a call holds under the limits: a place in the windows, and the slot of the job that it submits."""

    __slots__ = (
        "_attempt",
        "_began",
        "_clock",
        "_kind",
        "_lease",
        "_limits",
        "_news",
        "_operation",
        "_permit",
        "_priority",
        "_refusal",
        "_slot_pollers",
    )

    def __init__(
        self,
        operation: Operation[Any],
        priority: Priority,
        limits: LimitKeeper,
        slot_pollers: PerLoop[SlotPoller],
        clock: Clock,
    ) -> None:
        self._operation = operation
        weighing = operation.endpoint.weighing
        self._kind = DEFAULT_TYPE if weighing is None else weighing.request_type_of(operation.body)
        self._priority: Priority = priority
        self._limits = limits
        self._slot_pollers = slot_pollers
        self._clock = clock
        self._attempt = _NOT_SENT
        self._began = 0.0
        self._news = 0
        """What was known of holds when the call was let go."""
        self._permit: Permit | None = None
        self._lease: JobSlot | None = None
        self._refusal: LimitRefusal | None = None

    def waits_for(self, refusal: LimitRefusal) -> bool:
        """Tell whether the call waits in a queue for the limit that refused it."""
        quota = self._operation.endpoint.quota
        return "jobs" in quota and self._limits.slots is not None if refusal.scope == "jobs" else bool(quota)

    def acquire_nowait(self) -> bool:
        """Take what the call draws on; return whether all of it was free. The rest is waited for by `take`."""
        limits, quota = self._limits, self._operation.endpoint.quota
        self._attempt, self._news = _NOT_SENT, limits.holds.news
        now = self._began = self._clock.monotonic()
        if limits.slots is not None and "jobs" in quota:
            self._lease = limits.slots.queue.enter_nowait(now, self._priority, self._kind)
            if self._lease is None:
                return False
        if quota and not limits.unbound:
            self._permit = limits.queue.enter_nowait(now, self._priority, self._kind)
            return self._permit is not None
        return True

    async def acquire(self, timeout: float, waits: Callable[[Wait], None], *, again: bool) -> None:
        """Wait, for `patience` seconds at most, until every limit that the call draws on lets it go.

        Raises OutOfTurnError when that takes too long. `waits` is told of each wait. Who was let go before and refused
        (`again`) goes to the head of its class. A slot that `acquire_nowait` has got is kept.
        """
        limits, quota, began = self._limits, self._operation.endpoint.quota, self._clock.monotonic()
        self._attempt, self._began = _NOT_SENT, began
        if limits.slots is not None and "jobs" in quota and self._lease is None:
            poller = self._slot_pollers.get()
            poller.start()
            try:
                self._lease = await limits.slots.queue.enter(
                    self._priority, timeout, waits, again=again, kind=self._kind
                )
            finally:
                poller.stop()
        if quota and not limits.unbound:
            timeout -= self._clock.monotonic() - began
            self._permit = await limits.queue.enter(self._priority, timeout, waits, again=again, kind=self._kind)
        self._news = limits.holds.news

    def attempt(self, request: Request) -> Attempt:
        """Return what watches the attempt, and notes when it leaves; a large body has left with its last piece."""
        body = request.body
        large = isinstance(body, Form) or (body is not None and len(body) > STAMPED_BYTES)
        self._attempt = Attempt(self._check, self._sent) if large else Attempt(self._leaves)
        return self._attempt

    def is_blocked(self) -> bool:
        """Tell whether a 429 came since the call was let go that has it wait after all."""
        holds = self._limits.holds
        if holds.news == self._news:
            return False
        now, windows = self._clock.monotonic(), bool(self._operation.endpoint.quota)
        scopes = [scope for scope, hold in holds.by_scope.items() if hold.until > now]
        return "abuse" in scopes or (windows and any(scope in SPANS for scope in scopes))

    def _leaves(self) -> None:
        """Note that the request leaves now, with a connection in hand."""
        if self._limits.holds.news != self._news:
            self._check()
        if self._permit is not None:
            self._sent()

    def _check(self) -> None:
        if self.is_blocked():
            raise BlockedBeforeSendError

    def _sent(self) -> None:
        if self._permit is not None:
            self._limits.sent(self._permit, self._clock.monotonic())

    def answered(self, reply: Reply, refusal: LimitRefusal | None) -> None:
        """Tell the limits what an answer says of the windows; a 429 that proves no limit says nothing."""
        self._refusal = refusal
        if not self._operation.endpoint.quota:
            return
        limits, permit, now = self._limits, self._permit, self._clock.monotonic()
        self._permit = None
        if permit is None and refusal is None and len(reply.headers.get(_LIMIT, "")) > SMALL_LIMIT:
            return  # as unbound as before
        said = read_rate_limit_report(reply.headers, self._clock.time()) if refusal is None or refusal.proven else None
        if refusal is not None and refusal.proven and refusal.is_window:
            limits.refused(permit, now, refusal.wait, refusal.window, said)
        elif permit is not None:
            limits.received(permit, now, said, succeeded=reply.status < 400)
        elif said is not None:
            limits.learn(said)

    def succeeded(self, result: Any) -> None:
        """Note the job that a call submitted, or looked at."""
        self._attempt = _NOT_SENT  # it calls this turn: nothing is left to the collector
        slots = self._limits.slots
        if slots is None:
            return
        if self._lease is not None:
            now = self._clock.monotonic()
            self._limits.holds.by_scope.pop("jobs", None)  # calls may go, as it turned out
            slots.accepted(self._lease, result.id, now)
            self._lease = None
            if LUMA_JOB.is_terminal(result.state):  # nobody will look at it any more
                slots.record_poll(result.id, now, asked=self._began, ended=True)
        elif self._operation.endpoint.shows_job:
            weighing, now = self._operation.endpoint.weighing, self._clock.monotonic()
            request_type = DEFAULT_TYPE if weighing is None else weighing.request_type(result.model, result.type)
            slots.record_poll(
                result.id, now, asked=self._began, ended=LUMA_JOB.is_terminal(result.state), request_type=request_type
            )

    def failed(self, error: BaseException) -> None:
        """Give back what wasn't spent: a permit whose request never left, a slot of which no job came."""
        now, sent, self._attempt = self._clock.monotonic(), self._attempt.sent, _NOT_SENT
        if self._permit is not None:
            if sent:
                self._limits.sent(self._permit, now)
            else:
                self._limits.give_back(self._permit, now)
            self._permit = None
        slots, lease = self._limits.slots, self._lease
        if slots is None or lease is None:
            return
        self._lease = None
        if isinstance(error, ConcurrentJobsError) and self._refusal is not None:
            slots.refused(lease, now, self._refusal.wait, error.message)
        elif _outcome_of(error, sent=sent) in {"unknown", "done"}:
            slots.keep_unresolved(lease, now)
        else:
            slots.release(lease, now)


def _outcome_of(error: BaseException, *, sent: bool) -> Outcome:
    """Say what an attempt came to that ended in an error, or was cancelled."""
    if isinstance(error, APIError) and error.outcome is not None:
        return error.outcome
    return "unknown" if sent else "not_sent"
