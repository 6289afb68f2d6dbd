"""Nothing that a traceback, a pickle or a log shows of an error has a key or a presigned URL's query in it.

The server sends back all that it was sent; whatever ends a call, every frame of every exception in the chain is looked
at, those of other libraries included, as a traceback with locals shows them.
"""

import asyncio
import copy
import json
import pickle
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import KEY, BareLuma, operation
from support.clock import FakeClock, in_virtual_time
from support.wire import Arrived, Peer, Step, Wire, answer, hang_up, raw, reset, stall, truncated

from generor_async import AsyncLuma, Luma, run_batch
from generor_async.errors import (
    APIError,
    APIStatusError,
    DownloadError,
    GenerationFailedError,
    InvalidRequestError,
    UploadError,
)
from generor_async.rules import masking
from generor_async.values import Secret

SIGNATURE = "0123456789abcdef-signature"
QUERY = f"X-Amz-Signature={SIGNATURE}&X-Amz-Credential=AKIA"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(2_000)
PASSWORD = "hush-hush-password"

anyio_backend = in_virtual_time


def seen(error: BaseException) -> str:
    """Everything that can be seen of an error: as it prints, its pickle and copy, and the locals of every frame but
    the test's own, as `traceback.TracebackException(..., capture_locals=True)` shows them.
    """
    texts = [
        "".join(traceback.format_exception(error)),
        str(error),
        repr(error),
        repr(error.args),
        repr(error.__dict__),
    ]
    todo: list[BaseException] = [error]
    known: set[int] = set()
    while todo:
        each = todo.pop()
        if id(each) in known:
            continue
        known.add(id(each))
        for frame, line in traceback.walk_tb(each.__traceback__):
            where = f"{frame.f_code.co_filename}:{line}"
            if "/tests/" not in where:
                texts += [f"{where} {name}={value!r}" for name, value in frame.f_locals.items()]
        todo += [other for other in (each.__cause__, each.__context__) if other is not None]
    if isinstance(error, Exception):
        texts += [repr(pickle.dumps(error)), repr(copy.copy(error).__dict__)]
    return "\n".join(texts)


def places(error: BaseException, *secrets: str) -> list[str]:
    """Name the lines in which a secret is seen."""
    lines = seen(error).split("\n")
    return [line[:300] for line in lines if any(secret in line for secret in secrets)]


def echo(status: int, content_type: str = "application/json") -> Step:
    """Answer with all that was sent, in the words of both APIs, in a header and in the body."""

    async def step(peer: Peer, request: Arrived) -> None:
        said = f"refused: {request.headers.get('Authorization')} at https://media.example/a.png?{QUERY}"
        body = {
            "detail": said,
            "error": {"code": "VALIDATION_ERROR", "message": said},
            "request": {"headers": dict(request.headers), "lines": request.head.decode().split("\r\n")},
            "output": [{"url": f"https://media.example/a.png?{QUERY}"}],
        }
        headers = {"X-Echo": str(request.headers.get("Authorization")), "Location": f"https://x.example/?{QUERY}"}
        await answer(status, body, headers=headers, content_type=content_type)(peer, request)

    return step


def broken_echo(promised: int = 99_999) -> Step:
    async def step(peer: Peer, request: Arrived) -> None:
        await truncated(request.head + f"https://media.example/a.png?{QUERY}".encode(), promised=promised)(
            peer, request
        )

    return step


STEPS: dict[str, Step] = {
    **{str(status): echo(status) for status in (302, 400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 502, 503)},
    "a page": echo(200, "text/html"),
    "no shape": echo(200),
    "half a body": broken_echo(),
    "closed": hang_up,
    "reset": reset,
    "stalled": stall,
    "no HTTP": raw(b"SSH-2.0\r\n\r\n", close=True),
}


@pytest.mark.parametrize("events", [True, False])
@pytest.mark.parametrize("retry_safety", ["read", "bills"])
@pytest.mark.parametrize("name", STEPS)
async def test_no_error_of_a_call_shows_the_key_or_a_presigned_query(
    name: str, retry_safety: Any, events: bool
) -> None:
    seen_events: list[Any] = []
    on_event = seen_events.append if events else None
    async with Wire(STEPS[name]) as wire:
        client = AsyncLuma(
            KEY, base_url=wire.url, clock=FakeClock(), attempt_timeout=0.05, max_retries=0, on_event=on_event
        )
        async with client:
            calls = client.generations
            call = calls.get("gen-1") if retry_safety == "read" else calls.create(prompt="a heron")
            with pytest.raises(APIError) as caught:
                await call
    assert wire.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert not places(caught.value, KEY, SIGNATURE)


