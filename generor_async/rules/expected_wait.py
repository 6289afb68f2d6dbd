"""How long a call will probably wait for rate limits until it is admitted, and between which bounds.

Without chance it is a computation: `rules.admission_times` says when the windows will have room for the calls before
it. Chance comes in with calls that go first though they come later, and with others who use the key. Bounds are
quantiles: the wait is shorter than `low` once in ten times, longer than `high` once in ten times, and as often above
`seconds` as below. For waits with jobs see `rules.slot_futures`.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import NormalDist, fmean
from typing import Final, TypeAlias

from attrs import Factory, define, evolve, field, frozen

from generor_async.rules.admission_times import AdmissionTimes
from generor_async.rules.priority_order import MAX_PASSED_BY

__all__ = [
    "FUTURES",
    "HIGH",
    "LOW",
    "Arrivals",
    "Bounds",
    "Draw",
    "WaitedSeconds",
    "arrivals_of",
    "bounds",
    "count_quantile",
    "later_turns",
    "normal",
    "window_places",
]

LOW: Final = 0.1
"""The part of waits that are shorter than the lower bound."""
HIGH: Final = 0.9
"""The part of waits that are not longer than the upper bound."""
BURST_GAP: Final = 0.1
"""Arrivals that are closer together than this part of the usual distance are one burst."""
FIRST_SECONDS: Final = 60.0
"""One burst tells nothing of when the next comes: so many seconds are assumed, and fewer the more are known."""
TINY: Final = 1e-9
"""A count of fewer on average is none."""
FAR: Final = 20_000
"""Units that may come before a call; beyond that its wait is called endless."""

BURSTY: Final = 2.0
"""From this dispersion on, calls come in bursts."""
MANY_BURSTS: Final = 12.0
"""Fewer bursts are played through: quantiles of counts tell little of them."""
FUTURES: Final = 40
"""How many futures are played through."""
TOGETHER: Final = 1.0
"""Seconds within which a user's calls come at once."""

Bounds: TypeAlias = tuple[float, float, float]
"""Seconds, or places: expected, at least, at most."""
Draw: TypeAlias = Callable[[], float]
"""Returns a random number in [0, 1)."""
_NORMAL: Final = NormalDist()


@frozen
class Arrivals:
    """Units that others will send before a call: later calls that go first, or foreign users."""

    rate: float
    """Units a second."""
    dispersion: float = 1.0
    """The variance of a count over its mean: 1 where they come independently of each other."""
    known: float = math.inf
    """How many arrivals the rate was learned from."""

    most: float = math.inf
    """No more than these can come before the call."""
    sizes: Sequence[int] = ()
    """Sizes of bursts, each as likely; where none were seen, all are as large as the dispersion."""
    burst_size: float = field(
        init=False,
        default=Factory(lambda self: fmean(self.sizes) if self.sizes else self.dispersion, takes_self=True),
    )
    """How many come at once on average."""

    @property
    def bursts(self) -> float:
        """How many bursts that was."""
        return self.known / self.dispersion

    def drawn(self, draw: Draw) -> "Arrivals":
        """Return them with one of the rates that they may have: it is known only by as many bursts as were seen."""
        return evolve(self, rate=self.rate * math.exp(normal(draw) / math.sqrt(self.bursts)))

    def after(self, moment: float, draw: Draw) -> float:
        """Return when the next burst comes after one."""
        return moment - math.log1p(-draw()) * self.burst_size / self.rate

    def drawn_size(self, draw: Draw) -> int:
        """Return the size of one burst."""
        return self.sizes[int(draw() * len(self.sizes))] if self.sizes else round(self.dispersion)

    def moments(self, seconds: float) -> tuple[float, float]:
        """Return the mean and the variance of the units within some seconds."""
        mean = min(self.rate * seconds, self.most)
        return mean, self.dispersion * (mean + mean * mean / self.known)


@define
class WaitedSeconds:
    """The time in which calls waited, by which it is told how often others come meanwhile.

    It is not counted until a second after calls began to wait: whoever made them wait did not come by chance.
    """

    _total: float = 0.0
    _since: float = math.inf

    def begin(self, now: float) -> None:
        """Note that calls wait, where none did."""
        self._since = now + TOGETHER

    def end(self, now: float) -> None:
        """Note that none waits any more."""
        self._total, self._since = self.until(now), math.inf

    def counts(self, now: float) -> bool:
        """Tell whether the time is counted."""
        return now >= self._since

    def until(self, now: float) -> float:
        """Return for how many seconds calls have waited."""
        return self._total + max(now - self._since, 0.0)


