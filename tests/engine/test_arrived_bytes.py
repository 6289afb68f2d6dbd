"""What has arrived of a paid call's answer is read for the job in it, whatever ends the call."""

import asyncio
import gzip
import json
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trustme
from support.calls import KEY
from support.clock import in_virtual_time
from support.tls import served_by, trusting
from support.wire import Arrived, Peer, Step, Wire, answer, raw

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    ClientClosedError,
    GenerorAsyncError,
    OutcomeUnknownError,
)
from generor_async.engine.tracking import SeenJobs
from generor_async.testing import VirtualTimeLoop

JOB = "11111111-2222-4333-8444-555555555555"
GENERATION: dict[str, Any] = {
    "id": JOB,
    "type": "image",
    "state": "queued",
    "model": "uni-1",
    "created_at": "2026-04-08T12:00:00Z",
    "output": [],
    "failure_reason": None,
    "failure_code": None,
}
BODY = json.dumps(GENERATION).encode()
TAKE_UP = f"job {JOB} can be taken up again with generations.job({JOB!r})"

anyio_backend = in_virtual_time


def head(*fields: bytes, status: int = 201) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 %d Created" % status, b"Content-Type: application/json", *fields, b"", b""])


def whole(body: bytes = BODY, *fields: bytes) -> bytes:
    return head(b"Content-Length: %d" % len(body), *fields) + body


def chunks(body: bytes, *fields: bytes) -> bytes:
    """Return an answer of which the last chunk is missing."""
    return head(b"Transfer-Encoding: chunked", *fields) + b"%x\r\n%b\r\n" % (len(body), body)


def then_silence(data: bytes, told: asyncio.Event) -> Step:
    async def step(peer: Peer, arrived: Arrived) -> None:
        if arrived.method == "GET":
            await answer(404, {"detail": "Generation not found"})(peer, arrived)
            return
        start = data.index(b"\r\n\r\n") + 4
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        with loop.hold("the answer arrives"):  # else time may end the call while some of it is on its way
            await peer.send(data[:start])
            await peer.send(data[start:])
            await peer.delivered()
        told.set()
        await asyncio.Event().wait()

    return step


async def settled(told: asyncio.Event) -> None:
    """Wait until what was sent has been read."""
    await told.wait()
    for _ in range(20):
        await asyncio.sleep(0.001)


async def by_attempt_timeout(client: AsyncLuma, told: asyncio.Event) -> BaseException:
    with pytest.raises(OutcomeUnknownError) as caught:
        await client.with_options(attempt_timeout=0.5).generations.create(prompt="a heron")
    return caught.value


async def by_timeout(client: AsyncLuma, told: asyncio.Event) -> BaseException:
    with pytest.raises(OutcomeUnknownError) as caught:
        await client.with_options(timeout=0.5).generations.create(prompt="a heron")
    return caught.value


async def by_close(client: AsyncLuma, told: asyncio.Event) -> BaseException:
    call = asyncio.create_task(client.generations.create(prompt="a heron"))
    await settled(told)
    await client.close()
    with pytest.raises(OutcomeUnknownError) as caught:
        await call
    assert isinstance(caught.value.__cause__, ClientClosedError)
    return caught.value


async def by_cancel(client: AsyncLuma, told: asyncio.Event) -> BaseException:
    call = asyncio.create_task(client.generations.create(prompt="a heron"))
    await settled(told)
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    return caught.value


async def by_asyncio_timeout(client: AsyncLuma, told: asyncio.Event) -> BaseException:
    limit, cause = asyncio.timeout(None), None
    expiring = asyncio.create_task(_expire(limit, told))
    try:
        async with limit:
            await client.generations.create(prompt="a heron")
    except TimeoutError as error:
        cause = error.__cause__
    await expiring
    assert isinstance(cause, asyncio.CancelledError)
    return cause


async def _expire(limit: asyncio.Timeout, told: asyncio.Event) -> None:
    await settled(told)
    limit.reschedule(asyncio.get_running_loop().time())


def found_in(error: BaseException) -> GenerorAsyncError:
    """Return what names the job: the error, or what a cancellation came from, whose note says the same."""
    if not isinstance(error, asyncio.CancelledError):
        assert isinstance(error, OutcomeUnknownError)
        return error
    (note,) = error.__notes__
    assert TAKE_UP in note
    cause = error.__cause__
    assert isinstance(cause, OutcomeUnknownError)
    assert cause.__traceback__ is None
    return cause


