"""Where events go."""

import logging

import pytest

from generor_async.engine.events import EventStream
from generor_async.values import AttemptStarted, Event, RetryScheduled, Throttled

STARTED = AttemptStarted(operation="o", call_id="c", request_id="r", attempt=1)
RETRIED = RetryScheduled(operation="o", call_id="c", request_id="r", attempt=2, delay=1.0, reason="APITimeoutError")
THROTTLED = Throttled(operation="o", call_id="c", request_id="r", scope="minute", delay=1.0)


def test_the_callable_gets_every_event() -> None:
    seen: list[Event] = []
    stream = EventStream(seen.append)
    for event in (STARTED, RETRIED, THROTTLED):
        stream.emit(event)
    assert seen == [STARTED, RETRIED, THROTTLED]
    assert stream.listening


def test_the_log_has_attempts_at_debug_and_retries_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "generor_async")
    stream = EventStream(None)
    for event in (STARTED, RETRIED, THROTTLED):
        stream.emit(event)
    assert [(record.name, record.levelname) for record in caplog.records] == [
        ("generor_async", "DEBUG"),
        ("generor_async", "INFO"),
        ("generor_async", "INFO"),
    ]


def test_nobody_listens_unless_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "generor_async")
    assert not EventStream(None).listening
    caplog.set_level(logging.DEBUG, "generor_async")
    assert EventStream(None).listening


def test_a_progress_callable_that_fails_costs_nobody_the_result(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Event] = []

    def failing(event: Event) -> None:
        told.append(event)
        raise RuntimeError("the progress bar broke")

    EventStream(None).emit(STARTED, failing)
    assert told == [STARTED]
    assert "on_progress failed for AttemptStarted" in caplog.text
