"""Finds new rows that request the same as rows of earlier readings."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from generor_async.stores.ledger import RequestRules

__all__ = ["READ_REQUESTS", "RequestIndex"]

PAGE: Final = 2_000
"""Requests read at a time."""
READ_REQUESTS: Final = f"""
    SELECT number, request_key, parameters FROM generor.calls JOIN generor.inputs USING (run, number)
    WHERE run = %s AND number > %s AND number <= %s AND state <> 'failed' AND NOT (
        state = 'ready' AND request_id IS NULL AND NOT EXISTS (
            SELECT 1 FROM generor.attempts WHERE attempts.run = calls.run AND attempts.number = calls.number
        )
    ) ORDER BY number LIMIT {PAGE}
"""
"""Left out are failed rows, which may be run again with other settings, and rows never called, which run only if a
reading sees them."""


class RequestIndex:
    """The requests of a run's calls in a temporary file, as a run may have more than memory should hold."""

    def __init__(self, rules: RequestRules) -> None:
        self._rules = rules
        self._index = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._index.execute("CREATE TABLE requests (request_key INTEGER, number INTEGER)")
        self._index.execute("CREATE INDEX by_key ON requests (request_key)")
        self._index.execute("BEGIN")

    def add(self, page: Sequence[tuple[Any, ...]]) -> None:
        """Add requests as READ_REQUESTS returns them; blocks."""
        rows = [
            (self._rules.request_key(json.loads(text)) if key is None else key, number) for number, key, text in page
        ]
        self._index.executemany("INSERT INTO requests VALUES (?, ?)", rows)

    def find(self, request_key: int) -> list[int]:
        """Return the numbers of calls with this key."""
        found = self._index.execute("SELECT number FROM requests WHERE request_key = ?", (request_key,))
        return [number for (number,) in found]

    def close(self) -> None:
        """Delete the file."""
        self._index.close()
