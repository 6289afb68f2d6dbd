"""Deletes what calls hold beside their money.

A call of a run stays known when its parameters are deleted: a hash of them tells whether a row that is read again is
the same, and another one whether a new row would buy the same content again.

SQLite leaves deleted text in its file. `secure_delete` overwrites it, but for copies that were left behind when pages
were rebalanced, and the write-ahead log: `Compaction` removes those.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from generor_async.rules.row_states import RowState
from generor_async.stores.content import UNKNOWN_PARAMETERS, without_quotes
from generor_async.stores.ledger import NO_RUN, RequestRules
from generor_async.stores.sqlite.errors import BUSY_SECONDS
from generor_async.stores.sqlite.owners import has_others
from generor_async.stores.sqlite.writer import TransactionPart

__all__ = [
    "Compaction",
    "compact",
    "delete_parameters",
    "leave_out_page",
    "leave_out_rejects",
    "overwrite_deleted",
    "prune_page",
    "restore_parameters",
]

PAGE: Final = 1_000
"""Calls in one transaction."""
COMPACTION_WAIT: Final = 5.0
"""Seconds for which a compaction waits for others who read or write."""
ENDED: Final = "ifnull(ended_at, submitted_at)"
ERROR_CODES: Final = """
    json_patch('{"message":""}', json_object('error', json_extract(problem, '$.error'),
        'code', json_extract(problem, '$.code')))
"""
"""A problem without its message: its type and code tell what is refunded."""
HAS_CONTENT: Final = f"""
    parameters <> '{UNKNOWN_PARAMETERS}' OR columns IS NOT NULL OR result IS NOT NULL OR context IS NOT NULL
    OR json_extract(problem, '$.message') <> ''
"""
WITH_PARAMETERS: Final = f"""
    SELECT number FROM calls WHERE run = ? AND number > ? AND state IN ('done', 'failed') AND digest IS NULL
    ORDER BY number LIMIT {PAGE}
"""
FIND_OLD: Final = f"""
    SELECT number FROM calls LEFT JOIN inputs USING (number)
    WHERE number IN (SELECT value FROM json_each(?)) AND {ENDED} < ? AND (run = '{NO_RUN}' OR {HAS_CONTENT})
