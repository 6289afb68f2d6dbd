"""Classes, from a spec's schemas."""

from typing import Any

import pytest
from codegen.small import api, document, obj, operation, ref, schema, text

from generor_async.codegen.annotations import member_annotation
from generor_async.codegen.ir_types import Field, SpecError
from generor_async.codegen.render import read_api


def field(name: str, of: str = "Thing", **parts: Any) -> Field:
    return next(each for each in schema(of, **parts).fields if each.name == name)


def thing(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {"schemas": {"Thing": obj(*required, properties=properties, **more)}}


def test_a_required_field_is_promised() -> None:
    assert field("id").promised


def test_a_field_that_may_be_null_is_not_promised_although_required() -> None:
    assert not field("name", **thing({"name": {"type": ["string", "null"]}}, "name")).promised


@pytest.mark.parametrize("source", ["client", "assumed"])
def test_an_undocumented_field_is_not_promised(source: str) -> None:
    assert not field("name", **thing({"name": text(**{"x-source": source})}, "name")).promised


def test_a_field_of_a_client_schema_is_promised_like_a_documented_one() -> None:
    parts = thing({"name": text(**{"x-source": "client"})}, "name", **{"x-source": "client"})
    assert field("name", **parts).promised


def test_an_assumed_schema_promises_nothing() -> None:
    found = schema("Thing", **thing({"name": text()}, "name", **{"x-source": "assumed"}))
    assert not found.fields[0].promised


def test_a_schema_of_assumed_answers_has_a_decoder_that_needs_no_field() -> None:
    paths = {
        "/things": {
            "get": operation(),
            "post": operation(**{"x-answer": "assumed", "x-method": "create", "operationId": "things.create"}),
        }
    }
    found = schema("Thing", paths=paths)
    assert found.partial
    assert (found.decoder, found.partial_decoder) == ("decode_thing", "decode_partial_thing")
    assert found.fields[0].promised
    assert not schema("Thing").partial


def test_a_field_is_promised_where_it_is_required_or_where_documented_answers_alone_have_it() -> None:
    found = schema("Thing", **thing({"id": text(), "size": text(**{"x-promised": True}), "note": text()}, "id")).fields
    assert [each.wire for each in found if each.promised] == ["id", "size"]


def test_an_identity_or_an_item_that_is_no_field_is_refused() -> None:
    for more in ({"x-identity": ["ido"]}, {"x-item": "url"}):
        with pytest.raises(SpecError, match="nothing is called"):
            schema("Thing", **thing({"id": text()}, "id", **more))


def test_an_unused_schema_gets_no_class() -> None:
    assert [each.name for each in api(schemas={"Stray": obj(properties={})}).schemas] == ["Thing"]


def test_a_class_comes_after_those_it_refers_to() -> None:
    schemas = {"Thing": obj(properties={"part": ref("Part")}), "Part": obj(properties={"a": text()})}
    assert [each.name for each in api(schemas=schemas).schemas] == ["Part", "Thing"]


def test_classes_that_refer_to_each_other_are_each_listed_once() -> None:
    schemas = {
        "Thing": obj(properties={"part": ref("Part")}),
        "Part": obj(properties={"whole": ref("Thing")}),
    }
    assert sorted(each.name for each in api(schemas=schemas).schemas) == ["Part", "Thing"]


def test_objects_inside_a_request_are_inputs() -> None:
    schemas = {
        "ThingRequest": obj(properties={"options": ref("Options")}, **{"x-unpack": True}),
        "Options": obj(properties={"a": text()}, **{"x-input": True}),
    }
    found = schema("Options", schemas=schemas)
    assert (found.kind, found.mapping) == ("input", "OptionsDict")
    assert schema("Thing").mapping == ""


def test_an_input_whose_class_is_written_by_hand_is_generated_as_a_mapping_alone() -> None:
    schemas = {
        "ThingRequest": obj(properties={"image": ref("MediaRef")}, **{"x-unpack": True}),
        "MediaRef": obj("url", properties={"url": text(), "data": {**text(), "type": ["string", "null"]}}),
    }
    found = schema("MediaRef", schemas=schemas)
    assert (found.kind, found.mapping) == ("mapping", "MediaRefDict")
    assert [member_annotation(each) for each in found.fields] == ["Required[str]", "str | None"]


def test_a_schema_that_is_sent_and_answered_is_refused() -> None:
    schemas = {"ThingRequest": obj(properties={"thing": ref("Thing")}, **{"x-unpack": True})}
    with pytest.raises(SpecError, match="sent and answered alike: Thing"):
        read_api("luma", document(schemas=schemas))


def test_a_check_that_would_never_run_is_refused() -> None:
    schemas = {
        "ThingRequest": obj(properties={"options": ref("Options")}, **{"x-unpack": True}),
        "Options": obj(properties={"a": text(maxLength=1, **{"x-refusal": "too long"})}, **{"x-input": True}),
    }
    with pytest.raises(SpecError, match="Options"):
        read_api("luma", document(schemas=schemas))


def test_a_python_keyword_gets_an_underscore() -> None:
    found = schema("Thing", **thing({"class": text(), "type": text()})).fields
    assert [(each.name, each.local, each.wire) for each in found] == [
        ("class_", "class_", "class"),
        ("type", "type_", "type"),
    ]


def test_a_computed_field_is_not_on_the_wire() -> None:
    computed = {"x-computed": {"dropped": {"type": "array", "items": text()}}}
    found = schema("Thing", **thing({"id": text()}, "id", **computed))
    assert [each.name for each in found.wire_fields] == ["id"]
    assert found.fields[1].computed


def test_a_source_is_documented_where_it_differs_from_the_enclosing_one() -> None:
    parts = thing({"name": text(**{"x-source": "client"})})
    assert field("name", **parts).doc == "A text (client)."
    assert schema("Thing", **thing({"a": text()}, **{"x-source": "client"})).doc == "An object (client)."
