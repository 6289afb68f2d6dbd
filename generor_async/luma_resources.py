"""What the Luma Agents client consists of: generations and files, and the jobs that come of them."""

import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Hashable,
    Iterable,
    Mapping,
)
from functools import partial
from inspect import isawaitable
from operator import attrgetter
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

from attrs import evolve

from generor_async.api.luma import operations
from generor_async.api.luma.models import File, FilePurpose, Generation, Output
from generor_async.api.luma.resources import FilesResource, SubmittingGenerationsResource
from generor_async.engine import transfer
from generor_async.engine.call_map import CallMap, MapOutcome, MappedCall, in_bulk
from generor_async.engine.call_scope import outside_calls
from generor_async.engine.displayed_files import display_files
from generor_async.engine.download_target import safe_name
from generor_async.engine.downloads import DownloadCallback
from generor_async.engine.jobs import JobType, JobWaiter, TrackedJob
from generor_async.engine.options import Options, resubmission
from generor_async.engine.session import Session
from generor_async.engine.settings import MAX_BYTES
from generor_async.engine.tracking import noting_resubmission
from generor_async.engine.upload_content import Source, open_content
from generor_async.engine.uploads import UploadCallback, UploadCalls, Uploads
from generor_async.engine.writers import Writer
from generor_async.errors import (
    DownloadError,
    GenerationFailedError,
    GenerorAsyncError,
)
from generor_async.rules import arguments, job_errors, lifecycle, older_api, option_checks
from generor_async.rules.http_types import Operation, path_segment
from generor_async.rules.luma_prices import DOLLARS_A_CREDIT, price
from generor_async.rules.schedule import LUMA_PRIORS
from generor_async.rules.wait_headers import http_date
from generor_async.values import JSON, UNSET, Model, maybe, response_to, whole_of
from generor_async.values.text import printable

if TYPE_CHECKING:
    from generor_async.luma import AsyncLuma

__all__ = [
    "Files",
    "Generation",
    "Generations",
    "Job",
    "Output",
    "Writer",
    "display_outputs",
    "id_of",
    "make_job_waiter",
    "outputs_of",
]

T = TypeVar("T")

RUN_SECONDS = 1_800.0
"""Seconds that `run` may take where no `timeout` is given."""
LEAST_SECONDS = 0.001
"""Seconds that are left to a resubmission at the very end."""
CONCURRENT_JOBS: Final = 250
"""Jobs of a batch or a map that are under way at once, unless the caller says otherwise."""

OnSubmitted: TypeAlias = Callable[["Job"], object]
"""Called with a job before anything else happens; what it returns is awaited if it can be."""


