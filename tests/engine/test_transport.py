"""One request out, one reply in: what only aiohttp can tell, told over real sockets."""

import asyncio
import ssl
import tracemalloc
import zlib
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import aiohttp
import pytest
import trustme
from support.calls import KEY
from support.clock import in_virtual_time
from support.tls import served_by, trusting
from support.wire import Arrived, Peer, Step, Wire, answer, closed_port, drip, raw, stall

from generor_async.engine.proxies import env_proxy
from generor_async.engine.transport import AiohttpTransport, Attempt, Connection
from generor_async.rules.http_types import Form, Reply, Request, TransportError
from generor_async.values import Secret

MiB = 1024 * 1024

anyio_backend = in_virtual_time


def connection(**changes: Any) -> Connection:
    known: dict[str, Any] = {
        "key": Secret(KEY),
        "max_connections": 10,
        "max_reply_bytes": 8 * MiB,
        "connector": None,
        "proxy": None,
        "ssl": None,
        "speed": 1.0,
    }
    return Connection(**{**known, **changes})


def request(url: str, body: bytes | Form | None = None, *, method: str = "POST", reusable: bool = True) -> Request:
    return Request(method=method, url=url, headers={"X-Request-Id": "r-1"}, body=body, reusable=reusable)


async def exchange(sent: Request, *, attempt: Attempt | None = None, timeout: float = 5.0, **changes: Any) -> Reply:
    transport = AiohttpTransport(connection(**changes))
    try:
        return await transport.exchange(sent, attempt or Attempt(), timeout=timeout)
    finally:
        await transport.close()


async def broken(sent: Request, **changes: Any) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await exchange(sent, **changes)
    return caught.value


async def test_a_request_leaves_as_it_was_built() -> None:
    async with Wire(answer(201, {"a": 1}, headers={"X-Custom": "y"})) as wire:
        reply = await exchange(request(f"{wire.url}/v1/a%2Fb?q=%C3%A9", b'{"x":1}'))
    assert (reply.status, reply.body, reply.headers["x-custom"]) == (201, b'{"a": 1}', "y")
    (came,) = wire.requests
    assert (came.method, came.target, came.body) == ("POST", "/v1/a%2Fb?q=%C3%A9", b'{"x":1}')
    assert came.headers["Authorization"] == f"Bearer {KEY}"
    assert came.headers["Accept"] == "application/json"
    assert came.headers["User-Agent"] == f"generor_async/{version('generor-async')} aiohttp/{aiohttp.__version__}"
    assert came.headers["X-Request-Id"] == "r-1"
    assert "Cookie" not in came.headers


async def test_without_a_key_no_authorization_is_sent() -> None:
    async with Wire() as wire:
        await exchange(request(wire.url), key=None)
    assert "Authorization" not in wire.requests[0].headers


async def test_cookies_are_not_kept() -> None:
    async with Wire(answer(200, {}, headers={"Set-Cookie": "a=b"})) as wire:
        transport = AiohttpTransport(connection())
        for _ in range(2):
            await transport.exchange(request(wire.url), Attempt(), timeout=5)
        await transport.close()
    assert "Cookie" not in wire.requests[1].headers


async def test_a_form_leaves_as_multipart() -> None:
    form = Form(content=bytes(range(256)), filename="a.png", media_type="image/png", fields={"purpose": "input"})
    async with Wire() as wire:
        await exchange(request(wire.url, form))
    (came,) = wire.requests
    assert came.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert b'name="purpose"' in came.body
    assert b'filename="a.png"' in came.body
    assert bytes(range(256)) in came.body


async def test_an_attempt_knows_when_it_was_sent() -> None:
    attempt = Attempt()
    assert not attempt.sent
    async with Wire() as wire:
        await exchange(request(wire.url), attempt=attempt)
    assert attempt.sent


