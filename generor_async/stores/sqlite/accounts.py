"""Reserves and settles the money of calls on accounts, within a transaction of the caller.

An account holds exactly what its calls count (`calls.counted` and `attempts.counted`): calls whose cost isn't known and
that aren't done count as reserved, all others as spent.
"""

import json
import sqlite3
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from generor_async.stores.records import Account, AccountKey
from generor_async.stores.steps import dump_credits

__all__ = [
    "IS_RESERVED",
    "add_accounts",
    "change_accounts",
    "find_account",
    "open_account",
    "prune_accounts",
    "reserve",
    "set_spent",
    "sum_changes",
    "update_accounts",
]

ROUNDING: Final = 1e-6
"""Rounding error of sums, in credits."""

IS_RESERVED: Final = "cost IS NULL AND state <> 'done'"
"""Selects attempts that count as reserved."""
_SUMS: Final = f"""
    total(counted) FILTER (WHERE {IS_RESERVED}), total(counted) FILTER (WHERE NOT ({IS_RESERVED}))
"""
_SUM: Final = f"""
    SELECT accounts, {_SUMS} FROM {{}}
    WHERE number IN (SELECT value FROM json_each(?)) AND accounts IS NOT NULL GROUP BY accounts
"""
_SUM_SETTLED: Final = f"""
    SELECT accounts, {_SUMS}, total(ifnull(value, counted))
    FROM json_each(?) CROSS JOIN calls ON number = json_each.key WHERE accounts IS NOT NULL GROUP BY accounts
"""
_FIND: Final = "SELECT scope, period, cap, reserved, spent FROM accounts WHERE scope = ? AND period = ?"
_ADD: Final = "INSERT INTO accounts (scope, period, reserved) VALUES (?, ?, ?)"
_OPEN: Final = """
    INSERT INTO accounts (scope, period, cap) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET cap = excluded.cap
"""
_RESERVE: Final = f"""
    UPDATE accounts SET reserved = reserved + ? WHERE scope = ? AND period = ?
    AND (cap IS NULL OR reserved + spent + ? <= cap + {ROUNDING})
"""
_CHANGE: Final = "UPDATE accounts SET reserved = reserved + ?, spent = spent + ? WHERE scope = ? AND period = ?"

_PRUNE: Final = "DELETE FROM accounts WHERE period >= ? AND period < ?"

Keys: TypeAlias = Sequence[AccountKey]


def find_account(connection: sqlite3.Connection, key: AccountKey) -> Account | None:
    """Return an account; None if there is none."""
    found = connection.execute(_FIND, key).fetchone()
    return None if found is None else Account(*found)


def open_account(connection: sqlite3.Connection, key: AccountKey, cap: float | None) -> Account:
    """Create an account, or change its cap; return it."""
    connection.execute(_OPEN, (*key, cap))
    return Account(*connection.execute(_FIND, key).fetchone())


def add_accounts(connection: sqlite3.Connection, keys: Iterable[AccountKey]) -> None:
    """Create those of these accounts that don't exist, without a cap."""
    connection.executemany("INSERT INTO accounts (scope, period) VALUES (?, ?) ON CONFLICT DO NOTHING", list(keys))


def prune_accounts(connection: sqlite3.Connection, first: str, last: str) -> int:
    """Delete the accounts whose period is from `first` to before `last`; return how many there were."""
    return connection.execute(_PRUNE, (first, last)).rowcount


def set_spent(connection: sqlite3.Connection, key: AccountKey, spent: float) -> None:
    """Replace what an account has spent."""
    connection.execute("UPDATE accounts SET spent = ? WHERE scope = ? AND period = ?", (spent, *key))


def reserve(connection: sqlite3.Connection, keys: Keys, amount: float) -> Account | None:
    """Reserve credits on all accounts; return the first that has no room: the caller then rolls back to before."""
    for key in keys:
        if connection.execute(_RESERVE, (amount, *key, amount)).rowcount:
            continue
        if (full := find_account(connection, key)) is not None:
            return full
        connection.execute(_ADD, (*key, amount))
    return None


def sum_changes(
    connection: sqlite3.Connection, counts: Iterable[tuple[int, float | None]]
) -> list[tuple[str, float, float]]:
    """Return how accounts change when what these calls count becomes spent, before the calls themselves are changed.

    `counts` are numbers of calls, with the new values of `counted`; None if it stays.
    """
    members = ",".join([f'"{number}":{dump_credits(counted)}' for number, counted in counts])
    found = connection.execute(_SUM_SETTLED, (f"{{{members}}}",)).fetchall()
    return [(accounts, -reserved, new - spent) for accounts, reserved, spent, new in found]


@contextmanager
def update_accounts(
    connection: sqlite3.Connection, numbers: Collection[int], *, tables: Sequence[str] = ("calls",)
) -> Generator[None]:
    """Bring accounts up to date with what the attempts of these calls in these tables count after the block."""
    chosen = json.dumps(list(numbers))

    def sums() -> list[tuple[str, float, float]]:
        return [found for table in tables for found in connection.execute(_SUM.format(table), (chosen,))]

    before = sums()
    yield
    change_accounts(connection, [(accounts, -reserved, -spent) for accounts, reserved, spent in before])
    change_accounts(connection, sums())


def change_accounts(connection: sqlite3.Connection, changes: Iterable[tuple[str, float, float]]) -> None:
    """Add to what accounts have reserved and spent: tuples of a value of the column `accounts` and the two amounts."""
    for accounts, reserved, spent in changes:
        if reserved or spent:
            keys: list[Any] = json.loads(accounts)
            connection.executemany(_CHANGE, [(reserved, spent, *key) for key in keys])
