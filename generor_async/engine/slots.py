"""The slots of jobs: who may submit the next one, and looks at the jobs that nobody else looks at.

`rules.slots` decides. A job that has ended frees its slot only when somebody has seen it: so while calls wait for
slots, every client that has such calls looks at what went unseen for a while.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from generor_async.engine.loops import LoopBound
from generor_async.engine.queue import Queue
from generor_async.engine.shared_slots import SharedSlots
from generor_async.errors import GenerorAsyncError, NotFoundError
from generor_async.rules.poll_failures import OddPolls
from generor_async.rules.slot_usage import JobSlot
from generor_async.rules.slots import Slots, SlotState
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType, parse_refusal_numbers
from generor_async.values import Clock

__all__ = ["JobSlots", "SlotPoller"]

STALE_AFTER: Final = 10.0
"""Seconds for which a job goes unseen before it is looked at for the sake of its slot."""
POLL_EVERY: Final = 2.0
"""Seconds between two such rounds."""


class JobSlots:
    """The slots of one API client's jobs, for all clients that share its limits."""

    def __init__(self, rule: Slots | SharedSlots, clock: Clock, lock: threading.RLock) -> None:
        self._rule = rule
        self._settle = rule.flush if isinstance(rule, SharedSlots) else None
        """Tells a store what was noted."""
        self._lock = lock
        self.queue: Queue[JobSlot] = Queue(self, clock, lock)
        """Submissions that wait for a slot."""

    def reserve(self, now: float, *, smooth: bool = False, request_type: RequestType = DEFAULT_TYPE) -> JobSlot | Wait:  # noqa: ARG002 - slots are given away as they are, evenly or not
        """Give a slot away, or say until when there is none."""
        return self._rule.reserve(now, request_type)

    def give_back(self, permit: JobSlot) -> None:
        """Take back a slot that was given away and not used."""
        self._rule.release(permit)
        if self._settle is not None:
            self._settle()

    def accepted(self, lease: JobSlot, job_id: str, now: float) -> None:
        """Note that a submission has become a job."""
        with self._lock:
            self._rule.accepted(lease, job_id, now)
            self._pump(now)

    def refused(self, lease: JobSlot, now: float, retry_after: float, message: str) -> None:
        """Note that a submission was refused because too much runs; the message may name numbers."""
        with self._lock:
            self._rule.refused(lease, now, retry_after, parse_refusal_numbers(message))
            self._pump(now)

    def release(self, lease: JobSlot, now: float) -> None:
        """Note that no job came of a submission: it never left, or was refused for something else."""
        with self._lock:
            self._rule.release(lease)
            self._pump(now)

    def keep_unresolved(self, lease: JobSlot, now: float) -> None:
        """Note that a job may have come of a submission, or not."""
        with self._lock:
            self._rule.keep_unresolved(lease, now)
            self._pump(now)

    def record_poll(
        self, job_id: str, now: float, *, asked: float, ended: bool, request_type: RequestType = DEFAULT_TYPE
    ) -> None:
        """Note what a look at a job has shown that was sent at `asked`."""
        with self._lock:
            self._rule.record_poll(job_id, now, asked=asked, ended=ended, request_type=request_type)
            self._pump(now)

    def _pump(self, now: float) -> None:
        """Let go whoever may; what was noted is told to a store together with that, in one transaction."""
        self.queue.pump(now)
        if self._settle is not None:
            self._settle()

    def stale_jobs(self, now: float) -> list[str]:
        """Return the jobs to look at, so that slots become free."""
        with self._lock:
            return self._rule.stale_jobs(now, STALE_AFTER)

    def state(self, now: float) -> SlotState:
        """Return the slots as they stand."""
        with self._lock:
            return self._rule.state(now)


class SlotPoller(LoopBound):
    """Looks at jobs for the sake of their slots, for as long as calls of one client and event loop wait for one."""

    def __init__(
        self,
        stale_jobs: Callable[[], list[str]],
        look: Callable[[str], Awaitable[object]],
        gone: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._stale_jobs = stale_jobs
        self._look = look
        self._gone = gone
        self._clock = clock
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for a call that waits."""
        self._waiting += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._poll())

    def stop(self) -> None:
        """Look no more for a call that has waited."""
        self._waiting -= 1
        if not self._waiting:
            self._cancel()

    async def close(self) -> None:
        """Stop looking: the connections close."""
        self._cancel()

    async def _poll(self) -> None:
        missing: dict[str, OddPolls] = {}
        while True:
            await self._clock.sleep(POLL_EVERY)
            for job_id in self._stale_jobs():
                # What comes of the look is noted where all answers are. One that fails is made again in the next round.
                with suppress(GenerorAsyncError):
                    try:
                        await self._look(job_id)
                    except NotFoundError:
                        now = self._clock.monotonic()
                        if missing.setdefault(job_id, OddPolls()).end_with("absent", now, seen=True):
                            self._gone(job_id)
                    else:
                        missing.pop(job_id, None)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
