"""Uploads: every byte once, to the host alone, from sources of every kind."""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from support.clock import FakeClock, in_virtual_time
from support.leaks import leaks
from support.wire import Arrived, Peer, Step, Wire, answer, hang_up, reset, stall

from generor_async import (
    APIConnectionError,
    AsyncLuma,
    DeadlineExceededError,
    Event,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    UploadError,
    UploadProgress,
)
from generor_async.engine import plain_http, upload_content

KEY = "luma-api-0123456789"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
SIGNED = "X-Amz-Signature=hush-hush"

anyio_backend = in_virtual_time


class Api:
    """As much of the Files API, and of its bucket, as an upload meets."""

    def __init__(self, *puts: Step, states: tuple[str, ...] = ("ready",)) -> None:
        self.bucket = Wire(*(puts or (answer(200, b""),)))
        self.wire = Wire(self._answer)
        self.states = list(states)
        self.created = 0
        self.extra: list[Step] = []
        """What is answered to looks before any state."""

    async def __aenter__(self) -> "Api":
        await self.bucket.__aenter__()
        await self.wire.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.__aexit__()
        await self.bucket.__aexit__()

    def client(self, **options: Any) -> AsyncLuma:
        options.setdefault("clock", FakeClock())
        return AsyncLuma(KEY, base_url=self.wire.url, **options)

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.target}" for request in self.wire.requests]

    def file(self, state: str) -> dict[str, Any]:
        return {
            "id": f"file-{self.created}",
            "created_at": "2026-04-08T12:00:00Z",
            "mime_type": "image/png",
            "purpose": "input",
            "size_bytes": 1,
            "state": state,
            "failure_reason": "It is no picture" if state == "failed" else None,
        }

    async def _answer(self, peer: Peer, request: Arrived) -> None:
        if request.method == "POST" and request.target == "/files":
            self.created += 1
            upload = {
                "url": f"{self.bucket.url}/{self.created}?{SIGNED}",
                "method": "PUT",
                "headers": {"Content-Type": "image/png"},
                "expires_at": "2026-04-08T13:00:00Z",
            }
            file = self.file("pending")
            step = answer(201, {"id": file["id"], "state": "pending", "file": file, "upload": upload})
        elif request.method == "DELETE":
            step = answer(204)
        elif request.method == "POST":
            step = answer(200, self.file("pending"))
        elif self.extra:
            step = self.extra.pop(0)
        else:
            step = answer(200, self.file(self.states.pop(0) if len(self.states) > 1 else self.states[0]))
        await step(peer, request)


def saved(folder: Path, data: bytes = PNG, name: str = "heron.png") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


