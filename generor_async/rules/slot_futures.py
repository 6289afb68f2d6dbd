"""How long calls will probably wait for slots: a number of futures is played through.

Each future has durations of its own, drawn from those of the known jobs (of a running one, what remains at its age).
All durations of one future are longer or shorter by one factor, because the known jobs tell the average only roughly.
Calls far back in the queue are reckoned by the average. Bounds are quantiles, as in `rules.expected_wait`.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from statistics import NormalDist, fmean
from typing import Final

from attrs import frozen

from generor_async.rules.admission_times import AdmissionTimes
from generor_async.rules.expected_wait import FUTURES, Arrivals, Bounds, Draw, bounds, normal
from generor_async.rules.priority_order import MAX_PASSED_BY
from generor_async.rules.schedule import JobDurations
from generor_async.rules.slots import FIRST_UNITS

__all__ = [
    "MOST_CALLS",
    "NEAR",
    "FutureSlots",
    "WaitingUnits",
    "doubt",
    "lifetimes",
    "slot_wait",
    "strata_for",
]

NEAR: Final = 60
"""Calls that are admitted in each of them; a third where others go first, and where one is asked for that is further
back. The rest is reckoned by the average."""
STRATA: Final = 32
"""Into how many equally likely values a duration is divided."""
LEAST_STRATA: Final = 4
"""The same of each running job, where there are many."""
UNKNOWN_SECONDS: Final = 60.0
UNKNOWN_SIGMA: Final = 1.0
"""A lognormal for durations of which nothing is known."""
MOST_CALLS: Final = 2
"""Another process may have so many times the calls that it had when it last said so: where windows bind."""
MOST_TURNS: Final = 2.0
"""The most turns of another process for each of this one."""
ROUNDS: Final = 8
"""How often the calls that come during a wait are added to it, and those that come during these."""
ENOUGH_KNOWN: Final = 8
"""From so many known durations on, their mean is believed."""
ALIKE: Final = 1.35
"""The known durations tell less than as many independent ones: the newest have more weight."""
PRIOR_DOUBT: Final = 0.8
"""By which part the usual duration of a type may be off."""
CEILINGS: Final = 8
"""While no ceiling is known, there is none in one of so many futures, and the usual one in the others."""
ASSUMED_KNOWN: Final = 2
"""So many jobs are assumed to be known, in the doubt about the average."""

_NORMAL: Final = NormalDist()
_GOLDEN: Final = (math.sqrt(5) - 1) / 2


@frozen
class WaitingUnits:
    """A call that waits for a slot."""

    units: int
    lives: Sequence[float]
    """Equally likely seconds for which its job will hold its slot."""
    is_video: bool = False


@frozen(kw_only=True)
class FutureSlots:
    """The slots for jobs as they are now."""

    ceiling: int | None = None
    """How many units run at once; None where that is not known yet."""
    ends: Sequence[tuple[int, Sequence[float]]] = ()
    """Of each running job its units, and equally likely seconds until it frees them."""
    begin: float = 0.0
    """Seconds for which nothing is submitted."""
    doubt: float = 0.0
    """By which part the average duration may be off (its standard deviation)."""
    first: int = FIRST_UNITS
    """How many units may run at once if the ceiling turns out to be as low as it usually is."""
    before: int = 0
    """Units of the calls that have slots already, and wait for a window."""
    others: Sequence[int] = ()
    """How many calls wait in each of the other processes."""
    foreign: Sequence[Arrivals] = ()
    """Units of others who use the key: they take room in the windows, and none of our slots."""


def lifetimes(
    durations: JobDurations, lag: Callable[[float], float], *, age: float = 0.0, strata: int = STRATA
) -> list[float]:
    """Return equally likely seconds for which a job of this age still holds its slot.

    `lag` returns the most seconds from the end of a job at some age until that is seen.
    """
    rests: list[float] = []
    for number in range(strata):
        share = (number + 0.5) / strata
        rest = durations.remaining(age, share)
        if rest is None:
            rest = UNKNOWN_SECONDS * math.exp(UNKNOWN_SIGMA * _NORMAL.inv_cdf(share))
        rests.append(rest)
    # The distribution is smoothed, and by that too long on average.
    scale = durations.mean / fmean(rests) if not age and durations.known >= ENOUGH_KNOWN else 1.0
    return [rest * scale + lag(age + rest) * (number * _GOLDEN % 1) for number, rest in enumerate(rests)]


def doubt(known: int, lives: Sequence[float]) -> float:
    """Return by which part the average duration may be off, where so many are known."""
    mean, spread = _average(lives)
    by_chance = ALIKE * spread / mean / math.sqrt(known + ASSUMED_KNOWN)
    return math.hypot(by_chance, PRIOR_DOUBT / (1 + known / ASSUMED_KNOWN))


def _average(lives: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the standard deviation: that of `statistics` is exact, and takes a millisecond."""
    mean = fmean(lives)
    return mean, math.sqrt(fmean([(life - mean) ** 2 for life in lives]))


