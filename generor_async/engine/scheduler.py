"""Polls the jobs that are waited for: one poll at a time for each job, however many calls wait for it.

There is one scheduler for each event loop of a client. A heap holds the next poll of each job, and one alarm waits for
the first of them; each wait has a future. `rules.schedule` decides when to poll again, and `rules.lifecycle` whether a
state is new. A job without a wait isn't polled.
"""

import asyncio
import contextvars
import copy
import heapq
import math
from collections.abc import Callable
from datetime import UTC
from functools import partial
from itertools import count
from typing import Any, Final, Generic, TypeVar

from attrs import define, field

from generor_async.engine.alarm import MOMENT, Alarm, ClockAlarm
from generor_async.engine.call_scope import current_scope
from generor_async.engine.loops import LoopBound
from generor_async.engine.options import Options
from generor_async.engine.session import Session
from generor_async.engine.tracking import FamilyDurations, JobType, JobWait, SeenJobs, TrackedJob
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
"""Number of polls that may run at once: fewer than there are connections, so that other calls find one."""
LAST_POLL = 1.0
"""Seconds before its deadline at which a wait gets a last poll if none is due earlier."""


@define(eq=False)
class _PolledJob(Generic[S]):
    """A job with at least one wait."""

    job: TrackedJob[S]
    options: Options
    began: float
    """When the first wait began."""
    polled_at: float | None
    """When it was last polled, with or without success."""
    not_before: float
    """The earliest time of the next poll."""
    failure: BaseException | None = None
    """Why the last poll returned no state; None once the next one is planned."""
    odd_polls: poll_failures.OddPolls = field(factory=poll_failures.OddPolls)
    failure_text: str = ""
    """The message of the last poll that returned no state."""
    due: float = math.inf
    """When it is polled next; infinite during a poll."""
    waits: dict[JobWait[S], None] = field(factory=dict["JobWait[S]", None])
    """The waits, in the order of their beginning."""
    poll: "asyncio.Task[S] | None" = None
    alarm: Alarm | None = None
    """Ends the waits whose deadline passes during a poll or before a queued one."""


