"""Checks the parameters of a row as its operation does, keeps them as JSON, and builds the operation from them.

A file on this machine is `{"path": "cat.png"}` in a row. It is kept with its absolute path and its SHA-256: what was
checked, and what the row's id stands for, must be what is sent.
"""

import hashlib
import inspect
import json
import re
import shlex
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from attrs import define, evolve, field

from generor_async.api.generor import operations as generor
from generor_async.api.luma import operations as luma
from generor_async.batch.python_rows import as_json
from generor_async.batch.row_files import contains_file, hash_file, restore_media, without_paths
from generor_async.engine.convert import to_json
from generor_async.errors import InvalidRequestError
from generor_async.rules import arguments
from generor_async.rules.equivalence import CANONICAL_VERSION, canonical_parameters, content_parameters
from generor_async.rules.http_types import Operation
from generor_async.rules.misspellings import closest_name
from generor_async.rules.older_api import advice_on_field
from generor_async.stores.records import NewRow, canonical_json
from generor_async.values import JSON, MediaRef, is_array, is_object

__all__ = [
    "OPERATIONS",
    "PROMPT",
    "BadRowError",
    "Parameters",
    "list_names",
    "request_digest",
    "request_key",
]

OPERATIONS: Final = {"generor": "generor.generators.generate", "luma": "luma.generations.create"}
"""The operation of a batch, by API."""
DEFAULTS: Final = {**generor.DEFAULTS, **luma.DEFAULTS}
"""The server's defaults of parameters, by operation."""
COLUMNS_KEY: Final = "columns"
"""The key under which results and failed rows have the columns that are no parameters; read again as columns."""
ERROR_KEY: Final = "error"
"""The key under which failed rows have their error's type and message; ignored when they are read again."""
PROMPT: Final = "prompt"
NUL: Final = json.dumps("\0")[1:-1]
"""How JSON writes that character; a text with a backslash may look like it."""
LONGEST_ID: Final = 200
ID_DIGITS: Final = 32
MAX_NAMES: Final = 50
"""Names that a message lists at most."""
PLAIN_TYPES: Final = frozenset({str, int, bool, type(None)})
"""Types whose values are JSON, and can't contain a file."""
BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class BadRowError(ValueError):
    """What is wrong with a row, and how to correct it."""


