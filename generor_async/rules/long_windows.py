"""The windows of an hour and a day: they are full so seldom that they are looked at as seldom as can be."""

import math
from typing import Any, Final

from attrs import define, field

from generor_async.rules.permit import Permit
from generor_async.rules.state_json import int_reader, read_past_or_never
from generor_async.rules.window import PLENTY, Scope, Window
from generor_async.values import JSON

__all__ = ["LongWindows"]

TOLD_EVERY: Final = 1.0
"""Seconds for which what was sent is put together."""


@define
class LongWindows:
    """All windows of a key but the minute's; there may be none."""

    windows: tuple[Window, ...]
    free: int = field(default=0, init=False)
    """How many units may leave before they are looked at again."""
    _late: int = field(default=0, init=False)
    """Units that they haven't been told of yet."""
    _latest: float = field(default=-math.inf, init=False)
    """When the last of these were sent."""
    _told: float = field(default=-math.inf, init=False)
    """When they were told last."""

    def blocked_until(self, now: float, pending: int, units: int) -> tuple[float, Scope]:
        """Return which window lets a request wait longest, and until when; see `Window.blocked_until`."""
        self.tell(now)
        longest: tuple[float, Scope] = -math.inf, "hour"
        for window in self.windows:
            until = window.blocked_until(now, pending, units, 0)
            if until > longest[0]:
                longest = until, window.scope
        self.free = min((window.room(now, pending) for window in self.windows), default=PLENTY)
        return longest

    def sent(self, units: int, now: float) -> None:
        """Note that units leave."""
        if now >= self._told + TOLD_EVERY:  # what is put together left within this time, not before a pause and after
            self.tell(now)
            self._told = now
        self._late += units
        self._latest = now

    def tell(self, now: float) -> None:
        """Let the windows know of what was sent of late."""
        if self._late:
            for window in self.windows:
                window.own.forget(now)
                window.own.add(self._late, self._latest)
            self._late = 0

    def seen_by(self, window: Window, permit: Permit, sent_since: int, now: float) -> Permit:
        """Return the permit that one of these windows would have given: little can have left it since."""
        self.tell(now)
        self.free = 0
        own, seen = window.own, Permit(permit.units, permit.sent, permit.number)
        seen.most = own.units - sent_since
        seen.least = max(0, seen.most - permit.most + permit.least)
        seen.total, seen.corrections = own.total - sent_since, own.corrections
        return seen

    def refused(self, permit: Permit, now: float) -> None:
        """Note that the server did not count a request."""
        self.free = 0
        self.tell(now)
        if permit.sent < math.inf:
            for window in self.windows:
                window.own.remove_latest(permit.units)

    def dump(self) -> JSON:
        """Return what `load` takes."""
        moments = (None if moment == -math.inf else moment for moment in (self._latest, self._told))
        return [self._late, *moments, [window.dump() for window in self.windows]]

    def load(self, dumped: Any, now: float) -> None:
        """Take over what another knew. Raises ValueError or TypeError for anything else."""
        late, latest, told, windows = dumped
        self.free, self._late = 0, int_reader()(late, now)
        self._latest, self._told = read_past_or_never(latest, now), read_past_or_never(told, now)
        for window, each in zip(self.windows, windows, strict=True):
            window.load(each, now)