class Scheduler(LoopBound, Generic[S]):
    """Polls all jobs of one type that are waited for in one event loop."""

    def __init__(
        self,
        session: Session,
        job_type: JobType[S],
        durations: FamilyDurations,
        jobs: SeenJobs,
        backlog: Callable[[], int],
    ) -> None:
        self._session = session
        self._job_type = job_type
        self._durations = durations
        self._jobs = jobs
        self._backlog = backlog
        self._entries: dict[str, _PolledJob[S]] = {}
        self._heap: list[tuple[float, int, _PolledJob[S]]] = []
        self._order = count()
        self._polls_under_way = 0
        self._alarm = ClockAlarm(session.clock, self._poll_due)

    def join(
        self, tracked: TrackedJob[S], options: Options, *, timeout: float, began: float, each_change: bool = False
    ) -> JobWait[S]:
        """Add a wait for a job, with a `timeout` in seconds after `began`.

        The wait's future gets the job's end, its next change, or an error. A job is polled with the options of its
        first wait.
        """
        now, deadline = self._now(), began + timeout
        tracked.error = None
        state = None if tracked.last_seen is None else self._job_type.state(tracked.last_seen)
        future: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        context = contextvars.copy_context() if self._session.events.listening else None
        wait = JobWait(tracked, future, timeout, deadline, each_change, state, context)
        entry = self._entries.get(tracked.id)
        if entry is None:
            entry = self._entries[tracked.id] = _PolledJob(tracked, options, began, tracked.unfinished_at, now)
        elif tracked.submitted_at is not None:
            entry.job.submitted_at = tracked.submitted_at
        entry.waits[wait] = None
        if self._ends(entry, wait):
            self._wake(entry)
            self._forget_if_unwaited(entry)
            return wait
        self._set_alarm(entry, deadline, now)
        if entry.poll is None and deadline <= entry.due:
            self._plan(entry, now)
            self._poll_due()
        return wait

    def leave(self, wait: JobWait[S]) -> None:
        """Remove a wait; a job without waits isn't polled any more."""
        entry = self._entries.get(wait.job.id)
        if entry is not None:
            entry.waits.pop(wait, None)
            self._forget_if_unwaited(entry)

    def waited_for(self) -> list[str]:
        """Return the ids of the jobs that are waited for."""
        return list(self._entries)

    async def close(self) -> None:
        """End every wait because the client is closed; the jobs continue."""
        for entry in list(self._entries.values()):
            for wait in _pop_waits(entry):
                self._fail(wait, self._closed_error(wait.job))
            self._forget_if_unwaited(entry)

    def _closed_error(self, job: TrackedJob[S]) -> ClientClosedError:
        seen = None if job.last_seen is None else response_to(job.last_seen)
        return ClientClosedError(
            f"the client was closed while {self._job_type.name} {job.id} was waited for",
            request_id=None if seen is None else seen.request_id,
            retryable=False,
        )

    def _now(self) -> float:
        return self._session.clock.monotonic()

    def _forget_if_unwaited(self, entry: _PolledJob[S]) -> None:
        """Stop polling a job without a wait."""
        if entry.waits:
            return
        if self._entries.get(entry.job.id) is entry:
            del self._entries[entry.job.id]
        entry.due = math.inf
        if entry.alarm is not None:
            entry.alarm.cancel()
            entry.alarm = None
        if entry.poll is not None:
            entry.poll.cancel()
        if not self._entries:
            self._heap.clear()
            self._alarm.cancel()

    def _plan(self, entry: _PolledJob[S], now: float) -> None:
        """Plan the next poll of a job, and end the waits that can't succeed in time."""
        wanted, earliest = self._next_poll(entry, now)
        while entry.waits:
            deadline = _first_deadline(entry)
            due = wanted if wanted < deadline else deadline - LAST_POLL
            if due >= earliest:
                if due != entry.due:
                    entry.due = due
                    heapq.heappush(self._heap, (due, next(self._order), entry))
                return
            self._expire(entry, deadline)
        self._forget_if_unwaited(entry)

    def _next_poll(self, entry: _PolledJob[S], now: float) -> tuple[float, float]:
        """Return when the next poll is wanted, and the earliest time at which it may be made."""
        job = entry.job
        if entry.polled_at is None and job.last_seen is None:
            return entry.not_before, entry.not_before
        value = self._poll_value(job.id, now)
        since, earliest = now, entry.not_before
        if entry.polled_at is not None:
            since, earliest = entry.polled_at, max(entry.polled_at + schedule.least_spacing(value), entry.not_before)
        age = since - (entry.began if job.submitted_at is None else job.submitted_at)
        durations = _UNKNOWN_DURATIONS if job.last_seen is None else self._durations_of(job.last_seen)
        return max(since + durations.spacing(max(age, 0.0), value), earliest), earliest

    def _durations_of(self, seen: S) -> schedule.JobDurations:
        """Return the known durations of jobs like this one."""
        return self._durations.of(self._job_type.family(seen))

    def _poll_value(self, job_id: str, now: float) -> float:
        """Return the value of learning one second earlier that this job has ended."""
        free = 1.0
        if self._job_type.poll(job_id).endpoint.quota:
            windows = self._session.limits.snapshot(now).windows.values()
            limits = [(window.remaining, window.limit) for window in windows]
            free = min((left / limit for left, limit in limits if left is not None and limit), default=1.0)
        return schedule.poll_value(backlog=self._backlog(), running=len(self._entries), free=free)

    def _poll_due(self, _: float = 0.0) -> None:
        """Start all polls that are due, and set the alarm for the next one."""
        now = self._now()
        while self._heap and self._polls_under_way < POLLS_AT_ONCE:
            due, _, entry = self._heap[0]
            stale = entry.due != due
            if not stale and due > now:
                self._alarm.set_to(due)
                return
            heapq.heappop(self._heap)
            if not stale:
                self._poll(entry)

    def _poll(self, entry: _PolledJob[S]) -> None:
        entry.due = math.inf
        self._polls_under_way += 1
        operation = self._job_type.poll(entry.job.id)
        context = _first_context(entry)
        entry.poll = asyncio.get_running_loop().create_task(
            self._session.send(operation, entry.options), context=context and context.copy()
        )
        if context is not None and (scope := current_scope(context)) is not None:
            scope.tasks.add(entry.poll)
        entry.poll.add_done_callback(partial(self._polled, entry))

    def _set_alarm(self, entry: _PolledJob[S], deadline: float, now: float) -> None:
        if deadline == math.inf:
            return
        if entry.alarm is None:
            entry.alarm = Alarm(partial(self._end_waits, entry))
        seconds = max(deadline - now, MOMENT) / self._session.clock.speed
        entry.alarm.set_to(asyncio.get_running_loop().time() + seconds)

    def _end_waits(self, entry: _PolledJob[S], _: float) -> None:
        now = self._now()
        self._expire(entry, now)
        self._set_alarm(entry, _first_deadline(entry), now)
        self._forget_if_unwaited(entry)

    def _polled(self, entry: _PolledJob[S], poll: "asyncio.Task[S]") -> None:
        """Process a poll that has ended."""
        now = self._now()
        self._polls_under_way -= 1
        entry.poll, entry.polled_at = None, now
        if poll.cancelled():  # nobody waits any more, or the event loop ends
            for wait in _pop_waits(entry):
                wait.future.cancel()
        else:
            self._read(entry, poll, now)
        self._plan(entry, now)
        if isinstance(entry.failure, RateLimitError) and now < entry.due < math.inf:
            self._emit_retry(entry.failure, self._job_type.poll(entry.job.id).endpoint.name, entry.due - now)
        entry.failure = None
        self._poll_due()

    def _read(self, entry: _PolledJob[S], poll: "asyncio.Task[S]", now: float) -> None:
        """Process the result of a poll: a state, an answer without one, or an error."""
        failure = poll.exception()
        found = None if failure is not None else poll.result()
        if found is not None:
            if self._job_type.state(found):
                entry.odd_polls.clear()
                self._note_state(entry, found, now)
                return
            failure = self._no_state_error(entry.job.id, found)
        assert failure is not None
        seen = entry.job.last_seen is not None or entry.job.id in self._jobs
        says = poll_failures.classify_poll_failure(failure, self._session.vendor)
        if not entry.odd_polls.end_with(says, now, seen=seen):
            entry.failure_text = getattr(failure, "message", "")
            pause = failure.retry_after if isinstance(failure, APIStatusError) else None
            entry.not_before, entry.failure = now + (pause or 0.0), failure
        elif found is not None and self._job_type.lifecycle.ends_unknown:
            self._note_state(entry, found, now)
        else:
            if says == "absent":
                self._session.forget_job(entry.job.id)
            for number, wait in enumerate(_pop_waits(entry)):
                self._fail(wait, copy.copy(failure) if number else failure)

    def _no_state_error(self, job_id: str, found: S) -> ResponseShapeError:
        """Return the error for an answer without a state."""
        info = response_to(found)
        return ResponseShapeError(
            f"the {self._job_type.name} in it has no state",
            body=found.raw,
            operation=self._job_type.poll(job_id).endpoint.name,
            request_id=None if info is None else info.request_id,
            attempts=1,
            outcome="done",
        )

    def _fail(self, wait: JobWait[S], error: BaseException) -> None:
        job = wait.job
        job.error = None
        if isinstance(error, GenerorAsyncError):
            self._job_type.attach_id(error, job.id)
            job.error = error
        wait.future.set_exception(error)
        wait.future.exception()  # whoever waited may be elsewhere, or cancelled: asyncio need not log it

    def _emit_retry(self, error: RateLimitError, operation: str, delay: float) -> None:
        """Emit the events of a poll that waits after a 429."""
        events = self._session.events
        fields: dict[str, Any] = {
            "operation": operation,
            "call_id": error.call_id or "",
            "request_id": error.request_id or "",
            "delay": delay,
        }
        # A poll draws on no window.
        events.emit(Throttled(scope="abuse" if error.scope == "unknown" else error.scope, **fields))
        events.emit(RetryScheduled(attempt=2, reason=type(error).__name__, **fields))

    def _note_state(self, entry: _PolledJob[S], found: S, now: float) -> None:
        job_type, job = self._job_type, entry.job
        self._jobs.add(job.id)
        state = job_type.state(found)
        ended = job_type.lifecycle.is_terminal(state)
        if job.submitted_at is None and (age := self._age(found)) is not None:
            job.submitted_at = now - age
        self._emit_polled(entry, found, now)
        if job.last_seen is None or job_type.lifecycle.is_news(job_type.state(job.last_seen), state):
            if not ended:
                forget_headers(found)
            job.last_seen = found
        if ended and job.submitted_at is not None and job.unfinished_at is not None:
            self._durations_of(found).learn(job.unfinished_at - job.submitted_at, now - job.submitted_at)
        job.unfinished_at = now
        self._wake(entry)

    def _age(self, found: S) -> float | None:
        """Return the age of a job in seconds by the server's clock; None where the answer doesn't say."""
        created, info = self._job_type.created_at(found), response_to(found)
        date = None if info is None else http_date(info.headers.get("Date", ""))
        if created is None or date is None:
            return None
        return max(date - (created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp(), 0.0)

    def _ends(self, entry: _PolledJob[S], wait: JobWait[S]) -> bool:
        """Tell whether the last known state of the job ends a wait."""
        if entry.job.last_seen is None:
            return False
        lifecycle, state = self._job_type.lifecycle, self._job_type.state(entry.job.last_seen)
        return lifecycle.is_terminal(state) or (wait.each_change and lifecycle.is_news(wait.state, state))

    def _wake(self, entry: _PolledJob[S]) -> None:
        """End the waits that the last known state of the job ends."""
        for wait in _pop_waits(entry, partial(self._ends, entry)):
            assert entry.job.last_seen is not None
            wait.job.update(entry.job)
            wait.future.set_result(entry.job.last_seen)

    def _expire(self, entry: _PolledJob[S], until: float) -> None:
        """End the waits whose deadline is at or before a moment."""
        for wait in _pop_waits(entry, lambda one: one.deadline <= until):
            job = wait.job
            job.update(entry.job)
            what = f"has not ended within {wait.timeout:g} s"
            if entry.failure is not None:
                what = f"can't be polled again within {wait.timeout:g} s: {entry.failure_text}"
            elif entry.odd_polls.count:
                what += f", and its last poll was answered otherwise ({entry.failure_text})"
            self._fail(wait, DeadlineExceededError(f"{self._job_type.name} {job.id} {what}", waited_for="poll"))

    def _emit_polled(self, entry: _PolledJob[S], found: S, now: float) -> None:
        events, job_type = self._session.events, self._job_type
        if not events.listening:
            return
        job_id, state, elapsed = entry.job.id, job_type.state(found) or "", now - entry.began
        context = _first_context(entry)
        scope = None if context is None else current_scope(context)
        call_id = None if scope is None else scope.call_id
        events.emit(JobPolled(job_id=job_id, state=state, elapsed=elapsed, call_id=call_id))
        if job_type.lifecycle.is_terminal(state):
            code = job_type.failure_code(found)
            events.emit(JobEnded(job_id=job_id, state=state, failure_code=code, elapsed=elapsed, call_id=call_id))


def _first_context(entry: _PolledJob[S]) -> contextvars.Context | None:
    """Return the context of the first wait, whose call the polls are part of."""
    return next(iter(entry.waits)).context if entry.waits else None


def _first_deadline(entry: _PolledJob[S]) -> float:
    return min((wait.deadline for wait in entry.waits), default=math.inf)


def _any_wait(_: JobWait[S]) -> bool:
    return True


def _pop_waits(entry: _PolledJob[S], which: Callable[[JobWait[S]], bool] = _any_wait) -> list[JobWait[S]]:
    """Remove the waits that match, and return those whose future is not done."""
    taken = [wait for wait in entry.waits if which(wait)]
    for wait in taken:
        del entry.waits[wait]
    return [wait for wait in taken if not wait.future.done()]


_UNKNOWN_DURATIONS: Final = schedule.JobDurations()
"""The durations of a job whose state is unknown."""
