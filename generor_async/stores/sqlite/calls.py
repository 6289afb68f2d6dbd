"""Leases calls of a ledger."""

import json
import sqlite3
from typing import Final

from generor_async.rules.row_numbers import RowNumbers
from generor_async.stores.call_rows import decode_calls, decode_column
from generor_async.stores.records import CallRecord, NewCall
from generor_async.stores.steps import dump_json

__all__ = ["SELECT_CALLS", "claim_calls", "lease_call"]

COLUMNS: Final = """
    calls.number, key, parameters, place, state, attempt, owner, request_id, submitted_at, longest, model, estimated,
    counted, (SELECT total(counted) FROM attempts WHERE attempts.number = calls.number),
    (SELECT total(counted) FROM attempts WHERE attempts.number = calls.number AND cost IS NULL), cost, cost_source,
    accounts, remote_ids, ended_at, result, problem, columns, digest, request_key, operation, user, context
"""
"""In the order of CallRecord's fields."""
SELECT_CALLS: Final = f"SELECT {COLUMNS} FROM calls JOIN inputs USING (number)"
RESET_ATTEMPT: Final = """
    request_id = NULL, submitted_at = NULL, longest = 0, model = NULL, estimated = 0, accounts = NULL, counted = 0,
    cost = NULL, cost_source = 0, remote_ids = NULL, ended_at = NULL, result = NULL, problem = NULL
"""
"""Assignments that begin another attempt."""
INSERT_LEASED: Final = """
    INSERT INTO calls (user, operation, context, owner, run, key, state, attempt) VALUES (?, ?, ?, ?, ?, ?, 'leased', 1)
    ON CONFLICT (run, key) DO NOTHING RETURNING number, state
"""
FIND_BY_KEY: Final = "SELECT number, state FROM calls WHERE run = ? AND key = ?"
LEASE_AGAIN: Final = """
    UPDATE calls SET user = ?, operation = ?, context = ?, owner = ?, state = 'leased', attempt = attempt + 1,
        digest = NULL
    WHERE number = ?
"""
INSERT_INPUT: Final = "INSERT INTO inputs (number, place, parameters) VALUES (?, ?, ?)"
REPLACE_INPUT: Final = "UPDATE inputs SET place = ?, parameters = ?, request_key = NULL WHERE number = ?"


def claim_calls(
    connection: sqlite3.Connection, *, run: str, owner: int, most: int, among: RowNumbers | None
) -> list[CallRecord]:
    """Lease ready calls of a run whose parameters are known, with `among` only those with one of its numbers."""
    is_ready = "run = ? AND state = 'ready' AND digest IS NULL"
    if among is not None:
        connection.create_function("is_seen", 1, among.__contains__)
        is_ready = f"{is_ready} AND calls.number <= {among.last} AND is_seen(calls.number)"
    found = connection.execute(
        "SELECT calls.number, key, parameters, place, attempt, columns, operation, user, context"
        f" FROM calls JOIN inputs USING (number) WHERE {is_ready} ORDER BY calls.number LIMIT ?",
        (run, most),
    ).fetchall()
    calls = [
        CallRecord(number, key, parameters, place, "leased", attempt + 1, owner, text=text)
        for (number, key, text, place, attempt, *_), parameters in zip(found, decode_column(found, 2), strict=True)
    ]
    for call, found_ in zip(calls, found, strict=True):
        if found_[5]:
            call.columns = json.loads(found_[5])
        if found_[6] is not None:
            call.operation, call.user, call.context = found_[6], found_[7], json.loads(found_[8] or "null")
        if call.attempt > 1:
            call.charged_before, call.unresolved_before = _archive_attempt(connection, call.number)
    if calls:
        connection.execute(
            f"UPDATE calls SET state = 'leased', attempt = attempt + 1, owner = ? WHERE {is_ready} AND number <= ?",
            (owner, run, calls[-1].number),
        )
    return calls


def lease_call(connection: sqlite3.Connection, *, run: str, owner: int, call: NewCall) -> tuple[CallRecord, bool]:
    """Lease a call that is no row, which is added unless a ready one has its id; tell whether it is leased."""
    context = None if call.context is None else dump_json(call.context)
    asked = call.user, call.operation, context, owner
    added = connection.execute(INSERT_LEASED, (*asked, run, call.id)).fetchone()
    is_leased = added is not None
    number, state = added or connection.execute(FIND_BY_KEY, (run, call.id)).fetchone()
    text = dump_json(call.parameters)
    if is_leased:
        connection.execute(INSERT_INPUT, (number, call.place, text))
    elif state == "ready":
        is_leased = True
        _archive_attempt(connection, number)
        connection.execute(LEASE_AGAIN, (*asked, number))
        connection.execute(REPLACE_INPUT, (call.place, text, number))
    (found,) = decode_calls(connection.execute(f"{SELECT_CALLS} WHERE calls.number = ?", (number,)))
    return found, is_leased


def _archive_attempt(connection: sqlite3.Connection, number: int) -> tuple[float, float]:
    """Move a call's attempt to `attempts` if it was submitted; return what all earlier attempts count.

    The second amount is the part of it that may not have been charged.
    """
    connection.execute(
        "INSERT INTO attempts SELECT * FROM calls WHERE number = ? AND request_id IS NOT NULL", (number,)
    )
    connection.execute(f"UPDATE calls SET {RESET_ATTEMPT} WHERE number = ?", (number,))
    query = "SELECT total(counted), total(counted) FILTER (WHERE cost IS NULL) FROM attempts WHERE number = ?"
    ((counted, unresolved),) = connection.execute(query, (number,))
    return float(counted), float(unresolved)
