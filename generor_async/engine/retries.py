"""Retries of requests to hosts other than the API: downloads, uploads, and images named by URL."""

import random

from generor_async.engine.plain_http import PlainHttpError
from generor_async.rules import retry
from generor_async.values import Clock

__all__ = ["Retries"]


class Retries:
    """Counts the retries of one transfer."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._count = 0

    def reset(self) -> None:
        """Count anew, because the transfer has made progress."""
        self._count = 0

    async def next_attempt(self, error: PlainHttpError) -> bool:
        """Wait for the next attempt after an error; return False, at once, where there is none.

        The wait is a backoff with full jitter, or what the host asked for if that is longer.
        """
        if not error.transient or self._count >= self._most:
            return False
        delay = max(error.wait, retry.backoff_delay(self._count, random.random()))  # noqa: S311 - jitter, not a secret
        self._count += 1
        await self._clock.sleep(delay)
        return True
