"""Opens what is kept at a place. A store is imported when its place is used.

A place is the path of a file, which SQLite keeps, or the URL of a server: of PostgreSQL, or for limits of Redis or
Valkey.
"""

import os
import time
import weakref
from collections.abc import Callable, Collection, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from generor_async.errors import FolderError
from generor_async.rules.database_urls import is_database_url
from generor_async.stores.ledger import (
    DATABASE_LEASE_SECONDS,
    FOLDER_RUN,
    Ledger,
    LedgerLog,
    LedgerReader,
    RequestRules,
    UnusableLedgerError,
)
from generor_async.stores.limit_store import LimitStore
from generor_async.stores.places import LimitPlace, RedisClient, ServerUrl
from generor_async.stores.records import AccountKey, LiveOwner, RunInUse, StoredRun
from generor_async.values import JSON, Clock, Masked

if TYPE_CHECKING:
    from generor_async.stores.remote_limits import LimitServer

__all__ = [
    "Place",
    "check_limit_store",
    "give_up",
    "go_on_after_failover",
    "is_cut_short",
    "ledger_files",
    "open_ledger",
    "open_limit_store",
    "open_reader",
    "was_replaced",
    "write_run_note",
]

Place = str | os.PathLike[str]
"""The path of a file, or the URL of a server."""

_limit_servers: "weakref.WeakValueDictionary[ServerUrl, LimitServer]" = weakref.WeakValueDictionary()
"""The servers of limits that are in use."""


async def open_ledger(
    place: Place,
    *,
    run: str = FOLDER_RUN,
    rules: RequestRules,
    clock: Callable[[], float] = time.time,
    lease: float = DATABASE_LEASE_SECONDS,
    log: LedgerLog | None = None,
    guard: Callable[[], FolderError | None] | None = None,
    on_close: Callable[[], object] | None = None,
) -> Ledger:
    """Open or create a ledger, as a new owner. Call `take_over` before the first `claim`.

    Args:
        place: Where it is.
        run: The name of the run whose calls are read and written; NO_RUN for those that belong to none.
        rules: Tells which requests are the same.
        clock: The store's clock, in seconds since the epoch, where the store has none of its own.
        lease: For how long an owner's lease in a database lasts after it was renewed, in seconds. In a file it lasts
            LEASE_SECONDS.
        log: Is told of what was committed.
        guard: Returns an error before an intent that may no longer be written, such as that the file was moved.
        on_close: Called in a thread after the ledger is closed.

    Raises:
        UnusableLedgerError: It can't be used, or is no ledger of this version or an earlier one.
    """
    place = Masked(place) if isinstance(place, str) else place  # it may hold a password
    if isinstance(place, Masked) and is_database_url(place):
        _check_driver()
        from generor_async.stores import postgres  # noqa: PLC0415 - only the store that is used

        return await postgres.open_ledger(
            place, run=run, rules=rules, lease=lease, log=log, guard=guard, on_close=on_close
        )
    path = _file_at(place)
    from generor_async.stores import sqlite  # noqa: PLC0415 - only the store that is used

    return await sqlite.open_ledger(path, run=run, rules=rules, clock=clock, log=log, guard=guard, on_close=on_close)


async def open_reader(place: Place, *, run: str = FOLDER_RUN) -> LedgerReader | None:
    """Open a ledger for reading, in use or not; return None if it has no tables, or no such run, yet.

    Raises:
        UnusableLedgerError: It can't be read, or is no ledger of this version or an earlier one.
    """
    place = Masked(place) if isinstance(place, str) else place  # it may hold a password
    if isinstance(place, Masked) and is_database_url(place):
        _check_driver()
        from generor_async.stores import postgres  # noqa: PLC0415 - only the store that is used

        return await postgres.open_reader(place, run=run)
    path = _file_at(place)
    from generor_async.stores import sqlite  # noqa: PLC0415 - only the store that is used

    return await sqlite.open_reader(path, run=run)


def give_up(ledger: Ledger) -> None:
    """Wait no more for the database of a ledger, if it is away: operations fail as soon as they can't reach it."""
    from generor_async.stores.postgres import PostgresLedger  # noqa: PLC0415 - only the store that is used

    if isinstance(ledger, PostgresLedger):
        ledger.give_up()


async def go_on_after_failover(ledger: Ledger, *, now: float | None) -> int:
    """Accept the database of a ledger as it is; return how many calls are unknown, as they may have been paid for.

    With `now`, in seconds since the epoch, they are dated by when they can have been made.
    """
    from generor_async.stores.postgres import PostgresLedger  # noqa: PLC0415 - only the store that is used

    return await ledger.after_failover(now) if isinstance(ledger, PostgresLedger) else 0


async def was_replaced(ledger: Ledger) -> bool:
    """Tell whether the database of a ledger shows that it is another one than before, or an earlier state."""
    from generor_async.stores.postgres import PostgresLedger  # noqa: PLC0415 - only the store that is used

    return isinstance(ledger, PostgresLedger) and await ledger.was_replaced()


