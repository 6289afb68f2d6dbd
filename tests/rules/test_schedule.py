"""Spacing of polls, learned from durations, against the optimum."""

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import accumulate
from random import Random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.schedule import (
    BACKLOG_AGE,
    LEAST_SPACING,
    LEAST_SPACING_IN_BACKLOG,
    LUMA_PRIORS,
    MOST_POLL_VALUE,
    MOST_SPACING,
    MOST_SPACING_BY_PRIOR,
    POLL_COST,
    PRIOR_COST,
    PRIOR_ENDS,
    PRIOR_SIGMA,
    JobDurations,
    poll_value,
)

AGES = st.floats(min_value=0, max_value=1e6)
SECONDS = st.floats(min_value=0.1, max_value=5_000)
VALUES = st.floats(min_value=0.02, max_value=50)
USUAL = sorted(set(LUMA_PRIORS.values()))
PRIORS = st.none() | st.sampled_from(USUAL)
Spacing = Callable[[float], float]


def learned(seconds: Sequence[float], spread: float = 1.0, prior: float | None = None) -> JobDurations:
    """Learn durations that were each seen within so many seconds."""
    durations = JobDurations(prior)
    for duration in seconds:
        after = max(duration - spread / 2, 0.0)
        durations.learn(after, after + spread)
    return durations


def drawn(median: float, sigma: float, count: int = 64, seed: int = 7) -> list[float]:
    dice = Random(seed)
    return [dice.lognormvariate(math.log(median), sigma) for _ in range(count)]


def spread_out(median: float, sigma: float, count: int = 200) -> list[float]:
    """Return durations that are a lognormal distribution, without chance."""
    normal = NormalDist(math.log(median), sigma)
    return [math.exp(normal.inv_cdf((number + 0.5) / count)) for number in range(count)]


def looks(spacing: Spacing, duration: float) -> tuple[int, float]:
    """Return the looks at a job that ends at this age, and the seconds for which it was done unseen."""
    age, count = 0.0, 0
    while age < duration:
        age += spacing(age)
        count += 1
    return count, age - duration


def cost(spacing: Spacing, durations: Sequence[float], look_cost: float = POLL_COST) -> float:
    """Return what a job costs on the average, in seconds of lag."""
    found = [looks(spacing, duration) for duration in durations]
    return statistics.fmean(look_cost * count + lag for count, lag in found)


def cheapest(durations: Sequence[float], look_cost: float = POLL_COST) -> float:
    """Return the cost of the best of all schedules, known from trying every one on a grid of half seconds."""
    step, last = 0.5, 2 * math.ceil(max(durations))
    ended, seconds = [0] * (last + 1), [0.0] * (last + 1)
    for duration in durations:
        ended[math.ceil(duration / step)] += 1
        seconds[math.ceil(duration / step)] += duration
    ended, seconds = list(accumulate(ended)), list(accumulate(seconds))
    best = [0.0] * (last + 1)
    for age in range(last - 1, -1, -1):
        options: list[float] = []
        for wait in range(round(LEAST_SPACING / step), round(MOST_SPACING / step) + 1):
            to = min(age + wait, last)
            lag = (age + wait) * step * (ended[to] - ended[age]) - (seconds[to] - seconds[age])
            options.append(look_cost * (len(durations) - ended[age]) + lag + best[to])
        best[age] = min(options)
    return best[0] / len(durations)


def test_jobs_of_unknown_duration_are_polled_as_documented() -> None:
    ages = [0.0]
    while ages[-1] < 20:
        ages.append(ages[-1] + JobDurations().spacing(ages[-1]))
    assert ages == [0, 2, 5, 10, 15, 20]


@given(st.lists(SECONDS, max_size=80), PRIORS, AGES, VALUES)
def test_the_spacing_is_always_within_its_bounds(
    seconds: list[float], prior: float | None, age: float, value: float
) -> None:
    assert (
        (LEAST_SPACING_IN_BACKLOG if value > 1 else LEAST_SPACING)
        <= learned(seconds, prior=prior).spacing(age, value)
        <= MOST_SPACING
    )


@given(st.lists(SECONDS, max_size=80), PRIORS, AGES, VALUES, VALUES)
def test_a_higher_value_of_a_second_never_delays_a_poll(
    seconds: list[float], prior: float | None, age: float, one: float, other: float
) -> None:
    durations, (low, high) = learned(seconds, prior=prior), sorted((one, other))
    assert durations.spacing(age, high) <= durations.spacing(age, low)


