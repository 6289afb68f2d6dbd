"""What nobody may see: keys in events, logs and errors. And the request id that everybody may."""

import asyncio
import logging
import pickle
import uuid
from typing import Any

import pytest
from support.calls import KEY, THING, BareGeneror, BareLuma, operation
from support.clock import FakeClock, in_virtual_time
from support.leaks import leaks
from support.wire import Step, Wire, answer, closed_port, hang_up, raw, reset, stall, truncated

from generor_async.errors import (
    APIError,
    GenerorAsyncError,
    InvalidRequestError,
    MissingAPIKeyError,
    OutcomeUnknownError,
    ResponseShapeError,
)
from generor_async.rules.body_decoders import enveloped
from generor_async.rules.vendors import GENEROR
from generor_async.values import AttemptEnded, AttemptStarted, Event, RetryScheduled, Throttled

FAULTS: dict[str, Step] = {
    "closed": hang_up,
    "reset": reset,
    "stalled": stall,
    "no HTTP": raw(b"SSH-2.0\r\n\r\n", close=True),
    "a broken header": raw(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", close=True),
    "half a body": truncated(b'{"id"', promised=99),
    "a page": answer(200, b"<html>", content_type="text/html"),
    "401": answer(401, {"detail": "Invalid API key"}),
    "302": answer(302, headers={"Location": "https://login.example/"}),
    "502": answer(502, b"bad gateway", content_type="text/plain"),
}

anyio_backend = in_virtual_time


@pytest.mark.parametrize("retry_safety", ["read", "bills"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_key_is_seen_whatever_goes_wrong(
    fault: str, retry_safety: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[Event] = []
    async with Wire(FAULTS[fault]) as wire:
        client = BareLuma(
            KEY, base_url=wire.url, clock=FakeClock(), attempt_timeout=0.05, max_retries=1, on_event=events.append
        )
        async with client:
            with pytest.raises(APIError) as caught:
                await client.send(operation(retry_safety))
            seen = f"{client.shown()} {events!r} {caplog.text}"
    assert wire.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert "AttemptEnded" in caplog.text
    assert KEY not in seen
    assert "heron" not in seen, "nor is a prompt"
    assert not leaks(caught.value, KEY)
    assert KEY.encode() not in pickle.dumps(caught.value)


async def test_no_key_is_seen_where_nobody_answers() -> None:
    async with BareLuma(KEY, base_url=f"http://127.0.0.1:{closed_port()}", max_retries=0) as client:
        with pytest.raises(APIError) as caught:
            await client.send(operation("bills"))
    assert not leaks(caught.value, KEY)


async def test_a_new_key_that_comes_in_an_unreadable_answer_is_not_seen() -> None:
    new = "gnr_live_0123456789abcdef0123456789"
    body = {"success": True, "data": {"id": None, "api_key": new}}
    sent = operation("plain", vendor=GENEROR, secrets=("api_key",), decode=enveloped(THING))
    async with Wire(answer(200, body)) as wire, BareGeneror(base_url=wire.url) as client:
        with pytest.raises(ResponseShapeError) as caught:
            await client.send(sent)
    assert not leaks(caught.value, new)
    assert caught.value.body["data"]["api_key"].reveal() == new


@pytest.mark.parametrize("watched", [True, False])
async def test_a_new_key_in_an_answer_that_broke_off_is_not_seen(watched: bool) -> None:
    events: list[Event] = []
    on_event = events.append if watched else None
    new = "gnr_live_0123456789abcdef0123456789"
    began = b'{"success": true, "data": {"key_id": 7, "api_key": "' + new.encode()
    sent = operation("plain", vendor=GENEROR, secrets=("api_key",))
    for step in (truncated(began, promised=999), answer(200, began), answer(500, began)):
        async with Wire(step) as wire, BareGeneror(base_url=wire.url, on_event=on_event) as client:
            with pytest.raises(OutcomeUnknownError) as caught:
                await client.send(sent)
        assert not leaks(caught.value, new)
        assert new.encode() not in pickle.dumps(caught.value)


@pytest.mark.parametrize(
    "key", [f"{KEY}\n", f" {KEY}", f"{KEY} x", f"{KEY}\r\nX-Evil: 1", "", f"{KEY}\x00", f"{KEY}é", "\t"]
)
def test_a_key_with_stray_characters_is_refused_unseen(key: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        BareLuma(key, base_url="http://127.0.0.1:1")
    assert caught.value.field == "api_key"
    assert not leaks(caught.value, KEY)


def test_a_key_with_a_newline_in_the_environment_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMA_AGENTS_API_KEY", f"{KEY}\n")
    with pytest.raises(InvalidRequestError, match="newline") as caught:
        BareLuma(base_url="http://127.0.0.1:1")
    assert caught.value.field == "LUMA_AGENTS_API_KEY"
    assert not leaks(caught.value, KEY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.example"},
        {"base_url": "nonsense"},
        {"timeout": -1},
        {"max_retries": -1},
    ],
)
def test_a_good_key_is_not_seen_when_another_argument_is_wrong(wrong: dict[str, Any]) -> None:
    known: dict[str, Any] = {"base_url": "http://127.0.0.1:1", **wrong}
    with pytest.raises(InvalidRequestError) as caught:
        BareLuma(KEY, **known)
    assert not leaks(caught.value, KEY)


async def test_a_call_that_needs_a_key_is_refused_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENEROR_API_KEY", raising=False)
    async with Wire() as wire, BareGeneror(base_url=wire.url) as client:
        with pytest.raises(MissingAPIKeyError, match="Set GENEROR_API_KEY or pass api_key") as caught:
            await client.send(operation(vendor=GENEROR, auth="required"))
        assert caught.value.operation == "generor.things.read"
        assert not wire.requests
        await client.send(operation(vendor=GENEROR))
    assert "Authorization" not in wire.requests[0].headers


# The request id.


async def test_each_attempt_has_a_request_id_of_its_own_and_the_call_one_id() -> None:
    events: list[Event] = []
    refusal = answer(502, {"detail": "Upstream service unavailable"})
    async with (
        Wire(reset, refusal, answer(404, {"detail": "Generation not found"})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=FakeClock(), on_event=events.append) as client,
    ):
        with pytest.raises(APIError) as caught:
            await client.send(operation())
        with pytest.raises(APIError):
            await client.send(operation())
    sent = [request.headers["X-Request-Id"] for request in wire.requests]
    assert len({uuid.UUID(one) for one in sent}) == 4
    assert (caught.value.call_id, caught.value.request_id) == (sent[0], sent[2]), "support can find the last one"
    told: list[Any] = [event for event in events if not isinstance(event, Throttled)]
    assert [event.call_id for event in told] == [sent[0]] * 10 + [sent[3]] * 4
    began = [event.request_id for event in told if isinstance(event, AttemptStarted)]
    assert began == [event.request_id for event in told if isinstance(event, AttemptEnded)] == sent
    assert [event.request_id for event in told if isinstance(event, RetryScheduled)] == sent[:2], "what failed"


async def test_a_callers_request_id_is_sent_and_told() -> None:
    async with (
        Wire(reset, answer(404, {"detail": "Generation not found"})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client,
    ):
        with pytest.raises(APIError) as caught:
            await client.with_options(request_id="order-66").send(operation())
    assert [request.headers["X-Request-Id"] for request in wire.requests] == ["order-66"] * 2
    assert caught.value.request_id == "order-66"
    assert "request id order-66" in str(caught.value)


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX-Evil: 1", "\x00", "a\x7f", 7, ["x"]])
async def test_a_request_id_that_no_header_can_carry_is_refused(value: Any) -> None:
    client = BareLuma(KEY, base_url="http://127.0.0.1:1")
    with pytest.raises(InvalidRequestError) as caught:
        client.with_options(request_id=value)
    assert caught.value.field == "request_id"


async def test_a_view_with_a_request_id_serves_one_call() -> None:
    async with Wire(answer(200, {})) as wire, BareLuma(KEY, base_url=wire.url) as client:
        view = client.with_options(request_id="order-66")
        await view.send(operation())
        with pytest.raises(InvalidRequestError, match="serves one call"):
            await view.send(operation())
        await view.with_options(request_id="order-67").send(operation())
    assert len(wire.requests) == 2


# Events.


async def test_the_events_tell_each_attempt() -> None:
    events: list[Event] = []
    async with (
        Wire(reset, answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=FakeClock(), on_event=events.append) as client,
    ):
        await client.with_options(request_id="r").send(operation())
    assert [(type(event).__name__, getattr(event, "attempt", None)) for event in events] == [
        ("CallStarted", None),
        ("AttemptStarted", 1),
        ("AttemptEnded", 1),
        ("RetryScheduled", 2),
        ("AttemptStarted", 2),
        ("AttemptEnded", 2),
        ("CallEnded", None),
    ]
    ends = [event for event in events if type(event).__name__ == "AttemptEnded"]
    assert [(getattr(event, "outcome"), getattr(event, "status")) for event in ends] == [  # noqa: B009
        ("unknown", None),
        ("done", 200),
    ]
    assert {getattr(event, "request_id", "r") for event in events} == {"r"}
    assert {getattr(event, "call_id", None) for event in events} == {"r"}


async def test_a_listener_that_fails_costs_nobody_a_result(caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Event) -> None:
        raise RuntimeError("boom")

    async with Wire(answer(200, {"id": 1})) as wire, BareLuma(KEY, base_url=wire.url, on_event=fail) as client:
        assert await client.send(operation("bills")) == {"id": 1}
    assert "on_event failed for AttemptEnded" in caplog.text


async def test_retries_are_logged_for_everybody_and_attempts_for_the_curious(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "generor_async")
    async with (
        Wire(reset, answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client,
    ):
        await client.send(operation())
    ours = [record for record in caplog.records if record.name == "generor_async"]
    assert [record.levelname for record in ours] == ["INFO"]
    assert "RetryScheduled" in ours[0].getMessage()


def test_one_client_serves_one_event_loop_after_another() -> None:
    port = closed_port()
    client = BareLuma(KEY, base_url=f"http://127.0.0.1:{port}")

    async def use() -> Any:
        async with Wire(answer(200, {"a": 1}), port=port), client:
            return await client.send(operation())

    for _ in range(2):
        assert asyncio.run(use()) == {"a": 1}


def test_every_error_of_a_call_is_one_of_ours() -> None:
    assert issubclass(APIError, GenerorAsyncError)
