"""What to ask a host for when part of a file is here, and what its answer brings.

A part is only ever added to if the host says that it is of the same file: by the strong ETag that both were sent with.
"""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from attrs import frozen

__all__ = ["STALE_SECONDS", "Body", "Have", "No", "Why", "ask", "is_stale", "judge"]

STALE_SECONDS = 55 * 60.0
"""Age at which a presigned URL is not used any more: they live an hour (documented)."""
PASSING = frozenset({408, 425, 429})

Why: TypeAlias = Literal["expired", "part", "passing", "final", "large"]
"""`expired`: a fresh URL is wanted; `part`: what is here doesn't fit, ask for all of it; `passing`: ask again later;
`final`: asking again is in vain; `large`: the file exceeds the limit."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII)


@frozen
class Have:
    """What is here of a file: so many bytes, sent with this ETag."""

    size: int = 0
    etag: str | None = None


@frozen
class Body:
    """The answer's body goes into the file from `start` on, and makes it `total` bytes; None where nobody says."""

    start: int
    total: int | None
    etag: str | None


@frozen
class No:
    """The answer's body is not the file."""

    why: Why
    problem: str


def ask(have: Have) -> dict[str, str]:
    """Return the headers that ask for what is missing; none where that is everything."""
    if not have.size or have.etag is None:
        return {}
    return {"Range": f"bytes={have.size}-", "If-Range": have.etag}


def judge(status: int, headers: Mapping[str, str], have: Have, *, most: int) -> Body | No:
    """Say what an answer to `ask(have)` brings. `most` is the largest file that is taken, in bytes."""
    if status == 200:
        found: Body | No = Body(0, _length(headers), strong(headers.get("ETag")))
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
    """Tell whether a presigned URL that was made at `since`, in Unix seconds, is too old to be used."""
    return since is not None and now - since >= STALE_SECONDS


def strong(etag: str | None) -> str | None:
    """Return an ETag that stands for bytes and not just for meaning (RFC 9110, 8.8.1), or None."""
    return etag if etag and etag.startswith('"') and etag.isascii() and etag.isprintable() else None


def _rest(headers: Mapping[str, str], have: Have) -> Body | No:
    """Judge a 206: it must go on just where the part ends, to the end, and be of the same file."""
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
    etag = strong(headers.get("ETag"))
    if found is None or int(found[1]) != have.size or (have.size and etag not in {None, have.etag}):
        return No("part" if have.size else "final", "the host sent another part of it than was asked for")
    last, total = int(found[2]), None if found[3] == "*" else int(found[3])
    if total is not None and last != total - 1:
        return No("part" if have.size else "final", "the host sent less of it than was asked for")
    return Body(have.size, last + 1, have.etag if have.size else etag)


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else None
