"""The file calls.jsonl: a line for each paid call and for its outcome, from which a lost journal is rebuilt.

The journal is the source of truth: a line is written once its step is committed. So a journal that lacks the file's
last call is older than the file, such as one restored from a backup, or copied without its write-ahead log.

Files that earlier versions have begun hold lines of both forms: some keys had other names.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from generor_async.rules.charges import CostSource
from generor_async.rules.row_states import Accept, Defer, Fail, Release, RowState, RowStep, Submit
from generor_async.stores.ledger import RequestRules
from generor_async.stores.records import CallRecord
from generor_async.stores.steps import dump_credits
from generor_async.values import JSON

__all__ = ["CALLS", "CallLog", "last_call", "read_call_lines", "read_lines"]

CALLS: Final = "calls.jsonl"
TAIL: Final = 1 << 16
"""Bytes at the end in which the last call is looked for first."""
OLD_KEYS: Final[Mapping[str, str]] = {"call_id": "request_id", "held": "counted", "alone": "cost_source"}
"""The names of keys in lines of earlier versions, and their names now."""
OLD_SOURCES: Final[Sequence[CostSource]] = ("overlapped", "alone", "listed")
"""In lines of earlier versions, a cost's source is an index of this."""

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_encode_text: Final = json.encoder.encode_basestring_ascii
"""Encodes a text as `_encode` does, in a third of the time."""


