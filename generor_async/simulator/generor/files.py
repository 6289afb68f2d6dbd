"""The files of Generor's creations, served under /users/ to everybody who knows the URL (assumed).

Unlike Luma's bucket, this host has no ranges and no presigned URLs, so that clients meet both kinds of host.
"""

import hashlib
from base64 import b64encode
from functools import lru_cache
from typing import Literal

from generor_async.simulator import outputs
from generor_async.simulator.catalog import CatalogModel
from generor_async.simulator.generor.entities import Creation, Media
from generor_async.simulator.generor.envelope import whole_number
from generor_async.simulator.generor.state import GenerorState
from generor_async.simulator.messages import Answer, IncomingCall, Route

__all__ = ["CreationFiles", "describe_media"]

LONGER_SIDE = 512
"""Pixels; small, so that pictures are drawn fast."""
SOUND_SECONDS = 2.0
FILES_KEPT = 256
CONTENT_TYPES = {
    "webp": "image/webp",
    "png": "image/png",
    "svg": "image/svg+xml",
    "mp4": "video/mp4",
    "wav": "audio/wav",
}
NOT_FOUND = Answer(status=404, body=b"404 Not Found\n", headers={"Content-Type": "text/plain"})


def describe_media(model: CatalogModel, ratio: str) -> Media | None:
    """Return the kind of file that a model makes: WebP for pictures, PNG for transparent ones; None for text."""
    if model.type == "text":
        return None
    if model.type == "video":
        return Media(kind="video", extension="mp4", ratio=ratio)
    if model.type in {"speech", "music", "soundeffect"}:
        return Media(kind="audio", extension="wav", ratio=ratio)
    width, height = _size(ratio)
    extensions: dict[str, Literal["webp", "png", "svg"]] = {
        "image": "webp",
        "upscale": "png",
        "backgroundremoval": "png",
        "vector": "svg",
    }
    return Media(kind="img", extension=extensions[model.type], ratio=ratio, width=width, height=height)


def _size(ratio: str) -> tuple[int, int]:
    """Return width and height, which are whole numbers, as the longer side is a power of two."""
    width, height = map(int, ratio.split(":"))
    return LONGER_SIDE * width // max(width, height), LONGER_SIDE * height // max(width, height)


class CreationFiles:
    """Serves the files of all creations."""

    def __init__(self, state: GenerorState) -> None:
        self._state = state
        self._content = lru_cache(FILES_KEPT)(self._make)
        self.routes = [
            Route("generor.files.get", "GET", "/users/{user}/{kind}/{name}", self._get),
            Route("generor.files.head", "HEAD", "/users/{user}/{kind}/{name}", self._get),
        ]

    def _get(self, call: IncomingCall) -> Answer:
        stem, _, extension = call.params["name"].rpartition(".")
        creation = self._state.creations.get(whole_number(stem.rpartition("-")[2]) or 0)
        if creation is None or not creation.listed or call.path not in creation.files().values():
            return NOT_FOUND
        content = self._content(creation, extension)
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        headers = {"Content-Type": CONTENT_TYPES[extension], "ETag": f'"{digest}"'}
        return Answer(status=200, body=content, headers=headers)

    def _make(self, creation: Creation, extension: str) -> bytes:
        seed, prompt = self._state.seed + creation.creation_id, creation.prompt
        if extension == "wav":
            return outputs.wav(prompt, seed=seed, seconds=SOUND_SECONDS)
        assert creation.media is not None  # narrated texts have a WAV only
        ratio = creation.media.ratio
        if extension == "mp4":
            return outputs.video(ratio=ratio, seed=seed)
        form: Literal["webp", "png"] = "webp" if extension == "webp" else "png"
        picture = outputs.image(prompt, seed=seed, ratio=ratio, format=form, size=LONGER_SIDE)
        return _as_svg(picture, creation.media) if extension == "svg" else picture


def _as_svg(png: bytes, media: Media) -> bytes:
    """Embed a picture in an SVG file."""
    size = f'width="{media.width}" height="{media.height}"'
    href = f"data:image/png;base64,{b64encode(png).decode()}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><image {size} href="{href}"/></svg>\n'.encode()
