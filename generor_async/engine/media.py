"""Puts media into a request as base64: local files, read just before it is sent, and images named by URL.

The API fetches images by URL itself. When it can't, and the caller has asked for that, they are fetched here: without
credentials, and from public addresses only, since a URL may come from anybody. With an API on the local machine, as in
tests, local addresses are allowed as well.
"""

import asyncio
import base64
import os
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from attrs import evolve

from generor_async.engine import auth
from generor_async.engine.plain_http import HostPolicy, PlainHttp, PlainHttpError
from generor_async.engine.retries import Retries
from generor_async.engine.tracebacks import without_traceback
from generor_async.errors import DownloadError, InvalidRequestError
from generor_async.rules import addresses, byte_ranges, media_types
from generor_async.rules.checks import LARGEST_INLINE, TOO_LARGE
from generor_async.rules.http_types import Operation
from generor_async.rules.luma_input_checks import LARGEST_VIDEO
from generor_async.stores.threads import run_to_completion
from generor_async.values import JSON, Clock, MediaRef, is_array, is_object

__all__ = ["ImageFetcher", "image_host_policy", "inline_files"]

T = TypeVar("T")


async def inline_files(body: JSON, operation: str) -> JSON:
    """Return a request's body with every `MediaRef.file(...)` replaced by its content."""
    if isinstance(body, MediaRef):
        return await run_to_completion(lambda: _read_file(body, operation))
    if is_object(body):
        return {key: await inline_files(value, operation) for key, value in body.items()}
    if is_array(body):
        return [await inline_files(value, operation) for value in body]
    return body


def _read_file(reference: MediaRef, operation: str) -> dict[str, str]:
    path = Path(str(reference.value))

    def refused(problem: str, advice: str = "") -> InvalidRequestError:
        return InvalidRequestError("file", f"{path}{problem}", operation=operation, advice=advice)

    try:
        if not path.is_file():
            raise refused(" is a folder" if path.is_dir() else " is not a file")
        with path.open("rb") as file:
            size, data = os.fstat(file.fileno()).st_size, file.read(media_types.SNIFFED_BYTES)
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
        media_type = reference.media_type or media_types.upload_type(data[: media_types.SNIFFED_BYTES], path.name)
    except ValueError as error:
        raise refused(f" {error}", "Name its type: MediaRef.file(path, media_type=...)") from None
    return {"data": base64.b64encode(data).decode(), "media_type": media_type}


class ImageFetcher:
    """Fetches the images that a request names by URL."""

    def __init__(self, web: PlainHttp, clock: Clock, statuses: frozenset[int]) -> None:
        self._plain_http = web
        self._clock = clock
        self.statuses = statuses
        """The statuses after which images are fetched here: 503, 422 or both."""

    async def close(self) -> None:
        """Close the running event loop's connections."""
        await self._plain_http.close()

    async def inline_images(self, operation: Operation[T], *, max_retries: int) -> Operation[T]:
        """Return the operation with the content of its images; raises DownloadError for one that can't be fetched."""
        try:
            return evolve(operation, body=await self._with_content(operation.body, "", max_retries))
        except asyncio.CancelledError as error:
            raise without_traceback(error)  # noqa: B904 - it is the same one
        except DownloadError as error:
            failure = DownloadError(error.message, url=error.url, advice=error.advice)
        raise failure  # out here: the frames below, and aiohttp's exceptions, hold the URLs

    async def _with_content(self, value: JSON, path: str, max_retries: int) -> JSON:
        if is_object(value):
            if isinstance(url := value.get("url"), str) and not str(value.get("media_type")).startswith("video/"):
                return await self._fetch(url, path, max_retries)
            prefix = f"{path}." if path else ""
            return {key: await self._with_content(item, prefix + key, max_retries) for key, item in value.items()}
        if is_array(value):
            return [await self._with_content(item, f"{path}[{index}]", max_retries) for index, item in enumerate(value)]
        return value

    async def _fetch(self, url: str, path: str, max_retries: int) -> dict[str, str]:
        retries = Retries(self._clock, max_retries)
        while True:
            try:
                return await self._fetch_once(url)
            except PlainHttpError as error:
                if not await retries.next_attempt(error):
                    raise DownloadError(
                        f"{path}: the API could not fetch the image by its URL, nor could this client: {error.problem}",
                        url=url,
                        advice=error.advice or "Name it by MediaRef.file(...) or .bytes(...), or try again later",
                    ) from None

    async def _fetch_once(self, url: str) -> dict[str, str]:
        data = bytearray()

        def keep(chunk: bytes) -> None:
            data.extend(chunk)
            if len(data) > LARGEST_INLINE:
                raise PlainHttpError(TOO_LARGE, transient=False, advice="Resize it")

        async with self._plain_http.get(url, {}) as response:
            answer = byte_ranges.check_response(
                response.status, response.headers, byte_ranges.PartialFile(), most=LARGEST_INLINE
            )
            match answer:
                case byte_ranges.RejectedBody(why="large"):
                    raise PlainHttpError(TOO_LARGE, transient=False, advice="Resize it")
                case byte_ranges.RejectedBody():
                    raise PlainHttpError(answer.problem, transient=answer.why == "passing")
                case byte_ranges.UsableBody():
                    await self._plain_http.stream_to(response, keep)
            content_type = response.content_type
        try:
            media_type = media_types.fetched_image_type(bytes(data[: media_types.SNIFFED_BYTES]), content_type)
        except ValueError as error:
            raise PlainHttpError(str(error), transient=False) from None
        return {"data": base64.b64encode(data).decode(), "media_type": media_type}


def image_host_policy(policy: HostPolicy, address: str) -> HostPolicy:
    """Return the host policy for images that a request names by URL: any host with a public address.

    Args:
        policy: The client's policy for other hosts.
        address: The API's base URL; where that is local, local addresses are allowed.
    """
    here = auth.is_loopback(urlsplit(address).hostname or "")

    def admits(host: str) -> bool:
        return addresses.is_public(host) or (here and addresses.is_loopback(host))

    return evolve(policy, schemes=frozenset({"https", "http"}), allows_address=admits)
