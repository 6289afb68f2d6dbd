"""Fetches again what was made and is no longer in the folder: nothing is charged for that."""

import asyncio
import os
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from generor_async.batch.journal import Journal, Row, RunKey
from generor_async.batch.missing_files import missing
from generor_async.batch.parameters import Parameters
from generor_async.batch.provider import Provider, provider_for
from generor_async.batch.spec import address_of, operation_of
from generor_async.batch.sqlite import open_journal, open_reader
from generor_async.engine.client import Client
from generor_async.errors import GenerationFailedError, GenerorAsyncError, NotFoundError

__all__ = ["Fetched", "fetch_missing"]

AT_ONCE: Final = 16
"""Rows whose outputs are fetched at a time: the client's own queue paces the calls."""
KEPT: Final = 5
"""Of how many rows that could not be had the errors are kept."""
ALIKE: Final = 5
"""How many may fail one after the other, and not for what they are, before it is no use to go on."""


@define
class Fetched:
    """What came of it."""

    rows: int = 0
    """Rows whose files are there again."""
    lost: int = 0
    """Rows whose outputs can't be had."""
    errors: list[tuple[str, GenerorAsyncError]] = field(factory=list[tuple[str, GenerorAsyncError]])
    """Why, of the first, by their ids."""


async def fetch_missing(client: Client, folder: str | os.PathLike[str], *, take_over: bool = False) -> Fetched:
    """Fetch the outputs of rows that are done and lack a file, by the ids of what was made.

    Raises:
        InvalidRequestError: There is no batch, or another API's.
        GenerorAsyncError: What keeps one row after the other from being fetched, such as a bad key.
    """
    reader = await open_reader(folder)
    try:
        recorded: Any = await reader.read_note("key")
    finally:
        await reader.close()
    key = RunKey(operation=operation_of(client), address=address_of(client), source=recorded["source"])
    journal = await open_journal(folder, key=key, take_over=take_over)
    try:
        work = provider_for(client, Parameters(key.operation), capped=False, price=None)
        return await _Fetching(journal, work, Path(folder)).perform()
    finally:
        await journal.close()


class _Fetching:
    def __init__(self, journal: Journal, work: Provider, folder: Path) -> None:
        self._journal = journal
        self._work = work
        self._folder = folder
        self._fetched = Fetched()
        self._alike = 0
        self._stop: GenerorAsyncError | None = None

    async def perform(self) -> Fetched:
        places = asyncio.Semaphore(AT_ONCE)

        async def fetch(number: int) -> None:
            try:
                await self._fetch(await self._journal.row(number))
            finally:
                places.release()

        async with asyncio.TaskGroup() as tasks:
            async for number in missing(self._journal, self._folder):
                await places.acquire()
                if self._stop is not None:
                    break
                tasks.create_task(fetch(number))
        if self._stop is not None:
            raise self._stop
        return self._fetched

    async def _fetch(self, row: Row) -> None:
        try:
            await self._work.store(row, await self._work.complete(row, None), self._folder)
        except GenerorAsyncError as error:
            self._alike = 0 if isinstance(error, NotFoundError | GenerationFailedError) else self._alike + 1
            if self._alike >= ALIKE:
                self._stop = self._stop or error
            self._fetched.lost += 1
            if len(self._fetched.errors) < KEPT:
                self._fetched.errors.append((row.id, error))
        else:
            self._fetched.rows += 1
            self._alike = 0