async def streamed(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


# What goes.


async def test_a_file_is_recorded_put_completed_and_awaited(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Api(states=("pending", "pending", "ready")) as api, api.client(clock=clock) as luma:
        file = await luma.files.upload(saved(tmp_path), purpose="reference")
    assert (file.id, file.state) == ("file-1", "ready")
    assert api.calls == ["POST /files", "POST /files/file-1/complete", *["GET /files/file-1"] * 3]
    assert clock.slept == [2.0, 3.0, 5.0]
    (put,) = api.bucket.requests
    assert (put.method, put.body) == ("PUT", PNG)
    assert put.headers["Content-Length"] == str(len(PNG))
    assert put.headers["Content-Type"] == "image/png"
    assert api.wire.requests[0].body == (
        b'{"mime_type":"image/png","size_bytes":%d,"filename":"heron.png","purpose":"reference"}' % len(PNG)
    )


async def test_no_credentials_go_to_the_bucket(tmp_path: Path) -> None:
    async with Api() as api, api.client() as luma:
        await luma.files.upload(saved(tmp_path))
    (put,) = api.bucket.requests
    assert not {"Authorization", "Cookie", "X-Request-Id"} & set(put.headers)
    assert KEY.encode() not in put.head


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_bytes_are_uploaded_without_a_name(kind: Callable[[bytes], Any]) -> None:
    async with Api() as api, api.client() as luma:
        await luma.files.upload(kind(PNG))
    assert api.bucket.requests[0].body == PNG
    assert b"filename" not in api.wire.requests[0].body


@pytest.mark.parametrize("pieces", [[PNG], [PNG[:3], PNG[3:70], b"", PNG[70:]], [bytes([byte]) for byte in PNG[:200]]])
async def test_a_stream_is_uploaded_in_the_pieces_in_which_it_comes(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    async with Api() as api, api.client() as luma:
        await luma.files.upload(streamed(*pieces), size_bytes=len(whole))
    assert api.bucket.requests[0].body == whole


async def test_a_large_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    path = saved(tmp_path, PNG[:8])
    with path.open("r+b") as file:
        file.truncate(40 * upload_content.CHUNK)
    told: list[UploadProgress] = []
    async with Api() as api, api.client() as luma:
        await luma.files.upload(path, on_progress=told.append)
    assert len(api.bucket.requests[0].body) == 40 * upload_content.CHUNK
    assert len(told) == 40


async def test_progress_is_told_to_caller_and_events(tmp_path: Path) -> None:
    events: list[Event] = []
    told: list[UploadProgress] = []
    async with Api() as api, api.client(on_event=events.append) as luma:
        await luma.files.upload(saved(tmp_path), on_progress=told.append)
    assert told == [event for event in events if isinstance(event, UploadProgress)]
    assert told[-1] == UploadProgress(name="heron.png", sent=len(PNG), total=len(PNG))
    assert "hush-hush" not in repr(events)


async def test_a_type_that_is_given_is_believed() -> None:
    async with Api() as api, api.client() as luma:
        await luma.files.upload(b"anything", mime_type="image/tiff")
    assert b'"mime_type":"image/tiff"' in api.wire.requests[0].body


# What can't go: nothing is sent.


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


def listening(folder: Path) -> Path:
    with contextlib.chdir(folder), socket.socket(socket.AF_UNIX) as sock:
        sock.bind("s.png")  # a path of over 107 bytes can't be bound, and the folder's may be as long as it likes
    return folder / "s.png"


def enormous(folder: Path) -> Path:
    path = saved(folder)
    with path.open("r+b") as file:
        file.truncate(5 * 1024**3 + 1)
    return path


SOURCES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a folder": (lambda folder: folder, "is a folder"),
    "a pipe": (fifo, "is not a file, but a pipe or a device"),
    "a device": (lambda _: "/dev/zero", "is not a file, but a pipe or a device"),
    "a socket": (listening, "cannot be read"),
    "nothing": (lambda folder: folder / "missing.png", "cannot be read .No such file"),
    "no name": (lambda _: "a\0b", "null character"),
    "a text in a path's place": (lambda _: "x" * 10_000, "a name of 10,000 bytes"),
    "an empty file": (lambda folder: saved(folder, b""), "heron.png is empty"),
    "no bytes": (lambda _: b"", "it is empty"),
    "too much": (enormous, "heron.png is larger than 5 GiB"),
    "a text": (lambda folder: saved(folder, b"hello", "a.txt"), "a.txt is no image or video.*Name its type"),
    "another type": (lambda folder: saved(folder, PNG, "a.jpg"), "named as image/jpeg, but its first bytes are of"),
    "a number": (lambda _: 42, "must be a path, bytes or an async iterator of bytes, not int"),
    "an open file": (lambda folder: saved(folder).open("rb"), "must be a path, .*not BufferedReader"),
}


@pytest.mark.parametrize("source", SOURCES)
async def test_what_cannot_be_uploaded_is_refused_before_anything_is_sent(tmp_path: Path, source: str) -> None:
    made, words = SOURCES[source]
    given = made(tmp_path)
    async with asyncio.timeout(300), Api() as api, api.client() as luma:
        with pytest.raises(InvalidRequestError, match=words) as caught:
            await luma.files.upload(given)
    if hasattr(given, "close"):
        given.close()
    assert (caught.value.field, caught.value.operation) == ("source", "luma.files.upload")
    assert api.calls == []


async def test_only_a_stream_needs_its_size_and_it_does() -> None:
    async with Api() as api, api.client() as luma:
        with pytest.raises(InvalidRequestError, match="must say how many bytes") as caught:
            await luma.files.upload(streamed(PNG))
        assert caught.value.field == "size_bytes"
        with pytest.raises(InvalidRequestError, match="for an async iterator alone"):
            await luma.files.upload(PNG, size_bytes=len(PNG))
    assert api.calls == []


# What turns out to be something else.


@pytest.mark.parametrize(
    ("size", "words"),
    [(len(PNG) - 1, "more than the 10,247 bytes"), (len(PNG) + 1, "ended after 10,248 of the 10,249 bytes")],
)
async def test_a_stream_of_another_size_is_never_whole_at_the_host(size: int, words: str) -> None:
    async with Api() as api, api.client() as luma:
        with pytest.raises(UploadError, match=f"changed while it was uploaded.*{words}") as caught:
            await luma.files.upload(streamed(PNG[:5_000], PNG[5_000:]), size_bytes=size)
    assert caught.value.file_id == "file-1"
    assert api.bucket.requests == [], "no request arrived whole"
    assert api.calls == ["POST /files"]


def grow(path: Path) -> None:
    os.truncate(path, 9 * upload_content.CHUNK)


def shrink(path: Path) -> None:
    os.truncate(path, 2 * upload_content.CHUNK)


def rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes())
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("change", "words"),
    [(grow, "it has more than|somebody wrote to it"), (shrink, "it ended after"), (rewrite, "somebody wrote to it")],
)
async def test_a_file_that_changes_while_it_uploads_is_never_whole_at_the_host(
    tmp_path: Path, change: Callable[[Path], object], words: str
) -> None:
    path = saved(tmp_path, PNG + bytes(8 * upload_content.CHUNK))

    def meddle(progress: UploadProgress) -> None:
        if progress.sent == upload_content.CHUNK:
            change(path)

    async with Api() as api, api.client() as luma:
        with pytest.raises(UploadError, match=f"heron.png changed while it was uploaded: {words}"):
            await luma.files.upload(path, on_progress=meddle)
    assert api.bucket.requests == []


