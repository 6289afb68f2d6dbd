"""Reads the rows of a batch into its journal: those of a file at once, those from Python as they are needed."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from generor_async.batch.inputs import read
from generor_async.batch.journal import Journal, NewRow, Reject
from generor_async.batch.occurrences import Occurrences
from generor_async.batch.order import Order
from generor_async.batch.progress import Tally
from generor_async.errors import BuysAgainError

__all__ = ["Intake", "buys_again"]

HELD_MOST: Final = 1_000
"""Rows that would buy again what the folder has, after which no more are read."""
FIRST: Final = 1_000
"""Rows of a folder that is gone on with, after which it is the same order as before, as far as anybody can tell."""
READ_AHEAD: Final = 1_000
"""Rows from Python that may be ready and waiting before more are asked for."""


class Intake:
    """One reading of all rows."""

    def __init__(self, order: Order, journal: Journal, tally: Tally, arrived: Callable[[], None]) -> None:
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
        self.not_given = 0
        """Rows of before that wait to be called again, and are not among those that were read."""
        self.settled = False
        """Whether so much was read that rows may be bought: not before it is known whether that would be again."""

    async def read(self) -> None:
        """Write down all rows; tells of each page that has arrived."""
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
        await self._forget_unread()
        self.settled = True

    async def _forget_unread(self) -> None:
        """Leave what waited to be made, and is no longer asked for."""
        forgotten, self.not_given = await self._journal.forget_unread()
        self._tally.states["ready"] -= forgotten
        if left := forgotten + self.not_given:
            rows = "1 row" if left == 1 else f"{left:,} rows"
            self._order.notes.add(f"{rows} that waited from an earlier run, and no longer among the rows: not bought")

    async def _take(self, rows: Sequence[NewRow]) -> None:
        """Write down rows, and what was found of them."""
        added = await self._journal.add(rows, again=self._order.again)
        self._held += added.held
        self._unclaimed += added.new
        self._tally.states["ready"] += added.new
        await self._set_aside(added.rejects)

    async def _set_aside(self, rejects: Sequence[Reject]) -> None:
        """Say and write down what can't be run."""
        if rejects:
            self._order.keep_aside(rejects)
            self._tally.rejected += len(rejects)
            await self._journal.reject(rejects)

    async def _refused(self) -> BuysAgainError:
        """Forget what was written down of this reading, and make the error of rows that would buy again."""
        self._tally.states["ready"] -= await self._journal.take_back()
        return buys_again(self._order.folder, len(self._held), self._held[0].place)

    def taken(self, rows: int) -> None:
        """Note that so many rows have been claimed, so that more may be read."""
        self._unclaimed -= rows
        self._taken.set()

    async def _pages(self) -> AsyncIterator[Sequence[NewRow | Reject]]:
        order = self._order
        version: Any = await self._journal.recall("fingerprint")
        parameters = evolve(order.parameters, version=version or 1)
        pages = read(order.source or order.rows, parameters, notes=order.notes)
        if not order.allow_duplicates:  # the journal knows what it has
            async for page in pages:
                yield page
            return
        with closing(Occurrences(parameters, allowed=True)) as occurrences:
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