@pytest.mark.parametrize("name", ["stalled", "half a body"])
async def test_a_call_that_is_cancelled_shows_neither(name: str) -> None:
    step = (
        stall
        if name == "stalled"
        else raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-Echo: " + KEY.encode() + b"\r\n\r\n{")
    )
    async with Wire(step) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        call = asyncio.create_task(client.generations.create(prompt="a heron"))
        await wire.arrived()
        if name != "stalled":
            await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
    assert "create" in "".join(caught.value.__notes__)
    assert not places(caught.value, KEY)


async def test_a_call_that_a_timeout_of_asyncio_ends_shows_neither() -> None:
    async with Wire(stall) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.05):
                await client.generations.get("gen-1")
    assert caught.value.__cause__ is not None
    assert not places(caught.value, KEY)


async def test_a_large_request_that_is_cut_off_shows_no_key() -> None:
    async def deaf(peer: Peer) -> bool:
        await asyncio.sleep(60)
        return False

    async with Wire(greeting=deaf) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        upload = client.files.create_inline(bytes(20_000_000), filename="a.png", mime_type="image/png")
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.2):
                await upload
    assert not places(caught.value, f"Bearer {KEY}")


async def test_the_callers_own_credentials_are_masked_as_well() -> None:
    own = "sk-other-0123456789"
    extra = {"Authorization": f"Bearer {own}", "Cookie": "session=0123456789abcdef"}
    async with Wire(echo(400)) as wire, BareLuma(KEY, base_url=wire.url) as client:
        with pytest.raises(APIStatusError) as caught:
            await client.with_options(extra_headers=extra).send(operation("bills"))
    assert not places(caught.value, own, "0123456789abcdef")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Api-Key", "sk-other-0123456789"),
        ("X-Auth-Token", "sk-other-0123456789"),
        ("X-Goog-Api-Key", "sk-other-0123456789"),
        ("X-Amz-Security-Token", "sk-other-0123456789"),
        ("X-Hub-Signature", "sha256=sk-other-0123456789"),
        ("X-Client-Secret", "sk-other-0123456789"),
        ("X-Password", "sk-other-0123456789"),
        ("Cookie", "a=1; session=sk-other-0123456789; b=2"),
    ],
)
async def test_a_header_that_is_named_as_a_credential_is_one(name: str, value: str) -> None:
    async def step(peer: Peer, request: Arrived) -> None:
        said = f"refused: {request.headers[name]}, which has sk-other-0123456789"
        await answer(400, {"detail": said, "headers": dict(request.headers)})(peer, request)

    async with Wire(step) as wire, BareLuma(KEY, base_url=wire.url) as client:
        with pytest.raises(APIStatusError) as caught:
            await client.with_options(extra_headers={name: value, "X-Team": "heron-watchers"}).send(operation("bills"))
    assert wire.requests[0].headers[name] == value
    assert not places(caught.value, "sk-other-0123456789")
    assert caught.value.body["headers"]["X-Team"] == "heron-watchers"


async def test_a_credential_in_the_query_is_masked_as_well() -> None:
    async def step(peer: Peer, request: Arrived) -> None:
        await answer(400, {"detail": f"refused: {request.target}"})(peer, request)

    async with Wire(step) as wire, BareLuma(KEY, base_url=wire.url) as client:
        query = {"api_key": "sk/other 0123456789", "team": "heron-watchers"}
        with pytest.raises(APIStatusError) as caught:
            await client.with_options(extra_query=query).send(operation("bills"))
    assert wire.requests[0].target.endswith("?api_key=sk%2Fother%200123456789&team=heron-watchers")
    assert not places(caught.value, "0123456789")
    assert "?api_key=***&team=heron-watchers" in str(caught.value)


