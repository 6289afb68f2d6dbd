"""Formats docstrings: summary, paragraphs and sections, within the line width."""

import textwrap
import tomllib
from collections.abc import Iterable

from generor_async.codegen.document import ROOT, first_sentence
from generor_async.codegen.ir import OperationSpec, Parameter, Submission
from generor_async.codegen.ir_types import Schema, SpecError

__all__ = ["attribute_doc", "class_doc", "method_doc", "operation_doc", "submission_doc"]

WIDTH: int = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["line-length"]


def attribute_doc(text: str, indent: int) -> str:
    """Return the docstring of an attribute or an alias."""
    quoted = f'"""{text}"""'
    if indent + len(quoted) <= WIDTH:
        return quoted
    lines = textwrap.wrap(f'"""{text}', WIDTH - indent, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent("\n".join([*lines, '"""']), " " * indent).lstrip()


def class_doc(schema: Schema) -> str:
    """Return the docstring of a class."""
    summary, rest = _summary(schema.doc, 4)
    partial = "Any field may be None in an answer that no document shows." if schema.partial else ""
    return _docstring(summary, [block for block in (rest, partial) if block], 4)


def operation_doc(operation: OperationSpec) -> str:
    """Return the docstring of a builder, which refers to its method."""
    summary, rest = _summary(operation.summary, 4)
    pointer = f"The client's `{operation.resource}.{operation.method}` has the same arguments, and describes them."
    return _docstring(summary, [block for block in (rest, pointer) if block], 4)


def method_doc(operation: OperationSpec) -> str:
    """Return the docstring of the method that sends an operation."""
    summary, rest = _summary(operation.summary, 8)
    extra = [("max_items", MAX_ITEMS)] if operation.result.kind == "pages" else []
    blocks = [rest, *_paragraphs(operation.description), *_arguments(operation, 8, extra)]
    if operation.result.kind != "none":
        blocks.append(_section("Returns", [("", _returns(operation))], 8))
    refused = [("InvalidRequestError", REFUSED)] if operation.refuses else []
    errors = [(each.error, f"{each.status}: {each.doc}") for each in operation.errors]
    blocks.append(_section("Raises", refused + errors, 8))
    return _docstring(summary, [block for block in blocks if block], 8)


def submission_doc(operation: OperationSpec, submission: Submission) -> str:
    """Return the docstring of a method that submits an operation."""
    summary, rest = _summary(submission.summary, 8)
    blocks = [rest, *_paragraphs(submission.description)]
    blocks += _arguments(operation, 8, [(each.name, each.doc) for each in submission.more])
    blocks.append(_section("Returns", [("", submission.returns_doc)], 8))
    blocks.append(_section("Raises", [("InvalidRequestError", REFUSED), *submission.errors], 8))
    return _docstring(summary, [block for block in blocks if block], 8)


REFUSED = "An argument can never be right; nothing was sent."
MAX_ITEMS = "How many items to yield in all; None for as many as there are."


def _returns(operation: OperationSpec) -> str:
    if operation.result.kind == "pages":
        return "The pages, fetched as they are asked for."
    return operation.returns


def _arguments(operation: OperationSpec, indent: int, extra: Iterable[tuple[str, str]] = ()) -> list[str]:
    arguments = [_argument(each) for each in (*operation.positional, *operation.keywords)]
    entries = [*arguments, *extra]
    return [_section("Args", entries, indent)] if entries else []


def _argument(parameter: Parameter) -> tuple[str, str]:
    return parameter.name, parameter.doc


def _section(title: str, entries: Iterable[tuple[str, str]], indent: int) -> str:
    lines = [f"{title}:"]
    for name, text in entries:
        lines += textwrap.wrap(
            f"{name}: {text}" if name else text,
            WIDTH - indent,
            initial_indent="    ",
            subsequent_indent=" " * (8 if name else 4),
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def _summary(text: str, indent: int) -> tuple[str, str]:
    """Split a text into a first sentence that fits on a line, and the rest."""
    summary, rest = first_sentence(" ".join(text.split()))
    if indent + len(summary) + 3 > WIDTH:
        raise SpecError(f"the first sentence must fit one line: {summary}")
    return summary, rest


def _paragraphs(text: str) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in text.split("\n") if paragraph.strip()]


def _docstring(summary: str, blocks: list[str], indent: int) -> str:
    """Return the quoted docstring, with all lines but the first indented."""
    if '"""' in (whole := summary + "".join(blocks)) or "\\" in whole:
        raise SpecError(f"a docstring cannot hold this: {whole}")
    if not blocks and indent + len(summary) + 6 <= WIDTH:
        return f'"""{summary}"""'
    filled = [block if "\n" in block else _fill(block, indent) for block in blocks]
    text = "\n\n".join([f'"""{summary}', *filled]) + '\n"""'
    return textwrap.indent(text, " " * indent).lstrip()


def _fill(text: str, indent: int) -> str:
    return textwrap.fill(text, WIDTH - indent, break_long_words=False, break_on_hyphens=False)
