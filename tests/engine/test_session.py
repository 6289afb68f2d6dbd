"""What every kind of answer and fault comes to, on the wire; and that a paid request leaves exactly once."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest
from attrs import frozen
from support.calls import KEY, THING, BareGeneror, BareLuma, operation
from support.clock import FakeClock, in_virtual_time
from support.wire import Peer, Step, Wire, answer, closed_port, hang_up, raw, reset, stall, truncated

from generor_async import errors
from generor_async.engine.client import Client
from generor_async.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    OutcomeUnknownError,
    ResponseShapeError,
)
from generor_async.rules.body_decoders import enveloped, nothing, plain
from generor_async.rules.vendors import GENEROR, LUMA
from generor_async.values import Outcome, RetrySafety

anyio_backend = in_virtual_time


@frozen
class Row:
    """One row of the table: what the server does, and what it must come to."""

    step: Step
    outcome: Outcome
    error: type[APIError]
    retryable: bool = False
    """Whether even a paid call may leave again."""
    vendor: type[Client] = BareLuma


def own(status: int, **headers: str) -> Step:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(status, {"detail": "No."}, headers={"X-API-Version": "2026-04-01", **named})


def generors(status: int, stated: int) -> Step:
    return answer(status, {"success": False, "error": {"code": "NO", "message": "No.", "status": stated}})


HTML = b"<html><body>welcome to our hotel's wifi"
PAGE: dict[str, Any] = {"content_type": "text/html"}

TABLE: dict[str, Row] = {
    "the connection closes": Row(hang_up, "unknown", APIConnectionError),
    "the connection is reset": Row(reset, "unknown", APIConnectionError),
    "no answer": Row(stall, "unknown", APITimeoutError),
    "half a head": Row(raw(b"HTTP/1.1 200 OK\r\nConte", close=True), "unknown", APIConnectionError),
    "no HTTP": Row(raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n", close=True), "unknown", APIConnectionError),
    "half a body": Row(truncated(b'{"id": "a', promised=500), "unknown", APIConnectionError),
    "a broken chunk": Row(
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}", close=True),
        "unknown",
        APIConnectionError,
    ),
    "a page": Row(answer(200, HTML, **PAGE), "unknown", ResponseShapeError),
    "half a JSON": Row(answer(200, b'{"id": "a'), "unknown", ResponseShapeError),
    "nothing": Row(answer(200, b""), "unknown", ResponseShapeError),
    "NaN": Row(answer(200, b'{"id": NaN}'), "unknown", ResponseShapeError),
    "deep nesting": Row(answer(200, b"[" * 100_000), "unknown", ResponseShapeError),
    "a huge integer": Row(answer(200, b"9" * 100_000), "unknown", ResponseShapeError),
    "another shape": Row(answer(200, {"size": 7}), "done", ResponseShapeError),
    "400": Row(own(400), "refused", errors.BadRequestError),
    "401": Row(own(401), "refused", errors.AuthenticationError),
    "402": Row(own(402), "refused", errors.InsufficientCreditsError),
    "403": Row(own(403), "refused", errors.PermissionDeniedError),
    "404": Row(own(404), "refused", errors.NotFoundError),
    "413": Row(own(413), "refused", errors.PayloadTooLargeError),
    "422": Row(own(422), "refused", errors.UnprocessableEntityError),
    "429 of nobody": Row(answer(429, HTML, **PAGE), "refused", errors.RateLimitError, retryable=True),
    "429 by the minute": Row(own(429, X_RateLimit_Limit="30"), "refused", errors.RateLimitError, retryable=True),
    "408": Row(own(408), "unknown", APIStatusError),
    "409": Row(own(409), "unknown", errors.ConflictError),
    "502 of Luma": Row(own(502), "refused", errors.BadGatewayError, retryable=True),
    "503 of Luma": Row(own(503), "refused", errors.ServiceUnavailableError, retryable=True),
    "500": Row(own(500), "unknown", errors.InternalServerError),
    "a gateway's 502": Row(answer(502, HTML, **PAGE), "unknown", errors.BadGatewayError),
    "a gateway's JSON": Row(
        answer(503, {"error": {"message": "upstream connect error"}}), "unknown", errors.ServiceUnavailableError
    ),
    "504": Row(answer(504, HTML, **PAGE), "unknown", errors.GatewayTimeoutError),
    "a page for a 404": Row(answer(404, HTML, **PAGE), "refused", errors.NotFoundError),
    "405 of Generor": Row(generors(405, 405), "refused", errors.MethodNotAllowedError, vendor=BareGeneror),
    "500 of Generor": Row(generors(500, 500), "unknown", errors.InternalServerError, vendor=BareGeneror),
    "503 of Generor": Row(generors(503, 503), "unknown", errors.ServiceUnavailableError, vendor=BareGeneror),
    "a 402 in a 200": Row(generors(200, 402), "refused", errors.InsufficientCreditsError, vendor=BareGeneror),
    "a 429 in a 200": Row(generors(200, 429), "refused", errors.RateLimitError, retryable=True, vendor=BareGeneror),
    "a 500 in a 200": Row(generors(200, 500), "unknown", errors.InternalServerError, vendor=BareGeneror),
}
for _status in (301, 302, 307, 308):
    TABLE[f"a {_status}"] = Row(
        answer(_status, headers={"Location": "https://elsewhere.example/v1/things?token=hush"}),
        "refused",
        APIStatusError,
    )


async def call(
    retry_safety: RetrySafety, wire: Wire, vendor: type[Client], *, max_retries: int = 0, path: str = "/things"
) -> tuple[APIError, FakeClock]:
    """Make a call that must fail; return its error, and the clock that it waited by."""
    clock = FakeClock()
    sent = operation(
        retry_safety, vendor=GENEROR if vendor is BareGeneror else LUMA, attempt_timeout=0.1, decode=plain(THING)
    )
    async with vendor(
        KEY.replace("luma-api-", "gnr_live_"), base_url=wire.url, clock=clock, max_retries=max_retries
    ) as client:
        with pytest.raises(APIError) as caught:
            await client.send(sent)
    return caught.value, clock


@pytest.mark.parametrize("name", TABLE)
async def test_a_read_meets_the_error_of_the_table(name: str) -> None:
    row = TABLE[name]
    async with Wire(row.step) as wire:
        error, _ = await call("read", wire, row.vendor)
    assert type(error) is row.error
    assert (error.outcome, error.attempts, len(wire.requests)) == (row.outcome, 1, 1)


@pytest.mark.parametrize("retry_safety", ["plain", "bills"])
@pytest.mark.parametrize("name", TABLE)
async def test_a_paid_call_leaves_once_and_says_what_is_known(name: str, retry_safety: RetrySafety) -> None:
    row = TABLE[name]
    async with Wire(row.step) as wire:
        error, _ = await call(retry_safety, wire, row.vendor, max_retries=0 if row.retryable else 4)
    assert len(wire.requests) == 1
    assert error.outcome == row.outcome
    if row.outcome == "unknown":
        assert type(error) is OutcomeUnknownError
        assert type(error.__cause__) is row.error
        assert error.request_id == wire.requests[0].headers["X-Request-Id"]
    else:
        assert type(error) is row.error


@pytest.mark.parametrize(
    ("retry_safety", "outcome"),
    [("read", "refused"), ("idempotent", "refused"), ("plain", "unknown"), ("bills", "unknown")],
)
async def test_a_303_is_how_what_took_effect_is_answered(retry_safety: RetrySafety, outcome: Outcome) -> None:
    async with Wire(answer(303, headers={"Location": "/v1/thanks"})) as wire:
        error, _ = await call(retry_safety, wire, BareLuma, max_retries=4)
    assert (error.outcome, len(wire.requests)) == (outcome, 1)
    assert "redirect to the same host" in str(error)


@pytest.mark.parametrize("retry_safety", ["read", "idempotent", "plain", "bills"])
@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.retryable])
async def test_a_refusal_that_passes_is_tried_again_by_every_call(name: str, retry_safety: RetrySafety) -> None:
    row = TABLE[name]
    async with Wire(row.step) as wire:
        error, clock = await call(retry_safety, wire, row.vendor, max_retries=2)
    assert type(error) is row.error
    assert (error.attempts, len(wire.requests), len(clock.slept)) == (3, 3, 2)


LOST = [name for name, row in TABLE.items() if row.outcome == "unknown" and not row.retryable and name != "a page"]


@pytest.mark.parametrize("retry_safety", ["read", "idempotent"])
@pytest.mark.parametrize("name", LOST)
async def test_a_harmless_call_whose_answer_was_lost_is_tried_again(name: str, retry_safety: RetrySafety) -> None:
    row = TABLE[name]
    vendor = GENEROR if row.vendor is BareGeneror else LUMA
    async with (
        Wire(row.step, answer(200, {"id": "a"})) as wire,
        row.vendor(KEY.replace("luma-api-", "gnr_live_"), base_url=wire.url, clock=FakeClock()) as client,
    ):
        sent = operation(retry_safety, vendor=vendor, attempt_timeout=0.1, decode=plain(THING))
        assert (await client.with_options(request_id="mine").send(sent)).id == "a"
    assert len(wire.requests) == 2
    assert wire.requests[0].head == wire.requests[1].head
    assert wire.requests[0].body == wire.requests[1].body


FINAL = [n for n, row in TABLE.items() if row.outcome in {"refused", "done"} and not row.retryable]


@pytest.mark.parametrize("name", [*FINAL, "a page"])
async def test_what_no_repetition_mends_is_not_repeated(name: str) -> None:
    async with Wire(TABLE[name].step) as wire:
        _, clock = await call("read", wire, TABLE[name].vendor, max_retries=4)
    assert (len(wire.requests), clock.slept) == (1, [])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("retry_safety", ["read", "bills"])
async def test_a_redirect_is_never_followed_and_its_host_is_named(status: int, retry_safety: RetrySafety) -> None:
    async with Wire() as elsewhere:
        target = f"{elsewhere.url}/v1/things?token=hush"
        async with Wire(answer(status, headers={"Location": target})) as wire:
            error, _ = await call(retry_safety, wire, BareLuma)
    assert not elsewhere.requests
    assert "redirect to 127.0.0.1" in str(error)
    assert "hush" not in str(error)


async def test_a_connection_reset_before_a_byte_was_read_is_unknown_all_the_same() -> None:
    async def slam(peer: Peer) -> bool:
        peer.reset()
        return False

    async with Wire(greeting=slam) as wire:
        error, _ = await call("bills", wire, BareLuma, max_retries=4)
    assert isinstance(error, OutcomeUnknownError)
    assert wire.connections == 1


@pytest.mark.parametrize("retry_safety", ["read", "bills"])
async def test_a_closed_port_is_not_sent_and_tried_again(retry_safety: RetrySafety) -> None:
    clock = FakeClock()
    async with BareLuma(KEY, base_url=f"http://127.0.0.1:{closed_port()}", clock=clock) as client:
        with pytest.raises(APIConnectionError, match="no connection to 127") as caught:
            await client.send(operation(retry_safety))
    assert (caught.value.outcome, caught.value.attempts, len(clock.slept)) == ("not_sent", 5, 4)


async def test_a_stale_connection_is_not_retried_behind_our_back() -> None:
    async with (
        Wire(answer(200, {}), hang_up, answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, max_retries=0) as client,
    ):
        await client.send(operation())
        with pytest.raises(APIConnectionError):
            await client.send(operation())
        assert wire.connections == 1, "the second request left on the kept connection"
    assert len(wire.requests) == 2


async def test_a_paid_request_leaves_on_a_fresh_connection_after_a_second() -> None:
    async with Wire(answer(200, {})) as wire, BareLuma(KEY, base_url=wire.url) as client:
        safeties: list[RetrySafety] = ["bills", "plain", "bills", "read", "read"]
        for retry_safety in safeties:
            await client.send(operation(retry_safety))
        assert [request.connection for request in wire.requests] == [1, 1, 1, 2, 2]
        await asyncio.to_thread(time.sleep, 1.1)  # aiohttp counts by the machine's clock
        await client.send(operation("read"))
        await client.send(operation("bills"))
    assert [request.connection for request in wire.requests[5:]] == [2, 3]


async def test_what_came_of_a_broken_answer_is_kept_with_its_ids() -> None:
    async with Wire(answer(200, b'{"id": "gen-42", "state": "queu')) as wire:
        error, _ = await call("bills", wire, BareLuma)
    assert isinstance(error, OutcomeUnknownError)
    assert (error.ids, error.body) == (("gen-42",), '{"id": "gen-42", "state": "queu')


async def test_a_deletion_that_was_lost_and_then_finds_nothing_has_succeeded() -> None:
    gone = answer(404, {"detail": "File not found"})
    sent = operation("idempotent", method="DELETE", decode=nothing)
    async with Wire(reset, gone) as wire, BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client:
        await client.send(sent)
        with pytest.raises(errors.NotFoundError):
            await client.send(sent)


async def test_a_refused_attempt_and_then_success_is_a_success() -> None:
    busy = own(429, Retry_After="2", X_RateLimit_Limit="30")
    async with (
        Wire(busy, own(502), answer(200, {"id": "a"})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client,
    ):
        sent = operation("bills", decode=plain(THING))
        assert (await client.with_options(request_id="mine").send(sent)).id == "a"
    assert len({request.head for request in wire.requests}) == 1
    assert [json.loads(request.body) for request in wire.requests] == [{"prompt": "a heron"}] * 3


async def test_a_204_and_an_enveloped_answer_are_results() -> None:
    async with (
        Wire(answer(204), answer(200, {"success": True, "data": {"id": "a"}})) as wire,
        BareGeneror(base_url=wire.url) as client,
    ):
        await client.send(operation("idempotent", method="DELETE", vendor=GENEROR, decode=nothing))
        assert (await client.send(operation(vendor=GENEROR, decode=enveloped(THING)))).id == "a"


async def test_retries_to_a_dying_server_are_spread_in_time_and_fail_no_call_that_has_some_left() -> None:
    clock = FakeClock()
    async with (
        Wire(*[reset] * 30, answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=clock, max_retries=100, timeout=1_000.0) as client,
    ):
        began = clock.now
        await asyncio.gather(*(client.send(operation()) for _ in range(30)))
    assert len(wire.requests) == 60
    assert clock.now - began >= 20, "thirty retries, ten in ten seconds"


async def test_a_callers_connector_is_used_and_stays_open() -> None:
    connector = aiohttp.TCPConnector(limit=1)
    async with Wire(answer(200, {})) as wire:
        async with BareLuma(KEY, base_url=wire.url, connector=connector) as client:
            await client.send(operation("bills"))
            await client.send(operation("read"))
        assert not connector.closed
        await connector.close()
    assert wire.connections == 1