ENDS: list[Callable[[AsyncLuma, asyncio.Event], Coroutine[Any, Any, BaseException]]] = [
    by_attempt_timeout,
    by_timeout,
    by_close,
    by_cancel,
    by_asyncio_timeout,
]
UNFINISHED = {
    "the last chunk is missing": chunks(BODY),
    "the last chunk is missing, compressed": chunks(gzip.compress(BODY), b"Content-Encoding: gzip"),
    "more is promised": head(b"Content-Length: 9999") + BODY,
    "in the middle of it": head(b"Content-Length: 999") + BODY[: BODY.index(b"state")],
    "in the middle of it, named by its Location": head(
        b"Content-Length: 999", b"Location: https://api.invalid/v1/generations/%b" % JOB.encode()
    )
    + b'{"type": "im',
    "after much": head(b"Content-Length: 999999") + b'{"pad": "%b", %b' % (b"x" * 700_000, BODY[1:]),
    "after more than is kept": head(b"Content-Length: 99999999")
    + b'{"pad": "%b", %b' % (b"x" * 9_000_000, BODY[1:].removesuffix(b"}")),
}


@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED)
@pytest.mark.parametrize("end", ENDS)
async def test_a_job_whose_id_has_arrived_is_named_whatever_ends_the_call(
    end: Callable[[AsyncLuma, asyncio.Event], Coroutine[Any, Any, BaseException]], data: bytes
) -> None:
    told = asyncio.Event()
    async with Wire(then_silence(data, told)) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        error = found_in(await end(client, told))
        assert isinstance(error, OutcomeUnknownError)
        assert (error.job_id, error.ids) == (JOB, (JOB,))
        assert error.body.startswith('{"')
        assert TAKE_UP in str(error).replace("Job", "job")
        assert "may be charged twice" not in str(error)
        assert JOB in SeenJobs(wire.url)
    assert [came.method for came in wire.requests] == ["POST"]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_what_arrived_of_an_earlier_answer_on_the_connection_is_not_taken_for_this_ones(tls: bool) -> None:
    authority = trustme.CA()
    served, trusted = (served_by(authority), trusting(authority)) if tls else (None, None)
    told = asyncio.Event()
    other = BODY.replace(b"11111111", b"99999999")
    async with (
        Wire(raw(whole(other)), then_silence(chunks(BODY), told), tls=served) as wire,
        AsyncLuma(KEY, base_url=wire.url, ssl=trusted) as client,
    ):
        assert (await client.generations.create(prompt="a heron")).id != JOB
        error = found_in(await by_cancel(client, told))
    assert error.job_id == JOB
    assert [came.connection for came in wire.requests] == [1, 1]


@pytest.mark.parametrize("encoding", [None, "gzip"])
async def test_an_answer_that_came_whole_in_the_turn_of_the_cancellation_is_read(encoding: str | None) -> None:
    """It has been read from the socket, and nobody has been told of it yet."""
    loop = asyncio.get_running_loop()
    data = whole() if encoding is None else whole(gzip.compress(BODY), b"Content-Encoding: gzip")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with AsyncLuma(KEY, base_url=f"http://127.0.0.1:{listening.getsockname()[1]}") as client:
            call = asyncio.create_task(client.generations.create(prompt="a heron"))
            peer, _ = await asyncio.to_thread(listening.accept)
            with peer:
                await asyncio.to_thread(_read_request, peer)
                peer.sendall(data)
                # The next turn reads it, and wakes the call for the one after: the cancellation comes right before.
                loop.call_soon(lambda: loop.call_soon(call.cancel))
                with pytest.raises(asyncio.CancelledError) as caught:
                    await call
    assert found_in(caught.value).job_id == JOB


def _read_request(peer: socket.socket) -> None:
    came = b""
    while not came.endswith(b"}"):
        came += peer.recv(65_536)


REFUSED_BY_ITS_HEAD = {
    "Content-Length twice": whole(BODY, b"Content-Length: %d" % len(BODY)),
    "plain, and said to be br": whole(BODY, b"Content-Encoding: br"),
    "plain, and said to be zstd": whole(BODY, b"Content-Encoding: zstd"),
    "a field without a colon": whole(BODY, b"Nothing"),
    "a field of 70,000 bytes": whole(BODY, b"X-A: " + b"a" * 70_000),
    "600 fields": whole(BODY, *[b"X-%d: a" % number for number in range(600)]),
}
"""At once by aiohttp, which closes the connection: what comes later is lost."""
UNREADABLE = {
    "a chunk, and no size after it": chunks(BODY) + b"ZZ\r\n\r\n",
    "a wrong checksum": whole(gzip.compress(BODY)[:-8] + b"12345678", b"Content-Encoding: gzip"),
    "plain, and said to be gzip": whole(BODY, b"Content-Encoding: gzip"),
    "an id after the first 64 KB": head(b"Content-Length: 99999") + b'{"x": "%b", %b' % (b"a" * 70_000, BODY[1:]),
    "nothing but a Location": whole(b"", b"Location: /v1/generations/%b" % JOB.encode()),
    "JSON of nothing, and a Location": whole(
        b"{}", b"Location: https://api.invalid/generations/%b/?a=b" % JOB.encode()
    ),
    "an id by its longer name": whole(BODY.replace(b'"id"', b'"generation_id"')),
    "an id in capitals": whole(BODY.replace(b'"id"', b'"ID"')),
}


