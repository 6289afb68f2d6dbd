"""A clock for a store that has none of its own: all processes that use it agree on the time, and it never goes back."""

from typing import Final

from generor_async.values import Clock

__all__ = ["SharedClock"]

LATEST_TIME: Final = 1e11
"""Unix seconds beyond which a time that was kept can't be right."""


class SharedClock:
    """The clock of the process that is ahead of all others.

    Each process reads the machine's clock once, and goes on by its monotonic clock, which nobody can set. It moves
    forward to the time that another process has written, if that is later.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.time() - clock.monotonic()

    def read(self, written: object) -> float:
        """Return the time, given the time at which the text was written; anything else than a time is ignored."""
        now = self._clock.monotonic()
        if isinstance(written, float | int) and -LATEST_TIME <= written <= LATEST_TIME:
            self._offset = max(self._offset, written - now)
        return now + self._offset
