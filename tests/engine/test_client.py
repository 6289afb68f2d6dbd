"""How a client is made, viewed with other options, used for what the spec doesn't know, and closed."""

import asyncio
import json
import math
from typing import Any

import pytest
import trustme
from support.calls import KEY, BareGeneror, BareLuma, endpoint, operation
from support.clock import FakeClock, in_virtual_time
from support.tls import served_by, trusting
from support.wire import Wire, answer, closed_port, reset

from generor_async.errors import (
    APIConnectionError,
    DeadlineExceededError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
)
from generor_async.rules.http_types import Form, Operation
from generor_async.values import MediaRef, RetrySafety, Secret

NOWHERE = "http://127.0.0.1:1"

anyio_backend = in_virtual_time


async def test_a_client_may_be_made_outside_a_loop_and_opens_nothing() -> None:
    await asyncio.to_thread(BareLuma, KEY)


def test_a_client_shows_its_address_and_nothing_else() -> None:
    assert repr(BareLuma(KEY, base_url=NOWHERE)) == f"BareLuma(base_url='{NOWHERE}')"


def test_a_client_that_was_refused_in_the_making_can_still_be_shown() -> None:
    client = object.__new__(BareLuma)
    assert repr(client) == "BareLuma(unfinished)"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"timeout": 0}, "timeout"),
        ({"timeout": math.nan}, "timeout"),
        ({"attempt_timeout": -1.0}, "attempt_timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": 1.5}, "max_retries"),
        ({"base_url": "ftp://x"}, "base_url"),
    ],
)
def test_an_argument_that_can_never_be_right_is_refused(wrong: dict[str, Any], field: str) -> None:
    known: dict[str, Any] = {"base_url": NOWHERE, **wrong}
    with pytest.raises(InvalidRequestError) as caught:
        BareLuma(KEY, **known)
    assert caught.value.field == field


async def test_the_environment_names_key_and_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Wire(answer(200, {})) as wire:
        monkeypatch.setenv("LUMA_AGENTS_API_KEY", KEY)
        monkeypatch.setenv("LUMA_BASE_URL", f"{wire.url}/v9/")
        async with BareLuma() as client:
            await client.send(operation())
    assert wire.requests[0].target == "/v9/things"
    assert wire.requests[0].headers["Authorization"] == f"Bearer {KEY}"


async def test_a_key_may_be_a_secret() -> None:
    async with Wire(answer(200, {})) as wire, BareLuma(Secret(KEY), base_url=wire.url) as client:
        await client.send(operation())
    assert wire.requests[0].headers["Authorization"] == f"Bearer {KEY}"


