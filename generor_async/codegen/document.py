"""A spec as YAML: nodes, and references between them."""

import keyword
import re
from pathlib import Path
from typing import Any, TypeAlias, cast

import yaml
from attrs import frozen

from generor_async.codegen.ir_types import SpecError

__all__ = [
    "ROOT",
    "Document",
    "Node",
    "as_node",
    "camel",
    "first_sentence",
    "python_name",
    "schema_name",
    "singular",
    "with_source",
]

ROOT = Path(__file__).parents[2]
"""The checkout."""

Node: TypeAlias = dict[str, Any]
"""One mapping of the YAML."""


@frozen
class Document:
    """One OpenAPI document."""

    root: Node

    @classmethod
    def load(cls, path: Path) -> "Document":
        """Read the document from a file."""
        return cls(yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader))

    @property
    def schemas(self) -> Node:
        """The schemas by name, in the document's order."""
        schemas: Node = self.root["components"]["schemas"]
        return schemas

    def resolve(self, node: Node) -> Node:
        """Return the target of a reference, updated by the keys beside `$ref`; `node` itself without one."""
        if "$ref" not in node:
            return node
        target: Any = self.root
        for part in node["$ref"].removeprefix("#/").split("/"):
            try:
                target = target[part]
            except (KeyError, TypeError):
                raise SpecError(f"{node['$ref']} refers to nothing") from None
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return {**self.resolve(target), **beside}


def as_node(value: object) -> Node | None:
    """Return a value that is a mapping; None for anything else."""
    return cast("Node", value) if isinstance(value, dict) else None


def schema_name(node: Node) -> str | None:
    """Return the name of the schema that a node refers to."""
    reference = node.get("$ref", "")
    return reference.rpartition("/")[2] if reference.startswith("#/components/schemas/") else None


def camel(name: str) -> str:
    """Return `snake_case` as `CamelCase`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def singular(name: str) -> str:
    """Return a resource's name in the singular."""
    return name.removesuffix("s")


def python_name(name: str) -> str:
    """Return the Python name of a wire name."""
    plain = re.sub(r"\W", "_", name)
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def first_sentence(text: str) -> tuple[str, str]:
    """Split a text after its first sentence."""
    flat = text.strip()
    end = re.search(r"\.(\s|$)", flat)
    return (flat[: end.start() + 1].replace("\n", " "), flat[end.end() :].strip()) if end else (flat, "")


def with_source(node: Node, *, within: str = "") -> str:
    """Return a node's description, with its source if that differs from the enclosing node's."""
    text: str = " ".join(node.get("description", "").split())
    source = node.get("x-source", "")
    if not text or not source or source == within:
        return text
    return f"{text.removesuffix('.')} ({source})."
