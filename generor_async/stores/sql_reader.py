"""What a reader of a ledger asks in SQL that any database understands.

A value's place is `?`, and tables have their plain names: a store that names them otherwise translates the query.
"""

import json
import math
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Final, Generic, TypeVar

from generor_async.rules.charges import ChargedCalls
from generor_async.rules.file_fingerprint import CompletedRead, parse_completed_read
from generor_async.rules.row_states import PAID_STATES, ROW_STATES, RowState
from generor_async.rules.spend_attribution import UnattributedCall
from generor_async.stores.call_rows import decode_source
from generor_async.stores.ledger import READ_WHOLE_NOTE, LedgerReader
from generor_async.stores.records import Account, AccountKey, Duplicate, FoundCall, Reject
from generor_async.values import JSON

__all__ = ["PAGE", "SqlReader"]

Run = TypeVar("Run", int, str)
"""What the tables call a run."""
PAGE: Final = 500
"""Rows read at a time."""
LACKS_PARAMETERS: Final = "state IN ('ready', 'unknown') AND digest IS NOT NULL"
"""Selects calls that need parameters that were deleted: to be made, or to be found by their prompt."""
UNRESOLVED: Final = """
    SELECT coalesce(sum(counted), 0) FROM (
        SELECT counted FROM calls WHERE run = ? AND model IS NOT NULL AND cost IS NULL AND state <> 'done'
        UNION ALL SELECT counted FROM attempts WHERE run = ? AND model IS NOT NULL AND cost IS NULL
    ) AS attempts_without_cost
"""
LAST_ACTIVITY: Final = """
    SELECT max(moment) FROM (
        SELECT submitted_at AS moment FROM calls WHERE run = ? UNION ALL SELECT ended_at FROM calls WHERE run = ?
    ) AS moments WHERE moment < ?
"""
LAST_DONE: Final = """
    SELECT number, key FROM (
        SELECT number, key, ended_at FROM calls WHERE run = ? AND state = 'done' ORDER BY ended_at DESC LIMIT ?
    ) AS latest ORDER BY ended_at
"""
ANSWERED: Final = f"""
    SELECT count(*) FROM (
        SELECT 1 FROM calls WHERE run = ? AND state IN ({", ".join(f"'{state}'" for state in (*PAID_STATES, "done"))})
            AND problem IS NULL LIMIT ?
    ) AS answered
"""
REJECTS: Final = f"""
    SELECT rowid, place, text, reason FROM skipped_inputs
    WHERE run = ? AND rowid > ? AND reason IS NOT NULL ORDER BY rowid LIMIT {PAGE}
"""


