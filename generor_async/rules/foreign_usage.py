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
"""The most intervals into which one span is divided, but for one."""

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
    """How many units of others a window holds, and when they will leave it."""

    span: float
    units: int = field(default=0, init=False)
    """How many the server may still count."""
    seen: float = field(default=-math.inf, init=False)
    """When many of them were in the window last."""
    _intervals: deque[_Interval] = field(factory=deque[_Interval], init=False)

    def forget(self, now: float) -> None:
        """Take away what the server must have forgotten."""
        intervals, span = self._intervals, self.span
        while intervals and intervals[0].until + span <= now:
            self.units -= intervals.popleft().units

    def raise_to(self, units: int, *, since: float, until: float) -> None:
        """Learn that there are at least so many: those that are new came in this time."""
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
        """Learn that there are at most so many: those that came first have left."""
        fewer = self.units - max(units, 0)
        while fewer > 0:
            first = self._intervals[0]
            gone = min(fewer, first.units)
            first.units -= gone
            fewer -= gone
            self.units -= gone
            if not first.units:
                self._intervals.popleft()

    def none_ends_before(self, moment: float, *, latest: float) -> None:
        """Learn that the oldest request of the window leaves it at a moment or later, but not after `latest`."""
        since, until, intervals = moment - self.span, -math.inf, self._intervals
        if not intervals or intervals[0].since >= since:
            return
        for interval in intervals:
            if interval.until < since:  # they came later than was thought
                until = latest - self.span
            interval.since = max(interval.since, since)
            interval.until = max(interval.until, until)

    @property
    def next_end(self) -> float:
        """When the server must have forgotten the first of them; infinity where there is none."""
        return self._intervals[0].until + self.span if self._intervals else math.inf

    @property
    def earliest_end(self) -> float:
        """When the first of them may have left; infinity where there is none."""
        return self._intervals[0].since + self.span if self._intervals else math.inf

    def expected_end(self, units: int) -> float:
        """Return when so many are expected to have left."""
        before = -math.inf
        for interval in self._intervals:
            if units <= interval.units:
                share = units / interval.units
                return max(before, interval.since + share * (interval.until - interval.since)) + self.span
            before = interval.until  # the next interval may begin sooner
            units -= interval.units
        return math.inf

    def dump(self) -> JSON:
        """Return what `load` takes."""
        seen = None if self.seen == -math.inf else self.seen
        return [seen, [[each.since, each.until, each.units] for each in self._intervals]]

    def load(self, dumped: Any, now: float) -> None:
        """Take over what another has seen. Raises ValueError or TypeError for anything else."""
        seen, intervals = dumped
        self.seen = read_past_or_never(seen, now)
        self._intervals = deque(
            _Interval(_ARRIVED(since, now), _ARRIVED(until, now), _UNITS(units, now))
            for since, until, units in intervals
        )
        self.units = sum(each.units for each in self._intervals)