@define
class Parameters:
    """The parameters of one operation, with the options by which rows are read."""

    operation: str
    folder: Path = field(factory=Path.cwd, kw_only=True)
    """The folder that paths in rows are relative to."""
    common: Mapping[str, JSON] = field(factory=dict[str, JSON], kw_only=True)
    """Parameters of every row that doesn't give them itself."""
    keep: frozenset[str] = field(default=frozenset[str](), kw_only=True)
    """Names of columns that are no parameters, and are exported with the results."""
    prompt_column: str | None = field(default=None, kw_only=True)
    """The column that holds the prompt, if it isn't `prompt`."""
    on_file: Callable[[], object] = field(default=lambda: None, kw_only=True)
    """Called for each file of this machine that a row names, existing or not."""
    version: int = field(default=CANONICAL_VERSION, kw_only=True)
    """The version of the fingerprint that is the id of a row without one; 1 is a hash of the parameters as written."""
    names: frozenset[str] = field(init=False)
    _build: Callable[..., Operation[Any]] = field(init=False)
    _required: tuple[str, ...] = field(init=False)
    _types: Mapping[str, frozenset[Any]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._build = {**generor.BUILDERS, **luma.BUILDERS}[self.operation]
        found = inspect.signature(self._build).parameters
        self.names = frozenset(found)
        self._required = tuple(name for name, one in found.items() if one.default is inspect.Parameter.empty)
        hints = typing.get_type_hints(self._build)
        self._types = {name: frozenset(_accepted_types(hints[name])) for name in found}

    def parse(self, given: Mapping[str, JSON], place: str) -> NewRow:
        """Check the parameters of a row, and separate its other columns; raise BadRowError."""
        parameters = {**self.common, **(given if self.prompt_column is None else self._rename_prompt(given))}
        id_ = parameters.pop("id", None)
        columns = self._pop_columns(parameters, given)
        self._check_names(parameters)
        try:
            kept, text = self._check_values(parameters)
        except UnicodeEncodeError:
            raise BadRowError("it holds half of a surrogate pair, which is no text: remove it") from None
        except InvalidRequestError as error:
            raise BadRowError(f"{error} Correct it, and run it again.") from None
        except (TypeError, ValueError, RecursionError) as error:
            raise BadRowError(f"it is not JSON ({error}): hand in text, numbers, lists and mappings") from None
        _check_texts(kept, text)
        checked_id = self.fingerprint(kept, text) if id_ is None else _check_id(id_)
        return NewRow(
            id=checked_id, parameters=kept, place=place, text=text, columns=columns, has_own_id=id_ is not None
        )

    def _pop_columns(self, parameters: dict[str, JSON], given: Mapping[str, JSON]) -> dict[str, JSON]:
        """Remove from the parameters what is none, and return it: columns to keep, and those of an earlier run."""
        columns = dict[str, JSON]()
        if self.keep and not self.keep.isdisjoint(parameters):
            columns = {name: as_json(parameters.pop(name)) for name in given if name in self.keep}
        if is_object(earlier := parameters.get(COLUMNS_KEY)):
            columns = {**{str(name): as_json(value) for name, value in earlier.items()}, **columns}
            del parameters[COLUMNS_KEY]
        if is_object(error := parameters.get(ERROR_KEY)) and error.keys() == {"type", "message"}:
            del parameters[ERROR_KEY]
        return columns

    def _check_values(self, parameters: Mapping[str, JSON]) -> tuple[Mapping[str, JSON], str]:
        """Build the operation once; return the parameters as they are kept, and their canonical JSON."""
        kept = parameters
        if not (is_plain := _are_plain(parameters.values())):
            kept = {
                name: self._normalize(self._to_whole_number(to_json(value), name), name)
                for name, value in parameters.items()
            }
        text = canonical_json(kept)
        text.encode()
        if is_plain:
            self._build(**kept)
        else:
            self.build(kept)
        return kept, text

    def fingerprint(self, kept: Mapping[str, JSON], text: str) -> str:
        """Return a hash that is equal for rows with the same request; it is the id of a row without one.

        `text` is the canonical JSON of the parameters.
        """
        canonical = (
            kept if self.version == 1 else canonical_parameters(kept, DEFAULTS[self.operation], version=self.version)
        )
        if self.has_file(canonical):
            text = _request_text(self.operation, canonical)
        elif canonical is not kept:
            text = canonical_json(canonical)
        return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]

    def build(self, kept: Mapping[str, JSON]) -> Operation[Any]:
        """Build the operation; raise InvalidRequestError for parameters that can never be right."""
        return self._build(**(restore_media(kept) if self.has_file(kept) else kept))

    def has_file(self, kept: Mapping[str, JSON]) -> bool:
        """Tell whether a row names a file of this machine; Generor's operation takes none."""
        if self.operation != OPERATIONS["luma"] or _are_plain(kept.values()):
            return False
        return any(map(contains_file, kept.values()))

    def parse_cell(self, name: str, text: str) -> JSON:
        """Convert a cell of a table to a parameter's type; raise BadRowError."""
        types = self._types[name]
        if bool in types:
            if (value := BOOLEANS.get(text.strip().lower())) is None:
                raise BadRowError(f"{name} is {text!r}: write true or false")
            return value
        if int in types and re.fullmatch(r"\s*-?\d{1,18}\s*", text):
            return int(text)
        if float in types and re.fullmatch(r"\s*-?\d+(\.\d*)?\s*", text):
            return float(text)
        if str in types:
            return text
        if types & {int, float}:
            raise BadRowError(f"{name} is {text!r}: write a number")
        return self._parse_structure(name, text)

    def _parse_structure(self, name: str, text: str) -> JSON:
        """Convert a cell to an object or a list: from JSON, or from a bare URL or path."""
        types, bare = self._types[name], text.strip()
        if not bare.startswith(("{", "[")) and (types & {MediaRef, "list of media", "list"}):
            if "list" in types:
                return [bare]
            reference = {"url" if "://" in bare else "path": bare}
            return [reference] if "list of media" in types else reference
        try:
            return json.loads(bare)
        except (ValueError, RecursionError) as error:
            raise BadRowError(f"{name} is not JSON ({error}): write an object or a list as JSON") from None

    def for_table(self, names: Collection[str], table: str) -> "Parameters":
        """Return the parameters for the rows of a table, whose other columns are kept.

        Raises:
            InvalidRequestError: A column may be a misspelt parameter, or a required one is missing.
        """
        known = self.names | {"id"}
        others = [name for name in names if name not in known and name not in self.keep]
        if near := {name: one for name in others if (one := closest_name(name, known)) is not None}:
            suggestions = ", ".join(f"{name!r} (is it {one!r}?)" for name, one in near.items())
            raise InvalidRequestError(
                "rows",
                f"{table} has columns that may be misspelt parameters of {self.operation}: {suggestions}",
                advice=f"Rename them, name the prompt's column (prompt_column, --prompt-column), or {_keep_hint(near)}",
            )
        if missing := [name for name in self._required if name not in names and name not in self.common]:
            raise InvalidRequestError(
                "rows",
                f"{table} has no column {_quoted(missing)}; its columns are {list_names(names) or 'without names'}",
                advice="Name the prompt's column (prompt_column, --prompt-column), or give what is missing for all rows"
                " (common, --param)",
            )
        return evolve(self, keep=self.keep.union(others))

    def kept_columns(self, names: Iterable[str]) -> list[str]:
        """Return those of these names that are columns to keep."""
        return [name for name in names if name in self.keep]

    def _rename_prompt(self, given: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """Return a row with its prompt column renamed to `prompt`."""
        if self.prompt_column in given and self.prompt_column != PROMPT and PROMPT in given:
            raise BadRowError(f"it has {PROMPT!r} beside {self.prompt_column!r}, which is the prompt: leave one out")
        return {PROMPT if name == self.prompt_column else name: value for name, value in given.items()}

    def _check_names(self, parameters: Mapping[str, JSON]) -> None:
        if not parameters.keys() <= self.names:
            unknown = sorted(parameters.keys() - self.names)
            known = ", ".join(sorted(self.names))
            hints = map(advice_on_field, unknown) if self.operation == OPERATIONS["luma"] else ()
            advice = "".join(f". {each}" for each in hints if each)
            raise BadRowError(
                f"{_quoted(unknown)} is no parameter of {self.operation}; those are: {known}{advice}."
                f" Correct it, or {_keep_hint(unknown)}"
            )
        if missing := [name for name in self._required if name not in parameters]:
            raise BadRowError(f"{_quoted(missing)} is missing: add it to the row, or give it for all rows")

    def _to_whole_number(self, value: JSON, name: str) -> JSON:
        """Convert 37.0 to 37 where the parameter is a whole number: JSON and tables write both."""
        types = self._types[name]
        whole = int in types and float not in types and isinstance(value, float) and value.is_integer()
        return int(value) if whole else value

    def _normalize(self, value: JSON, name: str) -> JSON:
        """Return a value as it is kept: every file with its absolute path and its hash."""
        if isinstance(value, MediaRef):
            arguments.medium(value, name)
            value = {"path": value.value, **({"media_type": value.media_type} if value.media_type else {})}
        if is_object(value):
            if isinstance(path := value.get("path"), str) and self.operation == OPERATIONS["luma"]:
                self.on_file()
                absolute = (self.folder / path).absolute()
                return {**value, "path": str(absolute), "sha256": hash_file(absolute, name)}
            return {key: self._normalize(item, name) for key, item in value.items()}
        if is_array(value):
            return [self._normalize(item, name) for item in value]
        return value


def request_digest(operation: str, kept: Mapping[str, JSON]) -> int:
    """Return a hash that is equal for rows that mean the same; files are compared by content."""
    return _hash(_request_text(operation, canonical_parameters(kept, DEFAULTS[operation])))


def request_key(operation: str, kept: Mapping[str, JSON]) -> int:
    """Return a hash that is equal for rows which want the same thing, whatever the settings it is made with."""
    return _hash(_request_text(operation, content_parameters(kept, DEFAULTS[operation])))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)


