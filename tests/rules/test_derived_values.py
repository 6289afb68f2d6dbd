"""Values that are calculated from a response and its request."""

from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.derived_values import estimated_fraction, set_dropped_parameters


@define
class Answer:
    applied_parameters: Any
    dropped_parameters: list[str] = field(factory=list[str])


CASES: list[tuple[dict[str, Any] | None, Any, list[str]]] = [
    ({"a": 1}, {"parameters": {"a": 1, "b": 2, "c": None}}, ["b", "c"]),
    ({"a": 1, "x": 2}, {"parameters": {"a": 9}}, []),
    ({}, {"parameters": {"b": 2, "a": 1}}, ["b", "a"]),
    (None, {"parameters": {"a": 1}}, []),
    ({"a": 1}, {}, []),
    ({"a": 1}, {"parameters": None}, []),
    ({"a": 1}, {"parameters": [1]}, []),
    ({"a": 1}, None, []),
]


@pytest.mark.parametrize(("applied", "body", "dropped"), CASES)
def test_what_was_sent_and_not_applied_is_named(applied: dict[str, Any] | None, body: Any, dropped: list[str]) -> None:
    answer = Answer(applied)
    set_dropped_parameters(answer, body)
    assert answer.dropped_parameters == dropped


@given(
    st.floats(min_value=0, max_value=1e6), st.floats(min_value=0, max_value=1e6), st.floats(min_value=0, max_value=1e5)
)
def test_what_is_likely_done_grows_with_time_and_is_never_all(elapsed: float, more: float, expected: float) -> None:
    early, late = estimated_fraction(elapsed, expected), estimated_fraction(elapsed + more, expected)
    assert early is not None
    assert late is not None
    assert 0 <= early <= late < 1


def test_half_the_expected_time_is_half_of_the_work() -> None:
    assert estimated_fraction(10, 20) == 0.5


def test_where_nothing_is_expected_nothing_is_likely() -> None:
    assert estimated_fraction(10, None) is None
