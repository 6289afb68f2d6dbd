# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""Blocking proxies of `luma` and `luma_state` and `luma_resources`."""

import math
import os
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from ssl import SSLContext
from typing import Any, Self, TypeVar, Unpack

import aiohttp

import generor_async
from generor_async.api.luma import models
from generor_async.api.luma.models import File, FilePurpose, Generation
from generor_async.engine.auth import as_secret, masked_texts, masked_url
from generor_async.engine.call_map import MapOutcome
from generor_async.engine.clock import REAL_CLOCK
from generor_async.engine.downloads import DownloadCallback
from generor_async.engine.settings import MAX_BYTES
from generor_async.engine.state.jobs import UnknownCall
from generor_async.engine.uploads import UploadCallback
from generor_async.errors import GenerorAsyncError
from generor_async.luma import AsyncLuma
from generor_async.luma_resources import Files as AsyncFiles
from generor_async.luma_resources import Generations as AsyncGenerations
from generor_async.luma_resources import Job as AsyncJob
from generor_async.luma_state import LumaJobs as AsyncLumaJobs
from generor_async.rules.http_types import Operation
from generor_async.rules.older_api import NoOthers, without_others
from generor_async.sync.bridge import SyncClient, SyncProxy, impls, streamed, wrapped
from generor_async.sync.output_stream import OutputStream
from generor_async.sync.pages import Pages
from generor_async.sync.state import Budgets
from generor_async.values import JSON, UNSET, Clock, KeyCheck, MediaRef, Priority, RetrySafety, Secret, Unset

__all__ = ["Files", "Generations", "Job", "Luma", "LumaJobs"]
T = TypeVar("T")


class Job(SyncProxy[AsyncJob]):
    """A generation under way; its `id` is all that it takes to find it again.

    `job.wait()` waits until it is completed. A job cannot be cancelled: Luma documents no call for it.
    """

    __slots__ = ()

    @property
    def id(self) -> str:
        """The generation's id."""
        return self._impl.id

    @property
    def context(self) -> JSON:
        """What was attached to it by `with_options(context=)`; None if nothing was."""
        return self._impl.context

    @property
    def generation(self) -> Generation | None:
        """The generation as it was last seen; None before the first poll."""
        return self._impl.generation

    @property
    def result(self) -> Generation | None:
        """The completed generation; None while it isn't known to be."""
        return self._impl.result

    @property
    def error(self) -> GenerorAsyncError | None:
        """Why there is no result: the job failed, or the last wait for it did. None while all is well."""
        return self._impl.error

    @property
    def expected_seconds(self) -> float | None:
        """The seconds until the job is completed or fails: half of the known jobs that ran as long needed no more.

        The client learns how long jobs of each model and type take, and begins with what they usually take (measured,
        or else assumed). Never below 0; 0 once the job has ended. None where nothing is known: of a job that was never
        polled, or whose age or type is unknown, or that runs longer than any job is known to.
        """
        return self._impl.expected_seconds

    def wait(self, *, timeout: float = math.inf) -> Generation:
        """Wait until the job is completed.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The completed generation.

        Raises:
            GenerationFailedError: The job failed; the class tells why.
            DeadlineExceededError: Time is up; the job goes on.
        """
        return self._bridge.run(self._impl.wait(timeout=timeout))

    def updates(self, *, timeout: float = math.inf) -> Iterator[Generation]:
        """Iterate over the states of the job, until it has ended.

        Args:
            timeout: Seconds to wait at most.

        Yields:
            The generation at each change of its state, the present one first.

        Raises:
            DeadlineExceededError: Time is up; the job goes on.
        """
        return self._bridge.iterate(self._impl.updates(timeout=timeout))

    def refresh(self) -> Generation:
        """Poll the job once.

        Returns:
            The generation as it is now.
        """
        return self._bridge.run(self._impl.refresh())

    def download(
        self,
        to: str | PathLike[str],
        *,
        overwrite: bool = False,
        max_bytes: int = MAX_BYTES,
        on_progress: DownloadCallback | None = None,
    ) -> list[Path]:
        """Download the outputs of the completed job, as `Luma.download` does.

        Args:
            to: A folder, made if need be. Where there is one output, it may be the file's path, with a suffix of media.
            overwrite: Replace files that exist.
            max_bytes: The most that one file may have; 2 GiB by default.
            on_progress: A function that gets a DownloadProgress for each piece.

        Returns:
            The files' paths, in the order of the outputs.

        Raises:
            DownloadError: As for `Luma.download`.
        """
        return self._bridge.run(
            self._impl.download(to, overwrite=overwrite, max_bytes=max_bytes, on_progress=on_progress)
        )