class Generations(SubmittingGenerationsResource):
    """Submit generations, wait for them, and go on with earlier ones by their ids."""

    __slots__ = ("_luma", "_waiter")

    def __init__(self, luma: "AsyncLuma", watch: JobWaiter[Generation]) -> None:
        super().__init__(luma)
        self._luma = luma
        self._waiter = watch

    async def _submit(self, operation: Operation[Generation], *, on_submitted: OnSubmitted | None = None) -> "Job":
        if on_submitted is not None:
            option_checks.function(on_submitted, "on_submitted")
        with self._waiter.call_scope("submit", operation.body, billable=True):
            job = self._submitted(await self._luma.send(operation))
            if on_submitted is not None:
                await self._note(job, on_submitted)
            return job

    async def _note(self, job: "Job", on_submitted: OnSubmitted) -> None:
        """Call the caller's function with a job that was submitted; an error of it names the job."""
        try:
            with outside_calls():
                noted = on_submitted(job)
                if isawaitable(noted):
                    await self._waiter.while_open(noted, "on_submitted")
        except BaseException as error:
            error.add_note(f"job {printable(job.id)} goes on, and {job_errors.resume_job_hint(job.id)}")
            if isinstance(error, GenerorAsyncError):
                job_errors.attach_job(error, job.id)
            raise

    def job(self, generation_id: str) -> "Job":
        """Return the job of an id, without a request: after a restart, for example.

        Args:
            generation_id: The generation's id.

        Returns:
            The job. Whether there is one of this id shows when it is first polled.

        Raises:
            InvalidRequestError: This can be no id.
        """
        path_segment(generation_id, "generation_id")  # whether it can be asked for
        return Job(self._luma, self._waiter, TrackedJob(generation_id))

    def _kept_job(self, generation_id: str, context: JSON) -> "Job":
        return Job(self._luma, self._waiter, TrackedJob(generation_id), context)

    def _submitted(self, generation: Generation) -> "Job":
        tracked = self._waiter.track_submitted(generation.id, generation, generation.model)
        return Job(self._luma, self._waiter, tracked, self._waiter.options.context)

    async def _run(
        self, operation: Operation[Generation], *, resubmit: int = 0, on_submitted: OnSubmitted | None = None
    ) -> Generation:
        option_checks.count(resubmit, "resubmit")
        with self._waiter.call_scope("run", operation.body, billable=True):
            return await self._submit_until_done(operation, resubmit, on_submitted)

    async def _submit_until_done(
        self, operation: Operation[Generation], resubmit: int, on_submitted: OnSubmitted | None
    ) -> Generation:
        timeout = self._waiter.options.timeout
        deadline = math.inf if timeout is None else self._waiter.now() + timeout
        times = 0
        view, failed = self._luma, None
        while True:
            if timeout is not None:
                view = self._luma.with_options(timeout=max(deadline - self._waiter.now(), LEAST_SECONDS))
            if times and self._waiter.options.idempotency_key is not None:
                view = view._make_view(resubmission(view._options, times))  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
            with noting_resubmission(failed):
                job = await view.generations._submit(operation, on_submitted=on_submitted)
            if timeout is None:
                deadline = self._waiter.now() + RUN_SECONDS
            try:
                return await job.wait(timeout=deadline - self._waiter.now())
            except GenerationFailedError as error:
                delay = job_errors.resubmit_delay(error, times)
                if delay is None or times >= resubmit or self._waiter.now() + delay >= deadline:
                    raise
                failed = job.id
            times += 1
            with noting_resubmission(failed):
                await self._waiter.sleep(delay)

    def map(
        self,
        requests: Iterable[Mapping[str, Any] | Operation[Generation]]
        | AsyncIterable[Mapping[str, Any] | Operation[Generation]],
        *,
        ordered: bool = False,
        concurrency: int | None = None,
    ) -> AsyncGenerator[MapOutcome[Generation], None]:
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
        view = self._luma._make_view(in_bulk(self._waiter.options))  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        generations = view.generations
        call = MappedCall(
            endpoint=operations.GENERATIONS_CREATE,
            build=operations.generations_create,
            send=generations._send_and_wait,
            cost=generations._credits,
            ids=lambda generation: f"job {printable(generation.id)}",
        )
        if concurrency is None:
            jobs = self._luma.rate_limits.jobs
            concurrency = max(CONCURRENT_JOBS, 0 if jobs is None else jobs.ceiling or 0)
        return CallMap(call, requests, ordered=ordered, concurrency=concurrency).outcomes()

    async def _send_and_wait(self, operation: Operation[Generation]) -> Generation:
        """Submit a generation, and wait for it as `run` does."""
        timeout, began = self._waiter.options.timeout, self._waiter.now()
        with self._waiter.call_scope("run", cast("JSON", operation.body), billable=True):
            job = self._submitted(await self._luma.send(operation))
            return await job.wait(timeout=RUN_SECONDS if timeout is None else began + timeout - self._waiter.now())

    def _credits(self, operation: Operation[Generation], _: Generation | None) -> float | None:
        """Return the price of a generation in credits; None where no list has it."""
        found = price({**cast("Mapping[str, Any]", operation.body), **self._waiter.options.extra_body})
        return None if found is None else found.dollars / DOLLARS_A_CREDIT

    async def wait_all(self, jobs: "Iterable[Job]", *, timeout: float = math.inf) -> "list[Job]":
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
        jobs = _jobs(jobs)
        async for _ in self.as_completed(jobs, timeout=timeout):
            pass
        return jobs

    async def as_completed(self, jobs: "Iterable[Job]", *, timeout: float = math.inf) -> "AsyncIterator[Job]":
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
        held = {job._tracked: job for job in _jobs(jobs)}  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here
        async for tracked in self._waiter.as_completed(list(held), timeout=timeout):
            yield held.pop(tracked)


