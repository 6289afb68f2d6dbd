"""Finds where records certainly begin around a misplaced quote.

From there on each line may begin a record or be inside a quoted cell. Both readings are followed over all lines, with
their costs (`rules.csv_quotes`). A record certainly begins at a line if every reading in which the line is inside a
cell costs CERTAIN_MARGIN more than one in which it is not. This looks in both directions: a quote that closes nothing
may end a cell that began lines before.

Recovery ends where quotes show that a record begins, or after MOST_CELL_LINES without quotes that have as many cells as
the header, except in a table of one column.
"""

import math
from collections.abc import Container, Iterator, Sequence
from typing import Final

from generor_async.rules.csv_quotes import LONGEST_RECORD, QUOTE, CellParser, LineCosts, SideCosts, line_costs

__all__ = ["CERTAIN_MARGIN", "MOST_CELL_LINES", "QuoteRecovery"]

MOST_CELL_LINES: Final = 1_000
"""Most lines of a cell whose end no quote shows."""
CERTAIN_MARGIN: Final = 2
"""Mistakes by which any other reading must be worse."""
OUTSIDE: Final[SideCosts] = (0, math.inf)
UNKNOWN_COSTS: Final[SideCosts] = (0, 0)
"""The costs of the following lines while they are unknown."""
AT_THE_END: Final[SideCosts] = (0, 1)
"""The costs at the end of the file: an open cell lacks its closing quote."""
FIRST_CHECK: Final = 4
"""Lines after the mistake at which the end is first looked for; the number doubles each time."""


class QuoteRecovery:
    """The lines around a misplaced quote, from the beginning of a certain record."""

    def __init__(self, separator: str, wrong: int, counts: Container[int], began: SideCosts = OUTSIDE) -> None:
        self._separator = separator
        self._wrong = wrong
        """The number of the line behind which it may be over."""
        self._counts = counts
        """How many cells a record may have; none where that says nothing."""
        self._lines: list[tuple[int, str]] = []
        self._crossings: list[LineCosts] = []
        self._before = [began]
        """What it costs to be on each side before each line, and after the last."""
        self._after = UNKNOWN_COSTS
        """What each side costs behind the last line."""
        self._calm = 0
        """How many lines in a row read as records, without a quote."""
        self._size = 0
        self._behind = 0
        """Lines behind the mistake."""
        self._next_look = FIRST_CHECK
        self.rest: list[tuple[int, str]] | None = None
        """Lines to be read again from where it is over; None while it isn't."""

    def add(self, number: int, line: str) -> None:
        """Follow both readings over one line more, and see now and then whether it is over."""
        self._lines.append((number, line))
        self._size += len(line)
        costs = line_costs(line, self._separator)
        self._crossings.append(costs)
        before = self._before[-1]
        self._before.append((_least(before, [way[0] for way in costs]), _least(before, [way[1] for way in costs])))
        if number >= self._wrong:
            self._look(line)

    def _look(self, line: str) -> None:
        self._behind += 1
        if QUOTE not in line and line.count(self._separator) + 1 in self._counts:
            self._calm += 1
        elif line.strip():
            self._calm = 0
        if self._calm >= MOST_CELL_LINES:
            self._after = OUTSIDE
        if self._behind >= self._next_look or self._calm >= MOST_CELL_LINES:
            self._next_look *= 2
            self._find_end()

    def _find_end(self) -> None:
        certain = self._certain()
        for at, (number, _) in enumerate(self._lines, 1):
            if number >= self._wrong and certain[at] and self._before[at][0] >= 1:
                self.rest = self._lines[at:]
                del self._lines[at:], self._crossings[at:], self._before[at + 1 :]
                self._after = OUTSIDE
                break

    def end(self) -> None:
        """Note that nothing follows."""
        self._after = AT_THE_END

    @property
    def is_long(self) -> bool:
        """Whether it goes on for so long that what was read had better be settled."""
        return self.rest is None and (len(self._lines) > 4 * MOST_CELL_LINES or self._size > LONGEST_RECORD)

    def beyond(self) -> "QuoteRecovery":
        """Return what goes on behind the last line."""
        doubt = QuoteRecovery(self._separator, self._wrong, self._counts, self._before[-1])
        doubt._calm = self._calm
        return doubt

    def settled(self, cells: CellParser) -> Iterator[tuple[int, Sequence[str], list[str] | None]]:
        """Yield records with their first line's number, lines and cells, and each line of which none is certain."""
        certain = self._certain()
        at = 0
        while at < len(self._lines):
            number, line = self._lines[at]
            end = self._end_of_record(at) if certain[at] else at
            lines = [line for _, line in self._lines[at:end]]
            found = cells("".join(lines)) if end > at and certain[end] else None
            if found is None:
                lines, end = [line], at + 1
            yield number, lines, found
            at = end

    def _end_of_record(self, at: int) -> int:
        """Return behind which line no quote is open; `at` itself where one stays open, or the record is too long."""
        quotes = size = 0
        for end in range(at, len(self._lines)):
            quotes += self._lines[end][1].count(QUOTE)
            size += len(self._lines[end][1])
            if quotes % 2 == 0:
                return end + 1 if size < LONGEST_RECORD else at
        return at

    def _certain(self) -> list[bool]:
        """Tell before which lines, and whether after the last, a record begins for certain."""
        after = self._after
        certain = [True] * (len(self._lines) + 1)
        for at in range(len(self._lines), -1, -1):
            outside, inside = self._before[at]
            certain[at] = outside + after[0] + CERTAIN_MARGIN <= inside + after[1]
            if at:
                ways = self._crossings[at - 1]
                after = _least(ways[0], after), _least(ways[1], after)
        return certain


def _least(one: Sequence[float], other: Sequence[float]) -> float:
    return min(one[0] + other[0], one[1] + other[1])
