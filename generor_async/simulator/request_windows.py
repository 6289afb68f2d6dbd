"""Rate limit windows: count requests over a period, and tell when the next one fits.

`now`, in Unix seconds, is an argument, and must not run backwards. Where the documents leave the algorithm open, there
is a switch (`kind`, `count_rejected`, and `uncount`). A request of weight 3 counts as three.
"""

import math
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import repeat
from typing import Literal

from attrs import define

__all__ = ["RequestWindow", "WindowKind", "WindowVerdict", "admit_all", "tightest"]

WindowKind = Literal["sliding", "fixed"]


# Not frozen: nobody changes it, and each request makes one.
@define(kw_only=True)
class WindowVerdict:
    """The decision of a window about one request, as in the rate limit headers."""

    allowed: bool
    limit: int
    remaining: int
    reset_at: float
    """Unix seconds: sliding, when the oldest request ages out; fixed, when the next window begins."""
    retry_after: int
    """Whole seconds from now until `reset_at`, at least 1."""


class RequestWindow:
    """Counts requests against a limit, over a sliding period or fixed consecutive ones."""

    __slots__ = ("_admitted", "count_rejected", "kind", "limit", "seconds")

    def __init__(
        self,
        limit: int,
        seconds: float,
        *,
        kind: WindowKind = "sliding",
        count_rejected: bool = False,
    ) -> None:
        self.limit = limit
        self.seconds = seconds
        self.kind: WindowKind = kind
        self.count_rejected = count_rejected
        self._admitted: deque[float] = deque()

    def admit(self, now: float, weight: int = 1) -> WindowVerdict:
        """Return the verdict on a request, and count it if it is allowed (or if rejected ones count)."""
        allowed = self.has_room(now, weight)
        self.count(now, weight, allowed=allowed)
        return self.verdict(now, allowed=allowed)

    def peek(self, now: float) -> WindowVerdict:
        """Return the verdict on a request without counting it."""
        return self.verdict(now, allowed=self.has_room(now))

    def has_room(self, now: float, weight: int = 1) -> bool:
        """Tell whether a request would be allowed now."""
        self._forget(now)
        return len(self._admitted) + weight <= self.limit

    def count(self, now: float, weight: int = 1, *, allowed: bool) -> None:
        """Count a request on which several windows decided together."""
        if allowed or self.count_rejected:
            self._admitted.extend(repeat(now, weight))

    def uncount(self, at: float, weight: int = 1) -> None:
        """Remove an admitted request from the count, as it failed afterwards."""
        with suppress(ValueError):  # its answer took so long that it has aged out
            for _ in range(weight):
                self._admitted.remove(at)

    @property
    def share_left(self) -> float:
        """The part of the limit that is left, from 0 to 1."""
        return 1 - len(self._admitted) / self.limit

    def _forget(self, now: float) -> None:
        """Drop requests that are at least `seconds` old."""
        if self.kind == "sliding":
            while self._admitted and self._admitted[0] + self.seconds <= now:
                self._admitted.popleft()
        elif self._admitted and self._admitted[-1] < self._window_start(now):
            self._admitted.clear()

    def _window_start(self, now: float) -> float:
        return now // self.seconds * self.seconds

    def verdict(self, now: float, *, allowed: bool) -> WindowVerdict:
        """Return the state of the window as a verdict."""
        if self.kind == "fixed":
            reset_at = self._window_start(now) + self.seconds
        else:
            reset_at = self._admitted[0] + self.seconds if self._admitted else now
        return WindowVerdict(
            allowed=allowed,
            limit=self.limit,
            remaining=max(0, self.limit - len(self._admitted)),
            reset_at=reset_at,
            retry_after=max(1, math.ceil(reset_at - now)),
        )


def admit_all(windows: Sequence[RequestWindow], now: float, weight: int = 1) -> tuple[bool, WindowVerdict]:
    """Return the verdict of several windows on one request; all of them count it, or none.

    The verdict is that of the binding window: of those that refuse, the one that refuses longest; if none refuses, the
    one with the smallest share left (on a tie, the first).
    """
    refusing = [window for window in windows if not window.has_room(now, weight)]
    for window in windows:
        window.count(now, weight, allowed=not refusing)
    if refusing:
        return False, max((window.verdict(now, allowed=False) for window in refusing), key=lambda told: told.reset_at)
    return True, tightest(windows, now)


def tightest(windows: Sequence[RequestWindow], now: float) -> WindowVerdict:
    """Return the state of the window with the smallest share left; on a tie, the first."""
    return min(windows, key=lambda window: window.share_left).verdict(now, allowed=True)
