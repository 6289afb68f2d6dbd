"""Requests that were admitted and not sent yet: of this process, and of others that share its store.

A process confirms its pending requests every `RENEW_SECONDS`. Those that weren't confirmed for `PENDING_SECONDS` no
longer count, because their process has ended.
"""

import math
from typing import Any, Final

from attrs import define, field

from generor_async.rules.state_json import int_reader, read_past
from generor_async.values import JSON

__all__ = ["RENEW_SECONDS", "PendingRequests"]

RENEW_SECONDS: Final = 5.0
"""Seconds after which a process confirms its pending requests and submissions again."""
PENDING_SECONDS: Final = 20.0
"""Seconds for which a request of another process counts after it was confirmed."""
LEAVING_SECONDS: Final = 0.5
"""Seconds within which a request of another process is usually sent; a later one waits for a connection."""

_COUNT: Final = int_reader()


@define
class PendingRequests:
    """Admitted requests that still have to be sent."""

    units: int = field(default=0, init=False)
    """Units of all of them."""
    own: dict[int, tuple[float, int]] = field(factory=dict[int, tuple[float, int]], init=False)
    """This process's requests by number of their permit: when they were admitted, and their units."""
    foreign: dict[int, tuple[float, float, int]] = field(factory=dict[int, tuple[float, float, int]], init=False)
    """Other processes' requests: when they were admitted, when they were confirmed last, and their units."""
    _renewed: float = field(default=-math.inf, init=False)
    """When this process confirmed its requests last."""

    def remove(self, number: int) -> None:
        """Remove a request of this process; one that isn't pending is ignored."""
        removed = self.own.pop(number, None)
        if removed is not None:
            self.units -= removed[1]

    def expire(self, now: float) -> None:
        """Remove requests of processes that have ended."""
        for number, (_, confirmed, units) in list(self.foreign.items()):
            if confirmed + PENDING_SECONDS <= now:
                del self.foreign[number]
                self.units -= units

    def next_expiry(self) -> float:
        """Return when the first request of another process expires."""
        return min((confirmed for _, confirmed, _ in self.foreign.values()), default=math.inf) + PENDING_SECONDS

    def foreign_units(self) -> int:
        """Count the units of other processes' requests."""
        return sum(units for *_, units in self.foreign.values())

    def leaving_units(self, now: float) -> int:
        """Count the units of requests that are about to be sent."""
        late = sum(units for since, _, units in self.foreign.values() if since + LEAVING_SECONDS <= now)
        return self.units - late

    def leave_by(self, now: float) -> float:
        """Return when the first of other processes' requests no longer counts as about to be sent."""
        since = (since for since, _, _ in self.foreign.values() if since + LEAVING_SECONDS > now)
        return min(since, default=math.inf) + LEAVING_SECONDS

    def renew(self, now: float) -> None:
        """Confirm this process's requests if that is due."""
        if now >= self._renewed + RENEW_SECONDS:
            self._renewed = now

    def dump(self) -> JSON:
        """Return the state as JSON data."""
        own = [[number, at, max(at, self._renewed), units] for number, (at, units) in self.own.items()]
        return own + [[number, *each] for number, each in self.foreign.items()]

    def load(self, dumped: Any, now: float) -> None:
        """Restore a state from `dump`, in which this process knows its own requests; raises ValueError or TypeError."""
        own, self.own, self.foreign = self.own, {}, {}
        for number, since, confirmed, units in dumped:
            known = own.get(number)
            if known is not None and known[0] == since:
                self.own[number] = known
            else:
                self.foreign[_COUNT(number, now)] = read_past(since, now), read_past(confirmed, now), _COUNT(units, now)
        self.units = sum(units for _, units in self.own.values()) + self.foreign_units()
