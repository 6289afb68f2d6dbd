"""The loop around one logical call: send, classify, decide, perhaps wait and send again.

Nothing here knows a rule: `rules.answer` and `rules.outcome` say what an attempt came to, `rules.retry` whether and
when to go again. What this module owns is the order of things, the one deadline, and the waiting.
"""

import asyncio
import json
import math
import os
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Literal, TypeVar
from urllib.parse import quote, urlencode

from multidict import CIMultiDict

from generor_async.engine import auth, media
from generor_async.engine.deadline import within
from generor_async.engine.events import EventStream
from generor_async.engine.limits import Limits
from generor_async.engine.loops import PerLoop
from generor_async.engine.options import Options
from generor_async.engine.slots import Lookout
from generor_async.engine.transport import Attempt, Transport
from generor_async.engine.turn import Turn
from generor_async.errors import (
    APIError,
    APITimeoutError,
    ConcurrentJobsError,
    DeadlineExceededError,
    InvalidRequestError,
    RateLimitError,
)
from generor_async.rules import answer, outcome, retry
from generor_async.rules.vendors import Vendor
from generor_async.rules.wire import Form, Operation, Reply, Request, TransportError
from generor_async.values import (
    JSON,
    AttemptEnded,
    AttemptStarted,
    Clock,
    Outcome,
    RetryScheduled,
    Secret,
    Throttled,
)

__all__ = ["Session", "random_uuid"]

T = TypeVar("T")

LOOK_SECONDS: Final = 60.0
"""How long a look at a job may take that is made for its slot."""

_LOOKING: Final = Options(timeout=LOOK_SECONDS)
_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Session:
    """Sends operations to one API with one key, over one transport for each event loop."""

    def __init__(
        self,
        *,
        vendor: Vendor,
        base_url: str,
        key: Secret | None,
        open_transport: Callable[[], Transport],
        clock: Clock,
        events: EventStream,
        limits: Limits,
        look: Callable[[str], Operation[Any]],
        images: media.ImageFetcher | None = None,
    ) -> None:
        self.vendor = vendor
        self.base_url = base_url
        self.key = key
        self.clock = clock
        self.events = events
        self.limits = limits
        self.images = images
        """Fetches the images of a request when the API can't; None where the caller doesn't want that."""
        self.transports = PerLoop(open_transport)
        self.lookouts = PerLoop(lambda: Lookout(self._unwatched, lambda job: self.send(look(job), _LOOKING), clock))
        self._budget = retry.RetryBudget()

    async def send(
        self,
        operation: Operation[T],
        options: Options,
        *,
        request_id: str | None = None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> T:
        """Send an operation until it is answered, refused for good, or out of time.

        `before` is awaited when it is the call's turn, before its first attempt: what it raises is raised, and nothing
        is sent. A `request_id` goes before that of the options.
        """
        if self.key is None and operation.endpoint.auth == "required":
            raise auth.missing_key(self.vendor, operation.endpoint.name)
        request_id = request_id or options.request_id or random_uuid()
        request = await self._build(operation, options, request_id)
        call: _Call[T] = _Call(self, operation, options, request_id, before)
        self._budget.count(call.started)
        while True:
            try:
                return await call.attempt(request)
            except APIError as error:
                images = self.images if operation is call.operation and outcome.wants_images_inline(error) else None
                delay = call.delay_after(error, at_once=images is not None)
            if images is not None:
                operation = await call.with_images(images)
                request = await self._build(operation, options, request_id)
            elif delay:
                await self.clock.sleep(delay)

    def turn_of(self, operation: Operation[Any], request_id: str, options: Options) -> Turn | None:
        """Return the turn that a call has to wait for, or None where its operation draws on no limit."""
        if not (operation.endpoint.quota or operation.endpoint.shows_job):
            return None
        return Turn(
            operation,
            request_id,
            options.priority,
            limits=self.limits,
            lookouts=self.lookouts,
            clock=self.clock,
            events=self.events,
        )

    def backlog(self) -> int:
        """Count the calls that wait for a job to end."""
        slots = self.limits.slots
        return 0 if slots is None else len(slots.queue)

    def take_retry(self) -> bool:
        """Take one retry out of the budget."""
        return self._budget.take(self.clock.monotonic())

    async def close(self) -> None:
        """Close the running event loop's connections."""
        await self.lookouts.close()
        await self.transports.close()

    def _unwatched(self) -> list[str]:
        slots = self.limits.slots
        return [] if slots is None else slots.unwatched(self.clock.monotonic())

    async def _build(self, operation: Operation[Any], options: Options, request_id: str) -> Request:
        endpoint = operation.endpoint
        url = self.base_url + operation.path
        query = {**operation.query, **options.extra_query} if options.extra_query else operation.query
        if query:
            url = f"{url}?{urlencode(query, quote_via=quote)}"
        headers = CIMultiDict(options.extra_headers) if options.extra_headers else dict[str, str]()
        headers["X-Request-Id"] = request_id
        body = operation.body
        if not isinstance(body, Form):
            if options.extra_body:
                body = dict[str, Any](body or {}) | dict(options.extra_body)
            if body is not None:
                headers["Content-Type"] = "application/json"
                body = await _serialize(body, endpoint.name)
        return Request(
            method=endpoint.method,
            url=url,
            headers=headers,
            body=body,
            reusable=endpoint.conduct in {"read", "idempotent"},
        )


def random_uuid() -> str:
    """Return a UUID of version 4, as text; the standard library takes three times as long for it."""
    data = os.urandom(16)
    text = data.hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[data[8] >> 6]}{text[17:20]}-{text[20:]}"


