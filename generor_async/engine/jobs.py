"""Drives one job to its end: looks, waits, looks again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Generic, Protocol, TypeVar

from attrs import evolve

from generor_async.engine.options import Options
from generor_async.engine.session import Session
from generor_async.errors import (
    APIConnectionError,
    DeadlineExceededError,
    InternalServerError,
    RateLimitError,
)
from generor_async.rules import lifecycle, schedule
from generor_async.rules.wire import Operation
from generor_async.values import JobEnded, JobPolled, JobSubmitted

__all__ = ["JobWatch"]


class Stateful(Protocol):
    """What a job's object has to show."""

    @property
    def state(self) -> str: ...
    @property
    def failure_code(self) -> str | None: ...


S = TypeVar("S", bound=Stateful)

LOOK_SECONDS = 60.0
"""How long one look at a job may take."""


class JobWatch(Generic[S]):
    """Looks at the jobs of one client."""

    __slots__ = ("_get", "_session", "options")

    def __init__(self, session: Session, options: Options, get: Callable[[str], Operation[S]]) -> None:
        self._session = session
        self._get = get
        self.options = options

    def now(self) -> float:
        """Return the client's own seconds, which never run backwards."""
        return self._session.clock.monotonic()

    def submitted(self, job_id: str, model: str | None) -> None:
        """Tell that a job was accepted."""
        if self._session.events.listening:
            self._session.events.emit(JobSubmitted(job_id=job_id, model=model))

    async def follow(self, job_id: str, seen: S | None, *, timeout: float) -> AsyncIterator[S]:
        """Yield the job at each change of its state, until it is terminal.

        `seen` is what is known of it already. A look that fails for a passing reason is not the job failing: the next
        one comes on the schedule. Raises DeadlineExceededError when `timeout` seconds are over, and whatever a look
        raised that no waiting mends, such as a 404.
        """
        began = self.now()
        deadline = began + timeout
        if seen is not None:
            yield seen
            if seen.state in lifecycle.TERMINAL:
                return
        unknown, at_once = schedule.Durations(), seen is None
        while True:
            spacing, at_once = 0.0 if at_once else unknown.spacing(self.now() - began), False
            if self.now() + spacing >= deadline:
                raise _out_of_time(job_id, timeout)
            try:
                found = await self._look(job_id, spacing, deadline)
            except (APIConnectionError, InternalServerError, RateLimitError):
                continue
            except DeadlineExceededError:
                if self.now() < deadline:
                    continue
                raise _out_of_time(job_id, timeout) from None
            self._tell(job_id, found, self.now() - began)
            if seen is None or found.state != seen.state:
                seen = found
                yield found
            if found.state in lifecycle.TERMINAL:
                return

    async def _look(self, job_id: str, spacing: float, deadline: float) -> S:
        """Wait `spacing` seconds and look; whoever cancels either is told which job goes on."""
        try:
            if spacing:
                await self._session.clock.sleep(spacing)
            seconds = min(deadline - self.now(), LOOK_SECONDS)
            return await self._session.send(self._get(job_id), evolve(self.options, timeout=seconds, request_id=None))
        except asyncio.CancelledError as error:
            error.add_note(f"job {job_id} goes on: take it up again by its id. Luma documents no way to cancel it")
            raise

    def _tell(self, job_id: str, found: S, elapsed: float) -> None:
        events = self._session.events
        if not events.listening:
            return
        events.emit(JobPolled(job_id=job_id, state=found.state, elapsed=elapsed))
        if found.state in lifecycle.TERMINAL:
            code = found.failure_code
            events.emit(JobEnded(job_id=job_id, state=found.state, failure_code=code, elapsed=elapsed))


def _out_of_time(job_id: str, timeout: float) -> DeadlineExceededError:
    return DeadlineExceededError(
        f"job {job_id} has not ended within {timeout:g} s",
        waited_for="poll",
        job_id=job_id,
        advice=f"It goes on: take it up again with generations.job({job_id!r})",
    )