def strata_for(jobs: int) -> int:
    """Return into how many values the rest of each of so many jobs is divided."""
    return max(LEAST_STRATA, min(STRATA, 256 // max(jobs, 1)))


def slot_wait(
    slots: FutureSlots,
    times: Sequence[AdmissionTimes],
    first: Sequence[WaitingUnits],
    place: int,
    calls: Sequence[Arrivals],
    draw: Draw,
) -> Bounds:
    """Return the wait of the call at this place of the queue; each of the `times` is as likely.

    `first` are the calls up to that one, or the first `NEAR` of them.
    """
    waits: list[float] = []
    mean, spread = _average(first[-1].lives)
    played = first[: NEAR // 3 if calls or slots.foreign or slots.others or place >= NEAR else NEAR]
    for number in range(FUTURES):
        future = _Future(slots, times[number // 2 % len(times)], calls, draw, number)
        near = [future.admit(call) for call in played]
        waits.append(near[place] if place < len(near) else future.far(place - len(near) + 1, mean, spread))
    return bounds(sorted(waits))


class _Future:
    """One way in which things may go on."""

    def __init__(
        self, slots: FutureSlots, times: AdmissionTimes, calls: Sequence[Arrivals], draw: Draw, number: int
    ) -> None:
        self._times = times
        self._draw = draw
        self._calls = [each.drawn(draw) for each in (*calls, *slots.foreign)]
        self._own = len(calls)
        self._scale = math.exp(slots.doubt * normal(draw))
        self._ends: list[float] = []
        for units, ends in slots.ends:
            self._ends += [self._scale * ends[int(draw() * len(ends))]] * units
        used = len(self._ends)
        # A ceiling that isn't known may be the usual one, or there is none.
        self._ceiling = slots.ceiling or (max(slots.first, used) if number % CEILINGS else 0)
        if self._ceiling and used < self._ceiling:
            self._ends += [0.0] * (self._ceiling - used)
        heapq.heapify(self._ends)
        for _ in range(used - self._ceiling if self._ceiling else 0):
            heapq.heappop(self._ends)
        self._now = slots.begin
        self._units = slots.before
        self._passed = 0
        self._luck = normal(draw)
        self._next = [each.after(0.0, draw) for each in self._calls]
        """When the next burst of each kind comes, or came that is not over."""
        self._coming = [each.drawn_size(draw) for each in self._calls]
        """How many calls of it are still to go before ours."""
        self._left = [each.most for each in self._calls]
        """How many calls of each kind may still come before ours."""
        self._others = slots.others
        self._alone = bool(self._ceiling) and not self._calls and not self._others
        self._turns = MOST_TURNS * number / (FUTURES - 1)
        """How often each other process has a turn for each of this one: that depends on who asks first."""
        self._more = number * _GOLDEN % 1
        """How many calls each of them gets while one of this process is admitted: it has said how many it had."""
        self._places = self._served = 0

    def _arrived(self, kind: int) -> None:
        """Note that a call of a kind goes before ours."""
        self._left[kind] -= 1
        self._coming[kind] -= 1
        if not self._left[kind]:
            self._next[kind] = math.inf
        elif not self._coming[kind]:
            self._next[kind] = self._calls[kind].after(self._next[kind], self._draw)
            self._coming[kind] = self._calls[kind].drawn_size(self._draw)

    def admit(self, call: WaitingUnits) -> float:
        """Admit a call, and before it those that go first; return when."""
        if self._alone and call.units == 1:  # the usual case, in fewer steps
            ready = max(self._now, self._times[self._units], self._ends[0])
            self._now, self._units = ready, self._units + 1
            lives = call.lives
            heapq.heapreplace(self._ends, ready + self._scale * lives[int(self._draw() * len(lives))])
            return ready
        self._places += 1
        while self._served < self._before(self._places):
            self._take(self._ready(1), 1, call.lives)
            self._served += 1
        self._passed = 0
        while self._calls and self._passed < MAX_PASSED_BY:
            ready = self._ready(1)
            soonest = min(range(len(self._next)), key=self._next.__getitem__)
            if self._next[soonest] > ready:
                break
            self._arrived(soonest)
            if soonest < self._own:
                self._take(ready, 1, call.lives)
            else:
                self._now, self._units = ready, self._units + 1
            self._passed += 1
        units = min(call.units, self._ceiling) if self._ceiling else call.units
        ready = self._ready(units)
        self._take(ready, units, call.lives)
        return ready

    def _before(self, places: int) -> int:
        """Return how many calls of other processes go before so many of this one."""
        if not self._others:
            return 0
        return sum(min(count + int(self._more * places), int(self._turns * places)) for count in self._others)

    def _ready(self, units: int) -> float:
        ready = max(self._now, self._times[self._units + units - 1])
        if not self._ceiling:
            return ready
        return max(ready, self._ends[0] if units == 1 else heapq.nsmallest(units, self._ends)[-1])

    def _take(self, ready: float, units: int, lives: Sequence[float]) -> None:
        self._now = ready
        self._units += units
        if self._ceiling:
            end = ready + self._scale * lives[int(self._draw() * len(lives))]
            for _ in range(units):
                heapq.heapreplace(self._ends, end)

    def far(self, later: int, mean: float, spread: float) -> float:
        """Return the wait of a call that is so many places further back, by the average of the durations."""
        later += self._before(self._places + later) - self._served
        window = self._window(self._units + later - 1)
        if not self._ceiling:
            return window
        share = self._scale / self._ceiling
        seconds = (later * mean + self._luck * math.sqrt(later) * spread) * share
        return max(self._now + self._passed_over(seconds, mean * share), window)

    def _passed_over(self, seconds: float, a_call: float) -> float:
        """Return a wait with the calls that come meanwhile and go first; each takes `a_call` seconds.

        They come as they did until now, or until as many have come as can go first.
        """
        calls = self._calls[: self._own]
        kinds = list(zip(calls, self._left, strict=False))
        endless = [each for each, most in kinds if most == math.inf]
        most = sum(most for _, most in kinds if most < math.inf)
        return min(seconds / _share_left(calls, a_call), (seconds + most * a_call) / _share_left(endless, a_call))

    def _window(self, place: int) -> float:
        """Return when the windows have room for the unit of this place, and for those that will come before it."""
        found, passed = max(self._now, self._times[place]), 0
        for _ in range(ROUNDS if self._calls else 0):
            moments = [each.moments(found - self._now) for each in self._calls]
            more = sum(mean for mean, _ in moments)
            more += self._luck * math.sqrt(
                sum(each.dispersion * mean for each, (mean, _) in zip(self._calls, moments, strict=True))
            )
            more = min(more, sum(self._left))
            if int(more) <= passed:
                break
            passed = min(int(more), MAX_PASSED_BY * (place + 1))
            found = max(self._now, self._times[place + passed])
        return found


def _share_left(calls: Sequence[Arrivals], a_call: float) -> float:
    """Return which part of the calls that are admitted is left beside those that come and go first."""
    return max(1 - sum(each.rate for each in calls) * a_call, 1 / (MAX_PASSED_BY + 1))
