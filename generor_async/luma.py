"""The Luma Agents client: submit a job, wait for it, download what it made."""

import asyncio
from collections.abc import Callable  # noqa: TC003 - as below
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
from generor_async.rules.http_types import Operation
from generor_async.rules.vendors import LUMA, Vendor
from generor_async.values import KeyCheck

if TYPE_CHECKING:
    from generor_async.api.luma.models import Generation
    from generor_async.engine.jobs import JobWaiter
    from generor_async.engine.options import Options
    from generor_async.engine.session import Session

__all__ = ["AsyncLuma"]

T = TypeVar("T")


class AsyncLuma(Client):
    """The Luma Agents API, async.

    `generations.run(...)` submits a job, waits for it and returns it completed; `generations.submit(...)` returns a
    `Job` at once; `generations.create(...)` and `.get(...)` are the bare calls.
    """

    _vendor: ClassVar[Vendor] = LUMA
    _needs_key: ClassVar[bool] = True

    generations: "generor_async.luma_resources.Generations"
    files: "generor_async.luma_resources.Files"

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

        self._jobs = jobs.view(self._options)
        self.generations = Generations(self, self._jobs)
        self.files = Files(self, self._session, self._options, self._uploads)

    @staticmethod
    def _make_job_waiter(session: "Session", options: "Options") -> "JobWaiter[Generation]":
        from generor_async.luma_resources import make_job_waiter  # noqa: PLC0415 - not needed to start

        return make_job_waiter(session, options)

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
        result: "generor_async.luma_resources.Generation | generor_async.Job",
        to: str | PathLike[str],
        *,
        overwrite: bool = False,
        max_bytes: int = MAX_BYTES,
        on_progress: "Callable[[generor_async.DownloadProgress], object] | None" = None,
    ) -> list[Path]:
        """Download the outputs of a completed generation.

        A file is called `<generation id>-<n>` with the extension of what it is, and appears whole or not at all. One
        that breaks off goes on where it was, as often as calls are retried; so does one whose process was killed, when
        it is asked for again. A presigned URL that has expired (after one hour, documented) is fetched anew.

        Args:
            result: The generation, or its job.
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
        from generor_async.engine.tracking import attaching_id  # noqa: PLC0415 - not needed to start
        from generor_async.luma_resources import id_of, outputs_of  # noqa: PLC0415 - the same

        with attaching_id(partial(job_errors.attach_job, job_id=id_of(result))):
            outputs = outputs_of(result, self._session, self._options)
            return await self._download(outputs, to, overwrite=overwrite, max_bytes=max_bytes, on_progress=on_progress)