def _request_text(operation: str, parameters: Mapping[str, JSON]) -> str:
    """Return a request as canonical JSON, in which files are identified by content."""
    return canonical_json(without_paths(dict(parameters)) if operation == OPERATIONS["luma"] else parameters)


def _check_texts(kept: Mapping[str, JSON], text: str) -> None:
    """Raise BadRowError for a blank prompt, and for a NUL character: no one means to pay for either."""
    if isinstance(prompt := kept.get(PROMPT), str) and not prompt.strip():
        raise BadRowError(f"its {PROMPT} is blank: write one")
    if NUL in text and _holds_nul(kept):
        raise BadRowError("it holds a NUL character, as a file in another encoding than UTF-8 may: remove it")


def _holds_nul(value: JSON) -> bool:
    if is_object(value):
        return any(_holds_nul(item) for item in (*value.keys(), *value.values()))
    return any(map(_holds_nul, value)) if is_array(value) else isinstance(value, str) and "\0" in value


def _are_plain(values: Iterable[JSON]) -> bool:
    return PLAIN_TYPES.issuperset(map(type, values))


def _check_id(value: JSON) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**LONGEST_ID
    if not (is_whole or isinstance(value, str)) or not 1 <= len(str(value)) <= LONGEST_ID:
        raise BadRowError(f"its id must be text of 1 to {LONGEST_ID} characters, or a whole number: correct it")
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise BadRowError("its id holds half of a surrogate pair, which is no text: correct it") from None
    return str(value)


def _accepted_types(hint: Any) -> "list[type | Literal['list', 'list of media']]":
    """Return the types that a parameter accepts, as far as a cell of a table needs them."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return [str]
    if origin in {list, tuple}:
        return ["list"]
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return ["list of media"]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return [dict]
    return [type_ for argument in arguments for type_ in _accepted_types(argument)] if arguments else [hint]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def list_names(names: Collection[str]) -> str:
    """List names; of many only the first, and how many more there are."""
    more = len(names) - MAX_NAMES
    return _quoted(list(names)[:MAX_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _keep_hint(names: Iterable[str]) -> str:
    """Return the advice on how to keep columns that are no parameters."""
    options = " ".join(f"--keep {shlex.quote(name)}" for name in names)
    return f"keep it beside the parameters (keep={list(names)!r}, {options})"
