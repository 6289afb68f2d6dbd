"""Reserves disk space for the journal: on a full disk, paid results must still be recorded."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from generor_async.batch.folder import advice_on, invalid_folder
from generor_async.stores.threads import run_to_completion

__all__ = ["DiskReserve"]

RESERVE: Final = "journal.reserve"
SIZE: Final = 1 << 20
"""Bytes: enough for some hundred steps of rows, with their pages of the database."""


class DiskReserve:
    """A file that only takes up space while a run goes on."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / RESERVE
        self._file: os.stat_result | None = None

    async def acquire(self) -> None:
        """Write the file; raises InvalidRequestError if the disk has no space."""
        try:
            await run_to_completion(self._write)
        except OSError as error:
            self.release()
            advice = f"{advice_on(error)}; another folder is for what has bought nothing yet"
            raise invalid_folder(f"{self._path.parent} cannot be used for a batch ({error.strerror})", advice) from None

    def release(self) -> None:
        """Delete the file, unless another run has replaced it."""
        with suppress(OSError):
            if self._file is not None and os.path.samestat(self._path.stat(), self._file):
                self._path.unlink()

    def _write(self) -> None:
        with self._path.open("wb") as file:
            self._file = os.fstat(file.fileno())
            file.write(os.urandom(SIZE))  # a disk may compress what repeats
