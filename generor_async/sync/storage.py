# Generated from the async implementation by `python -m generor_async.codegen`: do not edit.
# pyright: reportPrivateUsage=false
# The generated classes use each other's `_impl`.
"""Blocking proxies of `storage`."""

from generor_async.api.generor.models import Creation, GeneratedCreation, GenerateResult
from generor_async.api.luma.models import Generation
from generor_async.engine.auth import masked_texts
from generor_async.storage import Storage as AsyncStorage
from generor_async.storage import StoredOutput as AsyncStoredOutput
from generor_async.sync.bridge import SyncProxy, impl_of
from generor_async.sync.generor import Generor
from generor_async.sync.luma import Job, Luma

__all__ = ["Storage", "StoredOutput"]


class StoredOutput(SyncProxy[AsyncStoredOutput]):
    """An output in object storage."""

    __slots__ = ()

    @property
    def key(self) -> str:
        """Its path in the storage: `<job or creation id>-<n>` with the extension of what it is."""
        return self._impl.key

    @property
    def url(self) -> str:
        """The URL of the storage, with the key: an address without credentials."""
        return self._impl.url

    @property
    def size(self) -> int:
        """In bytes."""
        return self._impl.size

    @property
    def media_type(self) -> str:
        """Such as `image/png`."""
        return self._impl.media_type

    @property
    def uploaded(self) -> bool:
        """False where an object of the same size was stored already."""
        return self._impl.uploaded

    def signed_url(self, expires_in: float) -> str:
        """Return a link by which anybody can download the object until it expires: it is a credential.

        Args:
            expires_in: Seconds, at most seven days. Temporary credentials take their links with them when they expire.

        Raises:
            InvalidRequestError: `expires_in` is no such number.
            StorageError: The store can't sign links, as a folder or memory can't, or lacks credentials for it.
        """
        return self._bridge.run(self._impl.signed_url(expires_in))


class Storage(SyncProxy[AsyncStorage]):
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

    __slots__ = ()

    def __init__(self, url: str, client: Generor | Luma, *, store: object = None) -> None:
        url = masked_texts(url)
        impl = AsyncStorage(url, impl_of(client, "client", Generor, Luma), store=store)
        super().__init__(client._bridge, impl)

    def save(self, result: GenerateResult | GeneratedCreation | Creation | Generation | Job) -> list[StoredOutput]:
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
        return [
            StoredOutput(self._bridge, each)
            for each in self._bridge.run(self._impl.save(result._impl if isinstance(result, Job) else result))
        ]
