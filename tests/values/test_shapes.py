"""Reading as far as it goes: what is only written otherwise is read, what can't be is None and told."""

import math
from contextlib import suppress
from datetime import UTC, datetime
from json import loads as json_of
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import THING, Thing

from generor_async.values import JSON, DecodeError, Problem, Secret, maybe
from generor_async.values import shapes as s

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text("az01", max_size=3), inside, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("read", "value", "meant"),
    [
        (s.as_str, "a", "a"),
        (s.as_str, 12345, "12345"),
        (s.as_int, "24", 24),
        (s.as_int, " 24 ", 24),
        (s.as_int, 8.0, 8),
        (s.as_int, "8.0", 8),
        (s.as_int, "-3", -3),
        (s.as_float, "4.18", 4.18),
        (s.as_float, "24", 24),
        (s.as_float, "1e3", 1000.0),
        (s.as_float, 3, 3),
        (s.as_bool, "true", True),
        (s.as_bool, "False", False),
        (s.as_bool, 1, True),
        (s.as_bool, 0, False),
        (s.as_bool, "0", False),
        (s.as_id, "6147", 6147),
        (s.as_id, 6147.0, 6147),
        (s.as_dict, [], {}),
        (s.as_dict, '{"a": [1]}', {"a": [1]}),
        (s.as_datetime, " 2026-04-08T12:00:00Z", datetime(2026, 4, 8, 12, tzinfo=UTC)),
        (s.as_datetime, 1775649600, datetime(2026, 4, 8, 12, tzinfo=UTC)),
        (s.as_datetime, "1775649600", datetime(2026, 4, 8, 12, tzinfo=UTC)),
        (s.as_datetime, 1775649600000, datetime(2026, 4, 8, 12, tzinfo=UTC)),
        (s.list_of(s.as_int), [1, "2", 3.0], [1, 2, 3]),
        (s.list_of(s.as_int), {}, []),
        (s.list_of(s.as_int), {"0": 5, "2": 6}, [5, 6]),
        (s.list_of(s.as_int), "[5, 6]", [5, 6]),
        (s.map_of(s.as_int), {"720p": "20061"}, {"720p": 20061}),
        (s.map_of(s.as_int), [], {}),
        (s.as_one_of(s.as_int, s.as_str), "wide", "wide"),
        (s.as_one_of(s.as_int, s.as_str), "7", 7),
    ],
)
def test_what_is_written_otherwise_is_read_as_what_it_means(read: s.Reader[Any], value: JSON, meant: Any) -> None:
    problems: s.Problems = []
    found = read(value, "$.x", problems)
    assert (found, type(found)) == (meant, type(meant))
    assert problems == []


NEVER: list[tuple[s.Reader[Any], list[Any]]] = [
    (s.as_str, [None, True, [], {}]),
    (s.as_word, [None, 3, True, []]),
    (s.as_int, [None, True, 8.5, "8.5", "", "x", "٣", [], math.inf, math.nan, "9" * 5_000, "1e999"]),
    (s.as_float, [None, True, "", "x", "nan", "inf", [], {}, math.inf, math.nan, "1e999"]),
    (s.as_bool, [None, 2, "maybe", "", 1.5, [], {}]),
    (s.as_id, [None, True, "", "  ", [], {}]),
    (s.as_datetime, [None, True, "soon", "", "0000-00-00 00:00:00", [], {}, 1e300, "9" * 30]),
    (s.as_secret, [None, 3, [], {}]),
    (s.as_dict, [None, 3, "x", "{", "[" * 100_000, [1]]),
    (s.list_of(s.as_int), [None, 3, "x", "[", {"a": 1}, "[" * 100_000]),
    (s.map_of(s.as_int), [None, 3, "x", [1]]),
]


@pytest.mark.parametrize(("read", "values"), NEVER)
def test_what_cannot_be_meant_is_told_with_its_path(read: s.Reader[Any], values: list[JSON]) -> None:
    for value in values:
        with pytest.raises(DecodeError) as caught:
            read(value, "$.x", [])
        assert caught.value.path == "$.x"
        assert len(caught.value.problem) < 100


def test_an_item_or_an_entry_that_cannot_be_read_costs_itself_alone() -> None:
    problems: s.Problems = []
    assert s.list_of(s.as_int)([1, None, "2", "x"], "$.sizes", problems) == [1, 2]
    assert s.map_of(s.as_int)({"a": 1, "b": None}, "$.ids", problems) == {"a": 1}
    assert [problem.path for problem in problems] == ["$.sizes[1]", "$.sizes[3]", "$.ids.b"]


