"""A reference to an image or a video that goes into a generation."""

import base64
from pathlib import PurePath
from typing import Any, Literal, Self

from attrs import field, frozen

__all__ = ["MediaRef"]

_BYTES = (bytes, bytearray, memoryview)
Kind = Literal["url", "data", "generation_id", "file_id", "path"]


@frozen
class MediaRef:
    """Names an image or a video by URL, bytes, file, earlier generation or uploaded file.

    Make one with the class methods; wherever one goes in, a plain mapping of the API's own keys is taken as well.
    """

    kind: Kind
    value: str = field(repr=False)
    media_type: str | None = None

    @classmethod
    def url(cls, url: str, *, media_type: str | None = None) -> Self:
        """Name media by a URL that the API fetches; a video source needs its `media_type` (client)."""
        return cls("url", url, media_type)

    @classmethod
    def bytes(cls, data: bytes, media_type: str) -> Self:
        """Carry media inside the request, as base64; at most 50 MB (documented). TypeError for what is no bytes."""
        _check("MediaRef.bytes takes bytes", data, _BYTES, "MediaRef.file(...) or MediaRef.url(...)")
        return cls("data", base64.b64encode(data).decode(), media_type)

    @classmethod
    def file(cls, path: str | PurePath, *, media_type: str | None = None) -> Self:
        """Name a file on this machine, read and inlined just before sending; at most 50 MB (documented).

        The media type is told from the file's first bytes unless it is given. TypeError for what is no path.
        """
        _check("MediaRef.file takes a path", path, (str, PurePath), "a string or a Path")
        return cls("path", str(path), media_type)

    @classmethod
    def generation(cls, generation_id: str) -> Self:
        """Name the output of an earlier generation of the same caller (client)."""
        return cls("generation_id", generation_id)

    @classmethod
    def uploaded(cls, file_id: str) -> Self:
        """Name an uploaded file whose state is `ready` (client)."""
        return cls("file_id", file_id)

    def to_json(self) -> "dict[str, Any] | MediaRef":
        """Return the API's form of it; a file on this machine stays itself until it is sent."""
        if self.kind == "path":
            return self
        known: dict[str, Any] = {self.kind: self.value}
        if self.media_type is not None:
            known["media_type"] = self.media_type
        return known


def _check(what: str, value: object, classes: tuple[type, ...], instead: str) -> None:
    if not isinstance(value, classes):
        raise TypeError(f"{what}, not {type(value).__name__}: write {instead}")
