"""Formatted docstrings."""

import ast
import re

import pytest
from codegen.small import obj, only_operation, schema, text

from generor_async.codegen.behaviour import SPEC
from generor_async.codegen.docs import WIDTH, attribute_doc, class_doc, method_doc, operation_doc
from generor_async.codegen.ir_types import SpecError

LONG = "word " * 40


def lines(doc: str, indent: int) -> list[str]:
    return (" " * indent + doc).splitlines()


def test_a_short_docstring_is_one_line() -> None:
    assert attribute_doc("The id.", 4) == '"""The id."""'


def test_a_long_docstring_is_wrapped_within_the_line_length() -> None:
    wrapped = lines(attribute_doc(f"{LONG.strip()}.", 4), 4)
    assert len(wrapped) > 2
    assert all(len(line) <= WIDTH for line in wrapped)
    assert wrapped[-1] == '    """'


def test_a_docstring_that_would_fit_but_for_its_quotes_is_wrapped() -> None:
    text_ = "x" * (WIDTH - 4 - 4) + "."
    assert attribute_doc(text_, 4) == f'"""{text_}\n    """'


def test_a_class_says_its_summary_first() -> None:
    found = schema("Thing", schemas={"Thing": obj(properties={"a": text()}, description=f"A thing. {LONG}")})
    summary, blank, *rest = lines(class_doc(found), 4)
    assert (summary, blank) == ('    """A thing.', "")
    assert all(line.startswith("    ") and len(line) <= WIDTH for line in rest)


def test_a_summary_that_does_not_fit_its_line_is_refused() -> None:
    with pytest.raises(SpecError, match="must fit one line"):
        operation_doc(only_operation(summary=f"{LONG.strip()}."))


def test_quotes_that_would_end_the_docstring_are_refused() -> None:
    with pytest.raises(SpecError, match="cannot hold"):
        method_doc(only_operation(description='Say """ here.'))


def test_a_builder_refers_to_its_method() -> None:
    doc = operation_doc(only_operation(description="More."))
    assert "The client's `things.get` has the same arguments" in doc
    assert "More." not in doc


def test_a_method_documents_arguments_result_and_errors() -> None:
    parameter = {
        "name": "q",
        "in": "query",
        "description": f"What to look for: {LONG.strip()}.",
        "schema": {"type": "string"},
    }
    doc = method_doc(only_operation(description="More.\n\nStill more.", parameters=[parameter]))
    assert all(len(line) <= WIDTH for line in lines(doc, 8))
    read = ast.get_docstring(ast.parse(f"def f():\n    {doc}").body[0])  # type: ignore[arg-type] # it is a function
    assert read is not None
    paragraphs = read.split("\n\n")
    assert paragraphs[:3] == ["Return one thing.", "More.", "Still more."]
    assert [each.splitlines()[0] for each in paragraphs[3:]] == ["Args:", "Returns:", "Raises:"]
    assert paragraphs[-1].splitlines()[1:] == [
        "    InvalidRequestError: An argument can never be right; nothing was sent.",
        "    NotFoundError: 404: No such thing.",
    ]


def test_a_paged_method_documents_its_number_of_items() -> None:
    assert "max_items: How many items" in method_doc(only_operation(**{"x-paged": "cursor"}))


@pytest.mark.parametrize("api", ["generor", "luma"])
def test_the_head_of_a_spec_explains_each_extension_that_the_spec_uses(api: str) -> None:
    head, _, body = (SPEC / f"{api}.yaml").read_text("utf-8").partition("\nopenapi:")
    assert set(re.findall(r"[ {](x-[a-z-]+):", body)) == set(re.findall(r"`(x-[a-z-]+)", head))
