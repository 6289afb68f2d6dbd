"""Uploads a file: create a record at the API, PUT the bytes to its presigned URL, complete it, wait until it is ready.

The bytes go to another host than the API, without credentials, and are streamed: they are never in memory as a whole.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeAlias, TypeVar

from attrs import frozen

from generor_async.engine.deadline import within
from generor_async.engine.events import EventStream
from generor_async.engine.options import Options
from generor_async.engine.plain_http import PlainHttp, PlainHttpError
from generor_async.engine.retries import Retries
from generor_async.engine.tracebacks import without_traceback
from generor_async.engine.upload_content import Content
from generor_async.errors import (
    APIConnectionError,
    APIError,
    ClientClosedError,
    DeadlineExceededError,
    InternalServerError,
    RateLimitError,
    UploadError,
)
from generor_async.rules import byte_ranges, masking
from generor_async.rules.schedule import JobDurations
from generor_async.values import Clock, Secret, UploadProgress, maybe

__all__ = ["UploadCallback", "UploadCalls", "Uploads"]

INGEST_SECONDS = 1_800.0
"""Seconds after which a file that is still being processed is given up."""
TERMINAL = frozenset({"ready", "failed", "deleted"})
_DURATIONS = JobDurations()
"""How long files take to be processed: unknown, and not learned."""
ADVICE = "Upload it again"
BODY_HEADERS = frozenset({"content-length", "transfer-encoding"})
"""Headers that the client sets itself."""

UploadCallback: TypeAlias = Callable[[UploadProgress], object]


class Presigned(Protocol):
    """A presigned URL, and the headers that its PUT needs."""

    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str] | None: ...


class FileRecord(Protocol):
    """A file as `files.create` returns it."""

    @property
    def id(self) -> str: ...
    @property
    def upload(self) -> Presigned | None: ...


class UploadedFile(Protocol):
    """A file as `files.get` returns it."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def failure_reason(self) -> str | None: ...


F = TypeVar("F", bound=UploadedFile)


@frozen(kw_only=True)
class UploadCalls(Generic[F]):
    """The API calls that an upload needs."""

    create: Callable[[], Awaitable[FileRecord]]
    complete: Callable[[str], Awaitable[F]]
    get: Callable[[str], Awaitable[F]]
    delete: Callable[[str], Awaitable[None]]


