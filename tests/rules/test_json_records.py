"""JSON objects in a text: nothing inside of a broken object becomes a row."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.rules.csv_records import RejectedLines
from generor_async.rules.json_records import Element, parse_array, parse_lines


def lines(text: str) -> list[Element | RejectedLines]:
    return list(parse_lines(enumerate(text.splitlines(keepends=True), 1)))


def array(text: str, size: int) -> list[Element | RejectedLines]:
    return list(parse_array(text[at : at + size] for at in range(0, len(text), size)))


def values(found: Sequence[Element | RejectedLines]) -> list[Any]:
    return [one[2] for one in found if not isinstance(one, RejectedLines)]


TEXT = st.text(alphabet='ab",{}[]:\\é 1', max_size=6)
INSIDE = TEXT | st.integers(0, 99) | st.lists(TEXT, max_size=2) | st.dictionaries(TEXT, TEXT, max_size=2)
OBJECTS = st.lists(st.dictionaries(TEXT, INSIDE, max_size=3), max_size=5)


@given(objects=OBJECTS, ascii_=st.booleans(), indent=st.sampled_from([None, 0, 2]), size=st.integers(1, 50))
def test_objects_are_read_from_lines_and_from_an_array_of_any_layout(
    objects: list[Any], ascii_: bool, indent: int | None, size: int
) -> None:
    assert values(lines("".join(f"{json.dumps(one, ensure_ascii=ascii_)}\n" for one in objects))) == objects
    text = json.dumps(objects, indent=indent, ensure_ascii=ascii_)
    found = array(text, size)
    assert values(found) == objects
    rows = text.split("\n")
    for one in found:
        assert not isinstance(one, RejectedLines)
        first, last, _, part = one
        assert part in "\n".join(rows[first - 1 : last])


MUTATIONS = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from(["drop", "cut", *'"\n\\\0\t{}'])), min_size=1, max_size=2
)


@given(objects=OBJECTS.filter(len), which=st.integers(0, 4), mutations=MUTATIONS, is_array=st.booleans())
@examples(100)
def test_of_an_object_that_was_broken_no_piece_is_read_where_a_strict_reader_would_refuse_the_text(
    objects: list[Any], which: int, mutations: list[tuple[int, str]], is_array: bool
) -> None:
    texts = [json.dumps(one) + ("," if is_array else "") for one in objects]
    begin = sum(len(text) + 1 for text in texts[: which % len(texts)])
    end = begin + len(texts[which % len(texts)])
    text = "\n".join(texts)
    for where, kind in mutations:
        at = begin + where % (end - begin)
        text = (
            text[:at] + text[at + 1 :]
            if kind == "drop"
            else text[:at]
            if kind == "cut"
            else f"{text[:at]}{kind}{text[at:]}"
        )
    if is_array:
        text = f"[{text[:-1]}]"
    # A line end and a brace together make a line that is an object: nobody can tell that it is a piece.
    assume({kind for _, kind in mutations} != {"\n", "{"})
    assume(refuses(text, is_array=is_array))
    for value in values(array(text, 20) if is_array else lines(text)):
        assert value in objects or not isinstance(value, dict)  # a number at the end of a line is no row


def refuses(text: str, *, is_array: bool) -> bool:
    try:
        for part in [text] if is_array else filter(str.strip, text.split("\n")):  # blank lines are none
            json.loads(part)
    except (ValueError, RecursionError):
        return True
    return False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1\n{"b": 2}\n', [(1, 1, None), (2, 2, {"b": 2})]),
        ('{"z": 0}\n{"a": 1}\n\n, "b": 2}\n{"c": 3}', [(1, 1, {"z": 0}), (2, 2, None), (4, 4, None), (5, 5, {"c": 3})]),
        ('{"a": 1}\n"b": 2}\n', [(1, 1, None), (2, 2, None)]),
        ('{"a": 1}\n# a note\n', [(1, 1, {"a": 1}), (2, 2, None)]),
        ('{"a": "x\n{"b": 2}\n', [(1, 1, None), (2, 2, {"b": 2})]),
        ('{"a": [\n  {"b": 2}\n]}\n{"c": 3}', [(1, 3, None), (4, 4, {"c": 3})]),
        (
            '{"a": 1 2,\n  "b":\n  {"c": 3}\n}\n{"d": 4}',
            [(1, 1, None), (2, 2, None), (3, 3, None), (4, 4, None), (5, 5, {"d": 4})],
        ),
    ],
)
def test_what_breaks_off_is_tried_with_what_stands_behind_it(text: str, expected: list[Any]) -> None:
    found = [(one.first, one.last, None) if isinstance(one, RejectedLines) else one[:3] for one in lines(text)]
    assert found == expected


@pytest.mark.parametrize(
    "text",
    ['[{"a": ""}, "b: ","}]', '[{"a": 1}, 2, "b", "c]', '[{"a": 1}, null, {"b": 2}, "c": 3}]', '[{"a": 1}, "b"}]'],
)
def test_an_object_is_no_row_where_what_follows_it_breaks_off_before_another_object(text: str) -> None:
    (*before, last) = array(text, 4)
    assert isinstance(last, RejectedLines)
    assert {"a": 1} not in values(before) or '{"b": 2}' in text
    assert {"b": 2} not in values(before)
    assert not [value for value in values(before) if value == {"a": ""}]


def test_an_array_may_hold_other_values_between_objects() -> None:
    assert values(array('[{"a": 1}, 2, "b", {"c": 3}, null]', 4)) == [{"a": 1}, 2, "b", {"c": 3}, None]


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_a_broken_element_of_an_array_is_set_aside_with_the_rest_and_the_one_before_it(size: int) -> None:
    first, rest = array('[{"a": 1},\n{"a": 2},\n{"b": "x},\n{"c": 3}\n]\n', size)
    assert first == (1, 1, {"a": 1}, '{"a": 1}')
    assert isinstance(rest, RejectedLines)
    assert (rest.first, rest.last) == (2, 5)
    assert "so that nobody can tell where another element begins" in rest.reason


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_an_element_that_is_no_json_though_its_end_is_known_is_set_aside_alone(size: int) -> None:
    found = array('[{"a": NaN}, {"b": "\\ud83d"}, {"c": 3}]', size)
    assert values(found) == [{"c": 3}]
    assert [one.reason for one in found if isinstance(one, RejectedLines)] == [
        "it is not JSON (NaN is not JSON): write an array of objects",
        "it holds half of a surrogate pair, which is no text: remove it",
    ]
