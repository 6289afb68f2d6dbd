"""One logical call under way: its attempts, what the last of them came to, and whether there is another."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, Generic, Literal, TypeVar

from generor_async.engine.call_waits import Admission, ClientParts
from generor_async.engine.deadline import within
from generor_async.engine.ids import random_uuid
from generor_async.engine.media import ImageFetcher
from generor_async.engine.options import Options
from generor_async.engine.tracebacks import bare
from generor_async.engine.transport import Attempt, BlockedBeforeSendError, Intent
from generor_async.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    DeadlineExceededError,
    OutcomeUnknownError,
    RateLimitError,
)
from generor_async.rules import masking, outcome, response_parsing, retry
from generor_async.rules.http_types import REQUEST_ID, Operation, Reply, Request, TransportError
from generor_async.values import AttemptEnded, AttemptStarted, Outcome

__all__ = ["Call"]

T = TypeVar("T")
E = TypeVar("E", bound=APIError)


class Call(Generic[T]):
    """One logical call: `admitted` waits until it may be sent, `attempt` sends it, `delay_after` says when again."""

    __slots__ = (
        "_admission",
        "_context",
        "_draw",
        "_error",
        "_inlined",
        "_intent",
        "_operation",
        "_options",
        "_requeued",
        "_sent",
        "_shared",
        "_started",
    )

    def __init__(
        self,
        shared: ClientParts,
        operation: Operation[T],
        options: Options,
        call_id: str,
        intent: Intent | None = None,
    ) -> None:
        self._shared = shared
        self._operation = operation
        self._options = options
        self._started = self._sent = shared.clock.monotonic()
        self._context = outcome.CallContext(operation.endpoint, call_id)
        self._admission = Admission(shared, operation, options, self._context, self._started)
        self._requeued = 0
        """How often a limit has refused it: that is no attempt that failed."""
        self._draw = 0.0
        """A random number for the waits after the last attempt."""
        self._error: APIError | None = None
        """What the last attempt came to."""
        self._inlined = False
        self._intent = intent
        shared.budget.count(self._started)

    def admit_nowait(self) -> bool:
        """Let the call go for the first time if nothing keeps it from being sent; else `admitted` waits for that."""
        if self._context.attempts or self._admission.again:
            return False
        try:
            return self._admission.admit_nowait(self._started)
        except BaseException as error:
            self._admission.abandoned(error)
            raise

    def admitted(self) -> Coroutine[Any, Any, None]:
        """Wait until nothing keeps the call from being sent; what this raises ends the call."""
        return self._admission.wait(self._error)

    async def attempt(self, request: Request) -> T:
        """Send once; return the result, or raise the error that this attempt came to.

        Raises HeldBackError where it was not sent, and has to be admitted again.
        """
        admission = self._admission
        turn = admission.turn
        attempt = Attempt() if turn is None else turn.attempt(request)
        attempt.intent = self._intent
        try:
            result = await self._send(request, attempt)
        except BlockedBeforeSendError as error:
            admission.abandoned(error)
            admission.again, self._context.attempts = True, self._context.attempts - 1
            raise
        except BaseException as error:
            self._draw = random.random()  # noqa: S311 - jitter, no secret
            inline = isinstance(error, APIError) and self.images_for(error) is not None
            admission.failed(error, sent=self._sent, draw=self._draw, inline=inline)
            raise
        if turn is not None:
            turn.succeeded(result)
        if admission.ticket is not None or self._shared.limits.gates.away:
            admission.succeeded(sent=self._sent)
        return result

    async def _send(self, request: Request, attempt: Attempt) -> T:
        shared, context, admission = self._shared, self._context, self._admission
        began = self._started if admission.turn is None and not context.attempts else shared.clock.monotonic()
        self._sent = began
        if admission.deadline is None:
            admission.deadline, remaining = began + admission.timeout, admission.timeout
        else:
            remaining = admission.deadline - began
            if remaining <= 0 or remaining < self._least_time:
                raise self._deadline_error("retry")
        limit = min(self._options.attempt_timeout or self._operation.endpoint.attempt_timeout, remaining)
        if context.attempts and self._options.request_id is None:
            request.headers[REQUEST_ID] = context.request_id = random_uuid()
        context.attempts += 1
        context.refusal = None
        try:
            if shared.events.listening:
                return await self._attempt_with_events(request, attempt, limit, began)
            return self._answer(await shared.transports.get().exchange(request, attempt, timeout=limit))
        except TransportError as error:
            failure = self._transport_error(error, began)
        except asyncio.CancelledError as error:
            context.lost = context.lost or attempt.sent
            came_of = self._cancelled_error(attempt)
            error.add_note(outcome.describe_cancelled(context, came_of, sent=attempt.sent))
            raise bare(error) from came_of
        # Raised out here, so that its context isn't the other error: a key may be in what came of the answer.
        raise failure

    async def _attempt_with_events(self, request: Request, attempt: Attempt, timeout: float, began: float) -> T:
        """Do the same, and tell the event stream."""
        shared, context = self._shared, self._context
        name = self._operation.endpoint.name
        known: dict[str, Any] = {
            "operation": name,
            "call_id": context.call_id,
            "request_id": context.request_id,
            "attempt": context.attempts,
        }
        shared.events.emit(AttemptStarted(**known))
        status: int | None = None
        result: Outcome = "done"
        try:
            reply = await shared.transports.get().exchange(request, attempt, timeout=timeout)
            status = reply.status
            return self._answer(reply)
        except TransportError as error:
            failure = self._transport_error(error, began)
            result = failure.outcome or "unknown"
        except APIError as error:
            result = error.outcome or "unknown"
            raise
        except BlockedBeforeSendError:
            result = "not_sent"
            raise
        except asyncio.CancelledError:
            result = "unknown" if attempt.sent else "not_sent"
            raise
        finally:
            elapsed = shared.clock.monotonic() - began
            shared.events.emit(AttemptEnded(**known, outcome=result, status=status, elapsed=elapsed))
        raise failure

    def _answer(self, reply: Reply) -> T:
        clock, operation = self._shared.clock, self._operation
        elapsed = clock.monotonic() - self._started
        try:
            result = response_parsing.parse_response(
                operation.endpoint, self._context, reply, path=operation.path, now=clock.time(), elapsed=elapsed
            )
        except APIError as error:
            failure = self._masked(error, len(reply.body))
        else:
            if self._context.problems is not None:
                self._shared.events.warn_of_problems(operation.endpoint.name, self._context.problems)
            if operation.endpoint.derive is not None:
                operation.endpoint.derive(result, operation.body)
            return result
        finally:
            if (turn := self._admission.turn) is not None:
                turn.answered(reply, self._context.refusal)
        raise bare(failure)  # the frames below hold the answer as it came

    def _cancelled_error(self, attempt: Attempt) -> OutcomeUnknownError | None:
        """Return the error that tells what has come of the answer to a call that was cancelled."""
        failure = outcome.interrupted_error(self._context, *attempt.arrived())
        return failure and self._masked(failure, len(failure.body))

    def _transport_error(self, error: TransportError, began: float) -> APIConnectionError:
        failure = outcome.connection_error(self._context, error, self._shared.clock.monotonic() - began)
        return self._masked(failure, len(error.partial))

    def _masked(self, error: E, size: int) -> E:
        """Mask what the server sent back of what it was sent."""
        masking.mask_error(error, masking.texts_to_mask(self._shared.key, self._options.named), size)
        return error

    def closed_error(self) -> APIError:
        """Return the error of a call that was cut off because its client was closed."""
        failure = outcome.client_closed_error(self._context, sent=self._context.lost)
        return self._masked(failure, len(self._context.body or ""))

    @property
    def _least_time(self) -> float:
        return retry.least_seconds_left(self._operation.endpoint.retry_safety, self._admission.timeout)

    def delay_after(self, error: APIError) -> float:
        """Return the seconds to wait before the call is admitted again, or raise what the caller gets to see."""
        context, now = self._context, self._shared.clock.monotonic()
        self._error = error
        remaining = self._admission.remaining(now)
        out_of_time = isinstance(error, APITimeoutError) and remaining <= 0
        retry_safety = self._operation.endpoint.retry_safety
        if error.outcome == "unknown":
            context.lost = True
            if retry_safety in {"plain", "bills"}:
                cause = self._deadline_error("attempt") if out_of_time else error
                raise outcome.outcome_unknown_error(context, error) from cause
        if out_of_time:
            raise self._deadline_error("attempt") from None
        refusal = context.refusal if isinstance(error, RateLimitError) else None
        if isinstance(error, RateLimitError) and refusal is not None and refusal.proven and self._options.max_retries:
            self._requeued += 1
            return self._admission.requeue(error, refusal, self._draw)
        retries = context.attempts - 1 - self._requeued
        again = retry.may_retry(retry_safety, error) or self.images_for(error) is not None
        if not again or retries >= self._options.max_retries:
            raise error
        delay = self._backoff(error, retries, now, remaining)
        if delay >= remaining - self._least_time:
            raise error
        self._admission.announce_retry(error, delay)
        return delay

    def _backoff(self, error: APIError, retries: int, now: float, remaining: float) -> float:
        """Return the seconds before another attempt of a call that has failed."""
        if self.images_for(error) is not None:
            return 0.0  # it is changed, and need not wait for better times
        if isinstance(error, RateLimitError) and (refusal := self._context.refusal) is not None:
            return retry.with_jitter(refusal.wait, self._draw)
        delay = retry.retry_delay(error, retries, self._draw)
        if outcome.is_documented_outage(error) or delay >= remaining:
            return delay
        return self._shared.budget.book(now, now + delay, now + (delay + remaining) / 2) - now

    def images_for(self, error: APIError) -> ImageFetcher | None:
        """Return what fetches the images of the request, where the API can't and the caller wants it."""
        images = self._shared.images
        if images is None or self._inlined or not outcome.wants_images_inline(error, images.statuses):
            return None
        return images

    async def with_images(self, images: ImageFetcher) -> Operation[T]:
        """Return the operation with the images in it that it names by URL."""
        operation = await within(
            self._admission.remaining(self._shared.clock.monotonic()),
            self._shared.clock,
            images.inline_images(self._operation, max_retries=self._options.max_retries),
            what=f"{self._operation.endpoint.name}: fetching the images of the request",
            advice="Give it more with with_options(timeout=...)",
        )
        self._admission.body, self._inlined = operation.body, True
        return operation

    def _deadline_error(self, waited_for: Literal["attempt", "retry"]) -> DeadlineExceededError:
        doing = "waiting for an answer" if waited_for == "attempt" else "waiting to try again"
        return DeadlineExceededError(
            f"{self._operation.endpoint.name}: {self._admission.timeout:g} s were not enough; it was {doing}",
            waited_for=waited_for,
            call_id=self._context.call_id,
            request_id=self._context.request_id,
            advice="Give it more with with_options(timeout=...)",
        )
