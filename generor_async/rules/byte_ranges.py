"""Decides which bytes of a file to request, and what the answer contains.

A part is continued only if the host says that it belongs to the same file, by a strong ETag. A file is complete when it
has the size that was announced at first; where no size was announced, a part can't be continued.
"""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import frozen

__all__ = [
    "STALE_SECONDS",
    "ByteRange",
    "PartialFile",
    "RejectReason",
    "RejectedBody",
    "UsableBody",
    "check_response",
    "is_stale",
    "parse_if_range",
    "parse_range",
    "range_headers",
]

STALE_SECONDS = 55 * 60.0
"""Age in seconds from which a presigned URL is refreshed: they live an hour (documented)."""
LONGEST_VALIDATOR = 1_000
"""Length of the longest If-Range header that is passed on."""
TRANSIENT_STATUSES = frozenset({408, 425, 429})
_NO_OP_CODINGS = frozenset({"", "identity", "aws-chunked"})
"""Content codings without an effect: some buckets still name the coding of the upload."""

RejectReason: TypeAlias = Literal["expired", "part", "passing", "final", "large", "range"]
"""`expired`: a fresh URL is needed; `part`: the part doesn't fit, request the whole file; `passing`: retry later;
`final`: a retry can't help; `large`: the file exceeds the limit; `range`: the file ends before the wanted range."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII)
_UNSATISFIED = re.compile(r"bytes \*/(\d{1,19})", re.ASCII)
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})-(\d{0,19})", re.ASCII | re.IGNORECASE)


@frozen
class ByteRange:
    """The bytes from `first` to `last`, both included; without `first`, the last `last` bytes of a file."""

    first: int | None
    last: int | None

    @property
    def header(self) -> str:
        """The value of a Range header."""
        return f"bytes={_text(self.first)}-{_text(self.last)}"

    def bounds(self, total: int) -> tuple[int, int] | None:
        """Return the offsets of a file's bytes in the range, the second excluded; None where it has none of them."""
        if self.first is None:
            start, stop = max(0, total - (self.last or 0)), total
        else:
            start, stop = self.first, total if self.last is None else min(self.last + 1, total)
        return (start, stop) if start < stop else None


@frozen
class PartialFile:
    """The part of a file that is present, up to the offset `size`, and the file's size and ETag; None where unknown."""

    size: int = 0
    etag: str | None = None
    total: int | None = None
    wanted: ByteRange | None = None
    """The range that is wanted; None for the whole file."""
    if_range: str | None = None
    """The If-Range header of the first request for the wanted range."""


@frozen
class UsableBody:
    """The body belongs to a file of `total` bytes, from the offset `start` to before `stop`; None where unknown."""

    start: int
    total: int | None
    etag: str | None
    stop: int | None = None
    continues: bool = False
    """Whether it continues the part that is present."""


@frozen
class RejectedBody:
    """The body is not the file."""

    why: RejectReason
    problem: str
    total: int | None = None
    """Size of the file, where it ends before the wanted range."""


def parse_range(text: str | None) -> ByteRange | None:
    """Return the one range of a Range header; None for anything else, which a server may ignore (RFC 9110, 14.2)."""
    found = _RANGE.fullmatch((text or "").strip())
    if found is None or not any(found.groups()):
        return None
    first, last = (int(each) if each else None for each in found.groups())
    return None if first is not None and last is not None and last < first else ByteRange(first, last)


def parse_if_range(text: str | None) -> str | None:
    """Return an If-Range header that can be passed on; None for none.

    Raises:
        ValueError: It can't be passed on, and the range may not be used without it (RFC 9110, 13.1.5).
    """
    if text is None or (text.isascii() and text.isprintable() and 0 < len(text) <= LONGEST_VALIDATOR):
        return text
    raise ValueError("If-Range is neither an ETag nor a date")


def range_headers(have: PartialFile) -> dict[str, str]:
    """Return the headers that request the missing bytes; none for the whole file."""
    wanted = have.wanted
    if have.size and have.etag is not None:
        last = None if wanted is None else wanted.last
        return {"Range": ByteRange(have.size, last).header, "If-Range": have.etag}
    if wanted is None:
        return {}
    return {"Range": wanted.header} | ({} if have.if_range is None else {"If-Range": have.if_range})


