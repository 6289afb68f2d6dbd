"""What is in a window of the server's: a log of what left, and what must be there of others.

The server counts a request when it arrives, which is after it was sent and before it was answered. So an entry of the
log is forgotten only when the server must have forgotten it: `min(received, sent + jitter) + span`. Treating every
window as a sliding one is safe where it is a fixed one, and costs nothing there.

All windows of a key share one log, in the order of sending, and each knows where in it its first entry is. What was
answered soon leaves only with what left before: at most the jitter too late.

Others may use the same key. What the server has counted beyond our own requests are phantoms: they hold places until
they must have aged out, and every newer answer corrects their number.
"""

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from typing import Final, Literal, TypeAlias

from attrs import Factory, define, field, frozen

__all__ = ["DAY", "HOUR", "JITTER", "MINUTE", "SPANS", "Log", "Permit", "Scope", "Window", "WindowState"]

Scope: TypeAlias = Literal["minute", "hour", "day"]
MINUTE: Final = 60.0
HOUR: Final = 3_600.0
DAY: Final = 86_400.0
SPANS: Final[dict[Scope, float]] = {"minute": MINUTE, "hour": HOUR, "day": DAY}

JITTER: Final = 0.35
"""Seconds by which one request may take longer to arrive than another: with none, nearly one in six is refused."""
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
    number: int = field(init=False)
    """How many were sent before it."""
    own: list[int] = field(init=False)
    """By window, our own requests that the server may have counted when this one arrived, this one among them."""


@define(eq=False)
class Log:
    """What was sent, in that order: when the server had counted it, at the latest."""

    bases: "array[float]" = field(factory=lambda: array("d"))
    first: int = 0
    """The number of the first of these."""
    taken: int = 0
    """How many were ever let go, with those that have not left yet."""
    refused: list[int] = field(factory=list[int])
    """The numbers of those that the server refused."""

    def refused_since(self, number: int) -> int:
        """Count the requests from a number on that the server refused."""
        return len(self.refused) - bisect_left(self.refused, number)

    def sent_by(self, moment: float, after: int) -> int:
        """Count what was sent up to a moment, after the request of a number."""
        since = max(0, after + 1 - self.first)
        return bisect_right(self.bases, moment + JITTER, since) - since

    def give_back(self, number: int) -> None:
        """Note that the server did not count a request: it ages out with what was sent before it."""
        at = number - self.first
        if at >= 0:
            self.bases[at] = self.bases[at - 1] if at else -math.inf
            insort(self.refused, number)

    def drop(self, before: int) -> None:
        """Take away the oldest."""
        del self.bases[: before - self.first]
        del self.refused[: bisect_left(self.refused, before)]
        self.first = before


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
    _limit: int | None = None
    share: float = 1.0
    """The part of the limit that is ours."""
    log: Log = field(factory=Log)
    head: int = field(default=0, init=False)
    """The number of the first request that was in it when it was last looked at."""
    sure: float = field(default=0, init=False)
    """How many places are ours whatever the time is: none, where others may have some."""
    span: float = field(init=False, default=Factory(lambda self: SPANS[self.scope], takes_self=True))
    """Its length in seconds."""
    _phantoms: list[float] = field(factory=list[float], init=False)
    _neighbours: tuple[float, int] = field(default=(-math.inf, 0), init=False)
    """How many places others had, and when that was last seen."""
    _heard: float = field(default=-math.inf, init=False)
    """When the request was sent whose answer was believed last: what an earlier one says is stale."""

    @property
    def limit(self) -> int | None:
        """How many requests the server takes in it; None where nobody has said."""
        return self._limit

    @limit.setter
    def limit(self, limit: int | None) -> None:
        self._limit, self.sure = limit, 0

    def own(self, now: float) -> int:
        """Count our own requests that the server may still count."""
        log = self.log
        bases, span, at = log.bases, self.span, self.head - log.first
        while at < len(bases) and bases[at] + span <= now:
            at += 1
        self.head = at + log.first
        own = log.taken - self.head
        return own - log.refused_since(self.head) if log.refused else own

    def used(self, now: float) -> int:
        """Count what is in the window: our own requests and the phantoms."""
        return self.own(now) + len(self._others(now))

    def left(self, now: float, spare: int = 0) -> float:
        """Count the requests that may still leave, if so many places are to stay free; one is always ours."""
        if self._limit is None:
            self.sure = math.inf
            return math.inf
        others = max(len(self._others(now)), self.margin(now))
        ours = max(1, min(self._limit - others, math.floor(self._limit * self.share)))
        self.sure = 0 if others else ours
        return max(1, ours - spare) - self.own(now)

    def may_refuse(self, now: float, left: float) -> bool:
        """Tell whether others may have taken the last places: nobody has said yet how many are left, or few are."""
        if self._limit is None or self.margin(now):
            return False
        return left < NEARLY * self._limit or (self._heard == -math.inf and self.scope == "minute")

    def next_end(self, now: float) -> float:
        """Return when the next place becomes free."""
        self.own(now)
        at = self.head - self.log.first
        ends = [self.log.bases[at] + self.span] if at < len(self.log.bases) else []
        return min([*ends, *self._others(now)[:1]], default=math.inf)

    def hear(self, sent: float, foreign: int, received: float) -> None:
        """Learn from an answer how many requests of others the server had counted when this one arrived."""
        if sent >= self._heard:
            self._heard = sent
            if foreign > 0 or self._phantoms:
                self._assume(foreign, received)

    def full(self, now: float, until: float) -> None:
        """Learn from a refusal that the window is full, and that a place becomes free at `until`."""
        if self._limit is None:
            return
        self._assume(self._limit - self.own(now), now)
        if self._phantoms:
            self._phantoms = sorted([until, *self._phantoms[:-1]])

    def _assume(self, foreign: int, now: float) -> None:
        """Take so many requests in the window for those of others; whose end isn't known ends a span from now."""
        self.sure = 0
        if foreign > 0 and foreign + SPARE >= self.margin(now):
            self._neighbours = (now, foreign)
        surplus = len(self._others(now)) - max(foreign, 0)
        if surplus > 0:
            del self._phantoms[:surplus]
        for _ in range(-surplus):
            insort(self._phantoms, now + self.span)

    def margin(self, now: float) -> int:
        """Return how many places to leave to others: as many as they had of late."""
        since, foreign = self._neighbours
        return foreign + SPARE if foreign and now < since + max(REMEMBERED, self.span) else 0

    def _others(self, now: float) -> list[float]:
        """Return when the phantoms end."""
        if self._phantoms and self._phantoms[0] <= now:
            self._phantoms = [end for end in self._phantoms if end > now]
        return self._phantoms

    def state(self, now: float) -> WindowState:
        """Return the window as it stands."""
        used = self.used(now)
        end = self.next_end(now)
        return WindowState(
            scope=self.scope,
            limit=self.limit,
            used=used,
            remaining=None if self.limit is None else max(0, self.limit - used),
            resets_at=end if used and end < math.inf else None,
        )