async def list_runs(url: str, notes: Collection[str]) -> Sequence[StoredRun]:
    """Return the runs of a database in the order in which they were begun, with those of these notes that they have.

    Raises:
        UnusableLedgerError: It can't be read.
    """
    _check_driver()
    from generor_async.stores.postgres import runs  # noqa: PLC0415 - only the store that is used

    return await runs.list_runs(Masked(url), notes)


async def live_owners(url: str, run: str) -> Sequence[LiveOwner]:
    """Return the owners of a run in a database whose leases last.

    Raises:
        UnusableLedgerError: It can't be read.
    """
    _check_driver()
    from generor_async.stores.postgres import runs  # noqa: PLC0415 - only the store that is used

    return await runs.live_owners(Masked(url), run)


async def write_run_note(url: str, run: str, name: str, value: JSON) -> None:
    """Write a note of a run in a database, without being an owner.

    Raises:
        UnusableLedgerError: It can't be written.
    """
    _check_driver()
    from generor_async.stores.postgres import runs  # noqa: PLC0415 - only the store that is used

    await runs.write_note(Masked(url), run, name, value)


async def delete_run(url: str, run: str, accounts: Collection[AccountKey], *, even_paid: bool) -> RunInUse | None:
    """Delete a run with all that belongs to it, and these accounts, from a database.

    Return who is at work on it, and how many of its calls are paid for and have no result yet, or may have been paid
    for, if there are any: then nothing is deleted, unless `even_paid` gives such calls up.

    Raises:
        UnusableLedgerError: It can't be written.
    """
    _check_driver()
    from generor_async.stores.postgres import runs  # noqa: PLC0415 - only the store that is used

    return await runs.delete_run(Masked(url), run, accounts, even_paid=even_paid)


async def migrate_tables(url: str, *, wait: float) -> None:
    """Bring the tables of a database to this package's version.

    Raises:
        UnusableLedgerError: Workers of an older version, which it would break, are still there after `wait` seconds;
            or the tables can't be changed, or are of a newer version.
    """
    _check_driver()
    from generor_async.stores import postgres  # noqa: PLC0415 - only the store that is used

    await postgres.migrate_tables(Masked(url), wait=wait)


def open_limit_store(place: LimitPlace, clock: Clock) -> LimitStore:
    """Open or create a store of limits; a server is not connected to before the first update.

    Args:
        place: Where it is.
        clock: The clock of a file, which has none of its own. It tells how fast the time of a server passes, too.

    Raises:
        InvalidRequestError: It can't be opened, or is something else, or needs a package that isn't installed.
    """
    if isinstance(place, Path):
        from generor_async.stores.sqlite_limits import SqliteLimitStore  # noqa: PLC0415 - only the store that is used

        return SqliteLimitStore(place, clock)
    from generor_async.stores.remote_limits import RemoteLimitStore  # noqa: PLC0415 - only the store that is used

    return RemoteLimitStore(_limit_server(place), clock)


def check_limit_store(place: LimitPlace, clock: Clock) -> None:
    """Raise InvalidRequestError for a place at which no store of limits can be opened."""
    if isinstance(place, Path):
        open_limit_store(place, clock).close()
    else:
        _limit_server(place)


def _limit_server(place: ServerUrl | RedisClient) -> "LimitServer":
    """Return the server at a place; all stores at one URL share connections. Raises InvalidRequestError."""
    if not isinstance(place, ServerUrl):
        return _redis(place)
    server = _limit_servers.get(place)
    if server is None:
        server = _limit_servers[place] = _postgres(place) if is_database_url(place) else _redis(place)
    return server


def _redis(place: ServerUrl | RedisClient) -> "LimitServer":
    from generor_async.stores.redis_limits import RedisLimits  # noqa: PLC0415 - only the store that is used

    return RedisLimits(place)


def _postgres(place: ServerUrl) -> "LimitServer":
    from generor_async.stores.postgres_limits import PostgresLimits  # noqa: PLC0415 - only the store that is used

    return PostgresLimits(place)


def ledger_files(path: Path) -> tuple[Path, ...]:
    """Return the paths of the files that a ledger in a file may have; the file itself comes last."""
    from generor_async.stores.sqlite import files  # noqa: PLC0415 - only the store that is used

    return files.ledger_files(path)


def is_cut_short(path: Path) -> bool:
    """Tell whether a ledger's file lacks its end, as an incomplete copy does; blocks."""
    from generor_async.stores.sqlite import files  # noqa: PLC0415 - only the store that is used

    return files.is_cut_short(path)


def _check_driver() -> None:
    """Raise UnusableLedgerError where the packages for PostgreSQL are not installed."""
    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise UnusableLedgerError(
            "a ledger in PostgreSQL needs psycopg, which is not installed",
            "Run `pip install 'generor-async[postgres]'`",
        )


def _file_at(place: Place) -> Path:
    """Return the path of a file; raise UnusableLedgerError for a URL, which may contain a password."""
    if isinstance(place, str) and "://" in place:
        scheme = place.partition("://")[0]
        raise UnusableLedgerError(
            f"a ledger cannot be kept at {scheme}://", "Give the path of a file, or the URL of PostgreSQL"
        )
    return Path(place)
