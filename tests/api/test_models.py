"""The generated decoders: lossless, and as far as they go exact about what is wrong."""

import types
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from generor_async.api.generor import models as generor
from generor_async.api.luma import models as luma
from generor_async.values import JSON, UNSET, DecodeError, Model, Secret
from generor_async.values.decoding import UnexpectedShape
from generor_async.values.shapes import Problems, Shape


def shapes() -> Iterator[tuple[str, Shape[Any]]]:
    for module in (generor, luma):
        for name in module.__all__:
            if isinstance(found := getattr(module, name), Shape):
                yield name, found


SHAPES = [pytest.param(shape, id=name) for name, shape in shapes()]

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
json = st.recursive(
    scalars | st.text(max_size=4),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.text(max_size=4), inside, max_size=2),
    max_leaves=4,
)
unknown = st.dictionaries(st.text("xyz", min_size=1, max_size=3), json, max_size=2)
times = st.datetimes(timezones=st.just(UTC) | st.none()).map(datetime.isoformat)


def declared(cls: type[Model]) -> dict[str, Any]:
    """Return the types of the fields that are on the wire."""
    return {name: hint for name, hint in get_type_hints(cls).items() if name in cls.wire_names}


def promised(shape: Shape[Any]) -> tuple[str, ...]:
    return tuple(each.name for each in shape.attributes if each.promised)


def wire(hint: Any, *, null: bool = True) -> st.SearchStrategy[Any]:
    """Return JSON that fits a type; with `null` that of an absent value too, where the type has one."""
    members = get_args(hint)
    if hint is Any:
        return json
    if get_origin(hint) in {Union, types.UnionType}:
        return st.one_of(*(wire(member) for member in members if null or member is not type(None)))
    if get_origin(hint) is Literal:
        return st.sampled_from(members)
    if get_origin(hint) is list:
        return st.lists(wire(members[0]), max_size=2)
    if get_origin(hint) is dict:
        return st.dictionaries(st.text(max_size=3), wire(members[1]), max_size=2)
    if attrs.has(hint):
        return wire_object(cast("type[Model]", hint))
    return SCALARS[hint]


SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    type(None): st.none(),
    str: st.text(max_size=5),
    int: st.integers(),
    float: st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    datetime: times,
    Secret: st.text(max_size=50),
}


ALL = {shape.cls: shape for name, shape in shapes() if not name.startswith("PARTIAL_")}


def wire_object(cls: type[Model], shape: Shape[Any] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    """Return JSON objects that fit a class, with fields that it doesn't declare."""
    always = promised(shape or ALL[cls])
    fields = {name: wire(hint, null=name not in always) for name, hint in declared(cls).items()}
    for name in (shape or ALL[cls]).identity:
        if declared(cls)[name] is str:
            fields[name] = st.text(min_size=1, max_size=5)
    known = st.fixed_dictionaries(
        {name: fields[name] for name in always},
        optional={name: value for name, value in fields.items() if name not in always},
    )
    return st.tuples(known, unknown).map(lambda both: {**both[1], **both[0]})


def plain(value: Any) -> Any:
    """Return a decoded value as it stood on the wire."""
    if isinstance(value, Model):
        return {name: plain(each) for name, each in value.raw.items()}
    items: list[Any] = value
    if type(value) is list:
        return [plain(each) for each in items]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in cast("dict[str, Any]", value).items()}
    return value.reveal() if isinstance(value, Secret) else value


@pytest.mark.parametrize("shape", SHAPES)
@given(data=st.data())
@examples(4)
def test_what_fits_is_read_and_nothing_is_lost(shape: Shape[Any], data: st.DataObject) -> None:
    cls, source = shape.cls, data.draw(wire_object(shape.cls, shape))
    model = shape.strict(source)
    assert plain(model) == source
    assert dict(model.extra) == {key: value for key, value in source.items() if key not in cls.wire_names}
    assert model.problems == ()
    for name in declared(cls):
        value = getattr(model, name)
        if isinstance(value, datetime):
            assert value == datetime.fromisoformat(source[name])
        else:
            assert plain(value) == source.get(name)


