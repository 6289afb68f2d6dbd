"""What callers attach to calls is JSON that is read again as it was given."""

import json
import math
from datetime import UTC, datetime
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async import InvalidRequestError
from generor_async.rules.kept_json import LARGEST, kept_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(LEAVES, lambda inside: st.lists(inside) | st.dictionaries(TEXTS, inside))
CYCLE: list[Any] = []
CYCLE.append(CYCLE)
DEEP: list[Any] = []
DEEP.append(reduce(lambda inside, _: [inside], range(100_000), DEEP[:]))


@given(VALUES)
def test_json_is_kept_as_it_is(value: Any) -> None:
    assert kept_json(value, "context") == value == json.loads(json.dumps(value))


def test_tuples_are_lists_and_what_is_kept_is_a_copy() -> None:
    given: dict[str, Any] = {"at": [(1, 2)]}
    kept = kept_json(given, "context")
    given["at"].append(3)
    assert kept == {"at": [[1, 2]]}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (math.nan, "context is nan"),
        ({"a": [0, -math.inf]}, r"context\['a'\]\[1\] is -inf"),
        (datetime(2026, 11, 30, tzinfo=UTC), "context is of the type datetime"),
        ({"who": {"id": b"7"}}, r"context\['who'\]\['id'\] is of the type bytes"),
        ({7: "channel"}, "context has the key 7, of the type int"),
        ({None: 1}, "context has the key None"),
        ([{("a",): 1}], r"context\[0\] has the key \('a',\)"),
        ("\ud800", "context holds half of a surrogate pair"),
        ({"\ud800": 1}, "context holds half of a surrogate pair"),
        ({1, 2}, "of the type set"),
        (object(), "of the type object"),
        ([10**5_000], r"context\[0\] is a number of thousands of digits"),
        (CYCLE, "holds itself"),
        (DEEP, "nested too deeply"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() else "",
)
def test_anything_else_is_refused_by_its_place(value: Any, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem) as caught:
        kept_json(value, "context")
    assert caught.value.field == "context"
    assert "mappings whose keys are texts" in str(caught.value)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9), st.integers(-3, 3))
def test_what_is_larger_than_the_limit_is_refused_with_its_size(text: str, over: int) -> None:
    padding = "x" * (LARGEST - len(json.dumps([text, ""], ensure_ascii=False).encode()) + over)
    if over <= 0:
        assert kept_json([text, padding], "context") == [text, padding]
    else:
        with pytest.raises(InvalidRequestError, match=f"context takes {LARGEST + over:,} bytes as JSON, and 65,536"):
            kept_json([text, padding], "context")
