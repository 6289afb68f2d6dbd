"""Makes thumbnails, in the page or in files beside it. Needs Pillow, which comes with an extra."""

from base64 import b64encode
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import quote

from attrs import define, field, frozen

from generor_async.batch.media import StoredObjects
from generor_async.rules.storage_urls import is_object_url

__all__ = ["FOLDER", "Thumbnail", "Thumbnails"]

SIDE: Final = 400
"""The longer side in pixels: a card's width on a high-resolution display."""
LARGEST_OBJECT: Final = 64 * 1024**2
"""Size in bytes up to which a picture is read from a storage."""
FOLDER: Final = "thumbnails"
"""The folder of thumbnail files within the results folder."""


@frozen
class Thumbnail:
    """A thumbnail by its URL, which may be a data URL."""

    url: str
    width: int
    height: int


@define(kw_only=True)
class Thumbnails:
    """Makes the thumbnails of a page; may be used from several threads at once."""

    folder: Path
    """The results folder."""
    objects: StoredObjects
    """Reads pictures that are in a storage."""
    base: str
    """The results folder relative to the page."""
    inline: bool
    """Whether thumbnails are in the page; otherwise they are files, which later pages use again."""
    max_new: int | None = None
    """How many files to make, at most."""
    missing: int = field(default=0, init=False)
    """How many were not made because of `max_new`."""
    _made: int = field(default=0, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def get(self, name: str) -> Thumbnail | None:
        """Return the thumbnail of a file; None if it can't be read, or Pillow isn't installed."""
        try:
            from PIL import Image  # noqa: PLC0415 - it comes with an extra
        except ModuleNotFoundError:
            return None
        try:
            return self._inline(name) if self.inline else self._store(name)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # all that Pillow says of broken files
            return None

    def _inline(self, name: str) -> Thumbnail:
        content, size = _shrink(self._picture(name))
        return Thumbnail(f"data:image/webp;base64,{b64encode(content).decode()}", *size)

    def _picture(self, name: str) -> Path | BytesIO:
        """Return a picture's file or content; raises OSError where a storage doesn't give it."""
        if not is_object_url(name):
            return self.folder / name
        if (content := self.objects.read(name, at_most=LARGEST_OBJECT)) is None:
            raise FileNotFoundError
        return BytesIO(content)

    def _reserve_new(self) -> bool:
        """Count one more new file; tell whether it may be made."""
        with self._lock:
            may = self.max_new is None or self._made < self.max_new
            self._made += may
            self.missing += not may
        return may

    def _store(self, name: str) -> Thumbnail | None:
        from PIL import Image  # noqa: PLC0415 - it comes with an extra

        small = f"{FOLDER}/{_file_name(name)}.webp"
        path, url = self.folder / small, quote(f"{self.base}/{small}")
        if path.is_file() if is_object_url(name) else _is_newer(path, self.folder / name):
            with Image.open(path) as picture:
                return Thumbnail(url, *picture.size)
        if not self._reserve_new():
            return None
        content, size = _shrink(self._picture(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        new.write_bytes(content)
        new.replace(path)
        return Thumbnail(url, *size)


def _is_newer(small: Path, original: Path) -> bool:
    """Tell whether a thumbnail exists and is not older than the original."""
    return small.is_file() and small.stat().st_mtime_ns >= original.stat().st_mtime_ns


def _file_name(name: str) -> str:
    """Return the path of a picture's thumbnail, without its suffix; that of an object is a hash of its URL."""
    return f"storage/{sha256(name.encode()).hexdigest()[:32]}" if is_object_url(name) else name


def _shrink(path: Path | BytesIO) -> tuple[bytes, tuple[int, int]]:
    """Return a thumbnail of a picture, and its size."""
    from PIL import Image  # noqa: PLC0415 - it comes with an extra

    with Image.open(path) as picture:
        picture.draft("RGB", (SIDE, SIDE))  # a large JPEG is decoded small
        picture.thumbnail((SIDE, SIDE))
        small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    file = BytesIO()
    small.save(file, "WEBP", quality=75, method=2)
    return file.getvalue(), small.size
