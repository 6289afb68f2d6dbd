"""Finds new rows of an input that ask for what a run has already, under another id or to be made another way."""

from collections.abc import AsyncIterable
from contextlib import aclosing, closing
from typing import Any, Final

from attrs import evolve

from generor_async.batch.duplicates import RowDeduplicator
from generor_async.batch.inputs import read_rows
from generor_async.batch.journal import RunPlace
from generor_async.batch.parameters import request_key
from generor_async.batch.spec import BatchSpec
from generor_async.errors import BuysAgainError
from generor_async.rules.row_states import ROW_STATES, RowState
from generor_async.stores.ledger import LedgerReader
from generor_async.stores.records import NewRow

__all__ = ["buys_again_error", "count_rebuys", "is_read_once", "refuse_rebuys"]

BOUGHT_STATES: Final[tuple[RowState, ...]] = tuple(state for state in ROW_STATES if state != "failed")
"""States of rows that were bought or will be."""


async def refuse_rebuys(spec: BatchSpec, reader: LedgerReader) -> None:
    """Read all rows, and raise BuysAgainError if a run would buy again what it has; adds nothing.

    Workers take a row as soon as it is added: only what is found before that is surely not bought. Rows that can be
    read only once are not read here.
    """
    if spec.again or (spec.source is None and is_read_once(spec.rows)) or not any((await reader.counts()).values()):
        return
    version: Any = await reader.read_note("fingerprint")
    parameters = evolve(spec.parameters, version=version or 1)
    rows = spec.source or spec.rows
    assert rows is not None
    with closing(RowDeduplicator(parameters, allowed=spec.allow_duplicates)) as seen:
        async with aclosing(read_rows(rows, parameters, notices=spec.notices, keep=True)) as pages:
            async for page in pages:
                new = [row for row in await seen.assign_ids(page) if isinstance(row, NewRow)]
                known = await reader.find([row.id for row in new])
                for row in new:
                    if row.id not in known:
                        seen.add_request(request_key(spec.operation, row.parameters), row.place)
        count, first = await count_rebuys(seen, reader, spec.operation)
    if count:
        raise buys_again_error(spec.place, count, first)


async def count_rebuys(seen: RowDeduplicator, reader: LedgerReader, operation: str) -> tuple[int, str]:
    """Return how many of the new rows seen ask for what a run has, and the place of one; empty if there is none."""
    count, first = 0, ""
    async for row in reader.scan(*BOUGHT_STATES):
        key = row.request_key
        if key is None:
            key = request_key(operation, row.parameters)
        rows, place = seen.take_rebuys(row.id, key)
        count, first = count + rows, first or place
    return count, first


def is_read_once(rows: object) -> bool:
    """Tell whether rows from Python are an iterator, which can be read only once."""
    return (aiter(rows) if isinstance(rows, AsyncIterable) else iter(rows)) is rows  # type: ignore[call-overload]


def buys_again_error(place: RunPlace, rows: int, first: str) -> BuysAgainError:
    """Return the error for rows that request what a run has; `first` is the place of the first of them."""
    return BuysAgainError(
        "rows",
        f"{place} has already what {'a row asks' if rows == 1 else f'{rows:,} rows ask'} for, under another id or to"
        f" be made another way, such as {first}: running them would buy it again",
        advice="Run the same rows with the same parameters to go on with that run, give another"
        f" {place.noun} for another run, or say that they are to be bought again (again=True, --again)",
    )
