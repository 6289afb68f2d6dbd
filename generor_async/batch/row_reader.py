"""Reads the rows of a batch into its journal: from a file all at once, from Python as they are needed.

A row that requests what the folder has already, under another id or with other settings, is withheld until the input is
read: if the input has that other row as well, both are meant. Otherwise the run is refused, before anything is bought.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from generor_async.batch.duplicates import RowDeduplicator
from generor_async.batch.inputs import read_rows
from generor_async.batch.journal import Journal, NewRow, Reject
from generor_async.batch.progress import RunCounters
from generor_async.batch.spec import BatchSpec
from generor_async.batch.unchanged_file import find_unchanged, repeat_notices
from generor_async.errors import BuysAgainError
from generor_async.rules.file_fingerprint import CompletedRead

__all__ = ["RowReader", "buys_again_error"]

MAX_WITHHELD: Final = 1_000
"""Withheld rows after which a run is refused without reading on."""
ROWS_BEFORE_BUYING: Final = 1_000
"""Rows read before a resumed run makes calls: if none of them is withheld, the input is taken to be the same."""
READ_AHEAD: Final = 1_000
"""Unclaimed rows from Python after which no more are asked for."""


class RowReader:
    """Reads all rows of a run once."""

    def __init__(self, spec: BatchSpec, journal: Journal, counters: RunCounters, on_page: Callable[[], None]) -> None:
        self._spec = spec
        self._journal = journal
        self._counters = counters
        self._on_page = on_page
        self._unclaimed = 0
        """Rows that were added, and not claimed yet."""
        self._has_room = asyncio.Event()
        self._withheld: list[NewRow] = []
        """Rows that would buy again what the folder has, unless the rest of the input has that, too."""
        self._rows_read = 0
        self._names_files = False
        self.absent = 0
        """Rows of earlier runs that wait to be called again, and are not in the input."""
        self.may_buy = False
        """Whether enough was read to make calls without buying anything again."""

    async def read(self) -> None:
        """Add all rows to the journal, and report each page; an unchanged file isn't read again."""
        if (known := await find_unchanged(self._spec, self._journal)) is not None:
            self._counters.rejected += await repeat_notices(self._spec, self._journal, known)
            await self._journal.skip_reading()
            self.may_buy = True
            return
        await self._journal.begin_reading()
        self._spec.first_rejects.clear()
        async for page in self._pages():
            await self._add_page(page)
            while self._spec.source is None and self._unclaimed >= READ_AHEAD:
                self._has_room.clear()
                await self._has_room.wait()
        await self._add_withheld()
        sentences = self._spec.notices.sentences
        await self._delete_unread()
        await self._record_complete_file(sentences)
        self.may_buy = True

    async def _add_page(self, page: Sequence[NewRow | Reject]) -> None:
        """Add a page to the journal; rejects come first, so that they are reported before later rows are claimed."""
        await self._add_rejects([entry for entry in page if isinstance(entry, Reject)])
        await self._add([entry for entry in page if isinstance(entry, NewRow)])
        if len(self._withheld) >= (1 if isinstance(self._spec.rows, AsyncIterable) else MAX_WITHHELD):
            raise await self._withheld_error()
        self._rows_read += len(page)
        self.may_buy = self.may_buy or (self._rows_read >= ROWS_BEFORE_BUYING and not self._withheld)
        self._on_page()

    async def _add_withheld(self) -> None:
        """Add the withheld rows if the input has turned out to have those that they repeat."""
        if self._withheld:
            withheld, self._withheld = self._withheld, []
            await self._add(withheld)
            if self._withheld:
                raise await self._withheld_error()

    async def _record_complete_file(self, sentences: Sequence[str]) -> None:
        """Note that the file was read whole, unless its rows depend on other files as well."""
        source = self._spec.source
        if source is not None and source.content is not None and not self._names_files:
            await self._journal.end_reading(
                CompletedRead(content=source.content, terms=self._spec.reading_options, said=sentences)
            )

    async def _delete_unread(self) -> None:
        """Delete waiting rows of earlier runs that are no longer in the input."""
        deleted, self.absent = await self._journal.delete_unread()
        self._counters.states["ready"] -= deleted
        if absent := deleted + self.absent:
            rows = "1 row" if absent == 1 else f"{absent:,} rows"
            self._spec.notices.emit(f"{rows} that waited from an earlier run, and no longer among the rows: not bought")

    async def _add(self, rows: Sequence[NewRow]) -> None:
        """Add rows to the journal, and count them."""
        added = await self._journal.add(rows, again=self._spec.again)
        self._withheld += added.withheld
        self._unclaimed += added.new
        self._counters.states["ready"] += added.new
        await self._add_rejects(added.rejects)

    async def _add_rejects(self, rejects: Sequence[Reject]) -> None:
        """Report rejects, count them, and add them to the journal."""
        if rejects:
            self._spec.note_rejects(rejects)
            self._counters.rejected += len(rejects)
            await self._journal.add_rejects(rejects)

    async def _withheld_error(self) -> BuysAgainError:
        """Delete what this reading has added, and return the error for rows that would buy again."""
        self._counters.states["ready"] -= await self._journal.discard_unclaimed()
        return buys_again_error(self._spec.folder, len(self._withheld), self._withheld[0].place)

    def claimed(self, rows: int) -> None:
        """Note that some rows were claimed, so that more are read."""
        self._unclaimed -= rows
        self._has_room.set()

    def _on_file(self) -> None:
        self._names_files = True

    async def _pages(self) -> AsyncIterator[Sequence[NewRow | Reject]]:
        spec = self._spec
        version: Any = await self._journal.read_note("fingerprint")
        parameters = evolve(spec.parameters, version=version or 1, on_file=self._on_file)
        pages = read_rows(spec.source or spec.rows, parameters, notices=spec.notices)
        if not spec.allow_duplicates:  # the journal drops them
            async for page in pages:
                yield page
            return
        with closing(RowDeduplicator(parameters, allowed=True)) as occurrences:
            async for page in pages:
                yield await occurrences.assign_ids(page)


def buys_again_error(folder: Path, rows: int, first: str) -> BuysAgainError:
    """Return the error for rows that request what a folder has; `first` is the place of the first of them."""
    return BuysAgainError(
        "rows",
        f"{folder} has already what {'a row asks' if rows == 1 else f'{rows:,} rows ask'} for, under another id or to"
        f" be made another way, such as {first}: running them would buy it again",
        advice="Run the same rows with the same parameters to go on with that run, give another folder for another run,"
        " or say that they are to be bought again (again=True, --again)",
    )
