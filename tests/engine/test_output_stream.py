"""Streams of outputs: what a handler needs to pass one on, no more in memory than a little, and a clean end."""

import asyncio
import gc
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from support.clock import FakeClock, in_virtual_time
from support.leaks import leaks
from support.wire import Arrived, Peer, Step, Wire, answer, closed_port, hang_up, stall

from generor_async.engine.downloads import Downloads
from generor_async.engine.events import EventStream
from generor_async.engine.lifetime import Lifetime
from generor_async.engine.options import Options
from generor_async.engine.output_stream import WINDOW, OutputStream, chosen, headers_of_consumer
from generor_async.engine.plain_http import HostPolicy, PlainHttp
from generor_async.engine.transfer import Output
from generor_async.errors import ClientClosedError, DeadlineExceededError, DownloadError, InvalidRequestError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
VIDEO = b"....ftypisom" + bytes(range(256)) * 8_000
SIGNED = "X-Amz-Signature=hush-hush"

anyio_backend = in_virtual_time


def bucket(body: bytes = PNG, *, etag: str | None = '"v1"', media_type: str = "image/png", cuts: int = 0) -> Step:
    """Serve a file, or one range of it, as a bucket does; the first `cuts` answers break off after 300 bytes."""
    answers = 0

    async def step(peer: Peer, request: Arrived) -> None:
        nonlocal answers
        answers += 1
        wanted, _ = headers_of_consumer(request.headers.get("Range"), None)
        if request.headers.get("If-Range", etag) != etag:
            wanted = None
        bounds = (0, len(body)) if wanted is None else wanted.bounds(len(body))
        head = {"Content-Type": media_type} | ({} if etag is None else {"ETag": etag})
        if bounds is None:
            status, sent = 416, b""
            head["Content-Range"] = f"bytes */{len(body)}"
        else:
            status, sent = 200 if wanted is None else 206, body[slice(*bounds)]
            if wanted is not None:
                head["Content-Range"] = f"bytes {bounds[0]}-{bounds[1] - 1}/{len(body)}"
        head["Content-Length"] = str(len(sent))
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        await peer.send(f"HTTP/1.1 {status} OK\r\n{lines}\r\n".encode())
        await peer.send(sent[:300] if answers <= cuts else sent)
        if answers <= cuts:
            peer.writer.close()

    return step


