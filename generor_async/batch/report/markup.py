"""A row's markup as a pattern and the values in it: rows of one kind share the pattern, which makes many small."""

import re
from collections.abc import Sequence
from html import escape

from attrs import Factory, define

__all__ = ["PatternValues", "fill_pattern"]

MARK = "\x1f"
"""Stands around the number of a value in a pattern: no text of ours holds it, and values are never searched for it."""
_PLACE = re.compile(f"{MARK}([0-9]+){MARK}")


@define
class PatternValues:
    """Collects the values of one row, in the order in which they come first."""

    _places: dict[str, int] = Factory(dict[str, int])

    @property
    def values(self) -> tuple[str, ...]:
        """All of them, as markup."""
        return tuple(self._places)

    def text(self, text: str) -> str:
        """Put a text into the pattern."""
        return self.markup(escape(text))

    def markup(self, markup: str) -> str:
        """Put what is markup already into the pattern."""
        return f"{MARK}{self._places.setdefault(markup, len(self._places))}{MARK}"


def fill_pattern(pattern: str, values: Sequence[str]) -> str:
    """Return the markup of a row."""
    return _PLACE.sub(lambda place: values[int(place[1])], pattern)