"""


def prune_page(
    connection: sqlite3.Connection, *, run: str, rules: RequestRules, state: RowState, after: int, before: float
) -> tuple[int, int | None]:
    """Prune the calls of one page in this state that ended before a moment; the page begins after a number.

    Return how many were pruned, and the page's last number; None if there are no more.
    """
    page = f"SELECT number FROM calls WHERE run = ? AND state = ? AND number > ? ORDER BY number LIMIT {PAGE}"
    numbers = [number for (number,) in connection.execute(page, (run, state, after))]
    if not numbers:
        return 0, None
    old = [number for (number,) in connection.execute(FIND_OLD, (json.dumps(numbers), before))]
    if run == NO_RUN:
        _delete_calls(connection, old)
    else:
        delete_parameters(connection, old, rules)
        _delete_content(connection, old)
    return len(old), numbers[-1]


def delete_parameters(connection: sqlite3.Connection, numbers: Sequence[int], rules: RequestRules) -> None:
    """Replace the parameters of calls by two hashes of them."""
    found = connection.execute(
        "SELECT number, parameters FROM inputs WHERE number IN (SELECT value FROM json_each(?)) AND parameters <> ?",
        (json.dumps(numbers), UNKNOWN_PARAMETERS),
    )
    parameters = [(number, json.loads(text)) for number, text in found]
    _set_hashes(connection, [(rules.digest(given), rules.request_key(given), number) for number, given in parameters])


def leave_out_page(connection: sqlite3.Connection, *, run: str, rules: RequestRules, after: int) -> int | None:
    """Leave out the parameters of the next ended calls after a number; return the last number, None if there is none.

    What their results and problems quote of the parameters goes as well.
    """
    numbers: list[int] = [number for (number,) in connection.execute(WITH_PARAMETERS, (run, after))]
    if not numbers:
        return None
    chosen = "number IN (SELECT value FROM json_each(?))"
    for table in ("calls", "attempts"):
        found = connection.execute(
            f"SELECT {table}.rowid, parameters, result, problem FROM {table} JOIN inputs USING (number) WHERE {chosen}",
            (json.dumps(numbers),),
        ).fetchall()
        for rowid, text, result, problem in found:
            parameters = json.loads(text)
            kept = [
                value and json.dumps(without_quotes(rules, json.loads(value), parameters))
                for value in (result, problem)
            ]
            connection.execute(f"UPDATE {table} SET result = ?, problem = ? WHERE rowid = ?", (*kept, rowid))
    delete_parameters(connection, numbers, rules)
    return max(numbers)


def leave_out_rejects(connection: sqlite3.Connection, run: str) -> None:
    """Leave out the text of rejects."""
    connection.execute("UPDATE skipped_inputs SET text = '' WHERE run = ? AND reason IS NOT NULL", (run,))


def restore_parameters(connection: sqlite3.Connection, number: int, text: str) -> None:
    """Set the parameters of a call, whose hashes are not needed then."""
    connection.execute("UPDATE inputs SET parameters = ?, request_key = NULL WHERE number = ?", (text, number))
    connection.execute("UPDATE calls SET digest = NULL WHERE number = ?", (number,))


def overwrite_deleted(connection: sqlite3.Connection) -> None:
    """Overwrite with zeros what this connection deletes from now on."""
    connection.execute("PRAGMA secure_delete = ON")


def compact(connection: sqlite3.Connection) -> None:
    """Write the file anew without what was deleted, and empty its write-ahead log, unless others use it too long.

    It must not be called in a transaction.
    """
    with suppress(sqlite3.Error):  # somebody else uses it, or the disk is full: nothing that is needed is missing
        connection.execute(f"PRAGMA busy_timeout = {COMPACTION_WAIT * 1000:.0f}")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")


class Compaction(TransactionPart):
    """Compacts the file after a transaction, unless others have it open, whom that would hold up."""

    def __init__(self, owner: int, now: float) -> None:
        self._owner = owner
        self._now = now
        self._connection: sqlite3.Connection | None = None

    def execute(self, connection: sqlite3.Connection) -> None:
        """Look for other owners."""
        if not has_others(connection, self._owner, self._now):
            self._connection = connection

    def after_commit(self) -> None:
        """Compact the file."""
        if self._connection is not None:
            compact(self._connection)

    def finish(self) -> None:
        """Do nothing."""


def _set_hashes(connection: sqlite3.Connection, hashes: Iterable[tuple[int, int, int]]) -> None:
    """Set the hashes of calls in the place of their parameters: tuples of digest, request key and number."""
    for digest, request_key, number in hashes:
        connection.execute("UPDATE calls SET digest = ? WHERE number = ?", (digest, number))
        connection.execute(
            "UPDATE inputs SET parameters = NULL, request_key = ? WHERE number = ?", (request_key, number)
        )


def _delete_content(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Delete all but the money of calls whose parameters are deleted."""
    chosen = "number IN (SELECT value FROM json_each(?))"
    for table in ("calls", "attempts"):
        connection.execute(
            f"UPDATE {table} SET result = NULL, context = NULL, problem = iif(problem IS NULL, NULL, {ERROR_CODES})"
            f" WHERE {chosen}",
            (json.dumps(numbers),),
        )
    connection.execute(f"UPDATE inputs SET columns = NULL WHERE {chosen}", (json.dumps(numbers),))


def _delete_calls(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Delete calls that belong to no run."""
    chosen = "number IN (SELECT value FROM json_each(?))"
    connection.execute(f"DELETE FROM skipped_inputs WHERE run = '{NO_RUN}' AND {chosen}", (json.dumps(numbers),))
    for table in ("inputs", "attempts", "calls"):
        connection.execute(f"DELETE FROM {table} WHERE {chosen}", (json.dumps(numbers),))