async def test_the_names_in_a_body_are_masked_and_what_an_upload_is_sent_with() -> None:
    url = f"https://media.example/a.png?{QUERY}"
    body = {url: 1, f"{url}2": 2, "upload": {"url": url, "headers": {"x-amz-meta": SIGNATURE}}, KEY: 3}
    cut = json.dumps(body).encode()
    for step in (answer(200, body), answer(400, body), truncated(cut, promised=9_999)):
        async with Wire(step) as wire, AsyncLuma(KEY, base_url=wire.url, max_retries=0) as client:
            with pytest.raises(APIError) as caught:
                await client.generations.create(prompt="a heron")
        assert not places(caught.value, SIGNATURE, KEY)
    masked = masking.mask_value(body, masking.texts_to_mask(Secret(KEY), {}))
    shown = "https://media.example/a.png?***"
    assert masked == {
        shown: 1,
        f"{shown}***": 2,
        "upload": {"url": shown, "headers": {"x-amz-meta": "***"}},
        "luma-api-***": 3,
    }
    assert list(masked) == [shown, f"{shown}***", "upload", "luma-api-***"]
    assert url in body, "what is masked is a copy"


async def test_what_is_masked_still_says_what_was_wrong() -> None:
    async with Wire(echo(422)) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        with pytest.raises(APIStatusError) as caught:
            await client.generations.create(prompt="a heron")
    error = caught.value
    assert "refused: Bearer luma-api-*** at https://media.example/a.png?***" in str(error)
    assert error.body["output"] == [{"url": "https://media.example/a.png?***"}]
    assert error.body["request"]["headers"]["Authorization"] == "Bearer luma-api-***"
    assert error.headers["X-Echo"] == "Bearer luma-api-***"


async def test_a_body_of_megabytes_is_cut() -> None:
    large = {"detail": "no", "more": ["x" * 1_000] * 5_000}
    for step in (answer(400, large), answer(200, json.dumps(large).encode(), content_type="text/html")):
        async with Wire(step) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
            with pytest.raises(APIError) as caught:
                await client.generations.create(prompt="a heron")
        assert isinstance(caught.value.body, str)  # type: ignore[attr-defined] # those errors have one
        assert len(caught.value.body) <= masking.LARGEST_KEPT_BODY  # type: ignore[attr-defined] # the same
        assert len(pickle.dumps(caught.value)) < 100_000


async def test_a_proxys_password_is_not_seen() -> None:
    async with Wire(answer(407, b"", close=True)) as wire:
        proxy = f"http://me:{PASSWORD}@127.0.0.1:{wire.port}"
        async with AsyncLuma(KEY, base_url="https://api.example/v1", proxy=proxy, max_retries=0) as client:
            with pytest.raises(APIError) as caught:
                await client.generations.get("gen-1")
    assert not places(caught.value, PASSWORD, KEY)


# What is refused before anything is sent.


class Held:
    """Something of another library's that shows what it holds."""

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return self.value


WRONG: dict[str, tuple[Callable[[str], Any], str]] = {
    "bytes": (str.encode, r"not bytes\. Decode it"),
    "bytearray": (lambda key: bytearray(key.encode()), r"not bytearray\. Decode it"),
    "list": (lambda key: [key], "not list"),
    "dict": (lambda key: {"key": key}, "not dict"),
    "another library's": (Held, "not Held"),
}


@pytest.mark.parametrize("make", [AsyncLuma, Luma])
@pytest.mark.parametrize("argument", ["api_key", "base_url", "proxy"])
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_string_is_not_seen(make: Any, argument: str, kind: str) -> None:
    given, words = WRONG[kind]
    arguments: Any = {"api_key": KEY, "base_url": "http://127.0.0.1:9", argument: given(PASSWORD)}
    with pytest.raises(InvalidRequestError, match=f"{argument} must be a string, {words}") as caught:
        make(**arguments)
    assert not places(caught.value, PASSWORD, KEY)


@pytest.mark.parametrize("make", [AsyncLuma, Luma])
@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Authorization": f"Bearer {PASSWORD}\n"}, "a value that no header can carry"),
        ({"Authorization": PASSWORD.encode()}, "Authorization must be a string, not bytes"),
        ({"Authorization": [PASSWORD]}, "Authorization must be a string, not list"),
        ({"Authorization": None, "Cookie": PASSWORD}, "Authorization must be a string, not NoneType"),
        ({"Proxy-Authorization": PASSWORD}, "is not an extra header"),
        ([("Authorization", PASSWORD)], "must be a mapping, not list"),
        (f"Authorization: {PASSWORD}", "must be a mapping, not "),
    ],
)
def test_headers_that_are_refused_are_not_seen(make: Any, headers: Any, words: str) -> None:
    client = make(KEY, base_url="http://127.0.0.1:9")
    with pytest.raises(InvalidRequestError, match=words) as caught:
        client.with_options(extra_headers=headers)
    assert not places(caught.value, PASSWORD, KEY)


