"""Limits in a database of PostgreSQL: a row for each scope, which one statement compares and swaps.

Each statement is a transaction of its own and names the schema, so that PgBouncer may give it any connection. The table
isn't logged: that spares the database's log a page for each admission. After a crash of the server, and on a standby
that was promoted, it is empty; processes fill it again.
"""

import os
import threading
import time
import weakref
from collections.abc import Generator
from typing import Any, Final, TypeVar

from generor_async.errors import InvalidRequestError
from generor_async.stores.limit_store import StoreBusyError, StoreError
from generor_async.stores.places import ServerUrl
from generor_async.stores.remote_limits import (
    CONNECT_SECONDS,
    EARLY_SECONDS,
    KEPT_SECONDS,
    LATE_SECONDS,
    READ_SECONDS,
    Answer,
    Kept,
    as_time,
)

try:
    import psycopg
    from psycopg import conninfo, errors

    from generor_async.stores.postgres.schema import LOCK
except ImportError:  # said where the store is given
    raise InvalidRequestError(
        "store",
        "a store on PostgreSQL needs the package psycopg",
        advice="Install it: pip install 'generor-async[postgres]'",
    ) from None

__all__ = ["PostgresLimits", "limited"]

T = TypeVar("T")

OPTIONS: Final = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""Options of connections; those of the URL win."""
NOW: Final = "extract(epoch FROM clock_timestamp())::float8"
CREATE: Final = (
    b"SET LOCAL idle_in_transaction_session_timeout = '5s'",  # a process that is frozen here lets go of its locks
    LOCK.encode(),
    b"CREATE SCHEMA IF NOT EXISTS generor",
    b"""
    CREATE UNLOGGED TABLE IF NOT EXISTS generor.limits (
        scope text PRIMARY KEY,
        version text NOT NULL,
        at float8 NOT NULL,
        ahead float8 NOT NULL,
        format integer NOT NULL,
        state bytea NOT NULL,
        changed timestamptz NOT NULL DEFAULT now()
    ) WITH (fillfactor = 50)
    """,
)
_FOUND: Final = f"""
{NOW}, kept.version, kept.at, kept.ahead, kept.format, CASE WHEN kept.version <> %(seen)s THEN kept.state END
FROM (VALUES (1)) AS one LEFT JOIN generor.limits AS kept ON kept.scope = %(scope)s
"""
"""The server's clock and what was kept when the statement began; the state only where it is another one."""
READ: Final = f"SELECT false, {_FOUND}".encode()
SWAP: Final = f"""
WITH written AS (
    INSERT INTO generor.limits AS kept (scope, version, at, ahead, format, state)
    SELECT %(scope)s, %(version)s, %(at)s, %(ahead)s, %(format)s, %(state)s
    WHERE {NOW} - %(now)s BETWEEN -{EARLY_SECONDS} AND {LATE_SECONDS}
        AND (%(seen)s = '' OR EXISTS (SELECT FROM generor.limits WHERE scope = %(scope)s))
    ON CONFLICT (scope) DO UPDATE SET version = excluded.version, at = excluded.at, ahead = excluded.ahead,
        format = excluded.format, state = excluded.state, changed = now()
    WHERE kept.version = %(seen)s
    RETURNING true
), expired AS (
    DELETE FROM generor.limits
    WHERE %(seen)s = '' AND scope <> %(scope)s AND changed < now() - make_interval(secs => {KEPT_SECONDS})
)
SELECT EXISTS (SELECT FROM written), {_FOUND}
""".encode()
"""Writes what is new where the version is the one that was seen and the time is right."""

_BUSY: Final = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.CannotConnectNow,
    errors.TooManyConnections,
)
_REASONS: Final[dict[type[Exception], str]] = {
    TimeoutError: "timed out",
    errors.ReadOnlySqlTransaction: "it is read-only, as a standby is",
    errors.ObjectNotInPrerequisiteState: "it is a standby",
    errors.FeatureNotSupported: "it is a standby",
    errors.InsufficientPrivilege: "its user may not create the schema generor, or not use its table limits",
    errors.UndefinedColumn: "its table generor.limits is something else's",
    errors.WrongObjectType: "its table generor.limits is something else's",
    errors.DiskFull: "its disk is full",
    errors.SerializationFailure: "others write at the same time",
}
"""What is said of errors: the server's own words may be anything."""
_PHRASES: Final[dict[str, str]] = {
    "authentication failed": "it refuses user or password",
    "no password supplied": "it wants a password",
    "does not exist": "its database or user does not exist",
    "starting up": "it is starting",
    "shutting down": "it is shutting down",
    "too many": "it has too many connections",
    "refused": "Connection refused",
    "timeout": "timed out",
    "translate host name": "its host is not known",
    "resolve": "its host is not known",
    "closed the connection": "it closed the connection",
    "SSL": "it does not agree on TLS",
    "certificate": "its certificate is not trusted",
}
"""The same of connections that failed: libpq gives them no code."""


