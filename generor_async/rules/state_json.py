"""Writes the state of rules as JSON data, and reads it again: another process may continue with it.

A file may be damaged, so every value is checked. A moment that is later than any that a rule would set becomes the
present, so that nobody waits for it; any other impossible value is a ValueError.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, TypeAlias

__all__ = [
    "LARGEST_COUNT",
    "StateReader",
    "choice_reader",
    "dump_fields",
    "float_reader",
    "int_reader",
    "load_fields",
    "optional_reader",
    "read_flag",
    "read_past",
    "read_past_or_never",
    "read_text",
    "time_reader",
]

LARGEST_COUNT: Final = 2**53
"""The largest count, which any JSON reader reads exactly."""
_ENDLESS: Final = frozenset({math.inf, -math.inf})

StateReader: TypeAlias = Callable[[Any, float], Any]
"""Reads one value of a state, at a moment `now`; raises TypeError or ValueError."""


def dump_fields(rule: object, fields: Mapping[str, StateReader]) -> list[Any]:
    """Return attributes of a rule as JSON data; None stands for infinity."""
    values = [getattr(rule, name) for name in fields]
    return [None if value in _ENDLESS else value for value in values]


def load_fields(rule: object, data: Iterable[Any], fields: Mapping[str, StateReader], now: float) -> None:
    """Set attributes of a rule from the result of `dump_fields`; raises ValueError or TypeError."""
    for (name, read), value in zip(fields.items(), data, strict=True):
        setattr(rule, name, read(value, now))


def read_past(value: Any, now: float) -> float:
    """Read a moment that is not in the future."""
    if type(value) is float and -math.inf < value <= now:
        return value
    return min(_number(value), now)


def time_reader(ahead: float, *, never: float | None = None) -> StateReader:
    """Return a reader of a moment that is at most `ahead` seconds in the future; None is read as `never`."""

    def read(value: Any, now: float) -> float:
        if value is None and never is not None:
            return never
        found = _number(value)
        return found if found <= now + ahead else now

    return read


def read_past_or_never(value: Any, now: float) -> float:
    """Read a moment that is not in the future, or None for one that never was."""
    return -math.inf if value is None else read_past(value, now)


def float_reader(least: float, most: float) -> StateReader:
    """Return a reader of a number within bounds."""

    def read(value: Any, _: float) -> float:
        return min(max(_number(value), least), most)

    return read


def int_reader(least: int = 0, most: int = LARGEST_COUNT) -> StateReader:
    """Return a reader of a count within bounds."""

    def read(value: Any, _: float) -> int:
        if type(value) is int and least <= value <= most:
            return value
        raise ValueError(f"{str(value)[:40]} is no count from {least} to {most}")

    return read


def choice_reader(choices: Collection[str]) -> StateReader:
    """Return a reader of one of some words."""

    def read(value: Any, _: float) -> str:
        if read_text(value, _) in choices:
            return str(value)
        raise ValueError(f"{value!r} is none of {', '.join(choices)}")

    return read


def optional_reader(read_value: StateReader) -> StateReader:
    """Return a reader that accepts None as well."""

    def read(value: Any, now: float) -> Any:
        return None if value is None else read_value(value, now)

    return read


def read_text(value: Any, _: float) -> str:
    """Read a text."""
    if isinstance(value, str):
        return value
    raise TypeError(f"a text was expected, not {type(value).__name__}")


def read_flag(value: Any, _: float) -> bool:
    """Read a boolean."""
    if isinstance(value, bool):
        return value
    raise TypeError(f"true or false was expected, not {type(value).__name__}")


def _number(value: Any) -> float:
    if type(value) not in {float, int}:
        raise TypeError(f"a number was expected, not {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("a number is beyond all bounds")
    return number
