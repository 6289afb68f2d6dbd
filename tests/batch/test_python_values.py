"""Rows from Python: mappings, prompts and tables, with the numbers and the missing values of whoever made them."""

import enum
import io
import math
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.batch.python_rows import as_json, check_rows, records_of, row_parameters
from generor_async.errors import InvalidRequestError
from generor_async.values import MediaRef

numpy: Any = import_module("numpy")
pandas: Any = import_module("pandas")

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
)


class Style(str, enum.Enum):  # noqa: UP042 - unlike a StrEnum's, its str() is not its value
    MANGA = "manga"


@given(st.dictionaries(st.text(), JSON_VALUES))
def test_json_values_stay_as_they_are(row: dict[str, Any]) -> None:
    assert row_parameters(row) == row


@given(st.dictionaries(st.text(min_size=1), st.integers(-(2**31), 2**31 - 1) | st.booleans() | st.none()))
def test_numpy_values_become_pythons(row: dict[str, Any]) -> None:
    def numpys(value: Any) -> Any:
        if value is None:
            return numpy.float64("nan")
        return numpy.bool_(value) if isinstance(value, bool) else numpy.int32(value)

    found = row_parameters({name: numpys(value) for name, value in row.items()})
    assert found == {name: value for name, value in row.items() if value is not None}
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in row.items() if value is not None
    }


@pytest.mark.parametrize(
    "missing",
    [math.nan, numpy.float32("nan"), numpy.float64("nan"), pandas.NA, pandas.NaT],
    ids=["nan", "float32", "float64", "NA", "NaT"],
)
def test_missing_values_are_left_out(missing: Any) -> None:
    assert row_parameters({"prompt": "a", "style": missing}) == {"prompt": "a"}
    assert row_parameters({"prompt": "a", "video": {"duration": missing, "hdr": True}})["video"] == {"hdr": True}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (numpy.int64(7), 7),
        (numpy.uint8(7), 7),
        (numpy.float32(0.5), 0.5),
        (numpy.bool_(True), True),
        (numpy.str_("manga"), "manga"),
        (numpy.array([1, 2]), [1, 2]),
        (numpy.array(3), 3),
        (Style.MANGA, "manga"),
        (Fraction(1, 2), 0.5),
        (("a", numpy.int8(1)), ["a", 1]),
        (None, None),
    ],
)
def test_values_become_builtin_types(value: Any, plain: Any) -> None:
    found = row_parameters({"prompt": value})["prompt"]
    assert (found, type(found)) == (plain, type(plain))


def test_a_string_is_a_prompt_and_a_reference_stays_one() -> None:
    assert row_parameters("a heron") == row_parameters(numpy.str_("a heron")) == {"prompt": "a heron"}
    reference = MediaRef.url("https://x.example/a.png")
    assert row_parameters({"prompt": "a", "source": reference})["source"] is reference


@pytest.mark.parametrize("row", [("a", "b"), None, 7, 2.5, math.nan, b"a heron", ["a"], {"a"}, object(), pandas.NA])
def test_a_row_of_another_type_is_refused_with_its_type(row: Any) -> None:
    name = "None" if row is None else type(row).__name__
    with pytest.raises(InvalidRequestError, match=f"it is of the type {name}, and no row. Hand in a mapping"):
        row_parameters(row)


def test_a_key_that_is_no_string_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="a key of the row must be a string, not int"):
        row_parameters({1: "a"})


def test_a_table_has_no_missing_values() -> None:
    frame = pandas.DataFrame(
        {
            "id": [1.0, 2.0, math.nan],
            "prompt": ["a", "b", "c"],
            "style": ["manga", None, pandas.NA],
            "seconds": pandas.array([5, None, 7], dtype="Int64"),
        }
    )
    assert [row_parameters(record) for record in records_of(frame)] == [
        {"id": 1.0, "prompt": "a", "style": "manga", "seconds": 5},
        {"id": 2.0, "prompt": "b"},
        {"prompt": "c", "seconds": 7},
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"prompt": "a"}, r"rows must be a file's path or an iterable of rows, not dict\. Write \[row\]"),
        (b"prompt", r"not bytes\. Write \[row\]"),
        (None, "not None"),
        (7, "not int"),
        (object(), "not object"),
        (io.StringIO("a\nb"), "not StringIO. Give the path of the file"),
        (pandas.Series(["a", "b"]), "rows must be a table that has to_dict.*, not Series. Give its rows as a list"),
        ("", "rows is empty"),
    ],
)
def test_invalid_rows_are_refused(rows: Any, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words) as refused:
        check_rows(rows)
    assert refused.value.field == "rows"


@pytest.mark.parametrize(
    "rows", ["a.jsonl", Path("a.csv"), [], ["a"], iter([{"prompt": "a"}]), ({"prompt": "a"},), pandas.DataFrame()]
)
def test_valid_rows_are_accepted(rows: Any) -> None:
    check_rows(rows)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a", "a"),
        ({"a": [1, 2.5, None]}, {"a": [1, 2.5, None]}),
        (datetime(2026, 4, 8, tzinfo=UTC), "2026-04-08T00:00:00+00:00"),
        (pandas.Timestamp("2026-04-08"), "2026-04-08T00:00:00"),
        (Decimal("1.50"), "1.50"),
        ([math.inf], "[inf]"),
        (MediaRef.url("https://x.example"), {"url": "https://x.example"}),
    ],
)
def test_any_value_can_be_stored_as_json(value: Any, kept: Any) -> None:
    assert as_json(value) == kept