class Generations(SyncProxy[AsyncGenerations]):
    """Submit generations, wait for them, and go on with earlier ones by their ids."""

    __slots__ = ()

    def job(self, generation_id: str) -> Job:
        """Return the job of an id, without a request: after a restart, for example.

        Args:
            generation_id: The generation's id.

        Returns:
            The job. Whether there is one of this id shows when it is first polled.

        Raises:
            InvalidRequestError: This can be no id.
        """
        return Job(self._bridge, self._impl.job(generation_id))

    def map(
        self,
        requests: Iterable[Mapping[str, Any] | Operation[Generation]]
        | AsyncIterable[Mapping[str, Any] | Operation[Generation]],
        *,
        ordered: bool = False,
        concurrency: int | None = None,
    ) -> Iterator[MapOutcome[Generation]]:
        """Submit a generation for each of many requests, wait for each as `run` does, and yield their outcomes.

        A failure is an outcome, and stops nothing; so is a request that can't be right. Requests are read as calls
        start, and no more start while outcomes aren't taken: the source may be endless. Calls have bulk priority,
        unless the client's view is interactive. A request is charged at most once.

        Leaving the iteration, or cancelling it, cancels the calls under way and waits for their ends. The jobs that go
        on, and outcomes that weren't taken, are named by notes of the exception, or by a warning in the log after a
        `break`. An error of the source is raised after the outcomes of all calls that have started. If the client is
        closed, the calls under way have outcomes, and then a ClientClosedError is raised.

        Args:
            requests: Mappings of the parameters of `create`, or Operations that
                `generor_async.api.luma.operations.generations_create` has built.
            ordered: Yield the outcomes in the order of the requests; by default as they come.
            concurrency: The number of calls that are under way or whose outcomes haven't been taken; by default 250, or
                the known number of concurrent jobs if that is larger. The API's limits are kept in any case.

        Yields:
            The outcome of each request, once.

        Raises:
            InvalidRequestError: An argument can never be right.
            ClientClosedError: The client was closed.
        """
        return self._bridge.iterate(self._impl.map(streamed(requests), ordered=ordered, concurrency=concurrency))

    def wait_all(self, jobs: Iterable[Job], *, timeout: float = math.inf) -> list[Job]:
        """Wait until each of many jobs has ended, or time is up.

        Nothing is raised for a job that failed or could not be waited for: each has its `result` or its `error`.

        Args:
            jobs: The jobs.
            timeout: Seconds for all of them together.

        Returns:
            The same jobs, in their order.

        Raises:
            InvalidRequestError: Something among them is no job.
        """
        return [
            Job(self._bridge, each)
            for each in self._bridge.run(self._impl.wait_all(impls(jobs, "jobs", Job), timeout=timeout))
        ]

    def as_completed(self, jobs: Iterable[Job], *, timeout: float = math.inf) -> Iterator[Job]:
        """Iterate over many jobs as they end, each with its `result` or its `error`.

        Nothing is raised for a job that failed. A job takes no task, and what was yielded is not held on to.

        Args:
            jobs: The jobs.
            timeout: Seconds for all of them together.

        Yields:
            Each job once; those that haven't ended when time is up come last.

        Raises:
            InvalidRequestError: Something among them is no job.
        """
        return (
            Job(self._bridge, each)
            for each in self._bridge.iterate(self._impl.as_completed(impls(jobs, "jobs", Job), timeout=timeout))
        )

    @without_others
    def submit(
        self,
        *,
        prompt: str,
        model: models.GenerationModel | Unset = UNSET,
        type: models.GenerationType | Unset = UNSET,
        aspect_ratio: models.GenerationAspectRatio | Unset | None = UNSET,
        style: models.GenerationStyle | Unset = UNSET,
        output_format: models.GenerationOutputFormat | Unset | None = UNSET,
        web_search: bool | Unset = UNSET,
        image_ref: Sequence[MediaRef | models.MediaRefDict] | Unset = UNSET,
        source: MediaRef | models.MediaRefDict | Unset | None = UNSET,
        layering: models.LayeringOptions | models.LayeringOptionsDict | Unset | None = UNSET,
        video: models.VideoOptions | models.VideoOptionsDict | Unset | None = UNSET,
        user_id: str | Unset | None = UNSET,
        on_submitted: Callable[[Job], object] | None = None,
        **others: Unpack[NoOthers],
    ) -> Job:
        """Submit a generation, and return its job.

        Args:
            prompt: What to generate or how to edit the source, 1 to 6,000 characters.
            model: Which model generates; the server's default is `uni-1`. `uni-1-max` takes the same parameters at a
                higher price, `ray-3.2` makes videos.
            type: The kind of generation; the server's default is `image`. Which are valid depends on the model.
            aspect_ratio: Width to height, such as `16:9`; None lets the model choose. Which are valid depends on model
                and type, and the server decides: `uni-1` takes all but `21:9`, `4:3` and `3:4`.
            style: A style preset; the server's default is `auto`.
            output_format: The image format of the output; None lets the model choose.
            web_search: Whether the model may search the web and download references before it generates (client).
            image_ref: Reference images for style and content, up to 9 for type `image` and 8 for `image_edit`, of at
                most 50 MB each.
            source: The image or video to work on, an image of at most 50 MB. Required for `image_edit`, `video_edit`,
                `video_reframe` and `layering`; not valid for `image`.
            layering: How to take an image apart; for type `layering` only (client).
            video: How the video is to be; for the types `video`, `video_edit` and `video_reframe` only (client).
            user_id: An opaque, stable tag of the caller's end user, with nothing personal in it (client).
            on_submitted: A function or coroutine function that is given the job before anything else happens: write its
                id down there, and nothing that was paid for is lost. What it raises is raised here; the job goes on.

        Returns:
            The job, which is queued.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            APIError: Whatever `create` raises.
        """
        return Job(
            self._bridge,
            self._bridge.run(
                self._impl.submit(
                    prompt=prompt,
                    model=model,
                    type=type,
                    aspect_ratio=aspect_ratio,
                    style=style,
                    output_format=output_format,
                    web_search=web_search,
                    image_ref=image_ref,
                    source=source,
                    layering=layering,
                    video=video,
                    user_id=user_id,
                    on_submitted=None
                    if on_submitted is None
                    else wrapped(on_submitted, "on_submitted", lambda given: on_submitted(Job(self._bridge, given))),
                    **others,
                )
            ),
        )

    @without_others
    def run(
        self,
        *,
        prompt: str,
        model: models.GenerationModel | Unset = UNSET,
        type: models.GenerationType | Unset = UNSET,
        aspect_ratio: models.GenerationAspectRatio | Unset | None = UNSET,
        style: models.GenerationStyle | Unset = UNSET,
        output_format: models.GenerationOutputFormat | Unset | None = UNSET,
        web_search: bool | Unset = UNSET,
        image_ref: Sequence[MediaRef | models.MediaRefDict] | Unset = UNSET,
        source: MediaRef | models.MediaRefDict | Unset | None = UNSET,
        layering: models.LayeringOptions | models.LayeringOptionsDict | Unset | None = UNSET,
        video: models.VideoOptions | models.VideoOptionsDict | Unset | None = UNSET,
        user_id: str | Unset | None = UNSET,
        resubmit: int = 0,
        on_submitted: Callable[[Job], object] | None = None,
        **others: Unpack[NoOthers],
    ) -> models.Generation:
        """Submit a generation, wait for it, and return it completed.

        Unless the client has a `timeout`, a job has 1,800 seconds from its submission; the queue before it waits as
        long as it must.

        Args:
            prompt: What to generate or how to edit the source, 1 to 6,000 characters.
            model: Which model generates; the server's default is `uni-1`. `uni-1-max` takes the same parameters at a
                higher price, `ray-3.2` makes videos.
            type: The kind of generation; the server's default is `image`. Which are valid depends on the model.
            aspect_ratio: Width to height, such as `16:9`; None lets the model choose. Which are valid depends on model
                and type, and the server decides: `uni-1` takes all but `21:9`, `4:3` and `3:4`.
            style: A style preset; the server's default is `auto`.
            output_format: The image format of the output; None lets the model choose.
            web_search: Whether the model may search the web and download references before it generates (client).
            image_ref: Reference images for style and content, up to 9 for type `image` and 8 for `image_edit`, of at
                most 50 MB each.
            source: The image or video to work on, an image of at most 50 MB. Required for `image_edit`, `video_edit`,
                `video_reframe` and `layering`; not valid for `image`.
            layering: How to take an image apart; for type `layering` only (client).
            video: How the video is to be; for the types `video`, `video_edit` and `video_reframe` only (client).
            user_id: An opaque, stable tag of the caller's end user, with nothing personal in it (client).
            resubmit: How often a job is submitted anew that failed for a reason that may pass (`generation_failed`,
                `output_not_found`, and after a while `rate_limited`). Each is a new charge; that the first two are
                refunded is what the vendor's FAQ says (page).
            on_submitted: Given every job, as in `submit`.

        Returns:
            The completed generation.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            APIError: Whatever `create` raises.
            GenerationFailedError: The job failed; the class tells why.
            DeadlineExceededError: Time is up. The job goes on: the error has its id, for `job(id)`.
        """
        return self._bridge.run(
            self._impl.run(
                prompt=prompt,
                model=model,
                type=type,
                aspect_ratio=aspect_ratio,
                style=style,
                output_format=output_format,
                web_search=web_search,
                image_ref=image_ref,
                source=source,
                layering=layering,
                video=video,
                user_id=user_id,
                resubmit=resubmit,
                on_submitted=None
                if on_submitted is None
                else wrapped(on_submitted, "on_submitted", lambda given: on_submitted(Job(self._bridge, given))),
                **others,
            )
        )

    @without_others
    def create(
        self,
        *,
        prompt: str,
        model: models.GenerationModel | Unset = UNSET,
        type: models.GenerationType | Unset = UNSET,
        aspect_ratio: models.GenerationAspectRatio | Unset | None = UNSET,
        style: models.GenerationStyle | Unset = UNSET,
        output_format: models.GenerationOutputFormat | Unset | None = UNSET,
        web_search: bool | Unset = UNSET,
        image_ref: Sequence[MediaRef | models.MediaRefDict] | Unset = UNSET,
        source: MediaRef | models.MediaRefDict | Unset | None = UNSET,
        layering: models.LayeringOptions | models.LayeringOptionsDict | Unset | None = UNSET,
        video: models.VideoOptions | models.VideoOptionsDict | Unset | None = UNSET,
        user_id: str | Unset | None = UNSET,
        **others: Unpack[NoOthers],
    ) -> models.Generation:
        """Submit one generation and return it queued.

        The generation costs money. The answer comes at once, in state `queued`; poll it with `generations.get` every 2
        to 5 seconds until its state is `completed` or `failed`. No call lists generations: a job whose `id` was never
        received can't be found again.

        Two limits hold per API client: requests in a sliding window of 60 seconds, and generations that haven't ended
        yet.

        Args:
            prompt: What to generate or how to edit the source, 1 to 6,000 characters.
            model: Which model generates; the server's default is `uni-1`. `uni-1-max` takes the same parameters at a
                higher price, `ray-3.2` makes videos.
            type: The kind of generation; the server's default is `image`. Which are valid depends on the model.
            aspect_ratio: Width to height, such as `16:9`; None lets the model choose. Which are valid depends on model
                and type, and the server decides: `uni-1` takes all but `21:9`, `4:3` and `3:4`.
            style: A style preset; the server's default is `auto`.
            output_format: The image format of the output; None lets the model choose.
            web_search: Whether the model may search the web and download references before it generates (client).
            image_ref: Reference images for style and content, up to 9 for type `image` and 8 for `image_edit`, of at
                most 50 MB each.
            source: The image or video to work on, an image of at most 50 MB. Required for `image_edit`, `video_edit`,
                `video_reframe` and `layering`; not valid for `image`.
            layering: How to take an image apart; for type `layering` only (client).
            video: How the video is to be; for the types `video`, `video_edit` and `video_reframe` only (client).
            user_id: An opaque, stable tag of the caller's end user, with nothing personal in it (client).

        Returns:
            The generation was accepted and queued.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: The request body contains invalid or conflicting parameters.
            AuthenticationError: 401: The API key is missing, malformed, unknown, revoked or expired.
            InsufficientCreditsError: 402: The account doesn't have enough credits; the request was not queued.
            PermissionDeniedError: 403: The API client is suspended or deactivated.
            PayloadTooLargeError: 413: A source or reference image exceeds 50 MB, whether given by URL or inline.
            UnprocessableEntityError: 422: A media reference was well formed but couldn't be processed.
            RateLimitError: 429: One of the two limits was hit.
            BadGatewayError: 502: An upstream service that the request needs is unavailable for now.
            ServiceUnavailableError: 503: The server can't fetch images by URL for now; requests without URLs aren't
                affected.
        """
        return self._bridge.run(
            self._impl.create(
                prompt=prompt,
                model=model,
                type=type,
                aspect_ratio=aspect_ratio,
                style=style,
                output_format=output_format,
                web_search=web_search,
                image_ref=image_ref,
                source=source,
                layering=layering,
                video=video,
                user_id=user_id,
                **others,
            )
        )

    def get(self, generation_id: str) -> models.Generation:
        """Return one generation as it is now.

        Each call on a completed generation returns fresh presigned URLs, valid for one hour. An id that doesn't exist,
        belongs to another key or isn't a UUID answers 404 alike.

        Args:
            generation_id: The generation's id, a UUID, as `generations.create` returned it.

        Returns:
            The generation in its current state.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing, malformed, unknown, revoked or expired.
            PermissionDeniedError: 403: The API client is suspended or deactivated.
            NotFoundError: 404: The generation doesn't exist, or belongs to another API key; the answer is the same.
        """
        return self._bridge.run(self._impl.get(generation_id))


