"""The lock on a results folder: one process uses it at a time.

The operating system's lock on a file of its own decides; it ends with the process, however that ends. (A lock on the
SQLite file would be lost when any second descriptor of that file is closed.) The file also names the process that holds
it: for error messages, to notice a folder that was copied while in use, and to decide on file systems without locks,
such as some NFS.
"""

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from attrs import asdict, frozen

from generor_async.stores.file_locks import LOCKED_BYTE, LOCKED_ERRNOS, SystemLock, lock_range, system_lock

__all__ = ["FolderLock", "LockHolder", "LockedError", "SystemLock", "system_lock"]


class LockedError(Exception):
    """A folder that may not be used: `problem` completes a sentence about it, `advice` says what to do."""

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem, advice)
        self.problem = problem
        self.advice = advice


@frozen(kw_only=True)
class LockHolder:
    """The process that holds a folder, as the lock file names it."""

    pid: int
    host: str
    boot: str | None
    """Identifies the machine's boot and the container; None if the system doesn't say."""
    started: str | None
    """When the process started, as the system counts: process ids are reused."""
    at: float
    """When it locked the folder, in seconds since the epoch."""
    inode: int
    """The lock file's inode: a copy has another."""

    @classmethod
    def current_process(cls, inode: int) -> Self:
        """Describe this process."""
        return cls(
            pid=os.getpid(),
            host=socket.gethostname(),
            boot=_boot_id(),
            started=_start_time(os.getpid()),
            at=time.time(),
            inode=inode,
        )

    @property
    def is_alive(self) -> bool | None:
        """Whether the process still runs; None if this machine can't tell."""
        if self.boot is None or self.boot != _boot_id():
            return None
        return self.started is not None and self.started == _start_time(self.pid)

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.at))
        elsewhere = "" if self.host == socket.gethostname() else f"on {self.host}, "
        return f"process {self.pid} ({elsewhere}since {since})"


class FolderLock:
    """A lock file, held by this process until it is released.

    `take_over` assumes that the process named in the file has ended, if that can't be told.

    Raises:
        LockedError: Another process holds it, or may hold it.
        OSError: The file can't be written to.
    """

    def __init__(
        self,
        path: Path,
        *,
        take_over: bool = False,
        lock: SystemLock = system_lock,
        range_lock: SystemLock = lock_range,
    ) -> None:
        self._path = path
        while True:
            self._file = path.open("a+")
            try:
                self._acquire(take_over=take_over, lock=lock, range_lock=range_lock)
                if self.is_in_place:  # or it was replaced since it was opened
                    return
            except BaseException:
                self._file.close()
                raise
            self._file.close()

    @property
    def is_in_place(self) -> bool:
        """Whether the file at its path is the locked one."""
        try:
            current = self._path.stat()
        except OSError:
            return False
        return os.path.samestat(current, os.fstat(self._file.fileno()))

    @property
    def is_replaced(self) -> bool:
        """Whether another file is at its path."""
        return not self.is_in_place and self._path.exists()

    @property
    def is_deleted(self) -> bool:
        """Whether the locked file was deleted."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    @property
    def moved_to(self) -> Path | None:
        """Where the locked file is now; None if the system doesn't say."""
        with suppress(OSError):
            return Path(f"/proc/self/fd/{self._file.fileno()}").readlink()
        return None

    @staticmethod
    def is_held(path: Path) -> bool:
        """Return whether the lock file at a path names a process that may be alive; takes no lock."""
        try:
            with path.open() as file:
                holder = _read_holder(file)
        except OSError:
            return False
        return holder is not None and holder.is_alive is not False

    def release(self) -> None:
        """Release the lock, and clear the holder's name."""
        with suppress(OSError):  # a disk that fails keeps nobody from ending
            self._file.truncate(0)
        self._file.close()

    def _acquire(self, *, take_over: bool, lock: SystemLock, range_lock: SystemLock) -> None:
        holder = _read_holder(self._file)
        try:
            lock(self._file)
        except OSError as error:
            if error.errno in LOCKED_ERRNOS:
                raise _in_use_error(holder) from None
            _check_range_locks(self._file, range_lock)
            if not take_over:
                _check_holder_ended(holder, error)
            self._replace()
        else:
            if not take_over:
                _check_not_copied(holder, os.fstat(self._file.fileno()).st_ino)
        self._file.truncate(0)
        self._file.write(f"{json.dumps(asdict(LockHolder.current_process(os.fstat(self._file.fileno()).st_ino)))}\n")
        self._file.flush()

    def _replace(self) -> None:
        """Replace the lock file: an earlier holder that still runs then notices that its own is no longer in place."""
        replacement = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        self._file.close()
        self._file = replacement.open("a+")
        replacement.replace(self._path)


def _read_holder(file: IO[str]) -> LockHolder | None:
    """Return the holder that a lock file names; None if it names none."""
    file.seek(0)
    try:
        return LockHolder(**json.loads(file.read(LOCKED_BYTE)))
    except (ValueError, TypeError):
        return None


def _in_use_error(holder: LockHolder | None) -> LockedError:
    who = "another process" if holder is None else str(holder)
    return LockedError(f"is in use by {who}", "Wait until it ends, or end it; `status` and `report` work meanwhile")


def _check_range_locks(file: IO[str], range_lock: SystemLock) -> None:
    """Raise LockedError if the file system lacks the locks that SQLite uses, too: SQLite would wait for ever."""
    try:
        range_lock(file)
    except OSError as error:
        if error.errno not in LOCKED_ERRNOS:
            raise LockedError(
                f"is on a file system without locks, which the journal needs ({error.strerror})",
                "Give a folder on a disk of this machine; to go on with one that has rows, move it there as a whole",
            ) from None


def _check_holder_ended(holder: LockHolder | None, error: OSError) -> None:
    """Raise LockedError if the holder may be alive, on a file system without locks."""
    if holder is None or holder.is_alive is False:
        return
    if holder.is_alive:
        raise _in_use_error(holder)
    raise LockedError(
        f"may be in use by {holder}, and its file system has no locks that would tell ({error.strerror})",
        "Two at once would buy the same rows. Once that process has ended, say --take-over (take_over=True); new runs"
        " are better begun in a folder on a disk of this machine",
    )


def _check_not_copied(holder: LockHolder | None, inode: int) -> None:
    """Raise LockedError for a copy of a folder whose holder may be alive."""
    if holder is None or holder.inode == inode or holder.is_alive is False:
        return
    now = "is in use" if holder.is_alive else "was in use when it was copied"
    raise LockedError(
        f"is a copy of a folder that {now}, by {holder}",
        "Two that go on from there would buy the same rows. Go on with the folder that it was copied from, or copy"
        " that again when its run has ended; if nobody goes on with that one, say --take-over (take_over=True)",
    )


def _boot_id() -> str | None:
    """Return what identifies the machine's boot and the container; None on systems other than Linux."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # pragma: no cover
        return None


def _start_time(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks since boot; None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *others = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if state == "Z" else others[18]
