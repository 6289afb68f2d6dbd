"""Reads calls from their tables."""

from collections.abc import Iterable
from typing import Any, Final

from generor_async.stores.call_rows import decode_calls
from generor_async.stores.postgres.text import unescaped_keys
from generor_async.stores.records import CallRecord

__all__ = ["GET_CALLS", "SELECT_CALLS", "decode"]

EARLIER: Final = "FROM generor.attempts WHERE attempts.run = calls.run AND attempts.number = calls.number"
COLUMNS: Final = f"""
    calls.number, key, parameters, place, state, attempt, owner, request_id, submitted_at, longest, model, estimated,
    counted, (SELECT coalesce(sum(counted), 0) {EARLIER}),
    (SELECT coalesce(sum(counted), 0) {EARLIER} AND cost IS NULL), cost, cost_source, accounts, remote_ids, ended_at,
    result, problem, columns, digest, request_key, operation, "user", context
"""
"""In the order of CallRecord's fields."""
SELECT_CALLS: Final = f"SELECT {COLUMNS} FROM generor.calls JOIN generor.inputs USING (run, number) WHERE run = %s"
GET_CALLS: Final = f"{SELECT_CALLS} AND number = ANY(%s::bigint[]) ORDER BY number"


def decode(found: Iterable[tuple[Any, ...]]) -> list[CallRecord]:
    """Return the calls of a result."""
    calls = decode_calls(found)
    for call in calls:
        if call.accounts:
            call.accounts = unescaped_keys(call.accounts)
    return calls
