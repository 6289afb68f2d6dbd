"""Waits for rate limits, and for slots, against futures that are played through call by call."""

import heapq
import math
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.admission_times import AdmissionTimes, FutureWindow
from generor_async.rules.expected_wait import (
    HIGH,
    LOW,
    Arrivals,
    Bounds,
    WaitedSeconds,
    arrivals_of,
    count_quantile,
    later_turns,
    window_places,
)
from generor_async.rules.priority_order import MAX_PASSED_BY
from generor_async.rules.schedule import JobDurations
from generor_async.rules.slot_futures import (
    ENOUGH_KNOWN,
    NEAR,
    FutureSlots,
    WaitingUnits,
    doubt,
    lifetimes,
    slot_wait,
    strata_for,
)

COVERED = 0.75


def minute(limit: int = 60) -> AdmissionTimes:
    """Return the times of a window that is full of requests sent evenly."""
    return AdmissionTimes([FutureWindow(limit, 60.0, [60 / limit * (number + 1) for number in range(limit)])])


def window_wait(times: AdmissionTimes, units: int, calls: list[Arrivals], foreign: list[Arrivals]) -> Bounds:
    """Return the wait of the last of so many units."""
    expected, low, high = (
        times[int(place)] if place < math.inf else place
        for place in window_places(times, units, calls, foreign, Random(7).random)
    )
    return expected, low, high


def burst_times(dice: Random, rate: float, size: int, until: float = math.inf) -> Iterator[float]:
    moment = 0.0
    while (moment := moment + dice.expovariate(rate / size)) < until:
        yield from [moment] * size


def played_window(dice: Random, times: AdmissionTimes, units: int, rate: float, size: int) -> float:
    """Admit calls one by one, those that come first if fewer than nine of them have gone before."""
    arrivals, urgent, passed, place = burst_times(dice, rate, size), 0, 0, 0
    following = next(arrivals)
    while True:
        while following <= times[place]:
            urgent, following = urgent + 1, next(arrivals)
        place += 1
        if urgent and passed < MAX_PASSED_BY:
            urgent, passed = urgent - 1, passed + 1
        else:
            units, passed = units - 1, 0
            if not units:
                return times[place - 1]


def covered(found: Bounds, truths: list[float], slack: float = 0.5) -> float:
    _, low, high = found
    return sum(low - slack <= each <= high + slack for each in truths) / len(truths)


@pytest.mark.parametrize("mean", [0.3, 4.0, 20.0, 80.0])
@pytest.mark.parametrize("dispersion", [1.0, 8.0])
def test_a_count_is_exceeded_as_often_as_it_should_be(mean: float, dispersion: float) -> None:
    dice, counts = Random(7), list[int]()
    for _ in range(2_000):
        # A gamma mixture of Poisson counts has this variance.
        shape = mean / (dispersion - 1) if dispersion > 1 else math.inf
        rate = dice.gammavariate(shape, dispersion - 1) if dispersion > 1 else mean
        counts.append(sum(1 for _ in burst_times(dice, max(rate, 1e-9), 1, 1.0)))
    for share in (LOW, 0.5, HIGH):
        found = count_quantile(mean, mean * dispersion, share)
        assert sum(each <= found for each in counts) / len(counts) > share - 0.05
        assert sum(each < found for each in counts) / len(counts) < share + 0.05


@given(st.floats(0, 200), st.floats(1, 30), st.floats(0.05, 0.9))
def test_a_higher_share_never_has_a_lower_count(mean: float, dispersion: float, share: float) -> None:
    variance = mean * dispersion
    assert 0 <= count_quantile(mean, variance, share) <= count_quantile(mean, variance, share + 0.09)


def test_arrivals_are_known_by_their_moments() -> None:
    dice = Random(7)
    even, bursts = (arrivals_of(list(burst_times(dice, 0.4, size, 1_000.0)), 1_000.0) for size in (1, 10))
    assert even is not None
    assert bursts is not None
    assert even.rate == pytest.approx(0.4, rel=0.2)
    assert bursts.rate == pytest.approx(0.4, rel=0.4)
    assert even.dispersion < 1.5
    assert bursts.dispersion == pytest.approx(10, rel=0.3)
    assert even.bursts > 200 > 60 > bursts.bursts
    assert arrivals_of([], 5.0) is None
    once = arrivals_of([0.0] * 5, 1.0)
    assert once is not None
    assert once.rate < 0.1, "one burst doesn't tell when the next one comes"


