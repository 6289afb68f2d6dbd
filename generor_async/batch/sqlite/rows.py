"""Decodes rows from the tables of a journal, and leases them."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from generor_async.batch.journal import COST_SOURCES, Row
from generor_async.batch.sqlite.new_rows import RowNumbers
from generor_async.rules.charges import CostSource
from generor_async.values import JSON

__all__ = ["COLUMNS", "claim_rows", "decode_column", "decode_rows", "decode_source"]

COLUMNS: Final = """
    rows.number, id, parameters, place, state, attempt, owner, call_id, submitted_at, longest, model, estimated,
    held, (SELECT total(held) FROM earlier WHERE earlier.number = rows.number),
    (SELECT total(held) FROM earlier WHERE earlier.number = rows.number AND cost IS NULL), cost, alone, remote_ids,
    ended_at, result, problem, (SELECT columns FROM beside WHERE beside.number = rows.number)
"""
"""In the order of Row's fields."""
JSON_COLUMNS: Final = (2, 17, 19, 20, 21)
"""Those that hold JSON: parameters, remote_ids, result, problem and columns."""
RESET_ATTEMPT: Final = """
    call_id = NULL, submitted_at = NULL, longest = 0, model = NULL, estimated = 0, held = 0,
    cost = NULL, alone = 0, remote_ids = NULL, ended_at = NULL, result = NULL, problem = NULL
"""
"""Assignments that begin another attempt."""


def decode_rows(cursor: sqlite3.Cursor) -> list[Row]:
    """Return the rows of a result; each JSON column is decoded for all rows at once, which is faster."""
    found = cursor.fetchall()
    read = zip(found, *(decode_column(found, column) for column in JSON_COLUMNS), strict=True)
    return [_decode_row(row, *loaded) for row, *loaded in read]


def _decode_row(found: tuple[Any, ...], given: Any, ids: Any, result: JSON, problem: JSON, columns: Any) -> Row:
    (
        number, id_, text, place, state, attempt, owner, call_id, submitted_at, longest, model, estimated,
        held, charged_before, unresolved_before, cost, source, _, ended_at, _, _, _,
    ) = found  # fmt: skip
    return Row(
        number=number,
        id=id_,
        parameters=given,
        place=place,
        state=state,
        attempt=attempt,
        owner=owner,
        call_id=call_id,
        submitted_at=submitted_at,
        longest=longest,
        model=model,
        estimated=estimated,
        counted=held,
        charged_before=charged_before,
        unresolved_before=unresolved_before,
        cost=cost,
        cost_source=decode_source(source),
        remote_ids=tuple(ids or ()),
        ended_at=ended_at,
        result=result,
        problem=problem,
        columns=columns or {},
        text=text,
    )


def decode_source(index: int) -> CostSource:
    """Return the source of a cost by its index, as the column `alone` has it."""
    return COST_SOURCES[index]


def decode_column(found: Sequence[tuple[Any, ...]], column: int) -> list[Any]:
    """Decode a JSON column of many rows at once."""
    loaded: list[Any] = json.loads(f"[{','.join([row[column] or 'null' for row in found])}]")
    return loaded


def claim_rows(connection: sqlite3.Connection, *, owner: int, most: int, among: RowNumbers | None) -> list[Row]:
    """Lease ready rows, with `among` only those with one of its numbers."""
    is_ready = "state = 'ready'"
    if among is not None:
        connection.create_function("is_seen", 1, among.__contains__)
        is_ready = f"{is_ready} AND rows.number <= {among.last} AND is_seen(rows.number)"
    found = connection.execute(
        "SELECT rows.number, id, parameters, place, attempt, columns"
        " FROM rows JOIN inputs USING (number) LEFT JOIN beside USING (number)"
        f" WHERE {is_ready} ORDER BY rows.number LIMIT ?",
        (most,),
    ).fetchall()
    rows = [
        Row(number, id_, parameters, place, "leased", attempt + 1, owner, text=text)
        for (number, id_, text, place, attempt, _), parameters in zip(found, decode_column(found, 2), strict=True)
    ]
    for row, found_ in zip(rows, found, strict=True):
        if found_[5]:
            row.columns = json.loads(found_[5])
        if row.attempt > 1:
            row.charged_before = _archive_attempt(connection, row.number)
    if rows:
        connection.execute(
            f"UPDATE rows SET state = 'leased', attempt = attempt + 1, owner = ? WHERE {is_ready} AND number <= ?",
            (owner, rows[-1].number),
        )
    return rows


def _archive_attempt(connection: sqlite3.Connection, number: int) -> float:
    """Move a row's attempt to `earlier` if it came to a call; return what all earlier attempts count."""
    connection.execute("INSERT INTO earlier SELECT * FROM rows WHERE number = ? AND call_id IS NOT NULL", (number,))
    connection.execute(f"UPDATE rows SET {RESET_ATTEMPT} WHERE number = ?", (number,))
    (held,) = connection.execute("SELECT total(held) FROM earlier WHERE number = ?", (number,)).fetchone()
    return float(held)
