"""OpenTelemetry spans and metrics of a client's calls, from its events alone.

A logical call has one span over its queue, its attempts and its polls. The span is current while the call is under way:
spans of the HTTP library's own instrumentation are its children. Names are those of the semantic conventions for GenAI
and HTTP. Keys and presigned queries are in nothing, because the events have none, and prompts only where asked for.

Metrics: `gen_ai.client.operation.duration` (calls that may cost credits), `generor.call.duration` (all calls),
`generor.call.wait` (before the first request), `generor.queue` (calls that wait for that), `generor.refusals` (429s),
`generor.polls`, and `generor.credits`.
"""

import json
import math
from collections.abc import Callable
from contextvars import Token
from typing import Final, Protocol, TypeAlias
from urllib.parse import urlsplit

from attrs import define

from generor_async.engine.events import Events
from generor_async.values import (
    AttemptEnded,
    AttemptStarted,
    CallEnded,
    CallStarted,
    Event,
    JobEnded,
    JobPolled,
    JobSubmitted,
    RetryScheduled,
    Throttled,
)
from generor_async.values.version import VERSION

try:
    from opentelemetry import context, metrics, trace
except ImportError as missing:
    raise ImportError("generor_async.otel needs OpenTelemetry: pip install 'generor-async[otel]'") from missing

__all__ = ["HasEvents", "instrument"]

Attributes: TypeAlias = dict[str, str | int | float]

GENERATE: Final = "generate_content"
"""The `gen_ai.operation.name` of calls that may cost credits."""
BOUNDARIES: Final = [0.01 * 2**power for power in range(18)]
"""Bounds of durations in seconds: those of the conventions, and on to 22 minutes, as videos take minutes."""


class HasEvents(Protocol):
    """A client of either API, async or blocking."""

    @property
    def events(self) -> Events:
        """Its events."""
        ...


def instrument(
    client: HasEvents,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    prompts: bool = False,
) -> Callable[[], None]:
    """Report the calls of a client and of its views to OpenTelemetry.

    Args:
        client: A client of either API, async or blocking.
        tracer_provider: Where spans go; by default the global provider.
        meter_provider: Where metrics go; by default the global provider.
        prompts: Whether spans of paid calls have the prompt, as `gen_ai.input.messages`: whoever sees the traces reads
            what users have written.

    Returns:
        A function that ends this: calls under way are reported to their end.
    """
    reporter = _Reporter(
        trace.get_tracer("generor_async", VERSION, tracer_provider),
        metrics.get_meter("generor_async", VERSION, meter_provider),
    )
    reporter.subscribe(client.events, prompts=prompts)
    return reporter.stop


@define(eq=False)
class _OpenCall:
    """A call under way."""

    started: CallStarted
    span: trace.Span
    current: context.Context
    """The context in which its span is the current one."""
    token: Token[context.Context]
    queued: bool
    """Whether no request was sent yet; False for a call that only waits for a job."""


