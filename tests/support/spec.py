"""What our own spec documents: every operation, and every status of each."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from attrs import frozen

import generor_async

__all__ = ["Documented", "documented", "operations"]

METHODS = ("get", "post", "put", "patch", "delete")


@frozen
class Documented:
    """One status that an operation can answer with."""

    api: str
    operation: str
    """Its dotted name, such as `luma.generations.create`."""
    method: str
    template: str
    """The path below the base URL, such as `/generations/{generation_id}`."""
    body: bool
    """Whether it takes a request body."""
    key: bool
    """Whether it needs a key."""
    status: int

    def __str__(self) -> str:
        return f"{self.operation}-{self.status}"


def documented() -> list[Documented]:
    """List every status of every operation of both APIs, in the spec's order."""
    return [case for api in ("generor", "luma") for case in _of(api)]


def operations(api: str) -> list[str]:
    """List the dotted names of an API's operations, in the spec's order: some share a path and a method."""
    return [
        f"{api}.{place['x-resource']}.{place['x-method']}"
        for item in _load(api)["paths"].values()
        for method, node in item.items()
        if method in METHODS
        for place in ([node] if "x-method" in node else node["requestBody"]["content"].values())
    ]


def _of(api: str) -> Iterator[Documented]:
    for template, item in _load(api)["paths"].items():
        for method, node in item.items():
            if method in METHODS:
                name, key = f"{api}.{node['operationId']}", node["x-auth"] == "required"
                for status in node["responses"]:
                    yield Documented(api, name, method.upper(), template, "requestBody" in node, key, int(status))


@cache
def _load(api: str) -> Any:
    text = (Path(generor_async.__file__).parent / "spec" / f"{api}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # libyaml, where PyYAML has it
