"""Makes pictures small enough to be carried within a page; needs Pillow, which comes with the extra `batch`."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

from attrs import frozen

__all__ = ["Thumbnail", "thumbnail"]

SIDE = 400
"""The longer side, in pixels: a card's width on a fine display."""


@frozen
class Thumbnail:
    """A small picture as a URL that holds it."""

    url: str
    width: int
    height: int


def thumbnail(path: Path) -> Thumbnail | None:
    """Make a small copy of a picture; None where it can't be read, or Pillow isn't there."""
    try:
        from PIL import Image  # noqa: PLC0415 - it comes with an extra
    except ModuleNotFoundError:
        return None
    try:
        with Image.open(path) as picture:
            picture.draft("RGB", (SIDE, SIDE))  # a large JPEG is decoded small
            picture.thumbnail((SIDE, SIDE))
            small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        file = BytesIO()
        small.save(file, "WEBP", quality=75, method=2)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # all that Pillow says of broken files
        return None
    return Thumbnail(f"data:image/webp;base64,{b64encode(file.getvalue()).decode()}", *small.size)
