"""Reads the size of an image from its first bytes, without decoding it: PNG, JPEG, WebP and GIF."""

from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["Read", "image_dimensions", "is_animated_gif"]

Read: TypeAlias = Callable[[int, int], bytes]
"""Returns `size` bytes of a file from an offset on, or fewer at its end."""

HEADER_BYTES: Final = 32
"""Number of first bytes that contain the size in every format but JPEG."""
MOST_SEGMENTS: Final = 2_000
"""Number of JPEG segments that are searched for the size: a colour profile of 16 MB takes 256."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the JPEG segments that contain the size."""
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""JPEG markers without a length."""


def image_dimensions(read: Read) -> tuple[int, int] | None:
    """Return the width and height of an image in pixels; None where its bytes don't say."""
    head = read(0, HEADER_BYTES)
    if head.startswith(_PNG) and head[12:16] == b"IHDR" and len(head) >= 24:
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp(head)
    return _jpeg(read) if head.startswith(b"\xff\xd8\xff") else None


def _webp(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8 " if head[23:26] == b"\x9d\x01\x2a":
            return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
        case b"VP8L" if head[20] == 0x2F:
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
        case _:
            return None


def _jpeg(read: Read) -> tuple[int, int] | None:
    at = 2
    for _ in range(MOST_SEGMENTS):
        segment = read(at, 9)
        if len(segment) < 9 or segment[0] != 0xFF:
            return None
        marker = segment[1]
        if marker in _FRAMES:
            return int.from_bytes(segment[7:9]), int.from_bytes(segment[5:7])
        if marker == 0xFF:  # a filler
            at += 1
        elif marker in _BARE:
            at += 2
        elif marker in {0xD9, 0xDA}:  # the picture begins, or ends, and no size was told
            return None
        else:
            at += 2 + int.from_bytes(segment[2:4])
    return None


def is_animated_gif(data: bytes) -> bool:
    """Tell whether a GIF has a second frame; False for one that ends before it."""
    if not data.startswith((b"GIF87a", b"GIF89a")) or len(data) < 13:
        return False
    at, frames = 13 + _colours(data[10]), 0
    while at < len(data):
        match data[at]:
            case 0x2C:
                frames += 1
                if frames > 1:
                    return True
                if at + 10 > len(data):
                    return False
                at = _after_blocks(data, at + 11 + _colours(data[at + 9]))
            case 0x21:
                at = _after_blocks(data, at + 2)
            case _:
                return False
    return False


def _colours(flags: int) -> int:
    """Return the size in bytes of the colour table that these flags describe."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    """Return the position behind a chain of data blocks."""
    while at < len(data) and (length := data[at]):
        at += 1 + length
    return at + 1
