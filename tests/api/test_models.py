"""The generated decoders: lossless, exact about what is wrong, lenient where no document promises anything."""

import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generor_async.api.generor import models as generor
from generor_async.api.luma import models as luma
from generor_async.values import JSON, Misshapen, Model, Secret

Decode = Callable[[JSON], Model]

ALSO_LENIENT = {
    "Creation": (
        "creation_id",
        "generator",
        "user_id",
        "username",
        "created_at",
        "privacy_mode",
        "type",
        "license",
    ),
    "Following": ("following",),
    "Profile": (
        "user_id",
        "username",
        "email",
        "joined",
        "credits",
        "creation_count",
        "follower_count",
        "following_count",
    ),
    "Rating": ("creation_id", "count"),
}
"""What the documents promise of the classes that come in answers of both kinds, and may have None anywhere."""


def decoders() -> Iterator[tuple[type[Model], Decode]]:
    for module in (generor, luma):
        for name in module.__all__:
            if name.startswith("decode_"):
                decode: Decode = getattr(module, name)
                yield get_type_hints(decode)["return"], decode


def never_refuses(decode: Decode) -> bool:
    try:
        decode(None)
    except Misshapen:
        return False
    return True


STRICT = [pytest.param(cls, decode, id=decode.__name__) for cls, decode in decoders() if not never_refuses(decode)]
LENIENT = [pytest.param(cls, decode, id=decode.__name__) for cls, decode in decoders() if never_refuses(decode)]

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.text(max_size=4), inside, max_size=2),
    max_leaves=4,
)
unknown = st.dictionaries(st.text("xyz", min_size=1, max_size=3), json, max_size=2)
times = st.datetimes(timezones=st.just(UTC) | st.none()).map(datetime.isoformat)


def declared(cls: type[Model]) -> dict[str, Any]:
    """Return the types of the fields that are on the wire."""
    return {name: hint for name, hint in get_type_hints(cls).items() if name in cls.wire_names}


def required(cls: type[Model]) -> tuple[str, ...]:
    known = ALSO_LENIENT.get(cls.__name__)
    return known or tuple(
        field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING and field.name in cls.wire_names
    )


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
    float: st.integers() | st.floats(allow_nan=False),
    bool: st.booleans(),
    datetime: times,
    Secret: st.text(max_size=50),
}


def wire_object(cls: type[Model]) -> st.SearchStrategy[dict[str, Any]]:
    """Return JSON objects that fit a class, with fields that it doesn't declare."""
    promised = required(cls)
    fields = {name: wire(hint, null=name not in promised) for name, hint in declared(cls).items()}
    known = st.fixed_dictionaries(
        {name: fields[name] for name in promised},
        optional={name: value for name, value in fields.items() if name not in promised},
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


@pytest.mark.parametrize(("cls", "decode"), STRICT)
@given(data=st.data())
@settings(max_examples=15)
def test_what_fits_is_read_and_nothing_is_lost(cls: type[Model], decode: Decode, data: st.DataObject) -> None:
    source = data.draw(wire_object(cls))
    model = decode(source)
    assert plain(model) == source
    assert dict(model.extra) == {key: value for key, value in source.items() if key not in cls.wire_names}
    for name in declared(cls):
        value = getattr(model, name)
        if isinstance(value, datetime):
            assert value == datetime.fromisoformat(source[name])
        else:
            assert plain(value) == source.get(name)


@pytest.mark.parametrize(("cls", "decode"), STRICT)
@given(data=st.data())
@settings(max_examples=15)
def test_a_field_that_must_be_there_is_named_when_it_is_not(
    cls: type[Model], decode: Decode, data: st.DataObject
) -> None:
    if not required(cls):
        return
    source = data.draw(wire_object(cls))
    name = data.draw(st.sampled_from(required(cls)))
    source[name] = None
    with pytest.raises(Misshapen) as raised:
        decode(source)
    assert raised.value.path == f".{name}"
    del source[name]
    with pytest.raises(Misshapen) as raised:
        decode(source)
    assert raised.value.path == f".{name}"


@pytest.mark.parametrize(("cls", "decode"), STRICT)
@given(value=json.filter(lambda value: type(value) is not dict))
@settings(max_examples=10)
def test_what_is_no_object_is_refused(cls: type[Model], decode: Decode, value: JSON) -> None:
    with pytest.raises(Misshapen, match="an object") as raised:
        decode(value)
    assert raised.value.path == ""


@pytest.mark.parametrize(("cls", "decode"), LENIENT)
@given(value=json)
@settings(max_examples=10)
def test_a_lenient_decoder_takes_anything(cls: type[Model], decode: Decode, value: JSON) -> None:
    model = decode(value)
    assert model.raw is value
    if type(value) is not dict:
        assert all(getattr(model, name) is None for name in declared(cls))
        assert dict(model.extra) == {}


@pytest.mark.parametrize(("cls", "decode"), LENIENT)
@given(data=st.data())
@settings(max_examples=15)
def test_a_lenient_decoder_reads_what_fits_and_makes_none_of_the_rest(
    cls: type[Model], decode: Decode, data: st.DataObject
) -> None:
    source = data.draw(wire_object(cls))
    name = data.draw(st.sampled_from(sorted(declared(cls))))
    source[name] = data.draw(json)
    model = decode(source)
    assert model.raw is source
    for other in declared(cls).keys() - {name}:
        value = getattr(model, other)
        assert isinstance(value, datetime) or plain(value) == source.get(other)


def test_the_place_of_an_item_at_fault_is_told() -> None:
    result = {
        "generator": "joke",
        "model_id": 37,
        "model_type": "text",
        "model_name": "Gemini",
        "creations": [{"creation_id": 1}, {"text": "a joke"}],
        "credit_cost": 1,
        "credit_cost_estimated": 1,
        "credits_remaining": 1,
        "time_taken_seconds": 4.18,
    }
    with pytest.raises(Misshapen) as raised:
        generor.decode_generate_result(result)
    assert raised.value.path == ".creations[1].creation_id"


def test_a_boolean_is_no_integer() -> None:
    with pytest.raises(Misshapen, match="an integer"):
        generor.decode_image({"url": "", "width": True})


def test_a_field_that_only_the_client_knows_never_spoils_a_documented_answer() -> None:
    assert luma.decode_output({"type": "image", "url": "https://x", "layer": "front"}).layer is None
    assert generor.decode_generated_creation({"creation_id": 1, "video_url": 5}).video_url is None


def test_values_that_nobody_knows_yet_pass() -> None:
    assert luma.decode_output({"type": "hologram", "url": "https://x"}).type == "hologram"


def test_a_new_key_is_masked_in_the_model_and_in_its_raw() -> None:
    key = "gnr_live_" + "a1b2" * 10
    model = generor.decode_new_api_key({"key_id": 1, "api_key": key, "prefix": "gnr_live_a1b2", "name": "My App"})
    assert key not in repr(model) + repr(model.raw) + str(model.raw)
    assert model.api_key.reveal() == key
    assert model.raw["api_key"].reveal() == key


def test_times_are_aware_only_where_the_wire_has_a_zone() -> None:
    creation = generor.decode_creation_leniently({"created_at": "2026-02-20 12:00:00"})
    assert creation.created_at == datetime.fromisoformat("2026-02-20T12:00:00")
    aware = luma.decode_presigned_upload({"url": "", "method": "PUT", "expires_at": "2026-04-08T13:00:00Z"})
    assert aware.expires_at == datetime(2026, 4, 8, 13, tzinfo=UTC)
