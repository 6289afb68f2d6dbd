"""The Luma Agents client: submit a job, wait for it, download what it made."""

import asyncio
from collections.abc import Awaitable, Callable  # noqa: TC003 - as below
from contextlib import nullcontext
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast
from urllib.parse import unquote

import generor_async  # noqa: TC001 - whoever evaluates annotations finds its names
from generor_async.engine.client import Client
from generor_async.engine.settings import MAX_BYTES
from generor_async.errors import GenerorAsyncError, InvalidRequestError, NotFoundError, OutcomeUnknownError
from generor_async.rules import job_errors
from generor_async.rules.http_types import Endpoint, Operation
from generor_async.rules.vendors import LUMA, Vendor
from generor_async.values import JSON, KeyCheck, is_object, maybe

if TYPE_CHECKING:
    from generor_async.api.luma.models import Generation
    from generor_async.engine.call_scope import CallResult
    from generor_async.engine.jobs import JobWaiter
    from generor_async.engine.options import Options
    from generor_async.engine.session import Session
    from generor_async.engine.state.calls import PaidCallType
    from generor_async.engine.transfer import Output

__all__ = ["AsyncLuma"]

T = TypeVar("T")


class AsyncLuma(Client):
    """The Luma Agents API, async.

    `generations.run(...)` submits a job, waits for it and returns it completed; `generations.submit(...)` returns a
    `Job` at once; `generations.create(...)` and `.get(...)` are the bare calls.
    """

    _vendor: ClassVar[Vendor] = LUMA
    _needs_key: ClassVar[bool] = True
    _takes_user: ClassVar[bool] = True

    generations: "generor_async.luma_resources.Generations"
    files: "generor_async.luma_resources.Files"
    jobs: "generor_async.luma_state.LumaJobs"

    if TYPE_CHECKING:
        _jobs: JobWaiter[Generation]

    async def send(self, operation: Operation[T]) -> T:
        """Send an operation that was built before.

        Args:
            operation: An operation of Luma Agents, as `generor_async.api.luma.operations` builds them.

        Returns:
            The decoded result.

        Raises:
            InvalidRequestError: This is no operation of this API; nothing was sent.
            APIError: Whatever the operation's own method raises.
        """
        try:
            self._check(operation)
            result = await self._session.send(operation, self._options)
        except InvalidRequestError:
            raise
        except GenerorAsyncError as error:
            self._name_job(operation, error)
            raise
        except asyncio.CancelledError as error:
            if isinstance(cut_off := error.__cause__, OutcomeUnknownError) and cut_off.job_id is not None:
                self._jobs.job_exists(cut_off.job_id)
            raise
        endpoint = operation.endpoint
        if endpoint.shows_job or "jobs" in endpoint.quota:
            self._jobs.job_exists(cast("Generation", result).id)
        return result

    def _name_job(self, operation: Operation[Any], error: GenerorAsyncError) -> None:
        """Add the job's id to an error of a poll; record a job that was submitted, by the error's own id."""
        if operation.endpoint.shows_job:
            job_errors.attach_job(error, unquote(operation.path.rpartition("/")[2]))
        elif "jobs" in operation.endpoint.quota and error.job_id is not None:
            self._jobs.job_exists(error.job_id)

    def _bind(self, jobs: "JobWaiter[Any]") -> None:
        from generor_async.luma_resources import Files, Generations  # noqa: PLC0415 - not needed to start
        from generor_async.luma_state import LumaJobs  # noqa: PLC0415 - the same

        self._jobs = jobs.view(self._options)
        self.generations = Generations(self, self._jobs)
        self.files = Files(self, self._session, self._options, self._uploads)
        self.jobs = LumaJobs(self, self._session.state)

    @staticmethod
    def _paid_calls() -> "PaidCallType":
        from generor_async.luma_state import LUMA_CALLS  # noqa: PLC0415 - not needed to start

        return LUMA_CALLS

    @staticmethod
    def _make_job_waiter(session: "Session", options: "Options") -> "JobWaiter[Generation]":
        from generor_async.luma_resources import make_job_waiter  # noqa: PLC0415 - not needed to start

        return make_job_waiter(session, options)

    @staticmethod
    def _describe_result(operation: Operation[Any], body: JSON, result: Any, /) -> "CallResult":
        from generor_async.engine.call_scope import CallResult  # noqa: PLC0415 - needed by subscribers alone
        from generor_async.rules.luma_prices import DOLLARS_A_CREDIT, price  # noqa: PLC0415 - the same

        if operation.endpoint.shows_job:
            return CallResult(model=maybe(result.model), job_id=maybe(result.id))
        if "jobs" not in operation.endpoint.quota or not is_object(body):
            return CallResult()
        found = price(body)
        cost = None if found is None else found.dollars / DOLLARS_A_CREDIT
        return CallResult(cost, maybe(result.model), maybe(result.id))

    @staticmethod
    def _making_endpoint() -> "Endpoint[Generation]":
        from generor_async.api.luma.operations import GENERATIONS_CREATE  # noqa: PLC0415 - not needed to start

        return GENERATIONS_CREATE

    @staticmethod
    def _poll_operation(job_id: str, /) -> "Operation[Generation]":
        from generor_async.api.luma.operations import generations_get  # noqa: PLC0415 - not needed to start

        return generations_get(job_id)

    async def check(self) -> KeyCheck:
        """Find out whether the key is good, at no cost, by listing a single file of the account (measured to do).

        Returns:
            What is known of the key.

        Raises:
            AuthenticationError: The key is not good, or is none of this API.
            PermissionDeniedError: The API client is suspended or deactivated.
            NotFoundError: The API isn't at `base_url`.
        """
        from generor_async.engine.pages import response_of  # noqa: PLC0415 - not needed to start

        try:
            answer = response_of(await self.files.list(limit=1).first_page())
        except NotFoundError as error:
            error.advice = f"Check base_url: no Luma Agents API is there; the vendor's own is {LUMA.base_url}"
            raise
        return KeyCheck(
            api="luma",
            base_url=self._session.base_url,
            api_version=answer.api_version,
            rate_limit=answer.rate_limit,
        )

    async def download(
        self,
        result: "generor_async.luma_resources.Generation | generor_async.luma_resources.Output | generor_async.Job",
        to: str | PathLike[str],
        *,
        overwrite: bool = False,
        max_bytes: int = MAX_BYTES,
        on_progress: "Callable[[generor_async.DownloadProgress], object] | None" = None,
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
        from generor_async.luma_resources import display_outputs  # noqa: PLC0415 - not needed to start

        paths = await self._with_outputs(
            result,
            partial(self._download, to=to, overwrite=overwrite, max_bytes=max_bytes, on_progress=on_progress),
        )
        display_outputs(result, paths)
        return paths

    async def read(
        self,
        result: "generor_async.luma_resources.Generation | generor_async.luma_resources.Output | generor_async.Job",
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
        return await self._read(result, max_bytes)

    def stream(
        self,
        output: "generor_async.luma_resources.Generation | generor_async.luma_resources.Output | generor_async.Job",
        *,
        index: int | None = None,
        range: str | None = None,  # noqa: A002 - as the header is called
        if_range: str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> "generor_async.OutputStream":
        """Stream an output as it arrives, for a handler that passes it on to a browser; nothing is kept.

        `async with client.stream(output, range=request.headers.get("Range")) as stream` sends the request. Then
        `stream.status`, `stream.length`, `stream.content_type` and `stream.headers` are known, and `async for chunk in
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
        return self._stream(output, index, range, if_range, max_bytes=max_bytes, name="output")

    async def save(
        self,
        result: "generor_async.luma_resources.Generation | generor_async.luma_resources.Output | generor_async.Job",
        writer: "generor_async.luma_resources.Writer",
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
        return await self._save(self._stream(result, index, max_bytes=max_bytes, method="save"), writer)

    async def _with_outputs(
        self,
        result: "generor_async.luma_resources.Generation | generor_async.luma_resources.Output | generor_async.Job",
        use: "Callable[[list[Output]], Awaitable[T]]",
        *,
        name: str = "result",
    ) -> T:
        from generor_async.engine.tracking import attaching_id  # noqa: PLC0415 - not needed to start
        from generor_async.luma_resources import id_of, outputs_of  # noqa: PLC0415 - the same

        known = id_of(result, name)
        with nullcontext() if known is None else attaching_id(partial(job_errors.attach_job, job_id=known)):
            return await use(outputs_of(result, self._session, self._options))
