"""A world in which jobs run in slots: a server that counts them plainly, and one side that wants to submit many."""

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Protocol

from attrs import Factory, define, field

from generor_async.rules.slot_usage import JobSlot
from generor_async.rules.slots import RETRY_AFTER, SlotState
from generor_async.rules.wait import Wait
from generor_async.rules.weights import DEFAULT_TYPE, RefusalNumbers, RequestType

__all__ = ["JobServer", "Rules", "SlotWorld", "bound"]

Ceiling = Callable[[float], int]
"""How many jobs may run at a moment: others who come and go are a ceiling that changes."""


class Rules(Protocol):
    """What decides when to submit: the rules under test, or something to hold them against."""

    def reserve(self, now: float, request_type: RequestType = ...) -> JobSlot | Wait: ...
    def accepted(self, slot: JobSlot, job_id: str, now: float) -> None: ...
    def refused(self, slot: JobSlot, now: float, retry_after: float = ..., numbers: RefusalNumbers = ...) -> None: ...
    def keep_unresolved(self, slot: JobSlot, now: float) -> None: ...
    def record_poll(
        self, job_id: str, now: float, *, asked: float, ended: bool, request_type: RequestType = ...
    ) -> None: ...
    def stale_jobs(self, now: float, older_than: float) -> list[str]: ...
    def state(self, now: float) -> SlotState: ...


@define
class JobServer:
    """Counts the units of the jobs that hold slots, one by one, and refuses what is too much."""

    ceiling: Ceiling
    lag: float = 0.0
    """Seconds after its end for which a job holds its slot."""
    names: int | None = None
    """The ceiling that refusals name."""
    weigh: Callable[[RequestType], int] = lambda _kind: 1
    ends: dict[str, float] = field(factory=dict[str, float])
    units: dict[str, int] = field(factory=dict[str, int])
    most: int = 0
    stray: int = 0
    """How many of the next submissions are refused for no reason."""

    def held(self, now: float) -> int:
        return sum(self.units[job_id] for job_id, end in self.ends.items() if end + self.lag > now)

    def admit(self, job_id: str, seconds: float, now: float, kind: RequestType = DEFAULT_TYPE) -> bool:
        held, units = self.held(now), self.weigh(kind)
        if self.stray:
            self.stray -= 1
            return False
        if held + units > self.ceiling(now):
            return False
        self.ends = {known: end for known, end in self.ends.items() if end + self.lag > now - 100}
        self.ends[job_id], self.units[job_id] = now + seconds, units
        self.most = max(self.most, held + units)
        return True

    def refusal(self, kind: RequestType) -> RefusalNumbers:
        """Return the numbers of a refusal."""
        if self.names is None:
            return RefusalNumbers()
        units = self.weigh(kind)
        return RefusalNumbers(self.names, units, in_units=True) if units > 1 else RefusalNumbers(self.names)


@define
class SlotWorld:
    """Our side submits whenever it may, until so many jobs have run; it looks at each every few seconds."""

    rules: Rules
    server: JobServer
    dice: Random
    lives: Sequence[float]
    """What the jobs live, in seconds, in the order in which they are accepted."""
    kinds: Sequence[RequestType] = ()
    """Of what kind they are, in the order in which they are to be submitted; who finds too few units is passed."""
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
    _waiting: list[RequestType] = field(init=False, default=Factory(lambda self: self._all(), takes_self=True))
    _alarm: float = field(default=math.inf, init=False)
    _looking: set[str] = field(factory=set[str], init=False)

    def _all(self) -> list[RequestType]:
        return list(self.kinds) or [DEFAULT_TYPE] * len(self.lives)

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
        while self._waiting:
            for kind in dict.fromkeys(self._waiting):
                lease = self.rules.reserve(self.now, kind)
                if isinstance(lease, JobSlot):
                    self._waiting.remove(kind)
                    self.at(self.now + self.travel / 2, self._arriving(lease, self.now))
                    break
                assert lease.until > self.now
                self._ring_at(lease.until)
            else:
                if self.unseen:
                    self._look_at_stale_jobs()
                return

    def _look_at_stale_jobs(self) -> None:
        for job_id in self.rules.stale_jobs(self.now, 5.0):
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

    def _arriving(self, lease: JobSlot, sent: float) -> Callable[[], None]:
        def arrive() -> None:
            job_id = f"job-{self.accepted}"
            admitted = self.server.admit(job_id, self.lives[self.accepted], self.now, lease.request_type)
            if not admitted:
                self.refused.append(sent)
                self.at(self.now + self.travel / 2, lambda: self._refuse(lease))
                return
            self.accepted += 1
            self.last = max(self.last, self.server.ends[job_id])
            answer = self._lose if self.dice.random() < self.lose else self._accept
            self.at(self.now + self.handling + self.travel / 2, lambda: answer(lease, job_id))

        return arrive

    def _refuse(self, lease: JobSlot) -> None:
        self._waiting.insert(0, lease.request_type)
        self.rules.refused(lease, self.now, RETRY_AFTER, self.server.refusal(lease.request_type))
        self._look_for_room()

    def _accept(self, lease: JobSlot, job_id: str) -> None:
        self.rules.accepted(lease, job_id, self.now)
        if self.dice.random() >= self.unseen:
            self._looking.add(job_id)
            self.at(self.now + self.dice.uniform(0, self.spacing), self._looker(job_id, again=True))
        self._look_for_room()

    def _lose(self, lease: JobSlot, _job_id: str) -> None:
        self.rules.keep_unresolved(lease, self.now)
        self._look_for_room()

    def _looker(self, job_id: str, *, again: bool = False) -> Callable[[], None]:
        def look() -> None:
            asked = self.now
            ended = self.server.ends[job_id] <= asked + self.travel / 2
            self.at(asked + self.travel, lambda: self._found(job_id, asked, ended=ended, again=again))

        return look

    def _found(self, job_id: str, asked: float, *, ended: bool, again: bool) -> None:
        self.rules.record_poll(job_id, self.now, asked=asked, ended=ended)
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
