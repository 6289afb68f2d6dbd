"""Reads the classes of a spec: answers with their decoders, and inputs."""

import builtins
from collections.abc import Iterable, Iterator
from typing import Literal, cast

from generor_async.codegen.document import Document, Node, as_node, python_name, schema_name, with_source
from generor_async.codegen.ir_types import HAND_WRITTEN, Field, Scalar, Schema, SpecError, classes_of
from generor_async.codegen.type_reader import TypeReader

__all__ = ["read_schemas"]

DECODER_NAMES = frozenset({"source", "get"})
"""Names that the body of a decoder uses itself."""


def read_schemas(document: Document, types: TypeReader) -> tuple[Schema, ...]:
    """Return the classes that answers and request bodies need, each after those to which it refers."""
    documented, assumed = _results(document)
    answers = _reachable(document, documented | assumed)
    inputs = _reachable(document, _inputs(document))
    if both := inputs & answers:
        raise SpecError(f"sent and answered alike: {', '.join(sorted(both))}")
    schemas: dict[str, Schema] = {}
    for name, node in document.schemas.items():
        if name in inputs:
            schemas[name] = _input(types, name, node)
        elif name in answers:
            schemas[name] = _answer(types, name, node, partial=name in assumed and bool(node.get("required")))
    return tuple(_in_order(schemas))


def _input(types: TypeReader, name: str, node: Node) -> Schema:
    if any({"x-refusal", "x-python"} & each.keys() for each in node["properties"].values()):
        raise SpecError(f"{name}: what is only sent inside a parameter is neither checked nor renamed")
    kind: Literal["input", "mapping"] = "mapping" if name in HAND_WRITTEN else "input"
    return Schema(name=name, doc=with_source(node), fields=tuple(_fields(types, node)), kind=kind)


def _answer(types: TypeReader, name: str, node: Node, *, partial: bool) -> Schema:
    source = node.get("x-source", "")
    computed = [
        _field(types, wire, each, within=source, computed=True) for wire, each in node.get("x-computed", {}).items()
    ]
    fields = (*_fields(types, node), *computed)
    identity, item = tuple(node.get("x-identity", ())), node.get("x-item", "")
    if unknown := {*identity, *([item] if item else [])} - {each.wire for each in fields}:
        raise SpecError(f"{name}: nothing is called {', '.join(sorted(unknown))}")
    return Schema(
        name=name,
        doc=with_source(node),
        truth=node.get("x-truth", ""),
        fields=fields,
        kind="answer",
        identity=identity,
        item=item,
        partial=partial,
    )


def _fields(types: TypeReader, node: Node) -> Iterator[Field]:
    source, required, identity = node.get("x-source", ""), node.get("required", ()), node.get("x-identity", ())
    for wire, each in node["properties"].items():
        needed = wire in required or "x-promised" in each
        yield _field(types, wire, each, within=source, required=needed, identity=[wire] == identity)


def _field(
    types: TypeReader,
    wire: str,
    node: Node,
    *,
    within: str,
    required: bool = False,
    identity: bool = False,
    computed: bool = False,
) -> Field:
    read, nullable = types.read(node, wire)
    name = node.get("x-python") or python_name(wire)
    hidden = name in DECODER_NAMES or hasattr(builtins, name)
    source = node.get("x-source", "")
    assumed = "assumed" in {source, within} or (source == "client" and within != "client")
    return Field(
        name=name,
        local=f"{name}_" if hidden else name,
        wire=wire,
        type=read,
        nullable=nullable,
        required=required,
        promised=required and not nullable and not assumed and read != Scalar("any"),
        identity=identity,
        computed=computed,
        presigned=node.get("x-presigned", False),
        doc=with_source(node, within=within),
    )


def _results(document: Document) -> tuple[set[str], set[str]]:
    """Return the schemas of documented answers, and those of assumed ones."""
    documented: set[str] = set()
    assumed: set[str] = set()
    for path in document.root["paths"].values():
        for operation in path.values():
            for key in ("x-result", "x-result-list", "x-result-map"):
                if key in operation:
                    (assumed if operation.get("x-answer") == "assumed" else documented).add(operation[key])
    return documented, assumed


def _inputs(document: Document) -> set[str]:
    """Return the objects that request bodies hold."""
    bodies = [schema for schema in document.schemas.values() if schema.get("x-unpack")]
    return {name for body in bodies for name in _mentioned(body)}


def _reachable(document: Document, roots: Iterable[str]) -> set[str]:
    found: set[str] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += _mentioned(document.schemas[name])
    return found


def _mentioned(node: object) -> list[str]:
    """Return the names of all schemas that a node refers to, at any depth."""
    if isinstance(node, list):
        return [name for each in cast("list[object]", node) for name in _mentioned(each)]
    mapping = as_node(node)
    if mapping is None:
        return []
    name = schema_name(mapping)
    return ([name] if name else []) + [name for each in mapping.values() for name in _mentioned(each)]


def _in_order(schemas: dict[str, Schema]) -> Iterator[Schema]:
    """Yield each class after those to which it refers; the template quotes references to the class itself."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[Schema]:
        if name in done or name not in schemas:
            return
        done.add(name)
        for each in schemas[name].fields:
            for other in sorted(classes_of(each.type)):
                yield from visit(other)
        yield schemas[name]

    for name in schemas:
        yield from visit(name)
