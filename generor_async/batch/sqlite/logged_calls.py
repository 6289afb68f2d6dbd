"""Opens calls.jsonl beside a journal, with what the journal knows of its calls."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from generor_async.batch.call_log import READ_WHOLE_NOTE, CallLog

__all__ = ["open_call_log"]

SUBMITTED: Final = """
    SELECT number, id, parameters, place, columns, call_id, submitted_at, longest, model, estimated, held, state,
        remote_ids, cost, alone
    FROM rows JOIN inputs USING (number) LEFT JOIN beside USING (number)
    WHERE call_id IS NOT NULL ORDER BY number
"""


def open_call_log(log: CallLog, connection: sqlite3.Connection) -> None:
    """Open the log of a journal's calls; write it from the journal if it is missing or another run's."""
    notes = connection.execute("SELECT name, value FROM notes WHERE name <> ?", (READ_WHOLE_NOTE,))
    (has_calls,) = connection.execute("SELECT EXISTS (SELECT 1 FROM rows WHERE call_id IS NOT NULL)").fetchone()
    log.open({name: json.loads(value) for name, value in notes}, _call_lines(connection), has_calls=bool(has_calls))


def _call_lines(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """Yield the lines of all calls in a journal that was begun without the file."""
    names = ("number", "id", "parameters", "place", "columns", "call_id", "at", "longest", "model", "estimated", "held")
    for *call, state, remote_ids, cost, alone in connection.execute(SUBMITTED):
        line = dict(zip(names, call, strict=True))
        line["parameters"] = json.loads(line["parameters"])
        columns = line.pop("columns")
        yield {**line, **({"columns": json.loads(columns)} if columns else {})}
        end = {"number": line["number"], "cost": cost, "held": line["held"], "alone": alone}
        if remote_ids:
            yield {**end, "to": "accepted", "remote_ids": json.loads(remote_ids)}
        if state in {"ready", "failed"}:
            yield {**end, "to": state, "problem": {"message": "it came to nothing"}}
