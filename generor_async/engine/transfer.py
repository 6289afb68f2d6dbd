"""Transfers the bytes of an output from its URL into a sink: a part file, or an upload into object storage.

An interrupted transfer resumes where it was if the host sends a strong ETag, and starts again if not. A presigned URL
is a credential: no error shows its query.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import aiohttp
from attrs import field, frozen

from generor_async.engine.call_scope import current_scope
from generor_async.engine.plain_http import PlainHttp, PlainHttpError
from generor_async.engine.retries import Retries
from generor_async.engine.tracebacks import without_traceback
from generor_async.errors import DownloadError, GenerorAsyncError
from generor_async.rules import byte_ranges, media_types
from generor_async.rules.byte_ranges import PartialFile, UsableBody
from generor_async.rules.wait_headers import retry_after
from generor_async.values import Clock

__all__ = [
    "Output",
    "Sink",
    "Transfer",
    "UnsatisfiableRangeError",
    "WrongContentError",
    "download_error",
    "without_urls",
]

T = TypeVar("T")

GONE_STATUSES = frozenset({404, 410})


@frozen(kw_only=True)
class Output:
    """An output to download; `name` is the name of its file without a suffix."""

    name: str
    owner_id: str = ""
    """The id of the job or creation that it belongs to; empty where the answer had none."""
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


class WrongContentError(Exception):
    """The host sent something else than the expected file: it is not retried, and nothing of it is kept."""


class UnsatisfiableRangeError(Exception):
    """The output ends before the wanted range; `total` is its size in bytes, None where the host hasn't said."""

    def __init__(self, total: int | None) -> None:
        super().__init__(total)
        self.total = total


def download_error(output: Output, error: PlainHttpError | WrongContentError) -> DownloadError:
    """Return the error for an output that could not be transferred."""
    if isinstance(error, WrongContentError):
        return DownloadError(str(error), url=output.url, advice="Fetch the result again, and look at what it is")
    advice = error.advice or "Download it again"
    return DownloadError(error.problem, url=output.url, retryable=not error.gone, advice=advice)


async def without_urls(work: Awaitable[T], output: Output) -> T:
    """Await work on an output's transfer; its errors have no frames that hold the presigned URL.

    Raises:
        DownloadError: The output could not be transferred.
        GenerorAsyncError: Its URL could not be refreshed.
    """
    try:
        return await work
    except (GenerorAsyncError, asyncio.CancelledError) as error:
        raise without_traceback(error)  # noqa: B904 - it is the same one
    except (PlainHttpError, WrongContentError) as error:
        failure = download_error(output, error)
    raise failure  # out here: the frames below, and aiohttp's exceptions, hold it


class Sink(Protocol):
    """Where the bytes of one output go. What its methods raise ends the transfer."""

    @property
    def present(self) -> PartialFile:
        """How much of which file is present."""
        ...

    def begin(self, body: UsableBody, content_type: str) -> None:
        """Start anew, empty, with the body of an answer."""
        ...

    def expect(self, total: int | None) -> None:
        """Take the size of the complete file; None where the host hasn't said."""
        ...

    def write(self, data: bytes) -> Awaitable[object] | None:
        """Append bytes; an awaitable that is returned ends when there is room for more."""
        ...

    def head(self) -> bytes:
        """Return the first bytes of the file."""
        ...

    def drop(self) -> None:
        """Discard what is present."""
        ...

    async def settle(self) -> None:
        """Wait for writes under way, after the end of a body or of a connection."""
        ...


