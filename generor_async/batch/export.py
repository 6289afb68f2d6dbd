"""Exports all rows of a batch as JSON or a table, duplicates at the end.

Each has the columns that it had beside its parameters, so that nothing has to be joined with the input. Rows are read
from the journal a page at a time, also while a run writes it. URLs of outputs are not exported.
"""

import csv
import io
import json
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from attrs import evolve

from generor_async.batch.amounts import in_dollars, rounded
from generor_async.batch.run_key import keeps_prompts, read_key
from generor_async.rules.vendors import vendor_of
from generor_async.stores.ledger import LedgerReader
from generor_async.stores.records import CallRecord
from generor_async.values import JSON

__all__ = ["FORMATS", "ExportFormat", "export_lines"]

ExportFormat: TypeAlias = Literal["jsonl", "json", "csv"]
FORMATS: Final[tuple[ExportFormat, ...]] = ("jsonl", "json", "csv")
"""JSON lines, one JSON array, or RFC 4180."""

FIELDS: Final = (
    "id", "place", "state", "files", "remote_ids", "credits", "dollars", "attempts", "call_id", "problem",
    "submitted_at", "ended_at", "duplicate_of",
)  # fmt: skip
"""The columns of a table before those of the parameters."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - spreadsheets take these too
"""Beginnings of a text that spreadsheets take for a formula."""

_dump = json.JSONEncoder(separators=(",", ":")).encode


def export_lines(reader: LedgerReader, form: ExportFormat) -> AsyncGenerator[str, None]:
    """Yield the lines of an export, each with its line end."""
    match form:
        case "jsonl":
            return _json_lines(reader)
        case "json":
            return _json_array(reader)
        case "csv":
            return _table(reader)


async def _objects(reader: LedgerReader) -> AsyncGenerator[str, None]:
    credit_dollars = await _credit_dollars(reader)
    async for row, first in _rows(reader):
        beside = {"columns": row.columns} if row.columns else {}
        yield _dump({**_record(row, credit_dollars, first), "parameters": row.parameters, **beside})


async def _json_lines(reader: LedgerReader) -> AsyncGenerator[str, None]:
    async for row in _objects(reader):
        yield f"{row}\n"


async def _json_array(reader: LedgerReader) -> AsyncGenerator[str, None]:
    before = "["
    async for row in _objects(reader):
        yield f"{before}\n{row}"
        before = ","
    yield "\n]\n" if before == "," else "[]\n"


async def _table(reader: LedgerReader) -> AsyncGenerator[str, None]:
    """Yield CSV by RFC 4180, with a column for each parameter, and for each other column, that any row has.

    Rows that are added after the columns are known wait for the next export.
    """
    credit_dollars = await _credit_dollars(reader)
    last, names = await reader.parameter_names()
    columns = await reader.column_names()
    text = io.StringIO()
    writer = csv.writer(text)

    def csv_line(cells: Iterable[str]) -> str:
        text.seek(0)
        text.truncate()
        writer.writerow(cells)
        return text.getvalue()

    yield csv_line([*FIELDS, *names, *(_column_title(name, {*FIELDS, *names}) for name in columns)])
    async for row, first in _rows(reader):
        if row.number <= last:
            fields = _record(row, credit_dollars, first)
            cells = [_cell(fields[name]) for name in FIELDS]
            cells += [_parameter_cell(row.parameters, name) for name in names]
            yield csv_line([*cells, *(_parameter_cell(row.columns, name) for name in columns)])


async def _rows(reader: LedgerReader) -> AsyncGenerator[tuple[CallRecord, str], None]:
    """Yield every row, then each duplicate as the row that it repeats, with the place of that row."""
    shows_prompts = await keeps_prompts(reader)
    async for row in reader.scan():
        yield row if shows_prompts else evolve(row, parameters={}), ""
    async for again in reader.duplicates():
        (row,) = await reader.get([again.number])
        if not shows_prompts:
            row = evolve(row, parameters={})
        yield evolve(row, place=again.place, columns=again.columns), again.first


def _column_title(name: str, taken: Collection[str]) -> str:
    """Return the title of a column that is no parameter; it gets a prefix if the title is in use."""
    return f"input_{name}" if name in taken else name


async def _credit_dollars(reader: LedgerReader) -> float | None:
    key = await read_key(reader)
    assert key is not None
    return vendor_of(key.operation).credit_dollars


def _record(row: CallRecord, credit_dollars: float | None, first: str) -> Mapping[str, JSON]:
    """Return the fields of a row; a duplicate of the row at `first` cost nothing more."""
    cost = 0.0 if first else rounded(row.counted + row.charged_before)
    dollars = in_dollars(cost, credit_dollars)
    result: Any = row.result or {"files": []}
    problem: Any = row.problem or {"message": ""}
    return {
        "id": row.id,
        "place": row.place,
        "state": row.state,
        "files": result["files"],
        "remote_ids": list(row.remote_ids),
        "credits": cost,
        "dollars": None if dollars is None else rounded(dollars),
        "attempts": row.attempt,
        "call_id": row.request_id,
        "problem": problem["message"] if row.state != "done" else "",
        "submitted_at": _time(row.submitted_at),
        "ended_at": _time(row.ended_at),
        "duplicate_of": first,
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _parameter_cell(parameters: Mapping[str, JSON], name: str) -> str:
    return _cell(parameters[name], null="null") if name in parameters else ""


def _cell(value: JSON, *, null: str = "") -> str:
    """Format a value: text as it is, with an apostrophe before a formula, anything else as JSON."""
    if value is None:
        return null
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return _dump(value)
