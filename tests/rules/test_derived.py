"""What an answer does not say itself."""

from typing import Any

import pytest
from attrs import define, field

from generor_async.rules.derived import dropped_parameters


@define
class Answer:
    applied_parameters: dict[str, Any] | None
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
    dropped_parameters(answer, body)
    assert answer.dropped_parameters == dropped
