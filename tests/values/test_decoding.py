"""The readers that decoders are made of: they take what is as it should be, and nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.values import JSON
from generor_async.values import decoding as d

READERS: dict[Callable[[JSON], Any], tuple[type, ...]] = {
    d.read_str: (str,),
    d.read_int: (int,),
    d.read_float: (float, int),
    d.read_bool: (bool,),
    d.read_fields: (dict,),
}

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=3), inside, max_size=3),
    max_leaves=5,
)


@given(values)
def test_a_reader_takes_its_own_kind_and_nothing_else(value: JSON) -> None:
    for read, kinds in READERS.items():
        if type(value) in kinds:
            assert read(value) is value
        else:
            with pytest.raises(d.UnexpectedShape):
                read(value)


@given(values)
def test_anything_is_taken_as_it_is(value: JSON) -> None:
    assert d.read_any(value) is value


def test_lists_and_maps_are_whole_or_odd() -> None:
    assert d.read_list(d.read_float, [1, 2.5]) == [1, 2.5]
    assert d.read_map(d.read_bool, {"a": True}) == {"a": True}
    assert d.read_list(d.read_int, []) == []
    odd: list[tuple[Callable[..., Any], Any, Any]] = [
        (d.read_list, d.read_int, [1, "2"]),
        (d.read_list, d.read_int, {}),
        (d.read_list, d.read_int, None),
        (d.read_map, d.read_int, {"a": "1"}),
        (d.read_map, d.read_int, []),
    ]
    for read, item, value in odd:
        with pytest.raises(d.UnexpectedShape):
            read(item, value)


@given(st.datetimes(timezones=st.sampled_from([UTC, None])))
def test_a_timestamp_is_read_as_it_was_written(moment: datetime) -> None:
    assert d.read_datetime(moment.isoformat()) == moment


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2026-04-08T12:00:00Z", timedelta(0)),
        ("2026-04-08T12:00:00.123456+02:00", timedelta(hours=2)),
        ("2026-04-08 12:00:00", None),
        ("2026-04-08T12:00:00", None),
    ],
)
def test_a_timestamp_is_aware_where_the_wire_has_a_zone(text: str, offset: timedelta | None) -> None:
    assert d.read_datetime(text).utcoffset() == offset


@pytest.mark.parametrize("value", [None, 7, True, "", "yesterday", [], "x" * 10_000])
def test_what_is_no_timestamp_is_odd(value: Any) -> None:
    with pytest.raises(d.UnexpectedShape):
        d.read_datetime(value)
