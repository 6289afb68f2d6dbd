"""Limits how many rows one run starts."""

import sys

from attrs import define, field

from generor_async.rules.row_numbers import RowNumbers

__all__ = ["RowLimit"]


@define
class RowLimit:
    """Counts the rows that a run has started; one that was not charged and is ready again doesn't count."""

    most: int | None
    """How many rows may start; None for all."""
    _started: int = field(default=0, init=False)
    _numbers: RowNumbers = field(init=False, factory=RowNumbers)

    @property
    def remaining(self) -> int:
        """How many more rows may start."""
        return sys.maxsize if self.most is None else self.most - self._started

    def row_started(self, number: int) -> None:
        """Count a row that starts."""
        if self.most is not None:
            self._started += 1
            self._numbers.add(number)

    def row_ready(self, number: int) -> None:
        """Stop counting a row that is ready again, if this run has started it."""
        if self.most is not None and number in self._numbers:
            self._started -= 1
