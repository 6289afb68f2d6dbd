"""How long a call will probably wait for rate limits until it is admitted, and between which bounds.

Without chance it is a computation: `rules.admission_times` says when the windows will have room for the calls before
it. Chance comes in with calls that go first though they come later, and with others who use the key. Bounds are
quantiles: the wait is shorter than `low` once in ten times, longer than `high` once in ten times, and as often above
`seconds` as below. For waits with jobs see `rules.slot_futures`.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Final, TypeAlias

from attrs import frozen

from generor_async.rules.admission_times import AdmissionTimes
from generor_async.rules.priority_order import MAX_PASSED_BY

__all__ = ["HIGH", "LOW", "Arrivals", "Bounds", "arrivals_of", "count_quantile", "window_wait"]

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

Bounds: TypeAlias = tuple[float, float, float]
"""Seconds: expected, at least, at most."""
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

    @property
    def bursts(self) -> float:
        """How many bursts that was."""
        return self.known / self.dispersion

    def moments(self, seconds: float) -> tuple[float, float]:
        """Return the mean and the variance of the units within some seconds."""
        mean = min(self.rate * seconds, self.most)
        return mean, self.dispersion * (mean + mean * mean / self.known)


def arrivals_of(moments: Sequence[float], now: float, most: float = math.inf) -> Arrivals | None:
    """Return the arrivals that go on as those of these moments did; None where there were none.

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
    return Arrivals(bursts * count / len(sizes) / seconds, dispersion, bursts * dispersion, most)


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


def window_wait(times: AdmissionTimes, units: int, calls: Sequence[Arrivals], foreign: Sequence[Arrivals]) -> Bounds:
    """Return the wait of the last of so many units that wait for rate limits.

    `calls` are those that go first, though only `MAX_PASSED_BY` for each of ours; `foreign` users aren't so polite.
    """
    if not (calls or foreign):
        return (wait := times[units - 1]), wait, wait
    expected, low, high = (_window_quantile(times, units, calls, foreign, share) for share in (0.5, LOW, HIGH))
    return expected, low, high


def _window_quantile(
    times: AdmissionTimes, units: int, calls: Sequence[Arrivals], foreign: Sequence[Arrivals], share: float
) -> float:
    place = units - 1
    while True:
        wait = times[place]
        passed = min(_count(calls, wait, share), MAX_PASSED_BY * units)
        last = units - 1 + passed + _count(foreign, wait, share)
        if last <= place:
            return wait
        if last > FAR + units:
            return math.inf
        place = last


def _count(arrivals: Sequence[Arrivals], seconds: float, share: float) -> int:
    if not arrivals:
        return 0
    means, variances = zip(*(each.moments(seconds) for each in arrivals), strict=True)
    return int(min(count_quantile(sum(means), sum(variances), share), sum(each.most for each in arrivals)))
