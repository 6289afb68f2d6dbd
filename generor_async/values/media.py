"""A reference to an image or a video that goes into a generation."""

import base64
from pathlib import PurePath
from typing import Any, Literal, Self, cast

from attrs import field, frozen

__all__ = ["MediaRef"]

Kind = Literal["url", "data", "generation_id", "file_id", "path"]


@frozen
class MediaRef:
    """Names an image or a video by URL, bytes, file, earlier generation or uploaded file.

    Make one with the class methods; wherever one goes in, a plain mapping of the API's own keys is taken as well. What
    it is made of is checked where it goes in: the InvalidRequestError has the name of that argument.
    """

    kind: Kind
    value: str | bytes = field(repr=False)
    """The bytes of `data`; the text of anything else."""
    media_type: str | None = None

    @classmethod
    def url(cls, url: str, *, media_type: str | None = None) -> Self:
        """Name media by a URL that the API fetches; a video source needs its `media_type` (client)."""
        return cls("url", url, media_type)

    @classmethod
    def bytes(cls, data: bytes, media_type: str) -> Self:
        """Carry media inside the request, as base64; at most 50 MB (documented)."""
        return cls("data", _copied(data), media_type)

    @classmethod
    def file(cls, path: str | PurePath, *, media_type: str | None = None) -> Self:
        """Name a file on this machine, read and inlined just before sending; at most 50 MB (documented).

        The media type is told from the file's first bytes unless it is given.
        """
        return cls("path", str(path) if isinstance(path, PurePath) else path, media_type)

    @classmethod
    def generation(cls, generation_id: str) -> Self:
        """Name the output of an earlier generation of the same caller (client)."""
        return cls("generation_id", generation_id)

    @classmethod
    def uploaded(cls, file_id: str) -> Self:
        """Name an uploaded file whose state is `ready` (client)."""
        return cls("file_id", file_id)

    def to_json(self) -> "dict[str, Any] | MediaRef":
        """Return the API's form of it; a file on this machine stays itself until it is sent.

        So does what was given for bytes and is none, until it is refused.
        """
        value = self.value
        if self.kind == "path" or (self.kind == "data" and not isinstance(value, bytes)):
            return self
        known: dict[str, Any] = {self.kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value}
        if self.media_type is not None:
            known["media_type"] = self.media_type
        return known


def _copied(data: Any) -> Any:
    """Return bytes that nobody changes; what is none stays as it is, to be refused where it goes in."""
    return bytes(cast("bytearray", data)) if isinstance(data, bytearray | memoryview) else data
