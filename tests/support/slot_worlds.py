"""A world in which jobs run in slots: a server that counts them plainly, and one side that wants to submit many."""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Protocol

from attrs import define, field

from generor_async.rules.slots import RETRY_AFTER, Lease, SlotState
from generor_async.rules.wait import Wait

__all__ = ["JobServer", "Rules", "SlotWorld", "bound"]

Ceiling = Callable[[float], int]
"""How many jobs may run at a moment: others who come and go are a ceiling that changes."""


class Rules(Protocol):
    """What decides when to submit: the rules under test, or something to hold them against."""

    def reserve(self, now: float) -> Lease | Wait: ...
    def accepted(self, lease: Lease, job_id: str, now: float) -> None: ...
    def refused(self, lease: Lease, now: float, retry_after: float = ...) -> None: ...
    def unknown(self, now: float) -> None: ...
    def seen(self, job_id: str, now: float, *, asked: float, ended: bool) -> None: ...
    def unwatched(self, now: float, older_than: float) -> list[str]: ...
    def state(self, now: float) -> SlotState: ...


@define
class JobServer:
    """Counts the jobs that hold a slot, one by one, and refuses what is too many."""

    ceiling: Ceiling
    lag: float = 0.0
    """Seconds after its end for which a job holds its slot."""
    ends: dict[str, float] = field(factory=dict[str, float])
    most: int = 0

    def held(self, now: float) -> int:
        return sum(1 for end in self.ends.values() if end + self.lag > now)

    def admit(self, job_id: str, seconds: float, now: float) -> bool:
        held = self.held(now)
        if held >= self.ceiling(now):
            return False
        self.ends = {known: end for known, end in self.ends.items() if end + self.lag > now - 100}
        self.ends[job_id] = now + seconds
        self.most = max(self.most, held + 1)
        return True


@define
class SlotWorld:
    """Our side submits whenever it may, until so many jobs have run; it looks at each every few seconds."""

    rules: Rules
    server: JobServer
    dice: Random
    lives: Sequence[float]
    """What the jobs live, in seconds, in the order in which they are accepted."""
    spacing: float = 3.0
    """Seconds between two looks at a job."""
    travel: float = 0.05
    """Seconds there and back."""
    handling: float = 0.15
    """Seconds that the server takes over a submission, after it was judged."""
    lose: float = 0.0
    """How likely the answer to a submission is lost."""
    unseen: float = 0.0
    """How likely nobody waits for a job, so that it is looked at only where the rules ask for it."""
    now: float = 0.0
    refused: list[float] = field(factory=list[float])
    accepted: int = 0
    ended: int = 0
    last: float = 0.0
    """When the last job ended."""
    _heap: list[tuple[float, int, Callable[[], None]]] = field(factory=list, init=False)
    _order: Iterator[int] = field(factory=lambda: iter(range(10**9)), init=False)
    _begun: int = field(default=0, init=False)
    _alarm: float = field(default=math.inf, init=False)
    _looking: set[str] = field(factory=set[str], init=False)

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Let something happen at a moment."""
        heapq.heappush(self._heap, (when, next(self._order), act))

    def run(self) -> None:
        """Go on until nothing happens any more."""
        self.at(0.0, self._look_for_room)
        while self._heap:
            self.now, _, act = heapq.heappop(self._heap)
            act()

    def _look_for_room(self) -> None:
        while self._begun < len(self.lives):
            lease = self.rules.reserve(self.now)
            if isinstance(lease, Wait):
                assert lease.until > self.now
                self._ring_at(lease.until)
                if self.unseen:
                    self._look_at_unwatched()
                return
            self._begun += 1
            self.at(self.now + self.travel / 2, self._arriving(lease, self.now))

    def _look_at_unwatched(self) -> None:
        for job_id in self.rules.unwatched(self.now, 5.0):
            if job_id not in self._looking:
                self._looking.add(job_id)
                self.at(self.now, self._looker(job_id))
        self._ring_at(self.now + 5.0)

    def _ring_at(self, moment: float) -> None:
        if moment < self._alarm:
            self._alarm = moment
            self.at(moment, self._ring)

    def _ring(self) -> None:
        if self._alarm <= self.now:
            self._alarm = math.inf
        self._look_for_room()

    def _arriving(self, lease: Lease, sent: float) -> Callable[[], None]:
        def arrive() -> None:
            job_id = f"job-{self.accepted}"
            admitted = self.server.admit(job_id, self.lives[self.accepted], self.now)
            if not admitted:
                self.refused.append(sent)
                self.at(self.now + self.travel / 2, lambda: self._refuse(lease))
                return
            self.accepted += 1
            self.last = max(self.last, self.server.ends[job_id])
            answer = self._lose if self.dice.random() < self.lose else self._accept
            self.at(self.now + self.handling + self.travel / 2, lambda: answer(lease, job_id))

        return arrive

    def _refuse(self, lease: Lease) -> None:
        self._begun -= 1
        self.rules.refused(lease, self.now, RETRY_AFTER)
        self._look_for_room()

    def _accept(self, lease: Lease, job_id: str) -> None:
        self.rules.accepted(lease, job_id, self.now)
        if self.dice.random() >= self.unseen:
            self._looking.add(job_id)
            self.at(self.now + self.dice.uniform(0, self.spacing), self._looker(job_id, again=True))
        self._look_for_room()

    def _lose(self, _lease: Lease, _job_id: str) -> None:
        self.rules.unknown(self.now)
        self._look_for_room()

    def _looker(self, job_id: str, *, again: bool = False) -> Callable[[], None]:
        def look() -> None:
            asked = self.now
            ended = self.server.ends[job_id] <= asked + self.travel / 2
            self.at(asked + self.travel, lambda: self._found(job_id, asked, ended=ended, again=again))

        return look

    def _found(self, job_id: str, asked: float, *, ended: bool, again: bool) -> None:
        self.rules.seen(job_id, self.now, asked=asked, ended=ended)
        if ended:
            self.ended += 1
            self._look_for_room()
        elif again:
            self.at(asked + self.spacing, self._looker(job_id, again=True))
        else:
            self._looking.discard(job_id)
            self._ring_at(self.now + 5.0)


def bound(ceiling: Ceiling, changes: Sequence[float], lives: Sequence[float]) -> float:
    """Return when the last job ends if each begins as soon as there is room, and ends are known at once."""
    ends: list[float] = []
    now, last = 0.0, 0.0
    moments = [*sorted(changes), math.inf]
    for life in lives:
        while True:
            while ends and ends[0] <= now:
                heapq.heappop(ends)
            if len(ends) < ceiling(now):
                break
            now = min(ends[0], next(moment for moment in moments if moment > now))
        heapq.heappush(ends, now + life)
        last = max(last, now + life)
    return last
