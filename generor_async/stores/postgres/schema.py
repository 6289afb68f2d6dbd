"""Makes and migrates the tables of a ledger, and finds a run in them.

`generor.meta` has the version of the tables, and the earliest one whose workers may go on with them. A migration that
only adds leaves the latter as it is. One that breaks raises it, and waits until no older worker holds a lease.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg

from generor_async.stores.ledger import OlderWorkersError, UnusableLedgerError
from generor_async.stores.postgres.database import Connection, Database, explain
from generor_async.stores.postgres.identity import Identity
from generor_async.stores.postgres.owners import ADD_OWNER, DATABASE_TIME
from generor_async.stores.postgres.tables import COMPATIBLE, MIGRATIONS, SCHEMA, TABLES
from generor_async.stores.postgres.writer import Owner, process_name

__all__ = [
    "add_owner",
    "explained",
    "fetch",
    "find_run",
    "migrate",
    "prepare",
    "read_version",
    "transaction",
]

LOCK: Final = "SELECT pg_advisory_xact_lock(7453018830531217)"
"""Whoever makes or migrates the tables holds this lock until the end of its transaction."""
LEAST_SERVER: Final = 140_000
"""PostgreSQL 14."""
META_EXISTS: Final = """
    SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'generor' AND tablename = 'meta')
"""
"""A look at the rows: `to_regclass` may still see, in the same transaction, that there was none."""
OWNER_BITS: Final = 62
"""Numbers of owners are drawn: a sequence that was set back by a failover would give one twice, to two that live."""
IDLE_SECONDS: Final = 5
"""A session that leaves a transaction alone for so long is ended by the server, and so lets go of its locks."""
SET_LOCAL: Final = f"""
    SELECT set_config('synchronous_commit', 'on', true), set_config('lock_timeout', %s, true),
        set_config('idle_in_transaction_session_timeout', '{IDLE_SECONDS}s', true)
"""
POLL_SECONDS: Final = 1.0
"""How often a migration that waits looks for older workers."""
OLDER_WORKERS: Final = f"""
    SELECT process, runs.name, owners.version FROM generor.owners JOIN generor.runs USING (run)
    WHERE owners.version < %s AND lease_until > {DATABASE_TIME} ORDER BY process
"""


async def prepare(database: Database, connection: Connection) -> None:
    """Make the tables if there are none; raise UnusableLedgerError if they can't be used, or must be migrated first."""
    async with explained(database, "used"):
        version, _ = await read_version(database, connection)
        if version < SCHEMA:
            await _upgrade(database, connection, waits=False)


