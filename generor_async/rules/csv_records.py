"""Reads the records of a CSV table; lines that can't be read with certainty are rejected.

A record that is read wrongly is paid for, so nothing is guessed. Quotes follow RFC 4180, with any separator; around a
misplaced one, lines are rejected (`rules.csv_quote_recovery`). A record with too few or too many cells may be a piece
of another one with an unquoted line end. So the records beside it are rejected, too: more of them in a table of few
columns, where a piece looks like a record more easily.

A table whose lines all have as many cells as the header, with paired quotes in them, was written without quoting: each
line is a record, and its quotes are text, except those around a whole cell.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from attrs import define, field, frozen

from generor_async.rules.csv_quote_recovery import MOST_CELL_LINES, QuoteRecovery
from generor_async.rules.csv_quotes import (
    LONGEST_RECORD,
    MANY_MISTAKES,
    QUOTE,
    cell_parser,
    mistakes_against_plain,
    unquoted_cells,
)
from generor_async.rules.csv_separators import SEPARATOR_NAMES

__all__ = ["REJECTED_TEXT_KEPT", "CsvRecord", "CsvTable", "Line", "RejectedLines", "text_problem"]

Line: TypeAlias = tuple[int, str]
"""A line's number and its text with the line end."""
CsvRecord: TypeAlias = tuple[int, int, list[str]]
"""The numbers of its first and last line, and its cells."""

ADJACENT_LINES: Final = "the lines beside it may be pieces of it"
REJECTED_TEXT_KEPT: Final = 65_536
"""Characters that are kept of rejected lines."""


@frozen
class RejectedLines:
    """Lines that can't be read with certainty."""

    first: int
    last: int
    text: str = field(repr=False)
    """The lines, cut to REJECTED_TEXT_KEPT characters."""
    reason: str
    """The problem, and what to do about it."""


@define
class _RawRecord:
    """A record; or, without cells, rejected lines."""

    first: int
    lines: Sequence[str]
    cells: list[str] | None
    reason: str = ""

    @property
    def size(self) -> int:
        return sum(map(len, self.lines))

    def set_aside(self, reason: str) -> None:
        if self.cells is not None:
            self.cells, self.reason = None, reason


def text_problem(text: str) -> str:
    """Return why a text can't be used; empty where it can."""
    if "\0" in text:
        return "it holds a NUL (a zero byte), which no text has: remove it, or write the file again"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "it is not UTF-8: write the file as UTF-8"
    return ""