@given(st.lists(SECONDS, min_size=1, max_size=80), PRIORS, AGES, st.floats(min_value=0, max_value=30))
def test_waiting_never_brings_the_next_poll_forward(
    seconds: list[float], prior: float | None, age: float, later: float
) -> None:
    durations = learned(seconds, prior=prior)
    if LEAST_SPACING < durations.spacing(age) < MOST_SPACING:
        assert age + durations.spacing(age) <= age + later + durations.spacing(age + later) + 1e-6


@given(st.lists(SECONDS, max_size=64), st.lists(SECONDS, max_size=64), AGES)
def test_only_the_last_jobs_count(some: list[float], others: list[float], age: float) -> None:
    kept = drawn(40, 0.3, count=128)
    others = (others + [1.0] * len(some))[: len(some)]
    assert learned(some + kept).spacing(age) == learned(others + kept).spacing(age)


@given(st.permutations(drawn(40, 0.5, count=7)), AGES)
def test_the_order_of_the_jobs_does_not_matter(seconds: list[float], age: float) -> None:
    assert math.isclose(learned(seconds).spacing(age), learned(sorted(seconds)).spacing(age), abs_tol=1e-6)


@pytest.mark.parametrize("sigma", [0.1, 0.2, 0.4, 0.7])
@pytest.mark.parametrize("median", [8.0, 40.0, 200.0])
def test_the_learned_schedule_costs_at_most_a_quarter_more_than_the_optimum(median: float, sigma: float) -> None:
    ours = learned(drawn(median, sigma)).spacing
    others = drawn(median, sigma, count=1_000, seed=8)
    assert cost(ours, others) < 1.25 * cheapest(others)
    assert cost(ours, others) < cost(lambda _: 5.0, others)


@pytest.mark.parametrize("split", [0.2, 0.5, 0.8])
def test_two_typical_durations_of_one_type_are_both_learned(split: float) -> None:
    def mixed(count: int, seed: int) -> list[float]:
        quick = round(count * split)
        return [*drawn(12, 0.15, quick, seed), *drawn(90, 0.15, count - quick, seed)]

    ours, others = learned(mixed(64, 7)).spacing, mixed(1_000, 8)
    assert cost(ours, others) < 1.35 * cheapest(others)
    assert ours(25) > ours(10), "between the two it need not be looked for"


@pytest.mark.parametrize("prior", USUAL)
def test_a_prior_alone_is_at_most_a_third_dearer_than_the_best_of_all_schedules(prior: float) -> None:
    others, look_cost = spread_out(prior, PRIOR_SIGMA), PRIOR_COST / prior
    assert cost(JobDurations(prior).spacing, others, look_cost) < 4 / 3 * cheapest(others, look_cost)


@pytest.mark.parametrize("sigma", [0.05, 0.2])
@pytest.mark.parametrize("prior", USUAL)
def test_a_prior_saves_four_polls_of_ten_and_no_end_is_seen_later(prior: float, sigma: float) -> None:
    ours, documented = (
        [looks(durations.spacing, end) for end in spread_out(prior, sigma)]
        for durations in (JobDurations(prior), JobDurations())
    )
    assert statistics.fmean(count for count, _ in ours) < 0.6 * statistics.fmean(count for count, _ in documented)
    assert statistics.fmean(lag for _, lag in ours) < 1.1 * statistics.fmean(lag for _, lag in documented)


@given(st.sampled_from(USUAL), st.floats(min_value=0.1, max_value=5_000))
def test_a_prior_that_is_wrong_makes_no_end_be_seen_much_later(prior: float, duration: float) -> None:
    _, lag = looks(JobDurations(prior).spacing, duration)
    assert lag <= min(max(MOST_SPACING_BY_PRIOR, duration), MOST_SPACING)


@given(st.sampled_from(USUAL), AGES, st.floats(min_value=1, max_value=50, exclude_min=True))
def test_while_calls_wait_an_old_job_with_a_prior_alone_is_polled_at_the_least_spacing(
    prior: float, age: float, value: float
) -> None:
    assert age + JobDurations(prior).spacing(age, value) <= max(age, BACKLOG_AGE) + LEAST_SPACING


@given(st.lists(SECONDS, min_size=PRIOR_ENDS, max_size=80), st.sampled_from(USUAL), AGES, VALUES)
def test_a_prior_is_gone_when_a_few_jobs_have_ended(
    seconds: list[float], prior: float, age: float, value: float
) -> None:
    assert learned(seconds, prior=prior).spacing(age, value) == learned(seconds).spacing(age, value)


@pytest.mark.parametrize("seconds", [15.0, 30.0, 130.0, 240.0])
def test_after_two_jobs_a_prior_that_was_wrong_costs_at_most_a_quarter_more_than_none(seconds: float) -> None:
    def product(prior: float | None) -> float:
        durations = learned([seconds, seconds], prior=prior)
        found = [looks(durations.spacing, end) for end in spread_out(seconds, 0.1)]
        return statistics.fmean(count for count, _ in found) * statistics.fmean(lag for _, lag in found)

    assert product(65.0) < 1.25 * product(None)