class CallLog:
    """Appends to the file, in the journal's thread; write errors keep no call from being made.

    What can't be written, as on a full disk, is written with the next lines, or when the file is closed.
    """

    def __init__(self, folder: Path, rules: RequestRules) -> None:
        self._path = folder / CALLS
        self._rules = rules
        self.keeps_parameters = True
        """Whether lines have a call's parameters; otherwise they have two hashes of them."""
        self._file: int | None = None
        self._unwritten = bytearray()

    def open(self, *, is_new: bool) -> bool:
        """Open the file, or begin it if `is_new` or it is missing; return whether it was begun."""
        is_new = is_new or not self._path.exists()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if is_new else 0)
        if not is_new and _is_cut_off(self._path):
            self._unwritten += b"\n"  # else the next line would be lost with the one that was cut off
        self._file = os.open(self._path, flags, 0o666)
        return is_new

    def append(self, steps: Iterable[tuple[CallRecord, RowStep]]) -> None:
        """Append the lines of committed steps."""
        if text := "".join([self._line(row, step) for row, step in steps]):
            self._append_text(text)

    def write_note(self, name: str, value: JSON) -> None:
        """Append a note of the run."""
        self.write_lines([{"notes": {name: value}}])

    def correct_costs(self, costs: Mapping[int, float], source: CostSource) -> None:
        """Append corrected costs of calls, by row number."""
        self.write_lines(
            [{"number": number, "cost": cost, "counted": cost, "cost_source": source} for number, cost in costs.items()]
        )

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._append_text("")
            os.close(self._file)
            self._file = None

    def write_call(self, call: CallRecord) -> None:
        """Append the lines of a call that was made before the file was begun."""
        content = {"parameters": call.parameters} if self.keeps_parameters else self._hashes(call)
        self.write_lines(_call_lines(call, content))

    def delete_parameters(self) -> None:
        """Replace parameters in the file by hashes of them; error messages, which may quote them, are left out."""
        if not self._path.exists():
            return
        new = self._path.with_name(f".{CALLS}.new")
        with new.open("w", encoding="utf-8") as file:
            for line in map(_with_new_keys, read_lines(self._path)):
                file.write(f"{_encode(self._without_parameters(line))}\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)

    def _without_parameters(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        kept = dict(line)
        if (parameters := kept.pop("parameters", None)) is not None:
            kept |= {"digest": self._rules.digest(parameters), "request_key": self._rules.request_key(parameters)}
        if problem := kept.get("problem"):
            kept["problem"] = {**problem, "message": ""}
        return kept

    def _hashes(self, call: CallRecord) -> Mapping[str, int | None]:
        if call.digest is not None:
            return {"digest": call.digest, "request_key": call.request_key}
        return {"digest": self._rules.digest(call.parameters), "request_key": self._rules.request_key(call.parameters)}

    def _line(self, call: CallRecord, step: RowStep) -> str:
        if not isinstance(step, Submit):
            return _line(call, step)
        if self.keeps_parameters:
            return _submit_line(call, step, f'"parameters":{call.text or _encode(call.parameters)}')
        return _submit_line(call, step, _encode(self._hashes(call))[1:-1])

    def write_lines(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines."""
        self._append_text("".join(f"{_encode(line)}\n" for line in lines))

    def _append_text(self, text: str) -> None:
        if self._file is None:  # it is opened when the journal is known to be that of this run
            return
        self._unwritten += text.encode()
        with suppress(OSError):
            del self._unwritten[: os.write(self._file, self._unwritten)]


def _is_cut_off(path: Path) -> bool:
    """Tell whether the file ends within a line."""
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


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


def read_call_lines(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of the file in a folder, with the keys of this version."""
    for line in read_lines(folder / CALLS):
        yield _with_new_keys(line)


def _with_new_keys(line: Mapping[str, Any]) -> Mapping[str, Any]:
    if OLD_KEYS.keys().isdisjoint(line):
        return line
    renamed = {OLD_KEYS.get(key, key): value for key, value in line.items()}
    if "alone" in line:
        renamed["cost_source"] = OLD_SOURCES[line["alone"]]
    return renamed


def last_call(folder: Path) -> tuple[int, str] | None:
    """Return row number and request id of the last complete line of a call; None if there is none."""
    with suppress(OSError), (folder / CALLS).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        for tail in (TAIL, size):
            file.seek(max(0, size - tail))
            for line in reversed(file.read().splitlines()):
                with suppress(ValueError, TypeError, KeyError):
                    call = _with_new_keys(json.loads(line))
                    return int(call["number"]), str(call["request_id"])
    return None


def _call_lines(call: CallRecord, content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the lines of a call and of its outcome; `content` is its parameters, or their hashes."""
    yield {
        "number": call.number,
        "id": call.id,
        **content,
        "place": call.place,
        "request_id": call.request_id,
        "at": call.submitted_at,
        "longest": call.longest,
        "model": call.model,
        "estimated": call.estimated,
        "counted": call.counted,
        **({"columns": call.columns} if call.columns else {}),
    }
    end = {"number": call.number, "cost": call.cost, "counted": call.counted, "cost_source": call.cost_source}
    if call.remote_ids:
        yield {**end, "to": "accepted", "remote_ids": call.remote_ids}
    if call.state in {"ready", "failed"}:
        yield {**end, "to": call.state, "problem": {"message": "it came to nothing"}}


def _line(row: CallRecord, step: RowStep) -> str:
    """Return the line of a step after the intent, or an empty text if it has none.

    The lines that every call has are formatted here, in a third of the time that the JSON encoder takes for a mapping.
    """
    match step:
        case Accept():
            counted = step.cost if step.likely is None else step.likely
            source = "alone" if step.alone else "overlapped"
            ids = ",".join([_encode_text(id_) for id_ in step.remote_ids])
            return (
                f'{{"number":{row.number},"to":"accepted","cost":{dump_credits(step.cost)}'
                f',"counted":{dump_credits(counted)},"cost_source":"{source}","remote_ids":[{ids}]}}\n'
            )
        case Defer():
            return _end_line(
                row, "ready", cost=0.0, counted=0.0, problem={"message": "its call waited to be made again"}
            )
        case Release() if row.state != "leased":
            return _end_line(row, "ready", cost=step.cost, counted=step.cost, problem=step.problem)
        case Fail() if row.state != "leased":
            return _end_line(row, "failed", cost=step.cost, counted=step.cost, problem=step.problem)
        case _:
            return ""


def _submit_line(row: CallRecord, step: Submit, content: str) -> str:
    """Return the line of an intent; `content` is its parameters as a member, or their hashes as members."""
    columns = f',"columns":{_encode(dict(row.columns))}' if row.columns else ""
    return (
        f'{{"id":{_encode_text(row.id)},"number":{row.number},"place":{_encode_text(row.place)}'
        f',{content}{columns},"request_id":{_encode_text(step.request_id)}'
        f',"at":{float(step.at)!r},"longest":{float(step.longest)!r},"model":{_encode_text(step.model)}'
        f',"estimated":{dump_credits(step.estimated)},"counted":{dump_credits(step.reserved)}}}\n'
    )


def _end_line(row: CallRecord, to: RowState, **known: Any) -> str:
    return f"{_encode({'number': row.number, 'to': to, **known})}\n"
