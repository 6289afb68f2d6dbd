"""What the generated decoders are made of: each takes what is as the documents show it, and nothing else.

They say no more than that something is `Odd`: `values.shapes` then reads the same again, as far as it goes, and says
what was odd. None of them makes an integer of a boolean or of a string.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from generor_async.values.model import JSON

__all__ = [
    "Odd",
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


class Odd(Exception):  # noqa: N818 - a signal that never leaves the package
    """Something is not as the documents show it."""


def read_fields(source: JSON) -> dict[str, Any]:
    """Return the fields of an object."""
    fields: dict[str, Any] = source
    if type(source) is not dict:
        raise Odd
    return fields


read_dict = read_fields
"""An object whose keys are data is read alike."""


def read_any(value: JSON) -> Any:
    """Return whatever it is."""
    return value


def read_str(value: JSON) -> str:
    """Read a string."""
    if type(value) is str:
        return value
    raise Odd


def read_int(value: JSON) -> int:
    """Read an integer."""
    if type(value) is int:
        return value
    raise Odd


def read_float(value: JSON) -> float:
    """Read a number; an integer stays one."""
    if type(value) is float or type(value) is int:
        return value
    raise Odd


def read_bool(value: JSON) -> bool:
    """Read true or false."""
    if type(value) is bool:
        return value
    raise Odd


def read_datetime(value: JSON) -> datetime:
    """Read a timestamp: aware where the wire has a zone, naive where it has none."""
    if type(value) is str:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise Odd from None
    raise Odd


def read_list(decode: Decode[T], value: JSON) -> list[T]:
    """Read an array."""
    items: list[JSON] = value
    if type(value) is not list:
        raise Odd
    return [decode(item) for item in items]


def read_map(decode: Decode[T], value: JSON) -> dict[str, T]:
    """Read an object whose keys are data and whose values are alike."""
    return {key: decode(item) for key, item in read_dict(value).items()}
