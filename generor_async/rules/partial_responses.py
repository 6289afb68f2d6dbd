"""Reads what arrived of a response that broke off, or that the HTTP parser refused.

A paid call may have succeeded although its response is damaged. The ids in what arrived then name the paid result.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol

__all__ = ["decompress", "partial_success", "to_utf8"]

MOST_INFLATED: Final = 8 * 1024 * 1024
"""Most bytes that are decompressed."""

MOST_LAYERS: Final = 3
"""Most layers of compression: a gateway may compress a body again."""

_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
"""Some servers end their lines with a line feed alone."""
_STATUS: Final = re.compile(rb"HTTP/\d\.\d (\d{3})")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[^\r\n]*\r?\n")
_LOCATION: Final = re.compile(rb"\nlocation:[ \t]*([\x21-\x7e]+)[ \t]*(?:\r?\n|$)", re.IGNORECASE)
_BLOCK: Final = 16 * 1024
"""Bytes that are inflated at a time."""
_GZIP_OR_ZLIB: Final = 47
"""The `wbits` with which zlib tells the two apart by itself."""
_PLAIN: Final = (b"{", b"[", b'"', b" ", b"\n", b"\r", b"\t")
"""First bytes of uncompressed JSON; compressed JSON never begins so."""
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
"""First bytes of zlib data, by compression level: `x` alone may begin a text."""


class _Inflating(Protocol):
    """A stream that is inflated; the type of zlib's own has no public name."""

    @property
    def eof(self) -> bool: ...
    def copy(self) -> "_Inflating": ...
    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes: ...


def partial_success(raw: bytes) -> tuple[bytes, str]:
    """Return the body of a successful response as far as it arrived, and its Location; empty for other responses.

    The body is dechunked and decompressed.
    """
    status, head = 100, b""
    while status < 200:  # interim answers come before it
        end, found = _HEAD_END.search(raw), _STATUS.match(raw)
        if not found or not end:
            return b"", ""
        status, head, raw = int(found[1]), raw[: end.start()], raw[end.end() :]
    if status >= 300:
        return b"", ""
    located, said = _LOCATION.search(head), head.lower()
    body = _dechunk(raw) if b"chunked" in said else raw
    if b"deflate" in said and not _is_compressed(body) and not body.startswith(_PLAIN):
        body = _inflate(zlib.decompressobj(-zlib.MAX_WBITS), body)  # as some servers understand it, without a header
    return decompress(body), located[1].decode() if located else ""


def _dechunk(raw: bytes) -> bytes:
    """Return the content of the chunks, up to the first malformed one."""
    chunks, at = list[bytes](), 0
    while (found := _CHUNK_SIZE.match(raw, at)) and (size := int(found[1], 16)):
        chunks.append(raw[found.end() : found.end() + size])
        at = found.end() + size
        at += len(b"\n" if raw[at : at + 1] == b"\n" else b"\r\n")
    return b"".join(chunks)


def decompress(body: bytes) -> bytes:
    """Decompress a body up to where it is damaged; return an uncompressed one as it is, whatever its headers say."""
    return _inflate(zlib.decompressobj(_GZIP_OR_ZLIB), body) if _is_compressed(body) else body


def _is_compressed(body: bytes) -> bool:
    return body.startswith((b"\x1f\x8b", *_ZLIB)) or body in {b"\x78", b"\x1f"}  # which may be how one begins


def _inflate(stream: "_Inflating", body: bytes) -> bytes:
    pieces, left = list[bytes](), MOST_INFLATED
    for at in range(0, len(body), _BLOCK):
        before, block = stream.copy(), body[at : at + _BLOCK]
        try:
            piece = stream.decompress(block, left)
        except zlib.error:
            pieces += _inflate_bytewise(before.decompress, block)
            break
        pieces.append(piece)
        left -= len(piece)
        if left <= 0 or stream.eof:
            break
    return b"".join(pieces)


def _inflate_bytewise(inflate: Callable[[bytes], bytes], block: bytes) -> Iterator[bytes]:
    """Decompress byte by byte: zlib discards the output of the whole piece that has an error."""
    try:
        for at in range(len(block)):
            yield inflate(block[at : at + 1])
    except zlib.error:
        pass


def to_utf8(body: bytes) -> bytes:
    """Return a body decompressed and as UTF-8, whatever its headers say: it may be UTF-16 or UTF-32."""
    for _ in range(MOST_LAYERS):
        body = decompress(body)
    encoding = json.detect_encoding(body)
    return body if encoding == "utf-8" else body.decode(encoding, "replace").encode()
