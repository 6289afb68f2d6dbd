"""Reads the rows of a batch from JSON, a table, or Python, a few hundred at a time.

A row that can't be run is a reject, with its place and the reason; the others go on. What concerns every row, such as a
misspelt column, is refused at once.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from generor_async.batch.notices import ReadingNotices, rows_error
from generor_async.batch.parameters import PROMPT, BadRowError, Parameters, list_names
from generor_async.batch.python_rows import DataFrame, is_frame, records_of, row_parameters, safe_str
from generor_async.batch.source import RowSource
from generor_async.errors import InvalidRequestError
from generor_async.rules.csv_records import REJECTED_TEXT_KEPT, CsvTable, Line, RejectedLines
from generor_async.rules.csv_separators import SEPARATOR_NAMES, declared_separator, guess_separator
from generor_async.rules.json_records import Element, is_array_text, parse_array, parse_lines
from generor_async.stores.records import NewRow, Reject
from generor_async.stores.threads import run_to_completion
from generor_async.values import JSON, is_object

__all__ = ["Rows", "read_rows"]

Rows: TypeAlias = (
    str | os.PathLike[str] | Iterable[Mapping[str, Any] | str] | AsyncIterable[Mapping[str, Any] | str] | DataFrame
)
"""A path, an iterable of rows, or a DataFrame. A row is a prompt, or a mapping of parameters, with an `id` or not."""

FILE_PAGE: Final = 500
ITERATOR_PAGE: Final = 100
JSON_SUFFIXES: Final = frozenset({".jsonl", ".ndjson", ".json"})
SEPARATORS: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


async def read_rows(
    rows: Rows | RowSource,
    parameters: Parameters,
    *,
    notices: ReadingNotices | None = None,
    keep: bool = False,
) -> AsyncGenerator[Sequence[NewRow | Reject], None]:
    """Yield pages of checked rows and rejects: of an async iterator each row as it comes, else some hundred a page.

    Args:
        rows: Where the rows come from.
        parameters: The operation that they are for.
        notices: Told how a file is read, if its name doesn't show it.
        keep: Whether what is read of a pipe will be read again.

    Raises:
        InvalidRequestError: The source can't be read, or all of its rows are wrong.
    """
    if isinstance(rows, str | os.PathLike):
        rows = RowSource(Path(rows))
    if isinstance(rows, RowSource):
        found = _from_source(rows, parameters, notices or ReadingNotices(), keep=keep)
        async with aclosing(_read_in_thread(rows, found)) as pages:
            async for page in pages:
                yield page
    elif is_frame(rows):
        for page in _from_frame(rows, parameters, notices or ReadingNotices()):
            yield page
    elif isinstance(rows, AsyncIterable):
        number = 0
        async for given in rows:
            number += 1
            yield [_from_python(given, parameters, number)]
    else:
        assert isinstance(rows, Iterable)
        checked = (_from_python(given, parameters, number) for number, given in enumerate(rows, 1))
        while page := list(islice(checked, ITERATOR_PAGE)):
            yield page


async def _read_in_thread(
    source: RowSource, found: Generator[NewRow | Reject, None, None]
) -> AsyncGenerator[Sequence[NewRow | Reject], None]:
    """Read pages of a file or pipe in a thread."""
    with closing(found):
        while True:
            reading = asyncio.ensure_future(run_to_completion(lambda: _next_page(source, found)))
            try:
                page = await asyncio.shield(reading)
            except asyncio.CancelledError:
                source.stop()
                while not reading.done():
                    with suppress(asyncio.CancelledError):  # cancelled again, as by a second signal
                        await asyncio.wait([reading])
                reading.exception()  # mark it as retrieved
                raise
            if not page:
                return
            yield page


def _next_page(source: RowSource, found: Iterator[NewRow | Reject]) -> list[NewRow | Reject]:
    """Return the next page; a short one if a pipe has no more for now, so that no row waits for later ones."""
    page = list[NewRow | Reject]()
    for entry in found:
        page.append(entry)
        if len(page) == FILE_PAGE or source.is_idle:
            break
    return page


def _from_frame(rows: DataFrame, parameters: Parameters, notices: ReadingNotices) -> Iterator[list[NewRow | Reject]]:
    records = records_of(rows)
    if not records:
        return
    names = [name for name in dict.fromkeys(name for record in records for name in record) if isinstance(name, str)]
    columns = _column_names(names, parameters.prompt_column, "the table")
    parameters = _table_parameters(parameters, columns, "the table", "the table", notices)
    for start in range(0, len(records), ITERATOR_PAGE):
        page = enumerate(records[start : start + ITERATOR_PAGE], start + 1)
        yield [_from_python(record, parameters, number) for number, record in page]


def _from_python(given: object, parameters: Parameters, number: int) -> NewRow | Reject:
    place = f"rows:{number}"
    try:
        return parameters.parse(row_parameters(given), place)
    except BadRowError as error:
        return _reject(place, _as_text(given), str(error))
    except InvalidRequestError as error:
        return _reject(place, _as_text(given), f"{error.problem}. {error.advice}")
    except RecursionError:
        return _reject(
            place, _as_text(given), "it holds lists or mappings that lie too deep in one another: flatten it"
        )


def _as_text(given: object) -> str:
    """Return a row from Python as text, as JSON if possible."""
    try:
        return json.dumps(given, default=repr)
    except (TypeError, ValueError, RecursionError):
        return safe_str(given)


def _reject(place: str, text: str, reason: str) -> Reject:
    return Reject(place=place, text=_printable(text)[:REJECTED_TEXT_KEPT], reason=_printable(reason))


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


# --- files and pipes --------------------------------------------------------------------------------------------------


def _from_source(
    source: RowSource, parameters: Parameters, notices: ReadingNotices, *, keep: bool
) -> Generator[NewRow | Reject, None, None]:
    if not source.is_stream and source.suffix not in JSON_SUFFIXES | SEPARATORS.keys() and not source.is_pipe:
        raise rows_error(f"{source.display_name} is of no known kind", "Name it .jsonl, .csv or .tsv, as what it holds")
    name, empty = _printable(source.name), True
    with source.open(keep=keep) as text:
        is_table = source.suffix in SEPARATORS
        lines = source.lines(text)
        first = next((line for line in lines if line[1].strip()), None)
        if first is not None and not source.suffix:
            is_table = not first[1].lstrip().startswith(("{", "["))
            notices.add(f"{name} is read as {'a table' if is_table else 'JSON'}, which it begins like")
        found: Iterator[NewRow | Reject] = iter(())
        if first is not None and is_table:
            separator = SEPARATORS.get(source.suffix, ",")
            found = _TableReader(first, lines, separator, parameters, source, notices).rows()
        elif first is not None:
            found = _from_json(first, lines, source.pieces(text), name, parameters, at_once=source.is_pipe)
        for entry in found:
            empty = False
            yield entry
    if empty:
        below = " below the header" if is_table else ""
        raise rows_error(f"{source.display_name} has no rows", f"Write a row on each line{below}")


def _format_place(name: str, first: int, last: int) -> str:
    return f"{name}:{first}" if first == last else f"{name}:{first}-{last}"


def _reject_lines(lines: RejectedLines, name: str) -> Reject:
    return _reject(_format_place(name, lines.first, lines.last), lines.text, lines.reason)


def _from_json(
    first: Line, lines: Iterator[Line], pieces: Iterator[str], name: str, parameters: Parameters, *, at_once: bool
) -> Iterator[NewRow | Reject]:
    if is_array_text(first[1]):
        found = parse_array(chain(["\n" * (first[0] - 1) + first[1]], pieces))
    else:
        found = parse_lines(chain([first], lines), at_once=at_once)
    for element in found:
        if isinstance(element, RejectedLines):
            yield _reject_lines(element, name)
        else:
            yield _from_element(element, name, parameters)


def _from_element(element: Element, name: str, parameters: Parameters) -> NewRow | Reject:
    first, last, given, text = element
    place = _format_place(name, first, last)
    if not is_object(given):
        return _reject(place, text, "it is not a JSON object: write one object on each line")
    try:
        return parameters.parse(given, place)
    except BadRowError as error:
        return _reject(place, text, str(error))


# --- tables -----------------------------------------------------------------------------------------------------------


class _TableReader:
    """Reads the rows of a table, from its first line that isn't blank."""

    def __init__(
        self,
        first: Line,
        lines: Iterator[Line],
        default_separator: str,
        parameters: Parameters,
        source: RowSource,
        notices: ReadingNotices,
    ) -> None:
        self._name = name = _printable(source.name)
        self._display_name = source.display_name
        self._parameters = parameters
        self._notices = notices
        separator = declared_separator(first[1])
        why = "as its first line says"
        if separator is None:
            known = parameters.names | {"id", parameters.prompt_column or PROMPT}
            separator, why = guess_separator(first[1].rstrip("\r\n"), default_separator, known), "as its header shows"
            lines = chain([first], lines)
        if separator != default_separator:
            notices.add(
                f"the cells of {name} are separated by {SEPARATOR_NAMES.get(separator, repr(separator))}, {why}"
            )
        self._table = CsvTable(lines, separator)

    def rows(self) -> Iterator[NewRow | Reject]:
        """Yield the rows and rejects."""
        name, table = self._name, self._table
        if table.problem:
            raise rows_error(
                f"the header of {self._display_name} cannot be read: {table.problem}", "Begin with the columns' names"
            )
        columns = _column_names(table.header, self._parameters.prompt_column, self._display_name)
        parameters = _table_parameters(self._parameters, columns, name, self._display_name, self._notices)
        for record in table.records():
            if isinstance(record, RejectedLines):
                yield _reject_lines(record, name)
            else:
                first, last, cells = record
                given = dict(zip(columns, cells, strict=True))
                yield _from_cells(given, _format_place(name, first, last), parameters)


