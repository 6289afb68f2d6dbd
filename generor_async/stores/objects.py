"""Objects in S3, Google Cloud Storage, Azure, a folder, or memory, through obstore: the extra `objects`.

An object appears under its key only when it is complete. obstore discards the parts of an upload whose content fails,
and leaves them where the upload is cancelled: so an upload is ended by a failure of its content, never cancelled.

An error of a store may hold signed URLs: it is replaced by a StorageError in our words, raised where nothing refers to
the original one.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from generor_async.errors import StorageError
from generor_async.rules import option_checks
from generor_async.rules.storage_urls import classify_store_error, object_path
from generor_async.stores.threads import finished

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, ObjectStore, RetryConfig, S3Store

    SigningStore: TypeAlias = S3Store | GCSStore | AzureStore

__all__ = ["PART_BYTES", "ObjectUpload", "Objects"]

T = TypeVar("T")

PART_BYTES: Final = 5 * 1024**2
"""Size of a part of an upload: the smallest that S3 accepts."""
CONCURRENT_PARTS: Final = 2
"""How many parts of one upload are sent concurrently."""
ABORT_SECONDS: Final = 10.0
"""How long a store may take to discard an upload. After that its parts are left to the bucket's lifecycle rules."""
PROBE: Final = ".generor-async"
"""The key of the empty object by which a batch finds out whether it can store anything."""
RETRIES: Final["RetryConfig"] = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}


class Objects:
    """The objects below a URL.

    Args:
        url: A checked URL.
        store: The obstore store that it stands for; by default one with the settings of the environment.

    Raises:
        InvalidRequestError: `store` is something else.
        StorageError: obstore is not installed.
    """

    def __init__(self, url: str, store: object = None) -> None:
        self.url = url
        if find_spec("obstore") is None:
            raise StorageError(
                "object storage needs obstore, which is not installed",
                url=url,
                retryable=False,
                advice="Install it: pip install 'generor-async[objects]'",
            )
        self._store = None if store is None else _checked_store(store)

    def url_of(self, key: str) -> str:
        """Return the URL of an object, without credentials."""
        return f"{self.url}{'' if self.url.endswith('/') else '/'}{key}"

    async def size(self, key: str) -> int | None:
        """Return the size of an object in bytes; None where there is none, or the store doesn't say.

        S3 refuses to say whether an object exists to credentials that may not list the bucket (documented). An upload
        then tells what they may do.
        """
        from obstore import head_async  # noqa: PLC0415 - an extra

        store = self._open()
        try:
            return (await head_async(store, key))["size"]
        except Exception as error:  # noqa: BLE001 - obstore raises built-in exceptions as well as its own
            found = classify_store_error(type(error).__name__, str(error), self.url)
            if isinstance(error, FileNotFoundError) or found.failure in {"bucket", "denied", "other"}:
                return None
            failure = self._error(error, key)
        raise failure

    async def put(self, key: str, content: bytes, attributes: Mapping[str, str]) -> None:
        """Store a small object in one request."""
        await self.translated(self.start_put(key, content, attributes), key)

    async def start_put(self, key: str, content: bytes | AsyncIterator[bytes], attributes: Mapping[str, str]) -> None:
        """Store an object, in parts where its content comes in parts; raises what obstore raises."""
        from obstore import put_async  # noqa: PLC0415 - an extra
        from obstore.store import LocalStore  # noqa: PLC0415 - the same

        store = self._open()
        await put_async(
            store,
            key,
            content,
            attributes=None if isinstance(store, LocalStore) else dict(attributes),  # a file has none
            use_multipart=not isinstance(content, bytes),
            chunk_size=PART_BYTES,
            max_concurrency=CONCURRENT_PARTS,
        )

    async def check_writable(self) -> None:
        """Store an empty object and delete it; raises StorageError where nothing can be stored."""
        from obstore import delete_async  # noqa: PLC0415 - an extra

        await self.put(PROBE, b"", {})
        with suppress(Exception):  # who may write need not be allowed to delete
            await delete_async(self._open(), PROBE)

    def read(self, key: str, *, at_most: int) -> bytes | None:
        """Return the content of an object, None where there is none or it is larger; blocks."""
        from obstore import get  # noqa: PLC0415 - an extra

        try:
            found = get(self._open(), key)
            return bytes(found.bytes()) if found.meta["size"] <= at_most else None
        except FileNotFoundError:
            return None
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            failure = self._error(error, key)
        raise failure

    async def sign(self, key: str, seconds: float) -> str:
        """Return a link to an object, by which anybody can download it for so many seconds."""
        from obstore import sign_async  # noqa: PLC0415 - an extra

        return await self.translated(sign_async(self._signing(key), "GET", key, timedelta(seconds=seconds)), key)

    def sign_blocking(self, key: str, seconds: float) -> str:
        """Return the same link as `sign`; blocks."""
        from obstore import sign  # noqa: PLC0415 - an extra

        store = self._signing(key)
        try:
            return sign(store, "GET", key, timedelta(seconds=seconds))
        except Exception as error:  # noqa: BLE001 - as above
            failure = self._error(error, key)
        raise failure

    def _signing(self, key: str) -> "SigningStore":
        """Return the store, if it can sign links."""
        from obstore.store import AzureStore, GCSStore, S3Store  # noqa: PLC0415 - an extra

        store = self._open()
        if not isinstance(store, S3Store | GCSStore | AzureStore):
            scheme = self.url.partition(":")[0]
            raise StorageError(f"{scheme}: storage has no signed links", url=self.url_of(key), retryable=False)
        return store

    async def translated(self, work: Awaitable[T], key: str) -> T:
        """Await what a store does, and raise a StorageError where it fails."""
        try:
            return await work
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            failure = self._error(error, key)
        raise failure

    def _open(self) -> "ObjectStore":
        if _runtime_is_in_parent():
            raise StorageError(
                "object storage was used before this process was forked, and obstore would wait for ever in it",
                url=self.url,
                retryable=False,
                advice="Save in the children alone, or start them by spawn or forkserver",
            )
        if self._store is not None:
            return self._store
        from obstore.store import LocalStore, MemoryStore, from_url  # noqa: PLC0415 - an extra

        try:
            if self.url.startswith("file:"):
                self._store = LocalStore(object_path(self.url), mkdir=True)
            elif self.url.startswith("memory:"):
                self._store = MemoryStore()
            else:
                self._store = from_url(self.url, retry_config=RETRIES)
        except Exception as error:  # noqa: BLE001 - as above; a setting in the environment may be wrong
            failure = self._error(error, "")
        else:
            return self._store
        raise failure

    def _error(self, error: Exception, key: str) -> StorageError:
        found = classify_store_error(type(error).__name__, str(error), self.url)
        url = self.url_of(key) if key else self.url
        return StorageError(found.problem, url=url, retryable=found.retryable, advice=found.advice)


