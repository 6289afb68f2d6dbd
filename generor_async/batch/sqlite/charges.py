"""Queries and sums over what the attempts of a journal have cost, or may have cost."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import chain
from typing import Any, Final

from generor_async.batch.journal import COST_SOURCES
from generor_async.batch.sqlite.steps import dump_json

__all__ = ["ATTEMPTS", "CORRECT_COST", "FAILED_WITH_CODE", "UNLISTED", "UNRESOLVED", "count_charges", "refund"]

ATTEMPTS: Final = ("rows", "earlier")
"""The tables that hold attempts."""
FAILED_WITH_CODE: Final = """
    +state IN ('failed', 'ready') AND cost IS NULL AND held > 0
    AND json_extract(problem, '$.code') IN (SELECT value FROM json_each(?))
"""
"""Selects attempts that failed with one of these failure codes, and whose cost isn't known."""
CHARGED: Final = tuple(
    f"SELECT {{}} FROM {table} WHERE {which} AND model IS NOT NULL AND NOT (state IN ('ready', 'failed') AND cost = 0)"
    for table, which in (("rows", "(cost IS NOT NULL OR state = 'done')"), ("earlier", "cost IS NOT NULL"))
)
"""Selects attempts that were charged; the column `alone` is the index of the cost's source in COST_SOURCES."""
CHARGE_KEY: Final = "model, estimated, alone, cost"
CHARGE_COUNT: Final = "count(*) FILTER (WHERE model = ? AND estimated = ? AND alone = ? AND cost IS ?)"
MAX_GROUPS: Final = 8
"""Up to this many groups are counted in SQLite, which takes half the time; more are counted in Python."""
UNRESOLVED: Final = """
SELECT
    (SELECT total(held) FROM rows WHERE model IS NOT NULL AND cost IS NULL AND state <> 'done')
    + (SELECT total(held) FROM earlier WHERE model IS NOT NULL AND cost IS NULL)
"""
UNLISTED: Final = f"""
SELECT number, model, estimated, cost, alone, remote_ids FROM rows
WHERE (cost IS NOT NULL OR state = 'done') AND remote_ids IS NOT NULL AND alone < {COST_SOURCES.index("listed")}
ORDER BY number DESC LIMIT ?
"""
CORRECT_COST: Final = "UPDATE rows SET cost = ?, held = ?, alone = ? WHERE number = ?"


def count_charges(begun: sqlite3.Cursor) -> Mapping[tuple[Any, ...], int]:
    """Count the charged attempts by model, estimate, source and cost; end the transaction that has begun."""
    connection, found = begun.connection, Counter[tuple[Any, ...]]()
    try:
        for charged in CHARGED:
            kinds = connection.execute(f"{charged.format(f'DISTINCT {CHARGE_KEY}')} LIMIT {MAX_GROUPS + 1}").fetchall()
            if len(kinds) > MAX_GROUPS:
                found.update(connection.execute(charged.format(CHARGE_KEY)))
            elif kinds:
                counted = charged.format(", ".join([CHARGE_COUNT] * len(kinds)))
                found.update(dict(zip(kinds, connection.execute(counted, [*chain(*kinds)]).fetchone(), strict=True)))
    finally:
        connection.execute("COMMIT")
    return found


def refund(connection: sqlite3.Connection, codes: Collection[str]) -> None:
    """Set the cost of attempts that failed with one of these failure codes to nothing."""
    for table in ATTEMPTS:
        connection.execute(f"UPDATE {table} SET cost = 0, held = 0 WHERE {FAILED_WITH_CODE}", (dump_json(list(codes)),))
