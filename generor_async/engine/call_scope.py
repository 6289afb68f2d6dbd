"""The events that begin and end a logical call, for clients with subscribers; without these nothing here runs.

A call such as `run` makes other calls: it submits a job and polls it. These are part of it. A context variable names
it, so that their events have its `call_id`, and no events of their own say that a call began or ended.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from typing import Any, NamedTuple
from weakref import WeakSet

from generor_async.engine.events import EventStream
from generor_async.errors import APIError, GenerorAsyncError, OutcomeUnknownError
from generor_async.values import CallEnded, CallStarted, Clock, Outcome

__all__ = ["CallResult", "CallScope", "call_scope", "current_scope", "outside_calls"]

_current: ContextVar["CallScope | None"] = ContextVar("generor_async_call", default=None)


class CallResult(NamedTuple):
    """What the events say of a call's result."""

    cost: float | None = None
    """Credits; None where unknown."""
    model: str | None = None
    job_id: str | None = None
    """The id of the job, or of the first creation."""


class CallScope:
    """What is known of a call under way."""

    __slots__ = (
        "attempts",
        "began",
        "call_id",
        "ended",
        "error",
        "operation",
        "outcome",
        "result",
        "status",
        "tasks",
        "waited",
    )

    def __init__(self, started: CallStarted, now: float) -> None:
        self.operation = started.operation
        self.call_id = started.call_id
        self.result = CallResult(model=started.model, job_id=started.job_id)
        self.began = now
        self.tasks = WeakSet[asyncio.Task[Any]](filter(None, [asyncio.current_task()]))
        """The tasks whose calls are parts of this one: not those that a subscriber creates, though they inherit it."""
        self.attempts = 0
        self.waited: float | None = None
        """Seconds before the first request; None before that."""
        self.status: int | None = None
        """The status of the last answer."""
        self.outcome: Outcome = "not_sent"
        self.error: str | None = None
        self.ended = False

    def first_id(self) -> str | None:
        """Return the call's id as a request id, which is used once."""
        return None if self.attempts else self.call_id

    def record_start(self, now: float) -> None:
        """Record that an attempt begins."""
        self.attempts += 1
        if self.waited is None:
            self.waited = now - self.began

    def record_attempt(self, outcome: Outcome, status: int | None) -> None:
        """Record the end of an attempt; what has taken effect once stays done."""
        self.status = status
        if self.outcome != "done":
            self.outcome = outcome

    def record_result(self, found: CallResult) -> None:
        """Add the result of a call, or of a part of it, to what is known."""
        cost, model, job_id = self.result
        if found.cost is not None:
            cost = (cost or 0.0) + found.cost
        self.result = CallResult(cost, found.model or model, found.job_id or job_id)

    def record_error(self, error: BaseException) -> None:
        """Record the error that ended the call."""
        self.error = type(error).__name__
        if isinstance(error, OutcomeUnknownError):
            self.outcome = "unknown"
        elif isinstance(error, APIError) and error.outcome is not None and self.outcome != "done":
            self.outcome = error.outcome
        if isinstance(error, GenerorAsyncError):
            job_id = error.job_id or error.creation_id
            self.record_result(CallResult(job_id=None if job_id is None else str(job_id)))


@contextmanager
def call_scope(
    events: EventStream, clock: Clock, started: CallStarted, *, has_parts: bool = False, prompt: str | None = None
) -> Generator[CallScope]:
    """Emit the events that begin and end a call; with `has_parts`, calls in the block are parts of it.

    `prompt` is for those who have asked for prompts.
    """
    scope = CallScope(started, clock.monotonic())
    token = _current.set(scope) if has_parts else None
    events.emit(started)
    if prompt is not None:
        events.tell_prompt(started.call_id, prompt)
    try:
        yield scope
    except BaseException as error:
        scope.record_error(error)
        raise
    finally:
        scope.ended = True
        if token is not None:
            with suppress(ValueError):  # an abandoned coroutine is closed in another context
                _current.reset(token)
        elapsed = clock.monotonic() - scope.began
        events.emit(
            CallEnded(
                operation=scope.operation,
                call_id=scope.call_id,
                outcome=scope.outcome,
                status=scope.status,
                error=scope.error,
                cost=scope.result.cost,
                model=scope.result.model,
                job_id=scope.result.job_id,
                attempts=scope.attempts,
                waited=elapsed if scope.waited is None else scope.waited,
                elapsed=elapsed,
            )
        )


def current_scope(context: Context | None = None) -> CallScope | None:
    """Return the call that calls of the running task, or of a context, are parts of."""
    scope = _current.get() if context is None else context.get(_current)
    if scope is None or scope.ended or (context is None and asyncio.current_task() not in scope.tasks):
        return None
    return scope


@contextmanager
def outside_calls() -> Generator[None]:
    """Make calls in the block calls of their own: a caller's callback runs there."""
    token = _current.set(None)
    try:
        yield
    finally:
        with suppress(ValueError):  # as above
            _current.reset(token)
