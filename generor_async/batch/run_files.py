"""The files that a run writes into its folder beside its journal; a run in a database has none."""

from pathlib import Path
from typing import Protocol

from generor_async.batch.disk_reserve import DiskReserve
from generor_async.batch.outcomes import ResultsFile, write_failed, write_rejected
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import CallRecord

__all__ = ["RunFiles", "files_of"]


class RunFiles(Protocol):
    """The files of one run."""

    async def open(self) -> None:
        """Reserve disk space, and open results.jsonl."""
        ...

    def add(self, row: CallRecord) -> None:
        """Append the line of a row that is done; raises JournalError if it can't be written."""
        ...

    async def write_summary(self) -> None:
        """Write failed.jsonl and rejected.jsonl."""
        ...

    def release_reserve(self) -> None:
        """Release the reserved disk space: the journal needs it."""
        ...

    def close(self) -> None:
        """Close results.jsonl, and release the reserved disk space."""
        ...


def files_of(folder: Path | None, journal: Ledger, credit_dollars: float | None) -> RunFiles:
    """Return the files of a run."""
    return NoFiles() if folder is None else FolderFiles(folder, journal, credit_dollars)


class NoFiles:
    """No files: the database has it all."""

    async def open(self) -> None:
        """Do nothing."""

    def add(self, row: CallRecord) -> None:
        """Do nothing."""

    async def write_summary(self) -> None:
        """Do nothing."""

    def release_reserve(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class FolderFiles:
    """Files in a results folder."""

    def __init__(self, folder: Path, journal: Ledger, credit_dollars: float | None) -> None:
        self._folder = folder
        self._journal = journal
        self._results = ResultsFile(folder, credit_dollars)
        self._reserve = DiskReserve(folder)

    async def open(self) -> None:
        """Reserve disk space, and open results.jsonl."""
        await self._reserve.acquire()
        try:
            await self._results.open(self._journal)
        except BaseException:
            self._reserve.release()
            raise

    def add(self, row: CallRecord) -> None:
        """Append the line of a row that is done."""
        self._results.add(row)

    async def write_summary(self) -> None:
        """Write failed.jsonl and rejected.jsonl."""
        await write_failed(self._folder, self._journal)
        await write_rejected(self._folder, self._journal)

    def release_reserve(self) -> None:
        """Release the reserved disk space."""
        self._reserve.release()

    def close(self) -> None:
        """Close results.jsonl, and release the reserved disk space."""
        self._results.close()
        self._reserve.release()
