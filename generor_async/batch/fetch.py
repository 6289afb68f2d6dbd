"""Downloads again the outputs that are missing from a batch's folder or storage; nothing is charged for that."""

import asyncio
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from generor_async.batch.journal import To, open_journal, open_reader, place_of
from generor_async.batch.media import storage_of
from generor_async.batch.missing_files import rows_missing_files
from generor_async.batch.parameters import Parameters
from generor_async.batch.provider import MediaStorage, Provider, provider_for
from generor_async.batch.run_key import RunKey, read_key
from generor_async.batch.spec import address_of, operation_of
from generor_async.engine.client import Client
from generor_async.errors import GenerationFailedError, GenerorAsyncError, NotFoundError
from generor_async.rules.storage_urls import is_object_url
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import CallRecord

__all__ = ["FetchResult", "fetch_missing"]

CONCURRENCY: Final = 16
"""Rows whose outputs are fetched at a time; the client's own queue paces the calls."""
ERRORS_KEPT: Final = 5
"""How many errors are kept."""
MAX_FAILURES_IN_A_ROW: Final = 5
"""How many rows may fail in a row, for reasons that are not their own, before it stops."""


@define
class FetchResult:
    """What `fetch_missing` has fetched."""

    rows: int = 0
    """Rows whose files are complete again."""
    lost: int = 0
    """Rows whose outputs could not be fetched."""
    errors: list[tuple[str, GenerorAsyncError]] = field(factory=list[tuple[str, GenerorAsyncError]])
    """The first errors, each with its row's id."""


async def fetch_missing(client: Client, to: To, *, name: str | None = None, take_over: bool = False) -> FetchResult:
    """Fetch the outputs of rows that are done and lack a file, by the ids of their jobs or creations.

    Raises:
        InvalidRequestError: There is no batch, or one of another API.
        StorageError: A storage can't tell what it has.
        GenerorAsyncError: Several rows in a row failed with it, as with a bad key.
    """
    place = place_of(to, name)
    reader = await open_reader(place)
    try:
        noted = await read_key(reader)
    finally:
        await reader.close()
    assert noted is not None
    key = RunKey(operation=operation_of(client), address=address_of(client), source=noted.source)
    journal = await open_journal(place, key=key, take_over=take_over)
    try:
        provider = provider_for(client, Parameters(key.operation), capped=False, price=None)
        return await _Fetcher(journal, provider, place.folder).perform()
    finally:
        await journal.close()


class _Fetcher:
    """Fetches rows concurrently, and stops when several in a row fail for the same kind of reason."""

    def __init__(self, journal: Ledger, provider: Provider, folder: Path | None) -> None:
        self._journal = journal
        self._provider = provider
        self._folder = folder
        self._storages = dict[str, MediaStorage]()
        self._result = FetchResult()
        self._failures_in_a_row = 0
        self._fatal_error: GenerorAsyncError | None = None

    async def perform(self) -> FetchResult:
        slots = asyncio.Semaphore(CONCURRENCY)

        async def fetch(number: int) -> None:
            try:
                (row,) = await self._journal.get([number])
                await self._fetch_row(row)
            finally:
                slots.release()

        async with asyncio.TaskGroup() as tasks:
            async for number in rows_missing_files(self._journal, self._folder):
                await slots.acquire()
                if self._fatal_error is not None:
                    break
                tasks.create_task(fetch(number))
        if self._fatal_error is not None:
            raise self._fatal_error
        return self._result

    def _media_of(self, row: CallRecord) -> Path | MediaStorage:
        """Return where the row's outputs were stored."""
        result: Any = row.result
        url = next((storage_of(file) for file in result["files"] if is_object_url(file)), None)
        if url is None:
            assert self._folder is not None, "outputs of a run in a database are in a storage"
            return self._folder
        if url not in self._storages:
            self._storages[url] = MediaStorage(self._provider, url)
        return self._storages[url]

    async def _fetch_row(self, row: CallRecord) -> None:
        try:
            media = self._media_of(row)
            await self._provider.store(row, await self._provider.complete(row, None), media)
        except GenerorAsyncError as error:
            self._failures_in_a_row = (
                0 if isinstance(error, NotFoundError | GenerationFailedError) else self._failures_in_a_row + 1
            )
            if self._failures_in_a_row >= MAX_FAILURES_IN_A_ROW:
                self._fatal_error = self._fatal_error or error
            self._result.lost += 1
            if len(self._result.errors) < ERRORS_KEPT:
                self._result.errors.append((row.id, error))
        else:
            self._result.rows += 1
            self._failures_in_a_row = 0
