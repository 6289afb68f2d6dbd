"""How many rows one run begins, where it is not to begin all of them."""

import sys

from attrs import define, field

from generor_async.batch.sqlite.new_rows import RowNumbers

__all__ = ["RowLimit"]


@define
class RowLimit:
    """Counts the rows that a run has begun, up to so many; a row of which nothing came is none of them."""

    most: int | None
    """None for as many as there are."""
    _started: int = field(default=0, init=False)
    _numbers: RowNumbers = field(init=False, factory=RowNumbers)

    @property
    def remaining(self) -> int:
        """How many more may begin."""
        return sys.maxsize if self.most is None else self.most - self._started

    def row_started(self, number: int) -> None:
        """Note a row that is begun."""
        if self.most is not None:
            self._started += 1
            self._numbers.add(number)

    def row_ready(self, number: int) -> None:
        """Note that a row waits to be begun, which may have been before: it was not charged."""
        if self.most is not None and number in self._numbers:
            self._started -= 1