class Uploads:
    """Uploads files for one client."""

    def __init__(self, *, web: PlainHttp, clock: Clock, events: EventStream, key: Secret | None) -> None:
        self._plain_http = web
        self._key = key
        self._clock = clock
        self._events = events

    async def upload(
        self, content: Content, calls: UploadCalls[F], *, options: Options, on_progress: UploadCallback | None
    ) -> F:
        """Upload a content, and wait until the API has processed it.

        Args:
            content: What to upload.
            calls: The API calls to make.
            options: The options of the call; `timeout` (seconds) and `max_retries` are used.
            on_progress: Called with an UploadProgress as bytes are sent.

        Raises:
            UploadError: The bytes could not be sent, or the API refused the file.
            DeadlineExceededError: The timeout is over, or the file was not ready after half an hour.
            GenerorAsyncError: What one of the calls raised.
        """
        return await within(
            options.timeout,
            self._clock,
            self._upload(content, calls, options, on_progress),
            what="the upload",
            advice="Give it more with with_options(timeout=...)",
        )

    async def _upload(
        self, content: Content, calls: UploadCalls[F], options: Options, on_progress: UploadCallback | None
    ) -> F:
        recorded = await self._put_until_done(content, calls, options.max_retries, on_progress)
        file = await _wait_until_ready(await calls.complete(recorded.id), calls.get, self._clock)
        if file.state != "ready":
            file = masking.mask_value(file, masking.texts_to_mask(self._key, options.named))
            raise _refused_error(file)
        return file

    async def _put_until_done(
        self, content: Content, calls: UploadCalls[F], max_retries: int, on_progress: UploadCallback | None
    ) -> FileRecord:
        """Send the bytes, with retries, and return the record of the file that has them."""
        recorded, renewed = await calls.create(), False
        retries = Retries(self._clock, max_retries)
        while True:
            try:
                if await self._put(content, recorded, on_progress, renewable=content.repeatable and not renewed):
                    return recorded
            except PlainHttpError as error:
                failure = _failure(error, content, recorded.id)
                if not content.repeatable or content.error is not None or not await retries.next_attempt(error):
                    break
                renewed = False
            except asyncio.CancelledError as error:
                raise without_traceback(error)  # noqa: B904 - it is the same one
            else:
                # A fresh presigned URL comes with a new record: the old record will never have any bytes.
                with contextlib.suppress(APIError):
                    await calls.delete(recorded.id)
                recorded, renewed = await calls.create(), True
        # Raised out here: the frames below hold the presigned URL.
        raise failure

    async def _put(
        self, content: Content, recorded: FileRecord, on_progress: UploadCallback | None, *, renewable: bool
    ) -> bool:
        """Send the bytes once; False where the URL was refused, as an expired one is, and can be renewed."""
        upload = recorded.upload
        if upload is None or not maybe(upload.url):
            raise PlainHttpError("the API named no URL to send the bytes to", transient=False)
        named = {name: value for name, value in (upload.headers or {}).items() if name.lower() not in BODY_HEADERS}
        headers = {**named, "Content-Length": str(content.size)}
        status = await self._plain_http.put(upload.url, headers, self._chunks(content, on_progress))
        if status == 403 and renewable:
            return False
        if not 200 <= status < 300:
            transient = status in byte_ranges.TRANSIENT_STATUSES or status >= 500
            raise PlainHttpError(f"the host answered {status}", transient=transient)
        return True

    async def _chunks(self, content: Content, on_progress: UploadCallback | None) -> AsyncIterator[bytes]:
        """Yield the chunks of a content, and report how many bytes were sent."""
        listening, sent = on_progress is not None or self._events.listening, 0
        async for chunk in content.chunks():
            yield chunk
            sent += len(chunk)
            if listening:
                event = UploadProgress(name=content.name, sent=sent, total=content.size)
                self._events.emit(event, on_progress)


async def _wait_until_ready(file: F, get: Callable[[str], Awaitable[F]], clock: Clock) -> F:
    """Poll a file until its state is terminal; a poll that fails for a transient reason is repeated."""
    began = clock.monotonic()
    while file.state not in TERMINAL:
        age = clock.monotonic() - began
        spacing = _DURATIONS.spacing(age)
        if age + spacing > INGEST_SECONDS:
            raise _not_ready_error(file)
        await clock.sleep(spacing)
        try:
            file = await get(file.id)
        except ClientClosedError:
            raise
        except (APIConnectionError, InternalServerError, RateLimitError):
            continue
    return file


def _not_ready_error(file: UploadedFile) -> DeadlineExceededError:
    return DeadlineExceededError(
        f"file {file.id} was not ready within {INGEST_SECONDS:g} s",
        waited_for="poll",
        advice=f"It may still become ready: check it with files.get({file.id!r})",
    )


def _refused_error(file: UploadedFile) -> UploadError:
    reason = file.failure_reason or f"its state is {file.state}"
    return UploadError(
        f"the API refused file {file.id}: {reason}",
        file_id=file.id,
        advice="Check that the file is a whole image or video, and upload it again",
    )


def _failure(error: PlainHttpError, content: Content, file_id: str) -> Exception:
    """Return the error of an upload that failed: an error that the content raised comes first."""
    if isinstance(content.error, UploadError):
        content.error.file_id = file_id
    if content.error is not None:
        return content.error.with_traceback(content.trace)
    name = content.name or "the content"
    advice = error.advice or (ADVICE if content.repeatable else f"{ADVICE}: a stream cannot be read a second time")
    return UploadError(f"{name} could not be uploaded: {error.problem}", file_id=file_id, advice=advice)