def _runtime_is_in_parent() -> bool:
    """Tell whether this process was forked after obstore had started its threads, which a fork doesn't copy.

    Each call of obstore in such a process waits for ever (0.12: measured).
    """
    return _started_by.setdefault("process", os.getpid()) != os.getpid()


_started_by: Final = dict[str, int]()
"""The id of the process that has used obstore first, if any has."""


def _checked_store(store: object) -> "ObjectStore":
    from obstore.store import AzureStore, GCSStore, LocalStore, MemoryStore, S3Store  # noqa: PLC0415 - an extra

    kinds = (S3Store, GCSStore, AzureStore, LocalStore, MemoryStore)
    option_checks.one_of(store, "store", kinds, "Make one with obstore.store, or leave it out")
    return cast("ObjectStore", store)


class _AbortedError(Exception):
    """The upload is aborted."""


class ObjectUpload:
    """An upload of pieces as they come, by a task of its own; the store gets them in parts of `PART_BYTES`."""

    def __init__(self, objects: Objects, key: str, attributes: Mapping[str, str]) -> None:
        self._objects = objects
        self._key = key
        self._pieces = asyncio.Queue[bytes | None](1)
        self._aborted = False
        self._task = asyncio.ensure_future(objects.start_put(key, self._content(), attributes))

    async def send(self, piece: bytes) -> None:
        """Hand over a piece, when the one before it is taken; raises StorageError where the upload has failed."""
        await self._offer(piece)
        if self._task.done():
            await self._objects.translated(self._task, self._key)

    async def finish(self) -> None:
        """Complete the object; raises StorageError where the upload has failed."""
        await self._offer(None)
        await self._objects.translated(asyncio.shield(self._task), self._key)

    def abort(self) -> None:
        """Let the upload fail, unless it has ended, so that the store discards its parts."""
        self._aborted = True
        while not self._pieces.empty():
            self._pieces.get_nowait()
        self._pieces.put_nowait(None)

    async def close(self) -> None:
        """Wait for the end of an upload that has ended or was aborted."""
        await finished(asyncio.ensure_future(asyncio.wait({self._task}, timeout=ABORT_SECONDS)))
        if not self._task.cancel() and not self._task.cancelled():
            self._task.exception()  # it was raised before, or is the abort

    async def _offer(self, piece: bytes | None) -> None:
        offer = asyncio.ensure_future(self._pieces.put(piece))
        try:
            await asyncio.wait({offer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            offer.cancel()

    async def _content(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece
        if self._aborted:
            raise _AbortedError
