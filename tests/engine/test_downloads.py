"""Downloads: whole or not at all, without credentials, and never where they don't belong."""

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import FakeClock, in_virtual_time
from support.leaks import leaks
from support.small_disk import full, run_on_small_disk
from support.wire import Arrived, Peer, Step, Wire, answer, closed_port, drip, hang_up, reset, stall, truncated

from generor_async.engine import plain_http
from generor_async.engine.download_target import safe_name
from generor_async.engine.downloads import SYNC_BYTES, Downloads, Output
from generor_async.engine.events import EventStream
from generor_async.engine.options import Options
from generor_async.engine.plain_http import HostPolicy, PlainHttp
from generor_async.engine.settings import MAX_BYTES
from generor_async.errors import (
    APITimeoutError,
    DeadlineExceededError,
    DownloadError,
    InvalidRequestError,
    NotFoundError,
)
from generor_async.values import DownloadProgress, Event

PNG = b"\x89PNG\r\n\x1a\n" + bytes(1_000)
SIGNED = "X-Amz-Signature=hush-hush"

anyio_backend = in_virtual_time


def served(body: bytes = PNG, content_type: str = "image/png") -> Step:
    return answer(200, body, content_type=content_type)


async def download(
    wire: Wire,
    folder: Path,
    *,
    names: tuple[str, ...] = ("gen-1-0",),
    overwrite: bool = False,
    refresh: Callable[[], Awaitable[str]] | None = None,
    on_event: Callable[[Event], object] | None = None,
    on_progress: Callable[[DownloadProgress], object] | None = None,
    url: str | None = None,
    kind: str = "",
    since: float | None = None,
    max_bytes: int = MAX_BYTES,
    max_retries: int = 1,
    timeout: float | None = None,
    clock: FakeClock | None = None,
) -> list[Path]:
    reach = PlainHttp(HostPolicy(schemes=frozenset({"https", "http"}), max_connections=10))
    downloads = Downloads(web=reach, clock=clock or FakeClock(), events=EventStream(on_event))
    outputs = [
        Output(name=name, url=url or f"{wire.url}/{name}.jpg?{SIGNED}", kind=kind, since=since, refresh=refresh)
        for name in names
    ]
    try:
        return await downloads.download(
            outputs,
            folder,
            options=Options(max_retries=max_retries, timeout=timeout),
            overwrite=overwrite,
            max_bytes=max_bytes,
            on_progress=on_progress,
        )
    finally:
        await reach.close()


