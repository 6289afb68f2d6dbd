"""Reads the rate limit headers of a response."""

from collections.abc import Mapping

from attrs import frozen

from generor_async.rules.wait_headers import until_reset
from generor_async.values import RateLimit, read_rate_limit

__all__ = ["RateLimitReport", "read_rate_limit_report"]


@frozen(kw_only=True)
class RateLimitReport:
    """The rate limit in a response; None for missing values."""

    limit: int | None = None
    used: int | None = None
    """Units in the window."""
    resets_in: float | None = None
    """Seconds from the response to its Reset, rounded up."""
    tier: str | None = None


def read_rate_limit_report(headers: Mapping[str, str], now: float) -> RateLimitReport | None:
    """Read the headers of a response that arrived at `now`, in Unix seconds; None without rate limit headers."""
    told = read_rate_limit(headers)
    if told is None:
        return None
    resets_in = until_reset(told.reset, headers, now)
    return RateLimitReport(limit=told.limit, used=_used(told), resets_in=resets_in, tier=told.tier)


def _used(told: RateLimit) -> int | None:
    if told.limit is None or told.remaining is None or told.remaining > told.limit:
        return None
    return told.limit - told.remaining
