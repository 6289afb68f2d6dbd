"""The jobs that are waited for, and the differences between types of jobs."""

from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from contextvars import Context
from datetime import datetime
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from attrs import define, field, frozen

from generor_async.errors import GenerorAsyncError
from generor_async.rules.http_types import Operation
from generor_async.rules.lifecycle import Lifecycle
from generor_async.rules.schedule import JobDurations
from generor_async.values import Model

if TYPE_CHECKING:
    import asyncio

__all__ = ["FamilyDurations", "JobType", "JobWait", "SeenJobs", "TrackedJob", "attaching_id", "noting_resubmission"]

S = TypeVar("S", bound=Model)

JOBS_REMEMBERED: Final = 16_384
"""Number of existing jobs that a process remembers."""
_SEEN: Final = dict[tuple[str, str], None]()
"""The jobs of all clients that are known to exist: a client that is created later must know them too."""


@frozen(kw_only=True)
class JobType(Generic[S]):
    """A type of job: how it is polled, and what its answers mean."""

    name: str
    """Its name in messages."""
    lifecycle: Lifecycle
    poll: Callable[[str], Operation[S]]
    state: Callable[[S], str | None]
    """Returns the state in an answer; None or an empty text where it has none."""
    failure_code: Callable[[S], str | None]
    family: Callable[[S], Hashable]
    """Returns a key that is equal for jobs of about the same duration."""
    prior: Callable[[Hashable], float | None]
    """Returns the usual duration of the jobs of a family in seconds; None where it is unknown."""
    created_at: Callable[[S], datetime | None]
    """Returns when the job was created, by the server's clock; None where the answer doesn't say."""
    resume_hint: Callable[[str], str]
    """Returns the advice how to resume the wait for a job, as the rest of a sentence."""
    attach_id: Callable[[GenerorAsyncError, str], object]
    """Adds the id of the job to an error."""


@frozen
class FamilyDurations:
    """The durations of the jobs of a client, by family."""

    prior: Callable[[Hashable], float | None]
    """As in `JobType`."""
    _known: dict[Hashable, JobDurations] = field(factory=dict[Hashable, JobDurations], init=False)

    def of(self, family: Hashable) -> JobDurations:
        """Return the durations of a family."""
        known = self._known.get(family)
        return self._known.setdefault(family, JobDurations(self.prior(family))) if known is None else known


@define(eq=False)
class TrackedJob(Generic[S]):
    """A job that is waited for. Times are seconds of the client's clock."""

    id: str
    last_seen: S | None = None
    submitted_at: float | None = None
    """When it was submitted; None where unknown."""
    unfinished_at: float | None = None
    """When a poll last showed that it had not ended."""
    error: GenerorAsyncError | None = None
    """The error that ended the last wait."""

    def update(self, other: "TrackedJob[S]") -> None:
        """Take over what another wait for the same job has learned."""
        self.last_seen, self.submitted_at = other.last_seen, other.submitted_at
        self.unfinished_at = other.unfinished_at


@define(eq=False)
class JobWait(Generic[S]):
    """A wait for the end of a job, or for its next change."""

    job: TrackedJob[S]
    future: "asyncio.Future[S]"
    timeout: float
    deadline: float
    each_change: bool
    """Whether a change of state ends it as well."""
    state: str | None
    """The last state that its caller knows."""
    context: Context | None = None
    """The context of the wait, for events; None where nobody listens."""


@frozen
class SeenJobs:
    """The jobs of one API that are known to exist: this process has seen them, or they are in its journal."""

    address: str

    def add(self, job_id: str) -> None:
        """Add a job; the oldest ones are forgotten."""
        _SEEN[self.address, job_id] = None
        if len(_SEEN) > JOBS_REMEMBERED:
            _SEEN.pop(next(iter(_SEEN)), None)

    def __contains__(self, job_id: str) -> bool:
        return (self.address, job_id) in _SEEN


@contextmanager
def attaching_id(attach_id: Callable[[GenerorAsyncError], object]) -> Generator[None]:
    """Add the id of a job to errors that are raised in the block and have none."""
    try:
        yield
    except GenerorAsyncError as error:
        if error.job_id is None and error.creation_id is None:
            attach_id(error)
        raise


@contextmanager
def noting_resubmission(failed: str | None) -> Generator[None]:
    """Add the failed job, if there is one, to errors of its replacement's submission, which is made in the block."""
    try:
        yield
    except GenerorAsyncError as error:
        if failed is not None and error.job_id is None:
            error.job_id = failed
            error.advice = "; ".join(filter(None, [error.advice, f"it was to follow job {failed}, which had failed"]))
        raise