async def test_a_wait_for_a_free_connection_is_not_sending() -> None:
    async with Wire(stall) as wire:
        transport = AiohttpTransport(connection(max_connections=1))
        first = asyncio.ensure_future(transport.exchange(request(wire.url), Attempt(), timeout=5))
        await wire.arrived()
        attempt = Attempt()
        with pytest.raises(TransportError) as caught:
            await transport.exchange(request(wire.url), attempt, timeout=0.1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await transport.close()
    assert (caught.value.sent, caught.value.timed_out, attempt.sent) == (False, True, False)


async def test_no_time_left_is_a_timeout_all_the_same() -> None:
    async with Wire(stall) as wire:
        error = await broken(request(wire.url), timeout=0.0)
    assert error.timed_out


async def test_a_large_body_that_nobody_reads_is_unknown_when_time_is_up() -> None:
    async def deaf(peer: Peer) -> bool:
        await asyncio.Event().wait()
        return False

    async with Wire(greeting=deaf) as wire:
        error = await broken(request(wire.url, b"x" * 32 * MiB), timeout=0.2)
    assert (error.sent, error.timed_out) == (True, True)


# Addresses, proxies and certificates.


async def test_a_closed_port_is_not_sent() -> None:
    error = await broken(request(f"http://127.0.0.1:{closed_port()}/"))
    assert (error.sent, error.permanent) == (False, False)
    assert "no connection to 127.0.0.1" in error.problem


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http:///nowhere"])
async def test_what_is_no_http_url_is_not_sent_and_never_will_be(url: str) -> None:
    error = await broken(request(url))
    assert (error.sent, error.permanent) == (False, True)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def served(authority: trustme.CA) -> ssl.SSLContext:
    return served_by(authority)


@pytest.mark.parametrize("reusable", [True, False])
async def test_a_certificate_that_nobody_vouches_for_is_not_sent_and_never_will_be(
    served: ssl.SSLContext, reusable: bool
) -> None:
    async with Wire(tls=served) as wire:
        error = await broken(request(wire.url, b"{}", reusable=reusable))
    assert (error.sent, error.permanent) == (False, True)
    assert "certificate" in error.problem
    assert not wire.requests


async def test_a_certificate_of_another_host_is_refused(authority: trustme.CA) -> None:
    async with Wire(tls=served_by(authority, "elsewhere.example")) as wire:
        error = await broken(request(wire.url), ssl=trusting(authority))
    assert (error.sent, error.permanent) == (False, True)


async def test_a_certificate_that_is_vouched_for_is_taken(authority: trustme.CA, served: ssl.SSLContext) -> None:
    async with Wire(answer(200, {"a": 1}), tls=served) as wire:
        reply = await exchange(request(wire.url), ssl=trusting(authority))
    assert reply.body == b'{"a": 1}'


async def test_a_wrong_fingerprint_is_not_sent_and_never_will_be(served: ssl.SSLContext) -> None:
    async with Wire(tls=served) as wire:
        error = await broken(request(wire.url), ssl=aiohttp.Fingerprint(b"\0" * 32))
    assert (error.sent, error.permanent) == (False, True)
    assert not wire.requests


async def test_tls_to_a_port_that_speaks_none_is_not_sent() -> None:
    async def plain(peer: Peer) -> bool:
        await peer.send(b"220 smtp.example ESMTP\r\n")
        return False

    async with Wire(greeting=plain) as wire:
        error = await broken(request(wire.url.replace("http", "https")))
    assert not error.sent


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_to_connect_means_not_sent(status: int) -> None:
    async with Wire(answer(status, b"no", close=True)) as proxy:
        error = await broken(request("https://api.example/v1", b"{}"), proxy=proxy.url)
    assert (error.sent, error.problem) == (False, f"the proxy refused to connect ({status})")
    (came,) = proxy.requests
    assert came.method == "CONNECT"
    assert KEY not in came.head.decode(), "the proxy never sees the key"


async def test_a_proxy_that_is_not_there_means_not_sent() -> None:
    error = await broken(request("https://api.example/v1"), proxy=f"http://127.0.0.1:{closed_port()}")
    assert not error.sent


async def test_a_forward_proxy_passes_plain_http_on() -> None:
    async with Wire(answer(200, {"a": 1})) as proxy:
        reply = await exchange(request("http://127.0.0.1:9/v1/x"), proxy=proxy.url)
    assert reply.status == 200
    assert proxy.requests[0].target == "http://127.0.0.1:9/v1/x"


def test_the_proxy_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "internal.example")
    assert env_proxy("https://generor.com/api/v1") == "http://proxy.example:3128"
    assert env_proxy("https://internal.example/v1") is None
    monkeypatch.delenv("https_proxy")
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    assert env_proxy("https://generor.com/api/v1") is None