@pytest.mark.parametrize("shape", SHAPES)
@given(data=st.data())
@examples(4)
def test_a_field_that_is_missing_is_none_and_told(shape: Shape[Any], data: st.DataObject) -> None:
    if not promised(shape):
        return
    source = data.draw(wire_object(shape.cls, shape))
    name = data.draw(st.sampled_from(promised(shape)))
    for gone in ({**source, name: None}, {key: value for key, value in source.items() if key != name}):
        with pytest.raises(UnexpectedShape):
            shape.strict(gone)
        model = shape.lenient(gone, "$", [])
        assert getattr(model, name) is None
        assert model.problems == (f"$.{name}",)


@pytest.mark.parametrize("shape", SHAPES)
@given(data=st.data())
@examples(5)
def test_an_odd_field_costs_no_other(shape: Shape[Any], data: st.DataObject) -> None:
    source = data.draw(wire_object(shape.cls, shape))
    name = data.draw(st.sampled_from(sorted(declared(shape.cls))))
    source[name] = data.draw(json)
    problems: Problems = []
    model = shape.lenient(source, "$", problems)
    assert plain(model) == source
    assert model.problems == tuple(problem.path for problem in problems)
    assert all(path.startswith(f"$.{name}") for path in model.problems)
    if getattr(model, name) is None and source[name] is not None:
        assert model.problems
    for other in declared(shape.cls).keys() - {name}:
        value = getattr(model, other)
        assert isinstance(value, datetime) or plain(value) == source.get(other)


@pytest.mark.parametrize("shape", SHAPES)
@given(value=scalars)
@examples(2)
def test_what_is_no_object_is_refused(shape: Shape[Any], value: JSON) -> None:
    with pytest.raises(DecodeError, match="an object"):
        shape.lenient(value, "$", [])


def result(**changes: Any) -> dict[str, Any]:
    """Return what a generate answers, with some fields otherwise; UNSET leaves one out."""
    known = {
        "generator": "joke",
        "model_id": 37,
        "model_type": "text",
        "model_name": "Gemini",
        "creations": [{"creation_id": 1}, {"text": "a joke"}],
        "credit_cost": 1,
        "credit_cost_estimated": 1,
        "credits_remaining": 1,
        "time_taken_seconds": 4.18,
        **changes,
    }
    return {name: value for name, value in known.items() if value is not UNSET}


def test_the_place_of_an_item_at_fault_is_told() -> None:
    found = generor.GENERATE_RESULT.lenient(result(), "$.data", [])
    assert found.problems == ("$.data.creations[1].creation_id",)
    assert [creation.text for creation in found.creations] == [None, "a joke"]