class _Reporter:
    """Turns the events of one client into spans and metrics."""

    def __init__(self, tracer: trace.Tracer, meter: metrics.Meter) -> None:
        self._subscriptions = list[Callable[[], None]]()
        self._stopped = False
        self._tracer = tracer
        self._calls: dict[str, _OpenCall] = {}
        self._generation_seconds = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "Duration of calls that may cost credits",
            explicit_bucket_boundaries_advisory=BOUNDARIES,
        )
        self._call_seconds = meter.create_histogram(
            "generor.call.duration", "s", "Duration of calls", explicit_bucket_boundaries_advisory=BOUNDARIES
        )
        self._wait_seconds = meter.create_histogram(
            "generor.call.wait",
            "s",
            "Time before the first request of a call",
            explicit_bucket_boundaries_advisory=BOUNDARIES,
        )
        self._queue = meter.create_up_down_counter("generor.queue", "{call}", "Calls that have sent no request yet")
        self._refusals = meter.create_counter("generor.refusals", "{response}", "Responses with status 429")
        self._polls = meter.create_counter("generor.polls", "{poll}", "Polls of jobs")
        self._credits = meter.create_counter("generor.credits", "{credit}", "Credits spent")

    def subscribe(self, events: Events, *, prompts: bool) -> None:
        """Report the calls of a client, and their prompts if that is wanted."""
        self._subscriptions.append(events.subscribe(self.report))
        if prompts:
            self._subscriptions.append(events._read_prompts(self._add_prompt))  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here

    def stop(self) -> None:
        """Report no more calls; those under way are reported to their end."""
        self._stopped = True
        if not self._calls:
            self._unsubscribe()

    def _unsubscribe(self) -> None:
        for unsubscribe in self._subscriptions:
            unsubscribe()

    def report(self, event: Event) -> None:
        """Report one event."""
        match event:
            case CallStarted():
                if not self._stopped:
                    self._begin(event)
            case CallEnded():
                if (call := self._calls.pop(event.call_id, None)) is not None:
                    self._end(call, event)
                if self._stopped and not self._calls:
                    self._unsubscribe()
            case JobPolled():
                self._polls.add(1, {"generor.job.state": event.state})
            case AttemptStarted() | AttemptEnded() | RetryScheduled() | Throttled() | JobSubmitted() | JobEnded():
                if (call := self._calls.get(event.call_id or "")) is not None:
                    self._add(call, event)
            case _:
                pass

    def _begin(self, event: CallStarted) -> None:
        span = self._tracer.start_span(_span_name(event), kind=trace.SpanKind.CLIENT, attributes=_attributes(event))
        span.set_attribute("generor.call_id", event.call_id)
        current = trace.set_span_in_context(span)
        queued = event.billable or event.method is not None
        self._calls[event.call_id] = _OpenCall(event, span, current, context.attach(current), queued)
        if queued:
            self._queue.add(1, {"generor.operation": event.operation})

    def _add_prompt(self, call_id: str, prompt: str) -> None:
        """Add the prompt to the span of a call, in the form of the conventions for GenAI."""
        if (call := self._calls.get(call_id)) is not None:
            messages = [{"role": "user", "parts": [{"type": "text", "content": prompt}]}]
            call.span.set_attribute("gen_ai.input.messages", json.dumps(messages, ensure_ascii=False))

    def _add(
        self,
        call: _OpenCall,
        event: AttemptStarted | AttemptEnded | RetryScheduled | Throttled | JobSubmitted | JobEnded,
    ) -> None:
        """Add an event of a call under way to its span."""
        match event:
            case AttemptStarted():
                self._leave_queue(call)
                call.span.set_attribute("generor.request_id", event.request_id)
            case AttemptEnded():
                if event.status == 429:
                    self._refusals.add(1, {"generor.operation": event.operation})
            case RetryScheduled():
                retry: Attributes = {"generor.attempt": event.attempt, "error.type": event.reason}
                call.span.add_event("generor.retry", retry | _delay(event.delay))
            case Throttled():
                throttled: Attributes = {"generor.scope": event.scope}
                call.span.add_event("generor.throttled", throttled | _delay(event.delay))
            case JobSubmitted():
                call.span.add_event("generor.job.submitted", {"gen_ai.response.id": event.job_id})
            case JobEnded():
                ended: Attributes = {"gen_ai.response.id": event.job_id, "generor.job.state": event.state}
                call.span.add_event("generor.job.ended", ended)

    def _leave_queue(self, call: _OpenCall) -> None:
        if call.queued:
            call.queued = False
            self._queue.add(-1, {"generor.operation": call.started.operation})

    def _end(self, call: _OpenCall, event: CallEnded) -> None:
        started, span, error = call.started, call.span, _error_type(event)
        self._leave_queue(call)
        span.set_attributes(_end_attributes(started, event))
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(trace.StatusCode.ERROR)
        if started.billable and started.model is None and event.model is not None:  # it asked for the API's default
            span.update_name(f"{GENERATE} {event.model}")
        span.end()
        self._measure(started, event, {} if error is None else {"error.type": error})
        if context.get_current() is call.current:  # an abandoned coroutine is closed in another context
            context.detach(call.token)

    def _measure(self, started: CallStarted, event: CallEnded, error: Attributes) -> None:
        """Record the metrics of a call that has ended."""
        operation: Attributes = {"generor.operation": event.operation}
        self._call_seconds.record(event.elapsed, operation | error)
        if started.billable or started.method is not None:
            self._wait_seconds.record(event.waited, operation)
        if started.billable:
            shared = _attributes(started)
            if event.model is not None:
                shared = _model(event.model) | shared | {"gen_ai.response.model": event.model}
            self._generation_seconds.record(event.elapsed, shared | error)
        if event.cost:
            self._credits.add(event.cost, operation if event.model is None else operation | _model(event.model))


def _span_name(event: CallStarted) -> str:
    """Return the name of a span by the conventions: for GenAI, for HTTP, or that of a call which only waits."""
    if event.billable:
        return GENERATE if event.model is None else f"{GENERATE} {event.model}"
    return event.operation if event.method is None else f"{event.method} {event.path}"


def _attributes(event: CallStarted) -> Attributes:
    """Return the attributes that are known when a call begins."""
    url = urlsplit(event.base_url)
    found: Attributes = {
        "generor.operation": event.operation,
        "server.address": url.hostname or "",
        "server.port": url.port or (443 if url.scheme == "https" else 80),
    }
    if event.billable:
        found |= {"gen_ai.operation.name": GENERATE, "gen_ai.provider.name": event.operation.partition(".")[0]}
    if event.model is not None:
        found |= _model(event.model)
    if event.method is not None and event.path is not None:
        found |= {"http.request.method": event.method, "url.template": event.path}
    return found


def _end_attributes(started: CallStarted, event: CallEnded) -> Attributes:
    """Return the attributes that are known when a call has ended."""
    found: Attributes = {"generor.attempts": event.attempts, "generor.outcome": event.outcome}
    if event.cost is not None:
        found["generor.credits"] = event.cost
    if event.job_id is not None:
        found["gen_ai.response.id"] = event.job_id
    if event.model is not None:
        found |= {"gen_ai.request.model": started.model or event.model, "gen_ai.response.model": event.model}
    if started.method is not None:
        if event.status is not None:
            found["http.response.status_code"] = event.status
        if event.attempts > 1:
            found["http.request.resend_count"] = event.attempts - 1
    return found


def _model(model: str) -> Attributes:
    return {"gen_ai.request.model": model}


def _delay(seconds: float) -> Attributes:
    """Return the attribute of a delay; none for a wait whose end isn't known."""
    return {"generor.delay": seconds} if math.isfinite(seconds) else {}


def _error_type(event: CallEnded) -> str | None:
    """Return the status of an answer that was an error, or else the class of the exception; None for a success."""
    if event.error is not None and event.status is not None and event.status >= 400:
        return str(event.status)
    return event.error
