"""Saves outputs in object storage: S3, Google Cloud Storage, Azure, a folder, or memory for tests.

An output is streamed from its URL into the store in parts: it is never whole in memory or on disk. Its key is made of
the id of its job or creation, so that saving a result twice uploads it once: an object of the same size is left as it
is. An object appears under its key only when it is complete; an upload that breaks off or is cancelled is aborted.
"""

import contextlib
from collections.abc import Awaitable
from functools import partial
from typing import Final
from urllib.parse import quote

from attrs import field, frozen

from generor_async.api.generor.models import Creation, GeneratedCreation, GenerateResult
from generor_async.api.luma.models import Generation
from generor_async.engine import auth
from generor_async.engine.downloads import Downloads
from generor_async.engine.options import Options
from generor_async.engine.settings import MAX_BYTES
from generor_async.engine.transfer import Output, Transfer, WrongContentError, without_urls
from generor_async.errors import InvalidRequestError, StorageError
from generor_async.generor import AsyncGeneror
from generor_async.luma import AsyncLuma
from generor_async.luma_resources import Job
from generor_async.rules import arguments, media_types, option_checks
from generor_async.rules.byte_ranges import PartialFile, UsableBody
from generor_async.rules.storage_urls import check_storage_url
from generor_async.stores.objects import PART_BYTES, Objects, ObjectUpload

__all__ = ["LONGEST_LINK", "Storage", "StoredOutput", "checked_url"]

PIECE_BYTES: Final = 1024**2
"""Size of the pieces in which a large output is handed over to the store, which makes parts of them."""
LONGEST_LINK: Final = 7 * 24 * 3600.0
"""Most seconds for which stores sign a link (S3, GCS: documented)."""


@frozen(kw_only=True)
class StoredOutput:
    """An output in object storage."""

    key: str
    """Its path in the storage: `<job or creation id>-<n>` with the extension of what it is."""
    url: str
    """The URL of the storage, with the key: an address without credentials."""
    size: int
    """In bytes."""
    media_type: str
    """Such as `image/png`."""
    uploaded: bool
    """False where an object of the same size was stored already."""
    _objects: Objects = field(alias="objects", repr=False, eq=False)

    async def signed_url(self, expires_in: float) -> str:
        """Return a link by which anybody can download the object until it expires: it is a credential.

        Args:
            expires_in: Seconds, at most seven days. Temporary credentials take their links with them when they expire.

        Raises:
            InvalidRequestError: `expires_in` is no such number.
            StorageError: The store can't sign links, as a folder or memory can't, or lacks credentials for it.
        """
        seconds = option_checks.at_least(expires_in, "expires_in", 1, at_most=LONGEST_LINK)
        return await self._objects.sign(self.key, seconds)


class Storage:
    """A place in object storage where outputs are saved. It needs the extra `objects`.

    A process that was forked after its parent had used a storage can't use one; start it by spawn or forkserver.

    Args:
        url: `s3://bucket/folder`, `gs://bucket/folder`, `az://container/folder`, `file:///folder`, or `memory://` for
            tests. Credentials, region and endpoint are those in the environment, such as `AWS_ACCESS_KEY_ID`,
            `AWS_REGION` and `AWS_ENDPOINT_URL`; a URL that has credentials is refused.
        client: The client that returned the results, or a view of it: it downloads the outputs, with its timeout and
            its retries, and gets fresh URLs for those that have expired. Async code may leave it out: each save then
            makes a client with the key and the address in the environment.
        store: The obstore store that `url` stands for, such as an `obstore.store.S3Store`, where the environment can't
            describe it: one with a credential provider, for example.

    Raises:
        InvalidRequestError: An argument can never be right.
        StorageError: The extra `objects` is not installed.
    """

    def __init__(self, url: str, client: AsyncGeneror | AsyncLuma | None = None, *, store: object = None) -> None:
        url = auth.masked_texts(url)
        self._client = client
        if client is not None:
            option_checks.one_of(client, "client", (AsyncGeneror, AsyncLuma), "Give the one that returned the results")
        self._objects = Objects(checked_url(url, "url"), store)

    async def save(
        self, result: GenerateResult | GeneratedCreation | Creation | Generation | Job
    ) -> list[StoredOutput]:
        """Save all outputs of a result. What is stored already is not sent again.

        Args:
            result: What a client returned: a result of `generate` or a creation, a completed generation or its job.

        Returns:
            The stored outputs, in order.

        Raises:
            InvalidRequestError: This is no result.
            StorageError: The storage can't be used; the message says why. The result can be saved again.
            DownloadError: There is nothing to save, it broke off, isn't what was asked for, or is larger than 2 GiB.
            DeadlineExceededError: The client's `timeout` is over.
        """
        results = (GenerateResult, GeneratedCreation, Creation, Generation, Job)
        option_checks.one_of(result, "result", results, "Give what a client returned")
        if self._client is not None:
            return await self._save(self._client, result)
        async with AsyncLuma() if isinstance(result, Generation | Job) else AsyncGeneror() as client:
            return await self._save(client, result)

    async def _save(self, client: AsyncGeneror | AsyncLuma, result: object) -> list[StoredOutput]:
        return await client._save_each(result, partial(self._save_one, _api_of(client)))  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here

    async def _save_outputs(self, client: AsyncGeneror | AsyncLuma, outputs: list[Output]) -> list[StoredOutput]:
        """Save outputs that a batch has named itself."""
        return await client._save_outputs(outputs, partial(self._save_one, _api_of(client)))  # pyright: ignore[reportPrivateUsage] # hidden from users, not from here

    async def _save_one(self, api: str, output: Output, downloads: Downloads, options: Options) -> StoredOutput:
        if not output.owner_id:
            raise StorageError(
                "the result has no id that its objects could be named by", url=self._objects.url, retryable=False
            )
        sink = _ObjectSink(self._objects, output, api)
        transfer = downloads.transfer(output, sink, max_bytes=MAX_BYTES, max_retries=options.max_retries)
        return await without_urls(_store(transfer, sink), output)

    def __repr__(self) -> str:
        objects: Objects | None = getattr(self, "_objects", None)  # a traceback may show one that was refused
        return f"{type(self).__name__}({'unfinished' if objects is None else repr(objects.url)})"