@pytest.mark.parametrize(
    ("data", "in_one_piece"),
    [
        *[pytest.param(data, True, id=name) for name, data in {**REFUSED_BY_ITS_HEAD, **UNREADABLE}.items()],
        *[pytest.param(data, False, id=f"{name}, head first") for name, data in UNREADABLE.items()],
    ],
)
async def test_a_success_that_can_not_be_read_names_the_job_in_it(data: bytes, in_one_piece: bool) -> None:
    async def step(peer: Peer, _: Arrived) -> None:
        start = 0 if in_one_piece else data.index(b"\r\n\r\n") + 4
        await peer.send(data[:start])
        await asyncio.sleep(0.01)
        await peer.send(data[start:])
        peer.writer.close()

    # A chunk that is none wakes nobody, once aiohttp has handed out the head: time ends it.
    async with Wire(step) as wire, AsyncLuma(KEY, base_url=wire.url, attempt_timeout=1.0) as client:
        with pytest.raises(GenerorAsyncError) as caught:
            await client.generations.create(prompt="a heron")
    assert caught.value.job_id == JOB
    assert len(wire.requests) == 1


async def test_what_is_compressed_by_an_older_name_is_read() -> None:
    sent = whole(gzip.compress(BODY), b"Content-Encoding: x-gzip")
    async with Wire(raw(sent)) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        assert (await client.generations.create(prompt="a heron")).id == JOB


@pytest.mark.parametrize(
    "fields",
    [[b"Set-Cookie: a=" + b"b" * 60_000], [b"X-%d: a" % number for number in range(400)]],
    ids=["long", "many"],
)
async def test_an_answer_behind_a_gateway_of_many_words_is_read(fields: list[bytes]) -> None:
    async with Wire(raw(whole(BODY, *fields))) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        assert (await client.generations.create(prompt="a heron")).id == JOB


async def test_ids_in_an_error_of_the_server_are_not_taken_for_a_job() -> None:
    broken_off = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n" + BODY
    async with Wire(raw(broken_off, close=True)) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.generations.create(prompt="a heron")
    assert (caught.value.job_id, caught.value.ids, caught.value.body) == (None, (), None)


async def test_a_creation_whose_number_has_arrived_is_named() -> None:
    told = asyncio.Event()
    body = b'{"success": true, "data": {"creations": [{"creation_id": 6147, "generator_data": {}}]'
    async with Wire(then_silence(chunks(body), told)) as wire, AsyncGeneror(KEY, base_url=wire.url) as client:
        call = asyncio.create_task(client.generators.generate(slug="joke", prompt="a heron", model_id=37))
        await settled(told)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
    assert "creation 6147 can be waited for with creations.wait(6147)" in caught.value.__notes__[0]
    assert isinstance(caught.value.__cause__, OutcomeUnknownError)
    assert caught.value.__cause__.creation_id == 6147


async def test_a_creation_that_nothing_but_a_location_names_is_named() -> None:
    data = whole(b"", b"Location: /api/v1/creations/6147")
    async with Wire(raw(data)) as wire, AsyncGeneror(KEY, base_url=wire.url) as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.generators.generate(slug="joke", prompt="a heron", model_id=37)
    assert caught.value.creation_id == 6147


async def test_a_read_that_is_cut_off_keeps_nothing() -> None:
    told = asyncio.Event()

    async def step(peer: Peer, _: Arrived) -> None:
        await peer.send(chunks(BODY))
        told.set()
        await asyncio.Event().wait()

    async with Wire(step) as wire, AsyncLuma(KEY, base_url=wire.url) as client:
        call = asyncio.create_task(client.generations.get(JOB))
        await settled(told)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await call
    assert caught.value.__notes__[0].endswith("was cancelled; it changes nothing")
    assert caught.value.__cause__ is None