class SqlReader(LedgerReader, Generic[Run]):
    """Reads the calls of a run by queries."""

    _run: Run
    _join: ClassVar[str]
    """The columns that calls and inputs have in common."""
    _unlisted_query: ClassVar[str]
    """Selects number, model, estimate, cost, its source and the remote ids for `unlisted_calls`, the latest first.

    It has a place for another condition, `where`.
    """

    @abstractmethod
    async def _fetch(self, query: str, *arguments: object) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a query."""

    async def counts(self) -> Mapping[RowState, int]:
        """Count the calls in each state."""
        found = await self._fetch("SELECT state, count(*) FROM calls WHERE run = ? GROUP BY state", self._run)
        counted = dict(found)
        return {state: counted.get(state, 0) for state in ROW_STATES}

    async def has_calls(self) -> bool:
        """Tell whether any call was submitted."""
        query = "SELECT 1 FROM calls WHERE run = ? AND request_id IS NOT NULL LIMIT 1"
        return bool(await self._fetch(query, self._run))

    async def account(self, key: AccountKey) -> Account | None:
        """Return an account; None if there is none."""
        query = "SELECT scope, period, cap, reserved, spent FROM accounts WHERE scope = ? AND period = ?"
        found = await self._fetch(query, *key)
        return Account(*found[0]) if found else None

    async def find(self, ids: Sequence[str]) -> Mapping[str, FoundCall]:
        """Return, by id, the calls with these ids that exist."""
        if not ids:
            return {}
        query = f"""
            SELECT key, number, state, parameters, digest FROM calls JOIN inputs USING ({self._join})
            WHERE run = ? AND key IN ({", ".join("?" * len(ids))})
        """
        found = await self._fetch(query, self._run, *ids)
        return {
            key: FoundCall(number, state, json.loads(parameters or "{}"), digest)
            for key, number, state, parameters, digest in found
        }

    async def last_activity(self, before: float | None) -> float:
        """Return the time of the last call or end of one, before `before` if given; 0 if there is none."""
        ((latest,),) = await self._fetch(LAST_ACTIVITY, self._run, self._run, math.inf if before is None else before)
        return float(latest or 0)

    async def last_done(self, limit: int) -> Sequence[tuple[int, str]]:
        """Return number and id of the calls that were done last, at most `limit`, ordered by their end."""
        return [(number, key) for number, key in await self._fetch(LAST_DONE, self._run, limit)]

    async def count_answered(self, limit: int) -> int:
        """Count calls that succeeded, up to `limit`; without those found by reconciliation."""
        ((answered,),) = await self._fetch(ANSWERED, self._run, limit)
        return int(answered)

    async def rejects(self) -> AsyncIterator[Reject]:
        """Yield the rejects in input order."""
        last = 0
        while page := await self._fetch(REJECTS, self._run, last):
            for last, place, text, reason in page:  # noqa: B007 - the page's end is where the next begins
                yield Reject(place=place, text=text, reason=reason)

    async def duplicates(self) -> AsyncIterator[Duplicate]:
        """Yield the duplicates in input order."""
        query = f"""
            SELECT skipped_inputs.rowid, skipped_inputs.place, number, inputs.place, skipped_inputs.columns
            FROM skipped_inputs JOIN inputs USING ({self._join})
            WHERE run = ? AND skipped_inputs.rowid > ? AND reason IS NULL ORDER BY skipped_inputs.rowid LIMIT {PAGE}
        """
        last = 0
        while page := await self._fetch(query, self._run, last):
            for last, place, number, first, columns in page:  # noqa: B007 - the page's end is where the next begins
                yield Duplicate(place=place, number=number, first=first, columns=json.loads(columns))

    async def unresolved_credits(self) -> float:
        """Return how many credits are reserved for attempts that may have been charged."""
        ((counted,),) = await self._fetch(UNRESOLVED, self._run, self._run)
        return float(counted)

    async def unlisted_calls(self, limit: int, *, place: str | None = None) -> Sequence[UnattributedCall]:
        """Return the charged calls that no transaction names yet, of the latest first, at most `limit`."""
        where, places = ("true", ()) if place is None else ("place = ?", (place,))
        found = await self._fetch(self._unlisted_query.format(where=where), self._run, *places, limit)
        return [
            UnattributedCall(
                number=number,
                remote_ids=tuple(json.loads(ids)),
                settled=ChargedCalls(model=model, estimated=estimated, cost=cost, source=decode_source(source)),
            )
            for number, model, estimated, cost, source, ids in reversed(found)
        ]

    async def read_whole(self) -> CompletedRead | None:
        """Return the file that was read to its end; None unless it has every call that may still be bought.

        It is also None while a call needs its parameters from the file, as they were deleted.
        """
        query = f"SELECT 1 FROM calls WHERE run = ? AND {LACKS_PARAMETERS} LIMIT 1"
        if await self._fetch(query, self._run):
            return None
        return parse_completed_read(await self.read_note(READ_WHOLE_NOTE))

    async def read_note(self, name: str) -> JSON:
        """Return the note with this name; None if there is none."""
        found = await self._fetch("SELECT value FROM notes WHERE run = ? AND name = ?", self._run, name)
        return json.loads(found[0][0]) if found else None

    async def notes(self) -> Mapping[str, JSON]:
        """Return all notes."""
        found = await self._fetch("SELECT name, value FROM notes WHERE run = ?", self._run)
        return {name: json.loads(value) for name, value in found}
