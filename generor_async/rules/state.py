"""Rules whose state is numbers, as plain JSON data and back: another process may go on with it."""

import math
from collections.abc import Mapping
from typing import Any

import attrs

__all__ = ["checked", "dump_fields", "load_fields"]


def dump_fields(rule: attrs.AttrsInstance, *without: str) -> dict[str, Any]:
    """Return the attributes of a rule as JSON data, which knows no infinity: None stands for it."""
    values = {name: getattr(rule, attribute.name) for name, attribute in _attributes(rule, without)}
    return {name: None if value in {math.inf, -math.inf} else value for name, value in values.items()}


def load_fields(rule: attrs.AttrsInstance, data: Mapping[str, Any], *without: str) -> None:
    """Set the attributes of a rule to what `dump_fields` returned. Raises KeyError or TypeError for anything else."""
    for name, attribute in _attributes(rule, without):
        value = data[name]
        if value is not None and not isinstance(value, (bool, int, float)):
            raise TypeError(f"{name} is {value!r}")
        infinite = isinstance(attribute.default, float) and math.isinf(attribute.default)
        setattr(rule, attribute.name, attribute.default if value is None and infinite else value)


def checked(value: Any, kind: type, *, maybe: bool = False) -> Any:
    """Return a value that is of a kind (float: any number), or, if it may be, None. Raises TypeError for another."""
    if isinstance(value, (float, int) if kind is float else kind) or (maybe and value is None):
        return value
    raise TypeError(f"{value!r} is no {kind.__name__}")


def _attributes(rule: attrs.AttrsInstance, without: tuple[str, ...]) -> list[tuple[str, "attrs.Attribute[Any]"]]:
    named = [(attribute.name.lstrip("_"), attribute) for attribute in attrs.fields(type(rule))]
    return [(name, attribute) for name, attribute in named if name not in without]
