"""How long rows are likely to take yet, told by how they moved of late; where nothing moves, nobody can say.

A rate over the whole run, or over the last so many rows, goes on promising an end for as long as nothing moves, and
is far off for long after it does again. So the rate is that of the last minutes, begins anew after a standstill, and
says nothing in one.
"""

import math
from collections import deque
from typing import Final

from attrs import define, field

__all__ = ["LEAST_ROWS", "QUIET_SECONDS", "RATE_SECONDS", "Throughput"]

RATE_SECONDS: Final = 300.0
"""Seconds of which the rate is taken."""
LEAST_ROWS: Final = 10
"""How many rows must have ended before their rate says anything; where fewer have lately, it is that of the last."""
QUIET_SECONDS: Final = 15.0
"""Seconds without any movement that say nothing yet."""
REPEATED_PAUSES: Final = 3
"""How many pauses have to come in a short time to be taken for usual: bursts, one in a minute, are no standstills."""
STANDSTILL_FACTOR: Final = 1.5
"""How much longer than usual a row may take, or a pause, before it is a standstill."""
DURATION_WEIGHT: Final = 0.2
"""How much the last row counts in how long one takes."""
BUCKET_SECONDS: Final = 1.0
"""Seconds in which ends are counted together."""


@define
class Throughput:
    """When calls left and rows ended, by the monotonic clock."""

    _moved: float
    """When anything last did; at first when it began."""
    _ends: "deque[tuple[float, int]]" = field(
        init=False, factory=lambda: deque(maxlen=2 * int(RATE_SECONDS / BUCKET_SECONDS))
    )
    """How many rows ended, and when, since the last standstill."""
    _pauses: "deque[tuple[float, float]]" = field(init=False, factory=lambda: deque(maxlen=REPEATED_PAUSES))
    """When the last pauses were over, and how long they were."""
    _first_left: float = field(init=False, default=math.inf)
    """When the first call left."""
    _last_left: float = field(init=False, default=-math.inf)
    """When the last call left."""
    _resumed: float = field(init=False, default=-math.inf)
    """When the last standstill was over: rows whose call left before took longer than they do."""
    _takes: float | None = field(init=False, default=None)
    """How long a row takes from its call to its end; None before any has ended."""

    def left(self, now: float) -> None:
        """Note that a call has left."""
        self._moves(now)
        self._first_left = min(self._first_left, now)
        self._last_left = now

    def ended(self, now: float, took: float | None = None) -> None:
        """Note that a row has ended, and how long after its call, where that was seen."""
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
        """Return for how long nothing has moved."""
        return now - self._moved

    def is_still(self, now: float, *, running: bool) -> bool:
        """Tell whether nothing has moved for longer than is usual; a row that is `running` takes its time."""
        row = self._takes if running and self._takes is not None else 0.0
        return self.idle(now) > max(QUIET_SECONDS, STANDSTILL_FACTOR * max(row, self._usual_pause(now)))

    def _usual_pause(self, now: float) -> float:
        """Return how long a pause is that came repeatedly of late; 0 where none did."""
        lately = [length for over, length in self._pauses if now - over <= 2 * RATE_SECONDS]
        return min(lately) if len(lately) == REPEATED_PAUSES else 0.0

    def rate(self, now: float) -> tuple[float, int]:
        """Return how many rows end in a second, and of how many rows that is."""
        rows, at, earliest = 0, now, 0
        for since, ended in reversed(self._ends):
            if now - since > RATE_SECONDS and rows >= LEAST_ROWS:
                break
            rows, at, earliest = rows + ended, since, ended
        # Those of the first moment came in the time before it.
        return ((rows - earliest) / (now - at) if now > at else 0.0), rows

    def seconds_left(self, now: float, *, coming: int, running: int, leaving: float | None) -> float | None:
        """Return how long it is likely to take yet; None in a standstill, and where nobody can say.

        Args:
            now: By the same clock.
            coming: Rows whose call has not left.
            running: Rows under way.
            leaving: Seconds until the last of those to come may leave, at the least; None where that is not known.
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
