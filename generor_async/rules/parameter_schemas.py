"""Checks the `parameters` of a generate against the generator's own schema.

The API drops parameters silently that the generator doesn't have, and values that it doesn't take (documented). Only
what the schema says is checked: a field without options takes any value, and a schema with a field that can't be read
says nothing about other names.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.rules.misspellings import closest_name
from generor_async.values import JSON, is_object

__all__ = ["ParameterField", "check_parameters"]

NAMES_SHOWN: Final = 12
"""Names, or values, that a message lists at most."""


class ParameterField(Protocol):
    """A field of a generator's schema."""

    @property
    def id(self) -> str | None:
        """Its name."""
        ...

    @property
    def type(self) -> str | None:
        """`enum`, `number` or `model`, or another that is new."""
        ...

    @property
    def options(self) -> Sequence[Any] | None:
        """The values that it takes."""
        ...

    @property
    def min(self) -> float | None:
        """The least number."""
        ...

    @property
    def max(self) -> float | None:
        """The greatest number."""
        ...


def check_parameters(parameters: Mapping[str, JSON], schema: Sequence[ParameterField], generator: str) -> None:
    """Raise InvalidRequestError for a parameter that the generator doesn't have, or a value that it doesn't take."""
    fields = {field.id: field for field in schema if field.id is not None}
    for name, value in parameters.items():
        if (field := fields.get(name)) is not None:
            _check_value(value, f"parameters.{name}", field)
        elif len(fields) == len(schema):
            raise _unknown(name, list(fields), generator)


def _unknown(name: str, known: list[str], generator: str) -> InvalidRequestError:
    meant = closest_name(name, known)
    listed = f"It has {_listed(known)}" if known else "It has none"
    return InvalidRequestError(
        f"parameters.{name}",
        f"the generator {generator} has no parameter {name!r}, and would drop it",
        advice=listed if meant is None else f"Did you mean {meant!r}?",
    )


def _check_value(value: JSON, name: str, field: ParameterField) -> None:
    """Raise InvalidRequestError for a value that a field doesn't take."""
    if field.type == "number":
        _check_number(value, name, field)
    elif field.options and (choices := _choices(field.options)) is not None and _as_text(value) not in choices:
        advice = f"Write one of {_listed(choices)}"
        if not isinstance(value, str | int | float):
            raise arguments.type_error(name, "a text or a number", value, advice)
        raise InvalidRequestError(name, f"{name} is {str(value)[:40]!r}, which is none of its options", advice=advice)


def _check_number(value: JSON, name: str, field: ParameterField) -> None:
    least, most = field.min, field.max
    bounds = f"at least {least:g}" if least is not None else ""
    if most is not None:
        bounds += f"{', and ' if bounds else ''}at most {most:g}"
    number = _as_number(value)
    if number is None:
        raise arguments.type_error(name, "a number", value, f"Write one that is {bounds}" if bounds else "")
    if (least is not None and number < least) or (most is not None and number > most):
        raise InvalidRequestError(name, f"{name} must be {bounds}", advice=f"It is {number:g}")


def _as_number(value: JSON) -> float | None:
    """Return a number, which may be written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _choices(options: Sequence[Any]) -> list[str] | None:
    """Return the values of options as texts; None where one of them has no value that is known as such."""
    found = [_as_text(option.get("value", option.get("id")) if is_object(option) else option) for option in options]
    choices = [each for each in found if each is not None]
    return choices if len(choices) == len(options) else None


def _as_text(value: JSON) -> str | None:
    """Return a scalar as text, as the documents' examples have options; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int | float) else None


def _listed(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
