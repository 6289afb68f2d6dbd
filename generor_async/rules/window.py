"""What is in a window of the server's: a log of what left, and what must be there of others.

The server counts a request when it arrives, which is after it was sent and before it was answered. So an entry of the
log is forgotten only when the server must have forgotten it: `min(received, sent + jitter) + span`. Treating every
window as a sliding one is safe where it is a fixed one, and costs nothing there.

Others may use the same key. What the server has counted beyond our own requests are phantoms: they hold places until
they must have aged out, and every newer answer corrects their number.
"""

import heapq
import math
from bisect import insort
from typing import Final, Literal, TypeAlias

from attrs import Factory, define, field, frozen

__all__ = ["DAY", "HOUR", "JITTER", "MINUTE", "Permit", "Scope", "Window", "WindowState"]

Scope: TypeAlias = Literal["minute", "hour", "day"]
MINUTE: Final = 60.0
HOUR: Final = 3_600.0
DAY: Final = 86_400.0
SPANS: Final[dict[Scope, float]] = {"minute": MINUTE, "hour": HOUR, "day": DAY}

JITTER: Final = 0.35
"""Seconds by which one request may take longer to arrive than another: with none, nearly one in six is refused."""
GRAIN: Final = 36_000
"""An entry's end is rounded up to this part of its window: a day's log takes no more room than a minute's."""
REMEMBERED: Final = 900.0
"""Seconds for which places are left to others who were seen: to take them back would end in refusals."""
SPARE: Final = 1
"""Places left beside those that others had: they may want one more."""
NEARLY: Final = 0.25
"""The part of a limit that is left when a window counts as nearly full."""


@define(eq=False)
class Permit:
    """One request that was let go: when it was sent, and what had been counted then."""

    sent: float | None = None
    own: dict[Scope, int] = field(factory=dict[Scope, int])
    """Our own requests that the server may have counted when this one arrived, this one among them."""
    ends: dict[Scope, int] = field(factory=dict[Scope, int])


@frozen(kw_only=True)
class WindowState:
    """One window as it stands: `used` counts our own requests and those of others that are known of."""

    scope: Scope
    limit: int | None
    used: int
    remaining: int | None
    resets_at: float | None
    """When the next place becomes free; None where nothing is used."""


@define
class Window:
    """One of the API's limits, and what we know to be in it."""

    scope: Scope
    limit: int | None = None
    share: float = 1.0
    """The part of the limit that is ours."""
    span: float = field(init=False, default=Factory(lambda self: SPANS[self.scope], takes_self=True))
    """Its length in seconds."""
    grain: float = field(init=False, default=Factory(lambda self: self.span / GRAIN, takes_self=True))
    """The seconds to which ends are rounded up."""
    _unsent: int = field(default=0, init=False)
    _counts: dict[int, int] = field(factory=dict[int, int], init=False)
    _ends: list[int] = field(factory=list[int], init=False)
    _settled: int = field(default=0, init=False)
    _phantoms: list[float] = field(factory=list[float], init=False)
    _neighbours: tuple[float, int] = field(default=(-math.inf, 0), init=False)
    """How many places others had, and when that was last seen."""
    _heard: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer was believed last: what an earlier one says is stale."""

    def own(self, now: float) -> int:
        """Count our own requests that the server may still count."""
        self._forget(now)
        return self._settled + self._unsent

    def used(self, now: float) -> int:
        """Count what is in the window: our own requests and the phantoms."""
        return self.own(now) + len(self._phantoms)

    def left(self, now: float, spare: int = 0) -> float:
        """Count the requests that may still leave, if so many places are to stay free; one is always ours."""
        if self.limit is None:
            return math.inf
        own = self.own(now)
        ours = self.limit - max(len(self._phantoms), self.margin(now))
        return max(1, min(ours, math.floor(self.limit * self.share)) - spare) - own

    def may_refuse(self, now: float, left: float) -> bool:
        """Tell whether others may have taken the last places: nobody has said yet how many are left, or few are."""
        if self.limit is None or self.margin(now):
            return False
        return left < NEARLY * self.limit or (self._heard == -math.inf and self.scope == "minute")

    def next_end(self, now: float) -> float:
        """Return when the next place becomes free."""
        self._forget(now)
        ends = [self._ends[0] * self.grain] if self._ends else []
        return min([*ends, *self._phantoms[:1]], default=math.inf)

    def take(self) -> None:
        """Count a request that is let go and has not left."""
        self._unsent += 1

    def settle(self, permit: Permit, base: float) -> None:
        """Let a request end `span` after `base`; an earlier end replaces a later one."""
        end = math.ceil((base + self.span) / self.grain)
        known = permit.ends.get(self.scope)
        if known is None:
            self._unsent -= 1
            self._settled += 1
        elif end >= known or known not in self._counts:
            return
        else:
            self._counts[known] -= 1
        permit.ends[self.scope] = end
        if end not in self._counts:
            self._counts[end] = 0
            heapq.heappush(self._ends, end)
        self._counts[end] += 1

    def give_back(self, permit: Permit) -> None:
        """Forget a request that the server did not count."""
        end = permit.ends.pop(self.scope, None)
        if end is None:
            self._unsent -= 1
        elif self._counts.get(end, 0) > 0:
            self._counts[end] -= 1
            self._settled -= 1

    def hear(self, permit: Permit, counted: int, received: float, later: int) -> None:
        """Learn from an answer how many requests the server had counted when this one arrived.

        `later` is how many of our own were sent so soon after this one that they may have arrived before it.
        """
        assert permit.sent is not None
        if permit.sent < self._heard:
            return
        self._heard = permit.sent
        self._assume(counted - permit.own[self.scope] - later, received)

    def full(self, now: float, until: float) -> None:
        """Learn from a refusal that the window is full, and that a place becomes free at `until`."""
        if self.limit is None:
            return
        self._assume(self.limit - self.own(now), now)
        if self._phantoms:
            self._phantoms = sorted([until, *self._phantoms[:-1]])

    def _assume(self, foreign: int, now: float) -> None:
        """Take so many requests in the window for those of others; whose end isn't known ends a span from now."""
        if foreign > 0 and foreign + SPARE >= self.margin(now):
            self._neighbours = (now, foreign)
        self._phantoms = [end for end in self._phantoms if end > now]
        surplus = len(self._phantoms) - max(foreign, 0)
        if surplus > 0:
            del self._phantoms[:surplus]
        for _ in range(-surplus):
            insort(self._phantoms, now + self.span)

    def margin(self, now: float) -> int:
        """Return how many places to leave to others: as many as they had of late."""
        since, foreign = self._neighbours
        return foreign + SPARE if foreign and now < since + max(REMEMBERED, self.span) else 0

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0] * self.grain <= now:
            self._settled -= self._counts.pop(heapq.heappop(self._ends))
        if self._phantoms and self._phantoms[0] <= now:
            self._phantoms = [end for end in self._phantoms if end > now]

    def state(self, now: float) -> WindowState:
        """Return the window as it stands."""
        used = self.used(now)
        end = self.next_end(now)
        return WindowState(
            scope=self.scope,
            limit=self.limit,
            used=used,
            remaining=None if self.limit is None else max(0, self.limit - used),
            resets_at=None if end == math.inf else end,
        )