def test_how_often_calls_come_is_told_by_the_time_in_which_others_waited() -> None:
    waited = WaitedSeconds()
    assert not waited.counts(5.0)
    waited.begin(10.0)
    assert not waited.counts(10.5), "who made them wait did not come by chance"
    assert waited.counts(11.0)
    assert waited.until(15.0) == 4.0
    waited.end(20.0)
    assert not waited.counts(100.0)
    assert waited.until(100.0) == 9.0
    waited.begin(100.0)
    waited.end(100.3)
    assert waited.until(200.0) == 9.0
    waited.begin(200.0)
    assert waited.until(203.0) == 11.0


def test_without_chance_a_wait_is_the_time_of_its_unit() -> None:
    times = minute()
    assert window_wait(times, 70, [], []) == (times[69], times[69], times[69])


@pytest.mark.parametrize("units", [1, 10, 60])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_bounds_of_waits_for_a_window_hold_while_calls_come_that_go_first(units: int, rate: float) -> None:
    dice, times = Random(7), minute()
    found = window_wait(times, units, [Arrivals(rate)], [])
    truths = [played_window(dice, times, units, rate, 1) for _ in range(300)]
    assert covered(found, truths) >= COVERED
    assert found[1] <= found[0] <= found[2]


def test_calls_that_go_first_pass_each_call_nine_times_at_most_and_foreign_users_as_they_like() -> None:
    times = minute()
    assert window_wait(times, 3, [Arrivals(50.0)], [])[2] == times[3 * (MAX_PASSED_BY + 1) - 1]
    assert window_wait(times, 3, [], [Arrivals(50.0)])[2] == math.inf
    assert window_wait(times, 3, [Arrivals(50.0, most=4)], [])[2] <= times[20]
    assert window_wait(times, 70, [Arrivals(50.0, 20.0, most=4)], [])[2] == times[69 + 4], "in bursts, too"


def test_users_have_no_more_turns_before_a_call_than_there_are_rounds() -> None:
    come = [(float(second), user) for second in range(100) for user in ("ada", "ben", "eve")]
    found = later_turns(come, {"ada": 5, "ben": 0, "eve": -3}, 100.0)
    assert found is not None
    assert found.most == 5
    assert found.rate == pytest.approx(1.0, rel=0.05), "the others have their turns after it"
    assert later_turns(come, {"ada": 0, "ben": 0, "eve": -3}, 100.0) is None
    bursts = [(moment, "ada") for moment in range(0, 1_000, 10) for _ in range(12)]
    found = later_turns(bursts, {"ada": 2}, 1_000.0)
    assert found is not None
    assert found.rate == pytest.approx(0.2, rel=0.05), "of twelve calls at once only two come before it"


@pytest.mark.parametrize("units", [5, 20, 40, 100])
def test_bursts_are_played_through(units: int) -> None:
    dice, times = Random(7), minute()
    found = window_wait(times, units, [Arrivals(0.3, 10.0)], [])
    truths = [played_window(dice, times, units, 0.3, 10) for _ in range(300)]
    assert covered(found, truths) >= COVERED
    assert found[2] - found[1] <= 1.5 * (sorted(truths)[270] - sorted(truths)[30]) + 10


# --- slots ------------------------------------------------------------------------------------------------------------


def played_slots(dice: Random, ages: list[float], ceiling: int, place: int) -> float:
    """Admit calls one by one whose jobs last about 40 s, exponentially."""
    ends = [dice.expovariate(1 / 40) for _ in ages] + [0.0] * (ceiling - len(ages))
    heapq.heapify(ends)
    moment = 0.0
    for _ in range(place + 1):
        moment = max(moment, heapq.heappop(ends))
        heapq.heappush(ends, moment + dice.expovariate(1 / 40))
    return moment


def known_durations(count: int) -> JobDurations:
    durations = JobDurations()
    for number in range(count):
        age = -40 * math.log(1 - (number * 0.618 + 0.31) % 1)
        durations.learn(age, age + 0.5)
    return durations


