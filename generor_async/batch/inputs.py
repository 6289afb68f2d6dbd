"""The rows of a batch, read from JSON, a table, or Python, a few hundred at a time.

What can't be run is named by its file and lines, and set aside with its reason; the rest goes on. What concerns every
row, such as a column that is no parameter, is refused at once.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from generor_async.batch.journal import NewRow, Reject
from generor_async.batch.parameters import PROMPT, BadRowError, Parameters, shortly
from generor_async.batch.python_rows import Frame, given_in, is_frame, printed, records_of
from generor_async.batch.source import Notes, Source, refused
from generor_async.engine.threads import run_to_completion
from generor_async.errors import InvalidRequestError
from generor_async.rules.csv_records import TEXT_KEPT, Line, SetAside, Table
from generor_async.rules.csv_separators import NAMES, named_separator, separator_of
from generor_async.rules.json_records import Element, in_array, in_lines, is_array_text
from generor_async.values import JSON, is_object

__all__ = ["Rows", "read"]

Rows: TypeAlias = (
    str | os.PathLike[str] | Iterable[Mapping[str, Any] | str] | AsyncIterable[Mapping[str, Any] | str] | Frame
)
"""A file's path; parameters of the operation, each row's with its `id` if it has one; prompts; or a DataFrame."""

FILE_AT_ONCE: Final = 500
ITERATOR_AT_ONCE: Final = 100
JSON_SUFFIXES: Final = frozenset({".jsonl", ".ndjson", ".json"})
TABLES: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


async def read(
    rows: Rows | Source,
    parameters: Parameters,
    *,
    notes: Notes | None = None,
    keep: bool = False,
) -> AsyncGenerator[Sequence[NewRow | Reject], None]:
    """Yield what is read, checked; from an async iterator each row as it comes, else up to some hundred at a time.

    Args:
        rows: Where the rows come from.
        parameters: The operation that they are for.
        notes: Hears how a file is read, where its name doesn't say so.
        keep: Whether what is read of a pipe will be read again.

    Raises:
        InvalidRequestError: The source can't be read, or none of its rows can be right.
    """
    if isinstance(rows, str | os.PathLike):
        rows = Source(Path(rows))
    if isinstance(rows, Source):
        found = _from_source(rows, parameters, notes or Notes(), keep=keep)
        async with aclosing(_pages(rows, found)) as pages:
            async for page in pages:
                yield page
    elif is_frame(rows):
        for page in _from_frame(rows, parameters, notes or Notes()):
            yield page
    elif isinstance(rows, AsyncIterable):
        number = 0
        async for given in rows:
            number += 1
            yield [_from_python(given, parameters, number)]
    else:
        assert isinstance(rows, Iterable)
        checked = (_from_python(given, parameters, number) for number, given in enumerate(rows, 1))
        while page := list(islice(checked, ITERATOR_AT_ONCE)):
            yield page


async def _pages(
    source: Source, found: Generator[NewRow | Reject, None, None]
) -> AsyncGenerator[Sequence[NewRow | Reject], None]:
    """Read in a thread, a page at a time."""
    with closing(found):
        while True:
            reading = asyncio.ensure_future(run_to_completion(lambda: _page(source, found)))
            try:
                page = await asyncio.shield(reading)
            except asyncio.CancelledError:
                source.stop()
                await asyncio.wait([reading])
                reading.exception()  # nobody else will ask for it
                raise
            if not page:
                return
            yield page


def _page(source: Source, found: Iterator[NewRow | Reject]) -> list[NewRow | Reject]:
    """Read some hundred; fewer where a pipe has no more for now, so that none waits for those to come."""
    page = list[NewRow | Reject]()
    for entry in found:
        page.append(entry)
        if len(page) == FILE_AT_ONCE or source.is_idle:
            break
    return page


def _from_frame(rows: Frame, parameters: Parameters, notes: Notes) -> Iterator[list[NewRow | Reject]]:
    records = records_of(rows)
    names = [name for name in dict.fromkeys(name for record in records for name in record) if isinstance(name, str)]
    columns = _columns(names, parameters.prompt_column, "the table")
    own = _with_columns(parameters, columns, "the table", "the table", notes)
    for start in range(0, len(records), ITERATOR_AT_ONCE):
        some = enumerate(records[start : start + ITERATOR_AT_ONCE], start + 1)
        yield [_from_python(record, own, number) for number, record in some]


def _from_python(given: object, parameters: Parameters, number: int) -> NewRow | Reject:
    place = f"rows:{number}"
    try:
        return parameters.row(given_in(given), place)
    except BadRowError as error:
        return _reject(place, _shown(given), str(error))
    except InvalidRequestError as error:
        return _reject(place, _shown(given), f"{error.problem}. {error.advice}")
    except RecursionError:
        return _reject(place, _shown(given), "it holds lists or mappings that lie too deep in one another: flatten it")


def _shown(given: object) -> str:
    """Return what was handed in as a row, as text: as JSON if that can be."""
    try:
        return json.dumps(given, default=repr)
    except (TypeError, ValueError, RecursionError):
        return printed(given)


def _reject(place: str, text: str, reason: str) -> Reject:
    return Reject(place=place, text=_printable(text)[:TEXT_KEPT], reason=_printable(reason))


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


# --- files and pipes --------------------------------------------------------------------------------------------------


def _from_source(
    source: Source, parameters: Parameters, notes: Notes, *, keep: bool
) -> Generator[NewRow | Reject, None, None]:
    if not source.is_stream and source.suffix not in JSON_SUFFIXES | TABLES.keys() and not source.is_pipe:
        raise refused(f"{source.shown} is of no known kind", "Name it .jsonl, .csv or .tsv, as what it holds")
    name, empty = _printable(source.name), True
    with source.opened(keep=keep) as text:
        is_table = source.suffix in TABLES
        lines = source.lines(text)
        first = next((line for line in lines if line[1].strip()), None)
        if first is not None and not source.suffix:
            is_table = not first[1].lstrip().startswith(("{", "["))
            notes.add(f"{name} is read as {'a table' if is_table else 'JSON'}, which it begins like")
        found: Iterator[NewRow | Reject] = iter(())
        if first is not None and is_table:
            own = TABLES.get(source.suffix, ",")
            found = _Table(first, lines, own, parameters, source, notes).rows()
        elif first is not None:
            found = _from_json(first, lines, source.pieces(text), name, parameters, at_once=source.is_pipe)
        for entry in found:
            empty = False
            yield entry
    if empty:
        below = " below the header" if is_table else ""
        raise refused(f"{source.shown} has no rows", f"Write a row on each line{below}")


def _place(name: str, first: int, last: int) -> str:
    return f"{name}:{first}" if first == last else f"{name}:{first}-{last}"


def _from_json(
    first: Line, lines: Iterator[Line], pieces: Iterator[str], name: str, parameters: Parameters, *, at_once: bool
) -> Iterator[NewRow | Reject]:
    if is_array_text(first[1]):
        found = in_array(chain(["\n" * (first[0] - 1) + first[1]], pieces))
    else:
        found = in_lines(chain([first], lines), at_once=at_once)
    for one in found:
        if isinstance(one, SetAside):
            yield _reject(_place(name, one.first, one.last), one.text, one.reason)
        else:
            yield _from_element(one, name, parameters)


def _from_element(element: Element, name: str, parameters: Parameters) -> NewRow | Reject:
    first, last, given, text = element
    place = f"{name}:{first}" if first == last else f"{name}:{first}-{last}"
    if not is_object(given):
        return _reject(place, text, "it is not a JSON object: write one object on each line")
    try:
        return parameters.row(given, place)
    except BadRowError as error:
        return _reject(place, text, str(error))


# --- tables -----------------------------------------------------------------------------------------------------------


class _Table:
    """Reads the rows of a table, from its first line that isn't blank."""

    def __init__(
        self,
        first: Line,
        lines: Iterator[Line],
        own: str,
        parameters: Parameters,
        source: Source,
        notes: Notes,
    ) -> None:
        self._name = name = _printable(source.name)
        self._shown = source.shown
        self._parameters = parameters
        self._notes = notes
        separator = named_separator(first[1])
        why = "as its first line says"
        if separator is None:
            known = parameters.names | {"id", parameters.prompt_column or PROMPT}
            separator, why = separator_of(first[1].rstrip("\r\n"), own, known), "as its header shows"
            lines = chain([first], lines)
        if separator != own:
            notes.add(f"the cells of {name} are separated by {NAMES.get(separator, repr(separator))}, {why}")
        self._table = Table(lines, separator)

    def rows(self) -> Iterator[NewRow | Reject]:
        """Yield the rows, and what is set aside."""
        name, table = self._name, self._table
        if table.problem:
            raise refused(
                f"the header of {self._shown} cannot be read: {table.problem}", "Begin with the columns' names"
            )
        columns = _columns(table.header, self._parameters.prompt_column, self._shown)
        parameters = _with_columns(self._parameters, columns, name, self._shown, self._notes)
        for one in table.records():
            if isinstance(one, SetAside):
                yield _reject(_place(name, one.first, one.last), one.text, one.reason)
            else:
                first, last, cells = one
                given = dict(zip(columns, cells, strict=True))
                place = f"{name}:{first}" if first == last else f"{name}:{first}-{last}"
                yield _from_cells(given, place, parameters)


