"""Again? And when? Decided from what an attempt came to, never from how it felt."""

import math

import backoff
from attrs import define, field

from generor_async.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    RateLimitError,
    ResponseShapeError,
)
from generor_async.values import Conduct

__all__ = ["RetryBudget", "backoff_delay", "may_repeat", "retry_delay"]

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
GATEWAY_DELAY = 5.0
"""Luma's 502 waits 5 to 10 s (documented)."""
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


def retry_delay(error: APIError, retries: int, draw: float) -> float:
    """Return the seconds to wait before the next attempt.

    `retries` counts those already made; `draw` is a random number from 0 up to 1. What the server asked for is never
    undercut: jitter only adds to it.
    """
    bound = _bound(retries)
    if isinstance(error, APIStatusError):
        if error.retry_after is not None:
            return error.retry_after + draw * min(1.0, 0.1 * error.retry_after)
        if error.status_code == 502 and error.retryable:
            return GATEWAY_DELAY * (1 + draw)
        if isinstance(error, RateLimitError):
            # Nobody said how long: half of the bound is certain, so that a limit isn't hammered.
            return bound * (0.5 + 0.5 * draw)
    return bound * draw


def backoff_delay(retries: int, draw: float) -> float:
    """Return the seconds to wait where no server has a say in it: backoff with full jitter."""
    return _bound(retries) * draw


def _bound(retries: int) -> float:
    return DELAYS[min(retries, len(DELAYS) - 1)]


@define
class RetryBudget:
    """Lets retries be a fifth of recent requests, at least ten: a dying server is not flooded.

    Recent means the last one or two periods of ten seconds. A 429 is an answer of a living server and spends nothing.
    """

    share: float = 0.2
    least: int = 10
    period: float = 10.0
    _until: float = field(default=-math.inf, init=False)
    _requests: list[int] = field(factory=lambda: [0, 0], init=False)
    _retries: list[int] = field(factory=lambda: [0, 0], init=False)

    def count(self, now: float) -> None:
        """Note a first attempt."""
        if now >= self._until:
            self._turn(now)
        self._requests[0] += 1

    def take(self, now: float) -> bool:
        """Take one retry out of the budget; False where it is used up."""
        if now >= self._until:
            self._turn(now)
        if sum(self._retries) >= max(self.least, self.share * sum(self._requests)):
            return False
        self._retries[0] += 1
        return True

    def _turn(self, now: float) -> None:
        stale = now >= self._until + self.period
        for counts in (self._requests, self._retries):
            counts[1] = 0 if stale else counts[0]
            counts[0] = 0
        self._until = now + self.period
