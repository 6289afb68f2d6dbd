"""Files of this machine that go into a request: read just before sending, as base64."""

import asyncio
import base64
from pathlib import Path

from generor_async.errors import InvalidRequestError
from generor_async.values import JSON, MediaRef, is_array, is_object

__all__ = ["inlined", "sniff"]

LARGEST = 50 * 1024 * 1024
"""Bytes of an inline image that the API takes (documented: 50 MB; read as MiB, the larger of the two readings)."""

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


def sniff(head: bytes) -> str | None:
    """Tell the media type of a file by its first bytes; None where they say nothing."""
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return "image/avif" if head[8:12] in {b"avif", b"avis"} else "video/mp4"
    return None


async def inlined(body: JSON, operation: str) -> JSON:
    """Return the body with every `MediaRef.file(...)` replaced by its bytes."""
    if isinstance(body, MediaRef):
        return await asyncio.to_thread(_read, body, operation)
    if is_object(body):
        return {key: await inlined(value, operation) for key, value in body.items()}
    if is_array(body):
        return [await inlined(value, operation) for value in body]
    return body


def _read(reference: MediaRef, operation: str) -> dict[str, str]:
    path = Path(reference.value)
    try:
        if not path.is_file():
            problem = "is a folder" if path.is_dir() else "is not a file"
            raise InvalidRequestError("file", f"{path} {problem}", operation=operation)
        if path.stat().st_size > LARGEST:
            raise InvalidRequestError(
                "file", f"{path}: Image exceeds 50 MB size limit", operation=operation, advice="Resize it"
            )
        data = path.read_bytes()
    except OSError as error:
        problem = f"{path} cannot be read ({error.strerror})"
        raise InvalidRequestError("file", problem, operation=operation) from None
    media_type = reference.media_type or sniff(data[:16])
    if media_type is None:
        raise InvalidRequestError(
            "file",
            f"{path} is no image or video that can be told by its first bytes",
            operation=operation,
            advice="Name its type: MediaRef.file(path, media_type=...)",
        )
    return {"data": base64.b64encode(data).decode(), "media_type": media_type}
