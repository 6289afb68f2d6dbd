"""Writes the rows that are read into a journal, and tells those that come again from those that are new."""

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
"""The parameters of a row whose journal was rebuilt from its result alone; they are what is read now."""
NEVER_CALLED: Final = "state = 'ready' AND call_id IS NULL AND number NOT IN (SELECT number FROM earlier)"
"""Which rows wait, and have had no call: their numbers may be given out again."""
UPSERT_COLUMNS: Final = """
    INSERT INTO beside VALUES (?, ?)
    ON CONFLICT DO UPDATE SET columns = excluded.columns WHERE columns <> excluded.columns
"""
"""A row's other columns, as they were last read."""
UPDATE_WAITING: Final = """
    UPDATE inputs SET parameters = ?, place = ?
    WHERE number = ? AND number IN (SELECT number FROM rows WHERE state = 'ready')
"""
"""What a row asks for that has changed while it waited."""
INSERT_REQUESTS: Final = f"""
    INSERT INTO temp.requests SELECT request_key(parameters), number FROM inputs JOIN rows USING (number)
    WHERE number <= ? AND state <> 'failed' AND NOT ({NEVER_CALLED})
"""
"""What rows of before have bought; those that failed may be run again another way, and one that only waits is run
where this reading meets it, and else forgotten."""