class Files(FilesResource):
    """Upload media once and refer to it from generations."""

    __slots__ = ("_options", "_session", "_uploads")

    def __init__(self, luma: "AsyncLuma", session: Session, options: Options, uploads: Uploads) -> None:
        super().__init__(luma)
        self._session = session
        self._options = options
        self._uploads = uploads

    async def upload(
        self,
        source: Source,
        *,
        mime_type: str | None = None,
        purpose: FilePurpose = "input",
        size_bytes: int | None = None,
        on_progress: UploadCallback | None = None,
    ) -> File:
        """Upload an image or a video, wait until the API has taken it in, and return it ready to be referred to.

        The bytes are read and sent piece by piece. What breaks off is sent again, as often as calls are retried, and to
        a fresh URL if that has expired (which makes a file of another id). An async iterator can't be read twice.

        Args:
            source: A path, bytes, or an async iterator of bytes; up to 5 GiB (client).
            mime_type: The media type; by default told from the first bytes, which must agree with a file's name.
            purpose: `input` for the subject of an edit, `reference` for guidance (client).
            size_bytes: How many bytes an async iterator yields, just so many.
            on_progress: A function that gets an UploadProgress for each piece.

        Returns:
            The file, in state `ready`.

        Raises:
            InvalidRequestError: The source is no file, empty, too large, or not what its name says; nothing was sent.
            UploadError: It changed while it was read, the host did not take it, or the API could make nothing of it.
            DeadlineExceededError: The client's `timeout` is over, or the API has taken half an hour to take it in.
        """
        if mime_type is not None:
            arguments.text(mime_type, "mime_type")
        if size_bytes is not None:
            option_checks.count(size_bytes, "size_bytes", least=1, of="bytes")
        option_checks.listener_or_none(on_progress, "on_progress")
        session, options, quiet = self._session, self._options, evolve(self._options, request_id=None)
        async with open_content(source, size_bytes=size_bytes, media_type=mime_type) as content:
            recording = operations.files_create(
                mime_type=content.media_type,
                size_bytes=content.size,
                filename=content.name or UNSET,
                purpose=purpose,
            )
            calls = UploadCalls(
                create=lambda: session.send(recording, options),
                complete=lambda file_id: session.send(operations.files_complete(file_id), quiet),
                get=lambda file_id: session.send(operations.files_get(file_id), quiet),
                delete=lambda file_id: session.send(operations.files_delete(file_id), quiet),
            )
            upload = self._uploads.upload(content, calls, options=options, on_progress=on_progress)
            return await session.lifetime.while_open(upload, "an upload")