def checked_url(url: str, name: str) -> str:
    """Return a checked URL as plain text; raises InvalidRequestError for the argument `name`, which doesn't show it."""
    arguments.text(url, name)
    try:
        return check_storage_url(str.__str__(url))
    except ValueError as error:
        problem = str(error)
    raise InvalidRequestError(name, f"{name} {problem}", advice="Write it like s3://bucket/folder")


def _api_of(client: AsyncGeneror | AsyncLuma) -> str:
    return "luma" if isinstance(client, AsyncLuma) else "generor"


async def _store(transfer: Transfer, sink: "_ObjectSink") -> StoredOutput:
    """Transfer an output into its sink, and return what is stored then."""
    try:
        with contextlib.suppress(_StoredAlreadyError):
            await transfer.run()
            await sink.finish()
        return sink.stored()
    finally:
        await sink.close()


class _StoredAlreadyError(Exception):
    """An object of the same size is stored under the key."""


class _ObjectSink:
    """Sends the bytes of one output into object storage."""

    def __init__(self, objects: Objects, output: Output, api: str) -> None:
        self._objects = objects
        self._output = output
        self._attributes = {"api": api, "id": quote(output.owner_id, safe="")}
        self._uploads = list[ObjectUpload]()
        """The last one may be under way; those before it were of files that the host has replaced since."""
        self._uploaded = False
        self._etag: str | None = None
        self._total: int | None = None
        self._empty()

    @property
    def present(self) -> PartialFile:
        """How much of which file has come."""
        return PartialFile(self._size, self._etag, self._total)

    def begin(self, body: UsableBody, content_type: str) -> None:
        """Start anew, with the body of an answer."""
        self.drop()
        self._etag, self._content_type = body.etag, content_type

    def expect(self, total: int | None) -> None:
        """Take the size of the complete file."""
        self._total = total

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Take bytes; return what looks the object up at first, and sends what has come later."""
        self._buffer += data
        self._size += len(data)
        if len(self._head) < media_types.SNIFFED_BYTES:
            self._head += data[: media_types.SNIFFED_BYTES - len(self._head)]
        if (not self._key and len(self._head) == media_types.SNIFFED_BYTES) or len(self._buffer) >= self._enough():
            return self._send()
        return None

    def head(self) -> bytes:
        """Return the first bytes."""
        return self._head

    def drop(self) -> None:
        """Discard what has come, and abort its upload."""
        if self._uploads:
            self._uploads[-1].abort()
        self._empty()

    async def settle(self) -> None:
        """Return at once: every write was awaited."""

    async def finish(self) -> None:
        """Store what is left, and check the size of the object."""
        self._total = self._size
        if not self._key:
            await self._look_up()
        rest = bytes(self._buffer)
        if self._in_parts:
            if rest:
                await self._uploads[-1].send(rest)
            await self._uploads[-1].finish()
        else:
            await self._objects.put(self._key, rest, self._attributes)
        self._uploaded = True
        stored = await self._objects.size(self._key)
        if stored not in {self._size, None}:
            raise StorageError(
                f"{self._size:,} bytes were sent, and {stored:,} are stored: another program has written there",
                url=self._objects.url_of(self._key),
                advice="Save it again",
            )

    def stored(self) -> StoredOutput:
        """Return what is stored."""
        return StoredOutput(
            key=self._key,
            url=self._objects.url_of(self._key),
            size=self._total or 0,
            media_type=self._attributes["Content-Type"],
            uploaded=self._uploaded,
            objects=self._objects,
        )

    async def close(self) -> None:
        """Abort an upload that has not ended, and wait for its end."""
        if self._uploads:
            self._uploads[-1].abort()
        for upload in self._uploads:
            await upload.close()

    def _empty(self) -> None:
        self._buffer, self._head, self._size = bytearray(), b"", 0
        self._etag = self._total = None
        self._content_type = ""
        self._key = ""
        self._in_parts = False

    def _enough(self) -> int:
        """Return how many bytes are sent at a time: what may be a whole output waits until it is more than a part."""
        return PIECE_BYTES if self._in_parts else PART_BYTES

    async def _send(self) -> None:
        if not self._key:
            await self._look_up()
        while len(self._buffer) >= self._enough():
            if not self._in_parts:
                self._uploads.append(ObjectUpload(self._objects, self._key, self._attributes))
                self._in_parts = True
            piece = bytes(self._buffer[:PIECE_BYTES])
            del self._buffer[:PIECE_BYTES]
            await self._uploads[-1].send(piece)

    async def _look_up(self) -> None:
        """Choose the key, by what the first bytes are; raises _StoredAlreadyError where the object is stored."""
        media_type = "text/plain" if self._output.text is not None else self._media_type()
        self._attributes["Content-Type"] = media_type
        self._key = f"{self._output.name}{media_types.extension(media_type)}"
        if self._total is not None and await self._objects.size(self._key) == self._total:
            raise _StoredAlreadyError

    def _media_type(self) -> str:
        try:
            return media_types.output_type(self._head, self._content_type, self._output.kind)
        except ValueError as error:
            raise WrongContentError(str(error)) from None