def arrivals_of(moments: Sequence[float], now: float, most: float = math.inf) -> Arrivals | None:
    """Return the arrivals that go on as those of these moments did, in waited seconds; None where there were none.

    Those that come nearly at once are a burst, and bursts come independently of each other.
    """
    if not moments:
        return None
    count, elapsed = len(moments), max(now - moments[0], 1.0)
    sizes = [1]
    for before, moment in pairwise(moments):
        if moment - before < elapsed / count * BURST_GAP:
            sizes[-1] += 1
        else:
            sizes.append(1)
    bursts = max(len(sizes) - 1, 0.5)  # the first one only begins the time
    dispersion = sum(size * size for size in sizes) / count
    seconds = elapsed + FIRST_SECONDS / len(sizes)
    return Arrivals(bursts * count / len(sizes) / seconds, dispersion, bursts * dispersion, most, sizes)


def later_turns(
    arrivals: Iterable[tuple[float, str | None]], free: Mapping[str | None, int], now: float
) -> Arrivals | None:
    """Return the calls of one priority that will have their turns before a call that waits.

    Args:
        arrivals: When calls came, in waited seconds, and whose they were.
        free: How many turns each of these users has before that call, beside those that its waiting calls take.
        now: The time, in waited seconds as well.
    """
    moments: list[float] = []
    last: dict[str | None, tuple[float, int]] = {}
    for moment, user in arrivals:
        before, count = last.get(user, (-math.inf, 0))
        count = count + 1 if moment - before < TOGETHER else 1
        last[user] = moment, count
        if count <= free[user]:
            moments.append(moment)
    return arrivals_of(moments, now, sum(each for each in free.values() if each > 0))


def count_quantile(mean: float, variance: float, share: float) -> int:
    """Return the count that is not exceeded with this probability: negative binomial, or Poisson."""
    if mean < TINY:
        return 0
    if mean > 50:
        return max(round(mean + _NORMAL.inv_cdf(share) * math.sqrt(variance)), 0)
    if variance > mean * 1.001:
        size = mean * mean / (variance - mean)
        ratio, term = mean / (mean + size), math.exp(-size * math.log1p(mean / size))
    else:
        size, ratio, term = math.inf, 0.0, math.exp(-mean)
    count, total = 0, term
    while total < share and term > 0:
        term *= (ratio * (count + size) if size < math.inf else mean) / (count + 1)
        count, total = count + 1, total + term
    return count


def window_places(
    times: AdmissionTimes, units: int, calls: Sequence[Arrivals], foreign: Sequence[Arrivals], draw: Draw
) -> Bounds:
    """Return the places at which the last of so many units is admitted; infinite beyond what is worth a computation.

    `calls` are those that go first, though only `MAX_PASSED_BY` for each of ours; `foreign` users aren't so polite.
    """
    if not (calls or foreign):
        return units - 1, units - 1, units - 1
    high = _place_quantile(times, units, calls, foreign, HIGH)
    if not foreign and high < math.inf:
        bursts = [times[int(high)] * each.rate / each.burst_size for each in calls if each.dispersion > BURSTY]
        if bursts and sum(bursts) < MANY_BURSTS:
            return bounds(sorted(_played_place(times, units, calls, draw) for _ in range(FUTURES)))
    return _place_quantile(times, units, calls, foreign, 0.5), _place_quantile(times, units, calls, foreign, LOW), high


def _place_quantile(
    times: AdmissionTimes, units: int, calls: Sequence[Arrivals], foreign: Sequence[Arrivals], share: float
) -> float:
    place = units - 1
    while True:
        wait = times[place]
        passed = min(_count(calls, wait, share), MAX_PASSED_BY * units)
        last = units - 1 + passed + _count(foreign, wait, share)
        if last <= place:
            return place
        if last > FAR + units:
            return math.inf
        place = last


def _played_place(times: AdmissionTimes, units: int, calls: Sequence[Arrivals], draw: Draw) -> int:
    """Return the place in one future."""
    calls = [each.drawn(draw) for each in calls]
    moments, left = [each.after(0.0, draw) for each in calls], [each.most for each in calls]
    place, most = units - 1, MAX_PASSED_BY * units
    while most:
        soonest = min(range(len(calls)), key=moments.__getitem__)
        if moments[soonest] > times[place]:
            break
        size = int(min(calls[soonest].drawn_size(draw), left[soonest], most))
        place, most = place + size, most - size
        left[soonest] -= size
        moments[soonest] = calls[soonest].after(moments[soonest], draw) if left[soonest] else math.inf
    return place


def bounds(waits: Sequence[float]) -> Bounds:
    """Return the quantiles of sorted waits, or places."""
    count = len(waits)
    return waits[count // 2], waits[math.floor(LOW * count)], waits[math.ceil(HIGH * count) - 1]


def normal(draw: Draw) -> float:
    """Return a random number of the normal distribution."""
    return _NORMAL.inv_cdf(min(max(draw(), 1e-9), 1 - 1e-9))


def _count(arrivals: Sequence[Arrivals], seconds: float, share: float) -> int:
    if not arrivals:
        return 0
    means, variances = zip(*(each.moments(seconds) for each in arrivals), strict=True)
    return int(min(count_quantile(sum(means), sum(variances), share), sum(each.most for each in arrivals)))
