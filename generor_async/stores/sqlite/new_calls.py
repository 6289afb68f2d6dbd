"""Adds the rows of an input to a run, and finds those that it has already."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from attrs import define, field

from generor_async.rules.row_states import ROW_STATES
from generor_async.stores.ledger import READ_WHOLE_NOTE, RequestRules
from generor_async.stores.new_rows import KnownCall, MatchedRows, Reading, dump_columns, match_rows
from generor_async.stores.records import AddResult, NewRow, Reject
from generor_async.stores.sqlite.retention import delete_parameters, restore_parameters

__all__ = ["SqliteReading", "add_calls", "add_rejects"]

INSERT_CALL: Final = "INSERT INTO calls (number, run, key, state) VALUES (?, ?, ?, 'ready')"
INSERT_INPUT: Final = "INSERT INTO inputs (number, place, parameters, columns) VALUES (?, ?, ?, ?)"
NEVER_CALLED: Final = "state = 'ready' AND request_id IS NULL AND number NOT IN (SELECT number FROM attempts)"
"""Selects ready calls that were never submitted; they can be deleted."""
UPDATE_COLUMNS: Final = "UPDATE inputs SET columns = ? WHERE number = ? AND columns IS NOT ?"
"""Sets the values of a row's columns that are no parameters."""
INSERT_REQUESTS: Final = f"""
    INSERT INTO temp.requests SELECT ifnull(inputs.request_key, key_of(parameters)), number
    FROM calls JOIN inputs USING (number)
    WHERE run = ? AND number <= ? AND state <> 'failed' AND NOT ({NEVER_CALLED})
"""
"""Indexes the requests of rows that earlier readings added. Failed rows may be run again with other settings, and rows
never called run only if this reading sees them: both are left out."""
REPLACE_SKIPPED: Final = """
    REPLACE INTO skipped_inputs (run, place, number, columns, text, reason) VALUES (?, ?, ?, ?, ?, ?)
"""


