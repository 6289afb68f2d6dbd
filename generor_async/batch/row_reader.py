"""Reads the rows of a batch into its journal: from a file all at once, from Python as they are needed.

A row that requests what the folder has already, under another id or with other settings, is withheld until the input is
read: if the input has that other row as well, both are meant. Otherwise the run is refused, before anything is bought.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing
from typing import Any, Final, TypeAlias

from attrs import evolve

from generor_async.batch.duplicates import RowDeduplicator
from generor_async.batch.inputs import read_rows
from generor_async.batch.progress import RunCounters
from generor_async.batch.rebuys import buys_again_error, refuse_rebuys
from generor_async.batch.run_key import keeps_prompts
from generor_async.batch.spec import BatchSpec
from generor_async.batch.unchanged_file import find_unchanged, repeat_notices
from generor_async.errors import BuysAgainError
from generor_async.rules.file_fingerprint import CompletedRead
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import NewRow, Reject

__all__ = ["RowReader"]

UntilBack: TypeAlias = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]

MAX_WITHHELD: Final = 1_000
"""Withheld rows after which a run is refused without reading on."""
ROWS_BEFORE_BUYING: Final = 1_000
"""Rows read before a resumed run makes calls: if none of them is withheld, the input is taken to be the same."""
READ_AHEAD: Final = 1_000
"""Unclaimed rows from Python after which no more are asked for."""


class RowReader:
    """Reads all rows of a run once."""

    def __init__(
        self,
        spec: BatchSpec,
        journal: Ledger,
        counters: RunCounters,
        on_page: Callable[[], None],
        *,
        until_back: UntilBack,
    ) -> None:
        self._spec = spec
        self._is_shared = spec.place.lease is not None
        self._journal = journal
        self._until_back = until_back
        """Does some work of the journal; in a database that is away, again and again until it is back."""
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
        self.reads_ahead = False
        """Whether to read all rows at once, also those from Python."""
        self.new, self.known, self.duplicates = 0, 0, 0
        """Rows that were added, those that the run had, and those that repeat another."""

    async def read(self) -> None:
        """Add all rows to the journal, and report each page; an unchanged file isn't read again."""
        if self._spec.rows is None:
            self.may_buy = True
            return
        if (known := await find_unchanged(self._spec, self._journal)) is not None:
            self._counters.rejected += await repeat_notices(self._spec, self._journal, known)
            await self._journal.skip_reading()
            self.known = sum((await self._journal.counts()).values()) if known.rows is None else known.rows
            self.duplicates = len([one async for one in self._journal.duplicates()]) if self._is_shared else 0
            self.may_buy = True
            return
        if self._is_shared:
            await self._until_back(lambda: refuse_rebuys(self._spec, self._journal))
        await self._until_back(self._journal.begin_reading)
        self._spec.first_rejects.clear()
        task = asyncio.current_task()
        assert task is not None
        cancelled = task.cancelling()
        async for page in self._pages():
            await self._add_page(page)
            if task.cancelling() > cancelled:  # the rows' source lost it, as `wait_for` may in Python 3.11
                raise asyncio.CancelledError
            while not self.reads_ahead and self._spec.source is None and self._unclaimed >= READ_AHEAD:
                self._has_room.clear()
                await self._has_room.wait()
        await self._add_withheld()
        sentences = self._spec.notices.sentences
        if not self._is_shared:  # another process may have added what this one doesn't read
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
            said = sentences if await keeps_prompts(self._journal) else ()  # they may quote a row that was rejected
            await self._journal.end_reading(
                CompletedRead(
                    content=source.content, terms=self._spec.reading_options, said=said, rows=self.new + self.known
                )
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
        added = await self._until_back(lambda: self._journal.add(rows, again=self._spec.again))
        self.new, self.known = self.new + added.new, self.known + added.known
        self.duplicates += len(added.duplicates)
        self._withheld += added.withheld
        self._unclaimed += added.new
        self._counters.states["ready"] += added.new
        await self._add_rejects(added.rejects)

    async def _add_rejects(self, rejects: Sequence[Reject]) -> None:
        """Report rejects, count them, and add them to the journal."""
        if rejects:
            self._spec.note_rejects(rejects)
            self._counters.rejected += len(rejects)
            await self._until_back(lambda: self._journal.add_rejects(rejects))

    async def _withheld_error(self) -> BuysAgainError:
        """Delete what this reading has added, and return the error for rows that would buy again."""
        self._counters.states["ready"] -= await self._journal.discard_unclaimed()
        return buys_again_error(self._spec.place, len(self._withheld), self._withheld[0].place)

    def set_unclaimed(self, rows: int) -> None:
        """Note how many rows wait, of all that any process has added."""
        self._unclaimed = rows
        self._has_room.set()

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
        assert spec.rows is not None
        pages = read_rows(spec.source or spec.rows, parameters, notices=spec.notices)
        if not spec.allow_duplicates:  # the journal drops them
            async for page in pages:
                yield page
            return
        with closing(RowDeduplicator(parameters, allowed=True)) as occurrences:
            async for page in pages:
                yield await occurrences.assign_ids(page)
