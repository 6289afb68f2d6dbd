"""Keeps the bytes of an output in memory, for `read`."""

from generor_async.rules.byte_ranges import PartialFile, UsableBody
from generor_async.rules.media_types import SNIFFED_BYTES

__all__ = ["MemorySink"]


class MemorySink:
    """Keeps the bytes of an output in memory."""

    def __init__(self) -> None:
        self._empty(None)

    @property
    def present(self) -> PartialFile:
        """How much of which file is present."""
        return PartialFile(self._size, self._etag, self._total)

    def begin(self, body: UsableBody, content_type: str) -> None:  # noqa: ARG002 - the first bytes say it later
        """Start anew."""
        self._empty(body.etag)

    def expect(self, total: int | None) -> None:
        """Take the size of the complete file."""
        self._total = total

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._chunks.append(data)
        self._size += len(data)

    def head(self) -> bytes:
        """Return the first bytes."""
        head = b""
        for chunk in self._chunks:
            if len(head) >= SNIFFED_BYTES:
                break
            head += chunk[:SNIFFED_BYTES]
        return head[:SNIFFED_BYTES]

    def drop(self) -> None:
        """Discard what is present."""
        self._empty(None)

    async def settle(self) -> None:
        """Return at once: nothing is under way."""

    def whole(self) -> bytes:
        """Return all bytes."""
        return b"".join(self._chunks)

    def _empty(self, etag: str | None) -> None:
        self._chunks, self._size, self._etag, self._total = list[bytes](), 0, etag, None
