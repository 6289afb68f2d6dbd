"""Expressions in the generated decoders and builders, which read and send values."""

from collections.abc import Mapping

from generor_async.codegen.ir import Api, OperationSpec, Parameter
from generor_async.codegen.ir_types import (
    ClassRef,
    Field,
    ListOf,
    MapOf,
    OneOf,
    OpenEnum,
    Scalar,
    Schema,
    SpecError,
    Type,
)

__all__ = [
    "attribute_row",
    "check_calls",
    "checked_value",
    "guard",
    "json_value",
    "needs_reading",
    "path_expression",
    "query_value",
    "read_call",
    "strict_value",
    "wanted",
]

SCALARS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "str": ("a string", ("str",)),
    "int": ("an integer", ("int",)),
    "float": ("a number", ("float", "int")),
    "bool": ("true or false", ("bool",)),
    "secret": ("a string", ("str",)),
}
"""The name of each scalar in messages, and its classes in decoded JSON."""


def _scalars(kind: Type) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the scalars of a type; none if a function reads it."""
    match kind:
        case OpenEnum():
            return (SCALARS["str"],)
        case Scalar(name):
            return (SCALARS[name],) if name in SCALARS else ()
        case OneOf(members):
            return tuple(scalar for member in members for scalar in _scalars(member))
        case _:
            return ()


def guard(field: Field, partial: bool = False) -> str:
    """Return the condition under which a decoder rejects a scalar; empty if it accepts anything."""
    classes = [each for _, classes in _scalars(field.type) for each in classes]
    refused = " and ".join(f"type({field.local}) is not {each}" for each in classes)
    if not refused or (field.promised and not partial):
        return refused and (f"{refused} or not {field.local}" if field.identity and classes == ["str"] else refused)
    return f"{field.local} is not None and {refused}"


def wanted(field: Field) -> str:
    """Return the expected type of a field, for messages."""
    match field.type:
        case Scalar("datetime"):
            return "a date and time"
        case Scalar("any"):
            return "anything"
        case ListOf():
            return "an array"
        case ClassRef() | MapOf():
            return "an object"
        case _:
            return " or ".join(called for called, _ in _scalars(field.type))


def needs_reading(field: Field, partial: bool = False) -> bool:
    """Tell whether a function reads an optional field when it is present."""
    needed = field.promised and not partial
    return not (needed or field.type == Scalar("any") or _scalars(field.type))


def strict_value(field: Field, api: Api, partial: bool = False) -> str:
    """Return the expression that gives a field its value."""
    if guard(field) or needs_reading(field, partial):
        return field.local
    got = f'get("{field.wire}")'
    return got if field.type == Scalar("any") else read_call(field, got, api)


def read_call(field: Field, value: str, api: Api) -> str:
    """Return the call that reads `value`, an expression."""
    match field.type:
        case Scalar("datetime"):
            return f"read_datetime({value})"
        case ClassRef(name):
            return f"{api.schema(name).decoder}({value})"
        case ListOf(item):
            return f"read_list({_reader(item, api)}, {value})"
        case MapOf(Scalar("any")):
            return f"read_dict({value})"
        case MapOf(item):
            return f"read_map({_reader(item, api)}, {value})"
        case _:
            raise SpecError(f"{field.wire}: no way to read a {field.type}")


def _reader(kind: Type, api: Api) -> str:
    """Return the name of the function that reads one item."""
    match kind:
        case ClassRef(name):
            return api.schema(name).decoder
        case OpenEnum():
            return "read_str"
        case Scalar("any" | "str" | "int" | "float" | "bool" as name):
            return f"read_{name}"
        case _:
            raise SpecError(f"no way to read a {kind} inside an array or object")


def attribute_row(field: Field, schema: Schema, api: Api) -> str:
    """Return the row of the lenient decoder for a field."""
    reader = "as_id" if field.identifies else _lenient(field.type, schema, api)
    promised = ", promised=True" if field.promised else ""
    return f'Attribute("{field.name}", "{field.wire}", "{wanted(field)}", {reader}{promised})'


def _lenient(kind: Type, schema: Schema, api: Api) -> str:
    match kind:
        case ClassRef(name):
            shape = api.schema(name).shape
            later = name not in api.before(schema)
            return f"lambda *given: {shape}.lenient(*given)" if later else f"{shape}.lenient"
        case ListOf(item):
            return f"list_of({_lenient(item, schema, api)})"
        case MapOf(Scalar("any")):
            return "as_dict"
        case MapOf(item):
            return f"map_of({_lenient(item, schema, api)})"
        case OpenEnum():
            return "as_word"
        case OneOf(members):
            return f"as_one_of({', '.join(_lenient(member, schema, api) for member in members)})"
        case Scalar(name):
            return f"as_{name}"


def json_value(parameter: Parameter) -> str:
    """Return the expression that checks an argument and converts it for a JSON body."""
    name, checked = parameter.name, checked_value(parameter)
    match parameter.type:
        case Scalar("datetime"):
            made = f"{checked}.isoformat()"
        case ListOf() | MapOf() | ClassRef():
            made = f"to_json({checked})"
        case _:
            made = checked
    return f"None if {name} is None else {made}" if parameter.nullable else made


def query_value(parameter: Parameter) -> str:
    """Return the expression that checks an argument and converts it for a query or form."""
    checked = checked_value(parameter)
    match parameter.type:
        case Scalar("str") | OpenEnum():
            return checked
        case Scalar("bool"):
            return f'"true" if {checked} else "false"'
        case Scalar("datetime"):
            return f"{checked}.isoformat()"
        case Scalar("int" | "float"):
            return f"str({checked})"
        case _:
            raise SpecError(f"{parameter.name}: no way to put a {parameter.type} into a query")


KINDS: Mapping[str, str] = {
    "str": "text",
    "int": "whole",
    "float": "number",
    "bool": "boolean",
    "datetime": "moment",
    "bytes": "data",
}
"""The function of `rules.arguments` that checks each scalar."""


def checked_value(parameter: Parameter) -> str:
    """Return the call that checks an argument's type and returns its value."""
    given = f"{parameter.name}, {parameter.name!r}"
    if parameter.where in {"filename", "media_type"}:
        return f"arguments.{'file_name' if parameter.where == 'filename' else 'media_type'}({given})"
    match parameter.type:
        case Scalar("str") | ListOf(Scalar("str")) if parameter.is_url:
            function = "url" if parameter.type == Scalar("str") else "urls"
        case Scalar(kind) if kind in KINDS:
            function = KINDS[kind]
        case OpenEnum():
            function = "text"
        case OneOf(members) if set(members) <= {Scalar("str"), Scalar("int")}:
            function = "text_or_whole"
        case ListOf(OpenEnum() | Scalar("str")):
            function = "texts"
        case ListOf(ClassRef("MediaRef")):
            function = "media"
        case ClassRef("MediaRef"):
            function = "medium"
        case ClassRef(name):
            return f"nested_objects.instance({given}, models.{name})"
        case ListOf():
            function = "items"
        case MapOf():
            function = "mapping"
        case _:
            raise SpecError(f"{parameter.name}: no way to look at a {parameter.type} before it is sent")
    return f"arguments.{function}({given})"


def path_expression(operation: OperationSpec) -> str:
    """Return the expression of the path, its arguments encoded."""
    path = operation.template
    arguments = operation.sent_in("path")
    for parameter in arguments:
        name = parameter.name
        given = checked_value(parameter) if parameter.type == Scalar("int") else f"path_segment({name}, {name!r})"
        path = path.replace(f"{{{name}}}", f"{{{given}}}")
    return f'f"{path}"' if arguments else f'"{path}"'


def check_calls(parameter: Parameter) -> list[str]:
    """Return the calls that check an argument's bounds before anything is sent."""
    calls: list[str] = []
    for check in parameter.checks:
        given = [f"{key}={value!r}" for key, value in check.arguments]
        calls.append(f"checks.{check.function}({parameter.name}, {parameter.name!r}, {', '.join(given)})")
    return calls
