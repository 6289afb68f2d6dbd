"""Polls the jobs that are waited for: one poll at a time for each job, however many wait for it.

There is one scheduler for each event loop of a client. A heap tells which job is due next, and one alarm sleeps until
then; each wait sleeps on a future of its own. Everything else is a plain function: `rules.schedule` decides when to
poll again, and `rules.lifecycle` what is a change. A job without a wait isn't polled.
"""

import asyncio
import copy
import heapq
import math
from collections.abc import Callable, Hashable
from datetime import UTC
from functools import partial
from itertools import count
from typing import Any, Final, Generic, TypeVar

from attrs import define, field

from generor_async.engine.alarm import MOMENT, Alarm, ClockAlarm
from generor_async.engine.loops import LoopBound
from generor_async.engine.options import Options
from generor_async.engine.session import Session
from generor_async.engine.tracking import JobType, SeenJobs, Tracked, Waiter
from generor_async.errors import (
    APIStatusError,
    ClientClosedError,
    DeadlineExceededError,
    GenerorAsyncError,
    RateLimitError,
    ResponseShapeError,
)
from generor_async.rules import poll_failures, schedule
from generor_async.rules.wait_headers import http_date
from generor_async.values import (
    JobEnded,
    JobPolled,
    Model,
    RetryScheduled,
    Throttled,
    forget_headers,
    response_to,
)

__all__ = ["Scheduler"]

S = TypeVar("S", bound=Model)

POLLS_AT_ONCE = 64
"""Number of polls that may be under way at once: fewer than there are connections, so that other calls find one."""
LAST_POLL = 1.0
"""Seconds before its deadline at which a wait gets a last poll, if none is due before."""


@define(eq=False)
class _Entry(Generic[S]):
    """A job with at least one wait."""

    known: Tracked[S]
    options: Options
    began: float
    """When the first wait began."""
    tried: float | None
    """When it was last polled, whatever the answer."""
    floor: float
    """The earliest time of the next poll."""
    trouble: BaseException | None = None
    """Why the last poll returned no state, until the next one is planned."""
    odd: poll_failures.OddPolls = field(factory=poll_failures.OddPolls)
    said: str = ""
    """The text of the last poll without a state."""
    due: float = math.inf
    """When it is polled next; infinite while a poll is under way."""
    waiters: dict[Waiter[S], None] = field(factory=dict["Waiter[S]", None])
    """The waits, in the order of their beginning."""
    poll: "asyncio.Task[S] | None" = None
    alarm: Alarm | None = None
    """Ends the waits whose deadline passes while a poll is under way or queued."""