async def test_a_file_that_vanishes_while_it_uploads_is_uploaded_all_the_same(tmp_path: Path) -> None:
    path = saved(tmp_path)
    async with Api(hang_up, answer(200, b"")) as api, api.client() as luma:
        await luma.files.upload(path, on_progress=lambda _: path.unlink(missing_ok=True))
    assert [put.body for put in api.bucket.requests] == [PNG, PNG]


async def test_an_error_of_the_stream_itself_is_told_as_it_is() -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield PNG
        raise LookupError("the tape tore")

    async with Api() as api, api.client() as luma:
        with pytest.raises(LookupError, match="the tape tore"):
            await luma.files.upload(breaking(), size_bytes=2 * len(PNG))


# What goes wrong on the way.


@pytest.mark.parametrize("passing", [hang_up, reset, answer(500, b"oops"), answer(503, b""), answer(408)])
async def test_what_passes_is_put_again_to_the_same_place(tmp_path: Path, passing: Step) -> None:
    clock = FakeClock()
    async with Api(passing, passing, answer(200, b"")) as api, api.client(clock=clock) as luma:
        file = await luma.files.upload(saved(tmp_path))
    assert file.id == "file-1"
    assert [put.body for put in api.bucket.requests] == [PNG] * 3
    assert api.created == 1
    assert len(clock.slept) == 3


async def test_a_host_that_never_takes_it_is_given_up(tmp_path: Path) -> None:
    async with Api(hang_up) as api, api.client(max_retries=2) as luma:
        with pytest.raises(
            UploadError, match=r"heron\.png could not be uploaded: the server closed the connection"
        ) as caught:
            await luma.files.upload(saved(tmp_path))
    assert len(api.bucket.requests) == 3
    assert caught.value.file_id == "file-1"
    assert not leaks(caught.value, "hush-hush")


@pytest.mark.parametrize("final", [answer(400, b"<Error/>"), answer(404), answer(307, headers={"Location": "/x"})])
async def test_what_does_not_pass_is_not_put_again(tmp_path: Path, final: Step) -> None:
    async with Api(final) as api, api.client() as luma:
        with pytest.raises(UploadError, match="the host answered"):
            await luma.files.upload(saved(tmp_path))
    assert len(api.bucket.requests) == 1


async def test_a_url_that_has_expired_is_replaced_with_its_file(tmp_path: Path) -> None:
    async with Api(answer(403, b"expired"), answer(200, b"")) as api, api.client() as luma:
        file = await luma.files.upload(saved(tmp_path))
    assert file.id == "file-2"
    assert api.calls[:4] == ["POST /files", "DELETE /files/file-1", "POST /files", "POST /files/file-2/complete"]
    assert [put.target for put in api.bucket.requests] == [f"/1?{SIGNED}", f"/2?{SIGNED}"]


async def test_a_fresh_url_that_is_refused_too_is_an_error(tmp_path: Path) -> None:
    async with Api(answer(403, b"no")) as api, api.client() as luma:
        with pytest.raises(UploadError, match="the host answered 403"):
            await luma.files.upload(saved(tmp_path))
    assert api.created == 2


