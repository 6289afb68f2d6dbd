"""When calls that wait for rate limits will be admitted, if nobody else sends any.

A unit that was sent is in a window for its span, so the next ones are admitted as those before them leave it: this is
what `rules.pace` does call by call, computed for any number of them, a block of times at once. Tests hold it against
that rule.
"""

import math
from bisect import bisect_left
from functools import partial
from itertools import accumulate, islice, repeat
from typing import Final

from attrs import Factory, define, field

__all__ = ["AdmissionTimes", "FutureWindow"]

COLLECTED_SECONDS: Final = 1.0
"""Seconds for which the windows of an hour and a day collect requests before they record them."""
LEAST_BLOCK: Final = 16
"""The fewest times to compute at once, if the limits let them."""
EXACT_UNITS: Final = 6_000
"""Units whose gaps are computed; of later ones nobody needs to know the second."""
ROUNDING: Final = 1e-6
"""By how much of a period a time may be off."""
SPREAD_WINDOWS: Final = 4
"""After so many times the minute's limit, times follow from those before, with their gaps."""


@define
class FutureWindow:
    """One window as it is now, and as it will be; times are seconds from now."""

    limit: int
    """The units that we may have in it, beside those that nobody of ours has sent."""
    period: float
    """Seconds for which it holds a unit: its span, and until the server has certainly counted the unit."""
    ends: list[float]
    """When each unit in it now leaves it, in order."""
    slice_seconds: float = 0.0
    """Units sent within so many seconds leave it together, with the last of them."""
    resets_at: float | None = None
    """When it begins anew, if it is a fixed one: then it holds nothing, and lasts for `period`."""
    slice: list[float] = field(factory=list[float])
    """When the units of the newest slice were sent, which may get more."""
    slice_until: float = -math.inf
    """Until when it gets more."""
    free: int = field(
        init=False, default=Factory(lambda self: self.limit - len(self.ends) - len(self.slice), takes_self=True)
    )
    """How many units fit in now; below 0 where there are more than the limit."""
    units: int = field(default=0, init=False)
    """How many units were added."""
    _collected: list[float] = field(factory=list[float], init=False)
    """Units sent that no slice has yet."""

    def leave(self, units: int) -> None:
        """Leave so many units to others."""
        self.limit -= units
        self.free -= units

    def room(self, time: float, units: int) -> int:
        """Return how many units it has room for beside so many that were sent before a time."""
        return self.free + bisect_left(self.ends, time) - units

    def until(self, place: int, count: int) -> list[float]:
        """Return when so many units, from the one of this place on, have room."""
        first = place - self.free
        if first + count > len(self.ends):
            self.slice += self._collected
            self._collected = []
            self._close_slice()
        unbound = min(max(-first, 0), count)
        return [*repeat(0.0, unbound), *self.ends[max(first, 0) : max(first + count, 0)]]

    def add(self, times: list[float]) -> None:
        """Add units that are sent at these times."""
        self.units += len(times)
        if (reset := self.resets_at) is not None:
            self.ends.extend(
                [reset + self.period * (math.floor((time - reset) / self.period + ROUNDING) + 1) for time in times]
            )
        elif not self.slice_seconds:
            self.ends.extend([time + self.period for time in times])
        else:
            self._add_slices(times)

    def _add_slices(self, times: list[float]) -> None:
        at, seconds = 0, COLLECTED_SECONDS if self.units < EXACT_UNITS else self.slice_seconds
        while at < len(times):
            if self._collected and times[at] >= self._collected[0] + seconds:
                self._record()
            end = bisect_left(times, (self._collected[0] if self._collected else times[at]) + seconds, at)
            self._collected += times[at:end]
            at = end

    def _record(self) -> None:
        """Add what was sent within a second to a slice."""
        last = self._collected[-1]
        if last >= self.slice_until:
            self._close_slice()
            self.slice_until = last + self.slice_seconds
        self.slice += self._collected
        self._collected = []

    def _close_slice(self) -> None:
        if self.slice:
            self.ends.extend(repeat(self.slice[-1] + self.period, len(self.slice)))
            self.slice = []


@define
class AdmissionTimes:
    """The times at which units will be admitted, in seconds from now; `times[0]` is that of the next one."""

    windows: list[FutureWindow]
    begin: float = 0.0
    """No unit is admitted before this."""
    gap: float = 0.0
    """Seconds between two units."""
    slow_gap: float = 0.0
    """The same while the minute has room for fewer units than `plenty`."""
    plenty: float = 0.0
    _times: list[float] = field(factory=list[float], init=False)

    def __getitem__(self, place: int) -> float:
        while len(self._times) <= place:
            self._extend(max(place + 1 - len(self._times), LEAST_BLOCK))
        return self._times[place]

    def _extend(self, count: int) -> None:
        """Add the times of so many units, or of fewer."""
        place = len(self._times)
        binding = [window for window in self.windows if window.free < place + count]
        count = min([count, *(max(window.limit, 1) for window in binding)])
        times = [self._times[-1] if self._times else self.begin] * count
        for window in binding:
            window.add(self._times[window.units :])
            times = list(map(max, times, window.until(place, count)))
        regular = place >= EXACT_UNITS or (len(binding) == 1 and place >= SPREAD_WINDOWS * binding[0].limit)
        times = self._spread(times, place, regular=regular)
        self._times += times

    def _spread(self, times: list[float], place: int, *, regular: bool) -> list[float]:
        """Return times with gaps between them, as the rule leaves them between requests."""
        gap, last = self.gap, self._times[-1] if self._times else -math.inf
        if self.slow_gap <= gap or regular:
            later = partial(_later, gap) if gap else max
            return list(islice(accumulate(times, later, initial=last), 1, None))
        minute, found = self.windows[0], times[:0]
        for number, time in enumerate(times, place + 1):
            slowly = minute.room(last, number) < self.plenty
            last = max(time, last + (self.slow_gap if slowly else gap))
            found.append(last)
        return found


def _later(gap: float, last: float, time: float) -> float:
    return max(last + gap, time)
