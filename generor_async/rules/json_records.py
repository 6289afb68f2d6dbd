"""Reads JSON objects from a text, one on each line or in an array; broken parts are rejected.

No object inside of a broken one may be taken for a row, because rows cost money. So a line that breaks off is rejected
with the lines that continue it. An indented object after a broken line may be a part of it, and an object before a line
that reads like the inside of one may have been closed too early: both are rejected. In an array, no element after a
broken one can be found for certain: the rest is rejected, with the last object before it and what follows that.
"""

import json
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from generor_async.rules.csv_quotes import LONGEST_RECORD
from generor_async.rules.csv_records import REJECTED_TEXT_KEPT, Line, RejectedLines, text_problem
from generor_async.values import JSON, is_object

__all__ = ["Element", "is_array_text", "parse_array", "parse_lines"]

Element: TypeAlias = tuple[int, int, JSON, str]
"""An element: the numbers of its first and last line, its value and its text."""

MOST_CONTINUED_LINES: Final = 1_000
"""Most lines over which an object is continued."""
MOST_CONTINUED_CHARACTERS: Final = 1024 * 1024
TOO_LONG: Final = "it is longer than 16 MiB: name media by URL or path instead of carrying them"
OVER_LINES: Final = "it goes on over lines: write one object on each line, or an array of objects"
CLOSED: Final = "what stands behind it may be a part of it: write one object on each line"
CONTINUATIONS: Final = (",", ":", "]", "}", '"')
"""First characters of lines that may be the rest of an object."""
HALF: Final = "it holds half of a surrogate pair, which is no text: remove it"
ARRAY: Final = re.compile(r"\s*\[\s*(\{|\]|$)")
BLANK: Final = re.compile(r"[ \t\r\n]*")


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; raises ValueError for a repeated member, which would be lost silently."""
    found = dict(members)
    if len(found) < len(members):
        (name, _), *_ = Counter(name for name, _ in members).most_common(1)
        raise ValueError(f"an object has {name!r} twice")
    return found


_strict: Final = json.JSONDecoder(parse_constant=_constant, object_pairs_hook=_object)
_lenient: Final = json.JSONDecoder()
_as_text: Final = json.JSONEncoder(ensure_ascii=False).encode


def is_array_text(first: str) -> bool:
    """Tell from the first line that isn't blank whether a text is an array of objects."""
    return ARRAY.match(first) is not None


def _surrogate_problem(value: JSON, text: str) -> str:
    """Return the problem of a value with half a surrogate pair; empty for other values."""
    if "\\u" in text:
        try:
            _as_text(value).encode()
        except UnicodeEncodeError:
            return HALF
    return ""


# --- lines ------------------------------------------------------------------------------------------------------------


def parse_lines(lines: Iterable[Line], *, at_once: bool = False) -> Iterator[Element | RejectedLines]:
    """Yield the elements of a text with one object on each line.

    `at_once` yields an object before the next line is read, which might show that it was closed too early.
    """
    elements = _Lines(lines).elements()
    return elements if at_once else _not_closed_too_early(elements)


def _not_closed_too_early(elements: Iterable[Element | RejectedLines]) -> Iterator[Element | RejectedLines]:
    """Reject an object as well if a broken line follows that reads like the inside of an object."""
    held: Element | RejectedLines | None = None
    for one in elements:
        if isinstance(one, RejectedLines) and one.text.startswith(CONTINUATIONS) and isinstance(held, tuple):
            held = RejectedLines(held[0], held[1], held[3][:REJECTED_TEXT_KEPT], CLOSED)
        if held is not None:
            yield held
        held = one
    if held is not None:
        yield held


class _Lines:
    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = iter(lines)
        self._ahead: deque[Line] = deque()
        """Lines that were read, and are to be read again."""
        self._is_broken = False
        """Whether what stands before may go on."""

    def elements(self) -> Iterator[Element | RejectedLines]:
        while (found := self._next()) is not None:
            number, line = found
            if text := line.strip():
                yield self._element(number, line, text)

    def _next(self) -> Line | None:
        return self._ahead.popleft() if self._ahead else next(self._lines, None)

    def _element(self, number: int, line: str, text: str) -> Element | RejectedLines:
        if problem := TOO_LONG if len(line) >= LONGEST_RECORD else text_problem(text):
            return RejectedLines(number, number, text[:REJECTED_TEXT_KEPT], problem)
        try:
            value = _strict.decode(text)
        except json.JSONDecodeError as error:
            return self._going_on(number, text, error)
        except (ValueError, RecursionError) as error:
            return self._broken(number, number, text, error)
        if problem := _surrogate_problem(value, text):
            return RejectedLines(number, number, text[:REJECTED_TEXT_KEPT], problem)
        if self._is_broken and line[0].isspace():
            reason = "it is indented, and may be a part of what stands before: write one object on each line"
            return RejectedLines(number, number, text[:REJECTED_TEXT_KEPT], reason)
        self._is_broken = False
        return number, number, value, text

    def _broken(self, first: int, last: int, text: str, error: Exception) -> RejectedLines:
        self._is_broken = True
        reason = f"it is not JSON ({error}): write one object on each line"
        return RejectedLines(first, last, text[:REJECTED_TEXT_KEPT], reason)

    def _going_on(self, first: int, text: str, why: json.JSONDecodeError) -> RejectedLines:
        """Reject a line that breaks off, with the lines that continue it."""
        last, so_far, error = first, text, why
        while (
            _breaks_off(so_far, error)
            and last - first < MOST_CONTINUED_LINES
            and len(so_far) < MOST_CONTINUED_CHARACTERS
        ):
            found = self._next()
            if found is None:
                break
            longer = f"{so_far}\n{found[1].rstrip()}"
            try:
                _strict.decode(longer)
            except json.JSONDecodeError as another:
                if not _breaks_off(longer, another):
                    self._ahead.appendleft(found)
                    break
                error = another
            except (ValueError, RecursionError):
                pass
            else:
                return RejectedLines(first, found[0], longer[:REJECTED_TEXT_KEPT], OVER_LINES)
            last, so_far = found[0], longer
        return self._broken(first, last, so_far, error)


