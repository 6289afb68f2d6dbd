"""Decides when to poll a job again.

Polls at a spacing of s cost c/s a second; a job that ends with hazard h is noticed s/2 late on the average, and each
second of lag is worth v. The sum is least at s = sqrt(2c / (v h)): poll rarely while a job can't have ended yet, and
often when it should have. So polls have a density over a job's age, sqrt(v h / 2c), and the next one is made where that
adds up to one. A job that still runs tells something: h is the hazard at its age, not the density of all ends.

The hazard is learned from the durations of earlier jobs of the kind, on a log scale. Each of them stands for a
lognormal distribution around it, so that two typical durations, or drifting ones, are represented as they are; where
all come from one lognormal, this costs no more than its fit. Two assumed jobs of any duration are added: a job that
outlives all known ones is polled more and more rarely.

Before the first job of a kind has ended, a prior stands in for the durations: a lognormal distribution around the
seconds that such a job usually takes. It has most of the weight of those two jobs, loses it with each job that ends,
and is gone after five. A prior may be wrong. So while there is nothing else, an end is noticed at most
`MOST_SPACING_BY_PRIOR` seconds late, or as many as the job took if that is more, but never more than `MOST_SPACING`;
and while calls wait for jobs to end, at most `LEAST_SPACING` seconds late once the job is older than `BACKLOG_AGE`.

How long jobs usually take, in seconds:

| model | type | prior | from |
|---|---|---|---|
| `uni-1` | `image` | 30 | measured: about 31; page: 15 to 60 |
| `uni-1` | `image_edit` | 65 | measured: 62 to 69; page: 30 to 60 |
| `uni-1` | `layering` | 65 | assumed: as an edit |
| `uni-1-max` | `image` | 45 | assumed: to `uni-1` as their edits are to each other; page: 15 to 60 |
| `uni-1-max` | `image_edit` | 90 | measured: 93 |
| `ray-3.2` | `video` | 100 | page: 5 s at 720p under 120 |
| `ray-3.2` | `video_edit` | 600 | assumed; users of a reseller saw 300 to 900 |
| `ray-3.2` | `video_reframe` | 600 | assumed; users of a reseller saw 300 to 900 |
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

__all__ = [
    "BACKLOG_AGE",
    "LEAST_SPACING",
    "LEAST_SPACING_IN_BACKLOG",
    "LUMA_PRIORS",
    "MOST_POLL_VALUE",
    "MOST_SPACING",
    "MOST_SPACING_BY_PRIOR",
    "Durations",
    "least_spacing",
    "poll_value",
]

LEAST_SPACING: Final = 2.0
"""Least seconds between two polls (documented)."""
LEAST_SPACING_IN_BACKLOG: Final = 1.0
"""The same while calls wait for jobs to end; the documents don't mention that case."""
MOST_SPACING: Final = 15.0
"""Most seconds between two polls; the documents say 5, for jobs of unknown duration."""
POLL_COST: Final = 0.2
"""Seconds of lag that are worth one poll."""
DURATIONS_KEPT: Final = 64
"""Number of durations that are kept of each kind."""
MOST_POLL_VALUE: Final = 5.0
"""The highest value of a second of lag: a job of 20 s or more then gets hardly more polls than from a loop that polls
every two seconds, but at better times."""
LUMA_PRIORS: Final[Mapping[tuple[str, str], float]] = {
    ("uni-1", "image"): 30.0,
    ("uni-1", "image_edit"): 65.0,
    ("uni-1", "layering"): 65.0,
    ("uni-1-max", "image"): 45.0,
    ("uni-1-max", "image_edit"): 90.0,
    ("ray-3.2", "video"): 100.0,
    ("ray-3.2", "video_edit"): 600.0,
    ("ray-3.2", "video_reframe"): 600.0,
}
"""The seconds that Luma's jobs usually take, by model and type; the sources are in the table above."""
ASSUMED_JOBS: Final = 2
"""How many jobs the assumptions weigh as much as."""
ASSUMED_SIGMA: Final = 0.5
"""The spread of log durations, before it is known."""
ANY_SIGMA: Final = 1.0
"""The same of jobs that may take any time."""
PRIOR_SIGMA: Final = 0.25
"""The same around a prior."""
PRIOR_SHARE: Final = 0.875
"""What part of the assumptions' weight a prior has, before any job has ended."""
PRIOR_ENDS: Final = 5
"""After how many jobs that ended it has none."""
PRIOR_COST: Final = 34.0
"""The cost of a poll while there is only a prior, instead of `POLL_COST`: this, divided by the prior.

Ends are then noticed about 2.5 s late, whatever the prior: as late as by a poll every five seconds, with fewer polls.
"""
MOST_SPACING_BY_PRIOR: Final = 10.0
"""Most seconds between two polls of a job of no greater age, while there is only a prior."""
BACKLOG_AGE: Final = 15.0
"""Age in seconds from which a job is polled every `LEAST_SPACING` seconds, while there is only a prior and calls wait
for jobs to end."""
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
    """What is known of how long the jobs of one kind take.

    `prior` is how many seconds they usually take, as far as that is known before the first of them has ended.
    """

    __slots__ = ("_ages", "_fresh", "_logs", "_polls", "_prior")

    def __init__(self, prior: float | None = None) -> None:
        self._prior = None if prior is None else math.log(prior)
        self._logs: tuple[float, ...] = ()
        self._fresh = 0
        self._ages: list[float] = []
        """Ages for which the fit is known, in seconds; empty while nothing is known."""
        self._polls: list[float] = []
        """Number of polls that a job of each age should have had, where a second of lag has the value 1."""
        if self._prior is not None:
            self._ages, self._polls = _fit([], self._prior)

    def learn(self, after: float, before: float) -> None:
        """Learn from a job that ended between two polls, at these ages in seconds.

        A job that was not polled for long says nothing.
        """
        if not 0 <= after < before <= after + 2 * MOST_SPACING:
            return
        duration = max((after + before) / 2, LEAST_SPACING / 4)
        self._logs = (*self._logs, math.log(duration))[-DURATIONS_KEPT:]
        self._fresh += 1
        if self._fresh * REFIT_SHARE >= len(self._logs):
            self._fresh = 0
            self._ages, self._polls = _fit(sorted(self._logs), self._prior)

    def spacing(self, age: float, value: float = 1.0) -> float:
        """Return the seconds until the next poll of a job that still runs at this age.

        `value` is what `worth` says. While nothing is known, it is what the documents show: 2, 3, then every 5 s.
        """
        if not self._ages:
            wanted = (2.0 if age < 1 else 3.0 if age < 4 else 5.0) / math.sqrt(value)
        else:
            at = _interpolate(self._ages, self._polls, age)
            wanted = _interpolate(self._polls, self._ages, at + 1 / math.sqrt(value)) - age
        return min(max(wanted, least_spacing(value)), self._most(age, value))

    def _most(self, age: float, value: float) -> float:
        """Return the most seconds until the next poll: a prior may be wrong."""
        if self._prior is None or self._logs:
            return MOST_SPACING
        most = min(max(MOST_SPACING_BY_PRIOR, age), MOST_SPACING)
        return min(most, max(BACKLOG_AGE - age, 0.0) + LEAST_SPACING) if value > 1 else most


