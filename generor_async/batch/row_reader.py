"""Reads the rows of a batch into its journal: those of a file at once, those from Python as they are needed."""

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
"""Rows that would buy again what the folder has, after which no more are read."""
ROWS_BEFORE_BUYING: Final = 1_000
"""Rows of a folder that is gone on with, after which it is the same order as before, as far as anybody can tell."""
READ_AHEAD: Final = 1_000
"""Rows from Python that may be ready and waiting before more are asked for."""


class RowReader:
    """One reading of all rows."""

    def __init__(self, spec: BatchSpec, journal: Journal, counters: RunCounters, on_page: Callable[[], None]) -> None:
        self._spec = spec
        self._journal = journal
        self._counters = counters
        self._on_page = on_page
        self._unclaimed = 0
        """Rows that were read, and not claimed yet."""
        self._has_room = asyncio.Event()
        self._withheld: list[NewRow] = []
        """Rows that would buy again what the folder has, unless the input has that, too, further on."""
        self._rows_read = 0
        self._names_files = False
        self.absent = 0
        """Rows of before that wait to be called again, and are not among those that were read."""
        self.may_buy = False
        """Whether so much was read that rows may be bought: not before it is known whether that would be again."""

    async def read(self) -> None:
        """Write down all rows; tells of each page that has arrived.

        A file that was read whole, and is what it was, has no others than the journal.
        """
        if (known := await find_unchanged(self._spec, self._journal)) is not None:
            self._counters.rejected += await repeat_notices(self._spec, self._journal, known)
            await self._journal.skip_reading()
            self.may_buy = True
            return
        await self._journal.begin_reading()
        self._spec.first_rejects.clear()
        async for page in self._pages():
            # Told before what was read later is there to be claimed.
            await self._add_rejects([entry for entry in page if isinstance(entry, Reject)])
            await self._add([entry for entry in page if isinstance(entry, NewRow)])
            if len(self._withheld) >= (1 if isinstance(self._spec.rows, AsyncIterable) else MAX_WITHHELD):
                raise await self._withheld_error()
            self._rows_read += len(page)
            self.may_buy = self.may_buy or (self._rows_read >= ROWS_BEFORE_BUYING and not self._withheld)
            self._on_page()
            while self._spec.source is None and self._unclaimed >= READ_AHEAD:
                self._has_room.clear()
                await self._has_room.wait()
        if self._withheld:
            held, self._withheld = self._withheld, []
            await self._add(held)
            if self._withheld:
                raise await self._withheld_error()
        said = self._spec.notices.sentences
        await self._delete_unread()
        await self._record_complete_file(said)
        self.may_buy = True

    async def _record_complete_file(self, said: Sequence[str]) -> None:
        """Note a file of which all rows are known now; not one whose rows depend on other files as well."""
        source = self._spec.source
        if source is not None and source.content is not None and not self._names_files:
            await self._journal.end_reading(
                CompletedRead(content=source.content, terms=self._spec.reading_options, said=said)
            )

    async def _delete_unread(self) -> None:
        """Leave what waited to be made, and is no longer asked for."""
        forgotten, self.absent = await self._journal.delete_unread()
        self._counters.states["ready"] -= forgotten
        if left := forgotten + self.absent:
            rows = "1 row" if left == 1 else f"{left:,} rows"
            self._spec.notices.emit(f"{rows} that waited from an earlier run, and no longer among the rows: not bought")

    async def _add(self, rows: Sequence[NewRow]) -> None:
        """Write down rows, and what was found of them."""
        added = await self._journal.add(rows, again=self._spec.again)
        self._withheld += added.withheld
        self._unclaimed += added.new
        self._counters.states["ready"] += added.new
        await self._add_rejects(added.rejects)

    async def _add_rejects(self, rejects: Sequence[Reject]) -> None:
        """Say and write down what can't be run."""
        if rejects:
            self._spec.note_rejects(rejects)
            self._counters.rejected += len(rejects)
            await self._journal.add_rejects(rejects)

    async def _withheld_error(self) -> BuysAgainError:
        """Forget what was written down of this reading, and make the error of rows that would buy again."""
        self._counters.states["ready"] -= await self._journal.discard_unclaimed()
        return buys_again_error(self._spec.folder, len(self._withheld), self._withheld[0].place)

    def claimed(self, rows: int) -> None:
        """Note that so many rows have been claimed, so that more may be read."""
        self._unclaimed -= rows
        self._has_room.set()

    def _on_file(self) -> None:
        self._names_files = True

    async def _pages(self) -> AsyncIterator[Sequence[NewRow | Reject]]:
        spec = self._spec
        version: Any = await self._journal.read_note("fingerprint")
        parameters = evolve(spec.parameters, version=version or 1, on_file=self._on_file)
        pages = read_rows(spec.source or spec.rows, parameters, notices=spec.notices)
        if not spec.allow_duplicates:  # the journal knows what it has
            async for page in pages:
                yield page
            return
        with closing(RowDeduplicator(parameters, allowed=True)) as occurrences:
            async for page in pages:
                yield await occurrences.assign_ids(page)


def buys_again_error(folder: Path, rows: int, first: str) -> BuysAgainError:
    """Make the error of rows that ask for what a folder has; `first` is the place of the first of them."""
    return BuysAgainError(
        "rows",
        f"{folder} has already what {'a row asks' if rows == 1 else f'{rows:,} rows ask'} for, under another id or to"
        f" be made another way, such as {first}: running them would buy it again",
        advice="Run the same rows with the same parameters to go on with that run, give another folder for another run,"
        " or say that they are to be bought again (again=True, --again)",
    )
