"""How values are read and sent: the lines of decoders, and of the functions that build operations."""

from collections.abc import Mapping

from generor_async.codegen.ir import (
    Api,
    Choice,
    Field,
    ListOf,
    MapOf,
    OneOf,
    Operation,
    Parameter,
    Ref,
    Scalar,
    SpecError,
    Type,
)

__all__ = [
    "check_calls",
    "checked_value",
    "guard",
    "json_value",
    "lenient_value",
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
"""What each scalar is called, and its classes in decoded JSON."""


def _scalars(kind: Type) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the scalars that a type may be; none where it is read by a function."""
    match kind:
        case Choice():
            return (SCALARS["str"],)
        case Scalar(name):
            return (SCALARS[name],) if name in SCALARS else ()
        case OneOf(members):
            return tuple(scalar for member in members for scalar in _scalars(member))
        case _:
            return ()


def guard(field: Field) -> str:
    """Return the condition under which a decoder refuses a scalar; empty for what isn't looked at."""
    if field.lenient:
        return ""
    classes = [each for _, classes in _scalars(field.type) for each in classes]
    refused = " and ".join(f"type({field.local}) is not {each}" for each in classes)
    return f"{field.local} is not None and {refused}" if refused and not field.strict else refused


def wanted(field: Field) -> str:
    """Return what a refused scalar should have been."""
    return " or ".join(called for called, _ in _scalars(field.type))


def needs_reading(field: Field) -> bool:
    """Tell whether a documented field that may be absent is read by a function where it is there."""
    return not (field.strict or field.lenient or field.type == Scalar("any") or guard(field))


def strict_value(field: Field, api: Api) -> str:
    """Return the expression that gives a documented field its value."""
    if field.lenient:
        return lenient_value(field, api)
    if guard(field) or needs_reading(field):
        return field.local
    got = f'get("{field.wire}")'
    return got if field.type == Scalar("any") else read_call(field, got, api)


def read_call(field: Field, value: str, api: Api) -> str:
    """Return the call that reads `value`, an expression, as a documented field."""
    path = f'".{field.wire}"'
    match field.type:
        case Scalar("datetime"):
            return f"read_datetime({value}, {path})"
        case Ref(name):
            return f"read_object({api.decoder(name)}, {value}, {path})"
        case ListOf(item):
            return f"read_list({_reader(item, api)}, {value}, {path})"
        case MapOf(Scalar("any")):
            return f"read_dict({value}, {path})"
        case MapOf(item):
            return f"read_map({_reader(item, api)}, {value}, {path})"
        case _:
            raise SpecError(f"{field.wire}: no way to read a {field.type}")


def lenient_value(field: Field, api: Api) -> str:
    """Return the expression that gives a field its value, or None where the wire has something else."""
    got = f'get("{field.wire}")'
    match field.type:
        case Scalar("any"):
            return got
        case Scalar("datetime"):
            return f"read_datetime_or_none({got})"
        case Scalar("str" | "int" | "float" | "bool" as name):
            return f"{name}_or_none({got})"
        case Choice():
            return f"str_or_none({got})"
        case Ref(name):
            return f"object_or_none({api.decoder(name)}, {got})"
        case ListOf(item):
            return f"list_or_none({_reader(item, api)}, {got})"
        case MapOf(Scalar("any")):
            return f"dict_or_none({got})"
        case MapOf(item):
            return f"map_or_none({_reader(item, api)}, {got})"
        case _:
            raise SpecError(f"{field.wire}: no way to read a {field.type} leniently")


def _reader(kind: Type, api: Api) -> str:
    """Return the name of the function that reads one item."""
    match kind:
        case Ref(name):
            return api.decoder(name)
        case Choice():
            return "read_str"
        case Scalar("any" | "str" | "int" | "float" | "bool" as name):
            return f"read_{name}"
        case _:
            raise SpecError(f"no way to read a {kind} inside an array or object")


def json_value(parameter: Parameter) -> str:
    """Return the expression that looks at an argument, and puts it into a JSON body."""
    name, checked = parameter.name, checked_value(parameter)
    match parameter.type:
        case Scalar("datetime"):
            made = f"{checked}.isoformat()"
        case ListOf() | MapOf() | Ref():
            made = f"to_json({checked})"
        case _:
            made = checked
    return f"None if {name} is None else {made}" if parameter.nullable else made


def query_value(parameter: Parameter) -> str:
    """Return the expression that looks at an argument, and puts it into a query or a form."""
    checked = checked_value(parameter)
    match parameter.type:
        case Scalar("str") | Choice():
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
    "bool": "truth",
    "datetime": "moment",
    "bytes": "data",
}
"""The function of `rules.arguments` that looks at each scalar."""


def checked_value(parameter: Parameter) -> str:
    """Return the call that gives an argument's value, if it is of the kind that goes there."""
    given = f"{parameter.name}, {parameter.name!r}"
    match parameter.type:
        case Scalar(kind) if kind in KINDS:
            function = KINDS[kind]
        case Choice():
            function = "text"
        case OneOf(members) if set(members) <= {Scalar("str"), Scalar("int")}:
            function = "text_or_whole"
        case ListOf(Choice() | Scalar("str")):
            function = "texts"
        case ListOf(Ref("MediaRef")):
            function = "media"
        case Ref("MediaRef"):
            function = "medium"
        case Ref(name):
            return f"arguments.instance({given}, models.{name})"
        case ListOf():
            function = "items"
        case MapOf():
            function = "mapping"
        case _:
            raise SpecError(f"{parameter.name}: no way to look at a {parameter.type} before it is sent")
    return f"arguments.{function}({given})"


def path_expression(operation: Operation) -> str:
    """Return the expression of the path, its arguments encoded."""
    path = operation.template
    arguments = operation.sent_in("path")
    for parameter in arguments:
        name = parameter.name
        given = checked_value(parameter) if parameter.type == Scalar("int") else f"segment({name}, {name!r})"
        path = path.replace(f"{{{name}}}", f"{{{given}}}")
    return f'f"{path}"' if arguments else f'"{path}"'


def check_calls(parameter: Parameter) -> list[str]:
    """Return the calls that hold an argument against its bounds before anything is sent."""
    calls: list[str] = []
    for check in parameter.checks:
        given = [f"{key}={value!r}" for key, value in check.arguments]
        calls.append(f"checks.{check.function}({parameter.name}, {parameter.name!r}, {', '.join(given)})")
    return calls
