"""Finds rows that are done and whose files are missing from the folder or the storage: somebody deleted them."""

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

from generor_async.batch.media import StoredObjects
from generor_async.rules.storage_urls import is_object_url
from generor_async.stores.ledger import LedgerReader
from generor_async.stores.records import StoredFiles
from generor_async.stores.threads import run_to_completion

__all__ = ["count_rows_missing_files", "rows_missing_files"]


async def count_rows_missing_files(reader: LedgerReader, folder: Path | None, *, checks_storage: bool) -> int:
    """Count the rows that are done and lack a file; raises StorageError where a storage can't tell."""
    count = 0
    async for _ in rows_missing_files(reader, folder, checks_storage=checks_storage):
        count += 1
    return count


async def rows_missing_files(
    reader: LedgerReader, folder: Path | None, *, checks_storage: bool = True
) -> AsyncIterator[int]:
    """Yield the numbers of the rows that are done and lack a file, in the order of reading.

    Raises:
        StorageError: A storage can't tell.
    """
    listings, objects = None if folder is None else _FolderListings(folder), StoredObjects()
    async for rows in reader.stored_files():
        missing = frozenset[str]()
        if listings is not None:
            missing = await run_to_completion(partial(listings.missing, rows))
        if checks_storage and (urls := [file for file in chain.from_iterable(rows.files) if is_object_url(file)]):
            missing |= await objects.missing(urls)
        if missing:
            for number, files in zip(rows.numbers, rows.files, strict=True):
                if not missing.isdisjoint(files):
                    yield number


class _FolderListings:
    """Lists the folders of a batch's outputs; neighbouring rows share one, so each is listed once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, frozenset[str]] = {}
        """The files of each folder that the latest rows use."""

    def missing(self, rows: StoredFiles) -> frozenset[str]:
        """Return the files of these rows that are missing from the folder, mostly none of thousands."""
        expected = frozenset([file for file in chain.from_iterable(rows.files) if not is_object_url(file)])
        places = {file.rpartition("/")[0] for file in expected}
        self._files = {place: self._files.get(place) or self._list(place) for place in places}
        return expected.difference(*self._files.values())

    def _list(self, place: str) -> frozenset[str]:
        before = f"{place}/" if place else ""
        with suppress(OSError):
            names = os.listdir(self._folder / place)  # noqa: PTH208 - a Path for each takes a multiple
            return frozenset([before + name for name in names])
        return frozenset()
