"""Reads the rows of a batch into its journal: those of a file at once, those from Python as they are needed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from typing import Any, Final

from attrs import evolve

from generor_async.batch.inputs import read
from generor_async.batch.journal import Journal, NewRow, Reject
from generor_async.batch.occurrences import Occurrences
from generor_async.batch.order import Order
from generor_async.batch.progress import Tally

__all__ = ["Intake"]

SET_ASIDE_KEPT: Final = 1_000
"""How many of the rows that were set aside are kept in memory; the journal has them all."""
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

    async def read(self) -> None:
        """Write down all rows; tells of each page that has arrived."""
        await self._journal.begin_reading()
        self._order.set_aside.clear()
        async for page in self._pages():
            added = await self._journal.add(entry for entry in page if isinstance(entry, NewRow))
            rejects = [*(entry for entry in page if isinstance(entry, Reject)), *added.rejects]
            if rejects:
                self._order.set_aside.extend(rejects[: SET_ASIDE_KEPT - len(self._order.set_aside)])
                await self._journal.reject(rejects)
            self._unclaimed += added.new
            self._tally.states["ready"] += added.new
            self._tally.rejected += len(rejects)
            self._arrived()
            while self._order.file is None and self._unclaimed >= READ_AHEAD:
                self._taken.clear()
                await self._taken.wait()

    def taken(self, rows: int) -> None:
        """Note that so many rows have been claimed, so that more may be read."""
        self._unclaimed -= rows
        self._taken.set()

    async def _pages(self) -> AsyncIterator[Sequence[NewRow | Reject]]:
        order = self._order
        version: Any = await self._journal.recall("fingerprint")
        parameters = evolve(order.parameters, version=version or 1)
        pages = read(order.rows, parameters, prompt_column=order.prompt_column)
        if not order.allow_duplicates:  # the journal knows what it has
            async for page in pages:
                yield page
            return
        with closing(Occurrences(parameters, allowed=True)) as occurrences:
            async for page in pages:
                yield await occurrences.told_apart(page)
