"""The Generor client: generate, browse and manage."""

from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import urljoin

from attrs import evolve

from generor_async.api.generor import resources
from generor_async.api.generor.models import Creation, Estimate, GeneratedCreation, GenerateResult
from generor_async.api.generor.operations import GENERATORS_GENERATE
from generor_async.engine.client import Client
from generor_async.engine.downloads import MAX_BYTES, Output, Progress, safe_name
from generor_async.rules.derived import longest_seconds
from generor_async.rules.vendors import GENEROR, Vendor
from generor_async.rules.wire import Operation
from generor_async.values import is_array, is_object

__all__ = ["AsyncGeneror"]

T = TypeVar("T")


class AsyncGeneror(Client):
    """The Generor API, async. Public endpoints work without a key."""

    _vendor: ClassVar[Vendor] = GENEROR

    api_keys: resources.ApiKeysResource
    comments: resources.CommentsResource
    creations: resources.CreationsResource
    credits: resources.CreditsResource
    feed: resources.FeedResource
    generators: resources.GeneratorsResource
    models: resources.ModelsResource
    ratings: resources.RatingsResource
    teams: resources.TeamsResource
    users: resources.UsersResource

    _estimated: dict[tuple[str, Any], float]

    def _bind(self) -> None:
        if not hasattr(self, "_estimated"):  # views share what was learned
            self._estimated = {}
        self.api_keys = resources.ApiKeysResource(self)
        self.comments = resources.CommentsResource(self)
        self.creations = resources.CreationsResource(self)
        self.credits = resources.CreditsResource(self)
        self.feed = resources.FeedResource(self)
        self.generators = resources.GeneratorsResource(self)
        self.models = resources.ModelsResource(self)
        self.ratings = resources.RatingsResource(self)
        self.teams = resources.TeamsResource(self)
        self.users = resources.UsersResource(self)

    async def send(self, operation: Operation[T]) -> T:
        """Send an operation that was built before, and return its decoded result.

        An estimate is remembered: a generate of the same generator and model is given as long as it said, if that is
        longer than the 900 seconds that it has anyway.
        """
        result = await super().send(self._given_time(operation))
        if isinstance(result, Estimate):
            self._estimated[_order(operation)] = longest_seconds(result.time_estimate, operation.body)
        return result

    def _given_time(self, operation: Operation[T]) -> Operation[T]:
        """Raise a generate's own times to what was estimated: a `timeout` of the caller's would cover the queue too."""
        endpoint = operation.endpoint
        if endpoint is not GENERATORS_GENERATE:
            return operation
        seconds = self._estimated.get(_order(operation), 0.0)
        if seconds <= endpoint.timeout:
            return operation
        return evolve(operation, endpoint=evolve(endpoint, timeout=seconds, attempt_timeout=seconds))

    async def download(
        self,
        result: GenerateResult | GeneratedCreation | Creation,
        to: str | PathLike[str],
        *,
        overwrite: bool = False,
        max_bytes: int = MAX_BYTES,
        on_progress: Progress | None = None,
    ) -> list[Path]:
        """Download the media of a result or creation into the folder `to`; return the files' paths in order.

        A file is called `<creation id>-<n>` with the extension of what it is, and appears whole or not at all: one
        that breaks off is tried again as often as calls are. A creation that is text alone gives no file. Relative
        addresses (`/users/42/img/...`) are the site's. A file of more than `max_bytes` is not taken.

        Raises:
            DownloadError: it broke off, isn't what was asked for, or the file exists already.
            DeadlineExceededError: the client's `timeout` is over.
        """
        creations = result.creations if isinstance(result, GenerateResult) else [result]
        outputs = [
            Output(name=f"{safe_name(str(creation.creation_id))}-{index}", url=self._absolute(url), kind=kind)
            for creation in creations
            for index, (url, kind) in enumerate(_media_urls(creation.raw).items())
        ]
        return await self._download(outputs, to, overwrite=overwrite, max_bytes=max_bytes, on_progress=on_progress)

    def _absolute(self, url: str) -> str:
        return urljoin(self._session.base_url, url)


def _order(operation: Operation[Any]) -> tuple[str, Any]:
    """Return what an estimate and the generate after it have in common: generator and model."""
    body = operation.body
    return operation.path.rpartition("/")[0], body.get("model_id") if is_object(body) else None


_MEDIA_FIELDS = {"image_url": "image", "video_url": "video", "audio_url": "audio"}
"""Where a fresh creation names its file, and what that is: the first documented, the others assumed."""


def _media_urls(creation: Any) -> dict[str, str]:
    """Return the addresses of a creation's files, as they were received, and what they are."""
    found = [(creation.get(name), kind) for name, kind in _MEDIA_FIELDS.items()]
    images = creation.get("images")
    if is_array(images):
        found += [(image.get("url"), "image") for image in images if is_object(image)]
    return {url: kind for url, kind in found if isinstance(url, str) and url}
