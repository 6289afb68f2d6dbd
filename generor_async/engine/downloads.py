"""Downloads outputs into files. A file appears under its name only when it is complete.

An interrupted download resumes where it was if the host sends a strong ETag, and starts again if not; so does one whose
process was killed, when it is downloaded again. A presigned URL is a credential: no error shows its query.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import aiohttp
from attrs import field, frozen

from generor_async.engine.deadline import within
from generor_async.engine.download_target import Target, WrongSuffixError, make_target
from generor_async.engine.events import EventStream
from generor_async.engine.options import Options
from generor_async.engine.part_files import Leftovers, PartFile
from generor_async.engine.plain_http import PlainHttp, PlainHttpError
from generor_async.engine.retries import Retries
from generor_async.engine.settings import MAX_BYTES
from generor_async.engine.threads import SingleFlight, run_to_completion
from generor_async.engine.tracebacks import without_traceback
from generor_async.errors import DownloadError, GenerorAsyncError
from generor_async.rules import arguments, byte_ranges, media_types, option_checks
from generor_async.rules.wait_headers import retry_after
from generor_async.values import Clock, DownloadProgress

__all__ = ["DownloadCallback", "Downloads", "Output"]

GONE_STATUSES = frozenset({404, 410})
CONCURRENT_DOWNLOADS = 4
"""How many outputs of one result are downloaded concurrently."""
SYNC_BYTES = 8 * 1024**2
"""After so many new bytes a large file is synced in the background, so that the sync at its end is short."""

DownloadCallback: TypeAlias = Callable[[DownloadProgress], object]


@frozen(kw_only=True)
class Output:
    """An output to download; `name` is the name of its file without a suffix."""

    name: str
    url: str = field(default="", repr=False)
    kind: str = ""
    """The expected kind of media: `image`, `video` or `audio`. Any other text skips that check."""
    since: float | None = None
    """When the URL was created, in Unix seconds; None where that is unknown."""
    text: str | None = field(default=None, repr=False)
    """The content itself, where the output is a text and not a URL."""
    refresh: Callable[[], Awaitable[str]] | None = None
    """Returns a fresh URL when this one has expired."""
    attach_id: Callable[[GenerorAsyncError], object] | None = None
    """Adds to an error the id of the job or creation that the output belongs to."""


@frozen(kw_only=True)
class DownloadOptions:
    """How the outputs of one call are downloaded."""

    target: Target
    overwrite: bool
    max_bytes: int
    max_retries: int
    on_progress: DownloadCallback | None


class Downloads:
    """Downloads outputs for one client."""

    def __init__(self, *, web: PlainHttp, clock: Clock, events: EventStream) -> None:
        self.plain_http = web
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
        on_progress: DownloadCallback | None = None,
    ) -> list[Path]:
        """Download all outputs, and return the paths of their files in the same order.

        Args:
            outputs: What to download.
            to: A folder, created where it doesn't exist; or, for a single output, a file with a suffix of media.
            options: The options of the call; `timeout` (seconds) and `max_retries` (for each output) are used.
            overwrite: Replace files that exist.
            max_bytes: The largest file that is accepted, in bytes.
            on_progress: Called with a DownloadProgress as bytes arrive.

        Raises:
            InvalidRequestError: `to` can't be used.
            DownloadError: An output could not be downloaded, or its file could not be written.
            DeadlineExceededError: The timeout is over.
        """
        wanted = DownloadOptions(
            target=make_target(to, len(outputs)),
            overwrite=arguments.boolean(overwrite, "overwrite"),
            max_bytes=option_checks.count(max_bytes, "max_bytes", least=1, of="bytes"),
            max_retries=options.max_retries,
            on_progress=option_checks.listener_or_none(on_progress, "on_progress"),
        )
        return await within(
            options.timeout,
            self.clock,
            self._all(outputs, wanted),
            what="the download",
            advice="Give it more with with_options(timeout=...), and download again: it goes on where it can",
        )

    async def _all(self, outputs: list[Output], options: DownloadOptions) -> list[Path]:
        gate = asyncio.Semaphore(CONCURRENT_DOWNLOADS)

        async def one(output: Output) -> Path:
            async with gate:
                try:
                    return await _Download(self, output, options).run()
                except GenerorAsyncError as error:
                    if output.attach_id is not None:
                        output.attach_id(error)
                    raise

        tasks = [asyncio.ensure_future(one(output)) for output in outputs]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise


class _WrongContentError(Exception):
    """The host sent something else than the expected file: it is not retried, and nothing of it is kept."""


class _Download:
    """The download of one output."""

    def __init__(self, downloads: Downloads, output: Output, options: DownloadOptions) -> None:
        self._downloads = downloads
        self._output = output
        self._options = options
        self._url = output.url
        self._since = output.since
        folder = options.target.folder
        self._part = PartFile(folder, options.target.name(output.name), downloads.leftovers)
        self._content_type = ""
        self._most_received = 0
        """The most bytes received so far. Retries are counted anew whenever an attempt gets further than this."""
        self._retries = Retries(downloads.clock, options.max_retries)
        self._refreshed = False
        """Whether the URL was just refreshed, and has brought no bytes yet: it is not refreshed twice in a row."""

    async def run(self) -> Path:
        """Download the output, and return its path; raises DownloadError, or what a refresh of the URL raised."""
        if not self._options.overwrite and (path := self._options.target.existing(self._output.name)) is not None:
            raise self._exists(path)
        try:
            self._part.resume()
            return await self._until_complete()
        except GenerorAsyncError as error:  # from a refresh; first, as its timeouts are also OSErrors
            self._part.keep()
            raise without_traceback(error)  # noqa: B904 - it is the same one
        except PlainHttpError as error:
            self._part.keep()
            failure = self._failure(error.problem, error.advice or "Download it again", retryable=not error.gone)
        except _WrongContentError as error:
            failure = self._failure(str(error), "Fetch the result again, and look at what it is")
        except WrongSuffixError as error:
            failure = self._failure(str(error), "Give a folder, or a name with the suffix of what it is")
        except FileExistsError as error:
            failure = self._exists(error.filename)
        except OSError as error:
            failure = self._failure(
                f"{self._options.target.folder} cannot be written to ({error.strerror or error})",
                "Choose a folder with room that you may write to, and download again",
                local=True,
            )
        except asyncio.CancelledError as error:
            self._part.keep()
            raise without_traceback(error)  # noqa: B904 - it is the same one
        finally:
            self._part.drop()
        # Raised out here: the frames below, and aiohttp's exceptions, hold the presigned URL.
        raise failure

    async def _until_complete(self) -> Path:
        """Retry until the file is complete, and move it to its path."""
        media_type = "text/plain"
        if self._output.text is not None:
            self._part.begin(None)
            self._part.write(self._output.text.encode("utf-8", "backslashreplace"))
        while self._output.text is None:
            try:
                await self._attempt()
                media_type = self._check_media_type()
                break
            except PlainHttpError as error:
                if not await self._retries.next_attempt(error):
                    raise
        suffix = self._options.target.suffix(media_type)
        return await run_to_completion(lambda: self._part.finish(suffix, overwrite=self._options.overwrite))

    async def _attempt(self) -> None:
        """Request the missing bytes once, with a fresh URL where the present one has expired."""
        if byte_ranges.is_stale(self._since, self._downloads.clock.time()) and self._output.refresh is not None:
            await self._refresh()
        have = self._part.present
        async with self._downloads.plain_http.get(self._url, byte_ranges.range_headers(have)) as response:
            answer = byte_ranges.check_response(response.status, response.headers, have, most=self._options.max_bytes)
            if isinstance(answer, byte_ranges.UsableBody):
                await self._save_body(response, answer)
                return
            wait = retry_after(response.headers, self._downloads.clock.time()) or 0.0
        match answer.why:
            case "expired" if self._output.refresh is not None and not self._refreshed:
                await self._refresh()
                await self._attempt()
            case "expired":
                advice = "It may have expired: fetch the result again"
                raise PlainHttpError(answer.problem, transient=False, advice=advice)
            case "part":
                self._part.drop()
                await self._attempt()
            case "large":
                raise _WrongContentError(answer.problem)
            case _:
                advice = "Fetch the result again"
                gone = response.status in GONE_STATUSES
                raise PlainHttpError(
                    answer.problem, transient=answer.why == "passing", gone=gone, advice=advice, wait=wait
                )

    async def _refresh(self) -> None:
        assert self._output.refresh is not None
        self._url = await self._output.refresh()
        self._since = self._downloads.clock.time()
        self._refreshed = True

    async def _save_body(self, response: aiohttp.ClientResponse, answer: byte_ranges.UsableBody) -> None:
        """Write the body of an answer to the part file."""
        part = self._part
        if not answer.start:
            part.begin(answer.etag)
        part.total, self._content_type = answer.total, response.content_type
        most = self._options.max_bytes if answer.total is None else answer.total
        report, saving = self._progress_callback(), SingleFlight(part.save)

        def write(chunk: bytes) -> None:
            if part.size + len(chunk) > most:
                promised = "than was promised" if most == answer.total else f"than {most:,} bytes"
                raise _WrongContentError(f"it is larger {promised}")
            part.write(chunk)
            if part.unsaved >= SYNC_BYTES:
                saving.start()
            self._refreshed = False
            if part.size > self._most_received:
                self._most_received = part.size
                self._retries.reset()
            if report is not None:
                report()

        try:
            await self._downloads.plain_http.stream_to(response, write)
        finally:
            await saving.end()
        if answer.total is not None and part.size < answer.total:
            raise PlainHttpError("it ended too early", transient=True)

    def _check_media_type(self) -> str:
        """Return the media type of the complete file; raises _WrongContentError for an unexpected one."""
        try:
            return media_types.output_type(self._part.head(), self._content_type, self._output.kind)
        except ValueError as error:
            raise _WrongContentError(str(error)) from None

    def _progress_callback(self) -> Callable[[], None] | None:
        """Return a function that reports the progress; None where nobody listens."""
        on_progress, events = self._options.on_progress, self._downloads.events
        if on_progress is None and not events.listening:
            return None

        def report() -> None:
            event = DownloadProgress(name=self._output.name, received=self._part.size, total=self._part.total)
            events.emit(event, on_progress)

        return report

    def _exists(self, path: str | Path) -> DownloadError:
        return self._failure(f"{path} exists already", "Pass overwrite=True (--overwrite), or choose another folder")

    def _failure(self, problem: str, advice: str, *, retryable: bool = True, local: bool = False) -> DownloadError:
        return DownloadError(problem, url=self._output.url, retryable=retryable, advice=advice, local=local)
