"""Writes the state of rules as JSON data, and reads it again: another process may continue with it.

A file may be damaged, so every value is checked. A moment that is later than any that a rule would set becomes the
present, so that nobody waits for it; any other impossible value is a ValueError.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, TypeAlias

__all__ = [
    "MOST",
    "Reader",
    "amount",
    "dump_fields",
    "flag",
    "load_fields",
    "maybe",
    "moment",
    "one_of",
    "past",
    "past_or_never",
    "text",
    "whole",
]

MOST: Final = 2**53
"""The largest count, which any JSON reader reads exactly."""
_ENDLESS: Final = frozenset({math.inf, -math.inf})

Reader: TypeAlias = Callable[[Any, float], Any]
"""Reads one value of a state, at a moment `now`; raises TypeError or ValueError."""


def dump_fields(rule: object, fields: Mapping[str, Reader]) -> list[Any]:
    """Return attributes of a rule as JSON data; None stands for infinity."""
    values = [getattr(rule, name) for name in fields]
    return [None if value in _ENDLESS else value for value in values]


def load_fields(rule: object, data: Iterable[Any], fields: Mapping[str, Reader], now: float) -> None:
    """Set attributes of a rule from the result of `dump_fields`; raises ValueError or TypeError."""
    for (name, read), value in zip(fields.items(), data, strict=True):
        setattr(rule, name, read(value, now))


def past(value: Any, now: float) -> float:
    """Read a moment that is not in the future."""
    if type(value) is float and -math.inf < value <= now:
        return value
    return min(_number(value), now)


def moment(ahead: float, *, never: float | None = None) -> Reader:
    """Return a reader of a moment that is at most `ahead` seconds in the future; None is read as `never`."""

    def read(value: Any, now: float) -> float:
        if value is None and never is not None:
            return never
        found = _number(value)
        return found if found <= now + ahead else now

    return read


def past_or_never(value: Any, now: float) -> float:
    """Read a moment that is not in the future, or None for one that never was."""
    return -math.inf if value is None else past(value, now)


def amount(least: float, most: float) -> Reader:
    """Return a reader of a number within bounds."""

    def read(value: Any, _: float) -> float:
        return min(max(_number(value), least), most)

    return read


def whole(least: int = 0, most: int = MOST) -> Reader:
    """Return a reader of a count within bounds."""

    def read(value: Any, _: float) -> int:
        if type(value) is int and least <= value <= most:
            return value
        raise ValueError(f"{str(value)[:40]} is no count from {least} to {most}")

    return read


def one_of(choices: Collection[str]) -> Reader:
    """Return a reader of one of some words."""

    def read(value: Any, _: float) -> str:
        if text(value, _) in choices:
            return str(value)
        raise ValueError(f"{value!r} is none of {', '.join(choices)}")

    return read


def maybe(read_value: Reader) -> Reader:
    """Return a reader that accepts None as well."""

    def read(value: Any, now: float) -> Any:
        return None if value is None else read_value(value, now)

    return read


def text(value: Any, _: float) -> str:
    """Read a text."""
    if isinstance(value, str):
        return value
    raise TypeError(f"a text was expected, not {type(value).__name__}")


def flag(value: Any, _: float) -> bool:
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
