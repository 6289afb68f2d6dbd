"""Types, aliases and constraints, from a spec's nodes."""

from typing import Any

import pytest
from codegen.small import document, obj, operation, text

from generor_async.codegen.ir import Check
from generor_async.codegen.ir_types import ClassRef, ListOf, MapOf, OneOf, OpenEnum, Scalar, SpecError, Type
from generor_async.codegen.type_reader import TypeReader, read_checks


def reader(**schemas: Any) -> TypeReader:
    return TypeReader(document(schemas=schemas))


@pytest.mark.parametrize(
    ("node", "expected", "nullable"),
    [
        ({"type": "string"}, Scalar("str"), False),
        ({"type": "integer"}, Scalar("int"), False),
        ({"type": "number"}, Scalar("float"), False),
        ({"type": "boolean"}, Scalar("bool"), False),
        ({"type": "string", "x-datetime": True}, Scalar("datetime"), False),
        ({"type": "string", "format": "password"}, Scalar("secret"), False),
        ({"type": "string", "format": "binary"}, Scalar("bytes"), False),
        ({}, Scalar("any"), False),
        ({"type": ["string", "null"]}, Scalar("str"), True),
        ({"type": ["string", "integer"]}, OneOf((Scalar("str"), Scalar("int"))), False),
        ({"type": "array", "items": {"type": "integer"}}, ListOf(Scalar("int")), False),
        ({"type": "array", "items": {}}, ListOf(Scalar("any")), False),
        ({"type": "object"}, MapOf(Scalar("any")), False),
        ({"type": "object", "additionalProperties": True}, MapOf(Scalar("any")), False),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, MapOf(Scalar("int")), False),
        ({"$ref": "#/components/schemas/Thing"}, ClassRef("Thing"), False),
        ({"oneOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "null"}]}, ClassRef("Thing"), True),
    ],
)
def test_a_node_is_read_as_a_type(node: dict[str, Any], expected: Type, nullable: bool) -> None:
    assert reader().read(node, "field") == (expected, nullable)


def test_one_of_two_objects_is_refused() -> None:
    thing = {"$ref": "#/components/schemas/Thing"}
    with pytest.raises(SpecError, match="not all of them scalars"):
        reader().read({"anyOf": [thing, {"type": "object"}]}, "field")


def test_an_object_without_a_name_is_refused() -> None:
    with pytest.raises(SpecError, match="a schema of its own"):
        reader().read({"type": "object", "properties": {"a": text()}}, "field")


def test_known_values_are_named_after_the_answer_that_has_them() -> None:
    state = text(**{"x-values": ["on", "off"]})
    read = reader(
        LampRequest=obj(properties={"state": state}, **{"x-unpack": True}),
        Lamp=obj(properties={"state": state}),
    )
    assert read.read(state, "state") == (OpenEnum("LampState"), False)
    (alias,) = read.aliases
    assert (alias.name, alias.values, alias.doc) == ("LampState", ("on", "off"), "A text.")


def test_the_values_of_items_are_named_in_the_singular() -> None:
    colours = {"type": "array", "items": text(**{"x-values": ["red"]})}
    assert reader(Lamp=obj(properties={"colours": colours})).read(colours, "colours") == (
        ListOf(OpenEnum("LampColour")),
        False,
    )


def test_a_query_parameter_of_its_own_is_named_after_its_method() -> None:
    status = text(**{"x-values": ["all"]})
    parameter = {"name": "status", "in": "query", "schema": status}
    paths = {"/things": {"get": operation(operationId="things.list", parameters=[parameter])}}
    assert TypeReader(document(paths)).read(status, "status") == (OpenEnum("ThingListStatus"), False)


def test_aliases_that_nothing_uses_are_left_out() -> None:
    assert reader(Lamp=obj(properties={"state": text(**{"x-values": ["on"]})})).aliases == ()


def test_known_values_of_numbers_have_no_alias() -> None:
    level = {"type": "integer", "x-values": [0, 1]}
    read = reader(Lamp=obj(properties={"level": level}))
    assert read.read(level, "level") == (Scalar("int"), False)


def test_two_aliases_of_one_name_are_refused() -> None:
    with pytest.raises(SpecError, match="LampState: give the values an x-alias"):
        reader(LampState=obj(properties={}), Lamp=obj(properties={"state": text(**{"x-values": ["on"]})}))


def test_an_alias_may_be_named_by_the_spec() -> None:
    state = text(**{"x-values": ["on"], "x-alias": "Switch"})
    assert reader(Lamp=obj(properties={"state": state})).read(state, "state") == (OpenEnum("Switch"), False)


def test_a_constraint_with_a_refusal_is_checked() -> None:
    (check,) = read_checks({"minLength": 1, "maxLength": 9}, "too long")
    assert check == Check(function="length", arguments=(("at_least", 1), ("at_most", 9), ("refusal", "too long")))


def test_a_constraint_without_a_refusal_is_left_to_the_server() -> None:
    assert read_checks({"maximum": 9}, "") == ()
