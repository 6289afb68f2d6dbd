"""A reference to an image or a video that goes into a generation."""

import base64
from pathlib import PurePath
from typing import Any, Literal, Protocol, Self, TypeAlias, cast

from attrs import field, frozen

from generor_async.values.media_signatures import sniff

__all__ = ["MediaRef"]

MediaRefKind = Literal["url", "data", "generation_id", "file_id", "path"]


class OpenFile(Protocol):
    """A file that is open in binary mode."""

    def read(self) -> bytes:
        """Return the bytes from here on."""
        ...


class Picture(Protocol):
    """A `PIL.Image.Image`."""

    @property
    def mode(self) -> str:
        """What a pixel consists of."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        ...


class Pixels(Protocol):
    """A `numpy.ndarray`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of each dimension."""
        ...

    @property
    def dtype(self) -> Any:
        """The type of the items."""
        ...


class HasPath(Protocol):
    """A path of another library, as of anyio."""

    def __fspath__(self) -> str:
        """Return the path as text."""
        ...


MediaSource: TypeAlias = str | PurePath | HasPath | bytes | bytearray | memoryview | OpenFile | Picture | Pixels


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
    def of(cls, source: "MediaSource | MediaRef", *, media_type: str | None = None) -> Self:
        """Refer to media by what is at hand: pictures in memory are sent as PNG, without loss.

        Args:
            source: A path (read just before sending), an http(s) URL, or a `data:` URL in base64; bytes, or a file open
                in binary mode, which is read at once, from where it stands; a `PIL.Image.Image`, turned as its EXIF
                data say; a `numpy.ndarray` of uint8 and the shape (height, width) or (height, width, 1, 3 or 4); or a
                MediaRef, returned as it is.
            media_type: The media type of a path, a URL or bytes; of bytes it is told from the first ones by default.

        Returns:
            The reference.

        Raises:
            TypeError: The source is of another type.
            ValueError: The bytes are no image or video that can be told, or pixels have another shape or dtype.
        """
        if isinstance(source, MediaRef):
            return cast("Self", source)
        if isinstance(source, str) and source.lower().startswith(("https://", "http://")):
            return cls.url(source, media_type=media_type)
        if isinstance(source, str) and source[:5].lower() == "data:":
            named, content = _decoded(source)
            return cls.bytes(content, media_type or named or _media_type(content))
        if isinstance(source, str | PurePath):
            return cls.file(source, media_type=media_type)
        if callable(path_of := getattr(source, "__fspath__", None)):
            return cls.file(cast("str", path_of()), media_type=media_type)
        from generor_async.values import pixels  # noqa: PLC0415 - not needed to start

        if (png := pixels.png_of(source)) is not None:
            if media_type not in {None, "image/png"}:
                raise ValueError(f"pixels are sent as image/png, not as {media_type}")
            return cls.bytes(png, "image/png")
        data = source if isinstance(source, bytes | bytearray | memoryview) else _content(source)
        return cls.bytes(bytes(data), media_type or _media_type(bytes(data)))

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


def _decoded(url: str) -> "tuple[str, bytes]":
    """Return the media type and the bytes of a `data:` URL; raise ValueError, which doesn't show it."""
    head, comma, data = url[5:].partition(",")
    media_type, *parameters = head.split(";")
    if not comma or "base64" not in parameters:
        raise ValueError("this data: URL isn't in base64")
    try:
        return media_type, base64.b64decode(data, validate=True)
    except ValueError:
        pass
    raise ValueError("this data: URL isn't valid base64")


def _content(source: Any) -> bytes:
    """Return what an open file has from where it stands."""
    read = getattr(source, "read", None)
    found = read() if callable(read) else None
    if isinstance(found, bytes):
        return found
    name = f"{type(source).__module__}.{type(source).__qualname__}"
    if isinstance(found, str):
        raise TypeError(f"this {name} is open in text mode: open it with mode 'rb'")
    if callable(close := getattr(found, "close", None)) and hasattr(found, "__await__"):
        close()
        raise TypeError(f"a {name} is read with await: pass what it returns, MediaRef.of(await file.read())")
    taken = "a path, bytes, a file open in binary mode, a PIL image, or a numpy array"
    raise TypeError(f"a {name} is no media: MediaRef.of takes {taken}")


def _media_type(data: bytes) -> str:
    """Return the media type of bytes by the first of them."""
    found = sniff(data)
    if found is None or not found.startswith(("image/", "video/")):
        what = "these bytes are" if data else "there are no bytes, which is"
        raise ValueError(f"{what} no image or video that can be told: name its type, media_type='image/png'")
    return found