@pytest.mark.parametrize("make", [AsyncLuma, Luma])
@pytest.mark.parametrize(
    "query", [{"key": PASSWORD.encode()}, {"key": PASSWORD, "team": 3}, [("key", PASSWORD)], f"key={PASSWORD}"]
)
def test_a_query_that_is_refused_is_not_seen(make: Any, query: Any) -> None:
    client = make(KEY, base_url="http://127.0.0.1:9")
    with pytest.raises(InvalidRequestError, match="extra_query") as caught:
        client.with_options(extra_query=query)
    assert not places(caught.value, PASSWORD, KEY)


@pytest.mark.parametrize(
    "address", [f"http://me:{PASSWORD}@[bad", f"socks5://me:{PASSWORD}@host", f"me:{PASSWORD}@host:99999"]
)
def test_a_proxy_of_the_environment_that_is_refused_is_not_seen(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(InvalidRequestError, match="HTTPS_PROXY") as caught:
        AsyncLuma(KEY, base_url="https://api.example/v1", trust_env=True)
    assert not places(caught.value, PASSWORD, KEY)


# What a job or a file failed for, in the server's words.


REASON = f"could not read https://media.example/a.png?{QUERY}, sent with Bearer {KEY} and sk-other-0123456789"


def failed_job(**known: Any) -> dict[str, Any]:
    return {
        "id": "gen-1",
        "type": "image",
        "model": "uni-1",
        "state": "failed",
        "created_at": "2026-04-08T12:00:00Z",
        "output": [],
        "failure_code": "corrupt_input",
        "failure_reason": REASON,
        **known,
    }


def answer_failed() -> Step:
    async def step(peer: Peer, request: Arrived) -> None:
        status = 201 if request.method == "POST" else 200
        body = failed_job(request={"headers": {"Authorization": f"Bearer {KEY}"}})
        await answer(status, body, headers={"X-Echo": f"Bearer {KEY}"})(peer, request)

    return step


@pytest.mark.parametrize("by", ["run", "wait", "error"])
async def test_why_a_job_failed_shows_neither(by: str) -> None:
    async with Wire(answer_failed()) as wire, AsyncLuma(KEY, base_url=wire.url, clock=FakeClock()) as client:
        view = client.with_options(extra_headers={"X-Auth-Token": "sk-other-0123456789"})
        error: Any
        if by == "error":
            job = await view.generations.submit(prompt="a heron")
            error = job.error
            assert job.generation is not None
            assert job.generation.failure_reason == REASON, "who asks for it is told what the server said"
        else:
            call = view.generations.run(prompt="a heron") if by == "run" else view.generations.job("gen-1").wait()
            with pytest.raises(GenerationFailedError) as caught:
                await call
            error = caught.value
    assert not places(error, SIGNATURE, KEY, "sk-other")
    shown = "could not read https://media.example/a.png?*** sent with Bearer luma-api-*** and ***"
    assert error.reason == error.generation.failure_reason == shown
    assert shown in str(error)
    assert (error.generation.id, error.generation.raw["failure_code"]) == ("gen-1", "corrupt_input")


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_why_a_job_failed_is_in_no_file_of_a_batch_with_either(tmp_path: Path) -> None:
    async with Wire(answer_failed()) as wire, AsyncLuma(KEY, base_url=wire.url, clock=FakeClock()) as client:
        batch = run_batch(client, [{"id": "a", "prompt": "a heron"}], to=tmp_path)
        (row,) = [row async for row in batch]
        await batch.report()
    assert "could not read https://media.example/a.png?***" in row.problem
    files = written(tmp_path)
    assert b"could not read" in files["journal.sqlite"] + files.get("journal.sqlite-wal", b"")
    assert b"could not read" in files["report.html"]
    assert not [name for name, data in files.items() if SIGNATURE.encode() in data or KEY.encode() in data]


async def test_why_a_file_failed_shows_neither() -> None:
    async with Wire() as wire:
        failed = {**FILE, "state": "failed", "failure_reason": REASON}
        wire.steps = (answer(201, recorded(presigned(wire))), answer(200, b""), answer(200, failed))
        async with AsyncLuma(KEY, base_url=wire.url, clock=FakeClock()) as client:
            with pytest.raises(UploadError, match="could not read") as caught:
                await client.files.upload(PNG)
    assert not places(caught.value, SIGNATURE, KEY)


# Media, whose URLs are credentials.


def presigned(wire: Wire, path: str = "/a.png") -> str:
    return f"{wire.url}{path}?{QUERY}"


async def completed(wire: Wire, client: AsyncLuma) -> Any:
    return await client.generations.get("gen-1")


def generation(wire: Wire) -> dict[str, Any]:
    return {
        "id": "gen-1",
        "type": "image",
        "model": "uni-1",
        "state": "completed",
        "created_at": "2026-04-08T12:00:00Z",
        "output": [{"type": "image", "url": presigned(wire)}],
    }


FILE = {
    "id": "file-1",
    "state": "pending",
    "purpose": "input",
    "mime_type": "image/png",
    "size_bytes": len(PNG),
    "user_id": None,
    "filename": None,
    "failure_reason": None,
    "created_at": "2026-04-08T12:00:00Z",
    "updated_at": "2026-04-08T12:00:00Z",
}
MEDIA: dict[str, Step] = {
    "403": answer(403, b"<html>", content_type="text/html"),
    "404": answer(404, b""),
    "500": answer(500, b""),
    "a redirect to nowhere": answer(302, headers={"Location": f"http://a..b/?{QUERY}"}),
    "a redirect to a bad port": answer(302, headers={"Location": f"http://a.example:99999/?{QUERY}"}),
    "half": truncated(PNG[:100], promised=2_008),
    "closed": hang_up,
    "no HTTP": raw(b"SSH-2.0\r\n\r\n", close=True),
    "no picture": answer(200, b"hello", content_type="image/png"),
}


@pytest.mark.parametrize("name", MEDIA)
async def test_no_error_of_a_download_shows_a_presigned_query(name: str, tmp_path: Path) -> None:
    async with Wire() as wire:
        wire.steps = (answer(200, generation(wire)), MEDIA[name])
        async with AsyncLuma(KEY, base_url=wire.url, clock=FakeClock(), max_retries=1) as client:
            done = await completed(wire, client)
            with pytest.raises((DownloadError, APIError)) as caught:
                await client.download(done, tmp_path)
    assert not places(caught.value, SIGNATURE, KEY)


async def test_a_download_that_is_cancelled_shows_none(tmp_path: Path) -> None:
    async with Wire() as wire:
        wire.steps = (answer(200, generation(wire)), stall)
        async with AsyncLuma(KEY, base_url=wire.url) as client:
            done = await completed(wire, client)
            task = asyncio.create_task(client.download(done, tmp_path))
            await wire.arrived(2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
    assert not places(caught.value, SIGNATURE, KEY)


def recorded(url: str, headers: Any = None) -> dict[str, Any]:
    upload: Any = {"url": url, "method": "PUT", "headers": headers or {}, "expires_at": "2026-04-08T13:00:00Z"}
    return {"id": "file-1", "state": "pending", "file": FILE, "upload": upload}


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (f"http://a..b/?{QUERY}", None),
        (f"http://{'a' * 64}/?{QUERY}", None),
        (f"http://xn--a/?{QUERY}", None),
        (f"http://a.example:99999/?{QUERY}", None),
        (f"http://a.example/\r\nX-Evil: 1?{QUERY}", None),
        (f"s3://bucket/a?{QUERY}", None),
        ("", None),
        (None, {"x-amz-meta": f"a\r\nX-Evil: {SIGNATURE}"}),
        (None, {"x amz": "a"}),
        (None, {"": "a"}),
    ],
)
async def test_an_upload_to_what_is_no_place_is_an_upload_error(url: str | None, headers: Any) -> None:
    async with Wire() as wire:
        wire.steps = (answer(201, recorded(presigned(wire) if url is None else url, headers)),)
        async with AsyncLuma(KEY, base_url=wire.url, max_retries=0) as client:
            with pytest.raises(UploadError) as caught:
                await client.files.upload(PNG)
    assert len(wire.requests) == 1, "nothing went anywhere"
    assert not places(caught.value, SIGNATURE, KEY)


