"""Annotations in the generated code, of answers and of arguments."""

from collections.abc import Mapping

from generor_async.codegen.ir import OperationSpec, Parameter, Submission
from generor_async.codegen.ir_types import (
    HAND_WRITTEN,
    ClassRef,
    Field,
    ListOf,
    MapOf,
    OneOf,
    OpenEnum,
    Scalar,
    Type,
    classes_of,
)

__all__ = [
    "attribute_annotation",
    "call_arguments",
    "handed_on",
    "input_annotation",
    "member_annotation",
    "params_annotation",
    "quoted",
    "result_annotation",
    "signature",
    "submission_signature",
]

ANNOTATIONS: Mapping[str, str] = {"any": "Any", "secret": "Secret"}


def _answer_annotation(kind: Type, prefix: str = "") -> str:
    """Return the annotation of a type in an answer."""
    match kind:
        case Scalar(name):
            return ANNOTATIONS.get(name, name)
        case OpenEnum(name) | ClassRef(name):
            return prefix + name
        case ListOf(item):
            return f"list[{_answer_annotation(item, prefix)}]"
        case MapOf(value):
            return f"dict[str, {_answer_annotation(value, prefix)}]"
        case OneOf(members):
            return " | ".join(_answer_annotation(member, prefix) for member in members)


def _input_annotation(kind: Type, prefix: str, list_name: str = "list") -> str:
    """Return the annotation of a type in an argument: wider than in an answer where that is safe."""
    match kind:
        case ClassRef(name):
            return f"{name if name in HAND_WRITTEN else prefix + name} | {prefix}{name}Dict"
        case ListOf(OpenEnum() | Scalar("str") as item):
            # A string is a sequence of strings: Sequence would take one by mistake.
            inside = _input_annotation(item, prefix)
            return f"{list_name}[{inside}] | tuple[{inside}, ...]"
        case ListOf(item):
            return f"Sequence[{_input_annotation(item, prefix)}]"
        case MapOf(value):
            return f"Mapping[str, {_input_annotation(value, prefix)}]"
        case _:
            return _answer_annotation(kind, prefix)


def attribute_annotation(field: Field, known: set[str]) -> str:
    """Return the annotation of an answer's attribute; quoted if it names a later class."""
    annotation = _answer_annotation(field.type)
    if not field.promised and not field.computed and field.type != Scalar("any"):
        annotation += " | None"
    return annotation if classes_of(field.type) <= known else f'"{annotation}"'


def input_annotation(field: Field) -> str:
    """Return the annotation of an input object's attribute."""
    return _argument(_input_annotation(field.type, ""), field.nullable, field.required)


def member_annotation(field: Field) -> str:
    """Return the annotation of a key of a TypedDict."""
    annotation = _input_annotation(field.type, "") + (" | None" if field.nullable else "")
    return f"Required[{annotation}]" if field.required else annotation


def parameter_annotation(parameter: Parameter, list_name: str = "list") -> str:
    """Return the annotation of an argument."""
    return _argument(_input_annotation(parameter.type, "models.", list_name), parameter.nullable, parameter.required)


def params_annotation(parameter: Parameter) -> str:
    """Return the annotation of an argument in a TypedDict."""
    annotation = parameter_annotation(parameter)
    return f"Required[{annotation}]" if parameter.required else annotation


def _argument(annotation: str, nullable: bool, required: bool) -> str:
    return annotation + ("" if required else " | Unset") + (" | None" if nullable else "")


def signature(operation: OperationSpec, list_name: str = "list", *, method: bool = False) -> str:
    """Return the parameters of an operation's builder or method."""
    before = ["self"] if method else []
    before += [f"{each.name}: {parameter_annotation(each, list_name)}" for each in operation.positional]
    named = [
        f"{each.name}: {parameter_annotation(each, list_name)}" + ("" if each.required else " = UNSET")
        for each in operation.keywords
    ]
    if method and operation.result.kind == "pages":
        named.append("max_items: int | None = None")
    if operation.others:
        named.append("**others: Unpack[NoOthers]")
    return ", ".join([*before, "*", *named] if named else before)


def handed_on(submission: Submission, *, call: bool = False) -> str:
    """Return the parameters of a submission that are handed on to its hook or, with `call`, its arguments."""
    if call:
        return ", ".join(f"{each.name}={each.name}" for each in submission.more)
    return ", ".join(f"{each.name}: {quoted(each.annotation)} = {each.default}" for each in submission.more)


def quoted(annotation: str) -> str:
    """Return an annotation; in quotes where it names something that is imported later."""
    return f'"{annotation}"' if "generor_async." in annotation else annotation


def submission_signature(operation: OperationSpec, submission: Submission, list_name: str = "list") -> str:
    """Return the parameters of a method that submits an operation."""
    own, others, _ = signature(operation, list_name, method=True).partition(", **others")
    star = "" if operation.keywords else "*, "
    return f"{own}, {star}{handed_on(submission)}" + (", **others: Unpack[NoOthers]" if others else "")


def call_arguments(operation: OperationSpec) -> str:
    """Return the arguments with which a method calls its builder."""
    given = [each.name for each in operation.positional]
    named = [f"{each.name}={each.name}" for each in operation.keywords]
    return ", ".join([*given, *named, *(["**others"] if operation.others else [])])


def result_annotation(operation: OperationSpec, *, list_name: str = "list", sent: bool = False) -> str:
    """Return the result of a method or, with `sent`, of the operation's decoder."""
    name = f"models.{operation.result.schema}"
    match operation.result.kind:
        case "none":
            return "None"
        case "one":
            return name
        case "pages":
            return f"PageData[{name}]" if sent else f"Pages[{name}]"
        case "list":
            return f"PageData[{name}]" if sent else f"{list_name}[{name}]"
        case "map":
            return f"dict[str, {list_name}[{name}]]"
