"""The slots for concurrent jobs, and the polls that find out which slots are free.

`rules.slots` decides which submission gets a slot. The slot of a job that has ended becomes free only when a poll has
shown that. So while calls wait for slots, every client with such calls polls the jobs that nobody has polled for a
while.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from generor_async.engine.exchange import Exchange
from generor_async.engine.loops import LoopBound
from generor_async.engine.queue import Queue
from generor_async.engine.shared_pace import SharedPace
from generor_async.engine.shared_queue import SharedQueue
from generor_async.engine.shared_slots import SharedSlots
from generor_async.errors import GenerorAsyncError, NotFoundError
from generor_async.rules.pace import Pace
from generor_async.rules.poll_failures import OddPolls
from generor_async.rules.slot_usage import JobSlot
from generor_async.rules.slots import Slots, SlotState
from generor_async.rules.user_turns import weight_of
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RequestType, parse_refusal_numbers
from generor_async.values import Clock

__all__ = ["JobSlots", "SlotPoller"]

STALE_AFTER: Final = 10.0
"""Seconds without a poll after which a job is polled to find out whether its slot is free."""
POLL_EVERY: Final = 2.0
"""Seconds between two rounds of such polls."""


class JobSlots:
    """The slots for jobs of one key, for all clients that share its limits."""

    def __init__(
        self,
        rule: Slots | SharedSlots,
        pace: Pace | SharedPace,
        clock: Clock,
        lock: threading.RLock,
        exchange: Exchange | None = None,
        weigh: Callable[[RequestType], int] = weight_of,
    ) -> None:
        self._rule = rule
        self._pace = pace
        self._lock = lock
        self.queue: Queue[JobSlot] = (
            SharedQueue(rule, clock, lock, exchange, "jobs", weigh)
            if isinstance(rule, SharedSlots) and exchange is not None
            else Queue(self, clock, lock, weigh)
        )
        """Submissions that wait for a slot and a permit of the rate limit: they get both at once."""

    def reserve(self, now: float, *, smooth: bool = False, request_type: RequestType = DEFAULT_TYPE) -> JobSlot | Wait:
        """Return a slot with a permit of the rate limit, as far as one is needed, or until when there is none."""
        slot = self._rule.reserve(now, request_type)
        if isinstance(slot, Wait) or self._pace.unbound:
            return slot
        permit = self._pace.reserve(now, smooth=smooth, request_type=request_type)
        if isinstance(permit, Wait):
            self._rule.release(slot)
            return permit
        slot.permit = permit
        return slot

    def give_back(self, permit: JobSlot) -> None:
        """Take back a slot and a permit that were not used."""
        self._rule.release(permit)
        if permit.permit is not None:
            self._pace.give_back(permit.permit)

    @property
    def backlog(self) -> int:
        """How many submissions wait for a slot, and not for a permit of the rate limit."""
        return len(self.queue) if self.queue.waits_for in {None, "jobs"} else 0

    def accepted(self, lease: JobSlot, job_id: str, now: float) -> None:
        """Record that a submission has become a job."""
        with self._lock:
            self._rule.accepted(lease, job_id, now)
            self.queue.pump(now)

    def refused(self, lease: JobSlot, now: float, retry_after: float, message: str) -> None:
        """Record that a submission was refused because too many jobs run; the message may name numbers."""
        with self._lock:
            self._rule.refused(lease, now, retry_after, parse_refusal_numbers(message))
            self.queue.pump(now)

    def release(self, lease: JobSlot, now: float) -> None:
        """Free the slot of a submission that was not sent, or was refused for another reason."""
        with self._lock:
            self._rule.release(lease)
            self.queue.pump(now)

    def keep_unresolved(self, lease: JobSlot, now: float) -> None:
        """Keep the slot of a submission that may have become a job."""
        with self._lock:
            self._rule.keep_unresolved(lease, now)
            self.queue.pump(now)

    def record_poll(
        self, job_id: str, now: float, *, asked: float, ended: bool, request_type: RequestType = DEFAULT_TYPE
    ) -> None:
        """Record the state of a job that a poll has shown; the poll was sent at `asked`."""
        with self._lock:
            self._rule.record_poll(job_id, now, asked=asked, ended=ended, request_type=request_type)
            self.queue.pump(now)

    def stale_jobs(self, now: float) -> list[str]:
        """Return the jobs to poll so that slots become free."""
        with self._lock:
            return self._rule.stale_jobs(now, STALE_AFTER)

    def state(self, now: float) -> SlotState:
        """Return the state of the slots."""
        with self._lock:
            return self._rule.state(now)


class SlotPoller(LoopBound):
    """Polls stale jobs while calls of one client and event loop wait for slots."""

    def __init__(
        self,
        stale_jobs: Callable[[], list[str]],
        look: Callable[[str], Awaitable[object]],
        gone: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._stale_jobs = stale_jobs
        self._poll_job = look
        self._forget_job = gone
        self._clock = clock
        self._waiting_calls = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to poll because a call waits."""
        self._waiting_calls += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._poll_stale_jobs())

    def stop(self) -> None:
        """End the polls unless another call waits."""
        self._waiting_calls -= 1
        if not self._waiting_calls:
            self._cancel()

    async def close(self) -> None:
        """End the polls because the connections are closed."""
        self._cancel()

    async def _poll_stale_jobs(self) -> None:
        missing: dict[str, OddPolls] = {}
        while True:
            await self._clock.sleep(POLL_EVERY)
            for job_id in self._stale_jobs():
                # What comes of the look is noted where all answers are. One that fails is made again in the next round.
                with suppress(GenerorAsyncError):
                    try:
                        await self._poll_job(job_id)
                    except NotFoundError:
                        now = self._clock.monotonic()
                        if missing.setdefault(job_id, OddPolls()).end_with("absent", now, seen=True):
                            self._forget_job(job_id)
                    else:
                        missing.pop(job_id, None)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