@define
class SqliteReading(Reading):
    """One reading of the whole input into a run, and what it deletes."""

    run: str = field(kw_only=True)
    _has_requests: bool = field(init=False, default=False)

    @classmethod
    def begin(cls, connection: sqlite3.Connection, run: str, rules: RequestRules) -> "SqliteReading":
        """Begin to read: delete rejects, duplicates, and the note of a file that was read whole."""
        connection.execute("DELETE FROM notes WHERE run = ? AND name = ?", (run, READ_WHOLE_NOTE))
        connection.execute("DELETE FROM skipped_inputs WHERE run = ?", (run,))
        connection.execute("DROP TABLE IF EXISTS temp.requests")
        return cls(rules, last_number(connection), run=run)

    def buys_again(self, connection: sqlite3.Connection, row: NewRow, arriving: Collection[int]) -> bool:
        """Tell whether a new row requests the same as a row of an earlier reading that this one hasn't seen.

        `arriving` are the numbers of the rows that are being added, and count as seen.
        """
        if not self._has_requests:
            self._has_requests = True
            self._index_requests(connection)
        key = self.rules.request_key(row.parameters)
        found = connection.execute("SELECT number FROM temp.requests WHERE request_key = ?", (key,))
        return any(number not in self.seen and number not in arriving for (number,) in found)

    def discard_unclaimed(self, connection: sqlite3.Connection) -> int:
        """Delete the rows that this reading has added and nobody has claimed; return how many."""
        connection.create_function("is_added", 1, self.added.__contains__)
        chosen = "run = ? AND number > ? AND state = 'ready' AND attempt = 0 AND is_added(number)"
        return _delete_calls(connection, chosen, self._range)

    def delete_unread(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """Delete ready rows that this reading has not seen; return how many were deleted, and how many were kept.

        Rows that were submitted are kept.
        """
        if self.is_complete:
            return 0, 0
        connection.create_function("is_seen", 1, self.seen.__contains__)
        unread = "run = ? AND number <= ? AND state = 'ready' AND NOT is_seen(number)"
        (found,) = connection.execute(f"SELECT count(*) FROM calls WHERE {unread}", self._range).fetchone()
        deleted = _delete_calls(connection, f"{unread} AND {NEVER_CALLED}", self._range) if found else 0
        return deleted, found - deleted

    def complete(self, connection: sqlite3.Connection, note: str) -> bool:
        """Note that a file was read whole, unless it lacks a row that may still be bought; tell whether it was noted.

        Only rows that are done stay so: users retry failed rows, and reconciliation may make unknown ones ready.
        """
        connection.create_function("is_seen", 1, self.seen.__contains__)
        states = ", ".join(f"'{state}'" for state in ROW_STATES if state != "done")
        unseen = f"run = ? AND state IN ({states}) AND number <= ? AND NOT is_seen(number)"
        ((has_unseen,),) = connection.execute(f"SELECT EXISTS (SELECT 1 FROM calls WHERE {unseen})", self._range)
        if not has_unseen:
            connection.execute("REPLACE INTO notes VALUES (?, ?, ?)", (self.run, READ_WHOLE_NOTE, note))
        return not has_unseen

    @property
    def _range(self) -> tuple[str, int]:
        return self.run, self.last_before

    def _index_requests(self, connection: sqlite3.Connection) -> None:
        """Index the requests of earlier readings in a temporary table."""

        def key_of(text: str) -> int:
            return self.rules.request_key(json.loads(text))

        connection.create_function("key_of", 1, key_of, deterministic=True)
        connection.execute("CREATE TEMP TABLE requests (request_key INTEGER, number INTEGER)")
        connection.execute(INSERT_REQUESTS, self._range)
        connection.execute("CREATE INDEX temp.requests_key ON requests (request_key)")


def add_calls(
    connection: sqlite3.Connection, rows: Sequence[NewRow], reading: SqliteReading, *, again: bool = True
) -> AddResult:
    """Add rows as ready; those whose id exists are known, or duplicates of this reading.

    Unless `again` is set, rows that would buy again what the run has are returned as `withheld`, and not added.
    """
    known = _find_by_key(connection, reading.run, [row.id for row in rows])
    withheld = () if again or not reading.last_before else _find_rebuys(connection, rows, known, reading)
    matched = match_rows(rows, known, reading, last_number(connection), withheld)
    _insert_new(connection, reading.run, matched)
    _update_known(connection, reading, matched)
    reading.note(matched)
    return matched.result


def _insert_new(connection: sqlite3.Connection, run: str, matched: MatchedRows) -> None:
    numbered = list(zip(matched.numbers, matched.new, strict=True))
    connection.executemany(INSERT_CALL, [(number, run, row.id) for number, row in numbered])
    connection.executemany(
        INSERT_INPUT, [(number, row.place, row.text, dump_columns(row.columns)) for number, row in numbered]
    )


def add_rejects(connection: sqlite3.Connection, run: str, rejects: Sequence[Reject]) -> None:
    """Add rejects; one from the same place is replaced."""
    connection.executemany(
        REPLACE_SKIPPED, [(run, reject.place, None, None, reject.text, reject.reason) for reject in rejects]
    )


def _update_known(connection: sqlite3.Connection, reading: SqliteReading, matched: MatchedRows) -> None:
    """Update calls that the run has already, and add duplicates of them."""
    for number, text in matched.parameters.items():
        restore_parameters(connection, number, text)
    connection.executemany(
        "UPDATE inputs SET place = ? WHERE number = ?", [(place, number) for number, place in matched.places.items()]
    )
    if matched.left_out:
        delete_parameters(connection, matched.left_out, reading.rules)
    connection.executemany(UPDATE_COLUMNS, [(text, number, text) for number, text in matched.columns.items()])
    connection.executemany(
        REPLACE_SKIPPED,
        [(reading.run, one.place, one.number, json.dumps(dict(one.columns)), None, None) for one in matched.duplicates],
    )


def _find_rebuys(
    connection: sqlite3.Connection, rows: Sequence[NewRow], known: Mapping[str, KnownCall], reading: SqliteReading
) -> Sequence[NewRow]:
    """Return those of the new rows that would buy again what the run has."""
    arriving = frozenset(call.number for call in known.values())
    return [row for row in rows if row.id not in known and reading.buys_again(connection, row, arriving)]


def _delete_calls(connection: sqlite3.Connection, chosen: str, arguments: tuple[str, int]) -> int:
    """Delete calls with their inputs; return how many."""
    numbers = f"SELECT number FROM calls WHERE {chosen}"
    connection.execute(f"DELETE FROM skipped_inputs WHERE number IN ({numbers})", arguments)
    connection.execute(f"DELETE FROM inputs WHERE number IN ({numbers})", arguments)
    return connection.execute(f"DELETE FROM calls WHERE {chosen}", arguments).rowcount


def last_number(connection: sqlite3.Connection) -> int:
    """Return the number of the last call, even if it was deleted; 0 if there was none."""
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'calls'").fetchone()
    return int(last)


def _find_by_key(connection: sqlite3.Connection, run: str, keys: Sequence[str]) -> dict[str, KnownCall]:
    """Return these calls by key."""
    found = connection.execute(
        "SELECT key, number, parameters, place, state, digest FROM calls JOIN inputs USING (number)"
        f" WHERE run = ? AND key IN ({', '.join('?' * len(keys))})",
        (run, *keys),
    )
    return {key: KnownCall(*known) for key, *known in found}