def contents(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def precious(path: Path) -> Path:
    path.write_text("precious")
    return path


async def failing(wire: Wire, folder: Path, **known: Any) -> DownloadError:
    """Download what cannot be; nothing may be left, and no query seen."""
    with pytest.raises(DownloadError) as caught:
        await download(wire, folder, **known)
    assert contents(folder) == []
    assert not leaks(caught.value, "hush-hush")
    return caught.value


async def test_an_output_becomes_a_file_named_by_us(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    evil = {"Content-Disposition": 'attachment; filename="../../evil.sh"'}
    async with Wire(answer(200, PNG, headers=evil, content_type="application/x-sh")) as wire:
        (path,) = await download(wire, folder)
    assert path == folder / "gen-1-0.png", "told by its bytes"
    assert path.read_bytes() == PNG
    assert contents(folder) == [path]


@pytest.mark.parametrize(
    ("body", "content_type", "suffix"),
    [
        (b"\xff\xd8\xff\xe0", "text/plain", ".jpg"),
        (b"v/1\x01", "image/x-exr", ".exr"),
        (b"....ftypisom", "video/mp4", ".mp4"),
        (b"hello", "application/octet-stream", ".bin"),
        (b"", "text/plain", ".txt"),
    ],
)
async def test_the_extension_says_what_it_is(tmp_path: Path, body: bytes, content_type: str, suffix: str) -> None:
    async with Wire(served(body, content_type)) as wire:
        (path,) = await download(wire, tmp_path)
    assert path.suffix == suffix


async def test_no_credentials_go_along(tmp_path: Path) -> None:
    async with Wire(served()) as wire:
        await download(wire, tmp_path)
    (came,) = wire.requests
    assert not {"Authorization", "Cookie", "X-Request-Id"} & set(came.headers)
    assert came.headers["Accept-Encoding"] == "identity"
    assert came.headers["User-Agent"].startswith("generor_async/"), "a firewall refuses the default one"
    assert came.target.endswith(SIGNED)


async def test_several_outputs_arrive_in_their_order_a_few_at_once(tmp_path: Path) -> None:
    under_way, most = 0, 0

    async def slow(peer: Peer, request: Arrived) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        await served(PNG + request.target.encode())(peer, request)

    names = tuple(f"gen-1-{number}" for number in range(12))
    async with Wire(slow) as wire:
        paths = await download(wire, tmp_path, names=names)
    assert [path.stem for path in paths] == list(names)
    assert all(path.stem in path.read_bytes().decode("latin-1") for path in paths)
    assert most == 4


FAULTS: dict[str, Step] = {
    "cut off": truncated(PNG, promised=5_000),
    "closed": hang_up,
    "reset": reset,
    "404": answer(404, b"gone"),
    "500": answer(500, b"oops"),
    "204": answer(204),
    "redirect to another scheme": answer(302, headers={"Location": f"ftp://127.0.0.1/?{SIGNED}"}),
    "redirect to a file": answer(302, headers={"Location": "file:///etc/passwd"}),
    "redirect to nowhere": answer(302),
    "redirect that is no URL": answer(302, headers={"Location": "http://[broken"}),
    "redirect to itself": answer(302, headers={"Location": f"/again?{SIGNED}"}),
    "403": answer(403, b"<Error>Request has expired</Error>"),
    "a broken chunk": truncated(b"zz\r\n", promised=99),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_left_of_a_download_that_failed(tmp_path: Path, fault: str) -> None:
    async with Wire(FAULTS[fault]) as wire:
        error = await failing(wire, tmp_path)
    assert error.url == f"{wire.url}/gen-1-0.jpg"
    assert error.retryable is (fault != "404")


@pytest.mark.parametrize(
    "url", ["http://[broken", "file:///etc/passwd", "/users/42/a.png", "ftp://x/a.png", "", "data:,x"]
)
async def test_what_is_no_web_address_is_refused(tmp_path: Path, url: str) -> None:
    async with Wire() as wire:
        await failing(wire, tmp_path, url=url or " ")
    assert not wire.requests


async def test_nobody_there_says_so(tmp_path: Path) -> None:
    async with Wire() as wire:
        error = await failing(wire, tmp_path, url=f"http://127.0.0.1:{closed_port()}/a?{SIGNED}")
    assert "no connection to 127.0.0.1" in str(error)


async def test_a_redirect_within_the_web_is_followed(tmp_path: Path) -> None:
    async with Wire(served()) as storage:
        elsewhere = answer(307, b"moved", headers={"Location": f"{storage.url}/b?c=d"})
        async with Wire(elsewhere) as wire:
            (path,) = await download(wire, tmp_path)
    assert path.read_bytes() == PNG
    assert storage.requests[0].target == "/b?c=d"


async def test_an_expired_url_is_fetched_anew(tmp_path: Path) -> None:
    async with Wire(answer(403, b"expired"), served()) as wire:

        async def refresh() -> str:
            return f"{wire.url}/fresh?{SIGNED}"

        (path,) = await download(wire, tmp_path, refresh=refresh)
    assert path.read_bytes() == PNG
    assert [request.target.partition("?")[0] for request in wire.requests] == ["/gen-1-0.jpg", "/fresh"]


async def test_a_fresh_url_that_is_refused_too_is_an_error(tmp_path: Path) -> None:
    async with Wire(answer(403, b"expired")) as wire:

        async def refresh() -> str:
            return f"{wire.url}/fresh?{SIGNED}"

        error = await failing(wire, tmp_path, refresh=refresh)
    assert "(403)" in str(error)
    assert len(wire.requests) == 2


@pytest.mark.parametrize(
    "problem", [NotFoundError("gone", status_code=404), APITimeoutError("no answer", outcome="unknown")]
)
async def test_an_error_of_the_refresh_is_told_as_it_is(tmp_path: Path, problem: Exception) -> None:
    async def refresh() -> str:
        raise problem

    async with Wire(answer(403, b"expired")) as wire:
        with pytest.raises(type(problem)):
            await download(wire, tmp_path, refresh=refresh)


async def test_one_output_that_fails_stops_the_others(tmp_path: Path) -> None:
    async with Wire(served(), answer(404, b"gone"), stall) as wire:
        async with asyncio.timeout(300):
            with pytest.raises(DownloadError):
                await download(wire, tmp_path, names=("a", "b", "c"))
    assert not [path for path in contents(tmp_path) if path.name.startswith(".")]


async def test_a_cancelled_download_leaves_nothing(tmp_path: Path) -> None:
    async with Wire(drip(PNG, times=1_000, every=0.01)) as wire:
        began = asyncio.Event()

        def note(_: DownloadProgress) -> None:
            began.set()

        task = asyncio.ensure_future(download(wire, tmp_path, on_progress=note))
        await began.wait()
        assert len(contents(tmp_path)) == 1, "an unfinished file beside the target"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert contents(tmp_path) == []


# Files and folders.


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bin"])
async def test_a_file_that_exists_is_kept(tmp_path: Path, suffix: str) -> None:
    present = precious(tmp_path / f"gen-1-0{suffix}")
    async with Wire(served()) as wire:
        with pytest.raises(DownloadError, match=r"exists already.*overwrite=True"):
            await download(wire, tmp_path)
        assert not wire.requests, "nothing is fetched for nothing"
        assert present.read_text() == "precious"
        await download(wire, tmp_path, overwrite=True)
    assert (tmp_path / "gen-1-0.png").read_bytes() == PNG


async def test_a_failed_overwrite_keeps_the_old_file(tmp_path: Path) -> None:
    present = precious(tmp_path / "gen-1-0.png")
    async with Wire(truncated(PNG, promised=5_000)) as wire:
        with pytest.raises(DownloadError):
            await download(wire, tmp_path, overwrite=True)
    assert present.read_text() == "precious"
    assert contents(tmp_path) == [present]


async def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    precious(tmp_path / "out")
    async with Wire(served()) as wire:
        for folder in (tmp_path / "out", tmp_path / "out" / "deeper"):
            with pytest.raises(DownloadError, match=r"cannot be created.*Choose a folder"):
                await download(wire, folder)
    assert not wire.requests


async def test_a_name_that_is_too_long_for_a_disk_is_refused(tmp_path: Path) -> None:
    async with Wire(served()) as wire:
        for name in ("x" * 300, "x" * 300 + ".png"):
            with pytest.raises(InvalidRequestError, match=r"to has a name of 30[04] bytes, and file systems take 255"):
                await download(wire, tmp_path / name)
        assert not wire.requests
    assert contents(tmp_path) == []


async def test_a_folder_that_takes_no_file_says_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    async def remove(peer: Peer, request: Arrived) -> None:
        folder.rmdir()
        await served()(peer, request)

    async with Wire(remove) as wire:
        error = await failing(wire, folder)
    assert "cannot be written to (No such file or directory). Choose a folder" in str(error)


async def no_room(disk: Path) -> None:
    folder = disk / "out"
    folder.mkdir()
    for spare in (0, 2):  # at the first byte, and in the middle
        with full(disk, spare=spare):
            async with Wire(served(PNG * 20)) as wire:
                error = await failing(wire, folder)
        assert f"{folder} cannot be written to (No space left on device). Choose a folder with room" in str(error)
    async with Wire(served(PNG * 20)) as wire:
        (path,) = await download(wire, folder)
    assert path.read_bytes() == PNG * 20


def test_a_disk_without_room_says_what_to_do_and_keeps_nothing() -> None:
    run_on_small_disk(no_room, kilobytes=400)


async def test_an_output_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with Wire(served(), drip(PNG, times=2)) as wire:
        for _ in range(2):
            assert "larger than 500 bytes" in str(await failing(wire, tmp_path, max_bytes=500))
    assert len(wire.requests) == 2, "and not tried again"


@given(st.text())
def test_a_name_stays_in_its_folder(text: str) -> None:
    name = safe_name(text)
    assert name
    assert len(name) <= 100
    assert Path(name).name == name
    assert not set(name) & set('/\\.:*?[]<>|"\0\n ')


@given(st.text(min_size=101, max_size=300), st.text(min_size=1, max_size=3))
def test_there_is_room_for_a_name_whatever_the_id_is_and_another_id_has_another_name(text: str, more: str) -> None:
    name = safe_name(text)
    assert len(name.encode()) <= 100
    assert safe_name(text + more) != name


def test_an_ordinary_id_is_its_own_name() -> None:
    assert safe_name("550e8400-e29b-41d4-a716-446655440000") == "550e8400-e29b-41d4-a716-446655440000"
    assert safe_name("../../etc/passwd") == "______etc_passwd"


# Progress.


async def test_progress_is_told_to_caller_and_events_without_the_query(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[DownloadProgress] = []
    events: list[Event] = []
    async with Wire(served()) as wire:
        await download(wire, tmp_path, on_progress=told.append, on_event=events.append)
    assert told == events
    assert told[-1] == DownloadProgress(name="gen-1-0", received=len(PNG), total=len(PNG))
    assert "hush-hush" not in caplog.text + repr(events)


async def test_a_host_that_does_not_say_how_much_is_taken_at_its_word(tmp_path: Path) -> None:
    told: list[DownloadProgress] = []
    async with Wire(drip(PNG, times=3)) as wire:
        (path,) = await download(wire, tmp_path, on_progress=told.append)
    assert path.read_bytes() == PNG * 3
    assert told[-1] == DownloadProgress(name="gen-1-0", received=3 * len(PNG), total=None)


def nothing_in(folder: Path) -> bool:
    return not any(folder.iterdir())


async def test_a_host_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(peer: Peer, request: Arrived) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nGIF8\r\n")
        await asyncio.sleep(0.02)
        await peer.send(b"nonsense\r\n")
        await stall(peer, request)

    monkeypatch.setattr(plain_http, "IDLE_SECONDS", 0.2)
    async with Wire(silent) as wire:
        error = await failing(wire, tmp_path)
    assert "nothing came for 0.2 s" in str(error) or "broke off" in str(error)
    assert nothing_in(tmp_path)


# Going on.

LEFT = ".gen-1-0~" + b'"v1"'.hex() + ".part"


def ranged(body: bytes = PNG, *, etag: str = '"v1"', breaks: int = 0, every: int = 300) -> Step:
    """Serve parts as a bucket does; the first `breaks` answers break off after `every` bytes."""
    answers = 0

    async def step(peer: Peer, request: Arrived) -> None:
        nonlocal answers
        answers += 1
        asked = request.headers.get("Range") if request.headers.get("If-Range", etag) == etag else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        rest = body[start:]
        head = {"Content-Type": "image/png", "Content-Length": str(len(rest)), "ETag": etag}
        if asked:
            head["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        await peer.send(f"HTTP/1.1 {206 if asked else 200} OK\r\n{lines}\r\n".encode())
        cut = answers <= breaks
        await peer.send(rest[:every] if cut else rest)
        if cut:
            peer.writer.close()

    return step


def asked(wire: Wire) -> list[tuple[str | None, str | None]]:
    return [(request.headers.get("Range"), request.headers.get("If-Range")) for request in wire.requests]


async def test_a_download_goes_on_where_it_broke_off_as_long_as_it_gets_further(tmp_path: Path) -> None:
    told: list[DownloadProgress] = []
    async with Wire(ranged(breaks=3)) as wire:
        (path,) = await download(wire, tmp_path, max_retries=1, on_progress=told.append)
    assert path.read_bytes() == PNG
    assert asked(wire) == [(None, None), *[(f"bytes={at}-", '"v1"') for at in (300, 600, 900)]]
    assert told[-1] == DownloadProgress(name="gen-1-0", received=len(PNG), total=len(PNG))


async def test_a_host_without_etags_starts_again_from_the_start(tmp_path: Path) -> None:
    async with Wire(truncated(PNG[:500], promised=len(PNG)), served()) as wire:
        (path,) = await download(wire, tmp_path)
    assert path.read_bytes() == PNG
    assert asked(wire) == [(None, None)] * 2


async def test_a_file_that_changed_meanwhile_starts_again(tmp_path: Path) -> None:
    other = PNG[:8] + bytes(range(250))
    async with Wire(ranged(breaks=1), ranged(other, etag='"v2"')) as wire:
        (path,) = await download(wire, tmp_path)
    assert path.read_bytes() == other
    assert asked(wire)[1] == ("bytes=300-", '"v1"')


async def test_what_is_left_of_a_download_that_failed_is_gone_on_with_by_the_next(tmp_path: Path) -> None:
    async with Wire(ranged(breaks=1)) as wire:
        with pytest.raises(DownloadError, match="broke off"):
            await download(wire, tmp_path, max_retries=0)
        (left,) = contents(tmp_path)
        assert (left.name[0], left.read_bytes()) == (".", PNG[:300])
        (path,) = await download(wire, tmp_path, max_retries=0)
    assert contents(tmp_path) == [path]
    assert path.read_bytes() == PNG
    assert asked(wire)[1] == ("bytes=300-", '"v1"')


async def test_a_part_that_is_whole_already_or_longer_starts_again(tmp_path: Path) -> None:
    for left in (PNG, PNG + b"?"):
        (tmp_path / LEFT).write_bytes(left)
        async with Wire(answer(416, b"", headers={"Content-Range": "bytes */1008"}), ranged()) as wire:
            (path,) = await download(wire, tmp_path, overwrite=True)
        assert path.read_bytes() == PNG
        assert asked(wire) == [(f"bytes={len(left)}-", '"v1"'), (None, None)]
        assert contents(tmp_path) == [path]


async def test_a_cancelled_download_can_be_gone_on_with(tmp_path: Path) -> None:
    dripping = drip(PNG, times=1_000, every=0.01, headers={"ETag": '"v1"'})
    async with Wire(dripping, ranged(PNG * 9)) as wire:
        began = asyncio.Event()
        task = asyncio.ensure_future(download(wire, tmp_path, on_progress=lambda _: began.set()))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (path,) = await download(wire, tmp_path)
    assert path.read_bytes() == PNG * 9
    assert asked(wire)[1][1] == '"v1"'


async def test_a_large_download_is_saved_on_the_way_and_gone_on_with(tmp_path: Path) -> None:
    body = PNG + bytes(range(256)) * (SYNC_BYTES // 64)
    async with Wire(ranged(body, breaks=1, every=SYNC_BYTES * 3 // 2)) as wire:
        (path,) = await download(wire, tmp_path)
    assert path.read_bytes() == body
    assert asked(wire)[1] == (f"bytes={SYNC_BYTES * 3 // 2}-", '"v1"')
    assert contents(tmp_path) == [path]


async def test_two_downloads_of_one_output_at_once_are_both_whole(tmp_path: Path) -> None:
    async with Wire(ranged()) as wire:
        both = [download(wire, tmp_path, overwrite=True) for _ in range(2)]
        ((first,), (second,)) = await asyncio.gather(*both)
    assert first == second
    assert contents(tmp_path) == [first]
    assert first.read_bytes() == PNG


@pytest.mark.parametrize("passing", [answer(500, b"oops"), answer(503, b"slow down"), answer(429), hang_up, reset])
async def test_what_passes_is_tried_again_with_backoff(tmp_path: Path, passing: Step) -> None:
    clock = FakeClock()
    async with Wire(passing, passing, served()) as wire:
        (path,) = await download(wire, tmp_path, max_retries=2, clock=clock)
    assert path.read_bytes() == PNG
    assert len(clock.slept) == 2
    assert len(wire.requests) == 3


async def test_a_host_is_not_asked_before_it_wants_to_be(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Wire(answer(503, b"", headers={"Retry-After": "20"}), served()) as wire:
        await download(wire, tmp_path, clock=clock)
    assert clock.slept[0] >= 20


@pytest.mark.parametrize("final", [answer(404, b"gone"), answer(401), answer(204), answer(206, PNG)])
async def test_what_does_not_pass_is_not_tried_again(tmp_path: Path, final: Step) -> None:
    async with Wire(final) as wire:
        await failing(wire, tmp_path, max_retries=5)
    assert len(wire.requests) == 1


async def test_a_url_that_is_55_minutes_old_is_renewed_before_it_is_used(tmp_path: Path) -> None:
    clock = FakeClock()
    async with Wire(ranged()) as wire:

        async def refresh() -> str:
            return f"{wire.url}/fresh?{SIGNED}"

        for age, target in ((3_299, "/gen-1-0.jpg"), (3_301, "/fresh")):
            await download(wire, tmp_path, overwrite=True, refresh=refresh, since=clock.time() - age, clock=clock)
            assert wire.requests[-1].target.partition("?")[0] == target


async def test_a_download_goes_on_with_a_fresh_url_where_the_old_one_expired(tmp_path: Path) -> None:
    async with Wire(ranged(breaks=1), answer(403, b"expired"), ranged()) as wire:

        async def refresh() -> str:
            return f"{wire.url}/fresh?{SIGNED}"

        (path,) = await download(wire, tmp_path, refresh=refresh)
    assert path.read_bytes() == PNG
    assert asked(wire)[1:] == [("bytes=300-", '"v1"')] * 2
    assert wire.requests[2].target.startswith("/fresh")


async def test_a_refresh_that_fails_keeps_what_is_here(tmp_path: Path) -> None:
    async def refresh() -> str:
        raise APITimeoutError("no answer", outcome="unknown")

    async with Wire(ranged(breaks=1), answer(403, b"expired")) as wire:
        with pytest.raises(APITimeoutError):
            await download(wire, tmp_path, refresh=refresh)
    assert [path.read_bytes() for path in contents(tmp_path)] == [PNG[:300]]


async def test_a_time_limit_ends_a_download_which_can_be_gone_on_with(tmp_path: Path) -> None:
    async with Wire(drip(PNG, times=1_000, every=0.01, headers={"ETag": '"v1"'})) as wire:
        with pytest.raises(DeadlineExceededError, match=r"took longer than 0\.2 s") as caught:
            await download(wire, tmp_path, timeout=0.2)
    assert caught.value.waited_for == "attempt"
    assert not leaks(caught.value, "hush-hush")
    assert len(contents(tmp_path)) == 1


# What the host says and what it sends.

PAGE = b"<!doctype html><html>no such picture</html>"


@pytest.mark.parametrize(
    ("body", "content_type", "kind", "words"),
    [
        (PAGE, "text/html", "image", "sent text/html where image was asked for"),
        (PAGE, "image/png", "image", "calls it image/png, but its first bytes are of something else"),
        (PNG, "video/mp4", "video", "sent image/png where video was asked for"),
        (b"", "image/png", "image", "first bytes are of something else"),
    ],
)
async def test_what_is_not_what_was_asked_for_is_refused(
    tmp_path: Path, body: bytes, content_type: str, kind: str, words: str
) -> None:
    async with Wire(served(body, content_type)) as wire:
        error = await failing(wire, tmp_path, kind=kind, max_retries=5)
    assert words in str(error)
    assert len(wire.requests) == 1


async def test_more_than_was_promised_is_not_taken(tmp_path: Path) -> None:
    head = {"Content-Range": f"bytes 300-{len(PNG) - 1}/{len(PNG)}", "ETag": '"v1"'}
    more = answer(206, PNG[300:] + b"more", headers=head, content_type="image/png")
    async with Wire(ranged(breaks=1), more) as wire:
        error = await failing(wire, tmp_path)
    assert "larger than was promised" in str(error)


async def test_less_than_was_promised_is_asked_for_again(tmp_path: Path) -> None:
    head = {"Content-Range": f"bytes 300-{len(PNG) - 1}/{len(PNG)}", "ETag": '"v1"'}
    less = answer(206, PNG[300:500], headers=head, content_type="image/png")
    async with Wire(ranged(breaks=1), less, ranged()) as wire:
        (path,) = await download(wire, tmp_path)
    assert path.read_bytes() == PNG
    assert asked(wire)[2] == ("bytes=500-", '"v1"')


@pytest.mark.parametrize(
    ("body", "last", "total", "etag"),
    [
        (PNG[300:-100], len(PNG) - 101, "*", '"v1"'),
        (PNG[300:-100], len(PNG) - 101, str(len(PNG) - 100), '"v1"'),
        (b"Z" * 3_000, 3_299, "3300", '"v1"'),
        (b"Z" * 3_000, 3_299, "3300", None),
        (b"Z" * (len(PNG) - 300), len(PNG) - 1, str(len(PNG)), None),
    ],
    ids=["ends early", "smaller", "larger", "of another file", "of who knows which file"],
)
async def test_a_rest_that_is_not_what_was_promised_is_not_added(
    tmp_path: Path, body: bytes, last: int, total: str, etag: str | None
) -> None:
    head = {"Content-Range": f"bytes 300-{last}/{total}", **({} if etag is None else {"ETag": etag})}
    async with Wire(ranged(breaks=1), answer(206, body, headers=head, content_type="image/png"), ranged()) as wire:
        (path,) = await download(wire, tmp_path)
    assert path.read_bytes() == PNG
    assert asked(wire) == [(None, None), ("bytes=300-", '"v1"'), (None, None)]


@pytest.mark.parametrize("total", [len(PNG), "*"])
async def test_a_part_that_nobody_asked_for_is_no_file(tmp_path: Path, total: object) -> None:
    head = {"Content-Range": f"bytes 0-99/{total}"}
    async with Wire(answer(206, PNG[:100], headers=head, content_type="image/png")) as wire:
        await failing(wire, tmp_path)


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream"])
async def test_encoded_bytes_are_not_saved_as_the_file(tmp_path: Path, content_type: str) -> None:
    encoded = answer(200, gzip.compress(PNG), headers={"Content-Encoding": "gzip"}, content_type=content_type)
    async with Wire(encoded) as wire:
        error = await failing(wire, tmp_path)
    assert "the host sent it encoded (gzip), which was not asked for" in str(error)


async def test_a_url_with_credentials_is_not_fetched(tmp_path: Path) -> None:
    async with Wire(served()) as wire:
        url = wire.url.replace("//", "//user:hush-hush@")
        with pytest.raises(DownloadError, match="it has a user name or a password"):
            await download(wire, tmp_path, url=url)
    assert not wire.requests


async def test_a_target_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    async def appear(peer: Peer, request: Arrived) -> None:
        precious(tmp_path / "gen-1-0.png")
        await served()(peer, request)

    async with Wire(appear) as wire:
        with pytest.raises(DownloadError, match=r"gen-1-0\.png exists already"):
            await download(wire, tmp_path)
    assert [path.read_text() for path in contents(tmp_path)] == ["precious"]


async def test_a_progress_callable_that_fails_costs_nobody_the_file(tmp_path: Path) -> None:
    def fail(_: DownloadProgress) -> None:
        raise BrokenPipeError("the progress bar broke")

    async with Wire(served()) as wire:
        (path,) = await download(wire, tmp_path, on_progress=fail)
    assert path.read_bytes() == PNG