async def test_headers_that_say_how_the_body_is_sent_are_ours() -> None:
    async with Wire() as wire:
        named = {"content-length": "5", "Transfer-Encoding": "chunked", "x-amz-meta": "a"}
        ready = {**FILE, "state": "ready"}
        wire.steps = (answer(201, recorded(presigned(wire), named)), answer(200, b""), answer(200, ready))
        async with AsyncLuma(KEY, base_url=wire.url) as client:
            await client.files.upload(PNG)
    put = wire.requests[1]
    assert put.headers.getall("Content-Length") == [str(len(PNG))]
    assert put.headers["x-amz-meta"] == "a"
    assert "Transfer-Encoding" not in put.headers


@pytest.mark.parametrize("name", ["cancelled", "403", "closed", "a stream that fails"])
async def test_no_error_of_an_upload_shows_a_presigned_query(name: str) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield PNG[:1_000]
        raise RuntimeError("the disk is gone")

    steps = {"cancelled": stall, "403": answer(403), "closed": hang_up, "a stream that fails": stall}
    async with Wire() as wire:
        wire.steps = (answer(201, recorded(presigned(wire), {"x-amz-security-token": SIGNATURE})), steps[name])
        async with AsyncLuma(KEY, base_url=wire.url, max_retries=0) as client:
            source: Any = failing() if name == "a stream that fails" else PNG
            size = len(PNG) if name == "a stream that fails" else None
            task = asyncio.create_task(client.files.upload(source, size_bytes=size))
            if name == "cancelled":
                await wire.arrived(2)
                task.cancel()
            with pytest.raises(BaseException) as caught:
                await task
    kinds: dict[str, Any] = {"cancelled": asyncio.CancelledError, "a stream that fails": RuntimeError}
    assert isinstance(caught.value, kinds.get(name, (UploadError, APIError)))
    assert not places(caught.value, SIGNATURE, KEY)