def check_response(
    status: int, headers: Mapping[str, str], have: PartialFile, *, most: int
) -> UsableBody | RejectedBody:
    """Decide what the answer to `range_headers(have)` contains; `most` is the largest accepted file, in bytes."""
    found: UsableBody | RejectedBody
    wanted = have.wanted if not have.size or have.etag is None else None
    coding = headers.get("Content-Encoding", "").strip().lower()
    if status in {200, 206} and coding not in _NO_OP_CODINGS:
        # Its length and its ranges are those of the encoded bytes, and what is here may not be.
        problem = f"the host sent it encoded ({coding[:40]}), which was not asked for"
        found = RejectedBody("part" if have.size else "final", problem)
    elif status == 200:
        found = _check_whole(headers, have)
    elif status == 206:
        found = _check_partial(headers, have) if wanted is None else _check_range(headers, wanted)
    elif status == 416 and wanted is not None:
        size = _UNSATISFIED.fullmatch(headers.get("Content-Range", ""))
        found = RejectedBody("range", "it ends before the range", None if size is None else int(size[1]))
    elif status == 416 and have.size:
        found = RejectedBody("part", "the host has no more of it")
    elif status == 403:
        found = RejectedBody("expired", "the host refused the URL (403)")
    else:
        found = RejectedBody(
            "passing" if status in TRANSIENT_STATUSES or status >= 500 else "final", f"the host answered {status}"
        )
    if isinstance(found, UsableBody) and found.stop is not None and found.stop > most:
        return RejectedBody("large", f"it is larger than {most:,} bytes")
    return found


def is_stale(since: float | None, now: float) -> bool:
    """Tell whether a presigned URL that was created at `since`, in Unix seconds, is too old to be used."""
    return since is not None and now - since >= STALE_SECONDS


def strong(etag: str | None) -> str | None:
    """Return an ETag if it is a strong one (RFC 9110, 8.8.1), else None."""
    return etag if etag and etag.startswith('"') and etag.isascii() and etag.isprintable() else None


def _check_whole(headers: Mapping[str, str], have: PartialFile) -> UsableBody:
    """Read a 200: the whole file, of the announced size if it is the same file."""
    etag, total = strong(headers.get("ETag")), _content_length(headers)
    if total is None and etag is not None and etag == have.etag:
        total = have.total
    return UsableBody(0, total, etag, total)


def _check_range(headers: Mapping[str, str], wanted: ByteRange) -> UsableBody | RejectedBody:
    """Read the first 206 for a wanted range: it must be that range, as far as the file goes."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is not None:
        total = None if found[3] == "*" else int(found[3])
        start, stop = int(found[1]), int(found[2]) + 1
        wants = (wanted.first, (wanted.last or 0) + 1) if total is None else wanted.bounds(total)
        if wants == (start, stop):
            return UsableBody(start, total, strong(headers.get("ETag")), stop)
    return RejectedBody("final", "the host sent another part of it than was asked for")


def _check_partial(headers: Mapping[str, str], have: PartialFile) -> UsableBody | RejectedBody:
    """Read a 206: it must continue the part, go to the end, and be of the same file."""
    why: RejectReason = "part" if have.size else "final"
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is None or int(found[1]) != have.size:
        return RejectedBody(why, "the host sent another part of it than was asked for")
    etag = strong(headers.get("ETag"))
    if have.size and (etag is None or etag != have.etag):
        return RejectedBody(why, "the host sent part of what may be another file")
    total = have.total if found[3] == "*" else int(found[3])
    last = None if total is None else total - 1
    if have.wanted is not None:
        last = have.wanted.last
    if last is None:
        return RejectedBody(why, "the host sent part of it, and not how large it is")
    if int(found[2]) != last or have.total not in {None, total}:
        return RejectedBody(why, "the host sent less of it than was asked for, or more than was promised")
    return UsableBody(have.size, total, etag, last + 1, continues=have.size > 0)


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _content_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else None
