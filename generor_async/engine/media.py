"""Media that go into a request as base64: files of this machine, read just before sending, and images by URL.

The API fetches images by URL itself, but has hours when it can't: then, if the caller wants it so, they are fetched
here. A URL may come from anywhere, so nothing is sent along, and only public addresses are asked (with an API on this
machine, as in tests, this machine as well).
"""

import asyncio
import base64
import os
import random
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from attrs import evolve

from generor_async.engine import auth
from generor_async.engine.threads import to_the_end
from generor_async.engine.tracebacks import bare
from generor_async.engine.web import Reach, Web, WebError
from generor_async.errors import DownloadError, InvalidRequestError
from generor_async.rules import addresses, media_types, ranges, retry
from generor_async.rules.checks import LARGEST_INLINE, TOO_LARGE
from generor_async.rules.luma_limits import LARGEST_VIDEO
from generor_async.rules.wire import Operation
from generor_async.values import JSON, Clock, MediaRef, is_array, is_object

__all__ = ["ImageFetcher", "inlined", "reach_for_images"]

T = TypeVar("T")


async def inlined(body: JSON, operation: str) -> JSON:
    """Return the body with every `MediaRef.file(...)` replaced by its bytes."""
    if isinstance(body, MediaRef):
        return await to_the_end(lambda: _read(body, operation))
    if is_object(body):
        return {key: await inlined(value, operation) for key, value in body.items()}
    if is_array(body):
        return [await inlined(value, operation) for value in body]
    return body


def _read(reference: MediaRef, operation: str) -> dict[str, str]:
    path = Path(str(reference.value))

    def refused(problem: str, advice: str = "") -> InvalidRequestError:
        return InvalidRequestError("file", f"{path}{problem}", operation=operation, advice=advice)

    try:
        if not path.is_file():
            raise refused(" is a folder" if path.is_dir() else " is not a file")
        with path.open("rb") as file:
            size, data = os.fstat(file.fileno()).st_size, file.read(media_types.HEAD)
            is_video = (reference.media_type or media_types.sniff(data) or "").startswith("video/")
            if size <= (LARGEST_VIDEO if is_video else LARGEST_INLINE):
                data += file.read(size)
    except OSError as error:
        raise refused(f" cannot be read ({error.strerror})") from None
    if is_video and size > LARGEST_VIDEO:
        advice = "Upload it with files.upload(...), and name it by MediaRef.uploaded(id)"
        raise refused(" is larger than 200 MB", advice)
    if not is_video and size > LARGEST_INLINE:
        raise refused(f": {TOO_LARGE}", "Resize it")
    try:
        media_type = reference.media_type or media_types.of_file(data[: media_types.HEAD], path.name)
    except ValueError as error:
        raise refused(f" {error}", "Name its type: MediaRef.file(path, media_type=...)") from None
    return {"data": base64.b64encode(data).decode(), "media_type": media_type}


class ImageFetcher:
    """Fetches the images that a request names by URL."""

    def __init__(self, web: Web, clock: Clock, statuses: frozenset[int]) -> None:
        self._web = web
        self._clock = clock
        self.statuses = statuses
        """What the API answers when they are to be fetched: 503, 422 or both."""

    async def close(self) -> None:
        """Close the running event loop's connections."""
        await self._web.close()

    async def inlined(self, operation: Operation[T], *, max_retries: int) -> Operation[T]:
        """Return the operation with its images in it; raises DownloadError naming the one that can't be fetched."""
        try:
            return evolve(operation, body=await self._walk(operation.body, "", max_retries))
        except asyncio.CancelledError as error:
            raise bare(error)  # noqa: B904 - it is the same one
        except DownloadError as error:
            failure = DownloadError(error.message, url=error.url, advice=error.advice)
        raise failure  # out here: the frames below, and aiohttp's exceptions, hold the URLs

    async def _walk(self, value: JSON, path: str, max_retries: int) -> JSON:
        if is_object(value):
            if isinstance(url := value.get("url"), str) and not str(value.get("media_type")).startswith("video/"):
                return await self._fetched(url, path, max_retries)
            prefix = f"{path}." if path else ""
            return {key: await self._walk(item, prefix + key, max_retries) for key, item in value.items()}
        if is_array(value):
            return [await self._walk(item, f"{path}[{index}]", max_retries) for index, item in enumerate(value)]
        return value

    async def _fetched(self, url: str, path: str, max_retries: int) -> dict[str, str]:
        retries = 0
        while True:
            try:
                return await self._once(url)
            except WebError as error:
                if not error.passing or retries >= max_retries:
                    raise DownloadError(
                        f"{path}: the API could not fetch the image by its URL, nor could this client: {error.problem}",
                        url=url,
                        advice=error.advice or "Name it by MediaRef.file(...) or .bytes(...), or try again later",
                    ) from None
            await self._clock.sleep(retry.backoff_delay(retries, random.random()))  # noqa: S311 - jitter, not a secret
            retries += 1

    async def _once(self, url: str) -> dict[str, str]:
        data = bytearray()

        def keep(chunk: bytes) -> None:
            data.extend(chunk)
            if len(data) > LARGEST_INLINE:
                raise WebError(TOO_LARGE, passing=False, advice="Resize it")

        async with self._web.get(url, {}) as response:
            answer = ranges.judge(response.status, response.headers, ranges.Have(), most=LARGEST_INLINE)
            match answer:
                case ranges.No(why="large"):
                    raise WebError(TOO_LARGE, passing=False, advice="Resize it")
                case ranges.No():
                    raise WebError(answer.problem, passing=answer.why == "passing")
                case ranges.Body():
                    await self._web.pour(response, keep)
            content_type = response.content_type
        try:
            media_type = media_types.image(bytes(data[: media_types.HEAD]), content_type)
        except ValueError as error:
            raise WebError(str(error), passing=False) from None
        return {"data": base64.b64encode(data).decode(), "media_type": media_type}


def reach_for_images(reach: Reach, address: str, statuses: frozenset[int]) -> Reach:
    """Return how images are reached that a request names by URL: wherever that leads, but not to our own network.

    `address` is the API's: one on this machine lets this machine be asked as well. `statuses` are what the API answers
    when they are to be fetched.
    """
    if reach.proxy is not None:
        option = f"inline_on_{max(statuses)}"
        raise InvalidRequestError(
            option,
            f"{option} does not go through a proxy: nobody could tell which address an image comes from",
            advice="Leave one of the two out",
        )
    here = auth.is_loopback(urlsplit(address).hostname or "")

    def admits(host: str) -> bool:
        return addresses.is_public(host) or (here and addresses.is_loopback(host))

    return evolve(reach, schemes=frozenset({"https", "http"}), admits=admits)
