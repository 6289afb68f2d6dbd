"""Media references in a Luma request: how they are read and checked.

The simulator never fetches a URL. A URL of its own bucket gets the bucket's answer; for any other URL its text decides.
All of that is `assumed` except for the vendor's own examples:

| in the URL (any case) | what the request gets |
|---|---|
| a host under `.invalid`, or with `nonexistent` in it; no http(s); no host | 422 failed to fetch URL |
| the word `deleted`, `missing` or `404` in the path | 422 failed to fetch URL (HTTP 404) |
| `http-NNN` in the path | 422 failed to fetch URL (HTTP NNN) |
| a path ending in .pdf, .html, .txt, .json, .zip or in the wrong medium | 422 content-type is not an image |
| `too-large` in the path | 413 |
| `bad-gateway` in host or path | 502 |
| `ingestion-unavailable` in host or path | 503 |

In the prompt, `[[bad-gateway]]` brings 502 for any request, and `[[ingestion-unavailable]]` brings 503 for
one that has a URL reference, so that the vendor's workaround (send the image as base64) works.

Also `assumed`: 50 MB are 50 x 1024 x 1024 bytes, and only apply to images; the media type of inline data is believed;
references by unusable ids are a 422.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Literal, Protocol
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from generor_async.simulator.luma.answers import LumaRefusal, as_object
from generor_async.simulator.luma.clients import Key
from generor_async.simulator.messages import IncomingCall
from generor_async.simulator.storage import Bucket

__all__ = ["MAX_IMAGE_BYTES", "FileLike", "JobLike", "MediaChecker", "MediaKind", "MediaReference", "read_ref"]

MAX_IMAGE_BYTES = 50 * 1024 * 1024
DOCUMENT_SUFFIXES = (".pdf", ".html", ".txt", ".json", ".zip")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif")
VIDEO_SUFFIXES = (".mp4", ".mov", ".webm")

MediaKind = Literal["image", "video"]
RefKind = Literal["url", "data", "generation_id", "file_id"]
REF_KINDS: tuple[RefKind, ...] = ("url", "data", "generation_id", "file_id")


class JobLike(Protocol):
    """The part of a generation that a reference to it needs."""

    @property
    def owner(self) -> Key:
        """The key that submitted it."""
        ...

    @property
    def media(self) -> MediaKind:
        """The kind of media that it makes."""
        ...

    def state(self, now: float) -> str:
        """Return its state at a time."""
        ...


class FileLike(Protocol):
    """The part of an uploaded file that a reference to it needs."""

    @property
    def media(self) -> MediaKind:
        """The kind of media that it holds."""
        ...

    @property
    def size_bytes(self) -> int:
        """Its size."""
        ...

    def owned_by(self, key: Key) -> bool:
        """Tell whether a key's client may use it."""
        ...

    def state(self, now: float) -> str:
        """Return its state at a time."""
        ...


@frozen(kw_only=True)
class MediaReference:
    """A media reference of a request, before it is resolved."""

    path: str
    """Its path in the body, such as `image_ref[0]`, with which messages about it begin."""
    kind: RefKind
    value: str = field(repr=False)
    media_type: str | None
    wants: tuple[MediaKind, ...]
    """The kinds of media that are allowed here."""

    def refusal(self, problem: str, *, status: int = 422) -> LumaRefusal:
        """Return a refusal of this reference in the vendor's wording."""
        return LumaRefusal(status, f"{self.path}: {problem}")

    @property
    def wrong_type(self) -> LumaRefusal:
        """The refusal of media of the wrong type."""
        return self.refusal(f"content-type is not {'a video' if self.wants == ('video',) else 'an image'}")


def read_ref(value: Any, path: str, *, wants: tuple[MediaKind, ...] = ("image",)) -> MediaReference:
    """Read a MediaRef: exactly one of its four kinds, with a media type where one is required."""
    fields = {name: given for name, given in as_object(value, path).items() if given is not None}
    for name in (*REF_KINDS, "media_type"):
        if not isinstance(fields.get(name, ""), str):
            raise LumaRefusal(400, f"{path}: '{name}' must be a string")
    kinds: list[RefKind] = [kind for kind in REF_KINDS if kind in fields]
    if "url" in kinds and "data" in kinds:
        raise LumaRefusal(400, f"{path}: provide either 'url' or 'data', not both")
    if len(kinds) != 1:
        raise LumaRefusal(400, f"{path}: provide exactly one of 'url', 'data', 'generation_id' or 'file_id'")
    kind: RefKind = kinds[0]
    media_type = fields.get("media_type")
    if kind == "data" and media_type is None:
        raise LumaRefusal(400, f"{path}: 'media_type' is required with 'data'")
    ref = MediaReference(path=path, kind=kind, value=fields[kind], media_type=media_type, wants=wants)
    if wants == ("video",) and kind in {"url", "data"} and not (media_type or "").startswith("video/"):
        raise ref.refusal("'media_type' must be a video type such as video/mp4", status=400)
    return ref


