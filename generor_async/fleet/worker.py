"""A worker: waits for unfinished runs, and works a shift of each until nothing of it is left.

The queue wakes it. If the queue's database can't be reached, shifts go on, since the ledger has connections of its own
and stops charges by itself; the worker connects again.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

import procrastinate
from attrs import frozen
from procrastinate import App, JobContext
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.job_context import AbortReason

from generor_async.errors import GenerorAsyncError
from generor_async.fleet.queue import (
    ALL_WORKERS,
    ASSIGN,
    LOST_AFTER,
    QueueError,
    apply,
    defer_assignment,
    has_job,
    make_app,
    open_app,
    queued_jobs,
)
from generor_async.rules.resume_advice import UNSTORED
from generor_async.rules.shift_plan import REGISTER, SHIFT, plan_shifts

__all__ = ["Worker"]

RUNS_AT_ONCE: Final = 16
"""Runs of which one worker has a shift at the same time; each needs connections of the database."""
OTHER_JOBS: Final = 2
"""Jobs that are no shifts: the registration, and an assignment."""
ASSIGN_SECONDS: Final = 10
"""Seconds between two assignments of shifts, beside those that a submission or a new worker asks for."""
RETRY_SECONDS: Final = 60.0
"""Seconds before a worker begins another shift of a run whose last one has failed here, as without a key."""
LEAVE_SECONDS: Final = 1.0
"""Seconds for which jobs of the queue may end; a shift that goes on is none of them."""
LONGEST_WAIT: Final = 30.0


@frozen
class _Shift:
    """A shift that goes on."""

    task: "asyncio.Task[object]"
    look: asyncio.Event
    """Set to have it look whether the run was stopped."""


class Worker:
    """Works for the runs in one database until it is stopped.

    Args:
        url: The database's URL, which leads to the server itself.
        work: Works a shift of a run, and returns why it ended. Cancelled, it drains; cancelled again, it ends at once.
            When the event is set, it looks at once whether somebody has stopped the run.
        unfinished: Returns the names of the runs that have something to do for a shift.
        tell: Is told what happens, in sentences.
        complain: Is told what is wrong, in sentences.
        assign_every: Seconds between two assignments of shifts, a divisor of 60.
        lost_after: Seconds without a sign of life after which the queue holds a worker for dead.
    """

    def __init__(
        self,
        url: str,
        *,
        work: Callable[[str, asyncio.Event], Coroutine[Any, Any, object]],
        unfinished: Callable[[], Awaitable[Collection[str]]],
        tell: Callable[[str], object],
        complain: Callable[[str], object],
        assign_every: int = ASSIGN_SECONDS,
        lost_after: float = LOST_AFTER,
    ) -> None:
        self._url = url
        self._work = work
        self._unfinished = unfinished
        self._tell = tell
        self._complain = complain
        self._assign_every = assign_every
        self._lost_after = lost_after
        self._queue = f"worker-{uuid4().hex[:12]}"
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._shifts: dict[str, _Shift] = {}
        self._not_before: dict[str, float] = {}
        """When the event loop's clock allows another shift of a run that has failed here."""
        self._stopping = asyncio.Event()
        self._unregistered = asyncio.Event()
        """Set when this worker's registration has ended."""
        self._problem = ""
        """What was last wrong with the list of runs."""

    def stop(self) -> None:
        """End the shifts: what is in flight ends first. A second call ends them at once."""
        self._stopping.set()
        for shift in self._shifts.values():
            shift.task.cancel()

    async def run(self) -> None:
        """Work until `stop`, and connect again whenever the queue's database can't be reached."""
        failures = 0
        while not self._stopping.is_set():
            app = make_app(self._url)
            self._add_tasks(app)
            try:
                async with open_app(app, self._url):
                    if failures:
                        self._tell("the database answers again")
                    failures = 0
                    await self._serve(app)
                if not self._stopping.is_set():
                    self._complain("the connection to the database was lost: connecting again")
            except QueueError as error:
                if not (failures or self._stopping.is_set()):
                    self._complain(f"{error}: trying again")
                failures += 1
            await self._wait_unless_stopping(min(2.0**failures, LONGEST_WAIT))
        await self._drain()

    async def _serve(self, app: App) -> None:
        """Take jobs until `stop`, or until the queue fails or has forgotten this worker."""
        self._unregistered.clear()
        register = app.configure_task(REGISTER, queue=self._queue, queueing_lock=self._queue, priority=2)
        with suppress(AlreadyEnqueued):  # by an earlier connection
            await register.defer_async(worker=self._name, version=procrastinate.__version__)
        serving = asyncio.create_task(
            app.run_worker_async(
                queues=[ALL_WORKERS, self._queue],
                name=self._queue,
                concurrency=RUNS_AT_ONCE + OTHER_JOBS,
                install_signal_handlers=False,
                delete_jobs="always",
                shutdown_graceful_timeout=LEAVE_SECONDS,
                update_heartbeat_interval=self._lost_after / 3,
                stalled_worker_timeout=self._lost_after,
            )
        )
        waits = [asyncio.create_task(event.wait()) for event in (self._stopping, self._unregistered)]
        try:
            await asyncio.wait([serving, *waits], return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                await self._drain()
        finally:
            for task in (serving, *waits):
                task.cancel()
            await asyncio.wait([serving, *waits])
        if not serving.cancelled():
            serving.result()

    async def _drain(self) -> None:
        """Wait until all shifts have ended."""
        if self._shifts:
            await asyncio.wait([shift.task for shift in self._shifts.values()])

    async def _wait_unless_stopping(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # in Python 3.11 `wait_for` may lose a cancellation
                await self._stopping.wait()

    # --- the queue's tasks --------------------------------------------------------------------------------------------

    def _add_tasks(self, app: App) -> None:
        app.task(name=REGISTER, pass_context=True)(self._register)
        app.task(name=SHIFT, pass_context=True)(self._take_shift)
        assign = app.task(name=ASSIGN, pass_context=True, queueing_lock=ASSIGN, queue=ALL_WORKERS, priority=1)(
            self._assign
        )
        app.periodic(cron=f"* * * * * */{self._assign_every}")(assign)

    async def _register(self, context: JobContext, worker: str, version: str) -> None:  # noqa: ARG002 - for `migrate`
        """Be there for as long as the worker takes shifts, and ask for some.

        A worker that was frozen or cut off for a while is held for dead, and its jobs are dropped. It registers again.
        """
        try:
            await defer_assignment(context.app)
            while not self._stopping.is_set() and await has_job(context.app, context.job):
                await self._wait_unless_stopping(self._lost_after)
        finally:
            self._unregistered.set()

    async def _assign(self, context: JobContext, timestamp: int = 0) -> None:  # noqa: ARG002 - given by the periodic deferrer
        """Give every living worker a shift of every unfinished run."""
        try:
            runs = await self._unfinished()
        except GenerorAsyncError as error:
            if str(error) != self._problem:
                self._complain(str(error))
            self._problem = str(error)
            return
        self._problem = ""
        await apply(context.app, plan_shifts(runs, await queued_jobs(context.app, lost_after=self._lost_after)))

    async def _take_shift(self, context: JobContext, run: str) -> None:
        """Begin a shift of a run, or join the one that goes on, and wait for its end.

        Aborting the job doesn't end the shift, which may have to fetch what is paid for: it is told to look whether the
        run was stopped.
        """
        shift = self._shifts.get(run) or self._begin(run)
        if shift is None:
            return
        try:
            await asyncio.shield(shift.task)
        except asyncio.CancelledError:
            if context.abort_reason() is AbortReason.USER_REQUEST:
                shift.look.set()
            raise

    def _begin(self, run: str) -> "_Shift | None":
        now = asyncio.get_running_loop().time()
        if self._stopping.is_set() or len(self._shifts) >= RUNS_AT_ONCE or now < self._not_before.get(run, 0.0):
            return None
        self._tell(f"{run}: a shift begins")
        look = asyncio.Event()
        task = asyncio.create_task(self._shift(run, look), name=f"shift of {run}")
        self._shifts[run] = shift = _Shift(task, look)
        task.add_done_callback(lambda _: self._shifts.pop(run))
        return shift

    async def _shift(self, run: str, look: asyncio.Event) -> object:
        try:
            reason = await self._work(run, look)
        except asyncio.CancelledError as error:
            self._tell(f"{run}: the shift was stopped")
            for note in getattr(error, "__notes__", ()):
                if note.startswith(UNSTORED):
                    self._complain(f"{run}: {note}")
            return None
        except Exception as error:  # noqa: BLE001 - the other runs go on
            self._not_before[run] = asyncio.get_running_loop().time() + RETRY_SECONDS
            what = str(error) if isinstance(error, GenerorAsyncError) else repr(error)
            self._complain(" ".join([f"{run}: {what}", *getattr(error, "__notes__", ())]))
            return error
        self._tell(f"{run}: the shift has ended ({reason})")
        return reason
