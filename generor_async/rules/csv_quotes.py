"""Parses quoted CSV cells, and calculates the cost of each way to read a line with misplaced quotes.

The grammar is RFC 4180's, with any separator: a cell is quoted as a whole, with doubled quotes inside, or has none.
After a violation, each line may be outside of a quoted cell or inside of one. The cost of a reading is the number of
quotes that must have been lost, added or left undoubled.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = [
    "LONGEST_RECORD",
    "MANY_MISTAKES",
    "QUOTE",
    "CellParser",
    "LineCosts",
    "SideCosts",
    "cell_parser",
    "line_costs",
    "mistakes_against_plain",
    "unquoted_cells",
]

QUOTE: Final = '"'
LONGEST_RECORD: Final = 16 * 1024 * 1024
"""Lines and records are shorter than this, in characters; a line of this length was cut."""
MANY_MISTAKES: Final = 3
"""More mistakes than one record is likely to have."""

CellParser: TypeAlias = Callable[[str], "list[str] | None"]
"""Parses a record; None where a quote is out of place."""
SideCosts: TypeAlias = tuple[float, float]
"""The costs of being outside and inside of a quoted cell."""
LineCosts: TypeAlias = tuple[SideCosts, SideCosts]
"""The costs at the end of a line, for each side on which it began."""

SIDES: Final[LineCosts] = ((0, math.inf), (math.inf, 0))
UNQUOTED: Final[LineCosts] = ((0, 1), (1, 0))
"""The costs of a line without quotes: a change of side needs a lost one."""
UNKNOWN: Final[LineCosts] = ((1, 1), (1, 1))


def cell_parser(separator: str) -> CellParser:
    """Return the parser of records whose cells such a character separates."""
    parted = re.escape(separator)
    cell = re.compile(rf'{parted}("[^"]*+(?:""[^"]*+)*+"|[^"{parted}]*+)')

    def cells(text: str) -> list[str] | None:
        record = separator + text.rstrip("\r\n")
        if QUOTE not in record:
            return record[1:].split(separator)
        found: list[str] = cell.findall(record)
        if sum(map(len, found)) + len(found) != len(record):  # something stands between a quoted cell and its end
            return None
        return [_inside(one) if one.startswith(QUOTE) else one for one in found]

    return cells


def unquoted_cells(line: str, separator: str) -> list[str] | None:
    """Parse a line of a table without quoting; None where its quotes are not paired within cells, or it is too long.

    A cell that is quoted as a whole is unquoted.
    """
    cells = line.rstrip("\r\n").split(separator)
    if QUOTE not in line:
        return cells if len(line) < LONGEST_RECORD else None
    if len(line) >= LONGEST_RECORD or not all(map(_is_paired, cells)):
        return None
    return [_inside(cell) if _is_whole(cell) else cell for cell in cells]


def _is_paired(cell: str) -> bool:
    """Tell whether a cell is quoted as a whole, or has paired quotes without doubled ones."""
    return _is_whole(cell) or ('""' not in cell and cell.count(QUOTE) % 2 == 0)


def mistakes_against_plain(line: str, separator: str) -> int:
    """Return how many mistakes are needed to read the quotes of a line as anything but text."""
    return sum(map(_mistakes, line.rstrip("\r\n").split(separator)))


def _mistakes(cell: str) -> int:
    if QUOTE not in cell or _is_whole(cell):
        return 0
    if cell.startswith(("{", "[")) and _is_json(cell):
        return MANY_MISTAKES
    outside = len(cell) - (cell.rindex(QUOTE) + 1 - cell.index(QUOTE))
    at_an_edge = QUOTE in {cell[0], cell[-1]}  # one that was lost, and one that was not doubled
    return min(outside, 2 if at_an_edge else MANY_MISTAKES)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_whole(cell: str) -> bool:
    return len(cell) >= 2 and cell[0] == cell[-1] == QUOTE and QUOTE not in cell[1:-1].replace('""', "")


def _inside(cell: str) -> str:
    return cell[1:-1].replace('""', QUOTE)


def line_costs(line: str, separator: str) -> LineCosts:
    """Return the costs of a line from each side to each side; a line that was cut tells nothing."""
    if len(line) >= LONGEST_RECORD:
        return UNKNOWN
    if QUOTE not in line:
        return UNQUOTED
    outside, inside = (_read(line, separator, began) for began in SIDES)
    return (min(outside[0], _as_it_stands(line, separator)), outside[1]), inside


def _as_it_stands(line: str, separator: str) -> float:
    """Return the cost of a line whose cells have paired quotes: one mistake for each such cell."""
    cost = 0
    for cell in line.rstrip("\r\n").split(separator):
        if cell.count(QUOTE) % 2:
            return math.inf
        cost += QUOTE in cell and not _is_whole(cell)
    return cost


def _read(line: str, separator: str, began: SideCosts) -> SideCosts:
    """Return the costs at the end of a line, calculated quote by quote."""
    text, edges = line.rstrip("\r\n"), {"", separator}
    outside, inside = began
    free: dict[int, float] = {}
    """The cost of being inside before a quote that belongs to the previous one, by position."""
    begin, at = 0, text.find(QUOTE)
    while at >= 0:
        outside, inside = _with_lost(outside, inside, text, separator, begin, at)
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        stays = min(inside + 1, free.pop(at, math.inf))
        free[at + 1] = min(inside, free.get(at + 1, math.inf))
        free[at + 2] = inside + 1  # something was put between the two
        closed, opened = inside + (after not in edges), outside + (before not in edges)
        outside, inside = min(closed, outside + 1), min(opened, stays)
        begin, at = at + 1, text.find(QUOTE, at + 1)
    return _with_lost(outside, inside, text, separator, begin, len(text))


def _with_lost(outside: float, inside: float, text: str, separator: str, begin: int, end: int) -> SideCosts:
    """Return the costs with a quote lost between two positions; twice as much where no cell begins or ends."""
    has_edge = text.find(separator, begin, end) >= 0
    opens = 1 if has_edge or begin == 0 < end else 2
    closes = 1 if has_edge or end == len(text) else 2
    return min(outside, inside + closes), min(inside, outside + opens)
