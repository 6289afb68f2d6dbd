"""Outputs of a batch in object storage: saved there by the run, and found and read again by their URLs.

A row's result has the URLs of its outputs, so each row says itself where its outputs are. The journal's note says where
those of the next rows go.
"""

import asyncio
from collections.abc import Collection
from pathlib import Path
from threading import Lock
from typing import Any, Final

from generor_async.batch.journal import RunPlace
from generor_async.batch.provider import MediaStorage, Provider
from generor_async.errors import StorageError
from generor_async.stores.ledger import Ledger
from generor_async.stores.objects import Objects

__all__ = ["StoredObjects", "open_media", "storage_of"]

MEDIA: Final = "media"
"""The note with the URL of the storage for the outputs of the next rows."""
CONCURRENT_LOOKUPS: Final = 32


def storage_of(url: str) -> str:
    """Return the URL of the storage that has an object."""
    return url.rpartition("/")[0]


async def open_media(provider: Provider, journal: Ledger, place: RunPlace, url: str | None) -> Path | MediaStorage:
    """Return where outputs go: to the URL, else where those of earlier runs went, else into the folder.

    Raises:
        StorageError: Nothing can be stored there.
    """
    noted: Any = await journal.read_note(MEDIA)
    if (chosen := url or noted) is None:
        if place.folder is None:
            raise place.invalid(f"{place} keeps no outputs", "Give object storage for them: media='s3://bucket/folder'")
        return place.folder
    if place.lease is not None and noted not in {None, chosen}:
        problem = f"{place} {place.belongs} outputs go to {noted}, not {chosen}"
        raise place.invalid(problem, "Give that place to go on with that run, or another name for this one")
    media = MediaStorage(provider, chosen)
    await media.check_writable()
    if chosen != noted:
        await journal.write_note(MEDIA, chosen)
    return media


class StoredObjects:
    """Finds and reads objects by their URLs; may be used from several threads at once."""

    def __init__(self) -> None:
        self._storages = dict[str, Objects]()
        self._lock = Lock()
        self.problem = ""
        """Why an object could not be read, or a link not signed; the same is not tried again."""
        self._reads, self._signs = True, True

    async def missing(self, urls: Collection[str]) -> frozenset[str]:
        """Return those of the URLs that have no object; raises StorageError where the storage can't tell."""
        gate = asyncio.Semaphore(CONCURRENT_LOOKUPS)

        async def is_missing(url: str) -> bool:
            async with gate:
                return await self._objects(url).size(_key_of(url)) is None

        tasks = {url: asyncio.ensure_future(is_missing(url)) for url in urls}
        try:
            await asyncio.gather(*tasks.values())
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        return frozenset([url for url, task in tasks.items() if task.result()])

    def read(self, url: str, *, at_most: int) -> bytes | None:
        """Return the content of an object; None if there is none, it is larger, or it can't be read. Blocks."""
        if not self._reads:
            return None
        try:
            return self._objects(url).read(_key_of(url), at_most=at_most)
        except StorageError as error:
            self._reads, self.problem = False, str(error)
            return None

    def sign(self, url: str, seconds: float) -> str:
        """Return a signed link to an object, or its URL if that can't be signed; blocks."""
        if not self._signs:
            return url
        try:
            return self._objects(url).sign_blocking(_key_of(url), seconds)
        except StorageError as error:
            self._signs, self.problem = False, str(error)
            return url

    def _objects(self, url: str) -> Objects:
        storage = storage_of(url)
        with self._lock:
            if storage not in self._storages:
                self._storages[storage] = Objects(storage)
            return self._storages[storage]


def _key_of(url: str) -> str:
    return url.rpartition("/")[2]