async def _serialize(body: JSON, operation: str) -> bytes:
    """Return a body as JSON; only one that holds files of this machine has to wait for them."""
    try:
        try:
            text = _dumps(body)
        except TypeError:
            text = _dumps(await media.inlined(body, operation))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, APIError):
            raise
        problem = f"a parameter cannot be sent as JSON ({error})"
        raise InvalidRequestError("body", problem, operation=operation) from None


class _Call(Generic[T]):
    """One logical call under way: its deadline, its attempts, and what the last of them came to."""

    __slots__ = (
        "before",
        "context",
        "deadline",
        "operation",
        "options",
        "requeued",
        "session",
        "started",
        "timeout",
        "turn",
    )

    def __init__(
        self,
        session: Session,
        operation: Operation[T],
        options: Options,
        request_id: str,
        before: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self.session = session
        self.operation = operation
        self.options = options
        self.before = before
        self.started = session.clock.monotonic()
        given = options.timeout
        self.timeout = operation.endpoint.timeout if given is None else given
        self.deadline: float | None = None if given is None else self.started + given
        """When time is up; unless the caller said so, it begins to run when the first attempt is let go."""
        self.context = outcome.Context(operation.endpoint, request_id)
        self.turn = session.turn_of(operation, request_id, options)
        self.requeued = 0
        """How often the call was refused for want of a slot, and went back to wait for one."""

    async def attempt(self, request: Request) -> T:
        """Wait for one's turn and send once; return the result, or raise the error that this attempt came to."""
        turn = self.turn
        if turn is None:
            return await self._admitted(request, Attempt())
        if self.deadline is None:
            patience = self.options.queue_timeout
        else:
            patience = self.deadline - self.session.clock.monotonic()
        try:
            await turn.take(patience, again=self.context.attempts > 0)
            if self.before is not None and not self.context.attempts:
                await self.before()
            result = await self._admitted(request, turn.attempt(request))
        except BaseException as error:
            turn.failed(error)
            raise
        turn.succeeded(result)
        return result

    async def _admitted(self, request: Request, attempt: Attempt) -> T:
        """Send once: the turn has come, and time runs."""
        session, context = self.session, self.context
        began = session.clock.monotonic() if context.attempts or self.turn is not None else self.started
        if self.deadline is None:
            self.deadline, remaining = began + self.timeout, self.timeout
        else:
            remaining = self.deadline - began
        if remaining <= 0:
            raise self._out_of_time("retry")
        limit = min(self.options.attempt_timeout or self.operation.endpoint.attempt_timeout, remaining)
        context.attempts += 1
        try:
            if session.events.listening:
                return await self._watched(request, attempt, limit, began)
            return self._answer(await session.transports.get().exchange(request, attempt, timeout=limit))
        except TransportError as error:
            failure = outcome.broken(context, error, session.clock.monotonic() - began)
        except asyncio.CancelledError as error:
            error.add_note(outcome.cut_off(context, sent=attempt.sent))
            raise
        # Raised out here, so that its context isn't the other error: a key may be in what came of the answer.
        raise failure

    async def _watched(self, request: Request, attempt: Attempt, timeout: float, began: float) -> T:
        """Do the same, and tell the event stream."""
        session, context = self.session, self.context
        name = self.operation.endpoint.name
        known: dict[str, Any] = {
            "operation": name,
            "request_id": context.request_id,
            "attempt": context.attempts,
        }
        session.events.emit(AttemptStarted(**known))
        status: int | None = None
        result: Outcome = "done"
        try:
            reply = await session.transports.get().exchange(request, attempt, timeout=timeout)
            status = reply.status
            return self._answer(reply)
        except TransportError as error:
            failure = outcome.broken(context, error, session.clock.monotonic() - began)
            result = failure.outcome or "unknown"
        except APIError as error:
            result = error.outcome or "unknown"
            raise
        except asyncio.CancelledError:
            result = "unknown" if attempt.sent else "not_sent"
            raise
        finally:
            elapsed = session.clock.monotonic() - began
            session.events.emit(AttemptEnded(**known, outcome=result, status=status, elapsed=elapsed))
        raise failure

    def _answer(self, reply: Reply) -> T:
        if self.turn is not None:
            self.turn.answered(reply)
        clock = self.session.clock
        operation = self.operation
        elapsed = clock.monotonic() - self.started
        result = answer.read(operation.endpoint, self.context, reply, now=clock.time(), elapsed=elapsed)
        if operation.endpoint.derive is not None:
            operation.endpoint.derive(result, operation.body)
        return result

    def delay_after(self, error: APIError, *, at_once: bool = False) -> float:
        """Return the seconds to wait before the next attempt, or raise what the caller gets to see.

        What is sent `at_once` has changed, and need not wait for better times.
        """
        session, context = self.session, self.context
        remaining = (self.deadline or math.inf) - session.clock.monotonic()
        out_of_time = isinstance(error, APITimeoutError) and remaining <= 0
        conduct = self.operation.endpoint.conduct
        if error.outcome == "unknown":
            context.lost = True
            if conduct in {"plain", "bills"}:
                cause = self._out_of_time("attempt") if out_of_time else error
                raise outcome.unknown(context, error) from cause
        if out_of_time:
            raise self._out_of_time("attempt") from None
        retries = context.attempts - 1 - self.requeued
        if not retry.may_repeat(conduct, error) or retries >= self.options.max_retries:
            raise error
        if isinstance(error, RateLimitError) and self.operation.endpoint.quota:
            return self._back_to_the_queue(error, remaining)
        delay = 0.0 if at_once else retry.retry_delay(error, retries, random.random())  # noqa: S311 - jitter, no secret
        limited = isinstance(error, RateLimitError)
        if delay >= remaining or not (limited or session.take_retry()):
            raise error
        self._announce(error, delay, throttled=limited)
        return delay

    def _back_to_the_queue(self, error: RateLimitError, remaining: float) -> float:
        """Let a call that was refused wait in the queue, at its head; unless told otherwise, its time begins anew."""
        wait = error.retry_after or 0.0
        if self.options.timeout is None:
            self.deadline, remaining = None, min(self.timeout, self.options.queue_timeout)
        if isinstance(error, ConcurrentJobsError):
            self.requeued += 1  # jobs end when they end: this is no failure that repeats
        elif wait > remaining:
            raise error
        self._announce(error, wait, throttled=False)
        return 0.0

    async def with_images(self, images: media.ImageFetcher) -> Operation[T]:
        """Return the operation with the images in it that it names by URL."""
        return await within(
            (self.deadline or math.inf) - self.session.clock.monotonic(),
            self.session.clock,
            images.inlined(self.operation, max_retries=self.options.max_retries),
            what=f"{self.operation.endpoint.name}: fetching the images of the request",
            advice="Give it more with with_options(timeout=...)",
        )

    def _announce(self, error: APIError, delay: float, *, throttled: bool) -> None:
        events, context = self.session.events, self.context
        name = self.operation.endpoint.name
        if throttled and isinstance(error, RateLimitError):
            scope = outcome.scope_of(error)
            events.emit(Throttled(operation=name, request_id=context.request_id, scope=scope, delay=delay))
        events.emit(
            RetryScheduled(
                operation=name,
                request_id=context.request_id,
                attempt=context.attempts + 1,
                delay=delay,
                reason=type(error).__name__,
            )
        )

    def _out_of_time(self, waited_for: Literal["attempt", "retry"]) -> DeadlineExceededError:
        doing = "waiting for an answer" if waited_for == "attempt" else "waiting to try again"
        return DeadlineExceededError(
            f"{self.operation.endpoint.name}: {self.timeout:g} s were not enough; it was {doing}",
            waited_for=waited_for,
            request_id=self.context.request_id,
            advice="Give it more with with_options(timeout=...)",
        )
