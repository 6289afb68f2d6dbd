"""Resolves annotations: without quotes, each name with its module, and some aliases replaced by their meaning."""

import ast
from collections.abc import Callable, Iterator
from typing import cast

from generor_async.codegen.sources import Module, SourceRef, load

__all__ = ["ITERATORS", "alternatives", "class_at", "module_and_name", "name_text", "names_in", "resolve"]

ITERATORS = frozenset({"AsyncGenerator", "AsyncIterable", "AsyncIterator"})


def resolve(node: ast.expr, module: Module, opens: Callable[[ast.expr], bool]) -> ast.expr:
    """Return an annotation in which each name, dotted or not, is an `ast.Name` of the form `module:name`.

    An alias is replaced by its meaning if `opens` returns true for that.
    """
    copy = ast.parse(ast.unparse(node), mode="eval")
    return cast("ast.Expression", _Resolver(module, opens).visit(copy)).body


class _Resolver(ast.NodeTransformer):
    def __init__(self, module: Module, opens: Callable[[ast.expr], bool]) -> None:
        self._module = module
        self._opens = opens

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return (
            resolve(ast.parse(node.value, mode="eval").body, self._module, self._opens)
            if isinstance(node.value, str)
            else node
        )

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._named(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return self._named(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        value = cast("ast.expr", self.visit(node.value))
        within = node.slice if name_text(value) == "Literal" else cast("ast.expr", self.visit(node.slice))
        return ast.Subscript(value, within)

    def _named(self, node: ast.Name | ast.Attribute) -> ast.expr:
        text = ast.unparse(node)
        place = self._module.find(text)
        if place is not None and place[1] in place[0].aliases:
            meaning = resolve(place[0].variables[place[1]], place[0], self._opens)
            if self._opens(meaning):
                return meaning
        return ast.Name(f"{self._module.name}:{text}")


def module_and_name(node: ast.AST) -> tuple[Module, str] | None:
    """Return the module in which a name is written, and the name."""
    if not isinstance(node, ast.Name):
        return None
    module, _, text = node.id.partition(":")
    return load(module), text


def name_text(node: ast.AST) -> str:
    """Return the text of a name; empty for anything else."""
    found = module_and_name(node)
    return "" if found is None else found[1]


def class_at(node: ast.AST) -> SourceRef | None:
    """Return the package's class that is named, with or without type parameters."""
    found = module_and_name(node.value if isinstance(node, ast.Subscript) else node)
    place = None if found is None else found[0].find(found[1])
    return SourceRef(place[0].name, place[1]) if place is not None and place[1] in place[0].classes else None


def names_in(node: ast.expr) -> Iterator[ast.Name]:
    """Yield every name of an annotation."""
    return (each for each in ast.walk(node) if isinstance(each, ast.Name))


def alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the members of a union, or the annotation itself."""
    if isinstance(node, ast.BinOp):
        yield from (*alternatives(node.left), *alternatives(node.right))
    else:
        yield node
