"""Classifies a 429: which limit it is about, and how long to wait. Limits, events and retries use this one decision.

A limit counts only where the response proves it: waiting for a proven limit is no failed attempt. Luma has three
(documented; the last one by its early pages):

- concurrent jobs: the `detail` of a POST's 429 says "concurrent", whatever the headers are;
- requests a minute: `X-RateLimit-*` headers with nothing left, or a `detail` about a rate limit;
- a limit against abuse over all calls of a key: an error in the API's own shape without those headers, on anything
  but a POST, or with a `detail` about a rate limit.

Generor has windows only: it proves one by its code, or by headers with nothing left. Every other 429, such as a
gateway's page, proves nothing, and is a failed attempt like others.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from generor_async.rules.holds import HoldScope
from generor_async.rules.http_types import Endpoint
from generor_async.rules.pace import TIERS
from generor_async.rules.slots import RETRY_AFTER
from generor_async.rules.vendors import LUMA
from generor_async.rules.wait_headers import limit_wait
from generor_async.rules.window import Scope
from generor_async.values import RateLimitScope, ThrottleScope

__all__ = ["LimitRefusal", "classify_refusal", "window_of_headers"]

FIRST_WAIT: Final = 1.0
LONGEST_DEFAULT_WAIT: Final = 30.0
LENGTHENED_AFTER: Final = 5
"""Refusals of one call after which a short Retry-After is lengthened."""
CODE: Final = "RATE_LIMIT_EXCEEDED"
"""Generor's code (documented)."""
_OTHERS: Final[dict[str, HoldScope]] = {"jobs": "jobs", "abuse": "abuse"}
_WINDOWS: Final[dict[str, Scope]] = {"minute": "minute", "hour": "hour", "day": "day"}


@frozen(kw_only=True)
class LimitRefusal:
    """The decision about one 429."""

    scope: ThrottleScope
    """The limit: a window, `jobs`, `abuse`, or `unknown`."""
    proven: bool
    """Whether the response proves that limit."""
    wait: float
    """Seconds to wait, as the server asked or by default."""
    told: bool
    """Whether the server asked for this wait."""

    @property
    def hold_scope(self) -> HoldScope:
        """Which calls it blocks."""
        return _OTHERS.get(self.scope, self.window)

    @property
    def is_window(self) -> bool:
        """Whether it is about a rate limit."""
        return self.scope not in _OTHERS

    @property
    def window(self) -> Scope:
        """The window that is full; the minute where the answer doesn't say."""
        return _WINDOWS.get(self.scope, "minute")

    @property
    def rate_limit_scope(self) -> RateLimitScope:
        """The window as an error names it."""
        return _WINDOWS.get(self.scope, "unknown")


def classify_refusal(
    endpoint: Endpoint[Any],
    headers: Mapping[str, str],
    own: tuple[str, str | None] | None,
    now: float,
    *,
    refusals: int = 0,
) -> LimitRefusal:
    """Return the limit that a 429 is about, and the wait: one second at least.

    Args:
        endpoint: The endpoint that was called.
        headers: The headers of the response.
        own: Message and code of an error in the API's own shape; None for any other body.
        now: Unix seconds.
        refusals: Number of earlier refusals of this call. Where the server doesn't say how long to wait, or says a
            short time again and again, the wait doubles with each.
    """
    scope, proven = _limit(endpoint, headers, own)
    asked = limit_wait(headers, now)
    grown = min(FIRST_WAIT * 2.0 ** min(refusals, 10), LONGEST_DEFAULT_WAIT)
    if asked is None:
        wait = RETRY_AFTER if scope == "jobs" else grown
    elif refusals < LENGTHENED_AFTER:
        wait = max(asked, FIRST_WAIT)
    else:
        wait = max(asked, grown)
    return LimitRefusal(scope=scope, proven=proven, wait=wait, told=asked is not None)


def _limit(
    endpoint: Endpoint[Any], headers: Mapping[str, str], own: tuple[str, str | None] | None
) -> tuple[ThrottleScope, bool]:
    luma, submits = endpoint.vendor is LUMA, endpoint.method == "POST"
    text, code = ("", None) if own is None else (own[0].lower(), own[1])
    says_so = "rate limit" in text or code == CODE
    if luma and submits and "concurrent" in text:
        return "jobs", True
    if "X-RateLimit-Limit" in headers or "X-RateLimit-Remaining" in headers:
        return window_of_headers(headers), says_so or _nothing_left(headers)
    if luma and own is not None and (says_so or not submits):
        return "abuse", True
    return "unknown", says_so


def _nothing_left(headers: Mapping[str, str]) -> bool:
    try:
        return float(headers.get("X-RateLimit-Remaining", "")) <= 0
    except ValueError:
        return False


def window_of_headers(headers: Mapping[str, str]) -> RateLimitScope:
    """Return the window that an answer's headers are about."""
    limit, tier = headers.get("X-RateLimit-Limit"), headers.get("X-RateLimit-Tier")
    if tier is None:
        return "unknown" if limit is None else "minute"
    minute, hour, day = TIERS.get(tier.strip().lower(), (None, None, None))
    if limit == str(minute):
        return "minute"
    if limit == str(hour):
        return "hour"
    return "day" if limit == str(day) else "unknown"