def test_after_one_job_polls_are_rare_while_a_job_cannot_have_ended() -> None:
    assert learned([200]).spacing(0) == MOST_SPACING
    assert learned([200]).spacing(190) < MOST_SPACING


def test_a_job_that_outlives_all_others_is_asked_more_and_more_rarely() -> None:
    durations = learned(drawn(40, 0.2))
    spacings = [durations.spacing(age) for age in (40, 120, 400, 1_500, 5_000, 1e6)]
    assert spacings == sorted(spacings)
    assert spacings[0] == LEAST_SPACING
    assert spacings[-1] == MOST_SPACING


def test_kinds_that_become_slower_are_followed() -> None:
    durations = learned([*drawn(20, 0.2), *drawn(120, 0.2)])
    assert durations.spacing(20) > 10
    assert durations.spacing(120) < 4


def test_a_job_that_was_not_polled_for_long_teaches_nothing() -> None:
    durations = JobDurations()
    durations.learn(10, 3_600)
    durations.learn(10, 10)
    durations.learn(-5, 5)
    assert [durations.spacing(age) for age in (0, 2, 5)] == [2, 3, 5]


def test_a_job_that_had_ended_at_the_first_poll_counts() -> None:
    durations = JobDurations()
    durations.learn(0, 4)
    assert durations.spacing(0) == LEAST_SPACING


def test_a_second_is_worth_more_the_more_calls_wait_for_a_job_to_end() -> None:
    assert poll_value(backlog=0, running=10) == 1
    assert poll_value(backlog=30, running=10) == 4
    assert poll_value(backlog=3, running=0) == 4
    assert poll_value(backlog=5_000, running=10) == MOST_POLL_VALUE
    unknown = JobDurations()
    assert unknown.spacing(60, poll_value(backlog=30, running=10)) == 2.5


@pytest.mark.parametrize("median", [22.0, 35.0, 80.0])
def test_whatever_the_backlog_a_job_gets_hardly_more_polls_than_by_the_documented_loop(
    median: float,
) -> None:
    durations, others = learned(drawn(median, 0.35)), drawn(median, 0.35, count=1_000, seed=8)
    ours = [looks(lambda age: durations.spacing(age, poll_value(backlog=5_000, running=10)), end) for end in others]
    loop = [looks(lambda _: LEAST_SPACING, end) for end in others]
    assert statistics.fmean(count for count, _ in ours) < 1.15 * statistics.fmean(count for count, _ in loop)
    assert statistics.fmean(lag for _, lag in ours) < 0.9 * statistics.fmean(lag for _, lag in loop)


def test_polls_get_rarer_as_their_quota_runs_out() -> None:
    assert poll_value(backlog=0, running=10, free=0.25) == 0.25
    assert poll_value(backlog=0, running=10, free=0) > 0
    assert JobDurations().spacing(60, poll_value(backlog=0, running=10, free=0.25)) == 10


@given(st.lists(SECONDS, max_size=80), PRIORS, AGES, st.floats(min_value=0.01, max_value=0.9))
def test_what_remains_is_never_negative_and_grows_with_the_share(
    seconds: list[float], prior: float | None, age: float, share: float
) -> None:
    durations = learned(seconds, prior=prior)
    some, more = durations.remaining(age, share), durations.remaining(age, share + 0.09)
    if not durations.known and prior is None:
        assert some is None
    elif age < 86_400:
        assert some is not None
        assert more is not None
        assert 0 <= some <= more
    assert durations.remaining(1e6, share) is None


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("age", [0.0, 20.0, 45.0])
def test_what_remains_is_that_of_the_jobs_which_ran_as_long(age: float, share: float) -> None:
    seconds = spread_out(40.0, 0.4, 64)
    left = sorted(each - age for each in seconds if each > age)
    remaining = learned(seconds).remaining(age, share)
    assert remaining is not None
    assert abs(remaining - left[int(share * len(left))]) < 6


def test_what_remains_of_jobs_with_two_typical_durations_depends_on_the_age() -> None:
    durations = learned([20.0] * 40 + [100.0] * 20)
    young, old = durations.remaining(5.0), durations.remaining(40.0)
    assert young == pytest.approx(15, abs=4)
    assert old == pytest.approx(60, abs=6)
    assert durations.known == 60


def test_what_usually_remains_is_known_before_any_job_has_ended() -> None:
    assert JobDurations(60.0).remaining(0.0) == pytest.approx(60, abs=3)
    assert JobDurations(60.0).remaining(50.0) == pytest.approx(14, abs=4)
    assert JobDurations().remaining(0.0) is None
