"""Queries and sums over what the attempts of a run have cost, or may have cost."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping
from itertools import chain
from typing import Any, Final

from generor_async.rules.charges import CostSource
from generor_async.stores.records import COST_SOURCES
from generor_async.stores.sqlite.accounts import change_accounts, update_accounts
from generor_async.stores.sqlite.tables import ATTEMPTS
from generor_async.stores.steps import dump_json

__all__ = ["FAILED_WITH_CODE", "UNLISTED", "correct_costs", "count_charges", "refund"]

FAILED_WITH_CODE: Final = """
    run = ? AND +state IN ('failed', 'ready') AND cost IS NULL AND counted > 0
    AND json_extract(problem, '$.code') IN (SELECT value FROM json_each(?))
"""
"""Selects attempts that failed with one of these failure codes, and whose cost isn't known."""
CHARGED: Final = tuple(
    f"SELECT {{}} FROM {table} WHERE run = ? AND {which} AND model IS NOT NULL"
    " AND NOT (state IN ('ready', 'failed') AND cost = 0)"
    for table, which in (("calls", "(cost IS NOT NULL OR state = 'done')"), ("attempts", "cost IS NOT NULL"))
)
"""Selects attempts that were charged; the column `cost_source` is an index of COST_SOURCES."""
CHARGE_KEY: Final = "model, estimated, cost_source, cost"
CHARGE_COUNT: Final = "count(*) FILTER (WHERE model = ? AND estimated = ? AND cost_source = ? AND cost IS ?)"
MAX_GROUPS: Final = 8
"""Up to this many groups are counted in SQLite, which takes half the time; more are counted in Python."""
UNLISTED: Final = f"""
SELECT number, model, estimated, cost, cost_source, remote_ids FROM calls JOIN inputs USING (number)
WHERE +run = ? AND (cost IS NOT NULL OR state = 'done') AND +state <> 'ready' AND remote_ids IS NOT NULL
    AND cost_source < {COST_SOURCES.index("listed")} AND {{where}}
ORDER BY number DESC LIMIT ?
"""


def count_charges(begun: sqlite3.Cursor, run: str) -> Mapping[tuple[Any, ...], int]:
    """Count the charged attempts by model, estimate, source and cost; end the transaction that has begun."""
    connection, found = begun.connection, Counter[tuple[Any, ...]]()
    try:
        for charged in CHARGED:
            distinct = f"{charged.format(f'DISTINCT {CHARGE_KEY}')} LIMIT {MAX_GROUPS + 1}"
            groups = connection.execute(distinct, (run,)).fetchall()
            if len(groups) > MAX_GROUPS:
                found.update(connection.execute(charged.format(CHARGE_KEY), (run,)))
            elif groups:
                counted = charged.format(", ".join([CHARGE_COUNT] * len(groups)))
                counts = connection.execute(counted, [*chain(*groups), run]).fetchone()
                found.update(dict(zip(groups, counts, strict=True)))
    finally:
        connection.execute("COMMIT")
    return found


def refund(connection: sqlite3.Connection, run: str, codes: Collection[str]) -> None:
    """Set the cost of attempts that failed with one of these failure codes to nothing."""
    given = run, dump_json(list(codes))
    for table in ATTEMPTS:
        sums = f"SELECT accounts, total(counted) FROM {table} WHERE {FAILED_WITH_CODE} AND accounts IS NOT NULL"
        found = connection.execute(f"{sums} GROUP BY accounts", given).fetchall()
        change_accounts(connection, [(accounts, -counted, 0.0) for accounts, counted in found])
        connection.execute(f"UPDATE {table} SET cost = 0, counted = 0 WHERE {FAILED_WITH_CODE}", given)


def correct_costs(connection: sqlite3.Connection, costs: Mapping[int, float], source: CostSource) -> None:
    """Replace the costs of calls."""
    with update_accounts(connection, costs):
        connection.executemany(
            "UPDATE calls SET cost = ?, counted = ?, cost_source = ? WHERE number = ?",
            [(cost, cost, COST_SOURCES.index(source), number) for number, cost in costs.items()],
        )
