"""Downloads: outputs become files that are whole or not there at all, whatever happens on the way.

A download that breaks off goes on where it was, if the host has a strong ETag for the file, and from the start if not;
so does one whose process was killed, when it is asked for again. No credentials go along: an output's host is not the
API, and a presigned URL, which is a credential by itself, is shown nowhere with its query.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import aiohttp
from attrs import field, frozen

from generor_async.engine.deadline import within
from generor_async.engine.events import EventStream
from generor_async.engine.options import Options
from generor_async.engine.parts import Leftovers, PartFile
from generor_async.engine.targets import MisnamedError, Target, target
from generor_async.engine.threads import Beside, to_the_end
from generor_async.engine.tracebacks import bare
from generor_async.engine.web import Web, WebError
from generor_async.errors import DownloadError, GenerorAsyncError
from generor_async.rules import arguments, media_types, ranges, retry
from generor_async.rules.headers import retry_after
from generor_async.values import Clock, DownloadProgress

__all__ = ["MAX_BYTES", "Downloads", "Output", "Progress"]

MAX_BYTES = 2 * 1024**3
"""Bytes of one output that are taken when nobody says."""
GONE = frozenset({404, 410})
AT_ONCE = 4
"""Outputs of one result that are downloaded at the same time."""
SAVED_AT_ONCE = 8 * 1024**2
"""Bytes that the disk saves while the next ones arrive: a large file is on it soon after its last byte."""

Progress: TypeAlias = Callable[[DownloadProgress], object]


@frozen(kw_only=True)
class Output:
    """Something to download: `name` is the file's name without its extension."""

    name: str
    url: str = field(default="", repr=False)
    kind: str = ""
    """What it is to be: `image`, `video` or `audio`; anything else is not checked."""
    since: float | None = None
    """When the URL was made, in Unix seconds; None where nobody knows."""
    text: str | None = field(default=None, repr=False)
    """What the file is to hold, where it is no address that is fetched."""
    refresh: Callable[[], Awaitable[str]] | None = None
    """Fetches a fresh URL when this one has expired."""
    concern: Callable[[GenerorAsyncError], object] | None = None
    """Has an error name what the output belongs to."""


@frozen(kw_only=True)
class Wish:
    """How outputs are to be downloaded."""

    target: Target
    overwrite: bool
    max_bytes: int
    max_retries: int
    on_progress: Progress | None


class Downloads:
    """Downloads outputs for one client."""

    def __init__(self, *, web: Web, clock: Clock, events: EventStream) -> None:
        self.web = web
        self.clock = clock
        self.events = events
        self.leftovers = Leftovers()

    async def download(
        self,
        outputs: list[Output],
        to: str | os.PathLike[str],
        *,
        options: Options,
        overwrite: bool = False,
        max_bytes: int = MAX_BYTES,
        on_progress: Progress | None = None,
    ) -> list[Path]:
        """Download all outputs into the folder `to`, which is made if need be; return the files' paths in order.

        A `to` that ends in a suffix of media is the file that the only output becomes.
        """
        wish = Wish(
            target=target(to, len(outputs)),
            overwrite=arguments.truth(overwrite, "overwrite"),
            max_bytes=arguments.count(max_bytes, "max_bytes", least=1, of="bytes"),
            max_retries=options.max_retries,
            on_progress=arguments.listener_or_none(on_progress, "on_progress"),
        )
        return await within(
            options.timeout,
            self.clock,
            self._all(outputs, wish),
            what="the download",
            advice="Give it more with with_options(timeout=...), and download again: it goes on where it can",
        )

    async def _all(self, outputs: list[Output], wish: Wish) -> list[Path]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(output: Output) -> Path:
            async with gate:
                try:
                    return await _Download(self, output, wish).run()
                except GenerorAsyncError as error:
                    if output.concern is not None:
                        output.concern(error)
                    raise

        tasks = [asyncio.ensure_future(one(output)) for output in outputs]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise


class _UnfitError(Exception):
    """What the host sends is not the file that was asked for: no other attempt is made, and nothing is kept."""