def _breaks_off(text: str, error: json.JSONDecodeError) -> bool:
    """Tell whether a text is broken at its end only."""
    return error.pos >= len(text) and text.startswith("{")


# --- an array ---------------------------------------------------------------------------------------------------------


def parse_array(pieces: Iterable[str]) -> Iterator[Element | RejectedLines]:
    """Yield the elements of an array that comes in pieces."""
    return _Array(pieces).elements()


class _Array:
    def __init__(self, pieces: Iterable[str]) -> None:
        self._pieces = iter(pieces)
        self._text = ""
        self._at = 0
        """Up to where the text is done with."""
        self._line = 1
        """The line that this is in."""

    def elements(self) -> Iterator[Element | RejectedLines]:
        self._move_to(self._text_from("[") + 1)
        held: list[Element | RejectedLines] = []
        """The last object and what follows it: pieces of a broken object, unless another object follows."""
        held_size = 0
        while (mark := self._mark()) != "]":
            first = self._line
            try:
                value, length, problem = self._decoded()
                after = self._after(length)
            except (ValueError, RecursionError) as error:
                yield self._rest(str(error) if mark else "the array is not closed", held)
                return
            text = self._text[self._at : self._at + length]
            if is_object(value) or not any(map(_is_object, held)) or held_size > LONGEST_RECORD:
                yield from held
                held.clear()
                held_size = 0
            held_size += length
            self._move_to(self._at + length)
            problem = problem or text_problem(text) or _surrogate_problem(value, text)
            held.append(
                RejectedLines(first, self._line, text[:REJECTED_TEXT_KEPT], problem)
                if problem
                else (first, self._line, value, text)
            )
            self._move_to(after)
        self._move_to(self._at + 1)
        if self._mark():
            yield self._rest("something stands behind the array", held)
        else:
            yield from held

    def _more(self) -> bool:
        """Double the text that is read; tell whether there was more."""
        pieces, missing = [self._text[self._at :]], max(1, len(self._text) - self._at)
        while missing > 0 and (piece := next(self._pieces, "")):
            pieces.append(piece)
            missing -= len(piece)
        self._text, self._at = "".join(pieces), 0
        return len(pieces) > 1

    def _text_from(self, character: str) -> int:
        while (at := self._text.find(character)) < 0 and self._more():
            pass
        return at

    def _move_to(self, at: int) -> None:
        self._line += self._text.count("\n", self._at, at)
        self._at = at

    def _mark(self) -> str:
        """Move to the next character that isn't blank, and return it; empty at the end."""
        while True:
            self._move_to(_behind_blanks(self._text, self._at))
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _decoded(self) -> tuple[JSON, int, str]:
        """Return the element that begins here, how long it is, and what is wrong with it; raises ValueError."""
        while True:
            try:
                return self._decoded_by(_strict, "")
            except json.JSONDecodeError as error:
                broken: ValueError = error
            except ValueError as error:
                try:
                    return self._decoded_by(_lenient, f"it is not JSON ({error}): write an array of objects")
                except ValueError as another:
                    broken = another
            if len(self._text) - self._at >= LONGEST_RECORD or not self._more():
                raise broken

    def _decoded_by(self, decoder: json.JSONDecoder, problem: str) -> tuple[JSON, int, str]:
        value, end = decoder.raw_decode(self._text, self._at)
        return value, end - self._at, problem

    def _after(self, length: int) -> int:
        """Return where the next element is looked for: behind the comma, or at the bracket; raises ValueError."""
        while (at := _behind_blanks(self._text, self._at + length)) == len(self._text) and self._more():
            pass
        mark = self._text[at : at + 1]
        if mark not in {",", "]"}:
            raise ValueError("a comma is missing behind it" if mark else "the array is not closed")
        return at + (mark == ",")

    def _rest(self, problem: str, held: Sequence[Element | RejectedLines]) -> RejectedLines:
        """Reject the rest of the array, with the elements before it that are held."""
        text = "".join(f"{_text(one)}, " for one in held) + self._text[self._at :]
        first = self._line if not held else held[0].first if isinstance(held[0], RejectedLines) else held[0][0]
        behind = self._text[self._at :].count("\n") + sum(piece.count("\n") for piece in self._pieces)
        reason = f"it is not JSON ({problem}), so that nobody can tell where another element begins: mend it"
        return RejectedLines(first, self._line + behind - text.endswith("\n"), text[:REJECTED_TEXT_KEPT], reason)


def _text(one: Element | RejectedLines) -> str:
    return one.text if isinstance(one, RejectedLines) else one[3]


def _is_object(one: Element | RejectedLines) -> bool:
    return not isinstance(one, RejectedLines) and is_object(one[2])


def _behind_blanks(text: str, at: int) -> int:
    found = BLANK.match(text, at)
    assert found is not None  # it may be empty
    return found.end()
