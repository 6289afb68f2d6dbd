"""Makes rows ready again that failed or are unknown, as the user asks."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from generor_async.batch.journal import To, open_journal, open_reader, place_of
from generor_async.batch.run_key import read_key
from generor_async.errors import InvalidRequestError
from generor_async.rules.row_states import Release, RowState
from generor_async.stores.ledger import Ledger
from generor_async.stores.records import CallRecord
from generor_async.values import JSON

__all__ = ["make_ready"]

IDS_NAMED: Final = 5
"""How many ids an error names at most."""


async def make_ready(
    to: To,
    *,
    name: str | None = None,
    failed: bool = False,
    unknown: bool = False,
    ids: Collection[str] = (),
    take_over: bool = False,
) -> int:
    """Make rows ready for the next run, and return how many.

    `failed` and `unknown` choose all rows in that state; `ids` chooses these rows, which must have failed, or be
    unknown if `unknown` is set.

    Raises:
        InvalidRequestError: No such row has one of the ids; no row is changed.
    """
    place = place_of(to, name)
    reader = await open_reader(place)
    try:
        key = await read_key(reader)
    finally:
        await reader.close()
    assert key is not None
    is_chosen: Mapping[RowState, bool] = {"failed": failed or bool(ids), "unknown": unknown}
    states: list[RowState] = [state for state, wanted in is_chosen.items() if wanted]
    journal = await open_journal(place, key=key, take_over=take_over)
    try:
        chosen = frozenset(ids)
        if chosen:
            await _check_ids(journal, chosen, states)
        rows = 0
        async for row in journal.scan(*states):
            if not chosen or row.id in chosen:
                # What it may have cost stays counted.
                await journal.release(row, Release(at=row.ended_at or 0.0, problem=_retry_problem(row), cost=None))
                rows += 1
        if rows and place.lease is not None:
            await journal.write_note("ending", None)  # so that workers go on with it
        return rows
    finally:
        await journal.close()


async def _check_ids(journal: Ledger, ids: frozenset[str], states: Collection[RowState]) -> None:
    """Raise InvalidRequestError for ids without a row in these states."""
    found: dict[str, RowState] = {row.id: row.state async for row in journal.scan() if row.id in ids}
    if unknown := [id_ for id_, state in found.items() if state == "unknown" and "unknown" not in states]:
        advice = "Say unknown as well (--unknown) to have them run again all the same"
        raise InvalidRequestError("id", f"{_join_ids(unknown)} may have been charged, and nobody knows", advice=advice)
    if missing := sorted(ids - found.keys()):
        advice = "Give the ids that `export` shows"
        raise InvalidRequestError("id", f"there is no row {_join_ids(missing)}", advice=advice)
    if others := [f"{id_!r} is {found[id_]}" for id_ in sorted(ids) if found[id_] not in states]:
        advice = "Leave them out: rows that failed, or are unknown, can be run again"
        raise InvalidRequestError("id", ", ".join(others[:IDS_NAMED]), advice=advice)


def _join_ids(ids: list[str]) -> str:
    more = f" and {len(ids) - IDS_NAMED:,} more" if len(ids) > IDS_NAMED else ""
    return f"{', '.join(map(repr, ids[:IDS_NAMED]))}{more}"


def _retry_problem(row: CallRecord) -> JSON:
    """Return why a row is ready again, with its earlier failure code: that tells whether it is refunded."""
    before: Any = row.problem or {}
    return {"message": "the user had it run again", **({"code": before["code"]} if "code" in before else {})}
