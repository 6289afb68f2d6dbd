"""Drives one job to its end: looks, waits, looks again."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from generor_async.engine.events import EventStream
from generor_async.errors import (
    APIConnectionError,
    DeadlineExceededError,
    InternalServerError,
    RateLimitError,
)
from generor_async.rules import lifecycle, schedule
from generor_async.values import Clock, JobEnded, JobPolled

__all__ = ["follow"]


class Stateful(Protocol):
    """What a job's object has to show."""

    @property
    def state(self) -> str: ...
    @property
    def failure_code(self) -> str | None: ...


S = TypeVar("S", bound=Stateful)


async def follow(
    job_id: str,
    seen: S | None,
    look: Callable[[float], Awaitable[S]],
    *,
    timeout: float,
    clock: Clock,
    events: EventStream,
) -> AsyncIterator[S]:
    """Yield the job at each change of its state, until it is terminal.

    `seen` is what is known of it already; `look(timeout)` fetches it anew within so many seconds. A look that fails for
    a passing reason is not the job failing: the next one comes on the schedule. Raises DeadlineExceededError when
    `timeout` seconds are over, and whatever a look raised that no waiting mends, such as a 404.
    """
    began = clock.monotonic()
    deadline = began + timeout
    if seen is not None:
        yield seen
        if seen.state in lifecycle.TERMINAL:
            return
    for spacing in schedule.spacings(at_once=seen is None):
        await _pause(spacing, job_id, timeout, deadline, clock)
        try:
            found = await look(deadline - clock.monotonic())
        except (APIConnectionError, InternalServerError, RateLimitError):
            continue
        except DeadlineExceededError:
            if clock.monotonic() < deadline:
                continue
            raise _out_of_time(job_id, timeout) from None
        ended = found.state in lifecycle.TERMINAL
        if events.listening:
            elapsed = clock.monotonic() - began
            events.emit(JobPolled(job_id=job_id, state=found.state, elapsed=elapsed))
            if ended:
                code = found.failure_code
                events.emit(JobEnded(job_id=job_id, state=found.state, failure_code=code, elapsed=elapsed))
        if seen is None or found.state != seen.state:
            seen = found
            yield found
        if ended:
            return


async def _pause(seconds: float, job_id: str, timeout: float, deadline: float, clock: Clock) -> None:
    if seconds <= 0:
        return
    if clock.monotonic() + seconds >= deadline:
        raise _out_of_time(job_id, timeout)
    try:
        await clock.sleep(seconds)
    except asyncio.CancelledError as error:
        error.add_note(
            f"job {job_id} goes on and can be taken up again by its id; Luma documents no way to cancel it"
        )
        raise


def _out_of_time(job_id: str, timeout: float) -> DeadlineExceededError:
    assert timeout < math.inf
    return DeadlineExceededError(
        f"job {job_id} has not ended within {timeout:g} s",
        waited_for="poll",
        job_id=job_id,
        advice=f"It goes on: take it up again with generations.job({job_id!r})",
    )
