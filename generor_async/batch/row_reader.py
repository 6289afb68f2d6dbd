"""Reads the rows of a batch into its journal: those of a file at once, those from Python as they are needed."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from generor_async.batch.duplicates import Duplicates
from generor_async.batch.inputs import read
from generor_async.batch.journal import Journal, NewRow, Reject
from generor_async.batch.known_file import known_reading, retell
from generor_async.batch.progress import RunCounters
from generor_async.batch.spec import BatchSpec
from generor_async.errors import BuysAgainError
from generor_async.rules.file_fingerprint import ReadWhole

__all__ = ["RowReader", "buys_again"]

HELD_MOST: Final = 1_000
"""Rows that would buy again what the folder has, after which no more are read."""
FIRST: Final = 1_000
"""Rows of a folder that is gone on with, after which it is the same order as before, as far as anybody can tell."""
READ_AHEAD: Final = 1_000
"""Rows from Python that may be ready and waiting before more are asked for."""


class RowReader:
    """One reading of all rows."""

    def __init__(self, order: BatchSpec, journal: Journal, tally: RunCounters, arrived: Callable[[], None]) -> None:
        self._order = order
        self._journal = journal
        self._tally = tally
        self._arrived = arrived
        self._unclaimed = 0
        """Rows that were read, and not claimed yet."""
        self._taken = asyncio.Event()
        self._held: list[NewRow] = []
        """Rows that would buy again what the folder has, unless the input has that, too, further on."""
        self._rows_read = 0
        self._names_files = False
        self.not_given = 0
        """Rows of before that wait to be called again, and are not among those that were read."""
        self.settled = False
        """Whether so much was read that rows may be bought: not before it is known whether that would be again."""

    async def read(self) -> None:
        """Write down all rows; tells of each page that has arrived.

        A file that was read whole, and is what it was, has no others than the journal.
        """
        if (known := await known_reading(self._order, self._journal)) is not None:
            self._tally.rejected += await retell(self._order, self._journal, known)
            await self._journal.skip_reading()
            self.settled = True
            return
        await self._journal.begin_reading()
        self._order.set_aside.clear()
        async for page in self._pages():
            # Told before what was read later is there to be claimed.
            await self._set_aside([entry for entry in page if isinstance(entry, Reject)])
            await self._take([entry for entry in page if isinstance(entry, NewRow)])
            if len(self._held) >= (1 if isinstance(self._order.rows, AsyncIterable) else HELD_MOST):
                raise await self._refused()
            self._rows_read += len(page)
            self.settled = self.settled or (self._rows_read >= FIRST and not self._held)
            self._arrived()
            while self._order.source is None and self._unclaimed >= READ_AHEAD:
                self._taken.clear()
                await self._taken.wait()
        if self._held:
            held, self._held = self._held, []
            await self._take(held)
            if self._held:
                raise await self._refused()
        said = self._order.notes.said
        await self._forget_unread()
        await self._note_that_it_is_read(said)
        self.settled = True

    async def _note_that_it_is_read(self, said: Sequence[str]) -> None:
        """Note a file of which all rows are known now; not one whose rows depend on other files as well."""
        source = self._order.source
        if source is not None and source.content is not None and not self._names_files:
            await self._journal.end_reading(
                ReadWhole(content=source.content, terms=self._order.reading_options, said=said)
            )

    async def _forget_unread(self) -> None:
        """Leave what waited to be made, and is no longer asked for."""
        forgotten, self.not_given = await self._journal.delete_unread()
        self._tally.states["ready"] -= forgotten
        if left := forgotten + self.not_given:
            rows = "1 row" if left == 1 else f"{left:,} rows"
            self._order.notes.say(f"{rows} that waited from an earlier run, and no longer among the rows: not bought")

    async def _take(self, rows: Sequence[NewRow]) -> None:
        """Write down rows, and what was found of them."""
        added = await self._journal.add(rows, again=self._order.again)
        self._held += added.withheld
        self._unclaimed += added.new
        self._tally.states["ready"] += added.new
        await self._set_aside(added.rejects)

    async def _set_aside(self, rejects: Sequence[Reject]) -> None:
        """Say and write down what can't be run."""
        if rejects:
            self._order.note_rejects(rejects)
            self._tally.rejected += len(rejects)
            await self._journal.add_rejects(rejects)

    async def _refused(self) -> BuysAgainError:
        """Forget what was written down of this reading, and make the error of rows that would buy again."""
        self._tally.states["ready"] -= await self._journal.discard_unclaimed()
        return buys_again(self._order.folder, len(self._held), self._held[0].place)

    def taken(self, rows: int) -> None:
        """Note that so many rows have been claimed, so that more may be read."""
        self._unclaimed -= rows
        self._taken.set()

    def _meet_file(self) -> None:
        self._names_files = True

    async def _pages(self) -> AsyncIterator[Sequence[NewRow | Reject]]:
        order = self._order
        version: Any = await self._journal.read_note("fingerprint")
        parameters = evolve(order.parameters, version=version or 1, on_file=self._meet_file)
        pages = read(order.source or order.rows, parameters, notes=order.notes)
        if not order.allow_duplicates:  # the journal knows what it has
            async for page in pages:
                yield page
            return
        with closing(Duplicates(parameters, allowed=True)) as occurrences:
            async for page in pages:
                yield await occurrences.told_apart(page)


def buys_again(folder: Path, rows: int, first: str) -> BuysAgainError:
    """Make the error of rows that ask for what a folder has; `first` is the place of the first of them."""
    return BuysAgainError(
        "rows",
        f"{folder} has already what {'a row asks' if rows == 1 else f'{rows:,} rows ask'} for, under another id or to"
        f" be made another way, such as {first}: running them would buy it again",
        advice="Run the same rows with the same parameters to go on with that run, give another folder for another run,"
        " or say that they are to be bought again (again=True, --again)",
    )
