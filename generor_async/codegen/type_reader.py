"""Reads what schemas and operations have in common: types, sets of known values, constraints."""

from collections.abc import Iterator, Mapping
from typing import Literal

from attrs import define, field

from generor_async.codegen.document import Document, Node, as_node, camel, schema_name, singular, with_source
from generor_async.codegen.ir import Check
from generor_async.codegen.ir_types import Alias, ClassRef, ListOf, MapOf, OneOf, OpenEnum, Scalar, SpecError, Type

__all__ = ["TypeReader", "read_checks"]

Kind = Literal["str", "int", "float", "bool"]
KINDS: Mapping[str, Kind] = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
BY_FORMAT: Mapping[str, Scalar] = {
    "password": Scalar("secret"),
    "binary": Scalar("bytes"),
}
BOUNDS: Mapping[str, tuple[Literal["length", "within", "items"], str]] = {
    "minLength": ("length", "at_least"),
    "maxLength": ("length", "at_most"),
    "minimum": ("within", "at_least"),
    "maximum": ("within", "at_most"),
    "maxItems": ("items", "at_most"),
}


@define
class TypeReader:
    """Reads types, and gives each set of known values one name.

    A set is named after the first schema that has it (answers before inputs) and its property, so that
    `GenerationRequest.state` and `Generation.state` share `GenerationState`.
    """

    document: Document
    _names: dict[tuple[str, tuple[str, ...]], Alias] = field(factory=dict, init=False)
    _used: set[str] = field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        for owner, name, node in self._places():
            values = _known_values(node)
            if values and (name, values) not in self._names:
                alias = node.get("x-alias") or f"{owner}{camel(name)}"
                if alias in self.document.schemas or any(alias == each.name for each in self._names.values()):
                    raise SpecError(f"two things are called {alias}: give the values an x-alias")
                self._names[name, values] = Alias(name=alias, values=values, doc=with_source(node))

    @property
    def aliases(self) -> tuple[Alias, ...]:
        """The sets that were read, by name."""
        used = [alias for alias in self._names.values() if alias.name in self._used]
        return tuple(sorted(used, key=lambda alias: alias.name))

    def read(self, node: Node, name: str) -> tuple[Type, bool]:
        """Return the type of a property or parameter called `name`, and whether it may be null."""
        alternatives = _alternatives(node)
        kinds = [each for each in alternatives if each.get("type") != "null"]
        nullable = len(kinds) < len(alternatives)
        return (self._single(kinds[0], name) if len(kinds) == 1 else self._one_of(kinds, name)), nullable

    def _one_of(self, nodes: list[Node], name: str) -> Type:
        members: list[Scalar | OpenEnum] = []
        for node in nodes:
            member = self._single(node, name)
            if not isinstance(member, Scalar | OpenEnum):
                raise SpecError(f"{name}: one of several types, not all of them scalars")
            if member not in members:
                members.append(member)
        return OneOf(tuple(members))

    def _single(self, node: Node, name: str) -> Type:
        if target := schema_name(node):
            inside = self.document.schemas[target]
            return ClassRef(target) if inside.get("type") == "object" else self._single(inside, target)
        kind = node.get("type")
        if kind == "array":
            item, _ = self.read(node.get("items", {}), name)
            return ListOf(item)
        if kind == "object":
            if "properties" in node:
                raise SpecError(f"{name}: an object with properties needs a schema of its own")
            values = as_node(node.get("additionalProperties"))
            return MapOf(self.read(values, name)[0] if values else Scalar("any"))
        if kind is None:
            return Scalar("any")
        if kind == "string":
            if node.get("x-datetime"):
                return Scalar("datetime")
            if alias := self._names.get((name, _known_values(node))):
                self._used.add(alias.name)
                return OpenEnum(alias.name)
            return BY_FORMAT.get(node.get("format", ""), Scalar("str"))
        return Scalar(KINDS[kind])

    def _places(self) -> Iterator[tuple[str, str, Node]]:
        """Yield every property and parameter, with the first part of an alias's name."""
        schemas = self.document.schemas.items()
        sent = [each for each in schemas if each[1].get("x-unpack") or each[1].get("x-input")]
        for name, schema in [each for each in schemas if each not in sent] + sent:
            owner = name.removesuffix("Request").removesuffix("Options")
            for wire, node in schema.get("properties", {}).items():
                yield owner, wire, node
                if node.get("items"):
                    yield owner, wire, {"x-alias": f"{owner}{singular(camel(wire))}", **node["items"]}
        for name, parameter in self.document.root["components"].get("parameters", {}).items():
            yield "", parameter["name"], {"x-alias": name, **_of_parameter(parameter)}
        for path in self.document.root["paths"].values():
            for operation in filter(None, map(as_node, path.values())):
                resource, _, method = operation["operationId"].partition(".")
                owner = camel(singular(resource)) + camel(method)
                for parameter in operation.get("parameters", ()):
                    if "name" in parameter:
                        yield owner, parameter["name"], _of_parameter(parameter)


def _alternatives(node: Node) -> list[Node]:
    """Return one schema for each type that a schema allows."""
    for key in ("oneOf", "anyOf"):
        if key in node:
            around = {name: value for name, value in node.items() if name != key}
            return [{**around, **each} for each in node[key]]
    kinds: str | list[str] = node.get("type", "")
    return [node] if isinstance(kinds, str) else [{**node, "type": kind} for kind in kinds]


def _of_parameter(parameter: Node) -> Node:
    return {"description": parameter.get("description", ""), **parameter.get("schema", {})}


def _known_values(node: Node) -> tuple[str, ...]:
    """Return the known values of a string; those of a number are only in its description."""
    values = node.get("x-values") or node.get("enum") or ()
    return tuple(values) if all(isinstance(each, str) for each in values) else ()


def read_checks(node: Node, refusal: str) -> tuple[Check, ...]:
    """Return the constraints that are checked before sending: those with a documented refusal."""
    if not refusal:
        return ()
    found: dict[Literal["length", "within", "items"], list[tuple[str, str | float]]] = {}
    for key, (function, keyword) in BOUNDS.items():
        if key in node:
            found.setdefault(function, []).append((keyword, node[key]))
    return tuple(
        Check(function=function, arguments=(*bounds, ("refusal", refusal))) for function, bounds in found.items()
    )
