"""Room that is kept for the journal: when the disk is full, what was paid for must still be written down."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from generor_async.batch.folder import advice_on, invalid_folder
from generor_async.engine.threads import run_to_completion

__all__ = ["DiskReserve"]

RESERVE: Final = "journal.reserve"
SIZE: Final = 1 << 20
"""Bytes: some hundred steps of rows, each with its pages of the database."""


class DiskReserve:
    """A file that does nothing but take up room, for as long as a run has it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RESERVE
        self._file: os.stat_result | None = None

    async def acquire(self) -> None:
        """Take the room; raises InvalidRequestError where there is none."""
        try:
            await run_to_completion(self._write)
        except OSError as error:
            self.release()
            advice = f"{advice_on(error)}; another folder is for what has bought nothing yet"
            raise invalid_folder(f"{self._path.parent} cannot be used for a batch ({error.strerror})", advice) from None

    def release(self) -> None:
        """Leave the room to the journal; a file that another run has put in its place since is left alone."""
        with suppress(OSError):
            if self._file is not None and os.path.samestat(self._path.stat(), self._file):
                self._path.unlink()

    def _write(self) -> None:
        with self._path.open("wb") as file:
            self._file = os.fstat(file.fileno())
            file.write(os.urandom(SIZE))  # a disk may compress what repeats
