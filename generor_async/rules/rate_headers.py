"""What an answer says of a limit, as far as it can be believed."""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from generor_async.rules.headers import http_date
from generor_async.values import RateLimit, read_rate_limit

__all__ = ["Said", "read_said", "resets_in"]

LONGEST: Final = 31 * 86_400.0
"""Seconds that a Reset may be away: less than that is taken for seconds from now, where it is no date."""
MILLISECONDS: Final = 1e11
"""From here on, a Reset counts milliseconds since the epoch."""


@frozen(kw_only=True)
class Said:
    """What an answer says of a limit; None is what it doesn't say."""

    limit: int | None = None
    used: int | None = None
    """How many units the window holds."""
    resets_in: float | None = None
    """Seconds from the answer until the Reset that it names, rounded up."""
    tier: str | None = None


def read_said(headers: Mapping[str, str], now: float) -> Said | None:
    """Read what an answer says that came at `now`, in Unix seconds; None where it says nothing of limits."""
    told = read_rate_limit(headers)
    if told is None:
        return None
    return Said(limit=told.limit, used=_used(told), resets_in=resets_in(told, headers, now), tier=told.tier)


def resets_in(told: RateLimit, headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until a Reset, which may be Unix seconds or milliseconds, or seconds from now.

    It is held against the server's own Date, where there is one. A Reset in the past is none.
    """
    reset = told.reset
    if reset is None or reset <= LONGEST:
        return reset
    server_now = http_date(headers.get("Date", ""))
    wait = (reset / 1000 if reset >= MILLISECONDS else reset) - (now if server_now is None else server_now)
    return wait if 0 < wait <= LONGEST else None


def _used(told: RateLimit) -> int | None:
    if told.limit is None or told.remaining is None or told.remaining > told.limit:
        return None
    return told.limit - told.remaining
