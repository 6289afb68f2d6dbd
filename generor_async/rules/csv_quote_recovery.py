"""Where records begin around a quote that is out of place.

From there on each line could be the beginning of a record, or the inside of a quoted cell that goes on. Both readings
are followed over all lines, with what they cost: how many quotes must have been lost, added or left undoubled
(`quotes`). A record begins at a line for certain if every reading in which the line is inside a cell takes MARGIN more
such mistakes than one in which it is not: no reading takes more, as both quotes of a cell may have been lost. That
looks both ways: a quote that closes nothing may be the end of a cell that began lines before.

It is over where quotes say that a record begins, or where LINES in a row without one read as records with as many cells
as the header; in a table of one column that last says nothing.
"""

import math
from collections.abc import Container, Iterator, Sequence
from typing import Final

from generor_async.rules.csv_quotes import LONGEST_RECORD, QUOTE, CellParser, LineCosts, SideCosts, line_costs

__all__ = ["CERTAIN_MARGIN", "MOST_CELL_LINES", "QuoteRecovery"]

MOST_CELL_LINES: Final = 1_000
"""Lines that a cell is believed to have at the most, where no quote says where it ends."""
CERTAIN_MARGIN: Final = 2
"""How many mistakes more any other reading must take."""
OUTSIDE: Final[SideCosts] = (0, math.inf)
UNKNOWN_COSTS: Final[SideCosts] = (0, 0)
"""What each side costs later, where that isn't known."""
AT_THE_END: Final[SideCosts] = (0, 1)
"""What each side costs where nothing follows: a cell that is still open lacks its last quote."""
FIRST_CHECK: Final = 4
"""Lines behind the mistake after which it may be over; looked for at twice as many each time."""


class QuoteRecovery:
    """Lines around a quote that is out of place, from where a record begins for certain."""

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
