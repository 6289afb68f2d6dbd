"""The outcome of each row, and the files of them: results.jsonl, failed.jsonl and rejected.jsonl."""

import errno
import json
import os
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import asdict, frozen

from generor_async.batch.amounts import in_dollars, rounded
from generor_async.batch.call_log import CALLS
from generor_async.batch.folder import JOURNAL, LOCK
from generor_async.batch.parameters import ERROR_KEY
from generor_async.errors import DownloadError, GenerorAsyncError, JournalError, OutcomeUnknownError, StorageError
from generor_async.rules.row_states import RowState
from generor_async.rules.storage_urls import is_object_url
from generor_async.stores.ledger import LedgerReader
from generor_async.stores.records import CallRecord
from generor_async.stores.threads import run_to_completion
from generor_async.values import JSON

__all__ = [
    "REJECTED",
    "ResultsFile",
    "RowOutcome",
    "is_own_file",
    "outcome_of",
    "undownloaded_error",
    "unresolved_error",
    "write_atomically",
    "write_failed",
    "write_rejected",
]

RESULTS: Final = "results.jsonl"
FAILED: Final = "failed.jsonl"
APPENDED_MOST: Final = 10_000
"""Missing lines up to this number are appended; if more are missing, the file is rewritten."""
APPENDED_AT_ONCE: Final = 500
"""Missing lines that are appended at a time."""
EXTRA_ROWS: Final = 2_000
"""How many more of the latest rows are compared: lines are only nearly in the order in which rows ended."""
REJECTED: Final = "rejected.jsonl"
OWN_NAMES: Final = frozenset({RESULTS, FAILED, REJECTED, CALLS, JOURNAL, LOCK, "report.html", "simulator.jsonl"})
"""Names of a batch's own files in its folder."""

_dump = json.JSONEncoder(separators=(",", ":")).encode


def is_own_file(path: Path, folder: Path) -> bool:
    """Return whether a path is one of the batch's own files."""
    return path.name in OWN_NAMES and path.parent.resolve() == folder.resolve()


@frozen(kw_only=True)
class RowOutcome:
    """The outcome of a row."""

    id: str
    place: str
    """Where it was read, such as `prompts.jsonl:17`."""
    state: RowState
    """`done`, `failed` or `unknown`."""
    parameters: Mapping[str, JSON]
    files: tuple[Path, ...]
    """Its outputs, if it is done and they are in the folder."""
    remote_ids: tuple[str, ...]
    """The API's id of its job, or the ids of its creations."""
    cost: float | None
    """What it likely cost, in credits; for an unknown row, what it may have cost; None if not known.

    Generor's answer names what the balance fell by meanwhile, other calls included. So prices are learned from calls
    that ran alone and from the account's transactions, which may come later: `Batch.status` has what was spent.
    """
    dollars: float | None
    """The same in US dollars, about; None if the API doesn't say what a credit is worth."""
    problem: str
    """Why there is no result; empty if there is one."""
    attempts: int
    columns: Mapping[str, JSON]
    """Its columns that are no parameters, by name."""
    urls: tuple[str, ...] = ()
    """Its outputs, if it is done and they are in object storage: URLs without credentials."""


def outcome_of(row: CallRecord, folder: Path | None, credit_dollars: float | None) -> RowOutcome:
    """Return the outcome of a row; `folder` is the batch's if it has one, `credit_dollars` the worth of a credit."""
    cost = None if row.state == "failed" and row.cost is None else row.counted
    dollars = None if cost is None else in_dollars(cost, credit_dollars)
    result: Any = row.result or {"files": []}
    problem: Any = row.problem or {"message": ""}
    return RowOutcome(
        id=row.id,
        place=row.place,
        state=row.state,
        parameters=row.parameters,
        files=() if folder is None else tuple(folder / name for name in result["files"] if not is_object_url(name)),
        urls=tuple(name for name in result["files"] if is_object_url(name)),
        remote_ids=row.remote_ids,
        cost=None if cost is None else rounded(cost),
        dollars=None if dollars is None else rounded(dollars),
        problem=problem["message"],
        attempts=row.attempt,
        columns=row.columns,
    )


def undownloaded_error(count: int, last: Exception) -> DownloadError | StorageError:
    """Make the error for paid rows whose outputs could not be stored; `last` is the last one's error."""
    rows = "1 row is" if count == 1 else f"{count} rows are"
    why = getattr(last, "message", last)
    error: DownloadError | StorageError
    if isinstance(last, StorageError):
        error = StorageError(f"{rows} paid for, and not stored yet: {why}", url=last.url, advice=last.advice)
    else:
        error = DownloadError(
            f"{rows} paid for, and the outputs could not be fetched: {why}",
            url=getattr(last, "url", ""),
            advice="Nothing is lost: mend that, and run it again; they are fetched then, at no cost",
            local=isinstance(last, DownloadError) and last.local,
        )
    if count == 1 and isinstance(last, GenerorAsyncError):
        error.job_id, error.creation_id, error.take_up = last.job_id, last.creation_id, last.take_up
    return error


def unresolved_error(calls: str, last: Exception) -> OutcomeUnknownError:
    """Make the error for calls whose outcome is unknown; `calls` says which, `last` is the last one's error."""
    why = getattr(last, "message", last)
    return OutcomeUnknownError(
        f"the outcome of {calls} is unknown, and each may have been charged; the last: {why}",
        operation=getattr(last, "operation", ""),
        outcome="unknown",
        advice="Their rows are listed with what they may have cost, and are not run again by themselves; find out"
        " what is wrong, then run the same again, into the same folder or database, for the others",
    )