async def test_a_proxy_of_the_environment_is_used_when_asked_and_sees_no_netrc(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with Wire(answer(200, {})) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with BareLuma(KEY, base_url="http://127.0.0.1:9", trust_env=True) as client:
            await client.send(operation())
        with pytest.raises(APIConnectionError):
            async with BareLuma(KEY, base_url="http://127.0.0.1:9", max_retries=0) as client:
                await client.send(operation())
    assert [request.target for request in proxy.requests] == ["http://127.0.0.1:9/things"]


async def test_a_proxy_that_refuses_is_tried_again_even_for_a_paid_call() -> None:
    async with Wire(answer(503, b"", close=True)) as proxy:
        client = BareLuma(KEY, proxy=proxy.url, clock=FakeClock(), max_retries=2)
        async with client:
            with pytest.raises(APIConnectionError, match="the proxy refused to connect") as caught:
                await client.send(operation("bills"))
    assert (caught.value.outcome, len(proxy.requests)) == ("not_sent", 3)
    assert all(request.method == "CONNECT" for request in proxy.requests)
    assert not [request for request in proxy.requests if KEY in request.head.decode()]


async def test_a_context_for_tls_is_used() -> None:
    authority = trustme.CA()
    async with Wire(answer(200, {}), tls=served_by(authority)) as wire:
        async with BareLuma(KEY, base_url=wire.url, ssl=trusting(authority)) as client:
            await client.send(operation("bills"))
        clock = FakeClock()
        async with BareLuma(KEY, base_url=wire.url, clock=clock) as client:
            with pytest.raises(APIConnectionError, match="certificate") as caught:
                await client.send(operation("bills"))
    assert (caught.value.outcome, caught.value.retryable, clock.slept) == ("not_sent", False, [])
    assert len(wire.requests) == 1


# Views.


async def test_a_view_changes_how_calls_are_made_and_shares_connections() -> None:
    async with Wire(answer(200, {})) as wire, BareLuma(KEY, base_url=wire.url) as client:
        view = client.with_options(
            extra_headers={"X-Trace": "t"}, extra_query={"debug": "a b"}, extra_body={"seed": 1, "prompt": "b"}
        )
        await view.send(operation("bills"))
        await client.send(operation("bills"))
    first, second = wire.requests
    assert (first.headers["X-Trace"], first.target) == ("t", "/things?debug=a%20b")
    assert json.loads(first.body) == {"prompt": "b", "seed": 1}
    assert (second.target, json.loads(second.body)) == ("/things", {"prompt": "a heron"})
    assert "X-Trace" not in second.headers
    assert wire.connections == 1


async def test_an_extra_header_comes_once_however_it_is_spelled() -> None:
    extra = {"authorization": "Bearer other", "accept": "image/png"}
    async with Wire(answer(200, {})) as wire, BareLuma(KEY, base_url=wire.url) as client:
        await client.with_options(extra_headers=extra).send(operation("bills"))
    came = wire.requests[0].headers
    assert came.getall("Content-Type") == ["application/json"]
    assert came.getall("Authorization") == ["Bearer other"]
    assert came.getall("Accept") == ["image/png"]
    assert len(came.getall("X-Request-Id")) == 1


async def test_views_add_up() -> None:
    async with Wire(reset) as wire, BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client:
        view = client.with_options(max_retries=1).with_options(timeout=30.0)
        with pytest.raises(APIConnectionError):
            await view.send(operation())
    assert len(wire.requests) == 2


async def test_extra_query_joins_the_calls_own() -> None:
    sent = Operation(endpoint(), "/things", query={"page": "2", "q": "é&="})
    async with Wire(answer(200, {})) as wire, BareLuma(KEY, base_url=wire.url) as client:
        await client.with_options(extra_query={"page": "3", "x": "/"}).send(sent)
    assert wire.requests[0].target == "/things?page=3&q=%C3%A9%26%3D&x=%2F"


# What goes out.


async def test_json_leaves_compact_and_in_utf8() -> None:
    body = {"prompt": "Reiher é 🐦", "n": 2**70, "none": None}
    async with Wire(answer(200, {})) as wire, BareLuma(KEY, base_url=wire.url) as client:
        await client.send(Operation(endpoint("bills"), "/things", body=body))
    assert wire.requests[0].body == json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    assert wire.requests[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, object(), "\ud800"])
async def test_what_is_no_json_is_refused_before_anything_is_sent(value: Any) -> None:
    async with Wire() as wire, BareLuma(KEY, base_url=wire.url) as client:
        with pytest.raises(InvalidRequestError, match="cannot be sent as JSON") as caught:
            await client.send(Operation(endpoint("bills"), "/things", body={"x": value}))
    assert (caught.value.field, caught.value.outcome) == ("x", "not_sent")
    assert not wire.requests


async def test_a_name_that_json_cannot_write_is_refused() -> None:
    async with Wire() as wire, BareLuma(KEY, base_url=wire.url) as client:
        with pytest.raises(InvalidRequestError, match="a key of x must be a string, not tuple") as caught:
            await client.send(Operation(endpoint("bills"), "/things", body={"x": {("a", "b"): 1}}))
    assert caught.value.operation
    assert not wire.requests


async def test_a_body_without_end_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    async with BareLuma(KEY, base_url=NOWHERE) as client:
        with pytest.raises(InvalidRequestError, match="cannot be sent as JSON"):
            await client.send(Operation(endpoint("bills"), "/things", body=endless))


async def test_a_file_is_read_just_before_it_is_sent(tmp_path: Any) -> None:
    path = tmp_path / "a.png"
    body = {"image_ref": [MediaRef.file(path), {"url": "https://x"}]}
    sent = Operation(endpoint("bills"), "/things", body=body)
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    async with Wire(answer(200, {})) as wire, BareLuma(KEY, base_url=wire.url) as client:
        await client.send(sent)
        path.unlink()
        with pytest.raises(InvalidRequestError, match="is not a file"):
            await client.send(sent)
    assert json.loads(wire.requests[0].body)["image_ref"] == [
        {"data": "iVBORw0KGgo=", "media_type": "image/png"},
        {"url": "https://x"},
    ]


