"""Events are frozen, and have no room for prompts or keys."""

from typing import get_args

import attrs
import pytest

from generor_async.values import AttemptEnded, Event

HARMLESS = {
    "operation", "call_id", "request_id", "attempt", "outcome", "status", "elapsed", "delay", "reason", "scope",
    "job_id", "model", "state", "failure_code", "name", "received", "sent", "total", "base_url", "method",
    "path", "billable", "error", "cost", "attempts", "waited",
}  # fmt: skip


@pytest.mark.parametrize("kind", get_args(Event))
def test_an_event_has_only_fields_that_anybody_may_see(kind: type) -> None:
    assert attrs.has(kind)
    assert {field.name for field in attrs.fields(kind)} <= HARMLESS


def test_an_event_cannot_be_changed() -> None:
    event = AttemptEnded(operation="o", call_id="c", request_id="r", attempt=1, outcome="done", status=200, elapsed=0.1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.attempt = 2  # type: ignore[misc] # that is the point
