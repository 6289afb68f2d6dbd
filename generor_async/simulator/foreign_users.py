"""Foreign users of the simulator's two keys, who use up the limits of a key and do nothing else.

```python
simulator.others.add("luma", "steady", rate=15)
simulator.others.add("luma", "bursts", size=30, every=180, start=60)
simulator.others.add("generor", "hog", start=30, end=210)
simulator.others.add_spec("luma=jobs:slots=2:end=300")
```

Their requests count against the limits of the key, at the times at which they would arrive. Nothing is sent, and they
are not in the ledger. What they did since the last request is computed when the next one arrives, before that is
judged: so it only depends on the seed, not on how fast time runs.
"""

import heapq
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from attrs import define, field, frozen

from generor_async.simulator.fault_kinds import ChoiceDetail, FaultDetail, NumberDetail
from generor_async.simulator.faults import read_details, read_value
from generor_async.simulator.luma.slots import SlotCounter
from generor_async.simulator.request_windows import RequestWindow, admit_all

__all__ = ["KINDS", "ForeignUser", "ForeignUsers", "SharedLimits"]

MINUTE = 60.0
LONGEST_LOOKBACK = 90_000.0
"""Seconds; requests longer ago are skipped, as no window still counts them."""
MOST_A_MINUTE = 6_000
WHEN: Mapping[str, FaultDetail] = {
    "start": NumberDetail(default=0.0, least=0),
    "end": NumberDetail(default=None, above=0),
}
"""Seconds after the user was added; without an end, the user stays."""
WEIGHT: Mapping[str, FaultDetail] = {"weight": NumberDetail(default=1, least=1, most=1_000, whole=True)}
REFUSED = ("give_up", "insist")

KINDS: Mapping[str, Mapping[str, FaultDetail]] = {
    "steady": {
        "rate": NumberDetail(default=10.0, above=0, most=MOST_A_MINUTE),
        "refused": ChoiceDetail(default="give_up", options=REFUSED),
        **WEIGHT,
        **WHEN,
    },
    "bursts": {
        "size": NumberDetail(default=10, least=1, most=MOST_A_MINUTE, whole=True),
        "every": NumberDetail(default=180.0, least=1),
        "refused": ChoiceDetail(default="insist", options=REFUSED),
        **WEIGHT,
        **WHEN,
    },
    "hog": {**WEIGHT, **WHEN},
    "jobs": {"slots": NumberDetail(default=1, least=1, whole=True), **WHEN},
}
"""The kinds with their details: `steady` sends so many requests a minute; `bursts`, so many at once every so many
seconds; `hog` takes every place as soon as it is free; `jobs` holds so many of Luma's slots, each as soon as it is
free. A user that insists sends a refused request again after each Retry-After."""


@frozen
class SharedLimits:
    """The limits that the users of a key share."""

    windows: Sequence[RequestWindow]
    slots: SlotCounter | None = None
    """None if jobs have no limit."""


