"""Adds the rows that are read to a journal, and finds those that it has already.

One reading of an input sees each of its rows. From that follows which rows repeat another one, which waiting rows are
no longer in the input, and which new rows would buy again what the folder has under another id.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from attrs import define, field

from generor_async.batch.call_log import READ_WHOLE_NOTE
from generor_async.batch.journal import AddResult, Duplicate, NewRow, Reject
from generor_async.batch.parameters import is_same_request, request_key
from generor_async.rules.row_states import ROW_STATES

__all__ = ["UNKNOWN_PARAMETERS", "Reading", "RowNumbers", "add_rows"]

INSERT_INPUT: Final = "INSERT INTO inputs (id, parameters, place) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
INSERT_READY: Final = "INSERT INTO rows (number, state, attempt) SELECT number, 'ready', 0 FROM inputs WHERE number > ?"
UNKNOWN_PARAMETERS: Final = "{}"
"""The parameters of a row that was rebuilt from its result alone; the next reading replaces them."""
NEVER_CALLED: Final = "state = 'ready' AND call_id IS NULL AND number NOT IN (SELECT number FROM earlier)"
"""Selects ready rows without any call; they can be deleted."""
UPSERT_COLUMNS: Final = """
    INSERT INTO beside VALUES (?, ?)
    ON CONFLICT DO UPDATE SET columns = excluded.columns WHERE columns <> excluded.columns
"""
"""Sets the values of a row's columns that are no parameters."""
UPDATE_WAITING: Final = """
    UPDATE inputs SET parameters = ?, place = ?
    WHERE number = ? AND number IN (SELECT number FROM rows WHERE state = 'ready')
"""
"""Replaces the parameters of a row that is still waiting."""
INSERT_REQUESTS: Final = f"""
    INSERT INTO temp.requests SELECT request_key(parameters), number FROM inputs JOIN rows USING (number)
    WHERE number <= ? AND state <> 'failed' AND NOT ({NEVER_CALLED})
"""
"""Indexes the requests of rows that earlier readings added. Failed rows may be run again with other settings, and rows
never called run only if this reading sees them: both are left out."""