@pytest.mark.parametrize("trouble", [hang_up, answer(403), answer(500)])
async def test_a_stream_is_never_put_twice(trouble: Step) -> None:
    async with Api(trouble) as api, api.client() as luma:
        with pytest.raises(UploadError, match="a stream cannot be read a second time"):
            await luma.files.upload(streamed(PNG), size_bytes=len(PNG))
    assert len(api.bucket.requests) == 1


async def test_a_host_that_answers_before_it_has_read_is_believed(tmp_path: Path) -> None:
    async def refuse(peer: Peer) -> bool:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(b"HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")
        return False

    path = saved(tmp_path, PNG + bytes(32 * upload_content.CHUNK))
    async with Api() as api, Wire(greeting=refuse) as early, api.client() as luma:
        api.bucket.port = early.port
        with pytest.raises(UploadError, match=r"the host answered 400|broke off"):
            await luma.with_options(max_retries=0).files.upload(path)


async def test_a_host_that_takes_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_http, "IDLE_SECONDS", 0.2)
    async with Api(stall) as api, api.client(max_retries=0) as luma:
        with pytest.raises(UploadError, match=r"nothing came for 0\.2 s"):
            await luma.files.upload(saved(tmp_path))


async def test_a_time_limit_covers_all_of_it(tmp_path: Path) -> None:
    async with Api(stall) as api, api.client() as luma:
        with pytest.raises(DeadlineExceededError, match="the upload took longer") as caught:
            await luma.with_options(timeout=0.2).files.upload(saved(tmp_path))
    assert not leaks(caught.value, "hush-hush")


async def test_a_cancelled_upload_closes_its_file(tmp_path: Path) -> None:
    before = open_files()
    async with Api(stall) as api, api.client() as luma:
        task = asyncio.create_task(luma.files.upload(saved(tmp_path)))
        await api.bucket.arrived()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await asyncio.sleep(0)
    assert open_files() == before


def open_files() -> int:
    """Count the regular files that this process has open."""
    found = 0
    for descriptor in range(256):
        with contextlib.suppress(OSError):
            found += stat.S_ISREG(os.fstat(descriptor).st_mode)
    return found


# What the API says.


@pytest.mark.parametrize("trouble", [hang_up, answer(500, b"<html>", content_type="text/html"), answer(429, {})])
async def test_a_look_that_fails_is_not_the_file_failing(tmp_path: Path, trouble: Step) -> None:
    async with Api() as api, api.client(max_retries=0) as luma:
        api.extra = [trouble] * 3
        assert (await luma.files.upload(saved(tmp_path))).state == "ready"


@pytest.mark.parametrize(("state", "words"), [("failed", "It is no picture"), ("deleted", "its state is deleted")])
async def test_a_file_that_is_not_taken_in_is_an_error_with_its_id(tmp_path: Path, state: str, words: str) -> None:
    async with Api(states=("pending", state)) as api, api.client() as luma:
        with pytest.raises(UploadError, match=f"refused file file-1: {words}") as caught:
            await luma.files.upload(saved(tmp_path))
    assert caught.value.file_id == "file-1"


async def test_a_file_that_is_never_taken_in_is_given_up_and_named(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Api(states=("pending",)) as api, api.client(clock=clock) as luma:
        with pytest.raises(DeadlineExceededError, match=r"files\.get\('file-1'\)") as caught:
            await luma.files.upload(saved(tmp_path))
    assert caught.value.waited_for == "poll"
    assert 1_700 < sum(clock.slept) <= 1_800


async def test_an_error_of_a_call_is_told_as_it_is(tmp_path: Path) -> None:
    suspended = answer(403, {"detail": "API client is suspended"})
    async with Wire(suspended) as wire, AsyncLuma(KEY, base_url=wire.url) as luma:
        with pytest.raises(PermissionDeniedError, match="suspended"):
            await luma.files.upload(saved(tmp_path))
    async with Api() as api, api.client() as luma:
        api.extra = [answer(404, {"detail": "File not found"})]
        with pytest.raises(NotFoundError):
            await luma.files.upload(saved(tmp_path))


async def test_a_view_with_a_request_id_uploads(tmp_path: Path) -> None:
    async with Api() as api, api.client() as luma:
        await luma.with_options(request_id="mine").files.upload(saved(tmp_path))
    assert [request.headers["X-Request-Id"] for request in api.wire.requests].count("mine") == 1


async def test_nobody_there_says_so(tmp_path: Path) -> None:
    async with Wire() as wire:
        gone = wire.url
    async with AsyncLuma(KEY, base_url=gone, max_retries=0) as luma:
        with pytest.raises(APIConnectionError):
            await luma.files.upload(saved(tmp_path))