def _columns(cells: Sequence[str], prompt_column: str | None, name: str) -> list[str]:
    """Return the names of a table's columns as the operation has them; what has none is left out."""
    if prompt_column is not None and prompt_column not in cells:
        raise refused(f"{name} has no column {prompt_column!r}", f"Its columns are {shortly(cells)}")
    twice = [cell for cell, times in Counter(filter(None, cells)).items() if times > 1]
    if twice:
        raise refused(f"{name} has the column {twice[0]!r} twice", "Give each column a name of its own")
    if prompt_column not in {None, PROMPT} and PROMPT in cells:
        raise refused(
            f"{name} has the column {PROMPT!r} beside {prompt_column!r}, which is the prompt",
            f"Call the column {PROMPT!r} something else",
        )
    return [PROMPT if cell == prompt_column else cell for cell in cells]


def _with_columns(parameters: Parameters, columns: Sequence[str], name: str, where: str, notes: Notes) -> Parameters:
    """Return the parameters of a table's rows, and say which of its columns are none."""
    own = parameters.with_columns(list(filter(None, columns)), where)
    if others := own.beside(columns):
        notes.add(f"{name} has columns that are kept beside what comes of its rows: {shortly(others)}")
    return own


def _from_cells(cells: Mapping[str, str], place: str, parameters: Parameters) -> NewRow | Reject:
    """Read a record; an empty cell is a parameter that isn't given."""
    known = {name: cell for name, cell in cells.items() if cell and name}
    try:
        given: dict[str, JSON] = {
            name: parameters.cell(name, cell) if name in parameters.names else cell for name, cell in known.items()
        }
        return parameters.row(given, place)
    except BadRowError as error:
        return _reject(place, json.dumps(known, ensure_ascii=False), str(error))
