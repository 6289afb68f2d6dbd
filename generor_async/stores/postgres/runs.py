"""The runs in a database: their names and notes, who is at work on them, and the end of one.

None of this makes an owner. Each function connects, and closes the connection again.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeVar

from psycopg import errors

from generor_async.rules.row_states import END_STATES, PAID_STATES, ROW_STATES
from generor_async.stores.ledger import NO_RUN
from generor_async.stores.postgres.database import WAIT_SECONDS, Connection, Database
from generor_async.stores.postgres.owners import DATABASE_TIME
from generor_async.stores.postgres.schema import explained, fetch, read_version, transaction
from generor_async.stores.postgres.sessions import end_sessions
from generor_async.stores.records import AccountKey, LiveOwner, RunInUse, StoredRun
from generor_async.stores.steps import dump_json
from generor_async.values import JSON

__all__ = ["delete_run", "list_runs", "live_owners", "write_note"]

T = TypeVar("T")

LOCK_SECONDS: Final = 0.3
"""How long a statement waits for others' locks before it looks who has them."""
DELETED: Final = "deleted:"
"""Beginning of the name of a run that is being deleted; no other name has it."""
OPEN_STATES: Final = [state for state in ROW_STATES if state not in END_STATES]
"""The index of calls by state finds one of these at once, also among a million calls that have ended."""
SENT_STATES: Final = ["submitting", *PAID_STATES]
LIST_RUNS: Final = """
    SELECT name, EXISTS (SELECT FROM generor.calls WHERE calls.run = runs.run AND state = ANY(%s::text[])),
        EXISTS (SELECT FROM generor.calls WHERE calls.run = runs.run AND state = ANY(%s::text[])),
        (SELECT array_agg(ARRAY[notes.name, value]) FROM generor.notes
            WHERE notes.run = runs.run AND notes.name = ANY(%s::text[]))
    FROM generor.runs WHERE name <> %s AND NOT starts_with(name, %s) ORDER BY run
"""
LIVE_OWNERS: Final = f"""
    SELECT process, lease_until - {DATABASE_TIME} FROM generor.owners JOIN generor.runs USING (run)
    WHERE name = %s AND lease_until > {DATABASE_TIME} ORDER BY process
"""
COUNT_PAID: Final = """
    SELECT count(*) FILTER (WHERE state = ANY(%s::text[])), count(*) FILTER (WHERE state = ANY(%s::text[]))
    FROM generor.calls JOIN generor.runs USING (run) WHERE name = %s AND state = ANY(%s::text[])
"""
WRITE_NOTE: Final = """
    INSERT INTO generor.notes SELECT run, %s, %s FROM generor.runs WHERE name = %s
    ON CONFLICT (run, name) DO UPDATE SET value = excluded.value
"""
RENAME: Final = "UPDATE generor.runs SET name = %s || run WHERE name = %s"
TABLES: Final = ("calls", "attempts", "inputs", "skipped_inputs", "notes", "owners", "runs")


async def list_runs(url: str, notes: Collection[str]) -> Sequence[StoredRun]:
    """Return the runs in the order in which they were begun, with those of these notes that they have."""
    async with _connected(url, "read") as connection:
        if connection is None:
            return ()
        found = await fetch(connection, LIST_RUNS, OPEN_STATES, SENT_STATES, list(notes), NO_RUN, DELETED)
    return [
        StoredRun(name, has_open, has_sent, {key: json.loads(value) for key, value in kept or ()})
        for name, has_open, has_sent, kept in found
    ]


async def live_owners(url: str, run: str) -> Sequence[LiveOwner]:
    """Return the owners of a run whose leases last."""
    async with _connected(url, "read") as connection:
        if connection is None:
            return ()
        return [LiveOwner(process, left) for process, left in await fetch(connection, LIVE_OWNERS, run)]


async def write_note(url: str, run: str, name: str, value: JSON) -> None:
    """Write a note of a run that exists; do nothing if there is none."""
    async with _connected(url, "written") as connection:
        if connection is not None:
            given = name, dump_json(value), run
            await _write(connection, lambda: connection.execute(WRITE_NOTE.encode(), given))


async def delete_run(url: str, run: str, accounts: Collection[AccountKey], *, even_paid: bool) -> RunInUse | None:
    """Delete a run with all that belongs to it, and these accounts.

    Return who is at work on it, and how many of its calls are paid for and have no result yet, or may have been paid
    for, if there are any: then nothing is deleted, unless `even_paid` gives such calls up.
    """
    async with _connected(url, "written") as connection:
        if connection is None:
            return None
        in_use = await _write(connection, partial(_rename, connection, run, accounts, even_paid=even_paid))
        if in_use is None:
            await _delete_renamed(connection)
        return in_use


async def _rename(
    connection: Connection, run: str, accounts: Collection[AccountKey], *, even_paid: bool
) -> RunInUse | None:
    """Rename a run that is to be deleted, and delete accounts, unless the run is in use."""
    await connection.execute("LOCK TABLE generor.owners IN SHARE ROW EXCLUSIVE MODE")  # nobody joins it
    owners = [LiveOwner(process, left) for process, left in await fetch(connection, LIVE_OWNERS, run)]
    in_doubt = ["submitting", "unknown"]  # nobody who could tell what came of the former is left
    counted = list(PAID_STATES), in_doubt, run, [*PAID_STATES, *in_doubt]
    ((paid, unknown),) = await fetch(connection, COUNT_PAID, *counted)
    if owners or ((paid or unknown) and not even_paid):
        return RunInUse(owners, paid, unknown)
    await connection.execute(RENAME.encode(), (DELETED, run))
    for scope, period in accounts:
        await connection.execute("DELETE FROM generor.accounts WHERE scope = %s AND period = %s", (scope, period))
    return None


async def _delete_renamed(connection: Connection) -> None:
    """Delete what belongs to runs that were renamed for it, also what an earlier deletion has left."""
    which = f"SELECT run FROM generor.runs WHERE starts_with(name, '{DELETED}')"
    owners = f"SELECT owner FROM generor.owners WHERE run IN ({which})"
    chosen = [("commits", f"owner IN ({owners})"), *((table, f"run IN ({which})") for table in TABLES)]
    for table, condition in chosen:
        statement = f"DELETE FROM generor.{table} WHERE {condition}"
        await _write(connection, partial(connection.execute, statement.encode()))


async def _write(connection: Connection, work: Callable[[], Awaitable[T]]) -> T:
    """Do some work in a transaction, again while others' locks are in the way of it; return what it returns.

    Others wait behind a lock that is waited for: it is let go of for a while.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + WAIT_SECONDS
    while True:
        try:
            async with transaction(connection, lock_seconds=LOCK_SECONDS):
                return await work()
        except errors.LockNotAvailable:
            if clock() > until:
                raise
        await end_sessions(connection, DATABASE_TIME)
        await asyncio.sleep(LOCK_SECONDS)


@asynccontextmanager
async def _connected(url: str, action: str) -> AsyncGenerator[Connection | None]:
    """Connect to a database; yield None if it has no tables.

    Raises:
        UnusableLedgerError: It can't be reached or used, or its tables are of a version that this package can't use.
    """
    database = Database(url)
    connection = await database.connect()
    try:
        async with explained(database, action):
            version, _ = await read_version(database, connection)
            yield connection if version else None
    finally:
        await connection.close()