def test_an_array_among_the_items_holds_more_of_them() -> None:
    problems: s.Problems = []
    one, two, three, four = ({"id": name} for name in "abcd")
    given: JSON = [[one, two], [5], [[three]], {}, [{}], four]
    found = s.list_of(THING.lenient)(given, "$", problems)
    assert [maybe(thing.id) for thing in found] == ["a", "b", "c", None, "d"]
    assert [problem.path for problem in problems] == ["$[0]", "$[1]", "$[2]", "$[3].id", "$[4]"]
    deep: JSON = json_of("[" * 500 + "5" + "]" * 500)
    assert s.list_of(THING.lenient)(deep, "$", problems) == []


def test_one_object_that_is_in_no_list_is_an_item_by_itself() -> None:
    problems: s.Problems = []
    assert s.list_of(THING.lenient)({"id": "a"}, "$.things", problems) == [Thing(id="a")]
    assert problems == []


def test_a_name_that_should_be_a_number_is_kept_and_told() -> None:
    problems: s.Problems = []
    assert s.as_id("crt_5", "$.creation_id", problems) == "crt_5"
    assert [problem.path for problem in problems] == ["$.creation_id"]


def test_an_object_is_read_field_by_field_and_knows_what_was_wrong_in_it() -> None:
    problems: s.Problems = [Problem("$.before", "")]
    nothing: dict[str, Any] = {}
    source = {"id": 7, "size": "big", "names": ["x", nothing], "more": 1}
    thing = THING.lenient(source, "$.data[3]", problems)
    assert thing == Thing(id="7", size=None, names=["x"])
    assert thing.raw is source
    assert dict(thing.extra) == {"more": 1}
    assert thing.problems == ("$.data[3].size", "$.data[3].names[1]")
    assert [problem.path for problem in problems] == ["$.before", *thing.problems]


def test_a_missing_field_is_told_only_where_it_is_promised() -> None:
    problems: s.Problems = []
    made: Any = THING.lenient({}, "$", problems)
    assert (made.id, made.size, made.problems) == (None, None, ("$.id",))
    assert THING.unpromised(THING.strict).lenient({}, "$", []).problems == ()


def test_a_bare_string_stands_for_the_field_that_an_item_is_about() -> None:
    named = s.Shape(strict=THING.strict, cls=Thing, attributes=THING.attributes, item="id")
    assert named.lenient("a", "$", []).id == "a"
    with pytest.raises(DecodeError):
        THING.lenient("a", "$", [])


def test_what_says_nothing_of_itself_is_no_answer() -> None:
    thing = THING.lenient({"size": 1}, "$", [])
    with pytest.raises(DecodeError) as caught:
        THING.identified(thing, "$")
    assert (caught.value.path, caught.value.problem) == ("$.id", "expected a string, found nothing")
    with pytest.raises(DecodeError, match="a string that is not empty"):
        THING.identified(THING.lenient({"id": ""}, "$", []), "$")
    assert THING.identified(THING.lenient({"id": 0}, "$", []), "$").id == "0"


@pytest.mark.parametrize(("names", "told"), [(["a"], True), ([], True), ({}, True), ([None], False), (None, False)])
def test_a_list_says_something_unless_none_of_its_items_can_be_read(names: JSON, told: bool) -> None:
    listed = s.Shape(strict=THING.strict, cls=Thing, attributes=THING.attributes, identity=("names",))
    thing = listed.lenient({"names": names}, "$", [])
    if told:
        assert listed.identified(thing, "$") is thing
    else:
        with pytest.raises(DecodeError):
            listed.identified(thing, "$")


def test_a_key_is_masked_however_it_comes() -> None:
    keyed = s.Shape(
        strict=THING.strict, cls=Thing, attributes=(s.Attribute("id", "id", "a string", s.as_secret, promised=True),)
    )
    made: Any = keyed.lenient({"id": "hush", "size": []}, "$", [])
    assert "hush" not in f"{made} {made.raw}"
    assert made.id.reveal() == made.raw["id"].reveal() == "hush"
    assert isinstance(made.id, Secret)


@given(json)
def test_nothing_breaks_a_reader(value: JSON) -> None:
    readers: list[s.Reader[Any]] = [
        s.as_any,
        s.as_str,
        s.as_word,
        s.as_int,
        s.as_float,
        s.as_bool,
        s.as_id,
        s.as_datetime,
        s.as_secret,
        s.as_dict,
        s.list_of(s.as_int),
        s.list_of(THING.lenient),
        s.map_of(s.list_of(s.as_datetime)),
        THING.lenient,
    ]
    for read in readers:
        problems: s.Problems = []
        with suppress(DecodeError):
            read(value, "$", problems)
        assert all(problem.path.startswith("$") for problem in problems)
