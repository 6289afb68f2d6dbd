"""What the generated decoders are made of: readers that refuse, and readers that give None instead.

The strict ones raise `Misshapen` with the path below the value they were given; the lenient ones are for what
no document promises. Neither makes an integer of a boolean or of a string.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from generor_async.values.model import JSON, Misshapen, misfit

__all__ = [
    "bool_or_none",
    "dict_or_none",
    "fields_or_empty",
    "float_or_none",
    "int_or_none",
    "list_or_none",
    "map_or_none",
    "object_or_none",
    "read_any",
    "read_bool",
    "read_dict",
    "read_fields",
    "read_float",
    "read_int",
    "read_list",
    "read_map",
    "read_object",
    "read_str",
    "str_or_none",
]

T = TypeVar("T")
Decode = Callable[[JSON], T]


def read_fields(source: JSON) -> dict[str, Any]:
    """Return the fields of an object."""
    fields: dict[str, Any] = source
    if type(source) is not dict:
        raise misfit(source, "an object")
    return fields


def read_any(value: JSON) -> Any:
    """Return whatever it is."""
    return value


def read_str(value: JSON) -> str:
    """Read a string."""
    if type(value) is str:
        return value
    raise misfit(value, "a string")


def read_int(value: JSON) -> int:
    """Read an integer."""
    if type(value) is int:
        return value
    raise misfit(value, "an integer")


def read_float(value: JSON) -> float:
    """Read a number; an integer stays one."""
    if type(value) is float or type(value) is int:
        return value
    raise misfit(value, "a number")


def read_bool(value: JSON) -> bool:
    """Read true or false."""
    if type(value) is bool:
        return value
    raise misfit(value, "true or false")


def read_object(decode: Decode[T], value: JSON, path: str) -> T:
    """Read an object that stands at `path`."""
    try:
        return decode(value)
    except Misshapen as error:
        raise error.under(path) from None


def read_dict(value: JSON, path: str) -> dict[str, Any]:
    """Read an object whose keys are data."""
    fields: dict[str, Any] = value
    if type(value) is not dict:
        raise misfit(value, "an object", path)
    return fields


def read_list(decode: Decode[T], value: JSON, path: str) -> list[T]:
    """Read an array that stands at `path`."""
    items: list[JSON] = value
    if type(value) is not list:
        raise misfit(value, "an array", path)
    try:
        return [decode(item) for item in items]
    except Misshapen:
        # Which item it was isn't worth counting until one is at fault.
        return [read_object(decode, item, f"{path}[{index}]") for index, item in enumerate(items)]


def read_map(decode: Decode[T], value: JSON, path: str) -> dict[str, T]:
    """Read an object whose keys are data and whose values are alike."""
    fields = read_dict(value, path)
    return {key: read_object(decode, item, f"{path}.{key}") for key, item in fields.items()}


def fields_or_empty(source: JSON) -> dict[str, Any]:
    """Return the fields of an object; none of what isn't one."""
    fields: dict[str, Any] = source
    return fields if type(source) is dict else {}


def str_or_none(value: JSON) -> str | None:
    """Return a string, or None for anything else."""
    return value if type(value) is str else None


def int_or_none(value: JSON) -> int | None:
    """Return an integer, or None for anything else."""
    return value if type(value) is int else None


def float_or_none(value: JSON) -> float | None:
    """Return a number, or None for anything else."""
    return value if type(value) is float or type(value) is int else None


def bool_or_none(value: JSON) -> bool | None:
    """Return true or false, or None for anything else."""
    return value if type(value) is bool else None


def dict_or_none(value: JSON) -> dict[str, Any] | None:
    """Return an object whose keys are data, or None for anything else."""
    fields: dict[str, Any] = value
    return fields if type(value) is dict else None


def object_or_none(decode: Decode[T], value: JSON) -> T | None:
    """Read an object, or return None where it doesn't fit."""
    if value is None:
        return None
    try:
        return decode(value)
    except Misshapen:
        return None


def list_or_none(decode: Decode[T], value: JSON) -> list[T] | None:
    """Read an array, or return None where it, or an item of it, doesn't fit."""
    try:
        return read_list(decode, value, "")
    except Misshapen:
        return None


def map_or_none(decode: Decode[T], value: JSON) -> dict[str, T] | None:
    """Read an object whose keys are data, or return None where it, or a value of it, doesn't fit."""
    try:
        return read_map(decode, value, "")
    except Misshapen:
        return None
