"""What can be read of an answer's bytes where it broke off, or wasn't HTTP as the parser wants it."""

import json
import re
import zlib
from typing import Final

__all__ = ["body_of", "inflated", "plain"]

MOST_INFLATED: Final = 1024 * 1024
"""Bytes beyond which compressed remains are read no further."""

MOST_LAYERS: Final = 3
"""How often a body is inflated: a gateway may compress what is compressed already."""

_STATUS: Final = re.compile(rb"HTTP/\d\.\d (\d{3})")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]*\r\n")
_GZIP_OR_ZLIB: Final = 47
"""The `wbits` with which zlib tells the two apart by itself."""
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
"""How what zlib wrote begins, by its levels: an x alone may begin a text."""


def body_of(raw: bytes) -> bytes:
    """Return the body of a success, as far as it goes: not in chunks, and not compressed; nothing of other answers."""
    status, head = 100, b""
    while status < 200:  # interim answers come before it
        head, end, raw = raw.partition(b"\r\n\r\n")
        found = _STATUS.match(head)
        if not found or not end:
            return b""
        status = int(found[1])
    if status >= 300:
        return b""
    return inflated(_joined(raw) if b"chunked" in head.lower() else raw)


def _joined(raw: bytes) -> bytes:
    """Return what is in the chunks, up to the first one that isn't one."""
    chunks, at = list[bytes](), 0
    while (found := _CHUNK_SIZE.match(raw, at)) and (size := int(found[1], 16)):
        chunks.append(raw[found.end() : found.end() + size])
        at = found.end() + size + len(b"\r\n")
    return b"".join(chunks)


def inflated(body: bytes) -> bytes:
    """Return what was compressed, up to what is missing or wrong; a body that is plain, whatever its head says."""
    if not body.startswith((b"\x1f\x8b", *_ZLIB)) and body not in {b"\x78", b"\x1f"}:  # which may be how one begins
        return body
    stream, inflated = zlib.decompressobj(_GZIP_OR_ZLIB), bytearray()
    try:
        for at in range(len(body)):  # one at a time: what comes with the byte that is wrong is lost
            inflated += stream.decompress(body[at : at + 1])
            if len(inflated) > MOST_INFLATED:
                break
    except zlib.error:
        pass
    return bytes(inflated)


def plain(body: bytes) -> bytes:
    """Return a body as UTF-8, not compressed: what is compressed though no head says so, or is UTF-16 or UTF-32."""
    for _ in range(MOST_LAYERS):
        body = inflated(body)
    encoding = json.detect_encoding(body)
    return body if encoding == "utf-8" else body.decode(encoding, "replace").encode()