class Files(SyncProxy[AsyncFiles]):
    """Upload media once and refer to it from generations."""

    __slots__ = ()

    def upload(
        self,
        source: str | os.PathLike[str] | bytes | bytearray | memoryview | AsyncIterable[bytes] | Iterable[bytes],
        *,
        mime_type: str | None = None,
        purpose: FilePurpose = "input",
        size_bytes: int | None = None,
        on_progress: UploadCallback | None = None,
    ) -> File:
        """Upload an image or a video, wait until the API has taken it in, and return it ready to be referred to.

        The bytes are read and sent piece by piece. What breaks off is sent again, as often as calls are retried, and to
        a fresh URL if that has expired (which makes a file of another id). An iterator can't be read twice.

        Args:
            source: A path, bytes, or an iterator of bytes; up to 5 GiB (client).
            mime_type: The media type; by default told from the first bytes, which must agree with a file's name.
            purpose: `input` for the subject of an edit, `reference` for guidance (client).
            size_bytes: How many bytes an iterator yields, just so many.
            on_progress: A function that gets an UploadProgress for each piece.

        Returns:
            The file, in state `ready`.

        Raises:
            InvalidRequestError: The source is no file, empty, too large, or not what its name says; nothing was sent.
            UploadError: It changed while it was read, the host did not take it, or the API could make nothing of it.
            DeadlineExceededError: The client's `timeout` is over, or the API has taken half an hour to take it in.
        """
        return self._bridge.run(
            self._impl.upload(
                streamed(source), mime_type=mime_type, purpose=purpose, size_bytes=size_bytes, on_progress=on_progress
            )
        )

    def list(
        self,
        *,
        limit: int | Unset = UNSET,
        cursor: str | Unset = UNSET,
        purpose: models.FilePurpose | Unset = UNSET,
        state: models.FileState | Unset = UNSET,
        max_items: int | None = None,
    ) -> Pages[models.File]:
        """List the uploaded files, newest first.

        The cursor is opaque; it is read from one page's `next_cursor` and asks for the next.

        Source: client.

        Args:
            limit: How many files a page holds at most, 1 to 100; the server's default is 25.
            cursor: The `next_cursor` of the previous page.
            purpose: Only files with this purpose.
            state: Only files in this state.
            max_items: How many items to yield in all; None for as many as there are.

        Returns:
            The pages, fetched as they are asked for.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A field of the request is invalid.
            AuthenticationError: 401: The API key is missing, malformed, unknown, revoked or expired.
            PermissionDeniedError: 403: The API client is suspended or deactivated.
        """
        state = masked_url(state)
        return Pages(
            self._bridge, self._impl.list(limit=limit, cursor=cursor, purpose=purpose, state=state, max_items=max_items)
        )

    def create(
        self,
        *,
        mime_type: str,
        size_bytes: int,
        filename: str | Unset | None = UNSET,
        purpose: models.FilePurpose | Unset = UNSET,
        expires_at: datetime | Unset | None = UNSET,
        user_id: str | Unset | None = UNSET,
    ) -> models.CreatedFile:
        """Ask for a presigned upload of one file.

        Send the bytes with an HTTP PUT to `upload.url` with `upload.headers` and no Authorization header, then call
        `files.complete`. The file stays `pending` until then. For all sizes up to 5 GiB.

        Source: client.

        Args:
            mime_type: The MIME type of the bytes, such as `image/jpeg`.
            size_bytes: The exact size in bytes, up to 5 GiB.
            filename: The file's name, to be recorded.
            purpose: What the file is for, `input` for the subject of an edit or `reference` for guidance.
            expires_at: After this time the server may delete the file.
            user_id: An opaque tag of the caller's end user, as on `generations.create`.

        Returns:
            The file was recorded.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A field of the request is invalid.
            AuthenticationError: 401: The API key is missing, malformed, unknown, revoked or expired.
            PermissionDeniedError: 403: The API client is suspended or deactivated.
            PayloadTooLargeError: 413: The file is larger than the endpoint takes.
        """
        return self._bridge.run(
            self._impl.create(
                mime_type=mime_type,
                size_bytes=size_bytes,
                filename=filename,
                purpose=purpose,
                expires_at=expires_at,
                user_id=user_id,
            )
        )

    def create_inline(
        self,
        content: bytes,
        *,
        filename: str,
        mime_type: str,
        purpose: models.FilePurpose | Unset = UNSET,
        expires_at: datetime | Unset = UNSET,
        user_id: str | Unset = UNSET,
    ) -> models.CreatedFile:
        """Upload one small file in the request itself.

        The file is `pending` ingest at once and needs no `files.complete`; `upload` is None. The server caps the size
        of inline uploads; larger files need `files.create`.

        Source: client.

        Args:
            content: The bytes of the file.
            filename: The file's name, recorded with it.
            mime_type: The MIME type of the bytes, such as `image/jpeg`.
            purpose: What the file is for, `input` for the subject of an edit or `reference` for guidance (assumed).
            expires_at: After this time the server may delete the file (assumed).
            user_id: An opaque tag of the caller's end user, as on `generations.create` (assumed).

        Returns:
            The file was recorded.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A field of the request is invalid.
            AuthenticationError: 401: The API key is missing, malformed, unknown, revoked or expired.
            PermissionDeniedError: 403: The API client is suspended or deactivated.
            PayloadTooLargeError: 413: The file is larger than the endpoint takes.
        """
        return self._bridge.run(
            self._impl.create_inline(
                content, filename=filename, mime_type=mime_type, purpose=purpose, expires_at=expires_at, user_id=user_id
            )
        )

    def get(self, file_id: str) -> models.File:
        """Return what is known about one file.

        A file goes from `pending` to `ready` or `failed`; only a `ready` one can be referred to.

        Source: client.

        Args:
            file_id: The file's id, as `files.create` returned it.

        Returns:
            The file in its current state.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing, malformed, unknown, revoked or expired.
            PermissionDeniedError: 403: The API client is suspended or deactivated.
            NotFoundError: 404: The file doesn't exist, or belongs to another API client.
        """
        return self._bridge.run(self._impl.get(file_id))

    def delete(self, file_id: str) -> None:
        """Delete one file.

        The deletion is soft; new generations can't refer to the file any more.

        Source: client.

        Args:
            file_id: The file's id, as `files.create` returned it.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            AuthenticationError: 401: The API key is missing, malformed, unknown, revoked or expired.
            PermissionDeniedError: 403: The API client is suspended or deactivated.
            NotFoundError: 404: The file doesn't exist, or belongs to another API client.
        """
        self._bridge.run(self._impl.delete(file_id))

    def complete(self, file_id: str) -> models.File:
        """Start the ingest of a file whose bytes were uploaded.

        The file goes from `pending` to `ready` or `failed`; poll it with `files.get`.

        Source: client.

        Args:
            file_id: The file's id, as `files.create` returned it.

        Returns:
            The file, usually still `pending`.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            BadRequestError: 400: A field of the request is invalid.
            AuthenticationError: 401: The API key is missing, malformed, unknown, revoked or expired.
            PermissionDeniedError: 403: The API client is suspended or deactivated.
            NotFoundError: 404: The file doesn't exist, or belongs to another API client.
        """
        return self._bridge.run(self._impl.complete(file_id))