async def test_a_stream_that_fails_says_where() -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield PNG[:1_000]
        raise RuntimeError("the disk is gone")

    async with Wire() as wire:
        wire.steps = (answer(201, recorded(presigned(wire))), stall)
        async with AsyncLuma(KEY, base_url=wire.url, max_retries=0) as client:
            with pytest.raises(RuntimeError) as caught:
                await client.files.upload(failing(), size_bytes=len(PNG))
    assert "in failing" in "".join(traceback.format_exception(caught.value))


# The rule by itself.


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://x.example/a?b=c", "https://x.example/a?***"),
        ('{"url": "https:\\/\\/x.example\\/a?b=c\\u0026d=e"}', '{"url": "https:\\/\\/x.example\\/a?***"}'),
        ('said {\\"url\\": \\"https://x.example/a?b=c\\"}', 'said {\\"url\\": \\"https://x.example/a?***\\"}'),
        ("see https://x.example/a?b=c, and HTTP://y/?z", "see https://x.example/a?*** and HTTP://y/?***"),
        ("what? nothing", "what? nothing"),
        ("https://x.example/a", "https://x.example/a"),
        (f"Bearer {KEY}.", "Bearer luma-api-***."),
    ],
)
def test_a_text_is_shown_without(text: str, shown: str) -> None:
    assert masking.mask_text(text, masking.texts_to_mask(Secret(KEY), {})) == shown


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES, st.lists(st.sampled_from([KEY, f"https://media.example/?{QUERY}", f"x{KEY}y"]), max_size=3))
def test_what_holds_nothing_is_the_same_and_what_does_shows_nothing(value: Any, bad: list[str]) -> None:
    secrets = masking.texts_to_mask(Secret(KEY), {})
    whole = [value, dict.fromkeys(bad, value), bad, {"upload": {"url": "", "headers": dict.fromkeys(bad, "x")}}]
    found = masking.mask_value(whole, secrets)
    if "http" not in json.dumps(value).lower():
        assert found[0] == value
    assert len(found[1]) == len(set(bad)), "no member is lost"
    assert not [secret for secret in (KEY, SIGNATURE) if secret in json.dumps(found)]


def test_what_is_deep_is_masked_as_well() -> None:
    deep: Any = [KEY]
    for _ in range(20_000):
        deep = [deep]
    found = masking.mask_value(deep, masking.texts_to_mask(Secret(KEY), {}))
    while isinstance(found[0], list):
        found = found[0]
    assert found == ["luma-api-***"]


def test_a_key_is_found_however_it_is_spelled() -> None:
    key = 'luma-api-"quoted"/and=slashed-0123'
    secrets = masking.texts_to_mask(Secret(key), {})
    for text in (
        key,
        json.dumps(key),
        json.dumps(key).replace("/", "\\/"),
        "luma-api-%22quoted%22%2Fand%3Dslashed-0123",
    ):
        assert "slashed" not in masking.mask_text(text, secrets)


def test_a_key_of_a_few_letters_spoils_no_text() -> None:
    assert masking.mask_text("the key x is unknown", masking.texts_to_mask(Secret("x"), {})) == "the key x is unknown"