class PostgresLimits:
    """Keeps texts in a database of PostgreSQL, by one connection, which threads use one after the other.

    Raises InvalidRequestError for a URL that can't be right.
    """

    def __init__(self, url: ServerUrl) -> None:
        self._url = _checked(url)
        self.name = url.name
        self._connection: _Connection | None = None
        self._closing: weakref.finalize[[], PostgresLimits] | None = None
        self._abandoned: list[_Connection] = []
        self._process = os.getpid()
        self._lock = threading.Lock()

    def swap(self, scope: str, seen: Kept, now: float, new: Kept | None) -> Answer:
        """Write what is new if the server keeps what was seen, and `now` is its time."""
        known: dict[str, object] = {"scope": scope, "seen": seen.version, "now": now}
        if new is None:
            answer = _answer(self._run(READ, known), seen)
            same = answer.kept is not None and answer.kept.version == seen.version
            return Answer(answer.now, None) if same and -EARLY_SECONDS <= answer.now - now <= LATE_SECONDS else answer
        text = (new.text or "").encode()
        known |= {"version": new.version, "at": new.at, "ahead": new.ahead, "format": new.format, "state": text}
        return _answer(self._run(SWAP, known), seen, new.version)

    def read(self, scope: str) -> Answer:
        """Read what is kept."""
        return _answer(self._run(READ, {"scope": scope, "seen": ""}), Kept())

    def _run(self, statement: bytes, known: dict[str, object]) -> Any:
        """Run a statement; raises StoreError."""
        with self._lock:
            try:
                try:
                    return self._execute(statement, known)
                except (errors.UndefinedTable, errors.InvalidSchemaName):
                    self._create()
                    return self._execute(statement, known)
            except (psycopg.Error, TimeoutError) as error:
                self._disconnect()
                failure = _failure(self.name, error)
        raise failure  # without the driver's frames, whose local variables have the password

    def _execute(self, statement: bytes, known: dict[str, object]) -> Any:
        """Run a statement, again where it finds that the server has closed the connection meanwhile.

        Nothing is written twice: what was written by the first one has the version that the second one is to write.
        """
        known_connection = self._connection
        if known_connection is not None:
            try:
                return known_connection.execute(statement, known).fetchone()
            except psycopg.OperationalError:
                if not known_connection.broken:
                    raise
                self._disconnect()
        self._connection = connection = self._connect()
        return connection.execute(statement, known).fetchone()

    def _connect(self) -> "_Connection":
        options: dict[str, Any] = {**OPTIONS, **conninfo.conninfo_to_dict(self._url)}
        connection = _Connection.connect(autocommit=True, prepare_threshold=None, **options)
        self._closing = weakref.finalize(self, connection.close)
        return connection

    def _create(self) -> None:
        """Create the schema and the table; whoever makes tables of the schema at the same time waits."""
        assert self._connection is not None
        with self._connection.transaction():
            for statement in CREATE:
                self._connection.execute(statement)

    def _disconnect(self) -> None:
        if self._closing is not None:
            self._closing()
        self._connection = None

    def reset_after_fork(self) -> None:
        """Connect again in a forked child: the parent's connection must not even be closed there."""
        if self._process != os.getpid():
            if self._connection is not None and self._closing is not None:
                self._closing.detach()
                self._abandoned.append(self._connection)
            self._connection, self._process, self._lock = None, os.getpid(), threading.Lock()

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._lock:
            self._disconnect()


class _Connection(psycopg.Connection[Any]):
    """A connection that waits for answers for a limited time."""

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:
        """Wait for an answer; raises TimeoutError after `READ_SECONDS`."""
        return super().wait(limited(gen, time.monotonic() + READ_SECONDS), *args, **options)


def limited(steps: Generator[Any, Any, T], until: float) -> Generator[Any, Any, T]:
    """Do the steps of the driver, which are woken several times a second, until a time.

    What has come by then is taken, however late this process looks.

    Raises:
        TimeoutError: Nothing has come.
    """
    ready = None
    while True:
        try:
            wanted = steps.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result
        ready = yield wanted
        if not ready and time.monotonic() > until:
            raise TimeoutError


def _checked(url: ServerUrl) -> ServerUrl:
    """Return a URL of PostgreSQL; raise InvalidRequestError for one that can't be right."""
    try:
        conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        pass  # the error may quote the password
    else:
        return url
    raise InvalidRequestError(
        "store",
        f"store: {url.name} is no URL that PostgreSQL's own library understands",
        advice='Write store="postgresql://host/database"',
    )


def _answer(row: Any, seen: Kept, written: str = "") -> Answer:
    """Return what a statement has answered."""
    done, now, version, at, ahead, number, state = row
    if done or (written and version == written):
        return Answer(now, None)
    if version is None:
        return Answer(now, Kept())
    text = seen.text if version == seen.version else state.decode(errors="replace")
    return Answer(now, Kept(version, as_time(at), as_time(ahead), text, number))


def _failure(name: str, error: Exception) -> StoreError:
    """Return the error for one of the driver's."""
    said = next((_REASONS[kind] for kind in _REASONS if isinstance(error, kind)), "")
    if not said and isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        said = next((_PHRASES[phrase] for phrase in _PHRASES if phrase in str(error)), "")
    kind = StoreBusyError if isinstance(error, _BUSY) else StoreError
    return kind(f"{name} can't be used ({said or getattr(error, 'sqlstate', None) or type(error).__name__})")
