"""Which type of media a file is: told by its first bytes, and held against what its name or its host says.

A name and a header say what somebody believes; the bytes are what a reader of the file meets. Where the bytes tell
nothing, the other two count, but not if a file of that type would have told.
"""

__all__ = [
    "ALIASES",
    "EXTENSIONS",
    "HEAD",
    "extension",
    "image",
    "is_suffix",
    "kind_by_name",
    "of_file",
    "of_output",
    "sniff",
    "stands_for",
]

HEAD = 64
"""How many of the first bytes are looked at."""

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
"""Major brands of ISO media files; all others are video/mp4."""
_SIGNED = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heic", "image/x-exr", "video/webm"}
)
"""Types of which every file tells itself by its first bytes."""
ALIASES = {
    "application/ogg": "audio/ogg",
    "audio/aacp": "audio/aac",
    "audio/m4a": "audio/mp4",
    "audio/mp3": "audio/mpeg",
    "audio/vnd.wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-aac": "audio/aac",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
    "image/x-png": "image/png",
    "video/x-m4v": "video/mp4",
}
"""Other names of types, as hosts have them."""
_SUFFIXES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".exr": "image/x-exr",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".bmp": "image/bmp",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".opus": "audio/opus",
    ".flac": "audio/flac",
    ".aac": "audio/aac",
    ".weba": "audio/webm",
    ".mid": "audio/midi",
    ".ogv": "video/ogg",
    ".avi": "video/x-msvideo",
    ".mpg": "video/mpeg",
    ".txt": "text/plain",
}
_EXTENSIONS = {media_type: suffix for suffix, media_type in reversed(_SUFFIXES.items())}
"""The first suffix of each type."""
EXTENSIONS = (*_EXTENSIONS.values(), ".bin")
"""Every suffix that a file's name is given."""
_ISO = frozenset({"video/mp4", "video/quicktime"})
"""One container by two names: cameras and editors mix them up."""
_KINDS = {"image": ("image/",), "video": ("video/", "image/x-exr"), "audio": ("audio/", "video/")}
"""How the types of a kind of output begin: frames of a video may come as EXR, and sound in a video's container."""


def sniff(head: bytes) -> str | None:
    """Tell the media type of a file by its first bytes; None where they say nothing."""
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[:4] == b"\x1aE\xdf\xa3":
        return "video/webm" if b"webm" in head[:HEAD] else "video/x-matroska"
    return None


def extension(media_type: str) -> str:
    """Return the suffix of a file's name for a type; `.bin` for one that is not media."""
    return _EXTENSIONS.get(media_type, ".bin")


def is_suffix(suffix: str) -> bool:
    """Tell whether a suffix is one of media."""
    return suffix.lower() in _SUFFIXES


def kind_by_name(name: str) -> str:
    """Tell by its suffix whether a file is an `image`, a `video` or `audio`; empty where that says nothing."""
    kind = _SUFFIXES.get(_suffix(name), "").partition("/")[0]
    return kind if kind in _KINDS else ""


def stands_for(suffix: str, media_type: str) -> bool:
    """Tell whether a suffix is one of a type's."""
    named = _SUFFIXES[suffix.lower()]
    return named == media_type or {named, media_type} <= _ISO


def of_file(head: bytes, name: str) -> str:
    """Return the type of an image or video of the caller's; ValueError, with a sentence, where it can't be told.

    `name` is empty where the bytes have none.
    """
    named = _SUFFIXES.get(_suffix(name))
    found = sniff(head)
    if found is not None and named is not None and found != named and not {found, named} <= _ISO:
        raise ValueError(f"is named as {named}, but its first bytes are of {found}")
    if found is None and (named in _SIGNED or (named in _ISO and _is_text(head))):
        raise ValueError(f"is named as {named}, but its first bytes are of something else")
    found = found or named
    if found is None or not found.startswith(("image/", "video/")):
        raise ValueError("is no image or video that can be told by its first bytes")
    return found


def of_output(head: bytes, content_type: str, wanted: str) -> str:
    """Return the type of what a host sent; ValueError, with a sentence, where it isn't what was asked for.

    `wanted` is `image`, `video` or `audio`; with any other word every type is right.
    """
    found = sniff(head)
    if found is None:
        found = ALIASES.get(content_type, content_type)
        is_media = found.startswith(("image/", "video/", "audio/")) and found != "image/svg+xml"
        if found in _SIGNED or (is_media and _is_text(head)):
            raise ValueError(f"the host calls it {found}, but its first bytes are of something else")
    kinds = _KINDS.get(wanted)
    untold = found in {"application/octet-stream", "binary/octet-stream"} and not _is_text(head)
    if kinds is not None and not untold and not found.startswith(kinds):
        raise ValueError(f"the host sent {found} where {wanted} was asked for")
    return found


def image(head: bytes, content_type: str) -> str:
    """Return the type of a fetched image; ValueError, in the API's own words, for anything else."""
    try:
        found = of_output(head, content_type, "image")
    except ValueError:
        found = ""
    if not found.startswith("image/"):
        raise ValueError("content-type is not an image")
    return found


def _suffix(name: str) -> str:
    _, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot else ""


def _is_text(head: bytes) -> bool:
    """Tell whether these bytes are plain text, or nothing at all, as no picture, video or sound begins."""
    return all(byte in b"\t\n\r\f" or byte >= 0x20 for byte in head)
