"""Again? And when? Decided from what an attempt came to, never from how it felt."""

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
from generor_async.values import Conduct

__all__ = [
    "RetryBudget",
    "backoff_delay",
    "busy_delay",
    "least_time",
    "may_repeat",
    "retry_delay",
    "spread",
    "with_jitter",
]

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
BUSY_BOUNDS = {502: 10.0, 503: 2.0}
"""The longest first wait after Luma's documented 502 and 503: half of it is certain, so a 502 waits 5 to 10 s
(documented)."""
LEAST_SECONDS = 1.0
"""Seconds that a call which must not be repeated has to have left when it is sent."""
LEAST_PART = 0.1
"""The part of its time that is enough in any case."""
NEVER = frozenset({400, 401, 402, 403, 404, 405, 413, 422})
"""Statuses that the same request meets again, whether or not the API at hand documents them."""


def _delays() -> tuple[float, ...]:
    sequence = backoff.expo(base=2, factor=FIRST_DELAY, max_value=LONGEST_DELAY)
    next(sequence)  # the first value is a placeholder, 0 or None by version
    delays: list[float] = []
    while not delays or delays[-1] < LONGEST_DELAY:
        delays.append(float(next(sequence)))
    return tuple(delays)


DELAYS = _delays()
"""The upper bounds of the waits before the first, second, ... retry, in seconds; the last one goes on for ever."""


def may_repeat(conduct: Conduct, error: APIError) -> bool:
    """Tell whether a call may be sent again after this.

    A call that changes nothing by being repeated may go again whenever the answer was lost; any other only where it
    is certain that it had no effect.
    """
    if isinstance(error, APIStatusError):
        if error.retryable:
            return True
        if error.status_code in NEVER:
            return False
    elif isinstance(error, APIConnectionError | ResponseShapeError) and not error.retryable:
        return False
    if error.outcome == "not_sent":
        return True
    return error.outcome == "unknown" and conduct in {"read", "idempotent"}


def least_time(conduct: Conduct, timeout: float) -> float:
    """Return the seconds that a call must have left to be sent: cut off, one that may not be repeated is in doubt."""
    return 0.0 if conduct in {"read", "idempotent"} else min(LEAST_SECONDS, LEAST_PART * timeout)


def retry_delay(error: APIError, retries: int, draw: float) -> float:
    """Return the seconds to wait before the next attempt, after anything but a 429.

    `retries` counts those already made; `draw` is a random number from 0 up to 1.
    """
    if isinstance(error, APIStatusError):
        if error.retryable:
            return busy_delay(error.status_code, error.retry_after, retries, draw)
        if error.retry_after is not None:
            return with_jitter(error.retry_after, draw)
    return backoff_delay(retries, draw)


def busy_delay(status: int, told: float | None, failures: int, draw: float) -> float:
    """Return the seconds to wait while the API says that it is away; `failures` counts those before this one."""
    if told is not None:
        return with_jitter(told, draw)
    bound = min(BUSY_BOUNDS.get(status, FIRST_DELAY) * 2.0 ** min(failures, 10), LONGEST_DELAY)
    return bound * (0.5 + 0.5 * draw)


def with_jitter(seconds: float, draw: float) -> float:
    """Return a wait that the server asked for, and a little more: it is never undercut."""
    return seconds + draw * min(1.0, 0.1 * seconds)


def spread(seconds: float, draw: float) -> float:
    """Return a wait that all calls of a key share, and up to a twelfth more: they are not to leave as a herd."""
    return seconds + draw * min(10.0, 0.08 * seconds)


def backoff_delay(retries: int, draw: float) -> float:
    """Return the seconds to wait where no server has a say in it: backoff with full jitter."""
    return DELAYS[min(retries, len(DELAYS) - 1)] * draw


@define
class RetryBudget:
    """Spreads retries out in time, so that a dying server is not flooded.

    In any ten seconds they are a fifth of recent requests, at least ten: what goes beyond leaves later. Recent means
    the last one or two periods of ten seconds. What the API documents as a wait (a 429, Luma's 502 and 503) spends
    nothing: other rules space it.
    """

    share: float = 0.2
    least: int = 10
    period: float = 10.0
    _until: float = field(default=-math.inf, init=False)
    _requests: list[int] = field(factory=lambda: [0, 0], init=False)
    _booked: list[float] = field(factory=list[float], init=False)
    """When retries leave, in order."""

    def count(self, now: float) -> None:
        """Note a first attempt."""
        if now >= self._until:
            stale = now >= self._until + self.period
            self._requests = [0, 0 if stale else self._requests[0]]
            self._until = now + self.period
        self._requests[0] += 1

    def book(self, now: float, wanted: float, latest: float) -> float:
        """Return when a retry may leave that wants to leave at `wanted`; at `latest` it leaves in any case."""
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
        """Count the retries that some ten seconds may have in common with one at that moment."""
        since = bisect_right(self._booked, moment - self.period)
        return bisect_left(self._booked, moment + self.period) - since
