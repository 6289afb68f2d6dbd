"""A ledger in a file of SQLite: all of its SQL is here.

Any number of processes may read it, and write it: each has a lease, and takes over the calls of those that have ended.
"""

import time
from collections.abc import Callable
from pathlib import Path

from generor_async.errors import FolderError
from generor_async.stores.ledger import FOLDER_RUN, NO_RUN, LedgerLog, RequestRules
from generor_async.stores.sqlite.file_watch import FileWatch
from generor_async.stores.sqlite.ledger import SqliteLedger
from generor_async.stores.sqlite.owner_locks import OwnerLock
from generor_async.stores.sqlite.reader import SqliteReader
from generor_async.stores.sqlite.schema import open_to_read, open_to_write
from generor_async.stores.threads import run_to_completion

__all__ = ["SqliteLedger", "SqliteReader", "open_ledger", "open_reader"]


async def open_ledger(
    path: Path,
    *,
    run: str = FOLDER_RUN,
    rules: RequestRules,
    clock: Callable[[], float] = time.time,
    log: LedgerLog | None = None,
    guard: Callable[[], FolderError | None] | None = None,
    on_close: Callable[[], object] | None = None,
) -> SqliteLedger:
    """Open or create the ledger in a file, as a new owner. Call `take_over` before the first `claim`.

    Args:
        path: The file.
        run: The name of the run whose calls are read and written; NO_RUN for those that belong to none.
        rules: Tells which requests are the same.
        clock: The store's clock, in seconds since the epoch.
        log: Is told of what was committed.
        guard: Returns an error before an intent that may no longer be written, such as that the file was moved. By
            default, without a run, the file is compared with the one at its path.
        on_close: Called in a thread after the file is closed.

    Raises:
        UnusableLedgerError: It can't be used, or is no ledger of this version or an earlier one.
    """
    lock = await run_to_completion(lambda: OwnerLock(path)) if run == NO_RUN else None
    try:
        connection, owner = await run_to_completion(
            lambda: open_to_write(path, clock(), "" if lock is None else lock.description, run=run)
        )
        if lock is not None and guard is None:
            guard = FileWatch(path).problem
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return SqliteLedger(
        connection, path, run, owner, rules=rules, clock=clock, log=log, guard=guard, on_close=on_close, lock=lock
    )


async def open_reader(path: Path, *, run: str = FOLDER_RUN) -> SqliteReader | None:
    """Open the ledger in a file for reading, in use or not; return None if it has no tables yet.

    Raises:
        UnusableLedgerError: It can't be read, or is no ledger of this version or an earlier one.
    """
    connection = await run_to_completion(lambda: open_to_read(path))
    return None if connection is None else SqliteReader(connection, path, run)
