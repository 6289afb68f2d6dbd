"""Decodes calls as the tables of a store have them."""

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from generor_async.rules.charges import CostSource
from generor_async.stores.records import COST_SOURCES, AccountKey, CallRecord
from generor_async.values import JSON

__all__ = ["decode_calls", "decode_column", "decode_source", "dump_keys", "sort_keys"]

JSON_COLUMNS: Final = (2, 17, 18, 20, 21, 22, 27)
"""Those that hold JSON: parameters, accounts, remote_ids, result, problem, columns and context."""


def decode_calls(rows: Iterable[tuple[Any, ...]]) -> list[CallRecord]:
    """Return the calls of a result; each JSON column is decoded for all at once, which is faster.

    The columns are in the order of CallRecord's fields: those of `calls`, `inputs`, and two sums over `attempts`.
    """
    found = list(rows)
    read = zip(found, *(decode_column(found, column) for column in JSON_COLUMNS), strict=True)
    return [_decode_call(row, *loaded) for row, *loaded in read]


def _decode_call(
    found: tuple[Any, ...],
    given: Any,
    accounts: Any,
    ids: Any,
    result: JSON,
    problem: JSON,
    columns: Any,
    context: JSON,
) -> CallRecord:
    (
        number, key, text, place, state, attempt, owner, request_id, submitted_at, longest, model, estimated,
        counted, charged_before, unresolved_before, cost, source, _, _, ended_at, _, _, _, digest, request_key,
        operation, user, _,
    ) = found  # fmt: skip
    return CallRecord(
        number=number,
        id=key,
        parameters=given or {},
        place=place,
        state=state,
        attempt=attempt,
        owner=owner,
        request_id=request_id,
        submitted_at=submitted_at,
        longest=longest,
        model=model,
        estimated=estimated,
        counted=counted,
        charged_before=charged_before,
        unresolved_before=unresolved_before,
        accounts=tuple((scope, period) for scope, period in accounts or ()),
        cost=cost,
        cost_source=decode_source(source),
        remote_ids=tuple(ids or ()),
        ended_at=ended_at,
        result=result,
        problem=problem,
        columns=columns or {},
        text=text or "",
        digest=digest,
        request_key=request_key,
        operation=operation,
        user=user,
        context=context,
    )


def decode_source(index: int) -> CostSource:
    """Return the source of a cost by its index, as the column `cost_source` has it."""
    return COST_SOURCES[index]


def decode_column(found: Sequence[tuple[Any, ...]], column: int) -> list[Any]:
    """Decode a JSON column of many rows at once."""
    loaded: list[Any] = json.loads(f"[{','.join([row[column] or 'null' for row in found])}]")
    return loaded


@lru_cache(maxsize=1024)
def dump_keys(keys: tuple[AccountKey, ...]) -> str | None:
    """Return the accounts of a call as the column `accounts` has them."""
    return json.dumps(keys, separators=(",", ":")) if keys else None


@lru_cache(maxsize=1024)
def sort_keys(keys: tuple[AccountKey, ...]) -> tuple[AccountKey, ...]:
    """Return accounts in the order in which all reserve on them, each once."""
    return tuple(sorted(set(keys)))
