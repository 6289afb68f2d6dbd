"""Part files: a download is written beside its target, and moved there when it is complete.

A part file is called `.<name>~<ETag in hex>.part`, so that another process can resume it after this one was killed.
The process that writes to it holds a lock on it (flock), which ends with the process. On systems without such locks a
part file is never resumed, because nobody can tell whether it is in use.
"""

import errno
import os
import secrets
import sys
from pathlib import Path

from generor_async.rules.byte_ranges import PartialFile, strong
from generor_async.rules.media_types import SNIFFED_BYTES

__all__ = ["Leftovers", "PartFile"]

SUFFIX = ".part"
LONGEST_ETAG = 64
"""Length of the longest ETag that fits into a file's name, in bytes."""
OPENING = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
POSIX = sys.platform != "win32"
"""Whether an open file can be locked, and renamed and removed while it is."""


FOLDERS_REMEMBERED = 100


class Leftovers:
    """Part files that were left in folders.

    A folder, which may hold thousands of files, is listed once. Part files that other processes leave later are not
    seen, and do no harm.
    """

    def __init__(self) -> None:
        self._found: dict[Path, dict[str, list[str]]] = {}

    def pop(self, folder: Path, prefix: str) -> list[str]:
        """Remove and return the names of the part files that begin with `prefix`."""
        if folder not in self._found:
            if len(self._found) == FOLDERS_REMEMBERED:
                del self._found[next(iter(self._found))]
            self._found[folder] = {}
            for name in os.listdir(folder):  # noqa: PTH208 - paths of thousands of files would be made for nothing
                if name.startswith(".") and name.endswith(SUFFIX):
                    self.add(folder, name)
        return sorted(self._found[folder].pop(prefix, ()))

    def add(self, folder: Path, name: str) -> None:
        """Remember a part file that was left."""
        if folder in self._found:
            self._found[folder].setdefault(name[: name.rfind("~") + 1], []).append(name)


class PartFile:
    """The part file of one download. Its methods raise OSError, as the system does."""

    def __init__(self, folder: Path, name: str, leftovers: Leftovers) -> None:
        self._folder = folder
        self._prefix = f".{name}~"
        self._leftovers = leftovers
        self._path: Path | None = None
        self._descriptor = -1
        self.size = 0
        """Bytes written so far."""
        self.etag: str | None = None
        """The ETag of the file that they belong to."""
        self.total: int | None = None
        """Size of the complete file; None where the host hasn't said."""
        self.unsaved = 0
        """Bytes written since the last sync."""

    @property
    def present(self) -> PartialFile:
        """How much of which file is present."""
        return PartialFile(self.size, self.etag, self.total)

    def resume(self) -> None:
        """Resume a part file that an earlier process left; remove those that can't be resumed."""
        for name in self._leftovers.pop(self._folder, self._prefix):
            path = self._folder / name
            descriptor = _open_locked(path, OPENING)
            if descriptor is None:
                continue
            etag, size = self._etag_in(path.name), os.fstat(descriptor).st_size
            if self._path is None and etag is not None and size:
                self._path, self._descriptor = path, descriptor
                self.size, self.etag = size, etag
                os.lseek(descriptor, 0, os.SEEK_END)
            else:
                _remove(path, descriptor)

    def begin(self, etag: str | None) -> None:
        """Start an empty part file, for a file with this ETag."""
        self.drop()
        marks = [etag.encode().hex()] if etag is not None and len(etag) <= LONGEST_ETAG else []
        while self._path is None:
            # Where the name is taken, another process downloads the same file: ours gets a random name.
            path = self._folder / f"{self._prefix}{marks.pop() if marks else secrets.token_hex(8)}{SUFFIX}"
            descriptor = _open_locked(path, OPENING | os.O_CREAT | os.O_EXCL)
            if descriptor is not None:
                self._path, self._descriptor = path, descriptor
        self.etag = etag

    def write(self, data: bytes) -> None:
        """Append bytes."""
        written = os.write(self._descriptor, data)
        while written < len(data):
            written += os.write(self._descriptor, memoryview(data)[written:])
        self.size += len(data)
        self.unsaved += len(data)

    def save(self) -> None:
        """Sync what was written to disk."""
        self.unsaved = 0
        os.fsync(self._descriptor)

    def head(self) -> bytes:
        """Return the first bytes of the file."""
        position = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        try:
            return os.read(self._descriptor, SNIFFED_BYTES)
        finally:
            os.lseek(self._descriptor, position, os.SEEK_SET)

    def finish(self, suffix: str, *, overwrite: bool) -> Path:
        """Sync the complete file, move it to its target, and return its path.

        Raises:
            FileExistsError: The target exists, and is not to be overwritten.
        """
        assert self._path is not None
        target = self._folder / f"{self._prefix[1:-1]}{suffix}"
        self.save()
        if not POSIX:
            os.close(self._descriptor)
            self._descriptor = -1
        _move(self._path, target, overwrite=overwrite)
        if POSIX:
            os.close(self._descriptor)
            _sync_folder(self._folder)
        self._path = None
        return target

    def keep(self) -> None:
        """Close the part file so that it can be resumed; remove it where it could not be."""
        if self._path is None:
            return
        if not POSIX or not self.size or self._etag_in(self._path.name) is None:
            self.drop()
            return
        os.close(self._descriptor)
        self._leftovers.add(self._folder, self._path.name)
        self._path = None

    def drop(self) -> None:
        """Remove the part file."""
        if self._path is not None:
            _remove(self._path, self._descriptor)
            self._path = None
        self.size, self.etag, self.total = 0, None, None

    def _etag_in(self, name: str) -> str | None:
        """Return the ETag in the name of a part file; None where there is none."""
        try:
            return strong(bytes.fromhex(name.removeprefix(self._prefix).removesuffix(SUFFIX)).decode())
        except ValueError:
            return None


def _open_locked(path: Path, flags: int) -> int | None:
    """Open a part file and lock it; None where another process has it, or it is gone."""
    creates = bool(flags & os.O_CREAT)
    try:
        descriptor = os.open(path, flags, 0o666)
    except FileExistsError:
        return None
    except OSError:
        if creates:
            raise
        return None
    if _lock(descriptor, without=creates) and _is_at(path, descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _lock(descriptor: int, *, without: bool) -> bool:
    """Lock an open file, and tell whether that succeeded; `without` is returned where the system has no locks."""
    if sys.platform == "win32":
        return without
    import fcntl  # noqa: PLC0415 - there is none on Windows

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return without
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    """Tell whether an open file is still at its path, and has no other link."""
    try:
        there = path.stat(follow_symlinks=False)
    except OSError:
        return False
    held = os.fstat(descriptor)
    return (held.st_ino, held.st_dev, held.st_nlink) == (there.st_ino, there.st_dev, 1)


def _remove(path: Path, descriptor: int) -> None:
    if not POSIX and descriptor >= 0:
        os.close(descriptor)
    path.unlink(missing_ok=True)
    if POSIX:
        os.close(descriptor)


def _move(path: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        path.replace(target)
        return
    try:
        target.hardlink_to(path)  # unlike a rename, it fails where the target exists by now
    except OSError as error:
        if isinstance(error, FileExistsError) or target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        path.replace(target)  # a file system without links
    else:
        path.unlink()


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that the name of a new file is on disk as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
