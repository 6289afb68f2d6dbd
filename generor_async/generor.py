"""The Generor client: generate, browse and manage."""

from os import PathLike
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urljoin

from generor_async.api.generor import resources
from generor_async.api.generor.models import Creation, GeneratedCreation, GenerateResult
from generor_async.engine.client import Client
from generor_async.engine.transfer import Output, Progress, safe_name
from generor_async.rules.vendors import GENEROR, Vendor
from generor_async.values import is_array, is_object

__all__ = ["AsyncGeneror"]


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

    def _bind(self) -> None:
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

    async def download(
        self,
        result: GenerateResult | GeneratedCreation | Creation,
        to: str | PathLike[str],
        *,
        overwrite: bool = False,
        on_progress: Progress | None = None,
    ) -> list[Path]:
        """Download the media of a result or creation into the folder `to`; return the files' paths in order.

        A file is called `<creation id>-<n>` with the extension of what it is, and appears whole or not at all. A
        creation that is text alone gives no file. Relative addresses (`/users/42/img/...`) are the site's.

        Raises:
            DownloadError: it broke off, or the file exists already.
        """
        creations = result.creations if isinstance(result, GenerateResult) else [result]
        outputs = [
            Output(name=f"{safe_name(str(creation.creation_id))}-{index}", url=self._absolute(url))
            for creation in creations
            for index, url in enumerate(_media_urls(creation.raw))
        ]
        return await self._download(outputs, to, overwrite=overwrite, on_progress=on_progress)

    def _absolute(self, url: str) -> str:
        return urljoin(self._session.base_url, url)


_MEDIA_FIELDS = ("image_url", "video_url", "audio_url")
"""Where a fresh creation names its file: the first documented, the others assumed."""


def _media_urls(creation: Any) -> list[str]:
    """Return the addresses of a creation's files, as they were received."""
    urls = [creation.get(name) for name in _MEDIA_FIELDS]
    images = creation.get("images")
    if is_array(images):
        urls += [image.get("url") for image in images if is_object(image)]
    return list(dict.fromkeys(url for url in urls if isinstance(url, str) and url))
