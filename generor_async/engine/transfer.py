"""Downloads: outputs are streamed to a temporary file beside their target, and renamed when they are whole.

A session of its own, without credentials or cookies: an output's host is not the API, and a presigned URL is a
credential by itself, so nothing here shows its query.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, TypeAlias

import aiohttp
from attrs import field, frozen
from yarl import URL

from generor_async.engine import media
from generor_async.engine.events import EventStream
from generor_async.engine.loops import PerLoop
from generor_async.errors import DownloadError, GenerorAsyncError
from generor_async.values import DownloadProgress

__all__ = ["Output", "Progress", "Transfers", "safe_name"]

LARGEST = 2 * 1024**3
"""Bytes of one output."""
CHUNK = 256 * 1024
REDIRECTS = 5
SILENCE_SECONDS = 60.0
"""How long a host may send nothing."""
UNFINISHED = ".part"
AT_ONCE = 4
"""Outputs of one result that are downloaded at the same time."""

Progress: TypeAlias = Callable[[DownloadProgress], object]

_EXTENSIONS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/avif": ".avif",
    "image/svg+xml": ".svg",
    "image/x-exr": ".exr",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "audio/mpeg": ".mp3",
}


def safe_name(text: str) -> str:
    """Return an id as part of a file's name: nothing in it leads to another folder."""
    return "".join(char if char.isalnum() or char in "-_" else "_" for char in text)[:100] or "_"


@frozen(kw_only=True)
class Output:
    """Something to download: `name` is the file's name without its extension."""

    name: str
    url: str = field(repr=False)
    refresh: Callable[[], Awaitable[str]] | None = None
    """Fetches a fresh URL when this one has expired."""


class _ExpiredError(Exception):
    """The host refused a presigned URL."""


class _Web:
    """The session that downloads go over."""

    def __init__(self, *, limit: int, proxy: str | None) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=SILENCE_SECONDS),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
            proxy=proxy,
        )

    async def close(self) -> None:
        await self.session.close()