class LumaJobs(SyncProxy[AsyncLumaJobs]):
    """The jobs and calls in the client's state: those that are unfinished or unknown after a restart."""

    __slots__ = ()

    def unfinished(self) -> Iterator[Job]:
        """Iterate over the jobs that were submitted and whose end nobody has seen, or acknowledged, yet.

        They are this process's own, and those of processes of the same state that have ended: each of these belongs to
        the process that asks first. Those that another living process has submitted are left to it.

        Yields:
            Each job, with its `context`, in the order of submission.

        Raises:
            InvalidRequestError: The client has no state, or it can't be used.
        """
        return (Job(self._bridge, each) for each in self._bridge.iterate(self._impl.unfinished()))

    def find(self, idempotency_key: str) -> Job | None:
        """Find the job that was submitted with an idempotency key, in whatever process of the state.

        Args:
            idempotency_key: The key, as in `with_options(idempotency_key=)`.

        Returns:
            The job with its `context`, whether it has ended or not; None if no call with this key has submitted one,
            or the call is still under way. Nothing is sent.

        Raises:
            InvalidRequestError: This can be no key, or the client has no state, or it can't be used.
            OutcomeUnknownError: A call with this key may have been charged, and nobody knows what came of it.
        """
        return (
            None if (found := self._bridge.run(self._impl.find(idempotency_key))) is None else Job(self._bridge, found)
        )

    def acknowledge(self, job_id: str) -> None:
        """Say that the result of a job of `with_options(acknowledge=True)` has arrived where it is needed.

        The job is then finished, and `unfinished()` doesn't return it any more. An id that the state doesn't know is
        taken for a job that was acknowledged before and deleted since: a wrong one leaves the right job unfinished.

        Args:
            job_id: The job's id.

        Raises:
            InvalidRequestError: This can be no id, or the client has no state.
        """
        self._bridge.run(self._impl.acknowledge(job_id))

    def settle(self, call: UnknownCall | str, *, job_id: str | None) -> None:
        """Settle an unknown call by what the vendor's dashboard, or its support, says of it.

        Args:
            call: The call, or its id.
            job_id: The job that it has submitted, which is then unfinished; None if it had no effect, so that a call
                with its idempotency key is made anew.

        Raises:
            InvalidRequestError: No unknown call has this id, or this can be no id of a job.
        """
        self._bridge.run(self._impl.settle(call, job_id=job_id))

    def unknown(self) -> Iterator[UnknownCall]:
        """Iterate over the paid calls that may have been charged, and of which nobody knows what came of them.

        They are those whose answer was lost, and those that were under way in a process that was killed. They are kept
        until they are settled.

        Yields:
            Each of them, in the order of their beginning.

        Raises:
            InvalidRequestError: The client has no state, or it can't be used.
        """
        return self._bridge.iterate(self._impl.unknown())

    def prune(self, *, older_than: float) -> int:
        """Delete the calls that ended long ago, and with them their idempotency keys.

        Those that ended more than the client's `keep_days` ago are deleted by themselves. Calls that have not ended,
        and unknown ones, are kept.

        Args:
            older_than: Seconds since their end.

        Returns:
            How many were deleted.

        Raises:
            InvalidRequestError: An argument can never be right, or the client has no state.
        """
        return self._bridge.run(self._impl.prune(older_than=older_than))


