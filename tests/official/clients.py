"""The official client in each form there is of it, so that a scenario is written once for all of them.

Blocking and async calls differ in one `await` alone; `Official.wait` is that `await`.
"""

import asyncio
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from typing import Literal, TypeAlias, TypeVar, Unpack, cast

import luma_agents
from attrs import frozen
from luma_agents.types import CreateFileResponse, Generation, GenerationCreateParams

from generor_async.simulator import Simulator

__all__ = ["FORMS", "Client", "Form", "Luma", "Official", "opened"]

Form: TypeAlias = Literal["blocking", "async on httpx", "async on aiohttp"]
FORMS: tuple[Form, ...] = ("blocking", "async on httpx", "async on aiohttp")
Luma: TypeAlias = luma_agents.Luma | luma_agents.AsyncLuma
T = TypeVar("T")

NOWHERE = "http://nowhere.invalid"
PATIENCE = 300.0
"""Real seconds after which an async client has long outlived its own timeouts."""
LONG = 1_800.0
"""Simulated seconds after which every job and every ingest has ended, and no presigned URL has yet."""


@frozen
class Official:
    """The official client of one form, at a simulator."""

    form: Form
    luma: Luma
    simulator: Simulator
    runner: asyncio.Runner

    def wait(self, outcome: T | Awaitable[T]) -> T:
        """Give what a call gives: at once where the client is blocking, else when it is done."""
        if isinstance(outcome, Awaitable):
            return self.runner.run(_awaited(cast("Awaitable[T]", outcome)))
        return outcome

    def create(self, **params: Unpack[GenerationCreateParams]) -> Generation:
        """Submit a generation."""
        return self.wait(self.luma.generations.create(**params))

    def ended(self, generation: Generation) -> Generation:
        """Look at a generation when it has had its time."""
        self.simulator.advance(LONG)
        return self.wait(self.luma.generations.get(generation.id))

    def upload(self, content: bytes, mime_type: str, *, filename: str, **fields: str) -> CreateFileResponse:
        """Send a small file inline: the client has no method for it, but a general one."""
        created = self.luma.post(
            "/files",
            cast_to=CreateFileResponse,
            body=fields,
            files={"file": (filename, content, mime_type)},
            options={"headers": {"Content-Type": "multipart/form-data"}},
        )
        return self.wait(created)


@frozen
class Client:
    """The official client of one form, with its connections; it is used from one thread."""

    form: Form
    luma: Luma
    runner: asyncio.Runner

    def at(self, simulator: Simulator) -> Official:
        """Turn to a simulator, by key and base URL alone."""
        luma = self.luma.with_options(auth_token=simulator.luma_key, base_url=simulator.luma_url)
        return Official(self.form, luma, simulator, self.runner)


async def _awaited(outcome: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE):
        return await outcome


@contextmanager
def opened(form: Form) -> Generator[Client, None, None]:
    """Open a client of a form, which is nowhere yet."""
    with asyncio.Runner() as runner:
        if form == "blocking":
            with luma_agents.Luma(auth_token="", base_url=NOWHERE) as luma:
                yield Client(form, luma, runner)
            return
        http = luma_agents.DefaultAioHttpClient() if form == "async on aiohttp" else None
        async_luma = luma_agents.AsyncLuma(auth_token="", base_url=NOWHERE, http_client=http)
        try:
            yield Client(form, async_luma, runner)
        finally:
            runner.run(async_luma.close())