class Transfers:
    """Downloads outputs for one client."""

    def __init__(
        self, *, schemes: frozenset[str], max_connections: int, proxy: str | None, events: EventStream
    ) -> None:
        self._schemes = schemes
        self._events = events
        self._web = PerLoop(lambda: _Web(limit=max_connections, proxy=proxy))

    async def download(
        self,
        outputs: list[Output],
        to: str | os.PathLike[str],
        *,
        overwrite: bool,
        on_progress: Progress | None,
    ) -> list[Path]:
        """Download all outputs into the folder `to`, which is made if need be; return the files' paths in order."""
        folder = _folder(to)
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(output: Output) -> Path:
            async with gate:
                return await self._one(output, folder, overwrite=overwrite, on_progress=on_progress)

        tasks = [asyncio.ensure_future(one(output)) for output in outputs]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def close(self) -> None:
        """Close the running event loop's connections."""
        await self._web.close()

    async def _one(self, output: Output, folder: Path, *, overwrite: bool, on_progress: Progress | None) -> Path:
        if not overwrite:
            _check_absent(folder, output)
        try:
            return await self._fresh(output, folder, on_progress)
        except DownloadError as error:
            failure = error.with_traceback(None)
        except _ExpiredError:
            advice = "It may have expired: fetch the result again"
            failure = DownloadError("the host refused the URL (403)", url=output.url, advice=advice)
        except GenerorAsyncError:
            raise  # of the refresh; its timeouts are OSErrors too
        except TimeoutError:
            problem = f"nothing came for {SILENCE_SECONDS:g} s"
            failure = DownloadError(problem, url=output.url, advice="Download it again")
        except aiohttp.ClientError as error:
            problem = f"the download broke off ({type(error).__name__})"
            failure = DownloadError(problem, url=output.url, advice="Download it again")
        except OSError as error:
            failure = DownloadError(
                f"{folder} cannot be written to ({error.strerror or error})",
                url=output.url,
                advice="Choose a folder with room that you may write to, and download again",
            )
        # Raised out here: the frames below, and aiohttp's exceptions, hold the presigned URL.
        raise failure

    async def _fresh(self, output: Output, folder: Path, on_progress: Progress | None) -> Path:
        """Fetch an output, from a fresh URL where the one at hand has expired."""
        try:
            return await self._fetch(output.url, output.name, folder, on_progress)
        except _ExpiredError:
            if output.refresh is None:
                raise
        return await self._fetch(await output.refresh(), output.name, folder, on_progress)

    async def _fetch(self, url: str, name: str, folder: Path, on_progress: Progress | None) -> Path:
        """Stream one URL into a file that appears whole or not at all."""
        async with await self._open(url) as response:
            total = response.content_length
            if total is not None and total > LARGEST:
                raise DownloadError(f"it is larger than {LARGEST:,} bytes", url=url)
            unfinished = folder / f".{name}-{os.getpid()}-{id(response):x}{UNFINISHED}"
            try:
                with unfinished.open("xb") as file:
                    head = await self._pour(response, file, name, on_progress)
                    await asyncio.to_thread(_settle, file)
                target = folder / (name + _extension(response.content_type, head))
                unfinished.replace(target)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        return target

    async def _pour(
        self, response: aiohttp.ClientResponse, file: BinaryIO, name: str, on_progress: Progress | None
    ) -> bytes:
        """Write what arrives; return the first bytes."""
        total, received, head = response.content_length, 0, b""
        url = str(response.url)
        while chunk := await _next_chunk(response):
            head = head or chunk[:16]
            received += len(chunk)
            if received > LARGEST:
                raise DownloadError(f"it is larger than {LARGEST:,} bytes", url=url)
            file.write(chunk)
            if on_progress is not None or self._events.listening:
                event = DownloadProgress(name=name, received=received, total=total)
                self._events.emit(event)
                if on_progress is not None:
                    on_progress(event)
        return head

    async def _open(self, url: str) -> aiohttp.ClientResponse:
        """Open a URL, following redirects that stay with the schemes allowed."""
        target = _url(url)
        for _ in range(REDIRECTS):
            if target.scheme not in self._schemes or not target.host:
                raise DownloadError(f"a {target.scheme or 'relative'} URL is not downloaded from", url=str(target))
            response = await self._web.get().session.get(target, allow_redirects=False)
            if response.status == 200:
                return response
            response.release()
            location = response.headers.get("Location")
            if response.status not in {301, 302, 303, 307, 308} or location is None:
                break
            target = target.join(_url(location))
        else:
            raise DownloadError("it redirects too often", url=url)
        if response.status == 403:
            raise _ExpiredError
        raise DownloadError(f"the host answered {response.status}", url=url, advice="Fetch the result again")


async def _next_chunk(response: aiohttp.ClientResponse) -> bytes:
    # aiohttp 3.14's parser in C waits for ever after a bad chunk header, and its own sock_read does not fire.
    async with asyncio.timeout(SILENCE_SECONDS):
        return await response.content.read(CHUNK)


def _url(text: str) -> URL:
    try:
        return URL(text, encoded=True)
    except ValueError:
        pass
    raise DownloadError("what should be a URL is none", url=text)


def _folder(to: str | os.PathLike[str]) -> Path:
    folder = Path(to)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"the folder {folder} cannot be made ({error.strerror})",
            url="",
            advice="Choose a folder that you may write to",
        ) from None
    return folder


def _check_absent(folder: Path, output: Output) -> None:
    for path in folder.glob(f"{output.name}.*"):
        raise DownloadError(
            f"{path} exists already", url=output.url, advice="Pass overwrite=True, or choose another folder"
        )


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _extension(content_type: str, head: bytes) -> str:
    """Name the kind of file by its bytes, or else by what the host says it is."""
    return _EXTENSIONS.get(media.sniff(head) or content_type, ".bin")
