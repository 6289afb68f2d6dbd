"""Waits for jobs: for the end of one, for each of its changes, or for the ends of many.

The scheduler polls; this module turns its findings into results and errors.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Generic, Self, TypeVar

from attrs import evolve

from generor_async.engine.call_scope import current_scope
from generor_async.engine.loops import PerLoop
from generor_async.engine.options import Options
from generor_async.engine.scheduler import Scheduler
from generor_async.engine.session import Session
from generor_async.engine.tracking import FamilyDurations, JobType, JobWait, SeenJobs, TrackedJob
from generor_async.errors import ClientClosedError, GenerorAsyncError
from generor_async.rules import masking, option_checks
from generor_async.rules.schedule import JobDurations
from generor_async.rules.weights import RequestType
from generor_async.values import JSON, JobSubmitted, Model, forget_headers, is_object
from generor_async.values.text import printable

__all__ = ["JobType", "JobWaiter", "TrackedJob"]

S = TypeVar("S", bound=Model)
T = TypeVar("T")

JOBS_NAMED: Final = 20
"""Number of jobs that a note names."""


class JobWaiter(Generic[S]):
    """Waits for the jobs of a client.

    Views of the client share the learned durations, and one poll serves all waits for a job. `backlog` returns the
    number of calls that wait for one of these jobs to end.
    """

    def __init__(
        self, session: Session, options: Options, job_type: JobType[S], *, backlog: Callable[[], int] = int
    ) -> None:
        self._session = session
        self._job_type = job_type
        jobs, durations = SeenJobs(session.base_url), FamilyDurations(job_type.prior)
        self._jobs = jobs
        self._durations = durations
        self._schedulers = PerLoop[Scheduler[S]](lambda: Scheduler(session, job_type, durations, jobs, backlog))
        session.lifetime.waits.append(self._schedulers)
        self._set_options(options)

    def view(self, options: Options) -> Self:
        """Return a waiter for the same jobs that polls with other options."""
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._set_options(options)
        return view

    def _set_options(self, options: Options) -> None:
        self.options = options
        # A poll makes one attempt: the schedule is what tries again.
        self._poll_options = evolve(options, timeout=None, max_retries=0, request_id=None)

    def now(self) -> float:
        """Return seconds of the client's clock, which never go backwards."""
        return self._session.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep for some seconds of the client's clock."""
        await self.while_open(self._session.clock.sleep(seconds), "a wait before another job")

    async def while_open(self, work: Awaitable[T], what: str) -> T:
        """Await something until it ends or the client is closed; raises ClientClosedError."""
        return await self._session.lifetime.while_open(work, what)

    def masked(self, seen: S) -> S:
        """Return a copy of a job for an error, with echoed keys masked."""
        return masking.mask_value(seen, masking.texts_to_mask(self._session.key, self.options.named))

    def job_exists(self, job_id: str) -> None:
        """Record that a job exists: this process or an earlier one has submitted or polled it."""
        self._jobs.add(job_id)

    def track_submitted(self, job_id: str, seen: S, model: str | None) -> TrackedJob[S]:
        """Record a job that was just submitted."""
        if self._session.events.listening:
            scope = current_scope()
            call_id = None if scope is None else scope.call_id
            self._session.events.emit(JobSubmitted(job_id=job_id, model=model, call_id=call_id))
        forget_headers(seen)
        self.job_exists(job_id)
        now = self.now()
        return TrackedJob(job_id, seen, now, now)

    def note_poll(self, job: TrackedJob[S], seen: S) -> None:
        """Record the answer to a poll that the scheduler didn't make."""
        if self._job_type.state(seen):
            job.last_seen, job.unfinished_at = seen, self.now()

    def durations_of(self, request_type: RequestType) -> JobDurations:
        """Return the durations of the jobs that requests of a type make."""
        return self._durations.of((request_type.model, request_type.type))

    def expected_seconds(self, job: TrackedJob[S]) -> float | None:
        """Return the seconds that remain until a job ends, by the durations of such jobs; None where unknown."""
        seen = job.last_seen
        if seen is None:
            return None
        if self._has_ended(seen):
            return 0.0
        if job.submitted_at is None:
            return None
        return self._durations.of(self._job_type.family(seen)).remaining(max(self.now() - job.submitted_at, 0.0))

    async def wait(self, job: TrackedJob[S], *, timeout: float) -> S:
        """Wait until a job has ended, and return its last state.

        A poll that fails for a transient reason is repeated on the schedule.

        Raises:
            DeadlineExceededError: `timeout` seconds are over; it names the job.
            GenerorAsyncError: A poll failed in a way that ends the wait, by `rules.poll_failures`; it names the job.
        """
        _check_timeout(timeout)
        if job.last_seen is not None and self._has_ended(job.last_seen):
            return job.last_seen
        with self.call_scope("wait", job_id=job.id):
            return await self._wait(job, timeout=timeout, began=self.now())

    def call_scope(
        self, method: str, parameters: JSON = None, *, billable: bool = False, job_id: str | None = None
    ) -> AbstractContextManager[object]:
        """Make the calls in the block parts of one, for the events; a part of another call stays one of that."""
        session = self._session
        if not session.events.listening or current_scope() is not None:
            return nullcontext()
        resource = self._job_type.poll(job_id or "1").endpoint.name.rpartition(".")[0]
        request_id = self.options.request_id if billable else None
        if is_object(parameters):
            parameters = {**parameters, **self.options.extra_body}
        return session.call_scope(f"{resource}.{method}", request_id, body=parameters, billable=billable, job_id=job_id)

    async def changes(self, job: TrackedJob[S], *, timeout: float) -> AsyncIterator[S]:
        """Yield a job at each change of its state, beginning with the present one, until it has ended."""
        _check_timeout(timeout)
        began = self.now()
        if job.last_seen is not None:
            yield job.last_seen
        while job.last_seen is None or not self._has_ended(job.last_seen):
            yield await self._wait(job, timeout=timeout, began=began, each_change=True)

    async def as_completed(self, jobs: Sequence[TrackedJob[S]], *, timeout: float) -> AsyncIterator[TrackedJob[S]]:
        """Yield each job when it, or the wait for it, has ended; a failed wait sets its `error`. Creates no tasks."""
        _check_timeout(timeout)
        try:
            work = self._session.lifetime.begin(counted=True)
        except ClientClosedError as closed:
            closed.add_note(_jobs_continue(jobs))
            if len(jobs) == 1:
                self._job_type.attach_id(closed, jobs[0].id)
            raise
        scheduler, began = self._schedulers.get(), self.now()
        done: asyncio.Queue[asyncio.Future[S]] = asyncio.Queue()
        ended: deque[TrackedJob[S]] = deque()
        waiting: dict[asyncio.Future[S], JobWait[S]] = {}

        def arrived(future: asyncio.Future[S]) -> None:
            done.put_nowait(future)
            if done.qsize() == len(waiting):  # nothing is under way any more, even if the next is not asked for yet
                work.end()

        try:
            for job in jobs:
                if job.last_seen is not None and self._has_ended(job.last_seen):
                    ended.append(job)
                    continue
                wait = scheduler.join(job, self._poll_options, timeout=timeout, began=began)
                waiting[wait.future] = wait
                wait.future.add_done_callback(arrived)
            if not waiting:
                work.end()
            while ended:
                yield ended.popleft()
            while waiting:
                future = await done.get()
                job = waiting.pop(future).job
                error = future.exception()
                if error is not None and not isinstance(error, GenerorAsyncError):
                    error.add_note(
                        f"{self._job_type.name} {printable(job.id)} goes on, and {self._job_type.resume_hint(job.id)}"
                    )
                    raise error
                yield job
        except asyncio.CancelledError as error:
            error.add_note(_jobs_continue([wait.job for wait in waiting.values()]))
            raise
        finally:
            work.end()
            for wait in waiting.values():
                scheduler.leave(wait)

    async def _wait(self, job: TrackedJob[S], *, timeout: float, began: float, each_change: bool = False) -> S:
        try:
            work = self._session.lifetime.begin()
        except ClientClosedError as error:
            self._job_type.attach_id(error, job.id)
            raise
        scheduler = self._schedulers.get()
        wait = scheduler.join(job, self._poll_options, timeout=timeout, began=began, each_change=each_change)
        try:
            return await wait.future
        except asyncio.CancelledError as error:
            scheduler.leave(wait)
            error.add_note(
                f"{self._job_type.name} {printable(job.id)} goes on, and {self._job_type.resume_hint(job.id)}"
            )
            raise
        finally:
            work.end()

    def _has_ended(self, seen: S) -> bool:
        return self._job_type.lifecycle.is_terminal(self._job_type.state(seen))


def _jobs_continue(jobs: Sequence[TrackedJob[S]]) -> str:
    """Return the note that names the jobs which continue without a wait."""
    ids = ", ".join(printable(job.id) for job in jobs[:JOBS_NAMED])
    more = ", ..." if len(jobs) > JOBS_NAMED else ""
    return f"{len(jobs)} jobs go on: take them up again by their ids ({ids}{more})"


def _check_timeout(timeout: object) -> None:
    option_checks.seconds(timeout, "timeout", positive=False)
