"""The difference between the server's clock and ours, by Date headers."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.server_time import AGREE_SECONDS, ServerTime

BEGAN = 1_000_000.0


def learned(*dates: tuple[float, float], began: float = BEGAN) -> ServerTime:
    """Have answers come so many seconds after the beginning, each dated so many seconds ahead."""
    time = ServerTime()
    time.begin(began)
    for after, ahead in dates:
        time.learn(began + after, began + after + ahead)
    return time


def test_where_no_answer_is_dated_both_clocks_are_right() -> None:
    assert learned().at(BEGAN + 7) == BEGAN + 7
    assert ServerTime().at(BEGAN) == BEGAN
    assert learned((1, 50.0)).at(BEGAN - 100) == BEGAN - 100, "of before it began nothing is known"


@given(
    ahead=st.floats(-1e6, 1e6),
    honest=st.lists(st.tuples(st.floats(0, 3_600), st.floats(0, AGREE_SECONDS / 2)), min_size=6, max_size=60),
    liars=st.lists(st.tuples(st.floats(0, 3_600), st.floats(-1e6, 1e6)), max_size=2),
    at=st.floats(0, 3_600),
)
def test_most_of_the_dates_near_a_moment_tell(
    ahead: float, honest: list[tuple[float, float]], liars: list[tuple[float, float]], at: float
) -> None:
    dates = sorted([*((after, ahead + late) for after, late in honest), *liars])
    assert abs(learned(*dates).at(BEGAN + at) - BEGAN - at - ahead) <= 2 * AGREE_SECONDS


def test_a_first_answer_dated_two_hours_ahead_is_outvoted_by_our_own_clock() -> None:
    time = learned((0, 7_200.0))
    assert time.at(BEGAN) == BEGAN
    for after in (1, 2):
        time.learn(BEGAN + after, BEGAN + after + 7_200)
    assert time.at(BEGAN) == BEGAN + 7_200, "many are believed"


@given(st.floats(-1e6, 1e6))
def test_dates_are_disputed_until_two_witnesses_agree(ahead: float) -> None:
    assert not learned().is_disputed(BEGAN), "no date is there to agree with"
    far = abs(ahead) > AGREE_SECONDS
    assert learned((0, ahead)).is_disputed(BEGAN) == far, "the first date has our own clock as its witness, or none"
    assert not learned((0, ahead), (1, ahead)).is_disputed(BEGAN)
    assert learned((0, ahead), (1, ahead)).at(BEGAN) == (BEGAN + ahead if far else BEGAN)


def test_an_endpoint_that_lies_each_time_is_outvoted_by_two_others() -> None:
    dates = [
        (60.0 * minute + second, 7_200.0 if second == 0 else -300.0) for minute in range(30) for second in range(3)
    ]
    time = learned(*dates)
    assert {time.at(BEGAN + at) - BEGAN - at for at in range(0, 1_800, 7)} == {-300.0}


def test_a_clock_that_is_set_in_the_midst_is_followed() -> None:
    """The server's: ours is carried on by what nobody can set."""
    time = learned(*((float(at), 0.0 if at < 500 else 3_600.0) for at in range(0, 1_000, 10)))
    assert time.at(BEGAN + 300) == BEGAN + 300
    assert time.at(BEGAN + 700) == BEGAN + 700 + 3_600


def test_each_run_has_a_clock_of_its_own_and_all_are_kept() -> None:
    first = learned(*((float(at), 3_600.0) for at in range(20)))
    again: Any = json.loads(json.dumps(first.to_json()))
    second = ServerTime.from_json(again)
    second.begin(BEGAN + 30)
    for at in range(20):
        second.learn(BEGAN + 30 + at, BEGAN + 30 + at)
    assert second.at(BEGAN + 10) == BEGAN + 3_610
    assert second.at(BEGAN + 31) == BEGAN + 31
    assert ServerTime.from_json(None) == ServerTime()
    assert ServerTime.from_json(second.to_json()) == second


def test_what_is_kept_is_bounded() -> None:
    time = ServerTime()
    for run in range(100):
        time.begin(BEGAN + 10_000 * run)
        for at in range(500):
            time.learn(BEGAN + 10_000 * run + at, BEGAN + 20 * at)
    assert len(json.dumps(time.to_json())) < 1_000_000
