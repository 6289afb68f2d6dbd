"""Detects the media type of a file by its first bytes, and checks it against its name or its Content-Type.

A name and a header may be wrong; the first bytes are what a program that opens the file sees. Where they don't tell the
type, the name or the header counts, unless a file of that type would have been recognized.
"""

from generor_async.values.media_signatures import SNIFFED_BYTES, sniff

__all__ = [
    "ALIASES",
    "EXTENSIONS",
    "SNIFFED_BYTES",
    "extension",
    "fetched_image_type",
    "is_suffix",
    "kind_by_name",
    "output_type",
    "sniff",
    "suffix_matches",
    "type_of_suffix",
    "upload_type",
]

_RECOGNIZABLE = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heic", "image/x-exr", "video/webm"}
)
"""Types whose files are always recognized by their first bytes."""
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
"""Other names of media types that hosts use."""
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
"""The suffix of each type."""
EXTENSIONS = (*_EXTENSIONS.values(), ".bin")
"""All suffixes that downloaded files get."""
_ISO = frozenset({"video/mp4", "video/quicktime"})
"""Two names of the same container, which cameras and editors mix up."""
_KINDS = {"image": ("image/",), "video": ("video/", "image/x-exr"), "audio": ("audio/", "video/")}
"""Prefixes of the accepted types for each kind of output: video may be EXR frames, and sound in a video container."""


def extension(media_type: str) -> str:
    """Return the suffix for a media type; `.bin` for one that is not media."""
    return _EXTENSIONS.get(media_type, ".bin")


def type_of_suffix(suffix: str) -> str:
    """Return the media type of files with a suffix; `application/octet-stream` for one that is not media."""
    return _SUFFIXES.get(suffix.lower(), "application/octet-stream")


def is_suffix(suffix: str) -> bool:
    """Tell whether a suffix belongs to a media type."""
    return suffix.lower() in _SUFFIXES


def kind_by_name(name: str) -> str:
    """Return `image`, `video` or `audio` by the suffix of a file name; an empty text where it doesn't tell."""
    kind = _SUFFIXES.get(_suffix(name), "").partition("/")[0]
    return kind if kind in _KINDS else ""


def suffix_matches(suffix: str, media_type: str) -> bool:
    """Tell whether a suffix belongs to this media type."""
    named = _SUFFIXES[suffix.lower()]
    return named == media_type or {named, media_type} <= _ISO


def upload_type(head: bytes, name: str) -> str:
    """Return the media type of an image or video that is sent; raises ValueError where it can't be told.

    `name` is the file's name, or empty.
    """
    named = _SUFFIXES.get(_suffix(name))
    found = sniff(head)
    if found is not None and named is not None and found != named and not {found, named} <= _ISO:
        raise ValueError(f"is named as {named}, but its first bytes are of {found}")
    if found is None and (named in _RECOGNIZABLE or (named in _ISO and _is_text(head))):
        raise ValueError(f"is named as {named}, but its first bytes are of something else")
    found = found or named
    if found is None or not found.startswith(("image/", "video/")):
        raise ValueError("is no image or video that can be told by its first bytes")
    return found


def output_type(head: bytes, content_type: str, wanted: str) -> str:
    """Return the media type of a download; raises ValueError where it isn't the expected kind.

    `wanted` is `image`, `video` or `audio`; any other text accepts every type.
    """
    found = sniff(head)
    if found is None:
        found = ALIASES.get(content_type, content_type)
        is_media = found.startswith(("image/", "video/", "audio/")) and found != "image/svg+xml"
        if found in _RECOGNIZABLE or (is_media and _is_text(head)):
            raise ValueError(f"the host calls it {found}, but its first bytes are of something else")
    kinds = _KINDS.get(wanted)
    untold = found in {"application/octet-stream", "binary/octet-stream"} and not _is_text(head)
    if kinds is not None and not untold and not found.startswith(kinds):
        raise ValueError(f"the host sent {found} where {wanted} was asked for")
    return found


def fetched_image_type(head: bytes, content_type: str) -> str:
    """Return the media type of a fetched image; raises ValueError, in the API's words, for anything else."""
    try:
        found = output_type(head, content_type, "image")
    except ValueError:
        found = ""
    if not found.startswith("image/"):
        raise ValueError("content-type is not an image")
    return found


def _suffix(name: str) -> str:
    _, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot else ""


def _is_text(head: bytes) -> bool:
    """Tell whether these bytes are plain text or empty: no image, video or sound begins so."""
    return all(byte in b"\t\n\r\f" or byte >= 0x20 for byte in head)
