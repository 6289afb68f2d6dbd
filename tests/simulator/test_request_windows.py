"""Request windows, compared with a model that keeps every request in a list."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.simulator.request_windows import RequestWindow, admit_all

START = 1712592000.0
gaps = st.lists(st.integers(0, 200).map(lambda tenths: tenths / 4), max_size=60)


def arrivals(steps: list[float]) -> list[float]:
    now, times = START, list[float]()
    for step in steps:
        now += step
        times.append(now)
    return times


@given(gaps, st.integers(1, 5), st.booleans())
def test_a_sliding_window_agrees_with_a_list_of_all_requests(
    steps: list[float], limit: int, count_rejected: bool
) -> None:
    window, counted = RequestWindow(limit, 60.0, count_rejected=count_rejected), list[float]()
    for now in arrivals(steps):
        recent = [at for at in counted if now - at < 60]
        verdict = window.admit(now)
        assert verdict.allowed == (len(recent) < limit)
        if verdict.allowed or count_rejected:
            counted.append(now)
            recent.append(now)
        assert verdict.remaining == max(0, limit - len(recent))
        assert verdict.reset_at == recent[0] + 60
        assert verdict.retry_after == max(1, math.ceil(recent[0] + 60 - now))


@given(gaps, st.integers(1, 5), st.booleans())
def test_a_fixed_window_agrees_with_a_count_by_minute(steps: list[float], limit: int, count_rejected: bool) -> None:
    window, counted = RequestWindow(limit, 60.0, kind="fixed", count_rejected=count_rejected), list[float]()
    for now in arrivals(steps):
        minute = now // 60
        before = sum(at // 60 == minute for at in counted)
        verdict = window.admit(now)
        assert verdict.allowed == (before < limit)
        if verdict.allowed or count_rejected:
            counted.append(now)
        assert verdict.reset_at == (minute + 1) * 60
        assert 1 <= verdict.retry_after <= 60


@given(gaps, st.integers(1, 4), st.integers(1, 8))
def test_several_windows_take_a_request_together_or_not_at_all(steps: list[float], short: int, long: int) -> None:
    windows = (RequestWindow(short, 20.0), RequestWindow(long, 300.0))
    taken = list[float]()
    for now in arrivals(steps):
        fits = (
            sum(now - at < 20 for at in taken) < short,
            sum(now - at < 300 for at in taken) < long,
        )
        allowed, verdict = admit_all(windows, now)
        assert allowed == verdict.allowed == all(fits)
        if allowed:
            taken.append(now)
        assert [window.peek(now).remaining for window in windows] == [
            short - sum(now - at < 20 for at in taken),
            long - sum(now - at < 300 for at in taken),
        ]


@given(gaps)
def test_no_stretch_of_a_minute_ever_holds_more_than_the_limit(steps: list[float]) -> None:
    window = RequestWindow(3, 60.0)
    taken = [now for now in arrivals(steps) if window.admit(now).allowed]
    assert all(later - earlier >= 60 for earlier, later in zip(taken, taken[3:], strict=False))


def test_a_request_waits_until_the_oldest_one_ages_out() -> None:
    window = RequestWindow(2, 60.0)
    window.admit(START)
    window.admit(START + 10)
    verdict = window.admit(START + 48)
    assert (verdict.allowed, verdict.retry_after, verdict.reset_at) == (False, 12, START + 60)
    assert window.admit(START + 60).allowed


def test_retry_after_is_never_less_than_a_second() -> None:
    window = RequestWindow(1, 60.0)
    window.admit(START)
    assert window.admit(START + 59.9).retry_after == 1


def test_a_rejected_request_does_not_count_by_default() -> None:
    lenient, strict = RequestWindow(1, 60.0), RequestWindow(1, 60.0, count_rejected=True)
    for window in (lenient, strict):
        window.admit(START)
        window.admit(START + 30)
    assert lenient.admit(START + 60).allowed
    assert not strict.admit(START + 60).allowed


def test_what_came_to_nothing_is_taken_back_as_long_as_it_counts() -> None:
    window = RequestWindow(3, 60.0)
    for now in (START, START + 10, START + 20):
        window.admit(now)
    window.uncount(START + 10)
    window.uncount(START + 10)
    assert (window.peek(START + 30).remaining, window.peek(START + 30).reset_at) == (1, START + 60)
    assert window.admit(START + 70).remaining == 1
    window.uncount(START)
    assert window.peek(START + 70).remaining == 1


weighed = st.lists(st.tuples(st.integers(0, 200).map(lambda tenths: tenths / 4), st.integers(1, 4)), max_size=40)


@given(weighed, st.integers(1, 6))
def test_a_request_of_some_weight_counts_as_many(steps: list[tuple[float, int]], limit: int) -> None:
    window, taken = RequestWindow(limit, 60.0), list[tuple[float, int]]()
    for now, (_, weight) in zip(arrivals([pause for pause, _ in steps]), steps, strict=True):
        used = sum(units for at, units in taken if now - at < 60)
        verdict = window.admit(now, weight)
        assert verdict.allowed is (used + weight <= limit)
        if verdict.allowed:
            taken.append((now, weight))
            used += weight
        assert verdict.remaining == limit - used


def test_what_is_taken_back_is_taken_back_with_its_weight() -> None:
    window = RequestWindow(7, 60.0)
    window.admit(START, 2)
    window.admit(START + 10, 3)
    window.uncount(START + 10, 3)
    assert window.peek(START + 10).remaining == 5


def test_looking_does_not_count() -> None:
    window = RequestWindow(1, 60.0)
    assert window.peek(START).allowed
    assert window.admit(START).allowed
    assert not window.peek(START).allowed


def test_a_lowered_limit_binds_at_once_and_drops_nothing() -> None:
    window = RequestWindow(3, 60.0)
    for _ in range(3):
        window.admit(START)
    window.limit = 1
    assert window.peek(START + 1).remaining == 0
    assert not window.admit(START + 59).allowed
    assert window.admit(START + 60).allowed


@pytest.mark.parametrize(("minute", "hour", "shown"), [(5, 3, 3), (3, 5, 3)])
def test_the_window_with_the_fewest_requests_left_is_shown(minute: int, hour: int, shown: int) -> None:
    assert admit_all((RequestWindow(minute, 60.0), RequestWindow(hour, 3600.0)), START)[1].limit == shown


def test_of_two_windows_that_refuse_the_longer_wait_is_shown() -> None:
    windows = (RequestWindow(1, 60.0), RequestWindow(1, 3600.0))
    admit_all(windows, START)
    allowed, verdict = admit_all(windows, START + 30)
    assert (allowed, verdict.retry_after) == (False, 3570)
