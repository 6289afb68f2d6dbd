"""The windows of an hour and a day. They are rarely full, so they are updated and checked as rarely as possible."""

import math
from typing import Any

from attrs import define, field

from generor_async.rules.admission_times import COLLECTED_SECONDS
from generor_async.rules.permit import Permit
from generor_async.rules.state_json import int_reader, read_past_or_never
from generor_async.rules.window import PLENTY, Scope, Window
from generor_async.values import JSON

__all__ = ["LongWindows"]


@define
class LongWindows:
    """All windows of a key but the minute's: none for Luma."""

    windows: tuple[Window, ...]
    free: int = field(default=0, init=False)
    """How many units may be admitted before the windows are checked again."""
    _unrecorded: int = field(default=0, init=False)
    """Units that were sent and that the windows haven't recorded."""
    _last_sent: float = field(default=-math.inf, init=False)
    """When the last of these were sent."""
    _recorded_at: float = field(default=-math.inf, init=False)
    """When this collection was begun."""

    def blocked_until(self, now: float, pending: int, units: int) -> tuple[float, Scope]:
        """Return the latest `Window.blocked_until`, and the window's scope."""
        self.flush(now)
        longest: tuple[float, Scope] = -math.inf, "hour"
        for window in self.windows:
            until = window.blocked_until(now, pending, units, 0)
            if until > longest[0]:
                longest = until, window.scope
        self.free = min((window.room(now, pending) for window in self.windows), default=PLENTY)
        return longest

    def sent(self, units: int, now: float) -> None:
        """Record sent units."""
        if now >= self._recorded_at + COLLECTED_SECONDS:  # units from before and after a pause stay apart
            self.flush(now)
            self._recorded_at = now
        self._unrecorded += units
        # Processes don't always report in the order of sending.
        if now > self._last_sent:  # noqa: PLR1730 - a call less for each request
            self._last_sent = now

    def flush(self, now: float) -> None:
        """Record the collected units in the windows."""
        if self._unrecorded:
            for window in self.windows:
                window.own.expire(now)
                window.own.add(self._unrecorded, self._last_sent)
            self._unrecorded = 0

    def view(self, window: Window, permit: Permit, sent_since: int, now: float) -> Permit:
        """Return a permit as this window would have filled it in; next to nothing has expired in it since."""
        self.flush(now)
        self.free = 0
        own, seen = window.own, Permit(permit.units, permit.sent, permit.number)
        seen.most = own.units - sent_since
        seen.least = max(0, seen.most - permit.most + permit.least)
        seen.total, seen.corrections = own.total - sent_since, own.corrections
        return seen

    def refused(self, permit: Permit, now: float) -> None:
        """Remove a request that the server did not count."""
        self.free = 0
        self.flush(now)
        if permit.sent < math.inf:
            for window in self.windows:
                window.own.remove_latest(permit.units)

    def dump(self) -> JSON:
        """Return the state as JSON data."""
        moments = (None if moment == -math.inf else moment for moment in (self._last_sent, self._recorded_at))
        return [self._unrecorded, *moments, [window.dump() for window in self.windows]]

    def load(self, dumped: Any, now: float) -> None:
        """Restore a state from `dump`; raises ValueError or TypeError."""
        unrecorded, last_sent, recorded_at, windows = dumped
        self.free, self._unrecorded = 0, int_reader()(unrecorded, now)
        self._last_sent, self._recorded_at = read_past_or_never(last_sent, now), read_past_or_never(recorded_at, now)
        for window, each in zip(self.windows, windows, strict=True):
            window.load(each, now)
