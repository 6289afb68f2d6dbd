"""Adds the rows of an input to a run, and finds those that it has already.

Whoever adds rows locks the run: calls are numbered one after the other, and no id is added twice.
"""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

from psycopg import errors

from generor_async.stores.ledger import READ_WHOLE_NOTE, RequestRules
from generor_async.stores.new_rows import KnownCall, MatchedRows, Reading, dump_columns, match_rows
from generor_async.stores.postgres.content import delete_parameters, restore_parameters
from generor_async.stores.postgres.writer import Transaction
from generor_async.stores.records import NewRow, Reject

__all__ = ["add_calls", "add_rejects", "begin_reading", "complete_reading", "delete_unread", "discard_unclaimed"]

PAGE: Final = 10_000
"""Numbers read at a time."""
CHOSEN: Final = "run = %s AND number = ANY(%s::bigint[])"
LOCK_RUN: Final = "SELECT last_number FROM generor.runs WHERE run = %s FOR UPDATE"
FIND_BY_KEY: Final = """
    SELECT key, number, parameters, place, state, digest FROM generor.calls JOIN generor.inputs USING (run, number)
    WHERE run = %s AND key = ANY(%s::text[])
"""
INSERT_CALLS: Final = """
    INSERT INTO generor.calls (run, number, key, state)
    SELECT %s, number, key, 'ready' FROM unnest(%s::bigint[], %s::text[]) AS given (number, key)
"""
INSERT_INPUTS: Final = """
    INSERT INTO generor.inputs (run, number, place, parameters, columns)
    SELECT %s, given.* FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS given
"""
UPDATE_PLACES: Final = """
    UPDATE generor.inputs AS known SET place = given.place
    FROM unnest(%s::bigint[], %s::text[]) AS given (number, place)
    WHERE known.run = %s AND known.number = given.number
"""
UPDATE_COLUMNS: Final = """
    UPDATE generor.inputs AS known SET columns = given.columns
    FROM unnest(%s::bigint[], %s::text[]) AS given (number, columns)
    WHERE known.run = %s AND known.number = given.number AND known.columns IS DISTINCT FROM given.columns
"""
INSERT_SKIPPED: Final = """
    INSERT INTO generor.skipped_inputs (run, place, number, columns, text, reason)
    SELECT %s, given.* FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[]) AS given
"""
NEVER_CALLED: Final = """
    request_id IS NULL AND NOT EXISTS (
        SELECT 1 FROM generor.attempts WHERE attempts.run = calls.run AND attempts.number = calls.number
    )
"""
"""Selects ready calls that were never submitted; they can be deleted."""

IsRebuy = Callable[[NewRow, frozenset[int]], bool]
"""Tells of a new row, and the numbers of the rows that arrive with it, whether it buys again what the run has."""


async def begin_reading(transaction: Transaction, run: int, rules: RequestRules) -> Reading:
    """Begin to read: delete rejects, duplicates, and the note of a file that was read whole."""
    await transaction.send("DELETE FROM generor.notes WHERE run = %s AND name = %s", run, READ_WHOLE_NOTE)
    await transaction.send("DELETE FROM generor.skipped_inputs WHERE run = %s", run)
    ((last,),) = await transaction.fetch("SELECT last_number FROM generor.runs WHERE run = %s", run)
    return Reading(rules, last)


async def add_calls(
    transaction: Transaction, rows: Sequence[NewRow], run: int, reading: Reading, is_rebuy: IsRebuy | None
) -> MatchedRows:
    """Add rows as ready; those whose id exists are known, or duplicates of this reading."""
    locked = await transaction.send(LOCK_RUN, run)
    found = await transaction.send(FIND_BY_KEY, run, [row.id for row in rows])
    ((last,),) = await transaction.rows(locked)
    known = {key: KnownCall(*call) for key, *call in await transaction.rows(found)}
    states = {call.number: call.state for call in known.values()}
    arriving = frozenset(states)
    withheld = [] if is_rebuy is None else [row for row in rows if row.id not in known and is_rebuy(row, arriving)]
    matched = match_rows(rows, known, reading, last, withheld)
    await _insert_new(transaction, run, matched)
    await _update_known(transaction, run, reading, matched, states)
    return matched


async def _insert_new(transaction: Transaction, run: int, matched: MatchedRows) -> None:
    new, numbers = matched.new, list(matched.numbers)
    if new:
        places, texts = [row.place for row in new], [row.text for row in new]
        columns = [dump_columns(row.columns) for row in new]
        await transaction.send(INSERT_CALLS, run, numbers, [row.id for row in new])
        await transaction.send(INSERT_INPUTS, run, numbers, places, texts, columns)
        await transaction.send("UPDATE generor.runs SET last_number = %s WHERE run = %s", numbers[-1], run)


