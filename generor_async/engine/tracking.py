"""What is known of the jobs that are waited for, and of one kind of them."""

from collections.abc import Callable, Generator, Hashable
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from attrs import define, frozen

from generor_async.errors import GenerorAsyncError
from generor_async.rules.lifecycle import Lifecycle
from generor_async.rules.wire import Operation
from generor_async.values import Model

if TYPE_CHECKING:
    import asyncio

__all__ = ["Kind", "SeenJobs", "Tracked", "Waiter", "following", "naming"]

S = TypeVar("S", bound=Model)

JOBS_REMEMBERED: Final = 16_384
"""Of how many jobs a process remembers that they exist."""
_SEEN: Final = dict[tuple[str, str], None]()
"""Them, by the API's address and their ids: a client that is made later knows of them too."""


@frozen(kw_only=True)
class Kind(Generic[S]):
    """What there is to know of one kind of job, so that it can be waited for."""

    name: str
    """What it is called in a message."""
    lifecycle: Lifecycle
    look: Callable[[str], Operation[S]]
    state: Callable[[S], str | None]
    """The state of one that was looked at; None or empty where the answer has none."""
    failure_code: Callable[[S], str | None]
    family: Callable[[S], Hashable]
    """Jobs of one family take about as long as each other."""
    prior: Callable[[S], float | None]
    """How many seconds such a job usually takes; None where nobody knows."""
    created_at: Callable[[S], datetime | None]
    """When the job began, by the server's clock, where it says so."""
    take_up: Callable[[str], str]
    """Says how a job can be taken up again, as the rest of a sentence about it."""
    concern: Callable[[GenerorAsyncError, str], object]
    """Has an error name the job that it concerns."""


@define(eq=False)
class Tracked(Generic[S]):
    """One job as its holder knows it. Times are those of the client's clock, in seconds."""

    id: str
    seen: S | None = None
    born: float | None = None
    """When it was submitted; None where nobody said."""
    looked: float | None = None
    """When it was last seen unfinished."""
    error: GenerorAsyncError | None = None
    """What the last wait for it came to, unless it came to the job's end."""


@define(eq=False)
class Waiter(Generic[S]):
    """Somebody who waits for a job, to its end or to its next change."""

    tracked: Tracked[S]
    future: "asyncio.Future[S]"
    timeout: float
    deadline: float
    each_change: bool
    """Whether every change of state is waited for, not the end alone."""
    state: str | None
    """The state that it knows of."""


@frozen
class SeenJobs:
    """The jobs at one address whose submission or state this process, or its journal, has seen: these exist."""

    address: str

    def add(self, job_id: str) -> None:
        """Note one; beyond so many, the first ones are forgotten."""
        _SEEN[self.address, job_id] = None
        if len(_SEEN) > JOBS_REMEMBERED:
            _SEEN.pop(next(iter(_SEEN)), None)

    def __contains__(self, job_id: str) -> bool:
        return (self.address, job_id) in _SEEN


@contextmanager
def naming(concern: Callable[[GenerorAsyncError], object]) -> Generator[None]:
    """Have what is raised meanwhile name what it concerns, unless it does."""
    try:
        yield
    except GenerorAsyncError as error:
        if error.job_id is None and error.creation_id is None:
            concern(error)
        raise


@contextmanager
def following(failed: str | None) -> Generator[None]:
    """Have what is raised meanwhile name the failed job whose request is submitted again, if there is one."""
    try:
        yield
    except GenerorAsyncError as error:
        if failed is not None and error.job_id is None:
            error.job_id = failed
            error.advice = "; ".join(filter(None, [error.advice, f"it was to follow job {failed}, which had failed"]))
        raise
