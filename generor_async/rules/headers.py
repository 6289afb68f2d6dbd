"""Response headers that say when to come back, read into seconds."""

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["http_date", "retry_after"]

ABSURD = 31 * 86_400.0
"""No window of either API is longer than a day: a wait of more than a month is a mistake, not a wish."""


def http_date(text: str) -> float | None:
    """Return an HTTP date as Unix seconds; None where it is none."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds the server asks to wait, or None where it does not say.

    Retry-After counts first (integer, decimal or HTTP date), then X-RateLimit-Reset (Unix seconds). Dates are held
    against the server's own Date header where there is one, else against `now`. Zero, negative, NaN and absurd
    values count as absent.
    """
    server_now = http_date(headers.get("Date", ""))
    if server_now is None:
        server_now = now
    asked = headers.get("Retry-After", "").strip()
    wait = _sane(_number(asked))
    if wait is None and asked and (moment := http_date(asked)) is not None:
        wait = _sane(moment - server_now)
    if wait is None and (reset := _number(headers.get("X-RateLimit-Reset", ""))) is not None:
        wait = _sane(reset - server_now)
    return wait


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sane(seconds: float | None) -> float | None:
    if seconds is None or not math.isfinite(seconds):
        return None
    return seconds if 0 < seconds <= ABSURD else None
