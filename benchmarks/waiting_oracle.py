"""An oracle of waits: it knows the state of the server and of the queue, and the true rates, but not the future.

Of requests of others it knows the rate, and how many the window holds, as answers say so; not when these came.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Iterator

from attrs import define, field
from waiting_worlds import MINUTE, Server, Stream, World

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
        if server.others:
            others = {each for each in server.others if each > now - MINUTE}
            drawn = (now - MINUTE * dice.random() for _ in others)
            self._log = deque(sorted([*(each for each in self._log if each not in others), *drawn]))
        self._ends: list[float] = []
        if world.ceiling is not None:
            self._ends = [now + world.lives[kind](dice, now - began) for began, kind in server.running(now)]
            heapq.heapify(self._ends)
        self._foreign = now + dice.expovariate(world.foreign) if world.foreign else math.inf

    def ready(self) -> float:
        """Go on to the moment at which a call may be admitted."""
        limit = self.world.windows[MINUTE]
        while True:
            moment = self.now
            if len(self._log) >= limit:
                moment = max(moment, self._log[-limit] + MINUTE + ROUND_TRIP)
            if self.world.ceiling is not None and len(self._ends) >= self.world.ceiling:
                moment = max(moment, self._ends[0] + 2 * LATE_SECONDS * self.dice.random())
            if self._foreign > moment:
                self.now = moment
                return moment
            if len(self._log) < limit or self._log[-limit] + MINUTE <= self._foreign:
                self._log.append(self._foreign)
            self._foreign += self.dice.expovariate(self.world.foreign)

    def take(self, call: Stream) -> None:
        """Admit a call at the present moment."""
        moment = self.now
        self._log.append(moment)
        if self.world.ceiling is not None:
            if len(self._ends) >= self.world.ceiling:
                heapq.heappop(self._ends)
            heapq.heappush(self._ends, moment + self.world.lives[call.kind](self.dice, 0.0))