def least_spacing(value: float) -> float:
    """Return the least seconds between two polls, for the value of a second."""
    return LEAST_SPACING_IN_BACKLOG if value > 1 else LEAST_SPACING


def poll_value(*, backlog: int, running: int, free: float = 1.0) -> float:
    """Return the value of a second by which the end of a job is noticed earlier.

    Each of the `backlog` calls that wait for one of the `running` jobs waits that second too. `free` is the remaining
    share of the quota that polls use, if they use one: where it is small, a poll costs more.
    """
    return min(1 + backlog / max(running, 1), MOST_POLL_VALUE) * max(free, 0.02)


class _PseudoJobs(NamedTuple):
    """A lognormal distribution that is assumed, and how many jobs it weighs as much as."""

    jobs: float
    log: float
    sigma: float


def _fit(logs: list[float], prior: float | None) -> tuple[list[float], list[float]]:
    """Return ages, and the number of polls due by each; `logs` are sorted, and `prior` is a log as well."""
    trust = 0.0 if prior is None else max(1 - len(logs) / PRIOR_ENDS, 0.0)
    width = _bandwidth(logs)
    assumed = _pseudo_jobs(logs, prior or 0.0, trust)
    cost = POLL_COST * math.pow(PRIOR_COST / math.exp(prior or 0.0) / POLL_COST, trust)
    narrow = [(log, width) for log in logs[:1] + logs[-1:]] + [(one.log, one.sigma) for one in assumed[1:]]
    ages, polls, total = [0.0], [0.0], 0.0
    for log, step in _steps(narrow):
        age = math.exp(log + step)
        hazard = _log_hazard(logs, width, assumed, log + step / 2) / math.exp(log + step / 2)
        total += math.sqrt(hazard / (2 * cost)) * (age - ages[-1])
        ages.append(age)
        polls.append(total)
    return ages, polls


def _bandwidth(logs: list[float]) -> float:
    """Return how far from a known duration others are to be expected."""
    count = len(logs)
    if not count:
        return ASSUMED_SIGMA
    mean = math.fsum(logs) / count
    squares = math.fsum((log - mean) ** 2 for log in logs)
    variance = (ASSUMED_JOBS * ASSUMED_SIGMA**2 + squares) / (ASSUMED_JOBS + count - 1) * (1 + 1 / count)
    return 0.9 * math.sqrt(variance) * math.pow(count, -0.2)  # Silverman's rule


def _pseudo_jobs(logs: list[float], prior: float, trust: float) -> list[_PseudoJobs]:
    """Return what is added to the known durations: first the jobs that may take any time, then the prior, if any."""
    jobs = ASSUMED_JOBS * PRIOR_SHARE * trust
    mean = (math.fsum(logs) + jobs * prior) / (len(logs) + jobs)
    anything = _PseudoJobs(ASSUMED_JOBS - jobs, mean, ANY_SIGMA)
    return [anything, _PseudoJobs(jobs, prior, PRIOR_SIGMA)] if jobs else [anything]


def _steps(narrow: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield log ages with the step to the next, small ones around those distributions (centre and spread)."""
    low = min(centre - _REACH * sigma for centre, sigma in narrow)
    high = max(centre + _REACH * sigma for centre, sigma in narrow)
    fine = min(sigma for _, sigma in narrow) / 2
    log = _SHORTEST
    while log < _LONGEST:
        step = fine if low <= log < high else min(_COARSE, low - log) if log < low else _COARSE
        yield log, step
        log += step


def _log_hazard(logs: list[float], width: float, assumed: list[_PseudoJobs], log: float) -> float:
    """Return the hazard on the log scale: the density of ends over the share of jobs that still run."""
    density = alive = 0.0
    for jobs, centre, sigma in assumed:
        z = (log - centre) / sigma
        density += jobs * math.exp(-z * z / 2) / (sigma * _SQRT2PI)
        alive += jobs * math.erfc(z / _SQRT2) / 2
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
