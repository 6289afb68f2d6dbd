"""Encodes pictures in memory, a PIL image or a numpy array, as PNG.

Neither library is imported: where a caller has an object of one, its module is loaded.
"""

import io
import struct
import sys
import zlib
from typing import Any, Final

__all__ = ["png_of"]

_COLOR_TYPES: Final = {1: 0, 3: 2, 4: 6}
"""PNG's color types by the number of channels: grey, RGB, RGBA."""
_ROWS_UP: Final = b"\x02"
"""PNG's filter of a row that has the differences to the row above: it is simple, and compresses well."""
_AS_PNG: Final = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
"""Modes of Pillow that PNG has."""
_CONVERTED: Final = {
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "LAB": "RGB",
    "La": "LA",
    "PA": "RGBA",
    "RGBX": "RGB",
    "RGBa": "RGBA",
}
"""The mode to which a picture of another is converted."""


def png_of(source: object) -> bytes | None:
    """Return a PIL image or a numpy array as PNG; None for anything else. Raises ValueError for other pixels."""
    numpy, pil = sys.modules.get("numpy"), sys.modules.get("PIL.Image")
    if numpy is not None and isinstance(source, numpy.ndarray):
        return _png_of_array(source, numpy)
    if pil is not None and isinstance(source, pil.Image):
        return _png_of_picture(source)
    return None


def _png_of_picture(picture: Any) -> bytes:
    from PIL import ImageOps  # noqa: PLC0415 - only callers that have Pillow get here

    mode = _CONVERTED.get(picture.mode, picture.mode)
    if mode not in _AS_PNG:
        raise ValueError(f"a picture of mode {picture.mode!r} has no PNG: pass picture.convert('RGB')")
    if 0 in picture.size:
        raise ValueError(f"the picture is empty: its size is {picture.size}")
    turned = ImageOps.exif_transpose(picture if mode == picture.mode else picture.convert(mode))
    file = io.BytesIO()
    turned.save(file, "PNG")
    return file.getvalue()


def _png_of_array(array: Any, numpy: Any) -> bytes:
    if array.dtype != numpy.uint8:
        advice = "(array * 255).round().clip(0, 255).astype('uint8') where 1.0 is white"
        raise ValueError(f"an array of {array.dtype} is no picture: its dtype must be uint8, as of {advice}")
    shape = tuple(array.shape)
    if len(shape) == 3 and shape[2] not in _COLOR_TYPES and shape[0] in _COLOR_TYPES:
        raise ValueError(f"the array's shape {shape} has the channels first: pass array.transpose(1, 2, 0)")
    if len(shape) == 4:
        raise ValueError(f"the array's shape {shape} is that of several pictures: pass one, array[0]")
    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) not in {2, 3} or 0 in shape or channels not in _COLOR_TYPES:
        raise ValueError(f"the array's shape {shape} is no picture's: (height, width) or (height, width, 1, 3 or 4)")
    height, width = shape[:2]
    rows = numpy.array(array, order="C").reshape(height, width * channels)
    rows[1:] -= rows[:-1].copy()
    pixels = b"".join(_ROWS_UP + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
