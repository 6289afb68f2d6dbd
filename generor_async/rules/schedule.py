"""Decides when to poll a job again: rarely while it can't have ended yet, and often when it should have.

Backoff that grows does the opposite. Polls at a spacing of s cost c/s a second; a job that ends with hazard h is
noticed s/2 late on average, and each second of lag costs v. The sum is least at s = sqrt(2c / (v h)). So polls have a
density over a job's age, sqrt(v h / 2c), and the next poll is due where its integral has grown by one. h is the hazard
at the job's age, because it is known that the job still runs.

The hazard is learned from the durations of the last jobs of the same type, on a log scale, as a sum of lognormals
around each of them: so two typical durations, or drifting ones, are represented as they are. Two assumed jobs of any
duration are added, so that a job that outlives all known ones is polled ever more rarely.

Until five jobs have ended, a prior stands in for durations: a lognormal around the usual seconds of such a job. It may
be wrong. So while there is only a prior, an end is noticed at most `MOST_SPACING_BY_PRIOR` seconds late (or as long as
the job took, up to `MOST_SPACING`), and while calls wait for slots at most `LEAST_SPACING` seconds late once the job is
older than `BACKLOG_AGE`.
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
    "JobDurations",
    "least_spacing",
    "poll_value",
]

LEAST_SPACING: Final = 2.0
"""Least seconds between two polls (documented)."""
LEAST_SPACING_IN_BACKLOG: Final = 1.0
"""The same while calls wait for slots; the documents don't mention that case."""
MOST_SPACING: Final = 15.0
"""Most seconds between two polls; the documents say 5, for jobs of unknown duration."""
POLL_COST: Final = 0.2
"""Cost of one poll, in seconds of lag."""
DURATIONS_KEPT: Final = 64
"""Number of durations that are kept."""
MEAN_KEPT: Final = 128
"""Number of durations that the mean is of, about."""
MOST_POLL_VALUE: Final = 5.0
"""Highest value of a second of lag: a job of 20 s or more then gets hardly more polls than from a loop that polls
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
"""The seconds that Luma's jobs usually take, by model and type.

Measured: `uni-1` 31, its edits 62 to 69, edits of `uni-1-max` 93. Page: images 15 to 60, edits 30 to 60, a video of 5 s
at 720p under 120. Assumed: layering as an edit; `uni-1-max` to `uni-1` as their edits; edits of videos, for which users
of a reseller saw 300 to 900.
"""
ASSUMED_JOBS: Final = 2
"""Weight of the assumptions, in jobs."""
ASSUMED_SIGMA: Final = 0.5
"""Standard deviation of log durations before it is known."""
ANY_SIGMA: Final = 1.0
"""The same for jobs of any duration."""
PRIOR_SIGMA: Final = 0.25
"""The same for a prior."""
PRIOR_SHARE: Final = 0.875
"""The prior's part of the weight of the assumptions, before any job has ended."""
PRIOR_ENDS: Final = 5
"""Number of ended jobs after which the prior has no weight."""
PRIOR_COST: Final = 34.0
"""This divided by the prior is the cost of a poll while there is only a prior.

Ends are then noticed about 2.5 s late whatever the prior: as late as by polls every five seconds, with fewer polls.
"""
MOST_SPACING_BY_PRIOR: Final = 10.0
"""Most seconds between two polls of a job of no greater age, while there is only a prior."""
BACKLOG_AGE: Final = 15.0
"""Age in seconds from which a job is polled every `LEAST_SPACING` seconds while there is only a prior and calls
wait for slots."""
REFIT_SHARE: Final = 8
"""A fit is used until one of so many durations is new."""

_SHORTEST, _COARSE, _LONGEST = 0.0, 0.25, math.log(86_400.0)
_REACH: Final = 4.0
"""Bandwidths from the outermost durations within which the hazard changes quickly."""
_FLAT: Final = 6.0
"""Bandwidths beyond which a duration has no weight."""
_SQRT2: Final = math.sqrt(2.0)
_SQRT2PI: Final = math.sqrt(2.0 * math.pi)


class JobDurations:
    """The known durations of one type of jobs, and the spacing of polls that follows.

    `prior` is the usual duration in seconds; None where it is unknown.
    """

    __slots__ = ("_ages", "_ends", "_fresh", "_learned", "_logs", "_mean", "_polls", "_prior")

    def __init__(self, prior: float | None = None) -> None:
        self._prior = None if prior is None else math.log(prior)
        self._logs: tuple[float, ...] = ()
        self._fresh = 0
        self._learned = 0
        self._mean = 0.0
        self._ages: list[float] = []
        """The ages of the fit, in seconds; empty while nothing is known."""
        self._polls: list[float] = []
        """The polls due by each of these ages, where a second of lag has the value 1."""
        self._ends: list[float] = []
        """The hazard summed up to each of these ages."""
        if self._prior is not None:
            self._ages, self._polls, self._ends = _fit([], self._prior)

    def learn(self, after: float, before: float) -> None:
        """Learn from a job that ended between two polls, at these ages in seconds.

        Polls that are too far apart are ignored.
        """
        if not 0 <= after < before <= after + 2 * MOST_SPACING:
            return
        duration = max((after + before) / 2, LEAST_SPACING / 4)
        self._learned += 1
        self._mean += (duration - self._mean) / min(self._learned, MEAN_KEPT)
        self._logs = (*self._logs, math.log(duration))[-DURATIONS_KEPT:]
        self._fresh += 1
        if self._fresh * REFIT_SHARE >= len(self._logs):
            self._fresh = 0
            self._ages, self._polls, self._ends = _fit(sorted(self._logs), self._prior)

    def spacing(self, age: float, value: float = 1.0) -> float:
        """Return the seconds until the next poll of a job that still runs at this age.

        `value` is that of `poll_value`. While nothing is known, the spacing is the documented one: 2, 3, then 5 s.
        """
        if not self._ages:
            wanted = (2.0 if age < 1 else 3.0 if age < 4 else 5.0) / math.sqrt(value)
        else:
            at = _interpolate(self._ages, self._polls, age)
            wanted = _interpolate(self._polls, self._ages, at + 1 / math.sqrt(value)) - age
        return min(max(wanted, least_spacing(value)), self._most(age, value))

    @property
    def known(self) -> int:
        """By how many durations the mean is known."""
        return min(self._learned, MEAN_KEPT)

    @property
    def mean(self) -> float:
        """The mean duration in seconds; 0 where none is known."""
        return self._mean

    def remaining(self, age: float, share: float = 0.5) -> float | None:
        """Return the seconds within which this share of the jobs of an age end; None where nothing is known of them."""
        if not self._ages or age >= self._ages[-1]:
            return None
        ended = _interpolate(self._ages, self._ends, age) - math.log1p(-share)
        return max(min(_interpolate(self._ends, self._ages, ended), self._ages[-1]) - age, 0.0)

    def _most(self, age: float, value: float) -> float:
        """Return the longest spacing, in seconds; it is shorter while there is only a prior, which may be wrong."""
        if self._prior is None or self._logs:
            return MOST_SPACING
        most = min(max(MOST_SPACING_BY_PRIOR, age), MOST_SPACING)
        return min(most, max(BACKLOG_AGE - age, 0.0) + LEAST_SPACING) if value > 1 else most


