"""The Generor client: generate, browse and manage."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeVar
from urllib.parse import urljoin

from attrs import evolve, frozen

from generor_async.api.generor import resources
from generor_async.api.generor.models import (
    Creation,
    CreationStatus,
    Estimate,
    GeneratedCreation,
    GenerateResult,
)
from generor_async.api.generor.operations import (
    CREATIONS_GET,
    CREATIONS_STATUS,
    GENERATORS_ESTIMATE,
    GENERATORS_GENERATE,
    GENERATORS_GET,
    creations_status,
    generators_generate,
)
from generor_async.engine.call_map import CallMap, MapOutcome, MappedCall, in_bulk
from generor_async.engine.call_scope import CallResult
from generor_async.engine.client import Client
from generor_async.engine.displayed_files import display_files
from generor_async.engine.download_target import safe_name
from generor_async.engine.downloads import DownloadCallback
from generor_async.engine.jobs import JobType, JobWaiter, TrackedJob
from generor_async.engine.options import Options
from generor_async.engine.output_stream import OutputStream
from generor_async.engine.pages import response_of
from generor_async.engine.parameter_checks import FETCH_SECONDS, ParameterChecks
from generor_async.engine.progress import ProgressReporter
from generor_async.engine.session import Session
from generor_async.engine.settings import MAX_BYTES
from generor_async.engine.state.calls import PaidCallType
from generor_async.engine.tracking import attaching_id
from generor_async.engine.transfer import Output
from generor_async.engine.unlisted import wrong_operation
from generor_async.engine.writers import Writer
from generor_async.errors import (
    DeadlineExceededError,
    DownloadError,
    GenerorAsyncError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
)
from generor_async.generor_state import GENEROR_CALLS, GenerorJobs
from generor_async.rules import arguments, option_checks
from generor_async.rules.derived_values import longest_seconds
from generor_async.rules.http_types import Endpoint, Operation
from generor_async.rules.job_errors import attach_creation, resume_creation_hint
from generor_async.rules.lifecycle import CREATION
from generor_async.rules.media_urls import generated_text, media_urls
from generor_async.rules.parameter_schemas import ParameterField
from generor_async.rules.vendors import GENEROR, Vendor
from generor_async.values import JSON, GenerateProgress, KeyCheck, is_object, maybe, read_rate_limit

__all__ = ["AsyncGeneror"]

T = TypeVar("T")


_WITH_PARAMETERS: Final = (GENERATORS_GENERATE, GENERATORS_ESTIMATE)


@frozen
class _EstimatedTime:
    """The times of an estimate, in seconds."""

    seconds: float
    longest: float


class CreationWaiter(JobWaiter[CreationStatus]):
    """Waits for creations. The views of a client share it, the estimated times by generator and model, and schemas."""

    def __init__(self, session: Session, options: Options, kind: JobType[CreationStatus]) -> None:
        super().__init__(session, options, kind)
        self.estimated: dict[tuple[str, Any], _EstimatedTime] = {}
        self.parameter_checks = ParameterChecks(session.clock)


class AsyncGeneror(Client):
    """The Generor API, async. Public endpoints work without a key."""

    _vendor: ClassVar[Vendor] = GENEROR

    api_keys: resources.ApiKeysResource
    comments: resources.CommentsResource
    creations: "Creations"
    credits: resources.CreditsResource
    feed: resources.FeedResource
    generators: "Generators"
    jobs: GenerorJobs
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
        self.generators = Generators(self)
        self.jobs = GenerorJobs(self, state := self._session.state)
        if state is not None and state.client is None:
            state.client = self
        self.models = resources.ModelsResource(self)
        self.ratings = resources.RatingsResource(self)
        self.teams = resources.TeamsResource(self)
        self.users = resources.UsersResource(self)

    @staticmethod
    def _paid_calls() -> PaidCallType:
        return GENEROR_CALLS

    @staticmethod
    def _make_job_waiter(session: Session, options: Options) -> JobWaiter[CreationStatus]:
        return CreationWaiter(session, options, _CREATIONS)

    @staticmethod
    def _making_endpoint() -> Endpoint[GenerateResult]:
        return GENERATORS_GENERATE

    @staticmethod
    def _describe_result(_operation: Operation[Any], _body: JSON, result: Any, /) -> CallResult:
        if not isinstance(result, GenerateResult):
            return CallResult()
        made = next((maybe(creation.creation_id) for creation in maybe(result.creations) or []), None)
        return CallResult(maybe(result.credit_cost), job_id=None if made is None else str(made))

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
        if self._options.check_parameters and operation.endpoint in _WITH_PARAMETERS:
            return await (await self._checked_view(operation)).send(operation)
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

    async def _checked_view(self, operation: Operation[Any]) -> Self:
        """Check the parameters of a call, and return a view that sends it in the time that is left."""
        self._check(operation)
        options, began = self._options, self._clock.monotonic()
        body: Mapping[str, JSON] = {**operation.body, **options.extra_body} if is_object(operation.body) else {}
        parameters = body.get("parameters")
        if is_object(parameters) and parameters:
            quiet = evolve(options, timeout=FETCH_SECONDS, request_id=None, context=None, idempotency_key=None)

            async def fetch(path: str) -> Sequence[ParameterField] | None:
                return maybe((await self._session.send(Operation(GENERATORS_GET, path), quiet)).parameters)

            path = operation.path.rpartition("/")[0]
            await self._waiter.parameter_checks.check(path, parameters, fetch, timeout=options.timeout)
        timeout = options.timeout
        if timeout is not None:
            timeout -= self._clock.monotonic() - began
            if timeout <= 0:
                advice = "Nothing was sent. Give it more with with_options(timeout=...)"
                raise DeadlineExceededError(
                    "the check of the parameters took too long", waited_for="attempt", advice=advice
                )
        return self._make_view(evolve(options, timeout=timeout, check_parameters=False))

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
        paths = await self._with_outputs(
            result,
            partial(self._download, to=to, overwrite=overwrite, max_bytes=max_bytes, on_progress=on_progress),
        )
        display_files(result, paths)
        return paths

    async def read(
        self, result: GenerateResult | GeneratedCreation | Creation, *, max_bytes: int = MAX_BYTES
    ) -> list[bytes]:
        """Return the bytes of all images, videos and sounds of a result or a creation, and of its text, without a file.

        What breaks off is continued or tried again, as for `download`.

        Args:
            result: What `generate` or `creations.get` returned, or one creation of it.
            max_bytes: The most that one output may have; 2 GiB by default. All of them are in memory at once.

        Returns:
            The bytes of each output, in the order of `download`, a text as UTF-8.

        Raises:
            InvalidRequestError: An argument can never be right.
            DownloadError: There is nothing to download, it broke off, isn't what was asked for, or is too large.
            DeadlineExceededError: The client's `timeout` is over.
        """
        return await self._read(result, max_bytes)

    def stream(
        self,
        output: GenerateResult | GeneratedCreation | Creation,
        *,
        index: int | None = None,
        range: str | None = None,  # noqa: A002 - as the header is called
        if_range: str | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> OutputStream:
        """Stream an output as it arrives, for a handler that passes it on to a browser; nothing is kept.

        `async with client.stream(output, range=request.headers.get("Range")) as stream` sends the request. Then
        `stream.status`, `stream.length`, `stream.content_type` and `stream.headers` are known, and `async for chunk in
        stream` yields the bytes, no faster than they are taken. A transfer that breaks off is resumed if its host sends
        an ETag. To leave the block, or the iteration, ends it.

        The client's `timeout` holds until the first bytes are here. Each stream takes one of the client's
        `max_connections` for outputs.

        Args:
            output: A result or a creation with one output.
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
        result: GenerateResult | GeneratedCreation | Creation,
        writer: Writer,
        *,
        index: int | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> int:
        """Write an output to something that the caller has opened, as it arrives.

        Files of the standard library are written to in a thread. After an error, a part of the output is written.

        Args:
            result: A result or a creation with one output.
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
        result: GenerateResult | GeneratedCreation | Creation,
        use: Callable[[list[Output]], Awaitable[T]],
        *,
        name: str = "result",
    ) -> T:
        instead = "Look at it first: await creations.get(id)"
        option_checks.one_of(result, name, (GenerateResult, GeneratedCreation, Creation), instead)
        creations = result.creations if isinstance(result, GenerateResult) else [result]
        outputs = [output for index, creation in enumerate(creations) for output in self._outputs(creation, index)]
        if isinstance(result, GenerateResult):  # what stands beside the creations is the first one's
            beside = {name: value for name, value in result.raw.items() if name != "creations"}
            first = maybe(creations[0].creation_id) if creations else None
            outputs += self._media(beside, _name(first, 0), first, after=len(outputs))
        with attaching_id(partial(attach_creation, creation_id=creations[0].creation_id if creations else None)):
            if not outputs:
                raise _no_media_error(creations)
            return await use(outputs)

    def _outputs(self, creation: GeneratedCreation | Creation, place: int = 0) -> list[Output]:
        """Return the files of one creation; one without an id goes by its place."""
        known = maybe(creation.creation_id)
        outputs = self._media(creation.raw, _name(known, place), known)
        if text := generated_text(creation.raw):
            concern = partial(attach_creation, creation_id=known)
            outputs.append(Output(name=_name(known, place), owner_id=_text(known), text=text, attach_id=concern))
        return outputs

    def _media(self, raw: JSON, name: str, creation_id: int | None, *, after: int = 0) -> list[Output]:
        return [
            Output(
                name=f"{name}-{index}",
                owner_id=_text(creation_id),
                url=self._absolute(url),
                kind=kind,
                attach_id=partial(attach_creation, creation_id=creation_id),
            )
            for index, (url, kind) in enumerate(media_urls(raw).items(), start=after)
        ]

    def _absolute(self, url: str) -> str:
        return urljoin(urljoin(self._session.base_url, "/"), url)


class Generators(resources.GeneratorsResource):
    """What can be generated, for what price, and generating it."""

    __slots__ = ("_generor",)

    def __init__(self, client: AsyncGeneror) -> None:
        super().__init__(client)
        self._generor = client

    def map(
        self,
        requests: Iterable[Mapping[str, Any] | Operation[GenerateResult]]
        | AsyncIterable[Mapping[str, Any] | Operation[GenerateResult]],
        *,
        ordered: bool = False,
        concurrency: int | None = None,
    ) -> AsyncGenerator[MapOutcome[GenerateResult], None]:
        """Generate for each of many requests, and yield their outcomes.

        A failure is an outcome, and stops nothing; so is a request that can't be right. Requests are read as calls
        start, and no more start while outcomes aren't taken: the source may be endless. Calls have bulk priority,
        unless the client's view is interactive. A request is charged at most once.

        Leaving the iteration, or cancelling it, cancels the calls under way and waits for their ends; a call that has
        left may still be charged. Such calls, and outcomes that weren't taken, are named by notes of the exception, or
        by a warning in the log after a `break`. An error of the source is raised after the outcomes of all calls that
        have started. If the client is closed, the calls under way have outcomes, and then a ClientClosedError is
        raised.

        Args:
            requests: Mappings of the parameters of `generate`, `slug` among them, or Operations that
                `generor_async.api.generor.operations.generators_generate` has built.
            ordered: Yield the outcomes in the order of the requests; by default as they come.
            concurrency: The number of calls that are under way or whose outcomes haven't been taken; by default the
                client's `max_connections`. The API's limits are kept in any case.

        Yields:
            The outcome of each request, once.

        Raises:
            InvalidRequestError: An argument can never be right.
            ClientClosedError: The client was closed.
        """
        generor = self._generor
        call = MappedCall(
            endpoint=GENERATORS_GENERATE,
            build=generators_generate,
            send=generor._make_view(in_bulk(generor._options)).send,  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
            cost=_charge,
            ids=_creation_ids,
        )
        if concurrency is None:
            concurrency = generor._assembling.settings.max_connections  # pyright: ignore[reportPrivateUsage] # the same
        return CallMap(call, requests, ordered=ordered, concurrency=concurrency).outcomes()


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


def _charge(_: Operation[Any], result: GenerateResult | None) -> float | None:
    """Return what a generate has cost, by its answer."""
    return None if result is None else maybe(result.credit_cost)


def _creation_ids(result: GenerateResult) -> str:
    return f"creation {', '.join(str(creation.creation_id) for creation in result.creations)}"


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


def _none(_: object) -> None:
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


def _text(creation_id: int | None) -> str:
    return "" if creation_id is None else str(creation_id)


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