class _Download:
    """One output on its way to its file."""

    def __init__(self, downloads: Downloads, output: Output, wish: Wish) -> None:
        self._downloads = downloads
        self._output = output
        self._wish = wish
        self._url = output.url
        self._since = output.since
        folder = wish.target.folder
        self._part = PartFile(folder, wish.target.name(output.name), downloads.leftovers)
        self._content_type = ""
        self._furthest = 0
        """How many bytes have been here at most: a host that breaks off at the same place each time is given up."""
        self._retries = 0
        """Attempts since it got any further."""
        self._refreshed = False
        """Whether the URL is fresh, and has not brought anything yet."""

    async def run(self) -> Path:
        """Download it; raises DownloadError, or what a refresh of the URL raised."""
        if not self._wish.overwrite and (path := self._wish.target.existing(self._output.name)) is not None:
            raise self._exists(path)
        try:
            self._part.take_up()
            return await self._through()
        except GenerorAsyncError as error:  # of a refresh; its timeouts are OSErrors too
            self._part.leave()
            raise bare(error)  # noqa: B904 - it is the same one
        except WebError as error:
            self._part.leave()
            failure = self._failure(error.problem, error.advice or "Download it again", retryable=not error.gone)
        except _UnfitError as error:
            failure = self._failure(str(error), "Fetch the result again, and look at what it is")
        except MisnamedError as error:
            failure = self._failure(str(error), "Give a folder, or a name with the suffix of what it is")
        except FileExistsError as error:
            failure = self._exists(error.filename)
        except OSError as error:
            failure = self._failure(
                f"{self._wish.target.folder} cannot be written to ({error.strerror or error})",
                "Choose a folder with room that you may write to, and download again",
                local=True,
            )
        except asyncio.CancelledError as error:
            self._part.leave()
            raise bare(error)  # noqa: B904 - it is the same one
        finally:
            self._part.drop()
        # Raised out here: the frames below, and aiohttp's exceptions, hold the presigned URL.
        raise failure

    async def _through(self) -> Path:
        """Attempt it until it is whole."""
        media_type = "text/plain"
        if self._output.text is not None:
            self._part.begin(None)
            self._part.write(self._output.text.encode("utf-8", "backslashreplace"))
        while self._output.text is None:
            try:
                await self._attempt()
                media_type = self._checked()
                break
            except WebError as error:
                if not error.passing or self._retries >= self._wish.max_retries:
                    raise
                delay = max(error.wait, retry.backoff_delay(self._retries, random.random()))  # noqa: S311 - jitter
                self._retries += 1
            await self._downloads.clock.sleep(delay)
        suffix = self._wish.target.suffix(media_type)
        return await to_the_end(lambda: self._part.settle(suffix, overwrite=self._wish.overwrite))

    async def _attempt(self) -> None:
        """Ask once for what is missing, with a fresh URL where the one at hand is old or refused."""
        if ranges.is_stale(self._since, self._downloads.clock.time()) and self._output.refresh is not None:
            await self._refresh()
        have = self._part.have
        async with self._downloads.web.get(self._url, ranges.ask(have)) as response:
            answer = ranges.judge(response.status, response.headers, have, most=self._wish.max_bytes)
            if isinstance(answer, ranges.Body):
                await self._take(response, answer)
                return
            wait = retry_after(response.headers, self._downloads.clock.time()) or 0.0
        match answer.why:
            case "expired" if self._output.refresh is not None and not self._refreshed:
                await self._refresh()
                await self._attempt()
            case "expired":
                advice = "It may have expired: fetch the result again"
                raise WebError(answer.problem, passing=False, advice=advice)
            case "part":
                self._part.drop()
                await self._attempt()
            case "large":
                raise _UnfitError(answer.problem)
            case _:
                advice = "Fetch the result again"
                gone = response.status in GONE
                raise WebError(answer.problem, passing=answer.why == "passing", gone=gone, advice=advice, wait=wait)

    async def _refresh(self) -> None:
        assert self._output.refresh is not None
        self._url = await self._output.refresh()
        self._since = self._downloads.clock.time()
        self._refreshed = True

    async def _take(self, response: aiohttp.ClientResponse, answer: ranges.Body) -> None:
        """Write down what an answer brings."""
        part = self._part
        if not answer.start:
            part.begin(answer.etag)
        part.total, self._content_type = answer.total, response.content_type
        most = self._wish.max_bytes if answer.total is None else answer.total
        tell, saving = self._teller(), Beside(part.save)

        def write(chunk: bytes) -> None:
            if part.size + len(chunk) > most:
                promised = "than was promised" if most == answer.total else f"than {most:,} bytes"
                raise _UnfitError(f"it is larger {promised}")
            part.write(chunk)
            if part.unsaved >= SAVED_AT_ONCE:
                saving.start()
            self._refreshed = False
            if part.size > self._furthest:
                self._furthest, self._retries = part.size, 0
            if tell is not None:
                tell()

        try:
            await self._downloads.web.pour(response, write)
        finally:
            await saving.end()
        if answer.total is not None and part.size < answer.total:
            raise WebError("it ended too early", passing=True)

    def _checked(self) -> str:
        """Return the type of the whole file."""
        try:
            return media_types.of_output(self._part.head(), self._content_type, self._output.kind)
        except ValueError as error:
            raise _UnfitError(str(error)) from None

    def _teller(self) -> Callable[[], None] | None:
        """Return what tells how far it is; None where nobody listens."""
        on_progress, events = self._wish.on_progress, self._downloads.events
        if on_progress is None and not events.listening:
            return None

        def tell() -> None:
            event = DownloadProgress(name=self._output.name, received=self._part.size, total=self._part.total)
            events.emit(event, on_progress)

        return tell

    def _exists(self, path: str | Path) -> DownloadError:
        return self._failure(f"{path} exists already", "Pass overwrite=True (--overwrite), or choose another folder")

    def _failure(self, problem: str, advice: str, *, retryable: bool = True, local: bool = False) -> DownloadError:
        return DownloadError(problem, url=self._output.url, retryable=retryable, advice=advice, local=local)
