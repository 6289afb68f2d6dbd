"""Writes whole calls and earlier attempts, of which other files tell after the ledger was lost."""

import json
import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from generor_async.stores.call_rows import dump_keys
from generor_async.stores.records import COST_SOURCES, CallRecord, canonical_json
from generor_async.stores.sqlite.accounts import add_accounts, update_accounts
from generor_async.stores.sqlite.tables import ATTEMPTS
from generor_async.stores.steps import dump_json

__all__ = ["restore_calls"]

COLUMNS: Final = (
    "number", "run", "key", "state", "attempt", "owner", "request_id", "submitted_at", "longest", "model", "estimated",
    "accounts", "counted", "cost", "cost_source", "remote_ids", "ended_at", "result", "problem",
    "digest",
)  # fmt: skip
INSERT: Final = f"INSERT INTO {{}} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
INSERT_ATTEMPT: Final = INSERT.format("attempts")
UPSERT_CALL: Final = f"""
    {INSERT.format("calls")} ON CONFLICT (number) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "number")}
"""
REPLACE_INPUT: Final = "REPLACE INTO inputs (number, place, parameters, columns, request_key) VALUES (?, ?, ?, ?, ?)"


def restore_calls(
    connection: sqlite3.Connection, run: str, calls: Sequence[CallRecord], attempts: Sequence[CallRecord]
) -> None:
    """Write calls in the place of those with their numbers, add earlier attempts, and bring accounts up to date."""
    add_accounts(connection, {key for call in chain(calls, attempts) for key in call.accounts})
    with update_accounts(connection, {call.number for call in chain(calls, attempts)}, tables=ATTEMPTS):
        connection.executemany(UPSERT_CALL, [_values(call, run) for call in calls])
        connection.executemany(REPLACE_INPUT, [_input_values(call) for call in calls])
        connection.executemany(INSERT_ATTEMPT, [_values(attempt, run) for attempt in attempts])


def _values(call: CallRecord, run: str) -> tuple[Any, ...]:
    """Return the values of a call, in the order of COLUMNS."""
    return (
        call.number,
        run,
        call.id,
        call.state,
        call.attempt,
        call.owner,
        call.request_id,
        call.submitted_at,
        call.longest,
        call.model,
        call.estimated,
        dump_keys(call.accounts),
        call.counted,
        call.cost,
        COST_SOURCES.index(call.cost_source),
        dump_json(list(call.remote_ids)) if call.remote_ids else None,
        call.ended_at,
        None if call.result is None else dump_json(call.result),
        None if call.problem is None else dump_json(call.problem),
        call.digest,
    )


def _input_values(call: CallRecord) -> tuple[Any, ...]:
    columns = json.dumps(dict(call.columns)) if call.columns else None
    text = None if call.digest is not None else call.text or canonical_json(call.parameters)
    return call.number, call.place, text, columns, call.request_key