async def _update_known(
    transaction: Transaction, run: int, reading: Reading, matched: MatchedRows, states: dict[int, Any]
) -> None:
    """Update calls that the run has already, and add duplicates of them."""
    changed = sorted(matched.parameters.keys() & states.keys())
    if changed:
        lock = f"SELECT number, state FROM generor.calls WHERE {CHOSEN} ORDER BY number FOR UPDATE"
        if any(states[number] != state for number, state in await transaction.fetch(lock, run, changed)):
            raise errors.SerializationFailure("a call was moved while its row was read")
    await restore_parameters(transaction, run, matched.parameters.items())
    await delete_parameters(transaction, run, matched.left_out, reading.rules)
    for statement, values in ((UPDATE_PLACES, matched.places), (UPDATE_COLUMNS, matched.columns)):
        if values:
            await transaction.send(statement, [*values], [*values.values()], run)
    duplicates = [(one.place, one.number, json.dumps(dict(one.columns)), None, None) for one in matched.duplicates]
    await _replace_skipped(transaction, run, duplicates)


async def add_rejects(transaction: Transaction, run: int, rejects: Sequence[Reject]) -> None:
    """Add rejects; one from the same place is replaced."""
    await _replace_skipped(transaction, run, [(one.place, None, None, one.text, one.reason) for one in rejects])


async def _replace_skipped(transaction: Transaction, run: int, skipped: Sequence[tuple[Any, ...]]) -> None:
    """Add lines of the input that are no calls, in the place of those from the same places."""
    latest = dict[str, tuple[Any, ...]]()
    for values in skipped:
        latest.pop(values[0], None)
        latest[values[0]] = values
    if latest:
        places = [*latest]
        delete = "DELETE FROM generor.skipped_inputs WHERE run = %s AND place = ANY(%s::text[])"
        await transaction.send(delete, run, places)
        await transaction.send(INSERT_SKIPPED, run, *map(list, zip(*latest.values(), strict=True)))


async def discard_unclaimed(transaction: Transaction, run: int, reading: Reading) -> int:
    """Delete the calls that this reading has added and nobody has claimed; return how many."""
    chosen = "state = 'ready' AND attempt = 0 AND number > %s"
    pages = _numbers(transaction, run, chosen, (reading.last_before,))
    return sum(
        [
            len(
                await _delete_calls(
                    transaction, run, [number for number in page if number in reading.added], "attempt = 0"
                )
            )
            async for page in pages
        ]
    )


async def delete_unread(transaction: Transaction, run: int, reading: Reading) -> tuple[int, int]:
    """Delete ready calls that this reading has not seen; return how many were deleted, and how many were kept.

    Those that were submitted are kept.
    """
    deleted = kept = 0
    if not reading.is_complete:
        async for page in _numbers(transaction, run, "state = 'ready' AND number <= %s", (reading.last_before,)):
            unseen = [number for number in page if number not in reading.seen]
            gone = await _delete_calls(transaction, run, unseen, NEVER_CALLED)
            deleted += len(gone)
            kept += len(unseen) - len(gone)
    return deleted, kept


async def complete_reading(transaction: Transaction, run: int, reading: Reading, note: str) -> bool:
    """Note that a file was read whole, unless it lacks a call that may still be bought; tell whether it was noted.

    Only calls that are done stay so: users retry failed ones, and reconciliation may make unknown ones ready.
    """
    async for page in _numbers(transaction, run, "state <> 'done' AND number <= %s", (reading.last_before,)):
        if any(number not in reading.seen for number in page):
            return False
    await transaction.send(
        "INSERT INTO generor.notes VALUES (%s, %s, %s) ON CONFLICT (run, name) DO UPDATE SET value = excluded.value",
        run,
        READ_WHOLE_NOTE,
        note,
    )
    return True


async def _numbers(
    transaction: Transaction, run: int, chosen: str, arguments: tuple[object, ...]
) -> AsyncIterator[list[int]]:
    """Yield the numbers of a run's calls that are chosen, in pages."""
    query = f"SELECT number FROM generor.calls WHERE run = %s AND {chosen} AND number > %s ORDER BY number LIMIT {PAGE}"
    last = 0
    while page := await transaction.fetch(query, run, *arguments, last):
        yield [number for (number,) in page]
        last = page[-1][0]


async def _delete_calls(transaction: Transaction, run: int, numbers: Sequence[int], condition: str) -> list[int]:
    """Delete those of these ready calls that meet a condition, with their inputs; return their numbers."""
    if not numbers:
        return []
    ready = f"SELECT number FROM generor.calls WHERE {CHOSEN} AND state = 'ready'"
    query = f"{ready} AND {condition} ORDER BY number FOR UPDATE"
    found = [number for (number,) in await transaction.fetch(query, run, list(numbers))]
    for table in ("skipped_inputs", "inputs", "calls"):
        await transaction.send(f"DELETE FROM generor.{table} WHERE {CHOSEN}", run, found)
    return found
