"""Waiting for jobs: for one's end, for each of its changes, or for many at once.

The looking is the scheduler's; here is what a wait means to whoever waits.
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
from generor_async.engine.tracking import Kind, SeenJobs, Tracked, Waiter
from generor_async.errors import ClientClosedError, GenerorAsyncError
from generor_async.rules import arguments, masking
from generor_async.rules.schedule import Durations
from generor_async.values import JobSubmitted, Model, forget_headers
from generor_async.values.text import shown

__all__ = ["JobWatch", "Kind", "Tracked"]

S = TypeVar("S", bound=Model)
T = TypeVar("T")

JOBS_TOLD: Final = 20
"""How many jobs a note names that go on."""


class JobWatch(Generic[S]):
    """Waits for the jobs of one client; its views share what is learned, and look at a job once for all of them.

    `backlog` returns how many calls wait for one of these jobs to end.
    """

    def __init__(self, session: Session, options: Options, kind: Kind[S], *, backlog: Callable[[], int] = int) -> None:
        self._session = session
        self._kind = kind
        jobs, durations = SeenJobs(session.base_url), dict[Hashable, Durations]()
        self._jobs = jobs
        self._schedulers = PerLoop[Scheduler[S]](lambda: Scheduler(session, kind, durations, jobs, backlog))
        session.lifetime.waits.append(self._schedulers)
        self._use(options)

    def view(self, options: Options) -> Self:
        """Return a watch over the same jobs whose looks are made otherwise."""
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._use(options)
        return view

    def _use(self, options: Options) -> None:
        self.options = options
        # A look makes one attempt: the schedule is what tries again.
        self._of_looks = evolve(options, timeout=None, max_retries=0, request_id=None)

    def now(self) -> float:
        """Return the client's own seconds, which never run backwards."""
        return self._session.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait so many of them."""
        await self.during(self._session.clock.sleep(seconds), "a wait before another job")

    async def during(self, work: Awaitable[T], what: str) -> T:
        """Do something for as long as the client is open; raises ClientClosedError."""
        return await self._session.lifetime.while_open(work, what)

    def masked(self, seen: S) -> S:
        """Return a copy of a job for an error: without what the server sent back of what it was sent."""
        return masking.masked(seen, masking.secrets_of(self._session.key, self.options.named))

    def saw(self, job_id: str) -> None:
        """Take note that a job exists: its submission or its state was seen, here or by an earlier process."""
        self._jobs.add(job_id)

    def submitted(self, job_id: str, seen: S, model: str | None) -> Tracked[S]:
        """Take note of a job that was accepted just now."""
        if self._session.events.listening:
            self._session.events.emit(JobSubmitted(job_id=job_id, model=model))
        forget_headers(seen)
        self.saw(job_id)
        now = self.now()
        return Tracked(job_id, seen, now, now)

    def noted(self, job: Tracked[S], seen: S) -> None:
        """Take note of what a look outside the schedule found."""
        if self._kind.state(seen):
            job.seen, job.looked = seen, self.now()

    async def ended(self, job: Tracked[S], *, timeout: float) -> S:
        """Wait until a job has ended, and return it.

        A look that fails for a passing reason is not the job failing: the next one comes on the schedule. Raises
        DeadlineExceededError when `timeout` seconds are over, and whatever a look raised that `rules.polls` takes for
        the end; each names the job.
        """
        _check_timeout(timeout)
        if job.seen is not None and self._has_ended(job.seen):
            return job.seen
        return await self._wait(job, timeout=timeout, began=self.now())

    async def changes(self, job: Tracked[S], *, timeout: float) -> AsyncIterator[S]:
        """Yield a job at each change of its state, the present one first, until it has ended."""
        _check_timeout(timeout)
        began = self.now()
        if job.seen is not None:
            yield job.seen
        while job.seen is None or not self._has_ended(job.seen):
            yield await self._wait(job, timeout=timeout, began=began, each_change=True)

    async def each_ended(self, jobs: Sequence[Tracked[S]], *, timeout: float) -> AsyncIterator[Tracked[S]]:
        """Yield each job when it has ended, or when its wait has; its `error` says which. Needs no task for a job."""
        _check_timeout(timeout)
        try:
            work = self._session.lifetime.begin(counted=True)
        except ClientClosedError as closed:
            closed.add_note(_go_on(jobs))
            if len(jobs) == 1:
                self._kind.concern(closed, jobs[0].id)
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
                    error.add_note(f"{self._kind.name} {shown(job.id)} goes on, and {self._kind.take_up(job.id)}")
                    raise error
                yield job
        except asyncio.CancelledError as error:
            error.add_note(_go_on([waiter.tracked for waiter in waiting.values()]))
            raise
        finally:
            work.end()
            for waiter in waiting.values():
                scheduler.leave(waiter)

    async def _wait(self, job: Tracked[S], *, timeout: float, began: float, each_change: bool = False) -> S:
        try:
            work = self._session.lifetime.begin()
        except ClientClosedError as error:
            self._kind.concern(error, job.id)
            raise
        scheduler = self._schedulers.get()
        waiter = scheduler.join(job, self._of_looks, timeout=timeout, began=began, each_change=each_change)
        try:
            return await waiter.future
        except asyncio.CancelledError as error:
            scheduler.leave(waiter)
            error.add_note(f"{self._kind.name} {shown(job.id)} goes on, and {self._kind.take_up(job.id)}")
            raise
        finally:
            work.end()

    def _has_ended(self, seen: S) -> bool:
        return self._kind.lifecycle.is_terminal(self._kind.state(seen))


def _go_on(jobs: Sequence[Tracked[S]]) -> str:
    """Say that jobs go on for which nobody waits."""
    ids = ", ".join(shown(job.id) for job in jobs[:JOBS_TOLD])
    more = ", ..." if len(jobs) > JOBS_TOLD else ""
    return f"{len(jobs)} jobs go on: take them up again by their ids ({ids}{more})"


def _check_timeout(timeout: object) -> None:
    arguments.seconds(timeout, "timeout", positive=False)