def least_spacing(value: float) -> float:
    """Return the least seconds between two polls for a value of `poll_value`."""
    return LEAST_SPACING_IN_BACKLOG if value > 1 else LEAST_SPACING


def poll_value(*, backlog: int, running: int, free: float = 1.0) -> float:
    """Return the value of noticing the end of a job one second earlier.

    Each of the `backlog` calls that wait for one of the `running` jobs waits that second, too. `free` is the remaining
    share of the quota that polls use, if any: where it is small, a poll costs more.
    """
    return min(1 + backlog / max(running, 1), MOST_POLL_VALUE) * max(free, 0.02)


class _PseudoJobs(NamedTuple):
    """An assumed lognormal distribution, and its weight in jobs."""

    jobs: float
    log: float
    sigma: float


def _fit(logs: list[float], prior: float | None) -> tuple[list[float], list[float], list[float]]:
    """Return ages, and by each of them the number of polls due, and the summed hazard.

    `logs` are sorted, and `prior` is a logarithm, too.
    """
    trust = 0.0 if prior is None else max(1 - len(logs) / PRIOR_ENDS, 0.0)
    width = _bandwidth(logs)
    assumed = _pseudo_jobs(logs, prior or 0.0, trust)
    cost = POLL_COST * math.pow(PRIOR_COST / math.exp(prior or 0.0) / POLL_COST, trust)
    narrow = [(log, width) for log in logs[:1] + logs[-1:]] + [(one.log, one.sigma) for one in assumed[1:]]
    ages, polls, ends, total, ended = [0.0], [0.0], [0.0], 0.0, 0.0
    for log, step in _steps(narrow):
        age = math.exp(log + step)
        hazard = _log_hazard(logs, width, assumed, log + step / 2) / math.exp(log + step / 2)
        total += math.sqrt(hazard / (2 * cost)) * (age - ages[-1])
        ended += hazard * (age - ages[-1])
        ages.append(age)
        polls.append(total)
        ends.append(ended)
    return ages, polls, ends


def _bandwidth(logs: list[float]) -> float:
    """Return the bandwidth of the kernel density (Silverman's rule)."""
    count = len(logs)
    if not count:
        return ASSUMED_SIGMA
    mean = math.fsum(logs) / count
    squares = math.fsum((log - mean) ** 2 for log in logs)
    variance = (ASSUMED_JOBS * ASSUMED_SIGMA**2 + squares) / (ASSUMED_JOBS + count - 1) * (1 + 1 / count)
    return 0.9 * math.sqrt(variance) * math.pow(count, -0.2)


def _pseudo_jobs(logs: list[float], prior: float, trust: float) -> list[_PseudoJobs]:
    """Return the distributions that are added to the known durations: jobs of any duration, then the prior."""
    jobs = ASSUMED_JOBS * PRIOR_SHARE * trust
    mean = (math.fsum(logs) + jobs * prior) / (len(logs) + jobs)
    anything = _PseudoJobs(ASSUMED_JOBS - jobs, mean, ANY_SIGMA)
    return [anything, _PseudoJobs(jobs, prior, PRIOR_SIGMA)] if jobs else [anything]


def _steps(narrow: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield log ages, each with the step to the next; steps are small around these distributions (centre, sigma)."""
    low = min(centre - _REACH * sigma for centre, sigma in narrow)
    high = max(centre + _REACH * sigma for centre, sigma in narrow)
    fine = min(sigma for _, sigma in narrow) / 2
    log = _SHORTEST
    while log < _LONGEST:
        step = fine if low <= log < high else min(_COARSE, low - log) if log < low else _COARSE
        yield log, step
        log += step


def _log_hazard(logs: list[float], width: float, assumed: list[_PseudoJobs], log: float) -> float:
    """Return the hazard on the log scale: the density of ends divided by the share of jobs that still run."""
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
    """Interpolate y at x on a rising line; infinity beyond its end."""
    at = bisect_right(xs, x)
    if at == len(xs):
        return math.inf
    share = (x - xs[at - 1]) / (xs[at] - xs[at - 1])
    return ys[at - 1] + share * (ys[at] - ys[at - 1])
