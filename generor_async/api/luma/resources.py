# Generated from spec/luma.yaml by `python -m generor_async.codegen`: do not edit.
"""The methods of the Luma Agents API, by resource: each builds one operation and sends it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Required, TypedDict, Unpack

import generor_async  # noqa: TC001 - whoever evaluates annotations finds its names
from generor_async.api.luma import models, operations
from generor_async.engine.pages import Pages, Sender
from generor_async.rules.http_types import Operation
from generor_async.rules.older_api import NoOthers, without_others
from generor_async.values import UNSET, MediaRef, Unset

__all__ = [
    "FilesResource",
    "GenerationsCreateParams",
    "GenerationsResource",
    "SubmittingGenerationsResource",
]


class GenerationsCreateParams(TypedDict, total=False):
    """The arguments of `generations.create`, for calls that hand them on."""

    prompt: Required[str]
    model: models.GenerationModel | Unset
    type: models.GenerationType | Unset
    aspect_ratio: models.GenerationAspectRatio | Unset | None
    style: models.GenerationStyle | Unset
    output_format: models.GenerationOutputFormat | Unset | None
    web_search: bool | Unset
    image_ref: Sequence[MediaRef | models.MediaRefDict] | Unset
    source: MediaRef | models.MediaRefDict | Unset | None
    layering: models.LayeringOptions | models.LayeringOptionsDict | Unset | None
    video: models.VideoOptions | models.VideoOptionsDict | Unset | None
    user_id: str | Unset | None


class GenerationsResource:
    """Submit generations and poll them."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

    @without_others
    async def create(
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
        return await self._client.send(
            operations.generations_create(
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

    async def get(self, generation_id: str) -> models.Generation:
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
        return await self._client.send(operations.generations_get(generation_id))


class SubmittingGenerationsResource(GenerationsResource):
    """Submit generations and poll them.

    What submits them is written by hand, in a subclass.
    """

    __slots__ = ()

    async def _submit(
        self,
        operation: Operation[models.Generation],
        *,
        on_submitted: "Callable[[generor_async.Job], object] | None" = None,
    ) -> "generor_async.Job":
        """Do what `submit` says, with an operation that was built."""
        raise NotImplementedError

    @without_others
    async def submit(
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
        on_submitted: "Callable[[generor_async.Job], object] | None" = None,
        **others: Unpack[NoOthers],
    ) -> "generor_async.Job":
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
        operation = operations.generations_create(
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
        return await self._submit(operation, on_submitted=on_submitted)

    async def _run(
        self,
        operation: Operation[models.Generation],
        *,
        resubmit: int = 0,
        on_submitted: "Callable[[generor_async.Job], object] | None" = None,
    ) -> models.Generation:
        """Do what `run` says, with an operation that was built."""
        raise NotImplementedError

    @without_others
    async def run(
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
        on_submitted: "Callable[[generor_async.Job], object] | None" = None,
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
        operation = operations.generations_create(
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
        return await self._run(operation, resubmit=resubmit, on_submitted=on_submitted)


class FilesResource:
    """Upload media once and refer to it from generations."""

    __slots__ = ("_client",)

    def __init__(self, client: Sender) -> None:
        self._client = client

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
        first = operations.files_list(limit=limit, cursor=cursor, purpose=purpose, state=state)
        return Pages(self._client, first, max_items=max_items)

    async def create(
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
        return await self._client.send(
            operations.files_create(
                mime_type=mime_type,
                size_bytes=size_bytes,
                filename=filename,
                purpose=purpose,
                expires_at=expires_at,
                user_id=user_id,
            )
        )

    async def create_inline(
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
        return await self._client.send(
            operations.files_create_inline(
                content, filename=filename, mime_type=mime_type, purpose=purpose, expires_at=expires_at, user_id=user_id
            )
        )

    async def get(self, file_id: str) -> models.File:
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
        return await self._client.send(operations.files_get(file_id))

    async def delete(self, file_id: str) -> None:
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
        await self._client.send(operations.files_delete(file_id))

    async def complete(self, file_id: str) -> models.File:
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
        return await self._client.send(operations.files_complete(file_id))