@define(kw_only=True, eq=False)
class ForeignUser:
    """One foreign user; the counts are as of the last request that arrived."""

    api: str
    kind: str
    details: Mapping[str, Any]
    """All details of the kind, with defaults for those not given."""
    begins: float
    """Simulated Unix time."""
    ends: float
    admitted: int = 0
    """Admitted requests."""
    refused: int = 0
    """Requests that a limit refused."""
    rng: Random = field(repr=False)
    """The random numbers for its times."""

    def arrival(self, number: int) -> float:
        """Return when a burst or request arrives; called once for each number, in order."""
        if self.kind == "steady":
            return self.begins + (number + self.rng.random()) * self._every
        return self.begins + number * self._every

    def number_at(self, when: float) -> int:
        """Return the number of the last burst or request before a time."""
        return int((when - self.begins) // self._every) - 1

    @property
    def _every(self) -> float:
        seconds: float = MINUTE / self.details["rate"] if self.kind == "steady" else self.details["every"]
        return seconds

    def to_json(self) -> dict[str, Any]:
        """Return the JSON for the control endpoints."""
        return {
            "api": self.api,
            "kind": self.kind,
            "details": dict(self.details),
            "admitted": self.admitted,
            "refused": self.refused,
        }


class ForeignUsers:
    """All foreign users; iterating yields them in the order in which they were added."""

    def __init__(self, *, seed: int, time: Callable[[], float]) -> None:
        self._shared: Mapping[str, SharedLimits] = {}
        self._seed = seed
        self._time = time
        self._added: list[ForeignUser] = []
        self._lock = threading.RLock()
        self._count = 0
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        """A heap of what happens next: the time, a number that orders equal times, and a function."""
        self._insisting: dict[tuple[ForeignUser, float], int] = {}
        """Number of requests to be sent again, by user and time."""

    def __iter__(self) -> Iterator[ForeignUser]:
        return iter(tuple(self._added))

    def __len__(self) -> int:
        return len(self._added)

    def share(self, shared: Mapping[str, SharedLimits]) -> None:
        """Remove all users, and set the limits that new ones share with each API's key."""
        with self._lock:
            self.clear()
            self._shared = shared

    def add(self, api: str, kind: str, /, **details: Any) -> ForeignUser:
        """Add a user, and return it; `details` are those of the kind, see `KINDS`. Raises ValueError."""
        if api not in self._shared:
            raise ValueError(f"other users are of {' or '.join(self._shared)}, not of {api!r}")
        if kind not in KINDS:
            raise ValueError(f"other users are {', '.join(KINDS)}, not {kind!r}")
        if kind == "jobs" and self._shared[api].slots is None:
            raise ValueError(f"{api} has no limit of jobs that others could hold")
        if details.get("end", 0) is None:
            del details["end"]
        read = read_details(kind, KINDS[kind], details)
        with self._lock:
            now, rng = self._time(), Random(f"other {self._seed} {len(self._added)}")  # noqa: S311  # to be repeated
            ends = float("inf") if read["end"] is None else now + read["end"]
            other = ForeignUser(api=api, kind=kind, details=read, begins=now + read["start"], ends=ends, rng=rng)
            self._added.append(other)
            self._start(other)
        return other

    def add_spec(self, spec: str) -> ForeignUser:
        """Add a user written as `API=KIND`, with details as `NAME=VALUE` after colons."""
        api, equals, rest = spec.partition("=")
        kind, *parts = rest.split(":")
        given = [part.partition("=") for part in parts]
        if not (equals and all(name and sign and value for name, sign, value in given)):
            raise ValueError(f"{spec!r} is not API=KIND, such as luma=bursts:size=30:every=180")
        details = {name: read_value(value) for name, _, value in given}
        if len(details) < len(given):
            raise ValueError(f"{spec!r} gives a detail twice")
        return self.add(api, kind, **details)

    def clear(self) -> None:
        """Remove all users; what they have used up stays used."""
        with self._lock:
            self._added.clear()
            self._due.clear()
            self._insisting.clear()
            for shared in self._shared.values():
                if shared.slots is not None:
                    shared.slots.held_by_others = 0

    def catch_up(self, now: float) -> None:
        """Send all requests that were due until now."""
        if not self._due:
            return
        with self._lock:
            while self._due and self._due[0][0] <= now:
                at, _, act = heapq.heappop(self._due)
                act(max(at, now - LONGEST_LOOKBACK))

    def _at(self, when: float, act: Callable[[float], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (when, self._count, act))

    def _start(self, other: ForeignUser) -> None:
        if other.kind == "jobs":
            self._at(other.begins, lambda _: self._hold(other, other.details["slots"]))
            self._at(max(other.begins, other.ends), lambda _: self._hold(other, -other.details["slots"]))
        elif other.kind == "hog":
            self._at(other.begins, lambda at: self._take_all(other, at))
        else:
            self._at(other.arrival(0), lambda at: self._arrive(other, 0, at))

    def _hold(self, other: ForeignUser, slots: int) -> None:
        held = self._shared[other.api].slots
        assert held is not None
        held.held_by_others += slots

    def _arrive(self, other: ForeignUser, number: int, at: float) -> None:
        """Send a burst or request, and schedule the next one."""
        if at < other.ends:
            self._ask(other, other.details.get("size", 1), at)
            following = max(number + 1, other.number_at(at))
            self._at(other.arrival(following), lambda later: self._arrive(other, following, later))

    def _ask(self, other: ForeignUser, requests: int, at: float) -> None:
        """Send several requests at once; refused ones may be sent again."""
        if at >= other.ends:
            return
        windows, weight = self._shared[other.api].windows, other.details["weight"]
        for sent in range(requests):
            allowed, verdict = admit_all(windows, at, weight)
            if not allowed:
                self._refuse(other, requests - sent, at, at + verdict.retry_after)
                return
            other.admitted += 1

    def _refuse(self, other: ForeignUser, requests: int, at: float, again_at: float) -> None:
        """Refuse a request, and all others of the same moment."""
        other.refused += requests
        for window in self._shared[other.api].windows:
            window.count(at, (requests - 1) * other.details["weight"], allowed=False)
        if other.details["refused"] == "insist":
            waiting = self._insisting.get((other, again_at), 0)
            self._insisting[other, again_at] = waiting + requests
            if not waiting:
                self._at(again_at, lambda later: self._ask(other, self._insisting.pop((other, again_at)), later))

    def _take_all(self, other: ForeignUser, at: float) -> None:
        """Take every free place of the windows, and schedule the next try."""
        if at >= other.ends:
            return
        windows, weight = self._shared[other.api].windows, other.details["weight"]
        while all(window.has_room(at, weight) for window in windows):
            admit_all(windows, at, weight)
            other.admitted += 1
        free_at = max(
            window.verdict(at, allowed=False).reset_at for window in windows if not window.has_room(at, weight)
        )
        self._at(free_at if free_at > at else at + 1.0, lambda later: self._take_all(other, later))
