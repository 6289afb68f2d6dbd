"""Rows that come from Python: mappings, prompts, and tables of any library whose rows can be had as mappings.

No such library is imported: its numbers and missing values are recognised by how they behave.
"""

import io
import json
from collections import Counter
from collections.abc import AsyncIterable, Iterable, Mapping
from datetime import date, time
from numbers import Integral, Real
from typing import Any, Final, Protocol, TypeGuard, cast

from generor_async.engine.convert import to_json
from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.values import JSON, is_array

__all__ = ["DataFrame", "as_json", "check_rows", "is_frame", "records_of", "row_parameters", "safe_str"]

MISSING_TYPES: Final = frozenset({"NAType", "NaTType"})
"""The names of pandas' types for missing values."""
PLAIN_TYPES: Final = frozenset({str, int, bool, type(None)})
BYTES_TYPES: Final[tuple[type[Any], ...]] = (bytes, bytearray, memoryview)
BRACKETS_ADVICE: Final = "Write [row], with brackets around it"


class DataFrame(Protocol):
    """A table whose rows can be had as mappings, such as a DataFrame of pandas."""

    def to_dict(self, orient: Any, /) -> Any:
        """Return the rows for the argument `records`."""
        ...


def is_frame(rows: object) -> TypeGuard[DataFrame]:
    """Tell whether rows are a DataFrame."""
    return not isinstance(rows, Mapping) and hasattr(rows, "to_dict")


def check_rows(rows: object) -> None:
    """Raise InvalidRequestError for an argument that is neither a path nor rows."""
    if isinstance(rows, str) or arguments.is_pathlike(rows):
        arguments.path(rows, "rows", "a file")
    elif isinstance(rows, io.IOBase):
        raise arguments.type_error("rows", "a file's path or an iterable of rows", rows, "Give the path of the file")
    elif is_frame(rows):
        records_of(rows)
    elif issubclass(type(rows), (*BYTES_TYPES, Mapping)):
        raise arguments.type_error("rows", "a file's path or an iterable of rows", rows, BRACKETS_ADVICE)
    elif not isinstance(rows, Iterable | AsyncIterable):
        raise arguments.type_error("rows", "a file's path or an iterable of rows", rows)


def records_of(frame: DataFrame) -> list[Mapping[Any, Any]]:
    """Return the rows of a table without values that are None.

    Raises:
        InvalidRequestError: It gives no rows, or the names of its columns aren't unique, or aren't strings.
    """
    _check_columns(frame)
    try:
        found: Any = frame.to_dict("records")
    except (TypeError, ValueError):
        found = None
    if not is_array(found) or not all(map(arguments.is_mapping, found)):
        raise arguments.type_error(
            "rows", "a table that has to_dict('records')", frame, "Give its rows as a list of mappings, or of prompts"
        )
    return [{name: value for name, value in record.items() if value is not None} for record in found]


def _check_columns(frame: DataFrame) -> None:
    """Raise InvalidRequestError for column names of which a row could only have one, or none."""
    columns: Any = getattr(frame, "columns", None)
    names: list[Any] = list(columns) if hasattr(columns, "__iter__") else []
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise InvalidRequestError(
            "rows", f"the table has several columns {repeated[0]!r}", advice="Rename or drop all but one"
        )
    if names and not any(isinstance(name, str) for name in names):
        raise InvalidRequestError(
            "rows", f"the names of the table's columns are no strings, such as {names[0]!r}", advice="Rename them"
        )


def row_parameters(row: object) -> Mapping[str, JSON]:
    """Return the parameters of a row from Python: a mapping, or a string, which is a prompt.

    Missing values (NaN, pandas' NA and NaT) are left out; numbers of other libraries become Python's.

    Raises:
        InvalidRequestError: The row is something else.
    """
    if isinstance(row, str):
        return {"prompt": _to_builtin(row)}
    if not arguments.is_mapping(row):
        kind = "None" if row is None else type(row).__name__
        advice = "Hand in a mapping of parameters, or a string, which is a prompt"
        raise InvalidRequestError("row", f"it is of the type {kind}, and no row", advice=advice)
    given = arguments.mapping(row, "the row")
    if PLAIN_TYPES.issuperset(map(type, given.values())):
        return given
    return {name: _to_builtin(value) for name, value in given.items() if not _is_missing(value)}


def _is_missing(value: Any) -> bool:
    """Tell whether a value is NaN, or what pandas has instead."""
    if isinstance(value, Real):
        return bool(value != value)  # noqa: PLR0124 - which holds for NaN alone
    return type(value).__name__ in MISSING_TYPES


def _to_builtin(value: Any) -> Any:
    """Convert a value to Python's built-in types, as far as possible; missing values in mappings are left out."""
    if type(value) in PLAIN_TYPES or isinstance(value, bool):
        return value
    if isinstance(value, str):  # such as numpy's, or a member of an enumeration
        return str.__str__(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if arguments.is_mapping(value):
        return {name: _to_builtin(item) for name, item in value.items() if not _is_missing(item)}
    if isinstance(value, list | tuple):
        return [_to_builtin(item) for item in cast("list[Any]", value)]
    if isinstance(dimensions := getattr(value, "ndim", None), int):  # an array, or one of its values
        return _to_builtin(value.tolist() if dimensions else value.item())
    return value


def as_json(value: Any) -> JSON:
    """Convert any value to JSON; what has no form there becomes text."""
    if type(value) in PLAIN_TYPES and not isinstance(value, int):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    try:
        return json.loads(json.dumps(to_json(value), allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return safe_str(value)


def safe_str(value: object) -> str:
    """Return a value as text; only its type if that fails, as for a number of 5,000 digits."""
    try:
        return str(value)
    except (ValueError, RecursionError):
        return f"<{type(value).__name__}>"
