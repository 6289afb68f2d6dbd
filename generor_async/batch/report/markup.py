"""A row's markup as a pattern and values: similar rows share the pattern, which keeps large pages small."""

import re
from collections.abc import Sequence
from html import escape

from attrs import Factory, define

__all__ = ["PatternValues", "fill_pattern"]

MARK = "\x1f"
"""Encloses the number of a value in a pattern. Patterns hold it nowhere else, and values aren't searched for it."""
_PLACE = re.compile(f"{MARK}([0-9]+){MARK}")


@define
class PatternValues:
    """Collects the distinct values of one row in the order in which they occur."""

    _places: dict[str, int] = Factory(dict[str, int])

    @property
    def values(self) -> tuple[str, ...]:
        """The values as HTML."""
        return tuple(self._places)

    def text(self, text: str) -> str:
        """Add a text; return its mark in the pattern."""
        return self.markup(escape(text))

    def markup(self, markup: str) -> str:
        """Add HTML; return its mark in the pattern."""
        return f"{MARK}{self._places.setdefault(markup, len(self._places))}{MARK}"


def fill_pattern(pattern: str, values: Sequence[str]) -> str:
    """Return a pattern with its values."""
    return _PLACE.sub(lambda place: values[int(place[1])], pattern)