class Job:
    """A generation under way; its `id` is all that it takes to find it again.

    `await job` waits until it is completed. A job cannot be cancelled: Luma documents no call for it.
    """

    __slots__ = ("_context", "_luma", "_tracked", "_waiter")

    def __init__(
        self,
        luma: "AsyncLuma",
        watch: JobWaiter[Generation],
        tracked: TrackedJob[Generation],
        context: JSON = None,
    ) -> None:
        self._luma = luma
        self._waiter = watch
        self._tracked = tracked
        self._context = context

    @property
    def id(self) -> str:
        """The generation's id."""
        return self._tracked.id

    @property
    def context(self) -> JSON:
        """What was attached to it by `with_options(context=)`; None if nothing was."""
        return self._context

    @property
    def generation(self) -> Generation | None:
        """The generation as it was last seen; None before the first poll."""
        return self._tracked.last_seen

    @property
    def result(self) -> Generation | None:
        """The completed generation; None while it isn't known to be."""
        seen = self._tracked.last_seen
        return seen if seen is not None and seen.state == "completed" else None

    @property
    def error(self) -> GenerorAsyncError | None:
        """Why there is no result: the job failed, or the last wait for it did. None while all is well."""
        seen = self._tracked.last_seen
        if seen is not None and seen.state == "failed":
            return job_errors.job_failure(self._waiter.masked(seen))
        return self._tracked.error

    @property
    def expected_seconds(self) -> float | None:
        """The seconds until the job is completed or fails: half of the known jobs that ran as long needed no more.

        The client learns how long jobs of each model and type take, and begins with what they usually take (measured,
        or else assumed). Never below 0; 0 once the job has ended. None where nothing is known: of a job that was never
        polled, or whose age or type is unknown, or that runs longer than any job is known to.
        """
        return self._waiter.expected_seconds(self._tracked)

    async def wait(self, *, timeout: float = math.inf) -> Generation:
        """Wait until the job is completed.

        Args:
            timeout: Seconds to wait at most.

        Returns:
            The completed generation.

        Raises:
            GenerationFailedError: The job failed; the class tells why.
            DeadlineExceededError: Time is up; the job goes on.
        """
        generation = await self._waiter.wait(self._tracked, timeout=timeout)
        if generation.state == "failed":
            generation = self._waiter.masked(generation)  # as the error has it: tracebacks may show this frame
            raise job_errors.job_failure(generation)
        return generation

    def __await__(self) -> Generator[Any, Any, Generation]:
        return self.wait().__await__()

    async def updates(self, *, timeout: float = math.inf) -> AsyncIterator[Generation]:
        """Iterate over the states of the job, until it has ended.

        Args:
            timeout: Seconds to wait at most.

        Yields:
            The generation at each change of its state, the present one first.

        Raises:
            DeadlineExceededError: Time is up; the job goes on.
        """
        async for generation in self._waiter.changes(self._tracked, timeout=timeout):
            yield generation

    async def refresh(self) -> Generation:
        """Poll the job once.

        Returns:
            The generation as it is now.
        """
        generation = await self._luma.generations.get(self.id)
        self._waiter.note_poll(self._tracked, generation)
        return generation

    async def download(
        self,
        to: str | PathLike[str],
        *,
        overwrite: bool = False,
        max_bytes: int = MAX_BYTES,
        on_progress: DownloadCallback | None = None,
    ) -> list[Path]:
        """Download the outputs of the completed job, as `AsyncLuma.download` does.

        Args:
            to: A folder, made if need be. Where there is one output, it may be the file's path, with a suffix of media.
            overwrite: Replace files that exist.
            max_bytes: The most that one file may have; 2 GiB by default.
            on_progress: A function that gets a DownloadProgress for each piece.

        Returns:
            The files' paths, in the order of the outputs.

        Raises:
            DownloadError: As for `AsyncLuma.download`.
        """
        return await self._luma.download(self, to, overwrite=overwrite, max_bytes=max_bytes, on_progress=on_progress)

    def __repr__(self) -> str:
        state = "not polled yet" if self.generation is None else self.generation.state
        return f"Job({self.id!r}, {state})"


def _jobs(jobs: Iterable[Job]) -> list[Job]:
    """Return jobs as a list; raise InvalidRequestError for anything else."""
    try:
        found = list(jobs)
    except TypeError:
        raise arguments.type_error("jobs", "a list of Jobs", jobs) from None
    for index, job in enumerate(found):
        option_checks.one_of(job, f"jobs[{index}]", (Job,), "Get it by its id: generations.job(id)")
    return found


def make_job_waiter(session: Session, options: Options) -> JobWaiter[Generation]:
    """Return what waits for the jobs of a client."""
    return JobWaiter(session, options, _JOBS, backlog=session.backlog)


