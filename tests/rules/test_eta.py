"""Estimated times against windows that are simulated call by call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.eta import WindowRate, seconds_for

limits = st.integers(1, 12)


def by_hand(calls: int, rates: list[WindowRate]) -> float:
    """Let each call leave as soon as it is an even interval after the last, and has a place in every window."""
    shortest, *longer = sorted(rates, key=lambda rate: rate.span)
    left: list[float] = []
    for number in range(calls):
        moment = left[-1] + shortest.span / shortest.limit if left else 0.0
        for rate in longer:
            if number >= rate.limit:
                moment = max(moment, left[number - rate.limit] + rate.span)
        left.append(moment)
    return left[-1] if left else 0.0


@given(st.integers(0, 200), limits, limits, st.integers(1, 6), st.sampled_from([2.0, 10.0, 60.0]))
def test_it_is_what_the_windows_come_to_call_by_call(
    calls: int, minute: int, hour: int, hours: int, length: float
) -> None:
    rates = [WindowRate(minute, 60.0), WindowRate(hour, 60.0 * length), WindowRate(hour * hours, 60.0 * length * 5)]
    for some in (rates[:1], rates[:2], rates):
        assert seconds_for(calls, some) == pytest.approx(by_hand(calls, some))


@given(st.integers(1, 100), limits, limits, st.integers(0, 30))
def test_what_is_used_already_never_makes_it_faster(calls: int, minute: int, hour: int, used: int) -> None:
    free = [WindowRate(minute, 60.0), WindowRate(hour, 3_600.0)]
    taken = [WindowRate(minute, 60.0), WindowRate(hour, 3_600.0, used)]
    assert seconds_for(calls, free) - 1e-6 <= seconds_for(calls, taken) <= seconds_for(calls + used, free) + 3_600.0


def test_a_days_limit_is_what_counts_for_very_many() -> None:
    pro = [WindowRate(120, 60.0), WindowRate(5_000, 3_600.0), WindowRate(50_000, 86_400.0)]
    assert seconds_for(121, pro) == 60.0
    assert seconds_for(5_001, pro) == 3_600.0
    assert seconds_for(100_001, pro) == 2 * 86_400.0


def test_no_limit_is_no_time() -> None:
    assert seconds_for(1_000, []) == 0.0
