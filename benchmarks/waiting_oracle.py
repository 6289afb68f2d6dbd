"""An oracle of waits: it knows the state of the server and of the queue, and the true rates, but not the future.

Of requests of others it knows the rate, and between which answers those came that the window holds, as these name the
count: not the moments, which nobody can know. Beside others a wait depends on how the client paces itself and on what
it does after a refusal, so there its rule of windows is played against the server's, request by request.
"""

import heapq
import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator

from attrs import define, field
from waiting_worlds import MINUTE, TRAVEL, Server, Stream, World

from generor_async.rules.pace import Pace, Permit
from generor_async.rules.rate_headers import RateLimitReport
from generor_async.rules.wait import Wait

__all__ = ["Oracle"]

FUTURES = 60
LOW, HIGH = 0.1, 0.9
MAX_PASSED_BY = 9
ROUND_TRIP = 0.07
LATE_SECONDS = 0.5
"""How much later the end of a job is seen, on average, where jobs are polled as often as is allowed."""


@define
class Oracle:
    """Plays the future of one call many times, call by call."""

    world: World
    server: Server
    dice: random.Random
    client: Callable[[], tuple[Pace, int]]
    """Returns the client's rule as it is now, and how many calls wait for it."""
    waiting: dict[str, Stream] = field(factory=dict[str, Stream])
    """The calls that wait, in the order in which they came."""

    def joined(self, call_id: str, stream: Stream) -> None:
        """Note a call that waits."""
        self.waiting[call_id] = stream

    def left(self, call_id: str) -> None:
        """Note a call that does not wait any more."""
        self.waiting.pop(call_id, None)

    def bounds(self, call: Stream, now: float) -> tuple[float, float]:
        """Return the quantiles of the wait of a call that is made now."""
        urgent = [each for each in self.waiting.values() if each.priority == "interactive"]
        others = [each for each in self.waiting.values() if each.priority == "normal"]
        if self.world.foreign:
            pace, waiting = self.client()
            known = pace.dump()
            found = sorted(
                _Beside(self.world, self.server, self.dice, now, known).wait(waiting + 1) for _ in range(FUTURES)
            )
        else:
            found = sorted(self._wait(urgent, [*others, call], now) for _ in range(FUTURES))
        return found[math.floor(LOW * FUTURES)], found[math.ceil(HIGH * FUTURES) - 1]

    def _later(self, now: float) -> Iterator[tuple[float, Stream]]:
        """Yield the urgent calls that will come."""
        streams = [each for each in self.world.streams if each.priority == "interactive" and each.come != "at once"]
        coming = [(now + self.dice.expovariate(each.rate / each.size), n, each) for n, each in enumerate(streams)]
        heapq.heapify(coming)
        while coming:
            moment, number, stream = coming[0]
            for _ in range(stream.size):
                yield moment, stream
            heapq.heapreplace(coming, (moment + self.dice.expovariate(stream.rate / stream.size), number, stream))

    def _wait(self, urgent: list[Stream], others: list[Stream], now: float) -> float:
        """Play one future."""
        future = _Future(self.world, self.server, self.dice, now)
        first, rest, later = deque(urgent), deque(others), self._later(now)
        following, passed = next(later, (math.inf, others[-1])), 0
        while rest:
            moment = future.ready()
            while following[0] <= moment:
                first.append(following[1])
                following = next(later)
            if first and passed < MAX_PASSED_BY:
                future.take(first.popleft())
                passed += 1
            else:
                passed = 0
                future.take(rest.popleft())
        return future.now - now