@pytest.mark.parametrize("place", [0, 5, 30, 200])
def test_bounds_of_waits_for_a_slot_hold(place: int) -> None:
    dice, durations, ages = Random(7), known_durations(200), [5.0, 20.0, 30.0, 60.0, 80.0]
    call = WaitingUnits(1, lifetimes(durations, lambda _: 0.0))
    ends = [(1, lifetimes(durations, lambda _: 0.0, age=age)) for age in ages]
    slots = FutureSlots(ceiling=5, ends=ends, doubt=doubt(durations.known, call.lives))
    first = [call] * min(place + 1, NEAR)
    found = slot_wait(slots, [AdmissionTimes([])], first, place, [], dice.random)
    truths = [played_slots(dice, ages, 5, place) for _ in range(300)]
    assert covered(found, truths) >= COVERED
    # One who knows the distribution isn't much surer, but of what is far away.
    assert place > NEAR or found[2] - found[1] <= 1.5 * (sorted(truths)[270] - sorted(truths)[30]) + 1


def test_places_free_now_are_not_waited_for_and_a_window_may_be_what_is_waited_for() -> None:
    call = WaitingUnits(1, (40.0,))
    slots = FutureSlots(ceiling=3, ends=[(1, [10.0])])
    waits = [
        slot_wait(slots, [AdmissionTimes([])], [call] * (place + 1), place, [], Random(7).random) for place in range(4)
    ]
    assert [each[0] for each in waits] == [0, 0, 10, 40]
    times = AdmissionTimes([FutureWindow(1, 60.0, [25.0])])
    assert slot_wait(slots, [times], [call], 0, [], Random(7).random) == (25.0, 25.0, 25.0)


@pytest.mark.parametrize("place", [5, 30, 200, 5_000])
@pytest.mark.parametrize("limited", [True, False])
def test_no_more_calls_are_reckoned_with_than_can_go_first(place: int, limited: bool) -> None:
    call = WaitingUnits(1, (40.0,))
    slots = FutureSlots(ceiling=4, ends=[(1, [10.0]), (1, [20.0]), (1, [30.0]), (1, [40.0])])

    def wait(place: int, *calls: Arrivals) -> float:
        if not limited:
            return window_wait(minute(), place + 1, list(calls), [])[2]
        first = [call] * min(place + 1, NEAR)
        return slot_wait(slots, [AdmissionTimes([])], first, place, calls, Random(7).random)[2]

    for calls in (Arrivals(5.0, most=3), Arrivals(5.0, 20.0, most=3)):
        assert wait(place) <= wait(place, calls) <= wait(place + 3) + 10.0


def test_heavy_calls_wait_for_as_many_slots_and_no_more_than_there_are() -> None:
    ends = [(1, [10.0]), (1, [20.0]), (1, [30.0])]
    slots = FutureSlots(ceiling=3, ends=ends)
    for units, expected in ((1, 10.0), (2, 20.0), (3, 30.0), (9, 30.0)):
        call = WaitingUnits(units, (40.0,))
        assert slot_wait(slots, [AdmissionTimes([])], [call], 0, [], Random(7).random)[0] == expected


def test_while_nothing_is_known_bounds_are_far_apart() -> None:
    call = WaitingUnits(1, lifetimes(JobDurations(30.0), lambda _: 0.0))
    slots = FutureSlots(doubt=doubt(0, call.lives))
    found = slot_wait(slots, [AdmissionTimes([])], [call] * 25, 24, [], Random(7).random)
    assert found[1] == 0
    assert found[2] > 80
    assert doubt(0, call.lives) > 3 * doubt(ENOUGH_KNOWN, call.lives) > doubt(100, call.lives)
    assert len(lifetimes(JobDurations(), lambda _: 0.0, strata=strata_for(100))) == strata_for(100) == 4
    assert min(lifetimes(JobDurations(), lambda _: 0.0)) > 0


def test_calls_of_other_processes_have_turns_too() -> None:
    call = WaitingUnits(1, (40.0,))
    alone, beside = (
        slot_wait(
            FutureSlots(ceiling=1, ends=[(1, [40.0])], others=others),
            [AdmissionTimes([])],
            [call] * 5,
            4,
            [],
            Random(7).random,
        )
        for others in ((), (5, 5))
    )
    assert alone[0] == 200
    assert beside[1] < 400 <= beside[2] <= 200 + 20 * 40