@frozen(kw_only=True)
class MediaChecker:
    """Resolves the media references of a request, and refuses unusable ones."""

    storage: Bucket
    jobs: Mapping[str, JobLike]
    files: Mapping[str, FileLike]

    def check(self, refs: tuple[MediaReference, ...], prompt: str, key: Key, call: IncomingCall) -> None:
        """Refuse the request if the upstream is down or a reference is unusable."""
        if "[[bad-gateway]]" in prompt:
            raise _bad_gateway()
        if "[[ingestion-unavailable]]" in prompt and any(ref.kind == "url" for ref in refs):
            raise _ingestion_unavailable()
        for ref in refs:
            if ref.kind == "url":
                self._check_url(ref, call)
            elif ref.kind == "data":
                _check_data(ref)
            elif ref.kind == "generation_id":
                self._check_generation(ref, key, call.now)
            else:
                self._check_file(ref, key, call.now)

    def _check_url(self, ref: MediaReference, call: IncomingCall) -> None:
        if not ref.value.startswith(f"{call.origin}/storage/"):
            _check_foreign_url(ref)
            return
        stat = self.storage.url_status(ref.value, now=call.now)
        if stat.status != 200:
            raise ref.refusal(f"failed to fetch URL (HTTP {stat.status})")
        if not stat.content_type.startswith(tuple(f"{kind}/" for kind in ref.wants)):
            raise ref.wrong_type

    def _check_generation(self, ref: MediaReference, key: Key, now: float) -> None:
        job = self.jobs.get(ref.value)
        if job is None or job.owner is not key:
            raise ref.refusal("generation not found")
        if job.state(now) != "completed":
            raise ref.refusal("generation is not completed")
        if job.media not in ref.wants:
            raise ref.refusal(f"generation has no {ref.wants[0]} output")

    def _check_file(self, ref: MediaReference, key: Key, now: float) -> None:
        file = self.files.get(ref.value)
        if file is None or not file.owned_by(key):
            raise ref.refusal("file not found")
        if file.state(now) != "ready":
            raise ref.refusal("file is not ready")
        if file.media not in ref.wants:
            raise ref.wrong_type
        if file.media == "image" and file.size_bytes > MAX_IMAGE_BYTES:
            raise _too_large()


def _bad_gateway() -> LumaRefusal:
    return LumaRefusal(502, "Upstream service unavailable")


def _ingestion_unavailable() -> LumaRefusal:
    return LumaRefusal(503, "Image URL ingestion unavailable")


def _too_large() -> LumaRefusal:
    return LumaRefusal(413, "Image exceeds 50 MB size limit")


def _check_data(ref: MediaReference) -> None:
    kind = (ref.media_type or "").partition("/")[0]
    if kind not in ref.wants:
        raise ref.wrong_type
    try:
        content = base64.b64decode(ref.value, validate=True)
    except (binascii.Error, ValueError):
        raise ref.refusal("invalid base64 data") from None
    if kind == "image" and len(content) > MAX_IMAGE_BYTES:
        raise _too_large()


def _check_foreign_url(ref: MediaReference) -> None:
    """Refuse a foreign URL by the table above."""
    try:
        parts = urlsplit(ref.value.lower())
        host = parts.hostname or ""
    except ValueError:
        raise ref.refusal("failed to fetch URL") from None
    path = unquote(parts.path)
    if "bad-gateway" in host + path:
        raise _bad_gateway()
    if "ingestion-unavailable" in host + path:
        raise _ingestion_unavailable()
    unreachable = host.endswith(".invalid") or "nonexistent" in host
    if parts.scheme not in {"http", "https"} or not host or unreachable:
        raise ref.refusal("failed to fetch URL")
    if status := _http_error(path):
        raise ref.refusal(f"failed to fetch URL (HTTP {status})")
    if "too-large" in path:
        raise _too_large()
    wrong = VIDEO_SUFFIXES if "video" not in ref.wants else IMAGE_SUFFIXES if "image" not in ref.wants else ()
    if path.endswith((*DOCUMENT_SUFFIXES, *wrong)):
        raise ref.wrong_type


def _http_error(path: str) -> str | None:
    """Return the HTTP error that a URL's path asks for; None without one."""
    if status := re.search(r"http-([45]\d\d)(?!\d)", path, re.ASCII):
        return status[1]
    return "404" if re.search(r"(?<![a-z0-9])(deleted|missing|404)(?![a-z0-9])", path) else None
