"""Opens the journal of a run: the ledger in a results folder, or in a database that holds many runs."""

import os
from pathlib import Path
from typing import Protocol, TypeAlias

from generor_async.batch.database_place import DatabasePlace
from generor_async.batch.folder_place import FolderPlace
from generor_async.batch.run_key import Named, RunKey, check_key
from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.rules.database_urls import is_database_url
from generor_async.stores.ledger import Ledger, LedgerReader
from generor_async.stores.records import AccountKey

__all__ = ["RunPlace", "To", "open_if_begun", "open_journal", "open_reader", "place_of"]


class RunPlace(Named, Protocol):
    """Where a run is kept; `str(place)` names it in messages."""

    @property
    def folder(self) -> Path | None:
        """The folder of the run's files; None in a database, which has none."""
        ...

    @property
    def account(self) -> AccountKey:
        """The account of the run's money."""
        ...

    @property
    def lease(self) -> float | None:
        """For how many seconds an owner of calls may be out of reach; None if there is one owner at a time."""
        ...

    def title(self) -> str:
        """Return the name of the folder, or of the run."""
        ...

    def nothing(self) -> InvalidRequestError:
        """Return the error for a place without a run."""
        ...

    async def open_journal(self, key: RunKey, *, take_over: bool, keep_prompts: bool) -> Ledger:
        """Open or create the journal of a run, as a new owner."""
        ...

    async def open_reader(self) -> LedgerReader | None:
        """Open the journal for reading, in use or not; return None if there is none."""
        ...

    async def check_is_current(self, reader: LedgerReader) -> None:
        """Raise InvalidRequestError for a journal that lacks calls which other files of the run have."""
        ...


To: TypeAlias = str | os.PathLike[str] | RunPlace
"""A folder, the URL of a database, or either as a place."""


def place_of(to: To, name: str | None = None, *, lease: float | None = None) -> RunPlace:
    """Return the place of a run: a folder, or a run of this name in a database.

    Raises:
        InvalidRequestError: A run in a database has no name, one in a folder has one, or the name can't be one.
    """
    if isinstance(to, FolderPlace | DatabasePlace):
        return to
    if isinstance(to, str) and is_database_url(to):
        return DatabasePlace.of(to, name, lease)
    folder = FolderPlace(Path(arguments.path(to, "to")))
    for what, given in (("name", name), ("lease", lease)):
        if given is not None:
            raise InvalidRequestError(what, f"the run of a folder has no {what}", advice="Leave it out")
    return folder


async def open_journal(to: To, *, key: RunKey, take_over: bool = False, keep_prompts: bool = True) -> Ledger:
    """Open or create the journal of a run, and recover from a crash.

    Without `keep_prompts`, the run's prompts are left out, as they are if an earlier opening has said so.

    Raises:
        InvalidRequestError: The folder is in use by a living process, belongs to another run, was made by a newer
            version of this package, has results but no readable journal, or can't be written to; or the database is
            of a newer version, or can't be used.
        JournalError: The database can't be reached.
    """
    return await place_of(to).open_journal(key, take_over=take_over, keep_prompts=keep_prompts)


async def open_reader(to: To, *, name: str | None = None) -> LedgerReader:
    """Open the journal of a run for reading, in use or not.

    Raises:
        InvalidRequestError: There is none, or it can't be read.
        JournalError: The database can't be reached.
    """
    place = place_of(to, name)
    reader = await open_if_begun(place)
    if reader is None:
        raise place.nothing()
    return reader


async def open_if_begun(to: To, *, key: RunKey | None = None) -> LedgerReader | None:
    """Open the journal of a run for reading; return None if no batch was begun there.

    With a key, refuse the journal of another run, and one that is older than calls.jsonl.

    Raises:
        InvalidRequestError: It can't be read, or it belongs to another run than `key`.
        JournalError: The database can't be reached.
    """
    place = place_of(to)
    reader = await place.open_reader()
    if reader is None:
        return None
    try:
        begun = await reader.read_note("key") is not None
        if begun and key is not None:
            await place.check_is_current(reader)
            await check_key(reader, place, key)
    except BaseException:
        await reader.close()
        raise
    if not begun:
        await reader.close()
        return None
    return reader
