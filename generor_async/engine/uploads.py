"""Uploads: a file is recorded at the API, put to the presigned URL that it names, and taken in.

The bytes go to another host than the API's, and no credentials with them. They are never in memory as a whole.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeAlias, TypeVar

from attrs import frozen

from generor_async.engine.contents import Content
from generor_async.engine.deadline import within
from generor_async.engine.events import EventStream
from generor_async.engine.options import Options
from generor_async.engine.tracebacks import bare
from generor_async.engine.web import Web, WebError
from generor_async.errors import (
    APIConnectionError,
    APIError,
    ClientClosedError,
    DeadlineExceededError,
    InternalServerError,
    RateLimitError,
    UploadError,
)
from generor_async.rules import masking, ranges, retry
from generor_async.rules.schedule import Durations
from generor_async.values import Clock, Secret, UploadProgress, maybe

__all__ = ["Calls", "UploadTold", "Uploads"]

INGEST_SECONDS = 1_800.0
"""How long the API may take to take a file in, when nobody says."""
TERMINAL = frozenset({"ready", "failed", "deleted"})
_UNKNOWN = Durations()
"""How long files take to be taken in: nothing is learned of that."""
ADVICE = "Upload it again"
OF_THE_BODY = frozenset({"content-length", "transfer-encoding"})
"""Headers that say how a body is sent, which is ours to say."""

UploadTold: TypeAlias = Callable[[UploadProgress], object]


class Presigned(Protocol):
    """Where and how to put the bytes."""

    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str] | None: ...


class Recorded(Protocol):
    """A file that was recorded at the API."""

    @property
    def id(self) -> str: ...
    @property
    def upload(self) -> Presigned | None: ...


class Ingested(Protocol):
    """A file as the API sees it."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def failure_reason(self) -> str | None: ...


F = TypeVar("F", bound=Ingested)


@frozen(kw_only=True)
class Calls(Generic[F]):
    """The calls of the API that an upload makes."""

    create: Callable[[], Awaitable[Recorded]]
    complete: Callable[[str], Awaitable[F]]
    get: Callable[[str], Awaitable[F]]
    delete: Callable[[str], Awaitable[None]]


class Uploads:
    """Uploads files for one client."""

    def __init__(self, *, web: Web, clock: Clock, events: EventStream, key: Secret | None) -> None:
        self._web = web
        self._key = key
        self._clock = clock
        self._events = events

    async def upload(self, content: Content, calls: Calls[F], *, options: Options, on_progress: UploadTold | None) -> F:
        """Upload a content and wait until it is ready.

        Raises UploadError, what the calls raise, and DeadlineExceededError when the options' timeout is over, or the
        API has taken half an hour to take it in.
        """
        return await within(
            options.timeout,
            self._clock,
            self._whole(content, calls, options, on_progress),
            what="the upload",
            advice="Give it more with with_options(timeout=...)",
        )

    async def _whole(self, content: Content, calls: Calls[F], options: Options, told: UploadTold | None) -> F:
        recorded = await self._through(content, calls, options.max_retries, told)
        file = await _settled(await calls.complete(recorded.id), calls.get, self._clock)
        if file.state != "ready":
            file = masking.masked(file, masking.secrets_of(self._key, options.named))
            raise _refused(file)
        return file

    async def _through(self, content: Content, calls: Calls[F], max_retries: int, told: UploadTold | None) -> Recorded:
        """Put the bytes where they belong, again if need be; return the file that has them."""
        recorded, renewed, retries = await calls.create(), False, 0
        while True:
            try:
                if await self._put(content, recorded, told, renewable=content.repeatable and not renewed):
                    return recorded
            except WebError as error:
                failure = _failure(error, content, recorded.id)
                if not (error.passing and content.repeatable and content.error is None and retries < max_retries):
                    break
                delay = max(error.wait, retry.backoff_delay(retries, random.random()))  # noqa: S311 - jitter
                retries, renewed = retries + 1, False
                await self._clock.sleep(delay)
            except asyncio.CancelledError as error:
                raise bare(error)  # noqa: B904 - it is the same one
            else:
                # A presigned URL comes with a record of its own: the old one will never have any bytes.
                with contextlib.suppress(APIError):
                    await calls.delete(recorded.id)
                recorded, renewed = await calls.create(), True
        # Raised out here: the frames below hold the presigned URL.
        raise failure

    async def _put(self, content: Content, recorded: Recorded, told: UploadTold | None, *, renewable: bool) -> bool:
        """Put the bytes once; False where the URL was refused, as one that has expired is, and can be renewed."""
        upload = recorded.upload
        if upload is None or not maybe(upload.url):
            raise WebError("the API named no place to put the bytes", passing=False)
        named = {name: value for name, value in (upload.headers or {}).items() if name.lower() not in OF_THE_BODY}
        headers = {**named, "Content-Length": str(content.size)}
        status = await self._web.put(upload.url, headers, self._chunks(content, told))
        if status == 403 and renewable:
            return False
        if not 200 <= status < 300:
            passing = status in ranges.PASSING or status >= 500
            raise WebError(f"the host answered {status}", passing=passing)
        return True

    async def _chunks(self, content: Content, told: UploadTold | None) -> AsyncIterator[bytes]:
        """Yield the bytes, and tell how many of them are gone."""
        listening, sent = told is not None or self._events.listening, 0
        async for chunk in content.chunks():
            yield chunk
            sent += len(chunk)
            if listening:
                event = UploadProgress(name=content.name, sent=sent, total=content.size)
                self._events.emit(event, told)


async def _settled(file: F, get: Callable[[str], Awaitable[F]], clock: Clock) -> F:
    """Look at a file until its state is terminal; a look that fails for a passing reason isn't the file failing."""
    began = clock.monotonic()
    while file.state not in TERMINAL:
        age = clock.monotonic() - began
        spacing = _UNKNOWN.spacing(age)
        if age + spacing > INGEST_SECONDS:
            raise _not_in_time(file)
        await clock.sleep(spacing)
        try:
            file = await get(file.id)
        except ClientClosedError:
            raise
        except (APIConnectionError, InternalServerError, RateLimitError):
            continue
    return file


def _not_in_time(file: Ingested) -> DeadlineExceededError:
    return DeadlineExceededError(
        f"file {file.id} was not taken in within {INGEST_SECONDS:g} s",
        waited_for="poll",
        advice=f"It may still become ready: look at it with files.get({file.id!r})",
    )


def _refused(file: Ingested) -> UploadError:
    reason = file.failure_reason or f"its state is {file.state}"
    return UploadError(
        f"the API did not take in file {file.id}: {reason}",
        file_id=file.id,
        advice="Check that the file is a whole image or video, and upload it again",
    )


def _failure(error: WebError, content: Content, file_id: str) -> Exception:
    """Say why an upload failed: what the content itself raised comes first."""
    if isinstance(content.error, UploadError):
        content.error.file_id = file_id
    if content.error is not None:
        return content.error.with_traceback(content.trace)
    name = content.name or "the content"
    advice = error.advice or (ADVICE if content.repeatable else f"{ADVICE}: a stream cannot be read a second time")
    return UploadError(f"{name} could not be uploaded: {error.problem}", file_id=file_id, advice=advice)
