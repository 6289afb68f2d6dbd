"""What a batch hands out and leaves behind of each row: outcomes, results.jsonl and failed.jsonl."""

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
from generor_async.batch.journal import JournalReader, Row
from generor_async.batch.parameters import ERROR
from generor_async.engine.threads import run_to_completion
from generor_async.errors import DownloadError, GenerorAsyncError, JournalError, OutcomeUnknownError
from generor_async.rules.row_states import RowState
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
"""How many lines that are missing are appended; where more are, the file is written anew."""
EXTRA_ROWS: Final = 2_000
"""So many rows more that ended last are looked at: lines are written in nearly the order in which rows ended."""
REJECTED: Final = "rejected.jsonl"
OWN_NAMES: Final = frozenset({RESULTS, FAILED, REJECTED, CALLS, JOURNAL, LOCK, "report.html", "simulator.jsonl"})
"""What a batch has in its folder beside media: nobody else's file may be called so there."""

_dump = json.JSONEncoder(separators=(",", ":")).encode


def is_own_file(path: Path, folder: Path) -> bool:
    """Tell whether a batch has a file at this path for itself."""
    return path.name in OWN_NAMES and path.parent.resolve() == folder.resolve()


@frozen(kw_only=True)
class RowOutcome:
    """How a row ended."""

    id: str
    place: str
    """Where it was read, such as `prompts.jsonl:17`."""
    state: RowState
    """done, failed or unknown."""
    parameters: Mapping[str, JSON]
    files: tuple[Path, ...]
    """Its outputs, where it is done."""
    remote_ids: tuple[str, ...]
    """What the API calls it: a job, or creations."""
    cost: float | None
    """What it has likely cost, in credits; of an unknown row, what it may have cost; None where nobody can say.

    Generor tells by how much the balance fell meanwhile, other calls and all: so a price is learned from calls that ran
    alone and from the account's transactions, which may come later. `Batch.status` has what was spent.
    """
    dollars: float | None
    """The same in US dollars, about; None where the API doesn't say what a credit is worth."""
    problem: str
    """Why there is no result; empty where there is one."""
    attempts: int
    columns: Mapping[str, JSON]
    """What its row has beside parameters, by column."""


def outcome_of(row: Row, folder: Path, credit_dollars: float | None) -> RowOutcome:
    """Return how a row ended whose files are in the batch's folder; `credit_dollars` is what a credit is worth."""
    cost = None if row.state == "failed" and row.cost is None else row.counted
    dollars = None if cost is None else in_dollars(cost, credit_dollars)
    result: Any = row.result or {"files": []}
    problem: Any = row.problem or {"message": ""}
    return RowOutcome(
        id=row.id,
        place=row.place,
        state=row.state,
        parameters=row.parameters,
        files=tuple(folder / name for name in result["files"]),
        remote_ids=row.remote_ids,
        cost=None if cost is None else rounded(cost),
        dollars=None if dollars is None else rounded(dollars),
        problem=problem["message"],
        attempts=row.attempt,
        columns=row.columns,
    )


def undownloaded_error(count: int, last: Exception) -> DownloadError:
    """Make the error of rows that are paid for, and whose outputs can't be had now; `last` is why, of the last one."""
    rows = "1 row is" if count == 1 else f"{count} rows are"
    error = DownloadError(
        f"{rows} paid for, and the outputs could not be fetched: {getattr(last, 'message', last)}",
        url=getattr(last, "url", ""),
        advice="Nothing is lost: mend that, and run it again; they are fetched then, at no cost",
        local=isinstance(last, DownloadError) and last.local,
    )
    if count == 1 and isinstance(last, GenerorAsyncError):
        error.job_id, error.creation_id, error.take_up = last.job_id, last.creation_id, last.take_up
    return error


def unresolved_error(whose: str, last: Exception) -> OutcomeUnknownError:
    """Make the error of calls of which so many came to nothing that is known; `last` is what the last one came to."""
    why = getattr(last, "message", last)
    return OutcomeUnknownError(
        f"the outcome of {whose} is unknown, and each may have been charged; the last: {why}",
        operation=getattr(last, "operation", ""),
        outcome="unknown",
        advice="Their rows are listed with what they may have cost, and are not run again by themselves; find out"
        " what is wrong, then run the same again, into the same folder, for the others",
    )


