"""Reads what an answer says of a rate limit."""

from collections.abc import Mapping

from attrs import frozen

from generor_async.rules.wait_headers import until_reset
from generor_async.values import RateLimit, read_rate_limit

__all__ = ["RateLimitReport", "read_rate_limit_report"]


@frozen(kw_only=True)
class RateLimitReport:
    """What an answer says of a rate limit; None for what it doesn't say."""

    limit: int | None = None
    used: int | None = None
    """Units in the window."""
    resets_in: float | None = None
    """Seconds from the answer to its Reset, rounded up."""
    tier: str | None = None


def read_rate_limit_report(headers: Mapping[str, str], now: float) -> RateLimitReport | None:
    """Read an answer that came at `now`, in Unix seconds; None where it says nothing of limits."""
    told = read_rate_limit(headers)
    if told is None:
        return None
    resets_in = until_reset(told.reset, headers, now)
    return RateLimitReport(limit=told.limit, used=_used(told), resets_in=resets_in, tier=told.tier)


def _used(told: RateLimit) -> int | None:
    if told.limit is None or told.remaining is None or told.remaining > told.limit:
        return None
    return told.limit - told.remaining
