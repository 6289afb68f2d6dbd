"""The loop around one logical call: admit it, send it, and perhaps wait and send it again.

The loop decides nothing itself: `rules.response_parsing` and `rules.outcome` turn an answer into a result or an error,
`rules.retry` decides whether and when to send again. `engine.admission` waits for the limits of the key.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlencode

from attrs import evolve
from multidict import CIMultiDict, istr

from generor_async.engine import auth, media
from generor_async.engine.call import Call
from generor_async.engine.call_scope import CallResult, CallScope, call_scope, current_scope, outside_calls
from generor_async.engine.call_waits import ClientParts
from generor_async.engine.events import EventStream
from generor_async.engine.ids import random_uuid
from generor_async.engine.lifetime import Lifetime
from generor_async.engine.limit_keeper import LimitKeeper
from generor_async.engine.loops import PerLoop
from generor_async.engine.options import Options
from generor_async.engine.slots import SlotPoller
from generor_async.engine.transport import Intent, Transport
from generor_async.errors import APIError, ClientClosedError, InvalidRequestError
from generor_async.rules import arguments
from generor_async.rules.http_types import REQUEST_ID, Endpoint, Form, Operation, Request
from generor_async.rules.retry import RetryBudget
from generor_async.rules.vendors import Vendor
from generor_async.values import JSON, CallStarted, Clock, Secret, is_object

if TYPE_CHECKING:
    from generor_async.engine.state.calls import StateCalls

__all__ = ["Session"]

T = TypeVar("T")

CONTENT_TYPE: Final = istr("Content-Type")
POLL_SECONDS: Final = 60.0
"""Timeout in seconds of a poll that is made to find out whether a slot is free."""

_POLLING: Final = Options(timeout=POLL_SECONDS)
_dumps = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode


class Session:
    """Sends operations to one API with one key, over one transport for each event loop."""

    def __init__(
        self,
        *,
        vendor: Vendor,
        base_url: str,
        key: Secret | None,
        open_transport: Callable[[], Transport],
        lifetime: Lifetime,
        clock: Clock,
        events: EventStream,
        limits: LimitKeeper,
        poll: Callable[[str], Operation[Any]],
        describe: Callable[[Operation[Any], JSON, Any], CallResult],
        images: media.ImageFetcher | None = None,
        inspect: Callable[[str, Mapping[str, JSON]], None] | None = None,
    ) -> None:
        self.state: StateCalls | None = None
        """Keeps the paid calls of a client that has a state."""
        self.vendor = vendor
        self.base_url = base_url
        self.key = key
        self.lifetime = lifetime
        self.clock = clock
        self.events = events
        self.limits = limits
        self._poll = poll
        self._describe = describe
        """Returns what the events say of the result of an operation with this body."""
        self._inspect = inspect
        """Called with every JSON object and form before it is sent; it may raise."""
        self._parts = ClientParts(
            key=key,
            clock=clock,
            events=events,
            limits=limits,
            transports=PerLoop(open_transport),
            slot_pollers=PerLoop(lambda: SlotPoller(self._stale_jobs, self._poll_slot, self.forget_job, clock)),
            budget=RetryBudget(),
            images=images,
        )

    async def send(
        self,
        operation: Operation[T],
        options: Options,
        *,
        call_id: str | None = None,
        intent: Intent | None = None,
        scope: CallScope | None = None,
        is_kept: bool = False,
    ) -> T:
        """Send an operation until it succeeds, fails for good, or runs out of time.

        `intent` is called before each attempt leaves, and before the call waits to be sent again; if it raises, nothing
        more is sent. `call_id` identifies the call, and is the request id of its first attempt. By default it is the
        options' `request_id`, or a new one. `scope` is set where the events of the call are wanted, and `is_kept`
        where the client's state has the call.
        """
        if self.state is not None and not (is_kept or intent or scope) and _concerns_state(operation.endpoint):
            return await self.state.send(operation, options, call_id)
        if scope is None and self.events.listening:
            return await self._send_in_scope(operation, options, call_id, intent, is_kept=is_kept)
        if self.key is None and operation.endpoint.auth == "required":
            raise auth.missing_key(self.vendor, operation.endpoint.name)
        call_id = call_id or options.request_id or random_uuid()
        if options.send_user:
            operation = _with_user(operation, options.user)
        if self.lifetime.draining and not is_kept:
            self.lifetime.check_intake(operation.endpoint)
        try:
            work = self.lifetime.begin()
        except ClientClosedError as error:
            error.operation, error.call_id = operation.endpoint.name, call_id
            raise
        call: Call[T] = Call(self._parts, operation, options, call_id, intent, scope)
        admission = call.admission
        try:
            request = self._build(operation, options, call_id)
            if request is None:
                request = await self._build_with_files(operation, options, call_id)
            while True:
                async with admission.admit(request) as attempt:
                    return await call.send(request, attempt)
                if (failure := admission.failure) is None:  # a limit blocked it before it was sent
                    continue
                images, delay = call.image_fetcher(failure), call.delay_after(failure)
                if intent is not None:
                    await intent.record_waiting()
                if images is not None:
                    operation = await call.with_images(images)
                    request = await self._build_with_files(operation, options, call_id)
                elif delay:
                    await self.clock.sleep(delay)
        except asyncio.CancelledError:
            if not work.was_cancelled_by_close():
                raise
        finally:
            work.end()
        # Raised out here, so that its context isn't the cancellation, whose frames hold the key.
        raise call.closed_error()

    async def _send_in_scope(
        self,
        operation: Operation[T],
        options: Options,
        call_id: str | None,
        intent: Intent | None,
        *,
        is_kept: bool,
    ) -> T:
        """Send an operation with its events: as a part of the call under way, or as a call of its own."""
        endpoint, body = operation.endpoint, operation.body
        body = body.fields if isinstance(body, Form) else _merged(body, options.extra_body)
        call_id = call_id or options.request_id
        scope = current_scope()
        http = endpoint.method, endpoint.template
        billable = endpoint.retry_safety == "bills"
        whole: AbstractContextManager[CallScope] = (
            self.call_scope(endpoint.name, call_id, body=body, billable=billable, http=http)
            if scope is None
            else nullcontext(scope)
        )
        with whole as scope:
            call_id = call_id or scope.first_id()
            result = await self.send(operation, options, call_id=call_id, intent=intent, scope=scope, is_kept=is_kept)
            scope.record_result(self._describe(operation, body, result))
            return result

    def call_scope(
        self,
        operation: str,
        call_id: str | None,
        *,
        body: JSON = None,
        billable: bool = False,
        http: tuple[str, str] | None = None,
        job_id: str | None = None,
    ) -> AbstractContextManager[CallScope]:
        """Emit the events that begin and end a call; `http` is its method and path, or None for several requests."""
        model = (body.get("model") or body.get("model_id")) if is_object(body) else None
        started = CallStarted(
            operation=operation,
            call_id=call_id or random_uuid(),
            base_url=self.base_url,
            method=None if http is None else http[0],
            path=None if http is None else http[1],
            billable=billable,
            model=str(model) if isinstance(model, str | int) else None,
            job_id=job_id,
        )
        prompt = body.get("prompt") if billable and is_object(body) else None
        prompt = prompt if isinstance(prompt, str) else None
        return call_scope(self.events, self.clock, started, has_parts=http is None, prompt=prompt)

    async def _poll_slot(self, job_id: str) -> Any:
        """Poll a job to find out whether its slot is free."""
        with outside_calls():
            return await self.send(self._poll(job_id), _POLLING)

    def backlog(self) -> int:
        """Count the calls that wait for a job to end."""
        slots = self.limits.slots
        return 0 if slots is None else slots.backlog

    def forget_job(self, job_id: str) -> None:
        """Free the slot of a job that doesn't exist any more."""
        if self.state is not None:
            self.state.forget_job(job_id)
        if (slots := self.limits.slots) is not None:
            now = self.clock.monotonic()
            slots.record_poll(job_id, now, asked=now, ended=True)

    async def close(self) -> None:
        """Close the running event loop's connections."""
        await self._parts.slot_pollers.close()
        await self._parts.transports.close()
        if self.state is not None:
            await self.state.close()
        await self.limits.save()

    def _stale_jobs(self) -> list[str]:
        slots = self.limits.slots
        return slots.stale_jobs(self.clock.monotonic()) if slots is not None and slots.backlog else []

    def _build(self, operation: Operation[Any], options: Options, request_id: str, read: JSON = None) -> Request | None:
        """Build a request; return None where local files must be `read` into its body first."""
        endpoint = operation.endpoint
        url = self.base_url + operation.path
        query = {**operation.query, **options.extra_query} if options.extra_query else operation.query
        if query:
            url = f"{url}?{urlencode(query, quote_via=quote)}"
        headers: MutableMapping[str, str] = CIMultiDict(options.extra_headers) if options.extra_headers else {}
        headers[REQUEST_ID] = request_id
        body = operation.body
        if not isinstance(body, Form):
            if options.extra_body:
                body = _merged(body, options.extra_body)
            if body is not None:
                headers[CONTENT_TYPE] = "application/json"
                body = self._encoded(body if read is None else read, endpoint.name)
                if body is None:
                    return None
        elif self._inspect is not None:
            self._inspect(endpoint.name, body.fields)
        return Request(
            method=endpoint.method,
            url=url,
            headers=headers,
            body=body,
            reusable=endpoint.retry_safety in {"read", "idempotent"},
        )

    async def _build_with_files(self, operation: Operation[Any], options: Options, request_id: str) -> Request:
        """Build a request whose body refers to local files."""
        body, name = _merged(operation.body, options.extra_body), operation.endpoint.name
        try:
            read = await media.inline_files(body, name)
        except (TypeError, ValueError, RecursionError) as error:
            if isinstance(error, APIError):
                raise
            raise _unsendable(body, name) from None
        request = self._build(operation, options, request_id, read)
        if request is None:
            raise _unsendable(read, name)
        return request

    def _encoded(self, body: JSON, operation: str) -> bytes | None:
        """Return a body as JSON; None where it contains other objects, such as local files."""
        try:
            content: bytes = _dumps(body).encode()
        except TypeError:
            return None
        except (ValueError, RecursionError):
            raise _unsendable(body, operation) from None
        if self._inspect is not None and is_object(body):
            self._inspect(operation, body)
        return content


def _concerns_state(endpoint: Endpoint[Any]) -> bool:
    return endpoint.retry_safety == "bills" or endpoint.shows_job


def _merged(body: JSON, extra: Mapping[str, Any]) -> JSON:
    return dict[str, Any](body or {}) | dict(extra) if extra else body


def _with_user(operation: Operation[T], user: str | None) -> Operation[T]:
    """Return an operation with a user as its `user_id`, where it takes one and has none."""
    body = operation.body
    if user is None or not operation.endpoint.takes_user:
        return operation
    if isinstance(body, Form):
        return evolve(operation, body=evolve(body, fields={"user_id": user, **body.fields}))
    return evolve(operation, body={"user_id": user, **body} if is_object(body) else body)


def _unsendable(body: JSON, operation: str) -> InvalidRequestError:
    refusal = arguments.unserializable(body)
    refusal.operation = operation
    return refusal
