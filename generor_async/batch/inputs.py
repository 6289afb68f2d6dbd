"""The rows of a batch, read from JSON lines, a table, or Python, a few hundred at a time.

A line that can't be run is named by its file and line, and set aside with its reason; the rest goes on. What concerns
every line, such as a column that is no parameter, is refused at once.
"""

import codecs
import csv
import json
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

from generor_async.batch.handed_in import Frame, given_in, is_frame, records_of
from generor_async.batch.journal import NewRow, Reject
from generor_async.batch.parameters import BadRowError, Parameters
from generor_async.engine.threads import to_the_end
from generor_async.errors import InvalidRequestError
from generor_async.values import JSON, is_object

__all__ = ["Rows", "read"]

Rows: TypeAlias = (
    str | os.PathLike[str] | Iterable[Mapping[str, Any] | str] | AsyncIterable[Mapping[str, Any] | str] | Frame
)
"""A file's path; parameters of the operation, each row's with its `id` if it has one; prompts; or a DataFrame."""

FILE_AT_ONCE: Final = 500
ITERATOR_AT_ONCE: Final = 100
LONGEST_LINE: Final = 16 * 1024 * 1024
"""Characters of one line."""
TEXT_KEPT: Final = 65_536
"""Characters kept of a line that can't be run."""
HEAD: Final = 64
JSON_LINES: Final = frozenset({".jsonl", ".ndjson"})
TABLES: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
ESCAPED: Final = range(0xDC80, 0xDD00)
"""What stands for bytes that aren't UTF-8."""


async def read(
    rows: Rows, parameters: Parameters, *, prompt_column: str | None = None
) -> AsyncIterator[Sequence[NewRow | Reject]]:
    """Yield what is read, checked; from an async iterator each row as it comes, else some hundred at a time.

    Args:
        rows: Where the rows come from.
        parameters: The operation that they are for.
        prompt_column: The column of a table that holds the prompt, where it has another name. The table is foreign
            then, and its columns that are no parameters are left out.

    Raises:
        InvalidRequestError: The source can't be read, or none of its rows can be right.
    """
    if isinstance(rows, str | os.PathLike):
        found = _from_file(Path(rows), parameters, prompt_column)
        while page := await to_the_end(lambda: list(islice(found, FILE_AT_ONCE))):
            yield page
    elif is_frame(rows):
        records = records_of(rows)
        names = dict.fromkeys(name for record in records for name in record)
        own = parameters.with_columns([name for name in names if isinstance(name, str)], "the table")
        for start in range(0, len(records), ITERATOR_AT_ONCE):
            some = enumerate(records[start : start + ITERATOR_AT_ONCE], start + 1)
            yield [_from_python(record, own, number) for number, record in some]
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


def _from_python(given: object, parameters: Parameters, number: int) -> NewRow | Reject:
    place = f"rows:{number}"
    try:
        return parameters.row(given_in(given), place)
    except BadRowError as error:
        return _reject(place, _shown(given), str(error))
    except InvalidRequestError as error:
        return _reject(place, _shown(given), f"{error.problem}. {error.advice}")


def _shown(given: object) -> str:
    """Return what was handed in as a row, as text: as JSON if that can be."""
    try:
        return json.dumps(given, default=repr)
    except (TypeError, ValueError, RecursionError):
        return repr(given)


def _from_file(path: Path, parameters: Parameters, prompt_column: str | None) -> Iterator[NewRow | Reject]:
    kind = path.suffix.lower()
    if kind not in JSON_LINES | TABLES.keys():
        raise _refused(f"{path} is of no known kind", "Name it .jsonl, .csv or .tsv, as what it holds")
    empty = True
    try:
        with _opened(path) as file:
            lines = _lines(file, path.name)
            found = (
                _from_table(lines, TABLES[kind], parameters, prompt_column, path)
                if kind in TABLES
                else (_from_json(line, place, parameters) for place, line in lines if line.strip())
            )
            for entry in found:
                empty = False
                yield entry
    except OSError as error:
        raise _refused(f"{path} cannot be read ({error.strerror})", "Give a file that can be read") from None
    except UnicodeError as error:
        raise _refused(f"{path} breaks off or is not UTF-16 ({error})", "Write it again, as UTF-8") from None
    if empty:
        raise _refused(f"{path} has no rows", "Write a row on each line" + (" below the header" * (kind in TABLES)))


def _refused(problem: str, advice: str) -> InvalidRequestError:
    return InvalidRequestError("rows", problem, advice=advice)


def _reject(place: str, text: str, reason: str) -> Reject:
    return Reject(place=place, text=_printable(text)[:TEXT_KEPT], reason=_printable(reason))


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


# --- lines ------------------------------------------------------------------------------------------------------------


