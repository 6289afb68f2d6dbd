"""Finds rows that occur more than once, and gives each occurrence an id of its own.

The second row with an id becomes `<id>-2`, and so on, past ids that earlier rows have. That depends on the rows and
their order alone: a resumed run finds each under the same id.
"""

import json
import sqlite3
from collections.abc import Sequence

from attrs import evolve

from generor_async.batch.parameters import Parameters
from generor_async.stores.records import NewRow, Reject
from generor_async.stores.threads import run_to_completion

__all__ = ["RowDeduplicator"]

PRAGMAS = f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = {-(32 << 10)}"
"""32 MiB of cache: ids come in any order, and each would be read from the file before it is written."""
TABLE = "CREATE TABLE seen (id INTEGER PRIMARY KEY, times INTEGER, fingerprint TEXT, place TEXT)"
"""Ids are stored as hashes, and places without the file's name, so that a million rows fit into the cache."""
REQUESTS = "CREATE TABLE requests (request INTEGER PRIMARY KEY, rows INTEGER, place TEXT)"
INSERT_SEEN = "INSERT OR IGNORE INTO seen VALUES (?, 1, ?, ?)"


class RowDeduplicator:
    """The rows of one reading, in a temporary file, so that memory doesn't grow with the input."""

    def __init__(self, parameters: Parameters, *, allowed: bool) -> None:
        self._parameters = parameters
        self._allowed = allowed
        self.dropped = 0
        """Duplicates that were dropped."""
        self._seen = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._seen.executescript(f"{PRAGMAS}; {TABLE}; {REQUESTS}")

    async def assign_ids(self, page: Sequence[NewRow | Reject]) -> list[NewRow | Reject]:
        """Return a page with an id of its own for each row; drop duplicates unless they are allowed.

        A row whose id belongs to another row becomes a reject.
        """

        def work() -> list[NewRow | Reject]:
            self._seen.execute("BEGIN")  # one transaction for each row would take longer than all the rest
            found: Sequence[NewRow | Reject | None] = page
            if self._allowed or not self._insert_all([entry for entry in page if isinstance(entry, NewRow)]):
                found = [entry if isinstance(entry, Reject) else self._resolve(entry) for entry in page]
            self._seen.execute("COMMIT")
            return [entry for entry in found if entry is not None]

        return await run_to_completion(work)

    def add_request(self, request: int, place: str) -> None:
        """Count the request of a new row."""
        insert = "INSERT INTO requests VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET rows = rows + 1"
        self._seen.execute(insert, (request, place))

    def take_rebuys(self, id_: str, request: int) -> tuple[int, str]:
        """Return how many new rows request what a row of the run has that isn't in the input, and where the first is.

        Each is counted once.
        """
        if self._seen.execute("SELECT 1 FROM seen WHERE id = ?", (hash(id_),)).fetchone():
            return 0, ""
        take = "DELETE FROM requests WHERE request = ? RETURNING rows, place"
        return self._seen.execute(take, (request,)).fetchone() or (0, "")

    def close(self) -> None:
        """Delete the temporary file."""
        self._seen.close()

    def _insert_all(self, rows: Sequence[NewRow]) -> bool:
        """Insert rows; tell whether all are new."""
        return self._seen.executemany(INSERT_SEEN, map(self._seen_values, rows)).rowcount == len(rows) or not rows

    def _seen_values(self, row: NewRow) -> tuple[int, str | None, str]:
        fingerprint = self._parameters.fingerprint(row.parameters, row.text) if row.has_own_id else None
        return hash(row.id), fingerprint, row.place.rpartition(":")[2]

    def _resolve(self, row: NewRow) -> NewRow | Reject | None:
        """Return a row, or the reject or further occurrence that it is; None for a duplicate that is dropped."""
        key, own_fingerprint, own_place = values = self._seen_values(row)
        if self._seen.execute(INSERT_SEEN, values).rowcount:
            return row
        fingerprint = own_fingerprint or row.id
        query = "SELECT times, fingerprint, place FROM seen WHERE id = ?"
        times, first_fingerprint, place = self._seen.execute(query, (key,)).fetchone()
        if place == own_place:  # inserted with its page
            return row
        if times and (first_fingerprint or row.id) != fingerprint:
            first = f"{row.place.rpartition(':')[0]}:{place}"
            reason = f"the id {row.id!r} belongs to another row, at {first}: give each row an id of its own, or none"
            return Reject(place=row.place, text=json.dumps(dict(row.parameters)), reason=reason)
        if self._allowed:
            return self._with_next_id(row, max(times, 1), fingerprint)
        self.dropped += 1
        return None

    def _with_next_id(self, row: NewRow, times: int, fingerprint: str) -> NewRow:
        while True:
            times += 1
            id_ = f"{row.id}-{times}"
            if self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, 0, NULL, NULL)", (hash(id_),)).rowcount:
                break
        self._seen.execute(
            "UPDATE seen SET times = ?, fingerprint = ?, place = coalesce(place, ?) WHERE id = ?",
            (times, fingerprint, row.place.rpartition(":")[2], hash(row.id)),
        )
        return evolve(row, id=id_)
