"""Estimates the remaining time of a batch from the rows that ended in the last minutes.

A rate over the whole run, or over the last N rows, would still promise an end in a standstill, and be wrong long after
it. So the rate is that of the last minutes and starts anew after a standstill, and there is none during one.
"""

import math
from collections import deque
from typing import Final

from attrs import define, field

__all__ = ["LEAST_ROWS", "QUIET_SECONDS", "RATE_SECONDS", "Throughput"]

RATE_SECONDS: Final = 300.0
"""Length of the period of the rate, in seconds."""
LEAST_ROWS: Final = 10
"""Least number of rows for a rate; the period is extended to contain as many."""
QUIET_SECONDS: Final = 15.0
"""Shorter pauses, in seconds, are never a standstill."""
REPEATED_PAUSES: Final = 3
"""Number of recent pauses that count as usual: rows that end in bursts are no standstill."""
STANDSTILL_FACTOR: Final = 1.5
"""A pause is a standstill when it is this many times as long as a usual pause or row."""
DURATION_WEIGHT: Final = 0.2
"""Weight of the newest row in the average duration."""
BUCKET_SECONDS: Final = 1.0
"""Rows that end within so many seconds are counted together."""


@define
class Throughput:
    """Times of sent calls and ended rows, by the monotonic clock."""

    _moved: float
    """Time of the last event; at first that of the beginning."""
    _ends: "deque[tuple[float, int]]" = field(
        init=False, factory=lambda: deque(maxlen=2 * int(RATE_SECONDS / BUCKET_SECONDS))
    )
    """Time and number of ended rows, since the last standstill."""
    _pauses: "deque[tuple[float, float]]" = field(init=False, factory=lambda: deque(maxlen=REPEATED_PAUSES))
    """End and length of the last pauses."""
    _first_left: float = field(init=False, default=math.inf)
    """Time of the first call."""
    _last_left: float = field(init=False, default=-math.inf)
    """Time of the last call."""
    _resumed: float = field(init=False, default=-math.inf)
    """End of the last standstill: rows sent before it took unusually long."""
    _takes: float | None = field(init=False, default=None)
    """Average seconds from a call to the end of its row; None before any has ended."""

    def left(self, now: float) -> None:
        """Record that a call was sent."""
        self._moves(now)
        self._first_left = min(self._first_left, now)
        self._last_left = now

    def ended(self, now: float, took: float | None = None) -> None:
        """Record that a row has ended, `took` seconds after its call where that is known."""
        self._moves(now)
        if self._ends and now - self._ends[-1][0] < BUCKET_SECONDS:
            at, rows = self._ends.pop()
            self._ends.append((at, rows + 1))
        else:
            self._ends.append((now, 1))
        if took is not None and now - took >= self._resumed:
            self._takes = took if self._takes is None else self._takes + DURATION_WEIGHT * (took - self._takes)

    def _moves(self, now: float) -> None:
        if self.is_still(now, running=True):
            self._ends.clear()
            if self._takes is not None:
                self._resumed = now
        if now - self._moved > QUIET_SECONDS:
            self._pauses.append((now, now - self._moved))
        self._moved = now

    def idle(self, now: float) -> float:
        """Return the seconds since the last event."""
        return now - self._moved

    def is_still(self, now: float, *, running: bool) -> bool:
        """Tell whether there is a standstill; `running` tells whether rows are under way."""
        row = self._takes if running and self._takes is not None else 0.0
        return self.idle(now) > max(QUIET_SECONDS, STANDSTILL_FACTOR * max(row, self._usual_pause(now)))

    def _usual_pause(self, now: float) -> float:
        """Return the length of pauses that were repeated recently; 0 for none."""
        lately = [length for over, length in self._pauses if now - over <= 2 * RATE_SECONDS]
        return min(lately) if len(lately) == REPEATED_PAUSES else 0.0

    def rate(self, now: float) -> tuple[float, int]:
        """Return the rows per second, and the number of rows that this is based on."""
        rows, at, earliest = 0, now, 0
        for since, ended in reversed(self._ends):
            if now - since > RATE_SECONDS and rows >= LEAST_ROWS:
                break
            rows, at, earliest = rows + ended, since, ended
        # Those of the first moment came in the time before it.
        return ((rows - earliest) / (now - at) if now > at else 0.0), rows

    def seconds_left(self, now: float, *, coming: int, running: int, leaving: float | None) -> float | None:
        """Return the estimated remaining seconds; None in a standstill, or while there is too little to go by.

        Args:
            now: By the same clock.
            coming: Rows whose call was not sent yet.
            running: Rows under way.
            leaving: Least seconds until the last of the coming calls may be sent; None where that is unknown.
        """
        if not (coming or running) or self.is_still(now, running=running > 0):
            return None
        rate, rows = self.rate(now)
        known = [(coming + running) / rate] if rate and rows >= LEAST_ROWS else []
        if coming and leaving is not None:
            takes = max(0.0, now - self._first_left) if self._takes is None else self._takes
            known.append(leaving + takes)
        elif not coming and self._takes is not None:
            known.append(self._last_left + self._takes - now)
        # What has not come for so long is not likely to come any sooner.
        return max(*known, self.idle(now)) if known else None
