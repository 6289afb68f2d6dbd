"""Which worker is to begin a shift of which run, and which jobs of the queue are left over.

Every worker that lives gets a shift of every unfinished run: several at once share its rows by the ledger. A shift of
a worker that died is dropped; whoever lives goes on with its rows.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from attrs import frozen

__all__ = ["REGISTER", "SHIFT", "QueuedJob", "ShiftPlan", "plan_shifts"]

REGISTER: Final = "register"
"""The task that goes on for as long as its worker does, and so tells the name of the worker's queue."""
SHIFT: Final = "shift"
"""The task that is one worker's work on one run."""


@frozen(kw_only=True)
class QueuedJob:
    """A job of the queue that has not ended."""

    id: int
    task: str
    queue: str
    run: str = ""
    """The run's name, of a shift."""
    is_begun: bool
    """Whether a worker has begun it."""
    is_lost: bool = False
    """Whether that worker has given no sign of life for too long."""


@frozen
class ShiftPlan:
    """What is to be done to the queue."""

    begin: Sequence[tuple[str, str]]
    """The queue of a worker, and the run that it is to begin a shift of."""
    drop: Sequence[QueuedJob]
    """Jobs that no living worker will ever begin or end."""


def plan_shifts(runs: Collection[str], jobs: Iterable[QueuedJob]) -> ShiftPlan:
    """Return which shifts to begin and which jobs to drop, for the names of the unfinished runs."""
    known = [job for job in jobs if job.task in {REGISTER, SHIFT}]
    lost = [job for job in known if job.is_lost]
    living = {job.queue for job in known if job.task == REGISTER and job.is_begun and not job.is_lost}
    waiting = [job for job in known if job.task == SHIFT and not job.is_begun and job.queue not in living]
    present = {(job.queue, job.run) for job in known if job.task == SHIFT and not job.is_lost}
    return ShiftPlan(
        begin=sorted({(queue, run) for queue in living for run in runs} - present),
        drop=[*lost, *waiting],
    )