class Transfer:
    """The transfer of one output into its sink."""

    def __init__(
        self,
        output: Output,
        sink: Sink,
        *,
        web: PlainHttp,
        clock: Clock,
        max_bytes: int,
        max_retries: int,
        on_chunk: Callable[[], object] | None,
    ) -> None:
        self._output = output
        self._sink = sink
        self._plain_http = web
        self._clock = clock
        self._max_bytes = max_bytes
        self._on_chunk = on_chunk
        self._url = output.url
        self._since = output.since
        self._content_type = ""
        self._most_received = 0
        """The most bytes received so far. Retries are counted anew whenever an attempt gets further than this."""
        self._retries = Retries(clock, max_retries)
        self._refreshed = False
        """Whether the URL was just refreshed, and has brought no bytes yet: it is not refreshed twice in a row."""

    async def run(self) -> None:
        """Retry until the sink has the whole output, or the range of it that is wanted.

        Raises:
            PlainHttpError: It could not be transferred.
            WrongContentError: The host sent something else.
            UnsatisfiableRangeError: The output ends before the wanted range.
            GenerorAsyncError: The URL could not be refreshed.
        """
        if self._output.text is not None:
            await self._write_text(self._output.text.encode("utf-8", "backslashreplace"))
            return
        while True:
            try:
                await self._attempt()
            except PlainHttpError as error:
                if not await self._retries.next_attempt(error):
                    raise
            else:
                return

    def media_type(self) -> str:
        """Return the media type of the output, by its first bytes; raises WrongContentError for an unexpected one."""
        if self._output.text is not None:
            return "text/plain"
        try:
            return media_types.output_type(self._sink.head(), self._content_type, self._output.kind)
        except ValueError as error:
            raise WrongContentError(str(error)) from None

    async def _write_text(self, data: bytes) -> None:
        wanted = self._sink.present.wanted
        bounds = (0, len(data)) if wanted is None else wanted.bounds(len(data))
        if bounds is None:
            raise UnsatisfiableRangeError(len(data))
        start, stop = bounds
        self._sink.begin(UsableBody(start, len(data), None, stop), "text/plain")
        self._sink.expect(len(data))
        if (writing := self._sink.write(data[start:stop])) is not None:
            await writing

    async def _attempt(self) -> None:
        """Request the missing bytes once, with a fresh URL where the present one has expired."""
        if byte_ranges.is_stale(self._since, self._clock.time()) and self._output.refresh is not None:
            await self._refresh()
        have, scope = self._sink.present, current_scope()
        if scope is not None:
            scope.record_start(self._clock.monotonic())
            scope.record_attempt("unknown", None)
        async with self._plain_http.get(self._url, byte_ranges.range_headers(have)) as response:
            answer = byte_ranges.check_response(response.status, response.headers, have, most=self._max_bytes)
            usable = isinstance(answer, byte_ranges.UsableBody)
            if scope is not None:
                scope.record_attempt("unknown" if usable else "refused", response.status)
            if isinstance(answer, byte_ranges.UsableBody):
                await self._save_body(response, answer)
                if scope is not None:
                    scope.record_attempt("done", response.status)
                return
            wait = retry_after(response.headers, self._clock.time()) or 0.0
        match answer.why:
            case "expired" if self._output.refresh is not None and not self._refreshed:
                await self._refresh()
                await self._attempt()
            case "expired":
                advice = "It may have expired: fetch the result again"
                raise PlainHttpError(answer.problem, transient=False, advice=advice)
            case "part":
                self._sink.drop()
                await self._attempt()
            case "large":
                raise WrongContentError(answer.problem)
            case "range":
                raise UnsatisfiableRangeError(answer.total)
            case _:
                advice = "Fetch the result again"
                gone = response.status in GONE_STATUSES
                raise PlainHttpError(
                    answer.problem, transient=answer.why == "passing", gone=gone, advice=advice, wait=wait
                )

    async def _refresh(self) -> None:
        assert self._output.refresh is not None
        self._url = await self._output.refresh()
        self._since = self._clock.time()
        self._refreshed = True

    async def _save_body(self, response: aiohttp.ClientResponse, answer: byte_ranges.UsableBody) -> None:
        """Write the body of an answer to the sink."""
        sink, on_chunk = self._sink, self._on_chunk
        self._content_type = response.content_type
        if not answer.continues:
            sink.begin(answer, self._content_type)
        sink.expect(answer.total)
        most = self._max_bytes if answer.stop is None else answer.stop
        size = answer.start

        def write(chunk: bytes) -> Awaitable[object] | None:
            nonlocal size
            size += len(chunk)
            if size > most:
                promised = "than was promised" if most == answer.stop else f"than {most:,} bytes"
                raise WrongContentError(f"it is larger {promised}")
            writing = sink.write(chunk)
            self._refreshed = False
            if size > self._most_received:
                self._most_received = size
                self._retries.reset()
            if on_chunk is not None:
                on_chunk()
            return writing

        try:
            await self._plain_http.stream_to(response, write)
        finally:
            await sink.settle()
        if answer.stop is not None and size < answer.stop:
            raise PlainHttpError("it ended too early", transient=True)
