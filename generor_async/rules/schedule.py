"""When to look at a job again.

Looks at a spacing of s cost c/s a second; a job that ends with hazard h is seen s/2 late on the average, and each
second of that is worth v. The sum is least at s = sqrt(2c / (v h)): look rarely while a job can't be done yet, and
often when it should be. So looks have a density over a job's age, sqrt(v h / 2c), and the next one comes where that
adds up to one. A job that still runs has told something: h is the hazard at its age, not the density of all ends.

The hazard is learned from the durations of earlier jobs of the kind, on a log scale. Each of them stands for a
lognormal distribution around it, so that a kind of two speeds, or of drifting ones, is known for what it is; where all
come from one lognormal, it costs no more than its fit. Added is what two jobs would weigh that may take any time: a
job that outlives all that is known is asked more and more rarely.
"""

import math
from bisect import bisect_left, bisect_right
from typing import Final

__all__ = ["CLOSEST", "LEAST", "MOST", "MOST_WORTH", "Durations", "least", "worth"]

LEAST: Final = 2.0
"""Seconds between two looks at the least (documented)."""
CLOSEST: Final = 1.0
"""The same while calls wait for jobs to end; the documents know no such case."""
MOST: Final = 15.0
"""Seconds between two looks at the most; the documents say 5, for jobs of which nothing is known."""
LOOK_COST: Final = 0.2
"""Seconds for which a job may be done unseen, to spare one look."""
REMEMBERED: Final = 64
"""How many durations of a kind are kept."""
MOST_WORTH: Final = 5.0
"""What a second may be worth at the most: a job of 20 s or more then gets hardly more looks than from a loop that makes
one every two seconds, but gets them when it should be done."""
PRIOR_JOBS: Final = 2
"""How many jobs the assumptions weigh as much as."""
PRIOR_SIGMA: Final = 0.5
"""The spread of log durations, before it is known."""
ANY_SIGMA: Final = 1.0
"""The same of jobs that may take any time."""
REFIT_SHARE: Final = 8
"""A fit serves until an eighth of the durations are new."""

_SHORTEST, _COARSE, _LONGEST = 0.0, 0.25, math.log(86_400.0)
_REACH: Final = 4.0
"""Bandwidths from the outermost durations within which the hazard changes quickly."""
_FLAT: Final = 6.0
"""Bandwidths beyond which a duration has no weight."""
_SQRT2: Final = math.sqrt(2.0)
_SQRT2PI: Final = math.sqrt(2.0 * math.pi)


class Durations:
    """What is known of how long the jobs of one kind take."""

    __slots__ = ("_ages", "_fresh", "_logs", "_looks")

    def __init__(self) -> None:
        self._logs: tuple[float, ...] = ()
        self._fresh = 0
        self._ages: list[float] = []
        """Ages for which the fit is known, in seconds; empty while nothing is known."""
        self._looks: list[float] = []
        """How many looks a job of each age should have had, where a second of lag is worth one."""

    def learn(self, after: float, before: float) -> None:
        """Note a job that ended between two looks, at these ages in seconds.

        One that nobody looked at for long says nothing.
        """
        if not 0 <= after < before <= after + 2 * MOST:
            return
        duration = max((after + before) / 2, LEAST / 4)
        self._logs = (*self._logs, math.log(duration))[-REMEMBERED:]
        self._fresh += 1
        if self._fresh * REFIT_SHARE >= len(self._logs):
            self._fresh = 0
            self._ages, self._looks = _fit(sorted(self._logs))

    def spacing(self, age: float, value: float = 1.0) -> float:
        """Return the seconds until the next look at a job that still runs at this age.

        `value` is what `worth` says. While no duration is known, it is what the documents show: 2, 3, then every 5 s.
        """
        if not self._ages:
            wanted = (2.0 if age < 1 else 3.0 if age < 4 else 5.0) / math.sqrt(value)
        else:
            at = _interpolate(self._ages, self._looks, age)
            wanted = _interpolate(self._looks, self._ages, at + 1 / math.sqrt(value)) - age
        return min(max(wanted, least(value)), MOST)


def least(value: float) -> float:
    """Return the seconds between two looks at the least, where a second is worth so much."""
    return CLOSEST if value > 1 else LEAST


def worth(*, backlog: int, running: int, free: float = 1.0) -> float:
    """Return what a second is worth for which a job is done unseen.

    Each of the `backlog` calls that wait for one of the `running` jobs to end waits that second too. `free` is the
    share that is left of the quota on which looks draw, if they do: where it is scarce, a look costs the more.
    """
    return min(1 + backlog / max(running, 1), MOST_WORTH) * max(free, 0.02)


def _fit(logs: list[float]) -> tuple[list[float], list[float]]:
    """Return ages, and how many looks a job should have had at each; `logs` are sorted."""
    count = len(logs)
    mean = math.fsum(logs) / count
    squares = math.fsum((log - mean) ** 2 for log in logs)
    variance = (PRIOR_JOBS * PRIOR_SIGMA**2 + squares) / (PRIOR_JOBS + count - 1) * (1 + 1 / count)
    width = 0.9 * math.sqrt(variance) * count**-0.2  # Silverman's rule
    ages, looks, total = [0.0], [0.0], 0.0
    log = _SHORTEST
    low, high = logs[0] - _REACH * width, logs[-1] + _REACH * width
    while log < _LONGEST:
        step = width / 2 if low <= log < high else min(_COARSE, low - log) if log < low else _COARSE
        age = math.exp(log + step)
        hazard = _log_hazard(logs, mean, width, log + step / 2) / math.exp(log + step / 2)
        total += math.sqrt(hazard / (2 * LOOK_COST)) * (age - ages[-1])
        log += step
        ages.append(age)
        looks.append(total)
    return ages, looks


def _log_hazard(logs: list[float], mean: float, width: float, log: float) -> float:
    """Return the hazard on the log scale: the density of ends over the share of jobs that still run."""
    z = (log - mean) / ANY_SIGMA
    density = PRIOR_JOBS * math.exp(-z * z / 2) / (ANY_SIGMA * _SQRT2PI)
    alive = PRIOR_JOBS * math.erfc(z / _SQRT2) / 2
    first, last = bisect_left(logs, log - _FLAT * width), bisect_right(logs, log + _FLAT * width)
    for known in logs[first:last]:
        z = (log - known) / width
        density += math.exp(-z * z / 2) / (width * _SQRT2PI)
        alive += math.erfc(z / _SQRT2) / 2
    return density / (alive + (len(logs) - last))  # alive may be too small to be added to a whole number


def _interpolate(xs: list[float], ys: list[float], x: float) -> float:
    """Return y at x between the points of a rising line; infinity beyond its end."""
    at = bisect_right(xs, x)
    if at == len(xs):
        return math.inf
    share = (x - xs[at - 1]) / (xs[at] - xs[at - 1])
    return ys[at - 1] + share * (ys[at] - ys[at - 1])
