"""Downloads outputs into files. A file appears under its name only when it is complete.

A download whose process was killed resumes where it was when it is downloaded again, if the host sends a strong ETag.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias, TypeVar

from attrs import frozen

from generor_async.engine.call_scope import current_scope
from generor_async.engine.deadline import within
from generor_async.engine.download_target import Target, WrongSuffixError, make_target
from generor_async.engine.events import EventStream
from generor_async.engine.lifetime import Lifetime
from generor_async.engine.memory_sink import MemorySink
from generor_async.engine.options import Options
from generor_async.engine.output_stream import Delivery
from generor_async.engine.part_files import Leftovers, PartFile
from generor_async.engine.plain_http import PlainHttp, PlainHttpError
from generor_async.engine.settings import MAX_BYTES
from generor_async.engine.tracebacks import without_traceback
from generor_async.engine.transfer import Output, Sink, Transfer, WrongContentError, download_error, without_urls
from generor_async.errors import DownloadError, GenerorAsyncError
from generor_async.rules import arguments, option_checks
from generor_async.rules.byte_ranges import ByteRange, PartialFile, UsableBody
from generor_async.stores.threads import SingleFlight, run_to_completion
from generor_async.values import Clock, DownloadProgress

__all__ = ["DownloadCallback", "Downloads", "Output", "each"]

T = TypeVar("T")

CONCURRENT_DOWNLOADS = 4
"""How many outputs of one result are downloaded concurrently."""
SYNC_BYTES = 8 * 1024**2
"""After so many new bytes a large file is synced in the background, so that the sync at its end is short."""

DownloadCallback: TypeAlias = Callable[[DownloadProgress], object]


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
        return await each(outputs, lambda output: _Download(self, output, options).run())

    def transfer(
        self,
        output: Output,
        sink: Sink,
        *,
        max_bytes: int,
        max_retries: int,
        on_progress: DownloadCallback | None = None,
    ) -> Transfer:
        """Return the transfer of an output into a sink, which reports its progress."""

        def report() -> None:
            present = sink.present
            event = DownloadProgress(name=output.name, received=present.size, total=present.total)
            self.events.emit(event, on_progress)

        return Transfer(
            output,
            sink,
            web=self.plain_http,
            clock=self.clock,
            max_bytes=max_bytes,
            max_retries=max_retries,
            on_chunk=None if on_progress is None and not self.events.listening else report,
        )

    async def read(self, output: Output, *, max_bytes: int, max_retries: int) -> bytes:
        """Return the bytes of an output.

        Raises:
            DownloadError: It could not be downloaded.
            GenerorAsyncError: Its URL could not be refreshed.
        """
        sink = MemorySink()
        transfer = self.transfer(output, sink, max_bytes=max_bytes, max_retries=max_retries)
        return await without_urls(_read(transfer, sink), output)

    async def stream(
        self,
        output: Output,
        lifetime: Lifetime,
        *,
        options: Options,
        scope: Callable[[], AbstractContextManager[object]] = nullcontext,
        wanted: ByteRange | None = None,
        if_range: str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> Delivery:
        """Start the transfer of an output to a consumer, and return it when its first bytes are here.

        Args:
            output: What to transfer.
            lifetime: The client's, whose end ends the transfer.
            options: The options of the call; `timeout` (seconds until the first bytes) and `max_retries` are used.
            scope: Returns the block in which the transfer is a call, for the events.
            wanted: The range that is wanted; None for the whole output.
            if_range: The ETag or the date that the consumer's first bytes are of.
            max_bytes: The largest output that is accepted, in bytes.

        Raises:
            DownloadError: It could not be downloaded.
            DeadlineExceededError: The timeout is over.
        """
        delivery = Delivery(output, wanted, if_range, scope)
        transfer = self.transfer(output, delivery, max_bytes=max_bytes, max_retries=options.max_retries)
        return await within(
            options.timeout,
            self.clock,
            delivery.start(transfer, lifetime),
            what="opening the stream",
            advice="Give it more with with_options(timeout=...), and stream again",
        )


async def _read(transfer: Transfer, sink: MemorySink) -> bytes:
    await transfer.run()
    transfer.media_type()
    return sink.whole()


async def each(outputs: list[Output], work: Callable[[Output], Awaitable[T]]) -> list[T]:
    """Return what `work` returns for each output, a few at a time; its errors get the id of the output's owner."""
    gate = asyncio.Semaphore(CONCURRENT_DOWNLOADS)

    async def one(output: Output) -> T:
        async with gate:
            try:
                return await work(output)
            except GenerorAsyncError as error:
                if output.attach_id is not None:
                    output.attach_id(error)
                raise

    tasks = [asyncio.ensure_future(one(output)) for output in outputs]
    if (scope := current_scope()) is not None:
        scope.tasks.update(tasks)
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


class _FileSink:
    """Writes an output to its part file; a large one is synced in the background as it grows."""

    def __init__(self, part: PartFile) -> None:
        self._part = part
        self._saving = SingleFlight(part.save)

    @property
    def present(self) -> PartialFile:
        """How much of which file is present."""
        return self._part.present

    def begin(self, body: UsableBody, content_type: str) -> None:  # noqa: ARG002 - the first bytes say it later
        """Start an empty part file."""
        self._part.begin(body.etag)

    def expect(self, total: int | None) -> None:
        """Take the size of the complete file."""
        self._part.total = total

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._part.write(data)
        if self._part.unsaved >= SYNC_BYTES:
            self._saving.start()

    def head(self) -> bytes:
        """Return the first bytes of the file."""
        return self._part.head()

    def drop(self) -> None:
        """Remove the part file."""
        self._part.drop()

    async def settle(self) -> None:
        """Wait until no sync is running."""
        await self._saving.end()


class _Download:
    """The download of one output."""

    def __init__(self, downloads: Downloads, output: Output, options: DownloadOptions) -> None:
        self._output = output
        self._options = options
        folder = options.target.folder
        self._part = PartFile(folder, options.target.name(output.name), downloads.leftovers)
        self._transfer = downloads.transfer(
            output,
            _FileSink(self._part),
            max_bytes=options.max_bytes,
            max_retries=options.max_retries,
            on_progress=options.on_progress,
        )

    async def run(self) -> Path:
        """Download the output, and return its path; raises DownloadError, or what a refresh of the URL raised."""
        if not self._options.overwrite and (path := self._options.target.existing(self._output.name)) is not None:
            raise self._exists(path)
        try:
            self._part.resume()
            await self._transfer.run()
            suffix = self._options.target.suffix(self._transfer.media_type())
            return await run_to_completion(lambda: self._part.finish(suffix, overwrite=self._options.overwrite))
        except GenerorAsyncError as error:  # from a refresh; first, as its timeouts are also OSErrors
            self._part.keep()
            raise without_traceback(error)  # noqa: B904 - it is the same one
        except PlainHttpError as error:
            self._part.keep()
            failure = download_error(self._output, error)
        except WrongContentError as error:
            failure = download_error(self._output, error)
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

    def _exists(self, path: str | Path) -> DownloadError:
        return self._failure(f"{path} exists already", "Pass overwrite=True (--overwrite), or choose another folder")

    def _failure(self, problem: str, advice: str, *, retryable: bool = True, local: bool = False) -> DownloadError:
        return DownloadError(problem, url=self._output.url, retryable=retryable, advice=advice, local=local)
