"""Changes what the attempts of a run have cost."""

from collections.abc import Collection, Mapping
from typing import Final

from generor_async.rules.charges import CostSource
from generor_async.stores.postgres.accounts import accounts_updated
from generor_async.stores.postgres.writer import Transaction
from generor_async.stores.records import COST_SOURCES

__all__ = ["FAILED_WITH_CODE", "correct_costs", "refund"]

FAILED_WITH_CODE: Final = """
    run = %s AND state IN ('failed', 'ready') AND cost IS NULL AND counted > 0 AND code = ANY(%s::text[])
"""
"""Selects attempts that failed with one of these failure codes, and whose cost isn't known."""
TABLES: Final = ("calls", "attempts")
CORRECT: Final = """
    UPDATE generor.calls AS known SET cost = given.cost, counted = given.cost, cost_source = %s
    FROM unnest(%s::bigint[], %s::float8[]) AS given (number, cost) WHERE known.run = %s AND known.number = given.number
"""


async def refund(transaction: Transaction, run: int, codes: Collection[str]) -> None:
    """Set the cost of attempts that failed with one of these failure codes to nothing."""
    given = run, list(codes)
    found = [
        number
        for table in TABLES
        for (number,) in await transaction.fetch(
            f"SELECT DISTINCT number FROM generor.{table} WHERE {FAILED_WITH_CODE}", *given
        )
    ]
    async with accounts_updated(transaction, run, set(found), tables=TABLES):
        for table in TABLES:
            change = f"UPDATE generor.{table} SET cost = 0, counted = 0 WHERE {FAILED_WITH_CODE}"
            await transaction.send(f"{change} AND number = ANY(%s::bigint[])", *given, found)


async def correct_costs(transaction: Transaction, run: int, costs: Mapping[int, float], source: CostSource) -> None:
    """Replace the costs of calls."""
    async with accounts_updated(transaction, run, costs):
        amounts = [float(cost) for cost in costs.values()]
        await transaction.send(CORRECT, COST_SOURCES.index(source), [*costs], amounts, run)
