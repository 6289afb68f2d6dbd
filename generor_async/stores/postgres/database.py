"""Connections to a database, and what their errors mean.

Nothing relies on the state of a session: with PgBouncer in transaction mode the next transaction may be in another one.
What a transaction needs is set by SET LOCAL, statements are not prepared, and every statement names the schema.

The URL may hold a password. It is kept as a masked text, and errors of connecting are raised anew where no frame of a
library refers to it.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection, AsyncPipeline, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import PoolClosed, PoolTimeout

from generor_async.errors import JournalError
from generor_async.rules.database_urls import without_password
from generor_async.stores.connection_pool import ConnectionPool
from generor_async.stores.ledger import UnusableLedgerError
from generor_async.stores.postgres.text import ADAPTERS
from generor_async.values import Masked

__all__ = [
    "WAIT_SECONDS",
    "Connection",
    "Database",
    "has_lost_connection",
    "is_rolled_back",
    "ledger_error",
    "pipelined",
]

Connection = AsyncConnection[tuple[Any, ...]]

WAIT_SECONDS: Final = 90.0
"""For how long an operation waits, and is tried again, while the database restarts or is cut off."""
CONNECT_SECONDS: Final = 10
"""For how long one attempt to connect may take."""
SILENT_SECONDS: Final = 10
"""After so long without any sign of the server, a connection is given up."""
MOST_CONNECTIONS: Final = 4
"""Connections of one ledger: one writes, and readers share the others."""
SETTINGS: Final[Mapping[str, Any]] = {
    "application_name": "generor",
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": SILENT_SECONDS // 2,
    "keepalives_interval": 1,
    "keepalives_count": SILENT_SECONDS // 2,
    "tcp_user_timeout": SILENT_SECONDS * 1000,
}
"""Settings of a connection, unless the URL gives them."""
NOT_COMMITTED: Final = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.UniqueViolation,
    errors.ReadOnlySqlTransaction,
)
"""Errors after which nothing was written, and the same may succeed: others were in the way, or a standby answers."""
LOST: Final = (
    psycopg.InterfaceError,
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.IdleInTransactionSessionTimeout,
    errors.TooManyConnections,
    PoolTimeout,
)
"""Errors of a connection that is gone, or can't be made now."""


class Database:
    """A database by its URL.

    Raises:
        UnusableLedgerError: The URL can't be read.
    """

    def __init__(self, url: str) -> None:
        self.name = without_password(url)
        """The URL without a password, for messages."""
        self.is_given_up = False
        """Whether nobody waits any more for a database that is away: what fails then isn't tried again."""
        self._address = Masked(url)
        settings = _settings(self._address)
        if settings is None or self.name.endswith("://..."):
            raise UnusableLedgerError(
                f"{self.name} is no URL of PostgreSQL",
                "Write postgresql://user@host:port/database; in a password, percent-encode @, :, / and ?",
            )
        self._settings = settings

    def __repr__(self) -> str:
        return f"Database({self.name!r})"

    async def connect(self) -> Connection:
        """Connect once; raise UnusableLedgerError if that fails."""
        problem = ""
        try:
            return await AsyncConnection.connect(self._address, **self._settings)
        except psycopg.Error as error:
            problem = explain(error)
        raise UnusableLedgerError(
            f"{self.name} cannot be reached ({problem})", "Start the database, or correct its URL, and try again"
        )

    def pool(self) -> ConnectionPool[Connection]:
        """Return a pool of connections, which is still to be opened."""
        return ConnectionPool(
            self._address,
            connection_class=Connection,
            kwargs=self._settings,
            min_size=1,
            max_size=MOST_CONNECTIONS,
            open=False,
            name="generor",
            reconnect_timeout=1.0,  # whoever waits for a connection begins another attempt
        )


def _settings(address: Masked) -> dict[str, Any] | None:
    """Return the settings that a URL doesn't give; None if it can't be read."""
    try:
        given = conninfo_to_dict(address)
    except psycopg.Error:
        return None
    if "@" in f"{given.get('host')}" or not f"{given.get('port') or 0}".replace(",", "").isdigit():
        return None  # there is a part of a password
    missing = {name: value for name, value in SETTINGS.items() if name not in given}
    return {**missing, "autocommit": True, "prepare_threshold": None, "context": ADAPTERS}


@asynccontextmanager
async def pipelined(connection: Connection) -> AsyncGenerator[AsyncPipeline]:
    """Send statements without waiting for their results; end a transaction that was left open by an error."""
    try:
        async with connection.pipeline() as pipeline:
            yield pipeline
    except BaseException:
        if not connection.closed:
            await connection.rollback()
        raise


def has_lost_connection(error: Exception) -> bool:
    """Tell whether a connection was lost, so that nobody knows whether a commit under way has succeeded."""
    if isinstance(error, PoolClosed):
        return False
    return isinstance(error, LOST) or (
        isinstance(error, psycopg.OperationalError) and (error.sqlstate is None or error.sqlstate.startswith("08"))
    )


def is_rolled_back(error: Exception) -> bool:
    """Tell whether nothing was written, and the same may succeed."""
    return isinstance(error, NOT_COMMITTED)


def explain(error: Exception) -> str:
    """Return what is wrong in one line, without the statement that the server quotes."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return " ".join((said or f"{error}").split()) or type(error).__name__


def ledger_error(action: str, name: str, error: Exception) -> JournalError:
    """Return the error for a ledger that is open and can't be read or written."""
    if has_lost_connection(error):
        advice = (
            f"Nothing is lost: see that the database answers, and run it again (it was tried for {WAIT_SECONDS:g} s)"
        )
    else:
        advice = "What was committed is not lost: mend the database, and run it again"
    return JournalError(f"{name} cannot be {action} ({explain(error)})", advice=advice)
