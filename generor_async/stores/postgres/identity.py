"""Which database it is: after a failover, or from a backup, it may lack what was committed.

A server has an identifier of its own, and a timeline that grows with each promotion and each recovery to a point in
time (https://www.postgresql.org/docs/current/continuous-archiving.html). A run keeps both, and every transaction that
writes an intent compares them, as a pooler may connect to another server between two of them.

Where the functions that tell them may not be called, what can't be read counts as unchanged.
"""

from typing import Any, Final, Self

import psycopg
from attrs import frozen

from generor_async.stores.postgres.database import Connection
from generor_async.stores.postgres.writer import Transaction

__all__ = ["Identity"]

SYSTEM: Final = "SELECT system_identifier::text FROM pg_control_system()"
TIMELINE: Final = (
    "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)",  # as of now
    "SELECT lpad(upper(to_hex(timeline_id)), 8, '0') FROM pg_control_checkpoint()",  # as of the last checkpoint
)
POSITION: Final = "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::text"
READ_RUN: Final = "SELECT system, timeline FROM generor.runs WHERE run = %s"
NOTHING: Final = "NULL::text"


@frozen
class Identity:
    """What tells one server, and one history of it, from another."""

    system: str | None
    timeline: str | None
    query: str
    """SQL that reads both, with the rights that this user has."""
    position: str
    """SQL that reads how far the log of changes has reached the disk, as text."""

    @classmethod
    async def of(cls, connection: Connection) -> Self:
        """Read the identity of the server, within a transaction."""
        system_query, system = await _first(connection, [SYSTEM])
        timeline_query, timeline = await _first(connection, TIMELINE)
        position_query, _ = await _first(connection, [POSITION])
        return cls(system, timeline, f"SELECT ({system_query}), ({timeline_query})", position_query)

    async def check(self, transaction: Transaction, run: int) -> str | None:
        """Say so if the server isn't the one that a run was written to."""
        expected = await transaction.send(READ_RUN, run)
        found = await transaction.send(self.query)
        for before, now in zip((await transaction.rows(expected))[0], (await transaction.rows(found))[0], strict=True):
            if before is not None and now is not None and before != now:
                return "is another server, or another history of it, than the run was written to"
        return None


async def _first(connection: Connection, queries: Any) -> tuple[str, str | None]:
    """Return the first of these queries that may be asked, and its result."""
    for query in queries:
        try:
            async with connection.transaction():
                cursor = await connection.execute(query.encode())
                ((found,),) = await cursor.fetchall()
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState):
            continue
        return query, found
    return f"SELECT {NOTHING}", None