def _opened(path: Path) -> IO[str]:
    """Open a text in UTF-8 or UTF-16, as its first bytes tell; bytes that aren't UTF-8 come as surrogates."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    encoding = "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in head:
        encoding = "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
    errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
    return path.open(encoding=encoding, errors=errors, newline="")


def _lines(file: IO[str], name: str) -> Iterator[tuple[str, str]]:
    """Yield each line with its place; what is longer than a line may be comes cut, and its rest is left out."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        rest = line
        while len(rest) == LONGEST_LINE and not rest.endswith(("\n", "\r")):
            rest = file.readline(LONGEST_LINE)
        yield _printable(f"{name}:{number}"), line


def _problem(line: str) -> str:
    """Return why a line is none to read on; empty where it is one."""
    if len(line) == LONGEST_LINE:
        return "it is longer than 16 MiB: name media by URL or path instead of carrying them"
    if any(ord(character) in ESCAPED for character in line):
        return "it is not UTF-8: write the file as UTF-8"
    return ""


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_constant).decode


def _from_json(line: str, place: str, parameters: Parameters) -> NewRow | Reject:
    text = line.strip()
    if problem := _problem(line):
        return _reject(place, text, problem)
    try:
        given = _decode(text)
    except (ValueError, RecursionError) as error:
        return _reject(place, text, f"it is not JSON ({error}): write one object on each line")
    if not is_object(given):
        return _reject(place, text, "it is not a JSON object: write one object on each line")
    try:
        return parameters.row(given, place)
    except BadRowError as error:
        return _reject(place, text, str(error))


# --- tables -----------------------------------------------------------------------------------------------------------


def _from_table(
    lines: Iterator[tuple[str, str]], separator: str, parameters: Parameters, prompt_column: str | None, path: Path
) -> Iterator[NewRow | Reject]:
    records = _tabbed(lines) if separator == "\t" else _quoted(lines)
    names: list[str] | None = None
    for place, cells, problem in records:
        if names is None:
            if problem:
                raise _refused(
                    f"the header of {path} cannot be read: {problem}", "Begin with a line that names the columns"
                )
            names = _columns(cells, parameters, prompt_column, path)
        elif problem or len(cells) != len(names):
            miscounted = f"it has {len(cells)} cells, and the header {len(names)}: give it as many"
            yield _reject(place, separator.join(cells), problem or miscounted)
        else:
            yield _from_cells(dict(zip(names, cells, strict=True)), place, parameters)


def _columns(cells: Sequence[str], parameters: Parameters, prompt_column: str | None, path: Path) -> list[str]:
    """Return the names of a table's columns as the operation has them."""
    if prompt_column is not None and prompt_column not in cells:
        raise _refused(f"{path} has no column {prompt_column!r}", f"Its columns are {', '.join(map(repr, cells))}")
    names = ["prompt" if cell == prompt_column else cell for cell in cells]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _refused(f"{path} has the column {twice[0]!r} twice", "Give each column a name of its own")
    known = parameters.names | {"id"}
    if prompt_column is None and (unknown := [name for name in names if name not in known]):
        raise _refused(
            f"{path} has columns that are no parameters of {parameters.operation}: {', '.join(map(repr, unknown))}",
            "Rename or remove them, or name the prompt's column (prompt_column, --prompt-column) to leave others out",
        )
    return names


def _from_cells(cells: Mapping[str, str], place: str, parameters: Parameters) -> NewRow | Reject:
    """Read a record; an empty cell is a parameter that isn't given."""
    known = {name: cell for name, cell in cells.items() if cell and name in parameters.names | {"id"}}
    try:
        given: dict[str, JSON] = {
            name: cell if name == "id" else parameters.cell(name, cell) for name, cell in known.items()
        }
        return parameters.row(given, place)
    except BadRowError as error:
        return _reject(place, json.dumps(known, ensure_ascii=False), str(error))


_Record: TypeAlias = tuple[str, list[str], str]
"""Where it is, its cells, and what is wrong with it."""


def _tabbed(lines: Iterator[tuple[str, str]]) -> Iterator[_Record]:
    """Part lines at tabs. A cell is quoted only if the whole of it is: some prompts begin with a quotation."""
    for place, line in lines:
        if text := line.rstrip("\r\n"):
            yield place, [_unquoted(cell) for cell in text.split("\t")], _problem(line)


def _unquoted(cell: str) -> str:
    inner = cell[1:-1]
    whole = len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if whole else cell


def _quoted(lines: Iterator[tuple[str, str]]) -> Iterator[_Record]:
    """Part lines at commas, as RFC 4180 has it: a quoted cell may hold commas, quotes twice, and line ends."""
    places: list[str] = []
    bad: list[str] = []

    def texts() -> Iterator[str]:
        for place, line in lines:
            places.append(place)
            bad.append(_problem(line))
            yield line

    reader = csv.reader(texts(), strict=True)
    while True:
        places.clear()
        bad.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = (
                f"it is not CSV ({error}): put cells that hold quotes or commas in quotes, and double those quotes"
            )
            yield _span(places), [], problem
        else:
            if cells:
                yield _span(places), cells, "".join(bad)


def _span(places: Sequence[str]) -> str:
    """Name the lines of a record."""
    return places[0] if len(places) == 1 else f"{places[0]}-{places[-1].rpartition(':')[2]}"