async def test_a_form_leaves_again_whole_when_it_is_retried() -> None:
    form = Form(content=b"bytes", filename="a.png", media_type="image/png", fields={"purpose": "input"})
    busy = answer(429, {"detail": "Rate limit exceeded"}, headers={"Retry-After": "1"})
    async with (
        Wire(busy, answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client,
    ):
        await client.send(Operation(endpoint("plain"), "/files", body=form))
    assert [b"bytes" in request.body for request in wire.requests] == [True, True]


# Endpoints that the spec doesn't know.


@pytest.mark.parametrize("body", [{"id": 1}, {"a": {"b": 2}}, {"n": None}, {"l": [1, "x", None]}, [1], 7, "x", None])
async def test_any_json_of_an_unknown_endpoint_is_given_back(body: Any) -> None:
    text = json.dumps(body).encode()
    async with Wire(answer(200, text)) as wire, BareGeneror(base_url=wire.url) as client:
        assert await client.request("get", "/new", query={"a": "1"}) == body
    assert (wire.requests[0].method, wire.requests[0].target) == ("GET", "/new?a=1")


async def test_an_unknown_endpoint_has_the_errors_of_its_api() -> None:
    gone = {"success": False, "error": {"code": "NOT_FOUND", "message": "Nothing here.", "status": 404}}
    async with Wire(answer(404, gone)) as wire, BareGeneror(base_url=wire.url) as client:
        with pytest.raises(NotFoundError, match=r"generor\.request: 404 NOT_FOUND: Nothing here\."):
            await client.request("GET", "/new", retry_safety="read")


@pytest.mark.parametrize(("retry_safety", "count"), [("read", 2), ("idempotent", 2), ("plain", 1), ("bills", 1)])
async def test_an_unknown_endpoint_is_repeated_as_its_retry_safety_allows(
    retry_safety: RetrySafety, count: int
) -> None:
    async with (
        Wire(reset, answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, clock=FakeClock()) as client,
    ):
        if count == 1:
            with pytest.raises(OutcomeUnknownError):
                await client.request("POST", "/new", json={"a": 1}, retry_safety=retry_safety)
        else:
            assert await client.request("POST", "/new", json={"a": 1}, retry_safety=retry_safety) == {}
    assert len(wire.requests) == count


@pytest.mark.parametrize("path", ["new", "", "https://evil.example/", "/a/../b", "/./a", "/a?b=1", "/a#b", "../a"])
async def test_a_path_that_is_not_below_the_address_is_refused(path: str) -> None:
    async with BareLuma(KEY, base_url=NOWHERE) as client:
        with pytest.raises(InvalidRequestError) as caught:
            await client.request("GET", path)
    assert caught.value.field == "path"


async def test_a_path_that_looks_like_another_host_stays_with_ours() -> None:
    async with Wire(answer(200, {})) as wire, BareLuma(KEY, base_url=f"{wire.url}/v1") as client:
        await client.request("GET", "//evil.example/a b\n", retry_safety="read")
    assert wire.requests[0].target == "/v1//evil.example/a%20b%0A"


async def test_a_retry_safety_that_is_none_is_refused() -> None:
    wrong: Any = "sometimes"
    async with BareLuma(KEY, base_url=NOWHERE) as client:
        with pytest.raises(InvalidRequestError, match="retry_safety must be one of read, idempotent, plain, bills"):
            await client.request("GET", "/a", retry_safety=wrong)


# Closing.


async def test_a_closed_client_opens_again_at_the_next_call() -> None:
    async with Wire(answer(200, {})) as wire:
        client = BareLuma(KEY, base_url=wire.url)
        for _ in range(2):
            await client.send(operation())
            await client.close()
        await client.close()
    assert wire.connections == 2


async def test_many_calls_at_once_share_the_pool() -> None:
    async with (
        Wire(answer(200, {})) as wire,
        BareLuma(KEY, base_url=wire.url, max_connections=5) as client,
    ):
        await asyncio.gather(*(client.send(operation("bills")) for _ in range(50)))
    assert len(wire.requests) == 50
    assert wire.connections <= 5


async def test_a_port_that_stays_closed_ends_the_call_by_its_deadline() -> None:
    async with BareLuma(KEY, base_url=f"http://127.0.0.1:{closed_port()}", timeout=0.4) as client:
        with pytest.raises((APIConnectionError, DeadlineExceededError)):
            async with asyncio.timeout(300):
                await client.with_options(max_retries=10_000).send(operation())
