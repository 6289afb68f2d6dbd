"""Models keep the JSON they came from; timestamps are read as the wire has them."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from generor_async.values import (
    UNSET,
    Misshapen,
    Model,
    ResponseInfo,
    misfit,
    read_datetime,
    read_datetime_or_none,
    remember_response,
    response_to,
)


@define(kw_only=True)
class Thing(Model):
    wire_names: ClassVar[frozenset[str]] = frozenset({"id"})
    id: int


def test_what_a_class_does_not_declare_is_extra_and_read_only() -> None:
    thing = Thing(id=1, raw={"id": 1, "new": [2]})
    assert dict(thing.extra) == {"new": [2]}
    with pytest.raises(TypeError):
        thing.extra["new"] = 3  # type: ignore[index] # that is the point


@pytest.mark.parametrize("raw", [[], None, "x", 7])
def test_raw_that_is_no_object_has_nothing_extra(raw: Any) -> None:
    assert dict(Thing(id=1, raw=raw).extra) == {}


def test_neither_raw_nor_the_answer_is_shown_or_compared() -> None:
    first, second = Thing(id=1, raw={"id": 1, "hush": "!"}), Thing(id=1)
    remember_response(first, ResponseInfo(status=200, headers={}, request_id="r"))
    assert first == second
    assert "hush" not in repr(first)
    assert "ResponseInfo" not in repr(first)


def test_the_answer_is_remembered() -> None:
    thing = Thing(id=1)
    assert response_to(thing) is None
    info = ResponseInfo(status=200, headers={}, request_id="r")
    remember_response(thing, info)
    assert response_to(thing) is info


def test_models_have_slots() -> None:
    assert not hasattr(Thing(id=1), "__dict__")


def test_unset_is_false_and_named() -> None:
    assert not UNSET
    assert repr(UNSET) == "UNSET"


def test_a_misfit_is_told_with_its_path() -> None:
    inner = misfit(None, "a string", ".name")
    assert (inner.problem, inner.path) == ("expected a string, found nothing", ".name")
    assert inner.under("$.data").path == "$.data.name"
    assert misfit(True, "an integer").problem == "expected an integer, found bool"


@given(st.datetimes(timezones=st.sampled_from([UTC, None])))
def test_a_timestamp_is_read_as_it_was_written(moment: datetime) -> None:
    assert read_datetime(moment.isoformat(), "$") == moment
    assert read_datetime_or_none(moment.isoformat()) == moment


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
    assert read_datetime(text, "$").utcoffset() == offset


@pytest.mark.parametrize("value", [None, 7, True, "", "yesterday", [], "x" * 10_000])
def test_what_is_no_timestamp_is_refused_or_none(value: Any) -> None:
    with pytest.raises(Misshapen) as caught:
        read_datetime(value, "$.created_at")
    assert caught.value.path == "$.created_at"
    assert len(caught.value.problem) < 100
    assert read_datetime_or_none(value) is None
