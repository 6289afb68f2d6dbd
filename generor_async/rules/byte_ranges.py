"""Decides which bytes of a file to request, and what the answer contains.

A part is continued only if the host says that it belongs to the same file, by a strong ETag. A file is complete when it
has the size that was announced at first; where no size was announced, a part can't be continued.
"""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import frozen

__all__ = ["STALE_SECONDS", "Body", "Have", "No", "Why", "ask", "is_stale", "judge"]

STALE_SECONDS = 55 * 60.0
"""Age in seconds from which a presigned URL is refreshed: they live an hour (documented)."""
PASSING = frozenset({408, 425, 429})
_AS_IT_IS = frozenset({"", "identity", "aws-chunked"})
"""Content codings without an effect: some buckets still name the coding of the upload."""

Why: TypeAlias = Literal["expired", "part", "passing", "final", "large"]
"""`expired`: a fresh URL is needed; `part`: the part doesn't fit, request the whole file; `passing`: retry later;
`final`: a retry can't help; `large`: the file exceeds the limit."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII)


@frozen
class Have:
    """The part of a file that is present: `size` of `total` bytes, and its ETag; None where unknown."""

    size: int = 0
    etag: str | None = None
    total: int | None = None


@frozen
class Body:
    """The body belongs to the file, from the offset `start` on; the file has `total` bytes, None where unknown."""

    start: int
    total: int | None
    etag: str | None


@frozen
class No:
    """The body is not the file."""

    why: Why
    problem: str


def ask(have: Have) -> dict[str, str]:
    """Return the headers that request the missing bytes; none for the whole file."""
    if not have.size or have.etag is None:
        return {}
    return {"Range": f"bytes={have.size}-", "If-Range": have.etag}


def judge(status: int, headers: Mapping[str, str], have: Have, *, most: int) -> Body | No:
    """Decide what the answer to `ask(have)` contains; `most` is the largest accepted file, in bytes."""
    found: Body | No
    coding = headers.get("Content-Encoding", "").strip().lower()
    if status in {200, 206} and coding not in _AS_IT_IS:
        # Its length and its ranges are those of the encoded bytes, and what is here may not be.
        problem = f"the host sent it encoded ({coding[:40]}), which was not asked for"
        found = No("part" if have.size else "final", problem)
    elif status == 200:
        found = _whole(headers, have)
    elif status == 206:
        found = _rest(headers, have)
    elif status == 416 and have.size:
        found = No("part", "the host has no more of it")
    elif status == 403:
        found = No("expired", "the host refused the URL (403)")
    else:
        found = No("passing" if status in PASSING or status >= 500 else "final", f"the host answered {status}")
    if isinstance(found, Body) and found.total is not None and found.total > most:
        return No("large", f"it is larger than {most:,} bytes")
    return found


def is_stale(since: float | None, now: float) -> bool:
    """Tell whether a presigned URL that was created at `since`, in Unix seconds, is too old to be used."""
    return since is not None and now - since >= STALE_SECONDS


def strong(etag: str | None) -> str | None:
    """Return an ETag if it is a strong one (RFC 9110, 8.8.1), else None."""
    return etag if etag and etag.startswith('"') and etag.isascii() and etag.isprintable() else None


def _whole(headers: Mapping[str, str], have: Have) -> Body:
    """Read a 200: the whole file, of the announced size if it is the same file."""
    etag, total = strong(headers.get("ETag")), _length(headers)
    if total is None and etag is not None and etag == have.etag:
        total = have.total
    return Body(0, total, etag)


def _rest(headers: Mapping[str, str], have: Have) -> Body | No:
    """Read a 206: it must continue the part, go to the end, and be of the same file."""
    why: Why = "part" if have.size else "final"
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    if found is None or int(found[1]) != have.size:
        return No(why, "the host sent another part of it than was asked for")
    etag = strong(headers.get("ETag"))
    if have.size and (etag is None or etag != have.etag):
        return No(why, "the host sent part of what may be another file")
    total = have.total if found[3] == "*" else int(found[3])
    if total is None:
        return No(why, "the host sent part of it, and not how large it is")
    if int(found[2]) != total - 1 or have.total not in {None, total}:
        return No(why, "the host sent less of it than was asked for, or more than was promised")
    return Body(have.size, total, etag)


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else None
