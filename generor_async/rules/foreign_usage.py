"""An estimate of the requests in a window that are not ours.

No answer lists the requests of others: it only says how many units the window holds. So they are counted by the
interval in which they must have come. They may be in the window until a span after its end; within it they are
expected to expire evenly. No number in a header makes the list longer.
"""

import math
from collections import deque
from typing import Any, Final

from attrs import define, field

from generor_async.rules.state_json import int_reader, read_past_or_never, time_reader
from generor_async.rules.wait_headers import LONGEST_BELIEVED_WAIT
from generor_async.values import JSON

__all__ = ["PARTS", "ForeignUsage"]

PARTS: Final = 12
"""A span is divided into so many intervals at most, and one more."""

_UNITS: Final = int_reader(1)
_ARRIVED: Final = time_reader(LONGEST_BELIEVED_WAIT)
"""When requests came: a refusal that names a long wait makes this later than it can be."""


@define
class _Interval:
    """Requests of others that came after `since` and up to `until`."""

    since: float
    until: float
    units: int


@define
class ForeignUsage:
    """How many units of others a window holds, and when they expire."""

    span: float
    units: int = field(default=0, init=False)
    """The estimate; brought up to date by `expire`."""
    seen: float = field(default=-math.inf, init=False)
    """When others last used a large part of the window."""
    _intervals: deque[_Interval] = field(factory=deque[_Interval], init=False)

    def expire(self, now: float) -> None:
        """Remove what the server must have removed."""
        intervals, span = self._intervals, self.span
        while intervals and intervals[0].until + span <= now:
            self.units -= intervals.popleft().units

    def raise_to(self, units: int, *, since: float, until: float) -> None:
        """Raise the estimate to at least so many units; the new ones came between `since` and `until`."""
        more = units - self.units
        if more <= 0:
            return
        self.units = units
        last = self._intervals[-1] if self._intervals else None
        if last is not None and until <= last.since + self.span / PARTS:
            last.until, last.units = max(last.until, until), last.units + more
        else:
            start = max(since, until - self.span, -math.inf if last is None else last.since)
            self._intervals.append(_Interval(min(start, until), until, more))

    def lower_to(self, units: int) -> None:
        """Lower the estimate to at most so many units; the oldest have expired."""
        fewer = self.units - max(units, 0)
        while fewer > 0:
            first = self._intervals[0]
            expired = min(fewer, first.units)
            first.units -= expired
            fewer -= expired
            self.units -= expired
            if not first.units:
                self._intervals.popleft()

    def none_expires_before(self, moment: float, *, latest: float) -> None:
        """Correct the intervals: the oldest request of the window expires between `moment` and `latest`."""
        since, until, intervals = moment - self.span, -math.inf, self._intervals
        if not intervals or intervals[0].since >= since:
            return
        for interval in intervals:
            if interval.until < since:  # these requests came later than estimated
                until = latest - self.span
            interval.since = max(interval.since, since)
            interval.until = max(interval.until, until)

    @property
    def next_expiry(self) -> float:
        """When the oldest interval expires; infinity where there is none."""
        return self._intervals[0].until + self.span if self._intervals else math.inf

    @property
    def earliest_expiry(self) -> float:
        """When the oldest request expires at the earliest; infinity where there is none."""
        return self._intervals[0].since + self.span if self._intervals else math.inf

    def expected_expiry(self, units: int) -> float:
        """Return when so many units are expected to have expired."""
        before = -math.inf
        for interval in self._intervals:
            if units <= interval.units:
                share = units / interval.units
                return max(before, interval.since + share * (interval.until - interval.since)) + self.span
            before = interval.until  # the next interval may begin sooner
            units -= interval.units
        return math.inf

    def ends(self) -> list[float]:
        """Return when each unit is expected to expire, in order."""
        found: list[float] = []
        for interval in self._intervals:
            step = (interval.until - interval.since) / interval.units
            found += [interval.since + self.span + step * (number + 1) for number in range(interval.units)]
        return sorted(found)

    def dump(self) -> JSON:
        """Return the state as JSON data."""
        seen = None if self.seen == -math.inf else self.seen
        return [seen, [[each.since, each.until, each.units] for each in self._intervals]]

    def load(self, dumped: Any, now: float) -> None:
        """Restore a state from `dump`; raises ValueError or TypeError."""
        seen, intervals = dumped
        self.seen = read_past_or_never(seen, now)
        self._intervals = deque(
            _Interval(_ARRIVED(since, now), _ARRIVED(until, now), _UNITS(units, now))
            for since, until, units in intervals
        )
        self.units = sum(each.units for each in self._intervals)