class Streams:
    """Streams from a wire, and counts the connections that are in use."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.lifetime = Lifetime(FakeClock())
        self.http = PlainHttp(HostPolicy(schemes=frozenset({"http"}), max_connections=3))
        self.downloads = Downloads(web=self.http, clock=FakeClock(), events=EventStream(None))

    def open(
        self,
        *,
        range_: str | None = None,
        if_range: str | None = None,
        refresh: Callable[[], Awaitable[str]] | None = None,
        url: str | None = None,
        kind: str = "",
        text: str | None = None,
        timeout: float | None = None,
        max_bytes: int = 10_000_000,
    ) -> OutputStream:
        output = Output(name="gen-1-0", url=url or f"{self.wire.url}/a?{SIGNED}", kind=kind, text=text, refresh=refresh)
        wanted, condition = headers_of_consumer(range_, if_range)
        start = partial(
            self.downloads.stream,
            output,
            self.lifetime,
            options=Options(max_retries=2, timeout=timeout),
            wanted=wanted,
            if_range=condition,
            max_bytes=max_bytes,
        )
        return OutputStream(start)


@asynccontextmanager
async def streams(*steps: Step) -> AsyncGenerator[Streams]:
    async with Wire(*steps) as wire:
        made = Streams(wire)
        try:
            yield made
        finally:
            await made.http.close()
    assert not [task for task in asyncio.all_tasks() if "while_open" in repr(task.get_coro())], "no transfer is left"


async def whole(stream: OutputStream) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def test_a_stream_says_what_it_is_before_its_bytes_come() -> None:
    async with streams(bucket()) as made, made.open(kind="image") as stream:
        assert (stream.status, stream.length, stream.content_type) == (200, len(PNG), "image/png")
        assert stream.headers == {
            "Content-Type": "image/png",
            "Accept-Ranges": "bytes",
            "X-Content-Type-Options": "nosniff",
            "Content-Length": str(len(PNG)),
            "ETag": '"v1"',
        }
        assert await whole(stream) == PNG


async def test_an_iteration_alone_opens_and_closes_the_stream() -> None:
    async with streams(bucket()) as made:
        stream = made.open()
        assert repr(stream) == "OutputStream(not open)"
        with pytest.raises(RuntimeError, match="not open"):
            _ = stream.length
        assert await whole(stream) == PNG
        with pytest.raises(RuntimeError, match="read or closed already"):
            await whole(stream)


async def test_await_opens_a_stream_once() -> None:
    async with streams(bucket()) as made:
        stream = await made.open()
        assert await stream is stream
        assert repr(stream) == "OutputStream(200, image/png)"
        assert stream.length == len(PNG)
        await stream.close()
        await stream.close()
        assert len(made.wire.requests) == 1


@pytest.mark.parametrize(
    ("asked", "served", "span"),
    [
        ("bytes=0-1", slice(0, 2), f"bytes 0-1/{len(PNG)}"),
        ("bytes=100-", slice(100, None), f"bytes 100-{len(PNG) - 1}/{len(PNG)}"),
        ("bytes=100-199", slice(100, 200), f"bytes 100-199/{len(PNG)}"),
        ("bytes=-24", slice(-24, None), f"bytes {len(PNG) - 24}-{len(PNG) - 1}/{len(PNG)}"),
        ("bytes=1000-99999", slice(1_000, None), f"bytes 1000-{len(PNG) - 1}/{len(PNG)}"),
    ],
)
async def test_a_range_is_passed_on(asked: str, served: slice, span: str) -> None:
    async with streams(bucket()) as made, made.open(range_=asked, if_range='"v1"', kind="image") as stream:
        assert stream.status == 206
        assert stream.headers["Content-Range"] == span
        assert stream.content_type == "image/png"
        assert stream.length == len(PNG[served])
        assert await whole(stream) == PNG[served]
    assert made.wire.requests[0].headers["Range"] == asked
    assert made.wire.requests[0].headers["If-Range"] == '"v1"'


async def test_what_is_no_range_and_another_version_bring_the_whole_file() -> None:
    async with streams(bucket(), bucket(), bucket()) as made:
        for asked, condition in (("bytes=0-1,5-6", None), ("bytes=5-", '"old"'), ("bytes=5-", "\n")):
            async with made.open(range_=asked, if_range=condition) as stream:
                assert (stream.status, await whole(stream)) == (200, PNG)


async def test_a_range_beyond_the_end_is_told_as_such() -> None:
    async with streams(bucket()) as made, made.open(range_="bytes=5000-") as stream:
        assert (stream.status, stream.length) == (416, 0)
        assert stream.headers["Content-Range"] == f"bytes */{len(PNG)}"
        assert await whole(stream) == b""


async def test_a_text_is_streamed_without_a_host_and_in_ranges() -> None:
    async with streams() as made:
        async with made.open(text="h\u00e9ron") as stream:
            assert stream.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert await whole(stream) == "h\u00e9ron".encode()
        async with made.open(text="h\u00e9ron", range_="bytes=3-") as stream:
            assert (stream.status, await whole(stream)) == (206, b"ron")
        async with made.open(text="", range_="bytes=0-") as stream:
            assert stream.status == 416
        async with made.open(text="") as stream:
            assert (stream.length, await whole(stream)) == (0, b"")


async def test_a_transfer_that_breaks_off_is_resumed_behind_the_consumers_back() -> None:
    async with streams(bucket(cuts=1), bucket()) as made:
        assert await whole(made.open()) == PNG
    assert [request.headers.get("Range") for request in made.wire.requests] == [None, "bytes=300-"]


async def test_a_range_that_breaks_off_is_resumed_to_its_own_end() -> None:
    async with streams(bucket(cuts=1), bucket()) as made:
        assert await whole(made.open(range_="bytes=10-999")) == PNG[10:1_000]
    assert [request.headers.get("Range") for request in made.wire.requests] == ["bytes=10-999", "bytes=310-999"]


async def test_a_broken_transfer_without_an_etag_ends_in_an_error_and_never_in_a_short_file() -> None:
    async with streams(bucket(etag=None, cuts=1), bucket(etag=None)) as made:
        got = list[bytes]()
        with pytest.raises(DownloadError, match="can't send the rest") as caught:
            await _collect(made.open(), got)
    assert 0 < len(b"".join(got)) < len(PNG)
    assert PNG.startswith(b"".join(got))
    assert not leaks(caught.value, "hush-hush")


async def _collect(stream: OutputStream, into: list[bytes]) -> None:
    async for chunk in stream:
        into.append(chunk)  # noqa: PERF401 - a part is kept before an error


async def test_a_broken_transfer_of_which_nobody_has_anything_starts_again() -> None:
    async with streams(hang_up, bucket(etag=None)) as made:
        assert await whole(made.open()) == PNG


@pytest.mark.parametrize("other", [PNG, PNG + b"more"])
async def test_headers_that_were_told_hold_for_a_transfer_that_starts_again(other: bytes) -> None:
    async with streams(bucket(etag=None, cuts=1), bucket(other, etag=None)) as made, made.open() as stream:
        assert stream.length == len(PNG)
        delivery = stream._delivery  # pyright: ignore[reportPrivateUsage] # whether it has begun again
        assert delivery is not None
        while delivery.present.size <= 300 and not delivery._task.done():  # noqa: ASYNC110 # pyright: ignore[reportPrivateUsage] # nobody is told of it
            await asyncio.sleep(0.01)
        assert stream.headers["Content-Length"] == str(len(PNG))
        if other == PNG:
            assert await whole(stream) == PNG
        else:
            with pytest.raises(DownloadError, match="can't send the rest"):
                await whole(stream)


async def test_a_file_that_changes_meanwhile_is_not_mixed() -> None:
    async with streams(bucket(cuts=1), bucket(etag='"v2"')) as made:
        with pytest.raises(DownloadError, match="can't send the rest"):
            await whole(made.open())


async def test_an_expired_url_is_fetched_anew() -> None:
    async def refresh() -> str:
        return f"{made.wire.url}/fresh?{SIGNED}"

    async with streams(answer(403), bucket()) as made:
        assert await whole(made.open(refresh=refresh)) == PNG
    assert [request.target.partition("?")[0] for request in made.wire.requests] == ["/a", "/fresh"]


@pytest.mark.parametrize(
    ("step", "kind", "problem"),
    [
        (answer(404), "", "404"),
        (answer(200, b"<html>" + bytes(100), content_type="text/html"), "image", "text/html"),
        (answer(200, bytes(2_000), content_type="video/mp4"), "", "larger than 1,500 bytes"),
    ],
)
async def test_what_is_no_such_output_is_an_error_before_anything_is_passed_on(
    step: Step, kind: str, problem: str
) -> None:
    async with streams(step) as made:
        with pytest.raises(DownloadError, match=problem) as caught:
            await made.open(kind=kind, max_bytes=1_500)
    assert not leaks(caught.value, "hush-hush")


async def test_a_slow_consumer_holds_the_transfer_up() -> None:
    async with streams(bucket(VIDEO, media_type="video/mp4")) as made, made.open(kind="video") as stream:
        delivery = stream._delivery  # pyright: ignore[reportPrivateUsage] # how much is in memory
        assert delivery is not None
        got = 0
        async for chunk in stream:
            got += len(chunk)
            await asyncio.sleep(120)
            assert delivery._waiting < WINDOW + 2 * 1024**2  # pyright: ignore[reportPrivateUsage] # the same
    assert got == len(VIDEO)


@pytest.mark.parametrize("way", ["break", "error", "block", "cancel", "forget"])
async def test_whoever_leaves_a_stream_leaves_nothing_behind(way: str) -> None:
    async with streams(bucket(VIDEO), bucket()) as made:
        await leave(made, way)
        for _ in range(20):
            gc.collect()
            await asyncio.sleep(0.01)
        assert not made.lifetime._loops.get().active  # pyright: ignore[reportPrivateUsage] # calls under way
        assert await whole(made.open()) == PNG, "and the connection isn't in use"


async def leave(made: Streams, way: str) -> None:
    if way == "break":
        async for _ in made.open():
            break
    elif way == "error":
        with pytest.raises(ZeroDivisionError):
            await _fail_in_the_middle(made.open())
    elif way == "block":
        async with made.open():
            pass
    elif way == "cancel":
        task = asyncio.ensure_future(_read_slowly(made.open()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        await made.open()


async def _fail_in_the_middle(stream: OutputStream) -> None:
    async for _ in stream:
        raise ZeroDivisionError


async def _read_slowly(stream: OutputStream) -> None:
    async with stream:
        async for _ in stream:
            await asyncio.sleep(math.inf)


async def test_a_timeout_holds_until_the_first_bytes() -> None:
    async with streams(stall, bucket(VIDEO)) as made:
        with pytest.raises(DeadlineExceededError, match="opening the stream took longer than 5 s"):
            await made.open(timeout=5)
        async with made.open(timeout=5) as stream:
            async for _ in stream:
                await asyncio.sleep(3)


async def test_the_end_of_the_client_ends_a_stream() -> None:
    async with streams(bucket(VIDEO)) as made:
        async with made.open() as stream:
            chunks = aiter(stream)
            await anext(chunks)
            made.lifetime.enter()
            await made.lifetime.exit(made.http.close)
            with pytest.raises(ClientClosedError, match="a stream was cancelled"):
                await _rest(chunks)
        with pytest.raises(ClientClosedError):
            await made.open()


async def _rest(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_a_host_that_nobody_is_at_says_so() -> None:
    async with streams() as made:
        with pytest.raises(DownloadError):
            await made.open(url=f"http://127.0.0.1:{closed_port()}/a")


def test_one_output_is_chosen_of_several() -> None:
    one, two = Output(name="a"), Output(name="b")
    assert chosen([one], None, "output") is one
    assert chosen([one, two], 1, "output") is two
    for index in (None, 2):
        with pytest.raises(InvalidRequestError):
            chosen([one, two], index, "output")


def test_headers_of_other_types_are_refused() -> None:
    wrong: Any = b"bytes=0-"
    with pytest.raises(InvalidRequestError, match="range"):
        headers_of_consumer(wrong, None)
