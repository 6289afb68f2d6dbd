"""A reference to an image or a video that goes into a generation."""

import base64
from pathlib import PurePath
from typing import Any, Literal, Self, cast

from attrs import field, frozen

__all__ = ["MediaRef"]

MediaRefKind = Literal["url", "data", "generation_id", "file_id", "path"]


@frozen
class MediaRef:
    """A reference to an image or a video: by URL, bytes, file, earlier generation or uploaded file.

    Create one by a class method. A plain mapping of the API's own keys is accepted wherever a MediaRef is. The values
    are checked when it is passed to a call: the InvalidRequestError names that argument.
    """

    kind: MediaRefKind
    value: str | bytes = field(repr=False)
    """Bytes for `data`; text for any other kind."""
    media_type: str | None = None

    @classmethod
    def url(cls, url: str, *, media_type: str | None = None) -> Self:
        """Refer to media by a URL that the API fetches.

        Args:
            url: An https URL.
            media_type: The media type, such as `video/mp4`; needed for the source of a video (client).

        Returns:
            The reference.
        """
        return cls("url", url, media_type)

    @classmethod
    def bytes(cls, data: bytes, media_type: str) -> Self:
        """Send media inside the request, as base64.

        Args:
            data: At most 50 MB (documented).
            media_type: The media type, such as `image/png`.

        Returns:
            The reference.
        """
        return cls("data", _copied(data), media_type)

    @classmethod
    def file(cls, path: str | PurePath, *, media_type: str | None = None) -> Self:
        """Send a local file inside the request; it is read just before sending.

        Args:
            path: The file's path; at most 50 MB (documented).
            media_type: The media type; by default it is told from the first bytes of the file.

        Returns:
            The reference.
        """
        return cls("path", str(path) if isinstance(path, PurePath) else path, media_type)

    @classmethod
    def generation(cls, generation_id: str) -> Self:
        """Refer to the output of an earlier generation of the same account (client).

        Args:
            generation_id: The generation's id.

        Returns:
            The reference.
        """
        return cls("generation_id", generation_id)

    @classmethod
    def uploaded(cls, file_id: str) -> Self:
        """Refer to an uploaded file whose state is `ready` (client).

        Args:
            file_id: The file's id.

        Returns:
            The reference.
        """
        return cls("file_id", file_id)

    def to_json(self) -> "dict[str, Any] | MediaRef":
        """Return the API's JSON for the reference; the reference itself for a local file, which is read later.

        A value for `data` that isn't bytes also returns the reference itself; it is refused when it is checked.
        """
        value = self.value
        if self.kind == "path" or (self.kind == "data" and not isinstance(value, bytes)):
            return self
        known: dict[str, Any] = {self.kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value}
        if self.media_type is not None:
            known["media_type"] = self.media_type
        return known


def _copied(data: Any) -> Any:
    """Return an immutable copy of mutable bytes, and any other value as it is."""
    return bytes(cast("bytearray", data)) if isinstance(data, bytearray | memoryview) else data
