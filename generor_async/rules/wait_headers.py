"""Reads the response headers that say how long to wait, in seconds."""

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["LONGEST_BELIEVED_WAIT", "http_date", "limit_wait", "retry_after", "until_reset"]

LONGEST_BELIEVED_WAIT: Final = 31 * 86_400.0
"""The longest wait that is believed, in seconds: the longest window of either API is a day."""
MILLISECONDS = 1e11
"""Numbers from here on are Unix milliseconds: as seconds, they would be thousands of years ahead."""


def http_date(text: str) -> float | None:
    """Return an HTTP date as Unix seconds; None where the text isn't one."""
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that Retry-After asks for; None where there is no usable value.

    It may be an integer, a decimal or an HTTP date. A date is compared with the server's own Date header if there is
    one, else with `now`. Zero, negative, NaN and absurdly large values count as absent.
    """
    asked = headers.get("Retry-After", "").strip()
    if not asked:
        return None
    wait = _believable(_number(asked))
    if wait is None and (moment := http_date(asked)) is not None:
        wait = _believable(moment - _server_now(headers, now))
    return wait


def limit_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that a 429 asks for: from Retry-After, else from X-RateLimit-Reset."""
    wait = retry_after(headers, now)
    return until_reset(_number(headers.get("X-RateLimit-Reset", "")), headers, now) if wait is None else wait


def until_reset(reset: float | None, headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds until a Reset; None where the value can't be read or is in the past.

    It may be Unix seconds (documented), Unix milliseconds, or remaining seconds (assumed). A moment is compared with
    the server's own Date header if there is one.
    """
    if reset is None or reset <= LONGEST_BELIEVED_WAIT:
        return _believable(reset)
    return _believable((reset / 1000 if reset >= MILLISECONDS else reset) - _server_now(headers, now))


def _server_now(headers: Mapping[str, str], now: float) -> float:
    told = http_date(headers.get("Date", ""))
    return now if told is None else told


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _believable(seconds: float | None) -> float | None:
    if seconds is None or not math.isfinite(seconds):
        return None
    return seconds if 0 < seconds <= LONGEST_BELIEVED_WAIT else None
