"""The Luma Agents client: submit a job, wait for it, download what it made."""

import math
from collections.abc import AsyncIterator, Generator
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Unpack

from generor_async.api.luma import operations
from generor_async.api.luma.models import Generation
from generor_async.api.luma.resources import FilesResource, GenerationsCreateParams, GenerationsResource
from generor_async.engine import auth, jobs
from generor_async.engine.client import Client
from generor_async.engine.transfer import Output, Progress, safe_name
from generor_async.errors import DownloadError
from generor_async.rules import lifecycle
from generor_async.rules.vendors import LUMA, Vendor

__all__ = ["AsyncLuma", "Generations", "Job"]

RUN_SECONDS = 1_800.0
"""How long `run` may take when nobody says."""


class AsyncLuma(Client):
    """The Luma Agents API, async.

    `generations.run(...)` submits a job, waits for it and returns it completed; `generations.submit(...)` returns a
    `Job` at once; `generations.create(...)` and `.get(...)` are the bare calls.
    """

    _vendor: ClassVar[Vendor] = LUMA
    _look = staticmethod(operations.generations_get)

    generations: "Generations"
    files: FilesResource

    def _bind(self) -> None:
        if self._session.key is None:
            raise auth.missing_key(LUMA)
        watch = jobs.JobWatch(self._session, self._options, operations.generations_get)
        self.generations = Generations(self, watch)
        self.files = FilesResource(self)

    async def download(
        self,
        result: "Generation | Job",
        to: str | PathLike[str],
        *,
        overwrite: bool = False,
        on_progress: Progress | None = None,
    ) -> list[Path]:
        """Download the outputs of a completed generation into the folder `to`; return the files' paths in order.

        A file is called `<generation id>-<n>` with the extension of what it is, and appears whole or not at all. A
        presigned URL that has expired (after one hour, documented) is fetched anew.

        Raises:
            DownloadError: there is nothing to download, it broke off, or the file exists already.
        """
        generation = result.generation if isinstance(result, Job) else result
        if generation is None or not generation.output:
            state = "not known yet" if generation is None else generation.state
            raise DownloadError(
                f"the generation has no outputs (its state is {state})",
                url="",
                advice="Wait until it is completed",
            )
        outputs = [self._output(generation, index, item.url) for index, item in enumerate(generation.output)]
        return await self._download(outputs, to, overwrite=overwrite, on_progress=on_progress)

    def _output(self, generation: Generation, index: int, url: str) -> Output:
        async def refresh() -> str:
            fresh = await self.generations.get(generation.id)
            return fresh.output[index].url

        return Output(name=f"{safe_name(generation.id)}-{index}", url=url, refresh=refresh)


class Generations(GenerationsResource):
    """Submit generations, wait for them, and take them up again by their ids."""

    __slots__ = ("_luma", "_watch")

    def __init__(self, luma: AsyncLuma, watch: jobs.JobWatch[Generation]) -> None:
        super().__init__(luma)
        self._luma = luma
        self._watch = watch

    async def submit(self, **params: Unpack[GenerationsCreateParams]) -> "Job":
        """Submit a generation with the parameters of `create`, and return its job."""
        generation = await self.create(**params)
        self._watch.submitted(generation.id, generation.model)
        return Job(self._luma, self._watch, generation.id, generation)

    def job(self, generation_id: str) -> "Job":
        """Take up a job by its id, without a request: after a restart, for example."""
        return Job(self._luma, self._watch, generation_id, None)

    async def run(self, **params: Unpack[GenerationsCreateParams]) -> Generation:
        """Submit a generation with the parameters of `create`, wait for it, and return it completed.

        Unless the client has a `timeout`, 1,800 seconds are allowed for all of it. Raises what `create` raises, a
        GenerationFailedError when the job fails, and DeadlineExceededError, with the job's id, when time is up: the
        job goes on then, and `job(id)` takes it up again.
        """
        timeout = self._watch.options.timeout or RUN_SECONDS
        deadline = self._watch.now() + timeout
        job = await self._luma.with_options(timeout=timeout).generations.submit(**params)
        return await job.wait(timeout=deadline - self._watch.now())


class Job:
    """A generation under way; its `id` is all that it takes to find it again.

    `await job` waits until it is completed. A job cannot be cancelled: Luma documents no call for it.
    """

    __slots__ = ("_luma", "_watch", "generation", "id")

    def __init__(
        self,
        luma: AsyncLuma,
        watch: jobs.JobWatch[Generation],
        generation_id: str,
        generation: Generation | None,
    ) -> None:
        self._luma = luma
        self._watch = watch
        self.id = generation_id
        self.generation = generation
        """The generation as it was last seen; None before the first look."""

    async def wait(self, *, timeout: float = math.inf) -> Generation:
        """Wait until the job is completed, and return it; `timeout` is in seconds.

        Raises:
            GenerationFailedError: the job failed; the class tells why.
            DeadlineExceededError: time is up; the job goes on.
        """
        async for generation in self.updates(timeout=timeout):
            if generation.state == "completed":
                return generation
            if generation.state == "failed":
                raise lifecycle.failure(generation)
        raise AssertionError("a job's updates end with a terminal state")

    def __await__(self) -> Generator[Any, Any, Generation]:
        return self.wait().__await__()

    async def updates(self, *, timeout: float = math.inf) -> AsyncIterator[Generation]:
        """Yield the generation at each change of its state, the present one first, until it is terminal."""
        async for generation in self._watch.follow(self.id, self.generation, timeout=timeout):
            self.generation = generation
            yield generation

    async def refresh(self) -> Generation:
        """Look at the job once."""
        self.generation = await self._luma.generations.get(self.id)
        return self.generation

    async def download(
        self, to: str | PathLike[str], *, overwrite: bool = False, on_progress: Progress | None = None
    ) -> list[Path]:
        """Download the outputs of the completed job; see `AsyncLuma.download`."""
        return await self._luma.download(self, to, overwrite=overwrite, on_progress=on_progress)

    def __repr__(self) -> str:
        state = "not looked at" if self.generation is None else self.generation.state
        return f"Job({self.id!r}, {state})"
