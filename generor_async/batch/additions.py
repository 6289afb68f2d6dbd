"""Writes the rows that are read into a journal, and tells those that come again from those that are new."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from generor_async.batch.journal import Added, Duplicate, NewRow, Reject
from generor_async.batch.parameters import are_same

__all__ = ["NOT_KNOWN", "Numbers", "add"]

NEW: Final = "INSERT INTO inputs (id, parameters, place) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
READY: Final = "INSERT INTO rows (number, state, attempt) SELECT number, 'ready', 0 FROM inputs WHERE number > ?"
NOT_KNOWN: Final = "{}"
"""The parameters of a row whose journal was rebuilt from its result alone; they are what is read now."""
COLUMNS: Final = """
    INSERT INTO beside VALUES (?, ?)
    ON CONFLICT DO UPDATE SET columns = excluded.columns WHERE columns <> excluded.columns
"""
"""A row's other columns, as they were last read."""


class Numbers:
    """Which rows of a journal a reading has met so far; a bit for each."""

    def __init__(self) -> None:
        self._met = bytearray()

    def add(self, number: int) -> bool:
        """Note a row's number; tell whether it was met for the first time."""
        at, bit = number >> 3, 1 << (number & 7)
        if at >= len(self._met):
            self._met.extend(bytes(at + 1024 - len(self._met)))
        is_new = not self._met[at] & bit
        self._met[at] |= bit
        return is_new


def add(connection: sqlite3.Connection, rows: Sequence[NewRow], met: Numbers, operation: str) -> Added:
    """Write down rows of an operation, as ready; those that are there are known, or come again in this reading."""
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM inputs").fetchone()
    new = connection.executemany(NEW, [(row.id, row.text, row.place) for row in rows]).rowcount
    connection.execute(READY, (last,))
    rejects, duplicates = list[Reject](), list[Duplicate]()
    if new == len(rows):
        numbered = list(enumerate(rows, last + 1))
        for number, _ in numbered:
            met.add(number)
    else:
        numbered = list[tuple[int, NewRow]]()
        found = _found(connection, [row.id for row in rows])
        for row in rows:
            number, text, place = found[row.id]
            if text == NOT_KNOWN:
                connection.execute("UPDATE inputs SET parameters = ? WHERE number = ?", (row.text, number))
                text = row.text
            if text != row.text and not are_same(operation, json.loads(text), row.parameters):
                rejects.append(_taken(row, place))
            elif met.add(number):
                numbered.append((number, row))
            else:
                duplicates.append(Duplicate(place=row.place, number=number, first=place, columns=row.columns))
    if beside := [(number, json.dumps(dict(row.columns))) for number, row in numbered if row.columns]:
        connection.executemany(COLUMNS, beside)
    _keep(connection, duplicates)
    known = len(rows) - new - len(rejects) - len(duplicates)
    return Added(new=new, known=known, rejects=tuple(rejects), duplicates=tuple(duplicates))


def _keep(connection: sqlite3.Connection, duplicates: Sequence[Duplicate]) -> None:
    """Write down rows that came again."""
    connection.executemany(
        "REPLACE INTO duplicates VALUES (?, ?, ?)",
        [(one.place, one.number, json.dumps(dict(one.columns))) for one in duplicates],
    )


def _found(connection: sqlite3.Connection, ids: Sequence[str]) -> Mapping[str, tuple[int, str, str]]:
    """Return the number, parameters and place of these rows, by id."""
    among = ", ".join("?" * len(ids))
    found = connection.execute(f"SELECT id, number, parameters, place FROM inputs WHERE id IN ({among})", ids)
    return {id_: (number, text, place) for id_, number, text, place in found}


def _taken(row: NewRow, place: str) -> Reject:
    reason = f"the id {row.id!r} belongs to another row, at {place}: give each row an id of its own, or none"
    return Reject(place=row.place, text=row.text, reason=reason)