# Answers that are too large.


@pytest.fixture
def memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def bomb() -> bytes:
    """A gzip of half a megabyte that opens to 512 MiB of blanks."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    megabyte = squeeze.compress(b" " * MiB) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + megabyte * 512 + squeeze.flush()


@pytest.mark.usefixtures("memory")
async def test_a_small_answer_that_opens_to_a_huge_one_is_cut_off() -> None:
    packed = bomb()
    assert len(packed) < MiB
    async with Wire(answer(200, packed, headers={"Content-Encoding": "gzip"})) as wire:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        error = await broken(request(wire.url, b"{}"))
        peak = tracemalloc.get_traced_memory()[1] - before
    assert (error.sent, error.permanent) == (True, True)
    assert "larger than max_reply_bytes (8,388,608 bytes)" in error.problem
    assert peak < 32 * MiB


@pytest.mark.usefixtures("memory")
async def test_a_hundred_megabytes_are_cut_off_at_the_cap() -> None:
    sent = 0

    async def pour(peer: Peer, _: Arrived) -> None:
        nonlocal sent
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        for _turn in range(1_600):
            await peer.send(b"x" * 65_536)
            sent += 65_536

    async with Wire(pour) as wire:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        error = await broken(request(wire.url, b"{}"))
        peak = tracemalloc.get_traced_memory()[1] - before
    assert (error.sent, error.permanent) == (True, True)
    assert sent < 32 * MiB
    assert peak < 32 * MiB


@pytest.mark.parametrize("size", [1_000, 1_001])
@pytest.mark.parametrize("form", ["length", "chunks", "gzip"])
async def test_the_cap_is_on_the_bytes_after_decompression(size: int, form: str) -> None:
    body = b"x" * size
    steps: dict[str, Step] = {
        "length": answer(200, body),
        "chunks": drip(body[: size // 2], times=2) if size % 2 == 0 else drip(body, times=1),
        "gzip": answer(200, _gzipped(body), headers={"Content-Encoding": "gzip"}),
    }
    async with Wire(steps[form]) as wire:
        if size > 1_000:
            assert "1,000 bytes" in (await broken(request(wire.url), max_reply_bytes=1_000)).problem
        else:
            assert (await exchange(request(wire.url), max_reply_bytes=1_000)).body == body


def _gzipped(body: bytes) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    return squeeze.compress(body) + squeeze.flush()


async def test_endless_headers_are_cut_off() -> None:
    async def chatter(peer: Peer, _: Arrived) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        for number in range(200_000):
            await peer.send(b"X-%d: %b\r\n" % (number, b"y" * 100))

    async with Wire(chatter) as wire:
        error = await broken(request(wire.url, b"{}"))
    assert error.sent


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/9.9 xyz\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"",
    ],
)
async def test_an_answer_that_is_broken_is_unknown_and_shows_no_header(data: bytes) -> None:
    async with Wire(raw(data, close=True)) as wire:
        error = await broken(request(wire.url, b"{}"))
    assert error.sent
    assert KEY not in f"{error} {error!r} {error.__dict__}"


async def test_a_slow_answer_that_keeps_coming_is_given_up_when_time_is_up() -> None:
    async with Wire(drip(b"[", times=1_000, every=0.02)) as wire:
        error = await broken(request(wire.url, b"{}"), timeout=0.2)
    assert (error.sent, error.timed_out) == (True, True)