class ResultsFile:
    """The file results.jsonl: a line for every row that is done, in the order in which they ended.

    The journal knows the same and is the source of truth. After a crash of the process or the machine, the lines of the
    latest rows may be missing: `open` appends them. If other lines are missing, or there are too many, it rewrites the
    file.
    """

    def __init__(self, folder: Path, credit_dollars: float | None) -> None:
        self._path = folder / RESULTS
        self._credit_dollars = credit_dollars

    async def open(self, journal: LedgerReader) -> None:
        """Open the file, and mend what an earlier process left incomplete."""
        missing = (await journal.counts()).get("done", 0)
        try:
            missing -= await run_to_completion(self._count_lines)
            unlisted = await self._missing_numbers(journal, missing) if 0 < missing <= APPENDED_MOST else ()
            if len(unlisted) != missing:
                await _rewrite(self._path, (self._line(row) async for row in journal.scan("done")))
                unlisted = ()
            self._file = self._path.open("ab", buffering=0)  # at once: of what is cancelled nobody would close it
        except OSError as error:
            raise _write_error(self._path, error.strerror) from None
        try:
            for start in range(0, len(unlisted), APPENDED_AT_ONCE):
                for row in await journal.get(unlisted[start : start + APPENDED_AT_ONCE]):
                    self.add(row)
        except BaseException:
            self.close()
            raise

    def add(self, row: CallRecord) -> None:
        """Append a row that is done.

        Raises JournalError if it can't be written; the next `open` appends the line.
        """
        line = self._line(row).encode()
        try:
            if self._file.write(line) < len(line):  # the rest of it would meet what the next line would
                raise _write_error(self._path, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise _write_error(self._path, error.strerror) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _count_lines(self) -> int:
        """Count the complete lines, and cut off an incomplete one at the end."""
        if not self._path.exists():
            return 0
        lines, complete, read = 0, 0, 0
        with self._path.open("r+b") as file:
            while piece := file.read(1 << 20):
                if ended := piece.count(b"\n"):
                    lines, complete = lines + ended, read + piece.rindex(b"\n") + 1
                read += len(piece)
            if complete < read:
                file.truncate(complete)
        return lines

    async def _missing_numbers(self, journal: LedgerReader, missing: int) -> Sequence[int]:
        """Return the numbers of the latest rows without a line; as many as `missing` if no others lack one."""
        rows = await journal.last_done(missing + EXTRA_ROWS)
        listed_ids = await run_to_completion(lambda: self._last_ids(2 * (missing + EXTRA_ROWS)))
        return [number for number, id_ in rows if id_ not in listed_ids]

    def _last_ids(self, most: int) -> frozenset[str]:
        """Return the ids in the last lines, `most` of them."""
        if not self._path.exists():
            return frozenset()
        with self._path.open("rb") as file, suppress(ValueError, TypeError, KeyError):
            return frozenset([str(json.loads(line)["id"]) for line in deque(file, most)])
        return frozenset()

    def _line(self, row: CallRecord) -> str:
        """Return the line of a row that is done; the journal's result contains neither keys nor URLs."""
        result: Any = row.result or {"files": []}  # of one that was pruned nothing is known
        fields = {"id": row.id, "place": row.place, "remote_ids": row.remote_ids, "credits": rounded(row.counted)}
        if self._credit_dollars is not None:
            fields["dollars"] = rounded(row.counted * self._credit_dollars)
        columns = {"columns": row.columns} if row.columns else {}
        return f"{_dump({**fields, **result, **columns})}\n"


async def write_failed(folder: Path, journal: LedgerReader) -> None:
    """Write failed.jsonl: the rows that failed, in the form of an input file; delete it if none failed."""
    path = folder / FAILED
    if (await journal.counts()).get("failed", 0):
        await _rewrite(path, (_failed_line(row) async for row in journal.scan("failed")))
    else:
        await run_to_completion(lambda: path.unlink(missing_ok=True))


def _failed_line(row: CallRecord) -> str:
    columns = {"columns": row.columns} if row.columns else {}
    problem: Any = row.problem or {}
    error = {"type": problem.get("error", ""), "message": problem.get("message", "")}
    return f"{_dump({**row.parameters, 'id': row.id, **columns, ERROR_KEY: error})}\n"


async def write_rejected(folder: Path, journal: LedgerReader) -> None:
    """Write rejected.jsonl: the lines that can't be run, with place and reason; delete it if there are none."""
    path, lines = folder / REJECTED, (f"{_dump(asdict(reject))}\n" async for reject in journal.rejects())
    async for first in lines:
        await _rewrite(path, _prepend(first, lines))
        return
    await run_to_completion(lambda: path.unlink(missing_ok=True))


async def _prepend(first: str, others: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for line in others:
        yield line


async def _rewrite(path: Path, lines: AsyncIterator[str]) -> None:
    """Write a file anew; raises JournalError if it can't be written."""
    try:
        await write_atomically(path, lines)
    except OSError as error:
        raise _write_error(path, error.strerror) from None


async def write_atomically(path: Path, lines: AsyncIterator[str]) -> None:
    """Write a file completely or not at all, through a link; a pipe or a device gets the lines as they come."""
    place = await run_to_completion(lambda: path.resolve() if path.is_file() or not path.exists() else None)
    if place is None:
        with path.open("wb") as file:
            async for line in lines:
                file.write(line.encode("utf-8", "backslashreplace"))
        return
    temporary = place.with_name(f".{place.name}.new")
    try:
        with temporary.open("wb") as file:
            async for line in lines:
                file.write(line.encode("utf-8", "backslashreplace"))
            file.flush()
            await run_to_completion(lambda: os.fsync(file.fileno()))
        temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write_error(path: Path, problem: str | None) -> JournalError:
    advice = "Free some space or mend the disk, and run it again: the journal has it all, and the file is written anew"
    return JournalError(f"{path} cannot be written to ({problem})", advice=advice)
