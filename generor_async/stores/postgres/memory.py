"""What a process has seen of a database, by which it notices that it has become an earlier state of itself.

A backup that is restored without a recovery to a point in time has the identifier and the timeline of what it replaces.
But the server's log of changes is shorter then, or the numbers of this owner's transactions are lower, than they were.
Only a process that has seen the later state can tell; where the log has grown as long again, only by its own numbers.
It notes it for all others, and for those that come after it.

The log's position is that of what has reached the disk, which a crash doesn't set back.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from psycopg import AsyncCursor

from generor_async.stores.postgres.writer import Transaction

__all__ = ["Memory", "accept"]

LOOK: Final = """
    SELECT ({position})::float8,
        (SELECT value::float8 FROM generor.notes WHERE run = %s AND name = 'accepted'),
        EXISTS (SELECT FROM generor.notes WHERE run = %s AND name = 'noticed'),
        ARRAY(SELECT coalesce(last, -1) FROM unnest(%s::integer[]) AS given (lane)
            LEFT JOIN generor.commits ON owner = %s AND commits.lane = given.lane ORDER BY given.lane)
"""
NOTICE: Final = "INSERT INTO generor.notes VALUES (%s, 'noticed', 'true') ON CONFLICT DO NOTHING"
"""Notes that somebody has seen more than the database has."""
FORGET_NOTICE: Final = "DELETE FROM generor.notes WHERE run = %s AND name = 'noticed'"
ACCEPT: Final = """
    INSERT INTO generor.notes VALUES (%s, 'accepted', extract(epoch FROM clock_timestamp())::text)
    ON CONFLICT (run, name) DO UPDATE SET value = excluded.value
"""
EARLIER: Final = "lacks what was written to it: it is an earlier state, as from a backup"
UNKNOWN: Final = -1
"""Stands for the number of an owner's transactions whose row is gone, as those of a long absent one are."""


async def accept(transaction: Transaction, run: int) -> None:
    """Note that somebody goes on with the database as it is, whatever was noticed."""
    await transaction.send(FORGET_NOTICE, run)
    await transaction.send(ACCEPT, run)


class Memory:
    """Remembers what was seen last."""

    def __init__(self, position: str, run: int, owner: int, committed: Callable[[], Sequence[int]]) -> None:
        self._query = LOOK.format(position=position)
        self._run = run
        self._owner = owner
        self._committed = committed
        """Returns the numbers of this owner's latest transactions, by lane."""
        self._position = -math.inf
        self._accepted = -math.inf
        self._numbers: Sequence[int] = ()
        """The numbers up to which somebody has accepted that they are missing."""

    async def look(self, transaction: Transaction) -> tuple[Sequence[int], AsyncCursor[tuple[Any, ...]]]:
        """Ask what there is now, without waiting for it; return it with what must be there."""
        known = self._committed()
        return known, await transaction.send(self._query, self._run, self._run, list(range(len(known))), self._owner)

    async def judge(
        self, transaction: Transaction, looked: tuple[Sequence[int], AsyncCursor[tuple[Any, ...]]]
    ) -> str | None:
        """Say so if what was found is earlier than what was there before, by what this or another process has seen."""
        known, cursor = looked
        ((position, accepted, noticed, numbers),) = await transaction.rows(cursor)
        position = -math.inf if position is None else position  # it may not be read
        accepted = 0.0 if accepted is None else accepted
        if noticed:
            return EARLIER
        if accepted > self._accepted:
            self._position, self._accepted, self._numbers = position, accepted, known
            return None
        is_missing = any(
            found != UNKNOWN and found < number > seen
            for found, number, seen in zip(numbers, known, self._numbers, strict=True)
        )
        if is_missing or position < self._position:
            await transaction.send(NOTICE, self._run)
            return EARLIER
        self._position = position
        return None
