"""Writes whole calls and earlier attempts, of which other files tell after the ledger was lost."""

import json
from collections.abc import Sequence
from typing import Any, Final

from generor_async.stores.postgres.accounts import accounts_updated, add_accounts
from generor_async.stores.postgres.steps import dump_accounts
from generor_async.stores.postgres.writer import Transaction
from generor_async.stores.records import COST_SOURCES, CallRecord, canonical_json
from generor_async.stores.steps import dump_json
from generor_async.values import is_object

__all__ = ["restore_calls"]

COLUMNS: Final = (
    ("number", "bigint"), ("key", "text"), ("state", "text"), ("attempt", "int"), ("owner", "bigint"),
    ("request_id", "text"), ("submitted_at", "float8"), ("longest", "float8"), ("model", "text"),
    ("estimated", "float8"), ("accounts", "text"), ("counted", "float8"), ("cost", "float8"), ("cost_source", "int2"),
    ("remote_ids", "text"), ("ended_at", "float8"), ("result", "text"), ("problem", "text"), ("error", "text"),
    ("code", "text"), ("digest", "bigint"),
)  # fmt: skip
NAMES: Final = ", ".join(name for name, _ in COLUMNS)
INSERT: Final = f"""
    INSERT INTO generor.{{}} (run, {NAMES})
    SELECT %s, given.* FROM unnest({", ".join(f"%s::{kind}[]" for _, kind in COLUMNS)}) AS given
"""
UPSERT: Final = f"""
    {INSERT.format("calls")} ON CONFLICT (run, number) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name, _ in COLUMNS)}
"""
UPSERT_INPUTS: Final = """
    INSERT INTO generor.inputs (run, number, place, parameters, columns, request_key)
    SELECT %s, given.* FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[]) AS given
    ON CONFLICT (run, number) DO UPDATE SET place = excluded.place, parameters = excluded.parameters,
        columns = excluded.columns, request_key = excluded.request_key
"""
RAISE_LAST: Final = "UPDATE generor.runs SET last_number = greatest(last_number, %s) WHERE run = %s"


async def restore_calls(
    transaction: Transaction, run: int, calls: Sequence[CallRecord], attempts: Sequence[CallRecord]
) -> None:
    """Write calls in the place of those with their numbers, add earlier attempts, and bring accounts up to date."""
    latest = [*{call.number: call for call in calls}.values()]
    every = [*latest, *attempts]
    await add_accounts(transaction, {key for call in every for key in call.accounts})
    async with accounts_updated(transaction, run, {call.number for call in every}, tables=("calls", "attempts")):
        if latest:
            await transaction.send(RAISE_LAST, max(call.number for call in latest), run)
            await transaction.send(UPSERT, run, *_columns(map(_values, latest)))
            await transaction.send(UPSERT_INPUTS, run, *_columns(map(_input_values, latest)))
        if attempts:
            await transaction.send(INSERT.format("attempts"), run, *_columns(map(_values, attempts)))


def _columns(rows: Any) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _values(call: CallRecord) -> tuple[Any, ...]:
    """Return the values of a call, in the order of COLUMNS."""
    problem = call.problem if is_object(call.problem) else {}
    return (
        call.number,
        call.id,
        call.state,
        call.attempt,
        call.owner,
        call.request_id,
        _float(call.submitted_at),
        float(call.longest),
        call.model,
        float(call.estimated),
        dump_accounts(call.accounts),
        float(call.counted),
        _float(call.cost),
        COST_SOURCES.index(call.cost_source),
        dump_json(list(call.remote_ids)) if call.remote_ids else None,
        _float(call.ended_at),
        None if call.result is None else dump_json(call.result),
        None if call.problem is None else dump_json(call.problem),
        *(None if problem.get(name) is None else str(problem[name]) for name in ("error", "code")),
        call.digest,
    )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _input_values(call: CallRecord) -> tuple[Any, ...]:
    columns = json.dumps(dict(call.columns)) if call.columns else None
    text = None if call.digest is not None else call.text or canonical_json(call.parameters)
    return call.number, call.place, text, columns, call.request_key
