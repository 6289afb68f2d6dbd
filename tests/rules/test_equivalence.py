"""The canonical form of parameters: equal for calls that ask for the same, and for no others."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generor_async.rules.equivalence import canonical_parameters, content_parameters
from generor_async.values import is_array, is_object

DEFAULTS: Mapping[str, Any] = {"model": "uni-1", "style": "auto", "count": 1}
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 2.5, "a", "auto", "uni-1", ""])
VALUES = st.recursive(
    SCALARS, lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.sampled_from("abc"), inside, max_size=2)
)
CALLS = st.dictionaries(st.sampled_from(["prompt", "model", "style", "count", "video", "image_ref"]), VALUES)


def text(call: Mapping[str, Any]) -> str:
    return json.dumps(canonical_parameters(call, DEFAULTS), sort_keys=True)


def respelt(value: Any, data: st.DataObject) -> Any:
    """Write a value down another way, that means the same: as the documents have it, not as the rule does it."""
    if isinstance(value, int) and not isinstance(value, bool) and data.draw(st.booleans()):
        return float(value)
    if is_array(value):
        return [respelt(item, data) for item in value]
    if is_object(value):
        members = [(key, respelt(item, data)) for key, item in value.items() if item is not None]
        members += [(key, data.draw(st.sampled_from([None, []]))) for key in "xyz" if data.draw(st.booleans())]
        return dict(data.draw(st.permutations(members)))
    return value


def plain(value: Any) -> Any:
    """Return a value in which numbers are told from true and false, and objects have no nulls and empty lists."""
    if is_object(value):
        return {key: plain(item) for key, item in value.items() if item not in (None, [])}
    if is_array(value):
        return [plain(item) for item in value]
    return ("number", float(value)) if isinstance(value, float | int) and not isinstance(value, bool) else value


def effect(call: Mapping[str, Any]) -> Any:
    """Return what a server makes of a call: what is missing is filled in."""
    return plain({**DEFAULTS, **{name: value for name, value in call.items() if value not in (None, [])}})


@given(CALLS, st.data())
def test_a_call_that_is_spelt_another_way_is_the_same(call: dict[str, Any], data: st.DataObject) -> None:
    spelt = respelt(call, data)
    for name, default in DEFAULTS.items():
        if call.get(name) in (None, []) and data.draw(st.booleans()):
            spelt[name] = respelt(default, data)
    assert text(spelt) == text(call)


@given(CALLS, CALLS)
def test_two_calls_are_the_same_exactly_where_a_server_makes_the_same_of_them(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (text(one) == text(other)) is (repr_of(effect(one)) == repr_of(effect(other)))


def repr_of(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@given(CALLS)
def test_the_form_of_a_form_is_itself(call: dict[str, Any]) -> None:
    once = canonical_parameters(call, DEFAULTS)
    assert repr_of(canonical_parameters(once, DEFAULTS)) == repr_of(once)


def test_what_is_in_its_form_is_not_made_anew() -> None:
    call = {"prompt": "a heron", "style": "manga", "web_search": True}
    assert canonical_parameters(call, DEFAULTS) is call


def test_true_is_not_1() -> None:
    assert text({"count": True}) != text({"count": 1}) == text({"count": 1.0}) == text({})


def test_a_null_that_no_document_explains_is_kept() -> None:
    assert text({"parameters": {"a": None}}) != text({"parameters": {}})
    assert text({"parameters": {"a": 1}}) == text({"parameters": {"a": 1.0}})


@pytest.mark.parametrize(
    ("one", "other", "again"),
    [
        ({"prompt": "x"}, {"prompt": "x", "model": "uni-1-max"}, True),
        ({"prompt": "x", "style": "manga"}, {"prompt": "x", "aspect_ratio": "1:1", "web_search": True}, True),
        ({"prompt": "x", "model_id": 1, "slug": "joke"}, {"prompt": "x", "model_id": 2, "slug": "joke"}, True),
        ({"prompt": "x", "video": {"duration": "5s"}}, {"prompt": "x", "video": {"resolution": "1080p"}}, True),
        ({"prompt": "a heron\nat dawn"}, {"prompt": " a heron\r\nat  dawn "}, True),
        ({"prompt": "a heron"}, {"prompt": "aheron"}, False),
        ({"prompt": "x"}, {"prompt": "y"}, False),
        ({"prompt": "x", "slug": "joke"}, {"prompt": "x", "slug": "poem"}, False),
        ({"prompt": "x", "source": {"url": "a"}}, {"prompt": "x", "source": {"url": "b"}}, False),
        ({"prompt": "x", "video": {"start_frame": {"url": "a"}}}, {"prompt": "x", "video": {}}, False),
        ({"image_url": "a", "model_id": 1}, {"image_url": "b", "model_id": 1}, False),
        ({"prompt": "x", "preference": "pun"}, {"prompt": "x", "preference": "dad"}, False),
    ],
)
def test_what_is_asked_for_is_told_from_how_it_is_made(one: Any, other: Any, again: bool) -> None:
    assert (content_parameters(one, DEFAULTS) == content_parameters(other, DEFAULTS)) is again


def test_what_was_told_apart_by_an_earlier_version_stays_so() -> None:
    call: dict[str, Any] = {
        "prompt": "a heron",
        "image_ref": [],
        "parameters": {},
        "video": {"keyframes": [], "loop": None},
    }
    assert canonical_parameters(call, DEFAULTS) == {"prompt": "a heron", "video": {}}
    assert canonical_parameters(call, DEFAULTS, version=2) == {**call, "video": {"keyframes": []}}
    free: dict[str, Any] = {"parameters": {"a": None, "b": []}}
    assert canonical_parameters(free, DEFAULTS) == canonical_parameters(free, DEFAULTS, version=2) == free, (
        "nobody says what is in it"
    )