@pytest.mark.parametrize(
    ("changes", "name", "value", "problems"),
    [
        ({"time_taken_seconds": UNSET}, "time_taken_seconds", None, 1),
        ({"credit_cost": "24"}, "credit_cost", 24, 0),
        ({"model_name": None}, "model_name", None, 1),
        ({"credits_remaining": None}, "credits_remaining", None, 1),
        ({"adjustments": []}, "adjustments", generor.Adjustments(), 0),
        ({"adjustments": {"seconds": {"requested": 3, "used": 5.0, "supported": "5"}}}, "credit_cost", 1, 2),
    ],
)
def test_what_was_paid_for_is_read_whatever_is_odd_beside_it(
    changes: dict[str, Any], name: str, value: Any, problems: int
) -> None:
    found = generor.GENERATE_RESULT.lenient(result(creations=[{"creation_id": "6147"}], **changes), "$", [])
    assert found.creations[0].creation_id == 6147
    assert getattr(found, name) == value
    assert len(found.problems) == problems


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"output": None}, "output", None),
        ({"output": UNSET}, "output", None),
        ({"created_at": UNSET}, "created_at", None),
        ({"created_at": "soon"}, "created_at", None),
        ({"model": UNSET}, "model", None),
        ({"type": UNSET}, "type", None),
        ({"state": None}, "state", None),
        ({"id": 12345}, "id", "12345"),
        ({"output": ["https://x/1.png"]}, "output", [luma.Output(type="image", url="https://x/1.png")]),
    ],
)
def test_a_job_that_was_paid_for_needs_an_id_alone(changes: dict[str, Any], name: str, value: Any) -> None:
    known: dict[str, Any] = {
        "id": "a",
        "type": "image",
        "state": "queued",
        "model": "uni-1",
        "created_at": "2026-04-08T12:00:00Z",
        "output": [],
        **changes,
    }
    source = {key: each for key, each in known.items() if each is not UNSET}
    found = luma.GENERATION.identified(luma.GENERATION.lenient(source, "$", []), "$")
    if name == "output" and value:
        assert [output.url for output in found.output] == [output.url for output in value]
    else:
        assert getattr(found, name) == value
    assert found.id == source["id"] or found.id == "12345"


def test_a_model_of_a_list_is_read_whatever_is_odd_in_it() -> None:
    source = {
        "id": 20061,
        "name": "x",
        "type": "video",
        "provider": None,
        "credit_cost": 6,
        "supports_audio": 1,
        "default_duration": 8.0,
        "aspect_ratios": [{"id": 1, "ratio": "16:9"}, {"id": "match_input_image", "ratio": "", "label": "Same"}],
    }
    model = generor.MODEL.lenient(source, "$", [])
    found: Any = (model.provider, model.supports_audio, model.default_duration)
    assert found == (None, True, 8)
    assert model.aspect_ratios is not None
    kept: list[Any] = [ratio.id for ratio in model.aspect_ratios]
    assert kept == [1, "match_input_image"]
    assert model.problems == ("$.provider", "$.aspect_ratios[0].label", "$.aspect_ratios[1].id")


def test_a_boolean_is_no_integer() -> None:
    with pytest.raises(UnexpectedShape):
        generor.decode_image({"url": "", "width": True, "height": 1})


def test_a_field_that_only_the_client_knows_never_spoils_a_documented_answer() -> None:
    odd = luma.OUTPUT.lenient({"type": "image", "url": "https://x", "layer": "front"}, "$", [])
    assert (odd.layer, odd.problems) == (None, ("$.layer",))


def test_values_that_nobody_knows_yet_pass() -> None:
    assert luma.decode_output({"type": "hologram", "url": "https://x"}).type == "hologram"


def test_a_new_key_is_masked_in_the_model_and_in_its_raw() -> None:
    key = "gnr_live_" + "a1b2" * 10
    source = {"key_id": 1, "api_key": key, "prefix": "gnr_live_a1b2", "name": "My App", "message": "Save it"}
    strict, odd = generor.decode_new_api_key(source), generor.NEW_API_KEY.lenient({**source, "name": None}, "$", [])
    for model in (strict, odd):
        assert key not in repr(model) + repr(model.raw) + str(model.raw)
        assert model.api_key.reveal() == key
        assert model.raw["api_key"].reveal() == key


def test_times_are_aware_only_where_the_wire_has_a_zone() -> None:
    creation = generor.decode_partial_creation({"created_at": "2026-02-20 12:00:00"})
    assert creation.created_at == datetime.fromisoformat("2026-02-20T12:00:00")
    aware = luma.decode_presigned_upload({"url": "", "method": "PUT", "expires_at": "2026-04-08T13:00:00Z"})
    assert aware.expires_at == datetime(2026, 4, 8, 13, tzinfo=UTC)


@pytest.mark.parametrize("following", [True, False])
def test_following_is_as_true_as_it_says(following: bool) -> None:
    assert bool(generor.decode_following({"following": following})) is following
