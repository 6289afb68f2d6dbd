"""Reserves and moves the money of calls on accounts, within a transaction of the caller.

Whoever changes calls and accounts locks the calls first, in the order of their numbers, and then the accounts, in
sorted order: so two transactions never wait for each other.
"""

import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from generor_async.stores.postgres.text import unescaped_keys
from generor_async.stores.postgres.writer import Transaction
from generor_async.stores.records import Account, AccountKey

__all__ = [
    "LOCK_CALLS",
    "accounts_updated",
    "add_accounts",
    "change_accounts",
    "decode_keys",
    "open_account",
    "prune_accounts",
    "set_spent",
]

IS_RESERVED: Final = "cost IS NULL AND state <> 'done'"
"""Selects attempts that count as reserved."""
GIVEN: Final = "SELECT * FROM unnest(%s::text[], %s::text[])"
IN_ORDER: Final = 'ORDER BY scope COLLATE "C", period COLLATE "C"'
LOCK_CALLS: Final = (
    "SELECT 1 FROM generor.calls WHERE run = %s AND number = ANY(%s::bigint[]) ORDER BY number FOR UPDATE"
)
LOCK_ACCOUNTS: Final = f"SELECT 1 FROM generor.accounts WHERE (scope, period) IN ({GIVEN}) {IN_ORDER} FOR UPDATE"
SUMS: Final = f"""
    SELECT accounts, coalesce(sum(counted) FILTER (WHERE {IS_RESERVED}), 0),
        coalesce(sum(counted) FILTER (WHERE NOT ({IS_RESERVED})), 0)
    FROM generor.{{}} WHERE run = %s AND number = ANY(%s::bigint[]) AND accounts IS NOT NULL GROUP BY accounts
"""
CHANGE: Final = """
    UPDATE generor.accounts AS known SET reserved = known.reserved + given.reserved, spent = known.spent + given.spent
    FROM unnest(%s::text[], %s::text[], %s::float8[], %s::float8[]) AS given (scope, period, reserved, spent)
    WHERE known.scope = given.scope AND known.period = given.period
"""
OPEN: Final = """
    INSERT INTO generor.accounts (scope, period, cap) VALUES (%s, %s, %s)
    ON CONFLICT (scope, period) DO UPDATE SET cap = excluded.cap RETURNING scope, period, cap, reserved, spent
"""

PRUNE: Final = f"""
    DELETE FROM generor.accounts WHERE (scope, period) IN (
        SELECT scope, period FROM generor.accounts
        WHERE period COLLATE "C" >= %s AND period COLLATE "C" < %s {IN_ORDER} FOR UPDATE
    ) RETURNING 1
"""


def decode_keys(accounts: str | None) -> tuple[AccountKey, ...]:
    """Return the accounts of a call from its column `accounts`."""
    return unescaped_keys(json.loads(accounts)) if accounts else ()


async def open_account(transaction: Transaction, key: AccountKey, cap: float | None) -> Account:
    """Create an account, or change its cap; return it."""
    (found,) = await transaction.fetch(OPEN, *key, cap)
    return Account(*found)


async def prune_accounts(transaction: Transaction, first: str, last: str) -> int:
    """Delete the accounts whose period is from `first` to before `last`; return how many there were."""
    return len(await transaction.fetch(PRUNE, first, last))


async def set_spent(transaction: Transaction, key: AccountKey, spent: float) -> None:
    """Replace what an account has spent."""
    await transaction.send("UPDATE generor.accounts SET spent = %s WHERE scope = %s AND period = %s", spent, *key)


async def add_accounts(transaction: Transaction, keys: Iterable[AccountKey]) -> None:
    """Create those of these accounts that don't exist, without a cap."""
    insert = f"INSERT INTO generor.accounts (scope, period) {GIVEN} ON CONFLICT DO NOTHING"
    await transaction.send(insert, *_columns(sorted(set(keys))))


async def change_accounts(transaction: Transaction, changes: Mapping[AccountKey, tuple[float, float]]) -> None:
    """Add to what accounts have reserved and spent."""
    moved = sorted((*key, *change) for key, change in changes.items() if any(change))
    if moved:
        scopes, periods, reserved, spent = map(list, zip(*moved, strict=True))
        await transaction.send(LOCK_ACCOUNTS, scopes, periods)
        await transaction.send(CHANGE, scopes, periods, reserved, spent)


@asynccontextmanager
async def accounts_updated(
    transaction: Transaction, run: int, numbers: Collection[int], *, tables: Sequence[str] = ("calls",)
) -> AsyncGenerator[None]:
    """Bring accounts up to date with what the attempts of these calls in these tables count after the block."""
    chosen = run, sorted(numbers)
    await transaction.send(LOCK_CALLS, *chosen)
    before = await _sums(transaction, tables, *chosen)
    yield
    after = await _sums(transaction, tables, *chosen)
    changes = dict[AccountKey, tuple[float, float]]()
    for key in before.keys() | after.keys():
        (reserved, spent), (reserved_before, spent_before) = after[key], before[key]
        changes[key] = reserved - reserved_before, spent - spent_before
    await change_accounts(transaction, changes)


async def _sums(
    transaction: Transaction, tables: Sequence[str], *chosen: Any
) -> defaultdict[AccountKey, tuple[float, float]]:
    """Return what the attempts of calls have reserved and spent, by account."""
    sums = defaultdict[AccountKey, tuple[float, float]](lambda: (0.0, 0.0))
    for table in tables:
        for accounts, reserved, spent in await transaction.fetch(SUMS.format(table), *chosen):
            for key in decode_keys(accounts):
                sums[key] = sums[key][0] + reserved, sums[key][1] + spent
    return sums


def _columns(keys: Sequence[AccountKey]) -> tuple[list[str], list[str]]:
    return [scope for scope, _ in keys], [period for _, period in keys]
