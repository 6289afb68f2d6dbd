"""Spans and metrics of calls, as the SDK's in-memory exporters get them."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import frozen
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import (  # pyright: ignore[reportMissingTypeStubs] # it has types, but no stubs
    gen_ai_attributes,
    url_attributes,
)
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics  # pyright: ignore[reportMissingTypeStubs] # the same
from opentelemetry.semconv.attributes import error_attributes, http_attributes, server_attributes
from opentelemetry.trace import SpanKind, StatusCode
from support.clock import patient
from support.wire import Wire, answer

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    ContentModeratedError,
    Event,
    Job,
    JobSubmitted,
    Luma,
    NotFoundError,
    RateLimitError,
)
from generor_async.otel import instrument
from generor_async.simulator import Simulator

NOBODY = "00000000-0000-0000-0000-000000000000"


@frozen
class Telemetry:
    """Providers with in-memory exporters."""

    spans: InMemorySpanExporter
    reader: InMemoryMetricReader
    tracers: TracerProvider
    meters: MeterProvider

    @property
    def given(self) -> dict[str, Any]:
        return {"tracer_provider": self.tracers, "meter_provider": self.meters}

    def finished(self) -> list[ReadableSpan]:
        return list(self.spans.get_finished_spans())

    def metrics(self) -> dict[str, list[Any]]:
        """The data points of each metric."""
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    spans, reader, tracers = InMemorySpanExporter(), InMemoryMetricReader(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([reader])
    yield Telemetry(spans, reader, tracers, meters)
    tracers.shutdown()
    meters.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_run_is_one_client_span(simulator: Simulator, telemetry: Telemetry) -> None:
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        instrument(luma, **telemetry.given)
        generation = await luma.generations.run(prompt="a heron", model="uni-1-max")
    (span,) = telemetry.finished()
    assert (span.name, span.kind, span.status.status_code) == (
        "generate_content uni-1-max",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    found = attributes(span)
    assert found[gen_ai_attributes.GEN_AI_OPERATION_NAME] == "generate_content"
    assert found[gen_ai_attributes.GEN_AI_PROVIDER_NAME] == "luma"
    assert found[gen_ai_attributes.GEN_AI_REQUEST_MODEL] == "uni-1-max"
    assert found[gen_ai_attributes.GEN_AI_RESPONSE_MODEL] == "uni-1-max"
    assert found[gen_ai_attributes.GEN_AI_RESPONSE_ID] == generation.id
    assert found[server_attributes.SERVER_ADDRESS] == "127.0.0.1"
    assert f":{found[server_attributes.SERVER_PORT]}/" in simulator.luma_url
    assert found["generor.credits"] == pytest.approx(0.1 / 0.003)
    assert error_attributes.ERROR_TYPE not in found
    assert [event.name for event in span.events] == ["generor.job.submitted", "generor.job.ended"]


async def test_the_default_model_names_the_span(simulator: Simulator, telemetry: Telemetry) -> None:
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        instrument(luma, **telemetry.given)
        await luma.generations.run(prompt="a heron")
    (span,) = telemetry.finished()
    assert span.name == "generate_content uni-1"
    assert attributes(span)[gen_ai_attributes.GEN_AI_REQUEST_MODEL] == "uni-1"


async def test_another_call_is_named_by_its_method_and_path(simulator: Simulator, telemetry: Telemetry) -> None:
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        instrument(luma, **telemetry.given)
        with pytest.raises(NotFoundError):
            await luma.generations.get(NOBODY)
    (span,) = telemetry.finished()
    found = attributes(span)
    assert span.name == f"GET {found[url_attributes.URL_TEMPLATE]}"
    assert NOBODY not in span.name
    assert found[http_attributes.HTTP_REQUEST_METHOD] == "GET"
    assert found[http_attributes.HTTP_RESPONSE_STATUS_CODE] == 404
    assert found[error_attributes.ERROR_TYPE] == "404"
    assert span.status.status_code is StatusCode.ERROR
    assert gen_ai_attributes.GEN_AI_OPERATION_NAME not in found


@pytest.mark.simulator(faults=["luma.files.list=reset:1x"])
async def test_retries_are_events_of_the_span(simulator: Simulator, telemetry: Telemetry) -> None:
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        instrument(luma, **telemetry.given)
        await luma.files.list().first_page()
    (span,) = telemetry.finished()
    assert attributes(span)[http_attributes.HTTP_REQUEST_RESEND_COUNT] == 1
    assert [event.name for event in span.events] == ["generor.retry"]


async def test_a_failed_job_is_an_error_of_its_class(simulator: Simulator, telemetry: Telemetry) -> None:
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        instrument(luma, **telemetry.given)
        with pytest.raises(ContentModeratedError):
            await luma.generations.run(prompt="[[moderate]]")
    (span,) = telemetry.finished()
    assert attributes(span)[error_attributes.ERROR_TYPE] == "ContentModeratedError"


async def test_a_generators_call_has_its_cost(simulator: Simulator, telemetry: Telemetry) -> None:
    async with AsyncGeneror(**patient(simulator.generor_options)) as generor:
        instrument(generor, **telemetry.given)
        result = await generor.generators.generate("image", model_id=10001, prompt="a heron")
    (span,) = telemetry.finished()
    found = attributes(span)
    assert (span.name, found["generor.credits"]) == ("generate_content 10001", result.credit_cost)
    assert (found["gen_ai.provider.name"], found[http_attributes.HTTP_REQUEST_METHOD]) == ("generor", "POST")


async def test_spans_are_children_of_the_callers_and_end_with_their_calls(
    simulator: Simulator, telemetry: Telemetry
) -> None:
    tracer = telemetry.tracers.get_tracer("caller")
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        instrument(luma, **telemetry.given)

        async def handle(name: str) -> None:
            with tracer.start_as_current_span(name) as own:
                await luma.generations.run(prompt="a heron", on_submitted=look)
                assert trace.get_current_span() is own

        async def look(job: Job) -> None:
            await luma.generations.get(job.id)

        await asyncio.gather(handle("one"), handle("two"))
    spans = telemetry.finished()
    parents = {span.context.span_id: span for span in spans if span.context is not None}
    for run in (span for span in spans if span.name.startswith("generate_content")):
        assert run.parent is not None
        assert run.context is not None
        assert parents[run.parent.span_id].name in {"one", "two"}
        assert [span.name[:3] for span in spans if span.parent == run.context] == ["GET"]
    assert len(spans) == 6


def test_blocking_calls_have_spans_in_the_callers_context(simulator: Simulator, telemetry: Telemetry) -> None:
    with Luma(**patient(simulator.luma_options)) as luma:
        stop = instrument(luma, **telemetry.given)
        with telemetry.tracers.get_tracer("caller").start_as_current_span("handler") as own:
            luma.generations.run(prompt="a heron")
            assert trace.get_current_span() is own
        stop()
        luma.generations.create(prompt="a heron")
    run, handler = telemetry.finished()
    assert run.name == "generate_content uni-1"
    assert run.parent == handler.context


async def test_calls_under_way_are_reported_to_their_end(simulator: Simulator, telemetry: Telemetry) -> None:
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        stop = instrument(luma, **telemetry.given)

        def end(event: Event) -> None:
            if isinstance(event, JobSubmitted):
                stop()

        luma.events.subscribe(end)
        await luma.generations.run(prompt="a heron")
        await luma.generations.create(prompt="a heron")
    (span,) = telemetry.finished()
    assert "gen_ai.response.id" in attributes(span)


async def test_metrics_measure_duration_wait_refusals_spend_and_polls(
    simulator: Simulator, telemetry: Telemetry
) -> None:
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        instrument(luma, **telemetry.given)
        await luma.generations.run(prompt="a heron")
        simulator.faults.add(operation="luma.generations.create", fault="429", times=1)
        with pytest.raises(RateLimitError):
            await luma.with_options(max_retries=0).generations.create(prompt="a heron")
        with pytest.raises(RateLimitError):  # before it is sent: all calls are held
            await luma.with_options(timeout=0.1).generations.create(prompt="a heron")
    found = telemetry.metrics()
    generations: list[HistogramDataPoint] = found[gen_ai_metrics.GEN_AI_CLIENT_OPERATION_DURATION]
    by_error = {(point.attributes or {}).get("error.type"): point for point in generations}
    assert {error: point.count for error, point in by_error.items()} == {None: 1, "429": 1, "RateLimitError": 1}
    assert (by_error[None].attributes or {})[gen_ai_attributes.GEN_AI_REQUEST_MODEL] == "uni-1"
    assert by_error[None].explicit_bounds[:3] == (0.01, 0.02, 0.04)
    assert sum(point.count for point in found["generor.call.duration"]) == 3
    assert sum(point.count for point in found["generor.call.wait"]) == 3
    assert sum(point.value for point in found["generor.refusals"]) == 1
    assert sum(point.value for point in found["generor.polls"]) >= 1
    assert sum(point.value for point in found["generor.queue"]) == 0
    assert sum(point.value for point in found["generor.credits"]) == pytest.approx(0.0404 / 0.003)


async def test_the_queue_counts_calls_that_were_not_sent(simulator: Simulator, telemetry: Telemetry) -> None:
    counts: list[Any] = []
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        instrument(luma, **telemetry.given)

        def measure(event: Event) -> None:
            points = telemetry.metrics()["generor.queue"]
            counts.append((type(event).__name__, sum(point.value for point in points)))

        luma.events.subscribe(measure)
        await luma.files.list().first_page()
    assert counts == [("CallStarted", 1), ("AttemptStarted", 0), ("AttemptEnded", 0), ("CallEnded", 0)]


async def test_prompts_are_exported_where_they_are_asked_for_and_stand_in_no_event(
    simulator: Simulator, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "generor_async")
    events = list[Event]()
    async with (
        AsyncLuma(**patient(simulator.luma_options)) as luma,
        AsyncGeneror(**patient(simulator.generor_options)) as generor,
    ):
        stops = [instrument(client, prompts=True, **telemetry.given) for client in (luma, generor)]
        luma.events.subscribe(events.append)
        await luma.generations.run(prompt="a héron")
        await generor.generators.generate("joke", model_id=37, prompt="a joke")
        await generor.generators.estimate("joke", model_id=37, prompt="a joke")
        for stop in stops:
            stop()
        await luma.generations.create(prompt="unseen")
    found = [attributes(span).get(gen_ai_attributes.GEN_AI_INPUT_MESSAGES) for span in telemetry.finished()]
    texts = [None if each is None else json.loads(each)[0]["parts"][0]["content"] for each in found]
    assert texts == ["a héron", "a joke", None]
    assert "héron" not in repr(events)
    assert "héron" not in caplog.text


async def test_a_model_of_extra_body_names_the_span(simulator: Simulator, telemetry: Telemetry) -> None:
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        instrument(luma, **telemetry.given)
        await luma.with_options(extra_body={"model": "uni-1-max"}).generations.run(prompt="a heron", model="uni-1")
    (span,) = telemetry.finished()
    assert attributes(span)[gen_ai_attributes.GEN_AI_REQUEST_MODEL] == "uni-1-max"


async def test_no_prompt_key_or_presigned_query_is_exported(simulator: Simulator, telemetry: Telemetry) -> None:
    async with AsyncLuma(**patient(simulator.luma_options)) as luma:
        instrument(luma, **telemetry.given)
        generation = await luma.generations.run(
            prompt="a secret heron", image_ref=[{"url": "https://example.com/i.png?X-Amz-Signature=abc"}]
        )
    text = "".join(span.to_json() for span in telemetry.finished()) + repr(telemetry.metrics())
    assert generation.id in text
    assert not [word for word in ("heron", "Signature", simulator.luma_key) if word in text]


async def test_the_http_librarys_own_spans_are_children(telemetry: Telemetry) -> None:
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    try:
        await _list_files_after_a_503(telemetry)
    finally:
        instrumentor.uninstrument()
    *attempts, call = telemetry.finished()
    assert len(attempts) == 2
    assert all(attempt.parent == call.context for attempt in attempts)


async def _list_files_after_a_503(telemetry: Telemetry) -> None:
    unavailable = answer(503, {"detail": "Upstream service unavailable"}, headers={"X-API-Version": "2026-04-01"})
    async with (
        Wire(unavailable, answer(200, {"data": [], "has_more": False})) as wire,
        AsyncLuma("luma-api-test", base_url=wire.url) as luma,
    ):
        instrument(luma, **telemetry.given)
        await luma.files.list().first_page()


def test_nothing_but_otel_imports_opentelemetry() -> None:
    program = "import sys, generor_async.luma, generor_async.sync; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_opentelemetry_the_error_says_what_to_install() -> None:
    program = "import sys; sys.modules['opentelemetry'] = None\nimport generor_async.otel"
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert "pip install 'generor-async[otel]'" in ended.stderr
