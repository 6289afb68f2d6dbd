"""Models keep the JSON they came from; timestamps are read as the wire has them."""

import json
from typing import Any, ClassVar

import pytest
from attrs import define

from generor_async.api.luma.models import Generation
from generor_async.values import (
    UNSET,
    Model,
    Problem,
    ResponseInfo,
    maybe,
    remember_response,
    response_to,
    type_mismatch,
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
    inner = type_mismatch(None, "a string", "$.name")
    assert (inner.problem, inner.path) == ("expected a string, found nothing", "$.name")
    assert inner.as_problem() == Problem("$.name", "expected a string, found nothing")
    assert type_mismatch(True, "an integer").problem == "expected an integer, found bool"


def test_a_promised_field_may_be_missing_all_the_same() -> None:
    made: Any = {"id": None}
    assert maybe(Thing(**made).id) is None
    assert maybe(Thing(id=3).id) == 3


def test_problems_are_neither_shown_nor_compared() -> None:
    odd = Thing(id=1, problems=("$.data.id",))
    assert odd == Thing(id=1)
    assert "problems" not in repr(odd)
    assert Thing(id=1).problems == ()


def test_what_is_nested_deeper_than_writers_of_json_go_is_left_out_of_to_dict() -> None:
    nested: Any = "the end"
    for level in range(900):
        nested = [nested] if level % 2 else {"a": nested}
    generation = Generation.from_dict({"id": "gen-1", "state": "queued", "new": nested})
    text = json.dumps(json.loads(generation.to_json())["new"])
    assert text.count("[") + text.count("{") == 99
    assert "null" in text
    assert generation.raw["new"] is nested
