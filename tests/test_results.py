"""Results where people want them: in memory, in a writer, and passed on by a web application; on the simulator."""

import asyncio
import gzip
import io
import json
import zipfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import NamedTemporaryFile, SpooledTemporaryFile
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import web
from support.wire import Wire, answer, truncated

from generor_async import (
    AsyncGeneror,
    AsyncLuma,
    AttemptStarted,
    CallEnded,
    CallStarted,
    ClientClosedError,
    DownloadError,
    Event,
    Generor,
    InvalidRequestError,
    Luma,
    OutputStream,
    Storage,
)
from generor_async.api.luma.models import Generation, Output

JOB = "d290f1ee-6c54-4b01-90e6-d701748f0851"
KEY = "luma-api-00000000000000000000000000000000"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(1_000)


def seen(*urls: str, kind: str = "image") -> Any:
    """Answer with a completed generation of these outputs."""
    outputs = [{"type": kind, "url": url} for url in urls]
    known = {"id": JOB, "type": "image", "state": "completed", "model": "uni-1", "created_at": "2026-04-08T12:00:00Z"}
    return answer(200, json.dumps({**known, "output": outputs}).encode())


async def test_the_outputs_of_a_generation_are_read_streamed_and_saved_alike(luma: AsyncLuma, tmp_path: Path) -> None:
    job = await luma.generations.submit(prompt="a heron")
    generation = await job
    (path,) = await luma.download(generation, tmp_path)
    whole = path.read_bytes()
    for result in (generation, job, generation.output[0]):
        assert await luma.read(result) == [whole]
        async with luma.stream(result) as stream:
            assert (stream.length, stream.content_type) == (len(whole), "image/png")
            assert b"".join([chunk async for chunk in stream]) == whole
        kept = io.BytesIO()
        assert await luma.save(result, kept) == len(whole)
        assert kept.getvalue() == whole
    (again,) = await luma.download(generation.output[0], tmp_path / "again")
    assert (again.name, again.read_bytes()) == (path.name, whole)


async def test_a_closed_client_begins_nothing_with_a_result(luma: AsyncLuma, tmp_path: Path) -> None:
    generation = await luma.generations.run(prompt="a heron")
    async with luma:
        pass
    begun: list[Callable[[], Awaitable[object]]] = [
        lambda: luma.read(generation),
        lambda: luma.save(generation, io.BytesIO()),
        lambda: luma.download(generation, tmp_path),
        lambda: luma.stream(generation).__aenter__(),
    ]
    for begin in begun:
        with pytest.raises(ClientClosedError):  # and no coroutine is left that nobody awaits: warnings are errors
            await begin()


async def test_the_media_and_the_text_of_a_creation_are_read_as_they_are_downloaded(
    generor: AsyncGeneror, tmp_path: Path
) -> None:
    for slug, model_id in (("image", 10003), ("joke", 37)):
        result = await generor.generators.generate(slug, model_id=model_id, prompt="a heron", count=2)
        paths = await generor.download(result, tmp_path)
        assert await generor.read(result) == [path.read_bytes() for path in paths]
        for index, path in enumerate(paths):
            async with generor.stream(result, index=index) as stream:
                assert stream.content_type == ("image/webp" if slug == "image" else "text/plain")
                assert b"".join([chunk async for chunk in stream]) == path.read_bytes()
        kept = io.BytesIO()
        assert await generor.save(result.creations[0], kept) == len(paths[0].read_bytes())
        with pytest.raises(InvalidRequestError, match="has 2 outputs, and one is needed"):
            await generor.save(result, kept)
        with pytest.raises(InvalidRequestError, match="one file"):
            await generor.download(result, tmp_path / "one.png")


def test_blocking_clients_do_the_same(luma_sync: Luma, generor_sync: Generor, tmp_path: Path) -> None:
    job = luma_sync.generations.submit(prompt="a heron")
    job.wait()
    (whole,) = luma_sync.read(job)
    with luma_sync.stream(job, range="bytes=0-99") as stream:
        assert (stream.status, stream.length) == (206, 100)
        assert b"".join(stream) == whole[:100]
    assert b"".join(luma_sync.stream(job)) == whole
    for _ in luma_sync.stream(job):
        break
    with (tmp_path / "heron.png").open("wb") as file:
        assert luma_sync.save(job, file) == len(whole)
    assert (tmp_path / "heron.png").read_bytes() == whole
    result = generor_sync.generators.generate("joke", model_id=37, prompt="a heron")
    (text,) = generor_sync.read(result)
    assert text.decode() == result.creations[0].text
    with generor_sync.stream(result) as stream:
        assert stream.headers["Content-Length"] == str(len(text))
        assert list(stream) == [text]


def test_a_blocking_stream_may_end_after_its_client(luma_sync: Luma) -> None:
    generation = luma_sync.generations.run(prompt="a heron")
    with luma_sync.stream(generation) as stream:
        assert stream.length
        luma_sync.close()
    stream.close()