def id_of(result: Generation | Output | Job, name: str) -> str | None:
    """Return the id of the generation that is to be downloaded; raise InvalidRequestError about the argument `name`.

    An output that was not received from the API has none.
    """
    instead = "Look at it first: await generations.get(id)"
    option_checks.one_of(result, name, (Generation, Output, Job), instead)
    if isinstance(result, Output):
        whole = whole_of(result)
        return None if whole is None else whole[0]
    return result.id


def outputs_of(result: Generation | Output | Job, session: Session, options: Options) -> list[transfer.Output]:
    """Return what is to be transferred, each with how to get a fresh URL. Raise DownloadError where nothing is."""
    if isinstance(result, Output):
        if not maybe(result.url):
            raise _no_outputs_error(None)
        return [_output(result, whole_of(result), result, session, options)]
    generation = result.generation if isinstance(result, Job) else result
    found = [] if generation is None else maybe(generation.output) or []
    places = [index for index, output in enumerate(found) if maybe(output.url)]
    if generation is None or not places:
        raise _no_outputs_error(generation)
    return [_output(found[index], (generation.id, index), generation, session, options) for index in places]


def display_outputs(result: Generation | Output | Job, paths: Iterable[Path]) -> None:
    """Let notebooks show the files of `outputs_of` with the generation, and each with its output."""
    shown = result.generation if isinstance(result, Job) else result
    if shown is not None:
        paths = list(paths)
        display_files(shown, paths)
        outputs = [] if isinstance(shown, Output) else maybe(shown.output) or []
        with_url = (output for output in outputs if maybe(output.url))
        for output, path in zip(with_url, paths, strict=False):  # a job may have been refreshed meanwhile
            display_files(output, [path])


def _output(
    output: Output, whole: tuple[str, int] | None, received: Model, session: Session, options: Options
) -> transfer.Output:
    """Return an output to transfer; `whole` is its generation's id and its place, `received` what came with it."""
    answer = response_to(received)
    known: dict[str, Any] = {}
    if whole is not None:
        generation_id, index = whole
        known = {
            "owner_id": generation_id,
            "refresh": lambda: _fresh_url(generation_id, index, session, options),
            "attach_id": partial(job_errors.attach_job, job_id=generation_id),
        }
    return transfer.Output(
        name="output" if whole is None else f"{safe_name(whole[0])}-{whole[1]}",
        url=output.url,
        kind=maybe(output.type) or "",
        since=None if answer is None else http_date(answer.headers.get("Date", "")),
        **known,
    )


async def _fresh_url(generation_id: str, index: int, session: Session, options: Options) -> str:
    fresh = await session.send(operations.generations_get(generation_id), evolve(options, request_id=None))
    found = (maybe(fresh.output) or [])[index : index + 1]
    if not found or not maybe(found[0].url):
        raise _no_outputs_error(fresh)
    return found[0].url


def _no_outputs_error(generation: Generation | None) -> DownloadError:
    state = "not known yet" if generation is None else generation.state
    older = [] if generation is None else older_api.older_api_problems(generation.raw)
    return DownloadError(
        f"there is nothing to download: the generation has no outputs (its state is {state})",
        url="",
        retryable=state != "completed",
        advice=older[0].problem if older else "Wait until it is completed",
    )


def _family(generation: Generation) -> tuple[str, str]:
    return generation.model, generation.type


def _state(generation: Generation) -> str:
    return maybe(generation.state) or ""


def _prior(family: Hashable) -> float | None:
    return LUMA_PRIORS.get(cast("tuple[str, str]", family))


_JOBS: Final = JobType(
    name="job",
    lifecycle=lifecycle.LUMA_JOB,
    poll=operations.generations_get,
    state=_state,
    failure_code=attrgetter("failure_code"),
    family=_family,
    prior=_prior,
    created_at=attrgetter("created_at"),
    resume_hint=job_errors.resume_job_hint,
    attach_id=job_errors.attach_job,
)