class CsvTable:
    """The header and the records of a table."""

    def __init__(self, lines: Iterable[Line], separator: str) -> None:
        self._lines = iter(lines)
        self._ahead: deque[Line] = deque()
        """Lines that were read, and are to be read again."""
        self._separator = separator
        self._holding = f"quotes, line ends or {SEPARATOR_NAMES.get(separator, 'the separator')}"
        self._cells = cell_parser(separator)
        self._may_be_plain = True
        """Whether all records so far would read the same if there were no quoting."""
        self._is_plain = False
        entry = self._next_entry()
        while entry is not None and entry.cells is not None and not any(map(str.strip, entry.cells)):
            entry = self._next_entry()
        self.header: list[str] = []
        """The names of the columns, without empty ones at the end; empty where there are none."""
        self.problem = ""
        """Why the header can't be read; empty where it can, and where there is none."""
        if entry is not None:
            self._head(entry)

    def _head(self, entry: _RawRecord) -> None:
        self.problem = text_problem("".join(entry.lines)) if entry.cells is not None else self._misquoted(entry)
        cells = entry.cells or []
        width = max((number for number, cell in enumerate(cells, 1) if cell), default=0)
        self.header = cells[:width]
        self._counts = range(width, len(cells) + 1)
        """How many cells a record may have."""
        self._end = "\r\n" if entry.lines[-1].endswith("\r\n") else ""
        """How every record ends; empty where that says nothing."""

    def records(self) -> Iterator[CsvRecord | RejectedLines]:
        """Yield records and rejected lines below the header, in order."""
        return self._joined(self._with_those_beside(self._entries()))

    # --- records -----------------------------------------------------------------------------------------------------

    def _next(self) -> Line | None:
        return self._ahead.popleft() if self._ahead else next(self._lines, None)

    def _next_entry(self) -> _RawRecord | None:
        """Read lines until no quote is open; without cells if a quote is misplaced."""
        found = self._next()
        if found is None:
            return None
        number, line = found
        if self._is_plain:
            return self._plain(number, line)
        quotes, size = line.count(QUOTE), len(line)
        if not quotes and size < LONGEST_RECORD:
            return _RawRecord(number, (line,), line.rstrip("\r\n").split(self._separator))
        lines = [line]
        while quotes % 2 and size < LONGEST_RECORD and (more := self._next()) is not None:
            lines.append(more[1])
            quotes += more[1].count(QUOTE)
            size += len(more[1])
        whole = quotes % 2 == 0 and size < LONGEST_RECORD
        return _RawRecord(number, lines, self._cells("".join(lines)) if whole else None)

    def _entries(self) -> Iterator[_RawRecord]:
        """Yield records, and the lines around misplaced quotes; records that those may concern are held back."""
        held: deque[_RawRecord] = deque()
        size = 0
        while (entry := self._next_entry()) is not None:
            if entry.cells is None and not self._is_plain:
                self._read_again(entry)
                if self._reads_plainly():
                    self._is_plain = True
                else:
                    yield from self._in_doubt(held, self._misquoted(entry), entry.first)
                    held.clear()
                    size = 0
                continue
            self._may_be_plain = self._may_be_plain and self._is_alike(entry)
            held.append(entry)
            size += entry.size
            while len(held) > MOST_CELL_LINES or size > LONGEST_RECORD:
                size -= held[0].size
                yield held.popleft()
        yield from held

    def _read_again(self, entry: _RawRecord) -> None:
        self._ahead.extendleft(reversed(list(enumerate(entry.lines, entry.first))))

    def _misquoted(self, entry: _RawRecord) -> str:
        if entry.size >= LONGEST_RECORD:
            return f"line {entry.first} is longer than 16 MiB: name media by URL or path instead of carrying them"
        return (
            f"a quote is out of place in line {entry.first} or behind: put cells that hold {self._holding} in quotes,"
            " and double their own quotes"
        )

    def _in_doubt(self, held: Iterable[_RawRecord], reason: str, wrong: int) -> Iterator[_RawRecord]:
        """Read on from the wrong line until records are certain again; yield certain records and rejected lines."""
        doubt = QuoteRecovery(self._separator, wrong, self._counts if len(self.header) > 1 else range(0))
        for entry in held:
            for number, line in enumerate(entry.lines, entry.first):
                doubt.add(number, line)
        while doubt.rest is None and (found := self._next()) is not None:
            doubt.add(*found)
            if doubt.is_long:
                yield from self._settled(doubt, reason)
                doubt = doubt.beyond()
        if doubt.rest is None:
            doubt.end()
        else:
            self._ahead.extendleft(reversed(doubt.rest))
        yield from self._settled(doubt, reason)

    def _settled(self, doubt: QuoteRecovery, reason: str) -> Iterator[_RawRecord]:
        for number, lines, cells in doubt.settled(self._cells):
            yield _RawRecord(number, lines, cells, "" if cells is not None else reason)

    # --- tables without quoting --------------------------------------------------------------------------------------

    def _is_alike(self, entry: _RawRecord) -> bool:
        """Tell whether a record would read the same without quoting, with as many cells as the header."""
        line = entry.lines[0]
        has_all = line.count(self._separator) + 1 in self._counts
        return len(entry.lines) == 1 and (has_all or not line.strip())

    def _reads_plainly(self) -> bool:
        """Tell whether the lines to come read as records of a table without quoting."""
        if not self._may_be_plain or len(self.header) < 2:
            return False
        while len(self._ahead) < MOST_CELL_LINES and (line := next(self._lines, None)) is not None:
            self._ahead.append(line)
        lines = [line for _, line in self._ahead if line.strip()]
        cells = [unquoted_cells(line, self._separator) for line in lines]
        if not all(one is not None and len(one) in self._counts for one in cells):
            return False
        own = [mistakes for line in lines if (mistakes := mistakes_against_plain(line, self._separator))]
        return sum(own) >= MANY_MISTAKES and 2 * len(own) > sum(QUOTE in line for line in lines)

    def _plain(self, number: int, line: str) -> _RawRecord:
        cells = unquoted_cells(line, self._separator)
        reason = f"a quote in line {number} has no other: quotes stand in pairs everywhere before"
        return _RawRecord(number, (line,), cells, "" if cells is not None else reason)

    # --- cells -------------------------------------------------------------------------------------------------------

    def _with_those_beside(self, entries: Iterable[_RawRecord]) -> Iterator[_RawRecord]:
        """Skip blank records; reject those with too few or too many cells, and those beside them."""
        is_one = len(self.header) == 1  # where nothing that follows would say that it is a record
        beside = max(1, 5 - len(self.header))
        held: deque[_RawRecord] = deque()
        after, cause = 0, ""
        for entry in entries:
            if entry.cells is not None and not any(map(str.strip, entry.cells)):
                continue
            if wrong := self._wrong(entry):
                forever = is_one and entry.cells is not None
                after, cause = sys.maxsize if forever else max(after, beside), wrong
                for one in (*(held if forever else list(held)[-beside:]), entry):
                    one.set_aside(cause)
            elif after:
                after -= 1
                entry.set_aside(cause)
            held.append(entry)
            if len(held) > (MOST_CELL_LINES if is_one else beside):
                yield held.popleft()
        yield from held

    def _wrong(self, entry: _RawRecord) -> str:
        """Return why the records beside an entry may be pieces of it; empty where they can't."""
        width, cells = len(self.header), entry.cells
        if cells is None:
            has_width = width > 1 and entry.lines[0].count(self._separator) + 1 in self._counts
            return "" if has_width and not self._is_plain else entry.reason
        if self._ends_otherwise(entry.lines[-1]):
            return (
                f"line {entry.first + len(entry.lines) - 1} ends in a line feed alone, and the header in CR LF: write"
                f" all records with the same end, and put cells that hold {self._holding} in quotes; {ADJACENT_LINES}"
            )
        if len(cells) == width:
            return ""
        if len(cells) not in self._counts:
            return (
                f"line {entry.first} has {len(cells)} cells, and the header {self._counts[-1]}: give it as many, and"
                f" put cells that hold {self._holding} in quotes; {ADJACENT_LINES}"
            )
        if any(cells[width:]):
            return f"line {entry.first} has a cell in a column without a name: name it; {ADJACENT_LINES}"
        return ""

    def _ends_otherwise(self, line: str) -> bool:
        """Tell whether a line end may be inside a cell; after a quoted cell it isn't."""
        is_quoted = not self._is_plain and line.rstrip("\r\n").endswith(QUOTE)
        return bool(self._end) and line.endswith("\n") and not line.endswith(self._end) and not is_quoted

    def _joined(self, entries: Iterable[_RawRecord]) -> Iterator[CsvRecord | RejectedLines]:
        """Yield records, and consecutive rejected lines as one."""
        run: _RejectedRun | None = None
        width = len(self.header)
        for entry in entries:
            if entry.cells is None:
                run = run or _RejectedRun(entry)
                run.add(entry)
                continue
            if run is not None:
                yield run.set_aside()
                run = None
            text = "".join(entry.lines)
            last = entry.first + len(entry.lines) - 1
            if problem := text_problem(text):
                yield RejectedLines(entry.first, last, text[:REJECTED_TEXT_KEPT], problem)
            else:
                yield entry.first, last, entry.cells[:width]
        if run is not None:
            yield run.set_aside()


class _RejectedRun:
    """Consecutive rejected lines."""

    def __init__(self, entry: _RawRecord) -> None:
        self._first = entry.first
        self._reason = entry.reason
        self._text: list[str] = []
        self._left = REJECTED_TEXT_KEPT

    def add(self, entry: _RawRecord) -> None:
        for line in entry.lines if self._left > 0 else ():
            self._text.append(line[: max(0, self._left)])
            self._left -= len(line)
        self._last = entry.first + len(entry.lines) - 1

    def set_aside(self) -> RejectedLines:
        return RejectedLines(self._first, self._last, "".join(self._text), self._reason)
