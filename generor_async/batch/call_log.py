"""The file calls.jsonl: a line for each paid call and for its outcome, from which a lost journal is rebuilt.

The journal is the source of truth: a line is written once its step is committed. So a journal that lacks the file's
last call is older than the file, such as one restored from a backup, or copied without its write-ahead log.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from generor_async.batch.journal import Row
from generor_async.rules.row_states import Accept, Defer, Fail, Release, RowState, RowStep, Submit
from generor_async.values import JSON

__all__ = ["CALLS", "CallLog", "last_call", "read_lines"]

CALLS: Final = "calls.jsonl"
READ_WHOLE_NOTE: Final = "read_whole"
"""Name of the note that a file was read whole; left out here, as a rebuilt journal may lack rows of that file."""
TAIL: Final = 1 << 16
"""Bytes at the end in which the last call is looked for first."""
LINES_PER_WRITE: Final = 1_000
"""Lines that are written at a time."""

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


class CallLog:
    """Appends to the file, in the journal's thread; write errors are ignored, and keep no call from being made."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CALLS
        self._file: int | None = None
        self._torn = False

    def open(self, notes: Mapping[str, JSON], calls: Iterable[Mapping[str, Any]], *, has_calls: bool) -> None:
        """Open the file; write it from the journal if it is missing or another run's.

        Args:
            notes: The notes of the run.
            calls: The lines of all calls that the journal knows.
            has_calls: Whether there is any; the file of a run without calls is another run's.
        """
        is_new = not has_calls or not self._path.exists()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if is_new else 0)
        self._file = os.open(self._path, flags, 0o666)
        if is_new:
            lines = chain([{"notes": notes}], calls)
            while page := list(islice(lines, LINES_PER_WRITE)):
                self._write(page)

    def append(self, steps: Iterable[tuple[Row, RowStep]]) -> None:
        """Append the lines of committed steps."""
        if text := "".join([_line(row, step) for row, step in steps]):
            self._append_text(text)

    def write_note(self, name: str, value: JSON) -> None:
        """Append a note of the run."""
        self._write([{"notes": {name: value}}])

    def correct_costs(self, costs: Mapping[int, float], witness: int) -> None:
        """Append corrected costs of calls, by row number."""
        self._write(
            [{"number": number, "cost": cost, "held": cost, "alone": witness} for number, cost in costs.items()]
        )

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        self._append_text("".join(f"{_encode(line)}\n" for line in lines))

    def _append_text(self, text: str) -> None:
        assert self._file is not None
        data = f"\n{text}".encode() if self._torn else text.encode()
        self._torn = True
        with suppress(OSError):
            self._torn = os.write(self._file, data) < len(data)


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects in a file's lines; skip broken lines, and yield nothing if there is no file."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            with suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict):
                    yield found


def last_call(folder: Path) -> tuple[int, str] | None:
    """Return row number and call id of the last complete line of a call; None if there is none."""
    with suppress(OSError), (folder / CALLS).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        for tail in (TAIL, size):
            file.seek(max(0, size - tail))
            for line in reversed(file.read().splitlines()):
                with suppress(ValueError, TypeError, KeyError):
                    call = json.loads(line)
                    return int(call["number"]), str(call["call_id"])
    return None


def _line(row: Row, step: RowStep) -> str:
    """Return the line of a step, or an empty text if it has none.

    The lines that every call has are formatted here, in a third of the time that the JSON encoder takes for a mapping.
    """
    match step:
        case Submit():
            columns = f',"columns":{_encode(dict(row.columns))}' if row.columns else ""
            return (
                f'{{"id":{_encode(row.id)},"number":{row.number},"place":{_encode(row.place)}'
                f',"parameters":{row.text or _encode(row.parameters)}{columns},"call_id":{_encode(step.call_id)}'
                f',"at":{_number(step.at)},"longest":{_number(step.longest)},"model":{_encode(step.model)}'
                f',"estimated":{_number(step.estimated)},"held":{_number(step.reserved)}}}\n'
            )
        case Defer():
            return _end_line(row, "ready", cost=0.0, held=0.0, problem={"message": "its call waited to be made again"})
        case Accept():
            counted = step.cost if step.likely is None else step.likely
            ids = ",".join([_encode(id_) for id_ in step.remote_ids])
            return (
                f'{{"number":{row.number},"to":"accepted","cost":{_number(step.cost)},"held":{_number(counted)}'
                f',"alone":{int(step.alone)},"remote_ids":[{ids}]}}\n'
            )
        case Release() if row.state != "leased":
            return _end_line(row, "ready", cost=step.cost, held=step.cost, problem=step.problem)
        case Fail() if row.state != "leased":
            return _end_line(row, "failed", cost=step.cost, held=step.cost, problem=step.problem)
        case _:
            return ""


def _end_line(row: Row, to: RowState, **known: Any) -> str:
    return f"{_encode({'number': row.number, 'to': to, **known})}\n"


def _number(value: float | None) -> str:
    return "null" if value is None else float.__repr__(float(value))