async def test_an_output_alone_finds_its_fresh_url() -> None:
    async with Wire(answer(403), answer(200, PNG, content_type="image/png")) as host:
        old, new = (seen(f"{host.url}/x", f"{host.url}/{name}") for name in ("old", "new"))
        async with Wire(old, new) as wire, AsyncLuma(KEY, base_url=wire.url) as luma:
            generation = await luma.generations.get(JOB)
            assert await luma.read(generation.output[1]) == [PNG]
    assert [request.target for request in host.requests] == ["/old", "/new"]


async def test_an_output_that_was_written_down_is_read_while_its_url_holds() -> None:
    async with Wire(answer(200, PNG, content_type="image/png"), answer(403)) as host:
        output = Output.from_dict({"type": "image", "url": f"{host.url}/a?X-Amz-Signature=hush"})
        async with AsyncLuma(KEY, base_url=host.url) as luma:
            assert await luma.read(output) == [PNG]
            with pytest.raises(DownloadError, match="may have expired") as caught:
                await luma.read(output)
    assert "hush" not in str(caught.value)
    assert caught.value.job_id is None


async def test_errors_name_the_job_also_in_the_middle_of_a_stream() -> None:
    async with Wire(answer(404), truncated(bytes(100), promised=200)) as host:
        step = seen(f"{host.url}/a", kind="binary")
        async with Wire(step) as wire, AsyncLuma(KEY, base_url=wire.url, max_retries=0) as luma:
            generation = await luma.generations.get(JOB)
            for work in (luma.read(generation), _drained(luma.stream(generation))):
                with pytest.raises(DownloadError) as caught:
                    await work
                assert caught.value.job_id == JOB


async def _drained(stream: OutputStream) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def test_what_is_no_result_is_refused(luma: AsyncLuma) -> None:
    wrong: Any = {"id": JOB}
    for work in (luma.read(wrong), luma.save(wrong, io.BytesIO()), luma.stream(wrong).open()):
        with pytest.raises(InvalidRequestError, match="a Generation, an Output or a Job"):
            await work
    generation = Generation.from_dict({"id": JOB, "state": "queued"})
    with pytest.raises(DownloadError, match="its state is queued"):
        await luma.stream(generation)
    for bad in ({"index": -1}, {"index": True}, {"max_bytes": 0}, {"range": 5}):
        options: Any = bad
        with pytest.raises(InvalidRequestError):
            luma.stream(generation, **options)


async def test_transfers_are_calls_with_events_of_their_own(luma: AsyncLuma, tmp_path: Path) -> None:
    generation = await luma.generations.run(prompt="a heron")
    events = list[Event]()
    luma.events.subscribe(events.append)
    await luma.download(generation, tmp_path)
    await luma.read(generation)
    await luma.save(generation.output[0], io.BytesIO())
    async for _ in luma.stream(generation):
        break
    await Storage("memory://", luma).save(generation)
    started = [event for event in events if isinstance(event, CallStarted)]
    ended = [event for event in events if isinstance(event, CallEnded)]
    names = [f"luma.{name}" for name in ("download", "read", "save", "stream", "store")]
    assert [each.operation for each in started] == names
    assert [(each.operation, each.job_id) for each in ended] == [(name, generation.id) for name in names]
    assert [each.call_id for each in ended] == [each.call_id for each in started]
    assert {(each.method, each.path, each.billable, each.job_id) for each in started} == {
        (None, None, False, generation.id)
    }
    assert all(each.attempts == 1 for each in ended)
    assert {each.outcome for each in ended if each.operation != "luma.stream"} == {"done"}


async def test_a_transfer_counts_its_requests_and_has_the_refresh_as_a_part() -> None:
    async with Wire(answer(403), answer(200, PNG, content_type="image/png"), answer(404)) as host:
        steps = (seen(f"{host.url}/old"), seen(f"{host.url}/new"))
        async with Wire(*steps) as wire, AsyncLuma(KEY, base_url=wire.url) as luma:
            generation = await luma.generations.get(JOB)
            events = list[Event]()
            luma.events.subscribe(events.append)
            assert await luma.read(generation) == [PNG]
            with pytest.raises(DownloadError):
                await luma.read(generation.output[0])
    (read, failed) = [event for event in events if isinstance(event, CallEnded)]
    assert (read.attempts, read.outcome, read.status, read.error) == (3, "done", 200, None)
    assert (failed.attempts, failed.outcome, failed.status, failed.error) == (1, "refused", 404, "DownloadError")
    assert {event.call_id for event in events if isinstance(event, AttemptStarted)} == {read.call_id}
    assert "/old" not in repr(events)


# Writers.


