"""The status, headers and timing of an answer."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import frozen

__all__ = ["Headers", "RateLimit", "ResponseInfo", "read_rate_limit"]


class Headers(Mapping[str, str]):
    """Response headers: look-ups ignore case; of a repeated header, the first value is kept."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: dict[str, tuple[str, str]] = {}
        for name, value in items:
            self._items.setdefault(name.lower(), (name, value))

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


@frozen(kw_only=True)
class RateLimit:
    """The X-RateLimit-* headers of an answer; None for a header that is missing or can't be read.

    On Luma, limit and remaining count weight units, not requests (measured): most requests weigh one.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    """As it was sent, in Unix seconds. Generor: when the window ends (assumed). Luma: when its oldest request leaves
    the window (documented) or, with a success, in 60 seconds (page)."""
    tier: str | None = None
    """Generor only (documented): free, basic, pro or enterprise."""


def read_rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Read the X-RateLimit-* headers, independently of each other; None where no one can be read."""
    limit = _count(headers.get("X-RateLimit-Limit"))
    if limit == 0:
        limit = None
    found = RateLimit(
        limit=limit,
        remaining=_count(headers.get("X-RateLimit-Remaining")),
        reset=_moment(headers.get("X-RateLimit-Reset")),
        tier=_tier(headers.get("X-RateLimit-Tier")),
    )
    return None if found == _NOTHING else found


_NOTHING: Final = RateLimit()
_COUNT: Final = re.compile(r"-?\d{1,15}", re.ASCII)
"""Limited in length: longer numbers are not counts."""


def _count(text: str | None) -> int | None:
    """Read a count; a negative one is read as 0."""
    if text is None or not _COUNT.fullmatch(text := text.strip()):
        return None
    return max(0, int(text))


def _moment(text: str | None) -> float | None:
    try:
        moment = math.nan if text is None else float(text)
    except ValueError:
        return None
    return moment if 0 < moment < math.inf else None


def _tier(text: str | None) -> str | None:
    return (text or "").strip().lower() or None


class ResponseInfo:
    """The status, headers and timing of the answer from which a result was decoded."""

    __slots__ = ("_headers", "attempts", "elapsed", "request_id", "status")

    def __init__(
        self,
        *,
        status: int,
        headers: Mapping[str, str],
        request_id: str,
        attempts: int = 1,
        elapsed: float = 0.0,
    ) -> None:
        self.status = status
        """HTTP status of the last attempt."""
        self._headers = headers
        self.request_id = request_id
        """The X-Request-Id of the answer, or the one that was sent."""
        self.attempts = attempts
        """Number of times that the request was sent."""
        self.elapsed = elapsed
        """Seconds from the call to the complete answer, over all attempts."""

    @property
    def headers(self) -> Headers:
        """The response headers; look-ups ignore case."""
        return Headers(self._headers.items())

    @property
    def api_version(self) -> str | None:
        """The X-API-Version header (Luma only, documented)."""
        return self._headers.get("X-API-Version")

    @property
    def rate_limit(self) -> RateLimit | None:
        """The X-RateLimit-* headers, or None where the answer carried none that can be read."""
        return read_rate_limit(self._headers)

    @property
    def status_code(self) -> int:
        """The same as `status`, which other HTTP clients call by this name."""
        return self.status

    def __repr__(self) -> str:
        return f"ResponseInfo(status={self.status}, request_id={self.request_id!r}, attempts={self.attempts})"

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return _restore, (
            self.status,
            tuple(self._headers.items()),
            self.request_id,
            self.attempts,
            self.elapsed,
        )


def _restore(
    status: int, headers: tuple[tuple[str, str], ...], request_id: str, attempts: int, elapsed: float
) -> ResponseInfo:
    return ResponseInfo(
        status=status, headers=Headers(headers), request_id=request_id, attempts=attempts, elapsed=elapsed
    )