class _Future:
    def __init__(self, world: World, server: Server, dice: random.Random, now: float) -> None:
        self.world, self.dice, self.now = world, dice, now
        server.count(MINUTE, now)
        self._log = deque(server.log[MINUTE])
        self._ends: list[float] = []
        if world.ceiling is not None:
            self._ends = [now + world.lives[kind](dice, now - began) for began, kind in server.running(now)]
            heapq.heapify(self._ends)

    def ready(self) -> float:
        """Go on to the moment at which a call may be admitted."""
        limit = self.world.windows[MINUTE]
        if len(self._log) >= limit:
            self.now = max(self.now, self._log[-limit] + MINUTE + ROUND_TRIP)
        if self.world.ceiling is not None and len(self._ends) >= self.world.ceiling:
            self.now = max(self.now, self._ends[0] + 2 * LATE_SECONDS * self.dice.random())
        return self.now

    def take(self, call: Stream) -> None:
        """Admit a call at the present moment."""
        moment = self.now
        self._log.append(moment)
        if self.world.ceiling is not None:
            if len(self._ends) >= self.world.ceiling:
                heapq.heappop(self._ends)
            heapq.heappush(self._ends, moment + self.world.lives[call.kind](self.dice, 0.0))


class _Beside:
    """One future beside others who use the key: the client's rule of windows against the server's."""

    def __init__(self, world: World, server: Server, dice: random.Random, now: float, known: object) -> None:
        self.dice, self.now, self._began = dice, now, now
        self._limit = world.windows[MINUTE]
        self._rate = world.foreign
        self._pace = Pace.of_luma(rpm=None, share=1.0)
        self._pace.load(known, now)
        server.count(MINUTE, now)
        others = {each for each in server.others if each > now - MINUTE}
        ours = [each for each in server.log[MINUTE] if each not in others]
        self._log = deque(sorted([*ours, *(self._redrawn(each, ours) for each in others)]))
        self._next = now + dice.expovariate(world.foreign)
        self._flying: list[tuple[float, int, bool, Permit, RateLimitReport | None, float]] = []
        """When a request arrives at the server, or its answer at the client, and what that says."""

    def _redrawn(self, moment: float, ours: list[float]) -> float:
        """Return a moment between the same two requests of ours: their answers have named the count."""
        at = bisect_left(ours, moment)
        since = ours[at - 1] if at else self.now - MINUTE
        return self.dice.uniform(since, ours[at] if at < len(ours) else self.now)

    def wait(self, calls: int) -> float:
        """Return when the last of so many calls is sent for the first time."""
        while True:
            permit = self._pace.reserve(self.now)
            if isinstance(permit, Wait):
                calls += self._go_on(permit)
                continue
            calls -= 1
            if not calls:
                return self.now - self._began
            self._pace.sent(permit, self.now)
            heapq.heappush(self._flying, (self.now + self._travel(), permit.number, False, permit, None, 0.0))

    def _go_on(self, wait: Wait) -> int:
        """Go on to what comes next; return how many calls have to be sent again."""
        if not self._flying or wait.until <= self._flying[0][0]:
            self.now = max(wait.until, self.now + 0.001)
            return 0
        self.now, number, is_answered, permit, report, retry_after = heapq.heappop(self._flying)
        if not is_answered:
            heapq.heappush(self._flying, (self.now + self._travel(), number, True, permit, *self._answer()))
        elif retry_after:
            self._pace.refused(permit, self.now, retry_after, "minute", report)
            return 1
        else:
            self._pace.received(permit, self.now, report, succeeded=True)
        return 0

    def _answer(self) -> tuple[RateLimitReport, float]:
        """Return what the server says, and for how long to wait if it refuses."""
        while self._next <= self.now:
            self._taken(self._next)
            self._next += self.dice.expovariate(self._rate)
        taken, log = self._taken(self.now), self._log
        report = RateLimitReport(limit=self._limit, used=len(log), resets_in=math.ceil(log[0] + MINUTE - self.now))
        return report, 0.0 if taken else max(1.0, report.resets_in or 0.0)

    def _taken(self, moment: float) -> bool:
        while self._log and self._log[0] <= moment - MINUTE:
            self._log.popleft()
        if len(self._log) >= self._limit:
            return False
        self._log.append(moment)
        return True

    def _travel(self) -> float:
        return self.dice.uniform(*TRAVEL)
