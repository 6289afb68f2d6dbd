"""Detects the media type of a file by its first bytes."""

__all__ = ["SNIFFED_BYTES", "sniff"]

SNIFFED_BYTES = 64
"""Number of first bytes that are needed."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"v/1\x01", "image/x-exr"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
)
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
}
"""Media types of ISO media files by major brand; any other brand is video/mp4."""


def sniff(head: bytes) -> str | None:
    """Detect the media type by the first bytes of a file; None where they don't tell it."""
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[:4] == b"\x1aE\xdf\xa3":
        return "video/webm" if b"webm" in head[:SNIFFED_BYTES] else "video/x-matroska"
    return None