class Luma(SyncClient[AsyncLuma]):
    """The Luma Agents API, blocking.

    `generations.run(...)` submits a job, waits for it and returns it completed; `generations.submit(...)` returns a
    `Job` at once; `generations.create(...)` and `.get(...)` are the bare calls.

    Each call blocks its thread until it is done; threads may share a client. All blocking clients of a process share an
    event loop in a thread of its own, where calls and callbacks such as `on_event` run; a callback can't make blocking
    calls. Ctrl-C cancels a call, and a note of the KeyboardInterrupt says what is known about it. The clients also work
    inside a running event loop, but block it.

    A client may be made at module level: its parts are imported and made when it is entered or first used, and its
    connections are opened at first use. Use it as `with`, or call `close()`. After its `with` a client is closed, and
    every call a ClientClosedError, until it is entered again.

    Args:
        api_key: The key; by default the environment's `GENEROR_API_KEY` or `LUMA_AGENTS_API_KEY`.
        base_url: The API's address; by default the environment's `GENEROR_BASE_URL` or `LUMA_BASE_URL`, or else the
            vendor's own.
        allow_insecure: Take a plain http address that is not on this machine.
        timeout: Seconds for one logical call, over attempts, waits and polls; by default it depends on the call.
            No end is spelled `math.inf`.
        queue_timeout: Seconds for which one call may wait under the API's limits, over all its attempts, when no
            `timeout` is given. Where a 429 has calls wait for longer than a given `timeout` or `queue_timeout` leaves,
            all of them raise RateLimitError at once, with its `retry_after`; without either they wait, and the log has
            a warning.
        attempt_timeout: Seconds for one attempt; by default it depends on the call.
        max_retries: Attempts after the first, not counting those that a limit of the API refused: these are waited
            for while time lasts. With 0 the first refusal is raised, whatever it is.
        max_connections: Sockets for calls that may be repeated, and as many for those that may not.
        max_reply_bytes: The largest JSON answer that is read, after decompression.
        connector: An `aiohttp.BaseConnector` of your own, never closed here. Calls that must not be repeated then
            leave on whatever connection it has.
        proxy: The URL of an HTTP proxy; for a SOCKS proxy, give a connector.
        ssl: As aiohttp has it.
        trust_env: Take the proxy from the environment: `HTTPS_PROXY`, or else `ALL_PROXY`; `NO_PROXY` is honoured.
        inline_on_503: When the API can't fetch images by URL ("Image URL ingestion unavailable"), fetch those of the
            request here and send them as base64. No credentials go along, and only public addresses are asked, after
            DNS and every redirect; an API on this machine lets this machine be asked as well. Not through a proxy.
        inline_on_422: The same when a host has refused the API an image ("failed to fetch URL"): some hosts refuse
            programs. The refused request cost nothing.
        on_event: A plain function that gets every event, as after `events.subscribe`.
        clock: Where time comes from.
        limits: What is known of the key's limits, and who shares them; by default all clients of the address and key.
        state: The path of a file that keeps the client's paid calls, so that after a crash or a restart it is known
            what was paid for: see `jobs`. Processes of one machine may share it, and those of several machines a
            `postgresql://` URL. None keeps nothing.
        keep_days: For how many days the state keeps calls that have ended, and with them their idempotency keys.
        keep_results: Keep the answers of Generor's `generate` in the state, and not only the ids of its creations.
        budgets: What users, groups of users, or all of them may spend; they are kept in the `state`. A paid call that
            one of them has no room for is a BudgetExceededError, and one without a known price an InvalidRequestError.
            Calls of a batch don't count.
        send_user: Send the user that `with_options(user=)` names along as `user_id`, when a generation is submitted or
            a file uploaded without a `user_id` of its own; Luma alone takes one. It is no part of what an idempotency
            key or a row of a batch is compared by.

    Raises:
        InvalidRequestError: An argument can never be right.
        MissingAPIKeyError: A client of Luma has no key.
    """

    __slots__ = ()

    @property
    def generations(self) -> Generations:
        """Submit generations, wait for them, and go on with earlier ones by their ids."""
        return Generations(self._bridge, self._impl.generations)

    @property
    def files(self) -> Files:
        """Upload media once and refer to it from generations."""
        return Files(self._bridge, self._impl.files)

    @property
    def jobs(self) -> LumaJobs:
        """The jobs and calls in the client's state: those that are unfinished or unknown after a restart."""
        return LumaJobs(self._bridge, self._impl.jobs)

    def send(self, operation: Operation[T]) -> T:
        """Send an operation that was built before.

        Args:
            operation: An operation of Luma Agents, as `generor_async.api.luma.operations` builds them.

        Returns:
            The decoded result.

        Raises:
            InvalidRequestError: This is no operation of this API; nothing was sent.
            APIError: Whatever the operation's own method raises.
        """
        return self._bridge.run(self._impl.send(operation))

    def check(self) -> KeyCheck:
        """Find out whether the key is good, at no cost, by listing a single file of the account (measured to do).

        Returns:
            What is known of the key.

        Raises:
            AuthenticationError: The key is not good, or is none of this API.
            PermissionDeniedError: The API client is suspended or deactivated.
            NotFoundError: The API isn't at `base_url`.
        """
        return self._bridge.run(self._impl.check())

    def download(
        self,
        result: generor_async.luma_resources.Generation | generor_async.luma_resources.Output | Job,
        to: str | PathLike[str],
        *,
        overwrite: bool = False,
        max_bytes: int = MAX_BYTES,
        on_progress: Callable[[generor_async.DownloadProgress], object] | None = None,
    ) -> list[Path]:
        """Download the outputs of a completed generation, or one of them.

        A file is called `<generation id>-<n>` with the extension of what it is, and appears whole or not at all. One
        that breaks off goes on where it was, as often as calls are retried; so does one whose process was killed, when
        it is asked for again. A presigned URL that has expired (after one hour, documented) is fetched anew.

        Args:
            result: The generation, its job, or one of its outputs.
            to: A folder, made if need be. Where there is one output, it may be the file's path, with a suffix of media.
            overwrite: Replace files that exist.
            max_bytes: The most that one file may have; 2 GiB by default.
            on_progress: A function that gets a DownloadProgress for each piece.

        Returns:
            The files' paths, in the order of the outputs.

        Raises:
            InvalidRequestError: An argument can never be right.
            DownloadError: There is nothing to download, it broke off, isn't what was asked for, is too large, or the
                file exists already.
            DeadlineExceededError: The client's `timeout` is over.
        """
        return self._bridge.run(
            self._impl.download(
                result._impl if isinstance(result, Job) else result,
                to,
                overwrite=overwrite,
                max_bytes=max_bytes,
                on_progress=on_progress,
            )
        )

    def read(
        self,
        result: generor_async.luma_resources.Generation | generor_async.luma_resources.Output | Job,
        *,
        max_bytes: int = MAX_BYTES,
    ) -> list[bytes]:
        """Return the bytes of the outputs of a completed generation, without a file.

        What breaks off is continued or tried again, and an expired URL is fetched anew, as for `download`.

        Args:
            result: The generation, its job, or one of its outputs.
            max_bytes: The most that one output may have; 2 GiB by default. All of them are in memory at once.

        Returns:
            The bytes of each output, in the order of `download`.

        Raises:
            InvalidRequestError: An argument can never be right.
            DownloadError: There is nothing to download, it broke off, isn't what was asked for, or is too large.
            DeadlineExceededError: The client's `timeout` is over.
        """
        return self._bridge.run(
            self._impl.read(result._impl if isinstance(result, Job) else result, max_bytes=max_bytes)
        )

    def stream(
        self,
        output: generor_async.luma_resources.Generation | generor_async.luma_resources.Output | Job,
        *,
        index: int | None = None,
        range: str | None = None,
        if_range: str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> OutputStream:
        """Stream an output as it arrives, for a handler that passes it on to a browser; nothing is kept.

        `with client.stream(output, range=request.headers.get("Range")) as stream` sends the request. Then
        `stream.status`, `stream.length`, `stream.content_type` and `stream.headers` are known, and `for chunk in
        stream` yields the bytes, no faster than they are taken. A transfer that breaks off is resumed if its host sends
        an ETag, with a fresh URL where the old one has expired. To leave the block, or the iteration, ends it.

        The client's `timeout` holds until the first bytes are here. Each stream takes one of the client's
        `max_connections` for outputs.

        Args:
            output: A generation with one output, its job, or an output of a generation.
            index: Which of several outputs, in the order of `download`, counted from 0.
            range: The browser's Range header: one range of bytes is passed on; anything else is ignored, as RFC 9110
                lets a server do.
            if_range: The browser's If-Range header.
            max_bytes: The largest output that is accepted; 2 GiB by default.

        Returns:
            The stream, which is not open yet.

        Raises:
            InvalidRequestError: An argument can never be right. When it is opened: `output` has several outputs.
            DownloadError: When it is opened or read: there is no output, it broke off, isn't what was asked for, or is
                too large.
            DeadlineExceededError: When it is opened: the client's `timeout` is over.
        """
        return OutputStream(
            self._bridge,
            self._impl.stream(
                output._impl if isinstance(output, Job) else output,
                index=index,
                range=range,
                if_range=if_range,
                max_bytes=max_bytes,
            ),
        )

    def save(
        self,
        result: generor_async.luma_resources.Generation | generor_async.luma_resources.Output | Job,
        writer: generor_async.luma_resources.Writer,
        *,
        index: int | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> int:
        """Write an output to something that the caller has opened, as it arrives.

        Files of the standard library are written to in a thread. After an error, a part of the output is written.

        Args:
            result: A generation with one output, its job, or an output of a generation.
            writer: A file that was opened for binary writing, or another object whose `write` takes bytes; that may be
                a coroutine function, as of the files of anyio or aiofiles.
            index: Which of several outputs, in the order of `download`, counted from 0.
            max_bytes: The largest output that is accepted; 2 GiB by default.

        Returns:
            The number of bytes.

        Raises:
            InvalidRequestError: An argument can never be right, or `result` has several outputs; nothing was written.
            DownloadError: There is no output, it broke off and its host can't continue it, isn't what was asked for, or
                is too large.
            DeadlineExceededError: The client's `timeout` is over.
        """
        return self._bridge.run(
            self._impl.save(
                result._impl if isinstance(result, Job) else result, writer, index=index, max_bytes=max_bytes
            )
        )

    def __init__(
        self,
        api_key: str | Secret | None = None,
        *,
        base_url: str | None = None,
        allow_insecure: bool = False,
        timeout: float | Unset = UNSET,
        queue_timeout: float = math.inf,
        attempt_timeout: float | Unset = UNSET,
        max_retries: int = 4,
        max_connections: int = 100,
        max_reply_bytes: int = 8 * 1024 * 1024,
        connector: aiohttp.BaseConnector | None = None,
        inline_on_503: bool = False,
        inline_on_422: bool = False,
        proxy: str | None = None,
        ssl: SSLContext | aiohttp.Fingerprint | bool | None = None,
        trust_env: bool = False,
        on_event: Callable[[generor_async.Event], object] | None = None,
        clock: Clock = REAL_CLOCK,
        limits: generor_async.Limits | None = None,
        state: str | PathLike[str] | None = None,
        keep_days: float = 30.0,
        keep_results: bool = False,
        budgets: Sequence[generor_async.Budget] = (),
        send_user: bool = False,
    ) -> None:
        api_key = as_secret(api_key)
        base_url = masked_texts(base_url)
        proxy = masked_texts(proxy)
        state = masked_url(state)
        super().__init__(
            AsyncLuma(
                api_key,
                base_url=base_url,
                allow_insecure=allow_insecure,
                timeout=timeout,
                queue_timeout=queue_timeout,
                attempt_timeout=attempt_timeout,
                max_retries=max_retries,
                max_connections=max_connections,
                max_reply_bytes=max_reply_bytes,
                connector=connector,
                inline_on_503=inline_on_503,
                inline_on_422=inline_on_422,
                proxy=proxy,
                ssl=ssl,
                trust_env=trust_env,
                on_event=on_event,
                clock=clock,
                limits=limits,
                state=state,
                keep_days=keep_days,
                keep_results=keep_results,
                budgets=budgets,
                send_user=send_user,
            )
        )

    def with_options(
        self,
        *,
        timeout: float | Unset = UNSET,
        queue_timeout: float | Unset = UNSET,
        attempt_timeout: float | Unset = UNSET,
        max_retries: int | Unset = UNSET,
        priority: Priority | Unset = UNSET,
        extra_headers: Mapping[str, str] | Unset = UNSET,
        extra_query: Mapping[str, str] | Unset = UNSET,
        extra_body: Mapping[str, Any] | Unset = UNSET,
        on_progress: Callable[[generor_async.GenerateProgress], object] | Unset | None = UNSET,
        request_id: str | Unset = UNSET,
        context: JSON | Unset = UNSET,
        idempotency_key: str | Unset | None = UNSET,
        acknowledge: bool | Unset = UNSET,
        check_parameters: bool | Unset = UNSET,
        user: str | Unset | None = UNSET,
        price: float | Unset | None = UNSET,
    ) -> Self:
        """Return a view of this client whose calls have other options; it shares connections and limits.

        Args:
            timeout: Seconds for one logical call, over attempts, waits and polls.
            queue_timeout: Seconds for which one call may wait under the API's limits, when no `timeout` is given.
            attempt_timeout: Seconds for one attempt.
            max_retries: Attempts after the first.
            priority: Which calls go first when they queue for a limit: `interactive` before `normal`, and that before
                `bulk`, which spreads evenly over time.
            extra_headers: Headers to send as well.
            extra_query: Query parameters to send as well.
            extra_body: Fields of the JSON body to send as well, or instead.
            on_progress: A function that is told every second how far a `generate` is likely to have come, by the API's
                own estimate; None for none.
            request_id: The X-Request-Id of the first attempt. The view then serves one call.
            context: Anything that is JSON, such as `{"channel": 7}`, of at most 64 KiB: the client's `state` keeps it
                with each paid call, and `jobs.unfinished()` returns it.
            idempotency_key: A paid call with this key is made once: a second one, in any process of the client's
                `state`, gets the first one's result while that is under way and for `keep_days`. One that failed at no
                cost is made anew; one whose outcome nobody knows is an OutcomeUnknownError until it is settled by
                `jobs.settle`; other parameters under the same key are refused. None for no key.
            acknowledge: Keep paid calls in `jobs.unfinished()` until `jobs.acknowledge` says that their results have
                arrived where they are needed: a program that is killed before then finds them again.
            check_parameters: Refuse what a generator would drop silently of the `parameters` of `generate` and
                `estimate`: names that its schema doesn't have, and values that it doesn't take. The schema is fetched
                once an hour for each generator, and again before a call is refused by one that is older than a minute.
                If it can't be fetched within ten seconds, the call is sent unchecked, and the log has a warning.
            user: Whose calls these are, by a name of yours such as `guild:42/ada`. The client's `budgets` count by it,
                and users take turns: under the limits of the key, calls of one priority are admitted by a round robin
                over their users, by the units that they take, whichever client, thread or event loop of the process
                they are from. None for nobody's; these take turns like those of one more user.
            price: What a paid call costs, in US dollars, if the client has budgets and neither a price list nor an
                estimate says it.

        Returns:
            The view; what is not given stays as it is here.

        Raises:
            InvalidRequestError: An argument can never be right.
        """
        extra_headers = masked_texts(extra_headers)
        extra_query = masked_texts(extra_query)
        return self._view(
            self._impl.with_options(
                timeout=timeout,
                queue_timeout=queue_timeout,
                attempt_timeout=attempt_timeout,
                max_retries=max_retries,
                priority=priority,
                extra_headers=extra_headers,
                extra_query=extra_query,
                extra_body=extra_body,
                on_progress=on_progress,
                request_id=request_id,
                context=context,
                idempotency_key=idempotency_key,
                acknowledge=acknowledge,
                check_parameters=check_parameters,
                user=user,
                price=price,
            )
        )

    @property
    def budgets(self) -> Budgets:
        """The budgets of this client and its views: `budgets.status(user)`."""
        return Budgets(self._bridge, self._impl.budgets)

    @property
    def events(self) -> generor_async.Events:
        """The events of this client and its views: `events.subscribe(function)`."""
        return self._impl.events

    @property
    def rate_limits(self) -> generor_async.RateLimits:
        """What is known of the key's limits now: for each window the limit, what is used of it, and when it frees."""
        return self._impl.rate_limits

    def expected_wait(
        self,
        operation: Operation[Any] | None = None,
        *,
        user: str | Unset | None = UNSET,
        priority: Priority | Unset = UNSET,
    ) -> generor_async.ExpectedWait:
        """Return how long a call that is made now will probably wait under the key's limits until it is sent.

        It is told by what the client knows: the windows and what is used of them, the calls that wait and their order,
        how often calls come that go first, other users of the key, other processes of the store, and, for Luma's jobs,
        how long those run that hold the slots. While little is known the bounds are far apart. Nothing is sent.

        Args:
            operation: The call, as the API's `operations` build it; by default one that makes something (`generate`,
                or a generation of an image).
            user: Whose call it is; by default this view's.
            priority: Its priority; by default this view's.

        Returns:
            The wait in seconds, and its bounds: it is below `low` about once in ten times, and above `high` as often.

        Raises:
            InvalidRequestError: An argument can never be right.
        """
        return self._impl.expected_wait(operation, user=user, priority=priority)

    def waiting(self, user: str | None = None) -> list[generor_async.WaitingCall]:
        """Return the calls of this process that wait under the key's limits, and how long each probably will.

        Args:
            user: Whose calls to return; by default all.

        Returns:
            The calls, the next one first: of Luma, those that wait for a window before those that wait for a slot.

        Raises:
            InvalidRequestError: `user` can be nobody's name.
        """
        return self._impl.waiting(user)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: JSON = None,
        retry_safety: RetrySafety = "plain",
    ) -> JSON:
        """Send a request to an endpoint that this package does not know.

        Args:
            method: The HTTP method.
            path: The path after the `base_url`, with a slash before it.
            query: Query parameters.
            json: The JSON body; None for none.
            retry_safety: What repeating the request does, and so when it is repeated: `read` and `idempotent` calls
                are, `plain` and `bills` calls only if it is certain that they had no effect.

        Returns:
            The decoded JSON of the answer.

        Raises:
            InvalidRequestError: An argument can never be right; nothing was sent.
            APIError: The call failed.
        """
        return self._bridge.run(self._impl.request(method, path, query=query, json=json, retry_safety=retry_safety))

    def drain(self, timeout: float) -> list[str]:
        """Take no new calls, and wait until those under way have ended: before a program ends, as on SIGTERM.

        A new call that costs credits or makes something raises a ClientDrainingError. Calls under way go on, and so do
        waits for jobs, polls, downloads and whatever else only reads, so that what was begun can end. The client stays
        so until it is closed, which ends what is still under way.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The ids of the jobs that go on: those that are still waited for, and, if the client has a `state`, those
            whose end nobody has seen.

        Raises:
            InvalidRequestError: `timeout` is no number of seconds.
        """
        return self._bridge.run(self._impl.drain(timeout))
