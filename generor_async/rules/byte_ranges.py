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
    "PartialFile",
    "RejectReason",
    "RejectedBody",
    "UsableBody",
    "check_response",
    "is_stale",
    "range_headers",
]

STALE_SECONDS = 55 * 60.0
"""Age in seconds from which a presigned URL is refreshed: they live an hour (documented)."""
TRANSIENT_STATUSES = frozenset({408, 425, 429})
_NO_OP_CODINGS = frozenset({"", "identity", "aws-chunked"})
"""Content codings without an effect: some buckets still name the coding of the upload."""

RejectReason: TypeAlias = Literal["expired", "part", "passing", "final", "large"]
"""`expired`: a fresh URL is needed; `part`: the part doesn't fit, request the whole file; `passing`: retry later;
`final`: a retry can't help; `large`: the file exceeds the limit."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII)


@frozen
class PartialFile:
    """The part of a file that is present: `size` of `total` bytes, and its ETag; None where unknown."""

    size: int = 0
    etag: str | None = None
    total: int | None = None


@frozen
class UsableBody:
    """The body belongs to the file, from the offset `start` on; the file has `total` bytes, None where unknown."""

    start: int
    total: int | None
    etag: str | None


@frozen
class RejectedBody:
    """The body is not the file."""

    why: RejectReason
    problem: str


def range_headers(have: PartialFile) -> dict[str, str]:
    """Return the headers that request the missing bytes; none for the whole file."""
    if not have.size or have.etag is None:
        return {}
    return {"Range": f"bytes={have.size}-", "If-Range": have.etag}


def check_response(
    status: int, headers: Mapping[str, str], have: PartialFile, *, most: int
) -> UsableBody | RejectedBody:
    """Decide what the answer to `ask(have)` contains; `most` is the largest accepted file, in bytes."""
    found: UsableBody | RejectedBody
    coding = headers.get("Content-Encoding", "").strip().lower()
    if status in {200, 206} and coding not in _NO_OP_CODINGS:
        # Its length and its ranges are those of the encoded bytes, and what is here may not be.
        problem = f"the host sent it encoded ({coding[:40]}), which was not asked for"
        found = RejectedBody("part" if have.size else "final", problem)
    elif status == 200:
        found = _check_whole(headers, have)
    elif status == 206:
        found = _check_partial(headers, have)
    elif status == 416 and have.size:
        found = RejectedBody("part", "the host has no more of it")
    elif status == 403:
        found = RejectedBody("expired", "the host refused the URL (403)")
    else:
        found = RejectedBody(
            "passing" if status in TRANSIENT_STATUSES or status >= 500 else "final", f"the host answered {status}"
        )
    if isinstance(found, UsableBody) and found.total is not None and found.total > most:
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
    return UsableBody(0, total, etag)


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
    if total is None:
        return RejectedBody(why, "the host sent part of it, and not how large it is")
    if int(found[2]) != total - 1 or have.total not in {None, total}:
        return RejectedBody(why, "the host sent less of it than was asked for, or more than was promised")
    return UsableBody(have.size, total, etag)


def _content_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else None
