"""The Generor client: generate, browse and manage."""

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import urljoin

from attrs import evolve, frozen

from generor_async.api.generor import resources
from generor_async.api.generor.models import Creation, CreationStatus, Estimate, GeneratedCreation, GenerateResult
from generor_async.api.generor.operations import (
    CREATIONS_GET,
    CREATIONS_STATUS,
    GENERATORS_ESTIMATE,
    GENERATORS_GENERATE,
    creations_status,
)
from generor_async.engine.client import Client
from generor_async.engine.download_target import safe_name
from generor_async.engine.downloads import DownloadCallback, Output
from generor_async.engine.jobs import JobType, JobWaiter, TrackedJob
from generor_async.engine.options import Options
from generor_async.engine.pages import response_of
from generor_async.engine.progress import ProgressReporter
from generor_async.engine.session import Session
from generor_async.engine.settings import MAX_BYTES
from generor_async.engine.tracking import attaching_id
from generor_async.engine.unlisted import wrong_operation
from generor_async.errors import (
    DownloadError,
    GenerorAsyncError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from generor_async.rules import arguments, option_checks
from generor_async.rules.derived_values import longest_seconds
from generor_async.rules.http_types import Operation
from generor_async.rules.job_errors import attach_creation, resume_creation_hint
from generor_async.rules.lifecycle import CREATION
from generor_async.rules.media_urls import generated_text, media_urls
from generor_async.rules.vendors import GENEROR, Vendor
from generor_async.values import JSON, GenerateProgress, KeyCheck, is_object, maybe, read_rate_limit

__all__ = ["AsyncGeneror"]

T = TypeVar("T")


@frozen
class _EstimatedTime:
    """The times of an estimate, in seconds."""

    seconds: float
    longest: float


class CreationWaiter(JobWaiter[CreationStatus]):
    """Waits for creations. The views of a client share it, and the estimated times by generator and model."""

    def __init__(self, session: Session, options: Options, kind: JobType[CreationStatus]) -> None:
        super().__init__(session, options, kind)
        self.estimated: dict[tuple[str, Any], _EstimatedTime] = {}


class AsyncGeneror(Client):
    """The Generor API, async. Public endpoints work without a key."""

    _vendor: ClassVar[Vendor] = GENEROR

    api_keys: resources.ApiKeysResource
    comments: resources.CommentsResource
    creations: "Creations"
    credits: resources.CreditsResource
    feed: resources.FeedResource
    generators: resources.GeneratorsResource
    models: resources.ModelsResource
    ratings: resources.RatingsResource
    teams: resources.TeamsResource
    users: resources.UsersResource

    _waiter: "CreationWaiter"

    def _bind(self, jobs: JobWaiter[Any]) -> None:
        assert isinstance(jobs, CreationWaiter)
        self._waiter = jobs.view(self._options)
        self.api_keys = resources.ApiKeysResource(self)
        self.comments = resources.CommentsResource(self)
        self.creations = Creations(self, self._waiter)
        self.credits = resources.CreditsResource(self)
        self.feed = resources.FeedResource(self)
        self.generators = resources.GeneratorsResource(self)
        self.models = resources.ModelsResource(self)
        self.ratings = resources.RatingsResource(self)
        self.teams = resources.TeamsResource(self)
        self.users = resources.UsersResource(self)

    @staticmethod
    def _make_job_waiter(session: Session, options: Options) -> JobWaiter[CreationStatus]:
        return CreationWaiter(session, options, _CREATIONS)

    async def send(self, operation: Operation[T]) -> T:
        """Send an operation that was built before.

        The time of an estimate is remembered: a generate of the same generator and model gets it as its timeout, where
        it is longer than the usual 900 seconds.

        Args:
            operation: An operation of Generor, as `generor_async.api.generor.operations` builds them.

        Returns:
            The decoded result.

        Raises:
            InvalidRequestError: This is no operation of this API; nothing was sent.
            APIError: Whatever the operation's own method raises.
        """
        if not isinstance(operation, Operation):  # pyright: ignore[reportUnnecessaryIsInstance] # not everybody has types
            raise wrong_operation(operation, GENEROR)
        if operation.endpoint is GENERATORS_GENERATE and self._options.on_progress is not None:
            return await self._with_progress(operation, self._options.on_progress)
        try:
            result = await super().send(self._with_estimated_timeout(operation))
        except GenerorAsyncError as error:
            if not isinstance(error, InvalidRequestError):
                self._name_creation(operation, error)
            raise
        except asyncio.CancelledError as error:
            if isinstance(cut_off := error.__cause__, OutcomeUnknownError) and cut_off.creation_id is not None:
                self._waiter.job_exists(str(cut_off.creation_id))
            raise
        if isinstance(result, Estimate):
            self._record_estimate(operation, result)
        elif isinstance(result, Creation | CreationStatus | GenerateResult):
            self._record_creations(result)
        return result

    def _name_creation(self, operation: Operation[Any], error: GenerorAsyncError) -> None:
        """Add the creation's id to an error of a poll; record a creation that was made, by the error's own id."""
        if operation.endpoint is CREATIONS_GET or operation.endpoint is CREATIONS_STATUS:
            attach_creation(error, _id_in(operation.path))
        elif operation.endpoint is GENERATORS_GENERATE and error.creation_id is not None:
            self._waiter.job_exists(str(error.creation_id))

    def _record_creations(self, result: Creation | CreationStatus | GenerateResult) -> None:
        """Note which creations exist."""
        for creation in result.creations if isinstance(result, GenerateResult) else [result]:
            if maybe(creation.creation_id) is not None:
                self._waiter.job_exists(str(creation.creation_id))

    def _record_estimate(self, operation: Operation[Any], estimate: Estimate) -> _EstimatedTime | None:
        """Keep the time of an estimate; return None where it has none."""
        time = maybe(estimate.time_estimate)
        seconds = None if time is None else maybe(time.seconds)
        if time is None or seconds is None:
            return None
        known = self._waiter.estimated[_estimate_key(operation)] = _EstimatedTime(
            seconds, longest_seconds(time, operation.body)
        )
        return known

    async def _with_progress(self, operation: Operation[T], on_progress: Callable[[GenerateProgress], object]) -> T:
        """Generate, and report every second how much is likely to be done."""
        work, progress = self._lifetime.begin(), ProgressReporter(self._clock, on_progress)
        known = self._waiter.estimated.get(_estimate_key(operation))
        reporting = asyncio.create_task(
            progress.report(None if known is None else known.seconds, partial(self._fetch_expected_seconds, operation))
        )
        try:
            result = await super().send(self._with_estimated_timeout(operation))
        finally:
            reporting.cancel()
            await asyncio.wait([reporting])  # an estimate under way may not outlive the client
            work.end()
        progress.done()
        if isinstance(result, GenerateResult):
            self._record_creations(result)
        return result

    async def _fetch_expected_seconds(self, operation: Operation[Any]) -> float | None:
        """Ask for the estimate of a generate under way; return its seconds, or None where there are none."""
        path = f"{operation.path.rpartition('/')[0]}/estimate"
        estimating = Operation(GENERATORS_ESTIMATE, path, body=operation.body)
        try:
            estimate = await self._session.send(estimating, evolve(self._options, request_id=None))
        except GenerorAsyncError:
            return None
        known = self._record_estimate(estimating, estimate)
        return None if known is None else known.seconds

    def _with_estimated_timeout(self, operation: Operation[T]) -> Operation[T]:
        """Raise a generate's own timeouts to the estimated time: a `timeout` of the caller's covers the queue too."""
        endpoint = operation.endpoint
        if endpoint is not GENERATORS_GENERATE:
            return operation
        known = self._waiter.estimated.get(_estimate_key(operation))
        if known is None or known.longest <= endpoint.timeout:
            return operation
        return evolve(operation, endpoint=evolve(endpoint, timeout=known.longest, attempt_timeout=known.longest))

    async def check(self) -> KeyCheck:
        """Find out whether the key is good, at no cost, by fetching the caller's own profile.

        A key whose scopes don't let it read the profile is good as well: its 403 proves it (documented).

        Returns:
            What is known of the key.

        Raises:
            MissingAPIKeyError: The client has no key.
            AuthenticationError: The key is not good.
            NotFoundError: The API isn't at `base_url`.
        """
        known: dict[str, Any] = {"api": "generor", "base_url": self._session.base_url}
        try:
            profile = await self.users.me()
        except PermissionDeniedError as error:
            if error.code != "FORBIDDEN":
                raise
            return KeyCheck(**known, may_read=False, rate_limit=read_rate_limit(error.headers))
        except NotFoundError as error:
            error.advice = f"Check base_url: no Generor API is there; the vendor's own is {GENEROR.base_url}"
            raise
        credits_ = maybe(profile.credits)
        return KeyCheck(
            **known,
            account=profile.username,
            credits=None if credits_ is None else credits_.total,
            rate_limit=response_of(profile).rate_limit,
        )

    async def download(
        self,
        result: GenerateResult | GeneratedCreation | Creation,
        to: str | PathLike[str],
        *,
        overwrite: bool = False,
        max_bytes: int = MAX_BYTES,
        on_progress: DownloadCallback | None = None,
    ) -> list[Path]:
        """Download all images, videos and sounds of a result or a creation, wherever it names them, and its text.

        A file is called `<creation id>-<n>` with the extension of what it is, a text `<creation id>.txt`, and appears
        whole or not at all; one that breaks off is tried again as often as calls are. Relative addresses
        (`/users/42/img/...`) are the site's: such files are asked for with the key, as they may be private.

        Args:
            result: What `generate` or `creations.get` returned, or one creation of it.
            to: A folder, made if need be. Where there is one file, it may be the file's path, with a suffix of media.
            overwrite: Replace files that exist.
            max_bytes: The most that one file may have; 2 GiB by default.
            on_progress: A function that gets a DownloadProgress for each piece.

        Returns:
            The files' paths, in order.

        Raises:
            InvalidRequestError: An argument can never be right.
            DownloadError: There is nothing to download, it broke off, isn't what was asked for, is too large, or the
                file exists already.
            DeadlineExceededError: The client's `timeout` is over.
        """
        instead = "Look at it first: await creations.get(id)"
        option_checks.one_of(result, "result", (GenerateResult, GeneratedCreation, Creation), instead)
        creations = result.creations if isinstance(result, GenerateResult) else [result]
        outputs = [output for index, creation in enumerate(creations) for output in self._outputs(creation, index)]
        if isinstance(result, GenerateResult):  # what stands beside the creations is the first one's
            beside = {name: value for name, value in result.raw.items() if name != "creations"}
            first = maybe(creations[0].creation_id) if creations else None
            outputs += self._media(beside, _name(first, 0), first, after=len(outputs))
        with attaching_id(partial(attach_creation, creation_id=creations[0].creation_id if creations else None)):
            if not outputs:
                raise _no_media_error(creations)
            return await self._download(outputs, to, overwrite=overwrite, max_bytes=max_bytes, on_progress=on_progress)

    def _outputs(self, creation: GeneratedCreation | Creation, place: int = 0) -> list[Output]:
        """Return the files of one creation; one without an id goes by its place."""
        known = maybe(creation.creation_id)
        outputs = self._media(creation.raw, _name(known, place), known)
        if text := generated_text(creation.raw):
            concern = partial(attach_creation, creation_id=known)
            outputs.append(Output(name=_name(known, place), text=text, attach_id=concern))
        return outputs

    def _media(self, raw: JSON, name: str, creation_id: int | None, *, after: int = 0) -> list[Output]:
        return [
            Output(
                name=f"{name}-{index}",
                url=self._absolute(url),
                kind=kind,
                attach_id=partial(attach_creation, creation_id=creation_id),
            )
            for index, (url, kind) in enumerate(media_urls(raw).items(), start=after)
        ]

    def _absolute(self, url: str) -> str:
        return urljoin(urljoin(self._session.base_url, "/"), url)


class Creations(resources.CreationsResource):
    """Browse and change creations, and wait for those that are being made."""

    __slots__ = ("_waiter",)

    def __init__(self, client: AsyncGeneror, watch: JobWaiter[CreationStatus]) -> None:
        super().__init__(client)
        self._waiter = watch

    async def wait(self, creation_id: int, *, timeout: float = math.inf) -> CreationStatus:
        """Wait until a creation is made, has failed or was cancelled (that these states are final is assumed).

        Args:
            creation_id: The creation's id.
            timeout: Seconds to wait at most.

        Returns:
            The creation's last status: one that failed or was cancelled is returned as such.

        Raises:
            DeadlineExceededError: Time is up; the creation goes on.
            NotFoundError: There is no such creation, or it is another user's.
        """
        known = str(arguments.whole(creation_id, "creation_id"))
        return await self._waiter.wait(TrackedJob(known), timeout=timeout)


def _poll(creation_id: str) -> Operation[CreationStatus]:
    return creations_status(int(creation_id))


def _id_in(path: str) -> int | None:
    """Return the id in a path to a creation; None where it is none."""
    text = path.split("/")[2]
    return int(text) if text.isascii() and text.isdecimal() else None


def _state(creation: CreationStatus) -> str | None:
    return creation.status


def _attach_id(error: GenerorAsyncError, creation_id: str) -> None:
    attach_creation(error, int(creation_id))


def _none(_: CreationStatus) -> None:
    return None


_CREATIONS: Final = JobType(
    name="creation",
    lifecycle=CREATION,
    poll=_poll,
    state=_state,
    failure_code=_none,
    family=_none,
    prior=_none,
    created_at=_none,
    resume_hint=resume_creation_hint,
    attach_id=_attach_id,
)


def _estimate_key(operation: Operation[Any]) -> tuple[str, Any]:
    """Return the path of the generator and the model: what an estimate and the generate after it have in common."""
    body = operation.body
    return operation.path.rpartition("/")[0], body.get("model_id") if is_object(body) else None


def _name(creation_id: int | None, place: int) -> str:
    return f"creation-{place}" if creation_id is None else safe_name(str(creation_id))


def _no_media_error(creations: Sequence[GeneratedCreation | Creation]) -> DownloadError:
    known = ", ".join(str(creation.creation_id) for creation in creations)
    return DownloadError(
        f"there is nothing to download: no address of a file and no text in creation {known}"
        if creations
        else "there is nothing to download: the result has no creations",
        url="",
        retryable=False,
        advice="Fetch it with creations.get(id), which shows it in full, and look at its raw",
    )
