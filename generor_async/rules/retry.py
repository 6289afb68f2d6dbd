"""Decides from the outcome of an attempt whether and when a call is sent again.

| retry safety     | retried after                                                               |
|------------------|-----------------------------------------------------------------------------|
| read, idempotent | `not_sent`, `unknown`, and `refused` by a 429 or Luma's documented 502, 503 |
| plain, bills     | `not_sent`, and `refused` by those; never after `unknown`                   |

An unknown outcome of a call that bills may have been charged, so it raises OutcomeUnknownError instead. Statuses that
the same request would get again, such as 400 or 401, are never retried.

The delays are exponential with full jitter, as a crowd of clients would otherwise come back at once. A wait that the
server asks for is never shortened: jitter only adds to it. The retry budget spreads the retries of all calls in time,
so that a failing server isn't flooded; it never fails a call that has retries and time left.

`backoff.expo` gives the sequence of delays. The decorators of `backoff` are not used: they sleep and read the clock
themselves, and can't tell a call that must not be repeated.
"""

import math
from bisect import bisect_left, bisect_right, insort

import backoff
from attrs import define, field

from generor_async.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    ResponseShapeError,
)
from generor_async.values import RetrySafety

__all__ = [
    "RetryBudget",
    "backoff_delay",
    "least_seconds_left",
    "may_retry",
    "outage_delay",
    "retry_delay",
    "with_jitter",
    "with_spread",
]

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
OUTAGE_DELAYS = {502: 10.0, 503: 2.0}
"""Longest first wait after Luma's documented 502 and 503. The shortest is half of it: 5 to 10 s after a 502
(documented)."""
LEAST_TIME_LEFT = 1.0
"""Least remaining seconds for a call that can't be repeated."""
LEAST_PART = 0.1
"""Part of its timeout that is enough as well."""
NEVER_RETRIED = frozenset({400, 401, 402, 403, 404, 405, 413, 422})
"""Statuses that the same request would get again."""


def _delays() -> tuple[float, ...]:
    sequence = backoff.expo(base=2, factor=FIRST_DELAY, max_value=LONGEST_DELAY)
    next(sequence)  # the first value is a placeholder, 0 or None by version
    delays: list[float] = []
    while not delays or delays[-1] < LONGEST_DELAY:
        delays.append(float(next(sequence)))
    return tuple(delays)


DELAYS = _delays()
"""Upper bounds of the waits before the first, second, ... retry, in seconds; the last one is repeated."""


def may_retry(retry_safety: RetrySafety, error: APIError) -> bool:
    """Tell whether a call may be sent again after this error; the module's table says when."""
    if isinstance(error, APIStatusError):
        if error.retryable:
            return True
        if error.status_code in NEVER_RETRIED:
            return False
    elif isinstance(error, APIConnectionError | ResponseShapeError) and not error.retryable:
        return False
    if error.outcome == "not_sent":
        return True
    return error.outcome == "unknown" and retry_safety in {"read", "idempotent"}


def least_seconds_left(retry_safety: RetrySafety, timeout: float) -> float:
    """Return the least remaining seconds with which a call is sent: a paid call that times out may be charged."""
    return 0.0 if retry_safety in {"read", "idempotent"} else min(LEAST_TIME_LEFT, LEAST_PART * timeout)


def retry_delay(error: APIError, retries: int, draw: float) -> float:
    """Return the seconds before the next attempt, after anything but a 429.

    `retries` counts those already made; `draw` is a random number in [0, 1).
    """
    if isinstance(error, APIStatusError):
        if error.retryable:
            return outage_delay(error.status_code, error.retry_after, retries, draw)
        if error.retry_after is not None:
            return with_jitter(error.retry_after, draw)
    return backoff_delay(retries, draw)


def outage_delay(status: int, told: float | None, failures: int, draw: float) -> float:
    """Return the seconds to wait after a documented 502 or 503; `failures` counts earlier ones."""
    if told is not None:
        return with_jitter(told, draw)
    bound = min(OUTAGE_DELAYS.get(status, FIRST_DELAY) * 2.0 ** min(failures, 10), LONGEST_DELAY)
    return bound * (0.5 + 0.5 * draw)


def with_jitter(seconds: float, draw: float) -> float:
    """Return a wait that the server asked for, lengthened by some jitter: it is never shortened."""
    return seconds + draw * min(1.0, 0.1 * seconds)


def with_spread(seconds: float, draw: float) -> float:
    """Return a wait that all calls of a key share, lengthened by up to a twelfth so that they aren't sent together."""
    return seconds + draw * min(10.0, 0.08 * seconds)


def backoff_delay(retries: int, draw: float) -> float:
    """Return the seconds of a backoff with full jitter, where no server asked for a wait."""
    return DELAYS[min(retries, len(DELAYS) - 1)] * draw


@define
class RetryBudget:
    """Spreads retries in time, so that a failing server is not flooded.

    In any ten seconds, retries are a fifth of recent requests and at least ten; further ones are sent later. Recent is
    the last period of ten seconds, or the last two. Waits that the API documents (a 429, Luma's 502 and 503) aren't
    counted: other rules space them.
    """

    share: float = 0.2
    least: int = 10
    period: float = 10.0
    _until: float = field(default=-math.inf, init=False)
    _requests: list[int] = field(factory=lambda: [0, 0], init=False)
    _booked: list[float] = field(factory=list[float], init=False)
    """Times of the retries, in order."""

    def count(self, now: float) -> None:
        """Count a first attempt."""
        if now >= self._until:
            stale = now >= self._until + self.period
            self._requests = [0, 0 if stale else self._requests[0]]
            self._until = now + self.period
        self._requests[0] += 1

    def book(self, now: float, wanted: float, latest: float) -> float:
        """Return the time of a retry that wants to be sent at `wanted`; at the latest it is sent at `latest`."""
        del self._booked[: bisect_left(self._booked, now - self.period)]
        most = max(self.least, math.floor(self.share * sum(self._requests)))
        free = (end for booked in self._booked if (end := booked + self.period) > wanted)
        moment = wanted
        while moment < latest and self._near(moment) >= most:
            moment = next(free, latest)
        moment = min(moment, max(wanted, latest))
        insort(self._booked, moment)
        return moment

    def _near(self, moment: float) -> int:
        """Count the retries that share a period of ten seconds with a moment."""
        since = bisect_right(self._booked, moment - self.period)
        return bisect_left(self._booked, moment + self.period) - since
