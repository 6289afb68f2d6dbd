"""The order of priorities: nobody starves."""

from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.rules.priority_order import MAX_PASSED_BY, class_order, place_in_order

NUMBERS = st.lists(st.integers(0, 40), min_size=3, max_size=3)


def test_the_most_urgent_come_first_but_for_one_that_has_waited_for_nine() -> None:
    assert list(class_order([12, 0, 2], [0, 0, 0])) == [0] * 9 + [2] + [0] * 3 + [2]
    assert list(class_order([2, 1, 1], [0, 3, MAX_PASSED_BY])) == [2, 0, 0, 1]


@given(NUMBERS, NUMBERS)
@examples(200)
def test_each_call_comes_once_and_no_class_is_passed_too_often(counts: list[int], passed_by: list[int]) -> None:
    order = list(class_order(counts, passed_by))
    assert [order.count(number) for number in range(3)] == counts
    since = [min(each, MAX_PASSED_BY) for each in passed_by]
    left = list(counts)
    for first in order:
        since = [0 if number == first else each + 1 for number, each in enumerate(since)]
        left[first] -= 1
        assert all(since[number] <= MAX_PASSED_BY + 2 for number in range(3) if left[number])


@given(st.lists(st.integers(0, 300), min_size=3, max_size=3), NUMBERS, st.integers(0, 2), st.lists(st.integers(0, 299)))
@examples(200)
def test_the_places_of_some_calls_are_those_in_the_order(
    counts: list[int], passed_by: list[int], own: int, places: list[int]
) -> None:
    wanted = sorted(place for place in places if place < counts[own])
    mine = [place for place, number in enumerate(class_order(counts, passed_by)) if number == own]
    assert place_in_order(counts, passed_by, own, wanted) == [mine[place] for place in wanted]


def test_places_far_back_are_not_counted_one_by_one() -> None:
    assert place_in_order([10**12, 5, 10**12], [0, 0, 0], 2, [0, 10**11]) == [10, 10 + 10**12]