def _column_names(cells: Sequence[str], prompt_column: str | None, name: str) -> list[str]:
    """Return the parameter names of a table's columns; a column without a name has an empty one."""
    if prompt_column is not None and prompt_column not in cells:
        raise rows_error(f"{name} has no column {prompt_column!r}", f"Its columns are {list_names(cells)}")
    repeated = [cell for cell, times in Counter(filter(None, cells)).items() if times > 1]
    if repeated:
        raise rows_error(f"{name} has the column {repeated[0]!r} twice", "Give each column a name of its own")
    if prompt_column not in {None, PROMPT} and PROMPT in cells:
        raise rows_error(
            f"{name} has the column {PROMPT!r} beside {prompt_column!r}, which is the prompt",
            f"Call the column {PROMPT!r} something else",
        )
    return [PROMPT if cell == prompt_column else cell for cell in cells]


def _table_parameters(
    parameters: Parameters, columns: Sequence[str], name: str, display_name: str, notices: ReadingNotices
) -> Parameters:
    """Return the parameters for a table's rows; tell which of its columns are no parameters."""
    parameters = parameters.for_table(list(filter(None, columns)), display_name)
    if others := parameters.kept_columns(columns):
        notices.add(f"{name} has columns that are kept beside what comes of its rows: {list_names(others)}")
    return parameters


def _from_cells(cells: Mapping[str, str], place: str, parameters: Parameters) -> NewRow | Reject:
    """Check a record of a table; an empty cell is a parameter that isn't given."""
    known = {name: cell for name, cell in cells.items() if cell and name}
    try:
        given: dict[str, JSON] = {
            name: parameters.parse_cell(name, cell) if name in parameters.names else cell
            for name, cell in known.items()
        }
        return parameters.parse(given, place)
    except BadRowError as error:
        return _reject(place, json.dumps(known, ensure_ascii=False), str(error))
