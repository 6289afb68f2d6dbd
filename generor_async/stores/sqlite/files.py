"""The files of a ledger in SQLite, seen from outside."""

from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import Final, cast

__all__ = ["is_cut_short", "ledger_files"]

HEADER: Final = Struct(">16sH6xII60xI")
"""The header of a SQLite file: magic, page size, change counter, number of pages, and the value of the change counter
for which that number is valid (https://www.sqlite.org/fileformat.html)."""
MAGIC: Final = b"SQLite format 3\0"


def ledger_files(path: Path) -> tuple[Path, ...]:
    """Return the paths of the files that readers and writers share, of the write-ahead log, and of the ledger."""
    return path.with_name(f"{path.name}-shm"), path.with_name(f"{path.name}-wal"), path


def is_cut_short(path: Path) -> bool:
    """Tell whether a file that isn't empty is shorter than its header says, and no write-ahead log has the rest."""
    _, log, _ = ledger_files(path)
    size = _size(path)
    return bool(size) and not _size(log) and size < _expected_size(path)


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _expected_size(path: Path) -> int:
    """Return the size of the file by its header; 0 if the header doesn't tell."""
    with path.open("rb") as file:
        head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        return HEADER.size
    magic, page, changes, pages, counted = cast("tuple[bytes, int, int, int, int]", HEADER.unpack(head))
    if magic != MAGIC or changes != counted:
        return 0
    return pages * (65_536 if page == 1 else page)
