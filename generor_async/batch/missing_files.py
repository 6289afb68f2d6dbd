"""Finds rows that are done and whose files are missing from the folder, because somebody deleted them."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

from generor_async.batch.journal import JournalReader, StoredFiles
from generor_async.engine.threads import run_to_completion

__all__ = ["count_rows_missing_files", "rows_missing_files"]


async def count_rows_missing_files(reader: JournalReader, folder: Path) -> int:
    """Count the rows that are done and lack a file."""
    count = 0
    async for _ in rows_missing_files(reader, folder):
        count += 1
    return count


async def rows_missing_files(reader: JournalReader, folder: Path) -> AsyncIterator[int]:
    """Yield the numbers of the rows that are done and lack a file, in the order of reading."""
    listings = _FolderListings(folder)
    async for rows in reader.stored_files():
        for number in await run_to_completion(partial(listings.incomplete_rows, rows)):
            yield number


class _FolderListings:
    """Lists the folders of a batch's outputs; neighbouring rows share one, so each is listed once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, frozenset[str]] = {}
        """The files of each folder that the latest rows use."""

    def incomplete_rows(self, rows: StoredFiles) -> Sequence[int]:
        """Return the numbers of those of these rows that lack a file, mostly none of thousands."""
        expected = frozenset(chain.from_iterable(rows.files))
        places = {file.rpartition("/")[0] for file in expected}
        self._files = {place: self._files.get(place) or self._list(place) for place in places}
        missing = expected.difference(*self._files.values())
        return (
            []
            if not missing
            else [
                number for number, files in zip(rows.numbers, rows.files, strict=True) if not missing.isdisjoint(files)
            ]
        )

    def _list(self, place: str) -> frozenset[str]:
        before = f"{place}/" if place else ""
        with suppress(OSError):
            names = os.listdir(self._folder / place)  # noqa: PTH208 - a Path for each takes a multiple
            return frozenset([before + name for name in names])
        return frozenset()
