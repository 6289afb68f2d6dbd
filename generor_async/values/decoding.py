"""The strict readers of the generated decoders: each accepts a value only if it is as the documents show it.

A value that isn't raises `UnexpectedShape`, without details: `values.shapes` then decodes the same answer again, as far
as possible, and reports what was wrong. No reader takes a boolean or a string for an integer.

cattrs doesn't do this: of an answer with one odd field it returns an error, and not the rest, and the answer to a paid
call has to be read as far as it goes. Its hooks for what is as documented, made for the same strictness, take 1.19 of
the time of these decoders without detailed validation and 1.21 with it (a completed `Generation`), and are compiled
anew at each start.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from generor_async.values.model import JSON

__all__ = [
    "UnexpectedShape",
    "read_any",
    "read_bool",
    "read_datetime",
    "read_dict",
    "read_fields",
    "read_float",
    "read_int",
    "read_list",
    "read_map",
    "read_str",
]

T = TypeVar("T")
Decode = Callable[[JSON], T]


class UnexpectedShape(Exception):  # noqa: N818 - a signal that never leaves the package
    """A value is not as the documents show it."""


def read_fields(source: JSON) -> dict[str, Any]:
    """Return the fields of an object."""
    fields: dict[str, Any] = source
    if type(source) is not dict:
        raise UnexpectedShape
    return fields


read_dict = read_fields
"""Return an object whose keys are data."""


def read_any(value: JSON) -> Any:
    """Return any value."""
    return value


def read_str(value: JSON) -> str:
    """Read a string."""
    if type(value) is str:
        return value
    raise UnexpectedShape


def read_int(value: JSON) -> int:
    """Read an integer."""
    if type(value) is int:
        return value
    raise UnexpectedShape


def read_float(value: JSON) -> float:
    """Read a number; an integer stays one."""
    if type(value) is float or type(value) is int:
        return value
    raise UnexpectedShape


def read_bool(value: JSON) -> bool:
    """Read true or false."""
    if type(value) is bool:
        return value
    raise UnexpectedShape


def read_datetime(value: JSON) -> datetime:
    """Read a timestamp: aware where the wire has a zone, naive where it has none."""
    if type(value) is str:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise UnexpectedShape from None
    raise UnexpectedShape


def read_list(decode: Decode[T], value: JSON) -> list[T]:
    """Read an array."""
    items: list[JSON] = value
    if type(value) is not list:
        raise UnexpectedShape
    return [decode(item) for item in items]


def read_map(decode: Decode[T], value: JSON) -> dict[str, T]:
    """Read an object whose keys are data and whose values are alike."""
    return {key: decode(item) for key, item in read_dict(value).items()}
