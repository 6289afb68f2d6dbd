"""Limits on requests: windows, their headers, and the other users who fill them."""

import heapq
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from itertools import count
from math import ceil, floor, inf

import attrs

from strangers.records import Clock
from strangers.worlds import Others, Span, World

TINY = 1e-6
"""Seconds by which sums of floats may miss each other."""


@attrs.define(kw_only=True, eq=False)
class Window:
    """A limit of units in a time: sliding, or fixed with a boundary at some moment."""

    limit: int
    seconds: float = 60.0
    boundary: float | None = None
    _used: int = attrs.field(default=0, init=False)
    _entries: deque[tuple[float, int]] = attrs.field(factory=deque[tuple[float, int]], init=False)

    def end_of(self, now: float) -> float:
        """Return when a request of this moment is out of the window."""
        if self.boundary is None:
            return now + self.seconds
        passed = floor((now - self.boundary + TINY) / self.seconds)
        return self.boundary + (passed + 1) * self.seconds

    def free(self, now: float) -> int:
        """Return the units that are left."""
        while self._entries and self._entries[0][0] <= now + TINY:
            self._used -= self._entries.popleft()[1]
        return max(0, self.limit - self._used)

    def take(self, now: float, units: int = 1) -> None:
        """Count a request, whether it fits or not."""
        self._used += units
        self._entries.append((self.end_of(now), units))

    def oldest_end(self, now: float) -> float:
        """Return when the oldest request is out of the window."""
        return self._entries[0][0] if self._entries else self.end_of(now)


def make_window(world: World, clock: Clock, limit: int, seconds: float = 60.0) -> Window:
    """Return an empty window of the world's kind; a fixed one lies by the wall clock."""
    boundary = world.window_phase - clock.wall(0.0) % seconds if world.window_kind == "fixed" else None
    return Window(limit=limit, seconds=seconds, boundary=boundary)


def whole_seconds(world: World, seconds: float) -> int:
    """Return what Retry-After says: at least 1 (documented for Luma)."""
    return max(1, ceil(seconds - TINY) if world.round_up else floor(seconds + TINY))


def retry_header(world: World, clock: Clock, now: float, seconds: float | None) -> dict[str, str]:
    """Return Retry-After in the world's form, if there is one."""
    if seconds is None or world.retry_after == "absent":
        return {}
    if world.retry_after == "date":
        rounded = ceil(clock.wall(now + seconds) - TINY) if world.round_up else clock.wall(now + seconds)
        return {"Retry-After": formatdate(rounded, usegmt=True)}
    return {"Retry-After": str(whole_seconds(world, seconds))}


def limit_headers(world: World, clock: Clock, window: Window, now: float, *, refused: bool = False) -> dict[str, str]:
    """Return X-RateLimit-Limit, -Remaining and -Reset."""
    headers = {"X-RateLimit-Limit": str(window.limit), "X-RateLimit-Remaining": str(window.free(now))}
    oldest = refused or world.reset_on_success == "oldest"
    end = window.oldest_end(now) if oldest else window.end_of(now)
    rounded = ceil if world.round_up else floor
    match world.reset_format:
        case "unix":
            headers["X-RateLimit-Reset"] = str(rounded(clock.wall(end) - TINY))
        case "milliseconds":
            headers["X-RateLimit-Reset"] = str(rounded(clock.wall(end) * 1000))
        case "relative":
            headers["X-RateLimit-Reset"] = str(rounded(end - now - TINY))
        case "absent":
            pass
    return headers


class Crowd:
    """The other users. What they did up to now is worked out when somebody asks, each thing at its own time."""

    def __init__(
        self, world: World, send: Callable[[float, Others], float | None], fill: Callable[[float], float]
    ) -> None:
        """``send`` tries one request and returns None or the wait; ``fill`` takes all places until a time."""
        self._send = send
        self._fill = fill
        self._numbers = count()
        self._due: list[tuple[float, int, Others | None, Span]] = []
        for others in world.others:
            self._push(others.start, others, others)
        for hog in world.hogs:
            self._push(hog.start, None, hog)

    def _push(self, at: float, others: Others | None, span: Span) -> None:
        if at < span.end:
            heapq.heappush(self._due, (at, next(self._numbers), others, span))

    def settle(self, now: float) -> None:
        """Let the others do all that was due by now."""
        while self._due and self._due[0][0] <= now + TINY:
            at, _, others, span = heapq.heappop(self._due)
            if others is None:
                self._push(self._fill(at), None, span)
                continue
            for _ in range(others.size):
                self._try(at, others)
            if isinstance(span, Others):
                self._push(at + others.every, others, span)

    def _try(self, at: float, others: Others) -> None:
        """Send one request; who insists comes back once, after Retry-After, for each refusal."""
        wait = self._send(at, others)
        if wait is not None and others.insist:
            self._push(at + wait, attrs.evolve(others, size=1), Span(0.0, inf))
