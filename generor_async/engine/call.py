"""One logical call: its attempts, the error of the last one, and whether there is another."""

import asyncio
from typing import Any, Generic, Literal, TypeVar

from generor_async.engine.admission import Admission
from generor_async.engine.call_scope import CallScope
from generor_async.engine.call_waits import ClientParts
from generor_async.engine.deadline import within
from generor_async.engine.ids import random_uuid
from generor_async.engine.media import ImageFetcher
from generor_async.engine.options import Options
from generor_async.engine.tracebacks import without_traceback
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
    """One logical call: `send` makes an attempt; `delay_after` decides whether and when there is another."""

    __slots__ = ("_context", "_operation", "_options", "_parts", "_requeued", "_scope", "_started", "admission")

    def __init__(
        self,
        parts: ClientParts,
        operation: Operation[T],
        options: Options,
        call_id: str,
        intent: Intent | None = None,
        scope: CallScope | None = None,
    ) -> None:
        self._parts = parts
        self._operation = operation
        self._options = options
        self._started = started = parts.clock.monotonic()
        self._context = context = outcome.CallContext(operation.endpoint, call_id)
        self._scope = scope
        """Set where the events of the call are wanted."""
        if scope is not None:
            context.call_id = scope.call_id
        self.admission = Admission(parts, operation, options, context, started, intent)
        self._requeued = 0
        """Number of refusals by a limit: these don't count as failed attempts."""
        parts.budget.count(started)

    async def send(self, request: Request, attempt: Attempt) -> T:
        """Send the request once; return the result.

        Raises:
            APIError: The attempt failed.
            BlockedBeforeSendError: The request was not sent, and has to be admitted again.
        """
        parts, context, began, waits = self._parts, self._context, self.admission.began, self.admission.waits
        if waits.deadline is None:
            waits.deadline, remaining = began + waits.timeout, waits.timeout
        else:
            remaining = waits.deadline - began
            if remaining <= 0 or remaining < self._least_time:
                raise self._deadline_error("retry")
        limit = min(self._options.attempt_timeout or self._operation.endpoint.attempt_timeout, remaining)
        if context.attempts and self._options.request_id is None:
            request.headers[REQUEST_ID] = context.request_id = random_uuid()
        context.attempts += 1
        context.refusal = None
        try:
            if self._scope is not None:
                return await self._send_with_events(request, attempt, limit, self._scope)
            return self._answer(attempt, await parts.transports.get().exchange(request, attempt, timeout=limit))
        except TransportError as error:
            failure = self._transport_error(error)
        except BlockedBeforeSendError:
            context.attempts -= 1
            raise
        except asyncio.CancelledError as error:
            context.lost = context.lost or attempt.sent
            came_of = self._cancelled_error(attempt)
            error.add_note(outcome.describe_cancelled(context, came_of, sent=attempt.sent))
            raise without_traceback(error) from came_of
        # Raised out here, so that its context isn't the other error: a key may be in what came of the answer.
        raise failure

    async def _send_with_events(self, request: Request, attempt: Attempt, timeout: float, scope: CallScope) -> T:
        parts, context = self._parts, self._context
        name = self._operation.endpoint.name
        fields: dict[str, Any] = {
            "operation": name,
            "call_id": context.call_id,
            "request_id": context.request_id,
            "attempt": context.attempts,
        }
        parts.events.emit(AttemptStarted(**fields))
        scope.record_start(self.admission.began)
        status: int | None = None
        result: Outcome = "done"
        try:
            reply = await parts.transports.get().exchange(request, attempt, timeout=timeout)
            status = reply.status
            return self._answer(attempt, reply)
        except TransportError as error:
            failure = self._transport_error(error)
            result = failure.outcome or "unknown"
        except APIError as error:
            result = error.outcome or "unknown"
            raise
        except BlockedBeforeSendError:
            result = "not_sent"
            scope.attempts -= 1
            raise
        except asyncio.CancelledError:
            result = "unknown" if attempt.sent else "not_sent"
            raise
        finally:
            elapsed = parts.clock.monotonic() - self.admission.began
            scope.record_attempt(result, status)
            parts.events.emit(AttemptEnded(**fields, outcome=result, status=status, elapsed=elapsed))
        raise failure

    def _answer(self, attempt: Attempt, reply: Reply) -> T:
        """Decode an answer to the result, or raise its error; note either in the attempt."""
        attempt.reply = reply
        clock, operation = self._parts.clock, self._operation
        elapsed = clock.monotonic() - self._started
        try:
            result = response_parsing.parse_response(
                operation.endpoint, self._context, reply, path=operation.path, now=clock.time(), elapsed=elapsed
            )
        except APIError as error:
            failure = self._masked(error, len(reply.body))
        else:
            if self._context.problems is not None:
                self._parts.events.warn_of_problems(operation.endpoint.name, self._context.problems)
            if operation.endpoint.derive is not None:
                operation.endpoint.derive(result, operation.body)
            attempt.result = result
            return result
        raise without_traceback(failure)  # the frames below hold the answer as it came

    def _cancelled_error(self, attempt: Attempt) -> OutcomeUnknownError | None:
        """Return the error of a cancelled call that may have had an effect; None where it can't have had any."""
        failure = outcome.interrupted_error(self._context, *attempt.arrived(), sent=attempt.sent)
        return failure and self._masked(failure, len(failure.body or ""))

    def _transport_error(self, error: TransportError) -> APIConnectionError:
        elapsed = self._parts.clock.monotonic() - self.admission.began
        failure = outcome.connection_error(self._context, error, elapsed)
        return self._masked(failure, len(error.partial))

    def _masked(self, error: E, size: int) -> E:
        """Mask credentials that the server sent back."""
        masking.mask_error(error, masking.texts_to_mask(self._parts.key, self._options.named), size)
        return error

    def closed_error(self) -> APIError:
        """Return the error of a call that was cut off because its client was closed."""
        failure = outcome.client_closed_error(self._context, sent=self._context.lost)
        return self._masked(failure, len(self._context.body or ""))

    @property
    def _least_time(self) -> float:
        return retry.least_seconds_left(self._operation.endpoint.retry_safety, self.admission.waits.timeout)

    def delay_after(self, error: APIError) -> float:
        """Return the seconds until the call is admitted again; raise the error where it isn't repeated."""
        context, now = self._context, self._parts.clock.monotonic()
        remaining = self.admission.waits.remaining(now)
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
            return self.admission.waits.requeue(error, refusal, self.admission.draw)
        retries = context.attempts - 1 - self._requeued
        again = retry.may_retry(retry_safety, error) or self.image_fetcher(error) is not None
        if not again or retries >= self._options.max_retries:
            raise error
        delay = self._backoff(error, retries, now, remaining)
        if delay >= remaining - self._least_time:
            raise error
        self.admission.waits.announce_retry(error, delay)
        return delay

    def _backoff(self, error: APIError, retries: int, now: float, remaining: float) -> float:
        """Return the seconds until the next attempt of a call that has failed."""
        if self.image_fetcher(error) is not None:
            return 0.0  # it is changed, and need not wait for better times
        if isinstance(error, RateLimitError) and (refusal := self._context.refusal) is not None:
            return retry.with_jitter(refusal.wait, self.admission.draw)
        delay = retry.retry_delay(error, retries, self.admission.draw)
        if outcome.is_documented_outage(error) or delay >= remaining:
            return delay
        return self._parts.budget.book(now, now + delay, now + (delay + remaining) / 2) - now

    def image_fetcher(self, error: APIError) -> ImageFetcher | None:
        """Return what fetches the images of the request after this error; None where that isn't wanted or no help."""
        return self._parts.images if outcome.wants_images_inline(error, self.admission.inlined_statuses) else None

    async def with_images(self, images: ImageFetcher) -> Operation[T]:
        """Return the operation with the images that it names by URL put in as base64."""
        operation = await within(
            self.admission.waits.remaining(self._parts.clock.monotonic()),
            self._parts.clock,
            images.inline_images(self._operation, max_retries=self._options.max_retries),
            what=f"{self._operation.endpoint.name}: fetching the images of the request",
            advice="Give it more with with_options(timeout=...)",
        )
        self.admission.body, self.admission.inlined_statuses = operation.body, frozenset()
        return operation

    def _deadline_error(self, waited_for: Literal["attempt", "retry"]) -> DeadlineExceededError:
        doing = "waiting for an answer" if waited_for == "attempt" else "waiting to try again"
        return DeadlineExceededError(
            f"{self._operation.endpoint.name}: {self.admission.waits.timeout:g} s were not enough; it was {doing}",
            waited_for=waited_for,
            call_id=self._context.call_id,
            request_id=self._context.request_id,
            advice="Give it more with with_options(timeout=...)",
        )