class RowNumbers:
    """Which rows of a journal a reading has met so far; a bit for each."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self.last = 0
        """The greatest of them."""

    def add(self, number: int) -> bool:
        """Note a row's number; tell whether it was met for the first time."""
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
    """One reading of all rows of an operation into a journal."""

    operation: str
    last_before: int = 0
    """The number of the last row that the journal had when it began."""
    seen: RowNumbers = field(init=False, factory=RowNumbers)
    is_complete: bool = field(init=False, default=False)
    """Whether it has met every row that may yet be bought."""
    _has_requests: bool = field(init=False, default=False)

    @classmethod
    def begin(cls, connection: sqlite3.Connection, operation: str) -> "Reading":
        """Begin one: what could not be read before, and what came again, is forgotten."""
        connection.execute("DELETE FROM notes WHERE name = ?", (READ_WHOLE_NOTE,))
        for table in ("rejects", "duplicates"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DROP TABLE IF EXISTS temp.requests")
        return cls(operation, _last_number(connection))

    def buys_again(self, connection: sqlite3.Connection, row: NewRow, arriving: Collection[int]) -> bool:
        """Tell whether the journal has from before what a new row asks for, as a row that this reading hasn't met.

        `arriving` are the numbers of those that are met just now.
        """
        if not self._has_requests:
            self._has_requests = True
            self._index_requests(connection)
        wanted = request_key(self.operation, row.parameters)
        found = connection.execute("SELECT number FROM temp.requests WHERE request_key = ?", (wanted,))
        return any(number not in self.seen and number not in arriving for (number,) in found)

    def discard_unclaimed(self, connection: sqlite3.Connection) -> int:
        """Forget the rows that were written down since it began and that nobody has claimed; return how many."""
        new = "number > ? AND number IN (SELECT number FROM rows WHERE state = 'ready' AND attempt = 0)"
        return _delete_rows(connection, new, self.last_before)

    def delete_unread(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """Forget the waiting rows of before that all of this reading hasn't met; return how many, and how many stay.

        Those stay for which a call was made.
        """
        connection.create_function("is_met", 1, self.seen.__contains__)
        unread = "number <= ? AND state = 'ready' AND NOT is_met(number)"
        (found,) = connection.execute(f"SELECT count(*) FROM rows WHERE {unread}", (self.last_before,)).fetchone()
        chosen = f"number <= ? AND NOT is_met(number) AND number IN (SELECT number FROM rows WHERE {NEVER_CALLED})"
        forgotten = _delete_rows(connection, chosen, self.last_before) if found else 0
        return forgotten, found - forgotten

    def complete(self, connection: sqlite3.Connection, note: str) -> bool:
        """Note that all of a file was read, unless it lacks a row that may yet be bought; tell whether it was noted.

        Rows that are done stay so. One that failed may be made ready by its user, and an unknown one by the account.
        """
        connection.create_function("is_met", 1, self.seen.__contains__)
        states = ", ".join(f"'{state}'" for state in ROW_STATES if state != "done")
        unmet = f"SELECT EXISTS (SELECT 1 FROM rows WHERE state IN ({states}) AND number <= ? AND NOT is_met(number))"
        ((is_lacking,),) = connection.execute(unmet, (self.last_before,))
        if not is_lacking:
            connection.execute("REPLACE INTO notes VALUES (?, ?)", (READ_WHOLE_NOTE, note))
        return not is_lacking

    def _index_requests(self, connection: sqlite3.Connection) -> None:
        """Write down what the rows from before have bought; in a table that vanishes."""

        def key_of(text: str) -> int:
            return request_key(self.operation, json.loads(text))

        connection.create_function("request_key", 1, key_of, deterministic=True)
        connection.execute("CREATE TEMP TABLE requests (request_key INTEGER, number INTEGER)")
        connection.execute(INSERT_REQUESTS, (self.last_before,))
        connection.execute("CREATE INDEX temp.requests_key ON requests (request_key)")


def add_rows(
    connection: sqlite3.Connection, rows: Sequence[NewRow], reading: Reading, *, again: bool = True
) -> AddResult:
    """Write down rows, as ready; those that are there are known, or come again in this reading.

    Unless rows may be bought `again`, those that would be are told apart, and not written down.
    """
    last, met = _last_number(connection), reading.seen
    held = () if again or not reading.last_before else _find_rebuys(connection, rows, reading)
    if held:
        ids = {row.id for row in held}
        rows = [row for row in rows if row.id not in ids]
    new = connection.executemany(INSERT_INPUT, [(row.id, row.text, row.place) for row in rows]).rowcount
    connection.execute(INSERT_READY, (last,))
    rejects, duplicates = list[Reject](), list[Duplicate]()
    if new == len(rows):
        numbered = list(enumerate(rows, last + 1))
        for number, _ in numbered:
            met.add(number)
    else:
        numbered = list[tuple[int, NewRow]]()
        found = _find_by_id(connection, [row.id for row in rows])
        for row in rows:
            number, text, place = found[row.id]
            if text == UNKNOWN_PARAMETERS:
                connection.execute("UPDATE inputs SET parameters = ? WHERE number = ?", (row.text, number))
                text = row.text
            if text != row.text and not is_same_request(reading.operation, json.loads(text), row.parameters):
                if number in met or not connection.execute(UPDATE_WAITING, (row.text, row.place, number)).rowcount:
                    rejects.append(_id_conflict(row, place))
                    continue
                found[row.id] = number, row.text, row.place
            if met.add(number):
                numbered.append((number, row))
            else:
                duplicates.append(Duplicate(place=row.place, number=number, first=place, columns=row.columns))
    if beside := [(number, json.dumps(dict(row.columns))) for number, row in numbered if row.columns]:
        connection.executemany(UPSERT_COLUMNS, beside)
    _insert_duplicates(connection, duplicates)
    known = len(rows) - new - len(rejects) - len(duplicates)
    return AddResult(new=new, known=known, rejects=tuple(rejects), duplicates=tuple(duplicates), withheld=tuple(held))


def _find_rebuys(connection: sqlite3.Connection, rows: Sequence[NewRow], reading: Reading) -> Sequence[NewRow]:
    """Return the new ones of these rows that would buy again what the journal has."""
    among = ", ".join("?" * len(rows))
    found = connection.execute(f"SELECT id, number FROM inputs WHERE id IN ({among})", [row.id for row in rows])
    there = dict[str, int](found)
    arriving = frozenset(there.values())
    return [row for row in rows if row.id not in there and reading.buys_again(connection, row, arriving)]


def _delete_rows(connection: sqlite3.Connection, chosen: str, before: int) -> int:
    """Forget rows, and what was read of them; return how many."""
    for table in ("duplicates", "beside", "inputs"):
        connection.execute(f"DELETE FROM {table} WHERE {chosen}", (before,))
    return connection.execute(f"DELETE FROM rows WHERE {chosen}", (before,)).rowcount


def _last_number(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM inputs").fetchone()
    return int(last)


def _insert_duplicates(connection: sqlite3.Connection, duplicates: Sequence[Duplicate]) -> None:
    """Write down rows that came again."""
    connection.executemany(
        "REPLACE INTO duplicates VALUES (?, ?, ?)",
        [(one.place, one.number, json.dumps(dict(one.columns))) for one in duplicates],
    )


def _find_by_id(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, tuple[int, str, str]]:
    """Return the number, parameters and place of these rows, by id."""
    among = ", ".join("?" * len(ids))
    found = connection.execute(f"SELECT id, number, parameters, place FROM inputs WHERE id IN ({among})", ids)
    return {id_: (number, text, place) for id_, number, text, place in found}


def _id_conflict(row: NewRow, place: str) -> Reject:
    owner = "what this row was before" if row.place == place else f"another row, at {place}"
    reason = f"the id {row.id!r} belongs to {owner}: give each row an id of its own, or none"
    return Reject(place=row.place, text=row.text, reason=reason)