async def migrate(database: Database, connection: Connection, *, wait: float) -> int:
    """Bring the tables to this package's version; return it.

    Raises:
        OlderWorkersError: A breaking migration still finds workers of an older version after `wait` seconds.
        UnusableLedgerError: The tables are newer, or can't be changed.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + wait
    async with explained(database, "migrated"):
        while True:
            try:
                return await _upgrade(database, connection, waits=True)
            except OlderWorkersError:
                if clock() >= until:
                    raise
            await asyncio.sleep(POLL_SECONDS)


async def find_run(database: Database, connection: Connection, name: str) -> int | None:
    """Return the number of a run; None if there is none, or no table."""
    async with explained(database, "read"):
        version, _ = await read_version(database, connection)
        if not version:
            return None
        found = await fetch(connection, "SELECT run FROM generor.runs WHERE name = %s", name)
        return int(found[0][0]) if found else None


async def add_owner(
    database: Database, connection: Connection, name: str, lease: float, now: str
) -> tuple[Owner, Identity]:
    """Add an owner of a run, which is made if there is none; the run keeps which database it was written to."""
    async with explained(database, "used"), transaction(connection):
        identity = await Identity.of(connection)
        add_run = """
            INSERT INTO generor.runs (name, system, timeline) VALUES (%s, %s, %s) ON CONFLICT (name) DO NOTHING
        """
        await connection.execute(add_run, (name, identity.system, identity.timeline))
        ((run,),) = await fetch(connection, "SELECT run FROM generor.runs WHERE name = %s", name)
        owner = secrets.randbits(OWNER_BITS)
        given = owner, run, process_name(), SCHEMA, float(lease), float(lease)
        await connection.execute(ADD_OWNER.format(now=now).encode(), given)
        return Owner(owner, run, float(lease)), identity


async def _upgrade(database: Database, connection: Connection, *, waits: bool) -> int:
    """Make or migrate the tables in one transaction."""
    async with transaction(connection):
        await connection.execute(LOCK)
        version, compatible = await read_version(database, connection)
        if not version:
            for statement in TABLES.split(";"):
                await connection.execute(statement.encode())
        elif version < SCHEMA:
            if compatible < COMPATIBLE:
                await _check_workers(database, connection, waits=waits)
            for statements in MIGRATIONS[version - 1 :]:
                for statement in statements.split(";"):
                    await connection.execute(statement.encode())
            await connection.execute("UPDATE generor.meta SET version = %s, compatible = %s", (SCHEMA, COMPATIBLE))
    return max(version, SCHEMA)


async def _check_workers(database: Database, connection: Connection, *, waits: bool) -> None:
    """Raise an error before a migration that breaks older workers, unless it is asked for and there are none."""
    if not waits:
        raise UnusableLedgerError(
            f"{database.name} has tables of an older version, whose workers can't go on after a migration",
            "End them, and run `generor batch migrate`",
        )
    await connection.execute("LOCK TABLE generor.owners IN SHARE ROW EXCLUSIVE MODE")  # nobody renews meanwhile
    if workers := await fetch(connection, OLDER_WORKERS, COMPATIBLE):
        raise OlderWorkersError(database.name, [(process, run, version) for process, run, version in workers])


async def read_version(database: Database, connection: Connection) -> tuple[int, int]:
    """Return the version of the tables, and the earliest one that may go on with them; zeros if there are none."""
    if connection.info.server_version < LEAST_SERVER:
        raise UnusableLedgerError(f"{database.name} is a server older than PostgreSQL 14", "Upgrade the server")
    ((exists,),) = await fetch(connection, META_EXISTS)
    if not exists:
        return 0, 0
    ((version, compatible),) = await fetch(connection, "SELECT version, compatible FROM generor.meta")
    if compatible > SCHEMA:
        raise UnusableLedgerError(
            f"{database.name} was made by a newer version of this package",
            "Upgrade it; do not begin another run with its rows, which would buy them again",
        )
    return version, compatible


async def fetch(connection: Connection, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Return the rows that a query finds."""
    cursor = await connection.execute(query.encode(), arguments)
    return await cursor.fetchall()


@asynccontextmanager
async def transaction(connection: Connection, *, lock_seconds: float = 0.0) -> AsyncGenerator[None]:
    """Run a transaction that lasts until the disk has it; its statements wait so long for locks, by default any time.

    Each statement is sent as a whole, and the server knows that the session is idle after it.
    """
    async with connection.transaction():
        await connection.execute(SET_LOCAL.encode(), (f"{lock_seconds * 1000:.0f}ms",))
        yield


@asynccontextmanager
async def explained(database: Database, action: str) -> AsyncGenerator[None]:
    """Raise UnusableLedgerError for errors of the database."""
    problem = ""
    try:
        yield
    except psycopg.Error as error:
        problem = explain(error)
    if problem:
        raise UnusableLedgerError(f"{database.name} cannot be {action} ({problem})", _advice(problem))


def _advice(problem: str) -> str:
    if "statement pooling" in problem:  # what PgBouncer says
        return "Set pool_mode of PgBouncer to transaction or session"
    if "lock timeout" in problem:
        return "End the session that has the lock, which `pg_blocking_pids` names, or try again"
    return "Give its user the rights to read and write the schema `generor`, and to create it"
