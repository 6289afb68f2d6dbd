"""Whose outputs are no longer in the folder: rows that are done and paid for, as somebody deleted the files."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from generor_async.batch.journal import Reader, Stored
from generor_async.engine.threads import to_the_end

__all__ = ["count_missing", "missing"]

AT_ONCE: Final = 5_000
"""Rows whose files are looked for at a time."""


async def count_missing(reader: Reader, folder: Path) -> int:
    """Count the rows that are done and lack a file."""
    count = 0
    async for _ in missing(reader, folder):
        count += 1
    return count


async def missing(reader: Reader, folder: Path) -> AsyncIterator[Stored]:
    """Yield the rows that are done and lack a file, in the order of reading."""
    there, page = _There(folder), list[Stored]()
    async for row in reader.stored():
        page.append(row)
        if len(page) == AT_ONCE:
            for lacking in await to_the_end(partial(there.lacking, page)):
                yield lacking
            page = []
    for lacking in await to_the_end(partial(there.lacking, page)):
        yield lacking


class _There:
    """What is in the folders of a batch: each is listed once, since neighbours share one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place: str | None = None
        self._names = frozenset[str]()

    def lacking(self, rows: Sequence[Stored]) -> list[Stored]:
        """Return those of these rows of which a file is not there."""
        return [row for row in rows if not all(map(self._has, row.files))]

    def _has(self, file: str) -> bool:
        place, _, name = file.rpartition("/")
        if place != self._place:
            self._place, self._names = place, frozenset[str]()
            with suppress(OSError):
                self._names = frozenset(path.name for path in (self._folder / place).iterdir())
        return name in self._names
