"""A ledger in PostgreSQL: all of its SQL is here.

Any number of processes, on any machines, use one database. It holds many runs, and a ledger is bound to one of them.
A ledger is used in the event loop that opened it.

The time is the database's, so that the clocks of machines don't matter. While the database restarts or is cut off,
operations wait up to WAIT_SECONDS, and are tried again when it is known that they were not written.
"""

from collections.abc import Callable

from generor_async.errors import FolderError
from generor_async.stores.ledger import DATABASE_LEASE_SECONDS, FOLDER_RUN, LedgerLog, RequestRules
from generor_async.stores.postgres.database import WAIT_SECONDS, Database
from generor_async.stores.postgres.ledger import PostgresLedger
from generor_async.stores.postgres.owners import DATABASE_TIME
from generor_async.stores.postgres.reader import PostgresReader
from generor_async.stores.postgres.schema import add_owner, find_run, migrate, prepare

__all__ = [
    "WAIT_SECONDS",
    "PostgresLedger",
    "PostgresReader",
    "migrate_tables",
    "open_ledger",
    "open_reader",
]


def _database_time() -> str:
    return DATABASE_TIME


async def open_ledger(
    url: str,
    *,
    run: str = FOLDER_RUN,
    rules: RequestRules,
    lease: float = DATABASE_LEASE_SECONDS,
    now: Callable[[], str] = _database_time,
    log: LedgerLog | None = None,
    guard: Callable[[], FolderError | None] | None = None,
    on_close: Callable[[], object] | None = None,
) -> PostgresLedger:
    """Open or create the ledger in a database, as a new owner of a run. Call `take_over` before the first `claim`.

    Args:
        url: Where the database is. Its password is in no error and no log.
        run: The name of the run whose calls are read and written; NO_RUN for those that belong to none.
        rules: Tells which requests are the same.
        lease: For how long the owner's lease lasts after it was renewed, in seconds.
        now: Returns SQL for the time, in seconds since the epoch.
        log: Is told of what was committed.
        guard: Returns an error before an intent that may no longer be written.
        on_close: Called in a thread after the connections are closed.

    Raises:
        UnusableLedgerError: It can't be reached or used, or its tables are of a version that this package can't use.
    """
    database = Database(url)
    connection = await database.connect()
    try:
        await prepare(database, connection)
        owner, identity = await add_owner(database, connection, run, lease, now())
    finally:
        await connection.close()
    pool = database.pool()
    await pool.open()
    return PostgresLedger(
        database, pool, run, owner, identity, rules=rules, now=now, log=log, guard=guard, on_close=on_close
    )


async def open_reader(url: str, *, run: str = FOLDER_RUN) -> PostgresReader | None:
    """Open the ledger in a database for reading, in use or not; return None if it has no such run yet.

    Raises:
        UnusableLedgerError: It can't be reached or read, or its tables are of a version that this package can't use.
    """
    database = Database(url)
    connection = await database.connect()
    try:
        number = await find_run(database, connection, run)
    finally:
        await connection.close()
    if number is None:
        return None
    pool = database.pool()
    await pool.open()
    return PostgresReader(database, pool, number)


async def migrate_tables(url: str, *, wait: float = 0.0) -> int:
    """Bring the tables in a database to this package's version; return it.

    Raises:
        OlderWorkersError: A migration that breaks older workers still finds some after `wait` seconds; it names them.
        UnusableLedgerError: The tables can't be changed, or are of a newer version.
    """
    database = Database(url)
    connection = await database.connect()
    try:
        return await migrate(database, connection, wait=wait)
    finally:
        await connection.close()
