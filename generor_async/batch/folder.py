"""A results folder: one process uses it at a time, and a run notices when it is moved, deleted or replaced."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from generor_async.batch.folder_lock import FolderLock, LockedError, SystemLock, system_lock
from generor_async.errors import FolderError, InvalidRequestError

__all__ = ["JOURNAL", "LOCK", "NO_SPACE", "ResultsFolder", "advice_on", "invalid_folder"]

JOURNAL: Final = "journal.sqlite"
LOCK: Final = "journal.lock"
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Error numbers of a disk, or a user's quota, without space for a file."""
TOO_MANY_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""Error numbers of a process, or a system, with too many open files."""


class ResultsFolder:
    """A results folder, created if need be, and locked by this process until it is released."""

    def __init__(
        self, path: str | os.PathLike[str], *, take_over: bool = False, lock: SystemLock = system_lock
    ) -> None:
        self.path = Path(path)
        self.journal = self.path / JOURNAL
        self._journal_stat: os.stat_result | None = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.path / LOCK, take_over=take_over, lock=lock)
        except LockedError as error:
            raise invalid_folder(f"{self.path} {error.problem}", error.advice) from None
        except OSError as error:
            if self.path.is_symlink() and not self.path.exists():
                advice = "Mount its disk or restore it: another folder buys again what that one has"
                raise invalid_folder(
                    f"{self.path} leads to {self.path.readlink()}, which is not there", advice
                ) from None
            advice = "Give a folder that can be written to, or one that does not exist yet"
            if error.errno in NO_SPACE | TOO_MANY_FILES:
                advice = f"{advice_on(error)}, and run it again"
            elif self._has_batch():
                advice = "Make it writable, and run it again: another folder buys every row again"
            raise invalid_folder(f"{self.path} cannot be used ({error.strerror})", advice) from None

    def _has_batch(self) -> bool:
        with suppress(OSError):
            return self.journal.exists()
        return False

    def note_journal(self) -> None:
        """Remember which file the journal is, once it exists."""
        self._journal_stat = self.journal.stat()

    def problem(self) -> FolderError | None:
        """Return an error if the folder or its journal is no longer at its path; any thread may call this."""
        if not self._lock.is_in_place:
            return self._folder_error()
        if self._journal_in_place:
            return None
        return FolderError(
            f"{self.journal} was deleted or replaced while the batch ran: nothing more is bought",
            advice="Put it back, or rebuild it with `generor batch recover`, before you go on: another folder, or an"
            " empty one, buys every row again",
        )

    @property
    def _journal_in_place(self) -> bool:
        try:
            return self._journal_stat is not None and os.path.samestat(self.journal.stat(), self._journal_stat)
        except OSError:
            return False

    def _folder_error(self) -> FolderError:
        """Return the error that says what happened to the folder."""
        if self._journal_in_place and not self._lock.is_replaced:
            return FolderError(
                f"{self.path / LOCK} was deleted while the batch ran, and keeps nobody off: nothing more is bought",
                advice="Run the same again to go on",
            )
        if self._journal_in_place:
            return FolderError(
                f"{self.path} was taken over by another process: nothing more is bought by this one",
                advice="Leave the batch to that one: two at once would buy the same rows",
            )
        if self._lock.is_deleted:
            error = FolderError(
                f"{self.path} was deleted while the batch ran: nothing more is bought",
                advice="Restore it before you go on: in an empty folder the same run buys every row again",
            )
            error.is_deleted = True
            return error
        now = self._lock.moved_to
        where = "" if now is None else f" to {now.parent}"
        return FolderError(
            f"{self.path} was moved{where} while the batch ran: nothing more is bought",
            advice="Go on with that folder: it has what was paid for, and another one buys every row again",
        )

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()


def advice_on(error: OSError) -> str:
    """Return what to do about a file that can't be written."""
    if error.errno in TOO_MANY_FILES:
        return "Raise the limit of open files (`ulimit -n`), or close some"
    return "Free some space"


def invalid_folder(problem: str, advice: str) -> InvalidRequestError:
    """Make the error for a folder that can't be used."""
    return InvalidRequestError("to", problem, advice=advice)
