"""Notices that a ledger's file was moved, deleted or replaced: what is written to it is found by nobody then."""

import os
from pathlib import Path

from generor_async.errors import FolderError

__all__ = ["FileWatch"]


class FileWatch:
    """A file that is open, and ought to stay where it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stat = path.stat()

    def problem(self) -> FolderError | None:
        """Return the error if the file isn't in its place any more."""
        try:
            if os.path.samestat(self._path.stat(), self._stat):
                return None
        except OSError:
            pass
        return FolderError(
            f"{self._path} was moved, deleted or replaced while it was in use: nothing more is bought",
            advice="Put it back, and start again: without it nobody knows what was bought",
        )