class RowNumbers:
    """A set of row numbers, with one bit for each."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self.last = 0
        """The greatest number in the set."""

    def add(self, number: int) -> bool:
        """Add a number; tell whether it is new."""
        at, bit = number >> 3, 1 << (number & 7)
        if at >= len(self._bits):
            self._bits.extend(bytes(at + 1024 - len(self._bits)))
        is_new = not self._bits[at] & bit
        self._bits[at] |= bit
        self.last = max(self.last, number)
        return is_new

    def __contains__(self, number: int) -> bool:
        at = number >> 3
        return at < len(self._bits) and bool(self._bits[at] & 1 << (number & 7))


@define
class Reading:
    """One reading of the whole input into a journal."""

    operation: str
    last_before: int = 0
    """The last row's number when it began."""
    seen: RowNumbers = field(init=False, factory=RowNumbers)
    is_complete: bool = field(init=False, default=False)
    """Whether it has seen every row that may still be bought."""
    _has_requests: bool = field(init=False, default=False)

    @classmethod
    def begin(cls, connection: sqlite3.Connection, operation: str) -> "Reading":
        """Begin to read: delete rejects, duplicates, and the note of a file that was read whole."""
        connection.execute("DELETE FROM notes WHERE name = ?", (READ_WHOLE_NOTE,))
        for table in ("rejects", "duplicates"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DROP TABLE IF EXISTS temp.requests")
        return cls(operation, _last_number(connection))

    def buys_again(self, connection: sqlite3.Connection, row: NewRow, arriving: Collection[int]) -> bool:
        """Tell whether a new row requests the same as a row of an earlier reading that this one hasn't seen.

        `arriving` are the numbers of the rows that are being added, and count as seen.
        """
        if not self._has_requests:
            self._has_requests = True
            self._index_requests(connection)
        key = request_key(self.operation, row.parameters)
        found = connection.execute("SELECT number FROM temp.requests WHERE request_key = ?", (key,))
        return any(number not in self.seen and number not in arriving for (number,) in found)

    def discard_unclaimed(self, connection: sqlite3.Connection) -> int:
        """Delete the rows that this reading has added and nobody has claimed; return how many."""
        new = "number > ? AND number IN (SELECT number FROM rows WHERE state = 'ready' AND attempt = 0)"
        return _delete_rows(connection, new, self.last_before)

    def delete_unread(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """Delete ready rows that this reading has not seen; return how many were deleted, and how many were kept.

        Rows for which a call was made are kept.
        """
        connection.create_function("is_seen", 1, self.seen.__contains__)
        unread = "number <= ? AND state = 'ready' AND NOT is_seen(number)"
        (found,) = connection.execute(f"SELECT count(*) FROM rows WHERE {unread}", (self.last_before,)).fetchone()
        chosen = f"number <= ? AND NOT is_seen(number) AND number IN (SELECT number FROM rows WHERE {NEVER_CALLED})"
        forgotten = _delete_rows(connection, chosen, self.last_before) if found else 0
        return forgotten, found - forgotten

    def complete(self, connection: sqlite3.Connection, note: str) -> bool:
        """Note that a file was read whole, unless it lacks a row that may still be bought; tell whether it was noted.

        Only rows that are done stay so: users retry failed rows, and reconciliation may make unknown ones ready.
        """
        connection.create_function("is_seen", 1, self.seen.__contains__)
        states = ", ".join(f"'{state}'" for state in ROW_STATES if state != "done")
        unseen = f"SELECT EXISTS (SELECT 1 FROM rows WHERE state IN ({states}) AND number <= ? AND NOT is_seen(number))"
        ((has_unseen,),) = connection.execute(unseen, (self.last_before,))
        if not has_unseen:
            connection.execute("REPLACE INTO notes VALUES (?, ?)", (READ_WHOLE_NOTE, note))
        return not has_unseen

    def _index_requests(self, connection: sqlite3.Connection) -> None:
        """Index the requests of earlier readings in a temporary table."""

        def key_of(text: str) -> int:
            return request_key(self.operation, json.loads(text))

        connection.create_function("request_key", 1, key_of, deterministic=True)
        connection.execute("CREATE TEMP TABLE requests (request_key INTEGER, number INTEGER)")
        connection.execute(INSERT_REQUESTS, (self.last_before,))
        connection.execute("CREATE INDEX temp.requests_key ON requests (request_key)")


def add_rows(
    connection: sqlite3.Connection, rows: Sequence[NewRow], reading: Reading, *, again: bool = True
) -> AddResult:
    """Add rows as ready; those whose id exists are known, or duplicates of this reading.

    Unless `again` is set, rows that would buy again what the journal has are returned as `withheld`, and not added.
    """
    last = _last_number(connection)
    withheld = () if again or not reading.last_before else _find_rebuys(connection, rows, reading)
    if withheld:
        ids = {row.id for row in withheld}
        rows = [row for row in rows if row.id not in ids]
    new = connection.executemany(INSERT_INPUT, [(row.id, row.text, row.place) for row in rows]).rowcount
    connection.execute(INSERT_READY, (last,))
    rejects, duplicates = list[Reject](), list[Duplicate]()
    if new == len(rows):
        numbered = list(enumerate(rows, last + 1))
        for number, _ in numbered:
            reading.seen.add(number)
    else:
        numbered = _match_known(connection, rows, reading, rejects, duplicates)
    if columns := [(number, json.dumps(dict(row.columns))) for number, row in numbered if row.columns]:
        connection.executemany(UPSERT_COLUMNS, columns)
    _insert_duplicates(connection, duplicates)
    known = len(rows) - new - len(rejects) - len(duplicates)
    return AddResult(
        new=new, known=known, rejects=tuple(rejects), duplicates=tuple(duplicates), withheld=tuple(withheld)
    )


def _match_known(
    connection: sqlite3.Connection,
    rows: Sequence[NewRow],
    reading: Reading,
    rejects: list[Reject],
    duplicates: list[Duplicate],
) -> list[tuple[int, NewRow]]:
    """Return the rows that this reading sees first, with their numbers; add the others to rejects or duplicates."""
    numbered = list[tuple[int, NewRow]]()
    known = _find_by_id(connection, [row.id for row in rows])
    for row in rows:
        number, text, place = known[row.id]
        if text == UNKNOWN_PARAMETERS:
            connection.execute("UPDATE inputs SET parameters = ? WHERE number = ?", (row.text, number))
            text = row.text
        if text != row.text and not is_same_request(reading.operation, json.loads(text), row.parameters):
            is_seen = number in reading.seen
            if is_seen or not connection.execute(UPDATE_WAITING, (row.text, row.place, number)).rowcount:
                rejects.append(_id_conflict(row, place))
                continue
            known[row.id] = number, row.text, row.place
        if reading.seen.add(number):
            numbered.append((number, row))
        else:
            duplicates.append(Duplicate(place=row.place, number=number, first=place, columns=row.columns))
    return numbered


def _find_rebuys(connection: sqlite3.Connection, rows: Sequence[NewRow], reading: Reading) -> Sequence[NewRow]:
    """Return those of the new rows that would buy again what the journal has."""
    among = ", ".join("?" * len(rows))
    found = connection.execute(f"SELECT id, number FROM inputs WHERE id IN ({among})", [row.id for row in rows])
    known = dict[str, int](found)
    arriving = frozenset(known.values())
    return [row for row in rows if row.id not in known and reading.buys_again(connection, row, arriving)]


def _delete_rows(connection: sqlite3.Connection, chosen: str, before: int) -> int:
    """Delete rows with their inputs; return how many."""
    for table in ("duplicates", "beside", "inputs"):
        connection.execute(f"DELETE FROM {table} WHERE {chosen}", (before,))
    return connection.execute(f"DELETE FROM rows WHERE {chosen}", (before,)).rowcount


def _last_number(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM inputs").fetchone()
    return int(last)


def _insert_duplicates(connection: sqlite3.Connection, duplicates: Sequence[Duplicate]) -> None:
    """Store the places and columns of duplicates."""
    connection.executemany(
        "REPLACE INTO duplicates VALUES (?, ?, ?)",
        [(one.place, one.number, json.dumps(dict(one.columns))) for one in duplicates],
    )


def _find_by_id(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, tuple[int, str, str]]:
    """Return number, parameters and place of these rows by id."""
    among = ", ".join("?" * len(ids))
    found = connection.execute(f"SELECT id, number, parameters, place FROM inputs WHERE id IN ({among})", ids)
    return {id_: (number, text, place) for id_, number, text, place in found}


def _id_conflict(row: NewRow, place: str) -> Reject:
    owner = "what this row was before" if row.place == place else f"another row, at {place}"
    reason = f"the id {row.id!r} belongs to {owner}: give each row an id of its own, or none"
    return Reject(place=row.place, text=row.text, reason=reason)