class Scheduler(LoopBound, Generic[S]):
    """Polls all jobs of one type that are waited for in one event loop."""

    def __init__(
        self,
        session: Session,
        kind: JobType[S],
        durations: dict[Hashable, schedule.JobDurations],
        jobs: SeenJobs,
        backlog: Callable[[], int],
    ) -> None:
        self._session = session
        self._kind = kind
        self._durations = durations
        self._jobs = jobs
        self._backlog = backlog
        self._entries: dict[str, _Entry[S]] = {}
        self._heap: list[tuple[float, int, _Entry[S]]] = []
        self._order = count()
        self._looking = 0
        self._alarm = ClockAlarm(session.clock, self._poll_due)

    def join(
        self, tracked: Tracked[S], options: Options, *, timeout: float, began: float, each_change: bool = False
    ) -> Waiter[S]:
        """Add a wait for a job, with a `timeout` in seconds from `began` on.

        The future of the waiter gets the job's end, its next change, or the reason why there is none. A job is polled
        with the options of its first waiter.
        """
        now, deadline = self._now(), began + timeout
        tracked.error = None
        state = None if tracked.seen is None else self._kind.state(tracked.seen)
        future: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        waiter = Waiter(tracked, future, timeout, deadline, each_change, state)
        entry = self._entries.get(tracked.id)
        if entry is None:
            entry = self._entries[tracked.id] = _Entry(tracked, options, began, tracked.polled, now)
        elif tracked.born is not None:
            entry.known.born = tracked.born
        entry.waiters[waiter] = None
        if self._concerns(entry, waiter):
            self._wake(entry)
            self._forget_if_alone(entry)
            return waiter
        self._set_alarm(entry, deadline, now)
        if entry.poll is None and deadline <= entry.due:
            self._plan(entry, now)
            self._poll_due()
        return waiter

    def leave(self, waiter: Waiter[S]) -> None:
        """Remove a wait; a job without any isn't polled any more."""
        entry = self._entries.get(waiter.tracked.id)
        if entry is not None:
            entry.waiters.pop(waiter, None)
            self._forget_if_alone(entry)

    async def close(self) -> None:
        """End every wait because the client is closed; the jobs continue."""
        for entry in list(self._entries.values()):
            for waiter in _pop_waiters(entry):
                self._fail(waiter, self._closed(waiter.tracked))
            self._forget_if_alone(entry)

    def _closed(self, job: Tracked[S]) -> ClientClosedError:
        seen = None if job.seen is None else response_to(job.seen)
        return ClientClosedError(
            f"the client was closed while {self._kind.name} {job.id} was waited for",
            request_id=None if seen is None else seen.request_id,
            retryable=False,
        )

    def _now(self) -> float:
        return self._session.clock.monotonic()

    def _forget_if_alone(self, entry: _Entry[S]) -> None:
        """Stop polling a job without a wait."""
        if entry.waiters:
            return
        if self._entries.get(entry.known.id) is entry:
            del self._entries[entry.known.id]
        entry.due = math.inf
        if entry.alarm is not None:
            entry.alarm.cancel()
            entry.alarm = None
        if entry.poll is not None:
            entry.poll.cancel()
        if not self._entries:
            self._heap.clear()
            self._alarm.cancel()

    def _plan(self, entry: _Entry[S], now: float) -> None:
        """Decide when to poll a job next, and end the waits that can't succeed in time."""
        wanted, earliest = self._next_poll(entry, now)
        while entry.waiters:
            deadline = _first_deadline(entry)
            due = wanted if wanted < deadline else deadline - LAST_POLL
            if due >= earliest:
                if due != entry.due:
                    entry.due = due
                    heapq.heappush(self._heap, (due, next(self._order), entry))
                return
            self._expire(entry, deadline)
        self._forget_if_alone(entry)

    def _next_poll(self, entry: _Entry[S], now: float) -> tuple[float, float]:
        """Return the time of the next poll, and the earliest time at which it may be made."""
        known = entry.known
        if entry.tried is None and known.seen is None:
            return entry.floor, entry.floor
        value = self._poll_value(known.id, now)
        since, earliest = now, entry.floor
        if entry.tried is not None:
            since, earliest = entry.tried, max(entry.tried + schedule.least_spacing(value), entry.floor)
        age = since - (entry.began if known.born is None else known.born)
        durations = _UNKNOWN if known.seen is None else self._durations_of(known.seen)
        return max(since + durations.spacing(max(age, 0.0), value), earliest), earliest

    def _durations_of(self, seen: S) -> schedule.JobDurations:
        """Return the known durations of jobs like this one."""
        family = self._kind.family(seen)
        known = self._durations.get(family)
        if known is None:
            known = self._durations.setdefault(family, schedule.JobDurations(self._kind.prior(seen)))
        return known

    def _poll_value(self, job_id: str, now: float) -> float:
        """Return the value of a second by which the end of this job is noticed earlier."""
        free = 1.0
        if self._kind.poll(job_id).endpoint.quota:
            windows = self._session.limits.snapshot(now).windows.values()
            known = [(window.remaining, window.limit) for window in windows]
            free = min((left / limit for left, limit in known if left is not None and limit), default=1.0)
        return schedule.poll_value(backlog=self._backlog(), running=len(self._entries), free=free)

    def _poll_due(self, _: float = 0.0) -> None:
        """Start all polls that are due, and set the alarm for the next one."""
        now = self._now()
        while self._heap and self._looking < POLLS_AT_ONCE:
            due, _, entry = self._heap[0]
            stale = entry.due != due
            if not stale and due > now:
                self._alarm.set_to(due)
                return
            heapq.heappop(self._heap)
            if not stale:
                self._poll(entry)

    def _poll(self, entry: _Entry[S]) -> None:
        entry.due = math.inf
        self._looking += 1
        operation = self._kind.poll(entry.known.id)
        entry.poll = asyncio.get_running_loop().create_task(self._session.send(operation, entry.options))
        entry.poll.add_done_callback(partial(self._polled, entry))

    def _set_alarm(self, entry: _Entry[S], deadline: float, now: float) -> None:
        if deadline == math.inf:
            return
        if entry.alarm is None:
            entry.alarm = Alarm(partial(self._end_waits, entry))
        seconds = max(deadline - now, MOMENT) / self._session.clock.speed
        entry.alarm.set_to(asyncio.get_running_loop().time() + seconds)

    def _end_waits(self, entry: _Entry[S], _: float) -> None:
        now = self._now()
        self._expire(entry, now)
        self._set_alarm(entry, _first_deadline(entry), now)
        self._forget_if_alone(entry)

    def _polled(self, entry: _Entry[S], poll: "asyncio.Task[S]") -> None:
        """Process a poll that has ended."""
        now = self._now()
        self._looking -= 1
        entry.poll, entry.tried = None, now
        if poll.cancelled():  # nobody waits any more, or the event loop ends
            for waiter in _pop_waiters(entry):
                waiter.future.cancel()
        else:
            self._read(entry, poll, now)
        self._plan(entry, now)
        if isinstance(entry.trouble, RateLimitError) and now < entry.due < math.inf:
            self._tell_wait(entry.trouble, self._kind.poll(entry.known.id).endpoint.name, entry.due - now)
        entry.trouble = None
        self._poll_due()

    def _read(self, entry: _Entry[S], poll: "asyncio.Task[S]", now: float) -> None:
        """Process the answer to a poll: a state, nothing about the job, or a reason to end the waits."""
        failure = poll.exception()
        found = None if failure is not None else poll.result()
        if found is not None:
            if self._kind.state(found):
                entry.odd.clear()
                self._take_state(entry, found, now)
                return
            failure = self._stateless(entry.known.id, found)
        assert failure is not None
        seen = entry.known.seen is not None or entry.known.id in self._jobs
        says = poll_failures.classify_poll_failure(failure, self._session.vendor)
        if not entry.odd.end_with(says, now, seen=seen):
            entry.said = getattr(failure, "message", "")
            pause = failure.retry_after if isinstance(failure, APIStatusError) else None
            entry.floor, entry.trouble = now + (pause or 0.0), failure
        elif found is not None and self._kind.lifecycle.ends_unknown:
            self._take_state(entry, found, now)
        else:
            if says == "absent":
                self._session.job_gone(entry.known.id)
            for number, waiter in enumerate(_pop_waiters(entry)):
                self._fail(waiter, copy.copy(failure) if number else failure)

    def _stateless(self, job_id: str, found: S) -> ResponseShapeError:
        """Return the error for an answer without a state."""
        info = response_to(found)
        return ResponseShapeError(
            f"the {self._kind.name} in it has no state",
            body=found.raw,
            operation=self._kind.poll(job_id).endpoint.name,
            request_id=None if info is None else info.request_id,
            attempts=1,
            outcome="done",
        )

    def _fail(self, waiter: Waiter[S], error: BaseException) -> None:
        job = waiter.tracked
        job.error = None
        if isinstance(error, GenerorAsyncError):
            self._kind.attach_id(error, job.id)
            job.error = error
        waiter.future.set_exception(error)
        waiter.future.exception()  # whoever waited may be elsewhere, or cancelled: asyncio need not log it

    def _tell_wait(self, error: RateLimitError, operation: str, delay: float) -> None:
        """Emit an event that a poll waits after a 429."""
        events = self._session.events
        known: dict[str, Any] = {
            "operation": operation,
            "call_id": error.call_id or "",
            "request_id": error.request_id or "",
            "delay": delay,
        }
        # A poll draws on no window.
        events.emit(Throttled(scope="abuse" if error.scope == "unknown" else error.scope, **known))
        events.emit(RetryScheduled(attempt=2, reason=type(error).__name__, **known))

    def _take_state(self, entry: _Entry[S], found: S, now: float) -> None:
        kind, known = self._kind, entry.known
        self._jobs.add(known.id)
        state = kind.state(found)
        ended = kind.lifecycle.is_terminal(state)
        if known.born is None and (age := self._age(found)) is not None:
            known.born = now - age
        self._tell(entry, found, now)
        if known.seen is None or kind.lifecycle.is_news(kind.state(known.seen), state):
            if not ended:
                forget_headers(found)
            known.seen = found
        if ended and known.born is not None and known.polled is not None:
            self._durations_of(found).learn(known.polled - known.born, now - known.born)
        known.polled = now
        self._wake(entry)

    def _age(self, found: S) -> float | None:
        """Return the age of a job in seconds, by the server's clock alone; None where it doesn't say."""
        created, info = self._kind.created_at(found), response_to(found)
        date = None if info is None else http_date(info.headers.get("Date", ""))
        if created is None or date is None:
            return None
        return max(date - (created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp(), 0.0)

    def _concerns(self, entry: _Entry[S], waiter: Waiter[S]) -> bool:
        """Tell whether the known state of a job ends a wait."""
        if entry.known.seen is None:
            return False
        lifecycle, state = self._kind.lifecycle, self._kind.state(entry.known.seen)
        return lifecycle.is_terminal(state) or (waiter.each_change and lifecycle.is_news(waiter.state, state))

    def _wake(self, entry: _Entry[S]) -> None:
        """End the waits that the known state of a job ends."""
        known = entry.known
        for waiter in _pop_waiters(entry, partial(self._concerns, entry)):
            assert known.seen is not None
            job = waiter.tracked
            job.seen, job.born, job.polled = known.seen, known.born, known.polled
            waiter.future.set_result(known.seen)

    def _expire(self, entry: _Entry[S], until: float) -> None:
        """End the waits whose deadline is not after a moment."""
        for waiter in _pop_waiters(entry, lambda one: one.deadline <= until):
            job = waiter.tracked
            job.seen, job.born, job.polled = entry.known.seen, entry.known.born, entry.known.polled
            what = f"has not ended within {waiter.timeout:g} s"
            if entry.trouble is not None:
                what = f"can't be polled again within {waiter.timeout:g} s: {entry.said}"
            elif entry.odd.count:
                what += f", and its last poll was answered otherwise ({entry.said})"
            self._fail(waiter, DeadlineExceededError(f"{self._kind.name} {job.id} {what}", waited_for="poll"))

    def _tell(self, entry: _Entry[S], found: S, now: float) -> None:
        events, kind = self._session.events, self._kind
        if not events.listening:
            return
        job_id, state, elapsed = entry.known.id, kind.state(found) or "", now - entry.began
        events.emit(JobPolled(job_id=job_id, state=state, elapsed=elapsed))
        if kind.lifecycle.is_terminal(state):
            code = kind.failure_code(found)
            events.emit(JobEnded(job_id=job_id, state=state, failure_code=code, elapsed=elapsed))


def _first_deadline(entry: _Entry[S]) -> float:
    return min((waiter.deadline for waiter in entry.waiters), default=math.inf)


def _all_waiters(_: Waiter[S]) -> bool:
    return True


def _pop_waiters(entry: _Entry[S], which: Callable[[Waiter[S]], bool] = _all_waiters) -> list[Waiter[S]]:
    """Remove waiters from an entry, and return those whose future is not done."""
    taken = [waiter for waiter in entry.waiters if which(waiter)]
    for waiter in taken:
        del entry.waiters[waiter]
    return [waiter for waiter in taken if not waiter.future.done()]


_UNKNOWN: Final = schedule.JobDurations()
"""Durations of a job of which no state is known."""
