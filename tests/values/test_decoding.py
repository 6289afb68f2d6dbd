"""The readers that decoders are made of."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.values import JSON, Misshapen
from generor_async.values import decoding as d

STRICT: dict[Callable[[JSON], Any], tuple[type, ...]] = {
    d.read_str: (str,),
    d.read_int: (int,),
    d.read_float: (float, int),
    d.read_bool: (bool,),
    d.read_fields: (dict,),
}
LENIENT: dict[Callable[[JSON], Any], tuple[type, ...]] = {
    d.str_or_none: (str,),
    d.int_or_none: (int,),
    d.float_or_none: (float, int),
    d.bool_or_none: (bool,),
    d.dict_or_none: (dict,),
}

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=5,
)


@given(values)
def test_a_strict_reader_takes_its_own_kind_and_refuses_the_rest(value: JSON) -> None:
    for read, kinds in STRICT.items():
        if type(value) in kinds:
            assert read(value) is value
        else:
            with pytest.raises(Misshapen):
                read(value)


@given(values)
def test_a_lenient_reader_takes_its_own_kind_and_makes_none_of_the_rest(value: JSON) -> None:
    for read, kinds in LENIENT.items():
        assert read(value) is (value if type(value) in kinds else None)


@given(values)
def test_anything_is_taken_as_it_is(value: JSON) -> None:
    assert d.read_any(value) is value


@given(values)
def test_what_is_no_object_has_no_fields(value: JSON) -> None:
    assert d.fields_or_empty(value) == (value if type(value) is dict else {})


def path_of(read: Callable[[], object]) -> str:
    with pytest.raises(Misshapen) as raised:
        read()
    return raised.value.path


def test_a_list_names_the_item_at_fault() -> None:
    assert path_of(lambda: d.read_list(d.read_int, [1, 2, "3", "4"], ".sizes")) == ".sizes[2]"


def test_a_list_names_the_place_within_the_item() -> None:
    def decode(value: JSON) -> str:
        return d.read_object(d.read_str, value["url"], ".url")

    assert path_of(lambda: d.read_list(decode, [{"url": ""}, {"url": 1}], ".output")) == ".output[1].url"


def test_a_map_names_the_key_at_fault() -> None:
    assert path_of(lambda: d.read_map(d.read_int, {"a": 1, "b": None}, ".sizes")) == ".sizes.b"


def test_what_should_be_a_list_or_an_object_is_named_itself() -> None:
    assert path_of(lambda: d.read_list(d.read_any, {}, ".items")) == ".items"
    assert path_of(lambda: d.read_map(d.read_any, [], ".items")) == ".items"
    assert path_of(lambda: d.read_dict(3, ".items")) == ".items"


def test_good_lists_and_maps_are_read() -> None:
    assert d.read_list(d.read_float, [1, 2.5], "") == [1, 2.5]
    assert d.read_map(d.read_bool, {"a": True}, "") == {"a": True}
    assert d.read_dict({"a": []}, "") == {"a": []}


def test_a_lenient_list_or_map_is_whole_or_none() -> None:
    assert d.list_or_none(d.read_int, [1, 2]) == [1, 2]
    assert d.list_or_none(d.read_int, [1, "2"]) is None
    assert d.list_or_none(d.read_int, "12") is None
    assert d.map_or_none(d.read_int, {"a": 1}) == {"a": 1}
    assert d.map_or_none(d.read_int, {"a": "1"}) is None
    assert d.map_or_none(d.read_int, None) is None


def test_a_lenient_object_is_whole_or_none() -> None:
    assert d.object_or_none(d.read_str, "a") == "a"
    assert d.object_or_none(d.read_str, 1) is None
    assert d.object_or_none(d.read_str, None) is None