class Collecting:
    """An object with write, of which somebody else knows the type."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


class Hesitant(Collecting):
    """An object whose write is async, and takes a few bytes at a time."""

    async def write(self, data: bytes) -> int:  # type: ignore[override]
        await asyncio.sleep(0)
        self.data += data[:100]
        return min(100, len(data))


async def test_files_and_objects_of_every_kind_are_written_to(luma: AsyncLuma, tmp_path: Path) -> None:
    generation = await luma.generations.run(prompt="a heron")
    (whole,) = await luma.read(generation)
    for buffering in (-1, 0):
        with (tmp_path / "a").open("wb", buffering=buffering) as file:
            assert await luma.save(generation, file) == len(whole)
        assert (tmp_path / "a").read_bytes() == whole
    async with await anyio.open_file(tmp_path / "b", "wb") as opened:
        assert await luma.save(generation, opened) == len(whole)
    assert (tmp_path / "b").read_bytes() == whole
    for writer in (Collecting(), Hesitant()):
        assert await luma.save(generation, writer) == len(whole)
        assert writer.data == whole
    with gzip.open(tmp_path / "c.gz", "wb") as file:
        assert await luma.save(generation, file) == len(whole)
    assert gzip.decompress((tmp_path / "c.gz").read_bytes()) == whole
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive, archive.open("heron.png", "w") as member:
        assert await luma.save(generation, member) == len(whole)
    with zipfile.ZipFile(tmp_path / "d.zip") as archive:
        assert archive.read("heron.png") == whole
    with NamedTemporaryFile() as temporary, SpooledTemporaryFile(1_000) as spooled:
        for each in (temporary, spooled):
            assert await luma.save(generation, each) == len(whole)
            each.seek(0)
            assert each.read() == whole


async def test_a_writer_that_cannot_be_written_to_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    closed = io.BytesIO()
    closed.close()
    async with Wire() as wire, AsyncLuma(KEY, base_url=wire.url) as luma:
        output = Output.from_dict({"type": "image", "url": f"{wire.url}/a"})
        with path.open("w") as text, path.open("rb") as unwritable, NamedTemporaryFile("w") as temporary:
            async with await anyio.open_file(path, "w") as opened:
                wrong: list[Any] = [text, unwritable, temporary, opened, closed, io.StringIO(), path, None]
                for each in wrong:
                    with pytest.raises(InvalidRequestError, match="writer"):
                        await luma.save(output, each)
    assert not wire.requests


async def test_what_a_writer_raises_is_raised(luma: AsyncLuma) -> None:
    class Full(Collecting):
        def write(self, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    generation = await luma.generations.run(prompt="a heron")
    with pytest.raises(OSError, match="No space left"):
        await luma.save(generation, Full())


# A handler that passes an output on.


async def _serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> tuple[web.AppRunner, str]:
    application = web.Application()
    application.router.add_get("/", handler)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/"


async def test_a_handler_passes_an_output_and_its_ranges_on_to_a_browser(luma: AsyncLuma) -> None:
    generation = await luma.generations.run(prompt="a heron")
    (whole,) = await luma.read(generation)

    async def handler(request: web.Request) -> web.StreamResponse:
        asked, condition = request.headers.get("Range"), request.headers.get("If-Range")
        async with luma.stream(generation.output[0], range=asked, if_range=condition) as stream:
            response = web.StreamResponse(status=stream.status, headers=stream.headers)
            await response.prepare(request)
            async for chunk in stream:
                await response.write(chunk)
            return response

    runner, url = await _serving(handler)
    try:
        async with aiohttp.ClientSession() as browser:
            async with browser.get(url) as answered:
                assert (answered.status, answered.content_type) == (200, "image/png")
                assert await answered.read() == whole
                etag = answered.headers["ETag"]
            for asked, status, part in (
                ("bytes=0-99", 206, whole[:100]),
                ("bytes=-10", 206, whole[-10:]),
                (f"bytes={len(whole)}-", 416, b""),
            ):
                async with browser.get(url, headers={"Range": asked, "If-Range": etag}) as answered:
                    assert (answered.status, await answered.read()) == (status, part)
    finally:
        await runner.cleanup()


async def test_a_browser_that_leaves_ends_the_transfer() -> None:
    gone = asyncio.Event()

    async def endless(peer: Any, _: Any) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n....ftypisom")
        try:
            while True:
                await peer.send(bytes(65_536))
        except OSError:
            gone.set()

    async with Wire(endless) as host, AsyncLuma(KEY, base_url=host.url) as luma:
        output = Output.from_dict({"type": "video", "url": f"{host.url}/a"})

        async def handler(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            async for chunk in luma.stream(output):
                await response.write(chunk)
            return response

        runner, url = await _serving(handler)
        async with aiohttp.ClientSession() as browser, browser.get(url) as answered:
            await answered.content.readany()
            answered.close()
        await gone.wait()
        await runner.cleanup()
