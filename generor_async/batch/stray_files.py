"""Counts the files in media/ that belong to no row of a journal, as far as their names tell."""

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from generor_async.stores.ledger import LedgerReader
from generor_async.stores.records import CallRecord
from generor_async.stores.threads import run_to_completion

__all__ = ["count_stray_files"]

BUCKETS: Final = 256


async def count_stray_files(reader: LedgerReader, folder: Path) -> int:
    """Count the files that are in no result, and whose names contain no remote id of a row."""
    known = _NameSet()
    async for call in reader.scan():
        known.update(_names(call))
    known.sort()
    return await run_to_completion(partial(_count_unknown, folder, known))


class _NameSet:
    """Hashes of names, 8 bytes each: a set of the names of a million rows would take some hundred megabytes."""

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(BUCKETS)]

    def update(self, names: Iterable[str]) -> None:
        """Add names; `sort` must follow."""
        for name in names:
            hashed = hash(name)
            self._buckets[hashed % BUCKETS].append(hashed)

    def sort(self) -> None:
        """Prepare for lookups."""
        self._buckets = [array("q", sorted(bucket)) for bucket in self._buckets]

    def __contains__(self, name: str) -> bool:
        hashed = hash(name)
        bucket = self._buckets[hashed % BUCKETS]
        at = bisect_left(bucket, hashed)
        return at < len(bucket) and bucket[at] == hashed


def _names(call: CallRecord) -> Iterator[str]:
    """Yield the paths of a call's files, and its remote ids."""
    result: Any = call.result or {}
    yield from result.get("files", ())
    yield from call.remote_ids


def _count_unknown(folder: Path, known: _NameSet) -> int:
    strays = 0
    for place, _, names in os.walk(folder / "media"):
        for name in names:
            stem = name.partition(".")[0]
            path = (Path(place) / name).relative_to(folder).as_posix()
            strays += bool(stem) and not any(name in known for name in (path, stem, stem.rpartition("-")[0]))
    return strays