class ResultsFile:
    """The file results.jsonl: a line for every row that is done, in the order in which they ended.

    The journal has the same, and is the truth. Where the process died between the two, or the machine before the lines
    reached the disk, the lines of the rows that ended last are missing, and are appended. Where others are, or are more
    than there should be, the file is written anew.
    """

    def __init__(self, folder: Path, credit_dollars: float | None) -> None:
        self._path = folder / RESULTS
        self._credit_dollars = credit_dollars

    async def open(self, journal: JournalReader) -> None:
        """Begin to append; mends what an earlier process left behind."""
        missing = (await journal.counts()).get("done", 0)
        try:
            missing -= await run_to_completion(self._count_lines)
            lacking = await self._missing_numbers(journal, missing) if 0 < missing <= APPENDED_MOST else ()
            if len(lacking) != missing:
                await _rewrite(self._path, (self._line(row) async for row in journal.rows("done")))
                lacking = ()
            self._file = self._path.open("ab", buffering=0)  # at once: of what is cancelled nobody would close it
        except OSError as error:
            raise _write_error(self._path, error.strerror) from None
        try:
            for number in lacking:
                self.add(await journal.row(number))
        except BaseException:
            self.close()
            raise

    def add(self, row: Row) -> None:
        """Append a row that is done.

        Raises JournalError where there is no room for it: what is missing then is mended by `open`.
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
        """Count the lines; what is left of one that was cut short is cut off."""
        if not self._path.exists():
            return 0
        lines, whole, read = 0, 0, 0
        with self._path.open("r+b") as file:
            while piece := file.read(1 << 20):
                if ended := piece.count(b"\n"):
                    lines, whole = lines + ended, read + piece.rindex(b"\n") + 1
                read += len(piece)
            if whole < read:
                file.truncate(whole)
        return lines

    async def _missing_numbers(self, journal: JournalReader, missing: int) -> Sequence[int]:
        """Return the numbers of rows that ended last and have no line; as many as are `missing`, if that is all."""
        rows = await journal.last_done(missing + EXTRA_ROWS)
        told = await run_to_completion(lambda: self._last_ids(2 * (missing + EXTRA_ROWS)))
        return [number for number, id_ in rows if id_ not in told]

    def _last_ids(self, most: int) -> frozenset[str]:
        """Return the ids in the last lines, so many of them."""
        if not self._path.exists():
            return frozenset()
        with self._path.open("rb") as file, suppress(ValueError, TypeError, KeyError):
            return frozenset([str(json.loads(line)["id"]) for line in deque(file, most)])
        return frozenset()

    def _line(self, row: Row) -> str:
        """Write a row that is done; what the journal keeps as its result has neither keys nor URLs."""
        result: Any = row.result
        told = {"id": row.id, "place": row.place, "remote_ids": row.remote_ids, "credits": rounded(row.counted)}
        if self._credit_dollars is not None:
            told["dollars"] = rounded(row.counted * self._credit_dollars)
        columns = {"columns": row.columns} if row.columns else {}
        return f"{_dump({**told, **result, **columns})}\n"


async def write_failed(folder: Path, journal: JournalReader) -> None:
    """Write failed.jsonl anew: the rows that failed, ready to be run again; no file where none has."""
    path = folder / FAILED
    if (await journal.counts()).get("failed", 0):
        await _rewrite(path, (_failed_line(row) async for row in journal.rows("failed")))
    else:
        await run_to_completion(lambda: path.unlink(missing_ok=True))


def _failed_line(row: Row) -> str:
    columns = {"columns": row.columns} if row.columns else {}
    problem: Any = row.problem or {}
    error = {"type": problem.get("error", ""), "message": problem.get("message", "")}
    return f"{_dump({**row.parameters, 'id': row.id, **columns, ERROR: error})}\n"


async def write_rejected(folder: Path, journal: JournalReader) -> None:
    """Write rejected.jsonl anew: the lines that can't be run, each with its place and reason; no file without any."""
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
    """Write anew what the journal knows; raises JournalError."""
    try:
        await write_atomically(path, lines)
    except OSError as error:
        raise _write_error(path, error.strerror) from None


async def write_atomically(path: Path, lines: AsyncIterator[str]) -> None:
    """Write a file whole or not at all, where a link leads to if it is one; a pipe or a device as lines come."""
    place = await run_to_completion(lambda: path.resolve() if path.is_file() or not path.exists() else None)
    if place is None:
        with path.open("wb") as file:
            async for line in lines:
                file.write(line.encode("utf-8", "backslashreplace"))
        return
    beside = place.with_name(f".{place.name}.new")
    try:
        with beside.open("wb") as file:
            async for line in lines:
                file.write(line.encode("utf-8", "backslashreplace"))
            file.flush()
            await run_to_completion(lambda: os.fsync(file.fileno()))
        beside.replace(place)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _write_error(path: Path, problem: str | None) -> JournalError:
    advice = "Free some space or mend the disk, and run it again: the journal has it all, and the file is written anew"
    return JournalError(f"{path} cannot be written to ({problem})", advice=advice)
