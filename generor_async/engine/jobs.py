"""Waits for jobs: for the end of one, for each of its changes, or for many jobs at once.

The scheduler polls; this module turns what it finds into results and errors.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from typing import Final, Generic, Self, TypeVar

from attrs import evolve

from generor_async.engine.loops import PerLoop
from generor_async.engine.options import Options
from generor_async.engine.scheduler import Scheduler
from generor_async.engine.session import Session
from generor_async.engine.tracking import JobType, SeenJobs, Tracked, Waiter
from generor_async.errors import ClientClosedError, GenerorAsyncError
from generor_async.rules import masking, option_checks
from generor_async.rules.schedule import JobDurations
from generor_async.values import JobSubmitted, Model, forget_headers
from generor_async.values.text import printable

__all__ = ["JobType", "JobWaiter", "Tracked"]

S = TypeVar("S", bound=Model)
T = TypeVar("T")

JOBS_NAMED: Final = 20
"""Number of jobs that a note names."""


class JobWaiter(Generic[S]):
    """Waits for the jobs of a client.

    Views of the client share what was learned of durations, and one poll serves all waits for a job.

    `backlog` returns the number of calls that wait for one of these jobs to end.
    """

    def __init__(
        self, session: Session, options: Options, kind: JobType[S], *, backlog: Callable[[], int] = int
    ) -> None:
        self._session = session
        self._kind = kind
        jobs, durations = SeenJobs(session.base_url), dict[Hashable, JobDurations]()
        self._jobs = jobs
        self._schedulers = PerLoop[Scheduler[S]](lambda: Scheduler(session, kind, durations, jobs, backlog))
        session.lifetime.waits.append(self._schedulers)
        self._use(options)

    def view(self, options: Options) -> Self:
        """Return a waiter for the same jobs whose polls are made with other options."""
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._use(options)
        return view

    def _use(self, options: Options) -> None:
        self.options = options
        # A poll makes one attempt: the schedule is what tries again.
        self._of_looks = evolve(options, timeout=None, max_retries=0, request_id=None)

    def now(self) -> float:
        """Return seconds of the client's clock, which never go backwards."""
        return self._session.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep for so many seconds of the client's clock."""
        await self.while_open(self._session.clock.sleep(seconds), "a wait before another job")

    async def while_open(self, work: Awaitable[T], what: str) -> T:
        """Await something until it ends or the client is closed; raises ClientClosedError."""
        return await self._session.lifetime.while_open(work, what)

    def masked(self, seen: S) -> S:
        """Return a copy of a job for an error, with keys that the server echoed masked."""
        return masking.mask_value(seen, masking.texts_to_mask(self._session.key, self.options.named))

    def job_exists(self, job_id: str) -> None:
        """Record that a job exists: its submission or its state was seen, here or by an earlier process."""
        self._jobs.add(job_id)

    def submitted(self, job_id: str, seen: S, model: str | None) -> Tracked[S]:
        """Record a job that was just accepted."""
        if self._session.events.listening:
            self._session.events.emit(JobSubmitted(job_id=job_id, model=model))
        forget_headers(seen)
        self.job_exists(job_id)
        now = self.now()
        return Tracked(job_id, seen, now, now)

    def observed(self, job: Tracked[S], seen: S) -> None:
        """Record the answer to a poll outside of the schedule."""
        if self._kind.state(seen):
            job.seen, job.polled = seen, self.now()

    async def wait(self, job: Tracked[S], *, timeout: float) -> S:
        """Wait until a job has ended, and return its last state.

        A poll that fails for a transient reason is repeated on the schedule.

        Raises:
            DeadlineExceededError: `timeout` seconds are over; it names the job.
            GenerorAsyncError: A poll failed in a way that ends the wait, by `rules.poll_failures`; it names the job.
        """
        _check_timeout(timeout)
        if job.seen is not None and self._has_ended(job.seen):
            return job.seen
        return await self._wait(job, timeout=timeout, began=self.now())

    async def changes(self, job: Tracked[S], *, timeout: float) -> AsyncIterator[S]:
        """Yield a job at each change of its state, beginning with the present one, until it has ended."""
        _check_timeout(timeout)
        began = self.now()
        if job.seen is not None:
            yield job.seen
        while job.seen is None or not self._has_ended(job.seen):
            yield await self._wait(job, timeout=timeout, began=began, each_change=True)

    async def as_completed(self, jobs: Sequence[Tracked[S]], *, timeout: float) -> AsyncIterator[Tracked[S]]:
        """Yield each job when it, or the wait for it, has ended; its `error` tells which. Uses no task for each job."""
        _check_timeout(timeout)
        try:
            work = self._session.lifetime.begin(counted=True)
        except ClientClosedError as closed:
            closed.add_note(_jobs_continue(jobs))
            if len(jobs) == 1:
                self._kind.attach_id(closed, jobs[0].id)
            raise
        scheduler, began = self._schedulers.get(), self.now()
        done: asyncio.Queue[asyncio.Future[S]] = asyncio.Queue()
        ended: deque[Tracked[S]] = deque()
        waiting: dict[asyncio.Future[S], Waiter[S]] = {}

        def arrived(future: asyncio.Future[S]) -> None:
            done.put_nowait(future)
            if done.qsize() == len(waiting):  # nothing is under way any more, even if the next is not asked for yet
                work.end()

        try:
            for job in jobs:
                if job.seen is not None and self._has_ended(job.seen):
                    ended.append(job)
                    continue
                waiter = scheduler.join(job, self._of_looks, timeout=timeout, began=began)
                waiting[waiter.future] = waiter
                waiter.future.add_done_callback(arrived)
            if not waiting:
                work.end()
            while ended:
                yield ended.popleft()
            while waiting:
                future = await done.get()
                job = waiting.pop(future).tracked
                error = future.exception()
                if error is not None and not isinstance(error, GenerorAsyncError):
                    error.add_note(
                        f"{self._kind.name} {printable(job.id)} goes on, and {self._kind.resume_hint(job.id)}"
                    )
                    raise error
                yield job
        except asyncio.CancelledError as error:
            error.add_note(_jobs_continue([waiter.tracked for waiter in waiting.values()]))
            raise
        finally:
            work.end()
            for waiter in waiting.values():
                scheduler.leave(waiter)

    async def _wait(self, job: Tracked[S], *, timeout: float, began: float, each_change: bool = False) -> S:
        try:
            work = self._session.lifetime.begin()
        except ClientClosedError as error:
            self._kind.attach_id(error, job.id)
            raise
        scheduler = self._schedulers.get()
        waiter = scheduler.join(job, self._of_looks, timeout=timeout, began=began, each_change=each_change)
        try:
            return await waiter.future
        except asyncio.CancelledError as error:
            scheduler.leave(waiter)
            error.add_note(f"{self._kind.name} {printable(job.id)} goes on, and {self._kind.resume_hint(job.id)}")
            raise
        finally:
            work.end()

    def _has_ended(self, seen: S) -> bool:
        return self._kind.lifecycle.is_terminal(self._kind.state(seen))


def _jobs_continue(jobs: Sequence[Tracked[S]]) -> str:
    """Say which jobs continue without a wait."""
    ids = ", ".join(printable(job.id) for job in jobs[:JOBS_NAMED])
    more = ", ..." if len(jobs) > JOBS_NAMED else ""
    return f"{len(jobs)} jobs go on: take them up again by their ids ({ids}{more})"


def _check_timeout(timeout: object) -> None:
    option_checks.seconds(timeout, "timeout", positive=False)
